//! Environment variables, ignored in programs that run with more rights than their caller.

#![allow(unsafe_code, reason = "secure_getenv(3)")]

use std::ffi::CStr;

/// The variable's value, if it is set, is UTF-8, and the program is not setuid, setgid or privileged by its file.
pub(crate) fn var(name: &CStr) -> Option<String> {
    // SAFETY: the name is NUL-terminated; the result is null or a string that lives until the environment changes.
    let value = unsafe { libc::secure_getenv(name.as_ptr()) };
    if value.is_null() {
        return None;
    }
    // SAFETY: not null, so NUL-terminated; copied at once.
    let value = unsafe { CStr::from_ptr(value) };
    value.to_str().ok().map(str::to_owned)
}
