//! The functions that winscard.dll has and libpcsclite has not, in both forms: what Microsoft's pages say of each (MSDN, by function
//! name), its success and each of its errors. Every test runs once with the A and once with the W functions.
#![allow(
    unsafe_code,
    clippy::undocumented_unsafe_blocks,
    clippy::multiple_unsafe_ops_per_block,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "tests call the C functions"
)]

#[path = "../support/calls.rs"]
mod calls;
#[path = "../support/session.rs"]
mod session;

mod attacks;
mod bench;
mod cache;
mod cards;
mod devices;
mod files;
mod form;
mod groups;
mod locate;
mod processes;
mod strings;
mod system;
