//! FEATURE_VERIFY_PIN_DIRECT and FEATURE_MODIFY_PIN_DIRECT.

use super::super::turn::Turn;
use super::{exchange, failure};
use crate::arbiter::record::CardState;
use crate::ccid::pin::{PinError, PinOperation, Purpose};
use crate::ccid::secure::{PinBlocks, PinOutcome, PinStep};
use crate::ccid::{self, IccStatus, SlotError};
use crate::error::{Error, Result};
use crate::iso7816::t1::{Action, Event, Exchange, Failure};

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
    let mut response = vec![0; RESPONSE_LEN];
    let result = if turn.does_t1() {
        with_blocks(turn, operation, &mut response)
    } else {
        turn.exchange(|engine, transport, slot| engine.secure(transport, slot, operation, None, &mut response))
    };
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

/// Where the host makes the T=1 blocks: the reader makes the one with the PIN, and T=1 goes on from there.
fn with_blocks(turn: &mut Turn<'_>, operation: PinOperation<'_>, response: &mut [u8]) -> ccid::Result<PinOutcome> {
    let mut link = turn.link_data();
    let mut blocks = Blocks {
        exchange: Exchange::by_reader(link.t1, response),
        unfinished: false,
    };
    let result =
        turn.exchange(|engine, transport, slot| engine.secure(transport, slot, operation, Some(&mut blocks), &mut []));
    // What the reader refused has not gone to the card; anything else may have.
    let broken = match result {
        Ok(_) => false,
        Err(ccid::Error::Slot(error)) => !matches!(error, SlotError::CommandNotSupported | SlotError::BadField(_)),
        Err(_) => blocks.unfinished,
    };
    if broken {
        blocks.exchange.break_off();
    }
    link.t1 = blocks.exchange.state();
    turn.keep(&link);
    result
}

/// T=1 after a block that the reader has made.
struct Blocks<'a> {
    exchange: Exchange<'a>,
    /// An answer of the card is due.
    unfinished: bool,
}

impl PinBlocks for Blocks<'_> {
    fn prologue(&self, len: usize) -> [u8; 3] {
        self.exchange.prologue(len)
    }

    fn step(&mut self, came: Option<&[u8]>) -> PinStep {
        let action = self.exchange.step(came.map_or(Event::Parity, Event::Block));
        self.unfinished = matches!(action, Action::Send { .. });
        match action {
            Action::Send { waiting } => PinStep::Send { waiting },
            Action::Done => PinStep::Done(self.exchange.response_len()),
            Action::Repeat | Action::Failed(Failure::Unrepeatable) => {
                PinStep::Failed("the card wants the PIN once more")
            }
            Action::Failed(Failure::Aborted) => PinStep::Failed("the card aborted the exchange"),
            Action::Failed(Failure::Unresponsive) => PinStep::Failed("the card does not come back into step"),
            Action::Failed(Failure::Endless) => PinStep::Failed("a response without end"),
        }
    }

    fn block(&self) -> &[u8] {
        self.exchange.block()
    }
}
