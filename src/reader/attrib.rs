//! Attributes.

use super::registry::Reader;
use super::turn::Turn;
use crate::api::constants as c;
use crate::api::types::DWORD;
use crate::error::{Error, Result};

/// The value of an attribute. Numbers are 4 bytes in host order on every platform; strings end in NUL.
///
/// # Errors
/// `UnsupportedFeature` for what neither the reader nor this library knows.
pub(crate) fn get(turn: &Turn<'_>, reader: &Reader, id: DWORD) -> Result<Vec<u8>> {
    let interface = &reader.interface;
    let present = turn.card.state.is_present();
    let value = match id {
        c::SCARD_ATTR_ATR_STRING => turn.card.atr.as_slice().to_vec(),
        c::SCARD_ATTR_ICC_INTERFACE_STATUS => vec![u8::from(present)],
        c::SCARD_ATTR_ICC_PRESENCE => vec![if present { 2 } else { 0 }],
        c::SCARD_ATTR_VENDOR_IFD_VERSION => number(u32::from(interface.device_release) << 16),
        c::SCARD_ATTR_VENDOR_NAME => text(interface.manufacturer.as_deref()),
        c::SCARD_ATTR_VENDOR_IFD_SERIAL_NO => text(interface.serial.as_deref()),
        c::SCARD_ATTR_MAXINPUT => {
            let longest = turn.port().engine().descriptor().max_payload_len();
            number(u32::try_from(longest).unwrap_or(u32::MAX))
        }
        // DDDDCCCC: 0x20 is USB, then bus and device.
        c::SCARD_ATTR_CHANNEL_ID => {
            number(0x0020 << 16 | u32::from(interface.bus & 0xFF) << 8 | u32::from(interface.address & 0xFF))
        }
        c::SCARD_ATTR_DEVICE_FRIENDLY_NAME_A | c::SCARD_ATTR_DEVICE_SYSTEM_NAME_A => text(Some(&reader.name)),
        _ => return Err(Error::UnsupportedFeature),
    };
    Ok(value)
}

fn number(value: u32) -> Vec<u8> {
    value.to_ne_bytes().to_vec()
}

/// With its NUL; nothing at all for a string the device does not have.
fn text(value: Option<&str>) -> Vec<u8> {
    value.map_or_else(Vec::new, |value| value.bytes().chain([0]).collect())
}
