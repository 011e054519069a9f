//! The character protocol T=0 as the interface device plays it, procedure bytes and all, without any I/O.
//!
//! Needed where the reader passes on single characters; others do this themselves.
// ISO 7816-3 §10.3

/// NULL procedure bytes in one exchange; each starts the work waiting time anew.
const MAX_NULLS: u32 = 10_000;

/// Procedure bytes in one exchange that are no NULL; the longest has one for each of 256 bytes and two of status.
const MAX_PROCEDURE_BYTES: u32 = 600;

/// Length of CLA INS P1 P2 P3.
const HEADER_LEN: usize = 5;

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action<'a> {
    /// Send these bytes (perhaps none), then read this many.
    Transfer {
        /// To the card.
        send: &'a [u8],
        /// From the card, at least 1.
        expect: usize,
    },
    /// All done.
    Done,
    /// The card broke the protocol; the text says how.
    Failed(&'static str),
}

/// Why bytes are no TPDU. Nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Shorter than CLA INS P1 P2, or not as long as P3 says. That includes commands with data in both directions, which
    /// T=0 does not have: the caller sends the data first and then GET RESPONSE.
    Length,
    /// INS 6x and 9x look like status bytes.
    Instruction,
}

/// What the next byte is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Procedure,
    /// This many bytes of data.
    Data(usize),
    /// SW2 after this SW1.
    Status(u8),
    Over,
}

/// See the module.
#[derive(Debug)]
pub struct Exchange<'a> {
    header: [u8; HEADER_LEN],
    /// Command data not sent yet.
    outgoing: &'a [u8],
    /// Response data not received yet.
    incoming: usize,
    response: &'a mut [u8],
    received: usize,
    phase: Phase,
    nulls: u32,
    procedure_bytes: u32,
}

