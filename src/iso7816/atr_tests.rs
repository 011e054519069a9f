#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]
use super::*;
use crate::iso7816::protocol::{Protocol, available_protocols};

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let value = |digit: u8| u8::try_from(char::from(digit).to_digit(16).unwrap()).unwrap();
    digits
        .chunks(2)
        .map(|pair| value(pair[0]) << 4 | value(pair[1]))
        .collect()
}

fn parse(text: &str) -> Atr {
    Atr::parse(&hex(text)).expect("a legal ATR")
}

#[test]
fn t0_card_without_td1_has_no_tck() {
    let atr = parse("3B 65 00 00 B0 85 05 00 11");
    assert_eq!((atr.tb1(), atr.tc1(), atr.ta1()), (Some(0), Some(0), None));
    assert_eq!(atr.historical_bytes(), hex("B085050011"));
    assert_eq!((atr.tck(), atr.is_complete()), (Tck::Absent, true));
    assert_eq!(atr.protocols().collect::<Vec<_>>(), [0]);
    assert_eq!(atr.default_protocol(), 0);
    assert!(!atr.is_inverse());
}

#[test]
fn t1_token_with_all_its_bytes() {
    // CanoKey
    let atr = parse("3B F7 11 00 00 81 31 FE 65 43616E6F6B6579 99");
    assert_eq!(atr.protocols().collect::<Vec<_>>(), [1, 1]);
    assert_eq!(
        (atr.ifsc(), atr.waiting_integers(), atr.uses_crc()),
        (Some(0xFE), Some(0x65), false)
    );
    assert_eq!(atr.historical_bytes(), b"Canokey");
    assert_eq!(atr.tck(), Tck::Valid);
    assert!(atr.trailing_bytes().is_empty());
}

#[test]
fn first_t1_bytes_are_found_before_those_of_t15() {
    let atr = parse("3B DA 11 FF 81 B1 FE 55 1F 03 00 31 84 73 80 01 80 00 90 00 E4");
    assert_eq!((atr.ifsc(), atr.waiting_integers()), (Some(0xFE), Some(0x55)));
    assert_eq!(
        atr.global_indicator(),
        Some(GlobalIndicator {
            clock_stop: 0,
            classes: 3
        })
    );
    assert_eq!(atr.tc1(), Some(0xFF));
}

#[test]
fn t15_first_and_t1_bytes_later_are_not_confused() {
    // T=0, then T=15 with its TA, then T=1 with its TC
    let atr = parse("3B 80 80 9F 41 41 01 00");
    assert_eq!(
        atr.global_indicator(),
        Some(GlobalIndicator {
            clock_stop: 1,
            classes: 1
        })
    );
    assert_eq!(atr.protocols().collect::<Vec<_>>(), [0, 1]);
    assert!(atr.uses_crc());
    assert_eq!(atr.ifsc(), None);
}

#[test]
fn t0_and_t1_offered_default_to_the_first() {
    let atr = parse("3B 90 11 80 01 00");
    assert_eq!(atr.protocols().collect::<Vec<_>>(), [0, 1]);
    assert_eq!(atr.default_protocol(), 0);
    assert_eq!(atr.tck(), Tck::Valid);
}

#[test]
fn specific_mode_fixes_the_protocol() {
    let atr = parse("3F 80 91 81 11 31 00 45 05");
    assert!(atr.is_inverse());
    assert_eq!(
        atr.specific_mode(),
        Some(SpecificMode {
            protocol: 1,
            implicit: false,
            can_change: false
        })
    );
    assert_eq!(atr.default_protocol(), 1);
    assert_eq!(atr.ifsc(), Some(0x31), "TA3, not TA2");
    let implicit = parse("3B 80 10 10").specific_mode().unwrap();
    assert_eq!(
        (implicit.protocol, implicit.implicit, implicit.can_change),
        (0, true, true)
    );
}

#[test]
fn contactless_atr_has_no_ta1_and_offers_both() {
    let atr = parse("3B 8F 80 01 80 4F 0C A0 00 00 03 06 03 00 01 00 00 00 00 6A");
    assert_eq!(atr.ta1(), None);
    assert_eq!(atr.historical_bytes().len(), 15);
    assert_eq!(atr.tck(), Tck::Valid);
}

#[test]
fn wrong_or_missing_check_byte_is_told_not_refused() {
    assert_eq!(parse("3B 80 01 00").tck(), Tck::Wrong);
    assert_eq!(parse("3B 80 01").tck(), Tck::Missing);
    assert_eq!(parse("3B 81 01").tck(), Tck::Missing);
}

