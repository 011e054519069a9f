//! Numbers of the list of traps.

use std::thread;

use winscard::sim::config::feature;

use crate::any_card::T1_ONLY;
use crate::card_bench::*;
use crate::{bench, echo, reader, try_echo};

#[test]
fn trap_08_every_voltage_the_reader_has_is_tried_and_no_other() {
    let features = Config::default().features & !feature::AUTO_VOLTAGE;
    for (reader_has, card_runs_at, works) in [(7, 4, true), (7, 2, true), (7, 1, true), (3, 2, true), (3, 4, false)] {
        let config = Config {
            features,
            voltage_support: reader_has,
            ..reader(Level::ExtendedApdu)
        };
        let bench = Bench::with(config, BuiltinCard::new(Protocols::T1).with_voltages(card_runs_at));
        let context = Context::new();
        let result = context.connect(&bench.name, SHARED, ANY).map(drop);
        let expected = if works { Ok(()) } else { Err(UnpoweredCard) };
        assert_eq!(result, expected, "reader {reader_has}, card {card_runs_at}");
        let messages = bench.reader.messages();
        let asked = messages
            .iter()
            .filter(|m| m.bytes[0] == kind::ICC_POWER_ON)
            .map(|m| m.bytes[7]);
        for select in asked {
            assert!(
                select > 0 && reader_has & (1 << (select - 1)) != 0,
                "asked for {select}"
            );
        }
    }
}

#[test]
fn trap_09_short_apdu_readers_that_chain_their_answers() {
    let config = Config {
        max_message_len: 64,
        ..reader(Level::ShortApdu)
    };
    let (bench, context) = (bench(config, T1_ONLY), Context::new());
    let card = context.shared(&bench);
    for len in [1, 52, 53, 54, 55, 107, 108, 255] {
        let expected: Vec<u8> = (0..len).chain([0x90, 0x00]).collect();
        assert_eq!(card.transmit(&[0x80, 0x12, 0, len, 0]), Ok(expected), "{len}");
    }
    // Commands are not chained at this level: what does not fit is refused, and nothing is out of step.
    assert!(try_echo(card.handle, 100).is_err());
    echo(card.handle, 40);
}

#[test]
fn trap_10_messages_of_64_bytes_carry_the_longest_apdus() {
    for max_message_len in [17, 20, 64, 65, 271] {
        let config = Config {
            max_message_len,
            ..reader(Level::ExtendedApdu)
        };
        let (bench, context) = (bench(config, T1_ONLY), Context::new());
        let card = context.shared(&bench);
        for len in [1, 44, 49, 50, 3000] {
            echo(card.handle, len);
        }
        if max_message_len >= 64 {
            echo(card.handle, 65_535);
        }
    }
}

#[test]
fn trap_13_readers_with_both_automatic_bits_get_no_parameters() {
    for (bits, told) in [
        (feature::AUTO_NEGOTIATION | feature::AUTO_PPS, false),
        (feature::AUTO_NEGOTIATION, false),
        (feature::AUTO_PPS, true),
    ] {
        let config = Config {
            features: feature::AUTO_VOLTAGE | bits,
            ..reader(Level::Tpdu)
        };
        let (bench, context) = (bench(config, T1_ONLY), Context::new());
        echo(context.shared(&bench).handle, 30);
        assert_eq!(bench.reader.counters().set_parameters > 0, told, "{bits:#x}");
    }
}

#[test]
fn trap_19_a_status_of_fe_is_an_empty_slot() {
    let (bench, context) = (Bench::empty(reader(Level::ExtendedApdu)), Context::new());
    bench
        .reader
        .inject(Injection::on(kind::GET_SLOT_STATUS, Fault::Fail(0xFE)).always());
    assert_eq!(context.connect(&bench.name, SHARED, ANY).map(drop), Err(NoSmartcard));
    let direct = context.direct(&bench);
    assert_eq!(direct.status().map(|status| status.state & 0xFFFF), Ok(SCARD_ABSENT));
    drop(bench.reader.insert(0, T1_ONLY.card()));
    let card = context.shared(&bench);
    echo(card.handle, 5);
}

#[test]
fn trap_21_two_slots_work_at_once_whatever_the_reader_says_of_busy_slots() {
    for busy_slots in [0, 1, 2, 255] {
        let config = Config {
            slots: 2,
            busy_slots,
            ..reader(Level::ExtendedApdu)
        };
        let bench = bench(config, T1_ONLY);
        assert!(bench.reader.insert(1, T1_ONLY.card()).is_none());
        let names = [bench.name.clone(), bench.slot_name(1)];
        thread::scope(|scope| {
            for (index, name) in names.iter().enumerate() {
                scope.spawn(move || {
                    let context = Context::new();
                    let card = context.connect(name, SHARED, ANY).expect("connection");
                    for len in 0..40 {
                        echo(card.handle, 1 + index * 100 + len);
                    }
                });
            }
        });
    }
}

#[test]
fn trap_23_interfaces_of_one_device_work_at_once_and_trouble_of_one_resets_neither() {
    let interface = |number, level| Config {
        interface_number: number,
        serial: Some(format!("trap 23 {number}")),
        ..reader(level)
    };
    let configs = vec![interface(0, Level::Tpdu), interface(1, Level::ExtendedApdu)];
    let readers = winscard::sim::plug_device(configs).expect("a device");
    for reader in &readers {
        drop(reader.insert(0, T1_ONLY.card()));
    }
    let context = Context::new();
    let names: Vec<String> = context
        .readers()
        .into_iter()
        .filter(|name| name.contains("(trap 23"))
        .collect();
    assert_eq!(names.len(), 2);
    thread::scope(|scope| {
        for name in &names {
            scope.spawn(move || {
                let context = Context::new();
                let card = context.connect(name, SHARED, ANY).expect("connection");
                for len in 1..60 {
                    echo(card.handle, len);
                }
            });
        }
    });
    let cards: Vec<Card> = names
        .iter()
        .map(|name| context.connect(name, SHARED, ANY).expect("card"))
        .collect();
    let second = readers
        .iter()
        .position(|reader| reader.interface().number == 1)
        .expect("second");
    readers[second].inject(Injection::on(kind::XFR_BLOCK, Fault::Silence));
    let results: Vec<Outcome> = cards.iter().map(|card| try_echo(card.handle, 9)).collect();
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1, "{results:?}");
    assert!(readers.iter().all(|reader| reader.counters().bus_resets == 0));
    for reader in readers {
        reader.unplug();
    }
}
