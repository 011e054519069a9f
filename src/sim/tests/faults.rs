//! Every misbehaviour shows, once or always, and ends.

use std::time::Duration;

use super::host::{Answer, Host, command};
use crate::sim::device::{In, Out};
use crate::sim::wire::{error, kind};
use crate::sim::{BuiltinCard, Config, Fault, Injection, Level};
use crate::usb::ControlRequest;

/// Sends GetSlotStatus with the fault injected and returns the host.
fn spoiled(fault: Fault) -> Host {
    let mut host = Host::at(Level::ExtendedApdu);
    host.device.inject(fault.into());
    host.send(&command(kind::GET_SLOT_STATUS, 0, 50, [0; 3], &[]));
    host
}

#[track_caller]
fn recovers(mut host: Host) {
    assert_eq!(host.status().command, 0, "the next command is unharmed");
}

#[test]
fn header_fields_can_lie() {
    let good = Answer {
        kind: 0x81,
        slot: 0,
        seq: 50,
        icc: 0,
        command: 0,
        error: 0,
        specific: 0,
        data: vec![],
    };
    for (fault, expected) in [
        (
            Fault::WrongSequence,
            Answer {
                seq: 51,
                ..good.clone()
            },
        ),
        (
            Fault::WrongSlot,
            Answer {
                slot: 1,
                ..good.clone()
            },
        ),
        (
            Fault::WrongType(0x84),
            Answer {
                kind: 0x84,
                ..good.clone()
            },
        ),
        (
            Fault::Fail(0xBB),
            Answer {
                command: 1,
                error: 0xBB,
                ..good.clone()
            },
        ),
    ] {
        let mut host = spoiled(fault);
        assert_eq!(host.receive(), expected);
        recovers(host);
    }
}

#[test]
fn length_can_lie_both_ways() {
    for (by, length) in [(5, [5, 0, 0, 0]), (-1, [0xFF; 4])] {
        let mut host = spoiled(Fault::WrongLength(by));
        let message = host.transfer().unwrap();
        assert_eq!((message.len(), &message[1..5]), (10, &length[..]));
        recovers(host);
    }
}

#[test]
fn a_stale_answer_comes_before_the_right_one() {
    let mut host = Host::at(Level::ExtendedApdu);
    let before = host.xfr(0, &[0, 0x84, 0, 0, 8]);
    host.device.inject(Fault::StaleAnswer.into());
    host.send(&command(kind::GET_SLOT_STATUS, 0, 50, [0; 3], &[]));
    assert_eq!(host.receive(), before);
    assert_eq!(host.receive().seq, 50);
}

#[test]
fn time_extension_on_any_command() {
    let extension = Fault::TimeExtension {
        count: 3,
        multiplier: 2,
        every: Duration::from_millis(700),
    };
    let mut host = spoiled(extension);
    for _ in 0..3 {
        assert_eq!(host.wait(), Duration::from_millis(700));
        let answer = host.receive();
        assert_eq!((answer.command, answer.error, answer.seq), (2, 2, 50));
    }
    assert_eq!(host.wait(), Duration::from_millis(700));
    assert_eq!(host.receive().command, 0);
}

#[test]
fn a_slow_card_makes_the_reader_ask_for_time() {
    let mut host = Host::at(Level::ExtendedApdu);
    host.send(&command(kind::XFR_BLOCK, 0, 9, [0; 3], &[0x80, 0x10, 0x0B, 0xB8]));
    for expected in [2, 2, 0] {
        assert_eq!(host.wait(), Duration::from_secs(1));
        assert_eq!(host.receive().command, expected);
    }
}

