//! Protocol mask × protocol in use.

use crate::bench_reader::*;
use winscard::error::Error;
use winscard::sim::{BuiltinCard, Config, Protocols};

#[test]
fn a_mask_with_the_protocol_in_use_keeps_it() {
    for (bench, protocol) in [
        (Bench::new("mask contains"), T1),
        (Bench::tpdu("mask contains tpdu"), T0),
    ] {
        let card = bench.connect(SHARED, ANY);
        let before = bench.traffic();
        for mask in [protocol, ANY, protocol | T15, ANY | T15, protocol | ANY_OLD] {
            assert_eq!(card.reconnect(SHARED, mask, LEAVE), (OK, protocol), "mask {mask:#x}");
        }
        assert_eq!(bench.traffic(), before, "nothing on the wire");
    }
}

#[test]
fn a_mask_without_the_protocol_in_use_is_a_mismatch_until_a_reset() {
    let bench = Bench::new("mask other");
    let (card, other) = (bench.connect(SHARED, ANY), bench.connect(SHARED, ANY));
    let before = bench.traffic();
    for mask in [T0, T0 | T15, ANY_OLD] {
        assert_eq!(
            card.reconnect(SHARED, mask, LEAVE),
            (Error::ProtoMismatch.into(), 0),
            "mask {mask:#x}"
        );
    }
    assert_eq!(bench.traffic(), before, "no new choice");
    assert_eq!(other.status(), (OK, 0x34, T1));
    assert_eq!(card.status(), (OK, 0x34, T1));
    assert_eq!(card.reconnect(SHARED, T0, RESET), (OK, T0));
    card.assert_works(T0);
    assert_eq!(
        other.reconnect(SHARED, T1, LEAVE),
        (Error::ProtoMismatch.into(), 0),
        "now it is T=0"
    );
    assert_eq!(other.status().0, Error::ResetCard, "and still to be acknowledged");
    assert_eq!(other.reconnect(SHARED, ANY, LEAVE), (OK, T0));
}

#[test]
fn the_mismatch_at_tpdu_level_is_the_same() {
    let bench = Bench::tpdu("mask other tpdu");
    let card = bench.connect(SHARED, ANY);
    assert_eq!(card.reconnect(SHARED, T1, LEAVE), (Error::ProtoMismatch.into(), 0));
    card.assert_works(T0);
}

#[test]
fn direct_takes_the_protocol_as_it_is_whatever_the_mask() {
    let bench = Bench::new("mask direct");
    let card = bench.connect(SHARED, T1);
    for mask in [NONE, T0, T15, ANY] {
        assert_eq!(card.reconnect(DIRECT, mask, LEAVE), (OK, T1), "mask {mask:#x}");
    }
    for initialization in [RESET, UNPOWER] {
        assert_eq!(card.reconnect(DIRECT, ANY, initialization), (OK, 0), "none chosen yet");
        assert_eq!(card.status(), (OK, 0x34, 0));
    }
    assert_eq!(card.reconnect(DIRECT, ANY, LEAVE), (OK, 0));
    assert_eq!(
        card.reconnect(SHARED, T0, LEAVE),
        (OK, T0),
        "the first to want one chooses"
    );
    assert_eq!(card.reconnect(DIRECT, NONE, LEAVE), (OK, T0));
}

#[test]
fn t1_is_preferred_where_both_are_possible() {
    let bench = Bench::new("mask prefers");
    let card = bench.connect(DIRECT, NONE);
    for (mask, chosen) in [
        (ANY, T1),
        (T0, T0),
        (T1, T1),
        (T0 | T15, T0),
        (ANY | T15, T1),
        (ANY_OLD, T1),
    ] {
        assert_eq!(card.reconnect(SHARED, mask, RESET), (OK, chosen), "mask {mask:#x}");
        card.assert_works(chosen);
    }
}

#[test]
fn nothing_but_unusable_protocols_is_a_mismatch_unless_direct() {
    let bench = Bench::new("mask empty");
    let card = bench.connect(SHARED, ANY);
    let before = bench.traffic();
    for mask in [NONE, T15, 0x2000, 0x10] {
        for share in [SHARED, EXCLUSIVE] {
            for initialization in [LEAVE, RESET, UNPOWER] {
                let refused = (Error::ProtoMismatch.into(), 0);
                assert_eq!(card.reconnect(share, mask, initialization), refused, "mask {mask:#x}");
            }
        }
        assert_eq!(card.reconnect(DIRECT, mask, LEAVE), (OK, T1));
    }
    assert_eq!(bench.traffic(), before, "nothing on the wire");
    assert_eq!(card.status().0, OK);
}

