//! Where pcsc-lite is deliberately not followed: one test for each difference, named after it.

use crate::bench_reader::*;
use std::time::Duration;
use winscard::error::Error;
use winscard::sim::{BuiltinCard, Protocols};

/// pcsc-lite keeps the lock that EXCLUSIVE was, and every other `SCardConnect` then hangs until this connection ends a
/// transaction it never began.
#[test]
fn no_lock_leak_on_exclusive_to_shared() {
    for (bench, protocol) in [(Bench::new("no lock leak"), T1), (Bench::tpdu("no lock leak tpdu"), T0)] {
        for to in [SHARED, DIRECT] {
            for initialization in [LEAVE, RESET, UNPOWER] {
                let card = bench.connect(EXCLUSIVE, ANY);
                assert_eq!(card.reconnect(to, ANY, initialization).0, OK);
                for share in [DIRECT, SHARED] {
                    let (code, other, _) = bench.try_connect(share, ANY);
                    assert_eq!(code, OK);
                    assert_eq!((other.begin(), other.end(LEAVE)), (OK, OK));
                    assert_eq!(other.disconnect(LEAVE), OK);
                }
                assert_eq!(card.end(LEAVE), Error::NotTransacted, "nothing is open");
                assert_eq!(card.reconnect(SHARED, ANY, LEAVE), (OK, protocol));
                assert_eq!(card.disconnect(LEAVE), OK);
            }
        }
    }
}

/// pcsc-lite leaks one lock more with each round trip.
#[test]
fn no_lock_leak_on_many_round_trips() {
    let bench = Bench::new("round trips");
    let card = bench.connect(SHARED, ANY);
    for _ in 0..10 {
        assert_eq!(card.reconnect(EXCLUSIVE, ANY, LEAVE), (OK, T1));
        assert_eq!(card.reconnect(SHARED, ANY, LEAVE), (OK, T1));
    }
    assert_eq!(card.end(LEAVE), Error::NotTransacted);
    let (code, other, _) = bench.try_connect(SHARED, ANY);
    assert_eq!(code, OK);
    other.assert_works(T1);
}

/// pcsc-lite resets the card first, finds the others then, and resets again at each retry, ten times a second.
#[test]
fn sharing_is_checked_before_the_reset() {
    for (bench, protocol) in [
        (Bench::new("sharing first"), T1),
        (Bench::tpdu("sharing first tpdu"), T0),
    ] {
        for (initialization, power) in [(RESET, ONE_WARM_RESET), (UNPOWER, OFF_AND_ON)] {
            let (card, other) = (bench.connect(SHARED, ANY), bench.connect(SHARED, ANY));
            let (before, negotiations) = (bench.power(), bench.negotiations());
            let call = card.start_reconnect(EXCLUSIVE, ANY, initialization);
            call.assert_blocked();
            assert_eq!(bench.power_since(before), NO_POWER_CHANGE, "no reset while blocked");
            assert_eq!(other.status(), (OK, 0x34, protocol), "and nobody is told of one");
            other.assert_works(protocol);
            call.assert_blocked();
            assert_eq!(bench.power_since(before), NO_POWER_CHANGE);
            assert_eq!(other.disconnect(LEAVE), OK);
            assert_eq!(call.finish(), (OK, protocol));
            assert_eq!(bench.power_since(before), power, "one reset, once it is alone");
            assert_eq!(bench.negotiations(), negotiations + 1);
            assert_eq!(card.status().0, OK);
            assert_eq!(card.disconnect(LEAVE), OK);
        }
    }
}

/// RAW takes effect for everybody, so it waits as well.
#[test]
fn sharing_is_checked_before_the_protocol_becomes_raw() {
    let bench = Bench::new("sharing first raw");
    let (card, other) = (bench.connect(SHARED, ANY), bench.connect(SHARED, ANY));
    let call = card.start_reconnect(EXCLUSIVE, RAW, LEAVE);
    call.assert_blocked();
    other.assert_works(T1);
    assert_eq!(other.disconnect(LEAVE), OK);
    assert_eq!(call.finish(), (OK, RAW));
}

