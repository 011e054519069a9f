#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use super::super::descriptor::ExchangeLevel;
use super::super::quirks::Quirks;
use super::super::testing::interface;
use super::*;

/// VERIFY of PIN 1, eight bytes padded with FF.
const VERIFY_APDU: &[u8] = b"\x00\x20\x00\x01\x08\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF";
/// A command without length: the PIN is appended.
const BARE_APDU: &[u8] = b"\x00\x20\x00\x01";
const CHANGE_APDU: &[u8] = b"\x00\x24\x00\x01\x10\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF";

fn verify_structure(apdu: &[u8]) -> Vec<u8> {
    let mut bytes = vec![30, 20, 0x82, 0x08, 0x04, 8, 4, 2, 1, 0x09, 0x04, 5, 0xA1, 0xA2, 0xA3];
    bytes.extend(u32::try_from(apdu.len()).unwrap().to_le_bytes());
    bytes.extend(apdu);
    bytes
}

fn modify_structure(messages: u8) -> Vec<u8> {
    let mut bytes = vec![
        30, 20, 0x82, 0x08, 0x04, 0, 8, 8, 4, 3, 2, messages, 0x09, 0x04, 0x11, 0x12, 0x13, 0xA1, 0xA2, 0xA3,
    ];
    bytes.extend(u32::try_from(CHANGE_APDU.len()).unwrap().to_le_bytes());
    bytes.extend(CHANGE_APDU);
    bytes
}

fn quirks(vendor_id: u16, product_id: u16, release: u16) -> Quirks {
    let mut interface = interface(0x0002_0000, 271);
    (interface.vendor_id, interface.product_id, interface.device_release) = (vendor_id, product_id, release);
    Quirks::of(&interface, ExchangeLevel::ShortApdu)
}

/// What goes to this reader.
fn wire(mut operation: PinOperation<'_>, (vendor, product): (u16, u16), record: Option<FirmwareRecord>) -> Vec<u8> {
    operation.correct(&quirks(vendor, product, 0x0200).pin, record.as_ref());
    operation.encode().as_slice().to_vec()
}

fn verified(structure: &[u8], reader: (u16, u16)) -> Vec<u8> {
    wire(PinOperation::verify(structure).unwrap(), reader, None)
}

fn modified(messages: u8, reader: (u16, u16)) -> Vec<u8> {
    wire(PinOperation::modify(&modify_structure(messages)).unwrap(), reader, None)
}

const ANY: (u16, u16) = (0xFFFF, 0xFFFF);

#[test]
fn verification_goes_out_without_second_timeout_and_length() {
    let expected = [
        &[0x00, 30, 0x82, 0x08, 0x04, 8, 4, 2, 1, 0x09, 0x04, 5, 0xA1, 0xA2, 0xA3][..],
        VERIFY_APDU,
    ]
    .concat();
    assert_eq!(verified(&verify_structure(VERIFY_APDU), ANY), expected);
}

#[test]
fn modification_goes_out_with_as_many_indexes_as_messages() {
    for (messages, indexes) in [
        (0, &[0x11][..]),
        (1, &[0x11, 0x12]),
        (2, &[0x11, 0x12]),
        (3, &[0x11, 0x12, 0x13]),
        (0xFF, &[0x11, 0x12, 0x13]),
    ] {
        let expected = [
            &[0x01, 30, 0x82, 0x08, 0x04, 0, 8, 8, 4, 3, 2, messages, 0x09, 0x04][..],
            indexes,
            &[0xA1, 0xA2, 0xA3],
            CHANGE_APDU,
        ]
        .concat();
        assert_eq!(modified(messages, ANY), expected, "{messages}");
    }
}

#[test]
fn fields_of_a_big_endian_caller_are_turned() {
    let mut bytes = verify_structure(VERIFY_APDU);
    let expected = verified(&bytes, ANY);
    bytes[5..7].reverse();
    bytes[9..11].reverse();
    bytes[15..19].reverse();
    assert_eq!(verified(&bytes, ANY), expected);

    let mut bytes = modify_structure(3);
    let expected = PinOperation::modify(&bytes).unwrap().encode();
    bytes[7..9].reverse();
    bytes[12..14].reverse();
    bytes[20..24].reverse();
    assert_eq!(PinOperation::modify(&bytes).unwrap().encode(), expected);
}

#[test]
fn an_entry_condition_that_is_none_becomes_the_confirmation_key() {
    for condition in 0..=u8::MAX {
        let mut bytes = verify_structure(VERIFY_APDU);
        bytes[7] = condition;
        let sent = verified(&bytes, ANY)[7];
        assert_eq!(sent, if matches!(condition, 1..=7) { condition } else { 2 });
        let mut bytes = modify_structure(0);
        bytes[10] = condition;
        let sent = PinOperation::modify(&bytes).unwrap().encode().as_slice()[10];
        assert_eq!(sent, if matches!(condition, 1..=7) { condition } else { 2 });
    }
}

