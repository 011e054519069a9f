//! What a simulated reader is: identity, the fields of its CCID descriptor, and how it behaves.

use std::time::Duration;

/// Bits of `dwFeatures` below the exchange level (CCID 1.1 §5.1).
pub mod feature {
    /// Parameters are configured from the ATR.
    pub const AUTO_PARAMETERS: u32 = 0x02;
    /// A card is activated when it is inserted.
    pub const AUTO_ACTIVATION: u32 = 0x04;
    /// The voltage is chosen by the reader.
    pub const AUTO_VOLTAGE: u32 = 0x08;
    /// The clock frequency follows the parameters.
    pub const AUTO_CLOCK: u32 = 0x10;
    /// The data rate follows the parameters.
    pub const AUTO_BAUD: u32 = 0x20;
    /// The reader negotiates the parameters with the card all by itself.
    pub const AUTO_NEGOTIATION: u32 = 0x40;
    /// The reader makes the PPS that the parameters ask for.
    pub const AUTO_PPS: u32 = 0x80;
    /// The card's clock can be stopped.
    pub const CLOCK_STOP: u32 = 0x100;
    /// The reader tells a T=1 card its IFSD.
    pub const AUTO_IFSD: u32 = 0x400;
}

/// Exchange level of a reader (`dwFeatures`, bits 16 to 18).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Bytes as they pass on the card's I/O line.
    Character,
    /// T=0 TPDUs and T=1 blocks.
    Tpdu,
    /// APDUs of up to 261 bytes.
    ShortApdu,
    /// APDUs of any size, in parts if need be.
    ExtendedApdu,
}

impl Level {
    /// The level's bit in `dwFeatures`.
    #[must_use]
    pub fn bit(self) -> u32 {
        match self {
            Self::Character => 0,
            Self::Tpdu => 0x0001_0000,
            Self::ShortApdu => 0x0002_0000,
            Self::ExtendedApdu => 0x0004_0000,
        }
    }
}

/// What the person at the PIN pad does when the reader asks for a PIN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PinEntry {
    /// Types these decimal digits and confirms, as often as asked.
    Digits(String),
    /// Types these digits for the old PIN, the new one, and the new one again.
    Change {
        /// The old PIN; also what is typed in verification.
        old: String,
        /// The new PIN.
        new: String,
        /// The new PIN once more.
        again: String,
    },
    /// Presses the cancel key (bError 0xEF).
    Cancel,
    /// Does nothing (bError 0xF0).
    Timeout,
}

/// Everything about a simulated reader that can be chosen.
///
/// Fields that stand in the CCID descriptor are named after it, see CCID 1.1 §5.1; they are not checked against one
/// another, because real descriptors are not consistent either.
#[derive(Clone, Debug)]
pub struct Config {
    /// `idVendor`.
    pub vendor_id: u16,
    /// `idProduct`.
    pub product_id: u16,
    /// `bcdDevice`.
    pub device_release: u16,
    /// Manufacturer string.
    pub manufacturer: Option<String>,
    /// Product string.
    pub product: Option<String>,
    /// Serial number string.
    pub serial: Option<String>,
    /// String of the interface.
    pub interface_name: Option<String>,
    /// `bInterfaceNumber`.
    pub interface_number: u8,
    /// `bInterfaceClass`.
    pub class: u8,
    /// `bInterfaceProtocol`.
    pub protocol: u8,
    /// Whether the device is said to have other interfaces.
    pub composite: bool,
    /// Nobody can take the interface from a client that has it claimed, as with Windows' WinUSB.
    pub one_user: bool,
    /// Whether there are no bulk endpoints: a token (ICCD) of version A or B, as `protocol` 1 or 2 says.
    pub control_only: bool,
    /// Whether the class descriptor stands after the last endpoint's instead of the interface's.
    pub class_descriptor_last: bool,
    /// `wMaxPacketSize` of both bulk endpoints, 8 to 512.
    pub max_packet_len: u16,
    /// Whether there is an interrupt endpoint.
    pub interrupt: bool,
    /// Number of slots, 1 to 16 (`bMaxSlotIndex` + 1).
    pub slots: u8,
    /// `bVoltageSupport`: 1 is 5 V, 2 is 3 V, 4 is 1.8 V.
    pub voltage_support: u8,
    /// `dwProtocols`: 1 is T=0, 2 is T=1.
    pub protocols: u32,
    /// `dwDefaultClock` in kHz.
    pub default_clock_khz: u32,
    /// `dwMaximumClock` in kHz.
    pub max_clock_khz: u32,
    /// `dwDataRate`.
    pub data_rate_bps: u32,
    /// `dwMaxDataRate`.
    pub max_data_rate_bps: u32,
    /// Answer to GET_DATA_RATES; its length is `bNumDataRatesSupported`.
    pub data_rates_bps: Vec<u32>,
    /// `dwMaxIFSD`.
    pub max_ifsd: u32,
    /// `dwMechanical`: 1 accept, 2 eject, 4 capture, 8 lock.
    pub mechanical: u32,
    /// `dwFeatures` without the exchange level; see [`feature`].
    pub features: u32,
    /// Exchange level.
    pub level: Level,
    /// `dwMaxCCIDMessageLength`.
    pub max_message_len: u32,
    /// `wLcdLayout`.
    pub lcd_layout: u16,
    /// `bPINSupport`: 1 is verification, 2 modification.
    pub pin_support: u8,
    /// `bMaxCCIDBusySlots`.
    pub busy_slots: u8,
    /// Class descriptor to show instead of the one made from these fields.
    pub class_descriptor: Option<Vec<u8>>,
    /// What is typed at the PIN pad.
    pub pin_entry: PinEntry,
    /// What Escape messages are answered with; `None` is "command not supported". Others are answered with themselves.
    pub escape_answers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    /// Whether Abort is implemented; if not, the control request stalls and the message fails.
    pub abort: bool,
    /// How often a card that takes long makes the reader ask for more time; `None` for never.
    pub time_extension_every: Option<Duration>,
    /// Time between a command and its answer, on top of the card's own.
    pub latency: Duration,
    /// How often the host asks the interrupt endpoint of a reader in this process; 0 for all the time.
    pub report_interval: Duration,
}

