//! Each command of CCID 1.1 §6.1 but XfrBlock.

use super::host::{Answer, Host, command};
use crate::sim::card;
use crate::sim::config::feature;
use crate::sim::wire::{error, kind};
use crate::sim::{BuiltinCard, Config, Level, PinEntry, Protocols};
use crate::usb::ControlRequest;

const MANUAL_VOLTAGE: u32 = feature::AUTO_PARAMETERS | feature::AUTO_CLOCK | feature::AUTO_BAUD | feature::AUTO_PPS;

fn with_card(config: Config, card: BuiltinCard) -> Host {
    let mut host = Host::new(config);
    host.device.insert(0, Box::new(card));
    host
}

#[test]
fn slot_status_tells_absent_inactive_and_active() {
    let mut host = Host::new(Config::default());
    let answer = host.status();
    assert_eq!((answer.icc, answer.command), (2, 0));
    host.device.insert(0, Box::new(BuiltinCard::default()));
    assert_eq!(host.status().icc, 1);
    host.ask(kind::ICC_POWER_ON, [0; 3], &[]).good();
    let answer = host.status();
    assert_eq!((answer.icc, answer.specific), (0, 0));
    host.ask(kind::ICC_POWER_OFF, [0; 3], &[]).good();
    assert_eq!((host.status().icc, host.device.counters().get_slot_status), (1, 4));
}

#[test]
fn power_on_answers_the_atr_and_counts_cold_and_warm() {
    let mut host = with_card(Config::default(), BuiltinCard::new(Protocols::T1));
    assert_eq!(
        host.ask(kind::ICC_POWER_ON, [0; 3], &[]).good(),
        card::atr(Protocols::T1)
    );
    assert_eq!(
        host.ask(kind::ICC_POWER_ON, [0; 3], &[]).good(),
        card::atr(Protocols::T1)
    );
    host.ask(kind::ICC_POWER_OFF, [0; 3], &[]).good();
    host.ask(kind::ICC_POWER_ON, [0; 3], &[]).good();
    let counters = host.device.counters();
    assert_eq!(
        (counters.cold_power_ons, counters.warm_resets, counters.power_offs),
        (2, 1, 1)
    );
}

#[test]
fn power_on_without_card_or_with_a_mute_one_fails_with_fe() {
    let mut host = Host::new(Config::default());
    let answer = host.ask(kind::ICC_POWER_ON, [0; 3], &[]);
    assert_eq!((answer.failure(), answer.icc), (error::ICC_MUTE, 2));
    host.device.insert(0, Box::new(BuiltinCard::mute()));
    let answer = host.ask(kind::ICC_POWER_ON, [0; 3], &[]);
    assert_eq!((answer.failure(), answer.icc), (error::ICC_MUTE, 1));
}

#[test]
fn power_select_0_needs_automatic_voltage_and_others_need_voltage_support() {
    let config = Config {
        features: MANUAL_VOLTAGE,
        voltage_support: 0b010,
        ..Config::default()
    };
    let mut host = with_card(config, BuiltinCard::default());
    for (select, error) in [(0, 7), (1, 7), (3, 7), (4, 7)] {
        assert_eq!(
            host.ask(kind::ICC_POWER_ON, [select, 0, 0], &[]).failure(),
            error,
            "bPowerSelect {select}"
        );
    }
    host.ask(kind::ICC_POWER_ON, [2, 0, 0], &[]).good();
}

#[test]
fn a_card_is_mute_at_a_voltage_that_is_not_its_own() {
    let config = Config {
        features: MANUAL_VOLTAGE,
        ..Config::default()
    };
    let mut host = with_card(config, BuiltinCard::default().with_voltages(0b010));
    assert_eq!(host.ask(kind::ICC_POWER_ON, [1, 0, 0], &[]).failure(), error::ICC_MUTE);
    host.ask(kind::ICC_POWER_ON, [2, 0, 0], &[]).good();
}

#[test]
fn automatic_activation_makes_the_first_power_on_a_warm_reset() {
    let config = Config {
        features: feature::AUTO_ACTIVATION,
        ..Config::default()
    };
    let mut host = with_card(config, BuiltinCard::default());
    assert_eq!(host.status().icc, 0);
    host.ask(kind::ICC_POWER_ON, [0; 3], &[]).good();
    assert_eq!(host.device.counters().warm_resets, 1);
}

