//! Finds the readers among the USB devices bound to WinUSB. Compiled, never run with hardware.
//!
//! A device can only be asked for its descriptors by who has it open, which is one program at a time. So the first that
//! meets it writes them down in a file: this is the device's *node*, with whose locks it is shared.

#![allow(unsafe_code, reason = "functions of cfgmgr32.dll")]

mod card;

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use windows_sys::Win32::Devices::DeviceAndDriverInstallation as cm;
use windows_sys::Win32::Devices::Properties::{DEVPKEY_Device_LastArrivalDate, DEVPROPTYPE};
use windows_sys::Win32::System::Registry::{HKEY, KEY_READ};
use windows_sys::core::GUID;

pub use super::Scan;
use super::winusb::Location;
use super::{Backend, Interface, NodeId, descriptor};
use crate::arbiter::store::Place;
use crate::winreg::Key;
use card::Card;

/// Longest list of strings asked for, in code units.
const MAX_LIST_LEN: u32 = 1 << 20;

/// What is on the bus.
#[must_use]
pub fn scan() -> Scan {
    let mut scan = Scan::default();
    let nodes = Place::usb().nodes;
    let mut present = HashSet::new();
    for instance in strings(&device_ids()) {
        let Some(location) = locate(&instance) else { continue };
        let (bus, address) = number(&location);
        let node = node_path(&nodes, bus, address);
        present.insert(node.clone());
        match Card::of(&node, &location) {
            Ok(card) => scan.interfaces.extend(interface(&card, location, node, bus, address)),
            // Another program has it: look again.
            Err(error) => {
                log::debug!("{}: {error}", location.path.display());
                scan.settling = true;
            }
        }
    }
    remove_stale(&nodes, &present);
    scan.interfaces
        .sort_by_key(|interface| (interface.bus, interface.address, interface.number));
    scan
}

fn node_path(nodes: &Path, bus: u16, address: u16) -> PathBuf {
    nodes.join(format!("{bus:03}")).join(format!("{address:03}"))
}

fn interface(card: &Card, location: Location, node: PathBuf, bus: u16, address: u16) -> Option<Interface> {
    let device = descriptor::parse(&card.descriptors, None)?;
    let reader = device.interfaces.iter().find(|found| found.number == card.interface)?;
    if !reader.is_reader(device.vendor_id, device.product_id) {
        return None;
    }
    Some(Interface {
        node_id: NodeId::at(&node).ok()?,
        node,
        bus,
        address,
        vendor_id: device.vendor_id,
        product_id: device.product_id,
        device_release: device.release,
        number: reader.number,
        class: reader.class,
        protocol: reader.protocol,
        class_descriptor: reader.class_descriptor.clone().unwrap_or_default(),
        bulk_out: reader.bulk_out,
        bulk_in: reader.bulk_in,
        // Whoever waits on it keeps everybody else out.
        interrupt_in: None,
        composite: device.interfaces.len() > 1,
        manufacturer: card.strings.first().cloned().flatten(),
        product: card.strings.get(1).cloned().flatten(),
        serial: card.strings.get(2).cloned().flatten(),
        interface_name: None,
        usb_path: String::new(),
        backend: Backend::WinUsb(Arc::new(location)),
    })
}

/// Removes the nodes of devices that have left.
fn remove_stale(nodes: &Path, present: &HashSet<PathBuf>) {
    for bus in fs::read_dir(nodes).into_iter().flatten().flatten() {
        for node in fs::read_dir(bus.path()).into_iter().flatten().flatten() {
            let path = node.path();
            if path.is_file() && !present.contains(&path) {
                let _in_use = fs::remove_file(path);
            }
        }
    }
}

/// Two numbers that stand for a device as it was plugged in this time. No device has bus number 0.
fn number(location: &Location) -> (u16, u16) {
    // FNV-1a: the same in every build, and good enough for the few devices of a machine.
    let units = location.instance.iter().flat_map(|unit| unit.to_le_bytes());
    let hash = units
        .chain(location.arrival.to_le_bytes())
        .fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
        });
    let [a, b, c, d, ..] = hash.to_le_bytes();
    (u16::from_le_bytes([a, b]) | 1, u16::from_le_bytes([c, d]))
}

/// Instances of all USB devices that are plugged in, as a multi-string.
fn device_ids() -> Vec<u16> {
    let filter = wide("USB");
    let flags = cm::CM_GETIDLIST_FILTER_ENUMERATOR | cm::CM_GETIDLIST_FILTER_PRESENT;
    let mut len = 0;
    // SAFETY: `len` is a valid place for the result, the filter ends in a NUL.
    if unsafe { cm::CM_Get_Device_ID_List_SizeW(&raw mut len, filter.as_ptr(), flags) } != cm::CR_SUCCESS {
        return Vec::new();
    }
    let mut list = vec![0; usize::try_from(len.min(MAX_LIST_LEN)).unwrap_or(0)];
    if list.is_empty() {
        return list;
    }
    // SAFETY: the filter ends in a NUL, `list` is writable for its length.
    let result =
        unsafe { cm::CM_Get_Device_ID_ListW(filter.as_ptr(), list.as_mut_ptr(), len.min(MAX_LIST_LEN), flags) };
    if result == cm::CR_SUCCESS { list } else { Vec::new() }
}

/// Where a device is, if it is bound to WinUSB.
fn locate(instance: &[u16]) -> Option<Location> {
    let device = device(instance)?;
    let service = String::from_utf16_lossy(&property(device, cm::CM_DRP_SERVICE)?);
    if !service.trim_end_matches('\0').eq_ignore_ascii_case("WinUSB") {
        return None;
    }
    let path = interface_guids(device)
        .iter()
        .find_map(|guid| interface_path(guid, instance))?;
    Some(Location {
        path: PathBuf::from(path),
        instance: instance.to_vec(),
        arrival: arrival(instance)?,
    })
}

