//! Reader names as pcsc-lite makes them with libccid:
//! `<friendly>[ [<interface>]][ (<serial>)]<extension> <index> <slot>`.
//!
//! Programs store these names and compare them, so a reader must get the same one from either library.

use crate::usb::Interface;

/// Sorted `VVVV:PPPP name` lines after comment lines; `contrib/reader-names` makes it.
const NAMES: &str = include_str!("names_data.txt");

/// Longest name without index and slot: MAX_READERNAME (128, NUL included) less " II SS" and the NUL.
pub const MAX_BASE_LEN: usize = 121;

/// The name libccid has for this vendor and product.
#[must_use]
pub fn friendly_name(vendor_id: u16, product_id: u16) -> Option<&'static str> {
    let wanted = (u32::from(vendor_id) << 16) | u32::from(product_id);
    let mut lines = NAMES;
    // Halves the text until the middle line is the one. Comment lines have no key and come first.
    while !lines.is_empty() {
        let (before, _) = lines.split_at_checked(boundary(lines, lines.len() / 2))?;
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let (before, from) = lines.split_at_checked(start)?;
        let (line, after) = from.split_once('\n').unwrap_or((from, ""));
        match entry(line) {
            Some((key, name)) if key == wanted => return Some(name),
            Some((key, _)) if key > wanted => lines = before,
            _ => lines = after,
        }
    }
    None
}

/// The last character boundary up to `at`.
fn boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

fn entry(line: &str) -> Option<(u32, &str)> {
    let (key, name) = line.split_once(' ')?;
    let (vendor, product) = key.split_once(':')?;
    let vendor = u16::from_str_radix(vendor, 16).ok()?;
    let product = u16::from_str_radix(product, 16).ok()?;
    Some(((u32::from(vendor) << 16) | u32::from(product), name))
}

/// Name of the interface without index and slot, at most [`MAX_BASE_LEN`] bytes.
///
/// Friendly name from libccid's table; a reader that is not in it is called by its USB strings, which is how libccid
/// forms its friendly names, or by its numbers.
#[must_use]
pub fn base_name(interface: &Interface) -> String {
    let mut name = friendly_name(interface.vendor_id, interface.product_id)
        .map_or_else(|| name_from_strings(interface), ToOwned::to_owned);
    if let Some(text) = &interface.interface_name {
        name.push_str(" [");
        name.push_str(text);
        name.push(']');
    }
    if let Some(serial) = &interface.serial {
        let shown = interface
            .interface_name
            .as_ref()
            .is_some_and(|text| text.contains(serial.as_str()));
        if !shown {
            name.push_str(" (");
            name.push_str(serial);
            name.push(')');
        }
    }
    cut(&mut name);
    name
}

fn name_from_strings(interface: &Interface) -> String {
    let text = |string: &Option<String>| string.as_deref().map(str::trim).unwrap_or_default().to_owned();
    let (manufacturer, product) = (text(&interface.manufacturer), text(&interface.product));
    match (manufacturer.is_empty(), product.is_empty()) {
        (_, true) => format!(
            "USB CCID reader {:04X}:{:04X}",
            interface.vendor_id, interface.product_id
        ),
        (true, false) => product,
        (false, false) => format!("{manufacturer} {product}"),
    }
}

fn cut(name: &mut String) {
    name.truncate(boundary(name, MAX_BASE_LEN));
}

/// `base` with the text of `PCSCLITE_FILTER_EXTEND_READER_NAMES` after it.
#[must_use]
pub fn extended(base: &str, extension: Option<&str>) -> String {
    let mut name = base.to_owned();
    name.push_str(extension.unwrap_or_default());
    cut(&mut name);
    name
}

/// Whether `PCSCLITE_FILTER_IGNORE_READER_NAMES`, a list of texts separated by colons, hides the reader: one of them
/// is in its name (before the extension, index and slot).
#[must_use]
pub fn is_ignored(base: &str, filter: Option<&str>) -> bool {
    filter
        .unwrap_or_default()
        .split(':')
        .any(|text| !text.is_empty() && base.contains(text))
}