#[test]
fn parameters_start_from_the_atr_and_can_be_set_and_reset() {
    let mut host = Host::at(Level::Tpdu);
    let t0 = host.ask(kind::GET_PARAMETERS, [0; 3], &[]);
    assert_eq!((t0.specific, t0.good()), (0, vec![0x11, 0x00, 0, 10, 0]));
    let t1 = [0x11, 0x10, 0, 0x45, 0, 254, 0];
    let set = host.ask(kind::SET_PARAMETERS, [1, 0, 0], &t1);
    assert_eq!((set.specific, set.good()), (1, t1.to_vec()));
    assert_eq!(host.ask(kind::GET_PARAMETERS, [0; 3], &[]).good(), t1);
    assert_eq!(host.ask(kind::RESET_PARAMETERS, [0; 3], &[]).specific, 0);
}

#[test]
fn set_parameters_names_the_offending_byte() {
    let mut host = Host::at(Level::Tpdu);
    let good = [0x11, 0x10, 0, 0x45, 0, 254, 0];
    let with = |at: usize, byte: u8| {
        let mut data = good;
        data[at] = byte;
        data
    };
    for (number, data, expected) in [
        (2, &good[..], 7),
        (1, &good[..5], 1),
        (0, &good[..], 1),
        (1, &[], 1),
        (1, &with(0, 0x70), 0x0A),
        (1, &with(0, 0x10), 0x0A),
        (1, &with(1, 0x00), 0x0B),
        (1, &with(5, 0), 0x0F),
        (1, &with(5, 255), 0x0F),
    ] {
        assert_eq!(
            host.ask(kind::SET_PARAMETERS, [number, 0, 0], data).failure(),
            expected,
            "{number} {data:02X?}"
        );
    }
    assert_eq!(host.device.counters().set_parameters, 9);
}

#[test]
fn set_parameters_refuses_what_reader_or_card_cannot() {
    let t1 = [0x11, 0x10, 0, 0x45, 0, 254, 0];
    let mut host = Host::powered(
        Config {
            protocols: 1,
            ..Config::default()
        },
        BuiltinCard::default(),
    );
    assert_eq!(host.ask(kind::SET_PARAMETERS, [1, 0, 0], &t1).failure(), 7);
    let mut host = Host::powered(Config::default(), BuiltinCard::new(Protocols::T0));
    assert_eq!(
        host.ask(kind::SET_PARAMETERS, [1, 0, 0], &t1).failure(),
        error::PROTOCOL_NOT_SUPPORTED
    );
    host.ask(kind::ICC_POWER_OFF, [0; 3], &[]).good();
    assert_eq!(host.ask(kind::GET_PARAMETERS, [0; 3], &[]).failure(), error::ICC_MUTE);
}

#[test]
fn escape_echoes() {
    let mut host = Host::new(Config::default());
    assert_eq!(host.ask(kind::ESCAPE, [0; 3], &[1, 2, 3]).good(), [1, 2, 3]);
    assert_eq!(host.ask(kind::ESCAPE, [0; 3], &[]).good(), []);
}

#[test]
fn clock_and_mechanics_need_their_descriptor_bits() {
    let mut host = Host::at(Level::ExtendedApdu);
    assert_eq!(
        host.ask(kind::ICC_CLOCK, [1, 0, 0], &[]).failure(),
        error::NOT_SUPPORTED
    );
    assert_eq!(
        host.ask(kind::MECHANICAL, [4, 0, 0], &[]).failure(),
        error::NOT_SUPPORTED
    );
    let features = feature::AUTO_VOLTAGE | feature::CLOCK_STOP;
    let mut host = Host::powered(
        Config {
            features,
            mechanical: 0x0A,
            ..Config::default()
        },
        BuiltinCard::default(),
    );
    assert_eq!(host.ask(kind::ICC_CLOCK, [1, 0, 0], &[]).specific, 3);
    assert_eq!(host.ask(kind::ICC_CLOCK, [0, 0, 0], &[]).specific, 0);
    assert_eq!(host.ask(kind::ICC_CLOCK, [2, 0, 0], &[]).failure(), 7);
    host.ask(kind::MECHANICAL, [4, 0, 0], &[]).good();
    assert_eq!(host.ask(kind::MECHANICAL, [6, 0, 0], &[]).failure(), 7);
    assert_eq!(host.ask(kind::MECHANICAL, [2, 0, 0], &[]).icc, 2, "eject");
}

