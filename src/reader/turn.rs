//! A turn: the time under the exchange lock, in which one party reads and changes the record and talks to the reader.
//!
//! Whatever a turn changed is written when it ends. If it ends in a panic or the process dies in it, the record keeps
//! the mark that an exchange was under way, and the next turn repairs.

use parking_lot::MutexGuard;

use super::link::{Gone, Link};
use super::port::{Hints, Port};
use crate::arbiter::locks::{Byte, Mode};
use crate::arbiter::record::{CardState, Header, Slot};
use crate::ccid::Engine;
use crate::clock::{Moment, boot_millis};
use crate::error::{Error, Result};
use crate::usb;

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

/// See the module.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    pub(super) link: &'a Link,
    _gate: MutexGuard<'a, ()>,
    pub(super) slot: u8,
    pub(super) header: Header,
    header_written: Header,
    /// The slot's entry in the record.
    pub(crate) card: Slot,
    pub(super) card_written: Option<Slot>,
    pub(super) hints: Hints,
    /// Whether the card answered "active" when last asked in this turn.
    pub(super) active: bool,
    pub(super) bell: bool,
}

impl<'a> Turn<'a> {
    pub(super) fn take(link: &'a Link, gate: MutexGuard<'a, ()>, slot: u8) -> std::result::Result<Self, Gone> {
        if let Err(error) = link.locks().lock(Byte::Exchange) {
            log::error!("locking {}: {error}", link.port().interface().node.display());
            return Err(Gone);
        }
        Self::start(link, gate, slot)
    }

    pub(super) fn try_take(
        link: &'a Link,
        gate: MutexGuard<'a, ()>,
        slot: u8,
    ) -> std::result::Result<Option<Self>, Gone> {
        match link.locks().try_lock(Byte::Exchange, Mode::Exclusive) {
            Ok(true) => Self::start(link, gate, slot).map(Some),
            Ok(false) => Ok(None),
            Err(_) => Err(Gone),
        }
    }

    fn start(link: &'a Link, gate: MutexGuard<'a, ()>, slot: u8) -> std::result::Result<Self, Gone> {
        let port = link.port();
        let (header, card) = port.store().read(slot);
        let mut turn = Self {
            link,
            _gate: gate,
            slot,
            header: header.unwrap_or_default(),
            header_written: header.unwrap_or_default(),
            card: card.unwrap_or_else(|| Slot::fresh(boot_millis())),
            card_written: card,
            hints: Hints::default(),
            active: false,
            bell: false,
        };
        if turn.header.claim_peer != port.peer() {
            port.set_claimed(false);
        }
        match port.reap() {
            Ok(hints) => turn.note(hints),
            Err(error) => {
                log::debug!("{}: {error}", port.interface().node.display());
                return Err(Gone);
            }
        }
        Ok(turn)
    }

    /// Remembers what the interrupt endpoint said, for this slot here and for the others in their entries.
    fn note(&mut self, hints: Hints) {
        self.hints = Hints {
            changed: self.hints.changed | hints.changed,
            emptied: self.hints.emptied | hints.emptied,
        };
        let others = (hints.changed | hints.emptied) & !(1_u32.checked_shl(self.slot.into()).unwrap_or(0));
        if others != 0 {
            self.doubt_others(others);
        }
    }

    /// Has other slots of the interface asked for their status at their next turn.
    pub(super) fn doubt_others(&self, which: u32) {
        for slot in (0..self.port().slots())
            .filter(|s| *s != self.slot && which & 1_u32.checked_shl((*s).into()).unwrap_or(0) != 0)
        {
            if let (_, Some(mut entry)) = self.port().store().read(slot) {
                entry.last_poll_ms = 0;
                self.port().store().write_slot(slot, &entry);
            }
        }
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

    /// As [`Self::exchange`] but without the mark: for a handle in its own transaction, whose death is noticed anyway.
    pub(crate) fn exchange_unmarked<T>(
        &mut self,
        exchange: impl FnOnce(&mut Engine, &dyn usb::Transport, u8) -> crate::ccid::Result<T>,
    ) -> crate::ccid::Result<T> {
        let port = self.port();
        let (result, resynced) = {
            let mut engine = port.engine();
            let result = exchange(&mut engine, port.transport(), self.slot);
            (result, engine.take_resynced())
        };
        if resynced {
            self.distrust(RESYNCED);
        }
        let now = Moment::now().millis();
        if now.saturating_sub(self.header.last_use_ms) >= USE_GRAIN_MS {
            self.header.last_use_ms = now;
        }
        result
    }

    fn mark(&mut self, busy: u8) {
        self.header.busy = busy;
        self.header.last_use_ms = Moment::now().millis();
        self.port().store().write_header(&self.header);
        self.header_written = self.header;
    }

    /// After trouble of this kind nothing is known of the card: it is reset before its next use, and everybody is told.
    pub(super) fn distrust(&mut self, trouble: &str) {
        log::warn!(
            "{}: {trouble}; the card will be reset",
            self.port().interface().node.display()
        );
        if self.card.state == CardState::Powered {
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
            owner => {
                let probe = self.link.locks().probe(Byte::Handle(owner));
                if probe.map_err(|error| self.lock_failed(&error))?.is_some() {
                    return Ok(Owner::Other);
                }
            }
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

    /// Notes that the card was used now. Written at most once a second, so that it costs nothing per command.
    pub(crate) fn touch(&mut self) {
        if self.port().is_touch_due() {
            self.card.last_use_ms = boot_millis();
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let store = self.port().store();
        if !std::thread::panicking() {
            if self.header != self.header_written {
                store.write_header(&self.header);
            }
            if self.card_written != Some(self.card) {
                store.write_slot(self.slot, &self.card);
            }
        }
        self.link.locks().unlock(Byte::Exchange);
        if self.bell && !matches!(self.link.locks().probe(Byte::Waiting), Ok(None)) {
            store.ring();
        }
    }
}
