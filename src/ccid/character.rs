//! Readers that pass on single characters: `wLevelParameter` says how many are wanted.
// CCID 1.1 §3.2.1, §6.1.4

use super::error::{Error, Result, SlotError};
use super::exchange::Engine;
use super::message::{Command, HEADER_LEN};
use super::pin::Wiped;
use super::tpdu::{Heard, Noise, nothing};
use crate::clock::Moment;
use crate::iso7816::t0::{self, Refusal};
use crate::iso7816::t1::PROLOGUE_LEN;
use crate::usb;
use std::time::Duration;

/// Most characters expected at once: a T=0 response without status.
const MAX_EXPECTED: usize = 256;

impl Engine {
    /// A T=0 command with all its procedure bytes. Returns the length of the response.
    ///
    /// # Errors
    /// [`Error::CommandTooLong`] for what T=0 cannot do in one command, before anything is sent; else of the transfer, as
    /// the reader refuses, or if the card broke the protocol.
    pub(super) fn transmit_characters(
        &mut self,
        transport: &dyn usb::Transport,
        slot: u8,
        command: &[u8],
        response: &mut [u8],
        wait: Duration,
    ) -> Result<usize> {
        let mut exchange = t0::Exchange::new(command, response).map_err(|refusal| match refusal {
            Refusal::Length => Error::CommandTooLong,
            Refusal::Instruction => Error::LevelUnsupported("INS 6x or 9x with T=0"),
        })?;
        let result = self.play_t0(transport, slot, &mut exchange, wait);
        if result.is_err_and(|error| error != Error::NoCard) {
            // The card is somewhere in a command, and takes whatever comes next for the rest of it.
            self.resynced = true;
        }
        result.map(|()| exchange.response_len())
    }

    fn play_t0(
        &mut self,
        transport: &dyn usb::Transport,
        slot: u8,
        exchange: &mut t0::Exchange<'_>,
        wait: Duration,
    ) -> Result<()> {
        let end = Moment::now() + self.timeouts.total;
        let mut buffer = Wiped([0; MAX_EXPECTED]);
        let mut action = exchange.start();
        loop {
            let (send, expect) = match action {
                t0::Action::Transfer { send, expect } => (send, expect),
                t0::Action::Done => return Ok(()),
                t0::Action::Failed(why) => return Err(Error::Protocol(why)),
            };
            let left = end.saturating_duration_since(Moment::now());
            if left.is_zero() {
                return Err(Error::Timeout);
            }
            let room = buffer.0.get_mut(..expect).unwrap_or_default();
            let heard = self
                .characters(transport, slot, send, 0, wait.min(left), room)
                .map_err(|error| self.repair(transport, slot, error))?;
            let len = match heard {
                Ok(len) => len,
                Err(Noise::Parity) => return Err(SlotError::Parity.into()),
                Err(Noise::Mute) => return Err(SlotError::Mute.into()),
                Err(Noise::Lost) => return Err(SlotError::Overrun.into()),
            };
            action = exchange.step(buffer.0.get(..len).unwrap_or_default());
        }
    }

    /// A T=1 block, and one back in two reads: the prologue, then as much as its LEN says.
    pub(super) fn character_block(
        &mut self,
        transport: &dyn usb::Transport,
        slot: u8,
        block: &[u8],
        waiting: u8,
        wait: Duration,
        into: &mut [u8],
    ) -> Result<Heard> {
        let epilogue_len = block_epilogue_len(block);
        let (prologue, rest) = into.split_at_mut_checked(PROLOGUE_LEN).unwrap_or_default();
        match self.characters(transport, slot, block, waiting, wait, prologue)? {
            Ok(PROLOGUE_LEN) => {}
            short => return Ok(short),
        }
        let len = prologue.last().copied().map_or(0, usize::from);
        let Some(rest) = rest.get_mut(..len + epilogue_len) else {
            // LEN of FF: no block, and nothing to wait for.
            return Ok(Ok(PROLOGUE_LEN));
        };
        let heard = self.characters(transport, slot, &[], 0, wait, rest)?;
        Ok(heard.map(|count| PROLOGUE_LEN + count))
    }

    /// Sends `bytes` and fills `into` with what the card says; less than that if it stops.
    pub(super) fn characters(
        &mut self,
        transport: &dyn usb::Transport,
        slot: u8,
        bytes: &[u8],
        waiting: u8,
        wait: Duration,
        into: &mut [u8],
    ) -> Result<Heard> {
        let payload = self.max_payload_len();
        let mut rest = bytes;
        while rest.len() > payload {
            let (part, after) = rest.split_at_checked(payload).unwrap_or((rest, &[]));
            rest = after;
            match self.character_message(transport, slot, part, waiting, wait, &mut [])? {
                // No answer is expected yet.
                Ok(_) | Err(Noise::Lost) => {}
                Err(noise @ (Noise::Parity | Noise::Mute)) => return Ok(Err(noise)),
            }
        }
        let mut total = 0;
        loop {
            let left = into.get_mut(total..).unwrap_or_default();
            let count = left.len().min(self.readable(left.len())).min(payload);
            let room = left.get_mut(..count).unwrap_or_default();
            total += match self.character_message(transport, slot, rest, waiting, wait, room)? {
                Ok(count) => count,
                // The card has stopped short: that is for the caller to see.
                Err(Noise::Lost) if total > 0 => return Ok(Ok(total)),
                Err(noise) => return Ok(Err(noise)),
            };
            if total >= into.len() {
                return Ok(Ok(total));
            }
            rest = &[];
        }
    }

    /// How many characters to ask for of `count`: an answer of whole packets is not got out of some readers.
    fn readable(&self, count: usize) -> usize {
        if count > 1 && (count + HEADER_LEN) % self.packet_len() == 0 {
            1
        } else {
            count
        }
    }

    /// One message: characters out, and as many in as `into` takes.
    fn character_message(
        &mut self,
        transport: &dyn usb::Transport,
        slot: u8,
        bytes: &[u8],
        waiting: u8,
        wait: Duration,
        into: &mut [u8],
    ) -> Result<Heard> {
        let command = Command::XfrBlock {
            block_waiting: waiting,
            level_parameter: u16::try_from(into.len()).unwrap_or(u16::MAX),
        };
        let answer = self.exchange_once(transport, slot, command, bytes, wait)?;
        if let Some(error) = answer.header.slot_error() {
            return self.line_error(&answer, error);
        }
        let data = self.data(&answer);
        match data.len() {
            0 => nothing(answer.header.icc),
            len if len > into.len() => Err(Error::Protocol("more characters than were asked for")),
            len => {
                super::commands::copy_at(into, 0, data);
                Ok(Ok(len))
            }
        }
    }
}

/// Length of the epilogue of a block we have made, which is that of the answer.
fn block_epilogue_len(block: &[u8]) -> usize {
    let inf = block.get(2).copied().map_or(0, usize::from);
    block.len().saturating_sub(PROLOGUE_LEN + inf)
}
