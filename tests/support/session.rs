//! Connections to simulated readers by name, for tests that plug their own.
#![allow(dead_code, reason = "each test uses a part")]

use std::ffi::CString;
use std::ptr::{null, null_mut};

use winscard::api::card::*;
use winscard::api::constants::*;
use winscard::api::io::*;
use winscard::api::pci::*;
use winscard::api::readers::*;
use winscard::api::types::*;
use winscard::sim::{Config, Reader, plug};

use crate::calls::*;

/// The readers' names, none if there is none.
pub(crate) fn names(context: &Context) -> Vec<String> {
    let mut text = vec![0_u8; 8192];
    let mut len = text.len().try_into().expect("small number");
    let result = unsafe { SCardListReaders(context.0, null(), text.as_mut_ptr().cast(), &raw mut len) };
    if result == NO_READERS_AVAILABLE {
        return Vec::new();
    }
    assert_eq!(result, SCARD_S_SUCCESS, "{result:#x}");
    text.truncate(len.try_into().expect("length"));
    let names = text.split(|byte| *byte == 0).filter(|name| !name.is_empty());
    names
        .map(|name| String::from_utf8(name.to_vec()).expect("UTF-8"))
        .collect()
}

/// Plugs a reader in; returns it with the names of its slots.
pub(crate) fn plug_in(context: &Context, config: Config) -> (Reader, Vec<String>) {
    let before = names(context);
    let reader = plug(config).expect("a reader");
    let names = names(context);
    (
        reader,
        names.into_iter().filter(|name| !before.contains(name)).collect(),
    )
}

/// A card handle with the protocol in use.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) handle: SCARDHANDLE,
    pub(crate) protocol: DWORD,
}

/// Connects for shared use with any protocol.
pub(crate) fn connect(context: &Context, name: &str) -> Result<Session, LONG> {
    let name = CString::new(name).expect("no NUL");
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
    if result == SCARD_S_SUCCESS {
        Ok(Session { handle, protocol })
    } else {
        Err(result)
    }
}

impl Session {
    pub(crate) fn transmit(&self, command: &[u8]) -> Result<Vec<u8>, LONG> {
        let pci = if self.protocol == SCARD_PROTOCOL_T0 {
            &raw const g_rgSCardT0Pci
        } else {
            &raw const g_rgSCardT1Pci
        };
        let mut response = vec![0; 1000];
        let mut len = response.len().try_into().expect("small number");
        let result = unsafe {
            SCardTransmit(
                self.handle,
                pci,
                command.as_ptr(),
                command.len().try_into().expect("small number"),
                null_mut(),
                response.as_mut_ptr(),
                &raw mut len,
            )
        };
        if result != SCARD_S_SUCCESS {
            return Err(result);
        }
        response.truncate(len.try_into().expect("length"));
        Ok(response)
    }

    pub(crate) fn reconnect(&mut self) -> LONG {
        unsafe {
            SCardReconnect(
                self.handle,
                SCARD_SHARE_SHARED,
                SCARD_PROTOCOL_ANY,
                SCARD_LEAVE_CARD,
                &raw mut self.protocol,
            )
        }
    }

    /// The ATR as SCardGetAttrib tells it.
    pub(crate) fn atr(&self) -> Result<Vec<u8>, LONG> {
        let mut atr = vec![0; 33];
        let mut len = 33;
        let result = unsafe { SCardGetAttrib(self.handle, SCARD_ATTR_ATR_STRING, atr.as_mut_ptr(), &raw mut len) };
        if result != SCARD_S_SUCCESS {
            return Err(result);
        }
        atr.truncate(len.try_into().expect("length"));
        Ok(atr)
    }

    pub(crate) fn disconnect(self, disposition: DWORD) {
        assert_eq!(SCardDisconnect(self.handle, disposition), SCARD_S_SUCCESS);
    }
}
