//! The speeds a reader has, and settling one with the card.

use super::descriptor::ExchangeLevel;
use super::error::{Error, Result};
use super::exchange::Engine;
use super::pipe::Pipe;
use super::tpdu::{Heard, Noise};
use crate::iso7816::pps::{PpsError, Rates, Request};
use crate::usb;
use std::time::Duration;

/// Class request GET_DATA_RATES. CCID 1.1 §5.3.3
const REQUEST_DATA_RATES: u8 = 0x03;

/// Class request to an interface, device to host.
const FROM_INTERFACE: u8 = 0xA1;

/// How long a card may take for its PPS response; the standard gives it one waiting time of 9600 etu a character.
const PPS_TIME: Duration = Duration::from_secs(5);

impl Engine {
    /// What the reader can do about the speed of the card in `slot`. The reader is asked for its table once, and only if
    /// it claims to have one: others answer with junk.
    pub fn rates(&mut self, transport: &dyn usb::Transport, slot: u8) -> Rates<'_> {
        let count = usize::from(self.descriptor.data_rates_supported());
        if self.data_rates.is_none() {
            self.data_rates = Some(if count == 0 {
                Vec::new()
            } else {
                self.ask_data_rates(transport, count)
            });
        }
        let clock_khz = self.descriptor.default_clock_khz();
        if let (true, Some(table)) = (slot > 0, self.quirks.speed.other_slots_bps) {
            let max_bps = table.iter().copied().max().unwrap_or(0);
            return Rates {
                clock_khz,
                max_bps,
                table,
            };
        }
        let declared = self.descriptor.max_data_rate_bps();
        Rates {
            clock_khz,
            max_bps: self.quirks.speed.max_bps.map_or(declared, |bps| bps.min(declared)),
            table: self.data_rates.as_deref().unwrap_or_default(),
        }
    }

    /// `count` rates, or none if the reader does not tell after all.
    fn ask_data_rates(&self, transport: &dyn usb::Transport, count: usize) -> Vec<u32> {
        let request = usb::ControlRequest {
            request_type: FROM_INTERFACE,
            request: REQUEST_DATA_RATES,
            value: 0,
            index: u16::from(self.interface),
        };
        let mut bytes = vec![0; count * 4];
        match transport.control_in(request, &mut bytes, self.timeouts.control) {
            Ok(len) => parse(bytes.get(..len).unwrap_or_default()),
            Err(error) => {
                log::debug!("GET_DATA_RATES: {error}");
                Vec::new()
            }
        }
    }

    /// Whether a PPS by the host reaches the card: it would be an APDU at the other levels, and a token with its card in
    /// one has nothing to agree on.
    #[must_use]
    pub fn takes_pps(&self) -> bool {
        let blocks = matches!(self.level, ExchangeLevel::Character | ExchangeLevel::Tpdu);
        blocks && matches!(self.pipe, Pipe::Bulk { .. }) && !self.quirks.speed.no_pps
    }

    /// Has the host do the PPS. Returns the Fi and Di in force from now on.
    ///
    /// # Errors
    /// Of the transfer, or if the card did not answer as it should: it needs a reset in either case.
    pub fn pps(&mut self, transport: &dyn usb::Transport, slot: u8, request: Request) -> Result<u8> {
        let bytes = request.bytes();
        let bytes = bytes.get(..request.len()).unwrap_or_default();
        let mut response = [0; 16];
        let heard = if self.level == ExchangeLevel::Character {
            self.pps_characters(transport, slot, bytes, &mut response)
        } else {
            self.tpdu_block(transport, slot, bytes, 0, PPS_TIME, &mut response)
        };
        let len = match heard.map_err(|error| self.repair(transport, slot, error))? {
            Ok(len) => len,
            Err(Noise::Parity | Noise::Lost) => return Err(Error::Protocol("PPS response damaged")),
            Err(Noise::Mute) => return Err(Error::Protocol("no PPS response")),
        };
        request
            .accepted(response.get(..len).unwrap_or_default())
            .map_err(|error| {
                Error::Protocol(match error {
                    PpsError::Length => "PPS response of the wrong length",
                    PpsError::Initial => "PPS response without FF",
                    PpsError::Check => "wrong PCK in the PPS response",
                    PpsError::Unasked => "PPS response to something not asked for",
                })
            })
    }

    /// PPSS and PPS0 say how much follows.
    fn pps_characters(
        &mut self,
        transport: &dyn usb::Transport,
        slot: u8,
        request: &[u8],
        response: &mut [u8],
    ) -> Result<Heard> {
        let (head, tail) = response.split_at_mut_checked(2).unwrap_or_default();
        match self.characters(transport, slot, request, 0, PPS_TIME, head)? {
            Ok(2) => {}
            short => return Ok(short),
        }
        let optional = head.get(1).map_or(0, |pps0| (pps0 & 0x70).count_ones());
        let left = usize::try_from(optional).unwrap_or(0) + 1;
        let room = tail.get_mut(..left).unwrap_or_default();
        let heard = self.characters(transport, slot, &[], 0, PPS_TIME, room)?;
        Ok(heard.map(|len| 2 + len))
    }
}

/// Rates as they come: four bytes each, low byte first. What has another length, or a rate of 0, is no table.
fn parse(bytes: &[u8]) -> Vec<u32> {
    let rates = bytes.chunks_exact(4);
    if !rates.remainder().is_empty() {
        return Vec::new();
    }
    rates
        .filter_map(|rate| rate.first_chunk().map(|rate| u32::from_le_bytes(*rate)))
        .filter(|rate| *rate != 0)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_parsed_whole_or_not_at_all() {
        assert_eq!(parse(&[0x00, 0x2A, 0, 0, 0x53, 0x07, 1, 0]), [10_752, 67_411]);
        assert_eq!(parse(&[0x00, 0x2A, 0, 0, 0, 0, 0, 0]), [10_752]);
        for len in [1, 3, 5, 7] {
            assert!(parse(&vec![1; len]).is_empty());
        }
        assert!(parse(&[]).is_empty());
    }
}
