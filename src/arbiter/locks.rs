//! Open-file-description locks on a device node: byte ranges, and one for the whole.
//!
//! Each [`LockFile`] is one open file description, so two of them in one process conflict exactly as two processes do.
//! The kernel drops every lock of a description when its last descriptor is closed, also by SIGKILL.

#![allow(unsafe_code, reason = "fcntl(2) and open(2)")]

#[cfg(test)]
use std::fs::File;
use std::fs::OpenOptions;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use crate::fork::Tracked;
use crate::usb::NodeId;

/// What a lock byte stands for. Each interface of a device has its own set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Byte {
    /// Share mode of a slot: shared lock for SHARED and DIRECT, exclusive lock for EXCLUSIVE.
    Share(u8),
    /// Somebody waits for a change of the card's or the reader's state and wants to be woken (shared lock).
    Waiting,
    /// Somebody waits for the end of a transaction, or any change, and wants to be woken (shared lock).
    Queue,
    /// Either of these two; only for [`LockFile::probe`].
    Anybody,
    /// The one that watches the interrupt endpoint for everybody.
    Watcher,
    /// "This handle lives": its token.
    Handle(u32),
    /// "This process may have the interface claimed": its number.
    Peer(u32),
}

impl Byte {
    /// Position in the lock space: interface, kind and number in separate bit fields, so none can meet another.
    fn offset(self, interface: u8) -> i64 {
        let (kind, number) = match self {
            Self::Share(slot) => (1, u32::from(slot)),
            Self::Waiting | Self::Anybody => (2, 0),
            Self::Queue => (2, 1),
            Self::Watcher => (3, 0),
            Self::Handle(token) => (4, token),
            Self::Peer(number) => (5, number),
        };
        (i64::from(interface) << 40) | (kind << 33) | i64::from(number)
    }

    /// How many positions it takes.
    fn len(self) -> i64 {
        if self == Self::Anybody { 2 } else { 1 }
    }
}

/// Shared or exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Compatible with other shared locks.
    Shared,
    /// Compatible with nothing.
    Exclusive,
}

/// One open file description of a node, for its locks.
#[derive(Debug)]
pub(crate) struct LockFile {
    file: Tracked,
    interface: u8,
}

impl LockFile {
    /// Opens `node` if it is still the one with this identity.
    ///
    /// # Errors
    /// The system's error; `ENODEV` if another node has taken its place.
    pub(crate) fn open(node: &Path, id: NodeId, interface: u8) -> io::Result<Self> {
        Self::open_as(node, id, interface, true)
    }

