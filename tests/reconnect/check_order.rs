//! Which code wins when several things are wrong.
//!
//! The order: pointer, handle, initialization, share mode, protocol mask, reader gone, reader broken, others'
//! transaction, card, protocol, share mode against others.

use crate::bench_reader::*;
use winscard::error::Error;
use winscard::sim::{BuiltinCard, Config, Fault, Injection, Times};

#[test]
fn initialization_and_share_mode_come_before_the_protocol_mask() {
    let bench = Bench::new("order arguments");
    let card = bench.connect(SHARED, ANY);
    assert_eq!(card.reconnect(SHARED, NONE, EJECT), (Error::InvalidValue.into(), 0));
    assert_eq!(card.reconnect(99, NONE, LEAVE), (Error::InvalidValue.into(), 0));
    assert_eq!(card.reconnect(99, NONE, EJECT), (Error::InvalidValue.into(), 0));
    assert_eq!(card.reconnect(SHARED, NONE, LEAVE), (Error::ProtoMismatch.into(), 0));
    assert_eq!(
        bench.try_connect(99, NONE).0,
        Error::ProtoMismatch,
        "SCardConnect has it the other way round"
    );
}

/// As with pcsc-lite, whose messages carry no more.
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
#[test]
fn of_each_number_the_low_32_bits_count() {
    let bench = Bench::new("order truncated");
    let card = bench.connect(SHARED, ANY);
    let high = 0xFFFF_FFFF_0000_0000;
    let before = bench.power();
    assert_eq!(card.reconnect(high | EXCLUSIVE, high | T0, high | RESET), (OK, T0));
    assert_eq!(bench.power_since(before), ONE_WARM_RESET);
    assert_eq!(bench.try_connect(SHARED, ANY).0, Error::SharingViolation);
    assert_eq!(card.reconnect(SHARED, high, LEAVE), (Error::ProtoMismatch.into(), 0));
}

#[test]
fn arguments_come_before_a_reader_that_is_gone() {
    let bench = Bench::new("order unplugged");
    let (card, direct) = (bench.connect(SHARED, ANY), bench.connect(DIRECT, NONE));
    bench.reader.unplug();
    assert_eq!(card.reconnect(SHARED, NONE, LEAVE), (Error::ProtoMismatch.into(), 0));
    for handle in [card, direct] {
        for share in [SHARED, EXCLUSIVE, DIRECT] {
            for initialization in [LEAVE, RESET, UNPOWER] {
                assert_eq!(
                    handle.reconnect(share, ANY, initialization),
                    (Error::InvalidValue.into(), 0)
                );
            }
        }
        assert_eq!(handle.disconnect(RESET), OK);
    }
}

#[test]
fn arguments_come_before_others_transactions() {
    let bench = Bench::new("order foreign");
    let (card, other) = (bench.connect(SHARED, ANY), bench.connect(SHARED, ANY));
    assert_eq!(other.begin(), OK);
    assert_eq!(card.reconnect(SHARED, ANY, EJECT), (Error::InvalidValue.into(), 0));
    assert_eq!(card.reconnect(9, ANY, LEAVE), (Error::InvalidValue.into(), 0));
    assert_eq!(card.reconnect(SHARED, T15, LEAVE), (Error::ProtoMismatch.into(), 0));
}

#[test]
fn others_transactions_come_before_card_and_protocol() {
    let bench = Bench::new("order foreign protocol");
    let (card, other) = (bench.connect(SHARED, ANY), bench.connect(SHARED, ANY));
    assert_eq!(other.begin(), OK);
    let call = card.start_reconnect(SHARED, T0, LEAVE);
    call.assert_blocked();
    assert_eq!(other.end(LEAVE), OK);
    assert_eq!(call.finish(), (Error::ProtoMismatch.into(), 0));

    let bench = Bench::with("order foreign mute", Config::default(), Some(BuiltinCard::mute()));
    let (card, other) = (bench.connect(DIRECT, NONE), bench.connect(DIRECT, NONE));
    assert_eq!(other.begin(), OK);
    let call = card.start_reconnect(SHARED, ANY, LEAVE);
    call.assert_blocked();
    assert_eq!(other.end(LEAVE), OK);
    assert_eq!(call.finish(), (Error::UnresponsiveCard.into(), 0));
}

#[test]
fn the_own_pending_event_is_no_obstacle() {
    let bench = Bench::new("order own event");
    let (card, other) = (bench.connect(SHARED, ANY), bench.connect(SHARED, ANY));
    assert_eq!(other.reconnect(SHARED, ANY, RESET), (OK, T1));
    assert_eq!(card.begin(), Error::ResetCard);
    assert_eq!(
        card.reconnect(SHARED, T0, LEAVE),
        (Error::ProtoMismatch.into(), 0),
        "not W_RESET_CARD"
    );
    assert_eq!(card.reconnect(SHARED, T1, LEAVE), (OK, T1));
}

#[test]
fn a_reader_that_does_not_answer_is_unavailable_before_anything_about_the_card() {
    let bench = Bench::new("order broken");
    let (card, other) = (bench.connect(SHARED, ANY), bench.connect(SHARED, ANY));
    assert_eq!(other.begin(), OK);
    let broken = Injection {
        fault: Fault::Fail(0xFB),
        on: Some(0x65),
        times: Times::Always,
    };
    bench.reader.inject(broken);
    // NotifySlotChange: whoever comes next asks for the status.
    bench.reader.inject(Fault::Interrupt(vec![0x50, 0x03]));
    let before = bench.power();
    for (share, initialization) in [(SHARED, LEAVE), (DIRECT, LEAVE), (SHARED, RESET), (SHARED, UNPOWER)] {
        assert_eq!(
            card.reconnect(share, T0, initialization),
            (Error::ReaderUnavailable.into(), 0)
        );
    }
    assert_eq!(bench.power_since(before), NO_POWER_CHANGE);
    bench.reader.clear_faults();
    assert_eq!(card.reconnect(SHARED, ANY, LEAVE), (OK, T1), "it answers again");
    card.assert_works(T1);
}

#[test]
fn a_reader_that_leaves_during_the_reset_is_an_unresponsive_card_and_then_gone() {
    let bench = Bench::new("order leaves");
    let card = bench.connect(SHARED, ANY);
    bench.reader.inject(Injection {
        fault: Fault::Unplugged,
        on: Some(0x62),
        times: Times::Count(1),
    });
    assert_eq!(card.reconnect(SHARED, ANY, RESET), (Error::UnresponsiveCard.into(), 0));
    assert_eq!(card.reconnect(SHARED, ANY, RESET), (Error::InvalidValue.into(), 0));
}

#[test]
fn a_card_pulled_during_the_reset_is_no_smartcard() {
    for (tag, initialization) in [("order pulled", RESET), ("order pulled cold", UNPOWER)] {
        let bench = Bench::new(tag);
        let card = bench.connect(SHARED, ANY);
        bench.reader.inject(Injection {
            fault: Fault::CardPulled,
            on: Some(0x62),
            times: Times::Count(1),
        });
        assert_eq!(
            card.reconnect(SHARED, ANY, initialization),
            (Error::NoSmartcard.into(), 0)
        );
        bench.reader.insert(0, BuiltinCard::default());
        assert_eq!(card.reconnect(SHARED, ANY, LEAVE), (OK, T1));
        card.assert_works(T1);
    }
}
