//! What a reader has: the answers of FEATURE_IFD_PIN_PROPERTIES and FEATURE_GET_TLV_PROPERTIES.

use super::super::turn::Turn;
use super::escape;
use crate::ccid::ExchangeLevel;
use crate::ccid::gemalto::FirmwareRecord;

/// All conditions that can end the entry of a PIN.
const ALL_CONDITIONS: u8 = 0x07;
/// bTimeOut2: no reader tells the time to the first key from that to the next.
const ONE_TIMEOUT: u8 = 0;
/// Longest APDU data of readers that take extended ones; 0 stands for the short form.
const EXTENDED_LEN: u32 = 0x1_0000;

/// Property tags. PC/SC part 10 §2.6.14
mod property {
    pub(super) const LCD_LAYOUT: u8 = 0x01;
    pub(super) const ENTRY_VALIDATION_CONDITION: u8 = 0x02;
    pub(super) const TIMEOUT_2: u8 = 0x03;
    pub(super) const LCD_MAX_CHARACTERS: u8 = 0x04;
    pub(super) const LCD_MAX_LINES: u8 = 0x05;
    pub(super) const MIN_PIN_SIZE: u8 = 0x06;
    pub(super) const MAX_PIN_SIZE: u8 = 0x07;
    pub(super) const FIRMWARE_ID: u8 = 0x08;
    pub(super) const PPDU_SUPPORT: u8 = 0x09;
    pub(super) const MAX_APDU_DATA_SIZE: u8 = 0x0A;
    pub(super) const ID_VENDOR: u8 = 0x0B;
    pub(super) const ID_PRODUCT: u8 = 0x0C;
}

/// What the firmware itself tells; asking may take an exchange, and its failure only means knowing less.
fn record(turn: &mut Turn<'_>) -> Option<FirmwareRecord> {
    if !turn.port().engine().quirks().firmware_record {
        return None;
    }
    turn.exchange(|engine, transport, slot| Ok(engine.firmware_record(transport, slot)))
        .unwrap_or_default()
}

/// PIN_PROPERTIES_STRUCTURE: wLcdLayout, bEntryValidationCondition, bTimeOut2.
pub(super) fn pin(turn: &mut Turn<'_>) -> Vec<u8> {
    let record = record(turn);
    let engine = turn.port().engine();
    let [columns, lines] = engine.descriptor().lcd_layout().to_le_bytes();
    let known = engine.quirks().pin.condition_told;
    let condition = record.map(|record| record.condition).or(known);
    vec![columns, lines, condition.unwrap_or(ALL_CONDITIONS), ONE_TIMEOUT]
}

/// Tag, length, value in little-endian order.
#[derive(Debug, Default)]
struct Properties(Vec<u8>);

impl Properties {
    fn put(&mut self, tag: u8, value: &[u8]) {
        let value = value.get(..usize::from(u8::MAX)).unwrap_or(value);
        self.0.push(tag);
        self.0.push(u8::try_from(value.len()).unwrap_or(u8::MAX));
        self.0.extend_from_slice(value);
    }
}

/// All properties, in libccid's order.
pub(super) fn all(turn: &mut Turn<'_>) -> Vec<u8> {
    let record = record(turn);
    let name = if turn.port().engine().quirks().firmware_record {
        turn.exchange(|engine, transport, slot| Ok(engine.firmware_name(transport, slot)))
            .unwrap_or_default()
    } else {
        None
    };
    let (layout, level, pin) = {
        let engine = turn.port().engine();
        (engine.descriptor().lcd_layout(), engine.level(), engine.quirks().pin)
    };
    let interface = turn.port().interface();
    let mut out = Properties::default();
    out.put(property::LCD_LAYOUT, &layout.to_le_bytes());
    if layout != 0 {
        let [columns, lines] = layout.to_le_bytes();
        out.put(property::LCD_MAX_CHARACTERS, &u16::from(columns).to_le_bytes());
        out.put(property::LCD_MAX_LINES, &u16::from(lines).to_le_bytes());
    }
    out.put(property::TIMEOUT_2, &[ONE_TIMEOUT]);
    if let Some(name) = name {
        out.put(property::FIRMWARE_ID, &name);
    }
    let (limits, condition) = match record {
        Some(record) => (Some((record.min_pin_len, record.max_pin_len)), Some(record.condition)),
        None => (pin.limits, pin.condition_told),
    };
    if let Some((least, most)) = limits {
        out.put(property::MIN_PIN_SIZE, &[least]);
        out.put(property::MAX_PIN_SIZE, &[most]);
        if let Some(condition) = condition {
            out.put(property::ENTRY_VALIDATION_CONDITION, &[condition]);
        }
    }
    // Bit 0: pseudo-APDUs pass in Escapes.
    out.put(property::PPDU_SUPPORT, &[u8::from(escape::is_enabled())]);
    out.put(property::ID_VENDOR, &interface.vendor_id.to_le_bytes());
    out.put(property::ID_PRODUCT, &interface.product_id.to_le_bytes());
    let longest = match level {
        ExchangeLevel::Tpdu | ExchangeLevel::ExtendedApdu => EXTENDED_LEN,
        ExchangeLevel::Character | ExchangeLevel::ShortApdu => 0,
    };
    out.put(property::MAX_APDU_DATA_SIZE, &longest.to_le_bytes());
    out.0
}
