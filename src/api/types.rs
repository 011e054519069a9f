//! The C types of `<winscard.h>`, as each platform defines them.
//!
//! On Linux and the BSDs `DWORD` and `LONG` are `unsigned long` and `long`: 8 bytes on LP64. On macOS and Windows they have 4.

use std::ffi::{c_char, c_uchar, c_void};

/// Unsigned number, and what every `LPDWORD` points at.
#[cfg(not(any(target_os = "macos", windows)))]
pub type DWORD = std::ffi::c_ulong;
/// Signed number: result codes and handles.
#[cfg(not(any(target_os = "macos", windows)))]
pub type LONG = std::ffi::c_long;
/// Unsigned number, and what every `LPDWORD` points at.
#[cfg(any(target_os = "macos", windows))]
pub type DWORD = u32;
/// Signed number: result codes and handles.
#[cfg(any(target_os = "macos", windows))]
pub type LONG = i32;

/// One byte.
pub type BYTE = c_uchar;
/// NUL-terminated string that is only read.
pub type LPCSTR = *const c_char;
/// Buffer for a string or multi-string.
pub type LPSTR = *mut c_char;
/// Bytes that are only read.
pub type LPCBYTE = *const BYTE;
/// Buffer for bytes.
pub type LPBYTE = *mut BYTE;
/// Untyped memory that is only read.
pub type LPCVOID = *const c_void;
/// Untyped memory.
pub type LPVOID = *mut c_void;
/// Pointer to a number, usually a length that goes in and out.
pub type LPDWORD = *mut DWORD;

/// A resource manager context, from `SCardEstablishContext`.
#[cfg(not(windows))]
pub type SCARDCONTEXT = LONG;
/// A resource manager context, from `SCardEstablishContext`; as wide as a pointer.
#[cfg(windows)]
pub type SCARDCONTEXT = usize;
/// Where a context is stored.
pub type LPSCARDCONTEXT = *mut SCARDCONTEXT;
/// A connection to a card, from `SCardConnect`.
pub type SCARDHANDLE = SCARDCONTEXT;
/// Where a card handle is stored.
pub type LPSCARDHANDLE = *mut SCARDHANDLE;

/// Code unit of a wide string: UTF-16 on every platform, whatever `wchar_t` is.
pub type WCHAR = u16;
/// NUL-terminated UTF-16 string that is only read.
pub type LPCWSTR = *const WCHAR;
/// Buffer for a UTF-16 string or multi-string.
pub type LPWSTR = *mut WCHAR;
/// String of the form that a function has: `char` in `…A`, UTF-16 in `…W`; only read.
pub type In<U> = *const U;
/// Buffer for a string or multi-string, likewise.
pub type Out<U> = *mut U;
/// Array of reader states, likewise.
pub type States<U> = *mut ReaderStateOf<U>;
/// What can be waited for: a file descriptor on Unix, an event object on Windows.
pub type HANDLE = *mut c_void;

/// Identifier of a provider, an interface or a card.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct GUID {
    /// First group of digits.
    pub Data1: u32,
    /// Second group.
    pub Data2: u16,
    /// Third group.
    pub Data3: u16,
    /// The last two groups.
    pub Data4: [u8; 8],
}

impl GUID {
    /// In the order in which its text has the bytes.
    pub(crate) fn to_bytes(self) -> [u8; 16] {
        let [a, b, c, d] = self.Data1.to_be_bytes();
        let ([e, f], [g, h]) = (self.Data2.to_be_bytes(), self.Data3.to_be_bytes());
        let [i, j, k, l, m, n, o, p] = self.Data4;
        [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]
    }

    /// The inverse of [`Self::to_bytes`].
    pub(crate) fn from_bytes(bytes: [u8; 16]) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = bytes;
        Self {
            Data1: u32::from_be_bytes([a, b, c, d]),
            Data2: u16::from_be_bytes([e, f]),
            Data3: u16::from_be_bytes([g, h]),
            Data4: [i, j, k, l, m, n, o, p],
        }
    }

    /// The bytes as they are in memory.
    pub(crate) fn to_memory(self) -> [u8; 16] {
        let [a, b, c, d] = self.Data1.to_ne_bytes();
        let ([e, f], [g, h]) = (self.Data2.to_ne_bytes(), self.Data3.to_ne_bytes());
        let [i, j, k, l, m, n, o, p] = self.Data4;
        [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]
    }
}

/// Identifiers that are only read.
pub type LPCGUID = *const GUID;
/// Room for identifiers.
pub type LPGUID = *mut GUID;

/// Room for an ATR and a mask in [`SCARD_ATRMASK`].
pub const ATRMASK_ATR_SIZE: usize = 36;

/// What `SCardLocateCardsByATR` looks for.
#[cfg_attr(not(target_os = "macos"), repr(C))]
#[cfg_attr(target_os = "macos", repr(C, packed(1)))]
#[derive(Clone, Copy, Debug)]
pub struct SCARD_ATRMASK {
    /// Length of ATR and mask.
    pub cbAtr: DWORD,
    /// The ATR, as it is after the mask.
    pub rgbAtr: [BYTE; ATRMASK_ATR_SIZE],
    /// The bits of a card's ATR that count.
    pub rgbMask: [BYTE; ATRMASK_ATR_SIZE],
}
/// Array of ATRs with masks that is only read.
pub type LPCSCARD_ATRMASK = *const SCARD_ATRMASK;

/// Room for an ATR in [`SCARD_READERSTATE`]; an ATR itself has at most 33 bytes (ISO 7816-3 §8.1).
#[cfg(not(windows))]
pub const READERSTATE_ATR_SIZE: usize = 33;
/// Room for an ATR in [`SCARD_READERSTATE`]; an ATR itself has at most 33 bytes (ISO 7816-3 §8.1).
#[cfg(windows)]
pub const READERSTATE_ATR_SIZE: usize = 36;

/// What `SCardGetStatusChange` is asked and answers about one reader.
#[cfg_attr(not(target_os = "macos"), repr(C))]
#[cfg_attr(target_os = "macos", repr(C, packed(1)))]
#[derive(Clone, Copy, Debug)]
pub struct ReaderStateOf<U> {
    /// Name of the reader.
    pub szReader: *const U,
    /// The caller's own; never touched.
    pub pvUserData: LPVOID,
    /// State as the caller knows it.
    pub dwCurrentState: DWORD,
    /// State as the library found it.
    pub dwEventState: DWORD,
    /// Length of the ATR.
    pub cbAtr: DWORD,
    /// ATR of the card in the reader.
    pub rgbAtr: [BYTE; READERSTATE_ATR_SIZE],
}
/// With a name of bytes.
pub type SCARD_READERSTATE = ReaderStateOf<c_char>;
/// With a name of bytes; the same type, so that a program may hand one array to plain functions and to `…A`.
pub type SCARD_READERSTATEA = SCARD_READERSTATE;
/// With a name in UTF-16; otherwise the same.
pub type SCARD_READERSTATEW = ReaderStateOf<WCHAR>;
/// Array of reader states.
pub type LPSCARD_READERSTATE = *mut SCARD_READERSTATE;

/// Header of the protocol control information of `SCardTransmit`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SCARD_IO_REQUEST {
    /// Protocol of the exchange.
    pub dwProtocol: IoRequestWord,
    /// Size of the structure and of what follows it.
    pub cbPciLength: IoRequestWord,
}

/// Type of the two words of [`SCARD_IO_REQUEST`]: `unsigned long` everywhere, on macOS too, where `DWORD` is narrower.
pub type IoRequestWord = std::ffi::c_ulong;
