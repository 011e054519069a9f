//! PIN entry: PC_to_RDR_Secure at every level.

use super::super::error::{Error, SlotError};
use super::super::exchange::{Engine, Timeouts};
use super::super::pin::{PinOperation, Secret};
use super::super::secure::{PinBlocks, PinOutcome, PinStep};
use super::super::testing::{Item, Reader, Sent, engine_for, interface, message, polite, quick};
use crate::iso7816::apdu::StatusWord;
use crate::usb::Interface;
use std::time::Duration;

const TPDU: u32 = 0x0001_0000;
const SHORT: u32 = 0x0002_0000;
const EXTENDED: u32 = 0x0004_0000;
const SECURE: u8 = 0x69;

/// VERIFY, and PIN_VERIFY_STRUCTURE around it.
const APDU: &[u8] = b"\x00\x20\x00\x01\x08\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF";
const BARE: &[u8] = b"\x00\x20\x00\x01";

fn structure(apdu: &[u8]) -> Vec<u8> {
    let mut bytes = vec![100, 0, 0x82, 0, 0, 8, 4, 2, 1, 9, 4, 0, 0, 0, 0];
    bytes.extend(u32::try_from(apdu.len()).unwrap().to_le_bytes());
    bytes.extend(apdu);
    bytes
}

fn pin_pad(features: u32, max_message_len: u32) -> Interface {
    let mut interface = interface(features, max_message_len);
    interface.class_descriptor[52] = 3;
    interface
}

fn engine(features: u32, max_message_len: u32) -> Engine {
    patient(engine_for(&pin_pad(features, max_message_len)))
}

/// With time for a PIN.
fn patient(mut engine: Engine) -> Engine {
    engine.set_timeouts(Timeouts {
        total: Duration::from_secs(1200),
        ..quick()
    });
    engine
}

fn verify(engine: &mut Engine, reader: &Reader, apdu: &[u8]) -> Result<Vec<u8>, Error> {
    run(engine, reader, apdu, None)
}

fn run(
    engine: &mut Engine,
    reader: &Reader,
    apdu: &[u8],
    blocks: Option<&mut dyn PinBlocks>,
) -> Result<Vec<u8>, Error> {
    let structure = structure(apdu);
    let operation = PinOperation::verify(&structure).unwrap();
    let mut response = [0; 258];
    match engine.secure(reader, 0, operation, blocks, &mut response)? {
        PinOutcome::Reader(word) => Ok(word.bytes().to_vec()),
        PinOutcome::Card(len) => Ok(response[..len].to_vec()),
    }
}

fn encoded(apdu: &[u8]) -> Secret {
    PinOperation::verify(&structure(apdu)).unwrap().encode()
}

#[test]
fn one_message_with_ten_seconds_beyond_the_pin_pads_own_timeout() {
    for level in [TPDU, SHORT, EXTENDED] {
        let reader = Reader::script(SECURE, vec![|sent| sent.data(&[0x90, 0x00])]);
        let mut engine = engine(level, 271);
        assert_eq!(verify(&mut engine, &reader, APDU), Ok(vec![0x90, 0x00]));
        let sent = reader.sent();
        assert_eq!(reader.kinds(), [SECURE]);
        assert_eq!(sent[0].data, encoded(APDU).as_slice());
        assert_eq!(sent[0].specific, [0, 0, 0]);
        let wait = reader.waits()[0];
        assert!((109..=110).contains(&wait.as_secs()), "{wait:?}");
        assert!(engine.input.iter().all(|byte| *byte == 0), "the answer stays behind");
        assert!(engine.output.iter().all(|byte| *byte == 0), "the message stays behind");
    }
}

#[test]
fn cancel_and_timeout_are_status_words() {
    for (error, word) in [(0xEF, [0x64, 0x01]), (0xF0, [0x64, 0x00])] {
        let reader = Reader::new(move |sent| message(&sent.frame(0x80, 0x40, error, 0, &[])));
        assert_eq!(verify(&mut engine(SHORT, 271), &reader, APDU), Ok(word.to_vec()));
        assert_eq!(reader.kinds(), [SECURE]);
    }
}

