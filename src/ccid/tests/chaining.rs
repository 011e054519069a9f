//! Commands and responses in several blocks, and which commands are refused.

use super::super::error::{Error, SlotError};
use super::super::testing::*;
use super::{COMMAND, WAIT, transmit};

const OK: &[u8] = &[0x90, 0x00];

fn blocks(reader: &Reader) -> Vec<(u8, usize)> {
    reader
        .sent()
        .iter()
        .map(|sent| (sent.specific[1], sent.data.len()))
        .collect()
}

#[test]
fn long_command_goes_out_in_blocks_that_say_where_they_are() {
    let reader = Reader::script(
        0x6F,
        vec![|sent| sent.chained(0x10, &[]), |sent| sent.chained(0x10, &[]), |sent| {
            sent.data(OK)
        }],
    );
    let command: Vec<u8> = (0..130).collect();
    assert_eq!(transmit(&mut engine(EXTENDED, 64), &reader, &command), Ok(OK.to_vec()));
    assert_eq!(blocks(&reader), [(1, 54), (3, 54), (2, 22)]);
    let sent: Vec<u8> = reader.sent().into_iter().flat_map(|sent| sent.data).collect();
    assert_eq!(sent, command);
}

#[test]
fn command_of_two_blocks_has_no_middle() {
    let reader = Reader::script(0x6F, vec![|sent| sent.data(&[]), |sent| sent.data(OK)]);
    assert_eq!(transmit(&mut engine(EXTENDED, 64), &reader, &[1; 108]), Ok(OK.to_vec()));
    assert_eq!(blocks(&reader), [(1, 54), (2, 54)]);
}

#[test]
fn command_that_fits_goes_out_whole() {
    let reader = Reader::new(polite);
    transmit(&mut engine(EXTENDED, 64), &reader, &[1; 54]).unwrap();
    assert_eq!(blocks(&reader), [(0, 54)]);
}

#[test]
fn response_before_the_command_is_complete_is_an_error() {
    let reader = Reader::script(0x6F, vec![|sent| sent.data(OK)]);
    let mut engine = engine(EXTENDED, 64);
    assert!(matches!(
        transmit(&mut engine, &reader, &[1; 60]),
        Err(Error::Protocol(_))
    ));
    assert!(engine.take_resynced());
}

#[test]
fn failure_inside_a_command_chain_ends_it() {
    let reader = Reader::script(0x6F, vec![|sent| sent.status(0x40, 0x08)]);
    let mut engine = engine(EXTENDED, 64);
    assert_eq!(
        transmit(&mut engine, &reader, &[1; 60]),
        Err(Error::Slot(SlotError::BadField(8)))
    );
    assert_eq!(blocks(&reader), [(1, 54)]);
}

#[test]
fn chained_response_is_asked_for_and_put_together() {
    let reader = Reader::script(
        0x6F,
        vec![
            |sent| sent.chained(1, &[1; 20]),
            |sent| sent.chained(3, &[2; 20]),
            |sent| sent.chained(2, &[3, 0x90, 0x00]),
        ],
    );
    let expected = [&[1; 20][..], &[2; 20], &[3, 0x90, 0x00]].concat();
    assert_eq!(transmit(&mut engine(EXTENDED, 271), &reader, COMMAND), Ok(expected));
    assert_eq!(blocks(&reader), [(0, 5), (0x10, 0), (0x10, 0)]);
}

#[test]
fn chained_response_is_honoured_at_every_level() {
    for level in [TPDU, SHORT, EXTENDED] {
        let reader = Reader::script(
            0x6F,
            vec![|sent| sent.chained(1, &[1; 128]), |sent| sent.chained(2, OK)],
        );
        let expected = [&[1; 128][..], OK].concat();
        assert_eq!(
            transmit(&mut engine(level, 271), &reader, COMMAND),
            Ok(expected),
            "{level:X}"
        );
    }
}

