//! SCardStatus: buffers too short, missing or to be allocated, and what stands in them after a failure.
#![allow(unsafe_code, reason = "passes null pointers and buffers of any length")]

use std::ffi::c_void;
use std::ptr;

use winscard::api::card::SCardStatus;
use winscard::api::context::SCardFreeMemory;
use winscard::api::types::{DWORD, LPBYTE, LPSTR};

use crate::card_bench::*;

fn connected() -> (Bench, Context, Card) {
    let (bench, context) = (Bench::new(), Context::new());
    let card = context.shared(&bench);
    (bench, context, card)
}

/// Numbers after a call: result, name length, state, protocol, ATR length.
type Numbers = (Outcome, DWORD, DWORD, DWORD, DWORD);

/// Calls with buffers of these lengths.
fn status_into(card: Handle, name: &mut [u8], atr: &mut [u8]) -> Numbers {
    let mut name_len = DWORD::try_from(name.len()).unwrap();
    let mut atr_len = DWORD::try_from(atr.len()).unwrap();
    let (mut state, mut protocol) = (99, 99);
    // SAFETY: buffers of our own with their lengths.
    let code = unsafe {
        SCardStatus(
            card.0,
            name.as_mut_ptr().cast(),
            &raw mut name_len,
            &raw mut state,
            &raw mut protocol,
            atr.as_mut_ptr(),
            &raw mut atr_len,
        )
    };
    (outcome(code), name_len, state, protocol, atr_len)
}

#[test]
fn a_short_name_is_cut_without_nul_and_all_else_is_there() {
    let (bench, _context, card) = connected();
    let whole = card.status().unwrap();
    let (name_len, atr_len) = (bench.name.len() + 1, whole.atr.len());
    let lens = |result| (result, name_len as DWORD, STATE_POWERED, T1, atr_len as DWORD);
    for room in [0, 1, 5, bench.name.len()] {
        let (mut name, mut atr) = (vec![0xEE; room + 4], [0; 33]);
        assert_eq!(
            status_into(card.handle, &mut name[..room], &mut atr),
            lens(Err(InsufficientBuffer)),
            "{room}"
        );
        assert_eq!(name[..room], bench.name.as_bytes()[..room]);
        assert_eq!(name[room..], [0xEE; 4], "no NUL");
        assert_eq!(atr[..atr_len], whole.atr);
    }
    let mut name = vec![0xEE; name_len];
    assert_eq!(status_into(card.handle, &mut name, &mut [0; 33]), lens(Ok(())));
    assert_eq!(name, format!("{}\0", bench.name).into_bytes());
}

#[test]
fn a_short_atr_is_cut_and_all_else_is_there() {
    let (bench, _context, card) = connected();
    let whole = card.status().unwrap();
    for room in [0, 1, whole.atr.len() - 1] {
        let (mut name, mut atr) = ([0; 200], vec![0xEE; room]);
        let (result, name_len, state, protocol, atr_len) = status_into(card.handle, &mut name, &mut atr);
        assert_eq!((result, state, protocol), (Err(InsufficientBuffer), STATE_POWERED, T1));
        assert_eq!(usize::try_from(atr_len).unwrap(), whole.atr.len());
        assert_eq!(atr, whole.atr[..room]);
        assert_eq!(&name[..usize::try_from(name_len).unwrap() - 1], bench.name.as_bytes());
    }
}

#[test]
fn every_pointer_may_be_null() {
    let (_bench, _context, card) = connected();
    for given in 0..64_u8 {
        let (mut name, mut atr) = ([0_u8; 200], [0_u8; 33]);
        let (mut name_len, mut atr_len): (DWORD, DWORD) = (200, 33);
        let (mut state, mut protocol) = (99, 99);
        let is = |bit: u8| given & 1 << bit != 0;
        fn or_null<T>(given: bool, pointer: *mut T) -> *mut T {
            if given { pointer } else { ptr::null_mut() }
        }
        // SAFETY: null, or variables and buffers of our own with their lengths.
        let code = unsafe {
            SCardStatus(
                card.handle.0,
                or_null(is(0), name.as_mut_ptr().cast()),
                or_null(is(1), &raw mut name_len),
                or_null(is(2), &raw mut state),
                or_null(is(3), &raw mut protocol),
                or_null(is(4), atr.as_mut_ptr()),
                or_null(is(5), &raw mut atr_len),
            )
        };
        // A buffer without length has no room.
        let short = (is(0) && !is(1)) || (is(4) && !is(5));
        assert_eq!(
            outcome(code),
            if short { Err(InsufficientBuffer) } else { Ok(()) },
            "{given:06b}"
        );
        assert_eq!(state, if is(2) { STATE_POWERED } else { 99 });
        assert_eq!(protocol, if is(3) { T1 } else { 99 });
        assert_eq!(name[0] != 0, is(0) && is(1));
        assert_eq!(atr[0] == 0x3B, is(4) && is(5));
    }
}

