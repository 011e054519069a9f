//! Cards swapped unseen, machines that slept, devices with many slots or several interfaces.
#![allow(
    unsafe_code,
    clippy::undocumented_unsafe_blocks,
    reason = "tests call the C functions"
)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

#[path = "support/calls.rs"]
mod calls;
#[path = "support/session.rs"]
mod session;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::Duration;

use calls::Context;
use session::{Session, connect, names, plug_in};
use winscard::api::constants::*;
use winscard::api::types::LONG;
use winscard::error::Error;
use winscard::sim::card::atr;
use winscard::sim::config::feature;
use winscard::sim::{self, BuiltinCard, Config, Fault, Level, Protocols};

const REMOVED: LONG = Error::RemovedCard.to_long();
const RESET: LONG = Error::ResetCard.to_long();

const SELECT_MF: &[u8] = &[0x00, 0xA4, 0x00, 0x0C, 0x02, 0x3F, 0x00];
const VERIFY: &[u8] = b"\x00\x20\x00\x01\x04\x31\x32\x33\x34";
/// EF 0002, which needs the PIN.
const READ_PROTECTED: &[u8] = &[0x00, 0xB0, 0x82, 0x00, 0x04];

/// One test at a time: they look at what is new among the readers, and the machine sleeps for all.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn activating(interrupt: bool) -> Config {
    Config {
        features: Config::default().features | feature::AUTO_ACTIVATION,
        interrupt,
        ..Config::default()
    }
}

fn card(protocols: Protocols) -> BuiltinCard {
    BuiltinCard::new(protocols)
}

#[track_caller]
fn failure(session: &Session) -> LONG {
    session.transmit(SELECT_MF).expect_err("must not reach the card")
}

#[track_caller]
fn works(session: &Session) {
    let response = session.transmit(SELECT_MF);
    assert_eq!(response, Ok(vec![0x90, 0x00]));
}

#[test]
fn a_swap_in_a_reader_that_powers_cards_by_itself_is_noticed_before_the_next_apdu() {
    let _turn = turn();
    let context = Context::new();
    let (reader, names) = plug_in(&context, activating(true));
    drop(reader.insert(0, card(Protocols::T0)));
    let mut session = connect(&context, &names[0]).unwrap();
    works(&session);
    drop(reader.remove(0));
    drop(reader.insert(0, card(Protocols::T1)));
    let before = reader.counters().xfr_blocks;
    assert_eq!(failure(&session), REMOVED);
    assert_eq!(reader.counters().xfr_blocks, before, "no APDU to the new card");
    assert_eq!(session.reconnect(), SCARD_S_SUCCESS);
    assert_eq!(session.atr(), Ok(atr(Protocols::T1)));
    works(&session);
    session.disconnect(SCARD_LEAVE_CARD);
    reader.unplug();
}

#[test]
fn the_first_report_of_a_reader_just_plugged_in_is_no_swap() {
    let _turn = turn();
    let context = Context::new();
    let (reader, names) = plug_in(&context, activating(true));
    drop(reader.insert(0, card(Protocols::T0)));
    let session = connect(&context, &names[0]).unwrap();
    sleep(Duration::from_millis(20));
    works(&session);
    works(&session);
    session.disconnect(SCARD_LEAVE_CARD);
    reader.unplug();
}

#[test]
fn a_change_reported_with_a_card_in_the_slot_is_a_swap_only_where_status_hides_it() {
    let _turn = turn();
    let context = Context::new();
    for (config, expected) in [(activating(true), Some(REMOVED)), (Config::default(), None)] {
        let (reader, names) = plug_in(&context, config);
        drop(reader.insert(0, card(Protocols::T0)));
        let session = connect(&context, &names[0]).unwrap();
        works(&session);
        // What comes at once tells of the time before the card was powered up.
        reader.inject(Fault::Interrupt(vec![0x50, 0x03]));
        works(&session);
        sleep(Duration::from_millis(1100));
        // Present and changed, in one message: removal and insertion came too close for two.
        reader.inject(Fault::Interrupt(vec![0x50, 0x03]));
        match expected {
            Some(code) => assert_eq!(failure(&session), code),
            None => works(&session),
        }
        session.disconnect(SCARD_LEAVE_CARD);
        reader.unplug();
    }
}

