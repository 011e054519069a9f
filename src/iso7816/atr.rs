//! The answer to reset.
// ISO 7816-3 §8

use std::fmt;
use std::ops::Deref;

/// Longest ATR: TS and 32 characters.
pub const MAX_ATR_LEN: usize = 33;

/// The bytes of an ATR, held in place.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct AtrBytes {
    bytes: [u8; MAX_ATR_LEN],
    len: u8,
}

impl AtrBytes {
    /// Takes the first 33 bytes at most.
    #[must_use]
    pub fn new(atr: &[u8]) -> Self {
        let mut bytes = [0; MAX_ATR_LEN];
        let mut len = 0;
        for (to, from) in bytes.iter_mut().zip(atr) {
            *to = *from;
            len += 1;
        }
        Self { bytes, len }
    }

    /// The bytes.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }
}

impl Default for AtrBytes {
    fn default() -> Self {
        Self::new(&[])
    }
}

impl Deref for AtrBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.as_slice()
    }
}

impl fmt::Debug for AtrBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.as_slice() {
            write!(f, "{byte:02X}")?;
        }
        Ok(())
    }
}

/// The interface bytes TAi to TDi of one i.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// TAi.
    pub ta: Option<u8>,
    /// TBi.
    pub tb: Option<u8>,
    /// TCi.
    pub tc: Option<u8>,
    /// TDi.
    pub td: Option<u8>,
    /// T of TD(i-1); `None` for i = 1, whose bytes are global.
    pub protocol: Option<u8>,
}

/// Walks the interface bytes group by group.
#[derive(Clone, Debug)]
pub(super) struct Groups<'a> {
    bytes: &'a [u8],
    position: usize,
    /// Which of TA to TD follow; `None` when no group follows.
    indicator: Option<u8>,
    protocol: Option<u8>,
    missing: bool,
}

impl<'a> Groups<'a> {
    pub(super) fn lenient(bytes: &'a [u8]) -> Self {
        let indicator = bytes.get(1).map(|t0| t0 >> 4);
        Self {
            bytes,
            position: 2,
            indicator,
            protocol: None,
            missing: false,
        }
    }

    /// The next byte if `indicator` has the bit; a byte that is announced and not there reads as 0.
    fn take(&mut self, indicator: u8, bit: u8) -> Option<u8> {
        if indicator & bit == 0 {
            return None;
        }
        let byte = self.bytes.get(self.position).copied();
        self.missing |= byte.is_none();
        self.position += 1;
        Some(byte.unwrap_or(0))
    }
}

impl Iterator for Groups<'_> {
    type Item = Group;

    fn next(&mut self) -> Option<Group> {
        let indicator = self.indicator.take()?;
        let group = Group {
            ta: self.take(indicator, 0x01),
            tb: self.take(indicator, 0x02),
            tc: self.take(indicator, 0x04),
            td: self.take(indicator, 0x08),
            protocol: self.protocol,
        };
        self.protocol = group.td.map(|td| td & 0x0F);
        self.indicator = group.td.map(|td| td >> 4).filter(|indicator| *indicator != 0);
        Some(group)
    }
}

/// Reads an ATR byte by byte, as many as it says that it has; `None` if that is no ATR.
// ISO 7816-3 §8.2
pub fn read(mut byte: impl FnMut(usize) -> u8) -> Option<Vec<u8>> {
    let ts = byte(0);
    if !matches!(ts, 0x3B | 0x3F) {
        return None;
    }
    let t0 = byte(1);
    let mut atr = vec![ts, t0];
    let (mut indicator, mut has_check) = (t0 >> 4, false);
    while indicator != 0 {
        let mut last = 0;
        for _ in 0..indicator.count_ones() {
            last = byte(atr.len());
            atr.push(last);
        }
        let is_td = indicator & 0x08 != 0;
        has_check |= is_td && last & 0x0F != 0;
        indicator = if is_td { last >> 4 } else { 0 };
        if atr.len() > MAX_ATR_LEN {
            return None;
        }
    }
    let rest = usize::from(t0 & 0x0F) + usize::from(has_check);
    if atr.len() + rest > MAX_ATR_LEN {
        return None;
    }
    for _ in 0..rest {
        atr.push(byte(atr.len()));
    }
    Some(atr)
}

