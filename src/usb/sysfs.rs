//! Finds the interfaces that may be readers: in sysfs, or in the usbfs nodes themselves where there is no sysfs.
//!
//! Strings come from the devices; they are made printable here, once, so that they can go into names and logs.

mod holder;
mod nodes;

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

pub use super::Scan;
use super::descriptor::{self, Device, InterfaceDescriptor};
use super::{Backend, Interface, NodeId, text};
use crate::fork;
pub use holder::holder_of;

/// Where the kernel lists devices and interfaces.
pub const SYS_DEVICES: &str = "/sys/bus/usb/devices";

/// Where the usbfs nodes are.
pub const DEV_NODES: &str = "/dev/bus/usb";

/// All descriptors of a device: more than 64 KiB do not fit wTotalLength.
const MAX_DESCRIPTORS_LEN: u64 = 128 * 1024;
/// A sysfs attribute; a USB string has at most 126 characters.
const MAX_ATTRIBUTE_LEN: u64 = 4096;
/// More than descriptors and strings usually have.
const FIRST_READ_LEN: usize = 1024;
/// Devices looked at: a bus has at most 127, and machines have few buses.
const MAX_DEVICES: usize = 4096;
/// The kernel makes a node first and configures the device then. If that did not happen for so long, it will not.
const SETTLING_TIME: Duration = Duration::from_secs(3);

/// Interfaces that may be readers, sorted by bus, address and interface number.
#[must_use]
pub fn enumerate() -> Vec<Interface> {
    scan().interfaces
}

/// [`enumerate`], with what a caller that keeps the list must know.
#[must_use]
pub fn scan() -> Scan {
    scan_at(Path::new(SYS_DEVICES), Path::new(DEV_NODES))
}

/// [`enumerate`] in other places than the usual.
#[must_use]
pub fn enumerate_at(sys: &Path, dev: &Path) -> Vec<Interface> {
    scan_at(sys, dev).interfaces
}

/// [`scan`] in other places than the usual.
#[must_use]
pub fn scan_at(sys: &Path, dev: &Path) -> Scan {
    let mut scan = Scan::default();
    let mut any_device = false;
    for entry in fork::names_in(sys, MAX_DEVICES).unwrap_or_default() {
        // Interfaces are listed beside their devices, as `device:configuration.interface`.
        if let Some(name) = entry.to_str().filter(|name| !name.contains(':')) {
            // A root hub is the kernel's own, and no reader.
            any_device |= name.starts_with("usb") || add_device(&mut scan, sys, name, dev).is_some();
        }
    }
    if !any_device {
        nodes::add_all(&mut scan, dev);
    }
    scan.interfaces
        .sort_by_key(|interface| (interface.bus, interface.address, interface.number));
    scan
}

/// Adds the readers of one device. `None` if it is no device.
fn add_device(scan: &mut Scan, sys: &Path, name: &str, dev: &Path) -> Option<()> {
    let entry = sys.join(name);
    let bytes = read(&entry.join("descriptors"), MAX_DESCRIPTORS_LEN)?;
    // Most devices are no readers, and nothing more is read of them.
    if has_no_reader(&bytes) {
        return Some(());
    }
    let bus: u16 = attribute(&entry, "busnum")?.parse().ok()?;
    let address: u16 = attribute(&entry, "devnum")?.parse().ok()?;
    // Without a node nothing can be opened: the device is another container's, or is leaving.
    let Some(node) = Node::find(dev, bus, address) else {
        return Some(());
    };
    // Empty while the device is not configured.
    let Some(configuration) = attribute(&entry, "bConfigurationValue").and_then(|value| value.parse().ok()) else {
        scan.settling |= node.is_new;
        return Some(());
    };
    let Some(device) = descriptor::parse(&bytes, Some(configuration)) else {
        return Some(());
    };
    let readers = device
        .interfaces
        .iter()
        .filter(|i| i.is_reader(device.vendor_id, device.product_id));
    for reader in readers {
        let usb_path = format!("{name}:{configuration}.{}", reader.number);
        let place = sys.join(&usb_path);
        if node.is_new && !is_complete(&place, reader) {
            scan.settling = true;
            continue;
        }
        scan.interfaces.push(Interface {
            manufacturer: line(&entry.join("manufacturer")).and_then(|string| text::printable(&string)),
            product: line(&entry.join("product")).and_then(|string| text::printable(&string)),
            serial: line(&entry.join("serial")).and_then(|string| text::printable(&string)),
            interface_name: line(&place.join("interface")).and_then(|string| text::ascii(&string)),
            usb_path,
            ..node.interface(&device, reader)
        });
    }
    Some(())
}

/// Whether these are the descriptors of a device that cannot be a reader, however it is configured.
fn has_no_reader(bytes: &[u8]) -> bool {
    // Byte 17 is bNumConfigurations.
    bytes.get(17) == Some(&1)
        && descriptor::parse(bytes, None).is_some_and(|device| {
            let is_reader = |i: &InterfaceDescriptor| i.is_reader(device.vendor_id, device.product_id);
            !device.interfaces.iter().any(is_reader)
        })
}

/// Whether the kernel has come to the end of adding the interface: its string is fetched after its directory is made,
/// its endpoints are added last.
fn is_complete(place: &Path, reader: &InterfaceDescriptor) -> bool {
    let endpoint = reader.bulk_in.or(reader.interrupt_in);
    match (reader.string_index, endpoint) {
        (0, _) | (_, None) => place.is_dir(),
        (_, Some(endpoint)) => {
            place.join("interface").exists() || place.join(format!("ep_{:02x}", endpoint.address)).exists()
        }
    }
}

