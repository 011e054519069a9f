//! Functions without strings. MSDN `SCardAccessStartedEvent`, `SCardReleaseStartedEvent`, `SCardAudit`, `SCardGetTransmitCount`;
//! PC/SC part 5, `State`.

use std::ptr::null_mut;

use winscard::api::card::*;
use winscard::api::constants::*;
use winscard::api::system::*;
use winscard::api::types::*;
use winscard::error::Error;

use crate::bench::Bench;
use crate::calls::Context;
use crate::form::code;
use crate::session::connect;

/// Whether `poll` finds the descriptor readable at once.
fn is_set(event: HANDLE) -> bool {
    let mut entry = libc::pollfd {
        fd: event.addr().try_into().unwrap(),
        events: libc::POLLIN,
        revents: 0,
    };
    assert_eq!(unsafe { libc::poll(&raw mut entry, 1, 0) }, 1, "set or invalid");
    entry.revents == libc::POLLIN
}

#[test]
fn the_started_event_is_set_and_goes_with_its_last_holder() {
    let first = SCardAccessStartedEvent();
    assert!(!first.is_null());
    let second = SCardAccessStartedEvent();
    assert_eq!(first, second, "one event");
    assert!(is_set(first));
    assert!(is_set(first), "still");
    SCardReleaseStartedEvent();
    assert!(is_set(first));
    SCardReleaseStartedEvent();
    // Once too often does no harm.
    SCardReleaseStartedEvent();
    let again = SCardAccessStartedEvent();
    assert!(is_set(again));
    SCardReleaseStartedEvent();
}

#[test]
fn an_audit_has_two_events() {
    let bench = Bench::new();
    assert_eq!(code(SCardAudit(bench.user, SCARD_AUDIT_CHV_SUCCESS)), Ok(()));
    assert_eq!(code(SCardAudit(bench.user, SCARD_AUDIT_CHV_FAILURE)), Ok(()));
    assert_eq!(code(SCardAudit(bench.user, 2)), Err(Error::InvalidValue));
    assert_eq!(code(SCardAudit(0, SCARD_AUDIT_CHV_SUCCESS)), Err(Error::InvalidHandle));
}

/// Of every connection, in a transaction and outside; an exchange that fails is not completed.
#[test]
fn completed_commands_are_counted_for_the_reader() {
    let mut bench = Bench::new();
    let name = bench.with_card();
    let context = Context::new();
    let count = |card: SCARDHANDLE| {
        let mut count = 77;
        assert_eq!(code(unsafe { SCardGetTransmitCount(card, &raw mut count) }), Ok(()));
        count
    };
    let first = connect(&context, &name).unwrap();
    let second = connect(&context, &name).unwrap();
    assert_eq!(count(first.handle), 0);
    for _ in 0..3 {
        first.transmit(&[0, 0x84, 0, 0, 8]).unwrap();
    }
    assert_eq!((count(first.handle), count(second.handle)), (3, 3));
    assert_eq!(SCardBeginTransaction(second.handle), SCARD_S_SUCCESS);
    second.transmit(&[0, 0x84, 0, 0, 8]).unwrap();
    assert_eq!(count(second.handle), 4);
    assert_eq!(SCardEndTransaction(second.handle, SCARD_LEAVE_CARD), SCARD_S_SUCCESS);
    second.disconnect(SCARD_RESET_CARD);
    let third = connect(&context, &name).unwrap();
    assert_eq!(count(third.handle), 4, "since the reader came, not the card");
    assert!(first.transmit(&[0, 0x84, 0, 0, 8]).is_err(), "after a reset");
    assert_eq!(count(third.handle), 4);
    assert_eq!(
        code(unsafe { SCardGetTransmitCount(third.handle, null_mut()) }),
        Err(Error::InvalidParameter)
    );
    let mut number = 77;
    assert_eq!(
        code(unsafe { SCardGetTransmitCount(0, &raw mut number) }),
        Err(Error::InvalidHandle)
    );
    bench.unplug_all();
    assert_eq!(
        code(unsafe { SCardGetTransmitCount(third.handle, &raw mut number) }),
        Err(Error::InvalidValue)
    );
    assert_eq!(number, 77);
}

/// As SCardStatus, without names.
#[test]
fn state_is_status_without_names() {
    let mut bench = Bench::new();
    let name = bench.with_card();
    let context = Context::new();
    let session = connect(&context, &name).unwrap();
    let (mut state, mut protocol, mut atr, mut length) = (0, 0, [0_u8; 33], 33);
    let result = unsafe {
        SCardState(
            session.handle,
            &raw mut state,
            &raw mut protocol,
            atr.as_mut_ptr(),
            &raw mut length,
        )
    };
    assert_eq!(code(result), Ok(()));
    let (mut state2, mut protocol2, mut atr2, mut length2) = (0, 0, [0_u8; 33], 33);
    let result = unsafe {
        SCardStatus(
            session.handle,
            null_mut(),
            null_mut(),
            &raw mut state2,
            &raw mut protocol2,
            atr2.as_mut_ptr(),
            &raw mut length2,
        )
    };
    assert_eq!(code(result), Ok(()));
    assert_eq!((state, protocol, atr, length), (state2, protocol2, atr2, length2));
    assert_eq!(state & 0xFFFF, SCARD_PRESENT | SCARD_POWERED | SCARD_NEGOTIABLE);
    let nothing = null_mut();
    let result = unsafe { SCardState(session.handle, nothing, nothing, null_mut(), nothing) };
    assert_eq!(code(result), Ok(()), "each may be null");
    let mut short = 1;
    let result = unsafe { SCardState(session.handle, nothing, nothing, atr.as_mut_ptr(), &raw mut short) };
    assert_eq!((code(result), short), (Err(Error::InsufficientBuffer), length));
    assert_eq!(
        code(unsafe { SCardState(0, &raw mut state, nothing, null_mut(), nothing) }),
        Err(Error::InvalidHandle)
    );
    bench.unplug_all();
    let result = unsafe { SCardState(session.handle, &raw mut state, nothing, null_mut(), nothing) };
    assert_eq!((code(result), state), (Err(Error::ReaderUnavailable), 0));
}
