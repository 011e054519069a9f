//! Initialization × card state.

use crate::bench_reader::*;
use winscard::error::Error;
use winscard::sim::{BuiltinCard, Config, Fault, Injection, Protocols, Times};

/// Every power-on fails from now on: the card is mute.
fn silence(bench: &Bench) {
    let fault = Fault::PowerOnFails(vec![0, 1, 2, 3]);
    bench.reader.inject(Injection {
        fault,
        on: None,
        times: Times::Always,
    });
}

/// VERIFY of the PIN, then READ BINARY of what it protects.
fn log_in(card: Handle, protocol: u64) {
    let verify = [0x00, 0x20, 0x00, 0x01, 0x04, b'1', b'2', b'3', b'4'];
    assert_eq!(card.transmit(protocol, &verify), (OK, vec![0x90, 0x00]), "VERIFY");
    assert!(is_logged_in(card, protocol));
}

fn is_logged_in(card: Handle, protocol: u64) -> bool {
    let select = [0x00, 0xA4, 0x00, 0x0C, 0x02, 0x00, 0x02];
    assert_eq!(
        card.transmit(protocol, &select),
        (OK, vec![0x90, 0x00]),
        "SELECT EF 0002"
    );
    let (code, response) = card.transmit(protocol, &[0x00, 0xB0, 0x00, 0x00, 0x04]);
    assert_eq!(code, OK);
    match response[response.len() - 2..] {
        [0x90, 0x00] => true,
        [0x69, 0x82] => false,
        ref other => panic!("READ BINARY: {other:02X?}"),
    }
}

#[test]
fn leave_on_a_good_card_exchanges_nothing_and_keeps_the_protocol() {
    for (bench, protocol) in [(Bench::new("leave ok"), T1), (Bench::tpdu("leave ok tpdu"), T0)] {
        let card = bench.connect(SHARED, ANY);
        log_in(card, protocol);
        let before = bench.traffic();
        for share in [SHARED, DIRECT, EXCLUSIVE, EXCLUSIVE, SHARED] {
            assert_eq!(card.reconnect(share, ANY, LEAVE), (OK, protocol));
        }
        assert_eq!(bench.traffic(), before, "nothing on the wire");
        assert!(is_logged_in(card, protocol), "the card was left alone");
    }
}

#[test]
fn leave_without_a_card_is_no_smartcard_for_direct_too() {
    let bench = Bench::with("leave absent", Config::default(), None);
    let card = bench.connect(DIRECT, NONE);
    let before = bench.power();
    for share in [SHARED, EXCLUSIVE, DIRECT] {
        assert_eq!(card.reconnect(share, ANY, LEAVE), (Error::NoSmartcard.into(), 0));
    }
    assert_eq!(bench.power_since(before), NO_POWER_CHANGE);
}

#[test]
fn leave_after_removal_is_no_smartcard_and_acknowledges_nothing() {
    let bench = Bench::new("leave removed");
    let card = bench.connect(SHARED, ANY);
    bench.reader.remove(0);
    assert_eq!(card.status().0, Error::RemovedCard);
    for share in [SHARED, EXCLUSIVE, DIRECT] {
        assert_eq!(card.reconnect(share, ANY, LEAVE), (Error::NoSmartcard.into(), 0));
    }
    assert_eq!(card.status().0, Error::RemovedCard);
}

#[test]
fn leave_on_a_mute_card_is_unresponsive_for_direct_too() {
    let bench = Bench::with("leave mute", Config::default(), Some(BuiltinCard::mute()));
    let card = bench.connect(DIRECT, NONE);
    for share in [DIRECT, SHARED, EXCLUSIVE, DIRECT] {
        assert_eq!(card.reconnect(share, ANY, LEAVE), (Error::UnresponsiveCard.into(), 0));
    }
}

#[test]
fn leave_goes_by_the_last_known_state_and_does_not_retry_a_mute_card() {
    let bench = Bench::new("leave mute healed");
    let card = bench.connect(SHARED, ANY);
    silence(&bench);
    assert_eq!(card.reconnect(SHARED, ANY, RESET), (Error::UnresponsiveCard.into(), 0));
    bench.reader.clear_faults();
    let before = bench.power();
    for share in [SHARED, DIRECT] {
        assert_eq!(card.reconnect(share, ANY, LEAVE), (Error::UnresponsiveCard.into(), 0));
    }
    assert_eq!(bench.power_since(before), NO_POWER_CHANGE);
    assert_eq!(card.reconnect(SHARED, ANY, RESET), (OK, T1), "a reset does try");
    card.assert_works(T1);
}

