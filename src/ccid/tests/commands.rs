//! Plain commands and the first contact.

use super::super::descriptor::ExchangeLevel;
use super::super::error::{Error, SlotError};
use super::super::exchange::Engine;
use super::super::testing::*;

const BLOCK: &[u8] = &[0x11, 0x00, 0x00, 0x0A, 0x00];

#[test]
fn first_contact_takes_one_status_request() {
    let reader = Reader::new(polite);
    assert_eq!(engine(EXTENDED, 271).warm_up(&reader), Ok(()));
    assert_eq!(reader.kinds(), [0x65]);
}

#[test]
fn first_contact_is_tried_three_times_before_anything_stronger() {
    let reader = Reader::script(0x65, vec![|_| Vec::new(), |_| Vec::new(), polite]);
    let mut engine = engine(EXTENDED, 271);
    assert_eq!(engine.warm_up(&reader), Ok(()));
    assert_eq!(reader.kinds(), [0x65; 3]);
    assert_eq!(reader.calls().len(), 3);
    assert!(!engine.take_resynced());
}

#[test]
fn first_contact_that_fails_three_times_resynchronises() {
    let silent: fn(&Sent) -> Vec<Item> = |_| Vec::new();
    let reader = Reader::script(0x65, vec![silent; 3]);
    let mut engine = engine(EXTENDED, 271);
    assert_eq!(engine.warm_up(&reader), Ok(()));
    assert_eq!(reader.kinds(), [0x65, 0x65, 0x65, 0x72, 0x65]);
    assert!(engine.take_resynced());
}

#[test]
fn first_contact_with_a_dead_reader_fails() {
    let reader = Reader::new(|_| Vec::new());
    assert_eq!(engine(EXTENDED, 271).warm_up(&reader), Err(Error::Timeout));
}

#[test]
fn what_another_process_left_in_the_pipe_is_skipped_at_first_contact() {
    let reader = Reader::new(polite);
    reader.preload(message(&frame(0x80, 0, 77, 0, 0, 0, &[0x61; 100])));
    assert_eq!(engine(EXTENDED, 271).warm_up(&reader), Ok(()));
    assert_eq!(reader.kinds(), [0x65]);
}

#[test]
fn objection_to_a_byte_of_the_parameters_is_no_error() {
    let reader = Reader::script(
        0x61,
        vec![|sent| message(&sent.frame(0x82, 0x40, 0x0A, 0, &[])), |sent| {
            sent.status(0x40, 0x7F)
        }],
    );
    let mut engine = engine(TPDU, 271);
    assert_eq!(engine.set_parameters(&reader, 0, 0, BLOCK), Ok(()));
    assert_eq!(engine.set_parameters(&reader, 0, 1, BLOCK), Ok(()));
    assert_eq!(reader.sent()[0].data, BLOCK);
    assert_eq!((reader.sent()[0].specific[0], reader.sent()[1].specific[0]), (0, 1));
}

#[test]
fn unsupported_set_parameters_is_told() {
    let reader = Reader::script(
        0x61,
        vec![|sent| sent.status(0x40, 0x00), |sent| sent.status(0x40, 0xF6)],
    );
    let mut engine = engine(TPDU, 271);
    assert_eq!(
        engine.set_parameters(&reader, 0, 0, BLOCK),
        Err(Error::Slot(SlotError::CommandNotSupported))
    );
    assert_eq!(
        engine.set_parameters(&reader, 0, 0, BLOCK),
        Err(Error::Slot(SlotError::ProtocolNotSupported))
    );
}

#[test]
fn parameters_come_back_with_their_protocol() {
    let reader = Reader::new(|sent| message(&sent.frame(0x82, 0, 0, 1, &[0x18, 0x10, 0, 0x45, 0, 0xFE, 0])));
    let mut engine = engine(EXTENDED, 271);
    let parameters = engine.get_parameters(&reader, 0).unwrap();
    assert_eq!(parameters.protocol, 1);
    assert_eq!(parameters.data(), [0x18, 0x10, 0, 0x45, 0, 0xFE, 0]);
    assert_eq!(engine.reset_parameters(&reader, 0), Ok(parameters));
    assert_eq!(reader.kinds(), [0x6C, 0x6D]);
}

#[test]
fn parameters_beyond_7_bytes_are_cut() {
    let reader = Reader::new(|sent| message(&sent.frame(0x82, 0, 0, 0, &[1; 40])));
    assert_eq!(engine(EXTENDED, 271).get_parameters(&reader, 0).unwrap().data(), [1; 7]);
}

#[test]
fn escape_returns_what_fits_and_the_whole_length() {
    let reader = Reader::new(|sent| message(&sent.frame(0x83, 0, 0, 0, &[1, 2, 3, 4])));
    let mut engine = engine(SHORT, 271);
    let mut response = [0; 3];
    assert_eq!(engine.escape(&reader, 0, &[0x6A], &mut response), Ok(4));
    assert_eq!(response, [1, 2, 3]);
    assert_eq!(reader.sent()[0].data, [0x6A]);
    assert_eq!(
        engine.escape(&reader, 0, &[0; 262], &mut response),
        Err(Error::CommandTooLong)
    );
    assert_eq!(reader.kinds(), [0x6B]);
}

