//! Power-on: voltages, warm and cold, readers with habits.

use super::super::error::{Error, SlotError};
use super::super::message::IccStatus;
use super::super::testing::*;

const ATR: &[u8] = &[0x3B, 0x65, 0x00, 0x00, 0xB0, 0x85, 0x05, 0x00, 0x11];

fn mute(sent: &Sent) -> Vec<Item> {
    sent.status(0x41, 0xFE)
}

fn atr(sent: &Sent) -> Vec<Item> {
    sent.data(ATR)
}

/// (type, bPowerSelect) of everything sent.
fn walk(reader: &Reader) -> Vec<(u8, u8)> {
    reader.sent().iter().map(|sent| (sent.kind, sent.specific[0])).collect()
}

#[test]
fn reader_that_chooses_the_voltage_is_asked_once_for_automatic() {
    for feature in [0x04, AUTO_VOLTAGE] {
        let reader = Reader::script(0x62, vec![mute]);
        let mut engine = engine(SHORT | feature, 271);
        assert_eq!(engine.power_on(&reader, 0), Err(Error::Slot(SlotError::Mute)));
        assert_eq!(walk(&reader), [(0x62, 0)]);
    }
}

#[test]
fn other_readers_are_walked_through_5_18_and_3_volts() {
    let reader = Reader::script(0x62, vec![mute, mute, atr]);
    let mut engine = engine(SHORT, 271);
    assert_eq!(*engine.power_on(&reader, 0).unwrap(), *ATR);
    assert_eq!(walk(&reader), [(0x62, 1), (0x62, 3), (0x62, 2)]);
}

#[test]
fn unsupported_voltages_are_not_tried() {
    let mut interface = interface(SHORT, 271);
    interface.class_descriptor[5] = 0x02;
    let reader = Reader::script(0x62, vec![mute]);
    let mut engine = engine_for(&interface);
    assert_eq!(engine.power_on(&reader, 0), Err(Error::Slot(SlotError::Mute)));
    assert_eq!(walk(&reader), [(0x62, 2)]);
}

#[test]
fn voltage_that_worked_is_kept_for_the_warm_reset() {
    let reader = Reader::script(0x62, vec![mute, atr, atr]);
    let mut engine = engine(SHORT, 271);
    engine.power_on(&reader, 0).unwrap();
    engine.power_on(&reader, 0).unwrap();
    assert_eq!(walk(&reader), [(0x62, 1), (0x62, 3), (0x62, 3)]);
}

#[test]
fn no_card_ends_the_walk() {
    let reader = Reader::script(0x62, vec![|sent| sent.status(0x42, 0xFE)]);
    let mut engine = engine(SHORT, 271);
    assert_eq!(engine.power_on(&reader, 0), Err(Error::NoCard));
    assert_eq!(walk(&reader), [(0x62, 1)]);
}

#[test]
fn success_without_atr_counts_as_mute() {
    let reader = Reader::script(0x62, vec![|sent| message(&sent.frame(0x80, 0x01, 0, 0, &[])), atr]);
    let mut engine = engine(SHORT, 271);
    assert_eq!(*engine.power_on(&reader, 0).unwrap(), *ATR);
    assert_eq!(walk(&reader), [(0x62, 1), (0x62, 3)]);
}

#[test]
fn active_card_is_reset_warm_without_power_off() {
    let reader = Reader::script(0x62, vec![atr, atr]);
    let mut engine = engine(SHORT | AUTO_VOLTAGE, 271);
    engine.power_on(&reader, 0).unwrap();
    engine.power_on(&reader, 0).unwrap();
    assert_eq!(walk(&reader), [(0x62, 0), (0x62, 0)]);
}

#[test]
fn active_card_that_fails_the_warm_reset_gets_one_cold_one() {
    let reader = Reader::script(0x62, vec![atr, mute, atr, mute, mute]);
    let mut engine = engine(SHORT | AUTO_VOLTAGE, 271);
    engine.power_on(&reader, 0).unwrap();
    assert_eq!(*engine.power_on(&reader, 0).unwrap(), *ATR);
    assert_eq!(walk(&reader)[1..], [(0x62, 0), (0x63, 0), (0x62, 0)]);
    assert_eq!(engine.power_on(&reader, 0), Err(Error::Slot(SlotError::Mute)));
    assert_eq!(walk(&reader)[4..], [(0x62, 0), (0x63, 0), (0x62, 0)]);
}

#[test]
fn card_that_was_active_before_this_process_came_gets_the_cold_one_too() {
    let reader = Reader::script(0x62, vec![|sent| sent.status(0x40, 0xFE), atr]);
    let mut engine = engine(SHORT | AUTO_VOLTAGE, 271);
    assert_eq!(*engine.power_on(&reader, 0).unwrap(), *ATR);
    assert_eq!(walk(&reader), [(0x62, 0), (0x63, 0), (0x62, 0)]);
}

