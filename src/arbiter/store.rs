//! Where records live: one file per interface in tmpfs, and the index numbers in reader names.
//!
//! A record's file name is `winscard-BUS-ADDRESS-DEV-INO-INTERFACE-INDEX`: bus and device, identity of the node (so that
//! a re-plugged reader starts anew), interface, and the index that the reader's name carries. The name alone settles
//! the index between processes, so that those who may not open a record still agree with it.
//!
//! Files are created with owner, group, mode and ACL of the device node: who may open the reader may open its record. On
//! Windows their folder says who may.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::record::{ENTRY_LEN, HEADER_LEN, Header, Line, MAX_SLOTS, SLOT_LEN, Slot};
use crate::fork::{self, Tracked};
use crate::oserror;
use crate::sim::client;
use crate::usb::{Backend, Interface, NodeId};
pub(crate) use system::may_use;
#[cfg(all(test, unix))]
pub(crate) use system::touch;
use system::{DirectoryLock, publish};
#[cfg(unix)]
use unix as system;
#[cfg(windows)]
use windows as system;

/// Room for every slot; written once at creation, so that no later write can fail for want of space.
const FILE_LEN: usize = HEADER_LEN + ENTRY_LEN * MAX_SLOTS as usize;
/// What tells one interface's record from another's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    bus: u16,
    address: u16,
    node: NodeId,
    number: u8,
}

impl Key {
    /// The key of an enumerated interface.
    pub(crate) fn of(interface: &Interface) -> Self {
        Self {
            bus: interface.bus,
            address: interface.address,
            node: interface.node_id,
            number: interface.number,
        }
    }

    fn file_name(self, index: u8) -> String {
        let Self {
            bus,
            address,
            node,
            number,
        } = self;
        format!(
            "winscard-{bus}-{address}-{:x}-{:x}-{number}-{index:02X}",
            node.dev, node.ino
        )
    }

    /// The key and index in the name of a record file.
    pub(crate) fn parse(name: &str) -> Option<(Self, u8)> {
        let mut parts = name.strip_prefix("winscard-")?.split('-');
        let mut next = || parts.next();
        let key = Self {
            bus: next()?.parse().ok()?,
            address: next()?.parse().ok()?,
            node: NodeId {
                dev: u64::from_str_radix(next()?, 16).ok()?,
                ino: u64::from_str_radix(next()?, 16).ok()?,
            },
            number: next()?.parse().ok()?,
        };
        let index = u8::from_str_radix(next()?, 16).ok()?;
        (next().is_none() && key.file_name(index) == name).then_some((key, index))
    }
}

/// Where the records of a bus are, and the nodes they belong to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Directory of the records.
    pub(crate) records: PathBuf,
    /// Directory of the nodes, laid out as `BBB/DDD`.
    pub(crate) nodes: PathBuf,
}

impl Place {
    /// The kernel's bus.
    pub(crate) fn usb() -> Self {
        Self {
            records: system::records(),
            nodes: system::nodes(),
        }
    }

    /// The bus of a software reader's server.
    pub(crate) fn server(socket: &Path) -> Self {
        Self {
            records: client::records(socket),
            nodes: client::nodes(socket),
        }
    }

    /// Where the record of an interface is; `None` if it has none that others see.
    fn of(interface: &Interface) -> Option<Self> {
        match &interface.backend {
            Backend::Server(socket) => Some(Self::server(socket)),
            Backend::Sim => None,
            // The system's own, whichever it is.
            _ => Some(Self::usb()),
        }
    }
}

fn recorded(directory: &Path) -> Vec<(Key, u8)> {
    let names = fork::names_in(directory, usize::MAX).unwrap_or_default();
    let mut found: Vec<_> = names.iter().filter_map(|name| Key::parse(name.to_str()?)).collect();
    found.sort_unstable_by_key(|(_, index)| *index);
    found
}

/// Gives each interface its index, the same in every process: the one its record has, else the lowest that no present
/// interface has. Creates missing records and removes those of devices that are gone.
pub(crate) fn assign_indices(place: &Place, interfaces: &[Interface]) -> Vec<u8> {
    let directory = &place.records;
    let keys: Vec<Key> = interfaces.iter().map(Key::of).collect();
    let known = |records: &[(Key, u8)], key: &Key| records.iter().find(|(k, _)| k == key).map(|(_, index)| *index);
    let records = recorded(directory);
    let found: Option<Vec<u8>> = keys.iter().map(|key| known(&records, key)).collect();
    if let Some(indices) = found {
        return indices;
    }
    let _guard = DirectoryLock::take(directory);
    let records = recorded(directory);
    for (key, index) in records
        .iter()
        .filter(|(key, _)| !keys.contains(key) && is_gone(&place.nodes, key))
    {
        // Not ours to remove, perhaps; whoever made it will.
        let _not_ours = fs::remove_file(directory.join(key.file_name(*index)));
    }
    let mut taken: Vec<u8> = keys.iter().filter_map(|key| known(&records, key)).collect();
    let mut indices = Vec::with_capacity(keys.len());
    for (key, interface) in keys.iter().zip(interfaces) {
        let index = known(&records, key).unwrap_or_else(|| {
            let index = (0..=u8::MAX).find(|index| !taken.contains(index)).unwrap_or(u8::MAX);
            if let Err(error) = create(directory, *key, index, interface) {
                log::warn!(
                    "cannot create a record for {} in {}: {error}",
                    interface.node.display(),
                    directory.display()
                );
            }
            taken.push(index);
            index
        });
        indices.push(index);
    }
    indices
}

