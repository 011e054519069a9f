//! What there is to tell of a connection.
#![allow(unsafe_code, reason = "exported C functions")]

use std::ffi::c_char;

use crate::api::forms::forms;
use crate::api::types::{DWORD, LONG, LPBYTE, LPDWORD, LPSTR, Out, SCARDHANDLE};
use crate::card;
use crate::context::names::Names;
use crate::error::{Error, Result};
use crate::ffi::text::{self, Unit};
use crate::ffi::{self, Output, Short};
use crate::trace::args::{Arg, Told, card_state_words, protocol_words};

/// Tells reader name, state, protocol and ATR of a connection.
///
/// # Parameters
/// - `hCard`: from [`SCardConnect`](super::SCardConnect).
/// - `mszReaderName`, `pcchReaderLen`: the name; in: room in bytes, or `SCARD_AUTOALLOCATE`; out: length with the NUL.
/// - `pdwState`: bits `SCARD_PRESENT` and so on, and in the upper 16 bits the number of insertions and removals.
/// - `pdwProtocol`: protocol in use, 0 if none.
/// - `pbAtr`, `pcbAtrLen`: the ATR, in the same way as the name.
///
/// Each pointer may be null. Numbers and lengths are 0 on failure.
/// # Returns
/// | code | when |
/// |---|---|
/// | `SCARD_E_INVALID_HANDLE` | no connection of this process |
/// | `SCARD_E_READER_UNAVAILABLE` | the reader was unplugged, or does not work |
/// | `SCARD_E_INVALID_VALUE` | the reader was unplugged, and one is there under its name (not on Windows) |
/// | `SCARD_W_RESET_CARD`, `SCARD_W_REMOVED_CARD` | that happened and was not acknowledged by [`SCardReconnect`](super::SCardReconnect) |
/// | `SCARD_E_INSUFFICIENT_BUFFER` | name or ATR do not fit; what fits is written, the name then without NUL, and all else as well |
/// | `SCARD_E_INVALID_PARAMETER` | `SCARD_AUTOALLOCATE` with a null buffer |
/// | `SCARD_E_NO_MEMORY` | out of memory |
/// # Blocking
/// Waits for another connection's transaction, without limit.
/// # Differences
/// On Windows the state is one number instead of bits.
/// # Safety
/// Each pointer is null or valid as stated in [`crate::api`].
/// # Source
/// PC/SC part 5; pcsc-lite 2.5.1 winscard_clnt.c `SCardStatus`; MSDN `SCardStatus`.
#[cfg_attr(unix, unsafe(no_mangle))]
pub unsafe extern "system" fn SCardStatus(
    hCard: SCARDHANDLE,
    mszReaderName: LPSTR,
    pcchReaderLen: LPDWORD,
    pdwState: LPDWORD,
    pdwProtocol: LPDWORD,
    pbAtr: LPBYTE,
    pcbAtrLen: LPDWORD,
) -> LONG {
    let told = || {
        // SAFETY: this function's contract; pointers are used during the call only.
        unsafe {
            Told::new([
                Arg::Handle("card", hCard),
                Arg::NamesOut(mszReaderName, pcchReaderLen),
                Arg::WordOut("state", pdwState, card_state_words),
                Arg::WordOut("protocol", pdwProtocol, protocol_words),
                Arg::BytesOut("atr", pbAtr, pcbAtrLen),
            ])
        }
    };
    ffi::traced("SCardStatus", told, || {
        // SAFETY: this function's contract.
        unsafe {
            status(
                hCard,
                mszReaderName,
                pcchReaderLen,
                pdwState,
                pdwProtocol,
                pbAtr,
                pcbAtrLen,
                Names::System,
            )
        }
    })
}

/// # Safety
/// As the C function.
#[allow(clippy::too_many_arguments, reason = "the C function's, and one")]
unsafe fn status<U: Unit>(
    card: SCARDHANDLE,
    name_buffer: Out<U>,
    name_length: LPDWORD,
    state: LPDWORD,
    protocol: LPDWORD,
    atr_buffer: LPBYTE,
    atr_length: LPDWORD,
    names: Names,
) -> Result<()> {
    // SAFETY: by contract.
    let name_output = unsafe { Output::of(name_buffer, name_length) };
    // SAFETY: by contract.
    let atr_output = unsafe { Output::new(atr_buffer, atr_length) };
    let set = |name_len: DWORD, atr_len: usize, state_word: u32, protocol_number: u32| {
        let numbers = [
            (name_length, name_len),
            (atr_length, ffi::length(atr_len)),
            (state, state_word.into()),
            (protocol, protocol_number.into()),
        ];
        for (target, number) in numbers {
            // SAFETY: by contract.
            unsafe { ffi::store(target, number) };
        }
    };
    set(0, 0, 0, 0);
    let card = card::get(card)?;
    let status = card.status()?;
    let mut name = match names {
        Names::System => text::encoded::<U>(&status.name),
        Names::Known => text::multi_encoded::<U>(&card.names(&status.name)?),
    };
    set(
        text::count_of::<U>(&name),
        status.atr.len(),
        status.state,
        status.protocol,
    );
    if names == Names::System && name_output.room().is_some_and(|room| room > name.len()) {
        // Not counted: a caller that takes the name for a multi-string finds its end, as with pcsc-lite.
        U::end(&mut name);
    }
    // A name that does not fit must not keep the ATR from the caller; a failed allocation does.
    match name_output.write(&name, Short::Part) {
        Ok(()) => atr_output.write(&status.atr, Short::Part),
        Err(Error::InsufficientBuffer) => atr_output
            .write(&status.atr, Short::Part)
            .and(Err(Error::InsufficientBuffer)),
        Err(error) => Err(error),
    }
}

