//! The constants of `<pcsclite.h>` and `<reader.h>`, with the values of pcsc-lite. Result codes are in [`crate::error`].

use super::types::{DWORD, LONG};
use crate::platform;

/// No error.
pub const SCARD_S_SUCCESS: LONG = 0;

/// The one group there is, as a multi-string: 22 bytes with both NULs.
pub const DEFAULT_GROUPS: &[u8; 22] = b"SCard$DefaultReaders\0\0";

/// The pseudo reader whose state changes when readers come and go; compared without regard to case.
pub const PNP_NOTIFICATION: &[u8] = br"\\?PnP?\Notification";

/// What the daemon of old accepted for "any protocol"; still accepted.
pub const SCARD_PROTOCOL_ANY_OLD: DWORD = 0x1000;

/// `SCARD_CTL_CODE(code)`: the control code for a function number.
#[must_use]
pub const fn scard_ctl_code(code: DWORD) -> DWORD {
    platform::control_code(code)
}

/// Longest command, and longest response, as a size.
pub const MAX_APDU_LEN: usize = small(MAX_BUFFER_SIZE_EXTENDED);
/// Longest attribute, as a size.
pub const MAX_ATTRIBUTE_LEN: usize = small(MAX_BUFFER_SIZE);
/// Longest reader name, as a size.
pub const MAX_NAME_LEN: usize = small(MAX_READERNAME);

#[allow(clippy::cast_possible_truncation, reason = "constants far below 32 bits")]
const fn small(number: DWORD) -> usize {
    number as usize
}

