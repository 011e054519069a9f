//! SCardControl on software readers of many makes: features, properties, PIN entry, escape.
#![allow(
    unsafe_code,
    clippy::undocumented_unsafe_blocks,
    reason = "tests call the C functions"
)]
#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[path = "support/calls.rs"]
mod calls;
#[path = "support/connection.rs"]
mod connection;
#[path = "support/plugged.rs"]
mod plugged;

use std::env;

use plugged::Plugged;
use winscard::api::constants::*;
use winscard::api::types::*;
use winscard::error::Error;
use winscard::sim::card::Protocols;
use winscard::sim::{Config, Fault, Injection, Level, PinEntry};

const UNSUPPORTED: LONG = Error::UnsupportedFeature.to_long();
const NOT_TRANSACTED: LONG = Error::NotTransacted.to_long();
const INSUFFICIENT_BUFFER: LONG = Error::InsufficientBuffer.to_long();

const VERIFY: DWORD = scard_ctl_code(0x0033_0006);
const MODIFY: DWORD = scard_ctl_code(0x0033_0007);
const READER_DIRECT: DWORD = scard_ctl_code(0x0033_0008);
const PIN_PROPERTIES: DWORD = scard_ctl_code(0x0033_000A);
const TLV_PROPERTIES: DWORD = scard_ctl_code(0x0033_0012);
const ESCAPE: DWORD = scard_ctl_code(1);
const WINDOWS_FEATURES: DWORD = 0x0031_3520;

const SECURE: u8 = 0x69;
const ESCAPE_MESSAGE: u8 = 0x6B;

/// VERIFY of PIN 01 in eight bytes padded with FF.
const VERIFY_APDU: &[u8] = b"\x00\x20\x00\x01\x08\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF";
/// CHANGE REFERENCE DATA, two times eight bytes.
const CHANGE_APDU: &[u8] = b"\x00\x24\x00\x01\x10\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF";

fn verify_structure() -> Vec<u8> {
    let mut bytes = vec![30, 0, 0x82, 0x08, 0, 8, 4, 2, 1, 9, 4, 0, 0, 0, 0];
    bytes.extend(u32::try_from(VERIFY_APDU.len()).expect("small").to_le_bytes());
    bytes.extend(VERIFY_APDU);
    bytes
}

fn modify_structure() -> Vec<u8> {
    let mut bytes = vec![30, 0, 0x82, 0x08, 0, 0, 8, 8, 4, 3, 2, 3, 9, 4, 0, 1, 2, 0, 0, 0];
    bytes.extend(u32::try_from(CHANGE_APDU.len()).expect("small").to_le_bytes());
    bytes.extend(CHANGE_APDU);
    bytes
}

fn pin_pad(level: Level, pin_entry: PinEntry) -> Config {
    Config {
        pin_support: 3,
        pin_entry,
        ..Config::at_level(level)
    }
}

fn digits(pin: &str) -> PinEntry {
    PinEntry::Digits(pin.into())
}

fn reader(vendor_id: u16, product_id: u16) -> Config {
    Config {
        vendor_id,
        product_id,
        ..Config::default()
    }
}

/// With escapes allowed; only while a reader is plugged, so that tests do not meet.
fn allowing_escapes<T>(_reader: &Plugged, body: impl FnOnce() -> T) -> T {
    unsafe { env::set_var("WINSCARD_ESCAPE", "1") };
    let result = body();
    unsafe { env::remove_var("WINSCARD_ESCAPE") };
    result
}

/// A feature as it is listed.
fn tlv(tag: u8) -> Vec<u8> {
    let code = if tag == 0x13 {
        0x4200_0001_u32
    } else {
        0x4233_0000 + u32::from(tag)
    };
    [&[tag, 4][..], &code.to_be_bytes()].concat()
}

fn tlvs(tags: &[u8]) -> Vec<u8> {
    tags.iter().flat_map(|tag| tlv(*tag)).collect()
}

