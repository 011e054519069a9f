//! What the functions write into the caller's buffers, with the software reader and its card: room, lengths, memory allocated for the
//! caller, overlapping and unaligned buffers.
#![allow(
    unsafe_code,
    clippy::undocumented_unsafe_blocks,
    reason = "tests call the C functions"
)]
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

#[path = "support/calls.rs"]
mod calls;

use std::ffi::{CStr, CString, c_char};
use std::ptr::{null, null_mut};
use std::slice;
use std::sync::Once;

use calls::*;
use winscard::api::card::*;
use winscard::api::constants::*;
use winscard::api::context::*;
use winscard::api::io::*;
use winscard::api::pci::*;
use winscard::api::readers::*;
use winscard::api::types::*;
use winscard::error::Error;

/// SELECT without data (ISO 7816-4 §7.1.1): any card answers something, and at least a status word.
const COMMAND: &[u8] = &[0x00, 0xA4, 0x00, 0x00];

/// A connection to the software reader.
struct Card {
    context: Context,
    name: CString,
    handle: SCARDHANDLE,
    pci: *const SCARD_IO_REQUEST,
}

impl Card {
    fn connect() -> Self {
        static SIM: Once = Once::new();
        // Every test of this file comes through here first, and nothing has read the environment yet.
        SIM.call_once(|| unsafe { std::env::set_var("WINSCARD_SIM", "builtin") });
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
        assert_eq!(
            result,
            SCARD_S_SUCCESS,
            "{}",
            Error::ALL
                .iter()
                .map(|e| e.to_long())
                .position(|e| e == result)
                .unwrap_or(0)
        );
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
        }
    }

    fn transmit(&self, command: &[u8], buffer: *mut u8, mut room: DWORD) -> (LONG, DWORD) {
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

    fn attribute(&self, id: DWORD, buffer: *mut u8, mut room: DWORD) -> (LONG, DWORD) {
        let result = unsafe { SCardGetAttrib(self.handle, id, buffer, &raw mut room) };
        (result, room)
    }

    /// The card's ATR as SCardGetAttrib tells it.
    fn atr(&self) -> Vec<u8> {
        let mut buffer = [0; 33];
        let (result, length) = self.attribute(SCARD_ATTR_ATR_STRING, buffer.as_mut_ptr(), 33);
        assert_eq!(result, SCARD_S_SUCCESS);
        buffer[..usize::try_from(length).expect("length")].to_vec()
    }
}

impl Drop for Card {
    fn drop(&mut self) {
        assert_eq!(
            SCardDisconnect(self.handle, SCARD_LEAVE_CARD),
            SCARD_S_SUCCESS
        );
    }
}

/// The readers' names by way of SCARD_AUTOALLOCATE.
fn names(context: &Context) -> Vec<String> {
    let mut memory: *mut u8 = null_mut();
    let mut length = SCARD_AUTOALLOCATE;
    let result =
        unsafe { SCardListReaders(context.0, null(), (&raw mut memory).cast(), &raw mut length) };
    assert_eq!(result, SCARD_S_SUCCESS, "no software reader");
    let bytes =
        unsafe { slice::from_raw_parts(memory, usize::try_from(length).expect("length")) }.to_vec();
    assert_eq!(
        unsafe { SCardFreeMemory(context.0, memory.cast()) },
        SCARD_S_SUCCESS
    );
    assert!(bytes.ends_with(&[0, 0]), "{bytes:?}");
    let text = String::from_utf8(bytes).expect("UTF-8");
    text.trim_end_matches('\0')
        .split('\0')
        .map(str::to_owned)
        .collect()
}

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
    assert_eq!(
        list(needed - 1),
        (INSUFFICIENT_BUFFER, needed, vec![b'x'; sum + 2])
    );
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
        unsafe {
            SCardStatus(
                card.handle,
                text.cast(),
                name_len,
                state,
                protocol,
                bytes,
                atr_len,
            )
        }
    };
    assert_eq!(
        status(text.as_mut_ptr(), bytes.as_mut_ptr(), &mut numbers),
        SCARD_S_SUCCESS
    );
    let [_, state, protocol, _] = numbers;
    assert_eq!(numbers, [name_len, state, protocol, atr_len]);
    assert_eq!(
        state & 0xFFFF,
        SCARD_PRESENT | SCARD_POWERED | SCARD_NEGOTIABLE
    );
    assert!(protocol == SCARD_PROTOCOL_T0 || protocol == SCARD_PROTOCOL_T1);
    assert_eq!(&text[..name.len()], name);
    assert_eq!(text[name.len()], 0, "the end of a multi-string");
    assert_eq!(&bytes[..atr.len()], &atr);

    // Lengths only.
    let mut lengths = [0, 0, 0, 0];
    assert_eq!(
        status(null_mut(), null_mut(), &mut lengths),
        SCARD_S_SUCCESS
    );
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
    let nothing =
        unsafe { SCardStatus(card.handle, null_mut(), none, none, none, null_mut(), none) };
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
    assert_eq!(
        status(&raw mut name_len, &raw mut atr_len),
        INSUFFICIENT_BUFFER
    );
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
        SCardStatus(
            card.handle,
            text,
            name_len,
            null_mut(),
            null_mut(),
            bytes,
            atr_len,
        )
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
    assert_eq!(
        unsafe { SCardFreeMemory(card.context.0, text.cast()) },
        SCARD_S_SUCCESS
    );
    // Programs call free as well.
    unsafe { libc::free(bytes.cast()) };

    (name_len, atr_len) = (SCARD_AUTOALLOCATE, SCARD_AUTOALLOCATE);
    let result = status(null_mut(), null_mut(), &raw mut name_len, &raw mut atr_len);
    assert_eq!(result, INVALID_PARAMETER);
    assert_eq!(
        usize::try_from(name_len),
        Ok(card.name.as_bytes_with_nul().len())
    );
}

