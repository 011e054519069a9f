#![allow(clippy::unwrap_used, reason = "tests")]
use super::*;

fn atr(bytes: &[u8]) -> Atr {
    Atr::parse(bytes).unwrap()
}

const fn rates(max_bps: u32, table: &[u32]) -> Rates<'_> {
    Rates {
        clock_khz: 4000,
        max_bps,
        table,
    }
}

/// Fi and Di chosen for T=0 by a card that offers T=0 with this TA1.
fn speed(ta1: u8, rates: &Rates<'_>) -> u8 {
    choose(&atr(&[0x3B, 0x10, ta1]), Protocol::T0, rates).unwrap().fi_di
}

#[test]
fn rates_are_whole_bits_per_second() {
    let reader = rates(0, &[]);
    assert_eq!(reader.bps(0x11), Some(10_752));
    assert_eq!(reader.bps(0x96), Some(250_000));
    assert_eq!(reader.bps(0x18), Some(129_032));
    assert_eq!(reader.bps(0x70), None);
    assert_eq!(reader.bps(0x1A), None);
    assert_eq!(
        Rates {
            clock_khz: u32::MAX,
            ..reader
        }
        .bps(0x97),
        Some(536_870_911_875)
    );
}

#[test]
fn the_cards_speed_is_taken_where_the_reader_reaches_it() {
    for ta1 in [0x94, 0x96, 0x18, 0x13] {
        assert_eq!(speed(ta1, &rates(344_086, &[])), ta1);
    }
    // A descriptor that rounds down by one.
    assert_eq!(speed(0x96, &rates(249_999, &[])), 0x96);
}

#[test]
fn di_is_stepped_down_to_what_the_reader_reaches() {
    assert_eq!(speed(0x97, &rates(344_086, &[])), 0x96);
    assert_eq!(speed(0x97, &rates(200_000, &[])), 0x95);
    assert_eq!(speed(0x96, &rates(100_000, &[])), 0x94);
    // Which the incumbent leaves at the default speed: 372/12 to 372/8, 512/20 to 512/12.
    assert_eq!(speed(0x18, &rates(115_200, &[])), 0x14);
    assert_eq!(speed(0x99, &rates(115_200, &[])), 0x98);
    assert_eq!(speed(0x97, &rates(9_600, &[])), 0x11);
    assert_eq!(speed(0x97, &rates(0, &[])), 0x11);
}

#[test]
fn a_table_of_rates_is_obeyed_within_one_bps() {
    let table = [10_753, 21_505, 43_011, 125_001];
    let reader = rates(125_000, &table);
    assert_eq!(speed(0x95, &reader), 0x95);
    assert_eq!(speed(0x96, &reader), 0x95);
    assert_eq!(speed(0x94, &reader), 0x11, "62500 is not listed, nor anything below");
    assert_eq!(speed(0x13, &reader), 0x13);
    assert_eq!(speed(0x95, &rates(125_000, &[125_002])), 0x11);
}

#[test]
fn reserved_and_slow_values_stay_at_the_default() {
    for ta1 in [0x01, 0x11, 0x21, 0x61, 0x70, 0x7F, 0x90, 0x9A, 0xE5] {
        assert_eq!(speed(ta1, &rates(u32::MAX, &[])), 0x11, "{ta1:02X}");
    }
}

#[test]
fn a_request_is_made_only_for_another_protocol_or_speed() {
    let reader = rates(344_086, &[]);
    let both = atr(&[0x3B, 0x90, 0x96, 0x80, 0x01, 0x07]);
    let plain = atr(&[0x3B, 0x80, 0x80, 0x01, 0x01]);
    let request = |atr: &Atr, protocol| choose(atr, protocol, &reader).unwrap().request;
    assert_eq!(
        request(&both, Protocol::T1),
        Some(Request {
            protocol: Protocol::T1,
            fi_di: Some(0x96)
        })
    );
    assert_eq!(
        request(&plain, Protocol::T1),
        Some(Request {
            protocol: Protocol::T1,
            fi_di: None
        })
    );
    assert_eq!(request(&plain, Protocol::T0), None);
    assert_eq!(request(&atr(&[0x3B, 0x80, 0x01, 0x81]), Protocol::T1), None);
}

#[test]
fn specific_mode_asks_for_nothing_and_fails_only_by_the_table() {
    let card = atr(&[0x3B, 0x90, 0x96, 0x10, 0x80]);
    let plan = Plan {
        fi_di: 0x96,
        request: None,
    };
    assert_eq!(choose(&card, Protocol::T0, &rates(344_086, &[])), Ok(plan));
    assert_eq!(choose(&card, Protocol::T0, &rates(9600, &[])), Ok(plan));
    assert_eq!(
        choose(&card, Protocol::T0, &rates(344_086, &[9600])),
        Err(NoCommonSpeed)
    );
    let implicit = atr(&[0x3B, 0x90, 0x96, 0x10, 0x90]);
    let plan = Plan {
        fi_di: 0x11,
        request: None,
    };
    assert_eq!(choose(&implicit, Protocol::T0, &rates(344_086, &[9600])), Ok(plan));
}

#[test]
fn request_bytes_end_in_their_check_byte() {
    let slow = Request {
        protocol: Protocol::T1,
        fi_di: None,
    };
    let fast = Request {
        protocol: Protocol::T1,
        fi_di: Some(0x96),
    };
    assert_eq!((slow.bytes(), slow.len()), ([0xFF, 0x01, 0xFE, 0], 3));
    // As an existing driver and card exchange it.
    assert_eq!((fast.bytes(), fast.len()), ([0xFF, 0x11, 0x96, 0x78], 4));
}

#[test]
fn every_byte_of_the_response_is_checked() {
    let request = Request {
        protocol: Protocol::T1,
        fi_di: Some(0x96),
    };
    assert_eq!(request.accepted(&[0xFF, 0x11, 0x96, 0x78]), Ok(0x96));
    assert_eq!(request.accepted(&[0xFF, 0x01, 0xFE]), Ok(0x11), "no faster");
    assert_eq!(request.accepted(&[0xFF, 0x11, 0x95, 0x7B]), Err(PpsError::Unasked));
    assert_eq!(request.accepted(&[0xFF, 0x10, 0x96, 0x79]), Err(PpsError::Unasked));
    assert_eq!(request.accepted(&[0xFF, 0x21, 0x00, 0xDE]), Err(PpsError::Unasked));
    assert_eq!(request.accepted(&[0xFF, 0x81, 0x7E]), Err(PpsError::Unasked));
    assert_eq!(request.accepted(&[0xFF, 0x11, 0x96, 0x79]), Err(PpsError::Check));
    assert_eq!(request.accepted(&[0xFE, 0x11, 0x96, 0x79]), Err(PpsError::Initial));
    for len in 0..4 {
        let whole = [0xFF, 0x11, 0x96, 0x78];
        assert_eq!(request.accepted(whole.get(..len).unwrap()), Err(PpsError::Length));
    }
    assert_eq!(request.accepted(&[0xFF, 0x11, 0x96, 0x78, 0]), Err(PpsError::Length));
    assert_eq!(request.accepted(&[0xFF, 0x01, 0xFE, 0]), Err(PpsError::Length));
    let plain = Request { fi_di: None, ..request };
    assert_eq!(plain.accepted(&[0xFF, 0x11, 0x11, 0xFF]), Err(PpsError::Unasked));
}
