//! libccid's and gnupg's.

use std::time::Duration;

use winscard::sim::counters::Direction;
use winscard::sim::descriptor::class_descriptor;

use crate::any_card::{Says, T1_ONLY};
use crate::card_bench::*;
use crate::quiet::Quiet;
use crate::{bench, echo, reader, try_echo};

/// libccid knows time extensions of XfrBlock and Escape only: one at power-on is an empty ATR.
#[test]
fn libccid_1_5_time_extensions_of_every_command_of_a_connection_are_waited_for() {
    for level in [Level::Tpdu, Level::ShortApdu, Level::ExtendedApdu] {
        let bench = bench(reader(level), T1_ONLY);
        bench.reader.inject(Injection {
            fault: Fault::TimeExtension {
                count: 2,
                multiplier: 1,
                every: Duration::from_millis(3),
            },
            on: None,
            times: Times::Always,
        });
        let context = Context::new();
        let card = context.shared(&bench);
        assert_eq!(card.status().map(|status| status.atr), Ok(T1_ONLY.atr()));
        echo(card.handle, 100);
    }
}

/// libccid sends no abort at all; here one of which only the first half got through is made whole.
#[test]
fn libccid_1_8_a_reader_left_half_aborted_is_brought_back() {
    let (bench, context) = (bench(reader(Level::ExtendedApdu), T1_ONLY), Context::new());
    let card = context.shared(&bench);
    bench.inject(Fault::Lost);
    bench.reader.inject(Injection::on(kind::ABORT, Fault::Fail(0xE0)));
    assert_eq!(try_echo(card.handle, 10), Err(NotTransacted));
    assert_eq!(try_echo(card.handle, 10), Err(ResetCard));
    card.acknowledge();
    echo(card.handle, 10);
    assert_eq!(bench.reader.counters().control_aborts, 1);
}

/// libccid multiplies its timeout and keeps it so if the exchange ends in a parity error.
#[test]
fn libccid_3_4_08_extended_time_is_not_kept_after_a_parity_error() {
    let (bench, context) = (bench(reader(Level::Tpdu), T1_ONLY), Context::new());
    let card = context.shared(&bench);
    // The card asks for time at the first block; what follows our consent is damaged.
    bench.inject(Fault::ZlpAfter);
    bench.inject(Fault::FailAfter(0xFD));
    assert_eq!(card.transmit(&[0x80, 0x10, 0, 60]), Ok(OK_SW.into()));
    echo(card.handle, 5);
    let sent = bench.reader.messages().into_iter();
    let multipliers: Vec<u8> = sent
        .filter(|message| message.direction == Direction::Out && message.bytes[0] == kind::XFR_BLOCK)
        .map(|message| message.bytes[7])
        .collect();
    let extended = multipliers.iter().filter(|multiplier| **multiplier > 0).count();
    assert!(extended >= 1, "the card asked for time: {multipliers:?}");
    assert_eq!(multipliers.last(), Some(&0), "{multipliers:?}");
    let damaged = multipliers
        .iter()
        .position(|multiplier| *multiplier > 0)
        .expect("see above");
    assert_eq!(multipliers[damaged + 1], 0, "{multipliers:?}");
}

/// libccid asks the card for an IFSD that no block can have and then fails to connect.
#[test]
fn libccid_3_4_11_readers_that_declare_any_ifsd_connect() {
    for max_ifsd in [0, 1, 31, 254, 255, 256, 1000, u32::MAX] {
        let config = Config {
            max_ifsd,
            features: Config::default().features & !winscard::sim::config::feature::AUTO_IFSD,
            ..reader(Level::Tpdu)
        };
        let (bench, context) = (bench(config, T1_ONLY), Context::new());
        let card = context.shared(&bench);
        assert_eq!(card.active, T1, "{max_ifsd}");
        echo(card.handle, 300);
    }
}

