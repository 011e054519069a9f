//! Messages of full packets, and the zero-length packet that ends them or does not.

use super::super::error::Error;
use super::super::testing::*;
use super::{COMMAND, transmit};

const OK: &[u8] = &[0x90, 0x00];

#[test]
fn missing_zero_length_packet_is_not_waited_for() {
    for len in [54, 118, 182] {
        let reader = Reader::new(move |sent| match sent.kind {
            0x6F => unended(&sent.frame(0x80, 0, 0, 0, &vec![3; len])),
            _ => polite(sent),
        });
        let mut engine = engine(EXTENDED, 271);
        for _ in 0..3 {
            assert_eq!(transmit(&mut engine, &reader, COMMAND), Ok(vec![3; len]));
        }
        assert_eq!(reader.kinds(), [0x6F; 3], "no recovery");
    }
}

#[test]
fn zero_length_packet_after_full_packets_shows_a_reader_fit_for_long_reads() {
    let reader = Reader::script(
        0x6F,
        vec![|sent| sent.data(&[3; 54]), |sent| sent.data(&[4; 118]), |sent| {
            sent.data(&[5; 200])
        }],
    );
    let mut engine = engine(EXTENDED, 271);
    for expected in [vec![3; 54], vec![4; 118], vec![5; 200]] {
        assert_eq!(transmit(&mut engine, &reader, COMMAND), Ok(expected));
    }
    // One packet; the empty end of it, then all at once, twice.
    assert_eq!(reader.reads(), [64, 64, 320, 320]);
}

/// usbd-ccid 0.5 loses its next answer while the zero-length packet of the last one was not fetched.
#[test]
fn the_end_of_a_message_of_full_packets_is_fetched_before_the_next_command() {
    for (len, reads) in [(54, vec![64, 64]), (118, vec![64, 64, 64]), (200, vec![64, 192])] {
        let reader = Reader::new(move |sent| sent.data(&vec![3; len]));
        assert_eq!(transmit(&mut engine(EXTENDED, 271), &reader, COMMAND), Ok(vec![3; len]));
        assert_eq!(reader.reads(), reads, "{len}");
    }
}

#[test]
fn a_reader_that_sends_no_ends_is_asked_for_one_once() {
    let reader = Reader::new(|sent| match sent.kind {
        0x6F => unended(&sent.frame(0x80, 0, 0, 0, &[3; 54])),
        _ => polite(sent),
    });
    let mut engine = engine(EXTENDED, 271);
    for _ in 0..3 {
        transmit(&mut engine, &reader, COMMAND).unwrap();
    }
    assert_eq!(reader.reads(), [64, 64, 64, 64]);
}

#[test]
fn what_comes_in_the_place_of_an_end_is_not_lost() {
    let reader = Reader::script(
        0x6F,
        vec![
            |sent| {
                let late = frame(0x80, 0, sent.sequence.wrapping_sub(1), 0, 0, 0, &[1; 150]);
                [unended(&sent.frame(0x80, 0, 0, 0, &[3; 54])), message(&late)].concat()
            },
            |sent| sent.data(&[4; 60]),
        ],
    );
    let mut engine = engine(EXTENDED, 271);
    assert_eq!(transmit(&mut engine, &reader, COMMAND), Ok(vec![3; 54]));
    assert_eq!(transmit(&mut engine, &reader, COMMAND), Ok(vec![4; 60]));
    assert_eq!(reader.kinds(), [0x6F; 2], "no recovery");
}

#[test]
fn spurious_zero_length_packets_are_ignored_and_prove_nothing() {
    let reader = Reader::new(|sent| {
        let mut items = vec![Item::Packet(Vec::new()), Item::Packet(Vec::new())];
        items.extend(polite(sent));
        items
    });
    let mut engine = engine(EXTENDED, 271);
    for _ in 0..3 {
        assert_eq!(transmit(&mut engine, &reader, COMMAND), Ok(OK.to_vec()));
    }
    assert_eq!(reader.reads(), [PACKET; 9]);
}

#[test]
fn long_read_that_loses_an_answer_is_not_tried_again() {
    let reader = Reader::script(
        0x6F,
        vec![
            |sent| sent.data(&[3; 54]),
            polite,
            |sent| unended(&sent.frame(0x80, 0, 0, 0, &[4; 118])),
            |sent| sent.data(&[5; 54]),
        ],
    );
    let mut engine = engine(EXTENDED, 271);
    transmit(&mut engine, &reader, COMMAND).unwrap();
    transmit(&mut engine, &reader, COMMAND).unwrap();
    assert_eq!(transmit(&mut engine, &reader, COMMAND), Err(Error::Timeout));
    assert!(engine.take_resynced());
    let before = reader.reads().len();
    assert_eq!(transmit(&mut engine, &reader, COMMAND), Ok(vec![5; 54]));
    transmit(&mut engine, &reader, COMMAND).unwrap();
    assert_eq!(reader.reads()[before..], [PACKET; 3]);
}
