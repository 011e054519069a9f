//! Reading one message from the bulk IN pipe.
//!
//! A message ends after 10 + dwLength bytes, and correct readers also send a zero-length packet if that is a multiple
//! of the packet length. Others leave it out; a long read would then end by timeout and lose the message. So the first
//! read asks for one packet, which says how long the message is, and the second for exactly the rest.
//!
//! The zero-length packet is fetched, too, before the next command: firmware may keep it in the place of the next
//! answer, which is lost then (the crate usbd-ccid 0.5 in Nitrokey's tokens). The first message that should have one
//! tells whether the reader sends it; one that does is trusted with long reads from then on, of one that does not it is
//! never waited for again.

use super::error::{Error, Result};
use super::exchange::{Answer, Engine, pause_after_empty};
use super::message::{HEADER_LEN, Header, ResponseKind};
use super::pin::wipe;
use crate::clock::Moment;
use crate::usb;
use std::time::Duration;

/// Longest message accepted: a header and an APDU response of the extended form, with some room.
pub(super) const MAX_ANSWER_LEN: usize = HEADER_LEN + 65_536 + 256;

/// Longest first read; a longer message takes a second one. The kernel wants that much memory in one piece.
const MAX_FIRST_READ_LEN: usize = 4096;

/// Reads in one message that may bring nothing.
const MAX_EMPTY_READS: u32 = 100_000;

/// Whether a reader ends its messages of full packets by a zero-length packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ends {
    /// There was no such message yet.
    Unknown,
    /// It does: answers are read in one go.
    Sent,
    /// It does not, or not always.
    Missing,
}

/// Time left until `deadline`.
pub(super) fn time_left(deadline: Moment) -> Result<Duration> {
    let left = deadline.saturating_duration_since(Moment::now());
    // Never 0: the kernel takes that for "no limit".
    if left.is_zero() {
        Err(Error::Timeout)
    } else {
        Ok(left.max(Duration::from_millis(1)))
    }
}

impl Engine {
    pub(super) fn packet_len(&self) -> usize {
        self.pipe.packet_len()
    }

    /// Length of the read that is to bring the beginning of a message.
    fn first_read_len(&self) -> usize {
        let packet = self.packet_len();
        if self.ends == Ends::Sent {
            let longest = usize::try_from(self.descriptor.max_message_len()).unwrap_or(MAX_FIRST_READ_LEN);
            longest
                .clamp(packet, MAX_FIRST_READ_LEN.max(packet))
                .next_multiple_of(packet)
        } else {
            packet
        }
    }

    /// Makes room for `len` bytes of input and keeps the first `kept`.
    pub(super) fn reserve_input(&mut self, len: usize, kept: usize) {
        if self.input.len() < len {
            let mut input = vec![0; len];
            for (to, from) in input.iter_mut().zip(self.input.iter().take(kept)) {
                *to = *from;
            }
            // What has arrived of an answer is not left in freed memory.
            wipe(&mut self.input);
            self.input = input;
        }
    }

    /// One bulk IN transfer of `len` bytes to `offset` of the input buffer.
    pub(super) fn read_transfer(
        &mut self,
        transport: &dyn usb::Transport,
        offset: usize,
        len: usize,
        deadline: Moment,
    ) -> Result<usize> {
        self.reserve_input(offset + len, offset);
        let room = self.input.get_mut(offset..offset + len).unwrap_or_default();
        let count = transport.bulk_in(room, time_left(deadline)?)?;
        Ok(count.min(len))
    }

    /// Reads one message. Whose answer it is, the caller decides.
    pub(super) fn read_message(&mut self, transport: &dyn usb::Transport, deadline: Moment) -> Result<Answer> {
        crate::inject::point("ccid");
        let begun = self.read_beginning(transport, deadline)?;
        self.read_remainder(transport, begun)
    }

