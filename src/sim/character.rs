//! The card's I/O line at character level: bytes in, bytes out, the host does the rest (CCID 1.1 §3.2.1).

use std::collections::VecDeque;
use std::time::Duration;

use super::card::Card;
use super::t0::T0;
use super::t1::T1;

/// Bytes a card takes before it makes something of them; more than the longest block.
const INPUT_LEN: usize = 300;

/// The line of one slot.
#[derive(Debug, Default)]
pub(super) struct Line {
    input: Vec<u8>,
    output: VecDeque<u8>,
}

impl Line {
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Puts bytes on the card's output, as a PPS answer.
    pub(super) fn answer(&mut self, bytes: &[u8]) {
        self.output.extend(bytes);
    }

    /// Up to `len` bytes of what the card has said.
    pub(super) fn read(&mut self, len: usize) -> Vec<u8> {
        self.output.drain(..len.min(self.output.len())).collect()
    }

    /// T=0 (ISO 7816-3 §10.3): header, procedure byte, then data in the direction the command has.
    pub(super) fn t0(&mut self, card: &mut dyn Card, t0: &mut T0, bytes: &[u8]) -> Duration {
        self.write(bytes);
        let Some((&header, data)) = self.input.split_first_chunk::<5>() else {
            return Duration::ZERO;
        };
        let [_, ins, _, _, p3] = header;
        let inward = card.takes_data(header);
        if inward && data.len() < usize::from(p3) {
            // INS as procedure byte: send all of it.
            if data.is_empty() {
                self.output.push_back(ins);
            }
            return Duration::ZERO;
        }
        let tpdu = std::mem::take(&mut self.input);
        let answer = t0.tpdu(card, &tpdu);
        if !inward && answer.len() > 2 {
            self.output.push_back(ins);
        }
        self.output.extend(answer);
        card.delay()
    }

    /// T=1: the block is complete with the byte its LEN announces.
    pub(super) fn t1(&mut self, card: &mut dyn Card, t1: &mut T1, bytes: &[u8], block_time: Duration) -> Duration {
        self.write(bytes);
        let complete = self
            .input
            .get(2)
            .is_some_and(|&len| self.input.len() >= usize::from(len) + 4);
        if !complete {
            return Duration::ZERO;
        }
        let block = std::mem::take(&mut self.input);
        let (answer, delay) = t1.block(card, &block, block_time);
        self.output.extend(answer);
        delay
    }

    /// A host that writes drops what it has not read, as on a half-duplex line.
    fn write(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.output.clear();
        }
        self.input
            .extend(bytes.iter().take(INPUT_LEN.saturating_sub(self.input.len())));
    }
}
