//! `SCardControl`: features, properties, PIN entry, escape.

mod escape;
mod pin;
mod properties;

use super::turn::Turn;
use crate::api::constants::scard_ctl_code;
use crate::api::types::DWORD;
use crate::ccid::{self, Engine};
use crate::error::{Error, Result};
use crate::platform;
use crate::usb::Transport;

/// CM_IOCTL_GET_FEATURE_REQUEST, and the number it has on Windows (it comes through remote desktop).
const GET_FEATURE_REQUEST: [DWORD; 2] = [scard_ctl_code(3400), 0x0031_3520];
/// Vendor command to the reader.
const ESCAPE: DWORD = scard_ctl_code(platform::ESCAPE_FUNCTION);
/// Where the reader sits on the bus, as text; libccid has this too.
const USB_PATH: DWORD = scard_ctl_code(3601);

/// Feature tags. PC/SC part 10 §2.2
mod feature {
    pub(super) const VERIFY_PIN_DIRECT: u8 = 0x06;
    pub(super) const MODIFY_PIN_DIRECT: u8 = 0x07;
    pub(super) const MCT_READER_DIRECT: u8 = 0x08;
    pub(super) const IFD_PIN_PROPERTIES: u8 = 0x0A;
    pub(super) const GET_TLV_PROPERTIES: u8 = 0x12;
    pub(super) const CCID_ESC_COMMAND: u8 = 0x13;
}

/// What a control code asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Request {
    Features,
    Escape,
    UsbPath,
    Feature(u8),
}

impl Request {
    fn parse(code: DWORD) -> Option<Self> {
        match code {
            _ if GET_FEATURE_REQUEST.contains(&code) => Some(Self::Features),
            ESCAPE => Some(Self::Escape),
            USB_PATH => Some(Self::UsbPath),
            _ => (0..=u8::MAX).find(|tag| feature_code(*tag) == code).map(Self::Feature),
        }
    }
}

/// Control code under which a feature is reached; libccid's numbering.
const fn feature_code(tag: u8) -> DWORD {
    if tag == feature::CCID_ESC_COMMAND {
        ESCAPE
    } else {
        scard_ctl_code(platform::FIRST_FEATURE_FUNCTION + tag as DWORD)
    }
}

/// Answers a control code, or passes it to the reader. The answer may be longer than `capacity`; the caller then reports
/// how long.
///
/// # Errors
/// `UnsupportedFeature` for unknown codes, features this reader has not, and PIN structures that are none; `NotTransacted`
/// if escapes are not allowed, or the reader refused, or there is no powered card to bring a PIN to; `ReaderUnavailable`
/// if it has left.
pub(crate) fn control(turn: &mut Turn<'_>, code: DWORD, input: &[u8], capacity: usize) -> Result<Vec<u8>> {
    log::debug!("control code {code:#x}, {} bytes in, room for {capacity}", input.len());
    let Some(request) = Request::parse(code) else {
        return Err(Error::UnsupportedFeature);
    };
    match request {
        Request::Features => Ok(features(turn)),
        Request::Escape => escape::vendor(turn, input),
        Request::UsbPath => Ok(turn.port().interface().usb_path.clone().into_bytes()),
        Request::Feature(feature::IFD_PIN_PROPERTIES) => Ok(properties::pin(turn)),
        Request::Feature(feature::GET_TLV_PROPERTIES) => Ok(properties::all(turn)),
        Request::Feature(feature::VERIFY_PIN_DIRECT) => pin::verify(turn, input, capacity),
        Request::Feature(feature::MODIFY_PIN_DIRECT) => pin::modify(turn, input, capacity),
        Request::Feature(feature::MCT_READER_DIRECT) => escape::reader_direct(turn, input),
        Request::Feature(_) => Err(Error::UnsupportedFeature),
    }
}

/// Tag, length 4, control code in big-endian order, for each feature, in libccid's order.
fn features(turn: &Turn<'_>) -> Vec<u8> {
    let (pin_support, reader_direct) = {
        let engine = turn.port().engine();
        (engine.pin_support(), engine.quirks().reader_direct)
    };
    let mut out = Vec::new();
    for (tag, is_there) in [
        (feature::VERIFY_PIN_DIRECT, pin_support & 0x01 != 0),
        (feature::MODIFY_PIN_DIRECT, pin_support & 0x02 != 0),
        (feature::IFD_PIN_PROPERTIES, pin_support != 0),
        (feature::MCT_READER_DIRECT, reader_direct),
        (feature::GET_TLV_PROPERTIES, true),
        (feature::CCID_ESC_COMMAND, escape::is_enabled()),
    ] {
        if is_there {
            out.extend([tag, 4]);
            out.extend(u32::try_from(feature_code(tag)).unwrap_or(0).to_be_bytes());
        }
    }
    out
}

/// Runs an exchange that may be repeated: once more if the claim was lost without a word in the record.
fn exchange<T>(
    turn: &mut Turn<'_>,
    mut body: impl FnMut(&mut Engine, &dyn Transport, u8) -> ccid::Result<T>,
) -> Result<T> {
    let mut result = turn.exchange(&mut body);
    if result.as_ref().is_err_and(ccid::Error::is_busy) {
        turn.port().set_claimed(false);
        turn.attach()?;
        result = turn.exchange(&mut body);
    }
    result.map_err(|error| failure(turn, error))
}

/// Behaviour reference of pcsc-lite: whatever the driver reports beside these two is "not transacted".
fn failure(turn: &mut Turn<'_>, error: ccid::Error) -> Error {
    log::info!(
        "{} slot {}: {error}",
        turn.port().interface().node.display(),
        turn.slot()
    );
    // Whatever it was, the next call asks what is in the slot.
    turn.card.last_poll_ms = 0;
    if error.is_disconnected() {
        Error::ReaderUnavailable
    } else {
        Error::NotTransacted
    }
}
