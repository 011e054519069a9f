#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod block;
mod card;
mod defects;
mod engine;
mod noise;

use super::*;

/// A block with LRC.
fn lrc(bytes: &[u8]) -> Vec<u8> {
    let sum = bytes.iter().fold(0, |sum, byte| sum ^ byte);
    [bytes, &[sum]].concat()
}

/// An I-block with LRC.
fn information(pcb: u8, inf: &[u8]) -> Vec<u8> {
    lrc(&[&[0, pcb, u8::try_from(inf.len()).unwrap()], inf].concat())
}

/// What a scripted card does.
enum Card {
    Says(Vec<u8>),
    Does(Event<'static>),
}

use Card::{Does, Says};

/// Plays a script: each block that must be sent, and what the card does then. Returns what comes after the last step.
fn play(exchange: &mut Exchange<'_>, script: &[(Vec<u8>, Card)]) -> Action {
    let mut action = exchange.start();
    for (index, (expected, card)) in script.iter().enumerate() {
        assert!(matches!(action, Action::Send { .. }), "step {index}: {action:?}");
        assert_eq!(exchange.block(), expected, "step {index}");
        action = match card {
            Says(bytes) => exchange.step(Event::Block(bytes)),
            Does(event) => exchange.step(*event),
        };
    }
    action
}

/// State of a card with LRC that takes 4 bytes at a time.
fn small() -> State {
    State::new(4, Edc::Lrc)
}
