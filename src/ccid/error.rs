//! What can go wrong between host and reader.

use crate::usb;
use std::fmt;

/// Result of a CCID operation.
pub type Result<T> = std::result::Result<T, Error>;

/// A failed CCID operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The USB layer failed; never with [`usb::ErrorKind::Timeout`], which becomes [`Error::Timeout`].
    Usb(usb::Error),
    /// The reader did not answer in the time allowed, time extensions included.
    Timeout,
    /// The reader broke the protocol; the text says how.
    Protocol(&'static str),
    /// The interface has no usable class descriptor or endpoints; the text says why.
    Descriptor(&'static str),
    /// The reader answered that the command failed.
    Slot(SlotError),
    /// There is no card in the slot.
    NoCard,
    /// There is a card, but it is not powered: it was swapped, or somebody powered it off.
    CardInactive,
    /// The slot number is beyond those of the reader.
    NoSuchSlot,
    /// The command does not fit the reader's exchange level or message length. Nothing was sent.
    CommandTooLong,
    /// This way of exchanging is not available on this reader; the text says which. Nothing was sent.
    LevelUnsupported(&'static str),
}

impl Error {
    /// Whether the reader has left the bus.
    #[must_use]
    pub fn is_disconnected(&self) -> bool {
        matches!(self, Self::Usb(error) if error.kind == usb::ErrorKind::Disconnected)
    }

    /// Whether somebody else has claimed the interface.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        matches!(self, Self::Usb(error) if error.kind == usb::ErrorKind::Busy)
    }

    /// Whether host and reader may now disagree on what was asked and answered, so that the pipe needs a resync. Not
    /// so if the reader is gone, or not ours, or was never asked, or gave a well-formed refusal.
    pub(crate) fn needs_resync(&self) -> bool {
        match self {
            Self::Usb(error) => matches!(
                error.kind,
                usb::ErrorKind::Timeout | usb::ErrorKind::Stall | usb::ErrorKind::Overflow | usb::ErrorKind::Other
            ),
            Self::Timeout | Self::Protocol(_) => true,
            Self::Descriptor(_)
            | Self::Slot(_)
            | Self::NoCard
            | Self::CardInactive
            | Self::NoSuchSlot
            | Self::CommandTooLong
            | Self::LevelUnsupported(_) => false,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usb(error) => write!(f, "USB: {error}"),
            Self::Timeout => f.write_str("the reader did not answer in time"),
            Self::Protocol(what) => write!(f, "the reader broke the CCID protocol: {what}"),
            Self::Descriptor(what) => write!(f, "not a usable CCID interface: {what}"),
            Self::Slot(error) => write!(f, "the reader reports: {error}"),
            Self::NoCard => f.write_str("no card in the slot"),
            Self::CardInactive => f.write_str("the card is not powered"),
            Self::NoSuchSlot => f.write_str("the reader has no such slot"),
            Self::CommandTooLong => f.write_str("command too long for this reader"),
            Self::LevelUnsupported(what) => write!(f, "exchange not supported: {what}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Usb(error) => Some(error),
            Self::Slot(error) => Some(error),
            Self::Timeout
            | Self::Protocol(_)
            | Self::Descriptor(_)
            | Self::NoCard
            | Self::CardInactive
            | Self::NoSuchSlot
            | Self::CommandTooLong
            | Self::LevelUnsupported(_) => None,
        }
    }
}

impl From<usb::Error> for Error {
    fn from(error: usb::Error) -> Self {
        if error.kind == usb::ErrorKind::Timeout {
            Self::Timeout
        } else {
            Self::Usb(error)
        }
    }
}

impl From<SlotError> for Error {
    fn from(error: SlotError) -> Self {
        Self::Slot(error)
    }
}

/// `bError` of an answer whose command status is "failed"; in any other answer the byte means nothing.
// CCID 1.1 §6.2.6, table 6.2-2
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[doc(alias = "bError")]
pub enum SlotError {
    /// 00: command not supported.
    CommandNotSupported,
    /// 01 to 7F: offset of the message byte the reader objects to.
    BadField(u8),
    /// 81 to C0: the vendor's own.
    Vendor(u8),
    /// E0: the slot is busy with another command.
    SlotBusy,
    /// EF: the user cancelled PIN entry.
    PinCancelled,
    /// F0: the user did not enter the PIN in time.
    PinTimeout,
    /// F2: an automatic sequence is going on.
    BusyAutoSequence,
    /// F3: the protocol was deactivated.
    DeactivatedProtocol,
    /// F4: procedure byte conflict.
    ProcedureByteConflict,
    /// F5: the card's class is not supported.
    ClassNotSupported,
    /// F6: the card's protocol is not supported.
    ProtocolNotSupported,
    /// F7: wrong check byte of the ATR.
    BadTck,
    /// F8: wrong initial byte of the ATR.
    BadTs,
    /// FB: hardware error.
    Hardware,
    /// FC: overrun while talking to the card.
    Overrun,
    /// FD: parity error while talking to the card.
    Parity,
    /// FE: the card is mute or absent.
    Mute,
    /// FF: aborted.
    Aborted,
    /// A value the class does not define.
    Other(u8),
}

impl From<u8> for SlotError {
    fn from(code: u8) -> Self {
        match code {
            0x00 => Self::CommandNotSupported,
            0x01..=0x7F => Self::BadField(code),
            0x81..=0xC0 => Self::Vendor(code),
            0xE0 => Self::SlotBusy,
            0xEF => Self::PinCancelled,
            0xF0 => Self::PinTimeout,
            0xF2 => Self::BusyAutoSequence,
            0xF3 => Self::DeactivatedProtocol,
            0xF4 => Self::ProcedureByteConflict,
            0xF5 => Self::ClassNotSupported,
            0xF6 => Self::ProtocolNotSupported,
            0xF7 => Self::BadTck,
            0xF8 => Self::BadTs,
            0xFB => Self::Hardware,
            0xFC => Self::Overrun,
            0xFD => Self::Parity,
            0xFE => Self::Mute,
            0xFF => Self::Aborted,
            0x80 | 0xC1..=0xDF | 0xE1..=0xEE | 0xF1 | 0xF9 | 0xFA => Self::Other(code),
        }
    }
}

impl SlotError {
    /// The byte on the wire.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::CommandNotSupported => 0x00,
            Self::BadField(code) | Self::Vendor(code) | Self::Other(code) => code,
            Self::SlotBusy => 0xE0,
            Self::PinCancelled => 0xEF,
            Self::PinTimeout => 0xF0,
            Self::BusyAutoSequence => 0xF2,
            Self::DeactivatedProtocol => 0xF3,
            Self::ProcedureByteConflict => 0xF4,
            Self::ClassNotSupported => 0xF5,
            Self::ProtocolNotSupported => 0xF6,
            Self::BadTck => 0xF7,
            Self::BadTs => 0xF8,
            Self::Hardware => 0xFB,
            Self::Overrun => 0xFC,
            Self::Parity => 0xFD,
            Self::Mute => 0xFE,
            Self::Aborted => 0xFF,
        }
    }
}

