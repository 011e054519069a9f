//! The descriptors a simulated reader shows, as bytes (USB 2.0 §9.6, CCID 1.1 §5.1).

use super::config::Config;

/// Address of the bulk OUT endpoint.
pub const BULK_OUT: u8 = 0x01;
/// Address of the bulk IN endpoint.
pub const BULK_IN: u8 = 0x82;
/// Address of the interrupt IN endpoint.
pub const INTERRUPT_IN: u8 = 0x83;

const DEVICE: u8 = 1;
const CONFIGURATION: u8 = 2;
const STRING: u8 = 3;
const INTERFACE: u8 = 4;
const ENDPOINT: u8 = 5;
const CLASS: u8 = 0x21;

/// String indices in the order manufacturer, product, serial number, interface.
const STRING_COUNT: u8 = 4;

/// Room for NotifySlotChange of all slots (CCID 1.1 §6.3.1): one byte, then two bits a slot.
#[must_use]
pub fn interrupt_packet_len(config: &Config) -> u16 {
    u16::from(1 + config.slot_count().div_ceil(4)).max(8)
}

/// The 54 bytes of the CCID class descriptor, or what the configuration puts in their place.
#[must_use]
pub fn class_descriptor(config: &Config) -> Vec<u8> {
    if let Some(bytes) = &config.class_descriptor {
        return bytes.clone();
    }
    let mut d = vec![
        0x36,
        CLASS,
        0x10,
        0x01,
        config.slots.saturating_sub(1),
        config.voltage_support,
    ];
    let rates = u8::try_from(config.data_rates_bps.len()).unwrap_or(u8::MAX);
    d.extend(config.protocols.to_le_bytes());
    d.extend(config.default_clock_khz.to_le_bytes());
    d.extend(config.max_clock_khz.to_le_bytes());
    d.push(0); // bNumClockSupported: default and maximum only
    d.extend(config.data_rate_bps.to_le_bytes());
    d.extend(config.max_data_rate_bps.to_le_bytes());
    d.push(rates);
    d.extend(config.max_ifsd.to_le_bytes());
    d.extend(0_u32.to_le_bytes()); // dwSynchProtocols
    d.extend(config.mechanical.to_le_bytes());
    d.extend((config.features | config.level.bit()).to_le_bytes());
    d.extend(config.max_message_len.to_le_bytes());
    d.extend([0xFF, 0xFF]); // bClassGetResponse, bClassEnvelope: the class of the APDU
    d.extend(config.lcd_layout.to_le_bytes());
    d.extend([config.pin_support, config.busy_slots]);
    d
}

/// The 18 bytes of the device descriptor.
#[must_use]
pub fn device(config: &Config) -> Vec<u8> {
    let mut d = vec![18, DEVICE, 0x00, 0x02, 0, 0, 0, 64];
    d.extend(config.vendor_id.to_le_bytes());
    d.extend(config.product_id.to_le_bytes());
    d.extend(config.device_release.to_le_bytes());
    d.extend([
        string_index(config, 1),
        string_index(config, 2),
        string_index(config, 3),
        1,
    ]);
    d
}

/// The configuration descriptor with interface, class and endpoint descriptors behind it.
#[must_use]
pub fn configuration(config: &Config) -> Vec<u8> {
    let endpoints = u8::from(config.interrupt) + if config.control_only { 0 } else { 2 };
    let mut body = vec![
        9,
        INTERFACE,
        config.interface_number,
        0,
        endpoints,
        config.class,
        0,
        config.protocol,
    ];
    body.push(string_index(config, 4));
    if !config.class_descriptor_last {
        body.extend(class_descriptor(config));
    }
    if !config.control_only {
        for address in [BULK_OUT, BULK_IN] {
            let [low, high] = config.max_packet_len.clamp(8, 512).to_le_bytes();
            body.extend([7, ENDPOINT, address, 2, low, high, 0]);
        }
    }
    if config.interrupt {
        let [low, high] = interrupt_packet_len(config).to_le_bytes();
        body.extend([7, ENDPOINT, INTERRUPT_IN, 3, low, high, 16]);
    }
    if config.class_descriptor_last {
        body.extend(class_descriptor(config));
    }
    let interfaces = if config.composite {
        // A keyboard, whose class descriptor has the type of ours.
        body.extend([
            9,
            INTERFACE,
            config.interface_number.wrapping_add(100),
            0,
            0,
            3,
            1,
            1,
            0,
        ]);
        body.extend([9, CLASS, 0x11, 0x01, 0, 1, 0x22, 63, 0]);
        2
    } else {
        1
    };
    let total = u16::try_from(body.len() + 9).unwrap_or(u16::MAX);
    let mut d = vec![9, CONFIGURATION];
    d.extend(total.to_le_bytes());
    d.extend([interfaces, 1, 0, 0x80, 50]); // configuration 1, bus powered, 100 mA
    d.extend(body);
    d
}

