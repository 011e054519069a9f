//! The engine: one command and its answer on the bulk pipes.

use super::descriptor::{Descriptor, ExchangeLevel};
use super::error::{Error, Result};
use super::gemalto::Firmware;
use super::message::{Command, CommandStatus, HEADER_LEN, Header, IccStatus, ResponseKind, Voltage};
use super::pipe::Pipe;
use super::quirks::Quirks;
use super::transfer::Ends;
use crate::clock::Moment;
use crate::usb;
use std::fmt;
use std::thread;
use std::time::Duration;

/// Frames of other exchanges that are dropped before an exchange is given up. Each process that dies leaves one.
const MAX_STALE_FRAMES: u32 = 32;

/// Time extensions in one exchange; the deadline comes first unless the reader floods the host.
const MAX_TIME_EXTENSIONS: u32 = 10_000;

/// How long the engine waits for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// A message to go out.
    pub write: Duration,
    /// The answer to a plain command: slot status, power off, parameters.
    pub command: Duration,
    /// The answer to a repeated slot status request while opening and resynchronising.
    pub status_retry: Duration,
    /// The ATR; a slow but legal one takes half of this.
    pub power_on: Duration,
    /// The answer to Escape.
    pub escape: Duration,
    /// A control request.
    pub control: Duration,
    /// The rest of an answer whose beginning has arrived.
    pub remainder: Duration,
    /// The zero-length packet after a message of full packets, from a reader that may not send it.
    pub end: Duration,
    /// The end of everything an aborted command still has to say.
    pub abort: Duration,
    /// A whole exchange with all its time extensions and blocks.
    pub total: Duration,
    /// The same of a command that neither card nor user have a part in, such as a status request.
    pub plain_total: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            write: Duration::from_secs(5),
            command: Duration::from_secs(3),
            status_retry: Duration::from_millis(100),
            power_on: Duration::from_secs(60),
            escape: Duration::from_secs(30),
            control: Duration::from_secs(1),
            remainder: Duration::from_secs(3),
            end: Duration::from_millis(50),
            abort: Duration::from_secs(1),
            total: Duration::from_secs(1200),
            plain_total: Duration::from_secs(30),
        }
    }
}

/// What the engine remembers of a slot, from its own exchanges only.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SlotMemory {
    /// The card's state in the latest answer.
    pub(super) icc: Option<IccStatus>,
    /// The voltage the card answered at.
    pub(super) voltage: Option<Voltage>,
}

/// A valid answer; its data lies in the engine's buffer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answer {
    pub(super) header: Header,
    /// Length of the data.
    pub(super) len: usize,
}

/// One reader interface: its descriptor, its sequence number, and the exchange of messages.
///
/// Every call is given the transport to use. Calls are to be made by one thread and one process at a time; after
/// another process has used the reader, [`Engine::set_sequence`] tells where it left off.
pub struct Engine {
    pub(super) descriptor: Descriptor,
    pub(super) quirks: Quirks,
    pub(super) level: ExchangeLevel,
    pub(super) interface: u8,
    pub(super) composite: bool,
    pub(super) pipe: Pipe,
    pub(super) timeouts: Timeouts,
    pub(super) sequence: u8,
    pub(super) slots: Vec<SlotMemory>,
    pub(super) resynced: bool,
    /// Somebody else's command was still under way: its answer came late, or the slot was busy with it.
    pub(super) met_foreign_command: bool,
    /// The message going out.
    pub(super) output: Vec<u8>,
    /// The message coming in.
    pub(super) input: Vec<u8>,
    /// What is known of the ends of its messages.
    pub(super) ends: Ends,
    /// What came where only the end of a message was to come: the beginning of the next one.
    pub(super) ahead: Vec<u8>,
    /// The data rates the reader has told; `None` before it was asked.
    pub(super) data_rates: Option<Vec<u32>>,
    /// What was learned from and told to the firmware.
    pub(super) firmware: Firmware,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the buffers: they hold what went to and came from the card.
        f.debug_struct("Engine")
            .field("interface", &self.interface)
            .field("level", &self.level)
            .field("sequence", &self.sequence)
            .field("slots", &self.slots)
            .field("quirks", &self.quirks)
            .finish_non_exhaustive()
    }
}