#[test]
fn a_number_of_messages_that_is_none_is_refused_in_modification_only() {
    for number in 0..=u8::MAX {
        let modification = modify_structure(number);
        let result = PinOperation::modify(&modification);
        if matches!(number, 0..=3 | 0xFF) {
            assert_eq!(result.unwrap().messages, number);
        } else {
            assert_eq!(result, Err(PinError::NumberMessage));
        }
        let mut verification = verify_structure(VERIFY_APDU);
        verification[8] = number;
        assert_eq!(verified(&verification, ANY)[8], number);
    }
}

#[test]
fn every_cut_structure_is_refused() {
    for structure in [verify_structure(VERIFY_APDU), verify_structure(BARE_APDU)] {
        for len in 0..structure.len() {
            let error = PinOperation::verify(&structure[..len]).unwrap_err();
            let expected = if len < 23 {
                PinError::TooShort
            } else {
                PinError::DataLength
            };
            assert_eq!(error, expected, "{len}");
        }
        let longer = [&structure[..], &[0]].concat();
        assert_eq!(PinOperation::verify(&longer), Err(PinError::DataLength));
    }
    let structure = modify_structure(3);
    for len in 0..structure.len() {
        let expected = if len < 28 {
            PinError::TooShort
        } else {
            PinError::DataLength
        };
        assert_eq!(PinOperation::modify(&structure[..len]), Err(expected), "{len}");
    }
}

#[test]
fn data_lengths_at_the_ends_of_their_range_do_not_overflow() {
    for declared in [0, 3, 0x7FFF_FFFF, 0x8000_0000, u32::MAX - 18, u32::MAX] {
        let mut bytes = verify_structure(VERIFY_APDU);
        bytes[15..19].copy_from_slice(&declared.to_le_bytes());
        assert_eq!(PinOperation::verify(&bytes), Err(PinError::DataLength), "{declared:#x}");
    }
    let mut none = verify_structure(&[]);
    assert_eq!(PinOperation::verify(&none), Err(PinError::TooShort));
    none.extend([0; 4]);
    assert_eq!(PinOperation::verify(&none), Err(PinError::DataLength));
}

/// xorshift32.
struct Random(u32);

impl Random {
    fn next(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next()).unwrap() % end
    }
}

#[test]
fn mutated_structures_give_an_error_or_a_message_of_the_right_shape() {
    let mut random = Random(0x1234_5678);
    let readers = [
        ANY,
        (0x08E6, 0x3478),
        (0x0982, 0x0008),
        (0x413C, 0x2100),
        (0x04E6, 0xE003),
        (0x046A, 0x0010),
        (0x046A, 0x00A1),
    ];
    let (mut taken, mut refused) = (0, 0);
    for round in 0..60_000 {
        let modify = round % 2 == 1;
        let mut bytes = if modify {
            modify_structure(3)
        } else {
            verify_structure(VERIFY_APDU)
        };
        for _ in 0..=random.below(3) {
            let at = random.below(bytes.len());
            bytes[at] = random.next().to_le_bytes()[0];
        }
        if random.below(4) == 0 {
            bytes.truncate(random.below(bytes.len() + 1));
        }
        let parsed = if modify {
            PinOperation::modify(&bytes)
        } else {
            PinOperation::verify(&bytes)
        };
        let Ok(operation) = parsed else {
            refused += 1;
            continue;
        };
        taken += 1;
        assert!((90..=265).contains(&operation.time().as_secs()));
        let template_len = operation.template().len();
        let data = wire(operation, readers[random.below(readers.len())], None);
        let shape = data.len() - template_len;
        if modify {
            assert!((18..=20).contains(&shape), "{bytes:02X?}");
            assert!(matches!(data[10], 1..=7));
        } else {
            assert_eq!(shape, 15, "{bytes:02X?}");
            assert!(matches!(data[7], 1..=7));
        }
        assert!(bytes.ends_with(&data[shape..]));
    }
    assert!(taken > 10_000 && refused > 10_000, "{taken} taken, {refused} refused");
}

#[test]
fn an_operation_has_ninety_seconds_or_ten_beyond_its_own_timeout() {
    for (timeout, seconds) in [(0, 90), (30, 90), (80, 90), (81, 91), (255, 265)] {
        let mut bytes = verify_structure(VERIFY_APDU);
        bytes[0] = timeout;
        assert_eq!(PinOperation::verify(&bytes).unwrap().time().as_secs(), seconds);
    }
}

