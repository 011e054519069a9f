//! Random cards and random noise: exactly the right bytes or an error, never wrong bytes, never without end.

use super::card::{Card, answer_to};
use super::*;

struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % sides
    }

    fn byte(&mut self) -> u8 {
        u8::try_from(self.roll(256)).unwrap()
    }

    fn size(&mut self, most: u64) -> usize {
        usize::try_from(self.roll(most)).unwrap()
    }
}

/// What is heard of the card's answer on a bad line.
enum Heard {
    Bytes(Vec<u8>),
    Parity,
    Mute,
    Unusable,
}

/// Damages one byte so that no check code can miss it.
fn damage(dice: &mut Dice, mut block: Vec<u8>) -> Vec<u8> {
    let place = dice.size(block.len() as u64);
    block[place] ^= 1 << dice.roll(8);
    block
}

/// One block to the card and back over a line that spoils one block in `odds` in each direction.
fn line(dice: &mut Dice, card: &mut Card, block: &[u8], expected: bool, odds: u64) -> Heard {
    let mut arriving = block.to_vec();
    if dice.roll(odds) == 0 {
        match dice.roll(3) {
            0 => return Heard::Mute,
            1 => arriving = damage(dice, arriving),
            _ => arriving.truncate(dice.size(arriving.len() as u64).max(1)),
        }
    }
    let resynch = block[1] == 0xC0;
    let mut answer = card.block(&arriving);
    // A card with something else on its mind first.
    if !resynch && card.held.is_none() && dice.roll(odds) == 0 {
        let (code, value) = match dice.roll(2) {
            0 => (0xC3, dice.byte()),
            _ => (0xC1, 16 + dice.byte() % 200),
        };
        let request = card.seal(code, &[value]);
        card.held = Some((code | 0x20, answer));
        answer = request;
    }
    if dice.roll(odds) != 0 {
        return Heard::Bytes(answer);
    }
    match dice.roll(7) {
        0 => Heard::Mute,
        1 => Heard::Parity,
        2 => Heard::Unusable,
        3 => Heard::Bytes(damage(dice, answer)),
        4 => Heard::Bytes(answer[..dice.size(answer.len() as u64)].to_vec()),
        // An I-block that was said before.
        5 => Heard::Bytes(card.seal(u8::from(!expected) << 6, &[0xBA, 0xD0])),
        _ => Heard::Bytes(card.seal(0xE0 | dice.byte() & 3, &[])),
    }
}

#[test]
fn a_bad_line_never_changes_what_is_said() {
    let mut dice = Dice(0x9E37_79B9_7F4A_7C15);
    let (mut done, mut failed, mut resynchronised) = (0, 0, 0);
    for round in 0..6_000_u64 {
        let crc = round % 3 == 0;
        let ifsc = 1 + dice.size(254);
        let edc = if crc { Edc::Crc } else { Edc::Lrc };
        let mut card = Card::new(crc, ifsc.max(216));
        let mut state = State::new(u8::try_from(ifsc).unwrap(), edc);
        let odds = [2, 4, 10, 50][dice.size(4)];
        if dice.roll(2) == 0 {
            let mut exchange = Exchange::ifsd(state, dice.byte());
            drive(&mut dice, &mut card, &mut exchange, odds);
            state = exchange.state();
        }
        for _ in 0..3 {
            let command: Vec<u8> = (0..1 + dice.size(700)).map(|_| dice.byte()).collect();
            let mut response = vec![0; 1000];
            let mut exchange = Exchange::command(state, &command, &mut response);
            let end = drive(&mut dice, &mut card, &mut exchange, odds);
            let len = exchange.response_len();
            state = exchange.state();
            drop(exchange);
            if card.executed.len() > 1 {
                resynchronised += 1;
            }
            assert!(
                card.executed.iter().all(|executed| *executed == command),
                "round {round}"
            );
            card.executed.clear();
            if end == Action::Done {
                assert_eq!(response[..len], answer_to(&command), "round {round}");
                done += 1;
            } else {
                failed += 1;
                break;
            }
        }
    }
    // The test has met all there is to meet.
    assert!(
        done > 3000 && failed > 300 && resynchronised > 300,
        "{done} {failed} {resynchronised}"
    );
}

