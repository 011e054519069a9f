//! XfrBlock and Secure at every exchange level (CCID 1.1 §3.2, §6.1.4, §6.1.11).

use std::time::Duration;

use super::card::Protocol;
use super::config::{Config, Level, PinEntry, feature};
use super::secure;
use super::slot::{Reply, Slot};
use super::wire::{Command, error};

/// Values of `wLevelParameter` and `bChainParameter` (CCID 1.1 §6.1.4, §6.2.1).
mod chain {
    pub(super) const WHOLE: u8 = 0x00;
    pub(super) const BEGINS: u8 = 0x01;
    pub(super) const ENDS: u8 = 0x02;
    pub(super) const CONTINUES: u8 = 0x03;
    /// Empty; the other side's next part is expected.
    pub(super) const NEXT: u8 = 0x10;
}

/// Longest short APDU: header, Lc, 255 bytes, Le.
const SHORT_LEN: usize = 261;
/// Longest extended APDU: header, three bytes Lc, 65535 bytes, two bytes Le.
const EXTENDED_LEN: usize = 65_544;

impl Slot {
    /// XfrBlock.
    pub(super) fn transfer(&mut self, config: &Config, command: &Command) -> Reply {
        if !self.is_active() {
            return Reply::failed(error::ICC_MUTE);
        }
        let reply = match config.level {
            Level::Character => self.character(config, command),
            Level::Tpdu => self.tpdu(config, command),
            Level::ShortApdu | Level::ExtendedApdu => self.apdu(config, command),
        };
        self.fresh &= reply.error.is_some();
        reply
    }

    /// APDU levels: command and answer in one part or several.
    fn apdu(&mut self, config: &Config, command: &Command) -> Reply {
        let extended = config.level == Level::ExtendedApdu;
        let Ok(level) = u8::try_from(command.level_parameter()) else {
            return Reply::failed(error::BAD_LEVEL_PARAMETER);
        };
        // A short-APDU reader knows no chaining (CCID 1.1 §3.2.3); only the rest of an answer too long for one message
        // can be fetched, as from the readers that do so in spite of that.
        match level {
            chain::NEXT if command.data.is_empty() && !self.answer_rest.is_empty() => {
                return self.next_part(config, false);
            }
            chain::WHOLE => self.command_parts = None,
            chain::BEGINS if extended => self.command_parts = Some(Vec::new()),
            chain::ENDS | chain::CONTINUES if extended && self.command_parts.is_some() => {}
            _ => return Reply::failed(error::BAD_LEVEL_PARAMETER),
        }
        self.answer_rest.clear();
        let mut apdu = self.command_parts.take().unwrap_or_default();
        apdu.extend(&command.data);
        let longest = if extended { EXTENDED_LEN } else { SHORT_LEN };
        if apdu.len() > longest {
            return Reply::failed(error::BAD_LENGTH);
        }
        if matches!(level, chain::BEGINS | chain::CONTINUES) {
            self.command_parts = Some(apdu);
            return Reply::specific(chain::NEXT);
        }
        if let Some(answer) = self.pps(config, &apdu) {
            return Reply::data(answer);
        }
        if apdu.len() < 4 {
            return Reply::failed(error::BAD_LENGTH);
        }
        let Some(card) = &mut self.card else {
            return Reply::failed(error::ICC_MUTE);
        };
        self.answer_rest = card.apdu(&apdu);
        let delay = card.delay();
        Reply {
            delay,
            ..self.next_part(config, true)
        }
    }

    /// The next part of an answer, as long as a message can be.
    fn next_part(&mut self, config: &Config, first: bool) -> Reply {
        let rest = self
            .answer_rest
            .split_off(config.max_data_len().min(self.answer_rest.len()));
        let data = std::mem::replace(&mut self.answer_rest, rest);
        let specific = match (first, self.answer_rest.is_empty()) {
            (true, true) => chain::WHOLE,
            (true, false) => chain::BEGINS,
            (false, false) => chain::CONTINUES,
            (false, true) => chain::ENDS,
        };
        Reply {
            specific,
            data,
            ..Reply::default()
        }
    }

    /// TPDU level: one T=0 TPDU or one T=1 block.
    fn tpdu(&mut self, config: &Config, command: &Command) -> Reply {
        if command.level_parameter() != 0 {
            return Reply::failed(error::BAD_LEVEL_PARAMETER);
        }
        if let Some(answer) = self.pps(config, &command.data) {
            return Reply::data(answer);
        }
        if self.parameters.protocol != self.protocol || !self.same_speed() {
            // Reader and card speak different protocols, or at different speeds: the card never answers.
            return Reply::failed(error::ICC_MUTE);
        }
        let block_time = self.block_time(config);
        let Some(card) = &mut self.card else {
            return Reply::failed(error::ICC_MUTE);
        };
        match self.protocol {
            Protocol::T1 => {
                let (data, delay) = self.t1.block(card.as_mut(), &command.data, block_time);
                Reply {
                    data,
                    delay,
                    ..Reply::default()
                }
            }
            Protocol::T0 if is_t0_tpdu(&command.data) => {
                let data = self.t0.tpdu(card.as_mut(), &command.data);
                Reply {
                    data,
                    delay: card.delay(),
                    ..Reply::default()
                }
            }
            Protocol::T0 => Reply::failed(error::BAD_LENGTH),
        }
    }

