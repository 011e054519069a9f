//! CCID messages on the bulk and interrupt pipes: encoding of commands, total decoding of answers.

use super::error::SlotError;

/// Length of every bulk message's header.
pub const HEADER_LEN: usize = 10;

/// `wLevelParameter` and `bChainParameter` values.
// CCID 1.1 §6.1.4, §6.2.1
pub(crate) mod chain {
    /// The block is the whole APDU.
    pub(crate) const WHOLE: u8 = 0x00;
    /// The APDU begins with this block and goes on.
    pub(crate) const BEGINS: u8 = 0x01;
    /// The APDU ends with this block.
    pub(crate) const ENDS: u8 = 0x02;
    /// The APDU goes on with this block and further ones.
    pub(crate) const CONTINUES: u8 = 0x03;
    /// Empty block: the other side is to send its next one.
    pub(crate) const NEXT: u8 = 0x10;
}

/// `bPowerSelect`: what a card is powered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(alias = "bPowerSelect")]
pub enum Voltage {
    /// The reader chooses.
    Automatic,
    /// 5 V, class A.
    V5,
    /// 3 V, class B.
    V3,
    /// 1.8 V, class C.
    V1_8,
}

impl Voltage {
    pub(super) fn power_select(self) -> u8 {
        match self {
            Self::Automatic => 0,
            Self::V5 => 1,
            Self::V3 => 2,
            Self::V1_8 => 3,
        }
    }
}

/// A `PC_to_RDR` message without its data: type and message-specific bytes.
// CCID 1.1 §6.1
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// 62: activates the card, or resets it when it is active.
    IccPowerOn(Voltage),
    /// 63: deactivates the card.
    IccPowerOff,
    /// 65: asks for the slot's state.
    GetSlotStatus,
    /// 6F: data to the card.
    XfrBlock {
        /// `bBWI`: multiplier of the block waiting time.
        block_waiting: u8,
        /// `wLevelParameter`: chaining, or the expected length at character level.
        level_parameter: u16,
    },
    /// 6C: asks for the protocol parameters.
    GetParameters,
    /// 6D: sets the parameters back to their defaults.
    ResetParameters,
    /// 61: sets the parameters of the protocol `bProtocolNum`.
    SetParameters(u8),
    /// 6B: the vendor's own.
    Escape,
    /// 6E: restarts (false) or stops (true) the card's clock.
    IccClock(bool),
    /// 6A: how the reader handles GET RESPONSE and ENVELOPE.
    T0Apdu {
        /// `bmChanges`: which of the two classes are given.
        changes: u8,
        /// `bClassGetResponse`.
        get_response: u8,
        /// `bClassEnvelope`.
        envelope: u8,
    },
    /// 69: PIN entry at the reader.
    Secure {
        /// `bBWI`: multiplier of the block waiting time.
        block_waiting: u8,
        /// `wLevelParameter`: chaining.
        level_parameter: u16,
    },
    /// 71: moves the card mechanically (`bFunction`).
    Mechanical(u8),
    /// 72: ends the current command of the slot.
    Abort,
    /// 73: sets data rate and clock.
    SetDataRateAndClockFrequency,
}

impl Command {
    /// `bMessageType`.
    #[must_use]
    #[doc(alias = "bMessageType")]
    pub fn message_type(self) -> u8 {
        match self {
            Self::IccPowerOn(_) => 0x62,
            Self::IccPowerOff => 0x63,
            Self::GetSlotStatus => 0x65,
            Self::XfrBlock { .. } => 0x6F,
            Self::GetParameters => 0x6C,
            Self::ResetParameters => 0x6D,
            Self::SetParameters(_) => 0x61,
            Self::Escape => 0x6B,
            Self::IccClock(_) => 0x6E,
            Self::T0Apdu { .. } => 0x6A,
            Self::Secure { .. } => 0x69,
            Self::Mechanical(_) => 0x71,
            Self::Abort => 0x72,
            Self::SetDataRateAndClockFrequency => 0x73,
        }
    }

