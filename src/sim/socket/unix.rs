//! Unix sockets, and the system calls std has no safe form of.

#![allow(unsafe_code, reason = "send(2) without SIGPIPE, ppoll(2), signalfd(2)")]

use std::fs::File;
use std::io::{self, Read};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::ptr;
use std::time::{Duration, Instant};

use crate::fork::Tracked;
use crate::usb::RawWait;

/// What [`poll`] waits for.
pub(crate) type PollFd = libc::pollfd;
/// There is something to read.
pub(crate) const POLLIN: i16 = libc::POLLIN;
/// There is room to write.
pub(crate) const POLLOUT: i16 = libc::POLLOUT;

/// A connected socket.
#[derive(Debug)]
pub(crate) struct Stream(Tracked);

impl Stream {
    /// Connects to the server of this name. Reads and writes end in an error after `patience`.
    ///
    /// # Errors
    /// No server there, or the system's.
    pub(crate) fn connect(path: &Path, patience: Duration) -> io::Result<Self> {
        let file = Tracked::open(|| {
            let stream = UnixStream::connect(path)?;
            stream.set_read_timeout(Some(patience))?;
            stream.set_write_timeout(Some(patience))?;
            Ok(File::from(OwnedFd::from(stream)))
        })?;
        Ok(Self(file))
    }

    fn new(socket: OwnedFd) -> io::Result<Self> {
        Tracked::open(|| Ok(File::from(socket))).map(Self)
    }

    /// Takes a TCP connection, and makes it non-blocking.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn from_tcp(stream: TcpStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        Self::new(OwnedFd::from(stream))
    }

    /// Sends on a connected socket. A peer that is gone is an error, not a signal.
    ///
    /// # Errors
    /// The system's error.
    pub(crate) fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        let fd = self.0.as_raw_fd();
        // SAFETY: `bytes` is readable for its length, the descriptor is open while `self` is borrowed.
        let sent = unsafe { libc::send(fd, bytes.as_ptr().cast(), bytes.len(), libc::MSG_NOSIGNAL) };
        usize::try_from(sent).map_err(|_| io::Error::last_os_error())
    }

    /// For [`poll`].
    pub(crate) fn entry(&self, events: i16) -> PollFd {
        entry(self.0.as_raw_fd(), events)
    }

    /// Waits until there is something to read, or the other end is gone; `false` if not by `deadline` (`None`: for ever).
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn await_input(&self, deadline: Option<Instant>) -> io::Result<bool> {
        let mut fds = [self.entry(POLLIN)];
        poll(&mut fds, deadline)?;
        Ok(fds.iter().any(|fd| fd.revents != 0))
    }

    /// Whether the other end is gone.
    pub(crate) fn is_hung_up(&self) -> bool {
        let mut fds = [self.entry(libc::POLLRDHUP)];
        poll(&mut fds, Some(Instant::now())).is_err() || fds.iter().any(|fd| fd.revents != 0)
    }

    /// What to wait for beside other things: see [`crate::usb::InterruptWait`].
    ///
    /// # Errors
    /// None here.
    pub(crate) fn source(&self) -> io::Result<RawWait> {
        Ok(self.0.as_raw_fd())
    }
}

impl Read for &Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        (&*self.0).read(buffer)
    }
}

/// Where clients connect.
#[derive(Debug)]
pub(crate) struct Listener(UnixListener);

impl Listener {
    /// Listens under this name.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn bind(path: &Path) -> io::Result<Self> {
        let listener = UnixListener::bind(path)?;
        listener.set_nonblocking(true)?;
        Ok(Self(listener))
    }

    /// The next client, non-blocking.
    ///
    /// # Errors
    /// `WouldBlock` if there is none, or the system's.
    pub(crate) fn accept(&self) -> io::Result<Stream> {
        let (stream, _) = self.0.accept()?;
        stream.set_nonblocking(true)?;
        Stream::new(OwnedFd::from(stream))
    }

    /// For [`poll`].
    pub(crate) fn entry(&self) -> PollFd {
        entry(self.0.as_raw_fd(), POLLIN)
    }
}

/// For [`poll`]: a client that wants to connect.
pub(crate) fn listener_entry(listener: &TcpListener) -> PollFd {
    entry(listener.as_raw_fd(), POLLIN)
}

fn entry(fd: RawFd, events: i16) -> PollFd {
    libc::pollfd { fd, events, revents: 0 }
}

/// Waits for any of the descriptors until `deadline` (`None`: for ever). A signal does not end it.
///
/// # Errors
/// `ENOMEM`, `EINVAL` (more descriptors than the process may have).
pub(crate) fn poll(fds: &mut [PollFd], deadline: Option<Instant>) -> io::Result<()> {
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

#[allow(clippy::useless_conversion, reason = "c_long has 32 bits on some targets")]
fn timespec(duration: Duration) -> libc::timespec {
    libc::timespec {
        tv_sec: libc::time_t::try_from(duration.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: i32::try_from(duration.subsec_nanos()).unwrap_or(0).into(),
    }
}

/// Says when the process is asked to end (SIGINT, SIGTERM, SIGHUP), which then no longer ends it. For programs whose only
/// thread is the caller's.
#[derive(Debug)]
pub struct End(File);

impl End {
    /// For [`poll`].
    pub(crate) fn entry(&self) -> PollFd {
        entry(self.0.as_raw_fd(), POLLIN)
    }

    /// From here on.
    ///
    /// # Errors
    /// The system's error.
    pub(crate) fn new() -> io::Result<Self> {
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
        Ok(Self(unsafe { File::from_raw_fd(fd) }))
    }
}
