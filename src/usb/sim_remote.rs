//! [`Transport`] to a software reader in another process.
//!
//! Two connections make one transport: requests and replies by turns on the first, ended interrupt transfers on the
//! second, which is what callers poll. The server drops both when the reader leaves, and the kernel drops both for a
//! client that is killed; so neither side is ever left waiting for the other.

use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::{ControlRequest, ErrorKind, Interface, Interrupt, InterruptWait, NO_WAIT, Result, Transport};
use crate::ccid::pin::wipe;
use crate::oserror;
use crate::sim::client::{self, connect};
use crate::sim::failure;
use crate::sim::protocol::{self, Notice, ONE_USER, Request, VERSION};
use crate::sim::socket::{POLLIN, Stream};

/// Time the server has beyond a transfer's own.
const GRACE: Duration = Duration::from_secs(5);

/// A reader's interface at the server.
#[derive(Debug)]
struct Remote {
    requests: Mutex<Stream>,
    interrupts: Mutex<Interrupts>,
    has_interrupt: bool,
    /// Nobody can take the interface from another.
    one_user: bool,
    /// The connection has ended or cannot be trusted to be in step any more.
    dead: AtomicBool,
}

#[derive(Debug)]
struct Interrupts {
    stream: Stream,
    /// What arrived and is not a whole frame yet.
    input: Vec<u8>,
    /// Of the transfer put in flight last.
    number: u32,
    in_flight: bool,
}

/// Opens an interface of a server's reader; claims nothing.
///
/// # Errors
/// [`ErrorKind::Disconnected`] if server or reader are gone, [`ErrorKind::NoAccess`] without permission for the socket,
/// [`ErrorKind::NoMemory`] out of descriptors.
pub(super) fn open(interface: &Interface, socket: &Path) -> Result<Arc<dyn Transport>> {
    let (requests, interrupts, one_user) = streams(interface, socket).map_err(|error| {
        log::debug!("{}: {error}", socket.display());
        let kind = if error.kind() == io::ErrorKind::PermissionDenied {
            ErrorKind::NoAccess
        } else if oserror::is_exhausted(&error) {
            ErrorKind::NoMemory
        } else {
            ErrorKind::Disconnected
        };
        failure(kind, "open")
    })?;
    // Whatever it needs is there from now on.
    if interrupts.source().is_err() {
        return Err(failure(ErrorKind::NoMemory, "open"));
    }
    Ok(Arc::new(Remote {
        requests: Mutex::new(requests),
        interrupts: Mutex::new(Interrupts {
            stream: interrupts,
            input: Vec::new(),
            number: 0,
            in_flight: false,
        }),
        has_interrupt: interface.interrupt_in.is_some(),
        one_user,
        dead: AtomicBool::new(false),
    }))
}

fn streams(interface: &Interface, socket: &Path) -> io::Result<(Stream, Stream, bool)> {
    let line = format!("open {VERSION} {} {}", interface.address, interface.number);
    let (requests, token) = connect(socket, &line)?;
    let token = String::from_utf8_lossy(&token).into_owned();
    let (token, kind) = token.split_once(' ').unwrap_or((&token, ""));
    let (interrupts, _) = connect(socket, &format!("interrupt {VERSION} {token}"))?;
    Ok((requests, interrupts, kind == ONE_USER))
}

fn millis(timeout: Duration) -> u32 {
    u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX)
}

impl Remote {
    fn ask(&self, request: &Request, timeout: Duration, what: &'static str) -> Result<Vec<u8>> {
        let gone = failure(ErrorKind::Disconnected, what);
        let stream = self.requests.lock();
        if self.dead.load(Ordering::Acquire) {
            return Err(gone);
        }
        let reply = exchange(&stream, request, timeout).map_err(|error| {
            log::debug!("software reader's server: {what}: {error}");
            self.dead.store(true, Ordering::Release);
            gone
        })?;
        drop(stream);
        reply.map_err(|kind| failure(kind, what))
    }

    fn control(&self, request: ControlRequest, length: usize, data: &[u8], timeout: Duration) -> Result<Vec<u8>> {
        let request = Request::Control {
            request,
            length: u16::try_from(length).unwrap_or(u16::MAX),
            data: data.to_vec(),
        };
        self.ask(&request, timeout, "control")
    }
}

fn exchange(stream: &Stream, request: &Request, timeout: Duration) -> io::Result<protocol::Reply> {
    // What goes to a card may be a PIN: no copy stays.
    let mut body = request.encode();
    let mut frame = protocol::frame(&body);
    let sent = stream.send_all(&frame);
    wipe(&mut body);
    wipe(&mut frame);
    sent?;
    let end = Instant::now().checked_add(timeout.saturating_add(GRACE));
    if !stream.await_input(end)? {
        return Err(io::ErrorKind::TimedOut.into());
    }
    let mut body = client::read_frame(stream)?;
    let reply = protocol::decode_reply(&body);
    wipe(&mut body);
    Ok(reply)
}

