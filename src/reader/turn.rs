//! A turn: the time under the exchange lock, in which one party reads and changes the record and talks to the reader.
//!
//! Whatever a turn changed is written when it ends. If it ends in a panic or the process dies in it, the record keeps
//! the mark that an exchange was under way, and the next turn repairs.

mod end;
mod view;

use std::ops::{Deref, DerefMut};

use parking_lot::MutexGuard;

use super::hints::Hints;
use super::link::{Gone, Link};
use super::port::Port;
use crate::arbiter::locks::{Byte, Mode};
use crate::arbiter::record::{CardState, Header, Slot};
use crate::ccid::Engine;
use crate::clock::{Moment, boot_millis};
use crate::error::{Error, Result};
use crate::{trace, usb};
use end::Wake;
pub(crate) use view::View;

/// How exact the time of the last exchange is within a transaction.
const USE_GRAIN_MS: u64 = 100;

/// Why a card is distrusted.
pub(super) const RESYNCED: &str = "pipes resynchronised";

/// Who has the card's transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// Nobody.
    Nobody,
    /// The handle that asks.
    Me,
    /// Another handle that lives.
    Other,
}

/// See the module. Derefs to the record as this turn sees it and will leave it.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    pub(super) link: &'a Link,
    /// Threads of this process take turns by locking it. Given back before anybody is woken, by the order of these fields:
    /// who finds it locked takes it that somebody is in an exchange.
    view: MutexGuard<'a, View>,
    wake: Wake<'a>,
    /// The view is that of this turn.
    seen: bool,
    /// The view may have been changed.
    changed: bool,
    pub(super) slot: u8,
    /// When the turn began, or later.
    pub(super) now: Moment,
    pub(super) hints: Hints,
    /// Whether the card answered "active" when last asked in this turn.
    pub(super) active: bool,
    pub(super) bell: bool,
    /// A transaction has ended, which only those who wait for that have to hear.
    freed: bool,
    /// The claim came from a process that may know of a swap and has not told.
    pub(super) unheard: bool,
    /// The claim was taken from a living process in this turn.
    pub(super) took_over: bool,
    /// The thread was unwinding already when the turn began (a caller that cleans up).
    unwinding: bool,
}

impl Deref for Turn<'_> {
    type Target = View;

    fn deref(&self) -> &View {
        &self.view
    }
}

impl DerefMut for Turn<'_> {
    fn deref_mut(&mut self) -> &mut View {
        self.changed = true;
        &mut self.view
    }
}

impl<'a> Turn<'a> {
    pub(super) fn take(link: &'a Link, slot: u8) -> std::result::Result<Self, Gone> {
        let view = link.port().view().lock();
        let waiting = trace::wait("another user's exchange");
        if let Err(error) = link.port().locks().lock_exchange() {
            log::error!("locking {}: {error}", link.port().interface().node.display());
            return Err(Gone);
        }
        drop(waiting);
        Self::start(link, view, slot)
    }

    pub(super) fn try_take(link: &'a Link, slot: u8) -> std::result::Result<Option<Self>, Gone> {
        let Some(view) = link.port().view().try_lock() else {
            return Ok(None);
        };
        match link.port().locks().try_lock_exchange() {
            Ok(true) => Self::start(link, view, slot).map(Some),
            Ok(false) => Ok(None),
            Err(_) => Err(Gone),
        }
    }

    /// Under the exchange lock, which the turn gives back.
    fn start(link: &'a Link, view: MutexGuard<'a, View>, slot: u8) -> std::result::Result<Self, Gone> {
        let port = link.port();
        let mut turn = Self {
            link,
            view,
            wake: Wake { link, whom: None },
            seen: false,
            changed: false,
            slot,
            now: Moment::now(),
            hints: Hints::default(),
            active: false,
            bell: false,
            freed: false,
            unheard: false,
            took_over: false,
            unwinding: std::thread::panicking(),
        };
        let kept = turn.view.take_kept(link.token(), slot, port.store());
        let in_use = port.is_in_use(turn.now.millis());
        // In a transaction nobody can have changed anything that matters here, if nothing was written by this process and
        // the claim was never lost: which nobody takes from who has just used it, and which the interrupt transfer's being
        // in flight shows.
        if kept && in_use && turn.is_ours() {
            turn.seen = true;
            return Ok(turn);
        }
        turn.see(kept && port.is_claimed(), in_use)?;
        Ok(turn)
    }

    /// Whether the record says that the claim is ours and that nobody died in mid-exchange.
    fn is_ours(&self) -> bool {
        self.header.claim_peer == self.port().peer() && self.header.busy == 0
    }