impl Engine {
    /// Makes the engine for an interface found on the bus. Nothing is sent.
    ///
    /// # Errors
    /// [`Error::Descriptor`] if the class descriptor or the endpoints are unusable.
    pub fn new(interface: &usb::Interface) -> Result<Self> {
        let pipe = Pipe::of(interface)?;
        let mut descriptor = Descriptor::parse(&interface.class_descriptor)?;
        let quirks = Quirks::of(interface, descriptor.level());
        descriptor.correct(&quirks.correction);
        Ok(Self {
            descriptor,
            quirks,
            level: pipe.level(quirks.level.unwrap_or(descriptor.level())),
            interface: interface.number,
            composite: interface.composite,
            pipe,
            timeouts: Timeouts::default(),
            sequence: 0,
            slots: vec![SlotMemory::default(); usize::from(pipe.slots(descriptor.slots()))],
            resynced: false,
            met_foreign_command: false,
            output: Vec::new(),
            input: Vec::new(),
            ends: if quirks.ends_messages {
                Ends::Sent
            } else {
                Ends::Unknown
            },
            ahead: Vec::new(),
            data_rates: None,
            firmware: Firmware::default(),
        })
    }

    /// The class descriptor.
    #[must_use]
    pub fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    /// What this reader needs beyond the class.
    #[must_use]
    pub fn quirks(&self) -> &Quirks {
        &self.quirks
    }

    /// The exchange level in use: the declared one, or what the quirks table knows better.
    #[must_use]
    pub fn level(&self) -> ExchangeLevel {
        self.level
    }

    /// Whether a command whose answer nobody has fetched shows itself to the next user of the reader. Messages do, by
    /// that answer; a request on the control pipe leaves nothing behind.
    #[must_use]
    pub fn leaves_traces(&self) -> bool {
        matches!(self.pipe, Pipe::Bulk { .. })
    }

    /// Most data in one command.
    #[must_use]
    pub fn max_payload_len(&self) -> usize {
        self.descriptor.max_payload_len().min(self.pipe.max_data_len())
    }

    /// How long things may take.
    #[must_use]
    pub fn timeouts(&self) -> &Timeouts {
        &self.timeouts
    }

    /// Changes how long things may take.
    pub fn set_timeouts(&mut self, timeouts: Timeouts) {
        self.timeouts = timeouts;
    }

    /// `bSeq` of the next command: one counter for all slots, because some readers drop a command that repeats the
    /// number last used on another slot.
    #[must_use]
    #[doc(alias = "bSeq")]
    pub fn sequence(&self) -> u8 {
        self.sequence
    }

    /// Sets `bSeq` of the next command, after somebody else has used the reader.
    pub fn set_sequence(&mut self, sequence: u8) {
        self.sequence = sequence;
    }

    /// Whether the pipe had to be resynchronised since this was last asked. The state of the card is then unknown: it
    /// needs a power cycle before its next APDU.
    pub fn take_resynced(&mut self) -> bool {
        std::mem::take(&mut self.resynced)
    }

    /// Whether traces of a command were met that this engine did not send, since this was last asked. On first contact
    /// after a holder of the reader died they say that he died in mid-exchange.
    pub fn take_met_foreign_command(&mut self) -> bool {
        std::mem::take(&mut self.met_foreign_command)
    }

    pub(super) fn next_sequence(&mut self) -> u8 {
        let sequence = self.sequence;
        self.sequence = sequence.wrapping_add(1);
        sequence
    }

    /// The data of the latest answer.
    pub(super) fn data(&self, answer: &Answer) -> &[u8] {
        self.input.get(HEADER_LEN..HEADER_LEN + answer.len).unwrap_or_default()
    }

    /// How long a plain command may take on this reader.
    pub(super) fn command_time(&self) -> Duration {
        self.timeouts.command * self.quirks.command_factor.max(1)
    }

    /// How long a command may take with all its time extensions. A reader that asks for time over its own status would
    /// else hold a caller who only looks.
    pub(super) fn total_time(&self, command: Command) -> Duration {
        let Timeouts {
            total,
            plain_total,
            power_on,
            ..
        } = self.timeouts;
        match command {
            Command::XfrBlock { .. } | Command::Secure { .. } | Command::Escape => total,
            // Twice as long as any legal ATR.
            Command::IccPowerOn(_) => total.min(power_on * 2),
            Command::IccPowerOff
            | Command::GetSlotStatus
            | Command::GetParameters
            | Command::ResetParameters
            | Command::SetParameters(_)
            | Command::IccClock(_)
            | Command::T0Apdu { .. }
            | Command::Mechanical(_)
            | Command::Abort
            | Command::SetDataRateAndClockFrequency => total.min(plain_total * self.quirks.command_factor.max(1)),
        }
    }

    /// One command and its answer. If host and reader fall out of step, they are brought together again before the
    /// error is returned.
    pub(super) fn exchange(
        &mut self,
        transport: &dyn usb::Transport,
        slot: u8,
        command: Command,
        data: &[u8],
        wait: Duration,
    ) -> Result<Answer> {
        let result = self.exchange_once(transport, slot, command, data, wait);
        if let Err(error) = result {
            return Err(self.repair(transport, slot, error));
        }
        result
    }

