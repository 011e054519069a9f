//! Contexts: establish, release, check, cancel; and the memory of `SCARD_AUTOALLOCATE`.
#![allow(unsafe_code, reason = "exported C functions")]

use super::types::{DWORD, LONG, LPCVOID, LPSCARDCONTEXT, SCARDCONTEXT};
use crate::context::{self, Context};
use crate::error::{Error, Result};
use crate::trace::args::{Arg, Told, scope_words};
use crate::{ffi, logging, platform, trace};

/// Opens a context: what readers are listed and connected to through.
///
/// # Parameters
/// - `dwScope`: `SCARD_SCOPE_USER`, `_TERMINAL`, `_SYSTEM` or `_GLOBAL`. It says which entries of the reader and card database the
///   functions with an `A` or `W` form see and change, and means nothing to the others.
/// - `pvReserved1`, `pvReserved2`: ignored.
/// - `phContext`: gets the context, 0 on failure.
/// # Returns
/// | code | when |
/// |---|---|
/// | `SCARD_E_INVALID_PARAMETER` | `phContext` is null |
/// | `SCARD_E_INVALID_VALUE` | `dwScope` is none of the four |
/// | `SCARD_E_NO_MEMORY` | out of memory or descriptors, or 16 384 contexts are open |
/// # Blocking
/// Never.
/// # Differences
/// There is no service that could be missing: `SCARD_E_NO_SERVICE` does not occur, and pcsc-lite's limit of 200 contexts is gone.
/// Logging (`WINSCARD_LOG`) starts with the first call.
/// # Safety
/// Each pointer is null or valid as stated in [`crate::api`].
/// # Source
/// PC/SC part 5; pcsc-lite 2.5.1 winscard_clnt.c `SCardEstablishContext`; MSDN `SCardEstablishContext`.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn SCardEstablishContext(
    dwScope: DWORD,
    _pvReserved1: LPCVOID,
    _pvReserved2: LPCVOID,
    phContext: LPSCARDCONTEXT,
) -> LONG {
    ffi::install_panic_hook();
    logging::init();
    trace::init();
    let told = || {
        // SAFETY: this function's contract; pointers are used during the call only.
        unsafe {
            Told::new([
                Arg::Word("scope", dwScope, scope_words),
                Arg::HandleOut("context", phContext),
            ])
        }
    };
    ffi::traced("SCardEstablishContext", told, || {
        if phContext.is_null() {
            return Err(Error::InvalidParameter);
        }
        // SAFETY: this function's contract.
        unsafe { ffi::store(phContext, 0) };
        let value = ffi::handle(Context::establish(ffi::low_word(dwScope))?);
        // SAFETY: this function's contract.
        unsafe { ffi::store(phContext, value) };
        Ok(())
    })
}

/// Closes a context and every connection made through it.
///
/// # Parameters
/// - `hContext`: from [`SCardEstablishContext`].
/// # Returns
/// | code | when |
/// |---|---|
/// | `SCARD_E_INVALID_HANDLE` | no context of this process, or released before |
/// # Blocking
/// May wait for an exchange under way on one of its connections.
/// # Differences
/// A connection that holds a transaction or the card exclusively has the card reset, as with pcsc-lite.
/// # Source
/// PC/SC part 5; pcsc-lite 2.5.1 winscard_clnt.c `SCardReleaseContext`; MSDN `SCardReleaseContext`.
#[unsafe(no_mangle)]
pub extern "system" fn SCardReleaseContext(hContext: SCARDCONTEXT) -> LONG {
    let told = || {
        // SAFETY: there is no pointer among them.
        unsafe { Told::new([Arg::Handle("context", hContext)]) }
    };
    ffi::traced("SCardReleaseContext", told, || Context::release(ffi::value(hContext)?))
}

/// Says whether a context is open.
///
/// # Parameters
/// - `hContext`: any number.
/// # Returns
/// | code | when |
/// |---|---|
/// | `SCARD_E_INVALID_HANDLE` | no open context of this process |
/// # Blocking
/// Never.
/// # Differences
/// None to pcsc-lite. On Windows a context becomes invalid when the service stops; here there is none.
/// # Source
/// pcsc-lite 2.5.1 winscard_clnt.c `SCardIsValidContext`; MSDN `SCardIsValidContext`.
#[unsafe(no_mangle)]
pub extern "system" fn SCardIsValidContext(hContext: SCARDCONTEXT) -> LONG {
    let told = || {
        // SAFETY: there is no pointer among them.
        unsafe { Told::new([Arg::Handle("context", hContext)]) }
    };
    ffi::traced("SCardIsValidContext", told, || context::get(hContext).map(drop))
}

/// Makes the [`SCardGetStatusChange`](super::readers::SCardGetStatusChange) that waits in this context return `SCARD_E_CANCELLED`.
///
/// # Parameters
/// - `hContext`: from [`SCardEstablishContext`]; the same that the waiting thread uses.
/// # Returns
/// | code | when |
/// |---|---|
/// | `SCARD_S_SUCCESS` | also if nobody waits: then nothing happens, and the next wait is not cancelled |
/// | `SCARD_E_INVALID_HANDLE` | no context of this process |
/// # Blocking
/// Never, whatever other threads do.
/// # Differences
/// On Windows every blocking call of the context is cancelled.
/// # Source
/// PC/SC part 5; pcsc-lite 2.5.1 winscard_clnt.c `SCardCancel`; MSDN `SCardCancel`.
#[unsafe(no_mangle)]
pub extern "system" fn SCardCancel(hContext: SCARDCONTEXT) -> LONG {
    let told = || {
        // SAFETY: there is no pointer among them.
        unsafe { Told::new([Arg::Handle("context", hContext)]) }
    };
    ffi::traced("SCardCancel", told, || context::get(hContext)?.cancel())
}

/// Releases memory that a function allocated for a length of `SCARD_AUTOALLOCATE`.
///
/// # Parameters
/// - `hContext`: any open context.
/// - `pvMem`: the memory, or null. It comes from `malloc`; `free` is as good.
/// # Returns
/// | code | when |
/// |---|---|
/// | `SCARD_E_INVALID_HANDLE` | no context of this process; the memory is not released |
/// # Blocking
/// Never.
/// # Differences
/// None to pcsc-lite. On Windows the context may be 0 for memory that was allocated without one.
/// # Safety
/// `pvMem` is null or comes from `malloc`, and is not used any more.
/// # Source
/// pcsc-lite 2.5.1 winscard_clnt.c `SCardFreeMemory`; MSDN `SCardFreeMemory`.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn SCardFreeMemory(hContext: SCARDCONTEXT, pvMem: LPCVOID) -> LONG {
    let told = || {
        // SAFETY: this function's contract; pointers are used during the call only.
        unsafe { Told::new([Arg::Handle("context", hContext)]) }
    };
    ffi::traced("SCardFreeMemory", told, || -> Result<()> {
        if hContext != 0 || !platform::MEMORY_NEEDS_NO_CONTEXT {
            drop(context::get(hContext)?);
        }
        // SAFETY: this function's contract.
        unsafe { ffi::release(pvMem) };
        Ok(())
    })
}
