//! CCID messages as the device sees them: commands taken apart, answers put together (CCID 1.1 §6).

/// Length of the header of every bulk message.
pub const HEADER_LEN: usize = 10;

/// `bMessageType` of the commands and answers.
pub mod kind {
    #![allow(missing_docs, reason = "the names are those of CCID 1.1 §6.1 and §6.2")]
    pub const SET_PARAMETERS: u8 = 0x61;
    pub const ICC_POWER_ON: u8 = 0x62;
    pub const ICC_POWER_OFF: u8 = 0x63;
    pub const GET_SLOT_STATUS: u8 = 0x65;
    pub const SECURE: u8 = 0x69;
    pub const T0_APDU: u8 = 0x6A;
    pub const ESCAPE: u8 = 0x6B;
    pub const GET_PARAMETERS: u8 = 0x6C;
    pub const RESET_PARAMETERS: u8 = 0x6D;
    pub const ICC_CLOCK: u8 = 0x6E;
    pub const XFR_BLOCK: u8 = 0x6F;
    pub const MECHANICAL: u8 = 0x71;
    pub const ABORT: u8 = 0x72;
    pub const SET_DATA_RATE_AND_CLOCK: u8 = 0x73;

    pub const DATA_BLOCK: u8 = 0x80;
    pub const SLOT_STATUS: u8 = 0x81;
    pub const PARAMETERS: u8 = 0x82;
    pub const ESCAPE_ANSWER: u8 = 0x83;
    pub const DATA_RATE_AND_CLOCK: u8 = 0x84;

    pub const NOTIFY_SLOT_CHANGE: u8 = 0x50;
}

/// Values of `bError` (CCID 1.1 §6.2.6); 1 to 0x7F is the offset of the offending byte.
pub mod error {
    #![allow(missing_docs, reason = "the names are those of CCID 1.1 table 6.2-2")]
    pub const NOT_SUPPORTED: u8 = 0x00;
    pub const BAD_LENGTH: u8 = 0x01;
    pub const BAD_SLOT: u8 = 0x05;
    pub const BAD_SEQUENCE: u8 = 0x06;
    pub const BAD_BYTE_7: u8 = 0x07;
    pub const BAD_LEVEL_PARAMETER: u8 = 0x08;
    pub const BAD_FIRST_DATA_BYTE: u8 = 0x0A;
    pub const SLOT_BUSY: u8 = 0xE0;
    pub const PIN_CANCELLED: u8 = 0xEF;
    pub const PIN_TIMEOUT: u8 = 0xF0;
    pub const PROTOCOL_NOT_SUPPORTED: u8 = 0xF6;
    pub const ICC_MUTE: u8 = 0xFE;
    pub const ABORTED: u8 = 0xFF;
}

/// A command as it arrived on the bulk OUT endpoint, header fields apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Command {
    pub(super) kind: u8,
    pub(super) slot: u8,
    pub(super) seq: u8,
    /// Bytes 7 to 9, whose meaning depends on the command.
    pub(super) specific: [u8; 3],
    pub(super) data: Vec<u8>,
}

impl Command {
    /// Takes a message apart; `None` if it has no whole header. The length field is the assembler's business.
    pub(super) fn parse(message: &[u8]) -> Option<Self> {
        let (header, data) = message.split_first_chunk::<HEADER_LEN>()?;
        let &[kind, _, _, _, _, slot, seq, a, b, c] = header;
        Some(Self {
            kind,
            slot,
            seq,
            specific: [a, b, c],
            data: data.to_vec(),
        })
    }

    /// The message it came as.
    pub(super) fn encode(&self) -> Vec<u8> {
        let len = u32::try_from(self.data.len()).unwrap_or(u32::MAX);
        let mut message = vec![self.kind];
        message.extend(len.to_le_bytes());
        message.extend([self.slot, self.seq]);
        message.extend(self.specific);
        message.extend(&self.data);
        message
    }

    /// `wLevelParameter` of XfrBlock and Secure.
    pub(super) fn level_parameter(&self) -> u16 {
        let [_, low, high] = self.specific;
        u16::from_le_bytes([low, high])
    }

    /// The type of a good answer to this command (CCID 1.1 §6.1).
    pub(super) fn answer_kind(&self) -> u8 {
        match self.kind {
            kind::ICC_POWER_ON | kind::XFR_BLOCK | kind::SECURE => kind::DATA_BLOCK,
            kind::SET_PARAMETERS | kind::GET_PARAMETERS | kind::RESET_PARAMETERS => kind::PARAMETERS,
            kind::ESCAPE => kind::ESCAPE_ANSWER,
            kind::SET_DATA_RATE_AND_CLOCK => kind::DATA_RATE_AND_CLOCK,
            _ => kind::SLOT_STATUS,
        }
    }
}

/// `dwLength` of a message of which at least the header has arrived.
pub(super) fn declared_len(message: &[u8]) -> Option<usize> {
    let header = message.first_chunk::<HEADER_LEN>()?;
    let &[_, a, b, c, d, ..] = header;
    usize::try_from(u32::from_le_bytes([a, b, c, d])).ok()
}

/// `bmICCStatus`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IccStatus {
    Active = 0,
    Inactive = 1,
    Absent = 2,
}

/// `bmCommandStatus` with the error that belongs to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Done,
    Failed(u8),
    /// The reader needs more time; the number multiplies the waiting time.
    TimeExtension(u8),
}

/// An answer before it is put on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) kind: u8,
    pub(super) slot: u8,
    pub(super) seq: u8,
    pub(super) icc: IccStatus,
    pub(super) outcome: Outcome,
    /// Byte 9: clock status, chain parameter or protocol number.
    pub(super) specific: u8,
    pub(super) data: Vec<u8>,
}

impl Answer {
    /// The message as bytes.
    pub(super) fn encode(&self) -> Vec<u8> {
        let (status, error) = match self.outcome {
            Outcome::Done => (0x00, 0x00),
            Outcome::Failed(error) => (0x40, error),
            Outcome::TimeExtension(multiplier) => (0x80, multiplier),
        };
        let icc = match self.icc {
            IccStatus::Active => 0,
            IccStatus::Inactive => 1,
            IccStatus::Absent => 2,
        };
        let mut message = Vec::with_capacity(HEADER_LEN + self.data.len());
        message.push(self.kind);
        message.extend(u32::try_from(self.data.len()).unwrap_or(u32::MAX).to_le_bytes());
        message.extend([self.slot, self.seq, status | icc, error, self.specific]);
        message.extend(&self.data);
        message
    }
}
