//! Share mode before and after × other connections.

use crate::bench_reader::*;
use winscard::error::Error;
use winscard::sim::BuiltinCard;

/// Nobody else gets in, and is told so at once.
#[track_caller]
fn assert_exclusive(bench: &Bench) {
    for share in [SHARED, DIRECT, EXCLUSIVE] {
        assert_eq!(bench.try_connect(share, ANY).0, Error::SharingViolation);
    }
}

/// Somebody else gets in at once, and can use the card.
#[track_caller]
fn assert_shared(bench: &Bench) {
    for share in [DIRECT, SHARED] {
        let (code, other, _) = bench.try_connect(share, ANY);
        assert_eq!(code, OK);
        assert_eq!(other.status().0, OK);
        assert_eq!(other.disconnect(LEAVE), OK);
    }
}

#[test]
fn alone_to_exclusive_shuts_everybody_out() {
    let bench = Bench::new("alone to exclusive");
    for from in [SHARED, DIRECT] {
        let card = bench.connect(from, ANY);
        assert_shared(&bench);
        assert_eq!(card.reconnect(EXCLUSIVE, ANY, LEAVE), (OK, T1));
        assert_exclusive(&bench);
        card.assert_works(T1);
        assert_eq!(
            card.end(LEAVE),
            Error::NotTransacted,
            "exclusiveness is no transaction to end"
        );
        assert_exclusive(&bench);
        assert_eq!(card.disconnect(LEAVE), OK);
        assert_shared(&bench);
    }
}

#[test]
fn an_open_transaction_stays_open_on_the_way_to_exclusive_and_back() {
    let bench = Bench::new("transaction to exclusive");
    let card = bench.connect(SHARED, ANY);
    assert_eq!(card.begin(), OK);
    assert_eq!(card.reconnect(EXCLUSIVE, ANY, LEAVE), (OK, T1));
    assert_eq!(card.end(LEAVE), OK);
    assert_eq!(card.end(LEAVE), Error::NotTransacted);
    assert_exclusive(&bench);
    assert_eq!(card.begin(), OK);
    assert_eq!(card.reconnect(SHARED, ANY, LEAVE), (OK, T1));
    let party = bench.own_party();
    let newcomer = start(move || party.connect(SHARED, ANY));
    newcomer.assert_blocked();
    assert_eq!(card.end(LEAVE), OK);
    assert_eq!(newcomer.finish().0, OK);
    assert_eq!(card.end(LEAVE), Error::NotTransacted);
}

#[test]
fn to_exclusive_blocks_until_the_others_have_left() {
    for (bench, protocol) in [
        (Bench::new("exclusive waits"), T1),
        (Bench::tpdu("exclusive waits tpdu"), T0),
    ] {
        let card = bench.connect(SHARED, ANY);
        let others = [
            bench.connect(SHARED, ANY),
            bench.connect(DIRECT, NONE),
            bench.connect(SHARED, ANY),
        ];
        let call = card.start_reconnect(EXCLUSIVE, ANY, LEAVE);
        for other in others {
            call.assert_blocked();
            other.assert_works(protocol);
            assert_eq!(other.disconnect(LEAVE), OK);
        }
        assert_eq!(call.finish(), (OK, protocol));
        assert_exclusive(&bench);
    }
}

#[test]
fn to_exclusive_goes_on_when_the_other_s_context_is_released() {
    let bench = Bench::new("exclusive waits for context");
    let card = bench.connect(DIRECT, NONE);
    let other = bench.connect_elsewhere(SHARED, ANY);
    assert_eq!(other.handle.begin(), OK);
    let call = card.start_reconnect(EXCLUSIVE, ANY, LEAVE);
    call.assert_blocked();
    assert_eq!(other.release(), OK);
    assert_eq!(call.finish(), (OK, T1));
    assert_exclusive(&bench);
}

