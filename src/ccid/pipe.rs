//! How commands reach a reader: as messages on two bulk endpoints, or, with ICCD, as control requests.

use super::descriptor::ExchangeLevel;
use super::error::{Error, Result};
use super::iccd::{self, Version};
use crate::usb::{Endpoint, Interface};

/// The way to one reader interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pipe {
    /// CCID: messages with a header, on bulk endpoints.
    Bulk {
        /// Commands.
        output: Endpoint,
        /// Answers.
        input: Endpoint,
    },
    /// ICCD: class requests on the control pipe.
    Control(Version),
}

impl Pipe {
    /// The way to this interface. Bulk endpoints decide where they are: one reader in the field claims protocol 1 and
    /// has them.
    ///
    /// # Errors
    /// [`Error::Descriptor`] if there is no way.
    pub(super) fn of(interface: &Interface) -> Result<Self> {
        match (interface.bulk_out, interface.bulk_in, interface.protocol) {
            (Some(_), Some(input), _) if input.max_packet_len == 0 => {
                Err(Error::Descriptor("bulk IN endpoint of packet length 0"))
            }
            (Some(output), Some(input), _) => Ok(Self::Bulk { output, input }),
            (_, _, 1) => Ok(Self::Control(Version::A)),
            (_, _, 2) => Ok(Self::Control(Version::B)),
            _ => Err(Error::Descriptor("a bulk endpoint is missing")),
        }
    }

    /// The level at which the host talks, where a reader on this way declares `level`.
    pub(super) fn level(self, declared: ExchangeLevel) -> ExchangeLevel {
        match (self, declared) {
            // The token answers the procedure bytes itself and tells by its status what is next.
            (Self::Control(Version::A), ExchangeLevel::Character) => ExchangeLevel::Tpdu,
            // APDUs longer than a request come and go in parts, whatever is declared (libccid does so too).
            (Self::Control(Version::B), ExchangeLevel::ShortApdu) => ExchangeLevel::ExtendedApdu,
            (Self::Bulk { .. } | Self::Control(_), level) => level,
        }
    }

    /// Slots behind it, of those declared: a token is one card.
    pub(super) fn slots(self, declared: u16) -> u16 {
        match self {
            Self::Bulk { .. } => declared,
            Self::Control(_) => 1,
        }
    }

    /// Most data in one command.
    pub(super) fn max_data_len(self) -> usize {
        match self {
            Self::Bulk { .. } => usize::MAX,
            Self::Control(_) => iccd::MAX_DATA_LEN,
        }
    }

    /// Packet length of the answers.
    pub(super) fn packet_len(self) -> usize {
        match self {
            Self::Bulk { input, .. } => usize::from(input.max_packet_len).max(1),
            Self::Control(_) => 1,
        }
    }

    /// Addresses of the endpoints that can halt for good. The control pipe starts anew with every request.
    pub(super) fn endpoints(self) -> impl Iterator<Item = u8> {
        let addresses = match self {
            Self::Bulk { output, input } => [Some(output.address), Some(input.address)],
            Self::Control(_) => [None, None],
        };
        addresses.into_iter().flatten()
    }
}
