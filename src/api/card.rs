//! Connections: connect, reconnect, disconnect, transactions, status.
#![allow(unsafe_code, reason = "exported C functions")]

use std::ffi::c_char;

use super::constants::MAX_NAME_LEN;
use super::forms::forms;
use super::types::{DWORD, In, LONG, LPBYTE, LPCSTR, LPDWORD, LPSCARDHANDLE, LPSTR, Out, SCARDCONTEXT, SCARDHANDLE};
use crate::card::{self, Card};
use crate::context::{self, names::Names};
use crate::error::{Error, Result};
use crate::ffi::text::{self, Unit};
use crate::ffi::{self, Output, Short, low_word};
use crate::platform;
use crate::trace::args::{Arg, Told, card_state_words, disposition_words, protocol_words, share_words};

/// Connects to a reader, and to the card in it.
///
/// # Parameters
/// - `hContext`: from [`SCardEstablishContext`](super::context::SCardEstablishContext).
/// - `szReader`: a name from [`SCardListReaders`](super::readers::SCardListReaders).
/// - `dwShareMode`: `SCARD_SHARE_SHARED`, `_EXCLUSIVE`, or `_DIRECT`: the reader, with or without a card.
/// - `dwPreferredProtocols`: the protocols the caller can do, as bits.
/// - `phCard`: gets the connection, 0 on failure.
/// - `pdwActiveProtocol`: gets the protocol, 0 if there is none yet.
/// # Returns
/// | code | when |
/// |---|---|
/// | `SCARD_E_INVALID_PARAMETER` | `phCard` or `pdwActiveProtocol` is null; neither is written |
/// | `SCARD_E_UNKNOWN_READER` | `szReader` is null or no reader's name |
/// | `SCARD_E_INVALID_VALUE` | the name is longer than 128 bytes; no such share mode |
/// | `SCARD_E_INVALID_HANDLE` | no context of this process |
/// | `SCARD_E_PROTO_MISMATCH` | no known protocol in the mask; the card or the others' choice is not in it |
/// | `SCARD_E_SHARING_VIOLATION` | somebody is connected exclusively, or exclusive was asked for and somebody is connected |
/// | `SCARD_E_NO_SMARTCARD` | no card, and not `SCARD_SHARE_DIRECT` |
/// | `SCARD_W_UNPOWERED_CARD` | the card does not answer to power-up |
/// | `SCARD_W_UNRESPONSIVE_CARD` | the card does not agree on a protocol |
/// | `SCARD_E_READER_UNAVAILABLE` | the reader does not work |
/// | `SCARD_E_NO_MEMORY` | out of memory or descriptors |
/// # Blocking
/// Waits for another connection's transaction, without limit, and for the card.
/// # Differences
/// The sharing check comes before the card is touched; in pcsc-lite after. `SCARD_SHARE_DIRECT` is not exclusive; on Windows it is.
/// # Safety
/// Each pointer is null or valid as stated in [`crate::api`].
/// # Source
/// PC/SC part 5; pcsc-lite 2.5.1 winscard_clnt.c and winscard.c `SCardConnect`; MSDN `SCardConnect`.
#[cfg_attr(unix, unsafe(no_mangle))]
pub unsafe extern "system" fn SCardConnect(
    hContext: SCARDCONTEXT,
    szReader: LPCSTR,
    dwShareMode: DWORD,
    dwPreferredProtocols: DWORD,
    phCard: LPSCARDHANDLE,
    pdwActiveProtocol: LPDWORD,
) -> LONG {
    let told = || {
        // SAFETY: this function's contract; pointers are used during the call only.
        unsafe {
            Told::new([
                Arg::Handle("context", hContext),
                Arg::Text("reader", szReader),
                Arg::Word("share", dwShareMode, share_words),
                Arg::Word("protocols", dwPreferredProtocols, protocol_words),
                Arg::HandleOut("card", phCard),
                Arg::WordOut("protocol", pdwActiveProtocol, protocol_words),
            ])
        }
    };
    ffi::traced("SCardConnect", told, || {
        // SAFETY: this function's contract.
        unsafe {
            connect(
                hContext,
                szReader,
                dwShareMode,
                dwPreferredProtocols,
                phCard,
                pdwActiveProtocol,
                Names::System,
            )
        }
    })
}

/// # Safety
/// As the C function.
unsafe fn connect<U: Unit>(
    context: SCARDCONTEXT,
    reader: In<U>,
    share: DWORD,
    protocols: DWORD,
    card: LPSCARDHANDLE,
    active_protocol: LPDWORD,
    names: Names,
) -> Result<()> {
    if card.is_null() || active_protocol.is_null() {
        return Err(Error::InvalidParameter);
    }
    // SAFETY: by contract.
    unsafe { ffi::store(card, 0) };
    if reader.is_null() {
        return Err(Error::UnknownReader);
    }
    // SAFETY: by contract.
    let name = unsafe { text::bytes_of(reader, MAX_NAME_LEN) };
    if name.len() > MAX_NAME_LEN {
        return Err(Error::InvalidValue);
    }
    let context = context::get(context)?;
    // SAFETY: by contract.
    unsafe { ffi::store(active_protocol, 0) };
    let (share, protocols) = (low_word(share), low_word(protocols));
    let (value, active) = match names {
        Names::System => context.connect(&name, share, protocols)?,
        Names::Known => context.connect_known(&name, share, protocols)?,
    };
    // SAFETY: by contract.
    unsafe { ffi::store(active_protocol, active) };
    // SAFETY: by contract.
    unsafe { ffi::store(card, ffi::handle(value)) };
    Ok(())
}

