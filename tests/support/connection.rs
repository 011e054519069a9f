//! A connection to the software reader, for the tests of the C functions.
#![allow(dead_code, reason = "each test uses a part")]

use std::ffi::CString;
use std::ptr::{null, null_mut};
use std::slice;
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use winscard::api::card::*;
use winscard::api::constants::*;
use winscard::api::context::*;
use winscard::api::io::*;
use winscard::api::pci::*;
use winscard::api::readers::*;
use winscard::api::types::*;

use crate::calls::*;

/// SELECT without data (ISO 7816-4 §7.1.1): any card answers something, and at least a status word.
pub(crate) const COMMAND: &[u8] = &[0x00, 0xA4, 0x00, 0x00];

/// A connection to the software reader. There is one at a time: some functions do not wait for another's exchange, but refuse.
#[derive(Debug)]
pub(crate) struct Card {
    pub(crate) context: Context,
    pub(crate) name: CString,
    pub(crate) handle: SCARDHANDLE,
    pub(crate) pci: *const SCARD_IO_REQUEST,
    _turn: MutexGuard<'static, ()>,
}

impl Card {
    pub(crate) fn connect() -> Self {
        static SIM: Once = Once::new();
        // Every test of this file comes through here first, and nothing has read the environment yet.
        SIM.call_once(|| unsafe { std::env::set_var("WINSCARD_SIM", "builtin") });
        static TURN: Mutex<()> = Mutex::new(());
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let context = Context::new();
        let name = CString::new(names(&context)[0].as_str()).expect("no NUL");
        let (mut handle, mut protocol) = (0, 0);
        let result = unsafe {
            SCardConnect(
                context.0,
                name.as_ptr(),
                SCARD_SHARE_SHARED,
                SCARD_PROTOCOL_ANY,
                &raw mut handle,
                &raw mut protocol,
            )
        };
        assert_eq!(result, SCARD_S_SUCCESS, "{result:#x}");
        let pci = if protocol == SCARD_PROTOCOL_T0 {
            &raw const g_rgSCardT0Pci
        } else {
            &raw const g_rgSCardT1Pci
        };
        Self {
            context,
            name,
            handle,
            pci,
            _turn: turn,
        }
    }

    pub(crate) fn transmit(&self, command: &[u8], buffer: *mut u8, mut room: DWORD) -> (LONG, DWORD) {
        let length = command.len().try_into().expect("small number");
        let result = unsafe {
            SCardTransmit(
                self.handle,
                self.pci,
                command.as_ptr(),
                length,
                null_mut(),
                buffer,
                &raw mut room,
            )
        };
        (result, room)
    }

    pub(crate) fn attribute(&self, id: DWORD, buffer: *mut u8, mut room: DWORD) -> (LONG, DWORD) {
        let result = unsafe { SCardGetAttrib(self.handle, id, buffer, &raw mut room) };
        (result, room)
    }

    /// The card's ATR as SCardGetAttrib tells it.
    pub(crate) fn atr(&self) -> Vec<u8> {
        let mut buffer = [0; 33];
        let (result, length) = self.attribute(SCARD_ATTR_ATR_STRING, buffer.as_mut_ptr(), 33);
        assert_eq!(result, SCARD_S_SUCCESS);
        buffer[..usize::try_from(length).expect("length")].to_vec()
    }
}

impl Drop for Card {
    fn drop(&mut self) {
        assert_eq!(SCardDisconnect(self.handle, SCARD_LEAVE_CARD), SCARD_S_SUCCESS);
    }
}

/// The readers' names by way of SCARD_AUTOALLOCATE.
pub(crate) fn names(context: &Context) -> Vec<String> {
    let mut memory: *mut u8 = null_mut();
    let mut length = SCARD_AUTOALLOCATE;
    let result = unsafe { SCardListReaders(context.0, null(), (&raw mut memory).cast(), &raw mut length) };
    assert_eq!(result, SCARD_S_SUCCESS, "no software reader");
    let bytes = unsafe { slice::from_raw_parts(memory, usize::try_from(length).expect("length")) }.to_vec();
    assert_eq!(unsafe { SCardFreeMemory(context.0, memory.cast()) }, SCARD_S_SUCCESS);
    assert!(bytes.ends_with(&[0, 0]), "{bytes:?}");
    let text = String::from_utf8(bytes).expect("UTF-8");
    text.trim_end_matches('\0').split('\0').map(str::to_owned).collect()
}
