//! A file that vanishes with its process, and a waitable timer.

#![allow(unsafe_code, reason = "waitable timers have no safe wrapper in std")]

use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::path::PathBuf;
use std::ptr;
use std::time::Duration;

use windows_sys::Win32::System::Threading::{
    CREATE_WAITABLE_TIMER_MANUAL_RESET, CancelWaitableTimer, CreateWaitableTimerExW, SetWaitableTimer, TIMER_ALL_ACCESS,
};

use crate::usb::{NodeId, RawWait};
use crate::vanishing;

/// A file that exists as long as somebody has it open, which stands for a device or for the bus.
#[derive(Debug)]
pub(crate) struct Node {
    file: File,
    path: PathBuf,
}

impl Node {
    /// A new one; the name is for people.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn new(name: &CStr) -> io::Result<Self> {
        let (file, path) = vanishing::make(&vanishing::own_folder(), &name.to_string_lossy())?;
        Ok(Self { file, path })
    }

    /// What others in this process open it as.
    pub(crate) fn path(&self) -> PathBuf {
        self.path.clone()
    }

    /// Where those listen who want to hear of [`Self::touch`].
    pub(crate) fn watched(&self) -> PathBuf {
        vanishing::own_folder()
    }

    /// Its identity.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn id(&self) -> io::Result<NodeId> {
        NodeId::of(&self.file)
    }

    /// Makes a sound in its folder.
    pub(crate) fn touch(&self) {
        if let Err(error) = vanishing::make(&vanishing::own_folder(), "touch") {
            log::warn!("software reader: cannot signal a change: {error}");
        }
    }
}

/// A timer whose handle is signalled once its time has come, until it is set again.
#[derive(Debug)]
pub(crate) struct Timer(OwnedHandle);

impl Timer {
    /// Not set.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: no attributes and no name; both may be null.
        let handle = unsafe {
            CreateWaitableTimerExW(
                ptr::null(),
                ptr::null(),
                CREATE_WAITABLE_TIMER_MANUAL_RESET,
                TIMER_ALL_ACCESS,
            )
        };
        if handle.is_null() {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the call above has just made this handle and nobody else knows it.
        Ok(Self(unsafe { OwnedHandle::from_raw_handle(handle) }))
    }

    /// What to wait for.
    pub(crate) fn fd(&self) -> RawWait {
        self.0.as_raw_handle()
    }

    /// Signalled after this time, at once if it is zero, never if there is none. Ends being signalled from before.
    pub(crate) fn set(&self, after: Option<Duration>) {
        /// A time that never comes: setting a timer is the only way to end its being signalled.
        const NEVER: Duration = Duration::from_secs(3_000_000_000);
        // In units of 100 ns; negative numbers are counted from now.
        let ticks = i64::try_from(after.unwrap_or(NEVER).as_nanos().div_ceil(100)).unwrap_or(i64::MAX);
        let due = -ticks;
        // SAFETY: the handle is ours, `due` lives through the call, no routine is to be called.
        let result = unsafe { SetWaitableTimer(self.fd(), &raw const due, 0, None, ptr::null(), 0) };
        if result == 0 {
            log::warn!("software reader: cannot set a timer: {}", io::Error::last_os_error());
        }
        if after.is_none() {
            // SAFETY: the handle is ours.
            unsafe { CancelWaitableTimer(self.fd()) };
        }
    }
}
