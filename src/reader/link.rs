//! One party to the arbitration: an open file description of the node with its locks.

use std::time::{Duration, Instant};

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use parking_lot::Mutex;

use super::port::{Port, access};
use super::registry::Reader;
use super::turn::Turn;
use super::watch::Watch;
use crate::arbiter::locks::{Byte, LockFile};
use crate::arbiter::record::Slot;
use crate::arbiter::wait::{Ear, Entry, Heard, poll};
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
    /// What the last call needed that had to wait.
    spare: Mutex<Option<(Waiting, Permit)>>,
    /// After how many calls that need not wait it is given up; 0 if there is none.
    keep_for: AtomicU32,
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
            spare: Mutex::new(None),
            keep_for: AtomicU32::new(0),
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
    /// While somebody is in an exchange, a card that is `undisturbed` and in another's transaction is not attempted: whoever
    /// waits for each of an owner's exchanges to end, slows him down.
    ///
    /// # Errors
    /// What `attempt` returns, `gone` if the reader leaves, `SharingViolation` if waiting is impossible here.
    pub(crate) fn until_free<T>(
        &self,
        slot: u8,
        gone: Error,
        undisturbed: impl Fn(&Slot) -> bool,
        mut attempt: impl FnMut(&mut Turn<'_>) -> Result<Attempt<T>>,
    ) -> Result<T> {
        let mut waiting: Option<Waiting> = None;
        let mut since_ms = None;
        let result = loop {
            let look = self.look(slot, &undisturbed, waiting.as_ref(), &mut since_ms, &mut attempt);
            let (in_the_way, kept) = match look {
                Ok(Look::Decided(result)) => break result,
                Ok(Look::Busy(card, kept)) => (card, kept),
                Err(Gone) => break Err(gone),
            };
            let still_busy = || self.is_still_busy(slot, &in_the_way);
            let waited = match &mut waiting {
                // What ended before we waited made no sound for us.
                None => self.wait_again().and_then(|begun| {
                    let begun = waiting.insert(begun);
                    if still_busy() {
                        begun.sleep(kept, still_busy)
                    } else {
                        Ok(())
                    }
                }),
                Some(waiting) => {
                    waiting.watch.tend(self);
                    waiting.sleep(kept, still_busy)
                }
            };
            if let Err(error) = waited {
                break Err(error);
            }
        };
        self.keep(waiting);
        result
    }

    /// One attempt, in a turn, if it takes one.
    fn look<T>(
        &self,
        slot: u8,
        undisturbed: &impl Fn(&Slot) -> bool,
        waiting: Option<&Waiting>,
        since_ms: &mut Option<u64>,
        attempt: &mut impl FnMut(&mut Turn<'_>) -> Result<Attempt<T>>,
    ) -> std::result::Result<Look<T>, Gone> {
        let mut turn = match self.try_turn(slot)? {
            Some(turn) => turn,
            None => match self.glance(slot, undisturbed, since_ms) {
                Some(card) => return Ok(Look::Busy(card, None)),
                None => self.turn(slot)?,
            },
        };
        if let Some(waiting) = waiting {
            waiting.look(&mut turn);
        }
        let decided = match attempt(&mut turn) {
            Ok(Attempt::Busy) => match turn.stand_in_line(*since_ms.get_or_insert_with(|| Moment::now().millis())) {
                Ok(()) => return Ok(Look::Busy(turn.card, turn.is_kept_for())),
                Err(error) => Err(error),
            },
            Ok(Attempt::Done(value)) => Ok(value),
            Err(error) => Err(error),
        };
        turn.leave_line();
        Ok(Look::Decided(decided))
    }

    /// The card, if the record shows without a turn that it is undisturbed and in another's transaction; stands in line for
    /// its end. Somebody else may do the same at this moment: then it is left to the next time.
    fn glance(&self, slot: u8, undisturbed: &impl Fn(&Slot) -> bool, since_ms: &mut Option<u64>) -> Option<Slot> {
        let (_, card, line) = self.port.store().read_entry(slot);
        let card = card.filter(|card| undisturbed(card) && self.is_in_the_way(slot, card))?;
        let since_ms = *since_ms.get_or_insert_with(|| Moment::now().millis());
        if let Some(line) = self.head_of_line(line, since_ms).ok()? {
            self.port.store().write_line(slot, &line);
        }
        Some(card)
    }

    /// Whether the record shows, without a turn, that the transaction in the way goes on and nothing else has happened.
    fn is_still_busy(&self, slot: u8, in_the_way: &Slot) -> bool {
        let card = self.port.store().read(slot).1;
        card.is_some_and(|card| {
            (card.owner, card.event, card.state) == (in_the_way.owner, in_the_way.event, in_the_way.state)
                && self.is_in_the_way(slot, &card)
        })
    }

    /// Whether another handle that lives has the card, and nothing was reported that somebody has to look at.
    fn is_in_the_way(&self, slot: u8, card: &Slot) -> bool {
        card.owner != 0
            && card.owner != self.token()
            && card.last_poll_ms != 0
            && (0..self.port.slots()).all(|other| other == slot || !self.port.is_to_be_asked(other))
            && matches!(self.lives(card.owner), Ok(true))
    }

    /// What it takes to wait: what is left of the last time, if anything.
    fn wait_again(&self) -> Result<Waiting> {
        let spare = self.spare.lock().take();
        if let Some((mut waiting, _permit)) = spare {
            match waiting.resume() {
                Ok(()) => return Ok(waiting),
                Err(error) => log::debug!("waiting again: {error}"),
            }
        }
        Waiting::on(&self.port)
    }

    /// Keeps what it took to wait while that is needed now and then: where two parties take turns at a card, each waits
    /// every time, and making and closing an inotify instance costs more than the exchange of ten commands.
    fn keep(&self, waiting: Option<Waiting>) {
        if let Some(mut waiting) = waiting {
            if let Some(permit) = Permit::take() {
                waiting.rest();
                *self.spare.lock() = Some((waiting, permit));
                self.keep_for.store(KEEP_FOR, Ordering::Relaxed);
            }
        } else {
            let left = self.keep_for.load(Ordering::Relaxed);
            if left > 0 {
                self.keep_for.store(left - 1, Ordering::Relaxed);
                if left == 1 {
                    *self.spare.lock() = None;
                }
            }
        }
    }
}

/// What an attempt in a turn showed.
enum Look<T> {
    Decided(Result<T>),
    /// The card, and how long it is kept for another that waits.
    Busy(Slot, Option<Duration>),
}

/// How long to trust in being told.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// Calls that did not have to wait until what the last one needed for waiting is given up.
const KEEP_FOR: u32 = 10_000;

/// How many handles of a process, card handles and contexts, may keep what they need for waiting. A user has 128 inotify instances (the kernel's default), for all of his
/// programs.
const MOST_SPARES: usize = 4;

static SPARES: AtomicUsize = AtomicUsize::new(0);

/// The right to keep it.
#[derive(Debug)]
pub(crate) struct Permit;

impl Permit {
    /// `None` if too many have it.
    pub(crate) fn take() -> Option<Self> {
        let more = |count| (count < MOST_SPARES).then_some(count + 1);
        let taken = SPARES.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        taken.ok().map(|_| Self)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        SPARES.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Sleeping until something changes.
#[derive(Debug)]
struct Waiting {
    ear: Ear,
    watch: Watch,
    retries: u32,
}

impl Waiting {
    fn on(port: &Arc<Port>) -> Result<Self> {
        let begun = Ear::new().and_then(|ear| Ok((Watch::begin(port, &ear, Byte::Queue)?, ear)));
        let (watch, ear) = begun.map_err(|error| {
            log::error!("cannot wait for another user of the card: {error}");
            Error::SharingViolation
        })?;
        Ok(Self { ear, watch, retries: 0 })
    }

    fn rest(&mut self) {
        self.watch.rest();
    }

    fn resume(&mut self) -> std::io::Result<()> {
        self.watch.resume()?;
        // What was heard meanwhile will be seen in the look that comes next.
        self.retries = if self.ear.listen().closed { RETRIES } else { 0 };
        Ok(())
    }

    /// Whoever waits watches: a transaction also ends by the card's removal, which its owner may not notice for long.
    fn look(&self, turn: &mut Turn<'_>) {
        if !self.watch.is_watcher() || turn.is_busy_elsewhere() {
            return;
        }
        if let Err(error) = turn.refresh() {
            log::debug!("while waiting for another user of the card: {error}");
        }
    }

    /// Sleeps until there is something to look at (not for a bell after which all is as it was), or the card is no longer
    /// kept for somebody else.
    fn sleep(&mut self, kept: Option<Duration>, is_still_busy: impl Fn() -> bool) -> Result<()> {
        // A node's closing is heard just before its locks are freed: look again a few times, ever later.
        let retry = (self.retries > 0).then(|| Duration::from_millis(1 << (RETRIES - self.retries)));
        // Looked at once in a while without being told, too: a record that somebody spoiled rings no bell.
        let wake = [Some(LOOK_AGAIN), retry, kept, self.watch.next_look()]
            .into_iter()
            .flatten()
            .min()
            .map(|time| Instant::now() + time);
        let interrupt = self.watch.interrupt();
        loop {
            let mut fds = self.ear.entries();
            let ears = fds.len();
            fds.extend(interrupt);
            let waiting = trace::wait("another user's transaction");
            poll(&mut fds, wake).map_err(|_| Error::NoMemory)?;
            drop(waiting);
            let ready = |fds: &[Entry]| fds.iter().any(|entry| entry.revents != 0);
            let (ear, others) = fds.split_at_checked(ears).unwrap_or_default();
            let (ear, others) = (ready(ear), ready(others));
            let heard = if ear { self.ear.listen() } else { Heard::default() };
            self.retries = self.retries.saturating_sub(1);
            if heard.closed {
                self.retries = RETRIES;
            }
            let only_rung = heard.other && !heard.closed && !heard.bus && !others;
            if !(only_rung && is_still_busy()) {
                break;
            }
        }
        self.watch.wake();
        Ok(())
    }
}

/// Looks after somebody closed a node.
const RETRIES: u32 = 6;

#[cfg(test)]
mod tests {
    use super::*;

    /// Handles beyond number: a process keeps few of the inotify instances that all programs of a user share.
    #[test]
    fn few_handles_keep_what_they_need_for_waiting() {
        let permits: Vec<Permit> = (0..50).filter_map(|_| Permit::take()).collect();
        assert!(permits.len() <= MOST_SPARES);
        let none_left = Permit::take().is_none();
        assert!(none_left);
    }
}
