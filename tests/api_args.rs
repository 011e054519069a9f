//! Contexts and readers: null pointers, dead handles and values out of range. Every export answers with the incumbent's code, in its
//! order of checks, and writes what it writes. Nothing here needs a reader.
#![allow(
    unsafe_code,
    clippy::undocumented_unsafe_blocks,
    reason = "tests call the C functions"
)]
#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[path = "support/calls.rs"]
mod calls;

use std::ffi::{CStr, c_char, c_void};
use std::ptr::{null, null_mut};

use calls::*;
use winscard::api::card::*;
use winscard::api::constants::*;
use winscard::api::context::*;
use winscard::api::readers::*;
use winscard::api::types::*;
use winscard::error::Error;

/// Numbers that are no context; `live` with the kind bit of card handles is one of them.
fn bad_contexts(live: &Context) -> Vec<SCARDCONTEXT> {
    let stale = Context::new().0;
    let mut bad = vec![0, 1, -1, LONG::MAX, LONG::MIN, stale, live.0 | CARD_BIT];
    if LONG::BITS == 64 {
        // A live value with garbage above its 32 bits.
        bad.push((1 << (LONG::BITS / 2)) | live.0);
    }
    bad
}

#[test]
fn establish_checks_pointer_before_scope_and_clears_the_context() {
    assert_eq!(
        unsafe { SCardEstablishContext(99, null(), null(), null_mut()) },
        INVALID_PARAMETER
    );
    for scope in [4, 99, 0xFFFF_FFFF] {
        let mut context = 7;
        assert_eq!(
            unsafe { SCardEstablishContext(scope, null(), null(), &raw mut context) },
            INVALID_VALUE
        );
        assert_eq!(context, 0);
    }
    for scope in [
        SCARD_SCOPE_USER,
        SCARD_SCOPE_TERMINAL,
        SCARD_SCOPE_SYSTEM,
        SCARD_SCOPE_GLOBAL,
    ] {
        let mut context = 0;
        let reserved: *const c_void = (&raw const context).cast();
        assert_eq!(
            unsafe { SCardEstablishContext(scope, reserved, reserved, &raw mut context) },
            SCARD_S_SUCCESS
        );
        assert_eq!(SCardReleaseContext(context), SCARD_S_SUCCESS);
    }
}

#[test]
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
fn numbers_count_in_their_low_32_bits() {
    let mut context = 0;
    let scope = 1 << 32 | SCARD_SCOPE_USER;
    assert_eq!(
        unsafe { SCardEstablishContext(scope, null(), null(), &raw mut context) },
        SCARD_S_SUCCESS
    );
    assert_eq!(SCardReleaseContext(context), SCARD_S_SUCCESS);
}

#[test]
fn a_released_context_is_dead() {
    let context = Context::new();
    let value = context.0;
    assert_eq!(SCardIsValidContext(value), SCARD_S_SUCCESS);
    drop(context);
    assert_eq!(SCardIsValidContext(value), INVALID_HANDLE);
    assert_eq!(SCardReleaseContext(value), INVALID_HANDLE);
}

#[test]
fn no_function_takes_a_bad_context() {
    let live = Context::new();
    for bad in bad_contexts(&live) {
        assert_eq!(SCardReleaseContext(bad), INVALID_HANDLE, "{bad:#x}");
        assert_eq!(SCardIsValidContext(bad), INVALID_HANDLE, "{bad:#x}");
        assert_eq!(SCardCancel(bad), INVALID_HANDLE, "{bad:#x}");

        let mut length: DWORD = 77;
        assert_eq!(
            unsafe { SCardListReaders(bad, null(), null_mut(), &raw mut length) },
            INVALID_HANDLE
        );
        assert_eq!(
            unsafe { SCardListReaderGroups(bad, null_mut(), &raw mut length) },
            INVALID_HANDLE
        );
        assert_eq!(length, 77);

        let mut card = 7;
        let mut protocol: DWORD = 77;
        let result = unsafe { SCardConnect(bad, NOBODY.as_ptr(), 99, 0, &raw mut card, &raw mut protocol) };
        assert_eq!((result, card, protocol), (INVALID_HANDLE, 0, 77));

        let mut states = [entry(NOBODY.as_ptr(), 0)];
        assert_eq!(status_change(bad, &mut states), INVALID_HANDLE);
        assert!(is_untouched(&states[0]));
    }
}

#[test]
fn free_memory_wants_a_context_and_frees_only_then() {
    let memory = unsafe { libc::malloc(16) };
    // If one of these freed the memory, the last one would free it twice, which malloc notices.
    let live = Context::new();
    for bad in bad_contexts(&live) {
        assert_eq!(unsafe { SCardFreeMemory(bad, memory) }, INVALID_HANDLE);
    }
    let context = Context::new();
    assert_eq!(unsafe { SCardFreeMemory(context.0, memory) }, SCARD_S_SUCCESS);
    assert_eq!(unsafe { SCardFreeMemory(context.0, null()) }, SCARD_S_SUCCESS);
}

#[test]
fn cancel_without_a_waiter_succeeds() {
    let context = Context::new();
    assert_eq!(SCardCancel(context.0), SCARD_S_SUCCESS);
}