#[test]
fn to_exclusive_while_waiting_hinders_nobody() {
    let bench = Bench::new("exclusive waits quietly");
    let (card, other) = (bench.connect(SHARED, ANY), bench.connect(SHARED, ANY));
    let call = card.start_reconnect(EXCLUSIVE, ANY, LEAVE);
    call.assert_blocked();
    assert_eq!(other.begin(), OK);
    other.assert_works(T1);
    assert_eq!(other.end(LEAVE), OK);
    let third = bench.connect(SHARED, ANY);
    third.assert_works(T1);
    assert_eq!(other.disconnect(LEAVE), OK);
    call.assert_blocked();
    assert_eq!(third.disconnect(LEAVE), OK);
    assert_eq!(call.finish(), (OK, T1));
}

#[test]
fn to_exclusive_wakes_with_invalid_value_when_the_reader_is_unplugged() {
    let bench = Bench::new("exclusive waits unplugged");
    let (card, _other) = (bench.connect(SHARED, ANY), bench.connect(SHARED, ANY));
    let call = card.start_reconnect(EXCLUSIVE, ANY, LEAVE);
    call.assert_blocked();
    bench.reader.unplug();
    assert_eq!(call.finish().0, Error::InvalidValue);
}

#[test]
fn to_exclusive_with_others_connected_still_tells_at_once_what_cannot_succeed() {
    let bench = Bench::new("exclusive hopeless");
    let (card, other) = (bench.connect(SHARED, ANY), bench.connect(SHARED, ANY));
    assert_eq!(
        card.reconnect(EXCLUSIVE, T0, LEAVE),
        (Error::ProtoMismatch.into(), 0),
        "T=1 is in use"
    );
    assert_eq!(other.status().0, OK);
    bench.reader.remove(0);
    for initialization in [LEAVE, RESET, UNPOWER] {
        assert_eq!(
            card.reconnect(EXCLUSIVE, ANY, initialization),
            (Error::NoSmartcard.into(), 0)
        );
    }
    bench.reader.insert(0, BuiltinCard::mute());
    assert_eq!(card.reconnect(SHARED, ANY, LEAVE), (Error::UnresponsiveCard.into(), 0));
    assert_eq!(
        card.reconnect(EXCLUSIVE, ANY, LEAVE),
        (Error::UnresponsiveCard.into(), 0)
    );
}

#[test]
fn to_exclusive_with_others_connected_is_refused_where_blocking_is_off() {
    let name = "reconnect::share_mode::to_exclusive_with_others_connected_is_refused_where_blocking_is_off";
    in_child_with("PCSCLITE_NO_BLOCKING", name, || {
        for (bench, protocol) in [(Bench::new("no blocking"), T1), (Bench::tpdu("no blocking tpdu"), T0)] {
            let (card, other) = (bench.connect(SHARED, ANY), bench.connect(SHARED, ANY));
            let before = bench.power();
            for initialization in [LEAVE, RESET, UNPOWER] {
                let refused = (Error::SharingViolation.into(), protocol);
                assert_eq!(
                    card.reconnect(EXCLUSIVE, ANY, initialization),
                    refused,
                    "the protocol is valid"
                );
            }
            assert_eq!(bench.power_since(before), NO_POWER_CHANGE);
            assert_eq!((card.status().0, other.status().0), (OK, OK), "nobody was reset");
            assert_eq!(other.disconnect(LEAVE), OK);
            assert_eq!(card.reconnect(EXCLUSIVE, ANY, RESET), (OK, protocol));
        }
    });
}

#[test]
fn exclusive_to_exclusive_changes_nothing_but_initializes() {
    let bench = Bench::new("exclusive again");
    let card = bench.connect(EXCLUSIVE, ANY);
    for (initialization, power) in [(LEAVE, NO_POWER_CHANGE), (RESET, ONE_WARM_RESET), (UNPOWER, OFF_AND_ON)] {
        let before = bench.power();
        assert_eq!(card.reconnect(EXCLUSIVE, ANY, initialization), (OK, T1));
        assert_eq!(bench.power_since(before), power);
        assert_exclusive(&bench);
        assert_eq!(card.end(LEAVE), Error::NotTransacted);
    }
    assert_eq!(
        card.reconnect(EXCLUSIVE, T0, RESET),
        (OK, T0),
        "and chooses the protocol"
    );
    assert_eq!(card.reconnect(EXCLUSIVE, T1, LEAVE), (Error::ProtoMismatch.into(), 0));
    assert_exclusive(&bench);
}