fn device(instance: &[u16]) -> Option<u32> {
    let mut device = 0;
    // SAFETY: `device` is a valid place for the result, the instance ends in a NUL.
    let result = unsafe { cm::CM_Locate_DevNodeW(&raw mut device, instance.as_ptr(), cm::CM_LOCATE_DEVNODE_NORMAL) };
    (result == cm::CR_SUCCESS).then_some(device)
}

/// When the device was plugged in, in units of 100 ns; `None` if it is not.
pub(super) fn arrival(instance: &[u16]) -> Option<u64> {
    let device = device(instance)?;
    let key = DEVPKEY_Device_LastArrivalDate;
    let mut kind: DEVPROPTYPE = 0;
    let mut time = [0_u8; 8];
    let mut len = 8;
    // SAFETY: all places are valid for the call, `time` for `len` bytes.
    let result = unsafe {
        cm::CM_Get_DevNode_PropertyW(
            device,
            &raw const key,
            &raw mut kind,
            time.as_mut_ptr(),
            &raw mut len,
            0,
        )
    };
    // Windows 7 does not know it: then a device in another's place looks the same.
    Some(if result == cm::CR_SUCCESS {
        u64::from_le_bytes(time)
    } else {
        0
    })
}

/// A property of text.
fn property(device: u32, which: u32) -> Option<Vec<u16>> {
    let mut text = vec![0_u16; 256];
    let mut len = 512;
    // SAFETY: `text` is writable for `len` bytes, `len` is a valid place; the type is not asked for.
    let result = unsafe {
        cm::CM_Get_DevNode_Registry_PropertyW(
            device,
            which,
            std::ptr::null_mut(),
            text.as_mut_ptr().cast(),
            &raw mut len,
            0,
        )
    };
    text.truncate(usize::try_from(len / 2).unwrap_or(0));
    (result == cm::CR_SUCCESS).then_some(text)
}

/// The device interfaces that the driver's installation declared for it.
fn interface_guids(device: u32) -> Vec<GUID> {
    let mut key: HKEY = std::ptr::null_mut();
    // SAFETY: `key` is a valid place for the result.
    let opened = unsafe {
        cm::CM_Open_DevNode_Key(
            device,
            KEY_READ,
            0,
            cm::RegDisposition_OpenExisting,
            &raw mut key,
            cm::CM_REGISTRY_HARDWARE,
        )
    };
    if opened != cm::CR_SUCCESS {
        return Vec::new();
    }
    // SAFETY: the call above has just opened it, and nobody else closes it.
    let key = unsafe { Key::from_raw(key) };
    let texts = ["DeviceInterfaceGUIDs", "DeviceInterfaceGUID"].map(|name| key.texts(name));
    texts
        .iter()
        .flatten()
        .flatten()
        .filter_map(|text| parse_guid(text))
        .collect()
}

/// `{xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx}`.
fn parse_guid(text: &str) -> Option<GUID> {
    let digits: String = text
        .trim_end_matches('\0')
        .strip_prefix('{')?
        .strip_suffix('}')?
        .chars()
        .filter(|c| *c != '-')
        .collect();
    let number = u128::from_str_radix(&digits, 16).ok()?;
    (digits.len() == 32).then(|| GUID::from_u128(number))
}

/// The path of a device's interface of this class.
fn interface_path(class: &GUID, instance: &[u16]) -> Option<String> {
    let flags = cm::CM_GET_DEVICE_INTERFACE_LIST_PRESENT;
    let mut list = vec![0_u16; 1024];
    // SAFETY: the instance ends in a NUL, `list` is writable for its length.
    let result = unsafe {
        cm::CM_Get_Device_Interface_ListW(&raw const *class, instance.as_ptr(), list.as_mut_ptr(), 1024, flags)
    };
    let path = strings(&list).into_iter().next()?;
    let path = String::from_utf16_lossy(path.strip_suffix(&[0])?);
    (result == cm::CR_SUCCESS && !path.is_empty()).then_some(path)
}

/// The strings of a multi-string, each with its NUL.
fn strings(list: &[u16]) -> Vec<Vec<u16>> {
    list.split_inclusive(|unit| *unit == 0)
        .take_while(|string| string.len() > 1)
        .map(<[u16]>::to_vec)
        .collect()
}

fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}

/// Nothing can be listened to: Windows tells of devices by calling back on a thread of its own.
#[must_use]
pub fn watch_paths() -> Vec<PathBuf> {
    Vec::new()
}

/// So while somebody waits the bus is looked at this often.
pub(crate) const LOOK_AGAIN: Option<Duration> = Some(Duration::from_secs(1));

/// There is no telling whether the list is still right.
#[derive(Clone, Debug)]
pub struct SnapshotKey;

impl SnapshotKey {
    /// Never.
    #[must_use]
    #[allow(clippy::unused_self, reason = "the other system's looks at something")]
    pub fn is_current(&self) -> bool {
        false
    }
}

/// See [`SnapshotKey`].
#[must_use]
pub fn snapshot_key(_: &Path) -> SnapshotKey {
    SnapshotKey
}

/// Who has a device open: Windows does not say.
#[must_use]
pub fn holder_of(_: &Path) -> Vec<(u32, String)> {
    Vec::new()
}

fn text_error() -> io::Error {
    io::ErrorKind::InvalidData.into()
}
