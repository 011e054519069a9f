//! Whether a program runs with more rights than its user.

#![allow(unsafe_code, reason = "getauxval(3)")]

/// The question that `secure_getenv` asks.
#[cfg(target_os = "linux")]
pub(super) fn has_extra_rights() -> bool {
    // SAFETY: no precondition.
    unsafe { libc::getauxval(libc::AT_SECURE) != 0 }
}

/// Set-uid or set-gid.
#[cfg(not(target_os = "linux"))]
pub(super) fn has_extra_rights() -> bool {
    // SAFETY: no precondition.
    let (user, effective_user) = (unsafe { libc::getuid() }, unsafe { libc::geteuid() });
    // SAFETY: no precondition.
    let (group, effective_group) = (unsafe { libc::getgid() }, unsafe { libc::getegid() });
    user != effective_user || group != effective_group
}
