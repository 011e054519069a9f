//! Class descriptors as readers in the field give them, and worse.

use super::super::descriptor::Descriptor;
use super::super::descriptor::ExchangeLevel::{self, Character, ExtendedApdu, ShortApdu, Tpdu};
use super::super::error::Error;
use super::super::testing::class_descriptor;

type Row = (&'static str, u8, u8, u8, u32, u32, u32, u32, u32, u8, ExchangeLevel);

/// Values of real readers, one or two of each kind of oddity.
#[rustfmt::skip]
const READERS: &[Row] = &[
    // VID:PID, type, slot index, voltages, protocols, clock, IFSD, features, message length, busy slots: level
    ("072F:90CC", 0x21, 0, 7, 0x0000_0003, 4000, 247, 0x0001_0030, 271, 1, Tpdu),
    ("072F:2200", 0x21, 0, 7, 0x0000_0002, 4000, 256, 0x0002_0040, 271, 1, ShortApdu),
    ("072F:221A", 0x21, 0, 7, 0x0000_0002, 4000, 512, 0x0004_0040, 522, 1, ExtendedApdu),
    ("072F:221A", 0x21, 0, 7, 0x0000_0003, 4800, 254, 0x0002_00BA, 288, 1, ShortApdu),
    ("072F:2259", 0x21, 0, 7, 0x0000_0002, 4000, 254, 0x0004_04BA, 522, 1, ExtendedApdu),
    ("072F:2224", 0x21, 2, 7, 0x0000_0003, 4800, 512, 0x0004_04BA, 522, 1, ExtendedApdu),
    ("1C34:AFC0", 0x21, 1, 7, 0x0000_0003, 4000, 254, 0x0004_047E, 65554, 0, ExtendedApdu),
    ("1C34:AFC2", 0x21, 1, 7, 0x0000_0003, 4000, 254, 0x0004_047E, 65554, 1, ExtendedApdu),
    ("0483:ACD1", 0x21, 0, 3, 0x0000_0001, 3600, 0, 0x0001_04BA, 271, 1, Tpdu),
    ("03EB:600B", 0x21, 0, 1, 0x0000_0001, 3580, 0, 0x0002_0840, 271, 1, ShortApdu),
    ("03EB:6004", 0x21, 1, 7, 0x0000_0003, 3580, 256, 0x0002_005E, 271, 1, ShortApdu),
    ("09C3:0008", 0x21, 0, 1, 0x0000_0003, 4000, 252, 0x0001_00BA, 263, 1, Tpdu),
    ("058F:9522", 0x21, 1, 3, 0x0000_0003, 3700, 254, 0x0002_04BE, 271, 1, ShortApdu),
    ("2A0C:0021", 0x21, 0, 1, 0x0000_0003, 3700, 271, 0x0001_04B4, 271, 1, Tpdu),
    ("23A0:0002", 0x21, 0, 1, 0x0000_0001, 3580, 64, 0x0000_0840, 271, 1, Character),
    ("0982:0040", 0x21, 2, 7, 0x0000_0003, 2000, 254, 0x0002_0472, 271, 2, ShortApdu),
    ("413C:2100", 0xFF, 0, 3, 0x0000_0003, 4000, 254, 0x0001_0230, 271, 1, Tpdu),
    ("1FFA:0002", 0x21, 0, 1, 0x0002_0003, 3686, 1024, 0x0004_04BE, 1034, 1, ExtendedApdu),
    ("09D8:0428", 0x21, 0, 7, 0x0000_0003, 5000, 254, 0x0004_04B2, 64, 1, ExtendedApdu),
    ("09D8:0427", 0x21, 5, 7, 0x0000_0003, 5000, 254, 0x0001_0032, 64, 1, Tpdu),
    ("096E:0505", 0x21, 0, 7, 0x0000_0003, 4000, 248, 0x0001_0230, 271, 0, Tpdu),
    ("08E6:3479", 0x21, 4, 7, 0x0000_0003, 4000, 254, 0x0001_0230, 271, 1, Tpdu),
    ("08E6:5743", 0x21, 1, 2, 0x0000_0001, 3686, 0, 0x0001_0070, 271, 1, Tpdu),
    ("04E6:5612", 0x21, 0, 7, 0x0000_0003, 4800, 253, 0x0002_04BE, 263, 1, ShortApdu),
    ("04E6:5A11", 0x21, 0, 7, 0x0000_0002, 3580, 254, 0x0001_0622, 64, 1, Tpdu),
    ("09BE:0002", 0xFF, 0, 0, 0x0000_0300, 1024000, 0, 0x0001_0230, 271, 1, Tpdu),
    ("21AB:0010", 0x21, 0, 0, 0x0000_0003, 4000, 272, 0x0002_047E, 280, 1, ShortApdu),
    ("08C3:0406", 0x21, 0, 3, 0x0000_0003, 4000, 254, 0x0002_00BA, 524288, 1, ShortApdu),
    ("04E6:5120", 0x21, 1, 1, 0x0000_0003, 4000, 252, 0x0001_00BA, 263, 1, Tpdu),
    ("1C34:6112", 0x21, 1, 7, 0x0000_0003, 4000, 254, 0x0004_047E, 65554, 5, ExtendedApdu),
    ("23EB:0003", 0x21, 0, 7, 0x0000_0003, 4000, 254, 0x0002_067E, 271, 0, ShortApdu),
    ("1862:0000", 0x21, 4, 3, 0x0000_0003, 3600, 254, 0x0004_05F2, 271, 5, ExtendedApdu),
    ("0973:0003", 0x21, 0, 1, 0x0000_0001, 3580, 0, 0x0000_0840, 256, 1, Character),
    ("04D8:EB61", 0x21, 7, 6, 0x0000_0001, 3573, 247, 0x0001_00BA, 271, 8, Tpdu),
    ("1D50:6141", 0x21, 7, 7, 0x0000_0001, 2500, 0, 0x0001_00B0, 272, 8, Tpdu),
];

fn bytes_of(row: &Row) -> Vec<u8> {
    let &(_, kind, slot_index, voltages, protocols, clock, ifsd, features, length, busy, _) = row;
    let mut bytes = class_descriptor(features, length);
    bytes[1] = kind;
    bytes[4] = slot_index;
    bytes[5] = voltages;
    bytes[6..10].copy_from_slice(&protocols.to_le_bytes());
    bytes[10..14].copy_from_slice(&clock.to_le_bytes());
    bytes[28..32].copy_from_slice(&ifsd.to_le_bytes());
    bytes[53] = busy;
    bytes
}

#[test]
fn every_reader_in_the_field_parses_and_is_usable() {
    for row in READERS {
        let descriptor = Descriptor::parse(&bytes_of(row)).unwrap();
        let &(name, _, slot_index, _, _, clock, _, features, length, _, level) = row;
        assert_eq!(descriptor.level(), level, "{name}");
        assert_eq!(descriptor.slots(), u16::from(slot_index) + 1, "{name}");
        assert_eq!(descriptor.features(), features, "{name}");
        assert_eq!(descriptor.default_clock_khz(), clock, "{name}");
        assert!((1..=7).contains(&descriptor.voltages()), "{name}");
        assert!((1..=3).contains(&descriptor.protocols()), "{name}");
        assert!((1..=254).contains(&descriptor.max_ifsd()), "{name}");
        assert!((1..=descriptor.slots()).contains(&descriptor.busy_slots()), "{name}");
        let expected = if length == 263 { 270 } else { length };
        assert_eq!(descriptor.max_message_len(), expected, "{name}");
        assert_eq!(
            descriptor.max_payload_len(),
            usize::try_from(expected).unwrap() - 10,
            "{name}"
        );
    }
}

fn with(offset: usize, value: &[u8]) -> Descriptor {
    let mut bytes = class_descriptor(0x0002_0000, 271);
    bytes[offset..offset + value.len()].copy_from_slice(value);
    Descriptor::parse(&bytes).unwrap()
}

#[test]
fn protocols_are_masked_and_none_means_both() {
    assert_eq!(with(6, &[2, 0, 2, 0]).protocols(), 2);
    assert_eq!(with(6, &[0, 3, 0, 0]).protocols(), 3);
    assert_eq!(with(6, &[0; 4]).protocols(), 3);
}

#[test]
fn ifsd_0_means_32_and_none_is_beyond_254() {
    assert_eq!(with(28, &[0; 4]).max_ifsd(), 32);
    assert_eq!(with(28, &[255, 0, 0, 0]).max_ifsd(), 254);
    assert_eq!(with(28, &[0, 1, 0, 0]).max_ifsd(), 254);
    assert_eq!(with(28, &[0xFF; 4]).max_ifsd(), 254);
    assert_eq!(with(28, &[1, 0, 0, 0]).max_ifsd(), 1);
}

#[test]
fn no_voltage_means_all() {
    assert_eq!(with(5, &[0]).voltages(), 7);
    assert_eq!(with(5, &[0xF8]).voltages(), 7);
    assert_eq!(with(5, &[4]).voltages(), 4);
}

#[test]
fn slot_index_255_is_256_slots() {
    assert_eq!(with(4, &[255]).slots(), 256);
    assert_eq!(with(4, &[0x80]).slots(), 129);
}

#[test]
fn busy_slots_stay_within_the_slots() {
    assert_eq!(with(53, &[0]).busy_slots(), 1);
    assert_eq!(with(53, &[5]).busy_slots(), 2);
    assert_eq!(with(53, &[2]).busy_slots(), 2);
}

#[test]
fn highest_level_declared_wins() {
    let level = |features: u32| with(40, &features.to_le_bytes()).level();
    assert_eq!(level(0x0007_0000), ExtendedApdu);
    assert_eq!(level(0x0003_0000), ShortApdu);
    assert_eq!(level(0x0001_0000), Tpdu);
    assert_eq!(level(0x0000_FFFF), Character);
}

#[test]
fn message_length_without_room_for_data_is_refused() {
    for length in [0, 9, 10] {
        let result = Descriptor::parse(&class_descriptor(0x0002_0000, length));
        assert!(matches!(result, Err(Error::Descriptor(_))), "{length}");
    }
    assert_eq!(with(44, &[11, 0, 0, 0]).max_payload_len(), 1);
}

#[test]
fn other_types_and_short_descriptors_are_refused() {
    let whole = class_descriptor(0x0002_0000, 271);
    for len in 0..54 {
        assert!(Descriptor::parse(&whole[..len]).is_err(), "{len}");
    }
    let longer = [&whole[..], &[0; 10]].concat();
    assert!(Descriptor::parse(&longer).is_ok());
    let mut other = whole;
    other[1] = 0x24;
    assert!(Descriptor::parse(&other).is_err());
}

#[test]
fn every_other_field_is_read_from_its_offset() {
    let mut bytes: Vec<u8> = (0..54).collect();
    bytes[1] = 0x21;
    let descriptor = Descriptor::parse(&bytes).unwrap();
    assert_eq!(descriptor.release(), 0x0302);
    assert_eq!(descriptor.default_clock_khz(), 0x0D0C_0B0A);
    assert_eq!(descriptor.maximum_clock_khz(), 0x1110_0F0E);
    assert_eq!(descriptor.clocks_supported(), 18);
    assert_eq!(descriptor.data_rate_bps(), 0x1615_1413);
    assert_eq!(descriptor.max_data_rate_bps(), 0x1A19_1817);
    assert_eq!(descriptor.data_rates_supported(), 27);
    assert_eq!(descriptor.sync_protocols(), 0x2322_2120);
    assert_eq!(descriptor.mechanical(), 0x2726_2524);
    assert_eq!(descriptor.features(), 0x2B2A_2928);
    assert_eq!(descriptor.max_message_len(), 0x2F2E_2D2C);
    assert_eq!((descriptor.class_get_response(), descriptor.class_envelope()), (48, 49));
    assert_eq!(descriptor.lcd_layout(), 0x3332);
    assert_eq!(descriptor.pin_support(), 52);
}

#[test]
fn feature_bits() {
    let has = |bit: u32, of: fn(&Descriptor) -> bool| {
        assert!(of(&with(40, &bit.to_le_bytes())), "{bit:X}");
        assert!(!of(&with(40, &(!bit).to_le_bytes())), "{bit:X}");
    };
    has(0x0002, Descriptor::auto_parameters);
    has(0x0004, Descriptor::auto_activation);
    has(0x0008, Descriptor::auto_voltage);
    has(0x0010, Descriptor::auto_clock);
    has(0x0020, Descriptor::auto_baud_rate);
    has(0x0040, Descriptor::auto_negotiation);
    has(0x0080, Descriptor::auto_pps);
    has(0x0100, Descriptor::clock_stop);
    has(0x0200, Descriptor::nad);
    has(0x0400, Descriptor::auto_ifsd);
    has(0x10_0000, Descriptor::wake_up);
}
