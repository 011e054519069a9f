//! Commands to the reader itself.

use std::time::Duration;

use super::super::turn::Turn;
use super::exchange;
use crate::error::{Error, Result};

/// Longest answer taken.
const MAX_ANSWER_LEN: usize = 65_536;

/// Beginning of a pseudo-APDU that means a feature of the reader (PC/SC part 10 §2.4).
const PPDU: &[u8] = &[0xFF, 0xC2, 0x01];

/// How long commands may take in which the user takes part.
const USER_TIME: Duration = Duration::from_secs(90);

/// Escapes reach a reader's firmware, so somebody has to want them: `WINSCARD_ESCAPE=1`.
pub(super) fn is_enabled() -> bool {
    crate::env::var("WINSCARD_ESCAPE").is_some_and(|value| value == "1")
}

/// Any Escape, if it is allowed.
pub(super) fn vendor(turn: &mut Turn<'_>, input: &[u8]) -> Result<Vec<u8>> {
    let (harmless, usual) = {
        let engine = turn.port().engine();
        (engine.quirks().escapes.allow(input), engine.timeouts().escape)
    };
    if !harmless && !is_enabled() {
        log::error!(
            "{}: escape command refused; WINSCARD_ESCAPE=1 allows it",
            turn.port().interface().node.display()
        );
        return Err(Error::NotTransacted);
    }
    let wait = if input.starts_with(PPDU) {
        usual.max(USER_TIME)
    } else {
        usual
    };
    send(turn, input, wait)
}

/// A Secoder command, which the readers that know such take in an Escape.
pub(super) fn reader_direct(turn: &mut Turn<'_>, input: &[u8]) -> Result<Vec<u8>> {
    if !turn.port().engine().quirks().reader_direct {
        return Err(Error::UnsupportedFeature);
    }
    // CLA 20, INS of INFO, SELECT APPLICATION, APPLICATION ACTIVE, DATA CONFIRMATION, PROCESS AUTHENTICATION TOKEN,
    // P1, P2, first byte of an extended length field. Nothing else is to get around the leave for Escapes.
    if !matches!(input, [0x20, 0x70..=0x74, 0, 0, 0, ..]) {
        log::info!("{}: not a Secoder command", turn.port().interface().node.display());
        return Err(Error::NotTransacted);
    }
    send(turn, input, USER_TIME)
}

fn send(turn: &mut Turn<'_>, input: &[u8], wait: Duration) -> Result<Vec<u8>> {
    let room = turn.port().engine().descriptor().max_payload_len();
    let mut answer = vec![0; room.min(MAX_ANSWER_LEN)];
    let len = exchange(turn, |engine, transport, slot| {
        engine.escape_within(transport, slot, input, &mut answer, wait)
    })?;
    answer.truncate(len);
    Ok(answer)
}