#[test]
fn unknown_commands_and_slots_are_refused() {
    let mut host = Host::new(Config::default());
    assert_eq!(host.ask(0x60, [0; 3], &[]).failure(), error::NOT_SUPPORTED);
    host.slot = 1;
    let answer = host.status();
    assert_eq!((answer.failure(), answer.icc), (error::BAD_SLOT, 2));
}

#[test]
fn lengths_that_do_not_fit_are_refused_and_the_pipe_goes_on() {
    let mut host = Host::new(Config {
        max_message_len: 64,
        ..Config::default()
    });
    host.send(&command(kind::ESCAPE, 0, 1, [0; 3], &[0; 55]));
    assert_eq!(host.receive().failure(), error::BAD_LENGTH);
    let mut short = command(kind::ESCAPE, 0, 2, [0; 3], &[0; 9]);
    short.pop();
    host.send(&short);
    assert_eq!(host.receive().failure(), error::BAD_LENGTH);
    assert_eq!(host.ask(kind::ESCAPE, [0; 3], &[7; 54]).good(), [7; 54]);
}

fn abort(seq: u8) -> ControlRequest {
    ControlRequest {
        request_type: 0x21,
        request: 1,
        value: u16::from(seq) << 8,
        index: 0,
    }
}

#[test]
fn abort_takes_a_control_request_and_a_message_in_either_order() {
    let mut host = Host::at(Level::ExtendedApdu);
    host.send(&command(kind::XFR_BLOCK, 0, 9, [0; 3], &[0x80, 0x10, 0x07, 0xD0]));
    assert_eq!(host.device.control(abort(10), host.now), Some(vec![]));
    host.send(&command(kind::GET_SLOT_STATUS, 0, 11, [0; 3], &[]));
    assert_eq!(host.receive().failure(), error::ABORTED);
    host.send(&command(kind::ABORT, 0, 9, [0; 3], &[]));
    assert_eq!(host.receive().failure(), error::BAD_SEQUENCE);
    host.send(&command(kind::ABORT, 0, 10, [0; 3], &[]));
    let answer = host.receive();
    assert_eq!((answer.kind, answer.seq, answer.command, answer.icc), (0x81, 10, 0, 0));
    host.send(&command(kind::ABORT, 0, 20, [0; 3], &[]));
    host.transfer().expect_err("no answer before the control request");
    assert_eq!(host.device.control(abort(20), host.now), Some(vec![]));
    assert_eq!(host.receive().seq, 20);
    host.xfr(0, &[0, 0x84, 0, 0, 8]).good();
}

#[test]
fn abort_may_be_missing() {
    let mut host = Host::new(Config {
        abort: false,
        ..Config::default()
    });
    assert_eq!(host.device.control(abort(1), host.now), None);
    assert_eq!(host.ask(kind::ABORT, [0; 3], &[]).failure(), error::NOT_SUPPORTED);
}

#[test]
fn a_slot_at_work_is_busy_and_another_works_if_the_reader_can() {
    for busy_slots in [1, 2] {
        let config = Config {
            slots: 2,
            busy_slots,
            time_extension_every: None,
            ..Config::default()
        };
        let mut host = Host::powered(config, BuiltinCard::default());
        host.send(&command(kind::XFR_BLOCK, 0, 9, [0; 3], &[0x80, 0x10, 0x07, 0xD0]));
        assert_eq!(host.status().failure(), error::SLOT_BUSY);
        host.slot = 1;
        let other = host.status();
        if busy_slots == 1 {
            assert_eq!(other.failure(), error::SLOT_BUSY);
        } else {
            assert_eq!((other.command, other.icc), (0, 2));
        }
        assert_eq!(host.wait().as_millis(), 2000);
        assert_eq!(
            host.receive(),
            Answer {
                kind: 0x80,
                slot: 0,
                seq: 9,
                icc: 0,
                command: 0,
                error: 0,
                specific: 0,
                data: vec![0x90, 0]
            }
        );
    }
}

