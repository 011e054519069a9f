//! What single readers need beyond the class: the one place that knows vendor and product numbers.

mod fix;

use super::descriptor::ExchangeLevel;
use crate::usb;
use fix::Fix;
use std::time::Duration;

pub use fix::{Correction, EscapeQuirks, ModifyMessages, PinQuirks, Quirks, SpeedQuirks};

/// Condition on `bcdDevice`.
#[derive(Clone, Copy, Debug)]
enum Release {
    Any,
    Is(u16),
    Below(u16),
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

const GNUK: &str = "gnuk and Nitrokey Start: end messages with zero-length packets (gnuk's source)";
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
    Row {
        vendor: 0x08E6,
        product: Some(0x4433),
        release: Release::Is(0x0000),
        fixes: &[Fix::EndsMessages],
        reason: "QEMU's usb-ccid, which took these numbers: a transfer ends where the message does",
    },
    row(0x234B, 0x0000, &[Fix::EndsMessages], GNUK),
    row(0x20A0, 0x4211, &[Fix::EndsMessages], GNUK),
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
        for row in rows(interface) {
            log::debug!("{:04X}:{:04X}: {}", row.vendor, interface.product_id, row.reason);
            for fix in row.fixes {
                quirks.apply(*fix, level);
            }
        }
        quirks
    }
}

fn rows(interface: &usb::Interface) -> impl Iterator<Item = &'static Row> {
    TABLE.iter().filter(|row| {
        let release = match row.release {
            Release::Any => true,
            Release::Is(release) => interface.device_release == release,
            Release::Below(release) => interface.device_release < release,
        };
        let product = row.product.is_none_or(|product| product == interface.product_id);
        release && product && row.vendor == interface.vendor_id
    })
}

/// Something known of a reader, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peculiarity {
    /// What it is.
    pub reason: &'static str,
    /// The release of the firmware in which it is mended.
    pub fixed_in: Option<u16>,
    /// Other drivers refuse to work with it.
    pub is_defect: bool,
}

/// What is known of the reader behind `interface`.
#[must_use]
pub fn known_of(interface: &usb::Interface) -> Vec<Peculiarity> {
    let told = rows(interface).map(|row| Peculiarity {
        reason: row.reason,
        fixed_in: match row.release {
            Release::Below(release) => Some(release),
            Release::Any | Release::Is(_) => None,
        },
        is_defect: row.fixes.iter().any(|fix| matches!(fix, Fix::OldFirmware)),
    });
    told.collect()
}