    /// Waits until something arrives; returns how much and whether the read was filled.
    fn read_beginning(&mut self, transport: &dyn usb::Transport, deadline: Moment) -> Result<(usize, bool)> {
        if !self.ahead.is_empty() {
            return Ok(self.begin_with_ahead());
        }
        let mut empty = 0;
        loop {
            let len = self.first_read_len();
            match self.read_transfer(transport, 0, len, deadline) {
                Ok(0) => {
                    empty += 1;
                    if empty > MAX_EMPTY_READS {
                        return Err(Error::Protocol("empty transfers without end"));
                    }
                    pause_after_empty(empty);
                }
                Ok(count) => return Ok((count, count == len)),
                Err(error) => {
                    if error == Error::Timeout && self.ends == Ends::Sent {
                        // Perhaps the answer was there and only its end was not.
                        self.miss_end();
                    }
                    return Err(error);
                }
            }
        }
    }

    /// Puts what came too early where a message begins.
    fn begin_with_ahead(&mut self) -> (usize, bool) {
        let ahead = std::mem::take(&mut self.ahead);
        self.reserve_input(ahead.len(), 0);
        for (to, from) in self.input.iter_mut().zip(&ahead) {
            *to = *from;
        }
        (ahead.len(), ahead.len() == self.packet_len())
    }

    /// Fetches the zero-length packet after a message of `got` bytes in full packets, or learns that there is none.
    fn fetch_end(&mut self, transport: &dyn usb::Transport, got: usize) {
        if self.ends == Ends::Missing {
            return;
        }
        let deadline = Moment::now() + self.timeouts.end;
        let packet = self.packet_len();
        match self.read_transfer(transport, got, packet, deadline) {
            Ok(0) => {
                self.ends = Ends::Sent;
                return;
            }
            Ok(count) => {
                log::debug!("{count} bytes instead of a zero-length packet");
                self.ahead = self.input.get(got..got + count).unwrap_or_default().to_vec();
            }
            // The answer is whole; what else is wrong shows at the next command.
            Err(error) => log::debug!("no zero-length packet: {error}"),
        }
        self.miss_end();
    }

    /// An end did not come. What is known of a reader's make weighs more than that.
    fn miss_end(&mut self) {
        if !self.quirks.ends_messages {
            self.ends = Ends::Missing;
        }
    }

    /// Completes a message of which `got` bytes have arrived.
    fn read_remainder(&mut self, transport: &dyn usb::Transport, begun: (usize, bool)) -> Result<Answer> {
        let (mut got, mut filled) = begun;
        let packet = self.packet_len();
        let mut deadline = None;
        let mut empty = 0;
        loop {
            let header = Header::decode(self.input.get(..got).unwrap_or_default());
            let needed = header.map_or(HEADER_LEN, |header| message_len(&header));
            if needed > MAX_ANSWER_LEN {
                return Err(Error::Protocol("an answer longer than any card can give"));
            }
            match header {
                // QEMU's reader sends the longer structure of T=1 whatever it announces; the packet's end is the
                // message's, so nothing is out of step.
                Some(header) if got > needed && header.kind == ResponseKind::Parameters && !filled => {
                    log::debug!("parameters of {got} bytes, of which {needed} were announced");
                    let len = needed - HEADER_LEN;
                    return Ok(Answer { header, len });
                }
                Some(_) if got > needed => {
                    return Err(Error::Protocol("an answer longer than its dwLength"));
                }
                Some(header) if got == needed => {
                    if filled && got % packet == 0 {
                        self.fetch_end(transport, got);
                    }
                    let len = got - HEADER_LEN;
                    return Ok(Answer { header, len });
                }
                Some(_) | None => {}
            }
            let len = (needed - got).next_multiple_of(packet);
            let patience = self.timeouts.remainder * self.quirks.command_factor.max(1);
            let deadline = *deadline.get_or_insert_with(|| Moment::now() + patience);
            let count = match self.read_transfer(transport, got, len, deadline) {
                Err(Error::Timeout) => {
                    return Err(Error::Protocol("an answer shorter than its dwLength"));
                }
                other => other?,
            };
            if count == 0 {
                empty += 1;
                if empty > MAX_EMPTY_READS {
                    return Err(Error::Protocol("an answer shorter than its dwLength"));
                }
                pause_after_empty(empty);
            }
            got += count;
            filled = count == len;
        }
    }
}

/// 10 + dwLength, saturated.
fn message_len(header: &Header) -> usize {
    usize::try_from(header.data_len)
        .unwrap_or(usize::MAX)
        .saturating_add(HEADER_LEN)
}
