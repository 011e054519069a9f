//! Own and foreign transactions.

use crate::bench_reader::*;
use winscard::error::Error;
use winscard::sim::BuiltinCard;

/// Somebody else's Begin waits until `card` has ended its `open` transactions, and then succeeds.
#[track_caller]
fn assert_open(card: Handle, other: Handle, open: usize) {
    let waiting = start(move || other.begin());
    for _ in 0..open {
        waiting.assert_blocked();
        assert_eq!(card.end(LEAVE), OK);
    }
    assert_eq!(waiting.finish(), OK);
    assert_eq!(other.end(LEAVE), OK);
    assert_eq!(card.end(LEAVE), Error::NotTransacted);
}

#[test]
fn the_own_transaction_survives_every_initialization() {
    for (bench, protocol) in [
        (Bench::new("own transaction"), T1),
        (Bench::tpdu("own transaction tpdu"), T0),
    ] {
        let (card, other) = (bench.connect(SHARED, ANY), bench.connect(SHARED, ANY));
        for initialization in [LEAVE, RESET, UNPOWER] {
            assert_eq!((card.begin(), card.begin()), (OK, OK));
            assert_eq!(card.reconnect(SHARED, ANY, initialization), (OK, protocol));
            card.assert_works(protocol);
            if initialization != LEAVE {
                // Not hindered by the transaction: nothing is exchanged for others while it is open.
                assert_eq!(other.begin(), Error::ResetCard);
            }
            let acknowledged = other.start_reconnect(SHARED, ANY, LEAVE);
            acknowledged.assert_blocked();
            assert_eq!((card.end(LEAVE), card.end(LEAVE)), (OK, OK));
            assert_eq!(acknowledged.finish(), (OK, protocol));
            assert_eq!(card.begin(), OK);
            assert_open(card, other, 1);
        }
    }
}

#[test]
fn the_own_transaction_survives_every_share_mode() {
    let bench = Bench::new("own transaction modes");
    let (card, other) = (bench.connect(SHARED, ANY), bench.connect(SHARED, ANY));
    assert_eq!((card.begin(), card.begin()), (OK, OK));
    for share in [DIRECT, SHARED] {
        assert_eq!(card.reconnect(share, ANY, LEAVE), (OK, T1));
    }
    assert_open(card, other, 2);
}

#[test]
fn a_failed_reconnect_ends_no_transaction() {
    let bench = Bench::new("own transaction failure");
    let (card, other) = (bench.connect(SHARED, ANY), bench.connect(SHARED, ANY));
    assert_eq!(card.begin(), OK);
    assert_eq!(card.reconnect(SHARED, T0, LEAVE).0, Error::ProtoMismatch);
    assert_eq!(card.reconnect(SHARED, ANY, EJECT).0, Error::InvalidValue);
    assert_open(card, other, 1);
}

#[test]
fn a_removal_ends_the_own_transaction() {
    let bench = Bench::new("own transaction removed");
    let (card, other) = (bench.connect(SHARED, ANY), bench.connect(SHARED, ANY));
    assert_eq!(card.begin(), OK);
    bench.swap(BuiltinCard::default());
    assert_eq!(card.reconnect(SHARED, ANY, LEAVE), (OK, T1));
    assert_eq!(card.end(LEAVE), Error::NotTransacted);
    assert_eq!(other.reconnect(SHARED, ANY, LEAVE), (OK, T1));
    assert_eq!(other.begin(), OK);
}

#[test]
fn a_foreign_transaction_is_waited_for_and_nothing_happens_before_it_ends() {
    for (bench, protocol) in [(Bench::new("foreign"), T1), (Bench::tpdu("foreign tpdu"), T0)] {
        for (initialization, power) in [(LEAVE, NO_POWER_CHANGE), (RESET, ONE_WARM_RESET), (UNPOWER, OFF_AND_ON)] {
            for share in [SHARED, DIRECT] {
                let (card, other) = (bench.connect(SHARED, ANY), bench.connect(SHARED, ANY));
                assert_eq!((other.begin(), other.begin()), (OK, OK));
                let before = bench.power();
                let call = card.start_reconnect(share, ANY, initialization);
                call.assert_blocked();
                assert_eq!(bench.power_since(before), NO_POWER_CHANGE);
                other.assert_works(protocol);
                assert_eq!(other.end(LEAVE), OK);
                call.assert_blocked();
                assert_eq!(other.end(LEAVE), OK);
                let active = if share == DIRECT && initialization != LEAVE {
                    0
                } else {
                    protocol
                };
                assert_eq!(call.finish(), (OK, active));
                assert_eq!(bench.power_since(before), power);
                assert_eq!(card.status().0, OK);
                assert_eq!((card.disconnect(LEAVE), other.disconnect(LEAVE)), (OK, OK));
            }
        }
    }
}

