//! Bringing host and reader together again after a timeout, a broken answer or a halted endpoint.

use super::error::{Error, Result, SlotError};
use super::exchange::{Engine, pause_after_empty};
use super::message::{Command, CommandStatus, HEADER_LEN, Header, IccStatus, ResponseKind};
use super::pipe::Pipe;
use crate::clock::Moment;
use crate::usb;

/// Class request ABORT. CCID 1.1 §5.3.1
const REQUEST_ABORT: u8 = 0x01;

/// Class request to an interface, host to device.
const TO_INTERFACE: u8 = 0x21;

/// Transfers read and thrown away while waiting for the end of an abort.
const MAX_DRAINED: u32 = 64;

/// Length of one such transfer.
const DRAIN_READ_LEN: usize = 4096;

impl Engine {
    /// Resynchronises if `error` calls for it. Returns the error to report: the original one, unless the reader turned
    /// out to be gone or taken.
    pub(super) fn repair(&mut self, transport: &dyn usb::Transport, slot: u8, error: Error) -> Error {
        if !error.needs_resync() {
            return error;
        }
        log::warn!("slot {slot}: {error}; resynchronising");
        match self.resynchronise(transport, slot) {
            Ok(_) => error,
            Err(after @ Error::Usb(_)) if !after.needs_resync() => after,
            Err(after) => {
                log::error!("slot {slot}: the reader stays out of step: {after}");
                error
            }
        }
    }

    /// Ends whatever the reader is doing on `slot` and empties the pipe, by ever stronger means, until the reader
    /// answers a status request. [`Engine::take_resynced`] tells afterwards.
    ///
    /// # Errors
    /// The last failure, if nothing helped or the reader is gone.
    pub fn resynchronise(&mut self, transport: &dyn usb::Transport, slot: u8) -> Result<IccStatus> {
        self.resynced = true;
        self.ahead.clear();
        let mut result = self.abort(transport, slot).and_then(|()| self.probe(transport, slot));
        for step in [Self::reset_pipes, Self::reset_whole_device] {
            match result {
                Err(error) if error.needs_resync() => {
                    log::debug!("slot {slot}: {error}; next means");
                }
                Ok(_) | Err(_) => break,
            }
            result = step(self, transport).and_then(|()| self.probe(transport, slot));
        }
        result
    }

    /// Ends a command that the reader never answered, by an abort alone, which leaves the card as it is.
    ///
    /// # Errors
    /// If the reader does not answer that either; stronger means are left.
    pub(super) fn abandon(&mut self, transport: &dyn usb::Transport, slot: u8) -> Result<IccStatus> {
        self.ahead.clear();
        self.abort(transport, slot)?;
        self.probe(transport, slot)
    }

    /// Clears both bulk endpoints and selects the interface anew, where the reader knows that request.
    ///
    /// # Errors
    /// Only if the reader is gone or taken: a refused request leaves the other means.
    pub fn reset_pipes(&mut self, transport: &dyn usb::Transport) -> Result<()> {
        self.ahead.clear();
        for endpoint in self.pipe.endpoints() {
            tolerate("CLEAR_HALT", transport.clear_halt(endpoint))?;
        }
        if !self.quirks.no_set_interface {
            tolerate("SET_INTERFACE", transport.set_interface())?;
        }
        Ok(())
    }

    /// Resets the device, unless it has other interfaces: a keyboard would lose its keystrokes.
    fn reset_whole_device(&mut self, transport: &dyn usb::Transport) -> Result<()> {
        if self.composite {
            return Err(Error::Protocol("the reader does not come back into step"));
        }
        log::warn!("resetting the device");
        Ok(transport.reset_device()?)
    }

    /// Two status requests at most: the first may still meet what was left in the pipe.
    fn probe(&mut self, transport: &dyn usb::Transport, slot: u8) -> Result<IccStatus> {
        let command = Command::GetSlotStatus;
        let factor = self.quirks.open_factor.max(self.quirks.command_factor).max(1);
        let wait = self.timeouts.status_retry * 10 * factor;
        let answer = match self.exchange_once(transport, slot, command, &[], wait) {
            Err(error) if error.needs_resync() => self.exchange_once(transport, slot, command, &[], wait)?,
            other => other?,
        };
        if answer.header.slot_error() == Some(SlotError::Aborted) {
            return Err(Error::Protocol("the reader waits for the rest of an abort"));
        }
        Ok(answer.header.icc)
    }

    /// The abort sequence: the same slot and sequence number by control request and by message, then everything is
    /// dropped up to the answer that carries them.
    // CCID 1.1 §5.3.1, §6.1.13
    fn abort(&mut self, transport: &dyn usb::Transport, slot: u8) -> Result<()> {
        if matches!(self.pipe, Pipe::Control(_)) {
            // Every request ends the one before, and the power-on to come ends what the card was in.
            return Ok(());
        }
        let sequence = self.next_sequence();
        let request = usb::ControlRequest {
            request_type: TO_INTERFACE,
            request: REQUEST_ABORT,
            value: u16::from_be_bytes([sequence, slot]),
            index: u16::from(self.interface),
        };
        // Many readers stall it, and are none the worse for it.
        tolerate(
            "ABORT",
            transport.control_out(request, &[], self.timeouts.control).map(|_| ()),
        )?;
        self.send(transport, slot, sequence, Command::Abort, &[], self.timeouts.abort)?;
        let deadline = Moment::now() + self.timeouts.abort;
        let len = DRAIN_READ_LEN.next_multiple_of(self.packet_len());
        for drained in 0..MAX_DRAINED {
            let count = match self.read_transfer(transport, 0, len, deadline) {
                // More than a read can hold is as good as dropped.
                Err(Error::Usb(error)) if error.kind == usb::ErrorKind::Overflow => len,
                other => other?,
            };
            if count == 0 {
                pause_after_empty(drained);
            }
            let ends = self
                .input
                .get(..count)
                .is_some_and(|bytes| ends_abort(bytes, slot, sequence));
            if ends {
                return Ok(());
            }
        }
        Err(Error::Protocol("no end of the abort in what the reader sends"))
    }
}

/// Whether a transfer ends with the answer to our Abort; what is before it may be the rest of an answer that filled its
/// last packet. A refusal is as good: the reader is listening and in step.
fn ends_abort(transfer: &[u8], slot: u8, sequence: u8) -> bool {
    let tail = transfer.last_chunk::<HEADER_LEN>();
    tail.and_then(|tail| Header::decode(tail)).is_some_and(|header| {
        header.kind == ResponseKind::SlotStatus
            && header.data_len == 0
            && (header.slot, header.sequence) == (slot, sequence)
            && header.command != CommandStatus::TimeExtension
    })
}

/// Lets a refusal pass, but not the loss of the reader.
fn tolerate(what: &str, result: usb::Result<()>) -> Result<()> {
    match result {
        Ok(()) => Ok(()),
        Err(error) if Error::Usb(error).needs_resync() => {
            log::debug!("{what}: {error}");
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}
