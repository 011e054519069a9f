//! SCardGetAttrib and SCardSetAttrib.
#![allow(unsafe_code, reason = "passes null pointers and buffers of any length")]

use std::ffi::c_void;
use std::ptr;

use winscard::api::context::SCardFreeMemory;
use winscard::api::io::{SCardGetAttrib, SCardSetAttrib};
use winscard::api::types::{DWORD, LPBYTE};

use crate::card_bench::*;

fn connected() -> (Bench, Context, Card) {
    let (bench, context) = (Bench::new(), Context::new());
    let card = context.shared(&bench);
    (bench, context, card)
}

fn get(card: Handle, id: DWORD, buffer: *mut u8, len: &mut DWORD) -> Outcome {
    // SAFETY: every caller here passes null, or a buffer of at least this length or SCARD_AUTOALLOCATE with a pointer.
    outcome(unsafe { SCardGetAttrib(card.0, id, buffer, len) })
}

#[test]
fn values() {
    let (bench, _context, card) = connected();
    let interface = bench.reader.interface();
    let with_nul = |text: &str| format!("{text}\0").into_bytes();
    let serial = interface.serial.clone().unwrap();
    // Numbers have four bytes, whatever the size of a DWORD.
    let channel = 0x0020_u32 << 16 | u32::from(interface.bus & 0xFF) << 8 | u32::from(interface.address & 0xFF);
    let expected = [
        (SCARD_ATTR_ATR_STRING, card.status().unwrap().atr),
        (SCARD_ATTR_ICC_INTERFACE_STATUS, vec![1]),
        (SCARD_ATTR_ICC_PRESENCE, vec![2]),
        (SCARD_ATTR_VENDOR_IFD_VERSION, 0x0100_0000_u32.to_ne_bytes().into()),
        (SCARD_ATTR_VENDOR_NAME, with_nul("winscard")),
        (SCARD_ATTR_VENDOR_IFD_TYPE, with_nul("Software Reader")),
        (SCARD_ATTR_VENDOR_IFD_SERIAL_NO, with_nul(&serial)),
        (SCARD_ATTR_MAXINPUT, 261_u32.to_ne_bytes().into()),
        (SCARD_ATTR_CHANNEL_ID, channel.to_ne_bytes().into()),
        (SCARD_ATTR_DEVICE_FRIENDLY_NAME_A, with_nul(&bench.name)),
        (SCARD_ATTR_DEVICE_SYSTEM_NAME_A, with_nul(&bench.name)),
    ];
    for (id, value) in expected {
        assert_eq!(card.attribute(id), Ok(value), "{id:#x}");
    }
}

#[test]
fn strings_a_reader_has_not_got_are_empty() {
    let config = Config {
        manufacturer: None,
        ..Config::default()
    };
    let (bench, context) = (Bench::with(config, BuiltinCard::default()), Context::new());
    assert_eq!(context.shared(&bench).attribute(SCARD_ATTR_VENDOR_NAME), Ok(Vec::new()));
}

#[test]
fn without_a_card() {
    let (bench, context) = (Bench::empty(Config::default()), Context::new());
    let direct = context.direct(&bench);
    assert_eq!(direct.attribute(SCARD_ATTR_ICC_PRESENCE), Ok(vec![0]));
    assert_eq!(direct.attribute(SCARD_ATTR_ICC_INTERFACE_STATUS), Ok(vec![0]));
    assert_eq!(direct.attribute(SCARD_ATTR_ATR_STRING), Ok(Vec::new()));
    assert!(direct.attribute(SCARD_ATTR_DEVICE_FRIENDLY_NAME_A).is_ok());
}

/// UTF-16 in the order of the machine's bytes, with a NUL: what UNICODE programs introduce a reader by.
#[test]
fn wide_names_are_the_same_names() {
    let (bench, _context, card) = connected();
    let wide: Vec<u8> = bench
        .name
        .encode_utf16()
        .chain([0])
        .flat_map(u16::to_ne_bytes)
        .collect();
    for id in [SCARD_ATTR_DEVICE_FRIENDLY_NAME_W, SCARD_ATTR_DEVICE_SYSTEM_NAME_W] {
        assert_eq!(card.attribute(id).as_ref(), Ok(&wide));
    }
}

/// What no driver knows, and libccid's internal tags (0x0FAE and its like), which leak through pcsc-lite.
#[test]
fn unknown_attributes_are_unsupported() {
    let (_bench, _context, card) = connected();
    let unknown = [0, 0x0303, 0x0FAC, 0x0FAE, 0x0FB4, SCARD_ATTR_ESC_RESET, 0xFFFF_FFFF];
    for id in unknown {
        assert_eq!(card.attribute(id), Err(UnsupportedFeature), "{id:#x}");
        let mut len = 55;
        assert_eq!(get(card.handle, id, ptr::null_mut(), &mut len), Err(UnsupportedFeature));
        assert_eq!(len, 55, "as it was");
    }
}

