//! The built-in card: a small ISO 7816-4 file system with a PIN, and a few commands made for tests.
//!
//! | command | does |
//! |---|---|
//! | SELECT | MF 3F00, EF 0001 and EF 0002, or the application A00000000177494E by its AID or the beginning of it |
//! | READ BINARY, UPDATE BINARY | EF 0001 (8192 bytes, byte n holds n mod 256) is free, EF 0002 (32 bytes) needs the PIN |
//! | VERIFY | PIN 01 is "1234", three tries; without data tells the tries left |
//! | CHANGE REFERENCE DATA | old and new PIN: 8 bytes each padded with FF, or the old one as long as it is and the new one |
//! | GET CHALLENGE | that many pseudo-random bytes |
//! | GET RESPONSE | the rest of an answer longer than Le (61xx) |
//! | 80 10 P1 P2 | succeeds after P1P2 milliseconds |
//! | 80 12 P1 P2 | with data: returns it; without: returns P1P2 bytes counting up |
//!
//! Bit 5 of CLA chains commands (ISO 7816-4 §5.3.3); short and extended length fields are understood (§5.1).

use std::time::Duration;

use super::apdu::Command;
use super::card::{self, Card, Protocols, Reset};

/// AID of the application on the built-in card.
pub const AID: [u8; 8] = *b"\xA0\x00\x00\x00\x01WIN";

const PIN: &[u8] = b"1234";
const TRIES: u8 = 3;

/// Longest command data put together by chaining.
const CHAIN_LEN: usize = 65_535;

/// Status words (ISO 7816-4 §5.6).
mod sw {
    pub(super) const OK: u16 = 0x9000;
    pub(super) const END_OF_FILE: u16 = 0x6282;
    pub(super) const WRONG_LENGTH: u16 = 0x6700;
    pub(super) const NO_CHANNELS: u16 = 0x6881;
    pub(super) const NO_SECURE_MESSAGING: u16 = 0x6882;
    pub(super) const CHAIN_BROKEN: u16 = 0x6883;
    pub(super) const SECURITY_STATUS: u16 = 0x6982;
    pub(super) const BLOCKED: u16 = 0x6983;
    pub(super) const NO_FILE: u16 = 0x6A82;
    pub(super) const BAD_P1P2: u16 = 0x6A86;
    pub(super) const NO_REFERENCE: u16 = 0x6A88;
    pub(super) const NOT_ALLOWED: u16 = 0x6986;
    pub(super) const BEYOND_END: u16 = 0x6B00;
    pub(super) const BAD_INS: u16 = 0x6D00;
    pub(super) const BAD_CLA: u16 = 0x6E00;
}

/// What is selected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Selected {
    Mf,
    Application,
    Public,
    Protected,
}

/// The card itself.
#[derive(Clone, Debug)]
pub struct BuiltinCard {
    protocols: Protocols,
    mute: bool,
    voltages: u8,
    public: Vec<u8>,
    protected: Vec<u8>,
    selected: Selected,
    pin: Vec<u8>,
    verified: bool,
    tries: u8,
    chained: Vec<u8>,
    /// INS of a chain that has begun.
    chain: Option<u8>,
    /// The rest of an answer, for GET RESPONSE.
    rest: Vec<u8>,
    random: u32,
    delay: Duration,
}

impl Default for BuiltinCard {
    fn default() -> Self {
        Self::new(Protocols::Both)
    }
}

impl BuiltinCard {
    /// A card that offers these protocols.
    #[must_use]
    pub fn new(protocols: Protocols) -> Self {
        Self {
            protocols,
            mute: false,
            voltages: 7,
            public: (0..=u8::MAX).cycle().take(8192).collect(),
            protected: vec![0; 32],
            selected: Selected::Mf,
            pin: PIN.to_vec(),
            verified: false,
            tries: TRIES,
            chained: Vec::new(),
            chain: None,
            rest: Vec::new(),
            random: 0x2545_F491,
            delay: Duration::ZERO,
        }
    }