/// Whether the device node a record belongs to no longer exists.
fn is_gone(nodes: &Path, key: &Key) -> bool {
    let node = nodes.join(format!("{:03}/{:03}", key.bus, key.address));
    match NodeId::at(&node) {
        Ok(id) => id != key.node,
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

/// Makes a record with the node's owner, group, mode and ACL, complete before it has its name.
fn create(directory: &Path, key: Key, index: u8, interface: &Interface) -> io::Result<()> {
    // A name that nobody can have made before us, nor a process of our number in another name space.
    let temporary = directory.join(format!(
        ".winscard-new-{}-{:x}",
        std::process::id(),
        crate::random::nonzero_u32()
    ));
    let path = directory.join(key.file_name(index));
    let result = fork::apart(|| publish(&temporary, &path, &[0; FILE_LEN], &interface.node));
    let _gone = fs::remove_file(&temporary);
    match result {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

/// An opened record.
#[derive(Debug)]
pub(crate) struct Store {
    file: Tracked,
    /// Counts what this process has written.
    writes: AtomicU64,
    path: PathBuf,
    /// No other process sees it.
    is_private: bool,
    slots: u8,
}

impl Store {
    /// Opens the record of an interface.
    ///
    /// # Errors
    /// The system's error; `PermissionDenied` also for a file that somebody made who may not use the reader.
    pub(crate) fn open(interface: &Interface, index: u8, slots: u8) -> io::Result<Self> {
        let slots = slots.min(MAX_SLOTS);
        let Some(place) = Place::of(interface) else {
            return Self::in_memory(slots);
        };
        let path = place.records.join(Key::of(interface).file_name(index));
        let file = system::open_record(&path)
            .or_else(|error| {
                if error.kind() != io::ErrorKind::NotFound {
                    return Err(error);
                }
                // Somebody removed it, or there was no room when the reader was found.
                create(&place.records, Key::of(interface), index, interface)?;
                system::open_record(&path)
            })
            // Whatever is wrong is wrong with the record, not with the reader.
            .map_err(|error| describe(&path, &error))?;
        system::check(&file, &path, &interface.node)?;
        Ok(Self {
            file,
            writes: AtomicU64::new(0),
            path,
            is_private: false,
            slots,
        })
    }

    /// A record that no other process sees.
    fn in_memory(slots: u8) -> io::Result<Self> {
        let (file, path) = system::private()?;
        Ok(Self {
            file,
            writes: AtomicU64::new(0),
            path,
            is_private: true,
            slots,
        })
    }

    /// Where its bell is heard.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads header and one slot; either is `None` if it does not decode.
    pub(crate) fn read(&self, slot: u8) -> (Option<Header>, Option<Slot>) {
        let (header, card, _) = self.read_entry(slot);
        (header, card)
    }

    /// As [`Self::read`], and who waits for the card.
    pub(crate) fn read_entry(&self, slot: u8) -> (Option<Header>, Option<Slot>, Line) {
        crate::inject::point("record");
        let mut bytes = [0; HEADER_LEN + ENTRY_LEN];
        if slot == 0 {
            let _short = system::read_at(&self.file, &mut bytes, 0);
        } else {
            let (header, entry) = bytes.split_at_mut(HEADER_LEN);
            let _short = system::read_at(&self.file, header, 0);
            let _short = system::read_at(&self.file, entry, slot_offset(slot));
        }
        let (header, entry) = bytes.split_at(HEADER_LEN);
        let (card, line) = entry.split_at(SLOT_LEN);
        (
            Header::decode(header, self.slots),
            Slot::decode(card),
            Line::decode(line).unwrap_or_default(),
        )
    }

    /// Writes the header.
    pub(crate) fn write_header(&self, header: &Header) {
        self.write(&header.encode(self.slots), 0);
    }

    /// Writes what concerns one slot.
    pub(crate) fn write_slot(&self, slot: u8, entry: &Slot) {
        self.write(&entry.encode(), slot_offset(slot));
    }

    /// Writes who waits for the card in a slot.
    pub(crate) fn write_line(&self, slot: u8, line: &Line) {
        self.write(&line.encode(), slot_offset(slot) + SLOT_LEN as u64);
    }

    /// How many writes this process has made.
    pub(crate) fn writes(&self) -> u64 {
        self.writes.load(Ordering::Acquire)
    }

    fn write(&self, bytes: &[u8], at: u64) {
        crate::inject::point("record");
        self.writes.fetch_add(1, Ordering::AcqRel);
        // What is not written here is not known to the others: a transaction that has ended would be waited for for ever.
        for tries_left in (0..WRITE_TRIES).rev() {
            match system::write_all_at(&self.file, bytes, at) {
                Ok(()) => break,
                Err(error) if tries_left == 0 => log::error!("writing {}: {error}", self.path.display()),
                Err(_) => {}
            }
        }
    }

    /// Rings the bell.
    pub(crate) fn ring(&self) {
        system::ring(&self.file, &self.path);
    }

    /// Whether somebody removed the file under us.
    pub(crate) fn is_orphaned(&self) -> bool {
        !self.is_private && system::has_no_name(&self.file)
    }
}

/// An error that names the record. Only a want of descriptors or memory is passed on as it is: that concerns the caller.
fn describe(path: &Path, error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(number) if oserror::is_exhausted(error) => io::Error::from_raw_os_error(number),
        _ => io::Error::new(error.kind(), format!("record {}: {error}", path.display())),
    }
}

/// How often to try to write before giving up.
const WRITE_TRIES: u32 = 8;

fn slot_offset(slot: u8) -> u64 {
    HEADER_LEN as u64 + u64::from(slot) * ENTRY_LEN as u64
}