    /// As [`Self::open`], but for shared locks only, and its closing is not heard by those who listen to the node.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub(crate) fn open_quiet(node: &Path, id: NodeId, interface: u8) -> io::Result<Self> {
        Self::open_as(node, id, interface, false)
    }

    fn open_as(node: &Path, id: NodeId, interface: u8, write: bool) -> io::Result<Self> {
        let file = Tracked::open(|| {
            OpenOptions::new()
                .read(true)
                .write(write)
                .custom_flags(libc::O_NOCTTY)
                .open(node)
        })?;
        let meta = file.metadata()?;
        if (meta.dev(), meta.ino()) != (id.dev, id.ino) {
            return Err(io::Error::from_raw_os_error(libc::ENODEV));
        }
        Ok(Self { file, interface })
    }

    /// Takes a lock, or changes one held, without waiting. `false`: somebody else's lock is in the way, and what was
    /// held before is still held.
    ///
    /// # Errors
    /// The system's error (`ENOLCK`, or `ENOSYS`/`EPERM` in a sandbox).
    pub(crate) fn try_lock(&self, byte: Byte, mode: Mode) -> io::Result<bool> {
        match self.set(libc::F_OFD_SETLK, byte, lock_type(mode)) {
            Ok(()) => Ok(true),
            Err(error) if matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EACCES)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Takes the exchange lock, sleeping in the kernel until it is free: nobody holds it longer than one bounded
    /// exchange. It is the `flock` of the whole node, which costs half of what a byte range does, is taken for every
    /// command, and also keeps two interfaces of one device from talking at once, which some cannot.
    ///
    /// # Errors
    /// `ENOLCK`, or `ENOSYS`/`EPERM` in a sandbox.
    pub(crate) fn lock_exchange(&self) -> io::Result<()> {
        loop {
            match self.flock(libc::LOCK_EX) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }

    /// Takes the exchange lock if it is free.
    ///
    /// # Errors
    /// As [`Self::lock_exchange`].
    pub(crate) fn try_lock_exchange(&self) -> io::Result<bool> {
        match self.flock(libc::LOCK_EX | libc::LOCK_NB) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Gives the exchange lock back.
    pub(crate) fn unlock_exchange(&self) {
        if let Err(error) = self.flock(libc::LOCK_UN) {
            log::error!("unlocking: {error}");
        }
    }

    fn flock(&self, operation: libc::c_int) -> io::Result<()> {
        // SAFETY: the descriptor is ours and open; no pointer is passed.
        let result = unsafe { libc::flock(self.file.as_raw_fd(), operation) };
        if result < 0 {
            Err(io::Error::last_os_error())
        } else {
            Ok(())
        }
    }

    /// Gives a lock back. There is nothing to do about a failure: closing the file gives it back as well.
    pub(crate) fn unlock(&self, byte: Byte) {
        if let Err(error) = self.set(libc::F_OFD_SETLK, byte, libc::F_UNLCK) {
            log::error!("unlocking {byte:?}: {error}");
        }
    }

    /// Whether somebody else holds a lock on `byte`, and which kind. Locks of this very file are not seen.
    ///
    /// # Errors
    /// As [`Self::try_lock`].
    pub(crate) fn probe(&self, byte: Byte) -> io::Result<Option<Mode>> {
        let mut lock = range(self.interface, byte, libc::F_WRLCK);
        // SAFETY: the descriptor is ours and open; `lock` is a valid `struct flock64` for the call's duration.
        let result = unsafe { libc::fcntl(self.file.as_raw_fd(), libc::F_OFD_GETLK, &raw mut lock) };
        if result < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(match i32::from(lock.l_type) {
            libc::F_UNLCK => None,
            libc::F_RDLCK => Some(Mode::Shared),
            _ => Some(Mode::Exclusive),
        })
    }

    fn set(&self, command: libc::c_int, byte: Byte, kind: libc::c_int) -> io::Result<()> {
        let lock = range(self.interface, byte, kind);
        // SAFETY: the descriptor is ours and open; `lock` is a valid `struct flock64` for the call's duration.
        let result = unsafe { libc::fcntl(self.file.as_raw_fd(), command, &raw const lock) };
        if result < 0 {
            Err(io::Error::last_os_error())
        } else {
            Ok(())
        }
    }
}

fn lock_type(mode: Mode) -> libc::c_int {
    match mode {
        Mode::Shared => libc::F_RDLCK,
        Mode::Exclusive => libc::F_WRLCK,
    }
}

#[allow(
    clippy::cast_possible_truncation,
    reason = "constants 0 to 2 into the C struct's short"
)]
fn range(interface: u8, byte: Byte, kind: libc::c_int) -> libc::flock64 {
    libc::flock64 {
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: byte.offset(interface),
        l_len: byte.len(),
        l_pid: 0,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn node() -> (std::path::PathBuf, NodeId) {
        let path = std::env::temp_dir().join(format!(
            "winscard-locks-{}-{:?}",
            std::process::id(),
            std::thread::current().id()
        ));
        let meta = File::create(&path).unwrap().metadata().unwrap();
        (
            path,
            NodeId {
                dev: meta.dev(),
                ino: meta.ino(),
            },
        )
    }

    #[test]
    fn two_descriptions_in_one_process_conflict() {
        let (path, id) = node();
        let (a, b) = (
            LockFile::open(&path, id, 0).unwrap(),
            LockFile::open(&path, id, 0).unwrap(),
        );
        assert!(a.try_lock(Byte::Share(0), Mode::Shared).unwrap());
        assert!(b.try_lock(Byte::Share(0), Mode::Shared).unwrap());
        assert!(
            !a.try_lock(Byte::Share(0), Mode::Exclusive).unwrap(),
            "two shared users"
        );
        assert_eq!(
            b.probe(Byte::Share(0)).unwrap(),
            Some(Mode::Shared),
            "a failed conversion keeps what was held"
        );
        drop(b);
        assert!(a.try_lock(Byte::Share(0), Mode::Exclusive).unwrap());
        let c = LockFile::open(&path, id, 1).unwrap();
        assert!(
            c.try_lock(Byte::Share(0), Mode::Exclusive).unwrap(),
            "another interface has its own bytes"
        );
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn whoever_waits_for_anything_is_seen_by_who_asks_for_anybody() {
        let (path, id) = node();
        let (a, b) = (
            LockFile::open(&path, id, 0).unwrap(),
            LockFile::open(&path, id, 0).unwrap(),
        );
        for (held, queues) in [(Byte::Waiting, None), (Byte::Queue, Some(Mode::Shared))] {
            assert_eq!(b.probe(Byte::Anybody).unwrap(), None);
            assert!(a.try_lock(held, Mode::Shared).unwrap());
            assert_eq!(b.probe(Byte::Anybody).unwrap(), Some(Mode::Shared));
            assert_eq!(b.probe(Byte::Queue).unwrap(), queues);
            a.unlock(held);
        }
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn bytes_of_different_meaning_never_meet() {
        let all = [
            Byte::Share(0),
            Byte::Share(255),
            Byte::Waiting,
            Byte::Queue,
            Byte::Watcher,
            Byte::Handle(0),
            Byte::Handle(u32::MAX),
            Byte::Peer(0),
            Byte::Peer(u32::MAX),
        ];
        let mut offsets: Vec<i64> = [0, 1, 255].iter().flat_map(|i| all.map(|b| b.offset(*i))).collect();
        offsets.sort_unstable();
        let count = offsets.len();
        offsets.dedup();
        assert_eq!(offsets.len(), count);
        assert!(offsets.iter().all(|o| *o >= 0));
    }

    #[test]
    fn a_node_that_was_replaced_is_refused() {
        let (path, id) = node();
        let wrong = NodeId {
            ino: id.ino.wrapping_add(1),
            ..id
        };
        assert_eq!(
            LockFile::open(&path, wrong, 0).unwrap_err().raw_os_error(),
            Some(libc::ENODEV)
        );
        std::fs::remove_file(path).unwrap();
    }
}
