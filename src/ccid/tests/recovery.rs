//! Coming back into step, by ever stronger means.

use super::super::error::Error;
use super::super::testing::*;
use super::{COMMAND, transmit};
use crate::usb::{ControlRequest, ErrorKind};

const OK: &[u8] = &[0x90, 0x00];

fn control_abort(sequence: u8, slot: u8) -> Call {
    Call::Control(ControlRequest {
        request_type: 0x21,
        request: 1,
        value: u16::from(sequence) << 8 | u16::from(slot),
        index: 3,
    })
}

/// The calls with messages as their type only.
#[derive(Debug, PartialEq, Eq)]
enum Did {
    Sent(u8),
    ControlAbort,
    ClearHalt(u8),
    SetInterface,
    Reset,
}

fn did(reader: &Reader) -> Vec<Did> {
    let calls = reader.calls().into_iter();
    calls
        .map(|call| match call {
            Call::Out(sent) => Did::Sent(sent.kind),
            Call::Control(_) => Did::ControlAbort,
            Call::ClearHalt(endpoint) => Did::ClearHalt(endpoint),
            Call::SetInterface => Did::SetInterface,
            Call::Reset => Did::Reset,
        })
        .collect()
}

#[test]
fn timeout_is_followed_by_abort_with_one_sequence_and_a_status_request() {
    let reader = Reader::script(0x6F, vec![|_| Vec::new()]);
    let mut engine = engine(EXTENDED, 271);
    engine.set_sequence(0x40);
    assert_eq!(transmit(&mut engine, &reader, COMMAND), Err(Error::Timeout));
    let calls = reader.calls();
    assert_eq!(calls[1], control_abort(0x41, 0));
    let Call::Out(abort) = &calls[2] else {
        panic!("{calls:?}")
    };
    assert_eq!((abort.kind, abort.slot, abort.sequence), (0x72, 0, 0x41));
    assert_eq!(did(&reader)[3..], [Did::Sent(0x65)], "an answered abort is enough");
    assert!(engine.take_resynced());
    assert!(!engine.take_resynced(), "told once");
}

#[test]
fn stalled_control_abort_does_not_matter() {
    let reader = Reader::script(0x6F, vec![|_| Vec::new()]);
    reader.fail_control(ErrorKind::Stall);
    assert_eq!(
        transmit(&mut engine(EXTENDED, 271), &reader, COMMAND),
        Err(Error::Timeout)
    );
    assert_eq!(did(&reader)[1..], [Did::ControlAbort, Did::Sent(0x72), Did::Sent(0x65)]);
}

#[test]
fn refused_bulk_abort_is_as_good_as_a_done_one() {
    let reader = Reader::new(|sent| match sent.kind {
        0x6F => Vec::new(),
        0x72 => sent.status(0x40, 0x00),
        _ => polite(sent),
    });
    assert_eq!(
        transmit(&mut engine(EXTENDED, 271), &reader, COMMAND),
        Err(Error::Timeout)
    );
    assert_eq!(did(&reader).last(), Some(&Did::Sent(0x65)));
}

#[test]
fn late_answers_are_drained_before_the_abort_is_answered() {
    let reader = Reader::new(|sent| match sent.kind {
        0x6F if sent.data == COMMAND => Vec::new(),
        0x72 => {
            // The late answer fills its packet and has no end, so the next message comes in the same transfer.
            let late = frame(0x80, 0, sent.sequence.wrapping_sub(1), 0, 0, 0, &[0x55; 54]);
            let extension = sent.frame(0x81, 0x80, 1, 0, &[]);
            [message(&extension), unended(&late), sent.status(0, 0)].concat()
        }
        0x6F => sent.data(&[0x6A, 0x82]),
        _ => polite(sent),
    });
    let mut engine = engine(EXTENDED, 271);
    assert_eq!(transmit(&mut engine, &reader, COMMAND), Err(Error::Timeout));
    assert_eq!(transmit(&mut engine, &reader, &[0, 0xB0, 0, 0]), Ok(vec![0x6A, 0x82]));
    assert_eq!(reader.kinds(), [0x6F, 0x72, 0x65, 0x6F]);
    assert!(!did(&reader).contains(&Did::SetInterface), "the abort was enough");
}

#[test]
fn time_extension_is_not_the_end_of_an_abort() {
    let reader = Reader::new(|sent| match sent.kind {
        0x6F => Vec::new(),
        0x72 => message(&sent.frame(0x81, 0x80, 1, 0, &[])),
        _ => polite(sent),
    });
    assert_eq!(
        transmit(&mut engine(EXTENDED, 271), &reader, COMMAND),
        Err(Error::Timeout)
    );
    assert!(did(&reader).contains(&Did::SetInterface));
}

#[test]
fn late_answer_after_recovery_is_not_taken_for_the_next_one() {
    let mut count = 0;
    let reader = Reader::new(move |sent| {
        count += 1;
        match count {
            1 => Vec::new(),
            // The answer to the first command comes with that to the last.
            4 => [message(&frame(0x80, 0, 0, 0, 0, 0, OK)), sent.data(&[0x69, 0x82])].concat(),
            _ => polite(sent),
        }
    });
    let mut engine = engine(EXTENDED, 271);
    assert_eq!(transmit(&mut engine, &reader, COMMAND), Err(Error::Timeout));
    assert_eq!(transmit(&mut engine, &reader, COMMAND), Ok(vec![0x69, 0x82]));
}

