//! What the functions for exchanges write into the caller's buffers, with the software reader and its card: room, lengths, memory
//! allocated for the caller, overlapping buffers.
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

use std::ptr::{null, null_mut};
use std::slice;

use calls::*;
use connection::*;
use winscard::api::constants::*;
use winscard::api::context::*;
use winscard::api::io::*;
use winscard::api::types::*;
use winscard::error::Error;

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
        let result = unsafe { SCardTransmit(card.handle, card.pci, command, 4, null_mut(), response, &raw mut room) };
        assert_eq!((result, room), (SCARD_S_SUCCESS, length));
        let length = usize::try_from(length).expect("length");
        assert_eq!(shared[offset..offset + length], expected[..length], "{offset}");
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
        let result = unsafe { SCardControl(card.handle, code, null(), 0, buffer.cast(), room, &raw mut length) };
        (result, length)
    };
    let mut buffer = [b'x'; 300];
    let (result, needed) = control(CM_IOCTL_GET_FEATURE_REQUEST, buffer.as_mut_ptr(), 300);
    assert_eq!(result, SCARD_S_SUCCESS);
    // A feature is six bytes: tag, 4, and a code that is big-endian. TLV properties are always there.
    assert!(needed >= 6 && needed % 6 == 0, "{needed}");
    assert_eq!(buffer[1], 4);
    buffer = [b'x'; 300];
    let short = control(CM_IOCTL_GET_FEATURE_REQUEST, buffer.as_mut_ptr(), needed - 1);
    assert_eq!((short, buffer), ((INSUFFICIENT_BUFFER, needed), [b'x'; 300]));
    assert_eq!(
        control(CM_IOCTL_GET_FEATURE_REQUEST, null_mut(), 0),
        (INSUFFICIENT_BUFFER, needed)
    );

    let unknown = scard_ctl_code(0xBEEF);
    assert_eq!(
        control(unknown, buffer.as_mut_ptr(), 300),
        (Error::UnsupportedFeature.to_long(), 0)
    );
    let too_long = unsafe { SCardControl(card.handle, unknown, null(), 65_549, null_mut(), 0, null_mut()) };
    assert_eq!(too_long, INSUFFICIENT_BUFFER);
    let missing = unsafe { SCardControl(card.handle, unknown, null(), 1, null_mut(), 0, null_mut()) };
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
        ((Error::UnsupportedFeature.to_long(), SCARD_AUTOALLOCATE), null_mut())
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

    let set = |length: DWORD| unsafe { SCardSetAttrib(card.handle, SCARD_ATTR_ATR_STRING, address, length) };
    assert_eq!(set(265), INSUFFICIENT_BUFFER);
    assert_eq!(set(264), Error::UnsupportedFeature.to_long());
}
