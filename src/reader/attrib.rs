//! Attributes. What each means, and where it comes from, is set down in docs/attributes.md.

use super::registry::Reader;
use super::turn::Turn;
use crate::api::constants as c;
use crate::api::types::DWORD;
use crate::arbiter::record::CardState;
use crate::ccid::Descriptor;
use crate::error::{Error, Result};
use crate::iso7816::atr::Atr;
use crate::iso7816::params;
use crate::iso7816::pps::Plan;
use crate::iso7816::protocol::Protocol;
use crate::iso7816::t1::Edc;

/// SCARD_ATTR_CHARACTERISTICS: swallows, ejects, captures cards. The class' next bit (lock) would mean "contactless".
const CHARACTERISTICS: u32 = 0x07;
/// SCARD_ATTR_SYNC_PROTOCOL_TYPES: the upper half is reserved.
const SYNC_PROTOCOLS: u32 = 0xFFFF;
/// Numeric pad, in SCARD_ATTR_USER_TO_CARD_AUTH_DEVICE. PC/SC part 3 §3.1
const AUTH_BY_PIN_PAD: u32 = 0x02;
/// Numeric pad, in SCARD_ATTR_USER_AUTH_INPUT_DEVICE. PC/SC part 3 §3.1
const INPUT_BY_PIN_PAD: u32 = 0x01;
/// SCARD_ATTR_ICC_TYPE_PER_ATR: an asynchronous card.
const ASYNCHRONOUS: u8 = 1;

/// The value of an attribute. Numbers are 4 bytes in host order on every platform; strings end in NUL.
///
/// # Errors
/// `UnsupportedFeature` for what neither the reader nor this library knows, and for parameters that the card or its
/// protocol does not have.
pub(crate) fn get(turn: &Turn<'_>, reader: &Reader, id: DWORD) -> Result<Vec<u8>> {
    let known = match identity(reader, id).or_else(|| capability(turn, id)) {
        None => state(turn, reader, id)?,
        known => known,
    };
    known
        .or_else(|| parameter(turn, id).map(number))
        .ok_or(Error::UnsupportedFeature)
}

/// What never changes.
fn identity(reader: &Reader, id: DWORD) -> Option<Vec<u8>> {
    let interface = &reader.interface;
    Some(match id {
        c::SCARD_ATTR_VENDOR_NAME => text(interface.manufacturer.as_deref()),
        c::SCARD_ATTR_VENDOR_IFD_TYPE => text(Some(interface.product.as_deref()?)),
        c::SCARD_ATTR_VENDOR_IFD_VERSION => number(u32::from(interface.device_release) << 16),
        c::SCARD_ATTR_VENDOR_IFD_SERIAL_NO => text(interface.serial.as_deref()),
        // DDDDCCCC: 0x20 is USB, then bus and device.
        c::SCARD_ATTR_CHANNEL_ID => {
            number(0x0020 << 16 | u32::from(interface.bus & 0xFF) << 8 | u32::from(interface.address & 0xFF))
        }
        c::SCARD_ATTR_DEVICE_UNIT => number(reader.index.into()),
        c::SCARD_ATTR_DEVICE_FRIENDLY_NAME_A | c::SCARD_ATTR_DEVICE_SYSTEM_NAME_A => text(Some(&reader.name)),
        c::SCARD_ATTR_DEVICE_FRIENDLY_NAME_W | c::SCARD_ATTR_DEVICE_SYSTEM_NAME_W => wide(&reader.name),
        _ => return None,
    })
}

/// What the class descriptor says.
fn capability(turn: &Turn<'_>, id: DWORD) -> Option<Vec<u8>> {
    let (descriptor, pin_support) = {
        let engine = turn.port().engine();
        (*engine.descriptor(), engine.pin_support())
    };
    let pin_pad = |bits| if pin_support & 0x03 == 0 { 0 } else { bits };
    Some(number(match id {
        c::SCARD_ATTR_MAXINPUT => u32::try_from(descriptor.max_payload_len()).unwrap_or(u32::MAX),
        c::SCARD_ATTR_ASYNC_PROTOCOL_TYPES => descriptor.protocols().into(),
        c::SCARD_ATTR_SYNC_PROTOCOL_TYPES => descriptor.sync_protocols() & SYNC_PROTOCOLS,
        c::SCARD_ATTR_DEFAULT_CLK => descriptor.default_clock_khz(),
        c::SCARD_ATTR_MAX_CLK => descriptor.maximum_clock_khz(),
        c::SCARD_ATTR_DEFAULT_DATA_RATE => descriptor.data_rate_bps(),
        c::SCARD_ATTR_MAX_DATA_RATE => descriptor.max_data_rate_bps(),
        c::SCARD_ATTR_MAX_IFSD => descriptor.max_ifsd().into(),
        c::SCARD_ATTR_CHARACTERISTICS => descriptor.mechanical() & CHARACTERISTICS,
        c::SCARD_ATTR_USER_TO_CARD_AUTH_DEVICE => pin_pad(AUTH_BY_PIN_PAD),
        c::SCARD_ATTR_USER_AUTH_INPUT_DEVICE => pin_pad(INPUT_BY_PIN_PAD),
        _ => return None,
    }))
}

