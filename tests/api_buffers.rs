//! What the functions about readers and connections write into the caller's buffers, with the software reader and its card: room,
//! lengths, memory allocated for the caller, unaligned memory.
#![allow(
    unsafe_code,
    clippy::undocumented_unsafe_blocks,
    reason = "tests call the C functions"
)]
#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[path = "support/calls.rs"]
mod calls;
#[path = "support/connection.rs"]
mod connection;

use std::ffi::{CStr, c_char};
use std::ptr::{null, null_mut};
use std::slice;

use calls::*;
use connection::*;
use winscard::api::card::*;
use winscard::api::constants::*;
use winscard::api::context::*;
use winscard::api::readers::*;
use winscard::api::types::*;

#[test]
fn list_readers_writes_all_or_nothing() {
    let card = Card::connect();
    let context = card.context.0;
    let mut needed = 0;
    assert_eq!(
        unsafe { SCardListReaders(context, null(), null_mut(), &raw mut needed) },
        SCARD_S_SUCCESS
    );
    let sum: usize = names(&card.context).iter().map(|name| name.len() + 1).sum();
    assert_eq!(usize::try_from(needed).expect("length"), sum + 1);

    let mut buffer = vec![b'x'; sum + 2];
    let mut list = |mut room: DWORD| {
        let text = buffer.as_mut_ptr().cast();
        let result = unsafe { SCardListReaders(context, c"ignored".as_ptr(), text, &raw mut room) };
        (result, room, buffer.clone())
    };
    assert_eq!(list(needed - 1), (INSUFFICIENT_BUFFER, needed, vec![b'x'; sum + 2]));
    assert_eq!(list(0), (INSUFFICIENT_BUFFER, needed, vec![b'x'; sum + 2]));
    let (result, length, bytes) = list(needed);
    assert_eq!((result, length), (SCARD_S_SUCCESS, needed));
    assert_eq!(&bytes[sum - 1..], &[0, 0, b'x']);
}

#[test]
fn status_tells_everything_that_was_asked_for() {
    let card = Card::connect();
    let name = card.name.as_bytes_with_nul();
    let atr = card.atr();
    let (name_len, atr_len) = (
        name.len().try_into().expect("small"),
        atr.len().try_into().expect("small"),
    );

    let mut numbers: [DWORD; 4] = [128, 0, 0, 33];
    let (mut text, mut bytes) = ([b'x'; 128], [b'x'; 33]);
    let status = |text: *mut u8, bytes: *mut u8, numbers: &mut [DWORD; 4]| {
        let [name_len, state, protocol, atr_len] = numbers;
        unsafe { SCardStatus(card.handle, text.cast(), name_len, state, protocol, bytes, atr_len) }
    };
    assert_eq!(
        status(text.as_mut_ptr(), bytes.as_mut_ptr(), &mut numbers),
        SCARD_S_SUCCESS
    );
    let [_, state, protocol, _] = numbers;
    assert_eq!(numbers, [name_len, state, protocol, atr_len]);
    assert_eq!(state & 0xFFFF, SCARD_PRESENT | SCARD_POWERED | SCARD_NEGOTIABLE);
    assert!(protocol == SCARD_PROTOCOL_T0 || protocol == SCARD_PROTOCOL_T1);
    assert_eq!(&text[..name.len()], name);
    assert_eq!(text[name.len()], 0, "the end of a multi-string");
    assert_eq!(&bytes[..atr.len()], &atr);

    // Lengths only.
    let mut lengths = [0, 0, 0, 0];
    assert_eq!(status(null_mut(), null_mut(), &mut lengths), SCARD_S_SUCCESS);
    assert_eq!(lengths, numbers);

    // Exactly enough, and not a byte more is written.
    (text, bytes) = ([b'x'; 128], [b'x'; 33]);
    let mut exact = [name_len, 0, 0, atr_len];
    assert_eq!(
        status(text.as_mut_ptr(), bytes.as_mut_ptr(), &mut exact),
        SCARD_S_SUCCESS
    );
    assert_eq!((text[name.len() - 1], text[name.len()]), (0, b'x'));
    assert!(bytes[atr.len()..].iter().all(|byte| *byte == b'x'));

    // Nothing at all.
    let none = null_mut();
    let nothing = unsafe { SCardStatus(card.handle, null_mut(), none, none, none, null_mut(), none) };
    assert_eq!(nothing, SCARD_S_SUCCESS);
}

