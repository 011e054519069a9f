//! Users, permissions, sandboxes, and records that others have their hands on.
//!
//! Each process is an agent at a software reader's server, whose nodes and records are files. Tests that play several
//! users need root and say so where they are not run by root.
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

#[path = "permissions/records.rs"]
mod records;

#[path = "permissions/sandbox.rs"]
mod sandbox;

#[path = "permissions/users.rs"]
mod users;
