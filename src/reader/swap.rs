//! Cards swapped unseen.
//!
//! A card that was powered and is now inactive is another one (see [`super::sense`]). Two things spoil that rule: a
//! reader that powers every card as soon as it is in (`dwFeatures` 04), where the new one is active as well, and a
//! machine that was asleep, in which cards lose their power and come back in any state. Against the first there are the
//! reader's own reports on the interrupt endpoint, which wait in the reader until somebody listens; against the second
//! the clock that runs while the machine sleeps.
//!
//! What nobody can tell: a swap in a reader that powers cards by itself and has no interrupt endpoint, while nobody
//! looked; and one reported to a process that sleeps with the claim and has it taken by another before it looks: the
//! report comes to light with the sleeper's next call.

use super::port::Port;
use super::power::PowerError;
use super::turn::Turn;
use crate::arbiter::record::{CardState, Slot};
use crate::clock::Moment;

/// Nobody swaps a card in less time.
const SWAP_MS: u64 = 250;

/// Time asleep that counts; less is what two readings of clocks differ by.
const SLEPT_MS: u64 = 100;

impl Port {
    /// How long the machine was suspended since the card was last seen to, in milliseconds, if it was.
    pub(super) fn asleep_since(&self, card: &Slot, now: Moment) -> Option<u64> {
        let asleep = self.slept_ms(now).saturating_sub(card.slept_ms);
        (asleep >= SLEPT_MS).then_some(asleep)
    }
}

impl Turn<'_> {
    /// The claim has just become ours: hears what happened while nobody listened, where the slot's status alone would
    /// not show it.
    pub(super) fn catch_up(&mut self, from_living: bool) {
        let port = self.port();
        let idle_ms = Moment::now().millis().saturating_sub(self.header.last_use_ms);
        let listen = match self.card.state {
            // What the reader has to say about the time before anybody looked, is to be said now, not later.
            CardState::Unknown => true,
            CardState::Powered if idle_ms >= SWAP_MS => {
                // A living holder has heard it, and sleeps on it. Where nobody is connected the card can be reset.
                self.unheard = from_living;
                !from_living
            }
            CardState::Absent
            | CardState::Inserted
            | CardState::Powered
            | CardState::Mute
            | CardState::Unpowered
            | CardState::Dormant
            | CardState::Failed => false,
        };
        if listen && port.hides_swaps() {
            self.listen();
        }
        if from_living {
            port.meet(self.slot, self.card.met_ms);
        } else {
            // What the reader has to say of the time before has been heard, or there was no time for a swap.
            self.meet();
        }
    }

    /// The card is known from now on: what the reader still has to say of the time before is no news, whoever hears it.
    pub(super) fn meet(&mut self) {
        self.card.met_ms = Moment::now().millis().max(1);
        self.port().meet(self.slot, self.card.met_ms);
    }

    fn listen(&mut self) {
        let port = self.port();
        match port.listen(port.report_patience()) {
            Ok(hints) => self.note(hints),
            Err(error) => log::debug!("{}: {error}", port.interface().node.display()),
        }
    }

    /// The card is about to be started anew: what the reader has still to say of it is said now, and done with.
    pub(super) fn hear_out(&mut self) {
        self.listen();
        self.hints = self.hints.but(self.slot);
    }

    /// Whether the card may have been swapped without this process having had a way to hear of it.
    pub(super) fn may_be_swapped(&self) -> bool {
        self.unheard && self.port().hides_swaps()
    }

    /// Whether the machine was suspended since the slot was last seen to.
    pub(super) fn was_suspended(&self) -> bool {
        self.port().asleep_since(&self.card, self.now).is_some()
    }

    /// If the machine was suspended since the slot was last seen to: a powered card is switched off and on, and everybody
    /// told; any other is looked at anew.
    pub(super) fn notice_suspension(&mut self) {
        let Some(asleep) = self.port().asleep_since(&self.card, self.now) else {
            return;
        };
        self.card.slept_ms += asleep;
        log::info!(
            "{} slot {}: the machine was suspended for {asleep} ms",
            self.port().interface().node.display(),
            self.slot()
        );
        self.card.last_poll_ms = 0;
        match self.card.state {
            CardState::Powered => self.prove(),
            // With its power a card loses everything; it is as good as new.
            CardState::Mute | CardState::Unpowered | CardState::Dormant => self.card.state = CardState::Inserted,
            CardState::Unknown | CardState::Absent | CardState::Inserted | CardState::Failed => {}
        }
    }

    /// Switches a card off and on and tells everybody what that shows: with the ATR it had it was reset, with another
    /// it is another card.
    fn prove(&mut self) {
        let known = self.card.atr;
        self.power_down();
        let result = self.power_up();
        self.ring();
        match result {
            Ok(()) if self.card.atr != known => {
                let atr = self.card.atr;
                self.card.note_removal();
                self.card.note_insertion();
                self.card.state = CardState::Powered;
                self.card.atr = atr;
            }
            Ok(()) | Err(PowerError::Mute) => self.card.note_reset(),
            // Noted already.
            Err(PowerError::Absent) => {}
            Err(PowerError::Reader(error)) => {
                log::info!("{}: {error}", self.port().interface().node.display());
                self.card.note_reset();
                self.card.state = CardState::Inserted;
            }
        }
    }
}
