//! SCardGetAttrib on software readers: values and lengths, as docs/attributes.md lists them.
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

use plugged::Plugged;
use winscard::api::card::*;
use winscard::api::constants::*;
use winscard::api::types::*;
use winscard::error::Error;
use winscard::sim::card::Protocols;
use winscard::sim::{Config, Level};

const UNSUPPORTED: LONG = Error::UnsupportedFeature.to_long();

/// A reader with a value of its own in every field.
fn config() -> Config {
    Config {
        device_release: 0x0123,
        manufacturer: Some("Maker".into()),
        product: Some("Product".into()),
        serial: Some("Serial".into()),
        default_clock_khz: 3580,
        max_clock_khz: 14_320,
        data_rate_bps: 9600,
        max_data_rate_bps: 115_200,
        max_ifsd: 250,
        mechanical: 0x0A,
        max_message_len: 522,
        ..Config::default()
    }
}

fn number(plugged: &Plugged, id: DWORD) -> Result<u32, LONG> {
    plugged.attribute(id).map(|value| {
        let bytes = value.try_into().expect("4 bytes");
        u32::from_ne_bytes(bytes)
    })
}

#[test]
fn what_pcsc_lite_answers_has_its_lengths() {
    let plugged = Plugged::with_card(config(), Protocols::Both);
    let name = [plugged.name.as_bytes(), &[0]].concat();
    let interface = plugged.reader.interface();
    let channel = 0x0020_0000 | u32::from(interface.bus) << 8 | u32::from(interface.address);
    for (id, value) in [
        (SCARD_ATTR_VENDOR_NAME, b"Maker\0".to_vec()),
        (SCARD_ATTR_VENDOR_IFD_SERIAL_NO, b"Serial\0".to_vec()),
        (SCARD_ATTR_VENDOR_IFD_VERSION, 0x0123_0000_u32.to_ne_bytes().to_vec()),
        (SCARD_ATTR_CHANNEL_ID, channel.to_ne_bytes().to_vec()),
        (SCARD_ATTR_MAXINPUT, 512_u32.to_ne_bytes().to_vec()),
        (SCARD_ATTR_ICC_PRESENCE, vec![2]),
        (SCARD_ATTR_ICC_INTERFACE_STATUS, vec![1]),
        (SCARD_ATTR_DEVICE_FRIENDLY_NAME_A, name.clone()),
        (SCARD_ATTR_DEVICE_SYSTEM_NAME_A, name),
    ] {
        assert_eq!(plugged.attribute(id), Ok(value), "{id:#x}");
    }
    let atr = plugged.attribute(SCARD_ATTR_ATR_STRING).expect("an ATR");
    assert!(atr.starts_with(&[0x3B]) && atr.len() <= 33, "{atr:02X?}");
}

#[test]
fn strings_a_device_does_not_have_are_empty_and_a_card_that_is_not_there_is_absent() {
    let plugged = Plugged::empty(Config {
        manufacturer: None,
        ..Config::default()
    });
    for (id, value) in [
        (SCARD_ATTR_VENDOR_NAME, vec![]),
        (SCARD_ATTR_VENDOR_IFD_SERIAL_NO, vec![]),
        (SCARD_ATTR_ATR_STRING, vec![]),
        (SCARD_ATTR_ICC_PRESENCE, vec![0]),
        (SCARD_ATTR_ICC_INTERFACE_STATUS, vec![0]),
        (SCARD_ATTR_ICC_TYPE_PER_ATR, vec![0]),
    ] {
        assert_eq!(plugged.attribute(id), Ok(value), "{id:#x}");
    }
}

#[test]
fn the_descriptor_tells_what_the_reader_can() {
    let plugged = Plugged::empty(config());
    for (id, value) in [
        (SCARD_ATTR_ASYNC_PROTOCOL_TYPES, 3),
        (SCARD_ATTR_SYNC_PROTOCOL_TYPES, 0),
        (SCARD_ATTR_DEFAULT_CLK, 3580),
        (SCARD_ATTR_MAX_CLK, 14_320),
        (SCARD_ATTR_DEFAULT_DATA_RATE, 9600),
        (SCARD_ATTR_MAX_DATA_RATE, 115_200),
        (SCARD_ATTR_MAX_IFSD, 250),
        // Ejects; the lock is not among PC/SC's characteristics.
        (SCARD_ATTR_CHARACTERISTICS, 2),
        (SCARD_ATTR_USER_TO_CARD_AUTH_DEVICE, 0),
        (SCARD_ATTR_USER_AUTH_INPUT_DEVICE, 0),
    ] {
        assert_eq!(number(&plugged, id), Ok(value), "{id:#x}");
    }
    assert_eq!(plugged.attribute(SCARD_ATTR_VENDOR_IFD_TYPE), Ok(b"Product\0".to_vec()));
    drop(plugged);
    let pin_pad = |vendor_id, product_id| {
        Plugged::empty(Config {
            pin_support: 1,
            vendor_id,
            product_id,
            protocols: 1,
            ..Config::default()
        })
    };
    let plugged = pin_pad(0x1209, 0x0001);
    assert_eq!(number(&plugged, SCARD_ATTR_ASYNC_PROTOCOL_TYPES), Ok(1));
    assert_eq!(number(&plugged, SCARD_ATTR_USER_TO_CARD_AUTH_DEVICE), Ok(2));
    assert_eq!(number(&plugged, SCARD_ATTR_USER_AUTH_INPUT_DEVICE), Ok(1));
    drop(plugged);
    // A keyboard whose PIN pad is not to be trusted has none.
    let plugged = pin_pad(0x03F0, 0x1024);
    assert_eq!(number(&plugged, SCARD_ATTR_USER_AUTH_INPUT_DEVICE), Ok(0));
}

