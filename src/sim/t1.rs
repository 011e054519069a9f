//! The card's side of T=1 (ISO 7816-3 §11): one block in, one block out. EDC is LRC.

use std::time::Duration;

use super::card::Card;

const R_BLOCK: u8 = 0x80;
const S_BLOCK: u8 = 0xC0;
const S_RESPONSE: u8 = 0x20;
const RESYNCH: u8 = 0xC0;
const IFS: u8 = 0xC1;
const ABORT: u8 = 0xC2;
const WTX: u8 = 0xC3;
const MORE: u8 = 0x20;
/// IFS of both sides until told otherwise (ISO 7816-3 §11.4.2).
const DEFAULT_IFS: usize = 32;

/// Why a block is refused, as told in the R-block (ISO 7816-3 §11.3.2.2).
const EDC_ERROR: u8 = 1;
const OTHER_ERROR: u8 = 2;

/// State of the protocol in the card.
#[derive(Debug)]
pub(super) struct T1 {
    /// N(S) of the card's next I-block.
    send: bool,
    /// N(S) expected of the reader's next I-block.
    expect: bool,
    /// Longest information field the reader takes (IFSD).
    ifsd: usize,
    /// The parts of a chained command so far.
    command: Vec<u8>,
    /// What has not been sent of the answer.
    answer: Vec<u8>,
    /// The last block sent, for repetition.
    last: Vec<u8>,
    /// An answer that waits for the S(WTX response), with the time it takes.
    held: Option<(Vec<u8>, Duration)>,
}

impl Default for T1 {
    fn default() -> Self {
        Self {
            send: false,
            expect: false,
            ifsd: DEFAULT_IFS,
            command: Vec::new(),
            answer: Vec::new(),
            last: Vec::new(),
            held: None,
        }
    }
}

impl T1 {
    /// Answers one block. `block_time` is the BWT: a card that takes longer asks for more time first (rule 3).
    pub(super) fn block(&mut self, card: &mut dyn Card, input: &[u8], block_time: Duration) -> (Vec<u8>, Duration) {
        let nad = input.first().map_or(0, |nad| nad.rotate_left(4));
        let mut delay = Duration::ZERO;
        let answer = match parse(input) {
            Err(error) => self.refuse(error),
            Ok((pcb, inf)) if pcb & 0x80 == 0 => self.information(card, pcb, inf, block_time, &mut delay),
            Ok((pcb, _)) if pcb & 0xC0 == R_BLOCK => self.acknowledgement(pcb),
            Ok((pcb, inf)) => self.supervisory(pcb, inf, &mut delay),
        };
        let block = seal(nad, answer);
        self.last.clone_from(&block);
        (block, delay)
    }

    /// I-block: PCB and INF of the answer (rules 2.1, 2.2, 5).
    fn information(
        &mut self,
        card: &mut dyn Card,
        pcb: u8,
        inf: &[u8],
        block_time: Duration,
        delay: &mut Duration,
    ) -> (u8, Vec<u8>) {
        if (pcb & 0x40 != 0) != self.expect || !self.answer.is_empty() || self.held.is_some() {
            return self.refuse(OTHER_ERROR);
        }
        self.expect = !self.expect;
        self.command.extend(inf);
        if pcb & MORE != 0 {
            return self.refuse(0);
        }
        let command = std::mem::take(&mut self.command);
        self.answer = card.apdu(&command);
        let first = self.next_part();
        let time = card.delay();
        if time > block_time && !block_time.is_zero() {
            let multiplier = time
                .as_millis()
                .div_ceil(block_time.as_millis().max(1))
                .saturating_add(1);
            self.held = Some((seal(0, first), time));
            return (WTX, vec![u8::try_from(multiplier).unwrap_or(u8::MAX)]);
        }
        *delay = time;
        first
    }

