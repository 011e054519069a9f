//! Blocks: prologue, information field, epilogue.
// ISO 7816-3 §11.3

/// Length of NAD, PCB and LEN.
pub const PROLOGUE_LEN: usize = 3;

/// Longest information field; LEN FF is reserved.
pub(super) const MAX_INF_LEN: u8 = 254;

/// Longest block: prologue, 254 bytes, CRC.
pub const MAX_BLOCK_LEN: usize = PROLOGUE_LEN + 254 + 2;

/// Nobody in particular to nobody in particular; its nibbles swapped are itself.
const NAD: u8 = 0x00;

const R_BLOCK: u8 = 0x80;
const S_BLOCK: u8 = 0xC0;
const S_RESPONSE: u8 = 0x20;
const MORE: u8 = 0x20;

/// The error detection code at the end of every block.
///
/// The standard names ISO/IEC 13239 for the CRC and leaves open whether the remainder is complemented and which byte goes
/// first. Readers with a T=1 of their own, other drivers and the cards made to work with them send the plain remainder,
/// high byte first; read to the letter it is complemented, low byte first. A received block may have either, and is
/// answered in its own form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edc {
    /// One byte: everything exclusive-ored.
    Lrc,
    /// Two bytes: the remainder, high byte first.
    Crc,
    /// Two bytes: the complement of the remainder, low byte first, as in HDLC.
    CrcComplement,
}

impl Edc {
    /// 1 or 2.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "a code is never empty")]
    pub fn len(self) -> usize {
        match self {
            Self::Lrc => 1,
            Self::Crc | Self::CrcComplement => 2,
        }
    }

    /// The code of `bytes`, of which the first [`Self::len`] count.
    fn compute(self, bytes: &[u8]) -> [u8; 2] {
        match self {
            Self::Lrc => [bytes.iter().fold(0, |sum, byte| sum ^ byte), 0],
            Self::Crc => remainder(bytes).to_be_bytes(),
            Self::CrcComplement => (!remainder(bytes)).to_le_bytes(),
        }
    }

    fn matches(self, bytes: &[u8], epilogue: &[u8]) -> bool {
        self.compute(bytes).get(..self.len()) == Some(epilogue)
    }

    /// The form `epilogue` has: this one, or the other one of the CRC.
    fn recognise(self, bytes: &[u8], epilogue: &[u8]) -> Option<Self> {
        let other = match self {
            Self::Lrc => Self::Lrc,
            Self::Crc => Self::CrcComplement,
            Self::CrcComplement => Self::Crc,
        };
        [self, other].into_iter().find(|edc| edc.matches(bytes, epilogue))
    }
}

/// x^16 + x^12 + x^5 + 1, least significant bit first, from all ones.
// ISO/IEC 13239 §4.2.5
fn remainder(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0xFFFF, |mut sum, byte| {
        sum ^= u16::from(*byte);
        for _ in 0..8 {
            let carry = sum & 1;
            sum >>= 1;
            if carry != 0 {
                sum ^= 0x8408;
            }
        }
        sum
    })
}

/// What an S-block is about, with its information field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Supervisory {
    /// Start anew.
    Resynch,
    /// Size of the sender's information field, 1 to 254.
    Ifs(u8),
    /// End of a chain before its last block.
    Abort,
    /// Multiplier of the block waiting time.
    Wtx(u8),
}

impl Supervisory {
    fn code(self) -> u8 {
        match self {
            Self::Resynch => 0,
            Self::Ifs(_) => 1,
            Self::Abort => 2,
            Self::Wtx(_) => 3,
        }
    }

    fn parse(code: u8, inf: &[u8]) -> Option<Self> {
        match (code, inf) {
            (0, []) => Some(Self::Resynch),
            (1, &[ifs @ 1..=MAX_INF_LEN]) => Some(Self::Ifs(ifs)),
            (2, []) => Some(Self::Abort),
            (3, &[multiplier]) => Some(Self::Wtx(multiplier)),
            _ => None,
        }
    }
}

/// What a block is, from its PCB; S-blocks with what they say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// I-block: N(S) and the M-bit.
    Information { sequence: bool, more: bool },
    /// R-block: N(R), and why if it is a complaint.
    Ready { sequence: bool, error: u8 },
    /// S-block that wants an answer.
    Request(Supervisory),
    /// S-block that is one.
    Response(Supervisory),
}

