//! The plain commands: status, parameters, escape, and the first contact with a reader.

use super::error::{Error, Result, SlotError};
use super::exchange::{Answer, Engine};
use super::message::{Command, CommandStatus, IccStatus, Parameters};
use crate::clock::Moment;
use crate::usb;
use std::thread;
use std::time::Duration;

impl Engine {
    /// First contact after opening: readers need up to three status requests until the first answer counts, some of
    /// them long for the first.
    ///
    /// # Errors
    /// The last failure, if the reader answered none and resynchronising did not help either.
    pub fn warm_up(&mut self, transport: &dyn usb::Transport) -> Result<()> {
        if let Some(delay) = self.quirks.open_delay {
            thread::sleep(delay);
        }
        if self.quirks.old_firmware {
            log::warn!("this reader's firmware has defects that a later one mends; other drivers refuse it");
        }
        let factor = self.quirks.open_factor.max(self.quirks.command_factor).max(1);
        let retry = self.timeouts.status_retry;
        for wait in [self.timeouts.command, retry, retry] {
            match self.exchange_once(transport, 0, Command::GetSlotStatus, &[], wait * factor) {
                Ok(answer) if is_busy(&answer) => return self.end_foreign_command(transport),
                Ok(_) => return Ok(()),
                Err(error) if error.needs_resync() => log::debug!("no first contact yet: {error}"),
                Err(error) => return Err(error),
            }
        }
        self.resynchronise(transport, 0).map(|_| ())
    }

    /// Ends a command that somebody who is no more has left running, on whichever slot that is, or waits for its end.
    fn end_foreign_command(&mut self, transport: &dyn usb::Transport) -> Result<()> {
        self.met_foreign_command = true;
        for slot in 0..u8::try_from(self.slots.len()).unwrap_or(u8::MAX) {
            self.resynchronise(transport, slot)?;
        }
        // A reader that cannot abort is done when the card is.
        self.status_when_free(transport, 0).map(|_| ())
    }

    /// The slot's status, once the reader no longer says that the slot is busy, or after the time of a command.
    fn status_when_free(&mut self, transport: &dyn usb::Transport, slot: u8) -> Result<Answer> {
        const PAUSE: Duration = Duration::from_millis(10);
        let wait = self.command_time();
        let deadline = Moment::now() + wait;
        loop {
            let answer = self.exchange(transport, slot, Command::GetSlotStatus, &[], wait)?;
            if !is_busy(&answer) || Moment::now() >= deadline {
                return Ok(answer);
            }
            thread::sleep(PAUSE);
        }
    }

    /// Asks what is in a slot.
    ///
    /// # Errors
    /// Of the transfer, or [`Error::Slot`] with anything but "mute": that is how some readers say that there is no
    /// card.
    pub fn slot_status(&mut self, transport: &dyn usb::Transport, slot: u8) -> Result<IccStatus> {
        let answer = self.status_when_free(transport, slot)?;
        match answer.header.slot_error() {
            None | Some(SlotError::Mute) => Ok(answer.header.icc),
            Some(error) => Err(error.into()),
        }
    }

    /// Gives the reader the parameters of `protocol`: 5 bytes for T=0, 7 for T=1.
    ///
    /// # Errors
    /// [`Error::Slot`] with [`SlotError::CommandNotSupported`] from readers that keep their parameters to themselves;
    /// the caller goes on with the card's default protocol. An objection to single bytes of the block is no error:
    /// readers that set the parameters by themselves object and are right.
    pub fn set_parameters(
        &mut self,
        transport: &dyn usb::Transport,
        slot: u8,
        protocol: u8,
        block: &[u8],
    ) -> Result<()> {
        self.check_length(block.len())?;
        let wait = self.command_time();
        let answer = self.exchange(transport, slot, Command::SetParameters(protocol), block, wait)?;
        match answer.header.slot_error() {
            None => Ok(()),
            Some(SlotError::BadField(offset)) => {
                log::info!("slot {slot}: the reader objects to byte {offset} of SetParameters");
                Ok(())
            }
            Some(error) => Err(self.slot_failure(&answer, error)),
        }
    }

    /// Asks for the parameters in use.
    ///
    /// # Errors
    /// Of the transfer, or as the reader refuses.
    pub fn get_parameters(&mut self, transport: &dyn usb::Transport, slot: u8) -> Result<Parameters> {
        self.parameters(transport, slot, Command::GetParameters)
    }

    /// Sets the parameters back to the reader's defaults, and returns them.
    ///
    /// # Errors
    /// Of the transfer, or as the reader refuses.
    pub fn reset_parameters(&mut self, transport: &dyn usb::Transport, slot: u8) -> Result<Parameters> {
        self.parameters(transport, slot, Command::ResetParameters)
    }

    fn parameters(&mut self, transport: &dyn usb::Transport, slot: u8, command: Command) -> Result<Parameters> {
        let wait = self.command_time();
        let answer = self.exchange(transport, slot, command, &[], wait)?;
        if let Some(error) = answer.header.slot_error() {
            return Err(self.slot_failure(&answer, error));
        }
        Ok(Parameters::new(answer.header.specific, self.data(&answer)))
    }

    /// Sends a vendor's command to the reader. Returns the length of its answer, which may be more than `response`
    /// takes: what is beyond is dropped.
    ///
    /// # Errors
    /// [`Error::CommandTooLong`] before anything is sent, else of the transfer or as the reader refuses.
    pub fn escape(
        &mut self,
        transport: &dyn usb::Transport,
        slot: u8,
        command: &[u8],
        response: &mut [u8],
    ) -> Result<usize> {
        self.escape_within(transport, slot, command, response, self.timeouts.escape)
    }

    /// As [`Self::escape`], for commands that may take longer: those in which the user takes part.
    ///
    /// # Errors
    /// As [`Self::escape`].
    pub fn escape_within(
        &mut self,
        transport: &dyn usb::Transport,
        slot: u8,
        command: &[u8],
        response: &mut [u8],
        wait: Duration,
    ) -> Result<usize> {
        self.check_length(command.len())?;
        let answer = self.exchange(transport, slot, Command::Escape, command, wait)?;
        if let Some(error) = answer.header.slot_error() {
            return Err(self.slot_failure(&answer, error));
        }
        Ok(copy_at(response, 0, self.data(&answer)))
    }

    /// Whether one message can carry this much.
    pub(super) fn check_length(&self, len: usize) -> Result<()> {
        if len > self.max_payload_len() {
            Err(Error::CommandTooLong)
        } else {
            Ok(())
        }
    }

    /// What a failed command means: a mute card that is not there is none.
    pub(super) fn slot_failure(&self, answer: &Answer, error: SlotError) -> Error {
        debug_assert_eq!(answer.header.command, CommandStatus::Failed);
        if error == SlotError::Mute && answer.header.icc == IccStatus::Absent {
            Error::NoCard
        } else {
            Error::Slot(error)
        }
    }
}

/// Copies `data` to `offset` of `buffer` as far as it fits; returns its whole length.
pub(super) fn copy_at(buffer: &mut [u8], offset: usize, data: &[u8]) -> usize {
    let room = buffer.get_mut(offset..).unwrap_or_default();
    let len = room.len().min(data.len());
    if let (Some(to), Some(from)) = (room.get_mut(..len), data.get(..len)) {
        to.copy_from_slice(from);
    }
    data.len()
}

/// Whether the reader has no time for a slot.
fn is_busy(answer: &Answer) -> bool {
    answer.header.slot_error() == Some(SlotError::SlotBusy)
}
