//! PIN entry at the reader: PC_to_RDR_Secure at every exchange level.

use super::commands::copy_at;
use super::descriptor::ExchangeLevel;
use super::error::{Error, Result, SlotError};
use super::exchange::{Answer, Engine};
use super::message::{Command, chain};
use super::pin::{PinOperation, Purpose, Secret, wipe};
use crate::clock::Moment;
use crate::iso7816::apdu::StatusWord;
use crate::usb;
use std::thread;
use std::time::Duration;

/// Escape of the readers with that quirk: the PIN that follows is appended to the command as it is.
const ANNOUNCE_BARE_PIN: &[u8] = &[0x80, 0x02, 0x00];

/// Messages in one operation after the first.
const MAX_STEPS: u32 = 256;

/// Longest information field of a T=1 block.
const MAX_INF_LEN: usize = 254;

/// T=1 as PIN entry needs it at TPDU level: the reader puts the PIN into a block that the host has numbered, so the
/// host never has that block and cannot send it again.
pub trait PinBlocks {
    /// NAD, PCB and LEN of an unchained I-block with `len` bytes.
    fn prologue(&self, len: usize) -> [u8; 3];

    /// Takes a block from the card, or `None` if what came was damaged on the way, and says what to do now.
    fn step(&mut self, came: Option<&[u8]>) -> PinStep;

    /// The block to send after [`PinStep::Send`]: an R-block or an S-block, never the command.
    fn block(&self) -> &[u8];
}

/// What to do after a block from the card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PinStep {
    /// Send [`PinBlocks::block`].
    Send {
        /// `bBWI`: multiplier of the waiting time, 0 for none.
        waiting: u8,
    },
    /// The response is complete, and has this length; it is where T=1 has put it.
    Done(usize),
    /// T=1 has failed; the text says how.
    Failed(&'static str),
}

/// How a PIN operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PinOutcome {
    /// Nothing went to the card: cancelled, too late, not a PIN. With T=1 the block was not used, and its sequence number
    /// is free.
    Reader(StatusWord),
    /// The card's response has this length.
    Card(usize),
}

/// What the reader said.
enum Outcome {
    /// Data from the card; it lies in the engine's buffer.
    Data(Answer),
    /// The user did not enter a PIN: nothing went to the card.
    Word(StatusWord),
    /// What the card sent was damaged.
    Damaged,
}

impl Engine {
    /// `bPINSupport`, of readers whose PIN entry is to be trusted: bit 0 verification, bit 1 modification.
    #[must_use]
    pub fn pin_support(&self) -> u8 {
        if self.quirks.no_pin_entry {
            0
        } else {
            self.descriptor.pin_support()
        }
    }

    /// Has the user enter a PIN at the reader, which sends it to the card in `operation`'s template. As much of the
    /// card's response as fits goes to `response`. `blocks` is T=1 for a card that talks it at TPDU level, which then has
    /// the response instead; else `None`.
    ///
    /// # Errors
    /// [`Error::LevelUnsupported`] and [`Error::CommandTooLong`] before anything is sent, else of the transfer or as the
    /// reader refuses.
    pub fn secure(
        &mut self,
        transport: &dyn usb::Transport,
        slot: u8,
        mut operation: PinOperation<'_>,
        blocks: Option<&mut dyn PinBlocks>,
        response: &mut [u8],
    ) -> Result<PinOutcome> {
        if self.pin_support() & operation.purpose().support_bit() == 0 {
            return Err(Error::LevelUnsupported("PIN entry, which this reader lacks or leaks"));
        }
        if self.level == ExchangeLevel::Character {
            return Err(Error::LevelUnsupported("PIN entry at character level"));
        }
        if blocks.is_some() && operation.template().len() > MAX_INF_LEN {
            return Err(Error::CommandTooLong);
        }
        let record = self.firmware_record(transport, slot);
        operation.correct(&self.quirks.pin, record.as_ref());
        self.load_texts(transport, slot);
        if self.quirks.pin.announce_bare_pin && operation.is_bare() {
            self.escape(transport, slot, ANNOUNCE_BARE_PIN, &mut [])?;
        }
        if let (Purpose::Verify, Some(time)) = (operation.purpose(), self.quirks.pin.key_release) {
            thread::sleep(time);
        }
        match blocks {
            None => self.secure_plain(transport, slot, &operation, response),
            Some(blocks) => self.secure_blocks(transport, slot, operation, blocks),
        }
    }

    /// One message of an operation.
    fn secure_message(
        &mut self,
        transport: &dyn usb::Transport,
        slot: u8,
        command: Command,
        data: &[u8],
        wait: Duration,
    ) -> Result<Outcome> {
        let answer = self.exchange(transport, slot, command, data, wait)?;
        match answer.header.slot_error() {
            None => Ok(Outcome::Data(answer)),
            Some(SlotError::PinCancelled) => Ok(Outcome::Word(StatusWord::PIN_CANCELLED)),
            Some(SlotError::PinTimeout) => Ok(Outcome::Word(StatusWord::PIN_TIMEOUT)),
            Some(SlotError::Parity) => Ok(Outcome::Damaged),
            Some(error) => Err(self.slot_failure(&answer, error)),
        }
    }