#[test]
fn features_stand_in_libccids_order() {
    for (pin_support, tags) in [
        (0, &[0x12][..]),
        (1, &[0x06, 0x0A, 0x12]),
        (2, &[0x07, 0x0A, 0x12]),
        (3, &[0x06, 0x07, 0x0A, 0x12]),
        (0x30, &[0x0A, 0x12]),
    ] {
        let plugged = Plugged::empty(Config {
            pin_support,
            ..Config::default()
        });
        for code in [CM_IOCTL_GET_FEATURE_REQUEST, WINDOWS_FEATURES] {
            assert_eq!(plugged.control(code, &[]), Ok(tlvs(tags)), "{pin_support:#x}");
        }
        let escapes = allowing_escapes(&plugged, || plugged.control(CM_IOCTL_GET_FEATURE_REQUEST, &[]));
        assert_eq!(escapes, Ok([tlvs(tags), tlv(0x13)].concat()));
    }
    for (vendor, product) in [(0x0D46, 0x3010), (0x0D46, 0x4289)] {
        let plugged = Plugged::empty(Config {
            pin_support: 3,
            ..reader(vendor, product)
        });
        let all = tlvs(&[0x06, 0x07, 0x0A, 0x08, 0x12]);
        assert_eq!(plugged.control(CM_IOCTL_GET_FEATURE_REQUEST, &[]), Ok(all));
    }
}

#[test]
fn a_keyboard_that_leaks_pins_loses_the_features() {
    let plugged = Plugged::with_card(
        Config {
            pin_support: 3,
            pin_entry: digits("1234"),
            ..reader(0x03F0, 0x1024)
        },
        Protocols::Both,
    );
    assert_eq!(plugged.control(CM_IOCTL_GET_FEATURE_REQUEST, &[]), Ok(tlvs(&[0x12])));
    assert_eq!(plugged.control(VERIFY, &verify_structure()), Err(UNSUPPORTED));
    assert_eq!(plugged.control(MODIFY, &modify_structure()), Err(UNSUPPORTED));
    assert_eq!(plugged.reader.counters().secures, 0);
}

#[test]
fn the_pin_is_verified_at_every_level() {
    for (level, protocols) in [
        (Level::Tpdu, Protocols::T0),
        (Level::Tpdu, Protocols::T1),
        (Level::ShortApdu, Protocols::T0),
        (Level::ShortApdu, Protocols::T1),
        (Level::ExtendedApdu, Protocols::T1),
    ] {
        for (pin, word) in [("1234", [0x90, 0x00]), ("4321", [0x63, 0xC2]), ("123", [0x64, 0x03])] {
            let plugged = Plugged::with_card(pin_pad(level, digits(pin)), protocols);
            let answer = plugged.control(VERIFY, &verify_structure());
            assert_eq!(answer, Ok(word.to_vec()), "{level:?} {protocols:?}");
            let sent = plugged.sent(SECURE);
            let mut head = [0, 30, 0x82, 0x08, 0, 8, 4, 2, 1, 9, 4, 0, 0, 0, 0];
            if (level, protocols) == (Level::Tpdu, Protocols::T1) {
                // NAD, PCB and LEN of the first I-block.
                head[14] = u8::try_from(VERIFY_APDU.len()).expect("short");
            }
            assert_eq!(sent, [[&head[..], VERIFY_APDU].concat()]);
            // The card knows: EF 0002 wants the PIN.
            let selected = plugged.transmit(&[0x00, 0xA4, 0x00, 0x0C, 0x02, 0x00, 0x02]);
            assert_eq!(selected, Ok(vec![0x90, 0x00]));
            let read = plugged.transmit(&[0x00, 0xB0, 0x00, 0x00, 0x01]).expect("an answer");
            assert_eq!(read.ends_with(&[0x90, 0x00]), pin == "1234");
        }
    }
}

#[test]
fn what_the_card_said_to_a_pin_is_asked_for_again_and_the_pin_is_not() {
    let plugged = Plugged::with_card(pin_pad(Level::Tpdu, digits("1234")), Protocols::T1);
    plugged.reader.inject(Injection::on(SECURE, Fault::FailAfter(0xFD)));
    assert_eq!(plugged.control(VERIFY, &verify_structure()), Ok(vec![0x90, 0x00]));
    assert_eq!(plugged.sent(SECURE).len(), 1);
    // T=1 goes on with the next sequence number.
    assert_eq!(plugged.transmit(&[0x00, 0xA4, 0x00, 0x0C]), Ok(vec![0x90, 0x00]));
    // A card that says nothing at all may or may not have seen the PIN: it is reset.
    plugged.reader.inject(Injection::on(SECURE, Fault::FailAfter(0xFE)));
    assert!(plugged.control(VERIFY, &verify_structure()).is_err());
    let told = plugged.transmit(&[0x00, 0xA4, 0x00, 0x0C]);
    assert_eq!(told, Err(Error::ResetCard.to_long()));
}

