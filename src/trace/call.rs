//! Calls and waits.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

use super::args::Told;
use super::mask::Secret;
use super::{event, micros, now, shows_pins};
use crate::clock;
use crate::error::Result;

/// Where the time of a call went, in microseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spent {
    /// In transfers that wait for the card.
    pub(super) card: u64,
    /// In other transfers.
    pub(super) usb: u64,
    /// For other users, events, or the lock.
    pub(super) wait: u64,
}

const NOTHING: Spent = Spent {
    card: 0,
    usb: 0,
    wait: 0,
};

thread_local! {
    static SPENT: Cell<Spent> = const { Cell::new(NOTHING) };
    static SECRET: Cell<Secret> = const { Cell::new(Secret::Nothing) };
}

/// Adds to what the thread's call has spent.
pub(super) fn spend(add: impl FnOnce(&mut Spent)) {
    // Fails while the thread ends: nobody asks any more.
    let _ending = SPENT.try_with(|spent| {
        let mut sum = spent.get();
        add(&mut sum);
        spent.set(sum);
    });
}

/// What is to be hidden of the messages of the thread's call.
pub(super) fn secret() -> Secret {
    if shows_pins() {
        return Secret::Nothing;
    }
    // Where nothing is known everything is hidden.
    SECRET.try_with(Cell::get).unwrap_or(Secret::Everything)
}

/// Runs an exported function's body between two events that tell what it was given and what it gives.
///
/// # Errors
/// The body's.
pub fn call<const N: usize>(name: &'static str, told: Told<N>, body: impl FnOnce() -> Result<()>) -> Result<()> {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let begin = clock::awake();
    let pins = shows_pins();
    let before = SPENT.try_with(|spent| spent.replace(NOTHING)).unwrap_or(NOTHING);
    let secret = SECRET
        .try_with(|secret| secret.replace(told.secret()))
        .unwrap_or(Secret::Everything);
    event(micros(begin), "call", |object| {
        object.number("id", number);
        object.text("name", name);
        object.object("arguments", |arguments| told.before(arguments, pins));
    });
    let result = body();
    let end = clock::awake();
    let spent = SPENT.try_with(|spent| spent.replace(before)).unwrap_or(NOTHING);
    let _ending = SECRET.try_with(|now| now.set(secret));
    event(micros(end), "return", |object| {
        object.number("id", number);
        object.text("name", name);
        object.text(
            "result",
            result
                .as_ref()
                .map_or_else(|error| error.name(), |()| "SCARD_S_SUCCESS"),
        );
        object.number("us", micros(end.saturating_sub(begin)));
        object.number("card_us", spent.card);
        object.number("usb_us", spent.usb);
        object.number("wait_us", spent.wait);
        object.object("results", |results| told.after(results, result.as_ref().err().copied()));
    });
    result
}

/// Shorter waits are not told: every lock would be one.
const SHORT_US: u64 = 200;

/// A wait under way; told when it ends.
#[derive(Debug)]
pub(crate) struct Wait {
    what: &'static str,
    begin: u64,
}

/// Notes that the caller begins to wait, if there is a trace; for what is told in one or two words.
#[must_use]
pub(crate) fn wait(what: &'static str) -> Option<Wait> {
    super::is_on().then(|| Wait { what, begin: now() })
}

impl Drop for Wait {
    fn drop(&mut self) {
        let time = now().saturating_sub(self.begin);
        spend(|spent| spent.wait += time);
        if time >= SHORT_US {
            event(self.begin, "wait", |object| {
                object.text("for", self.what);
                object.number("us", time);
            });
        }
    }
}
