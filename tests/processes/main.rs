//! Several processes and one reader: sharing, transactions, events, and death at any moment.
//!
//! The reader is the software reader behind a socket; each process is a C program linked with the library.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

#[path = "../support/mod.rs"]
mod support;

#[path = "../support/agents.rs"]
mod agents;

mod death;
mod events;
mod sharing;
mod t1;
