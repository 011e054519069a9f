//! One party to the arbitration: an open file description of the node with its locks.

use std::time::{Duration, Instant};

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::port::{Port, access};
use super::registry::Reader;
use super::turn::Turn;
use super::watch::Watch;
use crate::arbiter::locks::LockFile;
use crate::arbiter::wait::{Ear, poll};
use crate::clock::Moment;
use crate::error::{Error, Result};
use crate::trace;

/// A card handle's, or a context's, part in using one interface.
#[derive(Debug)]
pub(crate) struct Link {
    port: Arc<Port>,
    locks: LockFile,
    /// The handle's token; 0 for a context's link.
    token: AtomicU32,
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
            token: AtomicU32::new(0),
        })
    }

    /// The port.
    pub(crate) fn port(&self) -> &Arc<Port> {
        &self.port
    }

    /// Says which handle this link is.
    pub(crate) fn set_token(&self, token: u32) {
        self.token.store(token, Ordering::Release);
    }

    /// The handle's token, 0 for none.
    pub(super) fn token(&self) -> u32 {
        self.token.load(Ordering::Acquire)
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
        Turn::take(self, slot)
    }

    /// As [`Self::turn`], but `None` at once if somebody else has it.
    pub(crate) fn try_turn(&self, slot: u8) -> std::result::Result<Option<Turn<'_>>, Gone> {
        Turn::try_take(self, slot)
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
        let mut waiting: Option<Waiting> = None;
        let mut since_ms = None;
        loop {
            let kept;
            {
                let mut turn = self.turn(slot).map_err(|Gone| gone)?;
                if let Some(waiting) = &waiting {
                    waiting.look(&mut turn);
                }
                match attempt(&mut turn) {
                    Ok(Attempt::Busy) => {}
                    Ok(Attempt::Done(value)) => {
                        turn.leave_line();
                        return Ok(value);
                    }
                    Err(error) => {
                        turn.leave_line();
                        return Err(error);
                    }
                }
                turn.stand_in_line(*since_ms.get_or_insert_with(|| Moment::now().millis()))?;
                kept = turn.is_kept_for();
            }
            match &mut waiting {
                // Looked at once more before the first sleep: what ended in between made no sound for us.
                None => waiting = Some(Waiting::on(&self.port)?),
                Some(waiting) => waiting.sleep(kept)?,
            }
        }
    }
}

/// How long to trust in being told.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// Sleeping until something changes.
struct Waiting {
    ear: Ear,
    watch: Watch,
    retries: u32,
}

impl Waiting {
    fn on(port: &Arc<Port>) -> Result<Self> {
        let begun = Ear::new().and_then(|ear| Ok((Watch::begin(port, &ear)?, ear)));
        let (watch, ear) = begun.map_err(|error| {
            log::error!("cannot wait for another user of the card: {error}");
            Error::SharingViolation
        })?;
        Ok(Self { ear, watch, retries: 0 })
    }

    /// Whoever waits watches: a transaction also ends by the card's removal, which its owner may not notice for long.
    fn look(&self, turn: &mut Turn<'_>) {
        if self.watch.is_watcher()
            && !turn.is_busy_elsewhere()
            && let Err(error) = turn.refresh()
        {
            log::debug!("while waiting for another user of the card: {error}");
        }
    }

    /// Sleeps until something is heard, or the card is no longer kept for somebody else.
    fn sleep(&mut self, kept: Option<Duration>) -> Result<()> {
        // A node's closing is heard just before its locks are freed: look again a few times, ever later.
        let retry = (self.retries > 0).then(|| Duration::from_millis(1 << (6 - self.retries)));
        // Looked at once in a while without being told, too: a record that somebody spoiled rings no bell.
        let wake = [Some(LOOK_AGAIN), retry, kept, self.watch.next_look()]
            .into_iter()
            .flatten()
            .min();
        let mut fds = self.ear.entries();
        fds.extend(self.watch.interrupt());
        let waiting = trace::wait("another user's transaction");
        poll(&mut fds, wake.map(|time| Instant::now() + time)).map_err(|_| Error::NoMemory)?;
        drop(waiting);
        self.retries = self.retries.saturating_sub(1);
        if self.ear.listen().closed {
            self.retries = 6;
        }
        self.watch.take_over();
        Ok(())
    }
}