/// Attributes of T=1 alone.
const T1_ONLY: [DWORD; 5] = [
    SCARD_ATTR_CURRENT_IFSC,
    SCARD_ATTR_CURRENT_IFSD,
    SCARD_ATTR_CURRENT_BWT,
    SCARD_ATTR_CURRENT_CWT,
    SCARD_ATTR_CURRENT_EBC_ENCODING,
];

#[test]
fn current_parameters_are_those_of_the_card_and_its_protocol() {
    let plugged = Plugged::with_card(config(), Protocols::T0);
    assert_eq!(number(&plugged, SCARD_ATTR_CURRENT_PROTOCOL_TYPE), Ok(1));
    assert_eq!(number(&plugged, SCARD_ATTR_CURRENT_CLK), Ok(3580));
    // What reader and card have agreed on, as the reader was told.
    let told = plugged.sent(0x61).pop().expect("SetParameters");
    let (f, d) = speed(told[0]);
    assert_eq!(number(&plugged, SCARD_ATTR_CURRENT_F), Ok(f));
    assert_eq!(number(&plugged, SCARD_ATTR_CURRENT_D), Ok(d));
    assert_eq!(number(&plugged, SCARD_ATTR_CURRENT_N), Ok(told[2].into()));
    assert_eq!(number(&plugged, SCARD_ATTR_CURRENT_W), Ok(told[3].into()));
    for id in T1_ONLY {
        assert_eq!(plugged.attribute(id), Err(UNSUPPORTED), "{id:#x}");
    }
    drop(plugged);

    for level in [Level::ShortApdu, Level::ExtendedApdu] {
        let plugged = Plugged::with_card(Config { level, ..config() }, Protocols::T1);
        assert_eq!(number(&plugged, SCARD_ATTR_CURRENT_PROTOCOL_TYPE), Ok(2));
        let told = plugged.sent(0x61).pop().expect("SetParameters");
        let (f, d) = speed(told[0]);
        for (id, value) in [
            (SCARD_ATTR_CURRENT_F, f),
            (SCARD_ATTR_CURRENT_D, d),
            (SCARD_ATTR_CURRENT_N, told[2].into()),
            (SCARD_ATTR_CURRENT_BWT, u32::from(told[3] >> 4)),
            (SCARD_ATTR_CURRENT_CWT, u32::from(told[3] & 0x0F)),
            (SCARD_ATTR_CURRENT_IFSC, told[5].into()),
            (SCARD_ATTR_CURRENT_IFSD, 250),
            (SCARD_ATTR_CURRENT_EBC_ENCODING, u32::from(told[1] & 1)),
        ] {
            assert_eq!(number(&plugged, id), Ok(value), "{id:#x}");
        }
        assert_eq!(plugged.attribute(SCARD_ATTR_CURRENT_W), Err(UNSUPPORTED));
        assert_eq!(plugged.attribute(SCARD_ATTR_ICC_TYPE_PER_ATR), Ok(vec![1]));
    }
}

/// F and D of the values the built-in card uses. ISO 7816-3 tables 7 and 8
fn speed(fi_di: u8) -> (u32, u32) {
    let f = match fi_di >> 4 {
        1 => 372,
        9 => 512,
        other => panic!("Fi {other}"),
    };
    let d = match fi_di & 0x0F {
        index @ 1..=7 => 1 << (index - 1),
        8 => 12,
        other => panic!("Di {other}"),
    };
    (f, d)
}

#[test]
fn without_a_powered_card_there_are_no_current_parameters() {
    let plugged = Plugged::empty(config());
    for id in (0x0008_0201..=0x0008_020B).chain([SCARD_ATTR_EXTENDED_BWT]) {
        assert_eq!(plugged.attribute(id), Err(UNSUPPORTED), "{id:#x}");
    }
}

#[test]
fn another_connection_makes_the_reader_in_use() {
    let plugged = Plugged::with_card(config(), Protocols::Both);
    assert_eq!(number(&plugged, SCARD_ATTR_DEVICE_IN_USE), Ok(0));
    let other = plugged.connect_too();
    assert_eq!(number(&plugged, SCARD_ATTR_DEVICE_IN_USE), Ok(1));
    assert_eq!(SCardDisconnect(other, SCARD_LEAVE_CARD), SCARD_S_SUCCESS);
    assert_eq!(number(&plugged, SCARD_ATTR_DEVICE_IN_USE), Ok(0));
}

#[test]
fn the_device_unit_is_the_number_in_the_name() {
    let plugged = Plugged::empty(config());
    let unit = number(&plugged, SCARD_ATTR_DEVICE_UNIT).expect("a number");
    let words: Vec<&str> = plugged.name.rsplit(' ').collect();
    assert_eq!(format!("{unit:02X}"), words[1]);
}

#[test]
fn what_nobody_knows_is_unsupported() {
    let plugged = Plugged::with_card(config(), Protocols::Both);
    for id in [
        0,
        SCARD_ATTR_POWER_MGMT_SUPPORT,
        SCARD_ATTR_EXTENDED_BWT,
        SCARD_ATTR_CURRENT_IO_STATE,
        SCARD_ATTR_ESC_RESET,
        SCARD_ATTR_ESC_CANCEL,
        SCARD_ATTR_ESC_AUTHREQUEST,
        SCARD_ATTR_SUPRESS_T1_IFS_REQUEST,
        // libccid's internal tags, some of them addresses.
        0x0303,
        0x0FAC,
        0x0FAD,
        0x0FAE,
        0x0FAF,
        0x0FB0,
        0x0FB4,
    ] {
        assert_eq!(plugged.attribute(id), Err(UNSUPPORTED), "{id:#x}");
    }
}
