//! What a card in the simulated reader is, and its ATR.

use std::fmt;
use std::time::Duration;

/// How a card is reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reset {
    /// Power was off before.
    Cold,
    /// Power stays on.
    Warm,
}

/// A card: what answers behind the contacts. APDUs reach it whole, whatever the exchange level and protocol.
pub trait Card: Send + fmt::Debug {
    /// Resets the card, which forgets everything a reset makes it forget. Returns the ATR; empty if it stays mute.
    fn reset(&mut self, reset: Reset) -> Vec<u8>;

    /// Answers one command APDU with data and two status bytes.
    fn apdu(&mut self, command: &[u8]) -> Vec<u8>;

    /// How long the last answer took.
    fn delay(&self) -> Duration {
        Duration::ZERO
    }

    /// Whether P3 of this T=0 header announces command data. In T=0 only the card knows, from its command set
    /// (ISO 7816-3 §12.2.1); needed at character level alone. The default knows the commands of ISO 7816-4 and -8 that
    /// carry data.
    fn takes_data(&self, header: [u8; 5]) -> bool {
        let [_, ins, _, _, p3] = header;
        let with_data = matches!(
            ins,
            0x04 | 0x0C..=0x0F | 0x20..=0x2F | 0x44 | 0x82 | 0x86..=0x88 | 0xA0..=0xA4 | 0xC2 | 0xC3 | 0xD0..=0xDF | 0xE0 | 0xE2
        );
        with_data && p3 != 0
    }

    /// Voltages it runs at, as in `bVoltageSupport`: 1 is 5 V, 2 is 3 V, 4 is 1.8 V. At others it is mute.
    fn voltages(&self) -> u8 {
        7
    }
}

impl Card for Box<dyn Card> {
    fn reset(&mut self, reset: Reset) -> Vec<u8> {
        (**self).reset(reset)
    }

    fn apdu(&mut self, command: &[u8]) -> Vec<u8> {
        (**self).apdu(command)
    }

    fn delay(&self) -> Duration {
        (**self).delay()
    }

    fn takes_data(&self, header: [u8; 5]) -> bool {
        (**self).takes_data(header)
    }

    fn voltages(&self) -> u8 {
        (**self).voltages()
    }
}

/// Transmission protocol of ISO 7816-3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Characters with procedure bytes.
    T0,
    /// Blocks.
    T1,
}

impl Protocol {
    /// Its bit in `dwProtocols`.
    pub(super) fn bit(self) -> u32 {
        match self {
            Self::T0 => 1,
            Self::T1 => 2,
        }
    }

    /// Its number in PPS0 and `bProtocolNum`.
    pub(super) fn number(self) -> u8 {
        match self {
            Self::T0 => 0,
            Self::T1 => 1,
        }
    }

    pub(super) fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::T0),
            1 => Some(Self::T1),
            _ => None,
        }
    }
}

/// What the reader learns from an ATR (ISO 7816-3 §8.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Offer {
    /// Protocols offered, bits as in `dwProtocols`.
    pub(super) protocols: u32,
    /// The one that runs without PPS: that of TA2 in specific mode, else the first offered.
    pub(super) first: Protocol,
    /// TA2 is present: no PPS.
    pub(super) specific: bool,
    /// TA1, 0x11 if absent.
    pub(super) ta1: u8,
    /// TC1, 0 if absent.
    pub(super) tc1: u8,
    /// TC2 (waiting time integer of T=0), 10 if absent.
    pub(super) tc2: u8,
    /// First TA for T=1 (IFSC), 32 if absent.
    pub(super) ifsc: u8,
    /// First TB for T=1 (BWI, CWI), 0x4D if absent.
    pub(super) bwi_cwi: u8,
    /// First TC for T=1 says CRC.
    pub(super) crc: bool,
    /// TS is 0x3F.
    pub(super) inverse: bool,
}

impl Offer {
    /// Reads the interface bytes; what is cut off counts as absent.
    pub(super) fn parse(atr: &[u8]) -> Self {
        let mut offer = Self {
            protocols: 0,
            first: Protocol::T0,
            specific: false,
            ta1: 0x11,
            tc1: 0,
            tc2: 10,
            ifsc: 32,
            bwi_cwi: 0x4D,
            crc: false,
            inverse: atr.first() == Some(&0x3F),
        };
        let mut bytes = atr.iter().skip(1).copied();
        let mut indicator = bytes.next().unwrap_or(0);
        let mut announced = None;
        let mut t1_seen = [false; 3];
        // At most as many groups as an ATR of 33 bytes can hold.
        for group in 1..=16_u8 {
            for letter in 0..3_u8 {
                if indicator & (0x10 << letter) == 0 {
                    continue;
                }
                let Some(byte) = bytes.next() else { break };
                offer.interface_byte(group, letter, byte, announced, &mut t1_seen);
            }
            let Some(td) = (indicator & 0x80 != 0).then(|| bytes.next()).flatten() else {
                break;
            };
            if let Some(protocol) = Protocol::from_number(td & 0x0F) {
                if offer.protocols == 0 && !offer.specific {
                    offer.first = protocol;
                }
                offer.protocols |= protocol.bit();
            }
            announced = Some(td & 0x0F);
            indicator = td;
        }
        if offer.protocols == 0 {
            offer.protocols = Protocol::T0.bit();
        }
        offer
    }