impl Kind {
    pub(super) fn pcb(self) -> u8 {
        match self {
            Self::Information { sequence, more } => u8::from(sequence) << 6 | if more { MORE } else { 0 },
            Self::Ready { sequence, error } => R_BLOCK | u8::from(sequence) << 4 | (error & 0x0F),
            Self::Request(what) => S_BLOCK | what.code(),
            Self::Response(what) => S_BLOCK | S_RESPONSE | what.code(),
        }
    }

    /// `None` for a PCB or information field that cannot be. The reserved bits of an I-block's PCB are let pass.
    fn parse(pcb: u8, inf: &[u8]) -> Option<Self> {
        if pcb & 0x80 == 0 {
            return Some(Self::Information {
                sequence: pcb & 0x40 != 0,
                more: pcb & MORE != 0,
            });
        }
        if pcb & S_BLOCK == R_BLOCK {
            return (pcb & 0x20 == 0 && inf.is_empty()).then_some(Self::Ready {
                sequence: pcb & 0x10 != 0,
                error: pcb & 0x0F,
            });
        }
        let what = Supervisory::parse(pcb & 0x1F, inf)?;
        Some(if pcb & S_RESPONSE == 0 {
            Self::Request(what)
        } else {
            Self::Response(what)
        })
    }
}

/// Why bytes are no valid block, as an R-block tells it.
// ISO 7816-3 §11.3.2.2
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Error detection code or character parity.
    Edc,
    /// Anything else.
    Other,
}

impl Fault {
    pub(super) fn code(self) -> u8 {
        match self {
            Self::Edc => 1,
            Self::Other => 2,
        }
    }
}

/// A valid block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Block<'a> {
    pub(super) kind: Kind,
    pub(super) inf: &'a [u8],
    /// The form of its code.
    pub(super) edc: Edc,
}

/// Takes a received block apart. It must have exactly the length that LEN announces.
pub(super) fn decode(bytes: &[u8], edc: Edc) -> Result<Block<'_>, Fault> {
    let (&[nad, pcb, len], rest) = bytes.split_first_chunk::<PROLOGUE_LEN>().ok_or(Fault::Other)?;
    let (inf, epilogue) = rest.split_at_checked(usize::from(len)).ok_or(Fault::Other)?;
    if len > MAX_INF_LEN || epilogue.len() != edc.len() {
        return Err(Fault::Other);
    }
    let checked = bytes.get(..PROLOGUE_LEN + inf.len()).ok_or(Fault::Other)?;
    let edc = edc.recognise(checked, epilogue).ok_or(Fault::Edc)?;
    if nad != NAD {
        return Err(Fault::Other);
    }
    let kind = Kind::parse(pcb, inf).ok_or(Fault::Other)?;
    Ok(Block { kind, inf, edc })
}

/// NAD, PCB and LEN.
pub(super) fn prologue(kind: Kind, len: usize) -> [u8; PROLOGUE_LEN] {
    let len = u8::try_from(len).unwrap_or(MAX_INF_LEN).min(MAX_INF_LEN);
    [NAD, kind.pcb(), len]
}

/// Writes a block to the start of `buffer` and returns its length. The information field of an S-block is its own.
pub(super) fn encode(kind: Kind, inf: &[u8], edc: Edc, buffer: &mut [u8; MAX_BLOCK_LEN]) -> usize {
    let own;
    let inf = match kind {
        Kind::Request(Supervisory::Ifs(byte) | Supervisory::Wtx(byte))
        | Kind::Response(Supervisory::Ifs(byte) | Supervisory::Wtx(byte)) => {
            own = [byte];
            &own
        }
        Kind::Information { .. } => inf.get(..inf.len().min(MAX_INF_LEN.into())).unwrap_or_default(),
        Kind::Ready { .. } | Kind::Request(_) | Kind::Response(_) => &[],
    };
    let head = prologue(kind, inf.len());
    let mut len = 0;
    for (to, from) in buffer.iter_mut().zip(head.iter().chain(inf)) {
        *to = *from;
        len += 1;
    }
    let code = edc.compute(buffer.get(..len).unwrap_or_default());
    for (to, from) in buffer.iter_mut().skip(len).zip(code.iter().take(edc.len())) {
        *to = *from;
    }
    len + edc.len()
}