impl fmt::Display for SlotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::CommandNotSupported => "command not supported",
            Self::BadField(offset) => return write!(f, "bad message byte at offset {offset}"),
            Self::Vendor(_) => "vendor-specific error",
            Self::SlotBusy => "slot busy",
            Self::PinCancelled => "PIN entry cancelled",
            Self::PinTimeout => "PIN entry timed out",
            Self::BusyAutoSequence => "busy with an automatic sequence",
            Self::DeactivatedProtocol => "protocol deactivated",
            Self::ProcedureByteConflict => "procedure byte conflict",
            Self::ClassNotSupported => "card class not supported",
            Self::ProtocolNotSupported => "card protocol not supported",
            Self::BadTck => "wrong TCK in the ATR",
            Self::BadTs => "wrong TS in the ATR",
            Self::Hardware => "hardware error",
            Self::Overrun => "overrun on the card's line",
            Self::Parity => "parity error on the card's line",
            Self::Mute => "card mute or absent",
            Self::Aborted => "command aborted",
            Self::Other(_) => "undefined error",
        };
        write!(f, "{text} (bError {:02X})", self.code())
    }
}

impl std::error::Error for SlotError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_byte_survives_the_round_trip() {
        for code in 0..=u8::MAX {
            assert_eq!(SlotError::from(code).code(), code);
        }
    }

    #[test]
    fn usb_timeout_becomes_timeout_and_other_kinds_stay() {
        let error = |kind| usb::Error {
            kind,
            errno: 0,
            what: "bulk IN",
        };
        assert_eq!(Error::from(error(usb::ErrorKind::Timeout)), Error::Timeout);
        let stall = error(usb::ErrorKind::Stall);
        assert_eq!(Error::from(stall), Error::Usb(stall));
    }

    #[test]
    fn only_a_pipe_out_of_step_needs_a_resync() {
        let usb = |kind| {
            Error::from(usb::Error {
                kind,
                errno: 0,
                what: "bulk IN",
            })
        };
        for kind in [
            usb::ErrorKind::Timeout,
            usb::ErrorKind::Stall,
            usb::ErrorKind::Overflow,
            usb::ErrorKind::Other,
        ] {
            assert!(usb(kind).needs_resync(), "{kind:?}");
        }
        for kind in [
            usb::ErrorKind::Disconnected,
            usb::ErrorKind::Busy,
            usb::ErrorKind::NoAccess,
            usb::ErrorKind::NoMemory,
        ] {
            assert!(!usb(kind).needs_resync(), "{kind:?}");
        }
        assert!(!Error::Slot(SlotError::Mute).needs_resync());
        assert!(Error::Protocol("x").needs_resync());
    }
}
