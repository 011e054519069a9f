//! Who waits for a card, in bytes of its own behind a slot's: those who wait write there, and the owner of the card, who
//! writes the slot, need not know of it.

use super::codec::{Reader, Writer, is_sealed, seal};

/// Bytes it takes.
pub(crate) const LINE_LEN: usize = 32;

/// The head of those who wait for a card.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Line {
    /// Token of the handle, 0 for none.
    pub(crate) token: u32,
    /// Since when it has waited, coarse monotonic milliseconds.
    pub(crate) since_ms: u64,
    /// Until when the card is kept for it; 0 while nobody has given way.
    pub(crate) until_ms: u64,
}

impl Line {
    /// As bytes.
    pub(crate) fn encode(&self) -> [u8; LINE_LEN] {
        let mut out = [0; LINE_LEN];
        let mut w = Writer::new(&mut out, 8);
        w.put(u64::from(self.token).to_le_bytes());
        w.put(self.since_ms.to_le_bytes());
        w.put(self.until_ms.to_le_bytes());
        seal(&mut out, 0);
        out
    }

    /// From bytes; `None` if they are not as written.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.first_chunk::<LINE_LEN>()?;
        if !is_sealed(bytes, 0) {
            return None;
        }
        let mut r = Reader::new(bytes, 8);
        Some(Self {
            token: u32::try_from(r.u64()?).ok()?,
            since_ms: r.u64()?,
            until_ms: r.u64()?,
        })
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, reason = "tests")]
mod tests {
    use super::*;

    const LINE: Line = Line {
        token: u32::MAX,
        since_ms: 3,
        until_ms: 1 << 60,
    };

    #[test]
    fn what_is_written_is_read_and_nothing_else() {
        let good = LINE.encode();
        assert_eq!(Line::decode(&good), Some(LINE));
        for i in 0..LINE_LEN {
            let mut bad = good;
            bad[i] ^= 0x40;
            assert_eq!(Line::decode(&bad), None, "byte {i}");
            assert_eq!(Line::decode(&good[..i]), None, "length {i}");
        }
        let mut beyond = good;
        beyond[12] = 1;
        seal(&mut beyond, 0);
        assert_eq!(Line::decode(&beyond), None, "no token is that large");
        assert_eq!(Line::decode(&[0; LINE_LEN]), None, "never written");
    }
}