    /// A card that never answers a reset.
    #[must_use]
    pub fn mute() -> Self {
        Self {
            mute: true,
            ..Self::default()
        }
    }

    /// The same card running at these voltages only (bits as in `bVoltageSupport`).
    #[must_use]
    pub fn with_voltages(self, voltages: u8) -> Self {
        Self { voltages, ..self }
    }

    fn execute(&mut self, bytes: &[u8]) -> (Vec<u8>, u16) {
        let Some(command) = Command::parse(bytes) else {
            return (Vec::new(), sw::WRONG_LENGTH);
        };
        match command.cla {
            0x00 | 0x10 | 0x80 | 0x90 => {}
            0x01..=0x03 | 0x11..=0x13 | 0x40..=0x7F => return (Vec::new(), sw::NO_CHANNELS),
            0x04..=0x0F | 0x14..=0x1F => return (Vec::new(), sw::NO_SECURE_MESSAGING),
            _ => return (Vec::new(), sw::BAD_CLA),
        }
        if command.ins == 0xC0 {
            return self.get_response(&command);
        }
        self.rest.clear();
        if self.chain.is_some_and(|ins| ins != command.ins) {
            self.chain = None;
            self.chained.clear();
            return (Vec::new(), sw::CHAIN_BROKEN);
        }
        if self.chained.len() + command.data.len() > CHAIN_LEN {
            self.chain = None;
            self.chained.clear();
            return (Vec::new(), sw::WRONG_LENGTH);
        }
        if command.cla & 0x10 != 0 {
            self.chain = Some(command.ins);
            self.chained.extend(command.data);
            return (Vec::new(), sw::OK);
        }
        self.chain = None;
        let mut data = std::mem::take(&mut self.chained);
        data.extend(command.data);
        let whole = Command { data: &data, ..command };
        let (answer, status) = if whole.cla & 0x80 == 0 {
            self.interindustry(&whole)
        } else {
            self.own(&whole)
        };
        self.cut(answer, status, whole.expected)
    }

    fn interindustry(&mut self, command: &Command<'_>) -> (Vec<u8>, u16) {
        match command.ins {
            0xA4 => self.select(command),
            0xB0 => self.read_binary(command),
            0xD6 => (Vec::new(), self.update_binary(command)),
            0x20 => (Vec::new(), self.verify(command)),
            0x24 => (Vec::new(), self.change(command)),
            0x84 if command.p1p2() != 0 => (Vec::new(), sw::BAD_P1P2),
            0x84 if command.expected == 0 => (Vec::new(), sw::WRONG_LENGTH),
            0x84 => ((0..command.expected).map(|_| self.random_byte()).collect(), sw::OK),
            _ => (Vec::new(), sw::BAD_INS),
        }
    }

    fn own(&mut self, command: &Command<'_>) -> (Vec<u8>, u16) {
        match command.ins {
            0x10 => {
                self.delay = Duration::from_millis(u64::from(command.p1p2()));
                (Vec::new(), sw::OK)
            }
            0x12 if !command.data.is_empty() => (command.data.to_vec(), sw::OK),
            0x12 => (
                (0..=u8::MAX).cycle().take(usize::from(command.p1p2())).collect(),
                sw::OK,
            ),
            _ => (Vec::new(), sw::BAD_INS),
        }
    }

    /// Keeps back what does not fit into Le, for GET RESPONSE. Without Le field no data is sent at all.
    fn cut(&mut self, mut answer: Vec<u8>, status: u16, expected: usize) -> (Vec<u8>, u16) {
        if expected == 0 || answer.len() <= expected {
            if expected == 0 {
                answer.clear();
            }
            return (answer, status);
        }
        self.rest = answer.split_off(expected);
        (answer, more(self.rest.len()))
    }

    /// GET RESPONSE (ISO 7816-4 §11.7.1).
    fn get_response(&mut self, command: &Command<'_>) -> (Vec<u8>, u16) {
        if self.rest.is_empty() {
            return (Vec::new(), sw::NOT_ALLOWED);
        }
        if !command.data.is_empty() || command.expected == 0 {
            return (Vec::new(), sw::WRONG_LENGTH);
        }
        let rest = self.rest.split_off(command.expected.min(self.rest.len()));
        let answer = std::mem::replace(&mut self.rest, rest);
        let status = if self.rest.is_empty() {
            sw::OK
        } else {
            more(self.rest.len())
        };
        (answer, status)
    }

