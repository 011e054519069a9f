//! What single readers need beyond the class: the one place that knows vendor and product numbers.

use super::descriptor::ExchangeLevel;
use crate::usb;
use std::time::Duration;

/// The corrections that apply to one reader.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quirks {
    /// Exchange level the reader really has, if not the one it declares.
    pub level: Option<ExchangeLevel>,
    /// Never send SET_INTERFACE.
    pub no_set_interface: bool,
    /// Power the card off before every power-on.
    pub off_before_on: bool,
    /// On bError BB at power-on, the Escape that switches the reader from EMV to ISO mode.
    pub iso_mode_escape: bool,
    /// The count of bytes taken on bulk OUT says nothing.
    pub short_out_count: bool,
    /// The reader ends messages of n×packet bytes properly: read answers in one go from the start.
    pub ends_messages: bool,
    /// Wait before the first command.
    pub open_delay: Option<Duration>,
    /// Multiplier of timeouts while the reader is opened; 0 and 1 change nothing.
    pub open_factor: u32,
    /// Multiplier of the timeouts of plain commands afterwards; 0 and 1 change nothing.
    pub command_factor: u32,
    /// The card may take this much longer without time extension from the reader.
    pub extra_exchange_time: Option<Duration>,
    /// PIN entry at the reader is broken or unsafe.
    pub no_pin_entry: bool,
    /// What is wrong with the reader's speeds and parameters.
    pub speed: SpeedQuirks,
    /// What the firmware wants otherwise in PIN operations.
    pub pin: PinQuirks,
    /// Escapes that pass without the user's leave.
    pub escapes: EscapeQuirks,
    /// MCT_READER_DIRECT commands can be sent in Escape messages.
    pub reader_direct: bool,
    /// Escape 6A gives a record of what the firmware can do, and Escape 02 its name.
    pub firmware_record: bool,
    /// The firmware is one that other drivers refuse to work with; worth a line in the log when something fails.
    pub old_firmware: bool,
    /// What the class descriptor should have said.
    pub correction: Correction,
    /// Interrupt messages get lost or are made up: the reader is asked for its slots' status as if it had no such
    /// endpoint.
    pub unreliable_events: bool,
    /// The slot status says nothing: a card is taken to be there.
    pub unreliable_status: bool,
}

/// Corrections of a class descriptor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Correction {
    /// The IFSD is not to be told to the card by the host.
    pub auto_ifsd: bool,
    /// Longest block the reader really takes.
    pub max_ifsd: Option<u8>,
    /// The descriptor is laid out as in a draft of the class.
    pub old_draft: bool,
}

/// What is wrong with a reader's speeds and parameters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpeedQuirks {
    /// Highest data rate that works.
    pub max_bps: Option<u32>,
    /// Slots after the first have these data rates.
    pub other_slots_bps: Option<&'static [u32]>,
    /// PPS does not work: only the protocol and speed the card starts with.
    pub no_pps: bool,
    /// A refusal of SetParameters leaves the card in need of two resets, after which it works without.
    pub optional_parameters: bool,
}

/// What single firmwares want otherwise in PIN operations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PinQuirks {
    /// The only `bNumberMessage` that verification takes.
    pub verify_messages: Option<u8>,
    /// The only `bEntryValidationCondition` there is.
    pub condition: Option<u8>,
    /// The only `bEntryValidationCondition` told in the properties.
    pub condition_told: Option<u8>,
    /// The bytes of `wPINMaxExtraDigit` stand the other way round in verification.
    pub swapped_limits: bool,
    /// A key of the command before may still be down: verification waits this long.
    pub key_release: Option<Duration>,
    /// An Escape has to announce a PIN without length or padding, for commands of four bytes.
    pub announce_bare_pin: bool,
    /// How the messages of modification are numbered.
    pub modify_messages: ModifyMessages,
    /// Shortest and longest PIN.
    pub limits: Option<(u8, u8)>,
    /// The display shows only texts that the host has loaded.
    pub loads_texts: bool,
}

