//! What counts as the answer, and how it is read.

use super::super::error::{Error, SlotError};
use super::super::testing::*;
use super::{COMMAND, WAIT, transmit};
use crate::usb::ErrorKind;
use std::time::{Duration, Instant};

const OK: &[u8] = &[0x90, 0x00];

#[test]
fn answer_to_an_earlier_command_is_dropped() {
    let reader = Reader::script(
        0x6F,
        vec![|sent| {
            let late = frame(0x80, 0, sent.sequence.wrapping_sub(1), 0, 0, 0, &[0x6A, 0x82]);
            [message(&late), sent.data(OK)].concat()
        }],
    );
    assert_eq!(transmit(&mut engine(EXTENDED, 271), &reader, COMMAND), Ok(OK.to_vec()));
}

#[test]
fn answer_of_another_slot_is_dropped() {
    let reader = Reader::script(
        0x6F,
        vec![|sent| {
            let other = frame(0x80, 1, sent.sequence, 0, 0, 0, &[0x6A, 0x82]);
            [message(&other), sent.data(OK)].concat()
        }],
    );
    assert_eq!(transmit(&mut engine(EXTENDED, 271), &reader, COMMAND), Ok(OK.to_vec()));
}

#[test]
fn long_stale_answer_does_not_shorten_the_read_of_the_real_one() {
    let reader = Reader::script(0x6F, vec![|sent| sent.data(&[7; 200])]);
    reader.preload(message(&frame(0x80, 0, 99, 0, 0, 0, &[1; 150])));
    reader.preload(message(&frame(0x81, 0, 98, 0, 0, 0, &[])));
    assert_eq!(transmit(&mut engine(EXTENDED, 271), &reader, COMMAND), Ok(vec![7; 200]));
}

#[test]
fn stale_answers_without_end_are_given_up() {
    let reader = Reader::script(
        0x6F,
        vec![|sent| {
            let stale = frame(0x80, 0, sent.sequence.wrapping_add(7), 0, 0, 0, OK);
            (0..33).flat_map(|_| message(&stale)).collect()
        }],
    );
    let mut engine = engine(EXTENDED, 271);
    assert_eq!(
        transmit(&mut engine, &reader, COMMAND),
        Err(Error::Protocol("answers to other commands only"))
    );
    assert!(engine.take_resynced());
}

#[test]
fn sequence_counts_over_all_slots_and_wraps() {
    let reader = Reader::new(polite);
    let mut engine = engine(EXTENDED, 271);
    engine.set_sequence(254);
    for slot in [0, 1, 0, 1] {
        engine.slot_status(&reader, slot).unwrap();
    }
    let seen: Vec<_> = reader.sent().iter().map(|sent| (sent.slot, sent.sequence)).collect();
    assert_eq!(seen, [(0, 254), (1, 255), (0, 0), (1, 1)]);
    assert_eq!(engine.sequence(), 2);
}

#[test]
fn slot_beyond_the_reader_is_refused_without_a_message() {
    let reader = Reader::new(polite);
    let mut engine = engine(EXTENDED, 271);
    assert_eq!(engine.slot_status(&reader, 2), Err(Error::NoSuchSlot));
    assert_eq!(reader.kinds(), []);
}

#[test]
fn time_extension_is_honoured_on_every_command_whatever_its_type() {
    let reader = Reader::new(|sent| {
        let mut items = message(&sent.frame(0x80, 0x80, 1, 0, &[]));
        items.extend(message(&sent.frame(0x81, 0x80, 0xFF, 0, &[])));
        items.extend(polite(sent));
        items
    });
    let mut engine = engine(EXTENDED | AUTO_VOLTAGE, 271);
    engine.slot_status(&reader, 0).unwrap();
    assert_eq!(*engine.power_on(&reader, 0).unwrap(), *OK);
    engine.set_parameters(&reader, 0, 0, &[0x11, 0, 0, 10, 0]).unwrap();
    assert_eq!(engine.get_parameters(&reader, 0).unwrap().data().len(), 5);
    assert_eq!(engine.escape(&reader, 0, &[1], &mut []), Ok(0));
    assert_eq!(transmit(&mut engine, &reader, COMMAND), Ok(OK.to_vec()));
    engine.power_off(&reader, 0).unwrap();
    assert_eq!(reader.kinds(), [0x65, 0x62, 0x61, 0x6C, 0x6B, 0x6F, 0x63]);
    assert!(!engine.take_resynced());
}