#[test]
fn cancelling_and_waiting_are_answers() {
    for (entry, word) in [(PinEntry::Cancel, [0x64, 0x01]), (PinEntry::Timeout, [0x64, 0x00])] {
        let plugged = Plugged::with_card(pin_pad(Level::ExtendedApdu, entry), Protocols::Both);
        assert_eq!(plugged.control(VERIFY, &verify_structure()), Ok(word.to_vec()));
        assert_eq!(plugged.control(MODIFY, &modify_structure()), Ok(word.to_vec()));
        // Nothing has happened to the card.
        assert_eq!(plugged.transmit(&[0x00, 0xA4, 0x00, 0x0C]), Ok(vec![0x90, 0x00]));
    }
}

#[test]
fn the_pin_is_changed_at_every_level() {
    for (level, protocols) in [
        (Level::Tpdu, Protocols::T0),
        (Level::Tpdu, Protocols::T1),
        (Level::ShortApdu, Protocols::Both),
        (Level::ExtendedApdu, Protocols::T1),
    ] {
        let change = |old: &str, new: &str, again: &str| {
            let entry = PinEntry::Change {
                old: old.into(),
                new: new.into(),
                again: again.into(),
            };
            let plugged = Plugged::with_card(pin_pad(level, entry), protocols);
            let answer = plugged.control(MODIFY, &modify_structure()).expect("an answer");
            (plugged, answer)
        };
        let (plugged, answer) = change("1234", "56789", "56789");
        assert_eq!(answer, [0x90, 0x00]);
        let new_pin = plugged.transmit(b"\x00\x20\x00\x01\x0556789");
        assert_eq!(new_pin, Ok(vec![0x90, 0x00]));
        assert_eq!(plugged.sent(SECURE)[0][..3], [1, 30, 0x82]);
        drop(plugged);
        for (old, new, again, word) in [
            ("1234", "5678", "5679", [0x64, 0x02]),
            ("4321", "5678", "5678", [0x63, 0xC2]),
        ] {
            let (plugged, answer) = change(old, new, again);
            assert_eq!(answer, word);
            let old_pin = plugged.transmit(b"\x00\x20\x00\x01\x041234");
            assert_eq!(old_pin, Ok(vec![0x90, 0x00]));
        }
    }
}

#[test]
fn wrong_structures_are_refused_before_anybody_is_asked() {
    let plugged = Plugged::with_card(pin_pad(Level::ShortApdu, digits("1234")), Protocols::Both);
    for len in 0..verify_structure().len() {
        let cut = &verify_structure()[..len];
        assert_eq!(plugged.control(VERIFY, cut), Err(UNSUPPORTED), "{len}");
    }
    for len in 0..modify_structure().len() {
        let cut = &modify_structure()[..len];
        assert_eq!(plugged.control(MODIFY, cut), Err(UNSUPPORTED), "{len}");
    }
    let mut messages = modify_structure();
    messages[11] = 4;
    assert_eq!(plugged.control(MODIFY, &messages), Err(UNSUPPORTED));
    assert_eq!(plugged.reader.counters().secures, 0);
}

#[test]
fn an_answer_that_would_be_lost_is_not_asked_for() {
    let plugged = Plugged::with_card(pin_pad(Level::ShortApdu, digits("4321")), Protocols::Both);
    for room in [0, 1] {
        let (result, needed, _) = plugged.control_with_room(VERIFY, &verify_structure(), room);
        assert_eq!((result, needed), (INSUFFICIENT_BUFFER, 2));
    }
    assert_eq!(plugged.reader.counters().secures, 0);
    let (result, length, _) = plugged.control_with_room(VERIFY, &verify_structure(), 2);
    assert_eq!((result, length), (SCARD_S_SUCCESS, 2));
}

#[test]
fn without_a_powered_card_nobody_is_asked() {
    let plugged = Plugged::empty(pin_pad(Level::ShortApdu, digits("1234")));
    assert_eq!(plugged.control(VERIFY, &verify_structure()), Err(NOT_TRANSACTED));
    drop(plugged);
    let plugged = Plugged::with_card(pin_pad(Level::ShortApdu, digits("1234")), Protocols::Both);
    plugged.reader.remove(0);
    assert_eq!(plugged.control(VERIFY, &verify_structure()), Err(NOT_TRANSACTED));
    assert_eq!(plugged.reader.counters().secures, 0);
}

