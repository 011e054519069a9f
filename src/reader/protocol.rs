//! Protocol choice, parameters, and the exchange of one command.

use std::time::Duration;

use super::turn::Turn;
use crate::api::constants as c;
use crate::api::types::DWORD;
use crate::arbiter::record::CardState;
use crate::ccid::{self, ExchangeLevel, SlotError};
use crate::error::{Error, Result};
use crate::iso7816::atr::Atr;
use crate::iso7816::params;
use crate::iso7816::protocol::{Protocol, available_protocols};
use crate::usb;

/// PC/SC's number for T=0 in a record.
const T0: u8 = 1;
/// PC/SC's number for T=1 in a record.
const T1: u8 = 2;
/// PC/SC's number for raw exchange in a record.
const RAW: u8 = 4;
/// For exchanges before a protocol is chosen, and for cards whose ATR says nothing sensible.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);

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

/// What a protocol leaves in the record for the next process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct LinkData {
    timeout: Duration,
}

impl LinkData {
    fn encode(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        let millis = u32::try_from(self.timeout.as_millis()).unwrap_or(u32::MAX);
        if let Some(place) = bytes.first_chunk_mut::<4>() {
            *place = millis.to_le_bytes();
        }
        bytes
    }

    fn decode(bytes: &[u8; 32]) -> Self {
        let millis = bytes.first_chunk::<4>().map_or(0, |b| u32::from_le_bytes(*b));
        let timeout = Duration::from_millis(millis.into());
        Self {
            timeout: if millis == 0 {
                DEFAULT_TIMEOUT
            } else {
                timeout.min(params::MAX_EXCHANGE_TIME)
            },
        }
    }
}

impl Turn<'_> {
    /// Settles which protocol the connection uses: RAW whenever asked for; for DIRECT whatever there is; else the one in
    /// use, which must be among the wanted; else one is chosen.
    ///
    /// # Errors
    /// `ProtoMismatch`, `UnresponsiveCard` (the card or reader refused the parameters), `ReaderUnsupported` (the card
    /// needs a protocol that is not there yet for this reader).
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

    /// T=1 before T=0 where both are possible, as pcsc-lite has it, whatever the ATR offers first.
    fn negotiate(&mut self, wanted: Wanted) -> Result<()> {
        let atr_bytes = self.card.atr;
        let offered = available_protocols(atr_bytes.as_slice());
        let (level, supported) = {
            let engine = self.port().engine();
            (engine.level(), engine.descriptor().protocols())
        };
        let mut candidates = Vec::with_capacity(2);
        for (protocol, asked, bit) in [(Protocol::T1, wanted.t1, 2), (Protocol::T0, wanted.t0, 1)] {
            if (asked || wanted.any_old) && offered.contains(protocol) && supported & bit != 0 {
                candidates.push(protocol);
            }
        }
        if candidates.is_empty() {
            return Err(Error::ProtoMismatch);
        }
        let usable = candidates
            .iter()
            .copied()
            .find(|protocol| self.is_implemented(level, *protocol));
        let Some(protocol) = usable else {
            return Err(Error::ReaderUnsupported);
        };
        let parsed = Atr::parse(atr_bytes.as_slice()).ok();
        self.set_parameters(parsed.as_ref(), protocol)?;
        let clock = self.port().engine().descriptor().default_clock_khz();
        let timeout = parsed.map_or(DEFAULT_TIMEOUT, |atr| params::exchange_time(&atr, protocol, clock));
        self.card.link = LinkData { timeout }.encode();
        self.card.protocol = if protocol == Protocol::T1 { T1 } else { T0 };
        Ok(())
    }

    fn is_implemented(&self, level: ExchangeLevel, protocol: Protocol) -> bool {
        match ccid::supports(level, protocol) {
            Ok(()) => true,
            Err(error) => {
                log::error!("{}: {error}", self.port().interface().node.display());
                false
            }
        }
    }

    /// Tells the reader the card's parameters, unless it works them out itself (dwFeatures 0x40). A reader that does no
    /// PPS keeps the default speed: nobody here has agreed on another with the card.
    fn set_parameters(&mut self, parsed: Option<&Atr>, protocol: Protocol) -> Result<()> {
        let Some(parsed) = parsed else { return Ok(()) };
        let (negotiates, does_pps) = {
            let engine = self.port().engine();
            (engine.descriptor().auto_negotiation(), engine.descriptor().auto_pps())
        };
        if negotiates {
            return Ok(());
        }
        let speed = params::fi_di_without_pps(parsed, does_pps);
        let result = self.exchange(|engine, transport, slot| match protocol {
            Protocol::T1 => engine.set_parameters(transport, slot, 1, &params::t1_parameters(parsed, speed)),
            _ => engine.set_parameters(transport, slot, 0, &params::t0_parameters(parsed, speed)),
        });
        match result {
            // The reader has no such command: it manages with what the ATR said.
            Ok(()) | Err(ccid::Error::Slot(SlotError::CommandNotSupported)) => Ok(()),
            Err(error) => {
                log::error!(
                    "{} slot {}: parameters: {error}",
                    self.port().interface().node.display(),
                    self.slot()
                );
                Err(Error::UnresponsiveCard)
            }
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
        let timeout = LinkData::decode(&self.card.link).timeout;
        let mut result = self.send(command, response, timeout);
        if matches!(result, Err(ccid::Error::Usb(error)) if error.kind == usb::ErrorKind::Busy) {
            // The claim was lost without a word in the record; nothing was sent yet.
            self.port().set_claimed(false);
            self.attach()?;
            result = self.send(command, response, timeout);
        }
        self.touch();
        result.map_err(|error| self.transmit_error(error))
    }

    fn send(&mut self, command: &[u8], response: &mut [u8], timeout: Duration) -> ccid::Result<usize> {
        let body = |engine: &mut ccid::Engine, transport: &dyn usb::Transport, slot: u8| {
            engine.transmit(transport, slot, command, response, timeout)
        };
        self.exchange_unmarked(body)
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
