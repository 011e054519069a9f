//! T=1 at TPDU level, and T=0 by characters.

use super::super::error::{Error, SlotError};
use super::super::testing::*;
use super::WAIT;
use crate::iso7816::t1::{Edc, State};

/// The I-block around 9000.
const OK_BLOCK: &[u8] = &[0x00, 0x00, 0x02, 0x90, 0x00, 0x92];

/// A card whose IFSD is no concern here.
fn state() -> State {
    State::new(254, Edc::Lrc).with_ifsd_of_reader(254)
}

fn run(reader: &Reader, state: &mut State, command: &[u8], max_message_len: u32) -> Result<Vec<u8>, Error> {
    let mut response = [0; 300];
    let mut engine = engine(TPDU, max_message_len);
    let len = engine.transmit_t1(reader, 0, state, command, &mut response, WAIT)?;
    Ok(response[..len].to_vec())
}

#[test]
fn a_block_that_comes_in_several_messages_is_put_together() {
    let reader = Reader::script(
        0x6F,
        vec![
            |sent| sent.chained(1, &OK_BLOCK[..2]),
            |sent| sent.chained(3, &OK_BLOCK[2..3]),
            |sent| sent.chained(2, &OK_BLOCK[3..]),
        ],
    );
    assert_eq!(run(&reader, &mut state(), &[1, 2], 271), Ok(vec![0x90, 0x00]));
    let sent = reader.sent();
    assert_eq!((sent[1].specific, sent[1].data.len()), ([0, 0x10, 0], 0));
    assert_eq!(sent[2].specific, [0, 0x10, 0]);
}

#[test]
fn a_block_longer_than_any_is_asked_for_again() {
    let reader = Reader::script(0x6F, vec![|sent| sent.data(&[0; 1000]), |sent| sent.data(OK_BLOCK)]);
    assert_eq!(run(&reader, &mut state(), &[1], 271), Ok(vec![0x90, 0x00]));
    assert_eq!(reader.sent()[1].data, [0x00, 0x82, 0x00, 0x82]);
}

#[test]
fn a_block_without_end_is_not_waited_for() {
    let reader = Reader::new(|sent| {
        if sent.kind == 0x6F {
            sent.chained(1, &[1])
        } else {
            polite(sent)
        }
    });
    let mut state = state();
    let result = run(&reader, &mut state, &[1], 271);
    assert!(matches!(result, Err(Error::Protocol(_))));
    assert!(state.is_lost());
}

#[test]
fn errors_that_are_not_the_cards_end_the_exchange_and_the_state_with_it() {
    for (status, error, expected) in [
        (0x42, 0xFE, Error::NoCard),
        (0x41, 0xFE, Error::CardInactive),
        (0x40, 0xFB, Error::Slot(SlotError::Hardware)),
        (0x40, 0x08, Error::Slot(SlotError::BadField(8))),
    ] {
        let reader = Reader::new(move |sent| sent.status(status, error));
        let mut state = state();
        assert_eq!(run(&reader, &mut state, &[1], 271), Err(expected));
        assert!(state.is_lost());
        assert_eq!(reader.kinds(), [0x6F], "no second try");
    }
}

#[test]
fn a_claim_lost_before_anything_was_sent_costs_nothing() {
    let reader = Reader::new(polite);
    reader.fail_out(&[crate::usb::ErrorKind::Busy]);
    let mut after = state();
    assert!(run(&reader, &mut after, &[1], 271).unwrap_err().is_busy());
    assert_eq!(after, state());
}

#[test]
fn a_reader_that_stays_silent_twice_is_out_of_step() {
    let reader = Reader::new(|sent| {
        if sent.kind == 0x6F {
            Vec::new()
        } else {
            sent.status(0, 0)
        }
    });
    let mut state = state();
    assert_eq!(run(&reader, &mut state, &[1], 271), Err(Error::Timeout));
    assert!(state.is_lost());
    assert_eq!(reader.kinds().iter().filter(|kind| **kind == 0x6F).count(), 2);
}

#[test]
fn messages_too_short_for_a_block_are_refused() {
    let reader = Reader::new(polite);
    for len in [11, 12, 13, 14] {
        assert_eq!(run(&reader, &mut state(), &[1], len), Err(Error::CommandTooLong));
    }
    assert_eq!(reader.kinds(), []);
    let result = run(&reader, &mut state(), &vec![0; 65_545], 271);
    assert_eq!(result, Err(Error::CommandTooLong));
}

#[test]
fn more_characters_than_asked_for_break_the_exchange() {
    let reader = Reader::new(|sent| {
        if sent.kind == 0x6F {
            sent.data(&[0x90, 0x00, 0x00])
        } else {
            polite(sent)
        }
    });
    let result = super::transmit(&mut engine(0, 271), &reader, &[0, 0x84, 0, 0, 8]);
    assert!(matches!(result, Err(Error::Protocol(_))));
    assert_eq!(reader.sent()[0].specific, [0, 1, 0]);
}
