//! Where records live: one file per interface in tmpfs, and the index numbers in reader names.
//!
//! A record's file name is `winscard-BUS-ADDRESS-DEV-INO-INTERFACE-INDEX`: bus and device, identity of the node (so that
//! a re-plugged reader starts anew), interface, and the index that the reader's name carries. The name alone settles
//! the index between processes, so that those who may not open a record still agree with it.
//!
//! Files are created with owner, group, mode and ACL of the device node: who may open the reader may open its record.

#![allow(unsafe_code, reason = "flock(2), futimens(2), memfd_create(2), faccessat(2)")]

use std::ffi::CString;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::acl::{self, Acl};
use super::record::{HEADER_LEN, Header, MAX_SLOTS, SLOT_LEN, Slot};
use crate::fork::Tracked;
use crate::sim::client;
use crate::usb::{Backend, Interface, NodeId, sysfs};

/// Installed by tmpfiles.d; used where it exists.
const PREFERRED: &str = "/run/winscard";
/// There on every Linux system.
const FALLBACK: &str = "/dev/shm";
/// Room for every slot; written once at creation, so that no later write can fail for want of space.
const FILE_LEN: usize = HEADER_LEN + SLOT_LEN * MAX_SLOTS as usize;
/// How long to wait for another process that is making up its mind about index numbers.
const DIRECTORY_PATIENCE: Duration = Duration::from_millis(200);

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

    fn parse(name: &str) -> Option<(Self, u8)> {
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
        let preferred = Path::new(PREFERRED);
        let records = if preferred.is_dir() { PREFERRED } else { FALLBACK };
        Self {
            records: PathBuf::from(records),
            nodes: PathBuf::from(sysfs::DEV_NODES),
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
            Backend::Usbfs => Some(Self::usb()),
            Backend::Server(socket) => Some(Self::server(socket)),
            Backend::Sim => None,
        }
    }
}