#[test]
fn tck_is_due_when_any_td_names_another_protocol_not_only_the_last() {
    assert_eq!(parse("3B 80 81 00 01").tck(), Tck::Valid);
    assert_eq!(parse("3B 80 81 00").tck(), Tck::Missing);
}

#[test]
fn historical_bytes_cut_short_leave_what_is_there() {
    let atr = parse("3B 05 01 02");
    assert!(!atr.is_complete());
    assert_eq!(atr.historical_bytes(), [1, 2]);
}

#[test]
fn bytes_after_the_end_are_set_apart() {
    let atr = parse("3B 02 41 42 43");
    assert_eq!((atr.historical_bytes(), atr.trailing_bytes()), (&b"AB"[..], &b"C"[..]));
}

#[test]
fn no_atr_at_all() {
    assert_eq!(Atr::parse(&[]), Err(AtrError::Length));
    assert_eq!(Atr::parse(&[0x3B]), Err(AtrError::Length));
    assert_eq!(Atr::parse(&[0x3B; 34]), Err(AtrError::Length));
    assert_eq!(Atr::parse(&[0x03, 0x00]), Err(AtrError::Ts(0x03)));
    assert_eq!(Atr::parse(&[0x3B, 0x10]), Err(AtrError::Truncated));
    assert_eq!(Atr::parse(&hex("3B 80 80")), Err(AtrError::Truncated));
}

#[test]
fn longest_legal_atr_parses() {
    let atr = parse(&format!(
        "3B FF {} {}",
        "11 00 00 81 F1 20 45 00 F1 20 45 00 11 20 45",
        "00".repeat(14)
    ));
    assert_eq!(atr.historical_bytes().len(), 15.min(atr.bytes().len()));
}

#[test]
fn any_bytes_at_all_are_survived() {
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    };
    for _ in 0..20_000 {
        let len = usize::from(next() % 40);
        let mut bytes: Vec<u8> = (0..len).map(|_| next()).collect();
        if let Some(ts) = bytes.first_mut() {
            *ts = 0x3B;
        }
        let offered = available_protocols(&bytes);
        assert_eq!(offered.default.is_some(), offered.t0 || offered.t1);
        if let Ok(atr) = Atr::parse(&bytes) {
            let rest = atr.historical_bytes().len() + atr.trailing_bytes().len();
            assert!(rest < atr.bytes().len());
            assert!(atr.groups().count() <= MAX_ATR_LEN);
            assert!(atr.protocols().all(|number| number < 15));
            let _checked = (atr.tck(), atr.ifsc(), atr.global_indicator(), atr.default_protocol());
        }
    }
}

/// Offered as (T=0, T=1, default).
fn offered(text: &str) -> (bool, bool, Option<u8>) {
    let offered = available_protocols(&hex(text));
    (offered.t0, offered.t1, offered.default.map(Protocol::number))
}

#[test]
fn available_protocols_follow_the_incumbent() {
    assert_eq!(offered(""), (false, false, None), "nothing");
    assert_eq!(offered("3B"), (false, false, None), "TS alone");
    assert_eq!(offered("03 00"), (false, false, None), "unknown TS");
    assert_eq!(offered("3B 00"), (true, false, Some(0)), "no TD1 is T=0");
    assert_eq!(offered("3F 90 11 01"), (false, true, Some(1)), "TD1 is T=1");
    assert_eq!(offered("3B 80 80 01 00"), (true, true, Some(0)), "both");
    assert_eq!(offered("3B 80 81 00 01"), (true, true, Some(1)), "default is TD1's");
    assert_eq!(offered("3B 80 8F 01 00"), (false, false, None), "TD1 is T=15");
    assert_eq!(offered("3B 80 02 02"), (false, false, None), "TD1 is T=2");
    assert_eq!(offered("3B 80 80 1F 03 9C"), (true, false, Some(0)), "T=15 later");
    assert_eq!(
        offered("3B 80 91 10 01 00"),
        (true, false, Some(0)),
        "TA2 wins over TD1"
    );
    assert_eq!(
        offered("3B 80 90 81 01 00"),
        (false, true, Some(1)),
        "TA2 wins over all"
    );
    assert_eq!(offered("3B 80 90 02"), (false, false, None), "TA2 names T=2");
}
