//! One party to the arbitration: an open file description of the node with its locks.

use std::time::{Duration, Instant};

use parking_lot::Mutex;
use std::sync::Arc;

use super::port::{Port, access};
use super::registry::Reader;
use super::sense::{HANDOVER_IDLE_MS, POLL_INTERVAL_MS};
use super::turn::Turn;
use crate::arbiter::locks::{Byte, LockFile, Mode};
use crate::arbiter::wait::{Ear, entry, poll};
use crate::error::{Error, Result};

/// A card handle's, or a context's, part in using one interface.
#[derive(Debug)]
pub(crate) struct Link {
    port: Arc<Port>,
    locks: LockFile,
    /// Threads that share this link take turns here; the kernel sees only one party in them.
    gate: Mutex<()>,
}

/// The reader has left the bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gone;

/// What an attempt that may have to wait for somebody came to.
#[derive(Debug)]
pub(crate) enum Attempt<T> {
    /// It is decided.
    Done(T),
    /// Somebody else's transaction is in the way.
    Busy,
}

impl Link {
    /// Takes part in using a reader.
    ///
    /// # Errors
    /// As [`Port::open`].
    pub(crate) fn open(reader: &Reader) -> Result<Self> {
        let port = Port::open(reader)?;
        let interface = port.interface();
        let locks =
            LockFile::open(&interface.node, interface.node_id, interface.number).map_err(|e| access(reader, &e))?;
        Ok(Self {
            port,
            locks,
            gate: Mutex::new(()),
        })
    }

    /// The port.
    pub(crate) fn port(&self) -> &Arc<Port> {
        &self.port
    }

    /// This party's locks.
    pub(crate) fn locks(&self) -> &LockFile {
        &self.locks
    }

    /// Waits for this party's turn at the slot. Bounded by the exchange somebody else may be in.
    ///
    /// # Errors
    /// [`Gone`].
    pub(crate) fn turn(&self, slot: u8) -> std::result::Result<Turn<'_>, Gone> {
        let gate = self.gate.lock();
        Turn::take(self, gate, slot)
    }

    /// As [`Self::turn`], but `None` at once if somebody else has it.
    pub(crate) fn try_turn(&self, slot: u8) -> std::result::Result<Option<Turn<'_>>, Gone> {
        let Some(gate) = self.gate.try_lock() else {
            return Ok(None);
        };
        Turn::try_take(self, gate, slot)
    }

    /// Repeats `attempt`, each time in a turn of its own, until it is decided; in between sleeps until whatever was in
    /// the way may have ended: a transaction, its owner's life, the card, the reader.
    ///
    /// # Errors
    /// What `attempt` returns, `gone` if the reader leaves, `SharingViolation` if waiting is impossible here.
    pub(crate) fn until_free<T>(
        &self,
        slot: u8,
        gone: Error,
        mut attempt: impl FnMut(&mut Turn<'_>) -> Result<Attempt<T>>,
    ) -> Result<T> {
        let mut waiting: Option<Waiting<'_>> = None;
        let mut woken = Woken::Told;
        loop {
            {
                let mut turn = self.turn(slot).map_err(|Gone| gone)?;
                if woken.is_reason_to_look(&turn)
                    && let Attempt::Done(value) = attempt(&mut turn)?
                {
                    return Ok(value);
                }
            }
            match &mut waiting {
                // Looked at once more before the first sleep: what ended in between made no sound for us.
                None => waiting = Some(Waiting::on(self)?),
                Some(waiting) => woken = waiting.sleep()?,
            }
        }
    }
}

/// What ended a sleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Woken {
    /// Somebody rang the bell or left.
    Told,
    /// The reader reported something, or another process took it.
    Reader,
    /// It is time to ask the reader.
    Time,
}

impl Woken {
    /// Whether to try again. The reader is left to a process that uses it: it finds out by itself what there is to find
    /// out, and would have to take the reader back after each of our looks.
    fn is_reason_to_look(self, turn: &Turn<'_>) -> bool {
        match self {
            Self::Told => true,
            Self::Reader => turn.port().is_claimed(),
            Self::Time => !turn.is_busy_elsewhere(),
        }
    }
}

/// Sleeping until something changes: somebody says so, or the reader does. The one that waits watches here too, or a card
/// pulled out of the hands of an idle transaction would not end it.
struct Waiting<'a> {
    link: &'a Link,
    ear: Ear,
    _heard_by: LockFile,
    retries: u32,
    /// Whether the watcher's lock is ours.
    watches: bool,
}

impl<'a> Waiting<'a> {
    fn on(link: &'a Link) -> Result<Self> {
        let result = (|| {
            let interface = link.port.interface();
            let ear = Ear::new()?;
            ear.add_record(link.port.store().path())?;
            ear.add_node(&interface.node)?;
            // Read-only: closing it makes no sound on the node.
            let heard_by = LockFile::open_quiet(&interface.node, interface.node_id, interface.number)?;
            heard_by.try_lock(Byte::Waiting, Mode::Shared)?;
            Ok(Self {
                link,
                ear,
                _heard_by: heard_by,
                retries: 0,
                watches: false,
            })
        })();
        result.map_err(|error: std::io::Error| {
            log::error!("cannot wait for another user of the card: {error}");
            Error::SharingViolation
        })
    }

    fn sleep(&mut self) -> Result<Woken> {
        let port = &self.link.port;
        let mut fds = vec![entry(self.ear.fd(), libc::POLLIN)];
        if port.has_interrupt() && port.is_claimed() {
            let source = port.transport().interrupt_wait();
            fds.push(entry(source.fd, source.events));
        }
        let retrying = self.retries > 0;
        let time = if retrying {
            // A node's closing is heard just before its locks are freed: look again a few times, ever later.
            Some(Duration::from_millis(1 << (6 - self.retries)))
        } else {
            self.next_look()
        };
        let deadline = time.map(|time| Instant::now() + time);
        poll(&mut fds, deadline).map_err(|_| Error::NoMemory)?;
        self.retries = self.retries.saturating_sub(1);
        let heard = self.ear.listen();
        if heard.closed {
            self.retries = 6;
        }
        if heard.any() || retrying {
            return Ok(Woken::Told);
        }
        if fds.iter().skip(1).any(|fd| fd.revents != 0) {
            return Ok(Woken::Reader);
        }
        self.take_watch();
        Ok(Woken::Time)
    }

    /// When to ask the reader though nothing was heard: never while it reports to this process or another one watches it.
    fn next_look(&self) -> Option<Duration> {
        let port = &self.link.port;
        if port.is_claimed() {
            return (!port.has_interrupt()).then_some(Duration::from_millis(POLL_INTERVAL_MS));
        }
        let watched = !matches!(self.link.locks.probe(Byte::Watcher), Ok(None));
        (!watched).then_some(Duration::from_millis(HANDOVER_IDLE_MS))
    }

    /// Becomes the watcher if nobody is. Only after a while, so that short waits do without.
    fn take_watch(&mut self) {
        if !self.watches {
            self.watches = matches!(self.link.locks.try_lock(Byte::Watcher, Mode::Exclusive), Ok(true));
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.watches {
            self.link.locks.unlock(Byte::Watcher);
            // For one of those still waiting to take it over.
            self.link.port.store().ring();
        }
    }
}
