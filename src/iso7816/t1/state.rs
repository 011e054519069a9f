//! What both sides of T=1 must agree on between two exchanges.

use super::block::{Edc, MAX_INF_LEN};
use crate::iso7816::Atr;
use crate::iso7816::params;

/// Size of the information field until somebody says otherwise.
// ISO 7816-3 §11.4.2
pub(super) const DEFAULT_IFS: u8 = 32;

/// How far the card knows the size of our information field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ifs {
    /// Not told yet.
    Untold,
    /// Told, and it has agreed.
    Agreed,
    /// Told in vain: it stays at 32, and is not bothered again.
    Refused,
}

/// Sequence numbers, sizes and the kind of check code; whatever has to survive an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    /// N(S) of our next I-block.
    pub(super) send: bool,
    /// N(S) expected of the card's next I-block.
    pub(super) receive: bool,
    /// Longest information field the card takes.
    pub(super) ifsc: u8,
    /// The same after a reset or S(RESYNCH).
    pub(super) initial_ifsc: u8,
    /// Longest information field the card may send.
    pub(super) ifsd: u8,
    pub(super) edc: Edc,
    pub(super) ifs: Ifs,
    /// The card did not come back into step.
    pub(super) lost: bool,
}

impl State {
    /// Length of the encoded form.
    pub const LEN: usize = 4;

    /// The state after a reset, of a card that takes `ifsc` bytes.
    #[must_use]
    pub fn new(ifsc: u8, edc: Edc) -> Self {
        let ifsc = sane(ifsc);
        Self {
            send: false,
            receive: false,
            ifsc,
            initial_ifsc: ifsc,
            ifsd: DEFAULT_IFS,
            edc,
            ifs: Ifs::Untold,
            lost: false,
        }
    }

    /// The state after a reset, of the card with this ATR.
    #[must_use]
    pub fn of(atr: &Atr) -> Self {
        let edc = if atr.uses_crc() { Edc::Crc } else { Edc::Lrc };
        Self::new(params::initial_ifsc(atr), edc)
    }

    /// Longest information field the card takes, 1 to 254.
    #[must_use]
    #[doc(alias = "IFSC")]
    pub fn ifsc(&self) -> u8 {
        self.ifsc
    }

    /// Longest information field the card may send, 1 to 254.
    #[must_use]
    #[doc(alias = "IFSD")]
    pub fn ifsd(&self) -> u8 {
        self.ifsd
    }

    /// The check code in use.
    #[must_use]
    pub fn edc(&self) -> Edc {
        self.edc
    }

    /// Whether nothing but a reset of the card helps.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.lost
    }

    /// Notes that an exchange was broken off: what the card made of it is unknown, so it needs a reset.
    pub fn give_up(&mut self) {
        self.lost = true;
    }

    /// Whether the card has neither been told our IFSD nor refused to hear of it.
    #[must_use]
    pub fn owes_ifsd(&self) -> bool {
        self.ifs == Ifs::Untold
    }

    /// Notes that the card's IFSD is the reader's own affair.
    #[must_use]
    pub fn with_ifsd_of_reader(self, ifsd: u8) -> Self {
        Self {
            ifsd: sane(ifsd),
            ifs: Ifs::Agreed,
            ..self
        }
    }

    /// After S(RESYNCH) everything is as after a reset; only what the card refused stays refused.
    // ISO 7816-3 §11.6.3.2 rule 6
    pub(super) fn restart(&mut self) {
        self.send = false;
        self.receive = false;
        self.ifsc = self.initial_ifsc;
        self.ifsd = DEFAULT_IFS;
        if self.ifs == Ifs::Agreed {
            self.ifs = Ifs::Untold;
        }
    }

    /// The state as bytes: flags (bit 0 N(S) to send, 1 to receive, 2-3 check code, 4-5 IFSD, 6 lost), IFSC, initial
    /// IFSC, IFSD.
    #[must_use]
    pub fn encode(&self) -> [u8; Self::LEN] {
        let edc = match self.edc {
            Edc::Lrc => 0,
            Edc::Crc => 1,
            Edc::CrcComplement => 2,
        };
        let ifs = match self.ifs {
            Ifs::Untold => 0,
            Ifs::Agreed => 1,
            Ifs::Refused => 2,
        };
        let flags = u8::from(self.send) | u8::from(self.receive) << 1 | edc << 2 | ifs << 4 | u8::from(self.lost) << 6;
        [flags, self.ifsc, self.initial_ifsc, self.ifsd]
    }

    /// Any bytes make a state; sizes that cannot be become 32.
    #[must_use]
    pub fn decode([flags, ifsc, initial_ifsc, ifsd]: [u8; Self::LEN]) -> Self {
        Self {
            send: flags & 0x01 != 0,
            receive: flags & 0x02 != 0,
            ifsc: sane(ifsc),
            initial_ifsc: sane(initial_ifsc),
            ifsd: sane(ifsd),
            edc: match flags >> 2 & 0x03 {
                1 => Edc::Crc,
                2 => Edc::CrcComplement,
                _ => Edc::Lrc,
            },
            ifs: match flags >> 4 & 0x03 {
                0 => Ifs::Untold,
                1 => Ifs::Agreed,
                _ => Ifs::Refused,
            },
            lost: flags & 0x40 != 0,
        }
    }
}

fn sane(ifs: u8) -> u8 {
    match ifs {
        0 | 255 => DEFAULT_IFS,
        1..=MAX_INF_LEN => ifs,
    }
}
