//! A host that knows just enough CCID to talk to the device, packet by packet.

use std::time::{Duration, Instant};

use crate::sim::card::Card;
use crate::sim::config::Config;
use crate::sim::device::{Device, In, Out};
use crate::sim::wire::kind;
use crate::sim::{BuiltinCard, Level};

/// One answer taken apart, lengths checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) kind: u8,
    pub(super) slot: u8,
    pub(super) seq: u8,
    /// `bmICCStatus`.
    pub(super) icc: u8,
    /// `bmCommandStatus`.
    pub(super) command: u8,
    pub(super) error: u8,
    pub(super) specific: u8,
    pub(super) data: Vec<u8>,
}

impl Answer {
    pub(super) fn parse(message: &[u8]) -> Self {
        let length = u32::from_le_bytes(message[1..5].try_into().unwrap());
        assert_eq!(
            usize::try_from(length).unwrap() + 10,
            message.len(),
            "dwLength of {message:02X?}"
        );
        Self {
            kind: message[0],
            slot: message[5],
            seq: message[6],
            icc: message[7] & 3,
            command: message[7] >> 6,
            error: message[8],
            specific: message[9],
            data: message[10..].to_vec(),
        }
    }

    /// The `bError` of a failed command.
    #[track_caller]
    pub(super) fn failure(&self) -> u8 {
        assert_eq!(self.command, 1, "not failed: {self:02X?}");
        assert_eq!(self.data, [], "data in a failure");
        self.error
    }

    /// The data of a good answer.
    #[track_caller]
    pub(super) fn good(self) -> Vec<u8> {
        assert_eq!((self.command, self.error), (0, 0), "failed: {self:02X?}");
        self.data
    }
}

pub(super) fn command(kind: u8, slot: u8, seq: u8, specific: [u8; 3], data: &[u8]) -> Vec<u8> {
    let mut message = vec![kind];
    message.extend(u32::try_from(data.len()).unwrap().to_le_bytes());
    message.extend([slot, seq]);
    message.extend(specific);
    message.extend(data);
    message
}

/// A device with its host.
pub(super) struct Host {
    pub(super) device: Device,
    pub(super) now: Instant,
    pub(super) seq: u8,
    pub(super) slot: u8,
}

impl Host {
    pub(super) fn new(config: Config) -> Self {
        Self {
            device: Device::new(config),
            now: Instant::now(),
            seq: 0,
            slot: 0,
        }
    }

    /// A reader at this level with this card in it, powered.
    pub(super) fn powered(config: Config, card: impl Card + 'static) -> Self {
        let mut host = Self::new(config);
        host.device.insert(0, Box::new(card));
        host.ask(kind::ICC_POWER_ON, [0; 3], &[]).good();
        host
    }

    /// The default card in a default reader of this level.
    pub(super) fn at(level: Level) -> Self {
        Self::powered(Config::at_level(level), BuiltinCard::default())
    }

    pub(super) fn send(&mut self, message: &[u8]) {
        let len = usize::from(self.device.config().max_packet_len);
        for packet in message.chunks(len) {
            assert_eq!(self.device.bulk_out(packet, self.now), Out::Ack);
        }
    }

    /// Reads one transfer: packets until a short one.
    pub(super) fn transfer(&mut self) -> Result<Vec<u8>, In> {
        let len = usize::from(self.device.config().max_packet_len);
        let mut bytes = Vec::new();
        loop {
            match self.device.bulk_in(self.now) {
                In::Packet(packet) => {
                    bytes.extend(&packet);
                    if packet.len() < len {
                        return Ok(bytes);
                    }
                }
                other @ (In::Nak(_) | In::Stall) => return Err(other),
            }
        }
    }

    #[track_caller]
    pub(super) fn receive(&mut self) -> Answer {
        Answer::parse(&self.transfer().expect("an answer"))
    }

    /// Waits, in the device's time, for the next answer; returns how long that took.
    pub(super) fn wait(&mut self) -> Duration {
        let before = self.now;
        if let In::Nak(Some(at)) = self.device.bulk_in(self.now) {
            self.now = at;
        }
        self.now - before
    }

    /// A command and its answer, with type, slot and sequence number checked.
    #[track_caller]
    pub(super) fn ask(&mut self, kind: u8, specific: [u8; 3], data: &[u8]) -> Answer {
        self.seq = self.seq.wrapping_add(1);
        self.send(&command(kind, self.slot, self.seq, specific, data));
        let answer = self.receive();
        let expected = match kind {
            0x62 | 0x6F | 0x69 => 0x80,
            0x61 | 0x6C | 0x6D => 0x82,
            0x6B => 0x83,
            0x73 => 0x84,
            _ => 0x81,
        };
        assert_eq!((answer.kind, answer.slot, answer.seq), (expected, self.slot, self.seq));
        answer
    }

    #[track_caller]
    pub(super) fn xfr(&mut self, level_parameter: u16, data: &[u8]) -> Answer {
        let [low, high] = level_parameter.to_le_bytes();
        self.ask(kind::XFR_BLOCK, [0, low, high], data)
    }

    #[track_caller]
    pub(super) fn status(&mut self) -> Answer {
        self.ask(kind::GET_SLOT_STATUS, [0; 3], &[])
    }
}