#[test]
fn only_tokens_can_do_without_bulk_endpoints() {
    for protocol in [1, 2] {
        let mut token = interface(SHORT, 271);
        token.protocol = protocol;
        token.bulk_in = None;
        token.bulk_out = None;
        assert!(Engine::new(&token).is_ok());
    }
    let mut broken = interface(SHORT, 271);
    broken.bulk_in = None;
    assert!(matches!(Engine::new(&broken), Err(Error::Descriptor(_))));
}

#[test]
fn reader_that_claims_iccd_but_has_bulk_endpoints_is_taken() {
    let mut reader = interface(TPDU, 263);
    reader.protocol = 1;
    assert_eq!(Engine::new(&reader).unwrap().level(), ExchangeLevel::Tpdu);
}

#[test]
fn quirks_correct_the_descriptor() {
    let corrected = |vendor, product, release, change: fn(&mut Vec<u8>)| {
        let mut interface = interface(TPDU, 271);
        (interface.vendor_id, interface.product_id) = (vendor, product);
        interface.device_release = release;
        change(&mut interface.class_descriptor);
        *Engine::new(&interface).unwrap().descriptor()
    };
    // As MySmartPad has it: voltages, protocols and clock beside their places, dwMaxIFSD for bNumDataRatesSupported.
    let draft = corrected(0x09BE, 0x0002, 0x0200, |d| {
        d[5] = 0;
        d[6..10].copy_from_slice(&0x0300_u32.to_le_bytes());
        d[10..14].copy_from_slice(&1_024_000_u32.to_le_bytes());
        d[27] = 254;
        d[28..32].fill(0);
        d[36..40].copy_from_slice(&0x0300_0000_u32.to_le_bytes());
    });
    assert_eq!(
        (draft.voltages(), draft.protocols(), draft.default_clock_khz()),
        (7, 3, 4000)
    );
    assert_eq!(
        (draft.max_ifsd(), draft.data_rates_supported(), draft.mechanical()),
        (254, 0, 0)
    );
    let ifsd = |vendor, product, release| {
        let descriptor = corrected(vendor, product, release, |_| {});
        (descriptor.max_ifsd(), descriptor.auto_ifsd())
    };
    assert_eq!(ifsd(0x04E6, 0x5115, 0x0513), (48, false));
    assert_eq!(ifsd(0x04E6, 0x5115, 0x0514), (254, false));
    assert_eq!(ifsd(0x0529, 0x0620, 0x0013), (254, true));
    assert_eq!(ifsd(0x0529, 0x0620, 0x0014), (254, false));
    assert_eq!(ifsd(0x0B0C, 0x0050, 0x0100), (254, true));
}

#[test]
fn quirks_correct_the_level() {
    let level = |vendor, product, release, features| {
        let mut interface = interface(features, 271);
        (interface.vendor_id, interface.product_id) = (vendor, product);
        interface.device_release = release;
        Engine::new(&interface).unwrap().level()
    };
    assert_eq!(level(0x076B, 0x3A21, 0x0101, SHORT), ExchangeLevel::ExtendedApdu);
    assert_eq!(level(0x0D46, 0x3010, 0x0101, EXTENDED), ExchangeLevel::ShortApdu);
    assert_eq!(level(0x046A, 0x00A1, 0x0100, SHORT), ExchangeLevel::ExtendedApdu);
    assert_eq!(level(0x046A, 0x00A1, 0x0101, SHORT), ExchangeLevel::ShortApdu);
    assert_eq!(level(0x046A, 0x00A1, 0x0100, TPDU), ExchangeLevel::Tpdu);
}

#[test]
fn old_firmware_is_told_from_the_fixed_one() {
    let old = |release| {
        let mut interface = interface(SHORT, 271);
        (interface.vendor_id, interface.product_id) = (0x072F, 0x2200);
        interface.device_release = release;
        Engine::new(&interface).unwrap().quirks().old_firmware
    };
    assert!(old(0x0205));
    assert!(!old(0x0206));
}

#[test]
fn slow_readers_are_given_more_time() {
    let waits = |vendor, product| {
        let mut interface = interface(SHORT, 271);
        (interface.vendor_id, interface.product_id) = (vendor, product);
        let reader = Reader::new(polite);
        let mut engine = Engine::new(&interface).unwrap();
        engine.warm_up(&reader).unwrap();
        engine.slot_status(&reader, 0).unwrap();
        let seconds: Vec<_> = reader.waits().iter().map(|wait| wait.as_secs_f64().ceil()).collect();
        seconds
    };
    assert_eq!(waits(0xFFFF, 0xFFFF), [3.0, 3.0]);
    assert_eq!(waits(0x04E6, 0x5293), [12.0, 3.0], "while opening");
    assert_eq!(waits(0x04E6, 0x5790), [12.0, 12.0], "always");
}

/// Seen with QEMU's usb-ccid: RDR_to_PC_Parameters announces 5 bytes (T=0) and brings the 7 of T=1.
#[test]
fn parameters_may_bring_more_than_they_announce() {
    let reader = Reader::script(
        0x6C,
        vec![|sent| {
            let mut frame = frame(0x82, 0, sent.sequence, 0, 0, 0, &[0x11, 0, 0, 0x0A, 0]);
            frame.extend([0x20, 0]);
            message(&frame)
        }],
    );
    let mut engine = engine(SHORT, 271);
    let parameters = engine.get_parameters(&reader, 0).unwrap();
    assert_eq!(
        (parameters.protocol, parameters.data()),
        (0, &[0x11, 0, 0, 0x0A, 0][..])
    );
    assert!(!engine.take_resynced());
}
