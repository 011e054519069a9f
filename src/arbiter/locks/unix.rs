//! Locks of open file descriptions.

#![allow(unsafe_code, reason = "fcntl(2) and flock(2)")]

use std::fs::OpenOptions;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::{Byte, Mode};
use crate::fork::Tracked;
use crate::oserror;
use crate::usb::NodeId;

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
        if NodeId::of(&file)? != id {
            return Err(oserror::gone());
        }
        Ok(Self { file, interface })
    }

    /// Takes a lock, or changes one held, without waiting. `false`: somebody else's lock is in the way, and what was
    /// held before is still held.
    ///
    /// # Errors
    /// The system's error (`ENOLCK`, or `ENOSYS`/`EPERM` in a sandbox).
    pub(crate) fn try_lock(&self, byte: Byte, mode: Mode) -> io::Result<bool> {
        crate::inject::point("locks");
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
        insist(&"the exchange", || self.flock(libc::LOCK_UN));
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
        insist(&byte, || self.set(libc::F_OFD_SETLK, byte, libc::F_UNLCK));
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

/// Unlocks, again if it fails: a lock left behind holds everybody up for as long as its file is open.
fn insist(what: &dyn std::fmt::Debug, unlock: impl Fn() -> io::Result<()>) {
    for _ in 0..3 {
        match unlock() {
            Ok(()) => return,
            Err(error) => log::error!("unlocking {what:?}: {error}"),
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
