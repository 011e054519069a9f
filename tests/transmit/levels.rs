//! The same card behind each exchange level.

use std::thread;
use std::time::{Duration, Instant};

use crate::card_bench::*;

/// The levels and protocols that work, each with a way to connect.
const WAYS: [(Level, u64); 5] = [
    (Level::ExtendedApdu, T1),
    (Level::ExtendedApdu, T0),
    (Level::ShortApdu, T1),
    (Level::ShortApdu, T0),
    (Level::Tpdu, T0),
];

fn on_each(test: impl Fn(&Bench, &Card, Level)) {
    for (level, protocol) in WAYS {
        let (bench, context) = (Bench::new_at(level), Context::new());
        let card = context.connect(&bench.name, SHARED, protocol).unwrap();
        assert_eq!(card.active, protocol);
        test(&bench, &card, level);
    }
}

fn echo(data: &[u8]) -> Vec<u8> {
    let mut command = vec![0x80, 0x12, 0, 0, u8::try_from(data.len()).unwrap()];
    command.extend(data);
    command
}

#[test]
fn every_case_of_short_commands() {
    on_each(|_, card, level| {
        assert_eq!(card.transmit(IS_VERIFIED), Ok(vec![0x63, 0xC3]), "case 1, {level:?}");
        assert_eq!(
            card.transmit(&[0, 0x84, 0, 0, 8]).unwrap().len(),
            10,
            "case 2, {level:?}"
        );
        assert_eq!(card.transmit(SELECT), Ok(OK_SW.into()), "case 3, {level:?}");
        let data: Vec<u8> = (0..255).collect();
        // In a T=0 TPDU there is no Le; the response has to be fetched.
        if level == Level::Tpdu {
            assert_eq!(card.transmit(&echo(&data)), Ok(vec![0x61, 255]), "case 4, {level:?}");
            let response = card.transmit(&[0, 0xC0, 0, 0, 255]).unwrap();
            assert_eq!((&response[..255], &response[255..]), (&data[..], OK_SW));
        } else {
            let mut command = echo(&data);
            command.push(0);
            let response = card.transmit(&command).unwrap();
            assert_eq!(
                (&response[..255], &response[255..]),
                (&data[..], OK_SW),
                "case 4, {level:?}"
            );
        }
    });
}

/// Each length around those of the packets and messages.
#[test]
fn responses_of_every_length() {
    on_each(|_, card, level| {
        for len in (1..=255_u8).filter(|len| len % 7 == 0 || (48..=60).contains(len) || *len > 245) {
            let response = card.transmit(&[0x80, 0x12, 0, len, len]).unwrap();
            let expected: Vec<u8> = (0..len).chain([0x90, 0x00]).collect();
            assert_eq!(response, expected, "{len} bytes, {level:?}");
        }
        let response = card.transmit(&[0x80, 0x12, 1, 0, 0]).unwrap();
        assert_eq!(response.len(), 258, "{level:?}");
    });
}

#[test]
fn status_words_pass_as_they_are() {
    on_each(|bench, card, level| {
        let before = bench.reader.counters().xfr_blocks;
        assert_eq!(
            card.transmit(&[0, 0xA4, 0, 0x0C, 2, 0x12, 0x34]),
            Ok(vec![0x6A, 0x82]),
            "{level:?}"
        );
        assert_eq!(card.transmit(&[0, 0xEE, 0, 0]), Ok(vec![0x6D, 0x00]), "{level:?}");
        if level == Level::Tpdu {
            assert_eq!(
                card.transmit(&[0x80, 0x12, 0, 5, 0]),
                Ok(vec![0x6C, 5]),
                "not repeated for the caller"
            );
        } else {
            assert_eq!(
                card.transmit(&[0x80, 0x12, 0, 9, 5]),
                Ok(vec![0, 1, 2, 3, 4, 0x61, 4]),
                "nor fetched"
            );
        }
        assert_eq!(bench.reader.counters().xfr_blocks, before + 3);
    });
}

/// 65 535 bytes of data there, and 65 535 and a status word back.
#[test]
fn the_longest_extended_apdu_both_ways() {
    for max_message_len in [271, 1024, 65_556] {
        let config = Config {
            max_message_len,
            ..Config::at_level(Level::ExtendedApdu)
        };
        let (bench, context) = (Bench::with(config, BuiltinCard::default()), Context::new());
        let card = context.shared(&bench);
        for len in [65_535_usize, 4096, 257] {
            let data: Vec<u8> = (0..len).map(|n| u8::try_from(n * 31 % 251).unwrap()).collect();
            let mut command = vec![0x80, 0x12, 0, 0, 0];
            command.extend(u16::try_from(len).unwrap().to_be_bytes());
            command.extend(&data);
            command.extend([0, 0]);
            let blocks = bench.reader.counters().xfr_blocks;
            let response = card.transmit(&command).unwrap();
            assert_eq!(
                (response.len(), &response[len..]),
                (len + 2, OK_SW),
                "messages of {max_message_len}"
            );
            assert!(response[..len] == data, "{len} bytes in messages of {max_message_len}");
            let chained = command.len() > usize::try_from(max_message_len).unwrap() - 10;
            assert_eq!(bench.reader.counters().xfr_blocks - blocks > 1, chained);
        }
        // Too little room for a response of many blocks: the rest is dropped, and the next exchange is its own.
        let mut room = [0; 300];
        let long = [0x80, 0x12, 0xFF, 0xFF, 0, 0, 0];
        assert_eq!(
            card.transmit_into(T1, &long, &mut room),
            (Err(InsufficientBuffer), 65_537)
        );
        assert_eq!(card.transmit(SELECT), Ok(OK_SW.into()));
    }
}

