//! TCP on the loopback interface, with a file in place of a socket's name.
//!
//! Windows 10 has Unix sockets too, but the software reader is to run where they are missing (older versions, Wine).

#![allow(unsafe_code, reason = "WSAPoll, WSAEventSelect")]

use std::fs;
use std::io::{self, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::windows::io::{AsRawHandle, AsRawSocket, FromRawHandle, OwnedHandle};
use std::path::Path;
use std::ptr;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use windows_sys::Win32::Networking::WinSock::{
    FD_CLOSE, FD_READ, POLLRDNORM, POLLWRNORM, SOCKET_ERROR, WSAEventSelect, WSAPOLLFD, WSAPoll,
};
use windows_sys::Win32::System::Threading::{CreateEventW, ResetEvent};

use crate::usb::RawWait;

/// What [`poll`] waits for.
pub(crate) type PollFd = WSAPOLLFD;
/// There is something to read.
pub(crate) const POLLIN: i16 = POLLRDNORM;
/// There is room to write.
pub(crate) const POLLOUT: i16 = POLLWRNORM;

/// A connected socket.
#[derive(Debug)]
pub(crate) struct Stream {
    socket: TcpStream,
    /// Set when something has arrived, once somebody has asked for it.
    arrived: Mutex<Option<OwnedHandle>>,
}

impl Stream {
    /// Connects to the server of this name. Reads and writes end in an error after `patience`.
    ///
    /// # Errors
    /// No server there, or the system's.
    pub(crate) fn connect(path: &Path, patience: Duration) -> io::Result<Self> {
        let text = fs::read_to_string(path)?;
        let address: SocketAddr = text.trim().parse().map_err(|_| io::ErrorKind::InvalidData)?;
        if !address.ip().is_loopback() {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let socket = TcpStream::connect(address)?;
        socket.set_read_timeout(Some(patience))?;
        socket.set_write_timeout(Some(patience))?;
        socket.set_nodelay(true)?;
        Ok(Self::new(socket))
    }

    fn new(socket: TcpStream) -> Self {
        Self {
            socket,
            arrived: Mutex::new(None),
        }
    }

    /// Takes a TCP connection, and makes it non-blocking.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn from_tcp(stream: TcpStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        Ok(Self::new(stream))
    }

    /// Sends on a connected socket.
    ///
    /// # Errors
    /// The system's error.
    pub(crate) fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        io::Write::write(&mut &self.socket, bytes)
    }

    /// For [`poll`].
    pub(crate) fn entry(&self, events: i16) -> PollFd {
        entry(&self.socket, events)
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
        match self.await_input(Some(Instant::now())) {
            Ok(false) => false,
            Ok(true) => !matches!(self.socket.peek(&mut [0]), Ok(1..)),
            Err(_) => true,
        }
    }

    /// What to wait for beside other things: see [`crate::usb::InterruptWait`]. From here on reads do not block.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn source(&self) -> io::Result<RawWait> {
        let mut arrived = self.arrived.lock();
        if let Some(event) = &*arrived {
            return Ok(event.as_raw_handle());
        }
        // SAFETY: no attributes and no name; both may be null.
        let event = unsafe { CreateEventW(ptr::null(), 1, 0, ptr::null()) };
        if event.is_null() {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the call above has just made this handle and nobody else knows it.
        let event = unsafe { OwnedHandle::from_raw_handle(event) };
        let (socket, handle) = (usize::try_from(self.socket.as_raw_socket()), event.as_raw_handle());
        let socket = socket.map_err(|_| io::ErrorKind::InvalidInput)?;
        // SAFETY: socket and event are ours and open.
        if unsafe {
            WSAEventSelect(
                socket,
                handle.addr().cast_signed(),
                i32::try_from(FD_READ | FD_CLOSE).unwrap_or(0),
            )
        } == SOCKET_ERROR
        {
            return Err(io::Error::last_os_error());
        }
        *arrived = Some(event);
        Ok(handle)
    }
}

impl Read for &Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // What arrives from here on sets it again; only what is read now was announced by it.
        if let Some(event) = &*self.arrived.lock() {
            // SAFETY: the event is ours and open.
            unsafe { ResetEvent(event.as_raw_handle()) };
        }
        (&self.socket).read(buffer)
    }
}

/// Where clients connect.
#[derive(Debug)]
pub(crate) struct Listener(TcpListener);

impl Listener {
    /// Listens under this name.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn bind(path: &Path) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        // Complete before it has its name.
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(".new");
        fs::write(&temporary, format!("{}\n", listener.local_addr()?))?;
        fs::rename(&temporary, path)?;
        Ok(Self(listener))
    }

    /// The next client, non-blocking.
    ///
    /// # Errors
    /// `WouldBlock` if there is none, or the system's.
    pub(crate) fn accept(&self) -> io::Result<Stream> {
        let (stream, _) = self.0.accept()?;
        Stream::from_tcp(stream)
    }

    /// For [`poll`].
    pub(crate) fn entry(&self) -> PollFd {
        entry(&self.0, POLLIN)
    }
}

/// For [`poll`]: a client that wants to connect.
pub(crate) fn listener_entry(listener: &TcpListener) -> PollFd {
    entry(listener, POLLIN)
}

fn entry(socket: &impl AsRawSocket, events: i16) -> PollFd {
    WSAPOLLFD {
        fd: usize::try_from(socket.as_raw_socket()).unwrap_or(usize::MAX),
        events,
        revents: 0,
    }
}

/// Waits for any of the sockets until `deadline` (`None`: for ever).
///
/// # Errors
/// The system's.
pub(crate) fn poll(fds: &mut [PollFd], deadline: Option<Instant>) -> io::Result<()> {
    let count = u32::try_from(fds.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    loop {
        let left = deadline.map(|end| end.saturating_duration_since(Instant::now()));
        // Rounded up, so that the time has come when it has passed.
        let millis = left.map_or(-1, |left| {
            i32::try_from(left.as_nanos().div_ceil(1_000_000)).unwrap_or(i32::MAX)
        });
        // SAFETY: `fds` is a valid slice of `count` entries for the call's time.
        let ready = unsafe { WSAPoll(fds.as_mut_ptr(), count, millis) };
        if ready == SOCKET_ERROR {
            return Err(io::Error::last_os_error());
        }
        if ready > 0 || deadline.is_some_and(|end| end <= Instant::now()) {
            return Ok(());
        }
    }
}

/// Nothing asks a Windows process to end but what ends it.
#[derive(Debug)]
pub enum End {}

impl End {
    /// For [`poll`].
    pub(crate) fn entry(&self) -> PollFd {
        match *self {}
    }
}
