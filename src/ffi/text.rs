//! Strings of the caller in the two forms that functions have: `A` (bytes) and `W` (UTF-16). Inside there is only UTF-8.

use std::ffi::c_char;

use super::{Output, Short, length, store};
use crate::api::types::{DWORD, LPDWORD};
use crate::error::{Error, Result};

/// Longest string that is looked at, in units; names have other, shorter limits.
const MAX_UNITS: usize = 4096;
/// Longest multi-string.
const MAX_MULTI_UNITS: usize = 1 << 16;

/// One unit of a C string.
pub trait Unit: Copy + PartialEq + std::fmt::Debug {
    /// What ends a string.
    const NUL: Self;

    /// The string as UTF-8. What is no text becomes bytes that are no UTF-8, and so nobody's name.
    fn decode(units: &[Self]) -> Vec<u8>;

    /// Adds the bytes, as they are in memory, of the units that the text has in this form.
    fn encode(text: &str, bytes: &mut Vec<u8>);

    /// Adds the bytes of a NUL.
    fn end(bytes: &mut Vec<u8>) {
        bytes.resize(bytes.len() + size_of::<Self>(), 0);
    }
}

impl Unit for c_char {
    const NUL: Self = 0;

    fn decode(units: &[Self]) -> Vec<u8> {
        narrow::decode(units.iter().map(|unit| u8::from_ne_bytes(unit.to_ne_bytes())).collect())
    }

    fn encode(text: &str, bytes: &mut Vec<u8>) {
        narrow::encode(text, bytes);
    }
}

/// The `A` form on Windows has the system's code page.
#[cfg(windows)]
#[path = "code_page.rs"]
mod narrow;

/// The `A` form is UTF-8, whatever the locale: reader names come from USB strings, and pcsc-lite hands them on so.
#[cfg(unix)]
mod narrow {
    pub(super) fn decode(bytes: Vec<u8>) -> Vec<u8> {
        bytes
    }

    pub(super) fn encode(text: &str, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(text.as_bytes());
    }
}

impl Unit for u16 {
    const NUL: Self = 0;

    fn decode(units: &[Self]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(units.len());
        for unit in char::decode_utf16(units.iter().copied()) {
            match unit {
                Ok(letter) => bytes.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes()),
                // Half a pair: a byte that UTF-8 never has.
                Err(_) => bytes.push(0xFF),
            }
        }
        bytes
    }

    fn encode(text: &str, bytes: &mut Vec<u8>) {
        for unit in text.encode_utf16() {
            bytes.extend_from_slice(&unit.to_ne_bytes());
        }
    }
}

/// A copy of the caller's units up to the NUL, which is left out; at most `max + 1`.
///
/// # Safety
/// `text` is valid for reading up to and including its NUL, or `max + 1` units. It need not be aligned.
unsafe fn units_in<U: Unit>(text: *const U, max: usize) -> Vec<U> {
    let mut units = Vec::new();
    for index in 0..=max {
        // SAFETY: no NUL came before, so by contract this unit is readable.
        let unit = unsafe { text.wrapping_add(index).read_unaligned() };
        if unit == U::NUL {
            break;
        }
        units.push(unit);
    }
    units
}

/// The caller's string in UTF-8. A result longer than `max` bytes is a string that is too long, cut off.
///
/// # Safety
/// `text` is valid for reading up to and including its NUL, or `max + 1` units.
pub unsafe fn bytes_of<U: Unit>(text: *const U, max: usize) -> Vec<u8> {
    // SAFETY: by contract.
    U::decode(&unsafe { units_in(text, max) })
}

/// The caller's string, which must be there.
///
/// # Errors
/// [`Error::InvalidParameter`] for null, [`Error::InvalidValue`] for what is no text or too long.
///
/// # Safety
/// `text` is null or a string.
pub unsafe fn string<U: Unit>(text: *const U) -> Result<String> {
    if text.is_null() {
        return Err(Error::InvalidParameter);
    }
    // SAFETY: not null, and a string by contract.
    let units = unsafe { units_in(text, MAX_UNITS) };
    if units.len() > MAX_UNITS {
        return Err(Error::InvalidValue);
    }
    String::from_utf8(U::decode(&units)).map_err(|_| Error::InvalidValue)
}

/// The strings of the caller's multi-string in UTF-8; `None` for null.
///
/// # Errors
/// [`Error::InvalidValue`] for one that does not end.
///
/// # Safety
/// `text` is null or a multi-string.
pub unsafe fn strings<U: Unit>(text: *const U) -> Result<Option<Vec<Vec<u8>>>> {
    if text.is_null() {
        return Ok(None);
    }
    let (mut strings, mut at) = (Vec::new(), 0);
    while at <= MAX_MULTI_UNITS {
        // SAFETY: the multi-string has not ended before this unit.
        let units = unsafe { units_in(text.wrapping_add(at), MAX_MULTI_UNITS) };
        if units.is_empty() {
            return Ok(Some(strings));
        }
        at += units.len() + 1;
        strings.push(U::decode(&units));
    }
    Err(Error::InvalidValue)
}

