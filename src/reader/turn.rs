//! A turn: the time under the exchange lock, in which one party reads and changes the record and talks to the reader.
//!
//! Whatever a turn changed is written when it ends. If it ends in a panic or the process dies in it, the record keeps
//! the mark that an exchange was under way, and the next turn repairs.

use std::time::Duration;

use parking_lot::MutexGuard;

use super::link::{Gone, Link};
use super::port::{Hints, Port};
use crate::arbiter::locks::{Byte, Mode};
use crate::arbiter::record::{CardState, Header, Slot};
use crate::arbiter::wait::now_ms;
use crate::ccid::Engine;
use crate::ccid::message::IccStatus;
use crate::error::{Error, Result};
use crate::usb::{self, ErrorKind};

/// A reader that cannot report changes by itself is asked at most this often.
const POLL_INTERVAL_MS: u64 = 400;
/// A watcher takes the interface from a peer who has not used it for this long.
pub(crate) const HANDOVER_IDLE_MS: u64 = 250;
/// How exact the time of the last exchange is within a transaction.
const USE_GRAIN_MS: u64 = 100;
/// How long a killed peer's claim may take to fall to us after its locks have.
const CLAIM_PATIENCE: u32 = 20;

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
    link: &'a Link,
    _gate: MutexGuard<'a, ()>,
    slot: u8,
    header: Header,
    header_written: Header,
    /// The slot's entry in the record.
    pub(crate) card: Slot,
    card_written: Option<Slot>,
    hints: Hints,
    /// Whether the card answered "active" when last asked in this turn.
    active: bool,
    bell: bool,
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
            card: card.unwrap_or_else(|| Slot::fresh(now_ms())),
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
    fn doubt_others(&self, which: u32) {
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
            self.distrust();
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
            self.distrust();
        }
        let now = now_ms();
        if now.saturating_sub(self.header.last_use_ms) >= USE_GRAIN_MS {
            self.header.last_use_ms = now;
        }
        result
    }

    fn mark(&mut self, busy: u8) {
        self.header.busy = busy;
        self.header.last_use_ms = now_ms();
        self.port().store().write_header(&self.header);
        self.header_written = self.header;
    }

    /// After the pipes had to be resynchronised nothing is known of the card: it is reset before its next use, and
    /// everybody is told.
    fn distrust(&mut self) {
        log::warn!(
            "{}: pipes resynchronised; the card will be reset",
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

    /// Makes the claim ours if it is not, taking it from a living peer if need be.
    ///
    /// # Errors
    /// `SharingViolation` if somebody outside of this arbitration has the interface, `ReaderUnavailable` if the device
    /// has left.
    pub(crate) fn attach(&mut self) -> Result<()> {
        let port = self.port();
        if port.is_claimed() {
            return Ok(());
        }
        if port.store().is_orphaned() {
            log::error!(
                "{}: its record was removed; connect anew",
                port.interface().node.display()
            );
            return Err(Error::ReaderUnavailable);
        }
        let from_living = self.claim()?;
        port.set_claimed(true);
        self.header.claim_peer = port.peer();
        // Far from what the last holder counted, so that a late answer to his is not taken for one to ours.
        self.header.sequence = self.header.sequence.wrapping_add(61);
        let first = self.card_written.is_none();
        {
            let mut engine = port.engine();
            engine.set_sequence(self.header.sequence);
            if let Err(error) = port.transport().start_interrupt() {
                log::debug!("{}: {error}", port.interface().node.display());
            }
            if (first || !from_living)
                && let Err(error) = engine.warm_up(port.transport())
            {
                log::info!("{}: first status: {error}", port.interface().node.display());
            }
        }
        self.card.last_poll_ms = 0;
        self.doubt_others(u32::MAX);
        self.repair_exchange();
        Ok(())
    }

    /// Somebody died in mid-exchange: the card may be anywhere in a command.
    fn repair_exchange(&mut self) {
        let Some(slot) = self.header.busy.checked_sub(1) else {
            return;
        };
        log::warn!(
            "{}: a user died in mid-exchange; resetting the card",
            self.port().interface().node.display()
        );
        self.header.busy = 0;
        if slot == self.slot {
            self.distrust();
        } else if let (_, Some(mut entry)) = self.port().store().read(slot) {
            if entry.state == CardState::Powered {
                entry.note_reset();
                entry.state = CardState::Inserted;
            }
            self.port().store().write_slot(slot, &entry);
            self.bell = true;
        }
    }

    /// `true` if a living peer had the interface.
    fn claim(&self) -> Result<bool> {
        let port = self.port();
        for attempt in 0..CLAIM_PATIENCE {
            let error = match port.transport().claim() {
                Ok(()) => return Ok(false),
                Err(error) if error.kind == ErrorKind::Busy => error,
                Err(error) => return Err(error.into()),
            };
            let peer = self.header.claim_peer;
            let alive = peer != 0
                && peer != port.peer()
                && self
                    .link
                    .locks()
                    .probe(Byte::Peer(peer))
                    .map_err(|e| self.lock_failed(&e))?
                    .is_some();
            if alive {
                return port.transport().take_over().map(|()| true).map_err(Error::from);
            }
            if peer == 0 || attempt + 1 == CLAIM_PATIENCE {
                log::debug!("{}: {error}", port.interface().node.display());
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        self.name_the_holder();
        Err(Error::SharingViolation)
    }

    fn name_the_holder(&self) {
        let node = &self.port().interface().node;
        let holders = usb::sysfs::holder_of(node);
        if holders.is_empty() {
            log::error!(
                "{}: another program has claimed the reader (not to be seen from here which)",
                node.display()
            );
        }
        for (pid, name) in holders {
            log::error!(
                "{}: {name} (process {pid}) has claimed the reader and does not share it",
                node.display()
            );
        }
    }

    /// Brings the entry up to date with the reader. Asks the reader only if it may have changed.
    ///
    /// # Errors
    /// As [`Self::attach`]; `ReaderUnavailable` also if the reader does not answer.
    pub(crate) fn refresh(&mut self) -> Result<()> {
        self.attach()?;
        let bit = 1_u32.checked_shl(self.slot.into()).unwrap_or(0);
        let doubtful = (self.hints.changed | self.hints.emptied) & bit != 0
            || matches!(self.card.state, CardState::Unknown | CardState::Failed)
            || self.card.last_poll_ms == 0
            || (!self.port().has_interrupt() && now_ms().saturating_sub(self.card.last_poll_ms) >= POLL_INTERVAL_MS);
        if doubtful { self.ask() } else { Ok(()) }
    }

    /// As [`Self::refresh`], but takes the record's word while another process watches the reader for everybody.
    ///
    /// # Errors
    /// As [`Self::refresh`].
    pub(crate) fn refresh_if_unwatched(&mut self) -> Result<()> {
        if !self.port().is_claimed() && self.card_written.is_some() && self.is_watched() && self.is_known() {
            return Ok(());
        }
        self.refresh()
    }

    fn is_known(&self) -> bool {
        !matches!(self.card.state, CardState::Unknown | CardState::Failed)
    }

    /// Whether a peer has the interface and has used it a moment ago. Whoever only watches leaves it to him for now.
    pub(crate) fn is_busy_elsewhere(&self) -> bool {
        !self.port().is_claimed()
            && self.header.claim_peer != 0
            && now_ms().saturating_sub(self.header.last_use_ms) < HANDOVER_IDLE_MS
            && self.card_written.is_some()
            && self.is_known()
    }

    /// Whether somebody else watches the interrupt endpoint.
    pub(crate) fn is_watched(&self) -> bool {
        matches!(self.link.locks().probe(Byte::Watcher), Ok(Some(_)))
    }

    /// Asks the reader for the slot's status and draws the conclusions.
    fn ask(&mut self) -> Result<()> {
        let port = self.port();
        let (status, resynced) = {
            let mut engine = port.engine();
            let status = engine.slot_status(port.transport(), self.slot);
            (status, engine.take_resynced())
        };
        if resynced {
            self.distrust();
        }
        let emptied = self.hints.emptied & 1_u32.checked_shl(self.slot.into()).unwrap_or(0) != 0;
        self.hints = Hints::default();
        match status {
            Ok(icc) => {
                self.card.last_poll_ms = now_ms().max(1);
                self.conclude(icc, emptied);
                Ok(())
            }
            Err(error) => {
                log::error!("{} slot {}: {error}", port.interface().node.display(), self.slot);
                if self.card.state != CardState::Failed {
                    self.card.state = CardState::Failed;
                    self.bell = true;
                }
                Err(Error::ReaderUnavailable)
            }
        }
    }

    /// What a slot status means, given what was known. "Inactive" where the card was powered is another card, and so is
    /// any card where the slot was reported empty in between.
    fn conclude(&mut self, icc: IccStatus, emptied: bool) {
        self.active = icc == IccStatus::Active;
        let present = icc != IccStatus::Absent;
        match self.card.state {
            CardState::Unknown => {
                self.card.state = if present {
                    CardState::Inserted
                } else {
                    CardState::Absent
                }
            }
            CardState::Failed => {
                // Nothing is known of what happened meanwhile; handles must not go on as if nothing had.
                self.card.note_removal();
                if present {
                    self.card.note_insertion();
                }
                self.bell = true;
            }
            CardState::Absent if present => {
                self.card.note_insertion();
                self.bell = true;
            }
            CardState::Absent => {}
            _ if !present => {
                self.card.note_removal();
                self.bell = true;
            }
            CardState::Powered if icc == IccStatus::Inactive || emptied => self.swapped(),
            CardState::Inserted | CardState::Mute | CardState::Unpowered | CardState::Dormant if emptied => {
                self.swapped();
            }
            CardState::Unpowered | CardState::Dormant if self.active => self.card.state = CardState::Inserted,
            CardState::Inserted | CardState::Powered | CardState::Mute | CardState::Unpowered | CardState::Dormant => {}
        }
    }

    fn swapped(&mut self) {
        self.card.note_removal();
        self.card.note_insertion();
        self.bell = true;
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
        let now = now_ms();
        if now.saturating_sub(self.card.last_use_ms) >= 1000 {
            self.card.last_use_ms = now;
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
