//! Enumeration from the usbfs nodes alone, for places without sysfs: descriptors by reading the node, strings by asking
//! the device.

use std::path::Path;
use std::time::Duration;

use parking_lot::Mutex;

use super::{MAX_DESCRIPTORS_LEN, MAX_DEVICES, Node, Scan, read, text};
use crate::fork;
use crate::usb::descriptor::{self, Device};
use crate::usb::{ControlRequest, Interface, NodeId, usbfs};

/// Standard requests (USB 2.0 table 9-4) to the device, direction IN.
const GET_CONFIGURATION: ControlRequest = ControlRequest {
    request_type: 0x80,
    request: 8,
    value: 0,
    index: 0,
};
const GET_STRING: ControlRequest = ControlRequest {
    request_type: 0x80,
    request: 6,
    value: 0x0300,
    index: 0,
};

/// A device that answers, answers at once.
const ANSWER_TIME: Duration = Duration::from_millis(500);

/// Adds the readers of every node.
pub(super) fn add_all(scan: &mut Scan, dev: &Path) {
    for bus in numbered(dev) {
        for address in numbered(&dev.join(format!("{bus:03}"))) {
            if let Some(node) = Node::find(dev, bus, address) {
                add_node(scan, &node);
            }
        }
    }
}

/// The entries whose names are three digits or more, as the kernel names buses and devices.
fn numbered(directory: &Path) -> Vec<u16> {
    let names = fork::names_in(directory, MAX_DEVICES).unwrap_or_default();
    names
        .iter()
        .filter_map(|name| name.to_str().filter(|name| name.len() >= 3)?.parse().ok())
        .collect()
}

fn add_node(scan: &mut Scan, node: &Node) -> Option<()> {
    let mut bytes = read(&node.path, MAX_DESCRIPTORS_LEN)?;
    to_bus_order(&mut bytes);
    let first = descriptor::parse(&bytes, None)?;
    // Only what may be a reader is opened for writing. Byte 17 is bNumConfigurations.
    if !has_reader(&first) && bytes.get(17) == Some(&1) {
        return None;
    }
    let details = Details::of(node, &first);
    let device = match details.configuration {
        // Not configured.
        Some(0) => {
            scan.settling |= node.is_new;
            return None;
        }
        Some(value) => descriptor::parse(&bytes, Some(value))?,
        None => first,
    };
    for reader in device
        .interfaces
        .iter()
        .filter(|i| i.is_reader(device.vendor_id, device.product_id))
    {
        let name = details
            .strings
            .iter()
            .find(|(index, _)| *index == reader.string_index)
            .map(|(_, text)| text);
        scan.interfaces.push(Interface {
            manufacturer: details.string(device.manufacturer_index),
            product: details.string(device.product_index),
            serial: details.string(device.serial_index),
            interface_name: name.and_then(|text| text::ascii(text.as_bytes())),
            ..node.interface(&device, reader)
        });
    }
    Some(())
}

fn has_reader(device: &Device) -> bool {
    device
        .interfaces
        .iter()
        .any(|i| i.is_reader(device.vendor_id, device.product_id))
}

/// usbfs gives the four 16-bit fields of the device descriptor in the machine's byte order, unlike all that follows.
fn to_bus_order(bytes: &mut [u8]) {
    for at in [2, 8, 10, 12] {
        if let Some(field) = bytes
            .get_mut(at..at + 2)
            .and_then(|field| <&mut [u8; 2]>::try_from(field).ok())
        {
            *field = u16::from_ne_bytes(*field).to_le_bytes();
        }
    }
}

/// What only the device can tell.
#[derive(Clone, Debug, Default)]
struct Details {
    /// Value of the active configuration, `None` if it could not be asked.
    configuration: Option<u8>,
    strings: Vec<(u8, String)>,
}

/// Details by node. A device is asked once: opening its node for writing and closing it again wakes everybody who
/// watches the node, and if they all enumerate then they would wake each other for ever.
static KNOWN: Mutex<Vec<(NodeId, Details)>> = Mutex::new(Vec::new());

const MAX_KNOWN: usize = 64;

impl Details {
    fn of(node: &Node, device: &Device) -> Self {
        let known = KNOWN
            .lock()
            .iter()
            .find(|(id, _)| *id == node.id)
            .map(|(_, details)| details.clone());
        if let Some(details) = known {
            return details;
        }
        let Some(details) = Self::ask(node, device) else {
            return Self::default();
        };
        // Not before it is configured: that will change.
        if details.configuration.is_some_and(|value| value != 0) {
            let mut known = KNOWN.lock();
            if known.len() >= MAX_KNOWN {
                known.remove(0);
            }
            known.push((node.id, details.clone()));
        }
        details
    }

    /// `None` if the node may not be opened for writing.
    fn ask(node: &Node, device: &Device) -> Option<Self> {
        let open = usbfs::Node::open(&node.path, true).ok()?;
        let mut value = [0];
        let mut details = Self::default();
        if open.control_in(GET_CONFIGURATION, &mut value, ANSWER_TIME) != Ok(1) {
            return Some(details);
        }
        let [value] = value;
        details.configuration = Some(value);
        let mut indexes = vec![device.manufacturer_index, device.product_index, device.serial_index];
        indexes.extend(device.interfaces.iter().map(|interface| interface.string_index));
        indexes.retain(|&index| index != 0);
        indexes.sort_unstable();
        indexes.dedup();
        details.strings = strings(&open, &indexes).unwrap_or_default();
        Some(details)
    }

    fn string(&self, index: u8) -> Option<String> {
        self.strings
            .iter()
            .find(|(at, _)| *at == index)
            .map(|(_, text)| text.clone())
    }
}

/// The strings of these indexes in the device's first language; asks no further after the first failure.
fn strings(node: &usbfs::Node, indexes: &[u8]) -> Option<Vec<(u8, String)>> {
    let mut answer = [0; 255];
    let get = |index: u8, language: u16, answer: &mut [u8]| {
        let request = ControlRequest {
            value: GET_STRING.value | u16::from(index),
            index: language,
            ..GET_STRING
        };
        node.control_in(request, answer, ANSWER_TIME).ok()
    };
    // String 0 lists the languages.
    if get(0, 0, &mut answer)? < 4 {
        return None;
    }
    let [_, _, low, high, ..] = answer;
    let language = u16::from_le_bytes([low, high]);
    let mut found = Vec::new();
    for &index in indexes {
        let Some(len) = get(index, language, &mut answer) else {
            break;
        };
        if let Some(text) = answer.get(..len).and_then(text::from_descriptor) {
            found.push((index, text));
        }
    }
    Some(found)
}
