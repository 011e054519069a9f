//! Exchanges with the card and the reader: APDUs, control codes, attributes.
#![allow(unsafe_code, reason = "exported C functions")]

use super::constants::{MAX_APDU_LEN, MAX_ATTRIBUTE_LEN};
use super::scratch::Scratch;
use super::types::{
    DWORD, IoRequestWord, LONG, LPBYTE, LPCBYTE, LPCVOID, LPDWORD, LPVOID, SCARD_IO_REQUEST, SCARDHANDLE,
};
use crate::card;
use crate::error::{Error, Result};
use crate::ffi::{self, Output, Short, low_word};
use crate::trace::args::{Arg, Told, attribute_words};

/// Sends one command APDU to the card and returns its response.
///
/// # Parameters
/// - `hCard`: from [`SCardConnect`](super::card::SCardConnect).
/// - `pioSendPci`: `SCARD_PCI_T0`, `SCARD_PCI_T1` or `SCARD_PCI_RAW`; only its protocol is looked at.
/// - `pbSendBuffer`, `cbSendLength`: command, up to 65 548 bytes; may overlap the receive buffer.
/// - `pioRecvPci`: left as it is; may be null.
/// - `pbRecvBuffer`: gets the response.
/// - `pcbRecvLength`: in: room in bytes; out: bytes written, or needed with `SCARD_E_INSUFFICIENT_BUFFER`, 0 with other errors.
/// # Returns
/// | code | when |
/// |---|---|
/// | `SCARD_E_INVALID_PARAMETER` | a pointer other than `pioRecvPci` is null; the length is left as it is |
/// | `SCARD_E_INVALID_HANDLE` | no connection of this process |
/// | `SCARD_E_INSUFFICIENT_BUFFER` | the command is too long (length left as it is); the response does not fit: the card **has** carried out the command, and the response is lost |
/// | `SCARD_E_INVALID_VALUE` | the reader was unplugged |
/// | `SCARD_E_READER_UNAVAILABLE` | the reader does not work |
/// | `SCARD_W_RESET_CARD`, `SCARD_W_REMOVED_CARD` | that happened since the last call and was not acknowledged by `SCardReconnect` |
/// | `SCARD_E_NO_SMARTCARD` | the card was pulled during the exchange |
/// | `SCARD_E_PROTO_MISMATCH` | the protocol is not the one in use |
/// | `SCARD_E_NOT_TRANSACTED` | the exchange failed |
/// # Blocking
/// Waits for other connections' transactions (no limit) and the card (its own waiting time); `SCardCancel` does not interrupt it.
/// # Differences
/// pcsc-lite looks every 100 ms for the end of a transaction; here the wait ends at once.
/// # Safety
/// Each pointer is null or valid as stated in [`crate::api`].
/// # Source
/// PC/SC part 5; pcsc-lite 2.5.1 winscard_clnt.c `SCardTransmit`; MSDN `SCardTransmit`.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn SCardTransmit(
    hCard: SCARDHANDLE,
    pioSendPci: *const SCARD_IO_REQUEST,
    pbSendBuffer: LPCBYTE,
    cbSendLength: DWORD,
    _pioRecvPci: *mut SCARD_IO_REQUEST,
    pbRecvBuffer: LPBYTE,
    pcbRecvLength: LPDWORD,
) -> LONG {
    let told = || {
        // SAFETY: this function's contract; pointers are used during the call only.
        unsafe {
            Told::new([
                Arg::Handle("card", hCard),
                Arg::Pci(pioSendPci),
                Arg::Command(pbSendBuffer, cbSendLength),
                Arg::BytesOut("response", pbRecvBuffer, pcbRecvLength),
            ])
        }
    };
    ffi::traced("SCardTransmit", told, || {
        // SAFETY: this function's contract; dwProtocol is the first field.
        let protocol = unsafe { ffi::load(pioSendPci.cast::<IoRequestWord>()) };
        // SAFETY: this function's contract.
        let room = unsafe { ffi::load(pcbRecvLength) };
        let (Some(protocol), Some(room), false, false) =
            (protocol, room, pbSendBuffer.is_null(), pbRecvBuffer.is_null())
        else {
            return Err(Error::InvalidParameter);
        };
        // SAFETY: this function's contract.
        let set_length = |length: usize| unsafe { ffi::store(pcbRecvLength, ffi::length(length)) };
        let card = card::get(hCard).inspect_err(|_| set_length(0))?;
        let mut scratch = Scratch::take();
        // SAFETY: this function's contract.
        unsafe { ffi::append_bytes(scratch.command(), pbSendBuffer, cbSendLength, MAX_APDU_LEN) }?;
        // Never less room than a short response needs: what does not fit the caller's buffer is found out below.
        let (command, response) = scratch
            .exchange(ffi::size(room).clamp(MAX_ATTRIBUTE_LEN, MAX_APDU_LEN))
            .inspect_err(|_| set_length(0))?;
        let length = card
            .transmit(low_word(protocol), command, response)
            .inspect_err(|_| set_length(0))?;
        set_length(length);
        // SAFETY: this function's contract; `room` is never SCARD_AUTOALLOCATE's meaning here.
        let output = unsafe { Output::with_room(pbRecvBuffer, ffi::size(room)) };
        let response = scratch.response(length);
        if response.len() < length {
            return Err(Error::InsufficientBuffer);
        }
        output.write(response, Short::Nothing)
    })
}

