//! The bulk pipes of a simulated reader: packets into commands, answers into packets.

use std::collections::VecDeque;
use std::time::Instant;

use super::wire::{self, Command, HEADER_LEN};

/// What came of a packet on the bulk OUT endpoint.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Received {
    /// More packets are needed, or there is nothing to answer.
    Nothing,
    /// A whole command, as bytes.
    Message(Vec<u8>),
    /// A command whose length field does not fit what arrived or what the reader can hold; only the header counts.
    BadLength(Vec<u8>),
}

/// Puts packets together to commands. A command ends with the byte its header announces, or with a short packet.
#[derive(Debug, Default)]
pub(super) struct Assembler {
    /// Bytes kept; never more than the reader's longest message plus one packet.
    buffer: Vec<u8>,
    /// Bytes that arrived, kept or not.
    received: usize,
}

impl Assembler {
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Whether the next packet begins a new command.
    pub(super) fn is_idle(&self) -> bool {
        self.received == 0
    }

    pub(super) fn packet(&mut self, packet: &[u8], packet_len: usize, max_message_len: usize) -> Received {
        if self.buffer.len() <= max_message_len.max(HEADER_LEN) {
            self.buffer.extend(packet);
        }
        self.received += packet.len();
        let short = packet.len() < packet_len;
        let Some(length) = wire::declared_len(&self.buffer) else {
            // Less than a header and the transfer is over: there is nobody to answer to. A zero-length packet that
            // ends a command of n whole packets lands here too.
            if short {
                self.clear();
            }
            return Received::Nothing;
        };
        let expected = length.saturating_add(HEADER_LEN);
        if self.received < expected && !short {
            return Received::Nothing;
        }
        let good = self.received == expected && expected <= max_message_len;
        let buffer = std::mem::take(self).buffer;
        if good {
            Received::Message(buffer)
        } else {
            Received::BadLength(buffer)
        }
    }
}

/// One answer on its way to the host: what a single bulk IN transfer would read.
#[derive(Debug)]
pub(super) struct Transfer {
    /// When the first packet is there to be read.
    pub(super) ready_at: Instant,
    /// Its packets, the closing zero-length one included.
    pub(super) packets: VecDeque<Vec<u8>>,
    /// The endpoint halts before the first packet.
    pub(super) halt: bool,
    /// The command it answers.
    pub(super) command: Command,
}

/// What the bulk IN endpoint does with an IN token.
#[derive(Debug, PartialEq, Eq)]
pub enum In {
    /// Nothing yet; perhaps at that time.
    Nak(Option<Instant>),
    /// One packet, possibly of length zero.
    Packet(Vec<u8>),
    /// The endpoint is halted.
    Stall,
}

/// The answers waiting for the host.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// The answer whose first packet has been read already.
    current: Option<Transfer>,
    waiting: Vec<Transfer>,
    halted: bool,
}

/// Answers a reader buffers before it stops taking commands.
const QUEUE_LEN: usize = 64;

impl Queue {
    pub(super) fn push(&mut self, transfer: Transfer) {
        self.waiting.push(transfer);
    }

    pub(super) fn is_full(&self) -> bool {
        self.waiting.len() >= QUEUE_LEN
    }

    /// Forgets everything, a halt included.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Whether the endpoint is halted.
    pub(super) fn is_halted(&self) -> bool {
        self.halted
    }

    /// Ends a halt; answers survive it.
    pub(super) fn clear_halt(&mut self) {
        self.halted = false;
    }

    /// The slots with a command still being worked on.
    pub(super) fn busy_slots(&self, now: Instant) -> Vec<u8> {
        let mut slots: Vec<u8> = self
            .waiting
            .iter()
            .filter(|t| t.ready_at > now)
            .map(|t| t.command.slot)
            .collect();
        slots.sort_unstable();
        slots.dedup();
        slots
    }

    /// Takes back what the slot would have answered later. Returns the command it was for.
    pub(super) fn cancel(&mut self, slot: u8, now: Instant) -> Option<Command> {
        let late = |t: &Transfer| t.command.slot == slot && t.ready_at > now;
        let command = self.waiting.iter().rfind(|t| late(t)).map(|t| t.command.clone());
        self.waiting.retain(|t| !late(t));
        command
    }

