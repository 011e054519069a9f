//! Keeping the record true to the reader: when to ask for the slot's status, and what the answer means.

use super::turn::{RESYNCED, Turn};
use crate::arbiter::locks::Byte;
use crate::arbiter::record::CardState;
use crate::ccid;
use crate::ccid::SlotError;
use crate::ccid::message::IccStatus;
use crate::clock::Moment;
use crate::error::{Error, Result};

/// A reader that cannot report changes by itself is asked at most this often.
pub(crate) const POLL_INTERVAL_MS: u64 = 400;
/// A watcher takes the interface from a peer who has not used it for this long.
pub(crate) const HANDOVER_IDLE_MS: u64 = 250;

/// How often to ask again because the reader reported something meanwhile.
const MAX_REPORTS: u32 = 3;

impl Turn<'_> {
    /// Brings the entry up to date with the reader. Asks the reader only if it may have changed.
    ///
    /// # Errors
    /// As [`Self::attach`]; `ReaderUnavailable` also if the reader does not answer.
    pub(crate) fn refresh(&mut self) -> Result<()> {
        crate::inject::point("reader");
        self.attach()?;
        self.notice_suspension();
        if self.hints.concern(self.slot) || self.port().doubts(&self.card) {
            self.ask()
        } else {
            Ok(())
        }
    }

    /// As [`Self::refresh`], but takes the record's word while another process watches the reader for everybody.
    ///
    /// # Errors
    /// As [`Self::refresh`].
    pub(crate) fn refresh_if_unwatched(&mut self) -> Result<()> {
        if !self.port().is_claimed()
            && !self.was_suspended()
            && self.is_recorded()
            && self.is_watched()
            && self.is_known()
        {
            return Ok(());
        }
        self.refresh()
    }

    fn is_known(&self) -> bool {
        !matches!(self.card.state, CardState::Unknown | CardState::Failed)
    }

    /// Whether the interface is not claimed by this process now.
    pub(crate) fn is_away(&self) -> bool {
        !self.port().is_claimed()
    }

    /// Whether a living peer has the interface and has used it a moment ago. Whoever only watches leaves it to him for
    /// now; a dead one tells nobody what happens.
    pub(crate) fn is_busy_elsewhere(&self) -> bool {
        !self.port().is_claimed()
            && self.header.claim_peer != 0
            && Moment::now().millis().saturating_sub(self.header.last_use_ms) < HANDOVER_IDLE_MS
            && self.is_recorded()
            && self.is_known()
            && matches!(self.link.locks().probe(Byte::Peer(self.header.claim_peer)), Ok(Some(_)))
    }

    /// Whether somebody else watches the interrupt endpoint.
    pub(crate) fn is_watched(&self) -> bool {
        matches!(self.link.locks().probe(Byte::Watcher), Ok(Some(_)))
    }

    /// Asks the reader for the slot's status and draws the conclusions.
    fn ask(&mut self) -> Result<()> {
        let port = self.port();
        let (state, tells) = (self.card.state, port.tells_swaps());
        let mut left = std::mem::take(&mut self.hints).say_left(self.slot, state, tells);
        if !port.knows_status() {
            self.card.last_poll_ms = Moment::now().millis().max(1);
            if !self.card.state.is_present() {
                self.card.state = CardState::Inserted;
            }
            return Ok(());
        }
        let (mut status, mut out_of_step) = self.ask_status();
        // A report from before the answer is no news after it; one from after it makes the answer old.
        for _ in 0..MAX_REPORTS {
            let Ok(hints) = port.reap() else { break };
            self.note(hints.but(self.slot));
            if !hints.concern(self.slot) || status.is_err() {
                break;
            }
            left |= hints.say_left(self.slot, state, tells);
            let again = self.ask_status();
            (status, out_of_step) = (again.0, again.1 || out_of_step);
        }
        if out_of_step {
            self.distrust(RESYNCED);
        }
        match status {
            Ok(icc) => {
                self.card.last_poll_ms = Moment::now().millis().max(1);
                self.conclude(icc, left);
                Ok(())
            }
            Err(error) => {
                if self.card.state != CardState::Failed {
                    log::error!("{} slot {}: {error}", port.interface().node.display(), self.slot);
                    self.card.failed_with_card = self.card.state.is_present();
                    self.card.state = CardState::Failed;
                    self.bell = true;
                }
                Err(Error::ReaderUnavailable)
            }
        }
    }

    /// Asks the reader; and whether it had to be brought into step, or gave away somebody who died.
    fn ask_status(&self) -> (ccid::Result<IccStatus>, bool) {
        let port = self.port();
        let mut engine = port.engine();
        let mut status = engine.slot_status(port.transport(), self.slot);
        // In our turn nobody else has a command under way; it is that of somebody who died, or half of his abort
        // (CCID 1.1 §5.3.1: until the other half comes, everything is answered "aborted"), or the rest of an answer.
        let is_left_over = matches!(
            status,
            Err(ccid::Error::Slot(SlotError::SlotBusy | SlotError::Aborted) | ccid::Error::Protocol(_))
        );
        if is_left_over {
            status = engine.resynchronise(port.transport(), self.slot);
        }
        // A living holder leaves nothing behind in the reader.
        let left_over = self.took_over && engine.take_met_foreign_command();
        (status, engine.take_resynced() || left_over)
    }

    /// What a slot status means, given what was known. "Inactive" where the card was powered is another card, and so is
    /// any card where the reader said that one has left in between.
    fn conclude(&mut self, icc: IccStatus, left: bool) {
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
                if self.card.failed_with_card {
                    self.card.note_removal();
                }
                self.card.state = CardState::Absent;
                if present {
                    self.card.note_insertion();
                }
                self.card.failed_with_card = false;
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
            CardState::Powered if icc == IccStatus::Inactive || left => self.swapped(),
            CardState::Inserted | CardState::Mute | CardState::Unpowered | CardState::Dormant if left => {
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
}