#[test]
fn drain_is_bounded() {
    let reader = Reader::new(|sent| match sent.kind {
        0x6F => Vec::new(),
        0x72 => vec![Item::Packet(vec![0xAA; 5]); 100_000],
        _ => polite(sent),
    });
    let mut engine = engine(EXTENDED, 271);
    assert_eq!(transmit(&mut engine, &reader, COMMAND), Err(Error::Timeout));
    assert!(reader.reads().len() < 1000, "{}", reader.reads().len());
    assert!(did(&reader).contains(&Did::SetInterface));
}

#[test]
fn halted_endpoint_is_cleared() {
    let reader = Reader::script(0x6F, vec![|_| vec![Item::Fail(ErrorKind::Stall); 2]]);
    let mut engine = engine(EXTENDED, 271);
    let error = transmit(&mut engine, &reader, COMMAND).unwrap_err();
    assert!(matches!(error, Error::Usb(error) if error.kind == ErrorKind::Stall));
    assert_eq!(
        did(&reader)[1..],
        [
            Did::ControlAbort,
            Did::Sent(0x72),
            Did::ClearHalt(0x02),
            Did::ClearHalt(0x81),
            Did::SetInterface,
            Did::Sent(0x65)
        ]
    );
    assert_eq!(transmit(&mut engine, &reader, COMMAND), Ok(OK.to_vec()));
}

#[test]
fn halted_out_endpoint_is_cleared_too() {
    let reader = Reader::new(polite);
    reader.fail_out(&[ErrorKind::Stall, ErrorKind::Stall]);
    let mut engine = engine(EXTENDED, 271);
    assert!(transmit(&mut engine, &reader, COMMAND).is_err());
    assert!(did(&reader).contains(&Did::ClearHalt(0x02)));
    assert_eq!(transmit(&mut engine, &reader, COMMAND), Ok(OK.to_vec()));
}

#[test]
fn set_interface_is_not_sent_where_the_quirk_forbids_it() {
    let mut acr122 = interface(SHORT, 271);
    (acr122.vendor_id, acr122.product_id) = (0x072F, 0x2200);
    let reader = Reader::new(polite);
    reader.dead_until(Some(Call::ClearHalt(0x81)));
    assert_eq!(
        transmit(&mut engine_for(&acr122), &reader, COMMAND),
        Err(Error::Timeout)
    );
    assert!(did(&reader).contains(&Did::ClearHalt(0x81)));
    assert!(!did(&reader).contains(&Did::SetInterface));
}

#[test]
fn reader_that_nothing_else_wakes_is_reset() {
    let reader = Reader::new(polite);
    reader.dead_until(Some(Call::Reset));
    let mut engine = engine(EXTENDED, 271);
    assert_eq!(transmit(&mut engine, &reader, COMMAND), Err(Error::Timeout));
    let calls = did(&reader);
    let reset = calls.iter().position(|call| *call == Did::Reset).unwrap();
    let selected = calls.iter().position(|call| *call == Did::SetInterface).unwrap();
    assert!(selected < reset);
    assert_eq!(calls[reset + 1..], [Did::Sent(0x65)]);
    assert_eq!(transmit(&mut engine, &reader, COMMAND), Ok(OK.to_vec()));
}

#[test]
fn device_with_other_interfaces_is_never_reset() {
    let mut keyboard = interface(EXTENDED, 271);
    keyboard.composite = true;
    let reader = Reader::new(polite);
    reader.dead_until(None);
    assert_eq!(
        transmit(&mut engine_for(&keyboard), &reader, COMMAND),
        Err(Error::Timeout)
    );
    assert!(!did(&reader).contains(&Did::Reset));
}

#[test]
fn reader_gone_or_taken_is_not_repaired() {
    for kind in [ErrorKind::Disconnected, ErrorKind::Busy, ErrorKind::NoAccess] {
        let reader = Reader::new(polite);
        reader.fail_out(&[kind]);
        let mut engine = engine(EXTENDED, 271);
        let error = transmit(&mut engine, &reader, COMMAND).unwrap_err();
        assert!(matches!(error, Error::Usb(error) if error.kind == kind));
        assert_eq!(did(&reader), [Did::Sent(0x6F)]);
        assert!(!engine.take_resynced());
    }
}

#[test]
fn reader_that_leaves_during_recovery_is_reported_as_gone() {
    let reader = Reader::script(0x6F, vec![|_| Vec::new()]);
    reader.fail_control(ErrorKind::Disconnected);
    let error = transmit(&mut engine(EXTENDED, 271), &reader, COMMAND).unwrap_err();
    assert!(error.is_disconnected());
    assert_eq!(did(&reader), [Did::Sent(0x6F), Did::ControlAbort]);
}

#[test]
fn slot_of_the_failed_command_is_the_one_aborted() {
    let reader = Reader::script(0x6F, vec![|_| Vec::new()]);
    let mut engine = engine(EXTENDED, 271);
    let result = engine.transmit(&reader, 1, COMMAND, &mut [0; 2], super::WAIT);
    assert_eq!(result, Err(Error::Timeout));
    assert_eq!(reader.calls()[1], control_abort(1, 1));
    assert!(reader.sent().iter().all(|sent| sent.slot == 1));
}