#[test]
fn voltage_is_not_changed_on_a_card_that_stays_powered() {
    let failed: fn(&Sent) -> Vec<Item> = |sent| sent.status(0x40, 0xFE);
    let reader = Reader::script(0x62, vec![failed, failed, atr]);
    let mut engine = engine(SHORT, 271);
    assert_eq!(*engine.power_on(&reader, 0).unwrap(), *ATR);
    assert_eq!(walk(&reader), [(0x62, 1), (0x63, 0), (0x62, 1), (0x62, 3)]);
}

#[test]
fn atr_in_a_slot_status_is_taken() {
    let reader = Reader::script(0x62, vec![|sent| message(&sent.frame(0x81, 0, 0, 0, ATR))]);
    let mut engine = engine(EXTENDED | AUTO_VOLTAGE, 271);
    assert_eq!(*engine.power_on(&reader, 0).unwrap(), *ATR);
}

#[test]
fn atr_beyond_33_bytes_is_cut() {
    let reader = Reader::script(0x62, vec![|sent| sent.data(&[0x3B; 40])]);
    let mut engine = engine(EXTENDED | AUTO_VOLTAGE, 271);
    assert_eq!(engine.power_on(&reader, 0).unwrap().len(), 33);
}

#[test]
fn slow_card_is_kept_alive_by_time_extensions() {
    let reader = Reader::script(
        0x62,
        vec![|sent| [message(&sent.frame(0x80, 0x80, 1, 0, &[])), sent.data(ATR)].concat()],
    );
    let mut engine = engine(EXTENDED | AUTO_VOLTAGE, 271);
    assert_eq!(*engine.power_on(&reader, 0).unwrap(), *ATR);
}

#[test]
fn silence_at_power_on_is_not_walked_on() {
    let reader = Reader::script(0x62, vec![|_| Vec::new()]);
    let mut engine = engine(SHORT, 271);
    assert_eq!(engine.power_on(&reader, 0), Err(Error::Timeout));
    assert_eq!(walk(&reader).iter().filter(|(kind, _)| *kind == 0x62).count(), 1);
    assert!(engine.take_resynced());
}

#[test]
fn reader_in_emv_mode_is_switched_to_iso_mode_once() {
    let mut emv = interface(TPDU, 271);
    (emv.vendor_id, emv.product_id) = (0x08E6, 0x4433);
    let reader = Reader::script(0x62, vec![|sent| sent.status(0x41, 0xBB), atr]);
    assert_eq!(*engine_for(&emv).power_on(&reader, 0).unwrap(), *ATR);
    assert_eq!(reader.kinds(), [0x62, 0x6B, 0x62]);
    assert_eq!(reader.sent()[1].data, [0x1F, 0x01]);
}

#[test]
fn reader_that_wants_power_off_first_gets_it_every_time() {
    let mut kobil = interface(SHORT | AUTO_VOLTAGE, 271);
    (kobil.vendor_id, kobil.product_id) = (0x0D46, 0x301D);
    let reader = Reader::script(0x62, vec![atr, atr]);
    let mut engine = engine_for(&kobil);
    engine.power_on(&reader, 0).unwrap();
    engine.power_on(&reader, 0).unwrap();
    assert_eq!(reader.kinds(), [0x63, 0x62, 0x63, 0x62]);
}

#[test]
fn power_off_without_card_is_no_error() {
    let reader = Reader::script(0x63, vec![|sent| sent.status(0x42, 0xFE)]);
    assert_eq!(engine(SHORT, 271).power_off(&reader, 0), Ok(()));
}

#[test]
fn slot_status_tells_the_three_states() {
    let reader = Reader::script(
        0x65,
        vec![
            |sent| sent.status(0x00, 0x81),
            |sent| sent.status(0x01, 0),
            |sent| sent.status(0x02, 0),
            |sent| sent.status(0x42, 0xFE),
            |sent| sent.status(0x42, 0xFB),
        ],
    );
    let mut engine = engine(SHORT, 271);
    assert_eq!(engine.slot_status(&reader, 0), Ok(IccStatus::Active));
    assert_eq!(engine.slot_status(&reader, 0), Ok(IccStatus::Inactive));
    assert_eq!(engine.slot_status(&reader, 0), Ok(IccStatus::Absent));
    assert_eq!(
        engine.slot_status(&reader, 0),
        Ok(IccStatus::Absent),
        "mute is no error here"
    );
    assert_eq!(engine.slot_status(&reader, 0), Err(Error::Slot(SlotError::Hardware)));
}

/// CCID 1.1 §6.2.6: CMD_SLOT_BUSY says "later", for instance while a command is ended whose sender was killed.
#[test]
fn a_busy_slot_is_asked_again() {
    let reader = Reader::script(
        0x65,
        vec![|sent| sent.status(0x42, 0xE0), |sent| sent.status(0x42, 0xE0), |sent| {
            sent.status(0x01, 0)
        }],
    );
    assert_eq!(engine(SHORT, 271).slot_status(&reader, 0), Ok(IccStatus::Inactive));
}
