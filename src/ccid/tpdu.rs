//! T=1 on readers that leave its blocks to the host: at TPDU level a block a message, at character level in two reads.

use super::apdu::empty_response;
use super::commands::copy_at;
use super::descriptor::ExchangeLevel;
use super::error::{Error, Result, SlotError};
use super::exchange::{Answer, Engine};
use super::message::{Command, IccStatus, chain};
use super::pin::Wiped;
use crate::clock::Moment;
use crate::iso7816::apdu::MAX_COMMAND_LEN;
use crate::iso7816::t1::{self, Action, Event, Exchange, Failure, MAX_BLOCK_LEN, PROLOGUE_LEN};
use crate::usb;
use std::time::Duration;

/// Messages that one block may come in; at the smallest message length in the field it takes five.
const MAX_PARTS: u32 = 300;

/// Room for a block and for what shows that a block was too long.
const BLOCK_ROOM: usize = MAX_BLOCK_LEN + 1;

/// Why no character of an answer counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Noise {
    /// A parity error.
    Parity,
    /// The card said nothing.
    Mute,
    /// What it said was lost on the way.
    Lost,
}

/// What was heard of the card: so many bytes, or nothing that counts. Failures of the reader are not among it.
pub(super) type Heard = std::result::Result<usize, Noise>;

impl Engine {
    /// Sends a command of any length to a T=1 card and returns the length of its response, of which as much as fits is in
    /// `response`. `state` is what the last exchange with the card has left, and is what the next needs.
    ///
    /// # Errors
    /// [`Error::CommandTooLong`] before anything is sent; else of the transfer, as the reader refuses, or
    /// [`Error::Protocol`] if the card broke off. If `state` is [lost](t1::State::is_lost) then, the card needs a reset.
    pub fn transmit_t1(
        &mut self,
        transport: &dyn usb::Transport,
        slot: u8,
        state: &mut t1::State,
        command: &[u8],
        response: &mut [u8],
        wait: Duration,
    ) -> Result<usize> {
        if command.len() > MAX_COMMAND_LEN {
            return Err(Error::CommandTooLong);
        }
        let room = self.block_room(state)?;
        if state.owes_ifsd() {
            self.tell_ifsd(transport, slot, state, wait)?;
        }
        let wait = self.exchange_wait(command, wait);
        let mut exchange = Exchange::command(*state, command, response).with_room(room);
        let result = self.drive(transport, slot, &mut exchange, wait);
        *state = exchange.state();
        match (result?, exchange.response_len()) {
            (None, 0) => Err(Error::Protocol("an empty response")),
            (None, 1) => Err(Error::Protocol("a response without status word")),
            (None, len) => Ok(len),
            (Some(Failure::Aborted), _) => Err(Error::Protocol("the card aborted the exchange")),
            (Some(Failure::Unresponsive), _) => Err(Error::Protocol("the card does not come back into step")),
            (Some(Failure::Endless | Failure::Unrepeatable), _) => Err(Error::Protocol("a response without end")),
        }
    }

    /// Tells the card how long its blocks may be, unless the reader does. A card that will not hear of it is left in peace.
    ///
    /// # Errors
    /// Of the transfer, or as the reader refuses.
    pub fn tell_ifsd(
        &mut self,
        transport: &dyn usb::Transport,
        slot: u8,
        state: &mut t1::State,
        wait: Duration,
    ) -> Result<()> {
        // A longer one would not come in one message, and no reader is known to chain blocks.
        let room = u8::try_from(self.block_room(state)?).unwrap_or(u8::MAX);
        let ifsd = self.descriptor.max_ifsd().min(room);
        if self.descriptor.auto_ifsd() {
            *state = state.with_ifsd_of_reader(ifsd);
            return Ok(());
        }
        let mut exchange = Exchange::ifsd(*state, ifsd);
        let result = self.drive(transport, slot, &mut exchange, wait);
        *state = exchange.state();
        let failure = result?;
        log::debug!("slot {slot}: IFSC {}, IFSD {}", state.ifsc(), state.ifsd());
        match failure {
            None => Ok(()),
            Some(_) => Err(Error::Protocol("S(IFS) without end")),
        }
    }

    /// Longest information field one message can carry.
    fn block_room(&self, state: &t1::State) -> Result<usize> {
        let frame = PROLOGUE_LEN + state.edc().len();
        match self.max_payload_len().saturating_sub(frame) {
            0 => Err(Error::CommandTooLong),
            room => Ok(room),
        }
    }

