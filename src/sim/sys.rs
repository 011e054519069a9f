//! What the software reader needs and std does not offer: a nameless file, a timer to poll, and a value that is never
//! freed but can be forgotten.

#![allow(
    unsafe_code,
    reason = "memfd_create, timerfd and forgettable statics have no safe wrapper in std"
)]

use std::ffi::CStr;
use std::fs::{File, FileTimes};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::time::{Duration, SystemTime};

/// A file without a name, closed on exec. Others in this process open it as `/proc/self/fd/N`.
///
/// # Errors
/// No descriptor or no memory left, or a kernel without memfd.
pub(super) fn nameless_file(name: &CStr) -> io::Result<File> {
    // SAFETY: `name` is a NUL-terminated string that outlives the call.
    let fd = unsafe { libc::memfd_create(name.as_ptr(), libc::MFD_CLOEXEC) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call above has just made this descriptor and nobody else knows it.
    Ok(unsafe { File::from_raw_fd(fd) })
}

/// Makes inotify watchers of the file see `IN_ATTRIB`.
pub(super) fn touch(file: &File) {
    // Both times: either alone would be told as IN_MODIFY or IN_ACCESS.
    let now = SystemTime::now();
    if let Err(error) = file.set_times(FileTimes::new().set_accessed(now).set_modified(now)) {
        log::warn!("software reader: cannot signal a change: {error}");
    }
}

/// A timer whose descriptor is readable once its time has come, until it is set again.
#[derive(Debug)]
pub(crate) struct Timer(OwnedFd);

impl Timer {
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: no pointers.
        let fd = unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, libc::TFD_CLOEXEC | libc::TFD_NONBLOCK) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the call above has just made this descriptor and nobody else knows it.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    pub(crate) fn fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }

    /// Readable after this time, at once if it is zero, never if there is none. Ends readability of before.
    #[allow(clippy::useless_conversion, reason = "c_long has 32 bits on some targets")]
    pub(super) fn set(&self, after: Option<Duration>) {
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

/// A value made once and never freed, which can be forgotten without being touched: after fork its locks may be held by
/// threads that do not exist in the child.
#[derive(Debug)]
pub(super) struct Leaked<T>(AtomicPtr<T>);

impl<T: Send + Sync + 'static> Leaked<T> {
    pub(super) const fn none() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    pub(super) fn get(&self) -> Option<&'static T> {
        let value = self.0.load(Ordering::Acquire);
        // SAFETY: the pointer is null or comes from `Box::into_raw` in `set`; nothing frees it or makes it exclusive again.
        unsafe { value.as_ref() }
    }

    /// Stores a value unless there is one; returns whether it was this one.
    pub(super) fn set(&self, value: T) -> bool {
        let new = Box::into_raw(Box::new(value));
        let done = self
            .0
            .compare_exchange(ptr::null_mut(), new, Ordering::AcqRel, Ordering::Acquire)
            .is_ok();
        if !done {
            // SAFETY: `new` was made above and nobody else has seen it.
            drop(unsafe { Box::from_raw(new) });
        }
        done
    }

    pub(super) fn forget(&self) {
        self.0.store(ptr::null_mut(), Ordering::Release);
    }
}

#[cfg(test)]
pub(super) mod probe;
