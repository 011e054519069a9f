//! `SCardReconnect`, row by row: initialization × card state, share mode × other handles, protocol mask × current
//! protocol, transactions, what other handles see, what happens on the wire.
//!
//! Expected results are pcsc-lite's except in `reconnect/deviation.rs`, where each test is one difference from it.
//! Every test has a software reader of its own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::multiple_unsafe_ops_per_block,
    missing_docs,
    unreachable_pub,
    reason = "tests"
)]

#[path = "support/bench_card.rs"]
mod bench_card;
#[path = "support/bench_reader.rs"]
mod bench_reader;

mod reconnect {
    mod active_protocol;
    mod check_order;
    mod deviation;
    mod initialization;
    mod protocol_mask;
    mod reset_seen;
    mod share_mode;
    mod transaction;
}
