//! The numbers of the interface in the words of its headers.

use crate::api::constants as c;
use crate::api::types::DWORD;

/// The name of the constant with this value among those that begin with `prefix`, without it.
fn constant(prefix: &str, value: DWORD) -> String {
    c::ALL
        .iter()
        .find_map(|(name, known)| name.strip_prefix(prefix).filter(|_| *known == value))
        .map_or_else(|| format!("{value:#x}"), str::to_owned)
}

/// The names of the bits that are set.
fn bits(value: DWORD, names: &[(DWORD, &str)]) -> String {
    let mut words: Vec<String> = Vec::new();
    let mut rest = value;
    for (bit, name) in names {
        if rest & bit == *bit {
            words.push((*name).to_owned());
            rest &= !bit;
        }
    }
    if rest != 0 {
        words.push(format!("{rest:#x}"));
    }
    words.join("|")
}

/// `SCARD_SCOPE_…`
#[must_use]
pub fn scope_words(value: DWORD) -> String {
    constant("SCARD_SCOPE_", value)
}

/// `SCARD_SHARE_…`
#[must_use]
pub fn share_words(value: DWORD) -> String {
    constant("SCARD_SHARE_", value)
}

/// What to do with the card: `SCARD_…_CARD`
#[must_use]
pub fn disposition_words(value: DWORD) -> String {
    match value {
        c::SCARD_LEAVE_CARD => "LEAVE_CARD".into(),
        c::SCARD_RESET_CARD => "RESET_CARD".into(),
        c::SCARD_UNPOWER_CARD => "UNPOWER_CARD".into(),
        c::SCARD_EJECT_CARD => "EJECT_CARD".into(),
        _ => format!("{value:#x}"),
    }
}

/// `SCARD_PROTOCOL_…`
#[must_use]
pub fn protocol_words(value: DWORD) -> String {
    if value == 0 {
        return "none".into();
    }
    let names = [
        (c::SCARD_PROTOCOL_T0, "T=0"),
        (c::SCARD_PROTOCOL_T1, "T=1"),
        (c::SCARD_PROTOCOL_RAW, "RAW"),
        (c::SCARD_PROTOCOL_T15, "T=15"),
    ];
    bits(value, &names)
}

/// `SCARD_ATTR_…`
#[must_use]
pub fn attribute_words(value: DWORD) -> String {
    constant("SCARD_ATTR_", value)
}

/// `SCARD_STATE_…`; the count of events in the upper half is told as a number.
#[must_use]
pub fn state_words(value: DWORD) -> String {
    let names = [
        (c::SCARD_STATE_IGNORE, "IGNORE"),
        (c::SCARD_STATE_CHANGED, "CHANGED"),
        (c::SCARD_STATE_UNKNOWN, "UNKNOWN"),
        (c::SCARD_STATE_UNAVAILABLE, "UNAVAILABLE"),
        (c::SCARD_STATE_EMPTY, "EMPTY"),
        (c::SCARD_STATE_PRESENT, "PRESENT"),
        (c::SCARD_STATE_ATRMATCH, "ATRMATCH"),
        (c::SCARD_STATE_EXCLUSIVE, "EXCLUSIVE"),
        (c::SCARD_STATE_INUSE, "INUSE"),
        (c::SCARD_STATE_MUTE, "MUTE"),
        (c::SCARD_STATE_UNPOWERED, "UNPOWERED"),
    ];
    let words = match bits(value & 0xFFFF, &names) {
        none if none.is_empty() => "UNAWARE".to_owned(),
        words => words,
    };
    match value >> 16 {
        0 => words,
        events => format!("{words} #{events}"),
    }
}

/// State of `SCardStatus`.
#[must_use]
pub fn card_state_words(value: DWORD) -> String {
    let names = [
        (c::SCARD_UNKNOWN, "UNKNOWN"),
        (c::SCARD_ABSENT, "ABSENT"),
        (c::SCARD_PRESENT, "PRESENT"),
        (c::SCARD_SWALLOWED, "SWALLOWED"),
        (c::SCARD_POWERED, "POWERED"),
        (c::SCARD_NEGOTIABLE, "NEGOTIABLE"),
        (c::SCARD_SPECIFIC, "SPECIFIC"),
    ];
    match value >> 16 {
        0 => bits(value, &names),
        events => format!("{} #{events}", bits(value & 0xFFFF, &names)),
    }
}

/// A control code.
pub(super) fn control_words(code: DWORD) -> String {
    const FEATURES: DWORD = c::scard_ctl_code(0x0033_0000);
    if code == c::scard_ctl_code(3400) || code == 0x0031_3520 {
        return "GET_FEATURE_REQUEST".into();
    }
    if code == c::scard_ctl_code(1) {
        return "ESCAPE".into();
    }
    if code == c::scard_ctl_code(3601) {
        return "USB_PATH".into();
    }
    match code.checked_sub(FEATURES) {
        Some(tag @ 1..=0xFF) => match constant("FEATURE_", tag) {
            number if number.starts_with("0x") => format!("{code:#x}"),
            name => name,
        },
        _ => format!("{code:#x}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_put_in_the_words_of_the_headers() {
        assert_eq!(share_words(c::SCARD_SHARE_EXCLUSIVE), "EXCLUSIVE");
        assert_eq!(share_words(99), "0x63");
        assert_eq!(scope_words(2), "SYSTEM");
        assert_eq!(protocol_words(3), "T=0|T=1");
        assert_eq!(state_words(0), "UNAWARE");
        assert_eq!(state_words(0x0003_0122), "CHANGED|PRESENT|INUSE #3");
        assert_eq!(card_state_words(0x34), "PRESENT|POWERED|NEGOTIABLE");
        assert_eq!(attribute_words(c::SCARD_ATTR_ATR_STRING), "ATR_STRING");
        assert_eq!(control_words(0x4233_0006), "VERIFY_PIN_DIRECT");
        assert_eq!(control_words(0x4200_0D48), "GET_FEATURE_REQUEST");
        assert_eq!(control_words(7), "0x7");
    }
}
