//! Software readers of any make, one at a time, and a connection to one.
#![allow(dead_code, reason = "each test uses a part")]

use std::ffi::CString;
use std::ptr::{null, null_mut};
use std::sync::{Mutex, MutexGuard, PoisonError};

use winscard::api::card::*;
use winscard::api::constants::*;
use winscard::api::io::*;
use winscard::api::pci::*;
use winscard::api::types::*;
use winscard::sim::builtin::BuiltinCard;
use winscard::sim::card::Protocols;
use winscard::sim::{self, Config, Reader};

use crate::calls::*;
use crate::connection::names;

/// A reader, and a connection to it.
#[derive(Debug)]
pub(crate) struct Plugged {
    pub(crate) reader: Reader,
    pub(crate) name: String,
    pub(crate) handle: SCARDHANDLE,
    pub(crate) protocol: DWORD,
    context: Context,
    _turn: MutexGuard<'static, ()>,
}

impl Plugged {
    /// With the built-in card, connected for sharing.
    pub(crate) fn with_card(config: Config, protocols: Protocols) -> Self {
        Self::new(config, Some(protocols), SCARD_SHARE_SHARED)
    }

    /// Without a card, connected directly.
    pub(crate) fn empty(config: Config) -> Self {
        Self::new(config, None, SCARD_SHARE_DIRECT)
    }

    fn new(config: Config, card: Option<Protocols>, share: DWORD) -> Self {
        static TURN: Mutex<()> = Mutex::new(());
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let reader = sim::plug(config).expect("a place on the bus");
        if let Some(protocols) = card {
            assert!(reader.insert(0, BuiltinCard::new(protocols)).is_none());
        }
        let context = Context::new();
        let name = names(&context).pop().expect("a reader");
        let c_name = CString::new(name.as_str()).expect("no NUL");
        let (mut handle, mut protocol) = (0, 0);
        let wanted = if card.is_some() { SCARD_PROTOCOL_ANY } else { 0 };
        let result = unsafe {
            SCardConnect(
                context.0,
                c_name.as_ptr(),
                share,
                wanted,
                &raw mut handle,
                &raw mut protocol,
            )
        };
        assert_eq!(result, SCARD_S_SUCCESS, "{result:#x}");
        Self {
            reader,
            name,
            handle,
            protocol,
            context,
            _turn: turn,
        }
    }

    /// A second connection of the same context.
    pub(crate) fn connect_too(&self) -> SCARDHANDLE {
        let c_name = CString::new(self.name.as_str()).expect("no NUL");
        let (mut handle, mut protocol) = (0, 0);
        let result = unsafe {
            SCardConnect(
                self.context.0,
                c_name.as_ptr(),
                SCARD_SHARE_SHARED,
                SCARD_PROTOCOL_ANY,
                &raw mut handle,
                &raw mut protocol,
            )
        };
        assert_eq!(result, SCARD_S_SUCCESS, "{result:#x}");
        handle
    }

    /// SCardControl with this much room: the result, the length told, and the answer.
    pub(crate) fn control_with_room(&self, code: DWORD, input: &[u8], room: usize) -> (LONG, usize, Vec<u8>) {
        let mut output = vec![0; room];
        let mut length: DWORD = 77;
        let result = unsafe {
            SCardControl(
                self.handle,
                code,
                if input.is_empty() {
                    null()
                } else {
                    input.as_ptr().cast()
                },
                input.len().try_into().expect("small"),
                output.as_mut_ptr().cast(),
                room.try_into().expect("small"),
                &raw mut length,
            )
        };
        let length = usize::try_from(length).expect("length");
        if result == SCARD_S_SUCCESS {
            output.truncate(length);
        } else {
            output.clear();
        }
        (result, length, output)
    }

    /// SCardControl with room enough.
    pub(crate) fn control(&self, code: DWORD, input: &[u8]) -> Result<Vec<u8>, LONG> {
        match self.control_with_room(code, input, 1000) {
            (SCARD_S_SUCCESS, _, answer) => Ok(answer),
            (error, length, _) => {
                assert_eq!(length, 0);
                Err(error)
            }
        }
    }

    pub(crate) fn transmit(&self, command: &[u8]) -> Result<Vec<u8>, LONG> {
        let pci = if self.protocol == SCARD_PROTOCOL_T0 {
            &raw const g_rgSCardT0Pci
        } else {
            &raw const g_rgSCardT1Pci
        };
        let mut response = vec![0; 300];
        let mut length = 300;
        let result = unsafe {
            SCardTransmit(
                self.handle,
                pci,
                command.as_ptr(),
                command.len().try_into().expect("small"),
                null_mut(),
                response.as_mut_ptr(),
                &raw mut length,
            )
        };
        response.truncate(usize::try_from(length).expect("length"));
        if result == SCARD_S_SUCCESS {
            Ok(response)
        } else {
            Err(result)
        }
    }

    pub(crate) fn attribute(&self, id: DWORD) -> Result<Vec<u8>, LONG> {
        let mut value = vec![0; 264];
        let mut length = 264;
        let result = unsafe { SCardGetAttrib(self.handle, id, value.as_mut_ptr(), &raw mut length) };
        value.truncate(usize::try_from(length).expect("length"));
        if result == SCARD_S_SUCCESS {
            Ok(value)
        } else {
            Err(result)
        }
    }

    /// The data of the messages of this type that the reader got.
    pub(crate) fn sent(&self, kind: u8) -> Vec<Vec<u8>> {
        let messages = self.reader.messages().into_iter();
        messages
            .filter(|message| message.direction == sim::counters::Direction::Out && message.bytes[0] == kind)
            .map(|message| message.bytes[10..].to_vec())
            .collect()
    }
}

impl Drop for Plugged {
    fn drop(&mut self) {
        let _result: LONG = SCardDisconnect(self.handle, SCARD_LEAVE_CARD);
        self.reader.unplug();
    }
}
