//! inotify, an eventfd, and `ppoll`.

#![allow(unsafe_code, reason = "inotify(7), eventfd(2), poll(2)")]

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, Instant};

use super::Heard;
use crate::fork::Tracked;

/// Something to wait for.
pub(crate) type Entry = libc::pollfd;
/// There is something to be had.
pub(crate) const POLLIN: i16 = libc::POLLIN;

/// An inotify instance.
#[derive(Debug)]
pub(crate) struct Ear {
    file: Tracked,
}

impl Ear {
    /// A new instance that hears nothing yet.
    ///
    /// # Errors
    /// `EMFILE` (the user's limit of instances or the process's of descriptors), `ENOSYS`/`EPERM` in a sandbox.
    pub(crate) fn new() -> io::Result<Self> {
        let file = Tracked::open(|| {
            // SAFETY: no pointer is passed.
            let fd = unsafe { libc::inotify_init1(libc::IN_CLOEXEC | libc::IN_NONBLOCK) };
            Ok(File::from(owned(fd)?))
        })?;
        Ok(Self { file })
    }

    /// Hears the bell of a record file.
    ///
    /// # Errors
    /// The system's error.
    pub(crate) fn add_record(&self, path: &Path) -> io::Result<()> {
        self.add(path, libc::IN_ATTRIB | libc::IN_DELETE_SELF)
    }

    /// Hears who leaves a node, and its removal.
    ///
    /// # Errors
    /// The system's error.
    pub(crate) fn add_node(&self, path: &Path) -> io::Result<()> {
        self.add(path, libc::IN_CLOSE_WRITE | libc::IN_ATTRIB | libc::IN_DELETE_SELF)
    }

    /// Hears what comes and goes in a directory of the bus, or a change of the software bus's file.
    ///
    /// # Errors
    /// The system's error.
    pub(crate) fn add_bus(&self, path: &Path) -> io::Result<()> {
        self.add(
            path,
            libc::IN_CREATE | libc::IN_DELETE | libc::IN_ATTRIB | libc::IN_MOVED_TO | libc::IN_MOVED_FROM,
        )
    }

    fn add(&self, path: &Path, mask: u32) -> io::Result<()> {
        let path = CString::new(path.as_os_str().as_bytes())?;
        // SAFETY: the descriptor is ours and open, the path is a NUL-terminated string that outlives the call.
        let watch = unsafe { libc::inotify_add_watch(self.file.as_raw_fd(), path.as_ptr(), mask) };
        if watch < 0 {
            Err(io::Error::last_os_error())
        } else {
            Ok(())
        }
    }

    /// Takes what was heard; never blocks.
    pub(crate) fn listen(&self) -> Heard {
        /// The longest event: its head and a name with its NUL. Less room left over means that there may be more to read.
        const LONGEST: usize = 16 + 256;
        crate::inject::point("wait");
        let mut heard = Heard::default();
        let mut buffer = [0; 1024];
        // An overflowing queue says so with an event of its own; 64 rounds bound what a noisy bus can cost.
        for _ in 0..64 {
            let Ok(len) = (&*self.file).read(&mut buffer) else {
                break;
            };
            let mut rest = buffer.get(..len).unwrap_or_default();
            while let Some((mask, name_len)) = event(rest) {
                // Only what happens in a directory has a name.
                if name_len > 0 || mask & (libc::IN_Q_OVERFLOW | libc::IN_IGNORED) != 0 {
                    heard.bus = true;
                } else if mask & libc::IN_CLOSE_WRITE == 0 {
                    heard.other = true;
                } else {
                    heard.closed = true;
                }
                rest = rest.get(16 + name_len..).unwrap_or_default();
            }
            if len + LONGEST <= buffer.len() {
                break;
            }
        }
        heard
    }

    /// For [`poll`].
    pub(crate) fn entries(&self) -> Vec<Entry> {
        vec![entry(self.file.as_raw_fd(), POLLIN)]
    }
}

/// Mask and name length of the `inotify_event` that `bytes` begin with.
fn event(bytes: &[u8]) -> Option<(u32, usize)> {
    let word = |at: usize| Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    Some((word(4)?, usize::try_from(word(12)?).ok()?))
}

/// Something one thread waits on and another sets.
#[derive(Debug)]
pub(crate) struct Signal {
    file: Tracked,
}

impl Signal {
    /// Not set.
    ///
    /// # Errors
    /// `EMFILE`, `ENFILE`, `ENOMEM`.
    pub(crate) fn new() -> io::Result<Self> {
        let file = Tracked::open(|| {
            // SAFETY: no pointer is passed.
            let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
            Ok(File::from(owned(fd)?))
        })?;
        Ok(Self { file })
    }

    /// Sets it. Cannot fail but by overflow, which means it is set.
    pub(crate) fn set(&self) {
        let _full = (&*self.file).write(&1_u64.to_ne_bytes());
    }

    /// For [`poll`].
    pub(crate) fn entry(&self) -> Entry {
        entry(self.file.as_raw_fd(), POLLIN)
    }

    /// For a program that waits for it: the number of the descriptor.
    pub(crate) fn handle(&self) -> *mut std::ffi::c_void {
        std::ptr::without_provenance_mut(usize::try_from(self.file.as_raw_fd()).unwrap_or(0))
    }
}

fn owned(fd: RawFd) -> io::Result<OwnedFd> {
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a descriptor the kernel has just made for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Waits for any of the descriptors until `deadline` (`None`: for ever). A signal does not end it. Afterwards each
/// `revents` says what happened.
///
/// # Errors
/// `ENOMEM`, `EINVAL` (more descriptors than the process may have).
pub(crate) fn poll(fds: &mut [Entry], deadline: Option<Instant>) -> io::Result<()> {
    let count = libc::nfds_t::try_from(fds.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    loop {
        let timeout = deadline.map(|end| timespec(end.saturating_duration_since(Instant::now())));
        let timeout = timeout.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
        // SAFETY: `fds` is a valid slice of `count` entries, `timeout` null or a valid `timespec`, for the call's time.
        let result = unsafe { libc::ppoll(fds.as_mut_ptr(), count, timeout, std::ptr::null()) };
        if result >= 0 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// An entry for [`poll`].
pub(crate) fn entry(fd: RawFd, events: i16) -> Entry {
    libc::pollfd { fd, events, revents: 0 }
}

fn timespec(duration: Duration) -> libc::timespec {
    libc::timespec {
        tv_sec: libc::time_t::try_from(duration.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: libc::c_long::from(i32::try_from(duration.subsec_nanos()).unwrap_or(0)),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn the_bell_is_heard_and_plain_writes_are_not() {
        let path = std::env::temp_dir().join(format!("winscard-ear-{}", std::process::id()));
        let file = File::create(&path).unwrap();
        let ear = Ear::new().unwrap();
        ear.add_record(&path).unwrap();
        (&file).write_all(b"record").unwrap();
        assert!(!ear.listen().any(), "a plain write");
        crate::arbiter::store::touch(&file);
        assert!(ear.listen().other, "the bell");
        assert!(!ear.listen().any());
        let ear = Ear::new().unwrap();
        ear.add_node(&path).unwrap();
        drop(file);
        assert_eq!(
            ear.listen(),
            Heard {
                closed: true,
                ..Heard::default()
            }
        );
        std::fs::remove_file(path).unwrap();
    }
}
