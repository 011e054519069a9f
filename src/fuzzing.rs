//! Doors for the fuzz targets into what is private; built by them only (`--cfg fuzzing`).

use crate::arbiter::locks::Mode;
use crate::arbiter::record::{HEADER_LEN, Header, LINE_LEN, Line, SLOT_LEN, Slot, seal};
use crate::arbiter::store::Key;
use crate::platform::state_word;
use crate::reader::protocol::LinkData;
use crate::reader::status::{View, event_word};
use crate::usb;

/// Reads `bytes` as a record, as it is and with checksums put right, and does with it what its readers do.
pub fn record(bytes: &[u8]) {
    let (slots, bytes) = bytes.split_first().unwrap_or((&0, &[]));
    let (acknowledged, bytes) = bytes.split_first_chunk().unwrap_or((&[0; 4], bytes));
    let _name = Key::parse(&String::from_utf8_lossy(bytes));
    if let Some(header) = Header::decode(bytes, *slots) {
        assert_eq!(Header::decode(&header.encode(*slots), *slots), Some(header));
        assert!(header.busy <= *slots);
    }
    let mut sealed = beginning::<HEADER_LEN>(bytes);
    seal(&mut sealed, 8);
    if let Some(header) = Header::decode(&sealed, *slots) {
        assert_eq!(Header::decode(&header.encode(*slots), *slots), Some(header));
    }
    let mut sealed = beginning::<LINE_LEN>(bytes);
    seal(&mut sealed, 0);
    if let Some(line) = Line::decode(&sealed) {
        assert_eq!(Line::decode(&line.encode()), Some(line));
    }
    let mut sealed = beginning::<SLOT_LEN>(bytes);
    if Slot::decode(bytes).is_some() {
        assert!(Slot::decode(&sealed).is_some(), "what follows an entry is not its own");
    }
    seal(&mut sealed, 0);
    if let Some(slot) = Slot::decode(&sealed) {
        use_slot(slot, u32::from_le_bytes(*acknowledged));
    }
}

/// The first bytes, filled up with zeros.
fn beginning<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut copy = [0; N];
    for (to, from) in copy.iter_mut().zip(bytes) {
        *to = *from;
    }
    copy
}

fn use_slot(mut slot: Slot, acknowledged: u32) {
    assert_eq!(Slot::decode(&slot.encode()), Some(slot));
    assert!(slot.atr.as_slice().len() <= 33);
    let _news = (slot.pending(acknowledged), state_word(&slot));
    for users in [None, Some(Mode::Shared), Some(Mode::Exclusive)] {
        let (state, moves) = (slot.state, slot.moves);
        let word = event_word(View { state, moves, users }, acknowledged);
        assert_eq!(event_word(View { state, moves, users }, word) & 2, 0, "told once");
    }
    let link = LinkData::decode(&slot.link);
    assert_eq!(LinkData::decode(&link.encode()), link);
    slot.note_removal();
    slot.note_insertion();
    slot.note_reset();
    assert_eq!(slot.pending(slot.event), None);
    assert_eq!(Slot::decode(&slot.encode()), Some(slot));
}

/// A sysfs attribute made printable.
#[must_use]
pub fn printable(bytes: &[u8]) -> Option<String> {
    usb::text::printable(bytes)
}

/// A sysfs attribute as pcscd shows interface names.
#[must_use]
pub fn ascii(bytes: &[u8]) -> Option<String> {
    usb::text::ascii(bytes)
}

/// The text of a string descriptor.
#[must_use]
pub fn from_string_descriptor(bytes: &[u8]) -> Option<String> {
    usb::text::from_descriptor(bytes)
}

/// Reads the text of a database file, after one byte that says how many of its first bytes are a card's ATR.
pub fn database(bytes: &[u8]) {
    let (len, bytes) = bytes.split_first().unwrap_or((&0, &[]));
    let (atr, text) = bytes.split_at(usize::from(*len % 34).min(bytes.len()));
    crate::database::read_and_write(&String::from_utf8_lossy(text), atr);
}