fn drive(dice: &mut Dice, card: &mut Card, exchange: &mut Exchange<'_>, odds: u64) -> Action {
    let mut action = exchange.start();
    let mut blocks = 0;
    while let Action::Send { .. } = action {
        blocks += 1;
        assert!(blocks < 20_000, "without end");
        let block = exchange.block().to_vec();
        action = match line(dice, card, &block, exchange.state().receive, odds) {
            Heard::Bytes(bytes) => exchange.step(Event::Block(&bytes)),
            Heard::Parity => exchange.step(Event::Parity),
            Heard::Mute => exchange.step(Event::Mute),
            Heard::Unusable => exchange.step(Event::Unusable),
        };
    }
    action
}

#[test]
fn a_perfect_line_never_fails() {
    let mut dice = Dice(0x1234_5678_9ABC_DEF1);
    for ifsc in [1, 2, 16, 31, 32, 100, 253, 254] {
        for len in [1, 2, 31, 32, 33, 254, 255, 5000, 65_544] {
            if len / ifsc > 5000 {
                continue;
            }
            let command: Vec<u8> = (0..len).map(|_| dice.byte()).collect();
            let mut card = Card::new(ifsc % 2 == 0, ifsc);
            let edc = if ifsc % 2 == 0 { Edc::Crc } else { Edc::Lrc };
            let mut response = vec![0; 65_600];
            let state = State::new(u8::try_from(ifsc).unwrap(), edc);
            let mut exchange = Exchange::command(state, &command, &mut response);
            let end = drive(&mut dice, &mut card, &mut exchange, u64::MAX);
            let got = exchange.response_len();
            drop(exchange);
            assert_eq!(end, Action::Done, "IFSC {ifsc}, {len} bytes");
            assert_eq!(response[..got], answer_to(&command));
            assert_eq!(card.executed.len(), 1);
        }
    }
}

#[test]
fn any_bytes_whatever_neither_panic_nor_go_on_for_ever() {
    let mut dice = Dice(0xDEAD_BEEF_0BAD_F00D);
    for round in 0..3_000_u64 {
        let edc = if round % 2 == 0 { Edc::Lrc } else { Edc::Crc };
        let command: Vec<u8> = (0..dice.size(600)).map(|_| dice.byte()).collect();
        let mut response = [0; 64];
        let state = State::decode([
            dice.byte() & !0x4C | if round % 2 == 0 { 0 } else { 4 },
            dice.byte(),
            32,
            32,
        ]);
        let mut exchange = match dice.roll(3) {
            0 => Exchange::ifsd(state, dice.byte()),
            _ => Exchange::command(state, &command, &mut response),
        };
        let sealer = Card::new(edc == Edc::Crc, 254);
        let mut action = exchange.start();
        let mut blocks = 0;
        while let Action::Send { .. } = action {
            blocks += 1;
            assert!(blocks < 20_000, "round {round}: without end");
            let inf: Vec<u8> = (0..dice.size(4)).map(|_| dice.byte()).collect();
            let pcb = [0x00, 0x40, 0x20, 0x60, 0x80, 0x90, 0x81, 0xC1, 0xC2, 0xC3, 0xE0, 0xE1][dice.size(12)];
            let bytes = match dice.roll(4) {
                0 => inf,
                1 => sealer.seal(dice.byte(), &inf),
                _ => sealer.seal(pcb, &inf),
            };
            action = match dice.roll(8) {
                0 => exchange.step(Event::Mute),
                1 => exchange.step(Event::Parity),
                _ => exchange.step(Event::Block(&bytes)),
            };
        }
    }
}