    /// Looks at the interrupt endpoint and at the record.
    fn see(&mut self, kept: bool, in_use: bool) -> std::result::Result<(), Gone> {
        let port = self.port();
        let quiet = in_use || (!kept && port.has_just_looked(self.now.millis()));
        let mut reaped = if quiet { Ok(Hints::default()) } else { port.reap() };
        if !(kept && (in_use || (reaped == Ok(Hints::default()) && port.has_interrupt() && port.is_claimed()))) {
            let now = self.now;
            // A header that was lost is restored by whoever still has the claim: the others could not tell whose it is.
            let header = || Header {
                claim_peer: if port.is_claimed() { port.peer() } else { 0 },
                ..Header::default()
            };
            let card = || Slot {
                slept_ms: port.slept_ms(now),
                ..Slot::fresh(boot_millis())
            };
            self.view.load(port.store(), self.slot, header, card);
            // A made up entry is written as well.
            self.changed = self.header_lost || !self.is_recorded();
        }
        self.seen = true;
        let still_ours = self.header.claim_peer == port.peer();
        if quiet && !still_ours {
            reaped = port.reap();
        }
        if !self.is_ours() {
            port.set_claimed(false);
        }
        match reaped {
            Ok(hints) if still_ours => self.note(hints),
            Ok(hints) => self.note(self.news(hints)),
            Err(error) => {
                log::debug!("{}: {error}", port.interface().node.display());
                return Err(Gone);
            }
        }
        port.see_moves(self.slot, self.card.moves);
        Ok(())
    }

    /// What the last report to a claim that was lost says of slots in which the next owner has seen nothing happen. The
    /// rest he has written down himself.
    fn news(&self, hints: Hints) -> Hints {
        let port = self.port();
        (0..port.slots()).fold(hints, |news, slot| {
            let moves = if slot == self.slot {
                Some(self.card.moves)
            } else {
                port.store().read(slot).1.map(|entry| entry.moves)
            };
            match moves {
                Some(moves) if port.has_seen_moves(slot, moves) => news,
                Some(_) | None => news.but(slot),
            }
        })
    }

    /// Remembers what the interrupt endpoint said, for this slot here and for the others in their entries.
    pub(super) fn note(&mut self, hints: Hints) {
        if hints == Hints::default() {
            return;
        }
        self.hints = Hints {
            changed: self.hints.changed | hints.changed,
            emptied: self.hints.emptied | hints.emptied,
            replaced: self.hints.replaced | hints.replaced,
        };
        // Whoever waits for another slot may not have heard what was collected here.
        self.bell |= self.doubt_others(hints);
    }

    /// Has other slots of the interface asked for their status at their next turn; whether there are any.
    pub(super) fn doubt_others(&self, hints: Hints) -> bool {
        let mut any = false;
        for slot in (0..self.port().slots()).filter(|slot| *slot != self.slot && hints.concern(*slot)) {
            if let (_, Some(mut entry)) = self.port().store().read(slot) {
                doubt(&mut entry, hints, slot, self.port().tells_swaps());
                self.port().store().write_slot(slot, &entry);
                self.port().see_moves(slot, entry.moves);
                self.port().meet(slot, entry.met_ms);
                any = true;
            }
        }
        any
    }