#[test]
fn from_exclusive_with_transactions_open_exactly_these_remain() {
    for (tag, to) in [("exclusive to shared", SHARED), ("exclusive to direct", DIRECT)] {
        let bench = Bench::new(tag);
        for begun in 1..=2 {
            let card = bench.connect(EXCLUSIVE, ANY);
            for _ in 0..begun {
                assert_eq!(card.begin(), OK);
            }
            assert_eq!(card.reconnect(to, ANY, LEAVE), (OK, T1));
            let party = bench.own_party();
            let newcomer = start(move || party.connect(SHARED, ANY));
            for _ in 0..begun {
                newcomer.assert_blocked();
                assert_eq!(card.end(LEAVE), OK);
            }
            let (code, other, _) = newcomer.finish();
            assert_eq!(code, OK);
            assert_eq!(card.end(LEAVE), Error::NotTransacted);
            other.assert_works(T1);
            assert_eq!((card.disconnect(LEAVE), other.disconnect(LEAVE)), (OK, OK));
        }
    }
}

#[test]
fn an_exclusive_owner_stays_so_when_the_card_is_pulled_and_can_share_the_next() {
    let bench = Bench::new("exclusive pulled");
    for again in [false, true] {
        let card = bench.connect(EXCLUSIVE, ANY);
        assert_eq!(card.begin(), OK);
        bench.reader.remove(0);
        assert_eq!(card.status().0, Error::RemovedCard);
        assert_exclusive(&bench);
        bench.reader.insert(0, BuiltinCard::default());
        assert_exclusive(&bench);
        if again {
            assert_eq!(card.reconnect(EXCLUSIVE, ANY, LEAVE), (OK, T1));
            assert_eq!(card.end(LEAVE), Error::NotTransacted, "removal ended it");
            assert_exclusive(&bench);
            card.assert_works(T1);
        }
        assert_eq!(card.reconnect(SHARED, ANY, LEAVE), (OK, T1));
        assert_eq!(card.end(LEAVE), Error::NotTransacted);
        assert_shared(&bench);
        assert_eq!(card.disconnect(LEAVE), OK);
    }
}

#[test]
fn shared_and_direct_differ_in_the_label_only() {
    let bench = Bench::new("shared direct");
    let (card, other) = (bench.connect(SHARED, ANY), bench.connect(SHARED, ANY));
    let before = bench.traffic();
    for share in [DIRECT, SHARED, DIRECT] {
        assert_eq!(card.reconnect(share, ANY, LEAVE), (OK, T1));
        assert_eq!(card.status(), (OK, 0x34, T1));
        assert_eq!(other.status(), (OK, 0x34, T1));
        assert_eq!(bench.try_connect(EXCLUSIVE, ANY).0, Error::SharingViolation);
    }
    assert_eq!(bench.traffic(), before, "nothing on the wire");
    card.assert_works(T1);
    assert_eq!(other.disconnect(LEAVE), OK);
    assert_eq!(
        bench.try_connect(EXCLUSIVE, ANY).0,
        Error::SharingViolation,
        "DIRECT counts as a connection"
    );
}

#[test]
fn share_modes_that_do_not_exist_are_invalid() {
    let bench = Bench::new("share invalid");
    let card = bench.connect(SHARED, ANY);
    let before = bench.power();
    for share in [0, 4, 0xFFFF_FFFF] {
        assert_eq!(card.reconnect(share, ANY, RESET), (Error::InvalidValue.into(), 0));
    }
    assert_eq!(bench.power_since(before), NO_POWER_CHANGE);
    assert_eq!(card.status().0, OK);
}