#[test]
fn time_extension_multiplies_the_wait_for_the_next_answer_only() {
    let reader = Reader::script(
        0x6F,
        vec![|sent| {
            let extensions = [5, 0, 0xFF, 2, 200].map(|factor| sent.frame(0x80, 0x80, factor, 0, &[]));
            let mut items: Vec<Item> = extensions.iter().flat_map(|bytes| message(bytes)).collect();
            items.extend(sent.data(OK));
            items
        }],
    );
    let mut engine = engine(EXTENDED, 271);
    let total = Duration::from_secs(3000);
    engine.set_timeouts(super::super::Timeouts { total, ..quick() });
    let mut response = [0; 2];
    engine
        .transmit(&reader, 0, COMMAND, &mut response, Duration::from_secs(100))
        .unwrap();
    let seconds: Vec<f64> = reader.waits().iter().map(|wait| wait.as_secs_f64().ceil()).collect();
    assert_eq!(
        seconds,
        [100.0, 500.0, 100.0, 100.0, 200.0, 3000.0],
        "the last is cut at the total"
    );
}

#[test]
fn endless_time_extensions_end_at_the_deadline() {
    let reader = Reader::script(
        0x6F,
        vec![|sent| {
            let extension = sent.frame(0x80, 0x80, 254, 0, &[]);
            (0..9_000).flat_map(|_| message(&extension)).collect()
        }],
    );
    let mut engine = engine(EXTENDED, 271);
    let timeouts = super::super::Timeouts {
        total: Duration::from_micros(200),
        ..quick()
    };
    engine.set_timeouts(timeouts);
    let started = Instant::now();
    assert_eq!(transmit(&mut engine, &reader, COMMAND), Err(Error::Timeout));
    assert!(started.elapsed() < Duration::from_secs(5));
}

/// Whoever only looks at a slot does not wait for as long as a card may compute.
#[test]
fn time_extensions_of_a_status_request_end_sooner_than_those_of_a_card() {
    let reader = Reader::script(
        0x65,
        vec![|sent| {
            let extension = sent.frame(0x81, 0x80, 254, 0, &[]);
            (0..9_000).flat_map(|_| message(&extension)).collect()
        }],
    );
    let mut engine = engine(EXTENDED, 271);
    engine.set_timeouts(super::super::Timeouts {
        total: Duration::from_secs(600),
        plain_total: Duration::from_micros(200),
        ..quick()
    });
    assert_eq!(engine.slot_status(&reader, 0), Err(Error::Timeout));
}

/// ISO 7816-4 §5.1: a response ends with SW1 SW2. Callers look for them there.
#[test]
fn a_response_of_one_byte_has_no_status_word() {
    let reader = Reader::script(0x6F, vec![|sent| sent.data(&[0x90])]);
    let mut engine = engine(EXTENDED, 271);
    assert_eq!(
        transmit(&mut engine, &reader, COMMAND),
        Err(Error::Protocol("a response without status word"))
    );
}

#[test]
fn flood_of_time_extensions_ends_by_count() {
    let reader = Reader::script(
        0x6F,
        vec![|sent| {
            let extension = sent.frame(0x80, 0x80, 254, 0, &[]);
            (0..10_001).flat_map(|_| message(&extension)).collect()
        }],
    );
    let mut engine = engine(EXTENDED, 271);
    engine.set_timeouts(super::super::Timeouts {
        total: Duration::from_secs(60),
        ..quick()
    });
    assert_eq!(
        transmit(&mut engine, &reader, COMMAND),
        Err(Error::Protocol("time extensions without end"))
    );
}

#[test]
fn failure_reported_as_slot_status_is_the_answer() {
    let reader = Reader::script(0x6F, vec![|sent| sent.status(0x40, 0xFB)]);
    let mut engine = engine(EXTENDED, 271);
    assert_eq!(
        transmit(&mut engine, &reader, COMMAND),
        Err(Error::Slot(SlotError::Hardware))
    );
    assert!(!engine.take_resynced(), "a refusal leaves both sides in step");
}

#[test]
fn success_reported_as_slot_status_is_no_answer_to_a_block() {
    let reader = Reader::script(0x6F, vec![|sent| sent.status(0, 0)]);
    let mut engine = engine(EXTENDED, 271);
    assert_eq!(
        transmit(&mut engine, &reader, COMMAND),
        Err(Error::Protocol("an answer of the wrong type"))
    );
}

#[test]
fn answer_of_another_type_is_refused() {
    let reader = Reader::script(0x6F, vec![|sent| message(&sent.frame(0x83, 0, 0, 0, OK))]);
    assert_eq!(
        transmit(&mut engine(EXTENDED, 271), &reader, COMMAND),
        Err(Error::Protocol("an answer of the wrong type"))
    );
}

#[test]
fn error_byte_of_a_good_answer_means_nothing() {
    let reader = Reader::script(0x6F, vec![|sent| message(&sent.frame(0x80, 0, 0x81, 0, OK))]);
    assert_eq!(transmit(&mut engine(EXTENDED, 271), &reader, COMMAND), Ok(OK.to_vec()));
}

#[test]
fn one_packet_answer_costs_one_read_of_one_packet() {
    let reader = Reader::new(polite);
    transmit(&mut engine(EXTENDED, 271), &reader, COMMAND).unwrap();
    assert_eq!(reader.reads(), [PACKET]);
}

