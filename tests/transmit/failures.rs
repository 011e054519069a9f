//! What an exchange that goes wrong comes to, and that the next one is right again or says what happened.

use std::thread;
use std::time::Duration;

use crate::card_bench::*;
use crate::quiet::Quiet;

/// A reader at this level with a T=1 card where that is possible: its answers are waited for only seconds.
fn connected(level: Level) -> (Bench, Context, Card) {
    let protocols = if level == Level::Tpdu {
        Protocols::T0
    } else {
        Protocols::T1
    };
    let (bench, context) = (
        Bench::with(Config::at_level(level), BuiltinCard::new(protocols)),
        Context::new(),
    );
    let card = context.shared(&bench);
    (bench, context, card)
}

const LEVELS: [Level; 3] = [Level::ExtendedApdu, Level::ShortApdu, Level::Tpdu];

/// An answer that can be no other command's: `mark` and what counts up from it.
fn exchange(card: Handle, mark: u8) -> Outcome {
    let result = card.transmit(&[0x80, 0x12, 0, mark, mark]);
    let expected: Vec<u8> = (0..mark).chain([0x90, 0x00]).collect();
    result.map(|response| assert_eq!(response, expected, "somebody else's answer"))
}

/// After a failure: either the card is what it was, or it was reset and the connection is told.
fn assert_recovers(bench: &Bench, card: Handle, what: &str) {
    match exchange(card, 30) {
        Ok(()) => {}
        Err(ResetCard) => {
            assert!(card.reconnect(SHARED, ANY, LEAVE).is_ok(), "{what}");
            assert_eq!(
                card.transmit(IS_VERIFIED),
                Ok(vec![0x63, 0xC3]),
                "{what}: told of a reset that was none"
            );
        }
        Err(error) => panic!("{what}: {error:?}"),
    }
    for mark in 31..40 {
        assert_eq!(exchange(card, mark), Ok(()), "{what}");
    }
    bench.reader.clear_faults();
}

/// The reader reports it and stays in step: nothing else changes.
#[test]
fn what_the_reader_reports_costs_nothing_but_the_exchange() {
    for level in LEVELS {
        let (bench, _context, card) = connected(level);
        assert_eq!(card.transmit(VERIFY), Ok(OK_SW.into()));
        let before = card.status().unwrap();
        // Parity, overrun, hardware, timeout of the card, busy, vendor's own, bad byte.
        for error in [0xFD, 0xFC, 0xFB, 0xF4, 0xF5, 0xE0, 0xC0, 0x81, 0x01, 0x0A] {
            bench.inject(Fault::Fail(error));
            assert_eq!(card.transmit(SELECT), Err(NotTransacted), "{level:?} error {error:#x}");
            assert_eq!(card.status().as_ref(), Ok(&before), "the state is what it was");
            assert_eq!(
                card.transmit(IS_VERIFIED),
                Ok(OK_SW.into()),
                "{level:?} after {error:#x}"
            );
        }
        assert_eq!(bench.power(), (1, 0, 0));
    }
}

/// An answer that is none: host and reader are brought into step again.
#[test]
fn broken_answers_are_not_delivered_and_the_next_exchange_is_right() {
    let faults = [
        Fault::StallIn,
        Fault::StallOut,
        Fault::Babble,
        Fault::WrongType(0x82),
        Fault::WrongLength(-1),
        Fault::WrongLength(70),
        Fault::WrongLength(i32::MAX),
        Fault::Several(vec![Fault::StaleAnswer, Fault::StallIn]),
    ];
    for level in LEVELS {
        for own_transaction in [false, true] {
            let tests: Vec<_> = faults
                .iter()
                .cloned()
                .map(|fault| {
                    thread::spawn(move || {
                        let (bench, _context, card) = connected(level);
                        let what = format!("{level:?} {fault:?} in a transaction: {own_transaction}");
                        if own_transaction {
                            card.begin().unwrap();
                        }
                        bench.inject(fault);
                        assert_eq!(exchange(card.handle, 20), Err(NotTransacted), "{what}");
                        assert_recovers(&bench, card.handle, &what);
                        if own_transaction {
                            assert_eq!(card.end(LEAVE), Ok(()), "{what}");
                        }
                    })
                })
                .collect();
            for test in tests {
                test.join().expect("see above");
            }
        }
    }
}

/// No answer, or one that comes after the time is over: it must never be taken for the answer to a later command.
#[test]
fn late_answers_are_never_delivered() {
    let faults = [
        Fault::Silence,
        Fault::Lost,
        Fault::WrongSequence,
        Fault::WrongSlot,
        Fault::Delay(Duration::from_millis(6000)),
        Fault::SplitAnswer(4),
    ];
    let levels = [Level::ExtendedApdu, Level::ShortApdu];
    let all = levels
        .into_iter()
        .flat_map(|level| faults.iter().cloned().map(move |fault| (level, fault)));
    let tests: Vec<_> = all
        .map(|(level, fault)| {
            thread::spawn(move || {
                let (bench, context, card) = connected(level);
                let other = context.shared(&bench);
                let what = format!("{level:?} {fault:?}");
                bench.inject(fault.clone());
                let watch = Quiet::now();
                match exchange(card.handle, 20) {
                    Err(NotTransacted) => {}
                    // The part of an answer that begins a message may be followed by the rest.
                    Ok(()) if matches!(fault, Fault::SplitAnswer(_)) => {}
                    other => panic!("{what}: {other:?}"),
                }
                watch.assert_within(Duration::from_secs(15), &what);
                assert_recovers(&bench, card.handle, &what);
                // Past the time at which the delayed one would have come.
                thread::sleep(Duration::from_millis(1500));
                assert_recovers(&bench, card.handle, &what);
                let told = other.status().err();
                assert!(told.is_none() || told == Some(ResetCard), "{what}: {told:?}");
            })
        })
        .collect();
    for test in tests {
        test.join().expect("see above");
    }
}