#[test]
fn secure_verifies_the_pin_typed_at_the_reader() {
    let template = [
        &[0, 30, 0x82, 0x00, 0x00, 8, 4, 2, 1, 9, 4, 0, 0, 0, 0][..],
        &[0, 0x20, 0, 1],
    ]
    .concat();
    let reader = |level, pin_entry| {
        let config = Config {
            pin_support: 1,
            pin_entry,
            ..Config::at_level(level)
        };
        Host::powered(config, BuiltinCard::default())
    };
    let digits = |pin: &str| PinEntry::Digits(pin.into());
    for level in [Level::Tpdu, Level::ShortApdu, Level::ExtendedApdu] {
        let mut host = reader(level, digits("1234"));
        assert_eq!(
            host.ask(kind::SECURE, [0; 3], &template).good(),
            [0x90, 0x00],
            "{level:?}"
        );
        let mut host = reader(level, digits("4321"));
        assert_eq!(
            host.ask(kind::SECURE, [0; 3], &template).good(),
            [0x63, 0xC2],
            "{level:?}"
        );
    }
    let mut host = reader(Level::ShortApdu, digits("123"));
    assert_eq!(host.ask(kind::SECURE, [0; 3], &template).good(), [0x64, 0x03]);
    let mut host = reader(Level::ShortApdu, PinEntry::Cancel);
    assert_eq!(
        host.ask(kind::SECURE, [0; 3], &template).failure(),
        error::PIN_CANCELLED
    );
    let mut host = reader(Level::ShortApdu, PinEntry::Timeout);
    assert_eq!(host.ask(kind::SECURE, [0; 3], &template).failure(), error::PIN_TIMEOUT);
    let mut host = Host::at(Level::ShortApdu);
    assert_eq!(
        host.ask(kind::SECURE, [0; 3], &template).failure(),
        error::NOT_SUPPORTED
    );
}

#[test]
fn slot_changes_are_told_once_each_on_the_interrupt_endpoint() {
    let mut host = Host::new(Config {
        slots: 5,
        ..Config::default()
    });
    assert!(!host.device.has_interrupt());
    host.device.insert(0, Box::new(BuiltinCard::default()));
    host.device.insert(4, Box::new(BuiltinCard::default()));
    assert_eq!(host.device.interrupt_in(), Some(vec![0x50, 0b11, 0b11]));
    assert_eq!(host.device.interrupt_in(), None);
    assert!(host.device.remove(0, host.now).is_some());
    assert_eq!(host.device.interrupt_in(), Some(vec![0x50, 0b10, 0b01]));
    let mut silent = Host::new(Config {
        interrupt: false,
        ..Config::default()
    });
    silent.device.insert(0, Box::new(BuiltinCard::default()));
    assert_eq!(
        (silent.device.has_interrupt(), silent.device.interrupt_in()),
        (false, None)
    );
}

#[test]
fn standard_requests_and_data_rates() {
    let mut host = Host::new(Config {
        data_rates_bps: vec![9600, 38400],
        ..Config::default()
    });
    let mut get = |request_type, request, value| {
        host.device.control(
            ControlRequest {
                request_type,
                request,
                value,
                index: 0,
            },
            host.now,
        )
    };
    assert_eq!(get(0x80, 6, 0x0100).unwrap().len(), 18);
    assert_eq!(get(0x80, 6, 0x0500), None);
    assert_eq!(get(0xA1, 3, 0).unwrap(), [0x80, 0x25, 0, 0, 0x00, 0x96, 0, 0]);
    assert_eq!(get(0xA1, 2, 0), None, "bNumClockSupported is 0");
    assert_eq!(get(0x01, 0x0B, 1), None, "there is no alternate setting 1");
    assert_eq!(get(0x01, 0x0B, 0), Some(vec![]));
    assert_eq!(host.device.counters().set_interfaces, 1);
}

#[test]
fn a_bus_reset_empties_the_pipes_and_cuts_the_power() {
    let mut host = Host::at(Level::ExtendedApdu);
    host.send(&command(kind::GET_SLOT_STATUS, 0, 1, [0; 3], &[]));
    host.device.bus_reset();
    host.transfer().expect_err("answers are gone");
    assert_eq!(host.status().icc, 1);
}