impl Interrupts {
    /// Takes the notice about the transfer in flight, if it has arrived. Never blocks.
    fn take(&mut self) -> io::Result<Option<Notice>> {
        loop {
            while let Some(notice) = self.next_notice()? {
                if self.in_flight && notice.number == self.number {
                    self.in_flight = false;
                    return Ok(Some(notice));
                }
            }
            if !self.stream.await_input(Some(Instant::now()))? {
                return Ok(None);
            }
            let mut buffer = [0; 512];
            match (&self.stream).read(&mut buffer) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(len) => self.input.extend(buffer.get(..len).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }

    fn next_notice(&mut self) -> io::Result<Option<Notice>> {
        let Some((header, rest)) = self.input.split_first_chunk::<4>() else {
            return Ok(None);
        };
        let len = protocol::body_len(*header).ok_or(io::ErrorKind::InvalidData)?;
        let Some(body) = rest.get(..len) else {
            return Ok(None);
        };
        let notice = Notice::decode(body).ok_or(io::ErrorKind::InvalidData)?;
        self.input.drain(..4 + len);
        Ok(Some(notice))
    }
}

impl Transport for Remote {
    fn claim(&self) -> Result<()> {
        self.ask(&Request::Claim, Duration::ZERO, "claim").map(drop)
    }

    fn take_over(&self) -> Result<()> {
        self.ask(&Request::TakeOver, Duration::ZERO, "take over").map(drop)
    }

    fn release(&self) {
        if let Err(error) = self.ask(&Request::Release, Duration::ZERO, "release") {
            log::trace!("{error}");
        }
        self.interrupts.lock().in_flight = false;
    }

    fn is_given_back(&self) -> bool {
        self.one_user
    }

    fn bulk_out(&self, data: &[u8], timeout: Duration) -> Result<usize> {
        let mut request = Request::BulkOut {
            timeout_ms: millis(timeout),
            data: data.to_vec(),
        };
        let result = self.ask(&request, timeout, "bulk out");
        if let Request::BulkOut { data, .. } = &mut request {
            wipe(data);
        }
        result.map(|_| data.len())
    }

    fn bulk_in(&self, buffer: &mut [u8], timeout: Duration) -> Result<usize> {
        let request = Request::BulkIn {
            timeout_ms: millis(timeout),
            wanted: u32::try_from(buffer.len()).unwrap_or(u32::MAX),
        };
        let mut data = self.ask(&request, timeout, "bulk in")?;
        let count = buffer.iter_mut().zip(&data).map(|(to, from)| *to = *from).count();
        wipe(&mut data);
        Ok(count)
    }

    fn control_out(&self, request: ControlRequest, data: &[u8], timeout: Duration) -> Result<usize> {
        self.control(request, data.len(), data, timeout).map(|_| data.len())
    }

    fn control_in(&self, request: ControlRequest, buffer: &mut [u8], timeout: Duration) -> Result<usize> {
        let data = self.control(request, buffer.len(), &[], timeout)?;
        Ok(buffer.iter_mut().zip(&data).map(|(to, from)| *to = *from).count())
    }

    fn clear_halt(&self, endpoint: u8) -> Result<()> {
        let request = ControlRequest {
            request_type: 0x02,
            request: 0x01,
            value: 0,
            index: u16::from(endpoint),
        };
        self.control(request, 0, &[], Duration::ZERO).map(drop)
    }

    fn set_interface(&self) -> Result<()> {
        self.ask(&Request::SetInterface, Duration::ZERO, "set interface")
            .map(drop)
    }

    fn reset_device(&self) -> Result<()> {
        self.ask(&Request::Reset, Duration::ZERO, "reset").map(drop)
    }

    fn start_interrupt(&self) -> Result<()> {
        if !self.has_interrupt {
            return Ok(());
        }
        let mut interrupts = self.interrupts.lock();
        if interrupts.in_flight {
            return Ok(());
        }
        interrupts.number = interrupts.number.wrapping_add(1);
        let request = Request::StartInterrupt(interrupts.number);
        self.ask(&request, Duration::ZERO, "start interrupt")?;
        interrupts.in_flight = true;
        Ok(())
    }

    fn reap_interrupt(&self, buffer: &mut [u8]) -> Result<Interrupt> {
        let mut interrupts = self.interrupts.lock();
        let notice = interrupts.take().map_err(|error| {
            log::debug!("software reader's server: {error}");
            self.dead.store(true, Ordering::Release);
            failure(ErrorKind::Disconnected, "reap interrupt")
        })?;
        Ok(match notice {
            Some(Notice {
                message: Some(message), ..
            }) => Interrupt::Message(buffer.iter_mut().zip(&message).map(|(to, from)| *to = *from).count()),
            Some(_) => Interrupt::Idle,
            None if interrupts.in_flight => Interrupt::Pending,
            None => Interrupt::Idle,
        })
    }

    fn interrupt_wait(&self) -> InterruptWait {
        InterruptWait {
            fd: self.interrupts.lock().stream.source().unwrap_or(NO_WAIT),
            events: POLLIN,
        }
    }

    fn is_connected(&self) -> bool {
        if self.dead.load(Ordering::Acquire) {
            return false;
        }
        // Whoever is in an exchange on it will find out.
        self.requests.try_lock().is_none_or(|stream| !stream.is_hung_up())
    }
}