    /// R-block: the next part of the answer, or the last block once more (rules 2.2, 7.2).
    fn acknowledgement(&mut self, pcb: u8) -> (u8, Vec<u8>) {
        let expected_by_reader = pcb & 0x10 != 0;
        if !self.answer.is_empty() && self.held.is_none() && expected_by_reader == self.send {
            return self.next_part();
        }
        self.repeat()
    }

    fn supervisory(&mut self, pcb: u8, inf: &[u8], delay: &mut Duration) -> (u8, Vec<u8>) {
        match (pcb, inf) {
            (RESYNCH, []) => {
                // Rule 6: sequence numbers and IFSD start anew.
                *self = Self::default();
                (RESYNCH | S_RESPONSE, Vec::new())
            }
            (IFS, &[ifsd @ 1..=254]) => {
                self.ifsd = usize::from(ifsd);
                (IFS | S_RESPONSE, vec![ifsd])
            }
            (ABORT, []) => {
                self.command.clear();
                self.answer.clear();
                (ABORT | S_RESPONSE, Vec::new())
            }
            (pcb, [_]) if pcb == WTX | S_RESPONSE => match self.held.take() {
                Some((block, time)) => {
                    *delay = time;
                    content(&block)
                }
                None => self.refuse(OTHER_ERROR),
            },
            _ => self.refuse(OTHER_ERROR),
        }
    }

    /// The next I-block of the answer, chained if it does not fit.
    fn next_part(&mut self) -> (u8, Vec<u8>) {
        let rest = self.answer.split_off(self.ifsd.min(self.answer.len()));
        let part = std::mem::replace(&mut self.answer, rest);
        let mut pcb = if self.send { 0x40 } else { 0 };
        if !self.answer.is_empty() {
            pcb |= MORE;
        }
        self.send = !self.send;
        (pcb, part)
    }

    /// An R-block; error 0 acknowledges (rule 7.1, 7.5).
    fn refuse(&self, error: u8) -> (u8, Vec<u8>) {
        (R_BLOCK | if self.expect { 0x10 } else { 0 } | error, Vec::new())
    }

    fn repeat(&self) -> (u8, Vec<u8>) {
        if self.last.is_empty() {
            self.refuse(OTHER_ERROR)
        } else {
            content(&self.last)
        }
    }
}

/// PCB and INF of a good block.
fn parse(block: &[u8]) -> Result<(u8, &[u8]), u8> {
    let (&[_, pcb, len], rest) = block.split_first_chunk::<3>().ok_or(OTHER_ERROR)?;
    let (_, inf) = rest.split_last().ok_or(OTHER_ERROR)?;
    if lrc(block) != 0 {
        return Err(EDC_ERROR);
    }
    if inf.len() != usize::from(len) || len == 0xFF {
        return Err(OTHER_ERROR);
    }
    // Bit 6 of an R-block is 0; every S-block has its own form, checked where it is handled.
    if pcb & S_BLOCK == R_BLOCK && (pcb & 0x20 != 0 || len != 0) {
        return Err(OTHER_ERROR);
    }
    Ok((pcb, inf))
}

/// PCB and INF of a block this side has made.
fn content(block: &[u8]) -> (u8, Vec<u8>) {
    parse(block).map_or((R_BLOCK | OTHER_ERROR, Vec::new()), |(pcb, inf)| (pcb, inf.to_vec()))
}

/// A whole block with LEN and LRC.
pub(super) fn seal(nad: u8, (pcb, inf): (u8, Vec<u8>)) -> Vec<u8> {
    let mut block = vec![nad, pcb, u8::try_from(inf.len()).unwrap_or(0)];
    block.extend(inf);
    block.push(lrc(&block));
    block
}

fn lrc(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, byte| sum ^ byte)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
mod tests {
    use super::*;
    use crate::sim::builtin::BuiltinCard;
    use crate::sim::card::Reset;

    const BWT: Duration = Duration::from_secs(1);

    fn start() -> (BuiltinCard, T1) {
        let mut card = BuiltinCard::default();
        card.reset(Reset::Cold);
        (card, T1::default())
    }