/// Sends a control code to the reader.
///
/// # Parameters
/// - `hCard`: from [`SCardConnect`](super::card::SCardConnect); a card is not needed.
/// - `dwControlCode`: `CM_IOCTL_GET_FEATURE_REQUEST`, a code that this gave, or `SCARD_CTL_CODE(1)` for an escape.
/// - `pbSendBuffer`, `cbSendLength`: input, up to 65 548 bytes; may overlap the receive buffer; null if there is none.
/// - `pbRecvBuffer`, `cbRecvLength`: room for the output.
/// - `lpBytesReturned`: gets the length of the output, the length needed with `SCARD_E_INSUFFICIENT_BUFFER`, else 0; may be null.
/// # Returns
/// | code | when |
/// |---|---|
/// | `SCARD_E_INVALID_HANDLE` | no connection of this process |
/// | `SCARD_E_INSUFFICIENT_BUFFER` | the input is too long; the output does not fit |
/// | `SCARD_E_INVALID_PARAMETER` | `pbSendBuffer` is null with a length |
/// | `SCARD_E_INVALID_VALUE` | the reader was unplugged |
/// | `SCARD_E_SHARING_VIOLATION` | another connection has a transaction |
/// | `SCARD_E_READER_UNAVAILABLE` | the reader does not work |
/// | `SCARD_E_UNSUPPORTED_FEATURE` | the reader does not know the code |
/// | `SCARD_E_NOT_TRANSACTED` | the exchange failed |
/// # Blocking
/// Waits for the reader, and for the user at a PIN pad; not for transactions.
/// # Differences
/// Windows' code for the list of features, 0x00313520, works as well.
/// # Safety
/// Each pointer is null or valid as stated in [`crate::api`].
/// # Source
/// PC/SC parts 5 and 10; pcsc-lite 2.5.1 winscard_clnt.c `SCardControl`; MSDN `SCardControl`.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn SCardControl(
    hCard: SCARDHANDLE,
    dwControlCode: DWORD,
    pbSendBuffer: LPCVOID,
    cbSendLength: DWORD,
    pbRecvBuffer: LPVOID,
    cbRecvLength: DWORD,
    lpBytesReturned: LPDWORD,
) -> LONG {
    let told = || {
        // SAFETY: this function's contract; pointers are used during the call only.
        unsafe {
            Told::new([
                Arg::Handle("card", hCard),
                Arg::Control(dwControlCode, pbSendBuffer, cbSendLength),
                Arg::ControlOut(pbRecvBuffer, cbRecvLength, lpBytesReturned),
            ])
        }
    };
    ffi::traced("SCardControl", told, || {
        // SAFETY: this function's contract.
        let set_length = |length: usize| unsafe { ffi::store(lpBytesReturned, ffi::length(length)) };
        set_length(0);
        let card = card::get(hCard)?;
        let mut scratch = Scratch::take();
        // SAFETY: this function's contract.
        unsafe { ffi::append_bytes(scratch.command(), pbSendBuffer.cast(), cbSendLength, MAX_APDU_LEN) }?;
        let room = if pbRecvBuffer.is_null() {
            0
        } else {
            ffi::size(cbRecvLength)
        };
        let answer = card.control(low_word(dwControlCode), scratch.command(), room)?;
        set_length(answer.len());
        if answer.len() > room {
            return Err(Error::InsufficientBuffer);
        }
        // SAFETY: this function's contract.
        unsafe { Output::with_room(pbRecvBuffer, room) }.write(&answer, Short::Nothing)
    })
}

