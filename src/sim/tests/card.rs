//! The built-in card, command by command.

use crate::sim::builtin::AID;
use crate::sim::{BuiltinCard, Card, Reset};

fn card() -> BuiltinCard {
    let mut card = BuiltinCard::default();
    card.reset(Reset::Cold);
    card
}

/// Data and status word.
fn ask(card: &mut BuiltinCard, apdu: &[u8]) -> (Vec<u8>, u16) {
    let mut answer = card.apdu(apdu);
    let status = answer.split_off(answer.len() - 2);
    (answer, u16::from_be_bytes([status[0], status[1]]))
}

fn sw(card: &mut BuiltinCard, apdu: &[u8]) -> u16 {
    ask(card, apdu).1
}

#[test]
fn select_by_identifier_and_by_name() {
    let mut card = card();
    assert_eq!(
        ask(&mut card, &[0, 0xA4, 0, 0, 2, 0x3F, 0, 0]),
        (b"\x6F\x07\x82\x01\x38\x83\x02\x3F\x00".to_vec(), 0x9000)
    );
    assert_eq!(ask(&mut card, &[0, 0xA4, 0, 0x0C, 2, 0, 1]), (vec![], 0x9000));
    assert_eq!(sw(&mut card, &[0, 0xA4, 0, 0x0C, 2, 0, 9]), 0x6A82);
    let name = [&[0, 0xA4, 4, 0, 8][..], &AID, &[0]].concat();
    let (answer, status) = ask(&mut card, &name);
    assert_eq!((&answer[7..], status), (&AID[..], 0x9000));
    assert_eq!(
        sw(&mut card, &[0, 0xA4, 4, 0x0C, 5, 0xA0, 0, 0, 0, 1]),
        0x9000,
        "beginning of the name"
    );
    assert_eq!(sw(&mut card, &[0, 0xA4, 4, 0x0C, 5, 0xA0, 0, 0, 0, 2]), 0x6A82);
    assert_eq!(sw(&mut card, &[0, 0xA4, 8, 0x0C, 2, 0, 1]), 0x6A86);
}

#[test]
fn read_and_update_binary_short_and_extended() {
    let mut card = card();
    assert_eq!(sw(&mut card, &[0, 0xB0, 0, 0, 1]), 0x6986, "no file selected");
    sw(&mut card, &[0, 0xA4, 0, 0x0C, 2, 0, 1]);
    assert_eq!(ask(&mut card, &[0, 0xB0, 0x01, 0x02, 3]), (vec![2, 3, 4], 0x9000));
    let (all, status) = ask(&mut card, &[0, 0xB0, 0, 0, 0, 0, 0]);
    assert_eq!((all.len(), status), (8192, 0x9000));
    assert_eq!(ask(&mut card, &[0, 0xB0, 0x1F, 0xFF, 2]), (vec![0xFF], 0x6282));
    assert_eq!(sw(&mut card, &[0, 0xB0, 0x20, 0x00, 1]), 0x6B00);
    assert_eq!(sw(&mut card, &[0, 0xD6, 0, 1, 2, 0xAA, 0xBB]), 0x9000);
    assert_eq!(
        ask(&mut card, &[0, 0xB0, 0x81, 0, 4]),
        (vec![0, 0xAA, 0xBB, 3], 0x9000),
        "by short identifier"
    );
    assert_eq!(sw(&mut card, &[0, 0xD6, 0x1F, 0xFF, 2, 1, 2]), 0x6B00);
}

#[test]
fn pin_has_three_tries_and_opens_the_protected_file_until_reset() {
    let mut card = card();
    assert_eq!(sw(&mut card, &[0, 0xB0, 0x82, 0, 1]), 0x6982);
    assert_eq!(sw(&mut card, &[0, 0x20, 0, 1]), 0x63C3);
    assert_eq!(sw(&mut card, b"\0\x20\0\x01\x041235"), 0x63C2);
    assert_eq!(sw(&mut card, b"\0\x20\0\x01\x081234\xFF\xFF\xFF\xFF"), 0x9000);
    assert_eq!(sw(&mut card, &[0, 0x20, 0, 1]), 0x9000);
    assert_eq!(sw(&mut card, &[0, 0xB0, 0x82, 0, 1]), 0x9000);
    card.reset(Reset::Warm);
    assert_eq!(sw(&mut card, &[0, 0xB0, 0x82, 0, 1]), 0x6982);
    for expected in [0x63C2, 0x63C1, 0x6983, 0x6983] {
        assert_eq!(sw(&mut card, b"\0\x20\0\x01\x040000"), expected);
    }
    assert_eq!(sw(&mut card, b"\0\x20\0\x01\x041234"), 0x6983);
    assert_eq!(sw(&mut card, &[0, 0x20, 0, 7]), 0x6A88);
}

