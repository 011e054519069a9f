//! What a reset is to the other connections, and to those who wait for changes.

use crate::bench_reader::*;
use winscard::error::Error;

/// Everything but SCardControl and SCardReconnect tells of the reset, every time.
#[track_caller]
fn assert_told(other: Handle, protocol: u64) {
    for _ in 0..2 {
        assert_eq!(other.status().0, Error::ResetCard, "SCardStatus");
        assert_eq!(
            other.transmit(protocol, &[0x00, 0x84, 0x00, 0x00, 0x08]).0,
            Error::ResetCard,
            "SCardTransmit"
        );
        assert_eq!(other.begin(), Error::ResetCard, "SCardBeginTransaction");
        assert_eq!(other.end(LEAVE), Error::ResetCard, "SCardEndTransaction");
        assert_eq!(other.get_attrib(), Error::ResetCard, "SCardGetAttrib");
        assert_eq!(other.set_attrib(), Error::ResetCard, "SCardSetAttrib");
        assert_eq!(other.control(), OK, "SCardControl does not mind");
    }
}

#[track_caller]
fn assert_well(other: Handle, protocol: u64) {
    assert_eq!(other.status(), (OK, 0x34, protocol));
    assert_eq!((other.begin(), other.end(LEAVE)), (OK, OK));
    assert_eq!(
        (other.get_attrib(), other.set_attrib()),
        (OK, Error::UnsupportedFeature.into())
    );
    other.assert_works(protocol);
}

#[test]
fn every_other_connection_is_told_and_recovers_by_leave_alone() {
    for (bench, protocol) in [(Bench::new("reset seen"), T1), (Bench::tpdu("reset seen tpdu"), T0)] {
        let card = bench.connect(SHARED, ANY);
        let others = [
            bench.connect(SHARED, ANY),
            bench.connect(DIRECT, NONE),
            bench.connect_elsewhere(SHARED, ANY).handle,
        ];
        for (initialization, power) in [(RESET, ONE_WARM_RESET), (UNPOWER, OFF_AND_ON)] {
            let before = bench.power();
            assert_eq!(card.reconnect(SHARED, ANY, initialization), (OK, protocol));
            assert_well(card, protocol);
            let negotiations = bench.negotiations();
            for other in others {
                assert_told(other, protocol);
                assert_eq!(other.reconnect(SHARED, ANY, LEAVE), (OK, protocol));
                assert_well(other, protocol);
            }
            assert_eq!(bench.power_since(before), power, "no second reset");
            assert_eq!(bench.negotiations(), negotiations, "the protocol was chosen already");
            assert_well(card, protocol);
        }
    }
}

#[test]
fn the_other_connection_stays_connected() {
    let bench = Bench::new("reset keeps connected");
    let (card, other) = (bench.connect(SHARED, ANY), bench.connect(SHARED, ANY));
    assert_eq!(card.reconnect(SHARED, ANY, RESET), (OK, T1));
    assert_eq!(card.disconnect(LEAVE), OK);
    assert_eq!(
        bench.try_connect(EXCLUSIVE, ANY).0,
        Error::SharingViolation,
        "the other one counts"
    );
    assert_eq!(other.disconnect(LEAVE), OK);
    assert_eq!(bench.try_connect(EXCLUSIVE, ANY).0, OK);
}

#[test]
fn a_connection_made_after_the_reset_knows_of_none() {
    let bench = Bench::new("reset before connect");
    let card = bench.connect(SHARED, ANY);
    assert_eq!(card.reconnect(SHARED, ANY, RESET), (OK, T1));
    assert_well(bench.connect(SHARED, ANY), T1);
    assert_well(card, T1);
}

#[test]
fn resets_that_several_did_are_acknowledged_together() {
    let bench = Bench::new("reset several");
    let (card, other) = (bench.connect(SHARED, ANY), bench.connect(SHARED, ANY));
    let before = bench.power();
    assert_eq!(card.reconnect(SHARED, ANY, RESET), (OK, T1));
    assert_eq!(card.reconnect(SHARED, ANY, RESET), (OK, T1));
    assert_eq!(other.reconnect(SHARED, ANY, LEAVE), (OK, T1));
    assert_eq!(
        bench.power_since(before),
        Power {
            warm: 2,
            ..NO_POWER_CHANGE
        }
    );
    assert_well(other, T1);
    assert_eq!(other.reconnect(SHARED, ANY, RESET), (OK, T1));
    assert_told(card, T1);
    assert_well(other, T1);
}

#[test]
fn a_reset_answers_a_reset_without_leave_in_between() {
    let bench = Bench::new("reset for reset");
    let (card, other) = (bench.connect(SHARED, ANY), bench.connect(SHARED, ANY));
    assert_eq!(card.reconnect(SHARED, ANY, RESET), (OK, T1));
    assert_eq!(
        other.reconnect(SHARED, ANY, RESET),
        (OK, T1),
        "the own event is no obstacle"
    );
    assert_well(other, T1);
    assert_told(card, T1);
}

#[test]
fn resets_by_disconnect_and_end_of_transaction_are_acknowledged_the_same_way() {
    let bench = Bench::new("reset otherwise");
    let card = bench.connect(SHARED, ANY);
    for (initialization, power) in [(RESET, ONE_WARM_RESET), (UNPOWER, OFF_AND_ON)] {
        let other = bench.connect(SHARED, ANY);
        let before = bench.power();
        assert_eq!((other.begin(), other.end(initialization)), (OK, OK));
        assert_told(other, T1);
        assert_told(card, T1);
        assert_eq!(other.reconnect(SHARED, ANY, LEAVE), (OK, T1));
        assert_eq!(card.reconnect(SHARED, ANY, LEAVE), (OK, T1));
        assert_eq!(bench.power_since(before), power, "no second reset");
        assert_well(card, T1);
        assert_well(other, T1);

        let before = bench.power();
        assert_eq!(other.disconnect(RESET), OK);
        assert_told(card, T1);
        assert_eq!(card.reconnect(SHARED, ANY, LEAVE), (OK, T1));
        assert_eq!(bench.power_since(before), ONE_WARM_RESET);
        assert_well(card, T1);
    }
}

#[test]
fn a_removal_after_a_reset_is_what_is_told() {
    let bench = Bench::new("reset then removed");
    let (card, other) = (bench.connect(SHARED, ANY), bench.connect(SHARED, ANY));
    assert_eq!(card.reconnect(SHARED, ANY, RESET), (OK, T1));
    bench.reader.remove(0);
    assert_eq!(card.status().0, Error::RemovedCard);
    assert_eq!(other.status().0, Error::RemovedCard);
}

#[test]
fn those_who_wait_for_a_change_are_not_woken_by_a_reset() {
    let bench = Bench::new("reset wakes nobody");
    let card = bench.connect(SHARED, ANY);
    let (_, known) = bench.status_change(0, PATIENCE);
    assert_eq!(known, 0x122, "present, in use, changed");
    let party = bench.other_party();
    let waiting = start(move || party.status_change(known & !2, 4 * PATIENCE));
    for initialization in [RESET, UNPOWER, RESET] {
        assert_eq!(card.reconnect(SHARED, ANY, initialization), (OK, T1));
        waiting.assert_blocked();
    }
    let (code, event) = bench.status_change(known & !2, std::time::Duration::ZERO);
    assert_eq!(
        (code, event),
        (Error::Timeout.into(), 0x120),
        "neither state nor counter changed"
    );
    bench.reader.remove(0);
    assert_eq!(waiting.finish(), (OK, 0x1_0012));
}
