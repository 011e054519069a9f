//! The software reader from outside: the device alone, and the bus with its transports.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod bus;
mod card;
mod commands;
mod exchange;
mod faults;
mod host;
mod noise;
mod transport;
