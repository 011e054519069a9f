//! The reader as an ICCD token: class requests on the control pipe instead of messages on bulk endpoints (ICCD 1.0 §5
//! and §6). Requests are carried out by the same slot as messages are, and counted and logged as if they had been some.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::config::{Config, Level};
use super::device::Device;
use super::fault::Fault;
use super::slot::{Reply, Slot};
use super::wire::{Command, IccStatus, error, kind};
use crate::usb::ControlRequest;

/// Longest part, with the header it would have as a message: hosts read a page at most.
const MAX_PART_LEN: u32 = 4095 + 10;

/// Bits of the status of version A.
mod status {
    pub(super) const READY: u8 = 0x00;
    pub(super) const DATA: u8 = 0x10;
    pub(super) const WORD: u8 = 0x20;
    pub(super) const BUSY: u8 = 0x40;
    pub(super) const MUTE: u8 = 0x80;
}

/// What the token is in the middle of.
#[derive(Debug, Default)]
pub(super) struct Token {
    /// When what it was told is done; never, if a fault made it forget.
    ready_at: Option<Instant>,
    hangs: bool,
    /// A: a header whose data are awaited.
    header: Vec<u8>,
    /// A: what is to be read, in the pieces in which it is.
    pieces: VecDeque<Vec<u8>>,
    /// A: the card does not answer.
    mute: bool,
    /// B: the answer to be read.
    reply: Option<Reply>,
    /// Answers are cut to this length.
    cut: Option<usize>,
}

impl Token {
    fn is_busy(&self, now: Instant) -> bool {
        self.hangs || self.ready_at.is_some_and(|at| at > now)
    }

    fn cut(&self, mut answer: Vec<u8>) -> Vec<u8> {
        answer.truncate(self.cut.unwrap_or(usize::MAX));
        answer
    }
}

impl Device {
    /// A class request to a token; `None` is STALL.
    pub(super) fn token_request(&mut self, request: ControlRequest, data: &[u8], now: Instant) -> Option<Vec<u8>> {
        if self.config.protocol == 1 {
            self.request_a(request, data, now)
        } else {
            self.request_b(request, data, now)
        }
    }

    fn request_a(&mut self, request: ControlRequest, data: &[u8], now: Instant) -> Option<Vec<u8>> {
        match (request.request_type, request.request) {
            (0x21, 0x63) => {
                self.token = Token::default();
                self.token_command(kind::ICC_POWER_OFF, [0; 3], &[], now)?;
                Some(Vec::new())
            }
            (0xA1, 0x62) => {
                // A token chooses its voltage by itself.
                let select = u8::try_from(self.config.voltage_support.trailing_zeros() + 1).unwrap_or(1);
                let reply = self.token_command(kind::ICC_POWER_ON, [select, 0, 0], &[], now)?;
                self.token.mute = reply.error.is_some();
                Some(self.token.cut(reply.data))
            }
            (0x21, 0x65) if !self.token.is_busy(now) => self.block_a(data, now),
            (0xA1, 0x6F) if !self.token.is_busy(now) => {
                let piece = self.token.pieces.pop_front()?;
                Some(self.token.cut(piece))
            }
            (0xA1, 0xA0) => {
                let status = self.status_a(now);
                Some(self.token.cut(vec![status]))
            }
            _ => None,
        }
    }

    fn status_a(&self, now: Instant) -> u8 {
        let token = &self.token;
        if token.is_busy(now) {
            status::BUSY
        } else if token.mute {
            status::MUTE
        } else if !token.header.is_empty() || token.pieces.len() > 1 {
            status::DATA
        } else if token.pieces.len() == 1 {
            status::WORD
        } else {
            status::READY
        }
    }

    /// Five bytes of a header, or the data it announced.
    fn block_a(&mut self, data: &[u8], now: Instant) -> Option<Vec<u8>> {
        let mut tpdu = std::mem::take(&mut self.token.header);
        tpdu.extend(data);
        let header: [u8; 5] = *tpdu.first_chunk()?;
        let takes_data = self
            .slots
            .first()
            .and_then(|slot| slot.card.as_ref())
            .is_some_and(|card| card.takes_data(header));
        if takes_data && tpdu.len() < 5 + usize::from(header[4]) {
            self.token.header = tpdu;
            return Some(Vec::new());
        }
        self.token.pieces.clear();
        let reply = self.token_command(kind::XFR_BLOCK, [0; 3], &tpdu, now)?;
        self.token.mute = reply.error.is_some();
        let mut answer = reply.data;
        let word = answer.split_off(answer.len().saturating_sub(2));
        if !answer.is_empty() {
            self.token.pieces.push_back(answer);
        }
        if !word.is_empty() {
            self.token.pieces.push_back(word);
        }
        Some(Vec::new())
    }