#[test]
fn answers_can_be_split_anywhere() {
    for at in [1, 5, 10, 64, 70] {
        let mut host = Host::at(Level::ExtendedApdu);
        host.device.inject(Fault::SplitAnswer(at).into());
        host.send(&command(kind::XFR_BLOCK, 0, 9, [0; 3], &[0x80, 0x12, 0, 100, 100]));
        let first = host.transfer().unwrap();
        assert_eq!(first.len(), at);
        let whole = [first, host.transfer().unwrap()].concat();
        assert_eq!(Answer::parse(&whole).good().len(), 102);
    }
}

#[test]
fn zero_length_packets_can_be_missing_or_too_many() {
    let mut host = Host::at(Level::ExtendedApdu);
    host.device.inject(Fault::MissingZlp.into());
    host.send(&command(kind::XFR_BLOCK, 0, 9, [0; 3], &[0x80, 0x12, 0, 52, 52]));
    assert!(matches!(host.device.bulk_in(host.now), In::Packet(packet) if packet.len() == 64));
    assert_eq!(host.device.bulk_in(host.now), In::Nak(None));

    let mut host = spoiled(Fault::ZlpBefore);
    assert_eq!(host.transfer(), Ok(vec![]));
    assert_eq!(host.receive().seq, 50);

    let mut host = spoiled(Fault::ZlpAfter);
    assert_eq!(host.receive().seq, 50);
    assert_eq!(host.transfer(), Ok(vec![]));
    recovers(host);
}

#[test]
fn babble_is_a_packet_too_long() {
    let mut host = spoiled(Fault::Babble);
    assert!(matches!(host.device.bulk_in(host.now), In::Packet(packet) if packet.len() > 64));
    recovers(host);
}

fn clear_halt(endpoint: u16) -> ControlRequest {
    ControlRequest {
        request_type: 2,
        request: 1,
        value: 0,
        index: endpoint,
    }
}

#[test]
fn a_halted_in_endpoint_stalls_until_cleared() {
    let mut host = spoiled(Fault::StallIn);
    for _ in 0..3 {
        assert_eq!(host.device.bulk_in(host.now), In::Stall);
    }
    host.device.control(clear_halt(0x82), host.now).unwrap();
    assert_eq!(host.receive().seq, 50);
    recovers(host);
}

#[test]
fn a_halted_out_endpoint_takes_nothing_until_cleared() {
    let mut host = Host::at(Level::ExtendedApdu);
    host.device.inject(Injection::on(kind::XFR_BLOCK, Fault::StallOut));
    host.status();
    let xfr = command(kind::XFR_BLOCK, 0, 9, [0; 3], &[0, 0x84, 0, 0, 8]);
    assert_eq!(host.device.bulk_out(&xfr, host.now), Out::Stall);
    assert_eq!(host.device.bulk_out(&xfr, host.now), Out::Stall);
    host.device.control(clear_halt(0x01), host.now).unwrap();
    assert_eq!(host.device.counters().xfr_blocks, 0);
    host.send(&xfr);
    assert_eq!(host.receive().good().len(), 10);
}

#[test]
fn silence_carries_out_and_lost_does_not() {
    for (fault, active) in [(Fault::Silence, 0), (Fault::Lost, 1)] {
        let mut host = Host::new(Config::default());
        host.device.insert(0, Box::new(BuiltinCard::default()));
        host.device.inject(fault.into());
        host.send(&command(kind::ICC_POWER_ON, 0, 9, [0; 3], &[]));
        assert_eq!(host.transfer(), Err(In::Nak(None)));
        assert_eq!(host.status().icc, active);
    }
}

#[test]
fn a_late_answer_arrives_after_the_next_command() {
    let mut host = spoiled(Fault::Delay(Duration::from_secs(2)));
    assert_eq!(host.transfer(), Err(In::Nak(Some(host.now + Duration::from_secs(2)))));
    host.now += Duration::from_secs(3);
    host.send(&command(kind::GET_SLOT_STATUS, 0, 51, [0; 3], &[]));
    assert_eq!((host.receive().seq, host.receive().seq), (50, 51));
}

