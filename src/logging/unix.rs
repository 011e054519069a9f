//! Writing a line to a descriptor, without a trace in the host.

#![allow(unsafe_code, reason = "write, and the signal mask around it")]

use std::ffi::c_int;
use std::fs::File;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::ptr;

/// Where lines go.
#[derive(Debug)]
pub(crate) enum Target {
    Stderr,
    /// The identity tells the file from what the host may have opened under its number after closing all descriptors.
    File {
        file: File,
        id: (u64, u64),
    },
}

impl Target {
    /// A file to append to; `None` if it cannot be opened.
    pub(crate) fn open(path: &Path) -> Option<Self> {
        let file = File::options()
            .append(true)
            .create(true)
            .mode(0o600)
            // O_NONBLOCK: a FIFO without a reader must not stop the host. std adds O_CLOEXEC.
            .custom_flags(libc::O_NOFOLLOW | libc::O_NOCTTY | libc::O_NONBLOCK)
            .open(path)
            .ok()?;
        let metadata = file.metadata().ok()?;
        Some(Self::File {
            id: (metadata.dev(), metadata.ino()),
            file,
        })
    }

    /// Writes a line in one call.
    pub(crate) fn write(&self, line: &[u8]) {
        let fd: RawFd = match self {
            Self::Stderr => libc::STDERR_FILENO,
            Self::File { file, id } => match file.metadata() {
                Ok(now) if (now.dev(), now.ino()) == *id => file.as_raw_fd(),
                _ => return,
            },
        };
        without_sigpipe(|| write_once(fd, line));
    }
}

/// The thread's number.
#[cfg(target_os = "linux")]
pub(crate) fn thread_id() -> u64 {
    // SAFETY: no precondition.
    let number = unsafe { libc::gettid() };
    number.unsigned_abs().into()
}

/// The thread's number.
#[cfg(not(target_os = "linux"))]
pub(crate) fn thread_id() -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    std::thread::current().id().hash(&mut hasher);
    hasher.finish() & 0xFFFF
}

/// Writes the line in one call; whether the other end of a pipe is gone.
fn write_once(fd: RawFd, line: &[u8]) -> bool {
    loop {
        // SAFETY: the slice is valid for its length.
        let written = unsafe { libc::write(fd, line.as_ptr().cast(), line.len()) };
        if written >= 0 {
            return false;
        }
        match std::io::Error::last_os_error().raw_os_error() {
            Some(libc::EINTR) => {}
            error => return error == Some(libc::EPIPE),
        }
    }
}

/// Runs `write` with SIGPIPE blocked in this thread, and takes back the signal if `write` says that it caused one.
fn without_sigpipe(write: impl FnOnce() -> bool) {
    let sigpipe = set_of_sigpipe();
    let was_pending = is_sigpipe_pending();
    let mut before = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: both sets are valid; the old mask is written before it is used, as the call succeeds.
    let blocked = unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const sigpipe, before.as_mut_ptr()) };
    if blocked != 0 {
        return;
    }
    let broken = write();
    if broken && !was_pending {
        take_sigpipe(&sigpipe);
    }
    // SAFETY: pthread_sigmask has filled `before`.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), ptr::null_mut()) };
}

fn set_of_sigpipe() -> libc::sigset_t {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: valid for writing a set.
    unsafe { libc::sigemptyset(set.as_mut_ptr()) };
    // SAFETY: the set was made empty above.
    unsafe { libc::sigaddset(set.as_mut_ptr(), libc::SIGPIPE) };
    // SAFETY: initialised by sigemptyset.
    unsafe { set.assume_init() }
}

fn is_sigpipe_pending() -> bool {
    let mut pending = set_of_sigpipe();
    // SAFETY: valid for writing a set.
    let result: c_int = unsafe { libc::sigpending(&raw mut pending) };
    // SAFETY: `pending` is an initialised set.
    result == 0 && unsafe { libc::sigismember(&raw const pending, libc::SIGPIPE) } == 1
}

#[cfg(not(any(target_os = "macos", target_os = "openbsd")))]
fn take_sigpipe(sigpipe: &libc::sigset_t) {
    let now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: an initialised set and a valid time; no information about the signal is asked for.
    unsafe { libc::sigtimedwait(sigpipe, ptr::null_mut(), &raw const now) };
}

#[cfg(any(target_os = "macos", target_os = "openbsd"))]
fn take_sigpipe(sigpipe: &libc::sigset_t) {
    let mut signal: c_int = 0;
    // SAFETY: an initialised set; the signal is pending, so that the call returns at once.
    unsafe { libc::sigwait(sigpipe, &raw mut signal) };
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use std::io::Read;

    #[test]
    fn a_file_is_appended_to_and_a_link_is_not_followed() {
        let directory = std::env::temp_dir().join(format!("winscard-logging-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let path = directory.join("log");
        std::fs::write(&path, "before\n").unwrap();
        let target = Target::open(&path).unwrap();
        target.write(b"one\n");
        target.write(b"two\n");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "before\none\ntwo\n");

        let link = directory.join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(Target::open(&link).is_none());
        std::fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn a_closed_pipe_raises_no_signal() {
        let (mut reader, writer) = std::os::unix::net::UnixStream::pair().unwrap();
        let fd = writer.as_raw_fd();
        without_sigpipe(|| write_once(fd, b"line\n"));
        let mut line = [0; 5];
        reader.read_exact(&mut line).unwrap();
        assert_eq!(&line, b"line\n");
        drop(reader);
        // Under the default disposition a signal that got through would end the test process. The harness ignores it.
        // SAFETY: no handler is installed.
        let before = unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
        let mut broken = false;
        without_sigpipe(|| {
            broken = write_once(fd, b"line\n");
            broken
        });
        // SAFETY: the disposition there was before.
        unsafe { libc::signal(libc::SIGPIPE, before) };
        assert!(broken);
        assert!(!is_sigpipe_pending());
    }
}
