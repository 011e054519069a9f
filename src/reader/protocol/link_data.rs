//! What a protocol leaves in the record for the next exchange, of this process or another.

use std::time::Duration;

use crate::ccid::Parameters;
use crate::iso7816::{params, t1};

/// For exchanges before a protocol is chosen, and for cards whose ATR says nothing sensible.
pub(super) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);

/// Length of the field in the record.
const LEN: usize = 32;

/// The link to a card, in 32 bytes:
///
/// | offset | what |
/// |---|---|
/// | 0 | timeout of a block in milliseconds, 4 bytes, low one first; 0 means none is known |
/// | 4 | 0: no parameters; else 1 + the number of the protocol they belong to |
/// | 5 | the parameters as in SetParameters, 5 bytes for T=0 or 7 for T=1, then 0 |
/// | 12 | T=1: sequence numbers, sizes, check code ([`t1::State::encode`]), 4 bytes |
/// | 16 | 0 |
///
/// Any 32 bytes can be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LinkData {
    /// What a block may take.
    pub(crate) timeout: Duration,
    /// Parameters in force, where they are known.
    pub(crate) parameters: Option<Parameters>,
    /// Where T=1 stands, if the host does it.
    pub(crate) t1: t1::State,
}

impl LinkData {
    pub(crate) fn encode(&self) -> [u8; LEN] {
        let millis = u32::try_from(self.timeout.as_millis()).unwrap_or(u32::MAX);
        let mut block = [0; 7];
        let mut number = 0;
        if let Some(parameters) = &self.parameters {
            number = 1 + parameters.protocol;
            for (to, from) in block.iter_mut().zip(parameters.data()) {
                *to = *from;
            }
        }
        let fields = millis.to_le_bytes().into_iter().chain([number]);
        let fields = fields.chain(block).chain(self.t1.encode());
        let mut bytes = [0; LEN];
        for (to, from) in bytes.iter_mut().zip(fields) {
            *to = from;
        }
        bytes
    }

    /// The first field alone.
    pub(super) fn timeout(bytes: &[u8; LEN]) -> Duration {
        let [m0, m1, m2, m3, ..] = *bytes;
        match u32::from_le_bytes([m0, m1, m2, m3]) {
            0 => DEFAULT_TIMEOUT,
            millis => Duration::from_millis(millis.into()).min(params::MAX_EXCHANGE_TIME),
        }
    }

    pub(crate) fn decode(bytes: &[u8; LEN]) -> Self {
        let [_, _, _, _, number, rest @ ..] = *bytes;
        let [b0, b1, b2, b3, b4, b5, b6, s0, s1, s2, s3, ..] = rest;
        let parameters = match number {
            1 => Some(Parameters::new(0, &[b0, b1, b2, b3, b4])),
            2 => Some(Parameters::new(1, &[b0, b1, b2, b3, b4, b5, b6])),
            _ => None,
        };
        Self {
            timeout: Self::timeout(bytes),
            parameters,
            t1: t1::State::decode([s0, s1, s2, s3]),
        }
    }

    /// Fi and Di in force, where they are known.
    #[must_use]
    pub(crate) fn fi_di(&self) -> Option<u8> {
        self.parameters
            .and_then(|parameters| parameters.data().first().copied())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
mod tests {
    use super::*;
    use crate::iso7816::Atr;

    #[test]
    fn what_is_written_is_read() {
        let atr = Atr::parse(&[0x3B, 0x80, 0x81, 0x71, 0xFE, 0x45, 0x01]).unwrap();
        for parameters in [
            None,
            Some(Parameters::new(0, &[0x96, 0x02, 3, 10, 0])),
            Some(Parameters::new(1, &[0x96, 0x11, 3, 0x45, 0, 254, 0])),
        ] {
            let link = LinkData {
                timeout: Duration::from_millis(5810),
                parameters,
                t1: t1::State::of(&atr),
            };
            let bytes = link.encode();
            assert_eq!(LinkData::decode(&bytes), link);
            assert_eq!(bytes[16..], [0; 16]);
            assert_eq!(link.fi_di(), parameters.map(|_| 0x96));
        }
    }

    #[test]
    fn any_bytes_can_be_read() {
        let mut seed = 0x9E37_79B9_u32;
        for _ in 0..20_000 {
            let bytes: [u8; LEN] = std::array::from_fn(|_| {
                seed ^= seed << 13;
                seed ^= seed >> 17;
                seed ^= seed << 5;
                seed.to_le_bytes()[1]
            });
            let link = LinkData::decode(&bytes);
            assert!(!link.timeout.is_zero() && link.timeout <= params::MAX_EXCHANGE_TIME);
            assert_eq!(LinkData::decode(&link.encode()), link);
        }
        let none = LinkData::decode(&[0; LEN]);
        assert_eq!((none.timeout, none.parameters), (DEFAULT_TIMEOUT, None));
    }
}
