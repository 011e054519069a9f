//! The record of one interface: a header and one entry per slot, as fixed-size bytes in a file.
//!
//! Little-endian, checksummed, every field range-checked on reading; whatever does not pass is `None`, and the reader
//! is then asked anew. No system call here.

mod codec;
mod line;

pub(crate) use codec::seal;
use codec::{Reader, Writer, is_sealed};
pub(crate) use line::{LINE_LEN, Line};

/// Most slots an interface may have here; CCID allows 256, the largest device known has 8.
pub(crate) const MAX_SLOTS: u8 = 16;
/// Bytes of the header.
pub(crate) const HEADER_LEN: usize = 64;
/// Bytes of what concerns one slot, without the line of those who wait for its card.
pub(crate) const SLOT_LEN: usize = 160;
/// Bytes of one slot's entry.
pub(crate) const ENTRY_LEN: usize = SLOT_LEN + LINE_LEN;
/// Changes with every incompatible change of the layout.
const MAGIC: [u8; 8] = *b"WSCR\x03\0\0\0";
/// Longest ATR, ISO 7816-3 §8.2.
const MAX_ATR_LEN: usize = 33;

/// What concerns the interface as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Header {
    /// 1 + the slot in whose exchange somebody is; not 0 under the exchange lock: that one died in mid-exchange.
    pub(crate) busy: u8,
    /// The peer that claimed the interface last, 0 for none.
    pub(crate) claim_peer: u32,
    /// Where the next peer to claim starts counting `bSeq`.
    pub(crate) sequence: u8,
    /// When the pipes were last used, coarse monotonic milliseconds.
    pub(crate) last_use_ms: u64,
}

/// What is known of the card in a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(u8)]
pub(crate) enum CardState {
    /// Never asked.
    #[default]
    Unknown = 0,
    /// No card.
    Absent = 1,
    /// A card that nobody powered up yet.
    Inserted = 2,
    /// Powered, ATR known.
    Powered = 3,
    /// Does not answer to reset.
    Mute = 4,
    /// Powered down by SCARD_UNPOWER_CARD; ATR kept.
    Unpowered = 5,
    /// Left alone for too long and switched off; callers see it as powered, the next one powers it up.
    Dormant = 6,
    /// The reader does not answer.
    Failed = 7,
}

impl CardState {
    fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            0 => Self::Unknown,
            1 => Self::Absent,
            2 => Self::Inserted,
            3 => Self::Powered,
            4 => Self::Mute,
            5 => Self::Unpowered,
            6 => Self::Dormant,
            7 => Self::Failed,
            _ => return None,
        })
    }

    /// Whether a card is in the slot.
    pub(crate) fn is_present(self) -> bool {
        matches!(
            self,
            Self::Inserted | Self::Powered | Self::Mute | Self::Unpowered | Self::Dormant
        )
    }
}

/// An ATR, at most 33 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Atr {
    bytes: [[u8; 11]; 3],
    len: u8,
}

impl Atr {
    /// Copies an ATR; what is longer than an ATR can be is cut.
    pub(crate) fn new(atr: &[u8]) -> Self {
        let mut copy = Self::default();
        let len = atr.len().min(MAX_ATR_LEN);
        for (to, from) in copy.bytes.as_flattened_mut().iter_mut().zip(atr) {
            *to = *from;
        }
        copy.len = u8::try_from(len).unwrap_or(0);
        copy
    }

    /// The bytes.
    pub(crate) fn as_slice(&self) -> &[u8] {
        self.bytes
            .as_flattened()
            .get(..usize::from(self.len))
            .unwrap_or_default()
    }
}

/// What concerns one slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Slot {
    /// The card's state.
    pub(crate) state: CardState,
    /// A card was in the slot when the reader failed.
    pub(crate) failed_with_card: bool,
    /// Protocol in use: 0 none, 1 T=0, 2 T=1, 4 raw (PC/SC's numbers).
    pub(crate) protocol: u8,
    /// Insertions and removals since the reader arrived.
    pub(crate) moves: u16,
    /// Token of the handle in whose transaction the card is, 0 for none.
    pub(crate) owner: u32,
    /// Counts resets and removals together, so that a handle can tell which came last.
    pub(crate) event: u32,
    /// Value of `event` at the last reset.
    pub(crate) last_reset: u32,
    /// Value of `event` at the last removal.
    pub(crate) last_removal: u32,
    /// When a handle last used the card, milliseconds of CLOCK_BOOTTIME.
    pub(crate) last_use_ms: u64,
    /// When the slot was last asked for its status, coarse monotonic milliseconds; 0 to have it asked.
    pub(crate) last_poll_ms: u64,
    /// How long the machine had been suspended since boot when the card was last seen to, in milliseconds.
    pub(crate) slept_ms: u64,
    /// Commands sent to cards since the reader arrived, modulo 2³².
    pub(crate) transmits: u32,
    /// When the card was last powered up, or known to be the one it was; coarse monotonic milliseconds, 0 for not yet.
    pub(crate) met_ms: u64,
    /// The card's ATR; empty if there is none.
    pub(crate) atr: Atr,
    /// Data of the protocol that outlives a process (parameters, T=1 sequence bits and IFS), opaque here.
    pub(crate) link: [u8; 32],
}