#[test]
fn refusals_stay_refusals() {
    let reader = Reader::new(|sent| sent.status(0x40, 0x0B));
    let refused = verify(&mut engine(SHORT, 271), &reader, APDU);
    assert_eq!(refused, Err(Error::Slot(SlotError::BadField(0x0B))));
    let reader = Reader::new(|sent| sent.status(0x42, 0xFE));
    assert_eq!(verify(&mut engine(SHORT, 271), &reader, APDU), Err(Error::NoCard));
    let reader = Reader::new(|sent| sent.status(0x40, 0xFD));
    let damaged = verify(&mut engine(TPDU, 271), &reader, APDU);
    assert_eq!(damaged, Err(Error::Slot(SlotError::Parity)));
}

#[test]
fn a_response_without_status_word_is_an_error() {
    for data in [&[][..], &[0x90]] {
        let reader = Reader::new(move |sent| sent.data(data));
        assert!(matches!(
            verify(&mut engine(SHORT, 271), &reader, APDU),
            Err(Error::Protocol(_))
        ));
    }
}

#[test]
fn keys_pressed_are_time_extensions() {
    let reader = Reader::new(|sent| {
        let mut items = Vec::new();
        for _ in 0..4 {
            items.extend(message(&sent.frame(0x80, 0x80, 1, 0, &[])));
        }
        items.extend(sent.data(&[0x63, 0xC2]));
        items
    });
    assert_eq!(verify(&mut engine(SHORT, 271), &reader, APDU), Ok(vec![0x63, 0xC2]));
}

#[test]
fn extended_level_chains_both_ways() {
    let reader = Reader::new(|sent| match sent.specific {
        [0, 1 | 3, 0] => sent.chained(0x10, &[]),
        [0, 2, 0] => sent.chained(1, &[1, 2]),
        [0, 0x10, 0] => sent.chained(2, &[0x90, 0]),
        _ => panic!("{sent:?}"),
    });
    let response = verify(&mut engine(EXTENDED, 22), &reader, APDU);
    assert_eq!(response, Ok(vec![1, 2, 0x90, 0]));
    let sent = reader.sent();
    let levels: Vec<u8> = sent.iter().map(|sent| sent.specific[1]).collect();
    assert_eq!(levels, [1, 3, 2, 0x10]);
    assert!(sent.iter().all(|sent| sent.kind == SECURE && sent.data.len() <= 12));
    let whole: Vec<u8> = sent.iter().flat_map(|sent| sent.data.clone()).collect();
    assert_eq!(whole, encoded(APDU).as_slice());
}

#[test]
fn other_levels_do_not_chain_what_is_too_long() {
    for level in [TPDU, SHORT] {
        let reader = Reader::new(polite);
        assert_eq!(
            verify(&mut engine(level, 37), &reader, APDU),
            Err(Error::CommandTooLong)
        );
        assert!(reader.sent().is_empty());
    }
}

#[test]
fn a_response_without_end_is_given_up() {
    let reader = Reader::new(|sent| {
        if sent.kind == SECURE {
            sent.chained(3, &[0; 4])
        } else {
            polite(sent)
        }
    });
    let result = verify(&mut engine(EXTENDED, 271), &reader, APDU);
    assert_eq!(result, Err(Error::Protocol("a response without end")));
}

#[test]
fn pin_leaking_keyboards_and_readers_without_pin_pad_are_sent_nothing() {
    let leaking = [
        (0x03F0, 0x1024),
        (0x03F0, 0x0036),
        (0x0BF8, 0x1017),
        (0x04F2, 0x1469),
        (0x0783, 0x0006),
        (0x25DD, 0x3111),
        (0x076B, 0x3A21),
    ];
    let mut engines: Vec<Engine> = leaking
        .into_iter()
        .map(|(vendor, product)| {
            let mut interface = pin_pad(SHORT, 271);
            (interface.vendor_id, interface.product_id) = (vendor, product);
            engine_for(&interface)
        })
        .collect();
    engines.push(engine_for(&interface(SHORT, 271)));
    let mut modification_only = pin_pad(SHORT, 271);
    modification_only.class_descriptor[52] = 2;
    engines.push(engine_for(&modification_only));
    // Characters are no place for a PIN.
    engines.push(engine(0, 271));
    for mut engine in engines {
        let reader = Reader::new(polite);
        let result = verify(&mut engine, &reader, APDU);
        assert!(matches!(result, Err(Error::LevelUnsupported(_))), "{engine:?}");
        assert!(reader.sent().is_empty());
    }
}

