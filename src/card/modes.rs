//! How a card is shared, and what is done to it at the end: the arguments of `SCardConnect` and `SCardDisconnect`.

use crate::api::constants as c;
use crate::api::types::DWORD;
use crate::error::{Error, Result};
use crate::platform;

/// How a card is shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Share {
    /// No other connection.
    Exclusive,
    /// With others.
    Shared,
    /// With others, and without touching the card.
    Direct,
}

impl Share {
    pub(crate) fn parse(mode: DWORD) -> Result<Self> {
        match mode {
            c::SCARD_SHARE_EXCLUSIVE => Ok(Self::Exclusive),
            c::SCARD_SHARE_SHARED => Ok(Self::Shared),
            c::SCARD_SHARE_DIRECT => Ok(Self::Direct),
            _ => Err(Error::InvalidValue),
        }
    }

    /// Whether nobody else may be connected.
    pub(super) fn is_sole(self) -> bool {
        self == Self::Exclusive || (self == Self::Direct && platform::DIRECT_IS_EXCLUSIVE)
    }

    /// The protocol that the caller is told of.
    pub(super) fn reported(self, protocol: u8) -> DWORD {
        if self == Self::Direct && platform::DIRECT_IS_EXCLUSIVE {
            0
        } else {
            protocol.into()
        }
    }
}

/// What to do with a card when letting go of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Disposition {
    /// Nothing.
    Leave,
    /// Warm reset.
    Reset,
    /// Off.
    Unpower,
    /// Eject, which no CCID reader does for us.
    Eject,
}

impl Disposition {
    pub(crate) fn parse(value: DWORD) -> Result<Self> {
        match value {
            c::SCARD_LEAVE_CARD => Ok(Self::Leave),
            c::SCARD_RESET_CARD => Ok(Self::Reset),
            c::SCARD_UNPOWER_CARD => Ok(Self::Unpower),
            c::SCARD_EJECT_CARD if platform::EJECT_UNPOWERS => Ok(Self::Unpower),
            c::SCARD_EJECT_CARD => Ok(Self::Eject),
            _ => Err(Error::InvalidValue),
        }
    }
}