    /// Runs an exchange to its end. Broken off by an error it leaves its state lost, unless nothing was sent.
    fn drive(
        &mut self,
        transport: &dyn usb::Transport,
        slot: u8,
        exchange: &mut Exchange<'_>,
        wait: Duration,
    ) -> Result<Option<Failure>> {
        let end = Moment::now() + self.timeouts.total;
        let mut answer = Wiped([0; BLOCK_ROOM]);
        let mut silences = 0;
        let mut begun = false;
        let mut action = exchange.start();
        loop {
            let waiting = match action {
                Action::Send { waiting } => waiting,
                Action::Done => return Ok(None),
                Action::Failed(failure) => return Ok(Some(failure)),
                Action::Repeat => return Ok(Some(Failure::Unrepeatable)),
            };
            let left = end.saturating_duration_since(Moment::now());
            let limit = wait.saturating_mul(u32::from(waiting).max(1)).min(left);
            let result = if limit.is_zero() {
                Err(Error::Timeout)
            } else {
                self.exchange_block(transport, slot, exchange.block(), waiting, limit, &mut answer.0)
            };
            let heard = match result {
                // The reader was to report a mute card, and did not.
                Err(Error::Timeout) if !limit.is_zero() && silences == 0 => {
                    silences += 1;
                    self.after_silence(transport, slot)
                }
                Err(error) => Err(self.repair(transport, slot, error)),
                Ok(heard) => Ok(heard),
            };
            let heard = heard.inspect_err(|error| {
                if begun || !error.is_busy() {
                    exchange.break_off();
                }
            })?;
            begun = true;
            action = exchange.step(match heard {
                Ok(len) => Event::Block(answer.0.get(..len).unwrap_or_default()),
                Err(Noise::Parity) => Event::Parity,
                Err(Noise::Mute) => Event::Mute,
                Err(Noise::Lost) => Event::Unusable,
            });
        }
    }

    /// The reader did not answer. If an abort brings it back and the card is as it was, this is a mute card and T=1 knows
    /// what to do.
    fn after_silence(&mut self, transport: &dyn usb::Transport, slot: u8) -> Result<Heard> {
        match self.abandon(transport, slot) {
            Ok(IccStatus::Active) => Ok(Err(Noise::Mute)),
            Ok(IccStatus::Inactive) => Err(Error::CardInactive),
            Ok(IccStatus::Absent) => Err(Error::NoCard),
            Err(error) => {
                log::debug!("slot {slot}: abort: {error}");
                Err(self.repair(transport, slot, Error::Timeout))
            }
        }
    }

    fn exchange_block(
        &mut self,
        transport: &dyn usb::Transport,
        slot: u8,
        block: &[u8],
        waiting: u8,
        wait: Duration,
        answer: &mut [u8],
    ) -> Result<Heard> {
        if self.level == ExchangeLevel::Character {
            self.character_block(transport, slot, block, waiting, wait, answer)
        } else {
            self.tpdu_block(transport, slot, block, waiting, wait, answer)
        }
    }

    /// One block out and one in, in several messages if the reader will have it so.
    pub(super) fn tpdu_block(
        &mut self,
        transport: &dyn usb::Transport,
        slot: u8,
        block: &[u8],
        waiting: u8,
        wait: Duration,
        into: &mut [u8],
    ) -> Result<Heard> {
        let mut data = block;
        let mut parameter = chain::WHOLE;
        let mut total = 0;
        for _ in 0..MAX_PARTS {
            let command = Command::XfrBlock {
                block_waiting: waiting,
                level_parameter: u16::from(parameter),
            };
            let answer = self.exchange_once(transport, slot, command, data, wait)?;
            if let Some(error) = answer.header.slot_error() {
                return self.line_error(&answer, error);
            }
            total += copy_at(into, total, self.data(&answer));
            self.wipe_answer(&answer);
            if !self.more_follows(&answer) {
                return match total {
                    0 => nothing(answer.header.icc),
                    // More than a block can have: as many bytes as there is room for are too many already.
                    _ => Ok(Ok(total.min(into.len()))),
                };
            }
            (data, parameter) = (&[], chain::NEXT);
        }
        Err(Error::Protocol("a block without end"))
    }

    /// What a failed transfer says of the card.
    pub(super) fn line_error(&self, answer: &Answer, error: SlotError) -> Result<Heard> {
        match (error, answer.header.icc) {
            (SlotError::Parity, _) => Ok(Err(Noise::Parity)),
            (SlotError::Overrun, _) => Ok(Err(Noise::Lost)),
            (SlotError::Mute, IccStatus::Active) => Ok(Err(Noise::Mute)),
            (SlotError::Mute, IccStatus::Inactive) => Err(Error::CardInactive),
            _ => Err(self.slot_failure(answer, error)),
        }
    }
}

/// An answer without data and without error.
pub(super) fn nothing(icc: IccStatus) -> Result<Heard> {
    match icc {
        IccStatus::Active => Ok(Err(Noise::Lost)),
        IccStatus::Inactive | IccStatus::Absent => Err(empty_response(icc)),
    }
}
