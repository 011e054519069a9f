//! Readers: their names, their groups, and waiting for something to happen to them.
#![allow(unsafe_code, reason = "exported C functions")]

use std::time::Duration;

use super::constants::{DEFAULT_GROUPS, INFINITE};
use super::forms::forms;
use super::states::Entries;
use super::types::{DWORD, In, LONG, LPCSTR, LPDWORD, LPSCARD_READERSTATE, LPSTR, Out, SCARDCONTEXT, States};
use crate::context::names::{self, Names};
use crate::context::{self, Timeout};
use crate::error::{Error, Result};
use crate::ffi::text::{self, Unit};
use crate::ffi::{self, Output, Short};
use crate::trace::args::{Arg, Told};

/// Lists the readers that are plugged in, as a multi-string.
///
/// # Parameters
/// - `hContext`: from [`SCardEstablishContext`](super::context::SCardEstablishContext).
/// - `mszGroups`: ignored.
/// - `mszReaders`: gets the names; null asks for the length only.
/// - `pcchReaders`: in: room in bytes, or `SCARD_AUTOALLOCATE`; out: length with every NUL.
/// # Returns
/// | code | when |
/// |---|---|
/// | `SCARD_E_INVALID_PARAMETER` | `pcchReaders` is null; or `SCARD_AUTOALLOCATE` with null `mszReaders` |
/// | `SCARD_E_INVALID_HANDLE` | no context of this process |
/// | `SCARD_E_NO_READERS_AVAILABLE` | there is none; `*pcchReaders` is 1, nothing else is written |
/// | `SCARD_E_INSUFFICIENT_BUFFER` | too little room; the length needed is stored, nothing else is written |
/// # Blocking
/// Never.
/// # Differences
/// pcsc-lite waits until each reader has tried to power its card. Windows knows groups, and so does [`SCardListReadersA`].
/// # Safety
/// Each pointer is null or valid as stated in [`crate::api`].
/// # Source
/// PC/SC part 5; pcsc-lite 2.5.1 winscard_clnt.c `SCardListReaders`; MSDN `SCardListReaders`.
#[cfg_attr(unix, unsafe(no_mangle))]
pub unsafe extern "system" fn SCardListReaders(
    hContext: SCARDCONTEXT,
    _mszGroups: LPCSTR,
    mszReaders: LPSTR,
    pcchReaders: LPDWORD,
) -> LONG {
    let told = || {
        // SAFETY: this function's contract; pointers are used during the call only.
        unsafe { Told::new([Arg::Handle("context", hContext), Arg::NamesOut(mszReaders, pcchReaders)]) }
    };
    ffi::traced("SCardListReaders", told, || {
        if pcchReaders.is_null() {
            return Err(Error::InvalidParameter);
        }
        // SAFETY: this function's contract.
        let output = unsafe { Output::new(mszReaders, pcchReaders) };
        let names = context::get(hContext)?.list_readers();
        let length = match &names {
            Ok(names) => ffi::multi_string_len(names),
            // An empty multi-string, as pcsc-lite counts it.
            Err(Error::NoReadersAvailable) => 1,
            Err(_) => 0,
        };
        // SAFETY: this function's contract.
        unsafe { ffi::store(pcchReaders, ffi::length(length)) };
        output.write(&ffi::multi_string(&names?), Short::Nothing)
    })
}

/// Lists the groups of readers: there is one, `SCard$DefaultReaders`.
///
/// # Parameters
/// - `hContext`: from [`SCardEstablishContext`](super::context::SCardEstablishContext).
/// - `mszGroups`: gets the multi-string; null asks for the length only.
/// - `pcchGroups`: in: room in bytes, or `SCARD_AUTOALLOCATE`; out: 22.
/// # Returns
/// | code | when |
/// |---|---|
/// | `SCARD_E_INVALID_PARAMETER` | `pcchGroups` is null; or `SCARD_AUTOALLOCATE` with null `mszGroups` |
/// | `SCARD_E_INVALID_HANDLE` | no context of this process |
/// | `SCARD_E_INSUFFICIENT_BUFFER` | too little room; 22 is stored, nothing else is written |
/// # Blocking
/// Never.
/// # Differences
/// pcsc-lite crashes on a null `pcchGroups`. Windows knows more groups, and so does [`SCardListReaderGroupsA`].
/// # Safety
/// Each pointer is null or valid as stated in [`crate::api`].
/// # Source
/// PC/SC part 5; pcsc-lite 2.5.1 winscard_clnt.c `SCardListReaderGroups`; MSDN `SCardListReaderGroups`.
#[cfg_attr(unix, unsafe(no_mangle))]
pub unsafe extern "system" fn SCardListReaderGroups(
    hContext: SCARDCONTEXT,
    mszGroups: LPSTR,
    pcchGroups: LPDWORD,
) -> LONG {
    let told = || {
        // SAFETY: this function's contract; pointers are used during the call only.
        unsafe { Told::new([Arg::Handle("context", hContext), Arg::NamesOut(mszGroups, pcchGroups)]) }
    };
    ffi::traced("SCardListReaderGroups", told, || {
        if pcchGroups.is_null() {
            return Err(Error::InvalidParameter);
        }
        // SAFETY: this function's contract.
        let output = unsafe { Output::new(mszGroups, pcchGroups) };
        drop(context::get(hContext)?);
        // SAFETY: this function's contract.
        unsafe { ffi::store(pcchGroups, ffi::length(DEFAULT_GROUPS.len())) };
        output.write(DEFAULT_GROUPS, Short::Nothing)
    })
}

