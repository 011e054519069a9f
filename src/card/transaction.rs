//! `SCardBeginTransaction` and `SCardEndTransaction`.

use super::{Card, Disposition};
use crate::api::types::DWORD;
use crate::error::{Error, Result};
use crate::platform;
use crate::reader::link::Attempt;
use crate::reader::power::{PowerError, Reset};
use crate::reader::turn::Turn;

impl Card {
    /// `SCardBeginTransaction`: waits for others' transactions. Nests.
    ///
    /// # Errors
    /// `InvalidValue` if the reader has left; `ResetCard` and `RemovedCard` even while another handle has the
    /// transaction.
    pub fn begin(&self) -> Result<()> {
        self.until_free(platform::READER_GONE, true, |turn| {
            self.check_events(turn)?;
            if self.is_shut_out(turn)? {
                return Ok(Attempt::Busy);
            }
            turn.refresh_if_unwatched()?;
            self.check_events(turn)?;
            if self.is_locked_out(turn)? {
                return Ok(Attempt::Busy);
            }
            self.check_events(turn)?;
            if turn.card.owner == 0 && turn.gives_way()? {
                return Ok(Attempt::Busy);
            }
            let mut standing = self.standing.lock();
            if turn.card.owner != self.token {
                turn.card.owner = self.token;
                standing.begun = 0;
            }
            standing.begun += 1;
            Ok(Attempt::Done(()))
        })
    }

    /// `SCardEndTransaction`.
    ///
    /// # Errors
    /// In this order: `InvalidValue` (disposition, reader gone), `ResetCard` or `RemovedCard` (the transaction is not
    /// ended), `SharingViolation` (another's transaction), what the reset came to, `NotTransacted` (none to end).
    pub fn end(&self, disposition: DWORD) -> Result<()> {
        let disposition = Disposition::parse(disposition)?;
        let mut turn = self.turn(platform::READER_GONE)?;
        self.check_events(&turn)?;
        if self.is_shut_out(&mut turn)? {
            return Err(Error::SharingViolation);
        }
        if disposition == Disposition::Leave {
            turn.refresh_if_unwatched()?;
        } else {
            // A reset needs the interface, which whoever watches may have.
            turn.refresh()?;
        }
        self.check_events(&turn)?;
        if self.is_locked_out(&mut turn)? {
            return Err(Error::SharingViolation);
        }
        let result = match disposition {
            Disposition::Leave => Ok(()),
            Disposition::Reset => end_reset(turn.reset(Reset::Warm)),
            Disposition::Unpower => end_reset(turn.reset(Reset::Cold)),
            Disposition::Eject => Err(Error::UnsupportedFeature),
        };
        let ended = self.end_one(&mut turn);
        turn.touch();
        result.and(ended)
    }

    fn end_one(&self, turn: &mut Turn<'_>) -> Result<()> {
        let mut standing = self.standing.lock();
        if turn.card.owner != self.token || standing.begun == 0 {
            return Err(Error::NotTransacted);
        }
        standing.begun -= 1;
        if standing.begun == 0 && !standing.exclusive {
            turn.card.owner = 0;
            turn.ring_for_queue();
        }
        Ok(())
    }
}

fn end_reset(result: std::result::Result<(), PowerError>) -> Result<()> {
    result.map_err(|error| match error {
        PowerError::Absent => Error::RemovedCard,
        PowerError::Mute => Error::NotTransacted,
        PowerError::Reader(error) => error,
    })
}
