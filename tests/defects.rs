//! Defects of other drivers and traps of the field that no other test happens to show; `docs/defects.md` has them all.
#![allow(
    unsafe_code,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests call the C functions"
)]

#[path = "support/any_card.rs"]
mod any_card;
#[path = "support/card_bench.rs"]
mod card_bench;
#[path = "defects/drivers.rs"]
mod drivers;
#[path = "support/quiet.rs"]
mod quiet;
#[path = "defects/traps.rs"]
mod traps;

use any_card::Says;
use card_bench::*;

/// A reader of this level that is quick to give up on a card of [`any_card`].
fn reader(level: Level) -> Config {
    Config {
        default_clock_khz: 40_000,
        max_clock_khz: 40_000,
        max_data_rate_bps: 10_000_000,
        ..Config::at_level(level)
    }
}

/// The bench with a card that says this.
fn bench(config: Config, says: Says) -> Bench {
    let bench = Bench::empty(config);
    assert!(bench.reader.insert(0, says.card()).is_none());
    bench
}

/// Has the card repeat `len` bytes.
#[track_caller]
fn echo(card: Handle, len: usize) {
    assert_eq!(try_echo(card, len), Ok(()), "{len} bytes");
}

fn try_echo(card: Handle, len: usize) -> Outcome {
    let data: Vec<u8> = (0..=250).cycle().skip(len).take(len).collect();
    let mut command = vec![0x80, 0x12, 0, 0];
    if let Ok(short) = u8::try_from(len) {
        command.push(short);
        command.extend(&data);
        command.push(0);
    } else {
        command.push(0);
        command.extend(u16::try_from(len).expect("APDU").to_be_bytes());
        command.extend(&data);
        command.extend([0, 0]);
    }
    let response = card.transmit(&command)?;
    assert_eq!(response, [&data[..], OK_SW].concat(), "{len} bytes");
    Ok(())
}