/// Renews a connection: acknowledges a reset or removal, resets the card, changes protocol or share mode.
///
/// # Parameters
/// - `hCard`: from [`SCardConnect`].
/// - `dwShareMode`, `dwPreferredProtocols`: as for [`SCardConnect`].
/// - `dwInitialization`: `SCARD_LEAVE_CARD`, `SCARD_RESET_CARD` (warm) or `SCARD_UNPOWER_CARD` (cold).
/// - `pdwActiveProtocol`: gets the protocol, 0 if there is none yet.
/// # Returns
/// | code | when |
/// |---|---|
/// | `SCARD_E_INVALID_PARAMETER` | `pdwActiveProtocol` is null |
/// | `SCARD_E_INVALID_HANDLE` | no connection of this process; nothing is written |
/// | `SCARD_E_INVALID_VALUE` | no such initialization (`SCARD_EJECT_CARD` is none) or share mode; the reader was unplugged |
/// | `SCARD_E_PROTO_MISMATCH` | no known protocol in the mask; the protocol in use, or any the card has, is not in it |
/// | `SCARD_E_READER_UNAVAILABLE` | the reader does not work |
/// | `SCARD_E_NO_SMARTCARD` | no card |
/// | `SCARD_W_UNRESPONSIVE_CARD` | the card does not answer to reset |
/// | `SCARD_E_SHARING_VIOLATION` | exclusive was asked for, and others are connected |
/// # Blocking
/// Waits for another connection's transaction, without limit, and for the card.
/// # Differences
/// Sharing is checked before the card is reset: pcsc-lite resets it ten times a second while others are connected. Going from
/// exclusive to shared releases the card: pcsc-lite keeps it locked. A card that lost power is powered up by `SCARD_LEAVE_CARD`.
/// A transaction survives; on Windows it ends.
/// # Safety
/// Each pointer is null or valid as stated in [`crate::api`].
/// # Source
/// PC/SC part 5; pcsc-lite 2.5.1 winscard_clnt.c and winscard.c `SCardReconnect`; MSDN `SCardReconnect`.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn SCardReconnect(
    hCard: SCARDHANDLE,
    dwShareMode: DWORD,
    dwPreferredProtocols: DWORD,
    dwInitialization: DWORD,
    pdwActiveProtocol: LPDWORD,
) -> LONG {
    let told = || {
        // SAFETY: this function's contract; pointers are used during the call only.
        unsafe {
            Told::new([
                Arg::Handle("card", hCard),
                Arg::Word("share", dwShareMode, share_words),
                Arg::Word("protocols", dwPreferredProtocols, protocol_words),
                Arg::Word("initialization", dwInitialization, disposition_words),
                Arg::WordOut("protocol", pdwActiveProtocol, protocol_words),
            ])
        }
    };
    ffi::traced("SCardReconnect", told, || {
        if pdwActiveProtocol.is_null() && !platform::ACTIVE_PROTOCOL_IS_OPTIONAL {
            return Err(Error::InvalidParameter);
        }
        let card = card::get(hCard)?;
        let (active, result) = card.reconnect(
            low_word(dwShareMode),
            low_word(dwPreferredProtocols),
            low_word(dwInitialization),
        );
        // SAFETY: this function's contract.
        unsafe { ffi::store(pdwActiveProtocol, active) };
        result
    })
}

/// Ends a connection.
///
/// # Parameters
/// - `hCard`: from [`SCardConnect`].
/// - `dwDisposition`: `SCARD_LEAVE_CARD`, `SCARD_RESET_CARD`, `SCARD_UNPOWER_CARD` or `SCARD_EJECT_CARD`.
/// # Returns
/// | code | when |
/// |---|---|
/// | `SCARD_S_SUCCESS` | also if the reader was unplugged, or the card does not answer to the reset |
/// | `SCARD_E_INVALID_HANDLE` | no connection of this process |
/// | `SCARD_E_INVALID_VALUE` | no such disposition; the connection stays |
/// # Blocking
/// With another disposition than `SCARD_LEAVE_CARD` it waits for another connection's transaction, and for the card.
/// # Differences
/// None to pcsc-lite.
/// # Source
/// PC/SC part 5; pcsc-lite 2.5.1 winscard_clnt.c and winscard.c `SCardDisconnect`; MSDN `SCardDisconnect`.
#[unsafe(no_mangle)]
pub extern "system" fn SCardDisconnect(hCard: SCARDHANDLE, dwDisposition: DWORD) -> LONG {
    let told = || {
        // SAFETY: there is no pointer among them.
        unsafe {
            Told::new([
                Arg::Handle("card", hCard),
                Arg::Word("disposition", dwDisposition, disposition_words),
            ])
        }
    };
    ffi::traced("SCardDisconnect", told, || {
        Card::disconnect(ffi::value(hCard)?, low_word(dwDisposition))
    })
}

