//! The result codes of PC/SC: one line per code, and the only place where a lower layer's error becomes one of them.
//!
//! Values and the texts of `pcsc_stringify_error` are those of pcsc-lite (1.9.9 and 2.5.1 agree). Every code here is one that
//! its headers document, because callers map codes to closed enumerations. The three of the cache are Microsoft's, and only
//! functions that pcsc-lite does not have return them.

use std::ffi::CStr;
use std::fmt;

use crate::api::types::LONG;

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $value:literal, $name:literal $(, $text:literal)?;)+) => {
        /// A PC/SC result code other than success.
        #[repr(u32)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Error {
            $($(#[doc = $doc])+ $variant = $value,)+
        }

        impl Error {
            /// Every code, in the order of their values.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The C name, such as `SCARD_E_TIMEOUT`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }

            /// The text `pcsc_stringify_error` has for the code; `None` where pcsc-lite has none either.
            #[must_use]
            pub const fn text(self) -> Option<&'static str> {
                match self {
                    $(Self::$variant => codes!(@text $($text)?),)+
                }
            }

            /// The same with a NUL at its end, for C.
            #[must_use]
            pub const fn text_with_nul(self) -> Option<&'static CStr> {
                match self {
                    $(Self::$variant => codes!(@with_nul $($text)?),)+
                }
            }
        }
    };
    (@text $text:literal) => { Some($text) };
    (@text) => { None };
    (@with_nul $text:literal) => {
        match CStr::from_bytes_with_nul(concat!($text, "\0").as_bytes()) {
            Ok(text) => Some(text),
            Err(_) => None,
        }
    };
    (@with_nul) => { None };
}

