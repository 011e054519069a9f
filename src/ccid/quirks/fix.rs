//! What can be otherwise about a reader.

use crate::ccid::descriptor::ExchangeLevel;
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

/// One correction.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fix {
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

impl Quirks {
    /// Takes a correction in, for a reader that declares this level.
    pub(super) fn apply(&mut self, fix: Fix, declared: ExchangeLevel) {
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
