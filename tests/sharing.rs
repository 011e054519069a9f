//! Who may connect to a card, and what others see of what one does to it: SCardConnect, SCardDisconnect, events, power.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

#[path = "support/card_bench.rs"]
mod card_bench;

#[path = "sharing/connect.rs"]
mod connect;
#[path = "sharing/disconnect.rs"]
mod disconnect;
#[path = "sharing/events.rs"]
mod events;
#[path = "sharing/modes.rs"]
mod modes;
#[path = "sharing/power.rs"]
mod power;
#[path = "sharing/protocols.rs"]
mod protocols;
