//! Connections: connect, reconnect, disconnect, transactions, status.
#![allow(unsafe_code, reason = "exported C functions")]

use super::constants::MAX_NAME_LEN;
use super::types::{DWORD, LONG, LPBYTE, LPCSTR, LPDWORD, LPSCARDHANDLE, LPSTR, SCARDCONTEXT, SCARDHANDLE};
use crate::card::{self, Card};
use crate::context;
use crate::error::Error;
use crate::ffi::{self, Output, Short, low_word};
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
#[unsafe(no_mangle)]
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
        if phCard.is_null() || pdwActiveProtocol.is_null() {
            return Err(Error::InvalidParameter);
        }
        // SAFETY: this function's contract.
        unsafe { ffi::store(phCard, 0) };
        if szReader.is_null() {
            return Err(Error::UnknownReader);
        }
        // SAFETY: this function's contract.
        let name = unsafe { ffi::string_in(szReader, MAX_NAME_LEN) };
        if name.len() > MAX_NAME_LEN {
            return Err(Error::InvalidValue);
        }
        let context = context::get(hContext)?;
        // SAFETY: this function's contract.
        unsafe { ffi::store(pdwActiveProtocol, 0) };
        let (value, active) = context.connect(&name, low_word(dwShareMode), low_word(dwPreferredProtocols))?;
        // SAFETY: this function's contract.
        unsafe { ffi::store(pdwActiveProtocol, active) };
        // SAFETY: this function's contract.
        unsafe { ffi::store(phCard, ffi::handle(value)) };
        Ok(())
    })
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
        if pdwActiveProtocol.is_null() {
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
#[unsafe(no_mangle)]
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
        let name_output = unsafe { Output::new(mszReaderName, pcchReaderLen) };
        // SAFETY: this function's contract.
        let atr_output = unsafe { Output::new(pbAtr, pcbAtrLen) };
        let set = |name_len: usize, atr_len: usize, state: u32, protocol: u32| {
            let numbers = [
                (pcchReaderLen, ffi::length(name_len)),
                (pcbAtrLen, ffi::length(atr_len)),
                (pdwState, state.into()),
                (pdwProtocol, protocol.into()),
            ];
            for (target, number) in numbers {
                // SAFETY: this function's contract.
                unsafe { ffi::store(target, number) };
            }
        };
        set(0, 0, 0, 0);
        let status = card::get(hCard)?.status()?;
        let mut name = status.name.into_bytes();
        name.push(0);
        set(name.len(), status.atr.len(), status.state, status.protocol);
        if name_output.room().is_some_and(|room| room > name.len()) {
            // Not counted: a caller that takes the name for a multi-string finds its end, as with pcsc-lite.
            name.push(0);
        }
        // A name that does not fit must not keep the ATR from the caller; a failed allocation does.
        match name_output.write(&name, Short::Part) {
            Ok(()) => atr_output.write(&status.atr, Short::Part),
            Err(Error::InsufficientBuffer) => atr_output
                .write(&status.atr, Short::Part)
                .and(Err(Error::InsufficientBuffer)),
            Err(error) => Err(error),
        }
    })
}
