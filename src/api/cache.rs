//! The cache of cards' contents.
#![allow(unsafe_code, reason = "exported C functions")]

use super::forms::forms;
use super::types::{DWORD, GUID, In, LPBYTE, LPCBYTE, LPCGUID, LPDWORD, SCARDCONTEXT};
use crate::error::{Error, Result};
use crate::ffi::text::{self, Unit};
use crate::ffi::{self, low_word};
use crate::{cache, context};

forms! {
    /// Reads what a program of this user has stored of a card.
    ///
    /// # Parameters
    /// - `hContext`: from [`SCardEstablishContext`](super::context::SCardEstablishContext).
    /// - `CardIdentifier`: the card.
    /// - `FreshnessCounter`: the revision of the card's contents.
    /// - `LookupName`: the name; letters count with their case.
    /// - `Data`: gets the value; null asks for the length only.
    /// - `DataLen`: in: room in bytes, or `SCARD_AUTOALLOCATE`; out: length of the value.
    /// # Returns
    /// | code | when |
    /// |---|---|
    /// | `SCARD_E_INVALID_HANDLE` | no context of this process |
    /// | `SCARD_E_INVALID_PARAMETER` | a pointer other than `Data` is null; or `SCARD_AUTOALLOCATE` with null `Data` |
    /// | `SCARD_E_INVALID_VALUE` | the name is no text, or longer than 4096 characters |
    /// | `SCARD_W_CACHE_ITEM_NOT_FOUND` | nothing is stored, or only of a later revision |
    /// | `SCARD_W_CACHE_ITEM_STALE` | what was stored is of an older revision; it has been removed |
    /// | `SCARD_E_INSUFFICIENT_BUFFER` | too little room; the length is stored, nothing else is written |
    /// | `SCARD_E_NO_MEMORY` | out of memory |
    /// # Blocking
    /// Not for anything but another process's change of the cache, and that only to remove a stale item.
    /// # Differences
    /// On Windows all users share one cache; here each has his own.
    /// # Safety
    /// Each pointer is null or valid as stated in [`crate::api`].
    /// # Source
    /// MSDN `SCardReadCacheA`.
    fn SCardReadCacheA, SCardReadCacheW(
        hContext: SCARDCONTEXT,
        CardIdentifier: LPCGUID,
        FreshnessCounter: DWORD,
        LookupName: In<U>,
        Data: LPBYTE,
        DataLen: LPDWORD,
    ) = read;

    /// Stores a value for this user's programs, in place of what was stored under the name, whatever its revision.
    ///
    /// # Parameters
    /// - `hContext`: from [`SCardEstablishContext`](super::context::SCardEstablishContext).
    /// - `CardIdentifier`: the card.
    /// - `FreshnessCounter`: the revision of the card's contents.
    /// - `LookupName`: the name; letters count with their case.
    /// - `Data`, `DataLen`: the value; may be empty.
    /// # Returns
    /// | code | when |
    /// |---|---|
    /// | `SCARD_E_INVALID_HANDLE` | no context of this process |
    /// | `SCARD_E_INVALID_PARAMETER` | a pointer is null; `Data` may be, with a length of 0 |
    /// | `SCARD_E_INVALID_VALUE` | the name is no text, or longer than 4096 characters |
    /// | `SCARD_W_CACHE_ITEM_TOO_BIG` | the value has more than 65 536 bytes, the name more than 512 of UTF-8 |
    /// | `SCARD_E_NO_ACCESS` | there is no place for a cache, or it is not to be trusted; the log says why |
    /// | `SCARD_E_SERVER_TOO_BUSY` | another process did not let go of the cache for 5 s |
    /// | `SCARD_E_NO_MEMORY` | no room |
    /// # Blocking
    /// Waits for another process's change of the cache.
    /// # Differences
    /// On Windows all users share one cache; here each has his own. It holds a mebibyte; the oldest items make room.
    /// # Safety
    /// Each pointer is null or valid as stated in [`crate::api`].
    /// # Source
    /// MSDN `SCardWriteCacheA`.
    fn SCardWriteCacheA, SCardWriteCacheW(
        hContext: SCARDCONTEXT,
        CardIdentifier: LPCGUID,
        FreshnessCounter: DWORD,
        LookupName: In<U>,
        Data: LPCBYTE,
        DataLen: DWORD,
    ) = write;
}

/// Most bytes that are copied from the caller before the cache says what is too much.
const MAX_LEN: usize = 1 << 20;

/// The low 32 bits of a revision.
fn revision(counter: DWORD) -> u32 {
    u32::try_from(low_word(counter)).unwrap_or(0)
}

/// # Safety
/// As the C function.
unsafe fn read<U: Unit>(
    context: SCARDCONTEXT,
    card: LPCGUID,
    counter: DWORD,
    name: In<U>,
    data: LPBYTE,
    length: LPDWORD,
) -> Result<()> {
    drop(context::get(context)?);
    if length.is_null() {
        return Err(Error::InvalidParameter);
    }
    // SAFETY: by contract.
    let card = unsafe { ffi::load(card) }.ok_or(Error::InvalidParameter)?;
    // SAFETY: by contract.
    let name = unsafe { text::string(name) }?;
    let value = cache::read(card.to_bytes(), revision(counter), &name)?;
    // SAFETY: by contract.
    unsafe { text::hand_out(data, length, &value) }
}

/// # Safety
/// As the C function.
unsafe fn write<U: Unit>(
    context: SCARDCONTEXT,
    card: LPCGUID,
    counter: DWORD,
    name: In<U>,
    data: LPCBYTE,
    length: DWORD,
) -> Result<()> {
    drop(context::get(context)?);
    // SAFETY: by contract.
    let card = unsafe { ffi::load(card) }.ok_or(Error::InvalidParameter)?;
    // SAFETY: by contract.
    let name = unsafe { text::string(name) }?;
    // SAFETY: by contract.
    let value = unsafe { ffi::bytes_in(data, length, MAX_LEN) }.map_err(|error| {
        if error == Error::InsufficientBuffer {
            Error::CacheItemTooBig
        } else {
            error
        }
    })?;
    cache::write(GUID::to_bytes(card), revision(counter), &name, &value)
}