/// Why bytes are no ATR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtrError {
    /// Fewer than the two bytes TS and T0, or more than 33.
    Length,
    /// TS is neither 3B nor 3F.
    Ts(u8),
    /// Interface bytes that are announced are missing.
    Truncated,
}

impl fmt::Display for AtrError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length => f.write_str("an ATR has 2 to 33 bytes"),
            Self::Ts(ts) => write!(f, "TS is {ts:02X}, neither 3B nor 3F"),
            Self::Truncated => f.write_str("interface bytes missing"),
        }
    }
}

impl std::error::Error for AtrError {}

/// The check byte at the end of an ATR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tck {
    /// Not there, and rightly so: only T=0 is offered.
    Absent,
    /// Announced by the protocols offered, but not there.
    Missing,
    /// There and right.
    Valid,
    /// There and wrong.
    Wrong,
}

/// TA2: the card is in specific mode.
// ISO 7816-3 §8.3
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpecificMode {
    /// T of the protocol in use.
    pub protocol: u8,
    /// Whether the parameters are implicit instead of given by TA1.
    pub implicit: bool,
    /// Whether a warm reset can bring the card to negotiable mode.
    pub can_change: bool,
}

/// What a card says for T=15: clock stop and classes of operating conditions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GlobalIndicator {
    /// Clock stop: 0 none, 1 low, 2 high, 3 either.
    pub clock_stop: u8,
    /// Bit 0 class A (5 V), bit 1 class B (3 V), bit 2 class C (1.8 V).
    pub classes: u8,
}

/// A parsed answer to reset.
///
/// Parsing succeeds for every ATR whose interface bytes are all there. What is wrong beyond them (historical bytes cut
/// short, a bad TCK, bytes left over) is told by accessors, because readers and cards in the field do all of it and
/// still work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Atr {
    bytes: AtrBytes,
    historical_start: u8,
    historical_len: u8,
    tck_expected: bool,
}

impl Atr {
    /// Parses an ATR.
    ///
    /// # Errors
    /// [`AtrError`] if the length or TS is out of range or interface bytes are missing.
    pub fn parse(atr: &[u8]) -> Result<Self, AtrError> {
        crate::inject::point("iso7816");
        let (&[ts, t0, ..], true) = (atr, atr.len() <= MAX_ATR_LEN) else {
            return Err(AtrError::Length);
        };
        if !matches!(ts, 0x3B | 0x3F) {
            return Err(AtrError::Ts(ts));
        }
        let mut groups = Groups::lenient(atr);
        let mut tck_expected = false;
        for group in groups.by_ref() {
            tck_expected |= group.td.is_some_and(|td| td & 0x0F != 0);
        }
        let position = u8::try_from(groups.position).map_err(|_| AtrError::Truncated)?;
        if groups.missing {
            return Err(AtrError::Truncated);
        }
        Ok(Self {
            bytes: AtrBytes::new(atr),
            historical_start: position,
            historical_len: t0 & 0x0F,
            tck_expected,
        })
    }