#[test]
fn longer_answer_costs_two_reads() {
    let reader = Reader::script(0x6F, vec![|sent| sent.data(&[5; 256])]);
    assert_eq!(transmit(&mut engine(EXTENDED, 271), &reader, COMMAND), Ok(vec![5; 256]));
    assert_eq!(reader.reads(), [64, 256]);
}

#[test]
fn answer_split_over_several_transfers_is_put_together() {
    let reader = Reader::script(
        0x6F,
        vec![|sent| {
            let whole = sent.frame(0x80, 0, 0, 0, &[9; 100]);
            let cuts = [0..4, 4..30, 30..30, 30..94, 94..110];
            cuts.map(|cut| Item::Packet(whole[cut].to_vec())).to_vec()
        }],
    );
    let mut engine = engine(EXTENDED, 271);
    assert_eq!(transmit(&mut engine, &reader, COMMAND), Ok(vec![9; 100]));
    assert!(!engine.take_resynced());
}

#[test]
fn announced_length_beyond_what_comes_is_an_error_not_a_hang() {
    let reader = Reader::script(
        0x6F,
        vec![|sent| {
            let mut lie = sent.frame(0x80, 0, 0, 0, OK);
            lie[1] = 100;
            message(&lie)
        }],
    );
    let mut engine = engine(EXTENDED, 271);
    assert_eq!(
        transmit(&mut engine, &reader, COMMAND),
        Err(Error::Protocol("an answer shorter than its dwLength"))
    );
    assert!(engine.take_resynced());
    assert_eq!(transmit(&mut engine, &reader, COMMAND), Ok(OK.to_vec()));
}

#[test]
fn announced_length_below_what_comes_is_an_error() {
    let reader = Reader::script(
        0x6F,
        vec![|sent| {
            let mut lie = sent.frame(0x80, 0, 0, 0, &[0x90, 0x00, 0x6A, 0x82]);
            lie[1] = 2;
            message(&lie)
        }],
    );
    assert_eq!(
        transmit(&mut engine(EXTENDED, 271), &reader, COMMAND),
        Err(Error::Protocol("an answer longer than its dwLength"))
    );
}

#[test]
fn announced_length_of_gigabytes_reserves_nothing() {
    let reader = Reader::script(
        0x6F,
        vec![|sent| {
            let mut lie = sent.frame(0x80, 0, 0, 0, OK);
            lie[1..5].fill(0xFF);
            message(&lie)
        }],
    );
    assert_eq!(
        transmit(&mut engine(EXTENDED, 271), &reader, COMMAND),
        Err(Error::Protocol("an answer longer than any card can give"))
    );
}

#[test]
fn babble_is_reported_and_repaired() {
    let reader = Reader::script(0x6F, vec![|_| vec![Item::Packet(vec![0x80; 100])]]);
    let mut engine = engine(EXTENDED, 271);
    let error = transmit(&mut engine, &reader, COMMAND).unwrap_err();
    assert!(matches!(error, Error::Usb(error) if error.kind == ErrorKind::Overflow));
    assert!(engine.take_resynced());
    assert_eq!(transmit(&mut engine, &reader, COMMAND), Ok(OK.to_vec()));
}

#[test]
fn silence_ends_at_the_time_allowed() {
    let reader = Reader::script(0x6F, vec![|_| Vec::new()]);
    let mut engine = engine(EXTENDED, 271);
    assert_eq!(transmit(&mut engine, &reader, COMMAND), Err(Error::Timeout));
}

#[test]
fn empty_transfers_without_a_message_end_at_the_deadline() {
    let reader = Reader::script(0x6F, vec![|_| vec![Item::Packet(Vec::new()); 100_000]]);
    let mut engine = engine(EXTENDED, 271);
    let started = Instant::now();
    assert_eq!(transmit(&mut engine, &reader, COMMAND), Err(Error::Timeout));
    assert!(started.elapsed() >= WAIT);
}

#[test]
fn short_count_of_bytes_sent_is_an_error_but_for_the_quirk() {
    let reader = Reader::new(polite);
    reader.report_short_out();
    let mut plain = engine(EXTENDED, 271);
    assert!(matches!(plain.slot_status(&reader, 0), Err(Error::Protocol(_))));
    let mut canokey = interface(EXTENDED, 1352);
    (canokey.vendor_id, canokey.product_id) = (0x20A0, 0x42D4);
    let mut tolerant = engine_for(&canokey);
    let before = reader.reads().len();
    assert!(tolerant.slot_status(&reader, 0).is_ok());
    assert_eq!(
        reader.reads()[before..],
        [1408],
        "and reads whole messages from the start"
    );
}

#[test]
fn message_of_whole_packets_goes_out_without_zero_length_packet() {
    let reader = Reader::new(polite);
    transmit(&mut engine(SHORT, 271), &reader, &[0; 54]).unwrap();
    assert_eq!(reader.calls().len(), 1);
}
