//! Random cards in random readers that misbehave at random moments, through the C functions: the right bytes or a
//! documented error, in bounded time, and a card that works again afterwards.
//!
//! `WINSCARD_PROPERTY_SEED` runs that one seed (as a failure prints it), or with `WINSCARD_PROPERTY_ROUNDS` so many from
//! there on.
#![allow(
    unsafe_code,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "tests call the C functions"
)]

#[path = "support/any_card.rs"]
mod any_card;
#[path = "support/card_bench.rs"]
mod card_bench;
#[path = "properties/dice.rs"]
mod dice;
#[path = "properties/round.rs"]
mod round;
#[path = "properties/world.rs"]
mod world;

use std::env;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

/// Where a run without wishes begins.
const SEED: u64 = 0x2026_1122;
/// How long such a run is: some seconds.
const ROUNDS: u64 = 200;
/// Most of the time is spent waiting for what does not come.
const THREADS: usize = 16;

fn number(name: &str) -> Option<u64> {
    let text = env::var(name).ok()?;
    let parsed = match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16),
        None => text.parse(),
    };
    Some(parsed.unwrap_or_else(|error| panic!("{name}={text}: {error}")))
}

#[test]
fn random_worlds_give_the_right_bytes_or_a_documented_error() {
    let wanted = number("WINSCARD_PROPERTY_SEED");
    let rounds = number("WINSCARD_PROPERTY_ROUNDS").unwrap_or(if wanted.is_some() { 1 } else { ROUNDS });
    let first = wanted.unwrap_or(SEED);
    let (next, failed) = (AtomicU64::new(0), Mutex::new(Vec::new()));
    let sum = Mutex::new(round::Tally::default());
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= rounds {
                        break;
                    }
                    let seed = first.wrapping_add(index);
                    match panic::catch_unwind(AssertUnwindSafe(|| round::play(seed))) {
                        Ok(tally) => sum.lock().expect("no panic in here").add(&tally),
                        Err(_) => failed.lock().expect("no panic in here").push(seed),
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().expect("threads are done");
    assert!(failed.is_empty(), "WINSCARD_PROPERTY_SEED is one of {failed:#x?}");
    let sum = sum.into_inner().expect("threads are done");
    // A test in which nothing goes wrong, or nothing right, is none.
    if rounds >= ROUNDS {
        assert!(sum.right > 800 && sum.failed > 150 && sum.mended > 150, "{sum:?}");
    }
}
