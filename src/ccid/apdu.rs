//! Commands to the card: one block at TPDU and short APDU level, chains of blocks at extended APDU level.

use super::commands::copy_at;
use super::descriptor::ExchangeLevel;
use super::error::{Error, Result, SlotError};
use super::exchange::{Answer, Engine};
use super::message::{Command, IccStatus, chain};
use crate::clock::Moment;
use crate::iso7816::apdu::{MAX_COMMAND_LEN, StatusWord};
use crate::usb;
use std::time::Duration;

/// Blocks in one response; at the smallest message length in the field the longest response takes 1214.
const MAX_BLOCKS: u32 = 8192;

/// Bytes in one response before it is no response any more.
const MAX_RESPONSE_LEN: usize = 0x0004_0000;

/// Beginning of a pseudo-APDU that means a feature of the reader (PC/SC part 10): the user may have to act.
const PPDU: &[u8] = &[0xFF, 0xC2, 0x01];

/// What such a command is given at least.
const PPDU_TIME: Duration = Duration::from_secs(90);

/// A block's fate.
enum Block {
    /// Data from the card; it lies in the engine's buffer.
    Data(Answer),
    /// The reader made up the status word.
    Word(StatusWord),
}

impl Engine {
    /// Sends a command to the card and returns the length of its response. `response` takes as much of it as fits; the
    /// rest is fetched from the reader and dropped.
    ///
    /// At TPDU level `command` goes to the card as it is, at character level with the procedure bytes of T=0; for T=1 at
    /// either see [`Engine::transmit_t1`]. `wait` is how long the card may take for each block; time extensions start it
    /// anew.
    ///
    /// # Errors
    /// [`Error::CommandTooLong`] before anything is sent, [`Error::NoCard`], [`Error::CardInactive`], else of the transfer
    /// or as the reader refuses.
    pub fn transmit(
        &mut self,
        transport: &dyn usb::Transport,
        slot: u8,
        command: &[u8],
        response: &mut [u8],
        wait: Duration,
    ) -> Result<usize> {
        let wait = self.exchange_wait(command, wait);
        let limit = match self.level {
            ExchangeLevel::Character => return self.transmit_characters(transport, slot, command, response, wait),
            ExchangeLevel::Tpdu | ExchangeLevel::ShortApdu => self.max_payload_len().min(MAX_COMMAND_LEN),
            ExchangeLevel::ExtendedApdu => MAX_COMMAND_LEN,
        };
        if command.len() > limit {
            return Err(Error::CommandTooLong);
        }
        let block = self.send_command(transport, slot, command, wait)?;
        self.collect_response(transport, slot, block, response, wait)
    }

    /// How long each block of this command may take.
    pub(super) fn exchange_wait(&self, command: &[u8], wait: Duration) -> Duration {
        let wait = wait.saturating_add(self.quirks.extra_exchange_time.unwrap_or_default());
        if command.starts_with(PPDU) {
            wait.max(PPDU_TIME)
        } else {
            wait
        }
    }

    fn block(
        &mut self,
        transport: &dyn usb::Transport,
        slot: u8,
        level_parameter: u8,
        data: &[u8],
        wait: Duration,
    ) -> Result<Block> {
        let command = Command::XfrBlock {
            block_waiting: 0,
            level_parameter: u16::from(level_parameter),
        };
        let answer = self.exchange(transport, slot, command, data, wait)?;
        match answer.header.slot_error() {
            None => Ok(Block::Data(answer)),
            Some(SlotError::PinCancelled) => Ok(Block::Word(StatusWord::PIN_CANCELLED)),
            Some(SlotError::PinTimeout) => Ok(Block::Word(StatusWord::PIN_TIMEOUT)),
            Some(error) => Err(self.slot_failure(&answer, error)),
        }
    }

    /// Sends the command in as many blocks as it takes and returns the answer to the last.
    // CCID 1.1 §6.1.4, wLevelParameter
    fn send_command(
        &mut self,
        transport: &dyn usb::Transport,
        slot: u8,
        command: &[u8],
        wait: Duration,
    ) -> Result<Block> {
        let chunk = self.max_payload_len();
        if command.len() <= chunk {
            return self.block(transport, slot, chain::WHOLE, command, wait);
        }
        let mut rest = command;
        let mut parameter = chain::BEGINS;
        loop {
            let (part, after) = rest.split_at_checked(chunk).unwrap_or((rest, &[]));
            rest = after;
            if rest.is_empty() {
                return self.block(transport, slot, chain::ENDS, part, wait);
            }
            match self.block(transport, slot, parameter, part, wait)? {
                // Readers say 10, or nothing at all, for "next".
                Block::Data(answer) if answer.len == 0 => {}
                Block::Data(_) => {
                    let error = Error::Protocol("a response before the command was complete");
                    return Err(self.repair(transport, slot, error));
                }
                word @ Block::Word(_) => return Ok(word),
            }
            parameter = chain::CONTINUES;
        }
    }

    /// Copies out the response that begins with `block`, and fetches what follows. Readers chain at any level,
    /// whatever they declare.
    // CCID 1.1 §6.2.1, bChainParameter
    fn collect_response(
        &mut self,
        transport: &dyn usb::Transport,
        slot: u8,
        mut block: Block,
        response: &mut [u8],
        wait: Duration,
    ) -> Result<usize> {
        let mut deadline = None;
        let mut total = 0;
        for _ in 0..MAX_BLOCKS {
            let answer = match block {
                Block::Data(answer) => answer,
                Block::Word(word) => return Ok(copy_at(response, 0, &word.bytes())),
            };
            total += copy_at(response, total, self.data(&answer));
            self.wipe_answer(&answer);
            if !self.more_follows(&answer) {
                return match total {
                    0 => Err(empty_response(answer.header.icc)),
                    // Callers look for the status word at the end, and before the beginning of such a response.
                    1 => Err(Error::Protocol("a response without status word")),
                    _ => Ok(total),
                };
            }
            let now = Moment::now();
            if total > MAX_RESPONSE_LEN || now > *deadline.get_or_insert(now + self.timeouts.total) {
                break;
            }
            block = self.block(transport, slot, chain::NEXT, &[], wait)?;
        }
        let error = Error::Protocol("a response without end");
        Err(self.repair(transport, slot, error))
    }

    pub(super) fn more_follows(&self, answer: &Answer) -> bool {
        match answer.header.specific {
            chain::BEGINS | chain::CONTINUES => true,
            // Wrong after a complete command, but meant as "more" by readers that send it.
            chain::NEXT => self.level == ExchangeLevel::ExtendedApdu,
            _ => false,
        }
    }
}

/// A block without data and without error: some readers say so that there is nobody to talk to.
pub(super) fn empty_response(icc: IccStatus) -> Error {
    match icc {
        IccStatus::Absent => Error::NoCard,
        IccStatus::Inactive => Error::CardInactive,
        IccStatus::Active => Error::Protocol("an empty response"),
    }
}
