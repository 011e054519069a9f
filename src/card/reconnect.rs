//! `SCardReconnect`.
//!
//! One difference from pcsc-lite in the order of things: whether a change to EXCLUSIVE is possible is settled before the
//! card is reset, not after. (pcsc-lite resets the card again at each of its retries, ten times a second.) And a card
//! that is off, because it was put back in or left alone, is powered up by SCARD_LEAVE_CARD as `SCardConnect` would,
//! where pcsc-lite sends a protocol selection to a dead card.

use super::{Card, Share, blocks};
use crate::api::constants as c;
use crate::api::types::DWORD;
use crate::arbiter::locks::{Byte, Mode};
use crate::arbiter::record::CardState;
use crate::error::{Error, Result};
use crate::platform;
use crate::reader::link::Attempt;
use crate::reader::power::{PowerError, Reset};
use crate::reader::protocol::Wanted;
use crate::reader::turn::Turn;

/// What is done to the card before the connection goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Initialization {
    Leave,
    Reset(Reset),
}

impl Initialization {
    /// EJECT, valid elsewhere, is not valid here.
    fn parse(value: DWORD) -> Result<Self> {
        match value {
            c::SCARD_LEAVE_CARD => Ok(Self::Leave),
            c::SCARD_RESET_CARD => Ok(Self::Reset(Reset::Warm)),
            c::SCARD_UNPOWER_CARD => Ok(Self::Reset(Reset::Cold)),
            _ => Err(Error::InvalidValue),
        }
    }
}

impl Card {
    /// Makes the connection good again, or changes it. Returns what the caller's active protocol becomes (0 on failures
    /// before the card was reached) and the result. Waits for others' transactions and, for EXCLUSIVE, for others'
    /// connections.
    ///
    /// # Errors
    /// In this order: `InvalidValue` (initialization, share mode), `ProtoMismatch` (no usable protocol named),
    /// `InvalidValue` (reader gone), `ReaderUnavailable`, `NoSmartcard`, `UnresponsiveCard`, `ProtoMismatch` (not the one
    /// in use, or not one the card has).
    pub fn reconnect(&self, share: DWORD, protocols: DWORD, initialization: DWORD) -> (DWORD, Result<()>) {
        let mut active = 0;
        let result = self.try_reconnect(share, protocols, initialization, &mut active);
        (active, result)
    }

    fn try_reconnect(&self, share: DWORD, protocols: DWORD, initialization: DWORD, active: &mut DWORD) -> Result<()> {
        let initialization = Initialization::parse(initialization)?;
        let share = Share::parse(share)?;
        let wanted = Wanted::parse(protocols);
        if share != Share::Direct && wanted.is_none() {
            return Err(Error::ProtoMismatch);
        }
        self.until_free(platform::READER_GONE, blocks(), |turn| {
            *active = 0;
            if self.is_shut_out(turn)? {
                return Ok(Attempt::Busy);
            }
            turn.refresh()?;
            if self.is_locked_out(turn)? {
                return Ok(Attempt::Busy);
            }
            if share.is_sole() && turn.others()?.is_some() {
                Self::fail_early(turn, initialization, wanted)?;
                *active = share.reported(turn.card.protocol);
                return Ok(Attempt::Busy);
            }
            if !self.standing.lock().uses_card {
                turn.settle_left_alone()?;
            }
            Self::initialize(turn, initialization, share)?;
            turn.choose_protocol(wanted, share == Share::Direct)?;
            *active = share.reported(turn.card.protocol);
            self.share_as(turn, share)?;
            self.standing.lock().acknowledged = turn.card.event;
            turn.touch();
            Ok(Attempt::Done(()))
        })
    }

    /// What fails whether or not the others leave, fails before they have; but nothing happens to the card that would
    /// concern them.
    fn fail_early(turn: &mut Turn<'_>, initialization: Initialization, wanted: Wanted) -> Result<()> {
        let leave = initialization == Initialization::Leave;
        if leave || !turn.card.state.is_present() {
            Self::initialize(turn, initialization, Share::Exclusive)?;
        }
        if leave && !wanted.is_raw() {
            turn.choose_protocol(wanted, false)?;
        }
        Ok(())
    }

    fn initialize(turn: &mut Turn<'_>, initialization: Initialization, share: Share) -> Result<()> {
        let result = match (initialization, turn.card.state) {
            (Initialization::Reset(how), _) => turn.reset(how),
            (Initialization::Leave, CardState::Absent | CardState::Unknown) => Err(PowerError::Absent),
            (Initialization::Leave, CardState::Mute) => Err(PowerError::Mute),
            (Initialization::Leave, CardState::Failed) => return Err(Error::ReaderUnavailable),
            (Initialization::Leave, CardState::Powered) => Ok(()),
            // As if powered up when it was put in, which is what pcsc-lite does: a mute one is found out by DIRECT too.
            (Initialization::Leave, CardState::Inserted) => turn.power_up_new(),
            (Initialization::Leave, CardState::Unpowered | CardState::Dormant) => {
                if share == Share::Direct {
                    Ok(())
                } else {
                    turn.power_up_new()
                }
            }
        };
        result.map_err(|error| match error {
            PowerError::Absent => Error::NoSmartcard,
            // pcsc-lite says so as well when the reader left during the reset; the next call tells.
            PowerError::Mute | PowerError::Reader(_) => Error::UnresponsiveCard,
        })
    }

    /// Changes the share mode; nothing can come between, because connecting takes a turn too.
    fn share_as(&self, turn: &mut Turn<'_>, share: Share) -> Result<()> {
        let byte = Byte::Share(turn.slot());
        let mode = if share.is_sole() { Mode::Exclusive } else { Mode::Shared };
        if !self
            .link
            .locks()
            .try_lock(byte, mode)
            .map_err(|error| turn.lock_failed(&error))?
        {
            return Err(Error::SharingViolation);
        }
        let mut standing = self.standing.lock();
        standing.uses_card |= share != Share::Direct;
        if turn.card.owner != self.token {
            standing.begun = 0;
        } else if platform::RECONNECT_ENDS_TRANSACTIONS && standing.begun > 0 {
            standing.begun = 0;
            if !standing.exclusive {
                turn.card.owner = 0;
            }
            turn.ring();
        }
        if standing.exclusive != share.is_sole() {
            turn.ring();
        }
        if share.is_sole() {
            standing.exclusive = true;
            turn.card.owner = self.token;
        } else if standing.exclusive {
            standing.exclusive = false;
            // Transactions begun meanwhile go on; the one that EXCLUSIVE itself was, ends.
            if standing.begun == 0 {
                turn.card.owner = 0;
            }
        }
        Ok(())
    }
}
