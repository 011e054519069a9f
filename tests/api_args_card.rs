//! Card handles: null pointers, dead handles and values out of range. Every export answers with the incumbent's code, in its order of
//! checks, and writes what it writes. Nothing here needs a reader.
#![allow(
    unsafe_code,
    clippy::undocumented_unsafe_blocks,
    reason = "tests call the C functions"
)]
#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[path = "support/calls.rs"]
mod calls;

use std::ffi::c_char;
use std::ptr::{null, null_mut};

use calls::*;
use winscard::api::card::*;
use winscard::api::constants::*;
use winscard::api::io::*;
use winscard::api::pci::*;
use winscard::api::types::*;

/// Numbers that are no card handle: a live context among them, and the same with the kind bit of card handles.
fn bad_cards(context: &Context) -> Vec<SCARDHANDLE> {
    vec![0, 1, -1, LONG::MAX, LONG::MIN, context.0, context.0 | CARD_BIT]
}

#[test]
fn connect_checks_in_pcsc_lites_order() {
    let context = Context::new();
    let name = NOBODY.as_ptr();
    let mut card = 7;
    let mut protocol: DWORD = 77;
    assert_eq!(
        unsafe { SCardConnect(0, null(), 0, 0, null_mut(), &raw mut protocol) },
        INVALID_PARAMETER
    );
    assert_eq!(
        unsafe { SCardConnect(0, null(), 0, 0, &raw mut card, null_mut()) },
        INVALID_PARAMETER
    );
    assert_eq!((card, protocol), (7, 77));

    let mut connect = |context: SCARDCONTEXT, name: *const c_char, mode: DWORD, protocols: DWORD| {
        (card, protocol) = (7, 77);
        let result = unsafe { SCardConnect(context, name, mode, protocols, &raw mut card, &raw mut protocol) };
        (result, card, protocol)
    };
    // A null name comes before the context, a long one too.
    assert_eq!(connect(0, null(), 2, 3), (UNKNOWN_READER, 0, 77));
    let long = std::ffi::CString::new(vec![b'x'; 129]).expect("no NUL");
    assert_eq!(connect(0, long.as_ptr(), 2, 3), (INVALID_VALUE, 0, 77));
    let longest = std::ffi::CString::new(vec![b'x'; 128]).expect("no NUL");
    assert_eq!(connect(0, longest.as_ptr(), 2, 3), (INVALID_HANDLE, 0, 77));
    // Protocols before share mode, share mode before name.
    assert_eq!(connect(context.0, name, 99, 0), (PROTO_MISMATCH, 0, 0));
    assert_eq!(connect(context.0, name, 99, 3), (INVALID_VALUE, 0, 0));
    assert_eq!(connect(context.0, name, 0, 3), (INVALID_VALUE, 0, 0));
    assert_eq!(connect(context.0, name, 2, SCARD_PROTOCOL_T15), (PROTO_MISMATCH, 0, 0));
    assert_eq!(connect(context.0, name, 2, 3), (UNKNOWN_READER, 0, 0));
    assert_eq!(connect(context.0, name, 3, 0), (UNKNOWN_READER, 0, 0));
    assert_eq!(connect(context.0, c"".as_ptr(), 3, 0), (UNKNOWN_READER, 0, 0));
    assert_eq!(connect(context.0, longest.as_ptr(), 3, 0), (UNKNOWN_READER, 0, 0));
    assert_eq!(
        connect(context.0, c"\\\\?PnP?\\Notification".as_ptr(), 3, 0),
        (UNKNOWN_READER, 0, 0)
    );
}

#[test]
fn no_function_takes_a_bad_card() {
    let context = Context::new();
    for bad in bad_cards(&context) {
        let mut protocol: DWORD = 77;
        // The handle wins over everything but null pointers.
        assert_eq!(
            unsafe { SCardReconnect(bad, 99, 0, 99, null_mut()) },
            INVALID_PARAMETER,
            "{bad:#x}"
        );
        assert_eq!(
            unsafe { SCardReconnect(bad, 99, 0, 99, &raw mut protocol) },
            INVALID_HANDLE,
            "{bad:#x}"
        );
        assert_eq!(protocol, 77);
        assert_eq!(SCardDisconnect(bad, 99), INVALID_HANDLE, "{bad:#x}");
        assert_eq!(SCardBeginTransaction(bad), INVALID_HANDLE, "{bad:#x}");
        assert_eq!(SCardEndTransaction(bad, 99), INVALID_HANDLE, "{bad:#x}");
    }
}