#[test]
fn pin_properties_have_four_bytes() {
    let lcd = |config: Config| Config {
        pin_support: 1,
        lcd_layout: 0x0210,
        ..config
    };
    for (config, expected) in [
        (lcd(Config::default()), [0x10, 0x02, 7, 0]),
        (lcd(reader(0x0982, 0x0008)), [0x10, 0x02, 2, 0]),
        (lcd(reader(0x046A, 0x003E)), [0x10, 0x02, 2, 0]),
        (Config::default(), [0, 0, 7, 0]),
    ] {
        let plugged = Plugged::empty(config);
        assert_eq!(plugged.control(PIN_PROPERTIES, &[]), Ok(expected.to_vec()));
        let (result, needed, _) = plugged.control_with_room(PIN_PROPERTIES, &[], 3);
        assert_eq!((result, needed), (INSUFFICIENT_BUFFER, 4));
    }
}

/// The tail of all property lists: no escapes, identity, longest APDU.
fn tail(config: &Config, longest: u32) -> Vec<u8> {
    let (vendor, product) = (config.vendor_id.to_le_bytes(), config.product_id.to_le_bytes());
    let longest = longest.to_le_bytes();
    [
        &[9, 1, 0, 0x0B, 2][..],
        &vendor,
        &[0x0C, 2],
        &product,
        &[0x0A, 4],
        &longest,
    ]
    .concat()
}

#[test]
fn tlv_properties_are_those_of_the_reader() {
    for (level, longest) in [
        (Level::Tpdu, 0x1_0000),
        (Level::ShortApdu, 0),
        (Level::ExtendedApdu, 0x1_0000),
    ] {
        let config = Config::at_level(level);
        let expected = [&[1, 2, 0, 0, 3, 1, 0][..], &tail(&config, longest)].concat();
        let plugged = Plugged::empty(config);
        assert_eq!(plugged.control(TLV_PROPERTIES, &[]), Ok(expected.clone()));
        let escapes = allowing_escapes(&plugged, || plugged.control(TLV_PROPERTIES, &[])).expect("properties");
        assert_eq!(escapes[7..10], [9, 1, 1]);
    }
    let lcd = [1, 2, 0x10, 0x02, 4, 2, 0x10, 0, 5, 2, 2, 0, 3, 1, 0];
    for ((vendor, product), sizes) in [
        ((0x046A, 0x003E), &[6, 1, 0, 7, 1, 25, 2, 1, 2][..]),
        ((0x046A, 0x00A1), &[6, 1, 0, 7, 1, 32]),
        ((0x076B, 0x3821), &[6, 1, 1, 7, 1, 31]),
        ((0x0982, 0x0008), &[6, 1, 4, 7, 1, 8, 2, 1, 2]),
    ] {
        let config = Config {
            lcd_layout: 0x0210,
            ..reader(vendor, product)
        };
        let expected = [&lcd[..], sizes, &tail(&config, 0x1_0000)].concat();
        assert_eq!(Plugged::empty(config).control(TLV_PROPERTIES, &[]), Ok(expected));
    }
}

#[test]
fn gemalto_readers_tell_their_own_properties() {
    let mut record = vec![0; 21];
    (record[3], record[8], record[13], record[14]) = (0x03, 0x04, 4, 12);
    let config = Config {
        pin_support: 3,
        escape_answers: vec![
            (vec![0x6A], Some(record)),
            (vec![0x02], Some(b"GemTest-V1.00".to_vec())),
        ],
        ..reader(0x08E6, 0x34C2)
    };
    let name = [&[8, 13][..], b"GemTest-V1.00"].concat();
    let sizes = [6, 1, 4, 7, 1, 12, 2, 1, 3];
    let expected = [&[1, 2, 0, 0, 3, 1, 0][..], &name, &sizes, &tail(&config, 0x1_0000)].concat();
    let plugged = Plugged::empty(config);
    assert_eq!(plugged.control(TLV_PROPERTIES, &[]), Ok(expected));
    assert_eq!(plugged.control(PIN_PROPERTIES, &[]), Ok(vec![0, 0, 3, 0]));
    drop(plugged);

    // Firmware that knows neither; it answers the record with another length, or not at all.
    for answer in [Some(vec![0; 15]), None] {
        let config = Config {
            escape_answers: vec![(vec![0x6A], answer), (vec![0x02], None)],
            ..reader(0x08E6, 0x3437)
        };
        let expected = [&[1, 2, 0, 0, 3, 1, 0][..], &tail(&config, 0x1_0000)].concat();
        let plugged = Plugged::empty(config);
        assert_eq!(plugged.control(TLV_PROPERTIES, &[]), Ok(expected));
        assert_eq!(plugged.control(PIN_PROPERTIES, &[]), Ok(vec![0, 0, 7, 0]));
        assert_eq!(plugged.sent(ESCAPE_MESSAGE).len(), 2);
    }
}

