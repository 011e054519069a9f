//! The T=1 engine against whatever blocks a card sends (ISO 7816-3 §11): it ends, and stays inside its buffer.

use crate::input::Input;
use winscard::iso7816::t1::{Action, Edc, Event, Exchange, State};

/// Longest block: prologue, 254 bytes, CRC.
const MAX_BLOCK_LEN: usize = 259;

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let state = State::decode([input.u8(), input.u8(), input.u8(), input.u8()]);
    let command_len = usize::from(input.u16() % 700);
    let command = vec![0xA5; command_len];
    let mut response = vec![0; usize::from(input.u8()) * 3];
    let how = input.below(4);
    let mut exchange = match how {
        0 => Exchange::ifsd(state, input.u8()),
        1 => Exchange::command(state, &command, &mut response).with_room(usize::from(input.u8()).max(1)),
        _ => Exchange::command(state, &command, &mut response),
    };
    let mut action = exchange.start();
    let mut steps = 0_u32;
    loop {
        match action {
            Action::Send { .. } => {
                let block = exchange.block();
                assert!((4..=MAX_BLOCK_LEN).contains(&block.len()), "{block:02X?}");
                assert_eq!(usize::from(block[2]) + 3 + state.edc().len(), block.len());
            }
            Action::Repeat => {}
            Action::Done | Action::Failed(_) => break,
        }
        steps += 1;
        assert!(steps < 100_000, "without end");
        action = if input.is_empty() {
            exchange.step(Event::Mute)
        } else {
            step(&mut exchange, &mut input, state)
        };
    }
    let left = exchange.state();
    assert_eq!(State::decode(left.encode()).ifsc(), left.ifsc());
    assert!(exchange.response_len() <= 0x0004_0000 + 254);
}

fn step(exchange: &mut Exchange<'_>, input: &mut Input<'_>, state: State) -> Action {
    match input.u8() {
        0 => exchange.step(Event::Mute),
        1 => exchange.step(Event::Parity),
        2 => exchange.step(Event::Unusable),
        3 => exchange.step(Event::Block(input.counted())),
        // A block that is whole: NAD, PCB, LEN, INF, EDC.
        kind => {
            let pcb = match kind % 4 {
                0 => input.u8(),
                1 => kind & 0x60,
                2 => 0x80 | kind & 0x13,
                _ => 0xC0 | kind & 0x23,
            };
            let inf = input.counted();
            let inf = &inf[..inf.len().min(254)];
            let mut block = vec![0, pcb, u8::try_from(inf.len()).unwrap_or(0)];
            block.extend(inf);
            seal(&mut block, state.edc());
            exchange.step(Event::Block(&block))
        }
    }
}

/// Appends the check code.
fn seal(block: &mut Vec<u8>, edc: Edc) {
    let remainder = block.iter().fold(0xFFFF_u16, |sum, byte| {
        (0..8).fold(sum ^ u16::from(*byte), |sum, _| {
            sum >> 1 ^ if sum & 1 == 1 { 0x8408 } else { 0 }
        })
    });
    match edc {
        Edc::Lrc => block.push(block.iter().fold(0, |sum, byte| sum ^ byte)),
        Edc::Crc => block.extend(remainder.to_be_bytes()),
        Edc::CrcComplement => block.extend((!remainder).to_le_bytes()),
    }
}