macro_rules! constants {
    ($($(#[doc = $doc:literal])+ $name:ident = $value:expr;)+) => {
        $($(#[doc = $doc])+ pub const $name: DWORD = $value;)+

        /// Every constant with its name, for the comparison with the C headers.
        #[doc(hidden)]
        pub const ALL: &[(&str, DWORD)] = &[$((stringify!($name), $name),)+];
    };
}

constants! {
    // Scopes.
    /// Scope of the user.
    SCARD_SCOPE_USER = 0;
    /// Scope of the terminal.
    SCARD_SCOPE_TERMINAL = 1;
    /// Scope of the system.
    SCARD_SCOPE_SYSTEM = 2;
    /// Global scope; the same as the system's.
    SCARD_SCOPE_GLOBAL = 3;

    // Providers of a kind of card.
    /// The primary provider, by its identifier.
    SCARD_PROVIDER_PRIMARY = 1;
    /// The cryptographic service provider.
    SCARD_PROVIDER_CSP = 2;
    /// The key storage provider.
    SCARD_PROVIDER_KSP = 3;
    /// The card module.
    SCARD_PROVIDER_CARD_MODULE = 0x8000_0001;

    // Events of `SCardAudit`.
    /// The card holder was not verified.
    SCARD_AUDIT_CHV_FAILURE = 0;
    /// The card holder was verified.
    SCARD_AUDIT_CHV_SUCCESS = 1;

    // What `SCardGetDeviceTypeId` tells.
    /// On USB.
    SCARD_READER_TYPE_USB = 0x20;

    // Protocols.
    /// No protocol.
    SCARD_PROTOCOL_UNDEFINED = 0;
    /// No protocol; older name.
    SCARD_PROTOCOL_UNSET = 0;
    /// T=0.
    SCARD_PROTOCOL_T0 = 1;
    /// T=1.
    SCARD_PROTOCOL_T1 = 2;
    /// Bytes as they are.
    SCARD_PROTOCOL_RAW = 4;
    /// T=15; never active.
    SCARD_PROTOCOL_T15 = 8;
    /// T=0 or T=1.
    SCARD_PROTOCOL_ANY = 3;

    // Share modes.
    /// Nobody else may connect.
    SCARD_SHARE_EXCLUSIVE = 1;
    /// Others may connect.
    SCARD_SHARE_SHARED = 2;
    /// The reader, with or without a card.
    SCARD_SHARE_DIRECT = 3;

    // Dispositions and initializations.
    /// Leave the card as it is.
    SCARD_LEAVE_CARD = 0;
    /// Warm reset.
    SCARD_RESET_CARD = 1;
    /// Power down, or cold reset.
    SCARD_UNPOWER_CARD = 2;
    /// Eject.
    SCARD_EJECT_CARD = 3;

    // Card state bits of `SCardStatus`.
    /// Unknown.
    SCARD_UNKNOWN = platform::state::UNKNOWN;
    /// No card.
    SCARD_ABSENT = platform::state::ABSENT;
    /// A card is in the reader.
    SCARD_PRESENT = platform::state::PRESENT;
    /// In position, and mute.
    SCARD_SWALLOWED = platform::state::SWALLOWED;
    /// The card has power.
    SCARD_POWERED = platform::state::POWERED;
    /// The card answered the reset.
    SCARD_NEGOTIABLE = platform::state::NEGOTIABLE;
    /// The protocol was set; never used by pcsc-lite.
    SCARD_SPECIFIC = platform::state::SPECIFIC;

    // Reader state bits of `SCardGetStatusChange`.
    /// The caller knows nothing.
    SCARD_STATE_UNAWARE = 0x0000;
    /// Leave this entry out.
    SCARD_STATE_IGNORE = 0x0001;
    /// The state differs from the caller's.
    SCARD_STATE_CHANGED = 0x0002;
    /// No such reader.
    SCARD_STATE_UNKNOWN = 0x0004;
    /// The reader does not work.
    SCARD_STATE_UNAVAILABLE = 0x0008;
    /// No card.
    SCARD_STATE_EMPTY = 0x0010;
    /// A card is in the reader.
    SCARD_STATE_PRESENT = 0x0020;
    /// The card is one asked for; never set here.
    SCARD_STATE_ATRMATCH = 0x0040;
    /// Somebody has the card for himself.
    SCARD_STATE_EXCLUSIVE = 0x0080;
    /// Somebody is connected.
    SCARD_STATE_INUSE = 0x0100;
    /// The card does not answer.
    SCARD_STATE_MUTE = 0x0200;
    /// The card has no power.
    SCARD_STATE_UNPOWERED = 0x0400;

    // Sizes.
    /// Longest ATR.
    MAX_ATR_SIZE = 33;
    /// Longest ATR; older name.
    SCARD_ATR_LENGTH = 33;
    /// Room for a reader name with its NUL.
    MAX_READERNAME = 128;
    /// Longest short APDU, and longest attribute.
    MAX_BUFFER_SIZE = 264;
    /// Longest extended APDU.
    MAX_BUFFER_SIZE_EXTENDED = 65548;
    /// A limit of old versions of pcsc-lite; there is none here.
    PCSCLITE_MAX_READERS_CONTEXTS = 16;

    // Special values.
    /// As a length: allocate the buffer, and store its address where the buffer argument points.
    SCARD_AUTOALLOCATE = DWORD::MAX;
    /// Wait without limit.
    INFINITE = 0xFFFF_FFFF;

    // Attribute classes.
    /// Class of attributes: vendor.
    SCARD_CLASS_VENDOR_INFO = 1;
    /// Class of attributes: communication.
    SCARD_CLASS_COMMUNICATIONS = 2;
    /// Class of attributes: protocol.
    SCARD_CLASS_PROTOCOL = 3;
    /// Class of attributes: power management.
    SCARD_CLASS_POWER_MGMT = 4;
    /// Class of attributes: security.
    SCARD_CLASS_SECURITY = 5;
    /// Class of attributes: mechanics.
    SCARD_CLASS_MECHANICAL = 6;
    /// Class of attributes: vendor-defined.
    SCARD_CLASS_VENDOR_DEFINED = 7;
    /// Class of attributes: interface device protocol.
    SCARD_CLASS_IFD_PROTOCOL = 8;
    /// Class of attributes: state of the card.
    SCARD_CLASS_ICC_STATE = 9;
    /// Class of attributes: system.
    SCARD_CLASS_SYSTEM = 0x7FFF;

    // Attributes.
    /// Vendor of the reader.
    SCARD_ATTR_VENDOR_NAME = 0x0001_0100;
    /// Model of the reader.
    SCARD_ATTR_VENDOR_IFD_TYPE = 0x0001_0101;
    /// Version of the reader, 0xMMmmbbbb.
    SCARD_ATTR_VENDOR_IFD_VERSION = 0x0001_0102;
    /// Serial number of the reader.
    SCARD_ATTR_VENDOR_IFD_SERIAL_NO = 0x0001_0103;
    /// Channel, 0xDDDDCCCC; 0x0020 is USB.
    SCARD_ATTR_CHANNEL_ID = 0x0002_0110;
    /// Asynchronous protocols.
    SCARD_ATTR_ASYNC_PROTOCOL_TYPES = 0x0003_0120;
    /// Default clock in kHz.
    SCARD_ATTR_DEFAULT_CLK = 0x0003_0121;
    /// Highest clock in kHz.
    SCARD_ATTR_MAX_CLK = 0x0003_0122;
    /// Default rate in bit/s.
    SCARD_ATTR_DEFAULT_DATA_RATE = 0x0003_0123;
    /// Highest rate in bit/s.
    SCARD_ATTR_MAX_DATA_RATE = 0x0003_0124;
    /// Largest IFSD.
    SCARD_ATTR_MAX_IFSD = 0x0003_0125;
    /// Synchronous protocols.
    SCARD_ATTR_SYNC_PROTOCOL_TYPES = 0x0003_0126;
    /// Whether the reader can power a card down.
    SCARD_ATTR_POWER_MGMT_SUPPORT = 0x0004_0131;
    /// How the user authenticates to the card.
    SCARD_ATTR_USER_TO_CARD_AUTH_DEVICE = 0x0005_0140;
    /// Input device for authentication.
    SCARD_ATTR_USER_AUTH_INPUT_DEVICE = 0x0005_0142;
    /// Mechanical characteristics.
    SCARD_ATTR_CHARACTERISTICS = 0x0006_0150;
    /// Protocol in use.
    SCARD_ATTR_CURRENT_PROTOCOL_TYPE = 0x0008_0201;
    /// Clock in use, in kHz.
    SCARD_ATTR_CURRENT_CLK = 0x0008_0202;
    /// Clock rate conversion F.
    SCARD_ATTR_CURRENT_F = 0x0008_0203;
    /// Baud rate adjustment D.
    SCARD_ATTR_CURRENT_D = 0x0008_0204;
    /// Guard time N.
    SCARD_ATTR_CURRENT_N = 0x0008_0205;
    /// Work waiting time.
    SCARD_ATTR_CURRENT_W = 0x0008_0206;
    /// IFSC in use.
    SCARD_ATTR_CURRENT_IFSC = 0x0008_0207;
    /// IFSD in use.
    SCARD_ATTR_CURRENT_IFSD = 0x0008_0208;
    /// Block waiting time.
    SCARD_ATTR_CURRENT_BWT = 0x0008_0209;
    /// Character waiting time.
    SCARD_ATTR_CURRENT_CWT = 0x0008_020A;
    /// Error detection code in use.
    SCARD_ATTR_CURRENT_EBC_ENCODING = 0x0008_020B;
    /// Block waiting time extension.
    SCARD_ATTR_EXTENDED_BWT = 0x0008_020C;
    /// One byte: whether a card is present.
    SCARD_ATTR_ICC_PRESENCE = 0x0009_0300;
    /// One byte: whether the contacts are active.
    SCARD_ATTR_ICC_INTERFACE_STATUS = 0x0009_0301;
    /// State of the I/O contact.
    SCARD_ATTR_CURRENT_IO_STATE = 0x0009_0302;
    /// ATR of the card.
    SCARD_ATTR_ATR_STRING = 0x0009_0303;
    /// One byte: type of the card.
    SCARD_ATTR_ICC_TYPE_PER_ATR = 0x0009_0304;
    /// Vendor escape: reset.
    SCARD_ATTR_ESC_RESET = 0x0007_A000;
    /// Vendor escape: cancel.
    SCARD_ATTR_ESC_CANCEL = 0x0007_A003;
    /// Vendor escape: authentication.
    SCARD_ATTR_ESC_AUTHREQUEST = 0x0007_A005;
    /// Longest command in bytes.
    SCARD_ATTR_MAXINPUT = 0x0007_A007;
    /// Which reader of its kind.
    SCARD_ATTR_DEVICE_UNIT = 0x7FFF_0001;
    /// Reserved.
    SCARD_ATTR_DEVICE_IN_USE = 0x7FFF_0002;
    /// Display name.
    SCARD_ATTR_DEVICE_FRIENDLY_NAME_A = 0x7FFF_0003;
    /// System name.
    SCARD_ATTR_DEVICE_SYSTEM_NAME_A = 0x7FFF_0004;
    /// Display name, wide characters.
    SCARD_ATTR_DEVICE_FRIENDLY_NAME_W = 0x7FFF_0005;
    /// System name, wide characters.
    SCARD_ATTR_DEVICE_SYSTEM_NAME_W = 0x7FFF_0006;
    /// Whether to leave out the IFS request.
    SCARD_ATTR_SUPRESS_T1_IFS_REQUEST = 0x7FFF_0007;

    // Control codes and features (PC/SC part 10).
    /// Asks for the list of features.
    CM_IOCTL_GET_FEATURE_REQUEST = scard_ctl_code(3400);
    /// Feature: begin PIN verification.
    FEATURE_VERIFY_PIN_START = 0x01;
    /// Feature: end PIN verification.
    FEATURE_VERIFY_PIN_FINISH = 0x02;
    /// Feature: begin PIN change.
    FEATURE_MODIFY_PIN_START = 0x03;
    /// Feature: end PIN change.
    FEATURE_MODIFY_PIN_FINISH = 0x04;
    /// Feature: poll the keypad.
    FEATURE_GET_KEY_PRESSED = 0x05;
    /// Feature: verify a PIN.
    FEATURE_VERIFY_PIN_DIRECT = 0x06;
    /// Feature: change a PIN.
    FEATURE_MODIFY_PIN_DIRECT = 0x07;
    /// Feature: MCT command.
    FEATURE_MCT_READER_DIRECT = 0x08;
    /// Feature: MCT universal command.
    FEATURE_MCT_UNIVERSAL = 0x09;
    /// Feature: PIN pad properties.
    FEATURE_IFD_PIN_PROPERTIES = 0x0A;
    /// Feature: abort PIN entry.
    FEATURE_ABORT = 0x0B;
    /// Feature: message for PIN entry.
    FEATURE_SET_SPE_MESSAGE = 0x0C;
    /// Feature: verify a PIN of an application.
    FEATURE_VERIFY_PIN_DIRECT_APP_ID = 0x0D;
    /// Feature: change a PIN of an application.
    FEATURE_MODIFY_PIN_DIRECT_APP_ID = 0x0E;
    /// Feature: write to the display.
    FEATURE_WRITE_DISPLAY = 0x0F;
    /// Feature: read a key.
    FEATURE_GET_KEY = 0x10;
    /// Feature: display properties.
    FEATURE_IFD_DISPLAY_PROPERTIES = 0x11;
    /// Feature: properties as TLVs.
    FEATURE_GET_TLV_PROPERTIES = 0x12;
    /// Feature: CCID escape command.
    FEATURE_CCID_ESC_COMMAND = 0x13;
    /// Feature: PACE.
    FEATURE_EXECUTE_PACE = 0x20;

    // Tags of `FEATURE_GET_TLV_PROPERTIES`.
    /// Columns and lines of the display.
    PCSCv2_PART10_PROPERTY_wLcdLayout = 1;
    /// What ends a PIN entry.
    PCSCv2_PART10_PROPERTY_bEntryValidationCondition = 2;
    /// Time between keys.
    PCSCv2_PART10_PROPERTY_bTimeOut2 = 3;
    /// Columns of the display.
    PCSCv2_PART10_PROPERTY_wLcdMaxCharacters = 4;
    /// Lines of the display.
    PCSCv2_PART10_PROPERTY_wLcdMaxLines = 5;
    /// Shortest PIN.
    PCSCv2_PART10_PROPERTY_bMinPINSize = 6;
    /// Longest PIN.
    PCSCv2_PART10_PROPERTY_bMaxPINSize = 7;
    /// Firmware of the reader.
    PCSCv2_PART10_PROPERTY_sFirmwareID = 8;
    /// Whether PPDUs are understood.
    PCSCv2_PART10_PROPERTY_bPPDUSupport = 9;
    /// Longest APDU data.
    PCSCv2_PART10_PROPERTY_dwMaxAPDUDataSize = 10;
    /// USB vendor.
    PCSCv2_PART10_PROPERTY_wIdVendor = 11;
    /// USB product.
    PCSCv2_PART10_PROPERTY_wIdProduct = 12;
}