/// Begins a transaction: until it ends no other connection reaches the card. Transactions of a connection nest.
///
/// # Parameters
/// - `hCard`: from [`SCardConnect`].
/// # Returns
/// | code | when |
/// |---|---|
/// | `SCARD_E_INVALID_HANDLE` | no connection of this process |
/// | `SCARD_E_INVALID_VALUE` | the reader was unplugged |
/// | `SCARD_E_READER_UNAVAILABLE` | the reader does not work |
/// | `SCARD_W_RESET_CARD`, `SCARD_W_REMOVED_CARD` | that happened, also while waiting, and was not acknowledged by [`SCardReconnect`] |
/// # Blocking
/// Waits for another connection's transaction, without limit.
/// # Differences
/// pcsc-lite looks every 100 ms; here the wait ends at once.
/// # Source
/// PC/SC part 5; pcsc-lite 2.5.1 winscard_clnt.c and winscard.c `SCardBeginTransaction`; MSDN `SCardBeginTransaction`.
#[unsafe(no_mangle)]
pub extern "system" fn SCardBeginTransaction(hCard: SCARDHANDLE) -> LONG {
    let told = || {
        // SAFETY: there is no pointer among them.
        unsafe { Told::new([Arg::Handle("card", hCard)]) }
    };
    ffi::traced("SCardBeginTransaction", told, || card::get(hCard)?.begin())
}

/// Ends a transaction.
///
/// # Parameters
/// - `hCard`: from [`SCardConnect`].
/// - `dwDisposition`: `SCARD_LEAVE_CARD`, `SCARD_RESET_CARD`, `SCARD_UNPOWER_CARD` or `SCARD_EJECT_CARD`.
/// # Returns
/// | code | when |
/// |---|---|
/// | `SCARD_E_INVALID_HANDLE` | no connection of this process |
/// | `SCARD_E_INVALID_VALUE` | no such disposition; the reader was unplugged |
/// | `SCARD_W_RESET_CARD`, `SCARD_W_REMOVED_CARD` | that happened and was not acknowledged; the transaction is still open |
/// | `SCARD_E_SHARING_VIOLATION` | another connection has a transaction; nothing is done |
/// | `SCARD_E_NOT_TRANSACTED` | no transaction is open; the disposition was carried out all the same |
/// | `SCARD_E_UNSUPPORTED_FEATURE` | `SCARD_EJECT_CARD`; the transaction has ended |
/// # Blocking
/// Waits for the card with another disposition than `SCARD_LEAVE_CARD`.
/// # Differences
/// After a reset every connection, this one too, needs [`SCardReconnect`], as with pcsc-lite.
/// # Source
/// PC/SC part 5; pcsc-lite 2.5.1 winscard_clnt.c and winscard.c `SCardEndTransaction`; MSDN `SCardEndTransaction`.
#[unsafe(no_mangle)]
pub extern "system" fn SCardEndTransaction(hCard: SCARDHANDLE, dwDisposition: DWORD) -> LONG {
    let told = || {
        // SAFETY: there is no pointer among them.
        unsafe {
            Told::new([
                Arg::Handle("card", hCard),
                Arg::Word("disposition", dwDisposition, disposition_words),
            ])
        }
    };
    ffi::traced("SCardEndTransaction", told, || {
        card::get(hCard)?.end(low_word(dwDisposition))
    })
}

/// Tells reader name, state, protocol and ATR of a connection.
///
/// # Parameters
/// - `hCard`: from [`SCardConnect`].
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
/// | `SCARD_W_RESET_CARD`, `SCARD_W_REMOVED_CARD` | that happened and was not acknowledged by [`SCardReconnect`] |
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
    /// [`SCardConnect`] with names of the database: introduced ones are known, forgotten ones are not.
    ///
    /// # Safety
    /// Each pointer is null or valid as stated in [`crate::api`].
    /// # Source
    /// MSDN `SCardConnectA`.
    fn SCardConnectA, SCardConnectW(
        hContext: SCARDCONTEXT,
        szReader: In<U>,
        dwShareMode: DWORD,
        dwPreferredProtocols: DWORD,
        phCard: LPSCARDHANDLE,
        pdwActiveProtocol: LPDWORD,
    ) = connect_known;

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
unsafe fn connect_known<U: Unit>(
    context: SCARDCONTEXT,
    reader: In<U>,
    share: DWORD,
    protocols: DWORD,
    card: LPSCARDHANDLE,
    active_protocol: LPDWORD,
) -> Result<()> {
    // SAFETY: by contract.
    unsafe { connect(context, reader, share, protocols, card, active_protocol, Names::Known) }
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
/// - `hCard`: from [`SCardConnect`].
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
/// - `hCard`: from [`SCardConnect`].
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
