//! The block protocol T=1 as the interface device plays it, without any I/O.
//!
//! [`Exchange`] is a step function: it says which block to send, is told what came back, and in the end says how it went.
//! What must outlive an exchange is a [`State`], small enough for a record that processes share.
// ISO 7816-3 §11

mod block;
mod engine;
mod state;

#[cfg(test)]
mod tests;

pub use block::{Edc, MAX_BLOCK_LEN, PROLOGUE_LEN};
pub use engine::{Action, Event, Exchange, Failure};
pub use state::State;