    /// Bytes 7 to 9 of the header.
    fn specific(self) -> [u8; 3] {
        match self {
            Self::IccPowerOn(voltage) => [voltage.power_select(), 0, 0],
            Self::XfrBlock {
                block_waiting,
                level_parameter,
            }
            | Self::Secure {
                block_waiting,
                level_parameter,
            } => {
                let [low, high] = level_parameter.to_le_bytes();
                [block_waiting, low, high]
            }
            Self::SetParameters(protocol) => [protocol, 0, 0],
            Self::IccClock(stop) => [u8::from(stop), 0, 0],
            Self::T0Apdu {
                changes,
                get_response,
                envelope,
            } => [changes, get_response, envelope],
            Self::Mechanical(function) => [function, 0, 0],
            Self::IccPowerOff
            | Self::GetSlotStatus
            | Self::GetParameters
            | Self::ResetParameters
            | Self::Escape
            | Self::Abort
            | Self::SetDataRateAndClockFrequency => [0; 3],
        }
    }

    /// The kind of message that answers this one.
    #[must_use]
    pub fn response_kind(self) -> ResponseKind {
        match self {
            Self::IccPowerOn(_) | Self::XfrBlock { .. } | Self::Secure { .. } => ResponseKind::DataBlock,
            Self::GetParameters | Self::ResetParameters | Self::SetParameters(_) => ResponseKind::Parameters,
            Self::Escape => ResponseKind::Escape,
            Self::SetDataRateAndClockFrequency => ResponseKind::DataRateAndClockFrequency,
            Self::IccPowerOff
            | Self::GetSlotStatus
            | Self::IccClock(_)
            | Self::T0Apdu { .. }
            | Self::Mechanical(_)
            | Self::Abort => ResponseKind::SlotStatus,
        }
    }

    /// The header of this message with `data_len` bytes of data to follow.
    #[must_use]
    pub fn header(self, slot: u8, sequence: u8, data_len: u32) -> [u8; HEADER_LEN] {
        let [l0, l1, l2, l3] = data_len.to_le_bytes();
        let [s0, s1, s2] = self.specific();
        [self.message_type(), l0, l1, l2, l3, slot, sequence, s0, s1, s2]
    }

    /// Writes the whole message to the start of `buffer` and returns its length, or `None` if it does not fit.
    #[must_use]
    pub fn encode(self, slot: u8, sequence: u8, data: &[u8], buffer: &mut [u8]) -> Option<usize> {
        let header = self.header(slot, sequence, u32::try_from(data.len()).ok()?);
        let len = HEADER_LEN.checked_add(data.len())?;
        let (head, body) = buffer.get_mut(..len)?.split_at_mut(HEADER_LEN);
        head.copy_from_slice(&header);
        body.copy_from_slice(data);
        Some(len)
    }
}

/// `bMessageType` of a `RDR_to_PC` message.
// CCID 1.1 §6.2
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseKind {
    /// 80.
    DataBlock,
    /// 81.
    SlotStatus,
    /// 82.
    Parameters,
    /// 83.
    Escape,
    /// 84.
    DataRateAndClockFrequency,
    /// Anything else.
    Other(u8),
}

impl From<u8> for ResponseKind {
    fn from(message_type: u8) -> Self {
        match message_type {
            0x80 => Self::DataBlock,
            0x81 => Self::SlotStatus,
            0x82 => Self::Parameters,
            0x83 => Self::Escape,
            0x84 => Self::DataRateAndClockFrequency,
            0x00..=0x7F | 0x85..=0xFF => Self::Other(message_type),
        }
    }
}

/// `bmICCStatus`: what is in the slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(alias = "bmICCStatus")]
pub enum IccStatus {
    /// A card is there and powered.
    Active,
    /// A card is there and not powered.
    Inactive,
    /// No card; also the reserved value 3.
    Absent,
}

impl IccStatus {
    /// From the lower two bits of a status byte.
    pub(super) fn from_bits(status: u8) -> Self {
        match status & 0x03 {
            0 => Self::Active,
            1 => Self::Inactive,
            _ => Self::Absent,
        }
    }
}