/// How `bNumberMessage` and the three `bMsgIndex` of PIN modification stand in the message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ModifyMessages {
    /// As the class has it: as many as the number says.
    #[default]
    Counted,
    /// All three, whatever the number.
    AllIndexes,
    /// All three and all 0, with the number 0.
    ZeroIndexes,
    /// All three, with the number 3.
    Three,
    /// As the class has it, with FF (the reader's own messages) instead of 0.
    NeverNone,
}

/// Escapes that are harmless and allowed without the user's leave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EscapeQuirks {
    any: bool,
    firmware_name: bool,
    interface_switch: bool,
}

impl EscapeQuirks {
    /// Whether this Escape is one of them.
    #[must_use]
    pub fn allow(&self, command: &[u8]) -> bool {
        match command {
            [0x02] if self.firmware_name => true,
            [0x52, 0xF8, 0x04, 0x01, 0x00, _] if self.interface_switch => true,
            _ => self.any,
        }
    }
}

/// Condition on `bcdDevice`.
#[derive(Clone, Copy, Debug)]
enum Release {
    Any,
    Is(u16),
    Below(u16),
}

/// One correction.
#[derive(Clone, Copy, Debug)]
enum Fix {
    Level(ExchangeLevel),
    /// Only where the first level is declared.
    LevelInstead(ExchangeLevel, ExchangeLevel),
    NoSetInterface,
    OffBeforeOn,
    IsoModeEscape,
    ShortOutCount,
    EndsMessages,
    OpenDelay(Duration),
    OpenFactor(u32),
    CommandFactor(u32),
    ExtraExchangeTime(Duration),
    NoPinEntry,
    PinVerifyMessages(u8),
    /// The only condition sent.
    PinCondition(u8),
    /// The only condition told in the properties.
    PinConditionTold(u8),
    PinSwappedLimits,
    PinKeyRelease(Duration),
    PinAnnounceBare,
    PinModifyMessages(ModifyMessages),
    PinLimits(u8, u8),
    PinLoadsTexts,
    EscapeAny,
    EscapeFirmwareName,
    EscapeInterfaceSwitch,
    ReaderDirect,
    FirmwareRecord,
    OldFirmware,
    MaxDataRate(u32),
    OtherSlots(&'static [u32]),
    NoPps,
    OptionalParameters,
    AutoIfsd,
    MaxIfsd(u8),
    OldDraftDescriptor,
    UnreliableEvents,
    UnreliableStatus,
}

#[derive(Clone, Copy, Debug)]
struct Row {
    vendor: u16,
    /// `None` for all of the vendor's.
    product: Option<u16>,
    release: Release,
    fixes: &'static [Fix],
    reason: &'static str,
}

const fn row(vendor: u16, product: u16, fixes: &'static [Fix], reason: &'static str) -> Row {
    Row {
        vendor,
        product: Some(product),
        release: Release::Any,
        fixes,
        reason,
    }
}

/// For every product of a vendor.
const fn vendor(vendor: u16, fixes: &'static [Fix], reason: &'static str) -> Row {
    Row {
        vendor,
        product: None,
        release: Release::Any,
        fixes,
        reason,
    }
}

const fn old(vendor: u16, product: u16, fixed_in: u16) -> Row {
    Row {
        vendor,
        product: Some(product),
        release: Release::Below(fixed_in),
        fixes: &[Fix::OldFirmware],
        reason: "firmware with known defects: hangs on answers of n packets, time extensions not forwarded (libccid)",
    }
}

const fn before(vendor: u16, product: u16, fixed_in: u16, fixes: &'static [Fix], reason: &'static str) -> Row {
    Row {
        release: Release::Below(fixed_in),
        ..row(vendor, product, fixes, reason)
    }
}

const CHAINS_NO_PIN: &[Fix] = &[Fix::Level(ExchangeLevel::ExtendedApdu), Fix::NoPinEntry];
const CHAINS: &str = "declares short APDUs, but chains and takes extended ones (libccid)";
const LEAKS_PIN: &str = "PIN digits also reach the host as keystrokes (libccid)";
const PIN_LIE: &str = "declares PIN entry it does not have (libccid)";
const SLOW_OPEN: &str = "needs long for its first answers (libccid)";
const SLOW: &str = "needs long for every answer (libccid)";
const SIM_SLOTS: &[Fix] = &[Fix::OtherSlots(&[10_753, 21_505, 43_011, 125_000])];
const SIM_SLOTS_SLOW: &str = "the slots after the first are slower than the descriptor says (libccid)";
const SLOW_NO_PPS: &[Fix] = &[Fix::MaxDataRate(9600), Fix::NoPps];
const NO_PPS: &str = "Oz776: neither another speed nor another protocol works (libccid)";
const PINPAD: &[Fix] = &[
    Fix::PinVerifyMessages(1),
    Fix::PinCondition(2),
    Fix::PinConditionTold(2),
    Fix::PinModifyMessages(ModifyMessages::AllIndexes),
    Fix::PinLoadsTexts,
];
const PINPAD_WANTS: &str = "knows one message in verification, three indexes in modification, the key alone as end of \
                            the PIN; its display shows texts loaded by the host (libccid)";
const INDEX_WANTED: &str = "no display, and yet all message indexes in modification (libccid)";
const ENTER_DOWN: &str = "refuses messages in verification, and every command while Enter is down (libccid)";
const PIN_SIZE: &str = "takes PINs of these lengths only (libccid)";
/// Enter is let go within this time.
const KEY_RELEASE: Duration = Duration::from_millis(250);
const SECODER: &str = "Secoder commands pass to it in Escape messages (libccid)";
const EMV_MODE: &str = "refuses plain ISO cards until switched out of EMV mode (libccid)";

const SHORT_BLOCKS: &[Fix] = &[Fix::MaxIfsd(48)];
const WEDGES: &str = "hangs after an answer of whole packets; with blocks this short there is none (gnupg)";
const NO_IFSD: &str = "eToken 5100: the token does not bear being told an IFSD (libccid)";
const MORE_TIME: &[Fix] = &[Fix::ExtraExchangeTime(Duration::from_secs(60))];
const KEEPS_TIME: &str = "does not pass on that the card needs more time (libccid)";

const TABLE: &[Row] = &[
    row(0x076B, 0x3A21, CHAINS_NO_PIN, CHAINS),
    row(0x076B, 0x3031, CHAINS_NO_PIN, CHAINS),
    row(0x076B, 0x6632, CHAINS_NO_PIN, CHAINS),
    row(0x046A, 0x00A7, CHAINS_NO_PIN, CHAINS),
    row(0x0BF8, 0x1024, CHAINS_NO_PIN, CHAINS),
    row(0x2F7C, 0x6007, &[Fix::Level(ExchangeLevel::ExtendedApdu)], CHAINS),
    Row {
        vendor: 0x046A,
        product: Some(0x00A1),
        release: Release::Is(0x0100),
        fixes: &[Fix::LevelInstead(ExchangeLevel::ShortApdu, ExchangeLevel::ExtendedApdu)],
        reason: "T=1 answers come chained in pieces of 128 bytes (libccid)",
    },
    row(
        0x0D46,
        0x3010,
        &[Fix::Level(ExchangeLevel::ShortApdu)],
        "declares extended APDUs and cannot take them (libccid)",
    ),
    row(0x03F0, 0x1024, &[Fix::NoPinEntry], LEAKS_PIN),
    row(0x03F0, 0x0036, &[Fix::NoPinEntry], LEAKS_PIN),
    row(0x0BF8, 0x1017, &[Fix::NoPinEntry], LEAKS_PIN),
    row(0x04F2, 0x1469, &[Fix::NoPinEntry], LEAKS_PIN),
    row(0x0783, 0x0006, &[Fix::NoPinEntry], PIN_LIE),
    row(0x25DD, 0x3111, &[Fix::NoPinEntry], PIN_LIE),
    row(
        0x0B81,
        0x0200,
        &[Fix::OpenDelay(Duration::from_secs(1)), Fix::CommandFactor(20)],
        SLOW,
    ),
    row(0x09D8, 0x0427, &[Fix::OpenFactor(10)], SLOW_OPEN),
    row(0x09D8, 0x0428, &[Fix::OpenFactor(10)], SLOW_OPEN),
    row(
        0x072F,
        0x2200,
        &[Fix::OpenFactor(10), Fix::NoSetInterface],
        "needs long for its first answers, and does not know SET_INTERFACE (libccid, gnupg)",
    ),
    row(
        0x04E6,
        0x5293,
        &[Fix::OpenFactor(4)],
        "350 ms to the first answer (libccid)",
    ),
    row(0x04E6, 0x5790, &[Fix::CommandFactor(4)], SLOW),
    row(0x04E6, 0x5791, &[Fix::CommandFactor(4)], SLOW),
    row(0x04E6, 0x5724, &[Fix::CommandFactor(4)], SLOW),
    row(
        0x08E6,
        0x34D2,
        &[Fix::ExtraExchangeTime(Duration::from_secs(300))],
        "sends no time extension while the card makes RSA keys (libccid)",
    ),
    row(0x08E6, 0x4433, &[Fix::IsoModeEscape], EMV_MODE),
    row(0x046A, 0x0005, &[Fix::IsoModeEscape], EMV_MODE),
    row(
        0x0D46,
        0x301D,
        &[Fix::OffBeforeOn],
        "power-on fails on a powered card (libccid)",
    ),
    vendor(
        0x08E6,
        &[
            Fix::FirmwareRecord,
            Fix::EscapeFirmwareName,
            // Unless the record says that this is mended.
            Fix::PinModifyMessages(ModifyMessages::AllIndexes),
        ],
        "Gemalto firmware tells what it can in Escape 6A; older ones want all message indexes in modification (libccid)",
    ),
    row(
        0x08E6,
        0x5503,
        &[Fix::EscapeInterfaceSwitch],
        "an Escape switches between contact and contactless (libccid)",
    ),
    row(
        0x076B,
        0x5427,
        &[Fix::EscapeAny],
        "OMNIKEY 5427 CK: configured with Escapes by its own tool (libccid)",
    ),
    row(0x08E6, 0x3478, PINPAD, PINPAD_WANTS),
    row(0x0982, 0x0008, PINPAD, PINPAD_WANTS),
    row(0x0982, 0x0008, &[Fix::PinLimits(4, 8)], PIN_SIZE),
    Row {
        vendor: 0x08E6,
        product: Some(0x3478),
        release: Release::Is(0x0100),
        fixes: &[Fix::PinLimits(4, 8)],
        reason: PIN_SIZE,
    },
    row(
        0x413C,
        0x2101,
        &[Fix::PinVerifyMessages(0), Fix::PinKeyRelease(KEY_RELEASE)],
        ENTER_DOWN,
    ),
    row(
        0x413C,
        0x2100,
        &[
            Fix::PinVerifyMessages(0),
            Fix::PinKeyRelease(KEY_RELEASE),
            Fix::PinSwappedLimits,
        ],
        ENTER_DOWN,
    ),
    row(
        0x04E6,
        0xE003,
        &[
            Fix::PinAnnounceBare,
            Fix::PinModifyMessages(ModifyMessages::ZeroIndexes),
        ],
        INDEX_WANTED,
    ),
    row(
        0x046A,
        0x003E,
        &[
            Fix::PinModifyMessages(ModifyMessages::ZeroIndexes),
            Fix::PinConditionTold(2),
            Fix::PinLimits(0, 25),
        ],
        INDEX_WANTED,
    ),
    row(
        0x046A,
        0x0010,
        &[Fix::PinModifyMessages(ModifyMessages::Three)],
        "with fewer than three messages the card answers 6B80 (libccid)",
    ),
    row(
        0x046A,
        0x00A1,
        &[Fix::PinModifyMessages(ModifyMessages::NeverNone), Fix::PinLimits(0, 32)],
        "refuses modification without messages (libccid)",
    ),
    row(0x076B, 0x3821, &[Fix::PinLimits(1, 31)], PIN_SIZE),
    row(0x0D46, 0x3010, &[Fix::ReaderDirect], SECODER),
    row(0x0D46, 0x4289, &[Fix::ReaderDirect], SECODER),
    row(
        0x20A0,
        0x42D4,
        &[Fix::EndsMessages, Fix::ShortOutCount],
        "CanoKey: ends messages with zero-length packets; over USB/IP it answers with the whole message however \
         little was asked for, and reports 0 bytes taken",
    ),
    old(0x04E6, 0xE001, 0x0516),
    old(0x04E6, 0x5111, 0x0620),
    old(0x04E6, 0xE003, 0x0510),
    old(0x0D46, 0x3001, 0x0037),
    old(0x0D46, 0x3002, 0x0037),
    old(0x09C3, 0x0008, 0x0203),
    old(0x0DC3, 0x1004, 0x0502),
    old(0x0DC3, 0x1102, 0x0607),
    old(0x058F, 0x9520, 0x0102),
    old(0x072F, 0x2200, 0x0206),
    old(0x08C3, 0x0402, 0x5000),
    old(0x08C3, 0x0401, 0x5000),
    old(0x0B0C, 0x0050, 0x0101),
    old(0x0DC3, 0x0900, 0x0200),
    old(0x03F0, 0x0036, 0x0124),
    old(0x062D, 0x0001, 0x0102),
    old(0x04E6, 0x5291, 0x0112),
    // Speeds and parameters.
    row(
        0x058F,
        0x9540,
        &[Fix::MaxDataRate(200_000), Fix::OptionalParameters],
        "AU9540: the higher rates it lists do not work, nor does SetParameters with every card (libccid)",
    ),
    row(0x0B97, 0x7762, SLOW_NO_PPS, NO_PPS),
    row(0x0B97, 0x7772, SLOW_NO_PPS, NO_PPS),
    row(0x08E6, 0x3479, SIM_SLOTS, SIM_SLOTS_SLOW),
    Row {
        vendor: 0x08E6,
        product: Some(0x3480),
        release: Release::Below(0x0200),
        fixes: SIM_SLOTS,
        reason: SIM_SLOTS_SLOW,
    },
    // Descriptors that are wrong, and blocks that are too long.
    row(
        0x09BE,
        0x0002,
        &[Fix::OldDraftDescriptor],
        "MySmartPad: descriptor of a draft of the class, protocols, clock and IFSD one byte beside their places (libccid)",
    ),
    before(0x04E6, 0xE001, 0x0516, SHORT_BLOCKS, WEDGES),
    before(0x04E6, 0x5111, 0x0620, SHORT_BLOCKS, WEDGES),
    before(0x04E6, 0x5115, 0x0514, SHORT_BLOCKS, WEDGES),
    before(0x04E6, 0xE003, 0x0504, SHORT_BLOCKS, WEDGES),
    before(0x04E6, 0x5117, 0x0522, SHORT_BLOCKS, WEDGES),
    before(0x09C3, 0x0008, 0x0203, SHORT_BLOCKS, WEDGES),
    before(
        0x0B0C,
        0x0050,
        0x0101,
        &[Fix::AutoIfsd],
        "Argos Mini II: tells the card its IFSD by itself and does not declare it (libccid)",
    ),
    Row {
        release: Release::Is(0x0012),
        ..row(0x0529, 0x0620, &[Fix::AutoIfsd], NO_IFSD)
    },
    Row {
        release: Release::Is(0x0013),
        ..row(0x0529, 0x0620, &[Fix::AutoIfsd], NO_IFSD)
    },
    // Cards' waiting times that the reader keeps to itself.
    before(0x058F, 0x9520, 0x0102, MORE_TIME, KEEPS_TIME),
    before(0x08C3, 0x0401, 0x5000, MORE_TIME, KEEPS_TIME),
    before(0x08C3, 0x0402, 0x5000, MORE_TIME, KEEPS_TIME),
    // Presence.
    row(
        0x04E6,
        0xE003,
        &[Fix::UnreliableEvents],
        "SPR532: misses insertions and reports some that were none (gnupg)",
    ),
    before(
        0x08E6,
        0x3480,
        0x0200,
        &[Fix::UnreliableStatus],
        "GemCore SIM Pro: slot status wrong, the card cannot be taken out anyway (libccid)",
    ),
];

impl Quirks {
    /// The corrections for the reader behind `interface`, which declares `level`.
    #[must_use]
    pub fn of(interface: &usb::Interface, level: ExchangeLevel) -> Self {
        let mut quirks = Self::default();
        for row in TABLE {
            let release = match row.release {
                Release::Any => true,
                Release::Is(release) => interface.device_release == release,
                Release::Below(release) => interface.device_release < release,
            };
            let product = row.product.is_none_or(|product| product == interface.product_id);
            if release && product && row.vendor == interface.vendor_id {
                log::debug!("{:04X}:{:04X}: {}", row.vendor, interface.product_id, row.reason);
                for fix in row.fixes {
                    quirks.apply(*fix, level);
                }
            }
        }
        quirks
    }