#[test]
fn leave_acknowledges_a_reset() {
    let bench = Bench::new("leave acknowledges reset");
    let (card, other) = (bench.connect(SHARED, ANY), bench.connect(SHARED, ANY));
    assert_eq!(other.reconnect(SHARED, ANY, RESET), (OK, T1));
    assert_eq!(card.status().0, Error::ResetCard);
    assert_eq!(card.reconnect(SHARED, ANY, LEAVE), (OK, T1));
    assert_eq!(card.status().0, OK);
}

#[test]
fn leave_acknowledges_removal_and_negotiates_with_the_card_put_in() {
    for (bench, protocol) in [
        (Bench::new("leave reinserted"), T1),
        (Bench::tpdu("leave reinserted tpdu"), T0),
    ] {
        let card = bench.connect(SHARED, ANY);
        let (before, negotiations) = (bench.power(), bench.negotiations());
        let kind = if protocol == T0 { Protocols::T0 } else { Protocols::Both };
        bench.swap(BuiltinCard::new(kind));
        assert_eq!(card.status().0, Error::RemovedCard);
        assert_eq!(card.reconnect(SHARED, ANY, LEAVE), (OK, protocol));
        assert_eq!(bench.power_since(before), ONE_POWER_ON);
        assert_eq!(bench.negotiations(), negotiations + 1);
        let (code, state, active) = card.status();
        assert_eq!((code, state, active), (OK, 0x2_0034, protocol), "two moves of the card");
        card.assert_works(protocol);
    }
}

#[test]
fn reset_is_one_warm_reset_with_a_new_protocol_choice() {
    for (bench, protocol) in [(Bench::new("reset ok"), T1), (Bench::tpdu("reset ok tpdu"), T0)] {
        let card = bench.connect(SHARED, ANY);
        for share in [SHARED, DIRECT, EXCLUSIVE, SHARED] {
            if share != DIRECT {
                assert_eq!(card.reconnect(SHARED, ANY, LEAVE), (OK, protocol));
                log_in(card, protocol);
            }
            let (before, negotiations) = (bench.power(), bench.negotiations());
            let chosen = if share == DIRECT { 0 } else { protocol };
            assert_eq!(card.reconnect(share, ANY, RESET), (OK, chosen), "DIRECT chooses none");
            assert_eq!(bench.power_since(before), ONE_WARM_RESET);
            assert_eq!(bench.negotiations() - negotiations, u64::from(share != DIRECT));
            assert_eq!(card.status().0, OK, "the reset is not reported to its cause");
        }
        assert!(!is_logged_in(card, protocol), "the card was reset");
    }
}

#[test]
fn unpower_is_off_and_on_with_a_new_protocol_choice() {
    for (bench, protocol) in [(Bench::new("unpower ok"), T1), (Bench::tpdu("unpower ok tpdu"), T0)] {
        let card = bench.connect(SHARED, ANY);
        for share in [SHARED, EXCLUSIVE, SHARED] {
            log_in(card, protocol);
            let (before, negotiations) = (bench.power(), bench.negotiations());
            assert_eq!(card.reconnect(share, ANY, UNPOWER), (OK, protocol));
            assert_eq!(bench.power_since(before), OFF_AND_ON);
            assert_eq!(bench.negotiations(), negotiations + 1);
            assert_eq!(card.status().0, OK, "the reset is not reported to its cause");
            assert!(!is_logged_in(card, protocol), "the card was reset");
        }
        let before = bench.power();
        assert_eq!(card.reconnect(DIRECT, NONE, UNPOWER), (OK, 0));
        assert_eq!(bench.power_since(before), OFF_AND_ON);
    }
}

#[test]
fn resets_without_a_card_are_no_smartcard_and_leave_a_reset_to_acknowledge() {
    for (tag, initialization) in [("reset absent", RESET), ("unpower absent", UNPOWER)] {
        let bench = Bench::new(tag);
        let (card, other) = (bench.connect(SHARED, ANY), bench.connect(SHARED, ANY));
        bench.reader.remove(0);
        assert_eq!(other.status().0, Error::RemovedCard);
        let before = bench.power();
        for share in [SHARED, DIRECT] {
            assert_eq!(
                card.reconnect(share, ANY, initialization),
                (Error::NoSmartcard.into(), 0)
            );
        }
        assert_eq!(bench.power_since(before), NO_POWER_CHANGE);
        assert_eq!(card.status().0, Error::ResetCard, "the newer of the two");
        assert_eq!(other.status().0, Error::ResetCard);
    }
}