#[test]
fn a_response_that_does_not_fit_leaves_the_buffer_alone() {
    let card = Card::connect();
    let mut buffer = [b'x'; 300];
    let (result, needed) = card.transmit(COMMAND, buffer.as_mut_ptr(), 300);
    assert_eq!(result, SCARD_S_SUCCESS);
    let length = usize::try_from(needed).expect("length");
    assert!(length >= 2);
    assert!(buffer[length..].iter().all(|byte| *byte == b'x'));

    buffer = [b'x'; 300];
    for room in [0, 1, needed - 1] {
        assert_eq!(
            card.transmit(COMMAND, buffer.as_mut_ptr(), room),
            (INSUFFICIENT_BUFFER, needed)
        );
        assert_eq!(buffer, [b'x'; 300]);
    }
    assert_eq!(
        card.transmit(COMMAND, buffer.as_mut_ptr(), needed),
        (SCARD_S_SUCCESS, needed)
    );
    assert_eq!(buffer[length], b'x');
    // More room than any response needs.
    let mut large = vec![0; 70_000];
    assert_eq!(
        card.transmit(COMMAND, large.as_mut_ptr(), 70_000),
        (SCARD_S_SUCCESS, needed)
    );
}

#[test]
fn command_and_response_may_share_memory() {
    let card = Card::connect();
    let mut expected = [0; 300];
    let (result, length) = card.transmit(COMMAND, expected.as_mut_ptr(), 300);
    assert_eq!(result, SCARD_S_SUCCESS);
    for offset in 0..COMMAND.len() {
        let mut shared = [0; 300];
        shared[..COMMAND.len()].copy_from_slice(COMMAND);
        let (command, response) = (shared.as_ptr(), shared.as_mut_ptr().wrapping_add(offset));
        let mut room = 290;
        let result = unsafe {
            SCardTransmit(
                card.handle,
                card.pci,
                command,
                4,
                null_mut(),
                response,
                &raw mut room,
            )
        };
        assert_eq!((result, room), (SCARD_S_SUCCESS, length));
        let length = usize::try_from(length).expect("length");
        assert_eq!(
            shared[offset..offset + length],
            expected[..length],
            "{offset}"
        );
    }
}

#[test]
fn the_receive_pci_stays_and_a_long_command_is_refused() {
    let card = Card::connect();
    let mut pci = SCARD_IO_REQUEST {
        dwProtocol: 0x1234,
        cbPciLength: 0x5678,
    };
    let before = pci;
    let mut buffer = [0; 300];
    let mut room = 300;
    let result = unsafe {
        SCardTransmit(
            card.handle,
            card.pci,
            COMMAND.as_ptr(),
            4,
            &raw mut pci,
            buffer.as_mut_ptr(),
            &raw mut room,
        )
    };
    assert_eq!((result, pci), (SCARD_S_SUCCESS, before));

    let long = vec![0; MAX_APDU_LEN + 1];
    assert_eq!(
        card.transmit(&long, buffer.as_mut_ptr(), 300),
        (INSUFFICIENT_BUFFER, 300)
    );
}