    fn apply(&mut self, fix: Fix, declared: ExchangeLevel) {
        match fix {
            Fix::Level(level) => self.level = Some(level),
            Fix::LevelInstead(from, to) => {
                if declared == from {
                    self.level = Some(to);
                }
            }
            Fix::NoSetInterface => self.no_set_interface = true,
            Fix::OffBeforeOn => self.off_before_on = true,
            Fix::IsoModeEscape => self.iso_mode_escape = true,
            Fix::ShortOutCount => self.short_out_count = true,
            Fix::EndsMessages => self.ends_messages = true,
            Fix::OpenDelay(delay) => self.open_delay = Some(delay),
            Fix::OpenFactor(factor) => self.open_factor = factor,
            Fix::CommandFactor(factor) => self.command_factor = factor,
            Fix::ExtraExchangeTime(time) => self.extra_exchange_time = Some(time),
            Fix::NoPinEntry => self.no_pin_entry = true,
            Fix::PinVerifyMessages(number) => self.pin.verify_messages = Some(number),
            Fix::PinCondition(condition) => self.pin.condition = Some(condition),
            Fix::PinConditionTold(condition) => {
                self.pin.condition_told = Some(condition);
            }
            Fix::PinSwappedLimits => self.pin.swapped_limits = true,
            Fix::PinKeyRelease(time) => self.pin.key_release = Some(time),
            Fix::PinAnnounceBare => self.pin.announce_bare_pin = true,
            Fix::PinModifyMessages(messages) => self.pin.modify_messages = messages,
            Fix::PinLimits(least, most) => self.pin.limits = Some((least, most)),
            Fix::PinLoadsTexts => self.pin.loads_texts = true,
            Fix::EscapeAny => self.escapes.any = true,
            Fix::EscapeFirmwareName => self.escapes.firmware_name = true,
            Fix::EscapeInterfaceSwitch => self.escapes.interface_switch = true,
            Fix::ReaderDirect => self.reader_direct = true,
            Fix::FirmwareRecord => self.firmware_record = true,
            Fix::OldFirmware => self.old_firmware = true,
            Fix::MaxDataRate(bps) => self.speed.max_bps = Some(bps),
            Fix::OtherSlots(bps) => self.speed.other_slots_bps = Some(bps),
            Fix::NoPps => self.speed.no_pps = true,
            Fix::OptionalParameters => self.speed.optional_parameters = true,
            Fix::AutoIfsd => self.correction.auto_ifsd = true,
            Fix::MaxIfsd(len) => self.correction.max_ifsd = Some(len),
            Fix::OldDraftDescriptor => self.correction.old_draft = true,
            Fix::UnreliableEvents => self.unreliable_events = true,
            Fix::UnreliableStatus => self.unreliable_status = true,
        }
    }
}