#[test]
fn status_fills_in_what_fits() {
    let card = Card::connect();
    let name = card.name.as_bytes_with_nul();
    let atr = card.atr();
    let (mut text, mut bytes) = ([b'x'; 128], [b'x'; 33]);
    let (mut name_len, mut state, mut protocol, mut atr_len) = (3, 0, 0, 2);
    let mut status = |name_len: *mut DWORD, atr_len: *mut DWORD| {
        let (text, bytes) = (text.as_mut_ptr().cast(), bytes.as_mut_ptr());
        unsafe {
            SCardStatus(
                card.handle,
                text,
                name_len,
                &raw mut state,
                &raw mut protocol,
                bytes,
                atr_len,
            )
        }
    };
    assert_eq!(status(&raw mut name_len, &raw mut atr_len), INSUFFICIENT_BUFFER);
    // A buffer without a length has no room.
    assert_eq!(status(null_mut(), null_mut()), INSUFFICIENT_BUFFER);
    assert_eq!(usize::try_from(name_len), Ok(name.len()));
    assert_eq!(usize::try_from(atr_len), Ok(atr.len()));
    assert_eq!(&text[..4], [&name[..3], b"x"].concat());
    assert_eq!(&bytes[..3], [&atr[..2], b"x"].concat());
    assert!(state & SCARD_PRESENT != 0 && protocol != 0);
}

#[test]
fn status_allocates_name_and_atr() {
    let card = Card::connect();
    let (mut text, mut bytes): (*mut c_char, *mut u8) = (null_mut(), null_mut());
    let (mut name_len, mut atr_len) = (SCARD_AUTOALLOCATE, SCARD_AUTOALLOCATE);
    let status = |text: LPSTR, bytes: LPBYTE, name_len: *mut DWORD, atr_len: *mut DWORD| unsafe {
        SCardStatus(card.handle, text, name_len, null_mut(), null_mut(), bytes, atr_len)
    };
    let result = status(
        (&raw mut text).cast(),
        (&raw mut bytes).cast(),
        &raw mut name_len,
        &raw mut atr_len,
    );
    assert_eq!(result, SCARD_S_SUCCESS);
    assert_eq!(unsafe { CStr::from_ptr(text) }, card.name.as_c_str());
    let length = usize::try_from(atr_len).expect("length");
    assert_eq!(unsafe { slice::from_raw_parts(bytes, length) }, card.atr());
    assert_eq!(unsafe { SCardFreeMemory(card.context.0, text.cast()) }, SCARD_S_SUCCESS);
    // Programs call free as well.
    unsafe { libc::free(bytes.cast()) };

    (name_len, atr_len) = (SCARD_AUTOALLOCATE, SCARD_AUTOALLOCATE);
    let result = status(null_mut(), null_mut(), &raw mut name_len, &raw mut atr_len);
    assert_eq!(result, INVALID_PARAMETER);
    assert_eq!(usize::try_from(name_len), Ok(card.name.as_bytes_with_nul().len()));
}

#[test]
fn reader_states_are_filled_in_on_success_and_on_timeout() {
    let card = Card::connect();
    let atr = card.atr();
    let atr_len = atr.len().try_into().expect("small");
    let mut states = [
        entry(card.name.as_ptr(), SCARD_STATE_UNAWARE),
        entry(card.name.as_ptr(), SCARD_STATE_IGNORE),
    ];
    assert_eq!(status_change(card.context.0, &mut states), SCARD_S_SUCCESS);
    let [seen, ignored] = states;
    assert_eq!(
        seen.dwEventState & (SCARD_STATE_CHANGED | SCARD_STATE_PRESENT),
        SCARD_STATE_CHANGED | SCARD_STATE_PRESENT
    );
    assert_eq!((seen.cbAtr, seen.dwCurrentState), (atr_len, 0));
    assert_eq!(&seen.rgbAtr[..atr.len()], &atr);
    assert!(seen.rgbAtr[atr.len()..].iter().all(|byte| *byte == 0xCC));
    assert_eq!(ignored.dwEventState & SCARD_STATE_CHANGED, 0);
    assert!(has_untouched_atr(&ignored));

    let mut states = [entry(card.name.as_ptr(), seen.dwEventState & !SCARD_STATE_CHANGED)];
    assert_eq!(status_change(card.context.0, &mut states), TIMEOUT);
    assert_eq!(states[0].dwEventState, seen.dwEventState & !SCARD_STATE_CHANGED);
    assert_eq!(&states[0].rgbAtr[..atr.len()], &atr);
}

#[test]
fn unaligned_memory_will_do() {
    let card = Card::connect();
    let mut memory = [0_u64; 40];
    let odd: *mut u8 = memory.as_mut_ptr().cast::<u8>().wrapping_add(1);
    let length = odd.cast::<DWORD>();
    unsafe { length.write_unaligned(0) };
    assert_eq!(
        unsafe { SCardListReaders(card.context.0, null(), null_mut(), length) },
        SCARD_S_SUCCESS
    );
    assert!(unsafe { length.read_unaligned() } > 2);

    let state = odd.wrapping_add(16).cast::<SCARD_READERSTATE>();
    unsafe { state.write_unaligned(entry(card.name.as_ptr(), 0)) };
    assert_eq!(
        unsafe { SCardGetStatusChange(card.context.0, 0, state, 1) },
        SCARD_S_SUCCESS
    );
    assert!(unsafe { state.read_unaligned() }.dwEventState & SCARD_STATE_CHANGED != 0);
}