    /// T=0 at TPDU level, and both APDU levels: the response comes as it is, in several messages if need be.
    fn secure_plain(
        &mut self,
        transport: &dyn usb::Transport,
        slot: u8,
        operation: &PinOperation<'_>,
        response: &mut [u8],
    ) -> Result<PinOutcome> {
        let data = operation.encode();
        let deadline = Moment::now() + self.timeouts.total;
        let mut outcome = self.secure_send(transport, slot, &data, operation.time())?;
        let mut total = 0;
        for _ in 0..MAX_STEPS {
            let answer = match outcome {
                Outcome::Data(answer) => answer,
                Outcome::Word(word) => return Ok(PinOutcome::Reader(word)),
                Outcome::Damaged => return Err(Error::Slot(SlotError::Parity)),
            };
            total += copy_at(response, total, self.data(&answer));
            self.wipe_answer(&answer);
            if !matches!(answer.header.specific, chain::BEGINS | chain::CONTINUES) {
                return match total {
                    0 | 1 => Err(Error::Protocol("a response without status word")),
                    _ => Ok(PinOutcome::Card(total)),
                };
            }
            if Moment::now() > deadline {
                break;
            }
            outcome = self.secure_message(transport, slot, secure(chain::NEXT), &[], operation.time())?;
        }
        let error = Error::Protocol("a response without end");
        Err(self.repair(transport, slot, error))
    }

    /// Sends the operation, at extended level in as many messages as it takes.
    // CCID 1.1 §6.1.11, wLevelParameter
    fn secure_send(
        &mut self,
        transport: &dyn usb::Transport,
        slot: u8,
        data: &Secret,
        wait: Duration,
    ) -> Result<Outcome> {
        let chunk = self.descriptor.max_payload_len();
        let mut rest = data.as_slice();
        if rest.len() <= chunk {
            return self.secure_message(transport, slot, secure(chain::WHOLE), rest, wait);
        }
        if self.level != ExchangeLevel::ExtendedApdu {
            return Err(Error::CommandTooLong);
        }
        let mut parameter = chain::BEGINS;
        while let Some((part, after)) = rest.split_at_checked(chunk).filter(|(_, after)| !after.is_empty()) {
            match self.secure_message(transport, slot, secure(parameter), part, wait)? {
                Outcome::Data(answer) if answer.len == 0 => {}
                Outcome::Data(_) | Outcome::Damaged => {
                    let error = Error::Protocol("a response before the command was complete");
                    return Err(self.repair(transport, slot, error));
                }
                word @ Outcome::Word(_) => return Ok(word),
            }
            rest = after;
            parameter = chain::CONTINUES;
        }
        self.secure_message(transport, slot, secure(chain::ENDS), rest, wait)
    }

    /// T=1 at TPDU level.
    fn secure_blocks(
        &mut self,
        transport: &dyn usb::Transport,
        slot: u8,
        mut operation: PinOperation<'_>,
        blocks: &mut dyn PinBlocks,
    ) -> Result<PinOutcome> {
        operation.set_prologue(blocks.prologue(operation.template().len()));
        let data = operation.encode();
        self.check_length(data.as_slice().len())?;
        let wait = operation.time();
        let deadline = Moment::now() + self.timeouts.total;
        let mut outcome = self.secure_message(transport, slot, secure(chain::WHOLE), data.as_slice(), wait)?;
        // Two bytes are no block but a status word of the reader: PINs that differ, or of the wrong length.
        if let Outcome::Data(answer) = &outcome {
            if let Some((&[], word)) = StatusWord::split(self.data(answer)) {
                return Ok(PinOutcome::Reader(word));
            }
        }
        for _ in 0..MAX_STEPS {
            let step = match &outcome {
                Outcome::Data(answer) => blocks.step(Some(self.data(answer))),
                Outcome::Damaged => blocks.step(None),
                Outcome::Word(word) => return Ok(PinOutcome::Reader(*word)),
            };
            if let Outcome::Data(answer) = outcome {
                self.wipe_answer(&answer);
            }
            let waiting = match step {
                PinStep::Done(len) => return Ok(PinOutcome::Card(len)),
                PinStep::Failed(what) => return Err(Error::Protocol(what)),
                PinStep::Send { waiting } => waiting,
            };
            if Moment::now() > deadline {
                break;
            }
            let command = Command::XfrBlock {
                block_waiting: waiting,
                level_parameter: 0,
            };
            outcome = self.secure_message(transport, slot, command, blocks.block(), wait)?;
        }
        Err(Error::Protocol("T=1 without end"))
    }

    /// Overwrites what came from the card, once it is copied out: a core of this process is to show none of it.
    pub(super) fn wipe_answer(&mut self, answer: &Answer) {
        let end = super::message::HEADER_LEN + answer.len;
        wipe(self.input.get_mut(..end).unwrap_or_default());
    }
}

fn secure(level_parameter: u8) -> Command {
    Command::Secure {
        block_waiting: 0,
        level_parameter: u16::from(level_parameter),
    }
}
