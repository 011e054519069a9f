//! Looking for cards of a kind in readers.
#![allow(unsafe_code, reason = "exported C functions")]

use std::mem::offset_of;

use super::forms::forms;
use super::states::Entries;
use super::types::{ATRMASK_ATR_SIZE, BYTE, DWORD, In, LPCSCARD_ATRMASK, SCARD_ATRMASK, SCARDCONTEXT, States};
use crate::context::locate::Wanted;
use crate::context::{self, ReaderState};
use crate::error::{Error, Result};
use crate::ffi;
use crate::ffi::text::{self, Unit};

/// Most ATRs that a call looks for.
const MAX_MASKS: usize = 4096;

forms! {
    /// Looks once at readers, and marks those in which there is a card of one of these kinds.
    ///
    /// # Parameters
    /// - `hContext`: from [`SCardEstablishContext`](super::context::SCardEstablishContext).
    /// - `mszCards`: names of kinds of cards, as a multi-string.
    /// - `rgReaderStates`, `cReaders`: the readers. What [`SCardGetStatusChange`](super::readers::SCardGetStatusChange) stores is
    ///   stored, and `SCARD_STATE_ATRMATCH` where a card was found.
    /// # Returns
    /// | code | when |
    /// |---|---|
    /// | `SCARD_S_SUCCESS` | also if there is no such card |
    /// | `SCARD_E_INVALID_PARAMETER` | `mszCards` is null; `rgReaderStates` is null with `cReaders` above 0 |
    /// | `SCARD_E_INVALID_HANDLE` | no context of this process |
    /// | `SCARD_E_INVALID_VALUE` | a reader's name is null; `mszCards` does not end within 65 536 characters |
    /// | `SCARD_E_UNKNOWN_CARD` | there is no such kind of card; nothing is written |
    /// | `SCARD_E_UNKNOWN_READER` | a name is no reader's; nothing is written |
    /// | `SCARD_E_NO_MEMORY` | out of memory or descriptors |
    /// # Blocking
    /// Not for anything to happen.
    /// # Differences
    /// It does not disturb a transaction, as it does on Windows.
    /// # Safety
    /// Each pointer is null or valid as stated in [`crate::api`], the names included.
    /// # Source
    /// MSDN `SCardLocateCardsA`.
    fn SCardLocateCardsA, SCardLocateCardsW(
        hContext: SCARDCONTEXT,
        mszCards: In<U>,
        rgReaderStates: States<U>,
        cReaders: DWORD,
    ) = locate_cards;

    /// Looks once at readers, and marks those in which there is a card with one of these ATRs.
    ///
    /// # Parameters
    /// - `hContext`: from [`SCardEstablishContext`](super::context::SCardEstablishContext).
    /// - `rgAtrMasks`, `cAtrs`: the ATRs, with the bits of them that count.
    /// - `rgReaderStates`, `cReaders`: the readers, as for [`SCardLocateCardsA`].
    /// # Returns
    /// | code | when |
    /// |---|---|
    /// | `SCARD_S_SUCCESS` | also if there is no such card |
    /// | `SCARD_E_INVALID_PARAMETER` | an array is null and not empty |
    /// | `SCARD_E_INVALID_HANDLE` | no context of this process |
    /// | `SCARD_E_INVALID_VALUE` | a reader's name is null; an ATR is longer than 36 bytes; more than 4096 ATRs |
    /// | `SCARD_E_UNKNOWN_READER` | a name is no reader's; nothing is written |
    /// | `SCARD_E_NO_MEMORY` | out of memory or descriptors |
    /// # Blocking
    /// Not for anything to happen.
    /// # Differences
    /// None to Windows; pcsc-lite has no such function.
    /// # Safety
    /// Each pointer is null or valid as stated in [`crate::api`], the names included.
    /// # Source
    /// MSDN `SCardLocateCardsByATRA`.
    fn SCardLocateCardsByATRA, SCardLocateCardsByATRW(
        hContext: SCARDCONTEXT,
        rgAtrMasks: LPCSCARD_ATRMASK,
        cAtrs: DWORD,
        rgReaderStates: States<U>,
        cReaders: DWORD,
    ) = locate_atrs;
}

/// # Safety
/// `first` is null or valid for reading and writing `count` entries, and their names for reading.
unsafe fn entries_of<U: Unit>(first: States<U>, count: DWORD) -> Result<Entries<U>> {
    if first.is_null() && count > 0 {
        return Err(Error::InvalidParameter);
    }
    // SAFETY: not null unless there are no entries; valid by contract.
    let entries = unsafe { Entries::new(first, ffi::size(count)) };
    if entries.iter().any(|entry| entry.name().is_null()) {
        return Err(Error::InvalidValue);
    }
    Ok(entries)
}

/// Asks `look` about the entries by the system names of their readers, and stores the answers.
fn answer<U: Unit>(
    context: SCARDCONTEXT,
    entries: Entries<U>,
    look: impl FnOnce(&context::Context, &mut [ReaderState]) -> Result<()>,
) -> Result<()> {
    let context = context::get(context)?;
    let mut states = entries.states()?;
    context.resolve_states(&mut states);
    let result = look(&context, &mut states);
    entries.write(&states);
    result
}

/// # Safety
/// As the C function.
unsafe fn locate_cards<U: Unit>(context: SCARDCONTEXT, cards: In<U>, first: States<U>, count: DWORD) -> Result<()> {
    // SAFETY: by contract.
    let entries = unsafe { entries_of(first, count) }?;
    // SAFETY: by contract.
    let cards = unsafe { text::strings(cards) }?.ok_or(Error::InvalidParameter)?;
    answer(context, entries, |context, states| context.locate_cards(&cards, states))
}

/// # Safety
/// As the C function.
unsafe fn locate_atrs<U: Unit>(
    context: SCARDCONTEXT,
    masks: LPCSCARD_ATRMASK,
    mask_count: DWORD,
    first: States<U>,
    count: DWORD,
) -> Result<()> {
    if masks.is_null() && mask_count > 0 {
        return Err(Error::InvalidParameter);
    }
    // SAFETY: by contract.
    let entries = unsafe { entries_of(first, count) }?;
    let mask_count = ffi::size(mask_count);
    if mask_count > MAX_MASKS {
        return Err(Error::InvalidValue);
    }
    // SAFETY: valid for so many by contract.
    let one = |index| unsafe { wanted(masks.wrapping_add(index)) };
    let wanted: Vec<Wanted> = (0..mask_count).map(one).collect::<Result<_>>()?;
    answer(context, entries, |context, states| context.locate(&wanted, states))
}

/// # Safety
/// `mask` is valid for reading.
unsafe fn wanted(mask: LPCSCARD_ATRMASK) -> Result<Wanted> {
    let length = mask.wrapping_byte_add(offset_of!(SCARD_ATRMASK, cbAtr)).cast::<DWORD>();
    // SAFETY: valid by contract.
    let length = unsafe { length.read_unaligned() };
    // SAFETY: an array of the structure, which is valid by contract; the length is checked against its room.
    let bytes = |offset| unsafe {
        let array = mask.wrapping_byte_add(offset).cast::<BYTE>();
        ffi::bytes_in(array, length, ATRMASK_ATR_SIZE)
    };
    let (atr, mask) = (
        bytes(offset_of!(SCARD_ATRMASK, rgbAtr)).map_err(|_| Error::InvalidValue)?,
        bytes(offset_of!(SCARD_ATRMASK, rgbMask)).map_err(|_| Error::InvalidValue)?,
    );
    Ok(Wanted { atr, mask: Some(mask) })
}
