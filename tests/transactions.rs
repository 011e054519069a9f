//! Transactions: nesting, ending, who waits for whom and what wakes whom.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

#[path = "support/card_bench.rs"]
mod card_bench;

#[path = "support/quiet.rs"]
mod quiet;

#[path = "transactions/blocking.rs"]
mod blocking;
#[path = "transactions/nesting.rs"]
mod nesting;
#[path = "transactions/resetting.rs"]
mod resetting;
#[path = "transactions/waiting.rs"]
mod waiting;
