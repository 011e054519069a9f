//! The smart card system as a whole: whether it has started, and its log.
#![allow(unsafe_code, reason = "exported C functions")]

use super::types::{DWORD, HANDLE, LONG, SCARDCONTEXT};
use crate::ffi::{self, low_word};
use crate::{audit, context, started};

/// Gives something to wait for until the smart card system has started. It always has: the wait ends at once.
///
/// # Returns
/// The same for every call until [`SCardReleaseStartedEvent`] has been called as often; null if none can be had. On Unix it is
/// the number of a descriptor, which `poll` reports as readable; it must be neither read nor closed.
/// # Blocking
/// Never.
/// # Differences
/// On Windows it is the handle of an event object. pcsc-lite has no such function.
/// # Source
/// MSDN `SCardAccessStartedEvent`.
#[unsafe(no_mangle)]
pub extern "system" fn SCardAccessStartedEvent() -> HANDLE {
    let mut handle = std::ptr::null_mut();
    ffi::entry("SCardAccessStartedEvent", || {
        handle = started::access()?;
        Ok(())
    });
    handle
}

/// Gives back what [`SCardAccessStartedEvent`] gave; the last one closes it.
///
/// # Blocking
/// Never.
/// # Differences
/// pcsc-lite has no such function.
/// # Source
/// MSDN `SCardReleaseStartedEvent`.
#[unsafe(no_mangle)]
pub extern "system" fn SCardReleaseStartedEvent() {
    ffi::entry("SCardReleaseStartedEvent", || {
        started::release();
        Ok(())
    });
}

/// Writes to the system's log that a card holder was verified, or was not.
///
/// # Parameters
/// - `hContext`: from [`SCardEstablishContext`](super::context::SCardEstablishContext).
/// - `dwEvent`: `SCARD_AUDIT_CHV_FAILURE` or `SCARD_AUDIT_CHV_SUCCESS`.
/// # Returns
/// | code | when |
/// |---|---|
/// | `SCARD_S_SUCCESS` | also if the system has no log |
/// | `SCARD_E_INVALID_HANDLE` | no context of this process |
/// | `SCARD_E_INVALID_VALUE` | no such event |
/// # Blocking
/// Never.
/// # Differences
/// On Unix the log is that of `syslog`, with facility `authpriv`: a line with program, process and user. pcsc-lite has no such
/// function.
/// # Source
/// MSDN `SCardAudit`.
#[unsafe(no_mangle)]
pub extern "system" fn SCardAudit(hContext: SCARDCONTEXT, dwEvent: DWORD) -> LONG {
    ffi::entry("SCardAudit", || {
        drop(context::get(hContext)?);
        audit::write(u32::try_from(low_word(dwEvent)).unwrap_or(u32::MAX))
    })
}