#[test]
fn lengths() {
    let (bench, context, card) = connected();
    let id = SCARD_ATTR_DEVICE_FRIENDLY_NAME_A;
    let needed = DWORD::try_from(bench.name.len() + 1).unwrap();
    let mut buffer = [0xEE_u8; 300];
    for stated in [0, 5, 264, 265, 100_000] {
        let mut len = stated;
        assert_eq!(
            get(card.handle, id, ptr::null_mut(), &mut len),
            Ok(()),
            "a question for the length"
        );
        assert_eq!(len, needed);
    }
    let mut len = needed - 1;
    assert_eq!(
        get(card.handle, id, buffer.as_mut_ptr(), &mut len),
        Err(InsufficientBuffer)
    );
    assert_eq!(
        (len, &buffer[..bench.name.len()]),
        (needed, bench.name.as_bytes()),
        "cut, and its length told"
    );
    assert_eq!(buffer[bench.name.len()], 0xEE);
    len = needed;
    assert_eq!(get(card.handle, id, buffer.as_mut_ptr(), &mut len), Ok(()));
    len = 264;
    assert_eq!(get(card.handle, id, buffer.as_mut_ptr(), &mut len), Ok(()));
    for too_much in [265, 300] {
        len = too_much;
        assert_eq!(
            get(card.handle, id, buffer.as_mut_ptr(), &mut len),
            Err(InsufficientBuffer)
        );
        assert_eq!(len, too_much, "as it was");
        assert_eq!(
            get(Handle(0), id, buffer.as_mut_ptr(), &mut len),
            Err(InvalidHandle),
            "the handle first"
        );
    }
    // SAFETY: null is for the function to refuse.
    let code = unsafe { SCardGetAttrib(0, id, buffer.as_mut_ptr(), ptr::null_mut()) };
    assert_eq!(outcome(code), Err(InvalidParameter), "before the handle");
    assert!(context.is_valid());
}

#[test]
fn allocation() {
    let (bench, context, card) = connected();
    let mut memory: LPBYTE = ptr::null_mut();
    let place = (&raw mut memory).cast();
    let mut len = SCARD_AUTOALLOCATE;
    assert_eq!(
        get(card.handle, SCARD_ATTR_DEVICE_SYSTEM_NAME_A, place, &mut len),
        Ok(())
    );
    // SAFETY: the call has allocated that many bytes.
    let value = unsafe { std::slice::from_raw_parts(memory, usize::try_from(len).unwrap()) };
    assert_eq!(value, format!("{}\0", bench.name).as_bytes());
    // SAFETY: allocated by the call, and not used any more.
    let code = unsafe { SCardFreeMemory(context.value, memory.cast::<c_void>()) };
    assert_eq!(outcome(code), Ok(()));

    len = SCARD_AUTOALLOCATE;
    assert_eq!(
        get(Handle(0), SCARD_ATTR_ATR_STRING, ptr::null_mut(), &mut len),
        Err(InvalidParameter)
    );
    // On failure the reference leaves 264 bytes behind for nobody to free.
    memory = ptr::null_mut();
    for (handle, id, expected) in [
        (card.handle, 99, UnsupportedFeature),
        (Handle(0), SCARD_ATTR_ATR_STRING, InvalidHandle),
    ] {
        assert_eq!(get(handle, id, place, &mut len), Err(expected));
        assert_eq!(
            (len, memory),
            (SCARD_AUTOALLOCATE, ptr::null_mut()),
            "nothing allocated, nothing stored"
        );
    }
    bench.remove();
    assert_eq!(
        get(card.handle, SCARD_ATTR_ATR_STRING, place, &mut len),
        Err(RemovedCard)
    );
    assert_eq!((len, memory), (SCARD_AUTOALLOCATE, ptr::null_mut()));
}

#[test]
fn a_reader_that_is_gone_and_one_that_does_not_answer() {
    let (bench, _context, card) = connected();
    bench.reader.unplug();
    assert_eq!(card.attribute(99), Err(InvalidValue));
    assert_eq!(card.set_attribute(99, &[1]), Err(InvalidValue));
}

#[test]
fn none_can_be_set() {
    let (bench, context, card) = connected();
    let set = |handle: Handle, value: *const u8, len| {
        // SAFETY: null, or a buffer of 300 bytes.
        outcome(unsafe { SCardSetAttrib(handle.0, SCARD_ATTR_SUPRESS_T1_IFS_REQUEST, value, len) })
    };
    let value = [1_u8; 300];
    assert_eq!(
        set(Handle(0), ptr::null(), 5),
        Err(InvalidParameter),
        "before the handle"
    );
    assert_eq!(set(Handle(0), value.as_ptr(), 0), Err(InvalidParameter));
    assert_eq!(
        set(Handle(0), value.as_ptr(), 265),
        Err(InvalidHandle),
        "the handle, then the length"
    );
    assert_eq!(set(card.handle, value.as_ptr(), 265), Err(InsufficientBuffer));
    assert_eq!(set(card.handle, value.as_ptr(), 264), Err(UnsupportedFeature));
    // The tag that makes libccid drop the device.
    assert_eq!(card.set_attribute(0x0FB4, &[1]), Err(UnsupportedFeature));
    assert!(context.readers().contains(&bench.name));
    assert_eq!(card.transmit(SELECT), Ok(OK_SW.into()));
}