#[test]
fn memory_is_allocated_on_demand() {
    let (bench, context, card) = connected();
    let whole = card.status().unwrap();
    let (mut name, mut atr): (LPSTR, LPBYTE) = (ptr::null_mut(), ptr::null_mut());
    let (mut name_len, mut atr_len) = (SCARD_AUTOALLOCATE, SCARD_AUTOALLOCATE);
    let status = |name: LPSTR, name_len: *mut DWORD, atr: LPBYTE, atr_len: *mut DWORD| {
        let (mut state, mut protocol) = (99, 99);
        // SAFETY: each length is AUTOALLOCATE and its buffer null or a pointer of our own.
        let code = unsafe {
            SCardStatus(
                card.handle.0,
                name,
                name_len,
                &raw mut state,
                &raw mut protocol,
                atr,
                atr_len,
            )
        };
        (outcome(code), state, protocol)
    };
    let result = status(
        (&raw mut name).cast(),
        &raw mut name_len,
        (&raw mut atr).cast(),
        &raw mut atr_len,
    );
    assert_eq!(result, (Ok(()), STATE_POWERED, T1));
    // SAFETY: the call has allocated that many bytes for each.
    let got = unsafe { std::slice::from_raw_parts(name.cast::<u8>(), usize::try_from(name_len).unwrap()) };
    assert_eq!(got, format!("{}\0", bench.name).as_bytes());
    // SAFETY: likewise.
    let got = unsafe { std::slice::from_raw_parts(atr, usize::try_from(atr_len).unwrap()) };
    assert_eq!(got, whole.atr);
    for memory in [name.cast::<c_void>(), atr.cast()] {
        // SAFETY: allocated by the call, and not used any more.
        assert_eq!(outcome(unsafe { SCardFreeMemory(context.value, memory) }), Ok(()));
    }

    (name_len, atr_len) = (SCARD_AUTOALLOCATE, SCARD_AUTOALLOCATE);
    let result = status(ptr::null_mut(), &raw mut name_len, ptr::null_mut(), &raw mut atr_len);
    assert_eq!(
        result,
        (Err(InvalidParameter), STATE_POWERED, T1),
        "nowhere to store the address"
    );
    assert_eq!(usize::try_from(name_len).unwrap(), bench.name.len() + 1);
}

#[test]
fn nothing_is_told_on_failure() {
    let (bench, _context, card) = connected();
    let (mut name, mut atr) = ([0xEE; 200], [0xEE; 33]);
    for bad in [Handle(0), Handle(card.handle.0 + 1)] {
        assert_eq!(status_into(bad, &mut name, &mut atr), (Err(InvalidHandle), 0, 0, 0, 0));
    }
    bench.remove();
    assert_eq!(
        status_into(card.handle, &mut name, &mut atr),
        (Err(RemovedCard), 0, 0, 0, 0)
    );
    bench.reader.unplug();
    assert_eq!(
        status_into(card.handle, &mut name, &mut atr),
        (Err(ReaderUnavailable), 0, 0, 0, 0)
    );
    assert!(name.iter().chain(&atr).all(|byte| *byte == 0xEE), "nothing is written");
}

#[test]
fn the_state_word_of_every_kind_of_slot() {
    let context = Context::new();
    let empty = Bench::empty(Config::default());
    assert_eq!(context.direct(&empty).status().unwrap().state, SCARD_ABSENT);
    let mute = Bench::with(Config::default(), BuiltinCard::mute());
    assert_eq!(context.connect(&mute.name, SHARED, ANY).map(drop), Err(UnpoweredCard));
    assert_eq!(context.direct(&mute).status().unwrap().state, STATE_MUTE);
    let (bench, context, card) = connected();
    assert_eq!(card.status().unwrap().state, STATE_POWERED);
    card.disconnect(UNPOWER).unwrap();
    assert_eq!(context.direct(&bench).status().unwrap().state, SCARD_PRESENT);
}
