//! The C functions with results as Rust likes them.

use std::ffi::{CStr, CString, c_char};
use std::ptr::{null, null_mut};

use winscard::api::card::*;
use winscard::api::constants::*;
use winscard::api::context::*;
use winscard::api::io::*;
use winscard::api::pci::*;
use winscard::api::readers::*;
use winscard::api::types::*;

/// A result code, as in the journal.
pub(crate) fn code(result: LONG) -> u32 {
    u32::try_from(result).expect("a result code")
}

fn small<T: TryFrom<U>, U>(number: U) -> T
where
    T::Error: std::fmt::Debug,
    U: Copy,
{
    T::try_from(number).expect("a small number")
}

pub(crate) fn establish() -> (u32, SCARDCONTEXT) {
    let mut context = 0;
    let result = unsafe { SCardEstablishContext(SCARD_SCOPE_SYSTEM, null(), null(), &raw mut context) };
    (code(result), context)
}

pub(crate) fn release(context: SCARDCONTEXT) -> u32 {
    code(SCardReleaseContext(context))
}

pub(crate) fn list(context: SCARDCONTEXT) -> (u32, Vec<CString>) {
    let mut text = vec![0_u8; 4096];
    let mut len = small(text.len());
    let result = unsafe { SCardListReaders(context, null(), text.as_mut_ptr().cast(), &raw mut len) };
    let names = text
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty())
        .map(|name| CString::new(name).expect("no NUL"));
    (code(result), if result == 0 { names.collect() } else { Vec::new() })
}

/// Code, handle, protocol.
pub(crate) fn connect(context: SCARDCONTEXT, reader: &CStr, share: u32, protocols: u32) -> (u32, SCARDHANDLE, u32) {
    let (mut handle, mut protocol) = (0, 0);
    let result = unsafe {
        SCardConnect(
            context,
            reader.as_ptr(),
            share.into(),
            protocols.into(),
            &raw mut handle,
            &raw mut protocol,
        )
    };
    (code(result), handle, small(protocol))
}

/// Code, protocol.
pub(crate) fn reconnect(handle: SCARDHANDLE, share: u32, initialization: u32) -> (u32, u32) {
    let mut protocol = 0;
    let result = unsafe {
        SCardReconnect(
            handle,
            share.into(),
            SCARD_PROTOCOL_ANY,
            initialization.into(),
            &raw mut protocol,
        )
    };
    (code(result), small(protocol))
}

pub(crate) fn disconnect(handle: SCARDHANDLE, disposition: u32) -> u32 {
    code(SCardDisconnect(handle, disposition.into()))
}

pub(crate) fn begin(handle: SCARDHANDLE) -> u32 {
    code(SCardBeginTransaction(handle))
}

pub(crate) fn end(handle: SCARDHANDLE, disposition: u32) -> u32 {
    code(SCardEndTransaction(handle, disposition.into()))
}

/// Code, state word.
pub(crate) fn status(handle: SCARDHANDLE) -> (u32, u64) {
    let mut state = 0;
    let result = unsafe {
        SCardStatus(
            handle,
            null_mut(),
            null_mut(),
            &raw mut state,
            null_mut(),
            null_mut(),
            null_mut(),
        )
    };
    (code(result), state)
}

pub(crate) fn transmit(handle: SCARDHANDLE, protocol: u32, command: &[u8]) -> (u32, Vec<u8>) {
    let pci = if protocol == 1 {
        &raw const g_rgSCardT0Pci
    } else {
        &raw const g_rgSCardT1Pci
    };
    let mut response = vec![0; 300];
    let mut len = small(response.len());
    let result = unsafe {
        SCardTransmit(
            handle,
            pci,
            command.as_ptr(),
            small(command.len()),
            null_mut(),
            response.as_mut_ptr(),
            &raw mut len,
        )
    };
    response.truncate(if result == 0 { small(len) } else { 0 });
    (code(result), response)
}

/// Code, event words.
pub(crate) fn change(context: SCARDCONTEXT, timeout: u32, readers: &[(*const c_char, u64)]) -> (u32, Vec<u64>) {
    let mut states: Vec<SCARD_READERSTATE> = readers
        .iter()
        .map(|(name, known)| SCARD_READERSTATE {
            szReader: *name,
            pvUserData: null_mut(),
            dwCurrentState: *known,
            dwEventState: 0,
            cbAtr: 0,
            rgbAtr: [0; READERSTATE_ATR_SIZE],
        })
        .collect();
    let result = unsafe { SCardGetStatusChange(context, timeout.into(), states.as_mut_ptr(), small(states.len())) };
    (code(result), states.iter().map(|state| state.dwEventState).collect())
}
