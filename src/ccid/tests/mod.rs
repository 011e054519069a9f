//! Tests of the engine against a scripted reader; each is named after the rule it checks.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod chaining;
mod commands;
mod descriptor;
mod ends;
mod iccd;
mod noise;
mod power;
mod rates;
mod receive;
mod recovery;
mod secure;
mod tpdu;

use super::Engine;
use super::error::Result;
use super::testing::Reader;
use std::time::Duration;

/// How long the scripted cards may take.
const WAIT: Duration = Duration::from_millis(40);

/// A command that means nothing.
const COMMAND: &[u8] = &[0x00, 0x84, 0x00, 0x00, 0x08];

/// Transmits on slot 0 with room for any response of the short form.
fn transmit(engine: &mut Engine, reader: &Reader, command: &[u8]) -> Result<Vec<u8>> {
    let mut response = [0; 258];
    let len = engine.transmit(reader, 0, command, &mut response, WAIT)?;
    Ok(response[..len].to_vec())
}
