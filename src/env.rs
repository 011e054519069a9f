//! Environment variables, ignored in programs that run with more rights than their caller.

#![allow(unsafe_code, reason = "getauxval(3)")]

use std::ffi::OsString;

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

/// The question that `secure_getenv` asks.
#[cfg(target_os = "linux")]
fn has_extra_rights() -> bool {
    // SAFETY: no precondition.
    unsafe { libc::getauxval(libc::AT_SECURE) != 0 }
}

/// Set-uid or set-gid.
#[cfg(not(target_os = "linux"))]
fn has_extra_rights() -> bool {
    // SAFETY: no precondition.
    let (user, effective_user) = (unsafe { libc::getuid() }, unsafe { libc::geteuid() });
    // SAFETY: no precondition.
    let (group, effective_group) = (unsafe { libc::getgid() }, unsafe { libc::getegid() });
    user != effective_user || group != effective_group
}