/// Answer to GET_DESCRIPTOR of this type and index, whole; `None` if there is no such descriptor (USB 2.0 §9.4.3).
#[must_use]
pub fn get(config: &Config, kind: u8, index: u8) -> Option<Vec<u8>> {
    match kind {
        DEVICE => Some(device(config)),
        CONFIGURATION if index == 0 => Some(configuration(config)),
        STRING if index == 0 => Some(vec![4, STRING, 0x09, 0x04]),
        STRING => {
            let mut d = vec![0, STRING];
            d.extend(
                string(config, index)?
                    .encode_utf16()
                    .take(126)
                    .flat_map(u16::to_le_bytes),
            );
            let length = u8::try_from(d.len()).ok()?;
            *d.first_mut()? = length;
            Some(d)
        }
        _ => None,
    }
}

fn string(config: &Config, index: u8) -> Option<&str> {
    match index {
        1 => config.manufacturer.as_deref(),
        2 => config.product.as_deref(),
        3 => config.serial.as_deref(),
        STRING_COUNT => config.interface_name.as_deref(),
        _ => None,
    }
}

/// The string's own index, or 0 if the device has no such string.
fn string_index(config: &Config, index: u8) -> u8 {
    if string(config, index).is_some() { index } else { 0 }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
mod tests {
    use super::*;
    use crate::sim::config::Level;

    #[test]
    fn class_descriptor_has_54_bytes_with_fields_at_their_offsets() {
        let config = Config {
            slots: 2,
            max_message_len: 0x0001_0014,
            level: Level::Tpdu,
            pin_support: 1,
            busy_slots: 2,
            data_rates_bps: vec![9600, 19200],
            ..Config::default()
        };
        let d = class_descriptor(&config);
        assert_eq!(d.len(), 54);
        assert_eq!(d[0..2], [0x36, 0x21]);
        assert_eq!(d[4..6], [1, 7]);
        assert_eq!(d[6..10], [3, 0, 0, 0]);
        assert_eq!(d[10..14], 4000_u32.to_le_bytes());
        assert_eq!(d[27], 2);
        assert_eq!(d[28..32], 254_u32.to_le_bytes());
        assert_eq!(d[40..44], (0x0001_0000_u32 | config.features).to_le_bytes());
        assert_eq!(d[44..48], [0x14, 0, 1, 0]);
        assert_eq!(d[52..54], [1, 2]);
    }

    #[test]
    fn configuration_descriptor_walks_to_its_end() {
        for interrupt in [true, false] {
            let config = Config {
                interrupt,
                ..Config::default()
            };
            let d = configuration(&config);
            assert_eq!(usize::from(u16::from_le_bytes([d[2], d[3]])), d.len());
            let mut at = 0;
            let mut kinds = Vec::new();
            while at < d.len() {
                kinds.push(d[at + 1]);
                at += usize::from(d[at]);
            }
            assert_eq!(at, d.len());
            let expected: &[u8] = if interrupt {
                &[2, 4, 0x21, 5, 5, 5]
            } else {
                &[2, 4, 0x21, 5, 5]
            };
            assert_eq!(kinds, expected);
        }
    }

    #[test]
    fn strings_are_utf16_and_absent_ones_have_index_zero() {
        let config = Config {
            product: Some("Ré".into()),
            serial: None,
            ..Config::default()
        };
        assert_eq!(get(&config, 3, 2).unwrap(), [6, 3, b'R', 0, 0xE9, 0]);
        assert_eq!(get(&config, 3, 3), None);
        assert_eq!(device(&config)[14..18], [1, 2, 0, 1]);
    }
}