#[test]
fn a_swap_while_nobody_had_the_reader_is_noticed_at_the_next_connect() {
    let _turn = turn();
    let (reader, names) = {
        let context = Context::new();
        let (reader, names) = plug_in(&context, activating(true));
        drop(reader.insert(0, card(Protocols::T0)));
        let session = connect(&context, &names[0]).unwrap();
        assert_eq!(session.transmit(VERIFY), Ok(vec![0x90, 0x00]));
        session.disconnect(SCARD_LEAVE_CARD);
        (reader, names)
    };
    // Less than this and no hand was quick enough.
    sleep(Duration::from_millis(300));
    drop(reader.remove(0));
    drop(reader.insert(0, card(Protocols::T1)));
    let context = Context::new();
    let session = connect(&context, &names[0]).unwrap();
    assert_eq!(session.atr(), Ok(atr(Protocols::T1)));
    works(&session);
    session.disconnect(SCARD_LEAVE_CARD);
    reader.unplug();
}

#[test]
fn after_suspension_the_card_is_reset_and_its_users_are_told() {
    let _turn = turn();
    for config in [Config::default(), activating(true), activating(false)] {
        let context = Context::new();
        let (reader, names) = plug_in(&context, config);
        drop(reader.insert(0, card(Protocols::T0)));
        let mut session = connect(&context, &names[0]).unwrap();
        assert_eq!(session.transmit(VERIFY), Ok(vec![0x90, 0x00]));
        assert_eq!(session.transmit(READ_PROTECTED), Ok(vec![0, 0, 0, 0, 0x90, 0x00]));
        sim::suspend(Duration::from_secs(3600));
        assert!([RESET, REMOVED].contains(&failure(&session)));
        assert_eq!(session.reconnect(), SCARD_S_SUCCESS);
        assert_eq!(
            session.transmit(READ_PROTECTED),
            Ok(vec![0x69, 0x82]),
            "the PIN is forgotten"
        );
        session.disconnect(SCARD_LEAVE_CARD);
        reader.unplug();
    }
}

#[test]
fn a_swap_during_suspension_is_told_from_a_reset_by_the_atr() {
    let _turn = turn();
    let context = Context::new();
    for (after, expected) in [(Protocols::T0, RESET), (Protocols::T1, REMOVED)] {
        // Without interrupt endpoint and with the new card powered already, nothing but the clock tells.
        let (reader, names) = plug_in(&context, activating(false));
        drop(reader.insert(0, card(Protocols::T0)));
        let mut session = connect(&context, &names[0]).unwrap();
        works(&session);
        sim::suspend(Duration::from_secs(5));
        drop(reader.insert(0, card(after)));
        assert_eq!(failure(&session), expected);
        assert_eq!(session.reconnect(), SCARD_S_SUCCESS);
        assert_eq!(session.atr(), Ok(atr(after)));
        works(&session);
        session.disconnect(SCARD_LEAVE_CARD);
        reader.unplug();
    }
}

#[test]
fn sixteen_slots_are_told_apart() {
    let _turn = turn();
    let context = Context::new();
    let config = Config {
        slots: 16,
        busy_slots: 16,
        ..activating(true)
    };
    let (reader, names) = plug_in(&context, config);
    assert_eq!(names.len(), 16);
    for slot in 0..16 {
        drop(reader.insert(slot, card(Protocols::T0)));
    }
    let sessions: Vec<Session> = names.iter().map(|name| connect(&context, name).unwrap()).collect();
    sessions.iter().for_each(works);
    drop(reader.remove(13));
    drop(reader.insert(13, card(Protocols::T1)));
    // The report is read in another slot's turn.
    works(&sessions[2]);
    for (slot, session) in sessions.iter().enumerate() {
        if slot == 13 {
            assert_eq!(failure(session), REMOVED);
        } else {
            works(session);
        }
    }
    for session in sessions {
        session.disconnect(SCARD_LEAVE_CARD);
    }
    reader.unplug();
}