/// What a handle has to be told before anything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// Somebody reset the card.
    Reset,
    /// The card was taken out.
    Removed,
}

/// Whether a count that wraps around has come after another.
fn is_later(count: u32, other: u32) -> bool {
    matches!(count.wrapping_sub(other), 1..=0x7FFF_FFFF)
}

impl Slot {
    /// A slot nobody has asked yet. Starts the event count at a value later than any before, so that handles from the
    /// time of a lost record see a reset.
    pub(crate) fn fresh(now_ms: u64) -> Self {
        let event = u32::try_from((now_ms >> 4) & u64::from(u32::MAX)).unwrap_or(0);
        Self {
            event,
            last_reset: event,
            last_removal: event.wrapping_sub(1),
            ..Self::default()
        }
    }

    /// The newest thing that happened after `acknowledged`.
    pub(crate) fn pending(&self, acknowledged: u32) -> Option<Event> {
        match (
            is_later(self.last_reset, acknowledged),
            is_later(self.last_removal, acknowledged),
        ) {
            (false, false) => None,
            (true, false) => Some(Event::Reset),
            (false, true) => Some(Event::Removed),
            (true, true) if is_later(self.last_reset, self.last_removal) => Some(Event::Reset),
            (true, true) => Some(Event::Removed),
        }
    }

    /// Notes a reset: everybody else is told, the protocol is open again.
    pub(crate) fn note_reset(&mut self) {
        self.event = self.event.wrapping_add(1);
        self.last_reset = self.event;
        self.protocol = 0;
    }

    /// Notes that the card is gone: that ends its transaction.
    pub(crate) fn note_removal(&mut self) {
        self.event = self.event.wrapping_add(1);
        self.last_removal = self.event;
        self.moves = self.moves.wrapping_add(1);
        self.state = CardState::Absent;
        self.protocol = 0;
        self.owner = 0;
        self.atr = Atr::default();
        self.link = [0; 32];
    }

    /// Notes a new card.
    pub(crate) fn note_insertion(&mut self) {
        self.moves = self.moves.wrapping_add(1);
        self.state = CardState::Inserted;
    }
}

impl Header {
    /// As bytes.
    pub(crate) fn encode(&self, slots: u8) -> [u8; HEADER_LEN] {
        let mut out = [0; HEADER_LEN];
        let mut w = Writer::new(&mut out, 0);
        w.put(MAGIC);
        w.put([0; 8]);
        w.put([slots, self.busy, self.sequence, 0]);
        w.put(self.claim_peer.to_le_bytes());
        w.put(self.last_use_ms.to_le_bytes());
        seal(&mut out, 8);
        out
    }

    /// From bytes; `None` if anything about them is not as written by this version for this many slots.
    pub(crate) fn decode(bytes: &[u8], slots: u8) -> Option<Self> {
        let bytes = bytes.first_chunk::<HEADER_LEN>()?;
        if !bytes.starts_with(&MAGIC) || !is_sealed(bytes, 8) {
            return None;
        }
        let mut r = Reader::new(bytes, 16);
        let [count, busy, sequence, _] = r.take()?;
        if count != slots || busy > slots {
            return None;
        }
        Some(Self {
            busy,
            sequence,
            claim_peer: r.u32()?,
            last_use_ms: r.u64()?,
        })
    }
}

impl Slot {
    /// As bytes.
    pub(crate) fn encode(&self) -> [u8; SLOT_LEN] {
        let mut out = [0; SLOT_LEN];
        let mut w = Writer::new(&mut out, 8);
        w.put([
            self.state as u8,
            self.protocol,
            self.atr.len,
            self.failed_with_card.into(),
        ]);
        w.put(u32::from(self.moves).to_le_bytes());
        for value in [self.owner, self.event, self.last_reset, self.last_removal] {
            w.put(value.to_le_bytes());
        }
        w.put(self.last_use_ms.to_le_bytes());
        w.put(self.last_poll_ms.to_le_bytes());
        w.put(self.link);
        for part in self.atr.bytes {
            w.put(part);
        }
        w.put([0; 15]);
        w.put(self.slept_ms.to_le_bytes());
        w.put(self.transmits.to_le_bytes());
        w.put(self.met_ms.to_le_bytes());
        seal(&mut out, 0);
        out
    }

