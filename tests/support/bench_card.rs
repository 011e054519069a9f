//! A connection on the bench: the C functions that take a card handle, with Rust results.

#![allow(unsafe_code, reason = "calls the exported C functions")]
#![allow(dead_code, reason = "each test binary uses its part")]

use std::ptr;

use winscard::api::card::{SCardBeginTransaction, SCardDisconnect, SCardEndTransaction, SCardReconnect, SCardStatus};
use winscard::api::constants as c;
use winscard::api::io::{SCardControl, SCardGetAttrib, SCardSetAttrib, SCardTransmit};
use winscard::api::types::{DWORD, SCARD_IO_REQUEST, SCARDHANDLE};

use super::bench_reader::{Code, OK, Reconnected, Running, UNTOUCHED, start};

/// A connection, for any thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handle(SCARDHANDLE);

impl From<SCARDHANDLE> for Handle {
    fn from(handle: SCARDHANDLE) -> Self {
        Self(handle)
    }
}

impl Handle {
    /// No connection of this process.
    pub fn bad() -> Self {
        Self(0x7FFF_FFFF)
    }

    /// Reconnects; must not block.
    #[track_caller]
    pub fn reconnect(self, share: DWORD, protocols: DWORD, initialization: DWORD) -> Reconnected {
        self.start_reconnect(share, protocols, initialization).finish()
    }

    /// Reconnects in a thread of its own.
    pub fn start_reconnect(self, share: DWORD, protocols: DWORD, initialization: DWORD) -> Running<Reconnected> {
        start(move || self.reconnect_here(share, protocols, initialization))
    }

    pub fn reconnect_here(self, share: DWORD, protocols: DWORD, initialization: DWORD) -> Reconnected {
        let mut active = UNTOUCHED;
        // SAFETY: a local.
        let code = unsafe { SCardReconnect(self.0, share, protocols, initialization, &raw mut active) };
        (Code(code), active)
    }

    pub fn reconnect_without_active(self, share: DWORD, protocols: DWORD, initialization: DWORD) -> Code {
        // SAFETY: null is allowed.
        Code(unsafe { SCardReconnect(self.0, share, protocols, initialization, ptr::null_mut()) })
    }

    pub fn disconnect(self, disposition: DWORD) -> Code {
        Code(SCardDisconnect(self.0, disposition))
    }

    /// Begins a transaction; must not block.
    #[track_caller]
    pub fn begin(self) -> Code {
        start(move || Code(SCardBeginTransaction(self.0))).finish()
    }

    pub fn end(self, disposition: DWORD) -> Code {
        Code(SCardEndTransaction(self.0, disposition))
    }

    /// Result, state and protocol; must not block.
    #[track_caller]
    pub fn status(self) -> (Code, DWORD, DWORD) {
        start(move || {
            let (mut state, mut protocol) = (0, 0);
            let (no_text, no_len) = (ptr::null_mut(), ptr::null_mut());
            // SAFETY: locals and nulls.
            let code = unsafe {
                let protocol = &raw mut protocol;
                SCardStatus(
                    self.0,
                    no_text,
                    no_len,
                    &raw mut state,
                    protocol,
                    ptr::null_mut(),
                    ptr::null_mut(),
                )
            };
            (Code(code), state, protocol)
        })
        .finish()
    }

    /// Sends a command under that protocol; must not block.
    #[track_caller]
    pub fn transmit(self, protocol: DWORD, command: &[u8]) -> (Code, Vec<u8>) {
        let command = command.to_vec();
        start(move || {
            let pci = SCARD_IO_REQUEST {
                dwProtocol: protocol,
                cbPciLength: 16,
            };
            let mut response = vec![0; 300];
            let (mut len, sent) = (300, DWORD::try_from(command.len()).unwrap());
            // SAFETY: buffers with their lengths.
            let code = unsafe {
                let (out, no_pci) = (response.as_mut_ptr(), ptr::null_mut());
                SCardTransmit(
                    self.0,
                    &raw const pci,
                    command.as_ptr(),
                    sent,
                    no_pci,
                    out,
                    &raw mut len,
                )
            };
            response.truncate(usize::try_from(len).unwrap());
            (Code(code), response)
        })
        .finish()
    }

    /// Whether the card answers SELECT MF with 9000 under that protocol.
    #[track_caller]
    pub fn assert_works(self, protocol: DWORD) {
        let (code, response) = self.transmit(protocol, &[0x00, 0xA4, 0x00, 0x0C, 0x02, 0x3F, 0x00]);
        assert_eq!((code, &response[..]), (OK, &[0x90, 0x00][..]), "SELECT MF");
    }

    /// Asks for the feature list.
    pub fn control(self) -> Code {
        let (mut out, mut len) = ([0_u8; 64], 0);
        // SAFETY: a buffer with its length.
        Code(unsafe {
            let code = c::CM_IOCTL_GET_FEATURE_REQUEST;
            SCardControl(self.0, code, ptr::null(), 0, out.as_mut_ptr().cast(), 64, &raw mut len)
        })
    }

    /// Asks for the ATR as an attribute.
    pub fn get_attrib(self) -> Code {
        let (mut out, mut len) = ([0_u8; 64], 64);
        // SAFETY: a buffer with its length.
        Code(unsafe { SCardGetAttrib(self.0, c::SCARD_ATTR_ATR_STRING, out.as_mut_ptr(), &raw mut len) })
    }

    pub fn set_attrib(self) -> Code {
        let value = [1_u8];
        // SAFETY: a buffer with its length.
        Code(unsafe { SCardSetAttrib(self.0, c::SCARD_ATTR_SUPRESS_T1_IFS_REQUEST, value.as_ptr(), 1) })
    }
}