forms! {
    /// [`SCardStatus`] with every name that the reader goes by, as a multi-string whose last NUL is counted.
    ///
    /// # Safety
    /// Each pointer is null or valid as stated in [`crate::api`].
    /// # Source
    /// MSDN `SCardStatusA`.
    fn SCardStatusA, SCardStatusW(
        hCard: SCARDHANDLE,
        mszReaderNames: Out<U>,
        pcchReaderLen: LPDWORD,
        pdwState: LPDWORD,
        pdwProtocol: LPDWORD,
        pbAtr: LPBYTE,
        pcbAtrLen: LPDWORD,
    ) = status_known;
}

/// # Safety
/// As the C function.
unsafe fn status_known<U: Unit>(
    card: SCARDHANDLE,
    names: Out<U>,
    length: LPDWORD,
    state: LPDWORD,
    protocol: LPDWORD,
    atr: LPBYTE,
    atr_length: LPDWORD,
) -> Result<()> {
    // SAFETY: by contract.
    unsafe { status(card, names, length, state, protocol, atr, atr_length, Names::Known) }
}

/// Tells state, protocol and ATR of a connection: [`SCardStatus`] without names, from before there was that.
///
/// # Parameters
/// - `hCard`: from [`SCardConnect`](super::SCardConnect).
/// - `pdwState`, `pdwProtocol`, `pbAtr`, `pcbAtrLen`: as for [`SCardStatus`].
/// # Returns
/// As [`SCardStatus`].
/// # Blocking
/// Waits for another connection's transaction, without limit.
/// # Differences
/// pcsc-lite has no such function. Microsoft exports it and documents it no more.
/// # Safety
/// Each pointer is null or valid as stated in [`crate::api`].
/// # Source
/// PC/SC part 5, `State`; MSDN `SCardStatus`.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn SCardState(
    hCard: SCARDHANDLE,
    pdwState: LPDWORD,
    pdwProtocol: LPDWORD,
    pbAtr: LPBYTE,
    pcbAtrLen: LPDWORD,
) -> LONG {
    ffi::entry("SCardState", || {
        let (name, length) = (std::ptr::null_mut::<c_char>(), std::ptr::null_mut());
        // SAFETY: this function's contract; null is allowed for the name.
        unsafe {
            status(
                hCard,
                name,
                length,
                pdwState,
                pdwProtocol,
                pbAtr,
                pcbAtrLen,
                Names::System,
            )
        }
    })
}

/// Tells how many commands were sent to cards in the reader since it was plugged in, by any process.
///
/// # Parameters
/// - `hCard`: from [`SCardConnect`](super::SCardConnect).
/// - `pcTransmitCount`: gets the number, modulo 2³².
/// # Returns
/// | code | when |
/// |---|---|
/// | `SCARD_E_INVALID_PARAMETER` | `pcTransmitCount` is null |
/// | `SCARD_E_INVALID_HANDLE` | no connection of this process |
/// | `SCARD_E_INVALID_VALUE` | the reader was unplugged |
/// # Blocking
/// Waits for an exchange under way.
/// # Differences
/// pcsc-lite has no such function. What another process has sent within its last second may not be counted yet, and is never
/// counted if that process was killed.
/// # Safety
/// Each pointer is null or valid as stated in [`crate::api`].
/// # Source
/// MSDN `SCardGetTransmitCount`.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn SCardGetTransmitCount(hCard: SCARDHANDLE, pcTransmitCount: LPDWORD) -> LONG {
    ffi::entry("SCardGetTransmitCount", || {
        if pcTransmitCount.is_null() {
            return Err(Error::InvalidParameter);
        }
        let count = card::get(hCard)?.transmit_count()?;
        // SAFETY: this function's contract.
        unsafe { ffi::store(pcTransmitCount, count.into()) };
        Ok(())
    })
}
