//! `SCardControl`: features, properties, escape.

use super::turn::Turn;
use crate::api::constants::scard_ctl_code;
use crate::api::types::DWORD;
use crate::ccid::{self, ExchangeLevel};
use crate::error::{Error, Result};
use crate::usb;

/// CM_IOCTL_GET_FEATURE_REQUEST, and the number it has on Windows (it comes through remote desktop).
const GET_FEATURE_REQUEST: [DWORD; 2] = [scard_ctl_code(3400), 0x0031_3520];
/// Vendor command to the reader.
const ESCAPE: DWORD = scard_ctl_code(1);
/// Where the reader sits on the bus, as text; libccid has this too.
const USB_PATH: DWORD = scard_ctl_code(3601);

/// PC/SC part 10 feature tags.
const IFD_PIN_PROPERTIES: u8 = 0x0A;
const GET_TLV_PROPERTIES: u8 = 0x12;
const CCID_ESC_COMMAND: u8 = 0x13;

/// Control code under which a feature is reached; libccid's numbering.
const fn feature_code(tag: u8) -> DWORD {
    scard_ctl_code(0x0033_0000 + tag as DWORD)
}

/// Answers a control code, or passes it to the reader.
///
/// # Errors
/// `UnsupportedFeature` for unknown codes, `InsufficientBuffer` (the caller reports the length), `NotTransacted` if
/// escapes are not allowed or the reader refused, `ReaderUnavailable` if it has left.
pub(crate) fn control(turn: &mut Turn<'_>, code: DWORD, input: &[u8], capacity: usize) -> Result<Vec<u8>> {
    log::debug!("control code {code:#x}, {} bytes in, room for {capacity}", input.len());
    if GET_FEATURE_REQUEST.contains(&code) {
        return Ok(features(turn));
    }
    match code {
        ESCAPE => escape(turn, input),
        USB_PATH => Ok(turn.port().interface().usb_path.clone().into_bytes()),
        _ if code == feature_code(GET_TLV_PROPERTIES) => Ok(tlv_properties(turn)),
        _ if code == feature_code(IFD_PIN_PROPERTIES) && has_pin_pad(turn) => Ok(pin_properties(turn)),
        _ => Err(Error::UnsupportedFeature),
    }
}

fn has_pin_pad(turn: &Turn<'_>) -> bool {
    turn.port().engine().descriptor().pin_support() != 0
}

/// Tag, length 4, control code in big-endian order, for each feature.
fn features(turn: &Turn<'_>) -> Vec<u8> {
    let mut tags = Vec::new();
    if has_pin_pad(turn) {
        tags.push((IFD_PIN_PROPERTIES, feature_code(IFD_PIN_PROPERTIES)));
    }
    tags.push((GET_TLV_PROPERTIES, feature_code(GET_TLV_PROPERTIES)));
    if escapes_allowed() {
        tags.push((CCID_ESC_COMMAND, ESCAPE));
    }
    let mut out = Vec::with_capacity(tags.len() * 6);
    for (tag, code) in tags {
        out.extend([tag, 4]);
        out.extend(u32::try_from(code).unwrap_or(0).to_be_bytes());
    }
    out
}

/// PIN_PROPERTIES_STRUCTURE: wLcdLayout, bEntryValidationCondition, bTimeOut2.
fn pin_properties(turn: &Turn<'_>) -> Vec<u8> {
    let layout = turn.port().engine().descriptor().lcd_layout().to_le_bytes();
    vec![layout[0], layout[1], 0x07, 0x00]
}

/// PC/SC part 10 §2.6.14: tag, length, value in little-endian order.
fn tlv_properties(turn: &Turn<'_>) -> Vec<u8> {
    let (layout, level) = {
        let engine = turn.port().engine();
        (engine.descriptor().lcd_layout(), engine.level())
    };
    let interface = turn.port().interface();
    let mut out = Vec::new();
    let mut put = |tag: u8, value: &[u8]| {
        out.push(tag);
        out.push(u8::try_from(value.len()).unwrap_or(0));
        out.extend_from_slice(value);
    };
    put(0x01, &layout.to_le_bytes());
    if layout != 0 {
        let [columns, lines] = layout.to_le_bytes();
        put(0x04, &u16::from(columns).to_le_bytes());
        put(0x05, &u16::from(lines).to_le_bytes());
    }
    put(0x03, &[0]);
    put(0x09, &[u8::from(escapes_allowed())]);
    put(0x0B, &interface.vendor_id.to_le_bytes());
    put(0x0C, &interface.product_id.to_le_bytes());
    let longest: u32 = if level == ExchangeLevel::ShortApdu { 0 } else { 0x1_0000 };
    put(0x0A, &longest.to_le_bytes());
    out
}

/// Escapes reach a reader's firmware, so somebody has to want them: `WINSCARD_ESCAPE=1`.
fn escapes_allowed() -> bool {
    crate::env::var("WINSCARD_ESCAPE").is_some_and(|value| value == "1")
}

fn escape(turn: &mut Turn<'_>, input: &[u8]) -> Result<Vec<u8>> {
    if !escapes_allowed() {
        log::error!(
            "{}: escape command refused; WINSCARD_ESCAPE=1 allows it",
            turn.port().interface().node.display()
        );
        return Err(Error::NotTransacted);
    }
    let room = turn.port().engine().descriptor().max_payload_len();
    let mut answer = vec![0; room];
    let result = turn.exchange(|engine, transport, slot| engine.escape(transport, slot, input, &mut answer));
    match result {
        Ok(len) => {
            answer.truncate(len);
            Ok(answer)
        }
        Err(ccid::Error::Usb(error)) if error.kind == usb::ErrorKind::Disconnected => Err(Error::ReaderUnavailable),
        Err(error) => {
            log::info!("{}: escape: {error}", turn.port().interface().node.display());
            Err(Error::NotTransacted)
        }
    }
}