#[test]
fn gempc_pinpad_and_vega_alpha_get_one_message_and_the_key_alone() {
    let mut bytes = verify_structure(VERIFY_APDU);
    (bytes[7], bytes[8]) = (7, 0xFF);
    for reader in [(0x08E6, 0x3478), (0x0982, 0x0008)] {
        let data = verified(&bytes, reader);
        assert_eq!((data[7], data[8]), (2, 1), "{reader:04X?}");
        for messages in [0, 1, 3] {
            let data = modified(messages, reader);
            // All three indexes and the real number.
            assert_eq!((data[10], data[11]), (2, messages));
            assert_eq!(data[14..17], [0x11, 0x12, 0x13]);
            assert_eq!(data[17..20], [0xA1, 0xA2, 0xA3]);
        }
    }
}

#[test]
fn gemalto_firmware_that_counts_messages_gets_them_counted() {
    let record = FirmwareRecord {
        condition: 3,
        counts_messages: true,
        min_pin_len: 4,
        max_pin_len: 8,
    };
    let reader = (0x08E6, 0x34C2);
    let mut bytes = modify_structure(0);
    bytes[10] = 7;
    let operation = PinOperation::modify(&bytes).unwrap();
    let counted = wire(operation.clone(), reader, Some(record));
    assert_eq!((counted.len() - CHANGE_APDU.len(), counted[10]), (18, 3));
    let old = FirmwareRecord {
        counts_messages: false,
        condition: 4,
        ..record
    };
    let all = wire(operation.clone(), reader, Some(old));
    assert_eq!((all.len() - CHANGE_APDU.len(), all[10]), (20, 4));
    assert_eq!(wire(operation, reader, None).len() - CHANGE_APDU.len(), 20);
    // A record without any of the conditions asked for leaves the key.
    bytes[10] = 1;
    let operation = PinOperation::modify(&bytes).unwrap();
    assert_eq!(wire(operation, reader, Some(old))[10], 2);
}

#[test]
fn dell_keyboards_get_no_message_and_one_of_them_turned_limits() {
    let structure = verify_structure(VERIFY_APDU);
    let data = verified(&structure, (0x413C, 0x2101));
    assert_eq!((&data[5..7], data[8]), (&[8, 4][..], 0));
    let data = verified(&structure, (0x413C, 0x2100));
    assert_eq!((&data[5..7], data[8]), (&[4, 8][..], 0));
    assert!(quirks(0x413C, 0x2100, 0x0100).pin.key_release.is_some());
    // Modification is not concerned.
    assert_eq!(modified(3, (0x413C, 0x2100))[7..9], [8, 4]);
}

#[test]
fn readers_without_display_get_three_zero_indexes() {
    for reader in [(0x04E6, 0xE003), (0x046A, 0x003E)] {
        for messages in [0, 2, 0xFF] {
            let data = modified(messages, reader);
            assert_eq!(data[11], 0);
            assert_eq!(data[14..20], [0, 0, 0, 0xA1, 0xA2, 0xA3]);
        }
    }
}

#[test]
fn cherry_keyboards_get_the_messages_they_want() {
    let data = modified(0, (0x046A, 0x0010));
    assert_eq!((data[11], &data[14..17]), (3, &[0x11, 0x12, 0x13][..]));
    let data = modified(0, (0x046A, 0x00A1));
    assert_eq!((data[11], &data[14..17]), (0xFF, &[0x11, 0x12, 0x13][..]));
    assert_eq!(modified(1, (0x046A, 0x00A1))[11], 1);
}

#[test]
fn a_bare_command_is_told_from_others() {
    let bare = |structure: &[u8]| PinOperation::verify(structure).unwrap().is_bare();
    let mut structure = verify_structure(BARE_APDU);
    assert!(!bare(&structure), "a PIN block has its length");
    structure[3] = 0;
    assert!(bare(&structure));
    structure = verify_structure(VERIFY_APDU);
    structure[3] = 0;
    assert!(!bare(&structure));
    assert!(quirks(0x04E6, 0xE003, 0x0600).pin.announce_bare_pin);
}

#[test]
fn what_is_printed_holds_no_template() {
    let structure = verify_structure(b"\x00\x20\x00\x01\x04\xDE\xAD\xBE\xEF");
    let operation = PinOperation::verify(&structure).unwrap();
    let printed = format!("{operation:?} {:?}", operation.encode());
    assert!(!printed.contains("222") && !printed.contains("DE"), "{printed}");
    assert!(printed.contains("secret"), "{printed}");
}

#[test]
fn wiping_leaves_zeros() {
    let mut bytes = [7; 100];
    wipe(&mut bytes);
    assert_eq!(bytes, [0; 100]);
}