#[test]
fn a_card_pulled_in_mid_exchange_is_no_smartcard_once_and_then_removed() {
    for level in LEVELS {
        for own_transaction in [false, true] {
            let (bench, context, card) = connected(level);
            let other = context.shared(&bench);
            if own_transaction {
                card.begin().unwrap();
            }
            bench.inject(Fault::CardPulled);
            assert_eq!(card.transmit(SELECT), Err(NoSmartcard), "{level:?}");
            assert_eq!(context.direct(&bench).status().unwrap().state, SCARD_ABSENT | 1 << 16);
            for _ in 0..3 {
                assert_eq!(card.transmit(SELECT), Err(RemovedCard), "{level:?}");
                assert_eq!(card.status(), Err(RemovedCard));
                assert_eq!(
                    other.transmit(SELECT),
                    Err(RemovedCard),
                    "the other never sees NO_SMARTCARD"
                );
            }
            bench.insert();
            assert_eq!(card.transmit(SELECT), Err(RemovedCard));
            card.acknowledge();
            assert_eq!(card.transmit(SELECT), Ok(OK_SW.into()));
            assert_eq!(card.end(LEAVE), Err(NotTransacted));
        }
    }
}

/// As by hand: the card is working on something when it is pulled out.
#[test]
fn a_card_pulled_while_it_works_ends_the_exchange() {
    for level in LEVELS {
        let (bench, _context, card) = connected(level);
        bench.reader.remove_after(Duration::from_millis(150), 0);
        let watch = Quiet::now();
        assert_eq!(card.transmit(&[0x80, 0x10, 0x13, 0x88]), Err(NoSmartcard), "{level:?}");
        watch.assert_within(Duration::from_secs(3), "an exchange without a card");
        assert_eq!(card.transmit(SELECT), Err(RemovedCard));
    }
}

/// The pipes are of the interface: a long exchange in one slot and short ones in the other, each gets its own.
#[test]
fn exchanges_of_two_slots_do_not_mix() {
    let bench = Bench::with(
        Config {
            slots: 2,
            ..Config::default()
        },
        BuiltinCard::default(),
    );
    assert!(bench.reader.insert(1, BuiltinCard::new(Protocols::T0)).is_none());
    let context = Context::new();
    let (a, b) = (
        context.shared(&bench),
        context.connect(&bench.slot_name(1), SHARED, ANY).unwrap(),
    );
    let (first, second) = (a.handle, b.handle);
    let calls = [(first, 10_u8), (second, 100)].map(|(handle, base)| {
        call(move || {
            for n in 0..60 {
                assert_eq!(exchange(handle, base + n), Ok(()));
            }
        })
    });
    for call in calls {
        call.end();
    }
}

#[test]
fn a_reader_unplugged_in_mid_exchange_is_unavailable_and_then_gone() {
    for level in LEVELS {
        let (bench, context, card) = connected(level);
        bench.inject(Fault::Unplugged);
        assert_eq!(card.transmit(SELECT), Err(ReaderUnavailable), "{level:?}");
        assert_eq!(card.transmit(SELECT), Err(InvalidValue));
        assert_eq!(card.status(), Err(ReaderUnavailable));
        assert_eq!(context.connect(&bench.name, SHARED, ANY).map(drop), Err(UnknownReader));
        assert_eq!(card.disconnect(LEAVE), Ok(()));
    }
}

/// A reader that never answers costs time, but each call ends and says something sensible.
#[test]
fn a_dead_reader_ends_in_an_error() {
    let (bench, context, card) = connected(Level::ExtendedApdu);
    assert_eq!(exchange(card.handle, 5), Ok(()));
    bench.reader.inject(Injection {
        fault: Fault::Silence,
        on: None,
        times: Times::Always,
    });
    let handle = card.handle;
    assert_eq!(call(move || handle.transmit(SELECT)).end(), Err(NotTransacted));
    let next = call(move || handle.transmit(SELECT)).end();
    assert!(
        matches!(next, Err(ReaderUnavailable | ResetCard | NotTransacted)),
        "{next:?}"
    );
    let status = call(move || handle.status()).end();
    assert!(matches!(status, Err(ReaderUnavailable | ResetCard)), "{status:?}");
    bench.reader.clear_faults();
    // It is back, and nobody knows what happened meanwhile.
    let back = call(move || handle.transmit(SELECT)).end();
    assert!(matches!(back, Err(ResetCard | RemovedCard)), "{back:?}");
    card.acknowledge();
    assert_eq!(card.transmit(SELECT), Ok(OK_SW.into()));
    assert_eq!(context.shared(&bench).transmit(SELECT), Ok(OK_SW.into()));
}
