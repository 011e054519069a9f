//! Strings of a device → reader name.

use crate::exchange::interface;
use crate::input::Input;
use winscard::fuzzing;
use winscard::reader::name;

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let mut reader = interface(Vec::new());
    (reader.vendor_id, reader.product_id) = (input.u16(), input.u16());
    let (index, slot) = (input.u8(), input.u8());
    let which = input.u8();
    let mut string = |bit: u8| (which >> bit & 1 == 1).then(|| input.counted());
    reader.manufacturer = string(0).and_then(fuzzing::printable);
    reader.product = string(1).and_then(fuzzing::printable);
    reader.serial = string(2).and_then(fuzzing::from_string_descriptor);
    reader.interface_name = string(3).and_then(fuzzing::ascii);
    let extension = string(4).and_then(|bytes| String::from_utf8(bytes.to_vec()).ok());
    let filter = string(5).and_then(|bytes| String::from_utf8(bytes.to_vec()).ok());
    let strings = [
        &reader.manufacturer,
        &reader.product,
        &reader.serial,
        &reader.interface_name,
    ];
    for text in strings.into_iter().flatten() {
        assert!(!text.is_empty() && !text.chars().any(char::is_control), "{text:?}");
    }
    let base = name::base_name(&reader);
    assert!(!base.is_empty() && base.len() <= name::MAX_BASE_LEN);
    assert!(!base.chars().any(char::is_control), "{base:?}");
    let _hidden = name::is_ignored(&base, filter.as_deref());
    let full = name::full_name(&name::extended(&base, extension.as_deref()), index, slot);
    assert!(full.len() < 128, "MAX_READERNAME with its NUL: {full:?}");
    assert!(full.ends_with(&format!(" {index:02X} {slot:02X}")));
}
