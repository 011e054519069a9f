//! Connections: connect, reconnect, disconnect, transactions; what there is to tell of them.
#![allow(unsafe_code, reason = "exported C functions")]

mod status;

use super::constants::MAX_NAME_LEN;
use super::forms::forms;
use super::types::{DWORD, In, LONG, LPCSTR, LPDWORD, LPSCARDHANDLE, SCARDCONTEXT, SCARDHANDLE};
use crate::card::{self, Card};
use crate::context::{self, names::Names};
use crate::error::{Error, Result};
use crate::ffi::text::{self, Unit};
use crate::ffi::{self, low_word};
use crate::platform;
use crate::trace::args::{Arg, Told, disposition_words, protocol_words, share_words};

pub use status::{SCardGetTransmitCount, SCardState, SCardStatus, SCardStatusA, SCardStatusW};

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