/// Tells an attribute of the reader or the card.
///
/// # Parameters
/// - `hCard`: from [`SCardConnect`](super::card::SCardConnect).
/// - `dwAttrId`: `SCARD_ATTR_…`.
/// - `pbAttr`: gets the value; null asks for the length only.
/// - `pcbAttrLen`: in: room in bytes, at most 264, or `SCARD_AUTOALLOCATE`; out: length of the value, as it was on errors.
/// # Returns
/// | code | when |
/// |---|---|
/// | `SCARD_E_INVALID_PARAMETER` | `pcbAttrLen` is null; or `SCARD_AUTOALLOCATE` with null `pbAttr` |
/// | `SCARD_E_INVALID_HANDLE` | no connection of this process |
/// | `SCARD_E_INSUFFICIENT_BUFFER` | more than 264 bytes of room stated; the value does not fit: what fits is written, the length needed stored |
/// | `SCARD_E_INVALID_VALUE` | the reader was unplugged |
/// | `SCARD_E_SHARING_VIOLATION` | another connection has a transaction |
/// | `SCARD_E_READER_UNAVAILABLE` | the reader does not work |
/// | `SCARD_W_RESET_CARD`, `SCARD_W_REMOVED_CARD` | that happened and was not acknowledged by `SCardReconnect` |
/// | `SCARD_E_UNSUPPORTED_FEATURE` | the attribute is not known |
/// # Blocking
/// Not for transactions.
/// # Differences
/// With `SCARD_AUTOALLOCATE` nothing is allocated or written on failure; pcsc-lite leaves 264 bytes behind.
/// # Safety
/// Each pointer is null or valid as stated in [`crate::api`].
/// # Source
/// PC/SC part 5; pcsc-lite 2.5.1 winscard_clnt.c `SCardGetAttrib`; MSDN `SCardGetAttrib`.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn SCardGetAttrib(
    hCard: SCARDHANDLE,
    dwAttrId: DWORD,
    pbAttr: LPBYTE,
    pcbAttrLen: LPDWORD,
) -> LONG {
    let told = || {
        // SAFETY: this function's contract; pointers are used during the call only.
        unsafe {
            Told::new([
                Arg::Handle("card", hCard),
                Arg::Word("attribute", dwAttrId, attribute_words),
                Arg::BytesOut("value", pbAttr, pcbAttrLen),
            ])
        }
    };
    ffi::traced("SCardGetAttrib", told, || {
        if pcbAttrLen.is_null() {
            return Err(Error::InvalidParameter);
        }
        // SAFETY: this function's contract.
        let output = unsafe { Output::new(pbAttr, pcbAttrLen) };
        if output.is_allocation_without_target() {
            return Err(Error::InvalidParameter);
        }
        let card = card::get(hCard)?;
        if !output.is_query() && output.room().is_some_and(|room| room > MAX_ATTRIBUTE_LEN) {
            return Err(Error::InsufficientBuffer);
        }
        let value = card.get_attrib(low_word(dwAttrId))?;
        let result = output.write(&value, Short::Part);
        if result != Err(Error::NoMemory) {
            // SAFETY: this function's contract.
            unsafe { ffi::store(pcbAttrLen, ffi::length(value.len())) };
        }
        result
    })
}

/// Sets an attribute of the reader. None can be set with the readers this library drives.
///
/// # Parameters
/// - `hCard`: from [`SCardConnect`](super::card::SCardConnect).
/// - `dwAttrId`: `SCARD_ATTR_…`.
/// - `pbAttr`, `cbAttrLen`: the value, 1 to 264 bytes.
/// # Returns
/// | code | when |
/// |---|---|
/// | `SCARD_E_INVALID_PARAMETER` | `pbAttr` is null or `cbAttrLen` is 0 |
/// | `SCARD_E_INVALID_HANDLE` | no connection of this process |
/// | `SCARD_E_INSUFFICIENT_BUFFER` | the value is too long |
/// | `SCARD_E_INVALID_VALUE` | the reader was unplugged |
/// | `SCARD_E_SHARING_VIOLATION` | another connection has a transaction |
/// | `SCARD_E_READER_UNAVAILABLE` | the reader does not work |
/// | `SCARD_W_RESET_CARD`, `SCARD_W_REMOVED_CARD` | that happened and was not acknowledged by `SCardReconnect` |
/// | `SCARD_E_UNSUPPORTED_FEATURE` | otherwise |
/// # Blocking
/// Not for transactions.
/// # Differences
/// pcsc-lite's driver can be told to drop the reader this way; here not.
/// # Safety
/// Each pointer is null or valid as stated in [`crate::api`].
/// # Source
/// PC/SC part 5; pcsc-lite 2.5.1 winscard_clnt.c `SCardSetAttrib`; MSDN `SCardSetAttrib`.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn SCardSetAttrib(
    hCard: SCARDHANDLE,
    dwAttrId: DWORD,
    pbAttr: LPCBYTE,
    cbAttrLen: DWORD,
) -> LONG {
    let told = || {
        // SAFETY: this function's contract; pointers are used during the call only.
        unsafe {
            Told::new([
                Arg::Handle("card", hCard),
                Arg::Word("attribute", dwAttrId, attribute_words),
                Arg::Bytes("value", pbAttr, cbAttrLen),
            ])
        }
    };
    ffi::traced("SCardSetAttrib", told, || -> Result<()> {
        if pbAttr.is_null() || cbAttrLen == 0 {
            return Err(Error::InvalidParameter);
        }
        let card = card::get(hCard)?;
        // SAFETY: this function's contract.
        let value = unsafe { ffi::bytes_in(pbAttr, cbAttrLen, MAX_ATTRIBUTE_LEN) }?;
        card.set_attrib(low_word(dwAttrId), &value)
    })
}