#[test]
fn a_foreign_transaction_that_ends_with_its_connection_is_waited_for_too() {
    let bench = Bench::new("foreign disconnects");
    let card = bench.connect(SHARED, ANY);
    let other = bench.connect(SHARED, ANY);
    assert_eq!(other.begin(), OK);
    let call = card.start_reconnect(SHARED, ANY, LEAVE);
    call.assert_blocked();
    assert_eq!(other.disconnect(LEAVE), OK);
    assert_eq!(call.finish(), (OK, T1));

    let other = bench.connect_elsewhere(SHARED, ANY);
    assert_eq!(other.handle.begin(), OK);
    let before = bench.power();
    let call = card.start_reconnect(SHARED, ANY, LEAVE);
    call.assert_blocked();
    assert_eq!(other.release(), OK);
    assert_eq!(call.finish(), (OK, T1));
    assert_eq!(
        bench.power_since(before),
        ONE_WARM_RESET,
        "whoever dies in a transaction leaves a reset card"
    );
    assert_eq!(card.status().0, OK, "acknowledged by the very call");
}

#[test]
fn a_foreign_transaction_that_ends_with_a_reset_leaves_one_to_acknowledge() {
    let bench = Bench::new("foreign resets");
    let (card, other) = (bench.connect(SHARED, ANY), bench.connect(SHARED, ANY));
    assert_eq!(other.begin(), OK);
    let before = bench.power();
    let call = card.start_reconnect(SHARED, ANY, LEAVE);
    call.assert_blocked();
    assert_eq!(other.end(RESET), OK);
    assert_eq!(call.finish(), (OK, T1));
    assert_eq!(bench.power_since(before), ONE_WARM_RESET);
    assert_eq!(card.status().0, OK);
    assert_eq!(
        other.status().0,
        Error::ResetCard,
        "End(RESET) is reported to its cause"
    );
    assert_eq!(other.reconnect(SHARED, ANY, LEAVE), (OK, T1));
}

#[test]
fn a_foreign_transaction_ends_when_the_card_is_pulled() {
    let bench = Bench::new("foreign pulled");
    let (card, other) = (bench.connect(SHARED, ANY), bench.connect(SHARED, ANY));
    assert_eq!(other.begin(), OK);
    let call = card.start_reconnect(SHARED, ANY, LEAVE);
    call.assert_blocked();
    bench.reader.remove(0);
    assert_eq!(call.finish(), (Error::NoSmartcard.into(), 0));
}

#[test]
fn waiting_for_a_foreign_transaction_ends_when_the_reader_is_unplugged() {
    let bench = Bench::new("foreign unplugged");
    let (card, other) = (bench.connect(SHARED, ANY), bench.connect(SHARED, ANY));
    assert_eq!(other.begin(), OK);
    let call = card.start_reconnect(SHARED, ANY, RESET);
    call.assert_blocked();
    bench.reader.unplug();
    assert_eq!(call.finish().0, Error::InvalidValue);
}

#[test]
fn a_foreign_transaction_refuses_at_once_where_blocking_is_off() {
    let name = "reconnect::transaction::a_foreign_transaction_refuses_at_once_where_blocking_is_off";
    in_child_with("PCSCLITE_NO_BLOCKING", name, || {
        let bench = Bench::new("foreign no blocking");
        let (card, other) = (bench.connect(SHARED, ANY), bench.connect(SHARED, ANY));
        assert_eq!(other.begin(), OK);
        let before = bench.power();
        for initialization in [LEAVE, RESET, UNPOWER] {
            for share in [SHARED, DIRECT, EXCLUSIVE] {
                assert_eq!(card.reconnect(share, ANY, initialization).0, Error::SharingViolation);
            }
        }
        assert_eq!(bench.power_since(before), NO_POWER_CHANGE);
        assert_eq!(other.end(LEAVE), OK);
        assert_eq!(card.reconnect(SHARED, ANY, RESET), (OK, T1));
    });
}

/// pcsc-lite's `SCardBeginTransaction_deadlock`: two threads, one context, each with a connection.
#[test]
fn two_threads_of_a_context_never_lock_each_other_out() {
    let bench = Bench::new("two threads");
    let threads: Vec<_> = [bench.connect(SHARED, ANY), bench.connect(SHARED, ANY)]
        .map(|card| {
            start(move || {
                for round in 0..20 {
                    let initialization = if round % 5 == 0 { RESET } else { LEAVE };
                    assert_eq!(card.reconnect_here(SHARED, ANY, initialization), (OK, T1));
                    match card.begin() {
                        OK => {
                            card.assert_works(T1);
                            assert_eq!(card.end(LEAVE), OK);
                        }
                        code => assert_eq!(code, Error::ResetCard, "by the other"),
                    }
                }
            })
        })
        .into();
    for thread in threads {
        thread.finish();
    }
}
