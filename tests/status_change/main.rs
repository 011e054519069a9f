//! What callers see of readers and cards without touching them: `SCardGetStatusChange` with `SCardCancel`,
//! `SCardListReaders`, `SCardListReaderGroups`, `SCardFreeMemory`, the state word of `SCardStatus`, reader hotplug.
//!
//! Called through the exported C functions, against the software reader. Rules are pcsc-lite's as the documentation
//! sets them down.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

#[path = "../support/watch_bench.rs"]
mod watch_bench;

mod cancel;
mod entry;
mod hotplug;
mod lists;
mod names;
mod status;
mod users;
mod waiters;
mod waits;
mod words;