#[test]
fn a_command_too_long_for_the_level_is_refused_and_breaks_nothing() {
    for level in [Level::ShortApdu, Level::Tpdu] {
        let (bench, context) = (Bench::new_at(level), Context::new());
        // T=1 at TPDU level takes any length.
        let card = context.connect(&bench.name, SHARED, T0).unwrap();
        let mut command = vec![0x80, 0x12, 0, 0, 0, 0x02, 0x00];
        command.extend([0; 512]);
        assert_eq!(card.transmit(&command), Err(NotTransacted), "{level:?}");
        assert_eq!(card.transmit(SELECT), Ok(OK_SW.into()), "{level:?}");
        assert_eq!(bench.power(), (1, 0, 0));
    }
}

/// The card's command 80 10 takes as many milliseconds as P1P2; the reader asks for more time.
#[test]
fn a_slow_card_gets_its_time() {
    let tests: Vec<_> = WAYS
        .into_iter()
        .map(|(level, protocol)| {
            thread::spawn(move || {
                let every = Some(Duration::from_millis(200));
                let config = Config {
                    time_extension_every: every,
                    ..Config::at_level(level)
                };
                let (bench, context) = (Bench::with(config, BuiltinCard::default()), Context::new());
                let card = context.connect(&bench.name, SHARED, protocol).unwrap();
                let started = Instant::now();
                assert_eq!(card.transmit(&[0x80, 0x10, 0x04, 0xB0]), Ok(OK_SW.into()), "{level:?}");
                assert!(started.elapsed() >= Duration::from_millis(1200));
                assert_eq!(card.transmit(SELECT), Ok(OK_SW.into()), "{level:?}");
            })
        })
        .collect();
    for test in tests {
        test.join().unwrap();
    }
}

#[test]
fn time_extensions_of_any_multiplier_are_honoured() {
    on_each(|bench, card, level| {
        for multiplier in [0, 1, 3, 0xFF] {
            bench.inject(Fault::TimeExtension {
                count: 5,
                multiplier,
                every: Duration::from_millis(10),
            });
            assert_eq!(
                card.transmit(SELECT),
                Ok(OK_SW.into()),
                "{level:?}, multiplier {multiplier}"
            );
        }
    });
}

#[test]
fn peculiar_but_whole_answers_are_understood() {
    on_each(|bench, card, level| {
        let faults = [
            Fault::ZlpBefore,
            Fault::ZlpAfter,
            Fault::StaleAnswer,
            Fault::SplitAnswer(64),
            Fault::Delay(Duration::from_millis(120)),
            Fault::Several(vec![Fault::StaleAnswer, Fault::ZlpBefore]),
        ];
        for fault in faults {
            for len in [20, 52, 116] {
                bench.inject(fault.clone());
                let response = card.transmit(&[0x80, 0x12, 0, len, len]).expect("an answer");
                let expected: Vec<u8> = (0..len).chain([0x90, 0x00]).collect();
                assert_eq!(response, expected, "{level:?} {fault:?}");
            }
        }
        assert_eq!(bench.power(), (1, 0, 0), "none of them costs a reset");
    });
}

/// Readers that never end a message of whole packets with an empty one.
#[test]
fn a_missing_end_of_message_costs_no_answer() {
    on_each(|bench, card, level| {
        bench.reader.inject(Injection {
            fault: Fault::MissingZlp,
            on: None,
            times: Times::Always,
        });
        for round in 0..3 {
            for len in [52, 116, 180, 244] {
                assert_eq!(
                    card.transmit(&[0x80, 0x12, 0, len, len]).map(|r| r.len()),
                    Ok(usize::from(len) + 2)
                );
                assert_eq!(card.transmit(SELECT), Ok(OK_SW.into()), "{level:?} round {round}");
            }
        }
        assert_eq!(bench.power(), (1, 0, 0));
    });
}

#[test]
fn packets_of_every_size_and_no_interrupt_endpoint() {
    for (max_packet_len, interrupt) in [(8, true), (16, false), (32, true), (512, false)] {
        let config = Config {
            max_packet_len,
            interrupt,
            ..Config::default()
        };
        let (bench, context) = (Bench::with(config, BuiltinCard::default()), Context::new());
        let card = context.shared(&bench);
        for len in (0..=255).step_by(5) {
            let response = card.transmit(&[0x80, 0x12, 0, len, 0]).unwrap();
            assert_eq!(response.len(), usize::from(len) + 2, "packets of {max_packet_len}");
        }
    }
}
