//! Transmission protocols, and which of them PC/SC offers for a card.

use super::atr::Groups;

/// A transmission protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    /// T=0, characters.
    T0,
    /// T=1, blocks.
    T1,
}

impl Protocol {
    /// The protocol with this number, if it is one of the two.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::T0),
            1 => Some(Self::T1),
            _ => None,
        }
    }

    /// 0 or 1.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::T0 => 0,
            Self::T1 => 1,
        }
    }
}

/// What a card can be talked to with, as PC/SC sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Protocols {
    /// T=0 is offered.
    pub t0: bool,
    /// T=1 is offered.
    pub t1: bool,
    /// The one to fall back to; `None` if nothing is available.
    pub default: Option<Protocol>,
}

impl Protocols {
    fn only(protocol: Protocol) -> Self {
        Self {
            t0: protocol == Protocol::T0,
            t1: protocol == Protocol::T1,
            default: Some(protocol),
        }
    }

    /// Whether `protocol` is available.
    #[must_use]
    pub fn contains(&self, protocol: Protocol) -> bool {
        match protocol {
            Protocol::T0 => self.t0,
            Protocol::T1 => self.t1,
        }
    }
}

/// The protocols PC/SC offers for a card with this ATR: lenient where the ATR is cut short, nothing where TD1 or TA2
/// names a protocol that is neither T=0 nor T=1.
#[must_use]
pub fn available_protocols(atr: &[u8]) -> Protocols {
    let (Some(0x3B | 0x3F), Some(_)) = (atr.first(), atr.get(1)) else {
        return Protocols::default();
    };
    let mut offered = Protocols::default();
    for (index, group) in Groups::lenient(atr).enumerate() {
        if let (1, Some(ta2)) = (index, group.ta) {
            return Protocol::from_number(ta2 & 0x0F)
                .map(Protocols::only)
                .unwrap_or_default();
        }
        let Some(td) = group.td else { break };
        let protocol = Protocol::from_number(td & 0x0F);
        if index == 0 {
            if protocol.is_none() {
                return Protocols::default();
            }
            offered.default = protocol;
        }
        match protocol {
            Some(Protocol::T0) => offered.t0 = true,
            Some(Protocol::T1) => offered.t1 = true,
            None => {}
        }
    }
    if offered.default.is_none() {
        return Protocols::only(Protocol::T0);
    }
    offered
}
