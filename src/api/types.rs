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
pub struct SCARD_READERSTATE {
    /// Name of the reader.
    pub szReader: LPCSTR,
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