/// libccid fails every exchange of a reader that declares several levels.
#[test]
fn libccid_7_7_readers_of_several_levels_work_at_the_highest() {
    for (bits, level) in [
        (0x03, Level::ShortApdu),
        (0x05, Level::ExtendedApdu),
        (0x06, Level::ExtendedApdu),
        (0x07, Level::ExtendedApdu),
    ] {
        let config = reader(level);
        let mut descriptor = class_descriptor(&config);
        descriptor[42] = bits;
        let config = Config {
            class_descriptor: Some(descriptor),
            ..config
        };
        let (bench, context) = (bench(config, T1_ONLY), Context::new());
        echo(context.shared(&bench).handle, 200);
    }
}

/// libccid subtracts 10 from it unchecked: no limit below, and empty blocks without end at 10.
#[test]
fn libccid_7_7_message_lengths_without_room_for_data_end_in_an_error() {
    for length in [0_u32, 5, 9, 10] {
        let config = reader(Level::ExtendedApdu);
        let mut descriptor = class_descriptor(&config);
        descriptor[44..48].copy_from_slice(&length.to_le_bytes());
        let reader = winscard::sim::plug(Config {
            class_descriptor: Some(descriptor),
            serial: Some(format!("without room {length}")),
            ..config
        })
        .expect("a reader");
        drop(reader.insert(0, T1_ONLY.card()));
        let watch = Quiet::now();
        let context = Context::new();
        let mark = format!("(without room {length})");
        if let Some(name) = context.readers().iter().find(|name| name.contains(&mark)) {
            let refused = context.connect(name, SHARED, ANY).map(drop);
            assert_eq!(refused, Err(ReaderUnavailable), "{length}");
        }
        watch.assert_within(Duration::from_secs(2), &format!("{length}:"));
        reader.unplug();
    }
}

/// libccid looks at the fifth byte of what may have one.
#[test]
fn libccid_7_8_short_commands_are_not_read_beyond_their_end() {
    let config = Config {
        vendor_id: 0x0D46,
        product_id: 0x3010,
        ..reader(Level::ShortApdu)
    };
    let (bench, context) = (bench(config, T1_ONLY), Context::new());
    let card = context.shared(&bench);
    let feature = [0xFF, 0xC2, 0x01, 0x00, 0x00];
    let secoder = [0x20, 0x70, 0x00, 0x00, 0x00];
    for len in 0..=4 {
        // What a card or reader makes of it is their affair; nothing may be made up, and nothing may break.
        let response = card.transmit(&feature[..len]);
        let documented = [NotTransacted, InvalidParameter, InvalidValue];
        assert!(
            response.as_ref().is_ok_and(|bytes| bytes.len() == 2)
                || response.as_ref().is_err_and(|error| documented.contains(error)),
            "{len}: {response:?}"
        );
        let (answer, _) = card.control_into(0x4233_0008, &secoder[..len], 300);
        assert!(answer.is_err(), "{len}: {answer:?}");
        echo(card.handle, 20);
    }
}

/// gnupg refuses cards with CRC, and takes any IFSC below 16 for 128.
#[test]
fn gnupg_3_3_cards_with_crc_and_with_the_smallest_blocks_work() {
    for (crc, ifsc) in [(true, 254), (true, 1), (false, 1), (false, 3), (false, 15), (true, 16)] {
        let says = Says { crc, ifsc, ..T1_ONLY };
        let (bench, context) = (bench(reader(Level::Tpdu), says), Context::new());
        let card = context.shared(&bench);
        for len in [1, 2, 17, 300] {
            echo(card.handle, len);
        }
        let longest = bench.reader.messages().into_iter();
        let longest = longest
            .filter(|message| message.direction == Direction::Out && message.bytes[0] == kind::XFR_BLOCK)
            .map(|message| message.bytes[12])
            .max();
        assert!(longest <= Some(ifsc), "{longest:?} for {ifsc}");
    }
}

/// gnupg never looks at the check code of what it receives.
#[test]
fn gnupg_3_3_a_damaged_block_is_never_delivered() {
    for crc in [false, true] {
        let (bench, context) = (bench(reader(Level::Tpdu), Says { crc, ..T1_ONLY }), Context::new());
        let card = context.shared(&bench);
        for place in 0..40 {
            bench.inject(Fault::Garble(place));
            echo(card.handle, 70);
            bench.reader.clear_faults();
        }
        assert_eq!(bench.power(), (1, 0, 0), "mended without a reset");
    }
}