#[test]
fn spr532_is_told_of_a_bare_pin_first_with_a_sequence_number_of_its_own() {
    let mut interface = pin_pad(SHORT, 271);
    (interface.vendor_id, interface.product_id) = (0x04E6, 0xE003);
    let reader = Reader::script(SECURE, vec![|sent| sent.data(&[0x90, 0]); 2]);
    let mut engine = patient(engine_for(&interface));
    assert_eq!(verify(&mut engine, &reader, BARE), Ok(vec![0x90, 0]));
    let sent = reader.sent();
    assert_eq!(reader.kinds(), [0x6B, SECURE]);
    assert_eq!(sent[0].data, [0x80, 0x02, 0x00]);
    assert_eq!(sent[1].sequence, sent[0].sequence.wrapping_add(1));
    // Not before others, and nobody is asked for a PIN if it is refused.
    assert!(verify(&mut engine, &reader, APDU).is_ok());
    assert_eq!(reader.kinds(), [0x6B, SECURE, SECURE]);
    let reader = Reader::script(0x6B, vec![|sent| sent.status(0x40, 0)]);
    assert!(verify(&mut engine, &reader, BARE).is_err());
    assert_eq!(reader.kinds(), [0x6B]);
}

#[test]
fn gempc_pinpad_gets_its_texts_once_and_is_asked_for_its_record_once() {
    let mut interface = pin_pad(SHORT, 271);
    (interface.vendor_id, interface.product_id) = (0x08E6, 0x3478);
    let reader = Reader::script(SECURE, vec![|sent| sent.data(&[0x90, 0]); 2]);
    let mut engine = patient(engine_for(&interface));
    for _ in 0..2 {
        assert_eq!(verify(&mut engine, &reader, APDU), Ok(vec![0x90, 0]));
    }
    let sent = reader.sent();
    assert_eq!(reader.kinds(), [0x6B, 0x6B, SECURE, SECURE]);
    assert_eq!(sent[0].data, [0x6A]);
    assert_eq!(sent[1].data[..5], [0xB2, 0xA0, 0x00, 0x4D, 0x4C]);
    assert_eq!(sent[1].data.len(), 5 + 160);
}

/// As little T=1 as shows the seam: one sequence bit, LRC.
#[derive(Debug, Default)]
struct Blocks {
    sent: bool,
    script: Vec<PinStep>,
    block: Vec<u8>,
    taken: Vec<Option<Vec<u8>>>,
}

impl PinBlocks for Blocks {
    fn prologue(&self, len: usize) -> [u8; 3] {
        [0, if self.sent { 0x40 } else { 0 }, u8::try_from(len).unwrap()]
    }

    fn step(&mut self, came: Option<&[u8]>) -> PinStep {
        self.taken.push(came.map(<[u8]>::to_vec));
        if !self.script.is_empty() {
            return self.script.remove(0);
        }
        self.sent = !self.sent;
        came.and_then(|block| block.len().checked_sub(4))
            .map_or(PinStep::Failed("not a block"), PinStep::Done)
    }

    fn block(&self) -> &[u8] {
        &self.block
    }
}

fn run_blocks(blocks: &mut Blocks, reader: &Reader) -> Result<PinOutcome, Error> {
    let structure = structure(APDU);
    let operation = PinOperation::verify(&structure).unwrap();
    engine(TPDU, 271).secure(reader, 0, operation, Some(blocks), &mut [])
}

/// The I-block around 9000.
const OK_BLOCK: &[u8] = &[0x00, 0x00, 0x02, 0x90, 0x00, 0x92];