/// The name callers see: base, index of the reader, slot.
#[must_use]
pub fn full_name(base: &str, index: u8, slot: u8) -> String {
    let base = base
        .split_at_checked(boundary(base, MAX_BASE_LEN))
        .map_or(base, |(base, _)| base);
    format!("{base} {index:02X} {slot:02X}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::usb::{Backend, NodeId};
    use std::path::PathBuf;

    fn interface(vendor_id: u16, product_id: u16) -> Interface {
        Interface {
            node: PathBuf::new(),
            node_id: NodeId { dev: 0, ino: 0 },
            bus: 1,
            address: 2,
            vendor_id,
            product_id,
            device_release: 0,
            number: 0,
            class: 0x0B,
            protocol: 0,
            class_descriptor: Vec::new(),
            bulk_out: None,
            bulk_in: None,
            interrupt_in: None,
            composite: false,
            manufacturer: None,
            product: None,
            serial: None,
            interface_name: None,
            usb_path: String::new(),
            backend: Backend::Usbfs,
        }
    }

    #[test]
    fn every_line_of_the_table_is_found() {
        let mut last = None;
        let mut count = 0;
        for line in NAMES.lines().filter(|line| !line.starts_with('#')) {
            let (key, name) = entry(line).unwrap();
            assert!(last < Some(key), "sorted: {line}");
            assert!(
                !name.is_empty() && name.len() <= MAX_BASE_LEN && !name.contains(char::is_control),
                "{line}"
            );
            let [v0, v1, p0, p1] = key.to_be_bytes();
            let (vendor, product) = (u16::from_be_bytes([v0, v1]), u16::from_be_bytes([p0, p1]));
            assert_eq!(line.get(..9).unwrap(), format!("{vendor:04X}:{product:04X}"));
            assert_eq!(friendly_name(vendor, product), Some(name));
            last = Some(key);
            count += 1;
        }
        assert!(count > 600, "{count}");
        assert_eq!(friendly_name(0, 0), None);
        assert_eq!(friendly_name(0xFFFF, 0xFFFF), None);
        assert_eq!(friendly_name(0x08E6, 0x4434), None);
    }

    #[test]
    fn parts() {
        let mut twin = interface(0x08E6, 0x3437);
        assert_eq!(base_name(&twin), "Gemalto PC Twin Reader");
        twin.serial = Some("70D7E2EE".to_owned());
        assert_eq!(
            full_name(&base_name(&twin), 0, 0),
            "Gemalto PC Twin Reader (70D7E2EE) 00 00"
        );
        twin.interface_name = Some("CCID 70D7E2EE".to_owned());
        assert_eq!(
            full_name(&base_name(&twin), 10, 255),
            "Gemalto PC Twin Reader [CCID 70D7E2EE] 0A FF"
        );
        twin.serial = Some("0001".to_owned());
        assert_eq!(base_name(&twin), "Gemalto PC Twin Reader [CCID 70D7E2EE] (0001)");
    }

    #[test]
    fn unknown_reader() {
        let mut unknown = interface(0x1234, 0xABCD);
        assert_eq!(base_name(&unknown), "USB CCID reader 1234:ABCD");
        unknown.product = Some(" Token ".to_owned());
        assert_eq!(base_name(&unknown), "Token");
        unknown.manufacturer = Some("Maker".to_owned());
        assert_eq!(base_name(&unknown), "Maker Token");
        unknown.product = Some("é".repeat(200));
        unknown.manufacturer = None;
        let name = full_name(&base_name(&unknown), 1, 2);
        assert_eq!(name, format!("{} 01 02", "é".repeat(60)));
        assert!(name.len() < 128);
    }

    #[test]
    fn filters() {
        assert!(is_ignored("Yubico YubiKey", Some("Gemalto:YubiKey")));
        assert!(!is_ignored("Yubico YubiKey", Some("::Gemalto")));
        assert!(!is_ignored("Yubico YubiKey", None));
        assert_eq!(extended("Reader", Some(" at home")), "Reader at home");
        assert_eq!(extended(&"x".repeat(120), Some("yz")), format!("{}y", "x".repeat(120)));
    }
}