    /// SELECT (ISO 7816-4 §11.2.2).
    fn select(&mut self, command: &Command<'_>) -> (Vec<u8>, u16) {
        let target = match (command.p1, command.data) {
            (0x00, [] | [0x3F, 0x00]) => Some(Selected::Mf),
            (0x00 | 0x02, [0x00, 0x01]) => Some(Selected::Public),
            (0x00 | 0x02, [0x00, 0x02]) => Some(Selected::Protected),
            (0x04, name) if name.len() >= 5 && AID.starts_with(name) => Some(Selected::Application),
            (0x00 | 0x02 | 0x04, _) => None,
            _ => return (Vec::new(), sw::BAD_P1P2),
        };
        let Some(target) = target else {
            return (Vec::new(), sw::NO_FILE);
        };
        self.selected = target;
        let answer = match command.p2 & 0x0C {
            0x00 => self.control_information(target),
            _ => Vec::new(),
        };
        (answer, sw::OK)
    }

    /// File control information template (ISO 7816-4 §7.4).
    fn control_information(&self, file: Selected) -> Vec<u8> {
        let transparent = |id: u8, len: usize| {
            let [_, _, _, _, _, _, high, low] = u64::try_from(len).unwrap_or(0).to_be_bytes();
            vec![0x80, 2, high, low, 0x82, 1, 0x01, 0x83, 2, 0x00, id]
        };
        let inner = match file {
            Selected::Mf => vec![0x82, 1, 0x38, 0x83, 2, 0x3F, 0x00],
            Selected::Application => {
                let mut name = vec![0x82, 1, 0x38, 0x84, 8];
                name.extend(AID);
                name
            }
            Selected::Public => transparent(1, self.public.len()),
            Selected::Protected => transparent(2, self.protected.len()),
        };
        let mut template = vec![0x6F, u8::try_from(inner.len()).unwrap_or(0)];
        template.extend(inner);
        template
    }

    /// The file and offset that P1 and P2 of READ and UPDATE BINARY mean (ISO 7816-4 §11.3.1).
    fn binary(&mut self, command: &Command<'_>) -> Result<(&mut Vec<u8>, usize), u16> {
        let (file, offset) = match command.p1 {
            0x80..=0x9F => {
                let file = match command.p1 & 0x1F {
                    0 => self.selected,
                    1 => Selected::Public,
                    2 => Selected::Protected,
                    _ => return Err(sw::NO_FILE),
                };
                (file, usize::from(command.p2))
            }
            0xA0.. => return Err(sw::BAD_P1P2),
            0x00..=0x7F => (self.selected, usize::from(command.p1p2())),
        };
        self.selected = file;
        match file {
            Selected::Public => Ok((&mut self.public, offset)),
            Selected::Protected if self.verified => Ok((&mut self.protected, offset)),
            Selected::Protected => Err(sw::SECURITY_STATUS),
            Selected::Mf | Selected::Application => Err(sw::NOT_ALLOWED),
        }
    }

    fn read_binary(&mut self, command: &Command<'_>) -> (Vec<u8>, u16) {
        if !command.data.is_empty() || command.expected == 0 {
            return (Vec::new(), sw::WRONG_LENGTH);
        }
        let expected = command.expected;
        match self.binary(command) {
            Err(status) => (Vec::new(), status),
            Ok((file, offset)) => match file.get(offset..) {
                None | Some([]) => (Vec::new(), sw::BEYOND_END),
                Some(bytes) => {
                    let answer: Vec<u8> = bytes.iter().take(expected).copied().collect();
                    // Ne of 256 and 65536 ask for all there is (ISO 7816-4 §5.1).
                    let all = answer.len() == expected || matches!(expected, 256 | 65_536);
                    (answer, if all { sw::OK } else { sw::END_OF_FILE })
                }
            },
        }
    }

