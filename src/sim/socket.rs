//! Sockets of the software reader's server and its clients: framing buffers, and the system calls std has no safe form of.

#![allow(unsafe_code, reason = "send(2) without SIGPIPE, ppoll(2), signalfd(2)")]

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;
use std::time::{Duration, Instant};

/// Output kept for a peer that does not read; one that leaves more lying is cut off.
const MAX_OUTPUT_LEN: usize = 4 << 20;
/// Input kept of a peer before its requests are carried out.
const MAX_INPUT_LEN: usize = 4 << 20;

/// Sends on a connected socket. A peer that is gone is an error, not a signal.
///
/// # Errors
/// The system's error.
pub(crate) fn send(socket: &impl AsRawFd, bytes: &[u8]) -> io::Result<usize> {
    // SAFETY: `bytes` is readable for its length, the descriptor is open while `socket` is borrowed.
    let sent = unsafe {
        libc::send(
            socket.as_raw_fd(),
            bytes.as_ptr().cast(),
            bytes.len(),
            libc::MSG_NOSIGNAL,
        )
    };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

/// Sends all of it on a blocking socket; a signal does not shorten it.
///
/// # Errors
/// The system's error.
pub(crate) fn send_all(socket: &impl AsRawFd, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match send(socket, bytes) {
            Ok(sent) => bytes = bytes.get(sent..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Waits for any of the descriptors until `deadline` (`None`: for ever). A signal does not end it.
///
/// # Errors
/// `ENOMEM`, `EINVAL` (more descriptors than the process may have).
pub(crate) fn poll(fds: &mut [libc::pollfd], deadline: Option<Instant>) -> io::Result<()> {
    let count = libc::nfds_t::try_from(fds.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    loop {
        let timeout = deadline.map(|end| timespec(end.saturating_duration_since(Instant::now())));
        let timeout = timeout.as_ref().map_or(ptr::null(), ptr::from_ref);
        // SAFETY: `fds` is a valid slice of `count` entries, `timeout` null or a valid `timespec`, for the call's time.
        let result = unsafe { libc::ppoll(fds.as_mut_ptr(), count, timeout, ptr::null()) };
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
pub(crate) fn entry(fd: RawFd, events: i16) -> libc::pollfd {
    libc::pollfd { fd, events, revents: 0 }
}

#[allow(clippy::useless_conversion, reason = "c_long has 32 bits on some targets")]
fn timespec(duration: Duration) -> libc::timespec {
    libc::timespec {
        tv_sec: libc::time_t::try_from(duration.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: i32::try_from(duration.subsec_nanos()).unwrap_or(0).into(),
    }
}

/// A descriptor that becomes readable when the process is asked to end (SIGINT, SIGTERM, SIGHUP), which then no longer
/// ends it. For programs whose only thread is the caller's.
///
/// # Errors
/// The system's error.
pub(super) fn end_signals() -> io::Result<File> {
    // SAFETY: all-zero is a valid `sigset_t` to be initialised by the next call.
    let mut set: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: `set` is a valid place for the set.
    unsafe { libc::sigemptyset(&raw mut set) };
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        // SAFETY: `set` was initialised above, the signal numbers exist.
        unsafe { libc::sigaddset(&raw mut set, signal) };
    }
    // SAFETY: `set` is initialised; the old mask is not asked for.
    if unsafe { libc::sigprocmask(libc::SIG_BLOCK, &raw const set, ptr::null_mut()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: `set` is initialised.
    let fd = unsafe { libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call above has just made this descriptor and nobody else knows it.
    Ok(unsafe { File::from_raw_fd(fd) })
}

/// One end of a connection that never blocks: what arrived and is not consumed yet, what is to be sent.
#[derive(Debug)]
pub(super) struct Peer {
    socket: File,
    pub(super) input: Vec<u8>,
    output: Vec<u8>,
    ended: bool,
}

impl Peer {
    /// Takes a socket that was made non-blocking.
    pub(super) fn new(socket: OwnedFd) -> Self {
        Self {
            socket: File::from(socket),
            input: Vec::new(),
            output: Vec::new(),
            ended: false,
        }
    }

    /// What to poll it for.
    pub(super) fn interest(&self) -> libc::pollfd {
        let out = if self.output.is_empty() { 0 } else { libc::POLLOUT };
        entry(self.socket.as_raw_fd(), libc::POLLIN | out)
    }

    /// Whether the other end is gone, or has to be treated so.
    pub(super) fn is_ended(&self) -> bool {
        self.ended
    }

    /// Lets the connection go after what is left to send.
    pub(super) fn end(&mut self) {
        self.flush();
        self.ended = true;
    }

    /// Reads what has arrived.
    pub(super) fn fill(&mut self) {
        let mut buffer = [0; 16 * 1024];
        while !self.ended && self.input.len() < MAX_INPUT_LEN {
            match self.socket.read(&mut buffer) {
                Ok(0) => self.ended = true,
                Ok(len) => self.input.extend(buffer.get(..len).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => self.ended = true,
            }
        }
    }

    /// Sends now, or later what does not fit now.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.output.extend(bytes);
        self.flush();
        if self.output.len() > MAX_OUTPUT_LEN {
            self.ended = true;
        }
    }

    /// Sends what is left to send, as far as the other end takes it.
    pub(super) fn flush(&mut self) {
        while !self.output.is_empty() {
            match send(&self.socket, &self.output) {
                Ok(sent) => drop(self.output.drain(..sent)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => {
                    self.ended = true;
                    return;
                }
            }
        }
    }

    /// Takes that many bytes off the input, once there are as many.
    pub(super) fn take(&mut self, len: usize) -> Option<Vec<u8>> {
        let rest = (self.input.len() >= len).then(|| self.input.split_off(len))?;
        Some(std::mem::replace(&mut self.input, rest))
    }

    /// Takes one line off the input, without its end.
    pub(super) fn take_line(&mut self) -> Option<String> {
        let end = self.input.iter().position(|&byte| byte == b'\n')?;
        let line = self.take(end + 1)?;
        Some(String::from_utf8_lossy(&line).trim().to_owned())
    }
}