/// What is in the slot now, and who uses it.
fn state(turn: &Turn<'_>, reader: &Reader, id: DWORD) -> Result<Option<Vec<u8>>> {
    debug_assert_eq!(turn.slot(), reader.slot);
    let present = turn.card.state.is_present();
    let atr = turn.card.atr.as_slice();
    Ok(Some(match id {
        c::SCARD_ATTR_ATR_STRING => atr.to_vec(),
        c::SCARD_ATTR_ICC_INTERFACE_STATUS => vec![u8::from(present)],
        c::SCARD_ATTR_ICC_PRESENCE => vec![if present { 2 } else { 0 }],
        c::SCARD_ATTR_ICC_TYPE_PER_ATR => vec![if atr.is_empty() { 0 } else { ASYNCHRONOUS }],
        c::SCARD_ATTR_DEVICE_IN_USE => number(turn.others()?.is_some().into()),
        _ => return Ok(None),
    }))
}

/// What the powered card and its protocol work with.
fn parameter(turn: &Turn<'_>, id: DWORD) -> Option<u32> {
    turn.parameters().and_then(|parameters| parameters.attribute(id))
}

/// The parameters between reader and card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LinkParameters {
    /// `None` until one is chosen.
    protocol: Option<Protocol>,
    clock_khz: u32,
    /// As in TA1.
    fi_di: u8,
    /// N, as in TC1.
    guard_time: u8,
    /// WI, as in TC2.
    waiting: u8,
    /// BWI and CWI, as in TB of T=1.
    waiting_integers: u8,
    ifsc: u8,
    ifsd: u8,
    crc: bool,
}

impl LinkParameters {
    /// From what the card offers and the reader makes of it by itself.
    fn of(atr: &Atr, descriptor: &Descriptor, protocol: Option<Protocol>) -> Self {
        let reader_does_pps = descriptor.auto_pps() || descriptor.auto_negotiation();
        let fi_di = match atr.ta1() {
            Some(ta1) if reader_does_pps => ta1,
            _ => Plan::without_request(atr).fi_di,
        };
        // The blocks of SetParameters have the defaults in place of what the ATR leaves out.
        let [_, _, guard_time, waiting, _] = params::t0_parameters(atr, fi_di);
        let [_, _, _, waiting_integers, _, ifsc, _] = params::t1_parameters(atr, fi_di);
        Self {
            protocol,
            clock_khz: descriptor.default_clock_khz(),
            fi_di,
            guard_time,
            waiting,
            waiting_integers,
            ifsc,
            ifsd: descriptor.max_ifsd(),
            crc: atr.uses_crc(),
        }
    }

    /// The attribute's value, if the protocol in use has such a parameter.
    // The waiting times are the integers of ISO 7816-3 §8.3, §10.2 and §11.4.3, as with Windows' smart card library.
    fn attribute(&self, id: DWORD) -> Option<u32> {
        let only = |protocol, value: u8| (self.protocol == Some(protocol)).then(|| u32::from(value));
        match id {
            c::SCARD_ATTR_CURRENT_PROTOCOL_TYPE => Some(self.protocol.map_or(0, |p| 1 << p.number())),
            c::SCARD_ATTR_CURRENT_CLK => Some(self.clock_khz),
            c::SCARD_ATTR_CURRENT_F => params::clock_rate_conversion(self.fi_di),
            c::SCARD_ATTR_CURRENT_D => params::baud_rate_adjustment(self.fi_di),
            c::SCARD_ATTR_CURRENT_N => Some(self.guard_time.into()),
            c::SCARD_ATTR_CURRENT_W => only(Protocol::T0, self.waiting),
            c::SCARD_ATTR_CURRENT_IFSC => only(Protocol::T1, self.ifsc),
            c::SCARD_ATTR_CURRENT_IFSD => only(Protocol::T1, self.ifsd),
            c::SCARD_ATTR_CURRENT_BWT => only(Protocol::T1, self.waiting_integers >> 4),
            c::SCARD_ATTR_CURRENT_CWT => only(Protocol::T1, self.waiting_integers & 0x0F),
            c::SCARD_ATTR_CURRENT_EBC_ENCODING => only(Protocol::T1, self.crc.into()),
            _ => None,
        }
    }
}

