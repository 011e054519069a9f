//! A hostile world: single faults of every system call, secrets in memory and files, setuid programs, a system without
//! /proc and /sys, resources over thousands of cycles, and what the sources promise about themselves.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

#[path = "support/agents.rs"]
mod agents;
#[path = "support/card_bench.rs"]
mod card_bench;
#[path = "support/players.rs"]
mod players;
mod support;

#[path = "hardening/faults.rs"]
mod faults;
#[path = "hardening/privilege.rs"]
mod privilege;
#[path = "hardening/resources.rs"]
mod resources;
#[path = "hardening/secrets.rs"]
mod secrets;
#[path = "hardening/sources.rs"]
mod sources;
