//! The smart card device class descriptor, read with distrust.
// CCID 1.1 §5.1; what readers in the field really declare decides the corrections made here.

use super::error::{Error, Result};
use super::message::HEADER_LEN;
use super::quirks::Correction;

/// Length of the class descriptor.
const DESCRIPTOR_LEN: usize = 54;

/// How much of the exchange with the card the reader does by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ExchangeLevel {
    /// Single characters; the host does everything.
    Character,
    /// One TPDU per command.
    Tpdu,
    /// One APDU of the short form per command.
    ShortApdu,
    /// APDUs of both forms, in several messages if need be.
    ExtendedApdu,
}

/// The class descriptor of a reader interface, corrected where readers are known to lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descriptor {
    release: u16,
    slots: u16,
    voltages: u8,
    protocols: u8,
    default_clock_khz: u32,
    maximum_clock_khz: u32,
    clocks_supported: u8,
    data_rate_bps: u32,
    max_data_rate_bps: u32,
    data_rates_supported: u8,
    max_ifsd: u8,
    sync_protocols: u32,
    mechanical: u32,
    features: u32,
    max_message_len: u32,
    class_get_response: u8,
    class_envelope: u8,
    lcd_layout: u16,
    pin_support: u8,
    busy_slots: u16,
}

/// Bits of `dwFeatures`.
mod feature {
    pub(super) const AUTO_PARAMETERS: u32 = 0x0002;
    pub(super) const AUTO_ACTIVATION: u32 = 0x0004;
    pub(super) const AUTO_VOLTAGE: u32 = 0x0008;
    pub(super) const AUTO_CLOCK: u32 = 0x0010;
    pub(super) const AUTO_BAUD_RATE: u32 = 0x0020;
    pub(super) const AUTO_NEGOTIATION: u32 = 0x0040;
    pub(super) const AUTO_PPS: u32 = 0x0080;
    pub(super) const CLOCK_STOP: u32 = 0x0100;
    pub(super) const NAD: u32 = 0x0200;
    pub(super) const AUTO_IFSD: u32 = 0x0400;
    pub(super) const TPDU: u32 = 0x0001_0000;
    pub(super) const SHORT_APDU: u32 = 0x0002_0000;
    pub(super) const EXTENDED_APDU: u32 = 0x0004_0000;
    pub(super) const WAKE_UP: u32 = 0x0010_0000;
}

fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    let bytes = bytes.get(offset..)?.first_chunk()?;
    Some(u16::from_le_bytes(*bytes))
}

fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    let bytes = bytes.get(offset..)?.first_chunk()?;
    Some(u32::from_le_bytes(*bytes))
}

