//! ISO/IEC 7816-3 and -4 as far as a reader's host needs them; no I/O, no unsafe.

pub mod apdu;
pub mod atr;
pub mod params;
pub mod pps;
pub mod protocol;
pub mod t0;
pub mod t1;

pub use atr::{Atr, AtrBytes};
pub use protocol::{Protocol, Protocols, available_protocols};