    fn update_binary(&mut self, command: &Command<'_>) -> u16 {
        if command.data.is_empty() {
            return sw::WRONG_LENGTH;
        }
        match self.binary(command) {
            Err(status) => status,
            Ok((file, offset)) => match file.get_mut(offset..offset + command.data.len()) {
                None => sw::BEYOND_END,
                Some(place) => {
                    place.copy_from_slice(command.data);
                    sw::OK
                }
            },
        }
    }

    /// VERIFY (ISO 7816-4 §11.5.6); the PIN may be padded with FF.
    fn verify(&mut self, command: &Command<'_>) -> u16 {
        if command.p1 != 0 {
            return sw::BAD_P1P2;
        }
        if !matches!(command.p2, 0x01 | 0x81) {
            return sw::NO_REFERENCE;
        }
        if command.data.is_empty() {
            return if self.verified { sw::OK } else { self.tries_left() };
        }
        if self.tries == 0 {
            return sw::BLOCKED;
        }
        self.compare(unpadded(command.data))
    }

    /// CHANGE REFERENCE DATA (ISO 7816-4 §11.5.7).
    fn change(&mut self, command: &Command<'_>) -> u16 {
        if command.p1 != 0 {
            return sw::BAD_P1P2;
        }
        if !matches!(command.p2, 0x01 | 0x81) {
            return sw::NO_REFERENCE;
        }
        if self.tries == 0 {
            return sw::BLOCKED;
        }
        let old_len = if command.data.len() == 16 { 8 } else { self.pin.len() };
        let Some((old, new)) = command.data.split_at_checked(old_len) else {
            return sw::WRONG_LENGTH;
        };
        let new = unpadded(new);
        if new.is_empty() {
            return sw::WRONG_LENGTH;
        }
        let status = self.compare(unpadded(old));
        if self.verified {
            self.pin = new.to_vec();
        }
        status
    }

    fn compare(&mut self, typed: &[u8]) -> u16 {
        self.verified = typed == self.pin;
        if self.verified {
            self.tries = TRIES;
            return sw::OK;
        }
        self.tries -= 1;
        self.tries_left()
    }

    fn tries_left(&self) -> u16 {
        if self.tries == 0 {
            sw::BLOCKED
        } else {
            0x63C0 | u16::from(self.tries)
        }
    }

    /// xorshift32: repeatable, which is what a test wants.
    fn random_byte(&mut self) -> u8 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 17;
        self.random ^= self.random << 5;
        let [_, _, byte, _] = self.random.to_be_bytes();
        byte
    }
}

/// 61xx: that many bytes are left, 00 for 256 and more.
fn more(left: usize) -> u16 {
    0x6100 | u16::from(u8::try_from(left).unwrap_or(0))
}

impl Card for BuiltinCard {
    fn reset(&mut self, _: Reset) -> Vec<u8> {
        self.selected = Selected::Mf;
        self.verified = false;
        self.chain = None;
        self.chained.clear();
        self.rest.clear();
        self.delay = Duration::ZERO;
        if self.mute {
            Vec::new()
        } else {
            card::atr(self.protocols)
        }
    }

    fn apdu(&mut self, command: &[u8]) -> Vec<u8> {
        self.delay = Duration::ZERO;
        let (mut answer, status) = self.execute(command);
        answer.extend(status.to_be_bytes());
        answer
    }

    fn delay(&self) -> Duration {
        self.delay
    }

    fn takes_data(&self, [cla, ins, p1, p2, p3]: [u8; 5]) -> bool {
        let with_data = if cla & 0x80 == 0 {
            matches!(ins, 0xA4 | 0x20 | 0xD6)
        } else {
            ins == 0x12 && (p1, p2) == (0, 0)
        };
        with_data && p3 != 0
    }

    fn voltages(&self) -> u8 {
        self.voltages
    }
}

/// A PIN without the FF behind it.
fn unpadded(pin: &[u8]) -> &[u8] {
    pin.split(|&byte| byte == 0xFF).next().unwrap_or_default()
}
