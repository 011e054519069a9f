//! Sockets of the software reader's server and its clients, and their framing buffers.
//!
//! A server has a name in the file system: on Unix a socket, on Windows a file that says which TCP port of this machine it
//! listens on.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

use std::io::{self, Read};

#[cfg(unix)]
pub use unix::End;
#[cfg(unix)]
pub(crate) use unix::{Listener, POLLIN, POLLOUT, PollFd, Stream, listener_entry, poll};
#[cfg(windows)]
pub use windows::End;
#[cfg(windows)]
pub(crate) use windows::{Listener, POLLIN, POLLOUT, PollFd, Stream, listener_entry, poll};

/// Output kept for a peer that does not read; one that leaves more lying is cut off.
const MAX_OUTPUT_LEN: usize = 4 << 20;
/// Input kept of a peer before its requests are carried out.
const MAX_INPUT_LEN: usize = 4 << 20;

impl Stream {
    /// Sends all of it on a blocking socket; a signal does not shorten it.
    ///
    /// # Errors
    /// The system's error.
    pub(crate) fn send_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.send(bytes) {
                Ok(sent) => bytes = bytes.get(sent..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// One end of a connection that never blocks: what arrived and is not consumed yet, what is to be sent.
#[derive(Debug)]
pub(super) struct Peer {
    socket: Stream,
    pub(super) input: Vec<u8>,
    output: Vec<u8>,
    ended: bool,
}

impl Peer {
    /// Takes a socket that was made non-blocking.
    pub(super) fn new(socket: Stream) -> Self {
        Self {
            socket,
            input: Vec::new(),
            output: Vec::new(),
            ended: false,
        }
    }

    /// What to poll it for.
    pub(super) fn interest(&self) -> PollFd {
        let out = if self.output.is_empty() { 0 } else { POLLOUT };
        self.socket.entry(POLLIN | out)
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
            match (&self.socket).read(&mut buffer) {
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
            match self.socket.send(&self.output) {
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
