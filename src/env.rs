//! Environment variables, ignored in programs that run with more rights than their caller.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

use std::ffi::OsString;

#[cfg(unix)]
use unix::has_extra_rights;
#[cfg(windows)]
use windows::has_extra_rights;

/// The variable's value, unless the program is setuid, setgid or privileged by its file.
pub(crate) fn var_os(name: &str) -> Option<OsString> {
    if has_extra_rights() {
        None
    } else {
        std::env::var_os(name)
    }
}

/// As [`var_os`], for values that are text.
pub(crate) fn var(name: &str) -> Option<String> {
    var_os(name)?.into_string().ok()
}