#[test]
fn resets_of_a_card_that_falls_mute_are_unresponsive_and_leave_no_protocol() {
    for (tag, initialization) in [("reset falls mute", RESET), ("unpower falls mute", UNPOWER)] {
        let bench = Bench::new(tag);
        let (card, other) = (bench.connect(SHARED, ANY), bench.connect(SHARED, ANY));
        silence(&bench);
        assert_eq!(
            card.reconnect(SHARED, ANY, initialization),
            (Error::UnresponsiveCard.into(), 0)
        );
        assert_eq!(card.status().0, Error::ResetCard);
        assert_eq!(other.status().0, Error::ResetCard);
        let (code, event) = bench.status_change(0, PATIENCE);
        assert_eq!((code, event), (OK, 0x322), "present, mute, in use, changed");
        for _ in 0..2 {
            assert_eq!(
                card.reconnect(DIRECT, NONE, initialization),
                (Error::UnresponsiveCard.into(), 0)
            );
        }
        bench.reader.clear_faults();
        assert_eq!(
            card.reconnect(SHARED, T0, initialization),
            (OK, T0),
            "nothing was left of T=1"
        );
        card.assert_works(T0);
    }
}

#[test]
fn resets_of_a_mute_card_are_unresponsive() {
    for (tag, initialization) in [("reset mute", RESET), ("unpower mute", UNPOWER)] {
        let bench = Bench::with(tag, Config::default(), Some(BuiltinCard::mute()));
        let card = bench.connect(DIRECT, NONE);
        for share in [SHARED, EXCLUSIVE, DIRECT] {
            assert_eq!(
                card.reconnect(share, ANY, initialization),
                (Error::UnresponsiveCard.into(), 0)
            );
        }
        assert_eq!(card.status().0, Error::ResetCard);
        bench.swap(BuiltinCard::default());
        assert_eq!(card.reconnect(SHARED, ANY, initialization), (OK, T1), "another card");
        card.assert_works(T1);
    }
}

#[test]
fn resets_of_a_card_put_back_in_power_it_up_and_acknowledge_the_removal() {
    for (tag, initialization) in [("reset reinserted", RESET), ("unpower reinserted", UNPOWER)] {
        let bench = Bench::new(tag);
        let card = bench.connect(SHARED, ANY);
        let before = bench.power();
        bench.swap(BuiltinCard::new(Protocols::T0));
        assert_eq!(card.reconnect(SHARED, ANY, initialization), (OK, T0));
        assert_eq!(bench.power_since(before).cold, 1, "it had no power");
        assert_eq!(card.status(), (OK, 0x2_0034, T0));
        card.assert_works(T0);
    }
}

#[test]
fn resets_of_a_card_without_power_power_it_up() {
    for (tag, initialization) in [("reset unpowered", RESET), ("unpower unpowered", UNPOWER)] {
        let bench = Bench::new(tag);
        let (card, other) = (bench.connect(SHARED, ANY), bench.connect(SHARED, ANY));
        assert_eq!(other.disconnect(UNPOWER), OK);
        assert_eq!(card.status().0, Error::ResetCard);
        let before = bench.power();
        assert_eq!(card.reconnect(SHARED, ANY, initialization), (OK, T1));
        assert_eq!(bench.power_since(before), ONE_POWER_ON);
        card.assert_works(T1);
    }
}

#[test]
fn eject_and_unknown_initializations_are_invalid_and_do_nothing() {
    let bench = Bench::new("eject");
    let card = bench.connect(SHARED, ANY);
    let before = bench.traffic();
    for initialization in [EJECT, 4, 0xFFFF_FFFF] {
        for share in [SHARED, EXCLUSIVE, DIRECT] {
            assert_eq!(
                card.reconnect(share, ANY, initialization),
                (Error::InvalidValue.into(), 0)
            );
        }
    }
    assert_eq!(bench.traffic(), before, "nothing on the wire");
    assert_eq!(card.status(), (OK, 0x34, T1));
    bench.connect(SHARED, ANY);
}

#[test]
fn another_card_is_noticed_though_a_call_that_does_not_ask_heard_of_it_first() {
    let bench = Bench::new("swap heard elsewhere");
    let card = bench.connect(SHARED, ANY);
    for disposition in [LEAVE, EJECT] {
        let other = bench.connect(SHARED, ANY);
        card.assert_works(T1);
        let before = bench.power();
        bench.swap(BuiltinCard::default());
        assert_eq!(other.disconnect(disposition), OK);
        assert_eq!(card.status().0, Error::RemovedCard);
        assert_eq!(card.reconnect(SHARED, ANY, LEAVE), (OK, T1));
        assert_eq!(bench.power_since(before), ONE_POWER_ON);
        card.assert_works(T1);
    }
    let other = bench.connect_elsewhere(SHARED, ANY);
    bench.swap(BuiltinCard::default());
    assert_eq!(other.release(), OK);
    assert_eq!(card.status().0, Error::RemovedCard);
}
