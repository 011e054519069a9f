//! The record as a turn sees it and as it leaves it.

use crate::arbiter::record::{Header, Line, Slot};
use crate::arbiter::store::Store;

/// Header and one slot's entry, as they are and as they stand in the record. Kept from turn to turn: the owner of a
/// transaction finds all as he has left it.
#[derive(Debug, Default)]
pub(crate) struct View {
    pub(in crate::reader) header: Header,
    header_written: Header,
    /// The header did not decode.
    pub(in crate::reader) header_lost: bool,
    /// The slot's entry in the record.
    pub(crate) card: Slot,
    /// `None` if it did not decode.
    card_written: Option<Slot>,
    /// Who waits for the card; nobody where the view was kept.
    pub(in crate::reader) line: Line,
    line_written: Line,
    kept: Option<Kept>,
}

/// Whose view it is, and until when it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Kept {
    /// Writes of this process by then.
    writes: u64,
    token: u32,
    slot: u8,
}

impl View {
    /// Whether the handle with this token has left it, and this process has written nothing since. It is no longer kept
    /// then: whoever is to find it again says so by [`Self::keep`].
    pub(super) fn take_kept(&mut self, token: u32, slot: u8, store: &Store) -> bool {
        let writes = store.writes();
        self.kept.take() == Some(Kept { writes, token, slot })
    }

    /// Keeps it for the card's owner, who waits for nobody and gives way to nobody.
    pub(super) fn keep(&mut self, slot: u8, store: &Store) {
        (self.line, self.line_written) = (Line::default(), Line::default());
        self.kept = Some(Kept {
            writes: store.writes(),
            token: self.card.owner,
            slot,
        });
    }

    /// Reads it; what does not decode is made up by `header` and `card`.
    pub(super) fn load(
        &mut self,
        store: &Store,
        slot: u8,
        header: impl FnOnce() -> Header,
        card: impl FnOnce() -> Slot,
    ) {
        let (read_header, read_card, line) = store.read_entry(slot);
        self.header_lost = read_header.is_none();
        self.header_written = read_header.unwrap_or_default();
        self.header = read_header.unwrap_or_else(header);
        self.card_written = read_card;
        self.card = read_card.unwrap_or_else(card);
        (self.line, self.line_written) = (line, line);
    }

    /// Whether the slot's entry was there.
    pub(in crate::reader) fn is_recorded(&self) -> bool {
        self.card_written.is_some()
    }

    /// Writes the header, whether it has changed or not.
    pub(super) fn write_header(&mut self, store: &Store) {
        store.write_header(&self.header);
        self.header_written = self.header;
    }

    /// Has the next turn start over with the reader.
    pub(super) fn write_mark(&self, store: &Store, slot: u8) {
        store.write_header(&Header {
            busy: slot + 1,
            ..self.header_written
        });
    }

    /// Writes what has changed; whether the slot's entry has.
    pub(super) fn write(&mut self, store: &Store, slot: u8) -> bool {
        if self.header != self.header_written {
            self.write_header(store);
        }
        let changed = self.card_written != Some(self.card);
        if changed {
            store.write_slot(slot, &self.card);
            self.card_written = Some(self.card);
        }
        if self.line != self.line_written {
            store.write_line(slot, &self.line);
            self.line_written = self.line;
        }
        changed
    }
}
