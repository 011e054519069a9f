//! A drop-in PC/SC library that drives USB smart card readers itself: no daemon, no background thread.
//!
//! The C interface is in [`api`]; everything else serves it and is public only for tests and tools of this crate, without
//! any promise of staying as it is.

pub mod api;
mod arbiter;
mod audit;
mod cache;
pub mod card;
pub mod ccid;
#[cfg(feature = "cli")]
pub mod cli;
pub mod clock;
pub mod context;
pub mod database;
mod env;
pub mod error;
pub mod ffi;
pub mod fork;
#[cfg(fuzzing)]
pub mod fuzzing;
pub mod handle;
#[cfg(feature = "panic-injection")]
pub mod inject;
#[cfg(not(feature = "panic-injection"))]
mod inject;
pub mod iso7816;
pub mod logging;
mod oserror;
mod platform;
mod random;
pub mod reader;
mod shared_file;
pub mod sim;
mod started;
pub mod trace;
pub mod usb;
#[cfg(windows)]
mod vanishing;
#[cfg(windows)]
mod winreg;