/// `bmCommandStatus`: how the command went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(alias = "bmCommandStatus")]
pub enum CommandStatus {
    /// Processed without error; also the reserved value 3.
    Processed,
    /// Failed; `bError` says why.
    Failed,
    /// Still at work, the real answer follows; `bError` is a multiplier of the waiting time.
    TimeExtension,
}

/// Header of a `RDR_to_PC` message, decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// `bMessageType`.
    pub kind: ResponseKind,
    /// `dwLength`: bytes after the header, as the reader claims.
    pub data_len: u32,
    /// `bSlot`.
    pub slot: u8,
    /// `bSeq`.
    pub sequence: u8,
    /// `bStatus`, bits 0 and 1.
    pub icc: IccStatus,
    /// `bStatus`, bits 6 and 7.
    pub command: CommandStatus,
    /// `bError`; meaningful only as the command status says.
    pub error: u8,
    /// Byte 9: `bChainParameter`, `bClockStatus` or `bProtocolNum`.
    pub specific: u8,
}

impl Header {
    /// Decodes the first ten bytes; `None` if there are fewer.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let &[kind, l0, l1, l2, l3, slot, sequence, status, error, specific, ..] = bytes else {
            return None;
        };
        Some(Self {
            kind: ResponseKind::from(kind),
            data_len: u32::from_le_bytes([l0, l1, l2, l3]),
            slot,
            sequence,
            icc: IccStatus::from_bits(status),
            command: match status >> 6 {
                1 => CommandStatus::Failed,
                2 => CommandStatus::TimeExtension,
                _ => CommandStatus::Processed,
            },
            error,
            specific,
        })
    }

    /// Why the command failed; `None` if it did not.
    #[must_use]
    pub fn slot_error(&self) -> Option<SlotError> {
        (self.command == CommandStatus::Failed).then(|| SlotError::from(self.error))
    }
}

/// A whole `RDR_to_PC` message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Response<'a> {
    /// `bMessageType`.
    pub kind: ResponseKind,
    /// `bSlot`.
    pub slot: u8,
    /// `bSeq`.
    pub sequence: u8,
    /// What is in the slot.
    pub icc: IccStatus,
    /// How the command went.
    pub command: CommandStatus,
    /// `bError`; meaningful only as the command status says.
    pub error: u8,
    /// Byte 9: `bChainParameter`, `bClockStatus` or `bProtocolNum`.
    pub specific: u8,
    /// The data.
    pub data: &'a [u8],
}

impl<'a> Response<'a> {
    /// Decodes a message; `None` unless `bytes` is exactly as long as its header says.
    #[must_use]
    pub fn decode(bytes: &'a [u8]) -> Option<Self> {
        let header = Header::decode(bytes)?;
        let data = bytes.get(HEADER_LEN..)?;
        if usize::try_from(header.data_len).ok()? != data.len() {
            return None;
        }
        let Header {
            kind,
            data_len: _,
            slot,
            sequence,
            icc,
            command,
            error,
            specific,
        } = header;
        Some(Self {
            kind,
            slot,
            sequence,
            icc,
            command,
            error,
            specific,
            data,
        })
    }

    /// Why the command failed; `None` if it did not.
    #[must_use]
    pub fn slot_error(&self) -> Option<SlotError> {
        (self.command == CommandStatus::Failed).then(|| SlotError::from(self.error))
    }
}

/// Protocol parameters as a reader reports or takes them.
// CCID 1.1 §6.2.3
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameters {
    /// `bProtocolNum`: 0 or 1.
    pub protocol: u8,
    bytes: [u8; 7],
    len: u8,
}

impl Parameters {
    /// Takes 5 bytes for T=0 or 7 for T=1 (what is beyond is dropped).
    #[must_use]
    pub fn new(protocol: u8, data: &[u8]) -> Self {
        let mut bytes = [0; 7];
        let mut len = 0;
        for (to, from) in bytes.iter_mut().zip(data) {
            *to = *from;
            len += 1;
        }
        Self { protocol, bytes, len }
    }

    /// `abProtocolDataStructure`.
    #[must_use]
    pub fn data(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }
}

#[cfg(test)]
#[path = "tests/message.rs"]
mod tests;