/// pcsc-lite negotiates with the card that is off, and gives SCARD_W_UNRESPONSIVE_CARD until somebody resets.
#[test]
fn leave_powers_a_card_up_that_another_connection_unpowered() {
    for (bench, protocol) in [
        (Bench::new("leave unpowered"), T1),
        (Bench::tpdu("leave unpowered tpdu"), T0),
    ] {
        for share in [SHARED, EXCLUSIVE] {
            let (card, other) = (bench.connect(SHARED, ANY), bench.connect(SHARED, ANY));
            assert_eq!(other.disconnect(UNPOWER), OK);
            assert_eq!(card.status().0, Error::ResetCard);
            let before = bench.power();
            assert_eq!(card.reconnect(DIRECT, NONE, LEAVE), (OK, 0), "DIRECT needs no power");
            assert_eq!(card.status(), (OK, 0x04, 0), "present, and off");
            assert_eq!(bench.power_since(before), NO_POWER_CHANGE);
            assert_eq!(card.reconnect(share, ANY, LEAVE), (OK, protocol));
            assert_eq!(bench.power_since(before), ONE_POWER_ON);
            assert_eq!(card.status(), (OK, 0x34, protocol));
            card.assert_works(protocol);
            assert_eq!(card.disconnect(LEAVE), OK);
        }
    }
}

/// As above; here pcsc-lite fails once the 5 s after the insertion are over.
#[test]
fn leave_powers_a_card_up_that_was_put_back_in() {
    let bench = Bench::new("leave put back");
    let (card, other) = (bench.connect(SHARED, ANY), bench.connect(SHARED, ANY));
    let before = bench.power();
    bench.swap(BuiltinCard::new(Protocols::T0));
    assert_eq!(card.reconnect(SHARED, ANY, LEAVE), (OK, T0));
    assert_eq!(bench.power_since(before), ONE_POWER_ON);
    card.assert_works(T0);
    assert_eq!(other.status().0, Error::RemovedCard);
    assert_eq!(other.reconnect(SHARED, ANY, LEAVE), (OK, T0));
    assert_eq!(bench.power_since(before), ONE_POWER_ON, "once is enough");
    other.assert_works(T0);
}

/// As above, for a card that only DIRECT connections have been on for 5 s. Whatever it had been told is forgotten.
#[test]
fn leave_powers_a_card_up_that_was_left_alone() {
    let bench = Bench::new("left alone");
    let user = bench.connect(SHARED, ANY);
    let verify = [0x00, 0x20, 0x00, 0x01, 0x04, b'1', b'2', b'3', b'4'];
    assert_eq!(user.transmit(T1, &verify), (OK, vec![0x90, 0x00]));
    assert_eq!(user.disconnect(LEAVE), OK);
    let card = bench.connect(DIRECT, NONE);
    assert_eq!(card.status(), (OK, 0x34, T1), "not yet");
    let before = bench.power();
    std::thread::sleep(Duration::from_millis(5200));
    assert_eq!(card.reconnect(SHARED, ANY, LEAVE), (OK, T1));
    assert_eq!(bench.power_since(before), OFF_AND_ON);
    let (code, tries) = card.transmit(T1, &[0x00, 0x20, 0x00, 0x01]);
    assert_eq!(
        (code, &tries[..]),
        (OK, &[0x63, 0xC3][..]),
        "the PIN is to be verified again"
    );
    card.assert_works(T1);
}

/// The 5 s do not run while somebody is connected for using the card, however idle.
#[test]
fn leave_does_not_power_cycle_a_card_in_idle_use() {
    let bench = Bench::new("idle use");
    let (card, label) = (bench.connect(SHARED, ANY), Bench::new("idle use as direct"));
    let labelled = label.connect(DIRECT, NONE);
    assert_eq!(labelled.reconnect(SHARED, ANY, LEAVE), (OK, T1));
    assert_eq!(
        labelled.reconnect(DIRECT, NONE, LEAVE),
        (OK, T1),
        "a label only: the card stays in use"
    );
    let before = (bench.traffic(), label.traffic());
    std::thread::sleep(Duration::from_millis(5200));
    assert_eq!(card.reconnect(SHARED, ANY, LEAVE), (OK, T1));
    assert_eq!(labelled.reconnect(SHARED, ANY, LEAVE), (OK, T1));
    assert_eq!((bench.traffic(), label.traffic()), before, "nothing on the wire");
}