#[test]
fn a_card_pulled_in_mid_exchange_fails_it() {
    let mut host = spoiled(Fault::CardPulled);
    assert_eq!(host.receive().icc, 2);
    let mut host = Host::at(Level::ExtendedApdu);
    host.device.inject(Injection::on(kind::XFR_BLOCK, Fault::CardPulled));
    let answer = host.xfr(0, &[0, 0x84, 0, 0, 8]);
    assert_eq!((answer.failure(), answer.icc), (error::ICC_MUTE, 2));

    let mut host = Host::at(Level::ExtendedApdu);
    host.send(&command(kind::XFR_BLOCK, 0, 9, [0; 3], &[0x80, 0x10, 0x0B, 0xB8]));
    assert!(host.device.remove(0, host.now).is_some());
    let answer = host.receive();
    assert_eq!((answer.seq, answer.failure(), answer.icc), (9, error::ICC_MUTE, 2));
    host.transfer().expect_err("the card's own answer never comes");
}

#[test]
fn power_on_can_fail_at_chosen_voltages() {
    let mut host = Host::new(Config::default());
    host.device.insert(0, Box::new(BuiltinCard::default()));
    host.device
        .inject(Injection::on(kind::ICC_POWER_ON, Fault::PowerOnFails(vec![0, 1])).always());
    assert_eq!(host.ask(kind::ICC_POWER_ON, [0, 0, 0], &[]).failure(), error::ICC_MUTE);
    assert_eq!(host.ask(kind::ICC_POWER_ON, [1, 0, 0], &[]).failure(), error::ICC_MUTE);
    host.ask(kind::ICC_POWER_ON, [2, 0, 0], &[]).good();
    host.device.clear_faults();
    host.ask(kind::ICC_POWER_ON, [0, 0, 0], &[]).good();
}

#[test]
fn faults_wait_for_their_command_and_show_as_often_as_asked() {
    let mut host = Host::at(Level::ExtendedApdu);
    host.device
        .inject(Injection::on(kind::SET_PARAMETERS, Fault::Fail(0)).times(2));
    host.status();
    let t1 = [0x11, 0x10, 0, 0x45, 0, 254, 0];
    for _ in 0..2 {
        assert_eq!(host.ask(kind::SET_PARAMETERS, [1, 0, 0], &t1).failure(), 0);
    }
    host.ask(kind::SET_PARAMETERS, [1, 0, 0], &t1).good();
}

#[test]
fn several_faults_can_meet_on_one_command() {
    let mut host = spoiled(Fault::Several(vec![
        Fault::StallIn,
        Fault::Silence,
        Fault::Interrupt(vec![1]),
    ]));
    assert_eq!(
        host.transfer(),
        Err(In::Nak(None)),
        "silence leaves nothing to stall before"
    );
    assert_eq!(host.device.interrupt_in().unwrap()[0], 1);
    recovers(host);
}

#[test]
fn garbage_on_the_interrupt_endpoint() {
    let mut host = Host::new(Config::default());
    host.device.inject(Fault::Interrupt(vec![0xDE, 0xAD]).into());
    assert_eq!(host.device.interrupt_in(), Some(vec![0xDE, 0xAD]));
    assert!(!host.device.has_interrupt());
}

#[test]
fn unplugging_in_mid_exchange_ends_the_device() {
    let host = spoiled(Fault::Unplugged);
    assert!(host.device.is_gone());
}

#[test]
fn a_host_that_never_reads_is_not_listened_to_for_ever() {
    let mut host = Host::new(Config::default());
    let status = command(kind::GET_SLOT_STATUS, 0, 0, [0; 3], &[]);
    let taken = (0..1000)
        .take_while(|_| host.device.bulk_out(&status, host.now) == Out::Ack)
        .count();
    assert!((1..1000).contains(&taken));
    host.receive();
    assert_eq!(host.device.bulk_out(&status, host.now), Out::Ack);
}
