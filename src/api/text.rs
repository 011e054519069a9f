//! `pcsc_stringify_error`.
#![allow(unsafe_code, reason = "exported C symbol")]

use std::cell::UnsafeCell;
use std::ffi::{CStr, c_char};
use std::io::Write as _;

use super::constants::SCARD_S_SUCCESS;
use super::types::LONG;
use crate::error::Error;

/// Room for the text of an unknown code with 16 hexadecimal digits, and its NUL.
type Unknown = [u8; 40];

thread_local! {
    // No destructor, so it can be used until the very end of the thread.
    static UNKNOWN: UnsafeCell<Unknown> = const { UnsafeCell::new([0; 40]) };
}

/// The text for a result code, for people.
///
/// # Parameters
/// - `pcscError`: a result code, as a function returned it.
/// # Returns
/// A string with NUL. For a code without a text it is `Unknown error: 0x…`, and stays valid until the thread's next call or end.
/// # Blocking
/// Never; allocates nothing.
/// # Differences
/// In pcsc-lite every text is overwritten by the thread's next call. Windows has no such function.
/// # Source
/// pcsc-lite 2.5.1 error.c `pcsc_stringify_error`.
#[cfg_attr(unix, unsafe(no_mangle))]
pub extern "C" fn pcsc_stringify_error(pcscError: LONG) -> *const c_char {
    match known(pcscError) {
        Some(text) => text.as_ptr(),
        None => UNKNOWN.with(|buffer| {
            write_unknown(buffer, pcscError);
            buffer.get().cast_const().cast()
        }),
    }
}

fn known(code: LONG) -> Option<&'static CStr> {
    if code == SCARD_S_SUCCESS {
        return Some(c"Command successful.");
    }
    Error::ALL.iter().find(|error| error.to_long() == code)?.text_with_nul()
}

/// Writes the text and its NUL. The bytes behind are 0 from the start, and a text is never longer than one of a negative code.
fn write_unknown(buffer: &UnsafeCell<Unknown>, code: LONG) {
    let mut text: Unknown = [0; 40];
    if write!(&mut text[..39], "Unknown error: 0x{code:08X}").is_err() {
        text = [0; 40];
    }
    // SAFETY: the cell is the thread's own, and no reference to its content exists anywhere.
    unsafe { buffer.get().write(text) };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(code: LONG) -> String {
        // SAFETY: the function returns a string with NUL that lives until the next call.
        unsafe { CStr::from_ptr(pcsc_stringify_error(code)) }
            .to_string_lossy()
            .into_owned()
    }

    #[test]
    fn known_codes_have_pcsc_lites_texts() {
        assert_eq!(text(0), "Command successful.");
        assert_eq!(text(Error::NoService.to_long()), "Service not available.");
        assert_eq!(text(Error::UnsupportedFeature.to_long()), "Feature not supported.");
        assert_eq!(text(Error::SecurityViolation.to_long()), "Access denied.");
    }

    #[test]
    fn other_codes_are_shown_as_they_are() {
        assert_eq!(text(1), "Unknown error: 0x00000001");
        assert_eq!(text(Error::Shutdown.to_long()), "Unknown error: 0x80100018");
        #[cfg(target_pointer_width = "64")]
        assert_eq!(text(-0x7FEF_FFFD), "Unknown error: 0xFFFFFFFF80100003");
        // A shorter text after a longer one.
        assert_eq!(text(2), "Unknown error: 0x00000002");
    }
}
