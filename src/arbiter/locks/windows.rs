//! Byte-range locks of handles.
//!
//! Windows can neither convert a lock nor ask who holds one: both are done by taking and giving back, under the lock of a
//! byte of its own that everybody takes for the moment. So nobody ever meets a lock that was only a question.

#![allow(unsafe_code, reason = "LockFileEx, UnlockFileEx")]

use std::fs::{File, OpenOptions};
use std::io;
use std::os::windows::io::AsRawHandle;
use std::path::Path;

use parking_lot::Mutex;
use windows_sys::Win32::Foundation::{ERROR_IO_PENDING, ERROR_LOCK_VIOLATION};
use windows_sys::Win32::Storage::FileSystem::{
    LOCKFILE_EXCLUSIVE_LOCK, LOCKFILE_FAIL_IMMEDIATELY, LockFileEx, UnlockFileEx,
};
use windows_sys::Win32::System::IO::{OVERLAPPED, OVERLAPPED_0, OVERLAPPED_0_0};

use super::{Byte, Mode};
use crate::arbiter::wait;
use crate::oserror;
use crate::usb::NodeId;

/// Offset and length.
type Range = (u64, u32);

/// The exchange lock, of the whole node as on Unix; no [`Byte`] is here.
const EXCHANGE: Range = (0, 1);
/// Held for the moment of every other lock's change.
const GUARD: Range = (1, 1);

/// One handle of a node for its locks, and one for the exchange lock: who sleeps for a lock keeps others from using the
/// same handle.
#[derive(Debug)]
pub(crate) struct LockFile {
    /// The locks held through `file`.
    held: Mutex<Vec<(Byte, Mode)>>,
    file: File,
    exchange: File,
    /// Vanishes with this process, which those who listen to the node hear. Declared behind the locks, to be closed after
    /// them.
    _party: Option<File>,
    interface: u8,
}

impl LockFile {
    /// Opens `node` if it is still the one with this identity.
    ///
    /// # Errors
    /// The system's error; [`oserror::gone`] if another node has taken its place.
    pub(crate) fn open(node: &Path, id: NodeId, interface: u8) -> io::Result<Self> {
        let mut lock_file = Self::open_quiet(node, id, interface)?;
        lock_file._party = Some(wait::join(node)?);
        Ok(lock_file)
    }

    /// As [`Self::open`], but its closing is not heard by those who listen to the node.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub(crate) fn open_quiet(node: &Path, id: NodeId, interface: u8) -> io::Result<Self> {
        let open = || OpenOptions::new().read(true).write(true).open(node);
        let (file, exchange) = (open()?, open()?);
        if NodeId::of(&file)? != id || NodeId::of(&exchange)? != id {
            return Err(oserror::gone());
        }
        Ok(Self {
            held: Mutex::new(Vec::new()),
            file,
            exchange,
            _party: None,
            interface,
        })
    }

    /// Takes a lock, or changes one held, without waiting. `false`: somebody else's lock is in the way, and what was
    /// held before is still held.
    ///
    /// # Errors
    /// The system's error.
    pub(crate) fn try_lock(&self, byte: Byte, mode: Mode) -> io::Result<bool> {
        let mut held = self.held.lock();
        let before = mode_of(&held, byte);
        if before == Some(mode) {
            return Ok(true);
        }
        let _guard = Guard::take(&self.file)?;
        let at = self.range(byte);
        if before.is_some() {
            unlock(&self.file, at)?;
        }
        let taken = try_lock(&self.file, at, mode);
        let now = match (&taken, before) {
            (Ok(true), _) => Some(mode),
            // Nobody can have come between.
            (_, Some(before)) if try_lock(&self.file, at, before)? => Some(before),
            _ => None,
        };
        held.retain(|(other, _)| *other != byte);
        held.extend(now.map(|now| (byte, now)));
        taken
    }

    /// Takes the exchange lock, sleeping in the kernel until it is free: nobody holds it longer than one bounded
    /// exchange. It keeps two interfaces of one device from talking at once, which some cannot.
    ///
    /// # Errors
    /// The system's error.
    pub(crate) fn lock_exchange(&self) -> io::Result<()> {
        lock(&self.exchange, EXCHANGE)
    }

    /// Takes the exchange lock if it is free.
    ///
    /// # Errors
    /// As [`Self::lock_exchange`].
    pub(crate) fn try_lock_exchange(&self) -> io::Result<bool> {
        try_lock(&self.exchange, EXCHANGE, Mode::Exclusive)
    }

    /// Gives the exchange lock back.
    pub(crate) fn unlock_exchange(&self) {
        if let Err(error) = unlock(&self.exchange, EXCHANGE) {
            log::error!("unlocking: {error}");
        }
    }

    /// Gives a lock back. There is nothing to do about a failure: closing the file gives it back as well.
    pub(crate) fn unlock(&self, byte: Byte) {
        let mut held = self.held.lock();
        if mode_of(&held, byte).is_none() {
            return;
        }
        if let Err(error) = unlock(&self.file, self.range(byte)) {
            log::error!("unlocking {byte:?}: {error}");
        }
        held.retain(|(other, _)| *other != byte);
    }

    /// Whether somebody else holds a lock on `byte`, and which kind. Locks of this very file are not seen.
    ///
    /// # Errors
    /// As [`Self::try_lock`].
    pub(crate) fn probe(&self, byte: Byte) -> io::Result<Option<Mode>> {
        let held = self.held.lock();
        let own = mode_of(&held, byte);
        if own == Some(Mode::Exclusive) {
            return Ok(None);
        }
        let _guard = Guard::take(&self.file)?;
        let at = self.range(byte);
        if own.is_some() {
            unlock(&self.file, at)?;
        }
        let others = self.look(at);
        // Nobody can have come between.
        if let Some(own) = own
            && !try_lock(&self.file, at, own)?
        {
            log::error!("{byte:?} was lost to another process");
        }
        others
    }

    /// Who holds the byte at an offset that this file holds no lock on, found out under the guard.
    fn look(&self, at: Range) -> io::Result<Option<Mode>> {
        for (mode, found) in [(Mode::Exclusive, None), (Mode::Shared, Some(Mode::Shared))] {
            if try_lock(&self.file, at, mode)? {
                unlock(&self.file, at)?;
                return Ok(found);
            }
        }
        Ok(Some(Mode::Exclusive))
    }

    fn range(&self, byte: Byte) -> Range {
        let offset = u64::try_from(byte.offset(self.interface)).unwrap_or(u64::MAX);
        (offset, u32::try_from(byte.len()).unwrap_or(1))
    }
}