#[test]
fn secoder_commands_pass_to_the_two_kobils_only() {
    let info = [0x20, 0x70, 0x00, 0x00, 0x00, 0x00, 0x00];
    let kobil = Plugged::empty(reader(0x0D46, 0x4289));
    assert_eq!(kobil.control(READER_DIRECT, &info), Ok(info.to_vec()));
    assert_eq!(kobil.sent(ESCAPE_MESSAGE), [info]);
    for refused in [
        &[][..],
        &info[..4],
        &[0x21, 0x70, 0, 0, 0],
        &[0x20, 0x6F, 0, 0, 0],
        &[0x20, 0x75, 0, 0, 0],
        &[0x20, 0x70, 1, 0, 0],
        &[0x20, 0x70, 0, 1, 0],
        &[0x20, 0x70, 0, 0, 1],
    ] {
        assert_eq!(kobil.control(READER_DIRECT, refused), Err(NOT_TRANSACTED));
    }
    assert_eq!(kobil.reader.counters().escapes, 1);
    drop(kobil);
    let other = Plugged::empty(Config::default());
    assert_eq!(other.control(READER_DIRECT, &info), Err(UNSUPPORTED));
}

#[test]
fn escapes_are_refused_unless_wanted_or_harmless() {
    let switch = [0x52, 0xF8, 0x04, 0x01, 0x00, 0x02];
    let cases: [((u16, u16), &[u8], bool); 9] = [
        ((0x1209, 0x0001), &[0x02], false),
        ((0x08E6, 0x3437), &[0x02], true),
        ((0x08E6, 0x3437), &[0x02, 0x00], false),
        ((0x08E6, 0x3437), &switch, false),
        ((0x08E6, 0x5503), &switch, true),
        ((0x08E6, 0x5503), &[0x02], true),
        ((0x08E6, 0x5503), &switch[..5], false),
        ((0x076B, 0x5427), &[1, 2, 3], true),
        ((0x076B, 0x3821), &[1, 2, 3], false),
    ];
    for ((vendor, product), command, allowed) in cases {
        let plugged = Plugged::empty(reader(vendor, product));
        let expected = if allowed {
            Ok(command.to_vec())
        } else {
            Err(NOT_TRANSACTED)
        };
        assert_eq!(plugged.control(ESCAPE, command), expected, "{vendor:04X}:{product:04X}");
        assert_eq!(plugged.reader.counters().escapes, u64::from(allowed));
        let wanted = allowing_escapes(&plugged, || plugged.control(ESCAPE, command));
        assert_eq!(wanted, Ok(command.to_vec()));
    }
    // Only "1" is leave.
    let plugged = Plugged::empty(Config::default());
    unsafe { env::set_var("WINSCARD_ESCAPE", "yes") };
    let answer = plugged.control(ESCAPE, &[1]);
    unsafe { env::remove_var("WINSCARD_ESCAPE") };
    assert_eq!(answer, Err(NOT_TRANSACTED));
}

#[test]
fn a_failed_or_long_escape_and_one_that_does_not_fit() {
    let plugged = Plugged::empty(Config {
        escape_answers: vec![(vec![1], None), (vec![2], Some(vec![7; 200]))],
        ..Config::default()
    });
    allowing_escapes(&plugged, || {
        assert_eq!(plugged.control(ESCAPE, &[1]), Err(NOT_TRANSACTED));
        assert_eq!(plugged.control(ESCAPE, &[0; 262]), Err(NOT_TRANSACTED));
        let (result, needed, _) = plugged.control_with_room(ESCAPE, &[2], 199);
        assert_eq!((result, needed), (INSUFFICIENT_BUFFER, 200));
        assert_eq!(plugged.control(ESCAPE, &[2]), Ok(vec![7; 200]));
        // An Escape may be empty.
        assert_eq!(plugged.control(ESCAPE, &[]), Ok(vec![]));
    });
}

#[test]
fn the_usb_path_is_told_and_unknown_codes_are_not() {
    let plugged = Plugged::empty(Config::default());
    let path = plugged.reader.interface().usb_path.clone();
    assert!(!path.is_empty());
    assert_eq!(plugged.control(scard_ctl_code(3601), &[]), Ok(path.into_bytes()));
    let unknown = [
        0,
        2,
        scard_ctl_code(0),
        scard_ctl_code(3600),
        scard_ctl_code(0x0033_0001),
        scard_ctl_code(0x0033_0020),
        scard_ctl_code(0x0033_0100),
        DWORD::from(u32::MAX),
    ];
    for code in unknown {
        assert_eq!(plugged.control(code, &[1, 2, 3]), Err(UNSUPPORTED), "{code:#x}");
    }
}
