//! The card's side of T=1 (ISO 7816-3 §11): one block in, one block out.

use std::time::Duration;

use super::card::{Card, Offer};

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
const LONGEST: usize = 254;

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
    /// Longest one the card takes (IFSC).
    ifsc: usize,
    /// CRC instead of LRC.
    crc: bool,
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
            ifsc: LONGEST,
            crc: false,
            command: Vec::new(),
            answer: Vec::new(),
            last: Vec::new(),
            held: None,
        }
    }
}

impl T1 {
    /// After a reset, of a card that has announced this.
    pub(super) fn of(offer: &Offer) -> Self {
        Self {
            ifsc: usize::from(offer.ifsc).clamp(1, LONGEST),
            crc: offer.crc,
            ..Self::default()
        }
    }

    /// A whole block with LEN and check code.
    pub(super) fn seal(&self, nad: u8, content: (u8, Vec<u8>)) -> Vec<u8> {
        sealed(self.crc, nad, content)
    }

    /// Answers one block. `block_time` is the BWT: a card that takes longer asks for more time first (rule 3).
    pub(super) fn block(&mut self, card: &mut dyn Card, input: &[u8], block_time: Duration) -> (Vec<u8>, Duration) {
        let nad = input.first().map_or(0, |nad| nad.rotate_left(4));
        let mut delay = Duration::ZERO;
        let answer = match parse(input, self.crc) {
            Err(error) => self.refuse(error),
            Ok((pcb, inf)) if pcb & 0x80 == 0 => self.information(card, pcb, inf, block_time, &mut delay),
            Ok((pcb, _)) if pcb & 0xC0 == R_BLOCK => self.acknowledgement(pcb),
            Ok((pcb, inf)) => self.supervisory(pcb, inf, &mut delay),
        };
        let block = self.seal(nad, answer);
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
        if inf.len() > self.ifsc {
            return self.refuse(OTHER_ERROR);
        }
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
            self.held = Some((self.seal(0, first), time));
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
                let (crc, ifsc) = (self.crc, self.ifsc);
                *self = Self {
                    crc,
                    ifsc,
                    ..Self::default()
                };
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
                    content(&block, self.crc)
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
            content(&self.last, self.crc)
        }
    }
}

/// PCB and INF of a good block.
fn parse(block: &[u8], crc: bool) -> Result<(u8, &[u8]), u8> {
    let (&[_, pcb, len], rest) = block.split_first_chunk::<3>().ok_or(OTHER_ERROR)?;
    let epilogue_len = if crc { 2 } else { 1 };
    let inf_len = rest.len().checked_sub(epilogue_len).ok_or(OTHER_ERROR)?;
    let (inf, epilogue) = rest.split_at_checked(inf_len).ok_or(OTHER_ERROR)?;
    let checked = block.get(..3 + inf_len).unwrap_or_default();
    if epilogue != check_code(crc, checked) {
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
fn content(block: &[u8], crc: bool) -> (u8, Vec<u8>) {
    parse(block, crc).map_or((R_BLOCK | OTHER_ERROR, Vec::new()), |(pcb, inf)| (pcb, inf.to_vec()))
}

/// A whole block with LEN and LRC.
#[cfg(test)]
pub(super) fn seal(nad: u8, content: (u8, Vec<u8>)) -> Vec<u8> {
    sealed(false, nad, content)
}

fn sealed(crc: bool, nad: u8, (pcb, inf): (u8, Vec<u8>)) -> Vec<u8> {
    let mut block = vec![nad, pcb, u8::try_from(inf.len()).unwrap_or(0)];
    block.extend(inf);
    let code = check_code(crc, &block);
    block.extend(code);
    block
}

/// The CRC is the plain remainder, high byte first, as cards in the field have it.
fn check_code(crc: bool, bytes: &[u8]) -> Vec<u8> {
    if !crc {
        return vec![bytes.iter().fold(0, |sum, byte| sum ^ byte)];
    }
    // The register shifts left over bits that come low one first.
    let bits = bytes
        .iter()
        .flat_map(|byte| (0..8).map(move |bit| u16::from(byte >> bit & 1)));
    let register = bits.fold(0xFFFF_u16, |register, bit| {
        let carry = register >> 15 ^ bit;
        register << 1 ^ (carry * 0x1021)
    });
    register.reverse_bits().to_be_bytes().to_vec()
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
        let (pcb, inf) = parse(&block, false).unwrap();
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
    fn crc_and_ifsc_are_those_of_the_atr() {
        let (mut card, _) = start();
        // TA3 = 4, TC3 = 1.
        let offer = Offer::parse(&[0x3B, 0x80, 0x81, 0x51, 4, 1]);
        let mut t1 = T1::of(&offer);
        let ifs = [0x00, 0xC1, 0x01, 0xFE, 0x54, 0x4E];
        assert_eq!(t1.block(&mut card, &ifs, BWT).0, [0x00, 0xE1, 0x01, 0xFE, 0x57, 0x75]);
        let long = t1.seal(0, (0x00, vec![0, 0x84, 0, 0, 1]));
        assert_eq!(t1.block(&mut card, &long, BWT).0, t1.seal(0, (0x82, vec![])));
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
