//! Signals, stopped processes, exec, fork, unloading; and what waiting costs.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod support;

#[path = "support/agents.rs"]
mod agents;

#[path = "support/players.rs"]
mod players;

#[path = "signals/cost.rs"]
mod cost;

#[path = "signals/lives.rs"]
mod lives;

#[path = "signals/stopped.rs"]
mod stopped;

#[path = "signals/storm.rs"]
mod storm;
