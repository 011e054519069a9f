//! What one function means on Windows, and what it means in pcsc-lite, where the two differ: each difference once, as a
//! constant or a function that the rest of the library asks. docs/platforms.md has a row for each.
//!
//! Sizes of types are in [`crate::api::types`]; which names are exported, in `winscard.def`.

use crate::api::types::DWORD;
use crate::arbiter::record::{CardState, Slot};
use crate::error::Error;

/// Whether it is Windows whose rules count.
const WINDOWS: bool = cfg!(windows);

/// Values of `pdwState` in `SCardStatus`: an enumeration on Windows, a bit field in pcsc-lite.
pub(crate) mod state {
    use super::WINDOWS;
    use crate::api::types::DWORD;

    const fn pick(windows: DWORD, pcsc_lite: DWORD) -> DWORD {
        if WINDOWS { windows } else { pcsc_lite }
    }

    pub(crate) const UNKNOWN: DWORD = pick(0, 0x01);
    pub(crate) const ABSENT: DWORD = pick(1, 0x02);
    pub(crate) const PRESENT: DWORD = pick(2, 0x04);
    pub(crate) const SWALLOWED: DWORD = pick(3, 0x08);
    pub(crate) const POWERED: DWORD = pick(4, 0x10);
    pub(crate) const NEGOTIABLE: DWORD = pick(5, 0x20);
    pub(crate) const SPECIFIC: DWORD = pick(6, 0x40);
}

/// The state word of `SCardStatus`. On Windows one state; in pcsc-lite bits, and the event counter in the upper half.
pub(crate) fn state_word(slot: &Slot) -> u32 {
    if WINDOWS {
        low(state_on_windows(slot))
    } else {
        (u32::from(slot.moves) << 16) | low(bits_of_pcsc_lite(slot.state))
    }
}

/// MSDN `SCardStatus`.
fn state_on_windows(slot: &Slot) -> DWORD {
    match slot.state {
        CardState::Unknown | CardState::Failed => state::UNKNOWN,
        CardState::Absent => state::ABSENT,
        // In position, without power.
        CardState::Inserted | CardState::Unpowered | CardState::Mute => state::SWALLOWED,
        CardState::Powered | CardState::Dormant if slot.protocol == 0 => state::NEGOTIABLE,
        CardState::Powered | CardState::Dormant => state::SPECIFIC,
    }
}

fn bits_of_pcsc_lite(card: CardState) -> DWORD {
    match card {
        CardState::Unknown | CardState::Failed => state::UNKNOWN,
        CardState::Absent => state::ABSENT,
        CardState::Inserted | CardState::Unpowered => state::PRESENT,
        // SPECIFIC is never reported, and NEGOTIABLE stays after the protocol is chosen.
        CardState::Powered | CardState::Dormant => state::PRESENT | state::POWERED | state::NEGOTIABLE,
        CardState::Mute => state::PRESENT | state::SWALLOWED,
    }
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::unnecessary_cast,
    trivial_numeric_casts,
    reason = "far below 2^32"
)]
const fn low(word: DWORD) -> u32 {
    word as u32
}

/// The number of an error. `SCARD_E_UNSUPPORTED_FEATURE` is 0x80100022 on Windows; pcsc-lite gives it the value that
/// `SCARD_E_UNEXPECTED` has on both.
pub(crate) const fn error_number(pcsc_lite: u32) -> u32 {
    if WINDOWS && pcsc_lite == 0x8010_001F {
        0x8010_0022
    } else {
        pcsc_lite
    }
}

/// `SCARD_CTL_CODE(code)`: Windows' `CTL_CODE(FILE_DEVICE_SMARTCARD, code, METHOD_BUFFERED, FILE_ANY_ACCESS)`.
#[must_use]
pub(crate) const fn control_code(code: DWORD) -> DWORD {
    if WINDOWS {
        0x0031_0000 | code << 2
    } else {
        0x4200_0000 + code
    }
}

/// The function number of a command to the reader itself: that of Windows' own CCID driver, or that of libccid.
pub(crate) const ESCAPE_FUNCTION: DWORD = if WINDOWS { 3500 } else { 1 };

/// The function number under which a PIN pad feature is reached. Programs learn it from the list of features, so only its
/// room matters: 12 bits on Windows, where vendors' begin at 0x800; libccid has 0x330000.
pub(crate) const FIRST_FEATURE_FUNCTION: DWORD = if WINDOWS { 0x800 } else { 0x0033_0000 };

/// Whether `SCARD_SHARE_DIRECT` keeps everybody else from the reader, and reports no protocol. MSDN `SCardConnect`; in
/// pcsc-lite it shares the reader and reports the protocol in use.
pub(crate) const DIRECT_IS_EXCLUSIVE: bool = WINDOWS;

/// Whether `SCardReconnect` ends the caller's transactions; in pcsc-lite they go on.
pub(crate) const RECONNECT_ENDS_TRANSACTIONS: bool = WINDOWS;

/// Whether `SCARD_EJECT_CARD` switches the card off, as a step towards taking it out that every reader can do. pcsc-lite
/// ignores it in `SCardDisconnect` and refuses it in `SCardEndTransaction`.
pub(crate) const EJECT_UNPOWERS: bool = WINDOWS;

/// The error of calls on a connection whose reader was unplugged, other than `SCardStatus`.
pub(crate) const READER_GONE: Error = if WINDOWS {
    Error::ReaderUnavailable
} else {
    Error::InvalidValue
};

/// The error of `SCardConnect` for a card that does not answer to reset. MSDN: "not responding to a reset".
pub(crate) const MUTE_CARD: Error = if WINDOWS {
    Error::UnresponsiveCard
} else {
    Error::UnpoweredCard
};

/// Whether `SCardReconnect` takes null for `pdwActiveProtocol`, which MSDN calls optional.
pub(crate) const ACTIVE_PROTOCOL_IS_OPTIONAL: bool = WINDOWS;

/// Whether `SCardFreeMemory` takes 0 for a context, for memory that a function without one has allocated.
pub(crate) const MEMORY_NEEDS_NO_CONTEXT: bool = WINDOWS;

#[cfg(test)]
mod tests {
    use super::*;

    /// Behaviour reference §2.1 on Unix, MSDN `SCardStatus` on Windows.
    #[test]
    fn the_state_of_a_card_is_in_the_platforms_words() {
        let word = |state, protocol, moves| {
            state_word(&Slot {
                state,
                protocol,
                moves,
                ..Slot::default()
            })
        };
        let words = [
            word(CardState::Powered, 2, 2),
            word(CardState::Dormant, 0, 0),
            word(CardState::Absent, 0, 1),
            word(CardState::Mute, 0, 0),
            word(CardState::Unpowered, 0, 0),
            word(CardState::Failed, 0, 0),
        ];
        let expected = if WINDOWS {
            [6, 5, 1, 3, 3, 0]
        } else {
            [0x2_0034, 0x34, 0x1_0002, 0xC, 4, 1]
        };
        assert_eq!(words, expected);
    }

    /// Windows' headers: SCARD_CTL_CODE(3400) is 0x313520; pcsc-lite's: 0x42000D48.
    #[test]
    fn numbers_are_the_platforms() {
        assert_eq!(control_code(3400), if WINDOWS { 0x0031_3520 } else { 0x4200_0D48 });
        let unsupported = if WINDOWS { 0x8010_0022 } else { 0x8010_001F };
        assert_eq!(Error::UnsupportedFeature.code(), unsupported);
        assert_eq!(error_number(0x8010_0001), 0x8010_0001);
    }
}
