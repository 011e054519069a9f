//! System calls with which the tests look at nodes, descriptors and children from outside.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::fs::File;
use std::io::{self, Read};
use std::mem::size_of;
use std::os::fd::{AsRawFd, FromRawFd, RawFd};
use std::path::Path;
use std::time::Duration;

/// Tries an exclusive OFD lock on one byte.
pub(crate) fn try_lock(file: &File, byte: i64) -> bool {
    let lock = libc::flock {
        l_type: i16::try_from(libc::F_WRLCK).unwrap(),
        l_whence: i16::try_from(libc::SEEK_SET).unwrap(),
        l_start: byte,
        l_len: 1,
        l_pid: 0,
    };
    // SAFETY: `lock` lives through the call and is only read.
    unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &raw const lock) == 0 }
}

/// Whether the descriptor becomes readable within this time.
pub(crate) fn readable(fd: RawFd, within: Duration) -> bool {
    let mut entry = libc::pollfd {
        fd,
        events: libc::POLLIN,
        revents: 0,
    };
    // SAFETY: one entry, which lives through the call.
    let ready = unsafe { libc::poll(&raw mut entry, 1, i32::try_from(within.as_millis()).unwrap()) };
    ready == 1
}

/// An inotify watch on one path.
pub(crate) struct Watch(File);

impl Watch {
    pub(crate) fn new(path: &Path, mask: u32) -> io::Result<Self> {
        let path = std::ffi::CString::new(path.to_str().unwrap()).unwrap();
        // SAFETY: no pointers.
        let fd = unsafe { libc::inotify_init1(libc::IN_CLOEXEC | libc::IN_NONBLOCK) };
        assert!(fd >= 0);
        // SAFETY: the call above has just made this descriptor.
        let file = unsafe { File::from_raw_fd(fd) };
        // SAFETY: the path is a NUL-terminated string that outlives the call.
        let watch = unsafe { libc::inotify_add_watch(fd, path.as_ptr(), mask) };
        if watch < 0 {
            Err(io::Error::last_os_error())
        } else {
            Ok(Self(file))
        }
    }

    /// Whether one of these events arrives within a second; what else arrived is dropped.
    pub(crate) fn sees(&mut self, mask: u32) -> bool {
        let mut buffer = [0; 4096];
        while readable(self.0.as_raw_fd(), Duration::from_secs(1)) {
            let len = self.0.read(&mut buffer).unwrap();
            let events = buffer[..len].chunks(size_of::<libc::inotify_event>());
            let mut masks = events.map(|event| u32::from_ne_bytes(event[4..8].try_into().unwrap()));
            if masks.any(|seen| seen & mask != 0) {
                return true;
            }
        }
        false
    }
}

/// Runs a check in a forked child; returns whether it held. The check must not panic with locks of the harness held,
/// so failures come back as `false` and panics end the child.
pub(crate) fn in_child(check: impl FnOnce() -> bool) -> bool {
    // SAFETY: the child runs only the check, which takes no lock another thread may have held, and leaves by `_exit`.
    let child = unsafe { libc::fork() };
    assert!(child >= 0);
    if child == 0 {
        let held = std::panic::catch_unwind(std::panic::AssertUnwindSafe(check)).unwrap_or(false);
        // SAFETY: ends the child without running anything of the parent's.
        unsafe { libc::_exit(if held { 0 } else { 1 }) };
    }
    let mut status = 0;
    // SAFETY: `status` lives through the call; the child is ours.
    let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
    waited == child && status == 0
}