    /// From bytes; `None` if anything about them is out of range.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.first_chunk::<SLOT_LEN>()?;
        if !is_sealed(bytes, 0) {
            return None;
        }
        let mut r = Reader::new(bytes, 8);
        let [state, protocol, atr_len, flags] = r.take()?;
        let state = CardState::from_byte(state)?;
        let moves = u16::try_from(r.u32()?).ok()?;
        if flags > 1 || !matches!(protocol, 0 | 1 | 2 | 4) || usize::from(atr_len) > MAX_ATR_LEN {
            return None;
        }
        let (owner, event, last_reset, last_removal) = (r.u32()?, r.u32()?, r.u32()?, r.u32()?);
        let (last_use_ms, last_poll_ms) = (r.u64()?, r.u64()?);
        let link = r.take()?;
        let atr = Atr::new(r.take::<MAX_ATR_LEN>()?.get(..usize::from(atr_len))?);
        let _unused: [u8; 15] = r.take()?;
        Some(Self {
            state,
            failed_with_card: flags == 1,
            protocol,
            moves,
            owner,
            event,
            last_reset,
            last_removal,
            last_use_ms,
            last_poll_ms,
            slept_ms: r.u64()?,
            transmits: r.u32()?,
            met_ms: r.u64()?,
            atr,
            link,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
mod tests {
    use super::*;

    fn slot() -> Slot {
        let mut slot = Slot::fresh(123_456_789);
        slot.state = CardState::Powered;
        slot.protocol = 2;
        slot.failed_with_card = true;
        slot.moves = 0xFFFE;
        slot.owner = 0x1234_5678;
        slot.atr = Atr::new(&[0x3B; 33]);
        slot.link[31] = 7;
        slot.last_use_ms = u64::MAX;
        slot.slept_ms = 1 << 50;
        slot.transmits = u32::MAX;
        slot.met_ms = 1 << 51;
        slot
    }

    #[test]
    fn what_is_written_is_read() {
        let header = Header {
            busy: 2,
            claim_peer: 99,
            sequence: 250,
            last_use_ms: 1 << 40,
        };
        assert_eq!(Header::decode(&header.encode(3), 3), Some(header));
        assert_eq!(Slot::decode(&slot().encode()), Some(slot()));
    }

    #[test]
    fn any_changed_byte_and_any_shorter_length_is_refused() {
        let good = slot().encode();
        let header = Header::default().encode(1);
        for i in 0..SLOT_LEN {
            let mut bad = good;
            bad[i] ^= 0x40;
            assert_eq!(Slot::decode(&bad), None, "byte {i}");
            assert_eq!(Slot::decode(&good[..i]), None, "length {i}");
        }
        for i in 0..HEADER_LEN {
            let mut bad = header;
            bad[i] ^= 1;
            assert_eq!(Header::decode(&bad, 1), None, "byte {i}");
        }
        assert_eq!(Header::decode(&header, 2), None, "another number of slots");
    }

    #[test]
    fn values_out_of_range_are_refused_even_with_a_right_checksum() {
        for (at, value) in [(8, 8), (9, 3), (10, 34), (11, 2), (14, 1)] {
            let mut bytes = slot().encode();
            bytes[at] = value;
            seal(&mut bytes, 0);
            assert_eq!(Slot::decode(&bytes), None, "byte {at} = {value}");
        }
    }

    /// Behaviour reference §2.1: one event per handle, the newest overwrites.
    #[test]
    fn the_newest_event_wins_and_an_acknowledged_one_is_silent() {
        let mut slot = Slot::fresh(1_000_000);
        let seen = slot.event;
        assert_eq!(slot.pending(seen), None);
        slot.note_reset();
        assert_eq!(slot.pending(seen), Some(Event::Reset));
        slot.note_removal();
        assert_eq!(slot.pending(seen), Some(Event::Removed));
        slot.note_insertion();
        slot.note_reset();
        assert_eq!(slot.pending(seen), Some(Event::Reset));
        assert_eq!(slot.pending(slot.event), None);
        assert_eq!(slot.moves, 2);
        (slot.event, slot.last_reset, slot.last_removal) = (u32::MAX, u32::MAX, u32::MAX - 1);
        let seen = slot.event;
        slot.note_reset();
        assert_eq!(slot.pending(seen), Some(Event::Reset), "across the wrap");
    }
}