#[test]
fn t1_prologue_has_the_sequence_bit_and_the_templates_length() {
    let mut blocks = Blocks::default();
    for pcb in [0x00, 0x40, 0x00] {
        let reader = Reader::script(SECURE, vec![|sent| sent.data(OK_BLOCK)]);
        assert_eq!(run_blocks(&mut blocks, &reader), Ok(PinOutcome::Card(2)));
        assert_eq!(reader.sent()[0].data[12..15], [0x00, pcb, 13]);
    }
    assert_eq!(blocks.taken, vec![Some(OK_BLOCK.to_vec()); 3]);
}

#[test]
fn t1_block_that_was_not_sent_is_not_counted() {
    // Made up by the reader: cancelled, too late, PINs that differ, wrong length; and a refusal.
    let answers: [fn(&Sent) -> Vec<Item>; 5] = [
        |sent| sent.status(0x40, 0xEF),
        |sent| sent.status(0x40, 0xF0),
        |sent| sent.data(&[0x64, 0x02]),
        |sent| sent.data(&[0x64, 0x03]),
        |sent| sent.status(0x40, 0x00),
    ];
    let mut blocks = Blocks::default();
    let mut results = Vec::new();
    for answer in answers {
        results.push(run_blocks(&mut blocks, &Reader::script(SECURE, vec![answer])));
    }
    let word = |low| Ok(PinOutcome::Reader(StatusWord::split(&[0x64, low]).unwrap().1));
    let refused = Err(Error::Slot(SlotError::CommandNotSupported));
    assert_eq!(results, [word(1), word(0), word(2), word(3), refused]);
    assert!(blocks.taken.is_empty() && !blocks.sent);
    for (apdu, max_message_len) in [(APDU, 37), (&[0; 255], 1000)] {
        let reader = Reader::new(polite);
        let long = run(&mut engine(TPDU, max_message_len), &reader, apdu, Some(&mut blocks));
        assert_eq!(long, Err(Error::CommandTooLong));
        assert_eq!(reader.sent().len(), 0);
    }
}

#[test]
fn t1_goes_on_as_the_protocol_says() {
    let mut blocks = Blocks {
        script: vec![PinStep::Send { waiting: 0 }, PinStep::Send { waiting: 5 }],
        block: vec![0x00, 0x82, 0x00, 0x82],
        ..Blocks::default()
    };
    let reader = Reader::new(|sent| match (sent.kind, sent.specific) {
        // What comes first is damaged.
        (SECURE, _) => sent.status(0x40, 0xFD),
        (_, [0, 0, 0]) => sent.data(&[0x00, 0xC3, 0x01, 0x05, 0xC7]),
        _ => sent.data(OK_BLOCK),
    });
    assert_eq!(run_blocks(&mut blocks, &reader), Ok(PinOutcome::Card(2)));
    let sent = reader.sent();
    assert_eq!(reader.kinds(), [SECURE, 0x6F, 0x6F]);
    assert_eq!((&sent[2].data, sent[2].specific), (&blocks.block, [5, 0, 0]));
    assert_eq!(blocks.taken[0], None);
    assert_eq!(blocks.taken[2].as_deref(), Some(OK_BLOCK));
}

#[test]
fn t1_failure_and_endless_blocks_end() {
    let mut blocks = Blocks {
        script: vec![PinStep::Failed("scripted")],
        ..Blocks::default()
    };
    let reader = Reader::script(SECURE, vec![|sent| sent.data(&[0; 5])]);
    assert_eq!(run_blocks(&mut blocks, &reader), Err(Error::Protocol("scripted")));
    let mut blocks = Blocks {
        script: vec![PinStep::Send { waiting: 0 }; 1000],
        ..Blocks::default()
    };
    let reader = Reader::new(|sent| sent.data(&[0; 5]));
    assert_eq!(
        run_blocks(&mut blocks, &reader),
        Err(Error::Protocol("T=1 without end"))
    );
    assert!(reader.sent().len() < 300);
}