codes! {
    /// An internal consistency check failed, or a panic was caught at the boundary.
    InternalError = 0x8010_0001, "SCARD_F_INTERNAL_ERROR", "Internal error.";
    /// `SCardCancel` ended the wait.
    Cancelled = 0x8010_0002, "SCARD_E_CANCELLED", "Command cancelled.";
    /// The context or card handle is not one of this process.
    InvalidHandle = 0x8010_0003, "SCARD_E_INVALID_HANDLE", "Invalid handle.";
    /// A pointer that must not be null is, or a parameter makes no sense.
    InvalidParameter = 0x8010_0004, "SCARD_E_INVALID_PARAMETER", "Invalid parameter given.";
    /// Start-up information is missing or invalid.
    InvalidTarget = 0x8010_0005, "SCARD_E_INVALID_TARGET", "Invalid target given.";
    /// Out of memory, or a table is full.
    NoMemory = 0x8010_0006, "SCARD_E_NO_MEMORY", "Not enough memory.";
    /// An internal timer ran out.
    WaitedTooLong = 0x8010_0007, "SCARD_F_WAITED_TOO_LONG", "Waited too long.";
    /// The caller's buffer is too small; the length needed has been stored.
    InsufficientBuffer = 0x8010_0008, "SCARD_E_INSUFFICIENT_BUFFER", "Insufficient buffer.";
    /// No reader has this name.
    UnknownReader = 0x8010_0009, "SCARD_E_UNKNOWN_READER", "Unknown reader specified.";
    /// The time allowed has passed.
    Timeout = 0x8010_000A, "SCARD_E_TIMEOUT", "Command timeout.";
    /// Another connection stands in the way.
    SharingViolation = 0x8010_000B, "SCARD_E_SHARING_VIOLATION", "Sharing violation.";
    /// The call needs a card and the reader is empty.
    NoSmartcard = 0x8010_000C, "SCARD_E_NO_SMARTCARD", "No smart card inserted.";
    /// No card has this name.
    UnknownCard = 0x8010_000D, "SCARD_E_UNKNOWN_CARD", "Unknown card.";
    /// The card cannot be disposed of as asked.
    CantDispose = 0x8010_000E, "SCARD_E_CANT_DISPOSE", "Cannot dispose handle.";
    /// The protocol asked for is not the one in use, or not one the card has.
    ProtoMismatch = 0x8010_000F, "SCARD_E_PROTO_MISMATCH", "Card protocol mismatch.";
    /// Reader or card is not ready for commands.
    NotReady = 0x8010_0010, "SCARD_E_NOT_READY", "Subsystem not ready.";
    /// A value is outside its range, or the reader of a handle is gone.
    InvalidValue = 0x8010_0011, "SCARD_E_INVALID_VALUE", "Invalid value given.";
    /// The system ended the action.
    SystemCancelled = 0x8010_0012, "SCARD_E_SYSTEM_CANCELLED", "System cancelled.";
    /// Communication inside the PC/SC implementation failed.
    CommError = 0x8010_0013, "SCARD_F_COMM_ERROR", "RPC transport error.";
    /// An error of unknown origin.
    UnknownError = 0x8010_0014, "SCARD_F_UNKNOWN_ERROR", "Unknown error.";
    /// The ATR cannot be parsed.
    InvalidAtr = 0x8010_0015, "SCARD_E_INVALID_ATR", "Invalid ATR.";
    /// No transaction to end; also an exchange with the card that failed.
    NotTransacted = 0x8010_0016, "SCARD_E_NOT_TRANSACTED", "Transaction failed.";
    /// The reader is not available at present.
    ReaderUnavailable = 0x8010_0017, "SCARD_E_READER_UNAVAILABLE", "Reader is unavailable.";
    /// The operation was given up to let the service stop.
    Shutdown = 0x8010_0018, "SCARD_P_SHUTDOWN";
    /// The receive PCI structure is too small.
    PciTooSmall = 0x8010_0019, "SCARD_E_PCI_TOO_SMALL", "PCI struct too small.";
    /// The reader lacks something that is required.
    ReaderUnsupported = 0x8010_001A, "SCARD_E_READER_UNSUPPORTED", "Reader is unsupported.";
    /// The reader's name is not unique.
    DuplicateReader = 0x8010_001B, "SCARD_E_DUPLICATE_READER", "Reader already exists.";
    /// The card lacks something that is required.
    CardUnsupported = 0x8010_001C, "SCARD_E_CARD_UNSUPPORTED", "Card is unsupported.";
    /// The smart card service does not run.
    NoService = 0x8010_001D, "SCARD_E_NO_SERVICE", "Service not available.";
    /// The smart card service has stopped.
    ServiceStopped = 0x8010_001E, "SCARD_E_SERVICE_STOPPED", "Service was stopped.";
    /// The feature is not supported. On Unix this value is also `SCARD_E_UNEXPECTED`; Windows uses 0x80100022.
    UnsupportedFeature = 0x8010_001F, "SCARD_E_UNSUPPORTED_FEATURE", "Feature not supported.";
    /// No provider for the card.
    IccInstallation = 0x8010_0020, "SCARD_E_ICC_INSTALLATION";
    /// Objects cannot be made in this order.
    IccCreateOrder = 0x8010_0021, "SCARD_E_ICC_CREATEORDER";
    /// No such directory in the card.
    DirNotFound = 0x8010_0023, "SCARD_E_DIR_NOT_FOUND";
    /// No such file in the card.
    FileNotFound = 0x8010_0024, "SCARD_E_FILE_NOT_FOUND";
    /// The path is not a directory of the card.
    NoDir = 0x8010_0025, "SCARD_E_NO_DIR";
    /// The path is not a file of the card.
    NoFile = 0x8010_0026, "SCARD_E_NO_FILE";
    /// Access is denied.
    NoAccess = 0x8010_0027, "SCARD_E_NO_ACCESS";
    /// The card has no room.
    WriteTooMany = 0x8010_0028, "SCARD_E_WRITE_TOO_MANY";
    /// The file position cannot be set.
    BadSeek = 0x8010_0029, "SCARD_E_BAD_SEEK";
    /// The PIN is wrong.
    InvalidChv = 0x8010_002A, "SCARD_E_INVALID_CHV";
    /// A layer below gave a code nobody knows.
    UnknownResMng = 0x8010_002B, "SCARD_E_UNKNOWN_RES_MNG";
    /// No such certificate.
    NoSuchCertificate = 0x8010_002C, "SCARD_E_NO_SUCH_CERTIFICATE";
    /// The certificate cannot be had.
    CertificateUnavailable = 0x8010_002D, "SCARD_E_CERTIFICATE_UNAVAILABLE";
    /// There is no reader.
    NoReadersAvailable = 0x8010_002E, "SCARD_E_NO_READERS_AVAILABLE", "Cannot find a smart card reader.";
    /// Data were lost on the way to the card.
    CommDataLost = 0x8010_002F, "SCARD_E_COMM_DATA_LOST";
    /// The card has no such key container.
    NoKeyContainer = 0x8010_0030, "SCARD_E_NO_KEY_CONTAINER";
    /// The service is too busy.
    ServerTooBusy = 0x8010_0031, "SCARD_E_SERVER_TOO_BUSY";
    /// The card's ATR and the reader do not fit.
    UnsupportedCard = 0x8010_0065, "SCARD_W_UNSUPPORTED_CARD", "Card is not supported.";
    /// The card does not answer to reset.
    UnresponsiveCard = 0x8010_0066, "SCARD_W_UNRESPONSIVE_CARD", "Card is unresponsive.";
    /// The card has no power.
    UnpoweredCard = 0x8010_0067, "SCARD_W_UNPOWERED_CARD", "Card is unpowered.";
    /// The card was reset by somebody else.
    ResetCard = 0x8010_0068, "SCARD_W_RESET_CARD", "Card was reset.";
    /// The card was removed.
    RemovedCard = 0x8010_0069, "SCARD_W_REMOVED_CARD", "Card was removed.";
    /// Access was refused.
    SecurityViolation = 0x8010_006A, "SCARD_W_SECURITY_VIOLATION", "Access denied.";
    /// A wrong PIN was presented.
    WrongChv = 0x8010_006B, "SCARD_W_WRONG_CHV";
    /// The PIN is blocked.
    ChvBlocked = 0x8010_006C, "SCARD_W_CHV_BLOCKED";
    /// End of the card's file.
    Eof = 0x8010_006D, "SCARD_W_EOF";
    /// The user cancelled.
    CancelledByUser = 0x8010_006E, "SCARD_W_CANCELLED_BY_USER";
    /// No PIN was presented.
    CardNotAuthenticated = 0x8010_006F, "SCARD_W_CARD_NOT_AUTHENTICATED";
    /// The cache has no such item.
    CacheItemNotFound = 0x8010_0070, "SCARD_W_CACHE_ITEM_NOT_FOUND";
    /// The item in the cache was older than asked for, and has been removed.
    CacheItemStale = 0x8010_0071, "SCARD_W_CACHE_ITEM_STALE";
    /// The item is too large for the cache.
    CacheItemTooBig = 0x8010_0072, "SCARD_W_CACHE_ITEM_TOO_BIG";
}

