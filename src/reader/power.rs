//! Power: up, down, reset, and the card that was left alone.

use super::turn::Turn;
use crate::arbiter::record::{Atr, CardState};
use crate::ccid;
use crate::clock::boot_millis;
use crate::error::{Error, Result};

/// A powered card that no handle uses is taken to be switched off after this time (pcsc-lite's grace period).
const LEFT_ALONE_MS: u64 = 5000;

/// Why a card could not be powered up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PowerError {
    /// There is none, or none any more.
    Absent,
    /// It does not answer to reset.
    Mute,
    /// The reader has left the bus or cannot be used.
    Reader(Error),
}

/// How to reset a card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reset {
    /// Reset while powered.
    Warm,
    /// Off and on.
    Cold,
}

impl Turn<'_> {
    /// Powers the card up, or resets it warm if it is powered. The protocol is open afterwards.
    pub(crate) fn power_up(&mut self) -> std::result::Result<(), PowerError> {
        crate::inject::point("reader");
        let result = self.exchange(|engine, transport, slot| engine.power_on(transport, slot));
        self.card.protocol = 0;
        self.card.link = [0; 32];
        self.card.atr = Atr::default();
        match result {
            Ok(atr) => {
                self.card.atr = Atr::new(atr.as_slice());
                self.card.state = CardState::Powered;
                self.meet();
                self.card.last_use_ms = boot_millis();
                Ok(())
            }
            Err(ccid::Error::NoCard) => {
                if self.card.state.is_present() {
                    self.card.note_removal();
                    self.ring();
                }
                Err(PowerError::Absent)
            }
            Err(ccid::Error::Usb(error)) if self.has_left(error) => {
                // Whether it has power nobody knows: whoever gets at the reader next begins anew.
                if self.card.state.is_present() {
                    self.card.state = CardState::Inserted;
                }
                Err(PowerError::Reader(error.into()))
            }
            Err(error) => {
                log::info!(
                    "{} slot {}: card does not answer: {error}",
                    self.port().interface().node.display(),
                    self.slot()
                );
                self.card.state = CardState::Mute;
                Err(PowerError::Mute)
            }
        }
    }

    fn has_left(&self, error: crate::usb::Error) -> bool {
        matches!(
            error.kind,
            crate::usb::ErrorKind::Disconnected | crate::usb::ErrorKind::Busy
        )
    }

    /// Powers the card down. What the reader says to that does not matter, as in pcsc-lite.
    pub(crate) fn power_down(&mut self) {
        if let Err(error) = self.exchange(|engine, transport, slot| engine.power_off(transport, slot).map(|_| ())) {
            log::debug!(
                "{} slot {}: power off: {error}",
                self.port().interface().node.display(),
                self.slot()
            );
        }
        self.card.protocol = 0;
        self.card.link = [0; 32];
    }

    /// Resets the card and tells every handle so, whatever comes of it.
    ///
    /// Cold, or warm; a card that is not powered gets a cold one in either case.
    pub(crate) fn reset(&mut self, how: Reset) -> std::result::Result<(), PowerError> {
        self.card.note_reset();
        self.ring();
        if !self.card.state.is_present() {
            return Err(PowerError::Absent);
        }
        if how == Reset::Cold && matches!(self.card.state, CardState::Powered | CardState::Mute) {
            self.power_down();
        }
        self.power_up()
    }

    /// Powers up a card that is off as far as anybody knows. One that is active all the same (left so by somebody whose
    /// record is lost, or distrusted after trouble on the pipes) is switched off first, so that nothing it was told
    /// before still holds.
    pub(crate) fn power_up_new(&mut self) -> std::result::Result<(), PowerError> {
        if self.is_active() {
            self.power_down();
        }
        self.power_up()
    }

    /// Has a card answer to reset that nobody has powered up yet.
    ///
    /// # Errors
    /// `ReaderUnavailable` or `SharingViolation` if the reader cannot be used; a mute or missing card is no error here.
    pub(crate) fn ensure_answered(&mut self) -> Result<()> {
        if self.card.state != CardState::Inserted {
            return Ok(());
        }
        self.attach()?;
        match self.power_up_new() {
            Ok(()) => {
                self.ring();
                Ok(())
            }
            Err(PowerError::Absent | PowerError::Mute) => Ok(()),
            Err(PowerError::Reader(error)) => Err(error),
        }
    }

    /// Switches off a card that no handle has used for some seconds, so that what it was told (a PIN, say) is forgotten;
    /// and one that may be another than is known.
    ///
    /// # Errors
    /// `NoAccess` if locks cannot be looked at.
    pub(crate) fn settle_left_alone(&mut self) -> Result<()> {
        let left_alone = self.card.state == CardState::Powered
            && (self.may_be_swapped() || boot_millis().saturating_sub(self.card.last_use_ms) > LEFT_ALONE_MS)
            && self.others()?.is_none();
        if left_alone {
            if self.may_be_swapped() {
                self.hear_out();
            }
            self.power_down();
            self.card.state = CardState::Dormant;
        }
        Ok(())
    }
}
