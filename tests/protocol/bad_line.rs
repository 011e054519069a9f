//! A bad line between reader and card: the right bytes or an error, and after an error a reset that everybody is told of.

use std::time::Duration;

use winscard::api::constants::*;
use winscard::error::Error;
use winscard::sim::wire::kind;
use winscard::sim::{Config, Fault, Injection, Level};

use crate::bench::*;

const NOT_TRANSACTED: i64 = Error::NotTransacted.to_long();
const RESET_CARD: i64 = Error::ResetCard.to_long();

/// What may happen to one block without harm.
fn troubles() -> Vec<Fault> {
    vec![
        Fault::Fail(0xFD),
        Fault::FailAfter(0xFD),
        Fault::Fail(0xFE),
        Fault::FailAfter(0xFE),
        Fault::Fail(0xFC),
        Fault::FailAfter(0xFC),
        Fault::Garble(0),
        Fault::Garble(1),
        Fault::Garble(3),
    ]
}

#[test]
fn one_trouble_anywhere_is_mended_without_anybody_noticing() {
    for level in [Level::Tpdu, Level::Character] {
        for fault in troubles() {
            for place in 0..8 {
                let bench = Bench::new(
                    reader(level),
                    Says {
                        crc: place % 2 == 0,
                        ..T1
                    },
                );
                let link = bench.connect(SCARD_PROTOCOL_T1);
                // So many blocks of 32 pass before it.
                let before = noise(1 + 16 * place);
                link.echo(&before);
                bench.reader.inject(Injection::on(kind::XFR_BLOCK, fault.clone()));
                link.echo(&noise(100));
                link.echo(&noise(40));
                let counters = bench.reader.counters();
                assert_eq!(
                    (counters.cold_power_ons, counters.warm_resets),
                    (1, 0),
                    "{level:?} {fault:?}"
                );
            }
        }
    }
}

#[test]
fn three_troubles_in_a_row_end_in_resynch_and_the_command_is_sent_whole() {
    let bench = Bench::new(reader(Level::Tpdu), T1);
    let link = bench.connect(SCARD_PROTOCOL_T1);
    link.echo(&noise(3));
    bench
        .reader
        .inject(Injection::on(kind::XFR_BLOCK, Fault::Fail(0xFE)).times(4));
    link.echo(&noise(60));
    let expected = [0xC1, 0x00, 0x60, 0x92, 0x92, 0x92, 0xC0, 0x20, 0x60, 0x00, 0x90];
    assert_eq!(bench.pcbs(), expected);
    // The card has forgotten our IFSD by that, and is told again.
    link.echo(&noise(4));
    assert_eq!(bench.pcbs().last_chunk::<2>(), Some(&[0xC1, 0x40]));
    assert_eq!(bench.reader.counters().warm_resets, 0);
}

#[test]
fn a_card_that_stays_mute_is_reset_and_every_handle_is_told() {
    for level in [Level::Tpdu, Level::Character] {
        let bench = Bench::new(reader(level), T1);
        let mut link = bench.connect(SCARD_PROTOCOL_T1);
        let mut other = link.another();
        bench
            .reader
            .inject(Injection::on(kind::XFR_BLOCK, Fault::Fail(0xFE)).always());
        assert_eq!(link.transmit(&echo(&noise(9))), Err(NOT_TRANSACTED));
        bench.reader.clear_faults();
        for link in [&mut link, &mut other] {
            assert_eq!(link.transmit(&echo(&noise(9))), Err(RESET_CARD), "{level:?}");
            assert_eq!(link.reconnect(SCARD_LEAVE_CARD), SCARD_S_SUCCESS);
            link.echo(&noise(9));
        }
    }
}

#[test]
fn a_reader_that_does_not_report_a_mute_card_is_aborted_and_t1_goes_on() {
    let bench = Bench::new(reader(Level::Tpdu), T1);
    let link = bench.connect(SCARD_PROTOCOL_T1);
    bench.reader.inject(Injection::on(kind::XFR_BLOCK, Fault::Silence));
    link.echo(&noise(50));
    let counters = bench.reader.counters();
    assert_eq!(
        (counters.aborts, counters.cold_power_ons, counters.warm_resets),
        (1, 1, 0)
    );
}

#[test]
fn a_card_pulled_in_the_middle_is_no_card() {
    for level in [Level::Tpdu, Level::Character] {
        let bench = Bench::new(reader(level), T1);
        let link = bench.connect(SCARD_PROTOCOL_T1);
        bench.reader.inject(Injection::on(kind::XFR_BLOCK, Fault::CardPulled));
        let result = link.transmit(&echo(&noise(100)));
        assert_eq!(result, Err(Error::NoSmartcard.to_long()), "{level:?}");
    }
}

/// xorshift64.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).expect("31 bits") % sides
    }
}

#[test]
fn random_readers_cards_and_troubles_never_give_a_wrong_byte() {
    let mut dice = Dice(0x9E37_79B9_7F4A_7C15);
    let troubles = troubles();
    let (mut right, mut failed) = (0, 0);
    for round in 0..60 {
        let level = [Level::Tpdu, Level::Character][dice.roll(2)];
        let config = Config {
            max_message_len: [271, 64, 100, 300][dice.roll(4)],
            latency: Duration::ZERO,
            ..reader(level)
        };
        let says = Says {
            crc: dice.roll(2) == 0,
            ifsc: u8::try_from(16 + dice.roll(239)).expect("IFSC"),
            ..T1
        };
        let bench = Bench::new(config, says);
        let mut link = bench.connect(SCARD_PROTOCOL_T1);
        for _ in 0..25 {
            let mut garbled = false;
            for _ in 0..dice.roll(4) {
                let fault = troubles[dice.roll(troubles.len())].clone();
                // Of two changes in one block no LRC is sure to tell.
                let garbles = matches!(fault, Fault::Garble(_));
                if garbles && std::mem::replace(&mut garbled, true) {
                    continue;
                }
                let times = if garbles {
                    1
                } else {
                    u32::try_from(1 + dice.roll(4)).expect("small")
                };
                bench.reader.inject(Injection::on(kind::XFR_BLOCK, fault).times(times));
            }
            let data = noise(1 + dice.roll(900));
            match link.transmit(&echo(&data)) {
                Ok(response) => {
                    assert_eq!(response, answer(&data), "round {round}");
                    right += 1;
                    bench.reader.clear_faults();
                }
                Err(error) => {
                    assert!(
                        [NOT_TRANSACTED, RESET_CARD].contains(&error),
                        "round {round}: {error:#x}"
                    );
                    failed += 1;
                    bench.reader.clear_faults();
                    let _told = link.transmit(&[0, 0x84, 0, 0, 8]);
                    assert_eq!(link.reconnect(SCARD_RESET_CARD), SCARD_S_SUCCESS, "round {round}");
                }
            }
        }
    }
    assert!(right > 500 && failed > 10, "{right} right, {failed} failed");
}
