//! USB device class "Smart Card" (CCID 1.1): descriptor, messages, exchange.

pub mod descriptor;
pub mod error;
pub mod exchange;
pub mod message;
pub mod quirks;

pub use descriptor::{Descriptor, ExchangeLevel};
pub use error::{Error, Result, SlotError};
pub use exchange::Engine;
