//! A nameless file, and a timer descriptor.

#![allow(unsafe_code, reason = "memfd_create and timerfd have no safe wrapper in std")]

use std::ffi::CStr;
use std::fs::{File, FileTimes};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::PathBuf;
use std::ptr;
use std::time::{Duration, SystemTime};

use crate::usb::{NodeId, RawWait};

/// A file without a name, closed on exec, which stands for a device or for the bus.
#[derive(Debug)]
pub(crate) struct Node(File);

impl Node {
    /// A new one; the name is for people.
    ///
    /// # Errors
    /// No descriptor or no memory left, or a kernel without memfd.
    pub(crate) fn new(name: &CStr) -> io::Result<Self> {
        // SAFETY: `name` is a NUL-terminated string that outlives the call.
        let fd = unsafe { libc::memfd_create(name.as_ptr(), libc::MFD_CLOEXEC) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the call above has just made this descriptor and nobody else knows it.
        Ok(Self(unsafe { File::from_raw_fd(fd) }))
    }

    /// What others in this process open it as.
    pub(crate) fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.0.as_raw_fd()))
    }

    /// Where those listen who want to hear of [`Self::touch`].
    pub(crate) fn watched(&self) -> PathBuf {
        self.path()
    }

    /// Its identity.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn id(&self) -> io::Result<NodeId> {
        NodeId::of(&self.0)
    }

    /// Makes inotify watchers of the file see `IN_ATTRIB`.
    pub(crate) fn touch(&self) {
        // Both times: either alone would be told as IN_MODIFY or IN_ACCESS.
        let now = SystemTime::now();
        if let Err(error) = self.0.set_times(FileTimes::new().set_accessed(now).set_modified(now)) {
            log::warn!("software reader: cannot signal a change: {error}");
        }
    }
}

/// A timer whose descriptor is readable once its time has come, until it is set again.
#[derive(Debug)]
pub(crate) struct Timer(OwnedFd);

impl Timer {
    /// Not set.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: no pointers.
        let fd = unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, libc::TFD_CLOEXEC | libc::TFD_NONBLOCK) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the call above has just made this descriptor and nobody else knows it.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// What to wait for.
    pub(crate) fn fd(&self) -> RawWait {
        self.0.as_raw_fd()
    }

    /// Readable after this time, at once if it is zero, never if there is none. Ends readability of before.
    #[allow(clippy::useless_conversion, reason = "c_long has 32 bits on some targets")]
    pub(crate) fn set(&self, after: Option<Duration>) {
        // A zero it_value would disarm the timer.
        let value = after.map_or(Duration::ZERO, |after| after.max(Duration::from_nanos(1)));
        let spec = libc::itimerspec {
            it_interval: libc::timespec { tv_sec: 0, tv_nsec: 0 },
            it_value: libc::timespec {
                tv_sec: libc::time_t::try_from(value.as_secs()).unwrap_or(libc::time_t::MAX),
                tv_nsec: i32::try_from(value.subsec_nanos()).unwrap_or(0).into(),
            },
        };
        // SAFETY: `spec` lives through the call, the old value is not asked for, the descriptor is ours.
        let result = unsafe { libc::timerfd_settime(self.fd(), 0, &raw const spec, ptr::null_mut()) };
        if result < 0 {
            log::warn!("software reader: cannot set a timer: {}", io::Error::last_os_error());
        }
    }
}