    fn ask(card: &mut BuiltinCard, t1: &mut T1, pcb: u8, inf: &[u8]) -> (u8, Vec<u8>) {
        let (block, _) = t1.block(card, &seal(0, (pcb, inf.to_vec())), BWT);
        let (pcb, inf) = parse(&block).unwrap();
        (pcb, inf.to_vec())
    }

    #[test]
    fn i_blocks_alternate_and_a_repeated_one_is_refused() {
        let (mut card, mut t1) = start();
        assert_eq!(ask(&mut card, &mut t1, 0x00, &[0, 0x84, 0, 0, 1]).0, 0x00);
        assert_eq!(ask(&mut card, &mut t1, 0x00, &[0, 0x84, 0, 0, 1]).0, 0x92);
        assert_eq!(ask(&mut card, &mut t1, 0x40, &[0, 0x84, 0, 0, 1]).0, 0x40);
    }

    #[test]
    fn chaining_both_ways() {
        let (mut card, mut t1) = start();
        let apdu = [&[0x80, 0x12, 0, 0, 40][..], &[7; 40], &[0]].concat();
        assert_eq!(ask(&mut card, &mut t1, 0x20, &apdu[..20]), (0x90, vec![]));
        assert_eq!(ask(&mut card, &mut t1, 0x60, &apdu[20..40]), (0x80, vec![]));
        assert_eq!(ask(&mut card, &mut t1, 0x00, &apdu[40..]), (0x20, vec![7; 32]));
        let rest = [&[7; 8][..], &[0x90, 0x00]].concat();
        assert_eq!(ask(&mut card, &mut t1, 0x90, &[]), (0x40, rest.clone()));
        assert_eq!(ask(&mut card, &mut t1, 0x90, &[]), (0x40, rest), "asked for once more");
    }

    #[test]
    fn bad_edc_and_bad_length_are_told_apart() {
        let (mut card, mut t1) = start();
        let mut block = seal(0, (0x00, vec![0, 0x84, 0, 0, 1]));
        *block.last_mut().unwrap() ^= 1;
        assert_eq!(t1.block(&mut card, &block, BWT).0, seal(0, (0x81, vec![])));
        let short = [0, 0, 9, 1, 8];
        assert_eq!(t1.block(&mut card, &short, BWT).0, seal(0, (0x82, vec![])));
        assert_eq!(t1.block(&mut card, &[], BWT).0, seal(0, (0x82, vec![])));
    }

    #[test]
    fn s_blocks_ifs_resynch_and_abort() {
        let (mut card, mut t1) = start();
        assert_eq!(ask(&mut card, &mut t1, 0xC1, &[254]), (0xE1, vec![254]));
        assert_eq!(ask(&mut card, &mut t1, 0x00, &[0x80, 0x12, 0, 200, 0]).1.len(), 202);
        assert_eq!(
            ask(&mut card, &mut t1, 0xC1, &[255]).0,
            0x92,
            "IFS of 255 is not allowed"
        );
        assert_eq!(ask(&mut card, &mut t1, 0xC0, &[]), (0xE0, vec![]));
        assert_eq!(
            ask(&mut card, &mut t1, 0x00, &[0x80, 0x12, 0, 200, 0]),
            (0x20, (0..32).collect())
        );
        assert_eq!(ask(&mut card, &mut t1, 0xC2, &[]), (0xE2, vec![]));
    }

    #[test]
    fn a_slow_card_asks_for_more_time() {
        let (mut card, mut t1) = start();
        assert_eq!(
            ask(&mut card, &mut t1, 0x00, &[0x80, 0x10, 0x09, 0xC4]),
            (0xC3, vec![4])
        );
        let (block, delay) = t1.block(&mut card, &seal(0, (0xE3, vec![4])), BWT);
        assert_eq!(
            (block, delay),
            (seal(0, (0x00, vec![0x90, 0])), Duration::from_millis(2500))
        );
    }
}