fn recorded(directory: &Path) -> Vec<(Key, u8)> {
    let Ok(entries) = fs::read_dir(directory) else {
        return Vec::new();
    };
    let mut found: Vec<_> = entries
        .flatten()
        .filter_map(|entry| Key::parse(entry.file_name().to_str()?))
        .collect();
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
    match fs::symlink_metadata(node) {
        Ok(meta) => (meta.dev(), meta.ino()) != (key.node.dev, key.node.ino),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

/// An advisory lock on the directory itself; without it two processes could give one index to two readers. Somebody who
/// holds it for ever costs the others a short delay and nothing else.
struct DirectoryLock {
    _file: Tracked,
}

impl DirectoryLock {
    fn take(directory: &Path) -> Option<Self> {
        let file = Tracked::open(|| File::open(directory)).ok()?;
        let deadline = Instant::now() + DIRECTORY_PATIENCE;
        loop {
            // SAFETY: the descriptor is open; no pointer is passed.
            if unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) } == 0 {
                return Some(Self { _file: file });
            }
            if Instant::now() >= deadline {
                log::warn!(
                    "{} stays locked by another process; going on without",
                    directory.display()
                );
                return None;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Makes a record with the node's owner, group, mode and ACL, complete before it has its name.
fn create(directory: &Path, key: Key, index: u8, interface: &Interface) -> io::Result<()> {
    let node = fs::metadata(&interface.node)?;
    // A name that nobody can have made before us, nor a process of our number in another name space.
    let temporary = directory.join(format!(
        ".winscard-new-{}-{:x}",
        std::process::id(),
        crate::random::nonzero_u32()
    ));
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&temporary)?;
    let result = (|| {
        file.write_all_at(&[0; FILE_LEN], 0)?;
        // Only root may give a file away; a user may give it to a group he is in.
        if std::os::unix::fs::fchown(&file, Some(node.uid()), Some(node.gid())).is_err() {
            let _not_a_member = std::os::unix::fs::fchown(&file, None, Some(node.gid()));
        }
        let same_group = file.metadata()?.gid() == node.gid();
        let mode = acl::users_only(node.mode()) & if same_group { 0o666 } else { 0o606 };
        file.set_permissions(Permissions::from_mode(mode))?;
        if let Some(acl) = Acl::for_record(&node, Acl::of(&interface.node), &file.metadata()?) {
            acl.apply(&file);
        }
        fs::hard_link(&temporary, directory.join(key.file_name(index)))
    })();
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
        let node = fs::metadata(&interface.node)?;
        let path = place.records.join(Key::of(interface).file_name(index));
        let file = open_record(&path)
            .or_else(|error| {
                if error.kind() != io::ErrorKind::NotFound {
                    return Err(error);
                }
                // Somebody removed it, or there was no room when the reader was found.
                create(&place.records, Key::of(interface), index, interface)?;
                open_record(&path)
            })
            // Whatever is wrong is wrong with the record, not with the reader.
            .map_err(|error| describe(&path, &error))?;
        let meta = file.metadata()?;
        if !meta.is_file() || !is_trusted(&meta, &node, &interface.node) {
            log::error!(
                "{} was made by user {}, who may not use {}",
                path.display(),
                meta.uid(),
                interface.node.display()
            );
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        Ok(Self {
            file,
            writes: AtomicU64::new(0),
            path,
            slots,
        })
    }

    /// A record that no other process sees.
    fn in_memory(slots: u8) -> io::Result<Self> {
        let file = Tracked::open(|| {
            // SAFETY: the name is a NUL-terminated literal.
            let fd = unsafe { libc::memfd_create(c"winscard-record".as_ptr(), libc::MFD_CLOEXEC) };
            if fd < 0 {
                return Err(io::Error::last_os_error());
            }
            // SAFETY: a descriptor the kernel has just made for us.
            Ok(File::from(unsafe { OwnedFd::from_raw_fd(fd) }))
        })?;
        let path = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
        Ok(Self {
            file,
            writes: AtomicU64::new(0),
            path,
            slots,
        })
    }

    /// Where its bell is heard.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads header and one slot; either is `None` if it does not decode.
    pub(crate) fn read(&self, slot: u8) -> (Option<Header>, Option<Slot>) {
        let mut bytes = [0; HEADER_LEN + SLOT_LEN];
        if slot == 0 {
            let _short = self.file.read_at(&mut bytes, 0);
        } else {
            let (header, entry) = bytes.split_at_mut(HEADER_LEN);
            let _short = self.file.read_at(header, 0);
            let _short = self.file.read_at(entry, slot_offset(slot));
        }
        let (header, entry) = bytes.split_at(HEADER_LEN);
        (Header::decode(header, self.slots), Slot::decode(entry))
    }

    /// Writes the header.
    pub(crate) fn write_header(&self, header: &Header) {
        self.write(&header.encode(self.slots), 0);
    }

    /// Writes one slot's entry.
    pub(crate) fn write_slot(&self, slot: u8, entry: &Slot) {
        self.write(&entry.encode(), slot_offset(slot));
    }

    /// How many writes this process has made.
    pub(crate) fn writes(&self) -> u64 {
        self.writes.load(Ordering::Acquire)
    }

    fn write(&self, bytes: &[u8], at: u64) {
        self.writes.fetch_add(1, Ordering::AcqRel);
        if let Err(error) = self.file.write_all_at(bytes, at) {
            log::error!("writing {}: {error}", self.path.display());
        }
    }

    /// Rings the bell.
    pub(crate) fn ring(&self) {
        touch(&self.file);
    }

    /// Whether somebody removed the file under us.
    pub(crate) fn is_orphaned(&self) -> bool {
        !self.path.starts_with("/proc") && self.file.metadata().is_ok_and(|meta| meta.nlink() == 0)
    }
}

/// Opens a record, or whatever somebody has put in its place, without waiting and without following a link.
fn open_record(path: &Path) -> io::Result<Tracked> {
    Tracked::open(|| {
        OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY)
            .open(path)
    })
}

/// An error that names the record. Only a want of descriptors or memory is passed on as it is: that concerns the caller.
fn describe(path: &Path, error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code @ (libc::EMFILE | libc::ENFILE | libc::ENOMEM)) => io::Error::from_raw_os_error(code),
        _ => io::Error::new(error.kind(), format!("record {}: {error}", path.display())),
    }
}

fn slot_offset(slot: u8) -> u64 {
    HEADER_LEN as u64 + u64::from(slot) * SLOT_LEN as u64
}

/// A record may come from root, from ourselves, from the node's owner, from a user in its ACL, or from a member of its
/// group (only a member can give a file to a group).
fn is_trusted(meta: &fs::Metadata, node: &fs::Metadata, path: &Path) -> bool {
    let uid = meta.uid();
    // SAFETY: takes nothing and cannot fail.
    let ours = unsafe { libc::geteuid() };
    uid == 0
        || uid == ours
        || uid == node.uid()
        || (meta.gid() == node.gid() && node.mode() & 0o060 == 0o060)
        || Acl::of(path).is_some_and(|acl| acl.admits(uid))
}

/// Sets both times of a file to now: IN_ATTRIB for whoever hears it, nothing for those who only read.
pub(crate) fn touch(file: &File) {
    // SAFETY: the descriptor is open; a null pointer means "now".
    if unsafe { libc::futimens(file.as_raw_fd(), std::ptr::null()) } != 0 {
        log::error!("waking those who wait: {}", io::Error::last_os_error());
    }
}

/// Whether this process may open a node for reading and writing. Does not open it: that would wake a sleeping device.
pub(crate) fn may_use(node: &Path) -> bool {
    let Ok(path) = CString::new(node.as_os_str().as_bytes()) else {
        return false;
    };
    // SAFETY: the path is NUL-terminated and outlives the call.
    unsafe { libc::faccessat(libc::AT_FDCWD, path.as_ptr(), libc::R_OK | libc::W_OK, libc::AT_EACCESS) == 0 }
}