/// The string with its NUL, as it is in memory.
#[must_use]
pub fn encoded<U: Unit>(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    U::encode(text, &mut bytes);
    U::end(&mut bytes);
    bytes
}

/// The multi-string of these strings, as it is in memory.
#[must_use]
pub fn multi_encoded<U: Unit>(strings: &[String]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for text in strings {
        U::encode(text, &mut bytes);
        U::end(&mut bytes);
    }
    U::end(&mut bytes);
    bytes
}

/// How many objects of type `T` the bytes are, for the caller's length.
#[must_use]
pub fn count_of<T>(bytes: &[u8]) -> DWORD {
    length(bytes.len() / size_of::<T>())
}

/// Hands `bytes`, which are objects of type `T`, to the caller with their number: Microsoft's rules for such a pair. A null
/// buffer asks for the number only.
///
/// # Errors
/// [`Error::InvalidParameter`] for a null `count` or `SCARD_AUTOALLOCATE` with a null buffer; [`Error::InsufficientBuffer`], the
/// number being stored and nothing written; [`Error::NoMemory`].
///
/// # Safety
/// As [`Output::of`]; `count` is null or valid for writing.
pub unsafe fn hand_out<T>(buffer: *mut T, count: LPDWORD, bytes: &[u8]) -> Result<()> {
    if count.is_null() {
        return Err(Error::InvalidParameter);
    }
    // SAFETY: by contract.
    let output = unsafe { Output::of(buffer, count) };
    if output.is_allocation_without_target() {
        return Err(Error::InvalidParameter);
    }
    // SAFETY: not null, and valid for writing by contract.
    unsafe { store(count, count_of::<T>(bytes)) };
    output.write(bytes, Short::Nothing)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn wide(text: &str) -> Vec<u16> {
        text.encode_utf16().chain([0]).collect()
    }

    #[test]
    fn utf_16_in_and_out() {
        for text in ["", "Reader 00 00", "Lesegerät", "卡", "𝄞 clef"] {
            let units = wide(text);
            // SAFETY: a string with its NUL.
            assert_eq!(unsafe { string(units.as_ptr()) }.unwrap(), text);
            let bytes: Vec<u8> = units.iter().flat_map(|unit| unit.to_ne_bytes()).collect();
            assert_eq!(encoded::<u16>(text), bytes);
            assert_eq!(encoded::<c_char>(text), [text.as_bytes(), &[0]].concat());
        }
        // SAFETY: a string with its NUL.
        assert_eq!(unsafe { string(wide("x").as_ptr()) }, Ok("x".to_owned()));
    }

    #[test]
    fn half_a_pair_is_no_text_and_nobodys_name() {
        let units: [u16; 4] = [0x41, 0xD800, 0x42, 0];
        // SAFETY: a string with its NUL.
        assert_eq!(unsafe { string(units.as_ptr()) }, Err(Error::InvalidValue));
        // SAFETY: a string with its NUL.
        let bytes = unsafe { bytes_of(units.as_ptr(), 128) };
        assert!(String::from_utf8(bytes).is_err());
    }

    #[test]
    fn a_multi_string_ends_at_the_empty_string() {
        let units: Vec<u16> = "one\0two\0\0three\0\0".encode_utf16().collect();
        // SAFETY: a multi-string.
        let strings = unsafe { strings(units.as_ptr()) }.unwrap().unwrap();
        assert_eq!(strings, [b"one".to_vec(), b"two".to_vec()]);
        // SAFETY: null is allowed.
        assert_eq!(unsafe { super::strings::<u16>(std::ptr::null()) }, Ok(None));
        let list = ["one".to_owned(), "two".to_owned()];
        assert_eq!(multi_encoded::<c_char>(&list), b"one\0two\0\0");
        assert_eq!(multi_encoded::<u16>(&list).len(), 18);
        assert_eq!(multi_encoded::<c_char>(&[]), b"\0");
    }

    #[test]
    fn a_string_that_is_too_long_is_refused() {
        let units = wide(&"x".repeat(MAX_UNITS + 1));
        // SAFETY: a string with its NUL.
        assert_eq!(unsafe { string(units.as_ptr()) }, Err(Error::InvalidValue));
        // SAFETY: a string with its NUL.
        assert_eq!(unsafe { bytes_of(units.as_ptr(), 128) }.len(), 129);
    }
}
