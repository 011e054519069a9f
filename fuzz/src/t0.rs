//! The T=0 machine against whatever characters a card sends (ISO 7816-3 §10.3): it ends, and stays inside its buffer.

use crate::input::Input;
use winscard::iso7816::t0::{Action, Exchange};

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let command = input.counted();
    let mut response = vec![0; usize::from(input.u16() % 300)];
    let Ok(mut exchange) = Exchange::new(command, &mut response) else {
        return;
    };
    let mut wanted = match exchange.start() {
        Action::Transfer { send, expect } => {
            assert_eq!((send.len(), expect), (5, 1));
            expect
        }
        Action::Done | Action::Failed(_) => unreachable!("nothing was sent yet"),
    };
    let mut steps = 0_u32;
    loop {
        steps += 1;
        assert!(steps < 100_000, "without end");
        // Mostly what was asked for; at times fewer, none or too many.
        let len = match input.u8() {
            len @ 0..=15 => usize::from(len),
            _ => wanted,
        };
        match exchange.step(input.bytes(len)) {
            Action::Transfer { send, expect } => {
                assert!(expect >= 1 && expect <= 256 && send.len() <= 255);
                wanted = expect;
            }
            Action::Done | Action::Failed(_) => break,
        }
    }
    assert!(exchange.response_len() <= 256 + 256 + 2);
}