    /// Whether the card agrees to these Fi and Di (ISO 7816-3 §9.2): the default, or its own Fi with a Di up to its own.
    pub(super) fn can_take(&self, fi_di: u8) -> bool {
        let rate = |fi_di: u8| match fi_di & 0x0F {
            power @ 1..=7 => 1 << (power - 1),
            8 => 12,
            9 => 20,
            _ => u32::MAX,
        };
        let own = fi_di >> 4 == self.ta1 >> 4 && rate(fi_di) <= rate(self.ta1);
        fi_di == 0x11 || (own && !self.specific) || (self.specific && fi_di == self.ta1)
    }

    fn interface_byte(&mut self, group: u8, letter: u8, byte: u8, announced: Option<u8>, t1_seen: &mut [bool; 3]) {
        match (group, letter) {
            (1, 0) => self.ta1 = byte,
            (1, 2) => self.tc1 = byte,
            (2, 0) => {
                self.specific = true;
                self.first = Protocol::from_number(byte & 0x0F).unwrap_or(self.first);
            }
            (2, 2) => self.tc2 = byte,
            (3.., _) if announced == Some(1) => {
                let Some(seen) = t1_seen.get_mut(usize::from(letter)) else {
                    return;
                };
                if std::mem::replace(seen, true) {
                    return;
                }
                match letter {
                    0 => self.ifsc = byte,
                    1 => self.bwi_cwi = byte,
                    _ => self.crc = byte & 1 == 1,
                }
            }
            _ => {}
        }
    }
}

/// Protocols a built-in card offers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocols {
    /// T=0 first, T=1 as well.
    #[default]
    Both,
    /// T=0 only.
    T0,
    /// T=1 only.
    T1,
}

/// Historical bytes (ISO 7816-4 §8.1.1): card issuer's data, then card capabilities: selection by full and partial DF
/// name, by file identifier and by short identifier; command chaining and extended length.
const HISTORICAL: [u8; 14] = *b"\x80\x58winscard\x73\xD4\x01\xC0";

/// The ATR of a built-in card; TCK is right where there is one (ISO 7816-3 §8.2.5).
#[must_use]
pub fn atr(protocols: Protocols) -> Vec<u8> {
    // TA1 = 11: default speed. For T=1: IFSC 254, BWI 4, CWI 5.
    let interface: &[u8] = match protocols {
        Protocols::Both => &[0x11, 0x80, 0x31, 0xFE, 0x45],
        Protocols::T0 => &[0x11],
        Protocols::T1 => &[0x11, 0x81, 0x31, 0xFE, 0x45],
    };
    let indicator = if protocols == Protocols::T0 { 0x10 } else { 0x90 };
    let mut atr = vec![0x3B, indicator | u8::try_from(HISTORICAL.len()).unwrap_or(15)];
    atr.extend(interface);
    atr.extend(HISTORICAL);
    if protocols != Protocols::T0 {
        atr.push(atr.iter().skip(1).fold(0, |sum, byte| sum ^ byte));
    }
    atr
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn built_in_atrs_offer_what_they_say_with_a_right_check_byte() {
        for (which, protocols, first) in [
            (Protocols::Both, 3, Protocol::T0),
            (Protocols::T0, 1, Protocol::T0),
            (Protocols::T1, 2, Protocol::T1),
        ] {
            let atr = atr(which);
            let offer = Offer::parse(&atr);
            assert_eq!(
                (offer.protocols, offer.first, offer.specific),
                (protocols, first, false)
            );
            assert!(atr.len() <= 33);
            if which == Protocols::T0 {
                assert_eq!(atr.len(), 3 + usize::from(atr[1] & 0x0F));
            } else {
                assert_eq!(atr[1..].iter().fold(0, |a, b| a ^ b), 0, "TCK");
                assert_eq!((offer.ifsc, offer.bwi_cwi, offer.crc), (254, 0x45, false));
                assert_eq!(atr.len(), 2 + 5 + usize::from(atr[1] & 0x0F) + 1);
            }
        }
    }

    #[test]
    fn specific_mode_and_later_groups_are_understood() {
        // TA2 = 81: specific mode, T=1; TD2 says T=1 with TA3, TB3, TC3 (CRC).
        let offer = Offer::parse(&[0x3F, 0xF0, 0x96, 0x00, 0x05, 0x91, 0x81, 0x71, 0x80, 0x55, 0x01]);
        assert!(offer.specific && offer.inverse && offer.crc);
        assert_eq!((offer.ta1, offer.tc1, offer.ifsc, offer.bwi_cwi), (0x96, 5, 0x80, 0x55));
        assert_eq!((offer.first, offer.protocols), (Protocol::T1, 2));
        assert_eq!(Offer::parse(&[0x3B, 0x00]).protocols, 1);
        assert_eq!(Offer::parse(&[]).protocols, 1);
        assert_eq!(Offer::parse(&[0x3B, 0xFF, 0x11]).ta1, 0x11);
    }
}
