//! A T=1 card that keeps to the standard, written apart from the engine, to be made to misbehave by `noise`.

/// The card's side. It answers every command with the command's bytes plus one each, then 90 00.
#[derive(Debug)]
pub(super) struct Card {
    crc: bool,
    ifsc: usize,
    pub(super) ifsd: usize,
    /// N(S) of its next I-block.
    pub(super) send: u8,
    /// N(S) it expects.
    pub(super) expect: u8,
    command: Vec<u8>,
    answer: Vec<u8>,
    last: Vec<u8>,
    /// The S-request it has sent and waits for the response to, and what to do afterwards.
    pub(super) held: Option<(u8, Vec<u8>)>,
    /// Commands carried out.
    pub(super) executed: Vec<Vec<u8>>,
}

/// What the card would answer to `command`.
pub(super) fn answer_to(command: &[u8]) -> Vec<u8> {
    let mut answer: Vec<u8> = command.iter().map(|byte| byte.wrapping_add(1)).collect();
    answer.extend([0x90, 0x00]);
    answer
}

impl Card {
    pub(super) fn new(crc: bool, ifsc: usize) -> Self {
        Self {
            crc,
            ifsc,
            ifsd: 32,
            send: 0,
            expect: 0,
            command: Vec::new(),
            answer: Vec::new(),
            last: Vec::new(),
            held: None,
            executed: Vec::new(),
        }
    }

    pub(super) fn seal(&self, pcb: u8, inf: &[u8]) -> Vec<u8> {
        let mut block = vec![0, pcb, u8::try_from(inf.len()).unwrap()];
        block.extend(inf);
        block.extend(self.code(&block));
        block
    }

    fn code(&self, bytes: &[u8]) -> Vec<u8> {
        if !self.crc {
            return vec![bytes.iter().fold(0, |sum, byte| sum ^ byte)];
        }
        // Bit by bit over a register shifted left, so as not to repeat the engine's way.
        let mut register = 0xFFFF_u16;
        for bit in bytes.iter().flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1)) {
            let carry = register >> 15 ^ u16::from(bit);
            register = register << 1 ^ if carry != 0 { 0x1021 } else { 0 };
        }
        register.reverse_bits().to_be_bytes().to_vec()
    }

    /// Answers one block; `None` for silence.
    pub(super) fn block(&mut self, block: &[u8]) -> Vec<u8> {
        let answer = self.answer(block);
        self.last.clone_from(&answer);
        answer
    }

    fn complaint(&self, error: u8) -> Vec<u8> {
        self.seal(0x80 | self.expect << 4 | error, &[])
    }

    fn answer(&mut self, block: &[u8]) -> Vec<u8> {
        let epilogue = if self.crc { 2 } else { 1 };
        if block.len() < 3 + epilogue || block.len() != 3 + epilogue + usize::from(block[2]) {
            return self.complaint(2);
        }
        let (body, code) = block.split_at(block.len() - epilogue);
        if self.code(body) != code {
            return self.complaint(1);
        }
        let (pcb, inf) = (body[1], &body[3..]);
        if pcb == 0xC0 {
            self.send = 0;
            self.expect = 0;
            self.ifsd = 32;
            self.command.clear();
            self.answer.clear();
            self.held = None;
            return self.seal(0xE0, &[]);
        }
        if let Some((response, next)) = &self.held {
            if pcb == *response {
                let next = next.clone();
                self.held = None;
                return next;
            }
            // Rule 7.3: the request once more, whatever came instead.
            return self.last.clone();
        }
        match pcb {
            0xC1 => {
                self.ifsd = inf[0].into();
                self.seal(0xE1, inf)
            }
            _ if pcb & 0x80 == 0 => self.information(pcb, inf),
            _ if pcb & 0xC0 == 0x80 => self.ready(pcb >> 4 & 1),
            _ => self.complaint(2),
        }
    }

    fn information(&mut self, pcb: u8, inf: &[u8]) -> Vec<u8> {
        assert!(inf.len() <= self.ifsc, "block longer than IFSC");
        if pcb >> 6 & 1 != self.expect || !self.answer.is_empty() {
            return self.complaint(2);
        }
        self.expect ^= 1;
        self.command.extend(inf);
        if pcb & 0x20 != 0 {
            return self.complaint(0);
        }
        let command = std::mem::take(&mut self.command);
        self.answer = answer_to(&command);
        self.executed.push(command);
        self.next_part()
    }

    /// An R-block: the next part, or what was sent last once more.
    fn ready(&mut self, wanted: u8) -> Vec<u8> {
        if !self.answer.is_empty() && wanted == self.send {
            return self.next_part();
        }
        if self.last.is_empty() {
            self.complaint(0)
        } else {
            self.last.clone()
        }
    }

    fn next_part(&mut self) -> Vec<u8> {
        let len = self.ifsd.min(self.answer.len());
        let part: Vec<u8> = self.answer.drain(..len).collect();
        let more = if self.answer.is_empty() { 0 } else { 0x20 };
        let block = self.seal(self.send << 6 | more, &part);
        self.send ^= 1;
        block
    }
}