impl Descriptor {
    /// Reads a class descriptor.
    ///
    /// # Errors
    /// [`Error::Descriptor`] if it is shorter than the class wants, of another type, or leaves no room for data.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        if bytes.len() < DESCRIPTOR_LEN {
            return Err(Error::Descriptor("class descriptor shorter than 54 bytes"));
        }
        // Readers older than the class use 0xFF.
        if !matches!(bytes.get(1), Some(0x21 | 0xFF)) {
            return Err(Error::Descriptor("class descriptor of another type"));
        }
        let descriptor = Self::fields(bytes).ok_or(Error::Descriptor("class descriptor cut short"))?;
        if descriptor.max_payload_len() == 0 {
            return Err(Error::Descriptor("dwMaxCCIDMessageLength leaves no room for data"));
        }
        Ok(descriptor)
    }

    fn fields(bytes: &[u8]) -> Option<Self> {
        let byte = |offset: usize| bytes.get(offset).copied();
        let slots = u16::from(byte(4)?) + 1;
        Some(Self {
            release: u16_at(bytes, 2)?,
            slots,
            // None declared: 2 readers in the field, both take all.
            voltages: match byte(5)? & 0x07 {
                0 => 0x07,
                voltages => voltages,
            },
            // The upper half is reserved; one old reader has its protocols shifted out of the lower.
            protocols: match u32_at(bytes, 6)?.to_le_bytes()[0] & 0x03 {
                0 => 0x03,
                protocols => protocols,
            },
            default_clock_khz: u32_at(bytes, 10)?,
            maximum_clock_khz: u32_at(bytes, 14)?,
            clocks_supported: byte(18)?,
            data_rate_bps: u32_at(bytes, 19)?,
            max_data_rate_bps: u32_at(bytes, 23)?,
            data_rates_supported: byte(27)?,
            // 0 and values beyond what a T=1 block can hold are both common.
            max_ifsd: match u32_at(bytes, 28)? {
                0 => 32,
                ifsd => u8::try_from(ifsd.min(254)).unwrap_or(254),
            },
            sync_protocols: u32_at(bytes, 32)?,
            mechanical: u32_at(bytes, 36)?,
            features: u32_at(bytes, 40)?,
            // 263 is 270 misreckoned, in a family of chips sold under several names.
            max_message_len: match u32_at(bytes, 44)? {
                263 => 270,
                len => len,
            },
            class_get_response: byte(48)?,
            class_envelope: byte(49)?,
            lcd_layout: u16_at(bytes, 50)?,
            pin_support: byte(52)?,
            busy_slots: u16::from(byte(53)?).clamp(1, slots),
        })
    }

    /// Applies what is known better than the descriptor says.
    pub(super) fn correct(&mut self, correction: &Correction) {
        if correction.old_draft {
            // The draft's bNumDataRatesSupported stands elsewhere: in its place is dwMaxIFSD, of which one byte counts.
            self.max_ifsd = self.data_rates_supported.clamp(32, 254);
            self.data_rates_supported = 0;
            self.default_clock_khz >>= 8;
            self.maximum_clock_khz >>= 8;
            // Its lower byte came out 0 and was taken for "both" already; see `fields`.
            self.mechanical = 0;
        }
        if let Some(longest) = correction.max_ifsd {
            self.max_ifsd = self.max_ifsd.min(longest);
        }
        if correction.auto_ifsd {
            self.features |= feature::AUTO_IFSD;
        }
    }

    /// CCID release in BCD. Values in the field include nonsense: for the log only.
    #[must_use]
    #[doc(alias = "bcdCCID")]
    pub fn release(&self) -> u16 {
        self.release
    }

    /// Number of slots, 1 to 256.
    #[must_use]
    #[doc(alias = "bMaxSlotIndex")]
    pub fn slots(&self) -> u16 {
        self.slots
    }

    /// Voltages supported: bit 0 is 5 V, bit 1 is 3 V, bit 2 is 1.8 V; never 0.
    #[must_use]
    #[doc(alias = "bVoltageSupport")]
    pub fn voltages(&self) -> u8 {
        self.voltages
    }

    /// Protocols supported: bit 0 is T=0, bit 1 is T=1; never 0.
    #[must_use]
    #[doc(alias = "dwProtocols")]
    pub fn protocols(&self) -> u8 {
        self.protocols
    }

    /// Default clock of the card in kHz.
    #[must_use]
    #[doc(alias = "dwDefaultClock")]
    pub fn default_clock_khz(&self) -> u32 {
        self.default_clock_khz
    }

    /// Highest clock of the card in kHz.
    #[must_use]
    #[doc(alias = "dwMaximumClock")]
    pub fn maximum_clock_khz(&self) -> u32 {
        self.maximum_clock_khz
    }

    /// Number of clock frequencies that can be set; 0 means anything between default and maximum.
    #[must_use]
    #[doc(alias = "bNumClockSupported")]
    pub fn clocks_supported(&self) -> u8 {
        self.clocks_supported
    }

    /// Default data rate in bits per second.
    #[must_use]
    #[doc(alias = "dwDataRate")]
    pub fn data_rate_bps(&self) -> u32 {
        self.data_rate_bps
    }

    /// Highest data rate in bits per second.
    #[must_use]
    #[doc(alias = "dwMaxDataRate")]
    pub fn max_data_rate_bps(&self) -> u32 {
        self.max_data_rate_bps
    }

    /// Number of data rates that can be set; 0 means anything between default and maximum.
    #[must_use]
    #[doc(alias = "bNumDataRatesSupported")]
    pub fn data_rates_supported(&self) -> u8 {
        self.data_rates_supported
    }

    /// Largest T=1 information field the reader can take, 1 to 254.
    #[must_use]
    #[doc(alias = "dwMaxIFSD")]
    pub fn max_ifsd(&self) -> u8 {
        self.max_ifsd
    }

    /// Synchronous protocols supported.
    #[must_use]
    #[doc(alias = "dwSynchProtocols")]
    pub fn sync_protocols(&self) -> u32 {
        self.sync_protocols
    }

    /// Mechanical features.
    #[must_use]
    #[doc(alias = "dwMechanical")]
    pub fn mechanical(&self) -> u32 {
        self.mechanical
    }

    /// All feature bits as declared.
    #[must_use]
    #[doc(alias = "dwFeatures")]
    pub fn features(&self) -> u32 {
        self.features
    }

    /// Longest message in bytes, header included.
    #[must_use]
    #[doc(alias = "dwMaxCCIDMessageLength")]
    pub fn max_message_len(&self) -> u32 {
        self.max_message_len
    }

    /// Most data one message can carry; never 0.
    #[must_use]
    pub fn max_payload_len(&self) -> usize {
        usize::try_from(self.max_message_len)
            .unwrap_or(usize::MAX)
            .saturating_sub(HEADER_LEN)
    }

    /// Class byte for GET RESPONSE, FF for the command's own.
    #[must_use]
    #[doc(alias = "bClassGetResponse")]
    pub fn class_get_response(&self) -> u8 {
        self.class_get_response
    }

    /// Class byte for ENVELOPE, FF for the command's own.
    #[must_use]
    #[doc(alias = "bClassEnvelope")]
    pub fn class_envelope(&self) -> u8 {
        self.class_envelope
    }

    /// Size of the display: lines in the high byte, columns in the low one; 0 without display.
    #[must_use]
    #[doc(alias = "wLcdLayout")]
    pub fn lcd_layout(&self) -> u16 {
        self.lcd_layout
    }

    /// PIN entry at the reader: bit 0 verification, bit 1 modification.
    #[must_use]
    #[doc(alias = "bPINSupport")]
    pub fn pin_support(&self) -> u8 {
        self.pin_support
    }

    /// Slots that may be busy at the same time, 1 to the number of slots.
    #[must_use]
    #[doc(alias = "bMaxCCIDBusySlots")]
    pub fn busy_slots(&self) -> u16 {
        self.busy_slots
    }

    /// The highest exchange level declared; some readers declare several.
    // CCID 1.1 §5.1: none of the three bits means characters.
    #[must_use]
    pub fn level(&self) -> ExchangeLevel {
        if self.has(feature::EXTENDED_APDU) {
            ExchangeLevel::ExtendedApdu
        } else if self.has(feature::SHORT_APDU) {
            ExchangeLevel::ShortApdu
        } else if self.has(feature::TPDU) {
            ExchangeLevel::Tpdu
        } else {
            ExchangeLevel::Character
        }
    }

    fn has(&self, bits: u32) -> bool {
        self.features & bits != 0
    }

    /// The reader takes the parameters from the ATR.
    #[must_use]
    pub fn auto_parameters(&self) -> bool {
        self.has(feature::AUTO_PARAMETERS)
    }

    /// The reader activates a card on insertion.
    #[must_use]
    pub fn auto_activation(&self) -> bool {
        self.has(feature::AUTO_ACTIVATION)
    }

    /// The reader chooses the voltage.
    #[must_use]
    pub fn auto_voltage(&self) -> bool {
        self.has(feature::AUTO_VOLTAGE)
    }

    /// The reader sets the clock according to the parameters.
    #[must_use]
    pub fn auto_clock(&self) -> bool {
        self.has(feature::AUTO_CLOCK)
    }

    /// The reader sets the data rate according to the parameters.
    #[must_use]
    pub fn auto_baud_rate(&self) -> bool {
        self.has(feature::AUTO_BAUD_RATE)
    }

    /// The reader negotiates by itself: neither PPS nor SetParameters from the host. Wins over [`Self::auto_pps`]
    /// where a reader declares both.
    #[must_use]
    pub fn auto_negotiation(&self) -> bool {
        self.has(feature::AUTO_NEGOTIATION)
    }

    /// The reader does the PPS according to SetParameters.
    #[must_use]
    pub fn auto_pps(&self) -> bool {
        self.has(feature::AUTO_PPS)
    }

    /// The reader can stop the card's clock.
    #[must_use]
    pub fn clock_stop(&self) -> bool {
        self.has(feature::CLOCK_STOP)
    }

    /// The reader accepts NAD values other than 0.
    #[must_use]
    pub fn nad(&self) -> bool {
        self.has(feature::NAD)
    }

    /// The reader negotiates the IFSD.
    #[must_use]
    pub fn auto_ifsd(&self) -> bool {
        self.has(feature::AUTO_IFSD)
    }

    /// The reader can wake the host.
    #[must_use]
    pub fn wake_up(&self) -> bool {
        self.has(feature::WAKE_UP)
    }

    /// Whether the reader chooses the voltage at power-on, by either of two bits.
    #[must_use]
    pub(crate) fn chooses_voltage(&self) -> bool {
        self.has(feature::AUTO_ACTIVATION | feature::AUTO_VOLTAGE)
    }
}