impl Turn<'_> {
    /// The parameters in use with the card; `None` without a powered one or if its ATR says nothing sensible.
    pub(crate) fn parameters(&self) -> Option<LinkParameters> {
        if !matches!(self.card.state, CardState::Powered | CardState::Dormant) {
            return None;
        }
        let atr = Atr::parse(self.card.atr.as_slice()).ok()?;
        // PC/SC's numbers.
        let protocol = match self.card.protocol {
            1 => Some(Protocol::T0),
            2 => Some(Protocol::T1),
            _ => None,
        };
        let mut parameters = LinkParameters::of(&atr, self.port().engine().descriptor(), protocol);
        if protocol.is_some() {
            let link = self.link_data();
            parameters.fi_di = link.fi_di().unwrap_or(parameters.fi_di);
            if self.does_t1() {
                parameters.ifsc = link.t1.ifsc();
                parameters.ifsd = link.t1.ifsd();
                parameters.crc = link.t1.edc() != Edc::Lrc;
            }
        }
        Some(parameters)
    }
}

fn number(value: u32) -> Vec<u8> {
    value.to_ne_bytes().to_vec()
}

/// In UTF-16, with its NUL.
fn wide(value: &str) -> Vec<u8> {
    value.encode_utf16().chain([0]).flat_map(u16::to_ne_bytes).collect()
}

/// With its NUL; nothing at all for a string the device does not have.
fn text(value: Option<&str>) -> Vec<u8> {
    value.map_or_else(Vec::new, |value| value.bytes().chain([0]).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
    use super::*;

    fn parameters(atr: &[u8], features: u8, protocol: Option<Protocol>) -> LinkParameters {
        let mut bytes = [0; 54];
        (bytes[0], bytes[1], bytes[28], bytes[40], bytes[44]) = (54, 0x21, 250, features, 100);
        bytes[10..12].copy_from_slice(&3580_u16.to_le_bytes());
        let descriptor = Descriptor::parse(&bytes).unwrap();
        LinkParameters::of(&Atr::parse(atr).unwrap(), &descriptor, protocol)
    }

    /// F, D, N, W, IFSC, IFSD, BWT, CWT, EBC.
    fn values(parameters: &LinkParameters) -> Vec<Option<u32>> {
        (0x203..=0x20B)
            .map(|tag| parameters.attribute(0x0008_0000 + tag))
            .collect()
    }

    /// TA1 95, TC1 3; T=1 with IFSC 128, BWI 4, CWI 5, CRC.
    const T1_CARD: &[u8] = &[0x3B, 0xD0, 0x95, 0x03, 0x81, 0x71, 0x80, 0x45, 0x01, 0xB2];

    #[test]
    fn t1_parameters_are_those_of_the_atr_and_the_reader() {
        let known = parameters(T1_CARD, 0x80, Some(Protocol::T1));
        let some = |values: [u32; 2]| values.map(Some);
        assert_eq!(values(&known)[..3], [some([512, 16]).as_slice(), &[Some(3)]].concat());
        assert_eq!(
            values(&known)[3..],
            [None, Some(128), Some(250), Some(4), Some(5), Some(1)]
        );
        assert_eq!(known.attribute(c::SCARD_ATTR_CURRENT_PROTOCOL_TYPE), Some(2));
        assert_eq!(known.attribute(c::SCARD_ATTR_CURRENT_CLK), Some(3580));
        // Without anybody to do a PPS the speed is the default.
        let slow = parameters(T1_CARD, 0, Some(Protocol::T1));
        assert_eq!(values(&slow)[..2], some([372, 1]));
    }

    #[test]
    fn t0_has_a_work_waiting_time_and_no_blocks() {
        let known = parameters(&[0x3B, 0x80, 0x40, 0x0F], 0x40, Some(Protocol::T0));
        assert_eq!(values(&known)[..4], [372, 1, 0, 0x0F].map(Some));
        assert_eq!(values(&known)[4..], [None; 5]);
        assert_eq!(known.attribute(c::SCARD_ATTR_CURRENT_PROTOCOL_TYPE), Some(1));
    }

    #[test]
    fn before_a_protocol_is_chosen_only_what_belongs_to_none_is_known() {
        let known = parameters(T1_CARD, 0x80, None);
        assert_eq!(known.attribute(c::SCARD_ATTR_CURRENT_PROTOCOL_TYPE), Some(0));
        assert_eq!(values(&known)[3..], [None; 6]);
    }
}
