//! The interfaces of `tests/data/ccid_readers.csv` as readers the software reader can be: each row is one interface of
//! a device somebody has looked at, with the values its class descriptor really has.

use winscard::sim::{Config, Level};

/// One row.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) vendor: u16,
    pub(crate) product: u16,
    pub(crate) release: u16,
    pub(crate) interface: u8,
    pub(crate) class: u8,
    pub(crate) protocol: u8,
    pub(crate) endpoints: u8,
    pub(crate) slots: u8,
    pub(crate) protocols: u32,
    pub(crate) features: u32,
    pub(crate) max_message_len: u32,
    pub(crate) descriptor: Vec<u8>,
    voltages: u8,
    clock: u32,
    pin_support: u8,
}

/// All rows.
pub(crate) fn rows() -> Vec<Row> {
    let text = include_str!("../data/ccid_readers.csv");
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().expect("a line of names").split(',').collect();
    lines.map(|line| Row::parse(&names, line)).collect()
}

/// Readers that are not what they declare, and what they are; the quirks table is to know.
const LIARS: [(u16, u16, u16, Level); 8] = [
    (0x076B, 0x3A21, 0xFFFF, Level::ExtendedApdu),
    (0x076B, 0x3031, 0xFFFF, Level::ExtendedApdu),
    (0x076B, 0x6632, 0xFFFF, Level::ExtendedApdu),
    (0x046A, 0x00A7, 0xFFFF, Level::ExtendedApdu),
    (0x0BF8, 0x1024, 0xFFFF, Level::ExtendedApdu),
    (0x2F7C, 0x6007, 0xFFFF, Level::ExtendedApdu),
    (0x046A, 0x00A1, 0x0100, Level::ExtendedApdu),
    (0x0D46, 0x3010, 0xFFFF, Level::ShortApdu),
];

/// Devices whose class descriptor stands after the last endpoint's.
const CLASS_LAST: [(u16, u16); 4] = [(0x0B97, 0x7762), (0x0B97, 0x7772), (0x0C4B, 0x0300), (0x1B0E, 0x1078)];

impl Row {
    fn parse(names: &[&str], line: &str) -> Self {
        let values: Vec<&str> = line.split(',').collect();
        let text = |name: &str| {
            let at = names.iter().position(|known| *known == name).expect(name);
            values[at]
        };
        let hex = |name: &str| u32::from_str_radix(text(name), 16).expect(name);
        let number = |name: &str| text(name).parse::<u32>().expect(name);
        let byte = |value: u32| u8::try_from(value).expect("a byte");
        let word = |value: u32| u16::try_from(value).expect("two bytes");
        let bcd = |name: &str| {
            let (high, low) = text(name).split_once('.').expect("a dot");
            word(u32::from_str_radix(&format!("{high}{low}"), 16).expect(name))
        };
        let mut d = vec![0x36, byte(hex("ccid_dtype"))];
        d.extend(bcd("bcdCCID").to_le_bytes());
        d.extend([byte(number("bMaxSlotIndex")), byte(hex("bVoltageSupport"))]);
        d.extend(hex("dwProtocols").to_le_bytes());
        d.extend(number("dwDefaultClock_kHz").to_le_bytes());
        d.extend(number("dwMaximumClock_kHz").to_le_bytes());
        d.push(byte(number("bNumClockSupported")));
        d.extend(number("dwDataRate").to_le_bytes());
        d.extend(number("dwMaxDataRate").to_le_bytes());
        d.push(byte(number("bNumDataRatesSupported")));
        d.extend(number("dwMaxIFSD").to_le_bytes());
        d.extend([0; 4]);
        d.extend(hex("dwMechanical").to_le_bytes());
        d.extend(hex("dwFeatures").to_le_bytes());
        d.extend(number("dwMaxCCIDMessageLength").to_le_bytes());
        d.extend([0xFF, 0xFF]);
        d.extend(word(hex("wLcdLayout")).to_le_bytes());
        d.extend([byte(hex("bPINSupport")), byte(number("bMaxCCIDBusySlots"))]);
        assert_eq!(d.len(), 0x36);
        Self {
            vendor: word(hex("vid")),
            product: word(hex("pid")),
            release: bcd("bcdDevice"),
            interface: byte(number("iface")),
            class: byte(hex("class")),
            protocol: byte(number("protocol")),
            endpoints: byte(number("endpoints")),
            slots: byte(number("bMaxSlotIndex")) + 1,
            protocols: hex("dwProtocols"),
            features: hex("dwFeatures"),
            max_message_len: number("dwMaxCCIDMessageLength"),
            descriptor: d,
            voltages: byte(hex("bVoltageSupport")),
            clock: number("dwDefaultClock_kHz"),
            pin_support: byte(hex("bPINSupport")),
        }
    }

    /// What stands in messages about this row.
    pub(crate) fn name(&self) -> String {
        let Self {
            vendor,
            product,
            release,
            interface,
            ..
        } = self;
        format!("{vendor:04X}:{product:04X} release {release:04X} interface {interface}")
    }

    /// Whether it has no bulk endpoints.
    pub(crate) fn is_token(&self) -> bool {
        self.endpoints < 2
    }

    /// The level it declares.
    pub(crate) fn declared_level(&self) -> Level {
        [Level::ExtendedApdu, Level::ShortApdu, Level::Tpdu]
            .into_iter()
            .find(|level| self.features & level.bit() != 0)
            .unwrap_or(Level::Character)
    }

    /// The level it has.
    pub(crate) fn level(&self) -> Level {
        LIARS
            .iter()
            .find(|(vendor, product, release, _)| {
                (*vendor, *product) == (self.vendor, self.product)
                    && matches!(*release, r if r == 0xFFFF || r == self.release)
            })
            .map_or(self.declared_level(), |(.., level)| *level)
    }

    /// Protocols it has: where the field makes no sense, both.
    pub(crate) fn real_protocols(&self) -> u32 {
        match self.protocols & 3 {
            0 => 3,
            protocols => protocols,
        }
    }

    /// The software reader as this one: it shows the row's descriptor, and does what such a reader does.
    pub(crate) fn config(&self) -> Config {
        Config {
            vendor_id: self.vendor,
            product_id: self.product,
            device_release: self.release,
            interface_number: self.interface,
            class: self.class,
            protocol: self.protocol,
            composite: self.interface != 0,
            control_only: self.is_token(),
            class_descriptor_last: CLASS_LAST.contains(&(self.vendor, self.product)),
            interrupt: self.endpoints % 2 == 1,
            slots: self.slots,
            voltage_support: if self.voltages == 0 { 7 } else { self.voltages },
            protocols: self.real_protocols(),
            default_clock_khz: if self.clock > 100_000 {
                self.clock >> 8
            } else {
                self.clock
            },
            features: self.features & !0x0007_0000,
            level: self.level(),
            // A family of chips declares 263 and takes 270.
            max_message_len: if self.max_message_len == 263 {
                270
            } else {
                self.max_message_len
            },
            pin_support: self.pin_support,
            busy_slots: self.slots,
            class_descriptor: Some(self.descriptor.clone()),
            ..Config::default()
        }
    }
}