impl Default for Config {
    /// An extended-APDU reader with one slot, an interrupt endpoint and 271-byte messages.
    fn default() -> Self {
        Self {
            // pid.codes test identity: never a product, so no table of real readers matches it.
            vendor_id: 0x1209,
            product_id: 0x0001,
            device_release: 0x0100,
            manufacturer: Some("winscard".into()),
            product: Some("Software Reader".into()),
            serial: None,
            interface_name: None,
            interface_number: 0,
            class: 0x0B,
            protocol: 0,
            composite: false,
            one_user: false,
            control_only: false,
            class_descriptor_last: false,
            max_packet_len: 64,
            interrupt: true,
            slots: 1,
            voltage_support: 7,
            protocols: 3,
            default_clock_khz: 4000,
            max_clock_khz: 4000,
            data_rate_bps: 10_752,
            max_data_rate_bps: 344_086,
            data_rates_bps: Vec::new(),
            max_ifsd: 254,
            mechanical: 0,
            features: feature::AUTO_PARAMETERS
                | feature::AUTO_VOLTAGE
                | feature::AUTO_CLOCK
                | feature::AUTO_BAUD
                | feature::AUTO_PPS
                | feature::AUTO_IFSD,
            level: Level::ExtendedApdu,
            max_message_len: 271,
            lcd_layout: 0,
            pin_support: 0,
            busy_slots: 1,
            class_descriptor: None,
            pin_entry: PinEntry::Cancel,
            escape_answers: Vec::new(),
            abort: true,
            time_extension_every: Some(Duration::from_secs(1)),
            latency: Duration::ZERO,
            report_interval: Duration::ZERO,
        }
    }
}

impl Config {
    /// The default reader at another exchange level.
    #[must_use]
    pub fn at_level(level: Level) -> Self {
        Self {
            level,
            ..Self::default()
        }
    }

    /// Whether all of these feature bits are set.
    pub(super) fn has(&self, features: u32) -> bool {
        self.features & features == features
    }

    /// Slots the device really has: the model supports 1 to 16.
    pub(super) fn slot_count(&self) -> u8 {
        self.slots.clamp(1, 16)
    }

    /// Packet length the pipes really use.
    pub(super) fn packet_len(&self) -> usize {
        usize::from(self.max_packet_len.clamp(8, 512))
    }

    /// Data bytes that fit into one message.
    pub(super) fn max_data_len(&self) -> usize {
        usize::try_from(self.max_message_len)
            .unwrap_or(usize::MAX)
            .saturating_sub(super::wire::HEADER_LEN)
            .max(1)
    }
}
