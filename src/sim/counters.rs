//! What arrived at a simulated reader and what it sent, for tests to look at.

use std::collections::VecDeque;

use super::wire::kind;

/// Messages kept for [`Log::messages`].
const KEPT: usize = 4096;

/// How often what happened on the wire since the reader was plugged in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Commands that arrived, good or bad.
    pub commands: u64,
    /// IccPowerOn that activated an inactive card.
    pub cold_power_ons: u64,
    /// IccPowerOn of a card that was active: a warm reset.
    pub warm_resets: u64,
    /// IccPowerOff.
    pub power_offs: u64,
    /// GetSlotStatus.
    pub get_slot_status: u64,
    /// XfrBlock.
    pub xfr_blocks: u64,
    /// SetParameters.
    pub set_parameters: u64,
    /// GetParameters.
    pub get_parameters: u64,
    /// Escape.
    pub escapes: u64,
    /// Secure.
    pub secures: u64,
    /// Abort messages.
    pub aborts: u64,
    /// ABORT control requests.
    pub control_aborts: u64,
    /// CLEAR_FEATURE(ENDPOINT_HALT).
    pub clear_halts: u64,
    /// SET_INTERFACE.
    pub set_interfaces: u64,
    /// Resets of the whole device.
    pub bus_resets: u64,
    /// Interrupt messages delivered.
    pub interrupts: u64,
}

/// Which way a message went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the host to the device.
    Out,
    /// From the device to the host.
    In,
}

/// One bulk message, header included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Which way.
    pub direction: Direction,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// Counters and the last messages.
#[derive(Debug, Default)]
pub(super) struct Log {
    pub(super) counters: Counters,
    messages: VecDeque<Message>,
    /// Messages that are not kept any more.
    forgotten: u64,
}

impl Log {
    /// Notes a command. Power-ons are told apart by the caller, who knows the slot.
    pub(super) fn command(&mut self, bytes: &[u8]) {
        let c = &mut self.counters;
        c.commands += 1;
        match bytes.first().copied() {
            Some(kind::ICC_POWER_OFF) => c.power_offs += 1,
            Some(kind::GET_SLOT_STATUS) => c.get_slot_status += 1,
            Some(kind::XFR_BLOCK) => c.xfr_blocks += 1,
            Some(kind::SET_PARAMETERS) => c.set_parameters += 1,
            Some(kind::GET_PARAMETERS) => c.get_parameters += 1,
            Some(kind::ESCAPE) => c.escapes += 1,
            Some(kind::SECURE) => c.secures += 1,
            Some(kind::ABORT) => c.aborts += 1,
            _ => {}
        }
        self.push(Direction::Out, bytes);
    }

    pub(super) fn answer(&mut self, bytes: &[u8]) {
        self.push(Direction::In, bytes);
    }

    pub(super) fn messages(&self) -> Vec<Message> {
        self.messages.iter().cloned().collect()
    }

    /// The messages from this one on, counted since the reader was plugged in, with the number of the first.
    pub(super) fn messages_from(&self, first: u64) -> (u64, Vec<Message>) {
        let skipped = usize::try_from(first.saturating_sub(self.forgotten)).unwrap_or(usize::MAX);
        (
            first.max(self.forgotten),
            self.messages.iter().skip(skipped).cloned().collect(),
        )
    }

    fn push(&mut self, direction: Direction, bytes: &[u8]) {
        if self.messages.len() == KEPT {
            self.messages.pop_front();
            self.forgotten += 1;
        }
        self.messages.push_back(Message {
            direction,
            bytes: bytes.to_vec(),
        });
    }
}
