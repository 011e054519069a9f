//! Contexts and handles from beginning to end: release, fork, exec, unplugging, threads, and what is left over.
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

#[path = "lifecycle/contexts.rs"]
mod contexts;
#[path = "lifecycle/processes.rs"]
mod processes;
#[path = "lifecycle/release.rs"]
mod release;
#[path = "lifecycle/resources.rs"]
mod resources;
#[path = "lifecycle/threads.rs"]
mod threads;
#[path = "lifecycle/unplug.rs"]
mod unplug;