/// Waits until one of the readers is not in the state the caller believes it in.
///
/// # Parameters
/// - `hContext`: from [`SCardEstablishContext`](super::context::SCardEstablishContext).
/// - `dwTimeout`: milliseconds; 0 only looks; `INFINITE`, or all bits of a `DWORD`, waits without limit.
/// - `rgReaderStates`, `cReaders`: the readers. `\\?PnP?\Notification` as a name stands for the list of readers itself.
/// # Returns
/// | code | when |
/// |---|---|
/// | `SCARD_S_SUCCESS` | a state differs (`SCARD_STATE_CHANGED` is set in it); no readers given; all have `SCARD_STATE_IGNORE` |
/// | `SCARD_E_INVALID_PARAMETER` | `rgReaderStates` is null with `cReaders` above 0 |
/// | `SCARD_E_INVALID_VALUE` | a name is null |
/// | `SCARD_E_INVALID_HANDLE` | no context of this process |
/// | `SCARD_E_UNKNOWN_READER` | a name is no reader's, not even one with `SCARD_STATE_IGNORE` |
/// | `SCARD_E_TIMEOUT` | nothing changed in time; `dwEventState` and ATR are filled in all the same |
/// | `SCARD_E_CANCELLED` | [`SCardCancel`](super::context::SCardCancel) |
/// # Blocking
/// For `dwTimeout`; the only call that `SCardCancel` ends.
/// # Differences
/// None in what is compared. Changes of sharing are seen at once; pcsc-lite may take minutes.
/// # Safety
/// Each pointer is null or valid as stated in [`crate::api`], the names included.
/// # Source
/// PC/SC part 5; pcsc-lite 2.5.1 winscard_clnt.c `SCardGetStatusChange`; MSDN `SCardGetStatusChange`.
#[cfg_attr(unix, unsafe(no_mangle))]
pub unsafe extern "system" fn SCardGetStatusChange(
    hContext: SCARDCONTEXT,
    dwTimeout: DWORD,
    rgReaderStates: LPSCARD_READERSTATE,
    cReaders: DWORD,
) -> LONG {
    let told = || {
        // SAFETY: this function's contract; pointers are used during the call only.
        unsafe {
            Told::new([
                Arg::Handle("context", hContext),
                Arg::Timeout(dwTimeout),
                Arg::States(rgReaderStates, cReaders),
            ])
        }
    };
    ffi::traced("SCardGetStatusChange", told, || {
        // SAFETY: this function's contract.
        unsafe { status_change(hContext, dwTimeout, rgReaderStates, cReaders, Names::System) }
    })
}

/// # Safety
/// As the C function.
unsafe fn status_change<U: Unit>(
    context: SCARDCONTEXT,
    milliseconds: DWORD,
    first: States<U>,
    count: DWORD,
    names: Names,
) -> Result<()> {
    if first.is_null() && count > 0 {
        return Err(Error::InvalidParameter);
    }
    // SAFETY: not null unless there are no entries; valid by contract.
    let entries = unsafe { Entries::new(first, ffi::size(count)) };
    if entries.iter().any(|entry| entry.name().is_null()) {
        return Err(Error::InvalidValue);
    }
    // True of no readers as well; the context is not even looked at.
    if entries.iter().all(|entry| entry.is_ignored()) {
        return Ok(());
    }
    let context = context::get(context)?;
    let mut states = entries.states()?;
    if names == Names::Known {
        context.resolve_states(&mut states);
    }
    let result = context.status_change(timeout(milliseconds), &mut states);
    entries.write(&states);
    result
}

fn timeout(milliseconds: DWORD) -> Timeout {
    if milliseconds == INFINITE || milliseconds == DWORD::MAX {
        return Timeout::Infinite;
    }
    #[allow(clippy::useless_conversion, reason = "DWORD has 32 bits on some targets")]
    Timeout::After(Duration::from_millis(milliseconds.into()))
}