    /// One command and its answer, without repair.
    pub(super) fn exchange_once(
        &mut self,
        transport: &dyn usb::Transport,
        slot: u8,
        command: Command,
        data: &[u8],
        wait: Duration,
    ) -> Result<Answer> {
        if usize::from(slot) >= self.slots.len() {
            return Err(Error::NoSuchSlot);
        }
        let sequence = self.next_sequence();
        if let Pipe::Control(version) = self.pipe {
            return self.request(transport, version, sequence, command, data, wait);
        }
        // What is not waited for long is not pushed long either: a dead reader is to be told soon.
        let write = self.timeouts.write.min(wait.max(self.timeouts.abort));
        self.send(transport, slot, sequence, command, data, write)?;
        self.receive(transport, slot, sequence, command, wait)
    }

    /// Sends one message.
    pub(super) fn send(
        &mut self,
        transport: &dyn usb::Transport,
        slot: u8,
        sequence: u8,
        command: Command,
        data: &[u8],
        write: Duration,
    ) -> Result<()> {
        crate::inject::point("ccid");
        let len = HEADER_LEN + data.len();
        if self.output.len() < len {
            self.output.resize(len, 0);
        }
        command
            .encode(slot, sequence, data, &mut self.output)
            .ok_or(Error::CommandTooLong)?;
        let message = self.output.get_mut(..len).ok_or(Error::CommandTooLong)?;
        // No zero-length packet after a message of n packets: no reader wants one.
        let sent = transport.bulk_out(message, write);
        // The buffer stays; a PIN that was in it does not.
        message.fill(0);
        if sent? < len && !self.quirks.short_out_count {
            return Err(Error::Protocol("the reader did not take the whole message"));
        }
        Ok(())
    }

    /// Waits for the answer with this slot and sequence number, through stale frames and time extensions.
    fn receive(
        &mut self,
        transport: &dyn usb::Transport,
        slot: u8,
        sequence: u8,
        command: Command,
        wait: Duration,
    ) -> Result<Answer> {
        let total = self.total_time(command);
        let wait = wait.min(total);
        let started = Moment::now();
        let end = started + total;
        let mut deadline = started + wait;
        let (mut stale, mut extensions) = (0, 0);
        loop {
            let answer = self.read_message(transport, deadline)?;
            let header = answer.header;
            if (header.slot, header.sequence) != (slot, sequence) {
                log::debug!("dropped a stale answer: {header:?}, waiting for slot {slot} sequence {sequence}");
                self.met_foreign_command = true;
                stale += 1;
                if stale > MAX_STALE_FRAMES {
                    return Err(Error::Protocol("answers to other commands only"));
                }
                continue;
            }
            if let Some(memory) = self.slots.get_mut(usize::from(slot)) {
                memory.icc = Some(header.icc);
            }
            // Before the type check: readers differ in the type of a time extension.
            if header.command == CommandStatus::TimeExtension {
                extensions += 1;
                if extensions > MAX_TIME_EXTENSIONS {
                    return Err(Error::Protocol("time extensions without end"));
                }
                // Each one starts the time anew; multipliers do not add up.
                deadline = end.min(Moment::now() + wait * extension_factor(header.error));
                continue;
            }
            check_kind(command, &answer)?;
            return Ok(answer);
        }
    }
}

/// Multiplier in a time extension. Some readers use FF for "touch me" and 0 for nothing in particular.
fn extension_factor(error: u8) -> u32 {
    match error {
        0 | 0xFF => 1,
        factor => u32::from(factor),
    }
}

/// Readers may report any failure in a SlotStatus; an emulator in use even sends the ATR in one.
fn check_kind(command: Command, answer: &Answer) -> Result<()> {
    let header = &answer.header;
    let as_status = header.kind == ResponseKind::SlotStatus
        && (header.command == CommandStatus::Failed || (matches!(command, Command::IccPowerOn(_)) && answer.len > 0));
    if header.kind == command.response_kind() || as_status {
        return Ok(());
    }
    log::debug!("{command:?} answered with {header:?}");
    Err(Error::Protocol("an answer of the wrong type"))
}

/// A short pause that grows with the number of reads that brought nothing: some controllers complete a read with 0
/// bytes instead of waiting.
pub(super) fn pause_after_empty(empty_reads: u32) {
    if empty_reads > 1 {
        thread::sleep(Duration::from_millis(u64::from(empty_reads).min(10)));
    }
}