#[test]
fn control_tells_the_length_needed() {
    let card = Card::connect();
    let control = |code: DWORD, buffer: *mut u8, room: DWORD| {
        let mut length: DWORD = 77;
        let result = unsafe {
            SCardControl(
                card.handle,
                code,
                null(),
                0,
                buffer.cast(),
                room,
                &raw mut length,
            )
        };
        (result, length)
    };
    let mut buffer = [b'x'; 300];
    let (result, needed) = control(CM_IOCTL_GET_FEATURE_REQUEST, buffer.as_mut_ptr(), 300);
    assert_eq!(result, SCARD_S_SUCCESS);
    // A feature is six bytes: tag, 4, and a code that is big-endian. TLV properties are always there.
    assert!(needed >= 6 && needed % 6 == 0, "{needed}");
    assert_eq!(buffer[1], 4);
    buffer = [b'x'; 300];
    let short = control(
        CM_IOCTL_GET_FEATURE_REQUEST,
        buffer.as_mut_ptr(),
        needed - 1,
    );
    assert_eq!(
        (short, buffer),
        ((INSUFFICIENT_BUFFER, needed), [b'x'; 300])
    );
    assert_eq!(
        control(CM_IOCTL_GET_FEATURE_REQUEST, null_mut(), 0),
        (INSUFFICIENT_BUFFER, needed)
    );

    let unknown = scard_ctl_code(0xBEEF);
    assert_eq!(
        control(unknown, buffer.as_mut_ptr(), 300),
        (Error::UnsupportedFeature.to_long(), 0)
    );
    let too_long = unsafe {
        SCardControl(
            card.handle,
            unknown,
            null(),
            65_549,
            null_mut(),
            0,
            null_mut(),
        )
    };
    assert_eq!(too_long, INSUFFICIENT_BUFFER);
    let missing =
        unsafe { SCardControl(card.handle, unknown, null(), 1, null_mut(), 0, null_mut()) };
    assert_eq!(missing, INVALID_PARAMETER);
}

#[test]
fn an_attribute_is_cut_and_its_length_told() {
    let card = Card::connect();
    let atr = card.atr();
    let needed = atr.len().try_into().expect("small");
    assert_eq!(
        card.attribute(SCARD_ATTR_ATR_STRING, null_mut(), 0),
        (SCARD_S_SUCCESS, needed)
    );
    assert_eq!(
        card.attribute(SCARD_ATTR_ATR_STRING, null_mut(), 1000),
        (SCARD_S_SUCCESS, needed)
    );
    let mut buffer = [b'x'; 300];
    let address = buffer.as_mut_ptr();
    assert_eq!(
        card.attribute(SCARD_ATTR_ATR_STRING, address, 2),
        (INSUFFICIENT_BUFFER, needed)
    );
    assert_eq!(&buffer[..3], [&atr[..2], b"x"].concat());
    // More room than an attribute has: refused, as pcsc-lite does.
    assert_eq!(
        card.attribute(SCARD_ATTR_ATR_STRING, address, 265),
        (INSUFFICIENT_BUFFER, 265)
    );
    assert_eq!(
        card.attribute(SCARD_ATTR_ATR_STRING, address, 264),
        (SCARD_S_SUCCESS, needed)
    );
    assert_eq!(
        card.attribute(0x7777_7777, address, 264),
        (Error::UnsupportedFeature.to_long(), 264)
    );

    let mut memory: *mut u8 = null_mut();
    let target = (&raw mut memory).cast();
    let unknown = card.attribute(0x7777_7777, target, SCARD_AUTOALLOCATE);
    assert_eq!(
        (unknown, memory),
        (
            (Error::UnsupportedFeature.to_long(), SCARD_AUTOALLOCATE),
            null_mut()
        )
    );
    assert_eq!(
        card.attribute(SCARD_ATTR_ATR_STRING, target, SCARD_AUTOALLOCATE),
        (SCARD_S_SUCCESS, needed)
    );
    assert_eq!(unsafe { slice::from_raw_parts(memory, atr.len()) }, atr);
    assert_eq!(
        unsafe { SCardFreeMemory(card.context.0, memory.cast()) },
        SCARD_S_SUCCESS
    );

    let set = |length: DWORD| unsafe {
        SCardSetAttrib(card.handle, SCARD_ATTR_ATR_STRING, address, length)
    };
    assert_eq!(set(265), INSUFFICIENT_BUFFER);
    assert_eq!(set(264), Error::UnsupportedFeature.to_long());
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

    let mut states = [entry(
        card.name.as_ptr(),
        seen.dwEventState & !SCARD_STATE_CHANGED,
    )];
    assert_eq!(status_change(card.context.0, &mut states), TIMEOUT);
    assert_eq!(
        states[0].dwEventState,
        seen.dwEventState & !SCARD_STATE_CHANGED
    );
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
