//! What goes to the card and the reader and what comes back: SCardTransmit at each exchange level, its failures,
//! SCardStatus, SCardControl, attributes.
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

#[path = "transmit/arguments.rs"]
mod arguments;
#[path = "transmit/attributes.rs"]
mod attributes;
#[path = "transmit/control.rs"]
mod control;
#[path = "transmit/failures.rs"]
mod failures;
#[path = "transmit/levels.rs"]
mod levels;
#[path = "transmit/status.rs"]
mod status;