    /// The port.
    pub(crate) fn port(&self) -> &'a Port {
        self.link.port()
    }

    /// The slot's number.
    pub(crate) fn slot(&self) -> u8 {
        self.slot
    }

    /// Those who wait are woken when the turn ends.
    pub(crate) fn ring(&mut self) {
        self.bell = true;
    }

    /// Those who wait for the end of a transaction are woken when the turn ends.
    pub(crate) fn ring_for_queue(&mut self) {
        self.freed = true;
    }

    /// How many handles are connected to the card beside the one whose link this is; `None` if one has it exclusively.
    /// Only 0 and "some" are told apart.
    pub(crate) fn others(&self) -> Result<Option<Mode>> {
        self.link
            .locks()
            .probe(Byte::Share(self.slot))
            .map_err(|error| self.lock_failed(&error))
    }

    pub(crate) fn lock_failed(&self, error: &std::io::Error) -> Error {
        log::error!("locking {}: {error}", self.port().interface().node.display());
        Error::NoAccess
    }

    /// Runs `exchange` with the engine and the transport, under the mark that an exchange is under way.
    pub(crate) fn exchange<T>(
        &mut self,
        exchange: impl FnOnce(&mut Engine, &dyn usb::Transport, u8) -> crate::ccid::Result<T>,
    ) -> crate::ccid::Result<T> {
        self.mark(self.slot + 1);
        let port = self.port();
        let (result, resynced) = {
            let mut engine = port.engine();
            let result = exchange(&mut engine, port.transport(), self.slot);
            (result, engine.take_resynced())
        };
        self.header.busy = 0;
        if resynced {
            self.distrust(RESYNCED);
        }
        result
    }

    /// As [`Self::exchange`] but without the mark: for one message and its answer. Whoever dies in the midst of these
    /// leaves the answer in the reader, and the next one finds it there; and in a transaction his death is noticed anyway.
    /// Among several slots it would not be known which card it concerns, or not be seen until that slot is asked.
    pub(crate) fn exchange_unmarked<T>(
        &mut self,
        exchange: impl FnOnce(&mut Engine, &dyn usb::Transport, u8) -> crate::ccid::Result<T>,
    ) -> crate::ccid::Result<T> {
        let port = self.port();
        if !port.leaves_traces() || port.slots() > 1 {
            return self.exchange(exchange);
        }
        let (result, resynced) = {
            let mut engine = port.engine();
            let result = exchange(&mut engine, port.transport(), self.slot);
            (result, engine.take_resynced())
        };
        self.now = Moment::now();
        let now = self.now.millis();
        if result.is_ok() {
            port.note_use(now);
        }
        if resynced {
            self.distrust(RESYNCED);
        }
        if now.saturating_sub(self.header.last_use_ms) >= USE_GRAIN_MS {
            self.header.last_use_ms = now;
        }
        result
    }

    /// The kernel says that the claim was lost, of which the record as read at this turn's beginning knew nothing: who has
    /// it now.
    pub(super) fn lose_claim(&mut self) {
        self.port().set_claimed(false);
        if let (Some(header), _) = self.port().store().read(self.slot) {
            self.header = header;
        }
    }

    fn mark(&mut self, busy: u8) {
        self.header.busy = busy;
        self.header.last_use_ms = Moment::now().millis();
        self.write_header();
    }

    /// Writes the header now, for what others must know even if this process dies in this turn.
    pub(super) fn write_header(&mut self) {
        let store = self.port().store();
        self.view.write_header(store);
    }

    /// After trouble of this kind nothing is known of the card: it is reset before its next use, and everybody is told.
    pub(super) fn distrust(&mut self, trouble: &str) {
        if self.card.state == CardState::Powered {
            log::warn!(
                "{}: {trouble}; the card will be reset",
                self.port().interface().node.display()
            );
            self.card.note_reset();
            self.card.state = CardState::Inserted;
            self.card.last_poll_ms = 0;
            self.active = true;
            self.bell = true;
        }
    }

    /// Whether the card is known to have answered "active" in this turn.
    pub(crate) fn is_active(&self) -> bool {
        self.active
    }

    /// Who has the transaction, as seen by the handle with this token (0 for a party that is none). A dead owner's
    /// transaction is ended here, and its card reset, as the death of a connection in a transaction demands.
    ///
    /// # Errors
    /// `NoAccess` if locks cannot be looked at.
    pub(crate) fn owner(&mut self, token: u32) -> Result<Owner> {
        match self.card.owner {
            0 => return Ok(Owner::Nobody),
            owner if owner == token => return Ok(Owner::Me),
            owner if self.lives(owner)? => return Ok(Owner::Other),
            _ => {}
        }
        log::info!(
            "{}: a user died in a transaction; resetting the card",
            self.port().interface().node.display()
        );
        self.card.owner = 0;
        self.bell = true;
        if self.card.state == CardState::Powered {
            self.card.note_reset();
            if self.attach().is_err() || self.power_up().is_err() {
                log::warn!("{}: that reset failed", self.port().interface().node.display());
            }
        }
        Ok(Owner::Nobody)
    }

    /// Lets go of an interface that nobody can take over, unless it is kept for a transaction.
    fn give_back(&self) {
        let port = self.port();
        let keeps = self.card.owner != 0 && self.card.owner == self.link.token();
        if !keeps && port.is_claimed() && port.transport().is_given_back() {
            port.transport().release();
            port.set_claimed(false);
        }
    }

    /// Notes that the card was used now. Written at most once a second, so that it costs nothing per command.
    pub(crate) fn touch(&mut self) {
        if self.port().is_touch_due(self.now.millis()) {
            self.card.last_use_ms = boot_millis();
            self.write_count();
        }
    }

    /// Has the commands that this process sent counted in the record.
    pub(crate) fn write_count(&mut self) {
        let sent = self.port().take_uncounted(self.slot);
        self.card.transmits = self.card.transmits.wrapping_add(sent);
    }

    /// Commands sent to cards in this slot since the reader arrived: those in the record, and this process's newest.
    pub(crate) fn transmit_count(&self) -> u32 {
        self.card.transmits.wrapping_add(self.port().uncounted(self.slot))
    }
}

/// Notes what the reader said of a slot that is not asked now. A card that was taken out has left even if there is one
/// again when the slot is asked.
fn doubt(card: &mut Slot, hints: Hints, slot: u8, tells: bool) {
    card.last_poll_ms = 0;
    if hints.say_left(slot, card.state, tells) && card.state.is_present() {
        card.note_removal();
    }
}