    /// Drops all answers of a slot that the host has not begun to read.
    pub(super) fn drop_slot(&mut self, slot: u8) {
        self.waiting.retain(|t| t.command.slot != slot);
    }

    pub(super) fn next(&mut self, now: Instant) -> In {
        if self.halted {
            return In::Stall;
        }
        if self.current.is_none() {
            // The earliest answer first, and among equals the one that was queued first.
            let first = self.waiting.iter().enumerate().min_by_key(|(at, t)| (t.ready_at, *at));
            let Some((at, ready_at)) = first.map(|(at, t)| (at, t.ready_at)) else {
                return In::Nak(None);
            };
            if ready_at > now {
                return In::Nak(Some(ready_at));
            }
            if let Some(transfer) = self.waiting.get_mut(at).filter(|t| t.halt) {
                transfer.halt = false;
                self.halted = true;
                return In::Stall;
            }
            self.current = Some(self.waiting.remove(at));
        }
        let packet = self.current.as_mut().and_then(|t| t.packets.pop_front());
        self.current.take_if(|t| t.packets.is_empty());
        packet.map_or(In::Nak(None), In::Packet)
    }
}

/// Cuts a message into packets; n whole packets are followed by a zero-length one (USB 2.0 §5.8.3).
pub(super) fn packets(message: &[u8], packet_len: usize, zlp: bool) -> VecDeque<Vec<u8>> {
    let mut packets: VecDeque<Vec<u8>> = message.chunks(packet_len).map(<[u8]>::to_vec).collect();
    if zlp && packets.back().is_some_and(|last| last.len() == packet_len) {
        packets.push_back(Vec::new());
    }
    packets
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]
mod tests {
    use super::*;

    fn message(data_len: usize) -> Vec<u8> {
        let mut m = vec![0x6F];
        m.extend(u32::try_from(data_len).unwrap().to_le_bytes());
        m.extend([0, 7, 0, 0, 0]);
        m.extend(std::iter::repeat_n(0xAB, data_len));
        m
    }

    fn feed(assembler: &mut Assembler, bytes: &[u8]) -> Received {
        let mut last = Received::Nothing;
        for packet in bytes.chunks(16) {
            assert_eq!(last, Received::Nothing, "message before its last packet");
            last = assembler.packet(packet, 16, 100);
        }
        last
    }

    #[test]
    fn a_command_ends_with_its_announced_byte_even_without_short_packet() {
        for len in [0, 5, 6, 7, 22, 90] {
            let mut assembler = Assembler::default();
            assert_eq!(
                feed(&mut assembler, &message(len)),
                Received::Message(message(len)),
                "{len}"
            );
            assert!(assembler.is_idle());
        }
    }

    #[test]
    fn a_zero_length_packet_after_whole_packets_is_no_command() {
        let mut assembler = Assembler::default();
        assert_eq!(feed(&mut assembler, &message(6)), Received::Message(message(6)));
        assert_eq!(assembler.packet(&[], 16, 100), Received::Nothing);
        assert_eq!(feed(&mut assembler, &message(6)), Received::Message(message(6)));
    }

    #[test]
    fn short_long_and_oversized_commands_have_a_bad_length() {
        let mut assembler = Assembler::default();
        assert!(matches!(
            feed(&mut assembler, &message(20)[..25]),
            Received::BadLength(_)
        ));
        let mut long = message(20);
        long.push(0);
        assert!(matches!(feed(&mut assembler, &long), Received::BadLength(_)));
        assert!(matches!(feed(&mut assembler, &message(91)), Received::BadLength(_)));
        assert_eq!(feed(&mut assembler, &[0x6F, 0, 0]), Received::Nothing);
        assert_eq!(feed(&mut assembler, &message(0)), Received::Message(message(0)));
    }

    #[test]
    fn a_message_of_whole_packets_is_closed_by_a_zero_length_packet() {
        assert_eq!(packets(&[1; 32], 16, true), [vec![1; 16], vec![1; 16], vec![]]);
        assert_eq!(packets(&[1; 32], 16, false).len(), 2);
        assert_eq!(packets(&[1; 33], 16, true), [vec![1; 16], vec![1; 16], vec![1]]);
    }
}
