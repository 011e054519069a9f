//! What readers with Gemalto firmware tell and are told in Escape messages.

use super::exchange::Engine;
use crate::usb;
use std::thread;
use std::time::Duration;

/// Escape that asks for the record of what the firmware can do.
const GET_RECORD: &[u8] = &[0x6A];
/// Length of that record; firmware that does not know the Escape answers with other lengths.
const RECORD_LEN: usize = 21;
/// Escape that asks for the firmware's name.
const GET_NAME: &[u8] = &[0x02];
/// Escape that loads the texts of the display; the texts follow.
const LOAD_TEXTS: &[u8] = &[0xB2, 0xA0, 0x00, 0x4D, 0x4C];
/// Characters of each text.
const TEXT_LEN: usize = 16;
/// What has to pass after plugging in before it takes texts.
const TEXTS_DELAY: Duration = Duration::from_secs(1);

/// The texts in the order the firmware wants them.
const TEXTS: [&str; 10] = [
    "Enter PIN:",
    "New PIN:",
    "New PIN again:",
    "PIN accepted",
    "Wrong PIN!",
    "Time is over",
    "* tries left",
    "Insert a card",
    "Card error",
    "PIN is blocked",
];

/// What the firmware says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FirmwareRecord {
    /// `bEntryValidationCondition`s it knows.
    pub condition: u8,
    /// It goes by `bNumberMessage` in PIN modification.
    pub counts_messages: bool,
    /// Shortest PIN.
    pub min_pin_len: u8,
    /// Longest PIN.
    pub max_pin_len: u8,
}

impl FirmwareRecord {
    /// `None` unless it has the length of such a record.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let record: &[u8; RECORD_LEN] = bytes.try_into().ok()?;
        #[rustfmt::skip]
        let [_lines, _columns, _info, condition, _, _, _, _, flags, _, _, _, _version, min_pin_len, max_pin_len, ..] = *record;
        Some(Self {
            condition,
            counts_messages: flags & 0x04 != 0,
            min_pin_len,
            max_pin_len,
        })
    }
}

/// What an engine knows of such a reader.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Firmware {
    /// `None` until it was asked.
    record: Option<Option<FirmwareRecord>>,
    texts_loaded: bool,
}

impl Engine {
    /// The firmware's record, asked for on first use; `None` from readers that have none.
    pub fn firmware_record(&mut self, transport: &dyn usb::Transport, slot: u8) -> Option<FirmwareRecord> {
        if !self.quirks.firmware_record {
            return None;
        }
        if let Some(record) = self.firmware.record {
            return record;
        }
        let mut answer = [0; RECORD_LEN + 1];
        match self.escape(transport, slot, GET_RECORD, &mut answer) {
            Ok(len) => {
                let record = FirmwareRecord::parse(answer.get(..len).unwrap_or_default());
                log::debug!("slot {slot}: firmware record of {len} bytes: {record:?}");
                self.firmware.record = Some(record);
                record
            }
            Err(super::Error::Slot(error)) => {
                log::debug!("slot {slot}: no firmware record: {error}");
                self.firmware.record = Some(None);
                None
            }
            // Perhaps the next time.
            Err(error) => {
                log::info!("slot {slot}: firmware record: {error}");
                None
            }
        }
    }

    /// The firmware's name, of readers that tell it.
    pub fn firmware_name(&mut self, transport: &dyn usb::Transport, slot: u8) -> Option<Vec<u8>> {
        if !self.quirks.firmware_record {
            return None;
        }
        let mut name = vec![0; usize::from(u8::MAX)];
        match self.escape(transport, slot, GET_NAME, &mut name) {
            Ok(len) => {
                name.truncate(len);
                Some(name)
            }
            Err(error) => {
                log::info!("slot {slot}: firmware name: {error}");
                None
            }
        }
    }

    /// Loads the texts of a display that has none of its own, once in the life of this engine. A PIN can be entered
    /// without them.
    pub(super) fn load_texts(&mut self, transport: &dyn usb::Transport, slot: u8) {
        if !self.quirks.pin.loads_texts || self.firmware.texts_loaded {
            return;
        }
        thread::sleep(TEXTS_DELAY.min(self.timeouts.command));
        let mut command = LOAD_TEXTS.to_vec();
        for text in TEXTS {
            command.extend(text.bytes().chain(std::iter::repeat(b' ')).take(TEXT_LEN));
        }
        match self.escape(transport, slot, &command, &mut []) {
            Ok(_) => self.firmware.texts_loaded = true,
            Err(error) => log::info!("slot {slot}: loading the display's texts: {error}"),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
    use super::*;

    #[test]
    fn a_record_has_21_bytes() {
        let mut bytes = [0; 22];
        (bytes[3], bytes[8], bytes[13], bytes[14]) = (0x02, 0x04, 4, 8);
        let record = FirmwareRecord {
            condition: 2,
            counts_messages: true,
            min_pin_len: 4,
            max_pin_len: 8,
        };
        assert_eq!(FirmwareRecord::parse(&bytes[..21]), Some(record));
        for len in (0..=20).chain([22]) {
            assert_eq!(FirmwareRecord::parse(&bytes[..len]), None);
        }
        bytes[8] = 0xFB;
        assert!(!FirmwareRecord::parse(&bytes[..21]).unwrap().counts_messages);
    }

    #[test]
    fn texts_fit_their_places() {
        assert!(TEXTS.iter().all(|text| text.len() <= TEXT_LEN && text.is_ascii()));
    }
}