#[test]
fn request_for_the_next_part_is_noise_below_extended_level() {
    let reader = Reader::script(0x6F, vec![|sent| sent.chained(0x10, OK)]);
    assert_eq!(transmit(&mut engine(TPDU, 271), &reader, COMMAND), Ok(OK.to_vec()));
    assert_eq!(blocks(&reader).len(), 1);
}

#[test]
fn empty_block_after_a_whole_command_is_asked_on() {
    let reader = Reader::script(0x6F, vec![|sent| sent.chained(0x10, &[]), |sent| sent.chained(2, OK)]);
    assert_eq!(transmit(&mut engine(EXTENDED, 271), &reader, COMMAND), Ok(OK.to_vec()));
}

#[test]
fn response_beyond_the_buffer_is_counted_drained_and_dropped() {
    let reader = Reader::script(
        0x6F,
        vec![
            |sent| sent.chained(1, &[1; 100]),
            |sent| sent.chained(2, &[2; 100]),
            |sent| sent.data(OK),
        ],
    );
    let mut engine = engine(EXTENDED, 271);
    let mut response = [0xEE; 150];
    assert_eq!(
        engine.transmit(&reader, 0, COMMAND, &mut response[..120], WAIT),
        Ok(200)
    );
    assert_eq!(response[..120], [&[1; 100][..], &[2; 20]].concat());
    assert_eq!(response[120..], [0xEE; 30]);
    assert_eq!(
        transmit(&mut engine, &reader, COMMAND),
        Ok(OK.to_vec()),
        "nothing left over"
    );
}

#[test]
fn chain_of_blocks_without_end_is_given_up() {
    for len in [0, 200] {
        let reader = Reader::new(move |sent| match sent.kind {
            0x6F => sent.chained(3, &vec![0; len]),
            _ => polite(sent),
        });
        let mut engine = engine(EXTENDED, 271);
        assert_eq!(
            transmit(&mut engine, &reader, COMMAND),
            Err(Error::Protocol("a response without end"))
        );
        assert!(
            len == 0 || reader.kinds().len() < 2000,
            "bytes are bounded, not only blocks"
        );
        assert!(engine.take_resynced());
    }
}

#[test]
fn longest_response_comes_through() {
    let mut left = 65_538_usize;
    let reader = Reader::new(move |sent| {
        let first = sent.specific[1] == 0;
        let len = left.min(512);
        left -= len;
        sent.chained(
            if left == 0 {
                2
            } else if first {
                1
            } else {
                3
            },
            &vec![8; len],
        )
    });
    let mut response = vec![0; 65_538];
    let mut engine = engine(EXTENDED, 522);
    engine.set_timeouts(super::super::Timeouts::default());
    assert_eq!(engine.transmit(&reader, 0, COMMAND, &mut response, WAIT), Ok(65_538));
    assert!(response.iter().all(|byte| *byte == 8));
}

#[test]
fn command_longer_than_a_message_is_refused_below_extended_level() {
    for level in [TPDU, SHORT] {
        let reader = Reader::new(polite);
        let mut engine = engine(level, 271);
        assert_eq!(transmit(&mut engine, &reader, &[0; 262]), Err(Error::CommandTooLong));
        assert_eq!(reader.kinds(), []);
        assert!(transmit(&mut engine, &reader, &[0; 261]).is_ok());
    }
}

#[test]
fn message_length_263_means_270() {
    let reader = Reader::new(polite);
    let mut engine = engine(TPDU, 263);
    assert!(transmit(&mut engine, &reader, &[0; 260]).is_ok());
    assert_eq!(transmit(&mut engine, &reader, &[0; 261]), Err(Error::CommandTooLong));
}

#[test]
fn command_longer_than_any_apdu_is_refused_at_extended_level() {
    let reader = Reader::new(polite);
    let mut engine = engine(EXTENDED, 0x8_0000);
    assert_eq!(
        transmit(&mut engine, &reader, &vec![0; 65_545]),
        Err(Error::CommandTooLong)
    );
    assert_eq!(reader.kinds(), []);
    assert!(transmit(&mut engine, &reader, &vec![0; 65_544]).is_ok());
}