    fn request_b(&mut self, request: ControlRequest, data: &[u8], now: Instant) -> Option<Vec<u8>> {
        let [_, value] = request.value.to_le_bytes();
        match (request.request_type, request.request) {
            (0x21, 0x63) => {
                self.token = Token::default();
                self.token_command(kind::ICC_POWER_OFF, [0; 3], &[], now)?;
                Some(Vec::new())
            }
            (0x21, 0x62) if matches!(request.value, 1..=3) => {
                let select = u8::try_from(request.value).unwrap_or(1);
                let reply = self.token_command(kind::ICC_POWER_ON, [select, 0, 0], &[], now)?;
                self.token.reply = Some(reply);
                Some(Vec::new())
            }
            (0x21, 0x65) if !self.token.is_busy(now) => {
                let reply = self.token_command(kind::XFR_BLOCK, [0, value, 0], data, now)?;
                self.token.reply = Some(reply);
                Some(Vec::new())
            }
            (0xA1, 0x6F) => {
                let answer = self.data_block_b(now)?;
                Some(self.token.cut(answer))
            }
            (0xA1, 0x81) => Some(self.token.cut(vec![0x00, self.token_icc(), 0x00])),
            _ => None,
        }
    }

    fn data_block_b(&mut self, now: Instant) -> Option<Vec<u8>> {
        if self.token.is_busy(now) {
            let left = self.token.ready_at.map_or(Duration::from_millis(20), |at| at - now);
            let units = u16::try_from(left.as_millis() / 10).unwrap_or(u16::MAX);
            let [low, high] = units.to_le_bytes();
            return Some(vec![0x80, low, high]);
        }
        let reply = self.token.reply.take()?;
        Some(match reply.error {
            Some(error) => vec![0x40, self.token_icc(), error],
            None => [&[reply.specific], &reply.data[..]].concat(),
        })
    }

    fn token_icc(&self) -> u8 {
        self.slots.first().map_or(IccStatus::Absent, Slot::icc_status) as u8
    }

    /// Has the slot carry out what a message of this kind would; `None` if a fault makes the request fail.
    fn token_command(&mut self, kind: u8, specific: [u8; 3], data: &[u8], now: Instant) -> Option<Reply> {
        let command = Command {
            kind,
            slot: 0,
            seq: 0,
            specific,
            data: data.to_vec(),
        };
        self.log.command(&command.encode());
        let faults = self.faults.take(kind);
        if faults.iter().any(|f| matches!(f, Fault::StallOut | Fault::StallIn)) {
            return None;
        }
        if faults.contains(&Fault::Unplugged) {
            self.gone = true;
            return None;
        }
        let reply = match faults.iter().find_map(Fault::forced_error) {
            Some(error) => Reply::failed(error),
            None => self.carry_out_token(&command, &faults),
        };
        let extra: Duration = faults.iter().map(Fault::extra_time).sum();
        self.token.hangs = faults.iter().any(|f| matches!(f, Fault::Lost | Fault::Silence));
        self.token.ready_at = Some(now + self.config.latency + reply.delay + extra);
        self.token.cut = faults.iter().find_map(Fault::cut);
        Some(reply)
    }

    fn carry_out_token(&mut self, command: &Command, faults: &[Fault]) -> Reply {
        let config = Config {
            // What a token takes, whatever it declares: TPDUs in steps, or APDUs in parts.
            level: match (self.config.protocol, self.config.level) {
                (1, _) => Level::Tpdu,
                (_, Level::ShortApdu) => Level::ExtendedApdu,
                (_, level) => level,
            },
            class_descriptor: None,
            max_message_len: self.config.max_message_len.min(MAX_PART_LEN),
            ..self.config.clone()
        };
        let Some(slot) = self.slots.first_mut() else {
            return Reply::failed(error::BAD_SLOT);
        };
        match command.kind {
            kind::ICC_POWER_ON => {
                let refused = faults.iter().find_map(Fault::refused_voltages).unwrap_or_default();
                self.log.counters.cold_power_ons += 1;
                slot.power_on(&config, command, refused)
            }
            kind::ICC_POWER_OFF => slot.power_off(),
            _ => slot.transfer(&config, command),
        }
    }
}
