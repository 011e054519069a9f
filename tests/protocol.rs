//! Protocols that the reader leaves to the host, over the software reader and through the C functions: T=1 at TPDU level,
//! both protocols at character level, PPS and parameters.
#![allow(
    unsafe_code,
    clippy::undocumented_unsafe_blocks,
    reason = "tests call the C functions"
)]
#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[path = "protocol/bad_line.rs"]
mod bad_line;
#[path = "protocol/bench.rs"]
mod bench;
#[path = "protocol/character.rs"]
mod character;
#[path = "protocol/selection.rs"]
mod selection;
#[path = "protocol/tpdu.rs"]
mod tpdu;