forms! {
    /// Lists the names of the readers that are plugged in and in one of the groups, each once, as a multi-string.
    ///
    /// # Parameters
    /// - `hContext`: from [`SCardEstablishContext`](super::context::SCardEstablishContext), or 0 for everything that any context sees.
    /// - `mszGroups`: names of groups as a multi-string; unknown ones are passed over. Null, an empty multi-string or
    ///   `SCard$AllReaders` stand for all readers.
    /// - `mszReaders`: gets the names: those that readers have by themselves, then those that were introduced; null asks for the
    ///   length only.
    /// - `pcchReaders`: in: room in characters, or `SCARD_AUTOALLOCATE`; out: length with every NUL.
    /// # Returns
    /// | code | when |
    /// |---|---|
    /// | `SCARD_E_INVALID_PARAMETER` | `pcchReaders` is null; or `SCARD_AUTOALLOCATE` with null `mszReaders` |
    /// | `SCARD_E_INVALID_HANDLE` | neither 0 nor a context of this process |
    /// | `SCARD_E_INVALID_VALUE` | `mszGroups` does not end within 65 536 characters |
    /// | `SCARD_E_NO_READERS_AVAILABLE` | there is none in these groups; nothing is written |
    /// | `SCARD_E_INSUFFICIENT_BUFFER` | too little room; the length needed is stored, nothing else is written |
    /// | `SCARD_E_NO_MEMORY` | out of memory |
    /// # Blocking
    /// Never.
    /// # Differences
    /// [`SCardListReaders`] lists the names that readers have by themselves, whatever the groups.
    /// # Safety
    /// Each pointer is null or valid as stated in [`crate::api`].
    /// # Source
    /// MSDN `SCardListReadersA`.
    fn SCardListReadersA, SCardListReadersW(
        hContext: SCARDCONTEXT,
        mszGroups: In<U>,
        mszReaders: Out<U>,
        pcchReaders: LPDWORD,
    ) = list_readers;

    /// Lists the groups that have at least one reader, as a multi-string.
    ///
    /// # Parameters
    /// - `hContext`: from [`SCardEstablishContext`](super::context::SCardEstablishContext), or 0 for everything that any context sees.
    /// - `mszGroups`: gets the multi-string, empty if there is no group; null asks for the length only.
    /// - `pcchGroups`: in: room in characters, or `SCARD_AUTOALLOCATE`; out: length with every NUL.
    /// # Returns
    /// | code | when |
    /// |---|---|
    /// | `SCARD_E_INVALID_PARAMETER` | `pcchGroups` is null; or `SCARD_AUTOALLOCATE` with null `mszGroups` |
    /// | `SCARD_E_INVALID_HANDLE` | neither 0 nor a context of this process |
    /// | `SCARD_E_INSUFFICIENT_BUFFER` | too little room; the length needed is stored, nothing else is written |
    /// | `SCARD_E_NO_MEMORY` | out of memory |
    /// # Blocking
    /// Never.
    /// # Differences
    /// [`SCardListReaderGroups`] always lists the one group that pcsc-lite has.
    /// # Safety
    /// Each pointer is null or valid as stated in [`crate::api`].
    /// # Source
    /// MSDN `SCardListReaderGroupsA`.
    fn SCardListReaderGroupsA, SCardListReaderGroupsW(
        hContext: SCARDCONTEXT,
        mszGroups: Out<U>,
        pcchGroups: LPDWORD,
    ) = list_groups;

    /// [`SCardGetStatusChange`] with names of the database: introduced ones are known, forgotten ones are not.
    ///
    /// # Safety
    /// Each pointer is null or valid as stated in [`crate::api`], the names included.
    /// # Source
    /// MSDN `SCardGetStatusChangeA`.
    fn SCardGetStatusChangeA, SCardGetStatusChangeW(
        hContext: SCARDCONTEXT,
        dwTimeout: DWORD,
        rgReaderStates: States<U>,
        cReaders: DWORD,
    ) = status_change_known;
}

/// # Safety
/// As the C function.
unsafe fn list_readers<U: Unit>(context: SCARDCONTEXT, groups: In<U>, readers: Out<U>, length: LPDWORD) -> Result<()> {
    if length.is_null() {
        return Err(Error::InvalidParameter);
    }
    let domain = context::domain(context)?;
    // SAFETY: by contract.
    let groups = unsafe { text::strings(groups) }?;
    let names = names::list_readers(domain, groups.as_deref())?;
    // SAFETY: by contract.
    unsafe { text::hand_out(readers, length, &text::multi_encoded::<U>(&names)) }
}

/// # Safety
/// As the C function.
unsafe fn list_groups<U: Unit>(context: SCARDCONTEXT, groups: Out<U>, length: LPDWORD) -> Result<()> {
    if length.is_null() {
        return Err(Error::InvalidParameter);
    }
    let names = names::list_groups(context::domain(context)?);
    // SAFETY: by contract.
    unsafe { text::hand_out(groups, length, &text::multi_encoded::<U>(&names)) }
}

/// # Safety
/// As the C function.
unsafe fn status_change_known<U: Unit>(
    context: SCARDCONTEXT,
    milliseconds: DWORD,
    first: States<U>,
    count: DWORD,
) -> Result<()> {
    // SAFETY: by contract.
    unsafe { status_change(context, milliseconds, first, count, Names::Known) }
}
