//! Protocol choice, parameters, and the exchange of one command.

mod link_data;
mod negotiate;

use super::turn::Turn;
use crate::api::constants as c;
use crate::api::types::DWORD;
use crate::arbiter::record::CardState;
use crate::ccid::{self, ExchangeLevel};
use crate::error::{Error, Result};
use crate::usb;

pub(crate) use link_data::LinkData;

/// PC/SC's number for T=0 in a record.
const T0: u8 = 1;
/// PC/SC's number for T=1 in a record.
const T1: u8 = 2;
/// PC/SC's number for raw exchange in a record.
const RAW: u8 = 4;

/// The protocols a caller would accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    t0: bool,
    t1: bool,
    raw: bool,
    any_old: bool,
}

impl Wanted {
    pub(crate) fn parse(protocols: DWORD) -> Self {
        let has = |bit: DWORD| protocols & bit != 0;
        Self {
            t0: has(c::SCARD_PROTOCOL_T0),
            t1: has(c::SCARD_PROTOCOL_T1),
            raw: has(c::SCARD_PROTOCOL_RAW),
            any_old: has(c::SCARD_PROTOCOL_ANY_OLD),
        }
    }

    /// Raw exchange, whatever else would do.
    pub(crate) fn is_raw(self) -> bool {
        self.raw
    }

    /// None that could ever be used.
    pub(crate) fn is_none(self) -> bool {
        !(self.t0 || self.t1 || self.raw || self.any_old)
    }
}

/// Whether the host does T=0 and T=1 on readers of this level.
fn does_protocols(level: ExchangeLevel) -> bool {
    matches!(level, ExchangeLevel::Character | ExchangeLevel::Tpdu)
}

impl Turn<'_> {
    /// Settles which protocol the connection uses: RAW whenever asked for; for DIRECT whatever there is; else the one in
    /// use, which must be among the wanted; else one is chosen.
    ///
    /// # Errors
    /// `ProtoMismatch`, `NoSmartcard` (pulled meanwhile), `UnresponsiveCard` (the card or reader refused the parameters).
    pub(crate) fn choose_protocol(&mut self, wanted: Wanted, direct: bool) -> Result<()> {
        if wanted.raw {
            self.card.protocol = RAW;
            return Ok(());
        }
        if direct {
            return Ok(());
        }
        match self.card.protocol {
            0 => self.negotiate(wanted),
            T0 if wanted.t0 => Ok(()),
            T1 if wanted.t1 => Ok(()),
            _ => Err(Error::ProtoMismatch),
        }
    }

    /// Exchanges one command.
    ///
    /// # Errors
    /// `NoSmartcard`, `ProtoMismatch`, `ReaderUnavailable`, `NotTransacted`.
    pub(crate) fn transmit(&mut self, protocol: DWORD, command: &[u8], response: &mut [u8]) -> Result<usize> {
        if !self.card.state.is_present() {
            return Err(Error::NoSmartcard);
        }
        let active = DWORD::from(self.card.protocol);
        if !matches!(protocol, c::SCARD_PROTOCOL_RAW | c::SCARD_PROTOCOL_ANY_OLD) && protocol != active {
            return Err(Error::ProtoMismatch);
        }
        if matches!(self.card.state, CardState::Dormant | CardState::Unpowered) {
            return Err(Error::NotTransacted);
        }
        let mut result = self.send(command, response);
        if matches!(result, Err(ccid::Error::Usb(error)) if error.kind == usb::ErrorKind::Busy) {
            // Nothing was sent yet.
            self.lose_claim();
            self.attach()?;
            result = self.send(command, response);
        }
        if result.is_ok() {
            self.port().count_transmit(self.slot);
        }
        self.touch();
        result.map_err(|error| self.transmit_error(error))
    }

    /// What the protocol in use has left in the record.
    pub(crate) fn link_data(&self) -> LinkData {
        LinkData::decode(&self.card.link)
    }

    /// Writes down where the protocol stands, for as long as the card has power. A card that T=1 has lost is reset.
    pub(crate) fn keep(&mut self, link: &LinkData) {
        self.card.link = link.encode();
        if link.t1.is_lost() && self.card.state == CardState::Powered {
            self.distrust("T=1 has lost the card");
        }
    }

    /// Whether the reader leaves the protocol to the host.
    fn leaves_protocol_to_host(&self) -> bool {
        does_protocols(self.port().engine().level())
    }

    /// Whether the host does the card's T=1.
    pub(crate) fn does_t1(&self) -> bool {
        self.card.protocol == T1 && self.leaves_protocol_to_host()
    }

    fn send(&mut self, command: &[u8], response: &mut [u8]) -> ccid::Result<usize> {
        let level = self.port().engine().level();
        if self.card.protocol != T1 || !does_protocols(level) {
            let timeout = LinkData::timeout(&self.card.link);
            let body = |engine: &mut ccid::Engine, transport: &dyn usb::Transport, slot: u8| {
                engine.transmit(transport, slot, command, response, timeout)
            };
            return if level == ExchangeLevel::Character {
                self.exchange_in_steps(body)
            } else {
                self.exchange_unmarked(body)
            };
        }
        let mut link = self.link_data();
        let result = self.exchange_in_steps(|engine, transport, slot| {
            engine.transmit_t1(transport, slot, &mut link.t1, command, response, link.timeout)
        });
        self.keep(&link);
        result
    }

    /// An exchange of many messages: whoever dies between two of them is to be noticed, which in his own transaction he is
    /// anyway.
    pub(crate) fn exchange_in_steps<T>(
        &mut self,
        body: impl FnOnce(&mut ccid::Engine, &dyn usb::Transport, u8) -> ccid::Result<T>,
    ) -> ccid::Result<T> {
        if self.card.owner != 0 && self.card.owner == self.link.token() {
            self.exchange_unmarked(body)
        } else {
            self.exchange(body)
        }
    }

    /// Behaviour reference §2.4.
    fn transmit_error(&mut self, error: ccid::Error) -> Error {
        log::info!(
            "{} slot {}: {error}",
            self.port().interface().node.display(),
            self.slot()
        );
        // Whatever it was, the next call asks what is in the slot.
        self.card.last_poll_ms = 0;
        if error == ccid::Error::NoCard {
            if self.card.state.is_present() {
                self.card.note_removal();
                self.ring();
            }
            return Error::NoSmartcard;
        }
        if error.is_disconnected() {
            Error::ReaderUnavailable
        } else {
            Error::NotTransacted
        }
    }
}
