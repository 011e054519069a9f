//! FEATURE_VERIFY_PIN_DIRECT and FEATURE_MODIFY_PIN_DIRECT.

use super::super::turn::Turn;
use super::{exchange, failure};
use crate::arbiter::record::CardState;
use crate::ccid::pin::{PinError, PinOperation, Purpose};
use crate::ccid::secure::PinOutcome;
use crate::ccid::{ExchangeLevel, IccStatus};
use crate::error::{Error, Result};

/// Room for any response of the short form.
const RESPONSE_LEN: usize = 258;
/// No response is shorter.
const STATUS_WORD_LEN: usize = 2;

/// PIN verification.
pub(super) fn verify(turn: &mut Turn<'_>, input: &[u8], capacity: usize) -> Result<Vec<u8>> {
    has(turn, Purpose::Verify)?;
    let operation = PinOperation::verify(input).map_err(|error| refuse(turn, error))?;
    carry_out(turn, operation, capacity)
}

/// PIN modification.
pub(super) fn modify(turn: &mut Turn<'_>, input: &[u8], capacity: usize) -> Result<Vec<u8>> {
    let operation = PinOperation::modify(input).map_err(|error| refuse(turn, error))?;
    has(turn, operation.purpose())?;
    carry_out(turn, operation, capacity)
}

/// Also keyboards that would show the digits to the whole desktop do not have it.
fn has(turn: &Turn<'_>, purpose: Purpose) -> Result<()> {
    if turn.port().engine().pin_support() & purpose.support_bit() == 0 {
        return Err(Error::UnsupportedFeature);
    }
    Ok(())
}

/// libccid says IFD_NOT_SUPPORTED to a wrong structure, which pcsc-lite turns into this.
fn refuse(turn: &Turn<'_>, error: PinError) -> Error {
    log::info!("{}: {error}", turn.port().interface().node.display());
    Error::UnsupportedFeature
}

fn carry_out(turn: &mut Turn<'_>, operation: PinOperation<'_>, capacity: usize) -> Result<Vec<u8>> {
    // A wrong PIN costs a try: nobody is asked for one whose result would be lost.
    if capacity < STATUS_WORD_LEN {
        return Ok(vec![0; STATUS_WORD_LEN]);
    }
    confirm_card(turn)?;
    if wants_blocks(turn) {
        log::error!(
            "{}: PIN entry over T=1 blocks made by the host",
            turn.port().interface().node.display()
        );
        return Err(Error::UnsupportedFeature);
    }
    let mut response = vec![0; RESPONSE_LEN];
    let result =
        turn.exchange(|engine, transport, slot| engine.secure(transport, slot, operation, None, &mut response));
    turn.touch();
    let len = match result.map_err(|error| failure(turn, error))? {
        PinOutcome::Reader(word) => return Ok(word.bytes().to_vec()),
        PinOutcome::Card(len) => len,
    };
    if len > response.len() {
        log::error!("the response to a PIN operation has {len} bytes");
        return Err(Error::NotTransacted);
    }
    response.truncate(len);
    Ok(response)
}

/// Makes sure that the reader is ours and that the card is the one that was powered, before anybody enters a PIN. Unlike
/// the operation itself this can be repeated.
fn confirm_card(turn: &mut Turn<'_>) -> Result<()> {
    if turn.card.state != CardState::Powered {
        return Err(Error::NotTransacted);
    }
    let status = exchange(turn, |engine, transport, slot| engine.slot_status(transport, slot))?;
    if status != IccStatus::Active {
        turn.card.last_poll_ms = 0;
        return Err(Error::NotTransacted);
    }
    Ok(())
}

/// Whether the host makes the T=1 blocks.
fn wants_blocks(turn: &Turn<'_>) -> bool {
    const T1: u8 = 2;
    turn.port().engine().level() == ExchangeLevel::Tpdu && turn.card.protocol == T1
}