/// A usbfs node as `stat` sees it.
struct Node {
    path: PathBuf,
    id: NodeId,
    bus: u16,
    address: u16,
    /// Made a moment ago.
    is_new: bool,
}

impl Node {
    fn find(dev: &Path, bus: u16, address: u16) -> Option<Self> {
        let path = dev.join(format!("{bus:03}")).join(format!("{address:03}"));
        let metadata = fs::metadata(&path).ok()?;
        let made = metadata.modified().ok();
        let is_new = made.is_some_and(|made| distance(made, SystemTime::now()) < SETTLING_TIME);
        Some(Self {
            path,
            id: NodeId::from(&metadata),
            bus,
            address,
            is_new,
        })
    }

    fn interface(&self, device: &Device, interface: &InterfaceDescriptor) -> Interface {
        Interface {
            node: self.path.clone(),
            node_id: self.id,
            bus: self.bus,
            address: self.address,
            vendor_id: device.vendor_id,
            product_id: device.product_id,
            device_release: device.release,
            number: interface.number,
            class: interface.class,
            protocol: interface.protocol,
            class_descriptor: interface.class_descriptor.clone().unwrap_or_default(),
            bulk_out: interface.bulk_out,
            bulk_in: interface.bulk_in,
            interrupt_in: interface.interrupt_in,
            composite: device.interfaces.len() > 1,
            manufacturer: None,
            product: None,
            serial: None,
            interface_name: None,
            usb_path: String::new(),
            backend: Backend::Usbfs,
        }
    }
}

fn distance(a: SystemTime, b: SystemTime) -> Duration {
    a.duration_since(b).unwrap_or_else(|e| e.duration())
}

/// The file's bytes, `None` if it cannot be read or is longer than allowed. The kernel gives what its files contain in one
/// piece if there is room for it, so that nearly all are read by one call.
fn read(path: &Path, max_len: u64) -> Option<Vec<u8>> {
    fork::apart(|| {
        let mut file = File::open(path).ok()?;
        let mut bytes = vec![0; FIRST_READ_LEN];
        let mut len = file.read(&mut bytes).ok()?;
        bytes.truncate(len);
        if len == FIRST_READ_LEN {
            len += file.take(max_len + 1).read_to_end(&mut bytes).ok()?;
        }
        (u64::try_from(len).ok()? <= max_len).then_some(bytes)
    })
}

/// The file's bytes without the newline sysfs ends them with.
fn line(path: &Path) -> Option<Vec<u8>> {
    let mut bytes = read(path, MAX_ATTRIBUTE_LEN)?;
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
    }
    Some(bytes)
}

fn attribute(entry: &Path, name: &str) -> Option<String> {
    Some(String::from_utf8_lossy(&line(&entry.join(name))?).into_owned())
}

/// The directories tell of every change; nobody has to look without being told.
pub(crate) const LOOK_AGAIN: Option<Duration> = None;

/// What [`SnapshotKey`] looks at in one directory.
#[derive(Clone, Debug, PartialEq, Eq)]
struct DirectoryState {
    node: NodeId,
    modified: (i64, i64),
    links: u64,
    len: u64,
}

/// State of the node directories: while it does not change, nothing was plugged or unplugged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotKey {
    /// `None` for one that does not exist.
    directories: Vec<(PathBuf, Option<DirectoryState>)>,
    /// Taken so soon after a change that another one might not show in the time stamps.
    is_fresh: bool,
}

impl SnapshotKey {
    /// Time stamps move with the timer interrupt, 100 to 1000 times a second.
    const RESOLUTION: Duration = Duration::from_millis(20);

    /// Whether an enumeration made after this key was taken is still right. A [`Scan::settling`] one never is.
    #[must_use]
    pub fn is_current(&self) -> bool {
        let is_same = |(path, then): &(PathBuf, Option<_>)| DirectoryState::of(path) == *then;
        !self.is_fresh && self.directories.iter().all(is_same)
    }
}

impl DirectoryState {
    fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        Some(Self {
            node: NodeId::from(&metadata),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            links: metadata.nlink(),
            len: metadata.len(),
        })
    }

    /// Whether the directory changed within this time before or after.
    fn is_younger_than(&self, age: Duration, now: Duration) -> bool {
        let (seconds, nanos) = self.modified;
        let modified = Duration::new(seconds.try_into().unwrap_or(0), nanos.try_into().unwrap_or(0));
        modified.abs_diff(now) < age
    }
}

/// The directories in which nodes come and go, for those who wait for it.
#[must_use]
pub fn watch_paths() -> Vec<PathBuf> {
    let dev = Path::new(DEV_NODES);
    std::iter::once(dev.to_owned()).chain(entries(dev)).collect()
}

/// Takes the state of the node directories: of `dev` and of each bus in it. Take it before enumerating.
#[must_use]
pub fn snapshot_key(dev: &Path) -> SnapshotKey {
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let directories: Vec<_> = std::iter::once(dev.to_owned())
        .chain(entries(dev))
        .map(|path| {
            let state = DirectoryState::of(&path);
            (path, state)
        })
        .collect();
    SnapshotKey {
        is_fresh: directories
            .iter()
            .filter_map(|(_, state)| state.as_ref())
            .any(|state| state.is_younger_than(SnapshotKey::RESOLUTION, now)),
        directories,
    }
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let names = fork::names_in(directory, MAX_DEVICES).unwrap_or_default();
    names.iter().map(|name| directory.join(name)).collect()
}

#[cfg(test)]
mod tests;