#[test]
fn get_challenge_gives_that_many_bytes_and_never_the_same() {
    let mut card = card();
    let (first, status) = ask(&mut card, &[0, 0x84, 0, 0, 8]);
    assert_eq!((first.len(), status), (8, 0x9000));
    assert_ne!(ask(&mut card, &[0, 0x84, 0, 0, 8]).0, first);
    assert_eq!(ask(&mut card, &[0, 0x84, 0, 0, 0]).0.len(), 256);
    assert_eq!(sw(&mut card, &[0, 0x84, 0, 0]), 0x6700);
}

#[test]
fn a_long_answer_to_a_short_command_is_fetched_with_get_response() {
    let mut card = card();
    let (first, status) = ask(&mut card, &[0x80, 0x12, 0x02, 0x10, 0x00]);
    assert_eq!((first.len(), status), (256, 0x6100));
    let (second, status) = ask(&mut card, &[0, 0xC0, 0, 0, 0]);
    assert_eq!((second.len(), status), (256, 0x6110));
    let (third, status) = ask(&mut card, &[0, 0xC0, 0, 0, 0x10]);
    assert_eq!((third, status), ((0..16).collect(), 0x9000));
    assert_eq!(sw(&mut card, &[0, 0xC0, 0, 0, 1]), 0x6986);
}

#[test]
fn chained_commands_are_one() {
    let mut card = card();
    sw(&mut card, &[0, 0xA4, 0, 0x0C, 2, 0, 1]);
    assert_eq!(sw(&mut card, &[0x10, 0xD6, 0, 0, 2, 9, 8]), 0x9000);
    assert_eq!(sw(&mut card, &[0x00, 0xD6, 0, 0, 1, 7]), 0x9000);
    assert_eq!(ask(&mut card, &[0, 0xB0, 0, 0, 4]).0, [9, 8, 7, 3]);
    assert_eq!(sw(&mut card, &[0x10, 0xD6, 0, 0, 1, 1]), 0x9000);
    assert_eq!(
        sw(&mut card, &[0x00, 0xB0, 0, 0, 1]),
        0x6883,
        "another command in between"
    );
    assert_eq!(sw(&mut card, &[0x00, 0xB0, 0, 0, 1]), 0x9000);
}

#[test]
fn unknown_classes_and_instructions() {
    let mut card = card();
    assert_eq!(sw(&mut card, &[0x00, 0x01, 0, 0]), 0x6D00);
    assert_eq!(sw(&mut card, &[0x80, 0xA4, 0, 0]), 0x6D00);
    assert_eq!(sw(&mut card, &[0xA0, 0xA4, 0, 0]), 0x6E00);
    assert_eq!(sw(&mut card, &[0x01, 0xA4, 0, 0]), 0x6881);
    assert_eq!(sw(&mut card, &[0x0C, 0xA4, 0, 0]), 0x6882);
    assert_eq!(sw(&mut card, &[0x00, 0xA4]), 0x6700);
}

#[test]
fn the_slow_command_tells_its_time_and_echo_returns_data() {
    let mut card = card();
    assert_eq!(sw(&mut card, &[0x80, 0x10, 0x01, 0x00]), 0x9000);
    assert_eq!(card.delay().as_millis(), 256);
    assert_eq!(
        ask(&mut card, &[0x80, 0x12, 0, 0, 3, 7, 8, 9, 0]),
        (vec![7, 8, 9], 0x9000)
    );
    assert_eq!(card.delay().as_millis(), 0);
    let long = [&[0x80, 0x12, 0, 0, 0, 0xFF, 0xFF][..], &[5; 65_535], &[0, 0]].concat();
    assert_eq!(ask(&mut card, &long), (vec![5; 65_535], 0x9000));
}
