//! Text in the code page of the system, which differs from ASCII only above 127.

#![allow(unsafe_code, reason = "MultiByteToWideChar, WideCharToMultiByte")]

use windows_sys::Win32::Globalization::{CP_ACP, MB_ERR_INVALID_CHARS, MultiByteToWideChar, WideCharToMultiByte};

/// To UTF-8. What is no text stays as it is, and so is nobody's name.
pub(super) fn decode(bytes: Vec<u8>) -> Vec<u8> {
    if bytes.is_ascii() {
        return bytes;
    }
    wide(&bytes).map_or(bytes, |units| String::from_utf16_lossy(&units).into_bytes())
}

fn wide(bytes: &[u8]) -> Option<Vec<u16>> {
    let len = i32::try_from(bytes.len()).ok()?;
    // A unit for each byte is as many as there can be.
    let mut units = vec![0_u16; bytes.len()];
    // SAFETY: `bytes` is readable and `units` writable for `len` elements.
    let count = unsafe {
        MultiByteToWideChar(
            CP_ACP,
            MB_ERR_INVALID_CHARS,
            bytes.as_ptr(),
            len,
            units.as_mut_ptr(),
            len,
        )
    };
    units.truncate(usize::try_from(count).ok().filter(|count| *count > 0)?);
    Some(units)
}

/// From UTF-8; a letter that the code page lacks becomes its substitute.
pub(super) fn encode(text: &str, bytes: &mut Vec<u8>) {
    if text.is_ascii() {
        bytes.extend_from_slice(text.as_bytes());
    } else {
        bytes.extend(narrow(text).unwrap_or_default());
    }
}

fn narrow(text: &str) -> Option<Vec<u8>> {
    let units: Vec<u16> = text.encode_utf16().collect();
    let len = i32::try_from(units.len()).ok()?;
    // No code page has more than four bytes for a unit.
    let mut bytes = vec![0_u8; units.len() * 4];
    let room = i32::try_from(bytes.len()).ok()?;
    // SAFETY: `units` is readable for `len` units, `bytes` writable for `room` bytes; no substitute of ours is given.
    let count = unsafe {
        WideCharToMultiByte(
            CP_ACP,
            0,
            units.as_ptr(),
            len,
            bytes.as_mut_ptr(),
            room,
            std::ptr::null(),
            std::ptr::null_mut(),
        )
    };
    bytes.truncate(usize::try_from(count).ok().filter(|count| *count > 0)?);
    Some(bytes)
}