impl<'a> Exchange<'a> {
    /// An exchange of the TPDU `command` (4 bytes, 5 bytes, or 5 and as many as P3 says), for data and status; as much of
    /// them as fits goes into `response`.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn new(command: &'a [u8], response: &'a mut [u8]) -> Result<Self, Refusal> {
        let (&[class, instruction, p1, p2], body) = command.split_first_chunk::<4>().ok_or(Refusal::Length)?;
        if matches!(instruction >> 4, 6 | 9) {
            return Err(Refusal::Instruction);
        }
        let (p3, outgoing, incoming): (u8, &[u8], usize) = match *body {
            [] => (0, &[], 0),
            [0] => (0, &[], 256),
            [p3] => (p3, &[], p3.into()),
            [p3, ref data @ ..] if data.len() == usize::from(p3) => (p3, data, 0),
            _ => return Err(Refusal::Length),
        };
        Ok(Self {
            header: [class, instruction, p1, p2, p3],
            outgoing,
            incoming,
            response,
            received: 0,
            phase: Phase::Procedure,
            nulls: 0,
            procedure_bytes: 0,
        })
    }

    /// The first transfer: the header, for a procedure byte.
    #[must_use]
    pub fn start(&self) -> Action<'_> {
        Action::Transfer {
            send: &self.header,
            expect: 1,
        }
    }

    /// What to do after these bytes have come; at most as many as were expected.
    pub fn step(&mut self, bytes: &[u8]) -> Action<'_> {
        if bytes.is_empty() {
            return self.fail("no character from the card");
        }
        match (self.phase, bytes) {
            (Phase::Procedure, &[byte]) => self.procedure_byte(byte),
            (Phase::Status(sw1), &[sw2]) => {
                self.keep(&[sw1, sw2]);
                self.phase = Phase::Over;
                Action::Done
            }
            (Phase::Data(wanted), data) if data.len() <= wanted => {
                self.keep(data);
                self.incoming = self.incoming.saturating_sub(data.len());
                match wanted - data.len() {
                    0 => self.read_procedure_byte(),
                    left => self.read_data(left),
                }
            }
            _ => self.fail("more characters than were asked for"),
        }
    }

    /// Length of data and status, which may be more than the buffer took.
    #[must_use]
    pub fn response_len(&self) -> usize {
        self.received
    }

    // ISO 7816-3 §10.3.3
    fn procedure_byte(&mut self, byte: u8) -> Action<'_> {
        let [_, instruction, ..] = self.header;
        if byte == 0x60 {
            self.nulls += 1;
            return if self.nulls > MAX_NULLS {
                self.fail("NULL without end")
            } else {
                self.read_procedure_byte()
            };
        }
        self.procedure_bytes += 1;
        if self.procedure_bytes > MAX_PROCEDURE_BYTES {
            return self.fail("procedure bytes without end");
        }
        if matches!(byte >> 4, 6 | 9) {
            self.phase = Phase::Status(byte);
            return Action::Transfer { send: &[], expect: 1 };
        }
        // Bit 1 of the acknowledgement once switched the programming voltage.
        match byte ^ instruction {
            0x00 | 0x01 => self.transfer(usize::MAX),
            0xFF | 0xFE => self.transfer(1),
            _ => self.fail("a byte that is neither acknowledgement nor status"),
        }
    }

    /// Up to `most` bytes of data in whatever direction they go.
    fn transfer(&mut self, most: usize) -> Action<'_> {
        if !self.outgoing.is_empty() {
            let len = self.outgoing.len().min(most);
            let (send, rest) = self.outgoing.split_at_checked(len).unwrap_or_default();
            self.outgoing = rest;
            self.phase = Phase::Procedure;
            return Action::Transfer { send, expect: 1 };
        }
        match self.incoming.min(most) {
            0 => self.read_procedure_byte(),
            len => self.read_data(len),
        }
    }

    fn read_data(&mut self, len: usize) -> Action<'_> {
        self.phase = Phase::Data(len);
        Action::Transfer { send: &[], expect: len }
    }

    fn read_procedure_byte(&mut self) -> Action<'_> {
        self.phase = Phase::Procedure;
        Action::Transfer { send: &[], expect: 1 }
    }

    fn fail(&mut self, why: &'static str) -> Action<'_> {
        self.phase = Phase::Over;
        Action::Failed(why)
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = self.response.get_mut(self.received..).unwrap_or_default();
        for (to, from) in room.iter_mut().zip(bytes) {
            *to = *from;
        }
        self.received += bytes.len();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]
    use super::*;

    /// What was sent, and how much expected.
    type Sent = (Vec<u8>, usize);

    /// Plays `card`, pieces of what it says, one per transfer; returns what was sent with what was expected, and the end.
    fn play(command: &[u8], card: &[&[u8]]) -> (Vec<Sent>, Result<Vec<u8>, &'static str>) {
        let mut response = [0; 300];
        let mut sent = Vec::new();
        let mut exchange = Exchange::new(command, &mut response).unwrap();
        let mut card = card.iter();
        let mut action = exchange.start();
        loop {
            match action {
                Action::Transfer { send, expect } => {
                    sent.push((send.to_vec(), expect));
                    action = exchange.step(card.next().copied().unwrap_or_default());
                }
                Action::Done => break,
                Action::Failed(why) => return (sent, Err(why)),
            }
        }
        let len = exchange.response_len();
        (sent, Ok(response[..len].to_vec()))
    }

    const OUT: &[u8] = &[0x00, 0xD6, 0x00, 0x00, 3, 7, 8, 9];
    const IN: &[u8] = &[0x00, 0xB0, 0x00, 0x00, 3];

    #[test]
    fn all_data_at_once() {
        let (sent, end) = play(OUT, &[&[0xD6], &[0x90], &[0x00]]);
        assert_eq!(sent, [(OUT[..5].to_vec(), 1), (vec![7, 8, 9], 1), (vec![], 1)]);
        assert_eq!(end, Ok(vec![0x90, 0x00]));
        let (sent, end) = play(IN, &[&[0xB1], &[1, 2, 3], &[0x90], &[0x00]]);
        assert_eq!(sent[1..], [(vec![], 3), (vec![], 1), (vec![], 1)]);
        assert_eq!(end, Ok(vec![1, 2, 3, 0x90, 0x00]));
    }

    #[test]
    fn byte_by_byte_and_then_the_rest() {
        let (sent, end) = play(OUT, &[&[0x29], &[0x60], &[0x28], &[0xD7], &[0x91], &[0x00]]);
        assert_eq!(
            sent[1..],
            [(vec![7], 1), (vec![], 1), (vec![8], 1), (vec![9], 1), (vec![], 1)]
        );
        assert_eq!(end, Ok(vec![0x91, 0x00]));
        let (_, end) = play(IN, &[&[0x4F], &[1], &[0x4E], &[2], &[0xB0], &[3], &[0x61], &[0x10]]);
        assert_eq!(end, Ok(vec![1, 2, 3, 0x61, 0x10]));
    }

    #[test]
    fn status_may_come_at_any_procedure_byte() {
        assert_eq!(play(OUT, &[&[0x6A], &[0x82]]).1, Ok(vec![0x6A, 0x82]));
        assert_eq!(play(IN, &[&[0x4F], &[1], &[0x6F], &[0x00]]).1, Ok(vec![1, 0x6F, 0x00]));
        // SW2 may look like anything.
        assert_eq!(play(IN, &[&[0x6C], &[0x60]]).1, Ok(vec![0x6C, 0x60]));
    }

    #[test]
    fn case_1_goes_with_p3_of_0_and_case_2_of_0_means_256() {
        let (sent, end) = play(&[0, 0x44, 0, 0], &[&[0x90], &[0x00]]);
        assert_eq!(sent[0].0, [0, 0x44, 0, 0, 0]);
        assert_eq!(end, Ok(vec![0x90, 0x00]));
        let data = [5; 256];
        let (sent, end) = play(
            &[0, 0xB0, 0, 0, 0],
            &[&[0xB0], &data[..100], &data[100..], &[0x90], &[0]],
        );
        assert_eq!(sent[1..3], [(vec![], 256), (vec![], 156)]);
        assert_eq!(end.unwrap().len(), 258);
    }

    #[test]
    fn data_in_both_directions_and_lengths_that_lie_are_refused() {
        let mut response = [0; 2];
        for command in [
            &[0, 0xA4, 0][..],
            &[0, 0xA4, 0, 0, 2, 1],
            &[0, 0xA4, 0, 0, 2, 1, 2, 0],
            &[0, 0xA4, 0, 0, 0, 0, 1],
        ] {
            assert_eq!(Exchange::new(command, &mut response).unwrap_err(), Refusal::Length);
        }
        for instruction in [0x60, 0x6F, 0x90, 0x9F] {
            let command = [0, instruction, 0, 0];
            assert_eq!(
                Exchange::new(&command, &mut response).unwrap_err(),
                Refusal::Instruction
            );
        }
    }

    #[test]
    fn null_without_end_comes_to_an_end() {
        let mut response = [0; 2];
        let mut exchange = Exchange::new(IN, &mut response).unwrap();
        let count = (0..20_000)
            .take_while(|_| exchange.step(&[0x60]) != Action::Failed("NULL without end"))
            .count();
        assert_eq!(count, 10_000);
    }

    #[test]
    fn acknowledgements_without_data_left_come_to_an_end() {
        let mut response = [0; 2];
        let mut exchange = Exchange::new(OUT, &mut response).unwrap();
        let count = (0..20_000)
            .take_while(|_| !matches!(exchange.step(&[0x29]), Action::Failed(_)))
            .count();
        assert_eq!(count, 600);
    }

    #[test]
    fn a_card_that_acknowledges_byte_by_byte_cannot_overflow_a_small_buffer() {
        let mut response = [0xEE; 3];
        let mut exchange = Exchange::new(&[0, 0xB0, 0, 0, 0], &mut response[..2]).unwrap();
        let mut byte = 0xB0 ^ 0xFF;
        while !matches!(exchange.step(&[byte]), Action::Failed(_)) {
            byte = if exchange.phase == Phase::Procedure {
                0xB0 ^ 0xFF
            } else {
                1
            };
        }
        assert_eq!(response, [1, 1, 0xEE]);
    }

    #[test]
    fn other_bytes_and_too_many_of_them_fail() {
        assert!(play(IN, &[&[0x55]]).1.is_err());
        assert!(play(IN, &[&[0xB0, 1]]).1.is_err());
        assert!(play(IN, &[&[0xB0], &[1, 2, 3, 4]]).1.is_err());
        assert!(play(IN, &[&[]]).1.is_err());
    }
}