    /// Character level: `wLevelParameter` says how many characters the host expects.
    fn character(&mut self, config: &Config, command: &Command) -> Reply {
        let expected = usize::from(command.level_parameter());
        if let Some(answer) = self.pps(config, &command.data) {
            self.line.answer(&answer);
        } else if !self.same_speed() {
            return Reply::failed(error::ICC_MUTE);
        } else {
            let block_time = self.block_time(config);
            let Some(card) = &mut self.card else {
                return Reply::failed(error::ICC_MUTE);
            };
            let delay = match self.protocol {
                Protocol::T0 => self.line.t0(card.as_mut(), &mut self.t0, &command.data),
                Protocol::T1 => self.line.t1(card.as_mut(), &mut self.t1, &command.data, block_time),
            };
            if !delay.is_zero() {
                return Reply {
                    data: self.line.read(expected),
                    delay,
                    ..Reply::default()
                };
            }
        }
        let data = self.line.read(expected);
        if data.is_empty() && expected > 0 {
            Reply::failed(error::ICC_MUTE)
        } else {
            Reply::data(data)
        }
    }

    /// The card's answer if this is a PPS request it can take (ISO 7816-3 §9): first thing after the ATR, in
    /// negotiable mode, and from a host that has to do it because the reader does not.
    fn pps(&mut self, config: &Config, request: &[u8]) -> Option<Vec<u8>> {
        let host_does_it = config.features & (feature::AUTO_PPS | feature::AUTO_NEGOTIATION) == 0;
        let (&[0xFF, pps0], _) = request.split_first_chunk::<2>()? else {
            return None;
        };
        let optional = (pps0 & 0x70).count_ones();
        let check = request.iter().fold(0, |sum, byte| sum ^ byte);
        let right_len = u32::try_from(request.len()) == Ok(3 + optional);
        if !self.fresh || !host_does_it || self.offer.specific || !right_len || check != 0 {
            return None;
        }
        let protocol = Protocol::from_number(pps0 & 0x0F).filter(|p| self.offer.protocols & p.bit() != 0)?;
        let speed = (pps0 & 0x10 != 0).then(|| request.get(2).copied()).flatten();
        if speed.is_some_and(|speed| !self.offer.can_take(speed)) {
            // A speed the card never offered: it goes on without PPS1.
            let pps0 = pps0 & 0x0F;
            self.protocol = protocol;
            return Some(vec![0xFF, pps0, 0xFF ^ pps0]);
        }
        self.protocol = protocol;
        self.speed = speed.unwrap_or(self.speed);
        Some(request.to_vec())
    }

    /// Secure: PIN verification and modification.
    pub(super) fn secure(&mut self, config: &Config, command: &Command) -> Reply {
        if !secure::is_supported(&command.data, config.pin_support) {
            return Reply::failed(error::NOT_SUPPORTED);
        }
        if !self.is_active() {
            return Reply::failed(error::ICC_MUTE);
        }
        let typed = match &config.pin_entry {
            PinEntry::Digits(digits) => [digits, digits, digits],
            PinEntry::Change { old, new, again } => [old, new, again],
            PinEntry::Cancel => return Reply::failed(error::PIN_CANCELLED),
            PinEntry::Timeout => return Reply::failed(error::PIN_TIMEOUT),
        };
        let prepared = match secure::prepare(&command.data, typed.map(String::as_str)) {
            Ok(prepared) => prepared,
            Err(error) => return Reply::failed(error),
        };
        if let Some(word) = prepared.refusal {
            return Reply::data(word.to_vec());
        }
        let block_time = self.block_time(config);
        let Some(card) = &mut self.card else {
            return Reply::failed(error::ICC_MUTE);
        };
        let (data, delay) = match (config.level, self.protocol) {
            (Level::Character | Level::Tpdu, Protocol::T1) => {
                let [nad, pcb, _] = prepared.prologue;
                let block = self.t1.seal(nad, (pcb, prepared.apdu));
                self.t1.block(card.as_mut(), &block, block_time)
            }
            (Level::Character | Level::Tpdu, Protocol::T0) => t0_exchange(self, &prepared.apdu),
            (Level::ShortApdu | Level::ExtendedApdu, _) => (card.apdu(&prepared.apdu), card.delay()),
        };
        Reply {
            data,
            delay,
            ..Reply::default()
        }
    }
}

fn t0_exchange(slot: &mut Slot, tpdu: &[u8]) -> (Vec<u8>, Duration) {
    let Some(card) = &mut slot.card else {
        return (Vec::new(), Duration::ZERO);
    };
    let answer = slot.t0.tpdu(card.as_mut(), tpdu);
    (answer, card.delay())
}

/// Four bytes, five, or a header with exactly the data P3 announces (CCID 1.1 §3.2.2).
fn is_t0_tpdu(tpdu: &[u8]) -> bool {
    match *tpdu {
        [_, _, _, _] | [_, _, _, _, _] => true,
        [_, _, _, _, p3, ref data @ ..] => data.len() == usize::from(p3),
        _ => false,
    }
}