fn mode_of(held: &[(Byte, Mode)], byte: Byte) -> Option<Mode> {
    held.iter().find(|(other, _)| *other == byte).map(|(_, mode)| *mode)
}

/// The moment in which locks change.
struct Guard<'a>(&'a File);

impl<'a> Guard<'a> {
    fn take(file: &'a File) -> io::Result<Self> {
        lock(file, GUARD)?;
        Ok(Self(file))
    }
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        if let Err(error) = unlock(self.0, GUARD) {
            log::error!("unlocking: {error}");
        }
    }
}

#[allow(clippy::cast_possible_truncation, reason = "two halves")]
fn place((at, _): Range) -> OVERLAPPED {
    OVERLAPPED {
        Internal: 0,
        InternalHigh: 0,
        Anonymous: OVERLAPPED_0 {
            Anonymous: OVERLAPPED_0_0 {
                Offset: at as u32,
                OffsetHigh: (at >> 32) as u32,
            },
        },
        hEvent: std::ptr::null_mut(),
    }
}

/// Sleeps until the lock is free. The file is not opened for overlapped use, so the call ends with the lock.
fn lock(file: &File, at: Range) -> io::Result<()> {
    let mut place = place(at);
    // SAFETY: the handle is open while `file` is borrowed; `place` lives through the call, which ends when the lock is taken.
    let done = unsafe {
        LockFileEx(
            file.as_raw_handle(),
            LOCKFILE_EXCLUSIVE_LOCK,
            0,
            at.1,
            0,
            &raw mut place,
        )
    };
    if done == 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

fn try_lock(file: &File, at: Range, mode: Mode) -> io::Result<bool> {
    let mut place = place(at);
    let flags = match mode {
        Mode::Shared => LOCKFILE_FAIL_IMMEDIATELY,
        Mode::Exclusive => LOCKFILE_FAIL_IMMEDIATELY | LOCKFILE_EXCLUSIVE_LOCK,
    };
    // SAFETY: the handle is open while `file` is borrowed; `place` lives through the call, which does not wait.
    if unsafe { LockFileEx(file.as_raw_handle(), flags, 0, at.1, 0, &raw mut place) } != 0 {
        return Ok(true);
    }
    let error = io::Error::last_os_error();
    let taken = [ERROR_LOCK_VIOLATION, ERROR_IO_PENDING];
    if taken
        .iter()
        .any(|code| i32::try_from(*code).ok() == error.raw_os_error())
    {
        Ok(false)
    } else {
        Err(error)
    }
}

/// Takes the lock that stands for all of a file, until the file is closed. `false`: somebody else has it.
///
/// # Errors
/// The system's error.
pub(crate) fn try_lock_whole(file: &File) -> io::Result<bool> {
    try_lock(file, EXCHANGE, Mode::Exclusive)
}

fn unlock(file: &File, at: Range) -> io::Result<()> {
    let mut place = place(at);
    // SAFETY: the handle is open while `file` is borrowed; `place` lives through the call.
    let done = unsafe { UnlockFileEx(file.as_raw_handle(), 0, at.1, 0, &raw mut place) };
    if done == 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}