#[test]
fn tpdu_goes_out_verbatim() {
    for command in [
        &[0x00, 0xA4, 0x00, 0x00][..],
        &[0, 0xC0, 0, 0, 0],
        &[0, 0xA4, 0, 0, 2, 0x3F, 0],
    ] {
        let reader = Reader::new(polite);
        transmit(&mut engine(TPDU, 271), &reader, command).unwrap();
        assert_eq!(reader.sent()[0].data, command);
    }
}

#[test]
fn sw_61_and_6c_are_the_callers_business() {
    for word in [[0x61, 0x10], [0x6C, 0x10]] {
        let reader = Reader::new(move |sent| sent.data(&word));
        assert_eq!(transmit(&mut engine(TPDU, 271), &reader, COMMAND), Ok(word.to_vec()));
        assert_eq!(reader.kinds(), [0x6F]);
    }
}

#[test]
fn cancelled_and_overdue_pin_entry_become_status_words() {
    let reader = Reader::script(
        0x6F,
        vec![|sent| sent.status(0x40, 0xEF), |sent| sent.status(0x40, 0xF0)],
    );
    let mut engine = engine(SHORT, 271);
    assert_eq!(transmit(&mut engine, &reader, COMMAND), Ok(vec![0x64, 0x01]));
    assert_eq!(transmit(&mut engine, &reader, COMMAND), Ok(vec![0x64, 0x00]));
}

#[test]
fn mute_and_absent_is_no_card() {
    let reader = Reader::script(
        0x6F,
        vec![
            |sent| sent.status(0x42, 0xFE),
            |sent| sent.status(0x40, 0xFE),
            |sent| message(&sent.frame(0x80, 0x02, 0, 0, &[])),
            |sent| message(&sent.frame(0x80, 0x01, 0, 0, &[])),
        ],
    );
    let mut engine = engine(SHORT, 271);
    assert_eq!(transmit(&mut engine, &reader, COMMAND), Err(Error::NoCard));
    assert_eq!(
        transmit(&mut engine, &reader, COMMAND),
        Err(Error::Slot(SlotError::Mute))
    );
    assert_eq!(transmit(&mut engine, &reader, COMMAND), Err(Error::NoCard));
    assert_eq!(transmit(&mut engine, &reader, COMMAND), Err(Error::CardInactive));
}

#[test]
fn feature_pseudo_apdu_is_given_the_user_time() {
    let reader = Reader::new(polite);
    let mut engine = engine(SHORT, 271);
    engine.set_timeouts(super::super::Timeouts::default());
    transmit(&mut engine, &reader, &[0xFF, 0xC2, 0x01, 0x06, 0x00]).unwrap();
    transmit(&mut engine, &reader, &[0xFF, 0xC2]).unwrap();
    let waits = reader.waits();
    assert!(
        waits[0] > std::time::Duration::from_secs(89) && waits[1] <= WAIT,
        "{waits:?}"
    );
}

#[test]
fn buffers_are_reused() {
    let reader = Reader::new(|sent| sent.data(&[6; 200]));
    let mut engine = engine(SHORT, 271);
    transmit(&mut engine, &reader, COMMAND).unwrap();
    let buffers = (engine.input.as_ptr(), engine.output.as_ptr());
    for _ in 0..10 {
        transmit(&mut engine, &reader, COMMAND).unwrap();
    }
    assert_eq!((engine.input.as_ptr(), engine.output.as_ptr()), buffers);
}

#[test]
fn command_does_not_stay_in_the_buffer() {
    let reader = Reader::new(polite);
    let mut engine = engine(SHORT, 271);
    transmit(&mut engine, &reader, &[0, 0x20, 0, 1, 4, 0x31, 0x32, 0x33, 0x34]).unwrap();
    assert!(engine.output.iter().all(|byte| *byte == 0));
}