#[test]
fn list_readers_checks_length_pointer_then_context_then_buffer() {
    assert_eq!(
        unsafe { SCardListReaders(0, null(), null_mut(), null_mut()) },
        INVALID_PARAMETER
    );
    let context = Context::new();
    assert_eq!(
        unsafe { SCardListReaders(context.0, null(), null_mut(), null_mut()) },
        INVALID_PARAMETER
    );
    let mut length: DWORD = 0;
    let mut buffer = [b'x'; 1];
    // With and without a reader on this machine.
    match unsafe { SCardListReaders(context.0, null(), buffer.as_mut_ptr().cast(), &raw mut length) } {
        NO_READERS_AVAILABLE => {
            assert_eq!(length, 1);
            let mut memory: *mut c_char = 16 as *mut c_char;
            let mut length = SCARD_AUTOALLOCATE;
            let target = (&raw mut memory).cast();
            let result = unsafe { SCardListReaders(context.0, null(), target, &raw mut length) };
            assert_eq!((result, length, memory), (NO_READERS_AVAILABLE, 1, 16 as *mut c_char));
        }
        INSUFFICIENT_BUFFER => {
            assert!(length > 2);
            let needed = length;
            length = SCARD_AUTOALLOCATE;
            let result = unsafe { SCardListReaders(context.0, null(), null_mut(), &raw mut length) };
            assert_eq!((result, length), (INVALID_PARAMETER, needed));
        }
        other => panic!("{other:#x}"),
    }
    assert_eq!(buffer, [b'x'; 1]);
}

#[test]
fn there_is_one_group_of_22_bytes() {
    assert_eq!(
        unsafe { SCardListReaderGroups(0, null_mut(), null_mut()) },
        INVALID_PARAMETER
    );
    let context = Context::new();
    // A null length, on which pcsc-lite crashes.
    assert_eq!(
        unsafe { SCardListReaderGroups(context.0, null_mut(), null_mut()) },
        INVALID_PARAMETER
    );

    let mut buffer = [b'x'; 30];
    let groups = |buffer: *mut u8, mut length: DWORD| {
        let result = unsafe { SCardListReaderGroups(context.0, buffer.cast(), &raw mut length) };
        (result, length)
    };
    assert_eq!(groups(null_mut(), 0), (SCARD_S_SUCCESS, 22));
    assert_eq!(groups(null_mut(), SCARD_AUTOALLOCATE), (INVALID_PARAMETER, 22));
    assert_eq!(groups(buffer.as_mut_ptr(), 0), (INSUFFICIENT_BUFFER, 22));
    assert_eq!(groups(buffer.as_mut_ptr(), 21), (INSUFFICIENT_BUFFER, 22));
    assert_eq!(buffer, [b'x'; 30]);
    assert_eq!(groups(buffer.as_mut_ptr(), 22), (SCARD_S_SUCCESS, 22));
    assert_eq!(&buffer[..23], b"SCard$DefaultReaders\0\0x");

    let mut memory: *mut c_char = null_mut();
    assert_eq!(
        groups((&raw mut memory).cast(), SCARD_AUTOALLOCATE),
        (SCARD_S_SUCCESS, 22)
    );
    assert_eq!(unsafe { CStr::from_ptr(memory) }, c"SCard$DefaultReaders");
    assert_eq!(unsafe { SCardFreeMemory(context.0, memory.cast()) }, SCARD_S_SUCCESS);
}

#[test]
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
fn only_all_bits_of_a_length_ask_for_memory() {
    let context = Context::new();
    let mut length: DWORD = 0xFFFF_FFFF;
    let result = unsafe { SCardListReaderGroups(context.0, null_mut(), &raw mut length) };
    assert_eq!((result, length), (SCARD_S_SUCCESS, 22));
}

#[test]
fn status_change_checks_entries_before_the_context() {
    let name = NOBODY.as_ptr();
    let context = Context::new();
    for value in [0, context.0] {
        assert_eq!(
            unsafe { SCardGetStatusChange(value, 0, null_mut(), 1) },
            INVALID_PARAMETER
        );
        // A null name counts in an ignored entry too.
        let mut states = [entry(name, SCARD_STATE_IGNORE), entry(null(), SCARD_STATE_IGNORE)];
        assert_eq!(status_change(value, &mut states), INVALID_VALUE);
        assert!(states.iter().all(is_untouched));
        // Nothing to look at: success, whatever the context is.
        assert_eq!(
            unsafe { SCardGetStatusChange(value, INFINITE, null_mut(), 0) },
            SCARD_S_SUCCESS
        );
        let mut states = [
            entry(name, SCARD_STATE_IGNORE),
            entry(name, SCARD_STATE_IGNORE | SCARD_STATE_PRESENT),
        ];
        assert_eq!(status_change(value, &mut states), SCARD_S_SUCCESS);
        assert!(states.iter().all(is_untouched));
    }
}

#[test]
fn status_change_wants_known_names() {
    let context = Context::new();
    let long = std::ffi::CString::new(vec![b'x'; 5000]).expect("no NUL");
    for name in [NOBODY, c"", &long] {
        let mut states = [entry(c"\\\\?pnp?\\NOTIFICATION".as_ptr(), 0), entry(name.as_ptr(), 0)];
        assert_eq!(status_change(context.0, &mut states), UNKNOWN_READER);
        assert!(states.iter().all(is_untouched));
    }
    // An unknown name counts even where it is to be ignored, as long as something is not.
    let mut states = [
        entry(c"\\\\?PnP?\\Notification".as_ptr(), 0),
        entry(NOBODY.as_ptr(), SCARD_STATE_IGNORE),
    ];
    assert_eq!(status_change(context.0, &mut states), UNKNOWN_READER);
}

#[test]
fn the_plug_and_play_reader_is_known_and_times_out() {
    let context = Context::new();
    let mut states = [entry(c"\\\\?PNP?\\notification".as_ptr(), SCARD_STATE_UNAWARE)];
    assert_eq!(status_change(context.0, &mut states), Error::Timeout.to_long());
    assert_eq!(states[0].dwEventState & SCARD_STATE_CHANGED, 0);
}
