//! The three protocol control information objects that `SCARD_PCI_T0`, `SCARD_PCI_T1` and `SCARD_PCI_RAW` point at.
//!
//! Their size is part of the ABI: a program that is not position-independent gets a copy of exactly that many bytes.
#![allow(unsafe_code, reason = "exported C symbols")]

use super::types::{IoRequestWord, SCARD_IO_REQUEST};

/// `sizeof(SCARD_IO_REQUEST)`.
const LENGTH: IoRequestWord = size_of::<SCARD_IO_REQUEST>() as IoRequestWord;

/// For T=0.
#[unsafe(no_mangle)]
pub static g_rgSCardT0Pci: SCARD_IO_REQUEST = SCARD_IO_REQUEST {
    dwProtocol: 1,
    cbPciLength: LENGTH,
};

/// For T=1.
#[unsafe(no_mangle)]
pub static g_rgSCardT1Pci: SCARD_IO_REQUEST = SCARD_IO_REQUEST {
    dwProtocol: 2,
    cbPciLength: LENGTH,
};

/// For bytes as they are.
#[unsafe(no_mangle)]
pub static g_rgSCardRawPci: SCARD_IO_REQUEST = SCARD_IO_REQUEST {
    dwProtocol: 4,
    cbPciLength: LENGTH,
};
