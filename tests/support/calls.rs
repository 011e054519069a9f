//! What the tests of the C functions share.
#![allow(dead_code, reason = "each test uses a part")]

use std::ffi::{CStr, c_char};
use std::ptr::{null, null_mut};

use winscard::api::constants::*;
use winscard::api::context::*;
use winscard::api::readers::*;
use winscard::api::types::*;
use winscard::error::Error;

pub(crate) const INVALID_HANDLE: LONG = Error::InvalidHandle.to_long();
pub(crate) const INVALID_PARAMETER: LONG = Error::InvalidParameter.to_long();
pub(crate) const INVALID_VALUE: LONG = Error::InvalidValue.to_long();
pub(crate) const INSUFFICIENT_BUFFER: LONG = Error::InsufficientBuffer.to_long();
pub(crate) const UNKNOWN_READER: LONG = Error::UnknownReader.to_long();
pub(crate) const PROTO_MISMATCH: LONG = Error::ProtoMismatch.to_long();
pub(crate) const NO_READERS_AVAILABLE: LONG = Error::NoReadersAvailable.to_long();
pub(crate) const TIMEOUT: LONG = Error::Timeout.to_long();

/// A name that no reader has.
pub(crate) const NOBODY: &CStr = c"No such reader 00 00";

/// What tells the values of card handles from those of contexts.
pub(crate) const CARD_BIT: LONG = 1 << 30;

/// A context for one test.
#[derive(Debug)]
pub(crate) struct Context(pub(crate) SCARDCONTEXT);

impl Context {
    pub(crate) fn new() -> Self {
        let mut context = 0;
        let result = unsafe { SCardEstablishContext(SCARD_SCOPE_SYSTEM, null(), null(), &raw mut context) };
        assert_eq!(result, SCARD_S_SUCCESS);
        assert!(context > 0 && context <= 0x7FFF_FFFF, "{context:#x}");
        Self(context)
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        assert_eq!(SCardReleaseContext(self.0), SCARD_S_SUCCESS);
    }
}

/// An entry for SCardGetStatusChange with values that show whether it was written to.
pub(crate) fn entry(name: *const c_char, state: DWORD) -> SCARD_READERSTATE {
    SCARD_READERSTATE {
        szReader: name,
        pvUserData: null_mut(),
        dwCurrentState: state,
        dwEventState: 0xAAAA,
        cbAtr: 0xBBBB,
        rgbAtr: [0xCC; READERSTATE_ATR_SIZE],
    }
}

pub(crate) fn has_untouched_atr(state: &SCARD_READERSTATE) -> bool {
    state.cbAtr == 0xBBBB && state.rgbAtr == [0xCC; READERSTATE_ATR_SIZE]
}

pub(crate) fn is_untouched(state: &SCARD_READERSTATE) -> bool {
    state.dwEventState == 0xAAAA && has_untouched_atr(state)
}

/// SCardGetStatusChange that only looks.
pub(crate) fn status_change(context: SCARDCONTEXT, states: &mut [SCARD_READERSTATE]) -> LONG {
    let count = states.len().try_into().expect("small number");
    unsafe { SCardGetStatusChange(context, 0, states.as_mut_ptr(), count) }
}