#[test]
fn readers_whose_reports_or_status_are_wrong_are_asked_otherwise() {
    let _turn = turn();
    let context = Context::new();
    // SPR532: an event that was none is none, and a swap shows in the status, asked for as without interrupt endpoint.
    let config = Config {
        vendor_id: 0x04E6,
        product_id: 0xE003,
        ..Config::default()
    };
    let (reader, names) = plug_in(&context, config);
    drop(reader.insert(0, card(Protocols::T0)));
    let session = connect(&context, &names[0]).unwrap();
    works(&session);
    reader.inject(Fault::Interrupt(vec![0x50, 0x02]));
    works(&session);
    let asked = reader.counters().get_slot_status;
    sleep(Duration::from_millis(450));
    works(&session);
    assert_eq!(reader.counters().get_slot_status, asked + 1);
    session.disconnect(SCARD_LEAVE_CARD);
    reader.unplug();
    // GemCore SIM Pro: the status is not asked for but to find the first contact.
    let config = Config {
        vendor_id: 0x08E6,
        product_id: 0x3480,
        device_release: 0x0100,
        interrupt: false,
        ..Config::default()
    };
    let (reader, names) = plug_in(&context, config);
    drop(reader.insert(0, card(Protocols::T0)));
    let session = connect(&context, &names[0]).unwrap();
    let asked = reader.counters().get_slot_status;
    for _ in 0..3 {
        sleep(Duration::from_millis(450));
        works(&session);
    }
    assert_eq!(reader.counters().get_slot_status, asked);
    session.disconnect(SCARD_LEAVE_CARD);
    reader.unplug();
}

/// libccid's open defect: the slot number in an answer indexes a table unchecked.
#[test]
fn libccid_defect_1_answers_for_slots_that_are_not_there_are_dropped() {
    let _turn = turn();
    let context = Context::new();
    for other in [2, 255] {
        let config = Config {
            slots: 2,
            ..Config::default()
        };
        let (reader, names) = plug_in(&context, config);
        drop(reader.insert(0, card(Protocols::T1)));
        drop(reader.insert(1, card(Protocols::T1)));
        let first = connect(&context, &names[0]).unwrap();
        let second = connect(&context, &names[1]).unwrap();
        reader.inject(Fault::Several(vec![Fault::StaleAnswer, Fault::OtherSlot(other)]));
        let result = first.transmit(SELECT_MF);
        assert!(result.is_err(), "an answer that was not ours: {result:02X?}");
        works(&second);
        first.disconnect(SCARD_RESET_CARD);
        second.disconnect(SCARD_LEAVE_CARD);
        reader.unplug();
    }
}

/// libccid's open defect: 28 slots and more overflow the buffer for interrupt messages.
#[test]
fn libccid_defect_2_many_slots_and_long_interrupt_messages_are_read_as_they_are() {
    let _turn = turn();
    let context = Context::new();
    let mut descriptor = sim::descriptor::class_descriptor(&activating(true));
    descriptor[4] = 0xFF;
    let config = Config {
        slots: 16,
        class_descriptor: Some(descriptor),
        ..activating(true)
    };
    let (reader, names) = plug_in(&context, config);
    assert_eq!(names.len(), 16, "as many of 256 as there are records for");
    drop(reader.insert(0, card(Protocols::T0)));
    let session = connect(&context, &names[0]).unwrap();
    works(&session);
    // For 256 slots a message has 65 bytes; the later ones must not be read as messages of their own.
    let mut report = vec![0x50; 65];
    report[1..5].fill(0);
    report[1] = 0x01;
    reader.inject(Fault::Interrupt(report));
    works(&session);
    session.disconnect(SCARD_LEAVE_CARD);
    reader.unplug();
}

#[test]
fn interfaces_of_one_device_are_readers_of_their_own_and_leave_together() {
    let _turn = turn();
    let context = Context::new();
    let before = names(&context);
    let interface = |interface_number, level| Config {
        interface_number,
        level,
        ..Config::default()
    };
    let configs = vec![interface(0, Level::Tpdu), interface(2, Level::ExtendedApdu)];
    let readers = sim::plug_device(configs).unwrap();
    let listed: Vec<String> = names(&context)
        .into_iter()
        .filter(|name| !before.contains(name))
        .collect();
    assert_eq!(listed.len(), 2);
    for reader in &readers {
        drop(reader.insert(0, card(Protocols::T0)));
        assert!(reader.interface().composite);
        assert_eq!(reader.interface().node_id, readers[0].interface().node_id);
    }
    let first = connect(&context, &listed[0]).unwrap();
    let second = connect(&context, &listed[1]).unwrap();
    for _ in 0..3 {
        works(&first);
        works(&second);
    }
    // Whatever happens to one, the device as a whole is never reset.
    readers[0].inject(Fault::Lost);
    readers[1].unplug();
    assert_eq!(names(&context), before);
    assert!(!readers[0].is_plugged());
    let gone = Error::InvalidValue.to_long();
    assert_eq!(first.transmit(SELECT_MF), Err(gone));
    assert_eq!(second.transmit(SELECT_MF), Err(gone));
    assert_eq!(readers[0].counters().bus_resets, 0);
}
