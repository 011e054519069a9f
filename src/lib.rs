//! A drop-in PC/SC library that drives USB smart card readers itself: no daemon, no background thread.
//!
//! The C interface is in [`api`]; everything else serves it and is public only for tests and tools of this crate, without
//! any promise of staying as it is.

pub mod api;
mod arbiter;
pub mod card;
pub mod ccid;
pub mod clock;
pub mod context;
mod env;
pub mod error;
pub mod ffi;
pub mod fork;
pub mod handle;
pub mod iso7816;
pub mod logging;
mod oserror;
mod random;
pub mod reader;
pub mod sim;
pub mod usb;
#[cfg(windows)]
mod vanishing;
