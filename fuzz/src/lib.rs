// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the fuzz targets do with their bytes: one module per target, each with a `run` that must return whatever it is
//! given, and that checks what has to hold for every input.
#![allow(clippy::missing_panics_doc, reason = "a panic is a finding")]

pub mod atr;
pub mod ccid_descriptor;
pub mod covered;
pub mod database;
pub mod device;
pub mod exchange;
pub mod input;
pub mod interrupt;
pub mod names;
pub mod pin;
pub mod record;
pub mod t0;
pub mod t1;
pub mod time;
pub mod usb_descriptors;
