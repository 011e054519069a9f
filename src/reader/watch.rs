//! Watching an interface. Of all the calls that wait for it, in any process, one holds the watcher's lock, keeps the
//! interrupt transfer in flight (or asks a reader that has none every 400 ms), and rings the bell for the others. When it
//! ends or is killed, the others hear its node being closed and one of them takes over.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::link::{Gone, Link};
use super::port::Port;
use super::sense::HANDOVER_IDLE_MS;
use crate::arbiter::locks::{Byte, LockFile, Mode};
use crate::arbiter::wait::{Ear, Entry, entry};
use crate::clock::Moment;

/// How often a reader without interrupt endpoint is asked by whoever watches it.
const POLL_INTERVAL: Duration = Duration::from_millis(400);
/// How often to take the interface from a process that works with it, to ask for slots it does not work with.
const BORROWING_INTERVAL: Duration = Duration::from_secs(1);
/// How soon to look again when an exchange was under way.
const BUSY_INTERVAL: Duration = Duration::from_millis(20);

/// A waiting call's part in watching an interface.
#[derive(Debug)]
pub(crate) struct Watch {
    port: Arc<Port>,
    /// What this call waits for: [`Byte::Waiting`] or [`Byte::Queue`].
    what: Byte,
    /// Holds the lock of that. Nobody hears it being closed.
    waiting: LockFile,
    /// For the watcher's lock, once this call has had it. The others hear it being closed.
    watching: Option<LockFile>,
    /// Whether it has it now.
    is_watcher: bool,
    /// Another party was in an exchange at the last look.
    busy: bool,
    /// The reader did not answer then; nothing is heard when it does again.
    failing: bool,
    /// When the interface was last taken from somebody who works with it.
    borrowed: Moment,
    /// When this call may have to watch, too; `None` once it has tried. Whoever waits for the end of a transaction leaves that
    /// to its owner at first: he uses the reader, from whom a watcher would not take it anyway.
    due: Option<Moment>,
}

impl Watch {
    /// Begins to wait: from here on `ear` hears of changes, and others know that somebody wants to.
    ///
    /// # Errors
    /// The system's; `ENODEV` if the reader has left.
    pub(crate) fn begin(port: &Arc<Port>, ear: &Ear, what: Byte) -> io::Result<Self> {
        let interface = port.interface();
        ear.add_record(port.store().path())?;
        ear.add_node(&interface.node)?;
        let waiting = LockFile::open_quiet(&interface.node, interface.node_id, interface.number)?;
        let mut watch = Self {
            port: Arc::clone(port),
            what,
            waiting,
            watching: None,
            is_watcher: false,
            busy: false,
            failing: false,
            borrowed: Moment::now(),
            due: None,
        };
        watch.resume()?;
        Ok(watch)
    }

    /// Waits no longer, for now. Somebody else is told to watch.
    pub(crate) fn rest(&mut self) {
        self.waiting.unlock(self.what);
        if !std::mem::take(&mut self.is_watcher) {
            return;
        }
        if let Some(locks) = &self.watching {
            locks.unlock(Byte::Watcher);
        }
        if !matches!(self.waiting.probe(Byte::Anybody), Ok(None)) {
            self.port.store().ring();
        }
    }

    /// Waits again.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn resume(&mut self) -> io::Result<()> {
        self.waiting.try_lock(self.what, Mode::Shared)?;
        self.forget_look();
        self.due = (self.what == Byte::Queue).then(|| Moment::now() + Duration::from_millis(HANDOVER_IDLE_MS));
        self.take_over();
        Ok(())
    }

    /// Becomes the watcher if nobody is.
    fn take_over(&mut self) {
        if self.is_watcher || self.due.is_some_and(|due| Moment::now() < due) {
            return;
        }
        self.due = None;
        if self.watching.is_none() {
            if !matches!(self.waiting.probe(Byte::Watcher), Ok(None)) {
                return;
            }
            let interface = self.port.interface();
            self.watching = LockFile::open(&interface.node, interface.node_id, interface.number).ok();
        }
        self.is_watcher = self
            .watching
            .as_ref()
            .is_some_and(|locks| locks.try_lock(Byte::Watcher, Mode::Exclusive).unwrap_or(false));
    }

    /// Whether this call watches for everybody.
    pub(crate) fn is_watcher(&self) -> bool {
        self.is_watcher
    }

    /// Before looking at the interface's slots.
    pub(crate) fn forget_look(&mut self) {
        (self.busy, self.failing) = (false, false);
    }

    /// Notes of a look at one slot whether another party's exchange was in the way, and whether the reader failed.
    pub(crate) fn note(&mut self, busy: bool, failing: bool) {
        self.busy |= busy;
        self.failing |= failing;
    }

    /// Asks for the slots of the interface that others may wait for: whoever watches does so for all of them.
    pub(crate) fn tend(&mut self, link: &Link) {
        let slots = self.port.slots();
        if !self.is_watcher() || slots < 2 {
            return;
        }
        for slot in 0..slots {
            if matches!(self.port.store().read(slot), (_, Some(card)) if !self.port.doubts(&card)) {
                continue;
            }
            let mut turn = match link.try_turn(slot) {
                Ok(Some(turn)) => turn,
                Ok(None) => {
                    self.busy = true;
                    continue;
                }
                Err(Gone) => return,
            };
            if turn.is_busy_elsewhere() {
                if self.borrowed.elapsed() < BORROWING_INTERVAL {
                    continue;
                }
                self.borrowed = Moment::now();
            }
            if let Err(error) = turn.refresh().and_then(|()| turn.ensure_answered()) {
                log::debug!("watching slot {slot}: {error}");
                self.failing = true;
            }
        }
    }

    /// What of the interrupt endpoint to wait for, if it is this call that does.
    pub(crate) fn interrupt(&self) -> Option<Entry> {
        let hears = self.is_watcher() && !self.busy && self.port.has_interrupt() && self.port.is_claimed();
        hears.then(|| {
            let source = self.port.transport().interrupt_wait();
            entry(source.fd, source.events)
        })
    }

    /// After sleeping on it.
    pub(crate) fn wake(&mut self) {
        self.port.note_ready();
        self.take_over();
    }

    /// When to look again though nothing was heard.
    pub(crate) fn next_look(&self) -> Option<Duration> {
        if self.busy {
            return Some(BUSY_INTERVAL);
        }
        if !self.is_watcher() {
            return self.due.map(|due| due.saturating_duration_since(Moment::now()));
        }
        if !self.port.is_claimed() {
            return Some(Duration::from_millis(HANDOVER_IDLE_MS));
        }
        (self.failing || !self.port.reports_changes()).then_some(POLL_INTERVAL)
    }
}