/// Result of everything that ends in a PC/SC code.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// The 32-bit code, 0x8010xxxx.
    #[must_use]
    pub const fn code(self) -> u32 {
        crate::platform::error_number(self as u32)
    }

    /// The code as the C functions return it: positive where `LONG` has 64 bits, as the headers' macros are.
    #[must_use]
    #[allow(
        clippy::cast_possible_wrap,
        reason = "on 64 bits the value is kept, on 32 bits the bit pattern is: that is what (LONG)0x80100001 means in C"
    )]
    pub const fn to_long(self) -> LONG {
        self.code() as LONG
    }

    /// The error with this code; the inverse of [`Error::code`].
    #[must_use]
    pub fn from_code(code: u32) -> Option<Self> {
        Self::ALL.iter().copied().find(|error| error.code() == code)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({:#010X})", self.name(), self.code())
    }
}

impl std::error::Error for Error {}

// Conversions from the layers below stand here, one row per cause, each citing where the choice comes from.

/// What a failure to open, claim or reach a reader is to a caller.
impl From<crate::usb::Error> for Error {
    fn from(error: crate::usb::Error) -> Self {
        use crate::usb::ErrorKind;
        match error.kind {
            ErrorKind::Disconnected => Self::ReaderUnavailable,
            ErrorKind::Busy => Self::SharingViolation,
            ErrorKind::NoAccess => Self::NoAccess,
            ErrorKind::NoMemory => Self::NoMemory,
            ErrorKind::Timeout | ErrorKind::Stall | ErrorKind::Overflow | ErrorKind::Other => Self::CommError,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_distinct_ascending_and_in_the_pcsc_ranges() {
        assert!(
            Error::ALL
                .windows(2)
                .all(|pair| matches!(pair, [a, b] if a.code() < b.code()))
        );
        for error in Error::ALL {
            let low = error.code() & 0xFFFF;
            assert_eq!(error.code() >> 16, 0x8010, "{error}");
            assert!((0x01..=0x31).contains(&low) || (0x65..=0x72).contains(&low), "{error}");
            // Windows' SCARD_E_UNSUPPORTED_FEATURE: unknown to programs built for pcsc-lite.
            assert_ne!(low, 0x22, "{error}");
        }
        assert_eq!(Error::ALL.len(), 0x31 - 1 + 14);
    }

    #[test]
    fn long_has_the_code_as_its_low_32_bits_and_is_positive_where_it_fits() {
        for error in Error::ALL {
            let long = error.to_long();
            assert_eq!(format!("{long:x}"), format!("{:x}", error.code()));
            assert_eq!(long > 0, size_of::<LONG>() == 8);
            assert_eq!(Error::from_code(error.code()), Some(*error));
        }
        assert_eq!(Error::from_code(0), None);
    }

    #[test]
    fn texts_end_in_a_full_stop_and_fit_the_buffer() {
        for error in Error::ALL {
            assert_eq!(
                error.text().map(str::as_bytes),
                error.text_with_nul().map(CStr::to_bytes),
                "{error}"
            );
            assert!(
                error.text().is_none_or(|text| text.ends_with('.') && text.len() < 75),
                "{error}"
            );
        }
    }
}
