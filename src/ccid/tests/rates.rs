//! Data rates, and PPS by the host.

use super::super::error::{Error, SlotError};
use super::super::exchange::Engine;
use super::super::testing::*;
use crate::iso7816::Protocol;
use crate::iso7816::pps::Request;
use crate::usb::ControlRequest;

/// An engine for a reader that claims this many data rates, up to 300000 bps.
fn engine_with(count: u8, vendor: u16, product: u16) -> Engine {
    let mut interface = interface(TPDU, 271);
    (interface.vendor_id, interface.product_id) = (vendor, product);
    interface.class_descriptor[23..27].copy_from_slice(&300_000_u32.to_le_bytes());
    interface.class_descriptor[27] = count;
    engine_for(&interface)
}

#[test]
fn data_rates_are_asked_for_once_and_for_exactly_as_many_as_there_are() {
    let reader = Reader::new(polite);
    // And more, which is nothing anybody asked for.
    reader.tell(&[0x00, 0x2A, 0, 0, 0x48, 0xE8, 1, 0, 0x11, 0x11, 0x11, 0x11]);
    let mut engine = engine_with(2, 0xFFFF, 0xFFFF);
    for _ in 0..2 {
        let rates = engine.rates(&reader, 0);
        assert_eq!(
            (rates.clock_khz, rates.max_bps, rates.table),
            (4000, 300_000, &[10_752, 125_000][..])
        );
    }
    let request = ControlRequest {
        request_type: 0xA1,
        request: 0x03,
        value: 0,
        index: 3,
    };
    assert_eq!(reader.calls(), [Call::Control(request)]);
}

#[test]
fn a_reader_without_table_is_not_asked_and_one_that_stalls_has_none() {
    let reader = Reader::new(polite);
    reader.tell(&[0xFF; 1020]);
    assert!(engine_with(0, 0xFFFF, 0xFFFF).rates(&reader, 0).table.is_empty());
    assert_eq!(reader.calls(), []);
    let reader = Reader::new(polite);
    assert!(engine_with(255, 0xFFFF, 0xFFFF).rates(&reader, 0).table.is_empty());
    assert_eq!(reader.calls().len(), 1);
}

#[test]
fn quirks_limit_the_rates() {
    let reader = Reader::new(polite);
    let max = |vendor, product, slot| engine_with(0, vendor, product).rates(&reader, slot).max_bps;
    assert_eq!(max(0x058F, 0x9540, 0), 200_000);
    assert_eq!(max(0x0B97, 0x7772, 0), 9_600);
    assert_eq!((max(0x08E6, 0x3479, 0), max(0x08E6, 0x3479, 1)), (300_000, 125_000));
    assert_eq!(
        engine_with(0, 0x08E6, 0x3479).rates(&reader, 1).table,
        [10_753, 21_505, 43_011, 125_000]
    );
}

#[test]
fn pps_is_one_block_and_every_bad_answer_an_error() {
    let request = Request {
        protocol: Protocol::T1,
        fi_di: Some(0x96),
    };
    let run = |answer: fn(&Sent) -> Vec<Item>| {
        let reader = Reader::script(0x6F, vec![answer]);
        let result = engine_with(0, 0xFFFF, 0xFFFF).pps(&reader, 0, request);
        assert_eq!(reader.sent()[0].data, [0xFF, 0x11, 0x96, 0x78]);
        result
    };
    assert_eq!(run(|sent| sent.data(&[0xFF, 0x11, 0x96, 0x78])), Ok(0x96));
    assert_eq!(run(|sent| sent.data(&[0xFF, 0x01, 0xFE])), Ok(0x11));
    assert!(matches!(run(|sent| sent.data(&[0xFF])), Err(Error::Protocol(_))));
    assert!(matches!(run(|sent| sent.data(&[])), Err(Error::Protocol(_))));
    assert!(matches!(run(|sent| sent.status(0x40, 0xFE)), Err(Error::Protocol(_))));
    assert_eq!(run(|sent| sent.status(0x42, 0xFE)), Err(Error::NoCard));
    let refused = Err(Error::Slot(SlotError::ProtocolNotSupported));
    assert_eq!(run(|sent| sent.status(0x40, 0xF6)), refused);
}