#[test]
fn status_clears_its_numbers_before_the_handle() {
    let context = Context::new();
    for bad in bad_cards(&context) {
        let mut numbers: [DWORD; 4] = [77; 4];
        let [name_len, state, protocol, atr_len] = &mut numbers;
        let mut buffer = [b'x'; 40];
        let text = buffer.as_mut_ptr();
        let result = unsafe { SCardStatus(bad, text.cast(), name_len, state, protocol, text, atr_len) };
        assert_eq!((result, numbers), (INVALID_HANDLE, [0; 4]));
        assert_eq!(buffer, [b'x'; 40]);
        let nothing = null_mut();
        assert_eq!(
            unsafe { SCardStatus(bad, null_mut(), nothing, nothing, nothing, null_mut(), nothing,) },
            INVALID_HANDLE
        );
    }
}

#[test]
fn transmit_wants_every_pointer_but_one_and_clears_the_length_for_a_bad_handle() {
    let context = Context::new();
    let command = [0_u8, 0xA4, 0, 0];
    let mut response = [b'x'; 4];
    for bad in bad_cards(&context) {
        let mut length: DWORD = 4;
        let (pci, send, receive, len) = (
            &raw const g_rgSCardT1Pci,
            command.as_ptr(),
            response.as_mut_ptr(),
            &raw mut length,
        );
        let none = null_mut();
        assert_eq!(
            unsafe { SCardTransmit(bad, null(), send, 4, none, receive, len) },
            INVALID_PARAMETER
        );
        assert_eq!(
            unsafe { SCardTransmit(bad, pci, null(), 4, none, receive, len) },
            INVALID_PARAMETER
        );
        assert_eq!(
            unsafe { SCardTransmit(bad, pci, send, 4, none, null_mut(), len) },
            INVALID_PARAMETER
        );
        assert_eq!(
            unsafe { SCardTransmit(bad, pci, send, 4, none, receive, null_mut()) },
            INVALID_PARAMETER
        );
        assert_eq!(length, 4);
        // The handle comes before the length of the command, of which not a byte is read here.
        assert_eq!(
            unsafe { SCardTransmit(bad, pci, send, 65_549, none, receive, len) },
            INVALID_HANDLE
        );
        assert_eq!(length, 0);
    }
    assert_eq!(response, [b'x'; 4]);
}

#[test]
fn control_clears_the_length_before_the_handle() {
    let context = Context::new();
    for bad in bad_cards(&context) {
        let mut length: DWORD = 77;
        let result = unsafe { SCardControl(bad, 0, null(), 65_549, null_mut(), 0, &raw mut length) };
        assert_eq!((result, length), (INVALID_HANDLE, 0));
        assert_eq!(
            unsafe { SCardControl(bad, 0, null(), 0, null_mut(), 0, null_mut()) },
            INVALID_HANDLE
        );
    }
}

#[test]
fn attributes_check_pointers_before_the_handle() {
    let context = Context::new();
    let mut value = [b'x'; 4];
    for bad in bad_cards(&context) {
        let bytes = value.as_mut_ptr();
        assert_eq!(unsafe { SCardGetAttrib(bad, 0, bytes, null_mut()) }, INVALID_PARAMETER);
        let mut length = SCARD_AUTOALLOCATE;
        assert_eq!(
            unsafe { SCardGetAttrib(bad, 0, null_mut(), &raw mut length) },
            INVALID_PARAMETER
        );

        // Nothing is allocated and nothing written: pcsc-lite leaves 264 bytes behind.
        let mut memory: *mut u8 = 16 as *mut u8;
        let target = (&raw mut memory).cast();
        assert_eq!(
            unsafe { SCardGetAttrib(bad, 0, target, &raw mut length) },
            INVALID_HANDLE
        );
        assert_eq!((memory, length), (16 as *mut u8, SCARD_AUTOALLOCATE));

        let mut length: DWORD = 1000;
        assert_eq!(
            unsafe { SCardGetAttrib(bad, 0, bytes, &raw mut length) },
            INVALID_HANDLE
        );
        assert_eq!(length, 1000);

        assert_eq!(unsafe { SCardSetAttrib(bad, 0, null(), 4) }, INVALID_PARAMETER);
        assert_eq!(unsafe { SCardSetAttrib(bad, 0, bytes, 0) }, INVALID_PARAMETER);
        assert_eq!(unsafe { SCardSetAttrib(bad, 0, bytes, 265) }, INVALID_HANDLE);
    }
    assert_eq!(value, [b'x'; 4]);
}

#[test]
fn the_pci_objects_hold_protocol_and_size() {
    let length = size_of::<SCARD_IO_REQUEST>().try_into().expect("small number");
    for (object, protocol) in [(&g_rgSCardT0Pci, 1), (&g_rgSCardT1Pci, 2), (&g_rgSCardRawPci, 4)] {
        assert_eq!(
            *object,
            SCARD_IO_REQUEST {
                dwProtocol: protocol,
                cbPciLength: length
            }
        );
    }
}
