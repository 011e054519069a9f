//! USB device class "Smart Card" (CCID 1.1): descriptor, messages, exchange.
//!
//! [`Engine`] is one reader interface as this process sees it. It owns no transport: every call is given one, so the
//! caller decides about claims and locks, and everything here runs against a scripted peer as well.

mod apdu;
mod character;
pub mod class_ff;
mod commands;
pub mod descriptor;
pub mod error;
pub mod exchange;
pub mod gemalto;
mod iccd;
pub mod interrupt;
pub mod message;
pub mod pin;
mod pipe;
mod power;
pub mod quirks;
mod rates;
mod recovery;
pub mod secure;
mod tpdu;
mod transfer;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use descriptor::{Descriptor, ExchangeLevel};
pub use error::{Error, Result, SlotError};
pub use exchange::{Engine, Timeouts};
pub use message::{IccStatus, Parameters};