    /// The bytes as the card sent them.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.bytes.as_slice()
    }

    /// Whether the card uses the inverse convention (TS is 3F).
    #[must_use]
    pub fn is_inverse(&self) -> bool {
        self.bytes().first() == Some(&0x3F)
    }

    /// The interface bytes, group by group from i = 1.
    pub fn groups(&self) -> impl Iterator<Item = Group> + '_ {
        Groups::lenient(self.bytes())
    }

    fn group(&self, number: usize) -> Group {
        self.groups().nth(number.wrapping_sub(1)).unwrap_or_default()
    }

    /// TA1: Fi and Di the card can take; `None` means 11.
    #[must_use]
    pub fn ta1(&self) -> Option<u8> {
        self.group(1).ta
    }

    /// TB1: programming voltage, obsolete.
    #[must_use]
    pub fn tb1(&self) -> Option<u8> {
        self.group(1).tb
    }

    /// TC1: extra guard time N; `None` means 0.
    #[must_use]
    pub fn tc1(&self) -> Option<u8> {
        self.group(1).tc
    }

    /// TC2: waiting time integer of T=0; `None` means 10.
    #[must_use]
    pub fn tc2(&self) -> Option<u8> {
        self.group(2).tc
    }

    /// TA2, taken apart; `None` in negotiable mode.
    #[must_use]
    pub fn specific_mode(&self) -> Option<SpecificMode> {
        self.group(2).ta.map(|ta2| SpecificMode {
            protocol: ta2 & 0x0F,
            implicit: ta2 & 0x10 != 0,
            can_change: ta2 & 0x80 == 0,
        })
    }

    /// Numbers of all protocols offered, in order; T=15 is none.
    pub fn protocols(&self) -> impl Iterator<Item = u8> + '_ {
        let implied = self.group(1).td.is_none().then_some(0);
        let named = self.groups().filter_map(|group| group.td.map(|td| td & 0x0F));
        implied.into_iter().chain(named).filter(|number| *number != 15)
    }

    /// Number of the protocol in use after reset if nobody negotiates: TA2's, else the first offered.
    #[must_use]
    pub fn default_protocol(&self) -> u8 {
        self.specific_mode()
            .map_or_else(|| self.protocols().next().unwrap_or(0), |mode| mode.protocol)
    }

    /// The first of the bytes that `which` picks out of the groups specific to `protocol` (i > 2).
    fn first_specific(&self, protocol: u8, which: impl Fn(&Group) -> Option<u8>) -> Option<u8> {
        self.groups()
            .skip(2)
            .filter(|group| group.protocol == Some(protocol))
            .find_map(|group| which(&group))
    }

    /// IFSC as the card gives it, the first TAi for T=1; `None` means 32.
    #[must_use]
    pub fn ifsc(&self) -> Option<u8> {
        self.first_specific(1, |group| group.ta)
    }

    /// BWI and CWI, the first TBi for T=1; `None` means 4D.
    #[must_use]
    pub fn waiting_integers(&self) -> Option<u8> {
        self.first_specific(1, |group| group.tb)
    }

    /// Whether T=1 blocks end with a CRC instead of an LRC, the first TCi for T=1.
    #[must_use]
    pub fn uses_crc(&self) -> bool {
        self.first_specific(1, |group| group.tc)
            .is_some_and(|tc| tc & 0x01 != 0)
    }

    /// The first TAi for T=15.
    #[must_use]
    pub fn global_indicator(&self) -> Option<GlobalIndicator> {
        self.first_specific(15, |group| group.ta).map(|ta| GlobalIndicator {
            clock_stop: ta >> 6,
            classes: ta & 0x3F,
        })
    }

    fn historical_end(&self) -> usize {
        usize::from(self.historical_start) + usize::from(self.historical_len)
    }

    /// The historical bytes that are there.
    #[must_use]
    pub fn historical_bytes(&self) -> &[u8] {
        let start = usize::from(self.historical_start);
        let end = self.historical_end().min(self.bytes().len());
        self.bytes().get(start..end).unwrap_or_default()
    }

    /// Whether all historical bytes that T0 announces are there.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.historical_end() <= self.bytes().len()
    }

    /// State of the check byte.
    // ISO 7816-3 §8.2.5: from T0 to TCK everything exclusive-ored is 0.
    #[must_use]
    pub fn tck(&self) -> Tck {
        if !self.tck_expected {
            return Tck::Absent;
        }
        match self.bytes().get(1..=self.historical_end()) {
            None => Tck::Missing,
            Some(checked) if checked.iter().fold(0, |sum, byte| sum ^ byte) == 0 => Tck::Valid,
            Some(_) => Tck::Wrong,
        }
    }

    /// Bytes after the end of the ATR.
    #[must_use]
    pub fn trailing_bytes(&self) -> &[u8] {
        let end = self.historical_end() + usize::from(self.tck_expected);
        self.bytes().get(end..).unwrap_or_default()
    }
}

#[cfg(test)]
#[path = "atr_tests.rs"]
mod tests;