#[test]
fn raw_wins_over_every_other_bit_and_is_not_negotiated() {
    let bench = Bench::new("mask raw");
    let card = bench.connect(SHARED, ANY);
    let negotiations = bench.negotiations();
    for (share, mask) in [
        (SHARED, RAW),
        (DIRECT, RAW | ANY),
        (EXCLUSIVE, RAW | T0),
        (SHARED, RAW | ANY | T15),
    ] {
        assert_eq!(card.reconnect(share, mask, LEAVE), (OK, RAW));
        assert_eq!(card.status(), (OK, 0x34, RAW));
    }
    assert_eq!(card.reconnect(SHARED, RAW | T1, RESET), (OK, RAW));
    assert_eq!(bench.negotiations(), negotiations);
}

#[test]
fn raw_poisons_the_others_until_somebody_resets() {
    let bench = Bench::new("mask raw poisons");
    let (card, other) = (bench.connect(SHARED, ANY), bench.connect(SHARED, ANY));
    let before = bench.power();
    assert_eq!(card.reconnect(SHARED, RAW, LEAVE), (OK, RAW));
    assert_eq!(bench.power_since(before), NO_POWER_CHANGE);
    let select = [0x00, 0xA4, 0x00, 0x0C, 0x02, 0x3F, 0x00];
    for protocol in [T0, T1] {
        assert_eq!(other.transmit(protocol, &select).0, Error::ProtoMismatch);
        assert_eq!(card.transmit(protocol, &select).0, Error::ProtoMismatch);
    }
    assert_eq!(other.status(), (OK, 0x34, RAW));
    for mask in [T0, T1, ANY] {
        assert_eq!(other.reconnect(SHARED, mask, LEAVE), (Error::ProtoMismatch.into(), 0));
        assert_eq!(bench.try_connect(SHARED, mask).0, Error::ProtoMismatch);
    }
    other.assert_works(RAW);
    assert_eq!(other.reconnect(SHARED, ANY, RESET), (OK, T1));
    other.assert_works(T1);
    assert_eq!(card.reconnect(SHARED, ANY, LEAVE), (OK, T1));
    card.assert_works(T1);
    bench.connect(SHARED, ANY).assert_works(T1);
}

#[test]
fn a_protocol_the_card_does_not_have_is_a_mismatch_after_the_reset_and_the_next_call_is_fine() {
    let extended = Bench::with("impossible", Config::default(), Some(BuiltinCard::new(Protocols::T0)));
    for bench in [extended, Bench::tpdu("impossible tpdu")] {
        for (initialization, power) in [(RESET, ONE_WARM_RESET), (UNPOWER, OFF_AND_ON)] {
            let (card, other) = (bench.connect(SHARED, ANY), bench.connect(SHARED, ANY));
            let before = bench.power();
            assert_eq!(
                card.reconnect(SHARED, T1, initialization),
                (Error::ProtoMismatch.into(), 0)
            );
            assert_eq!(bench.power_since(before), power, "the card was reset");
            assert_eq!(card.status().0, Error::ResetCard, "the own event stays");
            assert_eq!(card.begin(), Error::ResetCard);
            assert_eq!(other.status().0, Error::ResetCard);
            assert_eq!(card.reconnect(DIRECT, NONE, LEAVE), (OK, 0), "no protocol");
            assert_eq!(card.reconnect(SHARED, T1, LEAVE), (Error::ProtoMismatch.into(), 0));
            assert_eq!(card.reconnect(SHARED, T0, LEAVE), (OK, T0));
            assert_eq!(bench.power_since(before), power, "no second reset");
            card.assert_works(T0);
            assert_eq!((card.disconnect(LEAVE), other.disconnect(LEAVE)), (OK, OK));
        }
    }
}

#[test]
fn the_old_any_negotiates_but_does_not_stand_for_a_protocol_in_use() {
    for (bench, protocol) in [(Bench::new("any old"), T1), (Bench::tpdu("any old tpdu"), T0)] {
        let card = bench.connect(DIRECT, NONE);
        assert_eq!(card.reconnect(SHARED, ANY_OLD, LEAVE), (OK, protocol));
        assert_eq!(card.reconnect(SHARED, ANY_OLD, LEAVE), (Error::ProtoMismatch.into(), 0));
        assert_eq!(card.reconnect(SHARED, ANY_OLD, RESET), (OK, protocol));
        card.assert_works(protocol);
    }
}
