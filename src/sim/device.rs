//! The reader as a USB device: a state machine over packets and requests, without I/O, clock or thread.
//!
//! Time comes in as an argument. Commands are carried out when their last packet arrives; their answers can be read as
//! soon as the time their card takes is over.
//!
//! Documented liberties: Escape answers with the bytes it was sent unless told otherwise; T0APDU and
//! SetDataRateAndClockFrequency are accepted and change nothing.

use std::time::Instant;

use super::card::Card;
use super::config::{Config, Level};
use super::counters::{Counters, Log, Message};
use super::descriptor;
use super::fault::{Fault, Faults, Injection};
use super::iccd::Token;
use super::pipe::{Assembler, Queue, Received};
use super::slot::{HalfAbort, Reply, Slot};
use super::wire::{Command, error, kind};
use crate::usb::ControlRequest;

pub use super::pipe::In;

/// What the bulk OUT endpoint does with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Out {
    /// Taken.
    Ack,
    /// Not now.
    Nak,
    /// The endpoint is halted.
    Stall,
}

/// A simulated reader.
#[derive(Debug)]
pub struct Device {
    pub(super) config: Config,
    pub(super) slots: Vec<Slot>,
    assembler: Assembler,
    pub(super) queue: Queue,
    out_halted: bool,
    pub(super) faults: Faults,
    pub(super) log: Log,
    /// Messages for the interrupt endpoint that nothing in the slots explains.
    strays: Vec<Vec<u8>>,
    pub(super) last_answer: Option<Vec<u8>>,
    pub(super) gone: bool,
    pub(super) token: Token,
}

impl Device {
    /// A reader just plugged in, without cards.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let slots = (0..config.slot_count()).map(|_| Slot::new()).collect();
        Self {
            config,
            slots,
            assembler: Assembler::default(),
            queue: Queue::default(),
            out_halted: false,
            faults: Faults::default(),
            log: Log::default(),
            strays: Vec::new(),
            last_answer: None,
            gone: false,
            token: Token::default(),
        }
    }

    /// What it was made from.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Whether a fault has made it leave the bus.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.gone
    }

    /// Puts a card into a slot; returns the one that was in it. A slot that does not exist swallows nothing.
    pub fn insert(&mut self, slot: u8, card: Box<dyn Card>) -> Option<Box<dyn Card>> {
        match self.slots.get_mut(usize::from(slot)) {
            Some(place) => place.insert(&self.config, card),
            None => Some(card),
        }
    }

    /// Takes the card out of a slot. A command it was working on fails at once.
    pub fn remove(&mut self, slot: u8, now: Instant) -> Option<Box<dyn Card>> {
        let card = self.slots.get_mut(usize::from(slot))?.remove()?;
        if let Some(command) = self.queue.cancel(slot, now) {
            self.answer(now, &command, Reply::failed(error::ICC_MUTE), &[]);
        }
        Some(card)
    }

    /// Whether there is a card in a slot.
    #[must_use]
    pub fn has_card(&self, slot: u8) -> bool {
        self.slots.get(usize::from(slot)).is_some_and(|s| s.card.is_some())
    }

    /// Asks for a misbehaviour.
    pub fn inject(&mut self, injection: Injection) {
        if let Fault::Interrupt(bytes) = injection.fault {
            self.strays.push(bytes);
        } else {
            self.faults.push(injection);
        }
    }

    /// Takes back all misbehaviours that have not shown yet.
    pub fn clear_faults(&mut self) {
        self.faults.clear();
    }

    /// What happened so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.log.counters
    }

    /// The last messages on the bulk pipes.
    #[must_use]
    pub fn messages(&self) -> Vec<Message> {
        self.log.messages()
    }

    /// Those from the one with this number on, and the number of the first that is still kept.
    #[must_use]
    pub fn messages_from(&self, first: u64) -> (u64, Vec<Message>) {
        self.log.messages_from(first)
    }

    /// One packet on the bulk OUT endpoint.
    pub fn bulk_out(&mut self, packet: &[u8], now: Instant) -> Out {
        if self.assembler.is_idle() && packet.first().is_some_and(|&kind| self.faults.take_stall_out(kind)) {
            self.out_halted = true;
        }
        if self.out_halted {
            return Out::Stall;
        }
        if self.queue.is_full() {
            return Out::Nak;
        }
        let longest = usize::try_from(self.config.max_message_len).unwrap_or(usize::MAX);
        match self.assembler.packet(packet, self.config.packet_len(), longest) {
            Received::Nothing => {}
            Received::Message(bytes) => self.command(&bytes, true, now),
            Received::BadLength(bytes) => self.command(&bytes, false, now),
        }
        Out::Ack
    }

    /// One IN token on the bulk IN endpoint.
    pub fn bulk_in(&mut self, now: Instant) -> In {
        self.queue.next(now)
    }

    /// The message the interrupt endpoint has to send, if any.
    pub fn interrupt_in(&mut self) -> Option<Vec<u8>> {
        if !self.has_interrupt() {
            return None;
        }
        self.log.counters.interrupts += 1;
        if !self.strays.is_empty() {
            return Some(self.strays.remove(0));
        }
        // NotifySlotChange (CCID 1.1 §6.3.1): present in bit 0, changed in bit 1 of each slot's pair.
        let mut message = vec![kind::NOTIFY_SLOT_CHANGE];
        for four in self.slots.chunks_mut(4) {
            message.push(four.iter_mut().enumerate().fold(0, |byte, (at, slot)| {
                let changed = std::mem::take(&mut slot.changed);
                byte | (u8::from(slot.card.is_some()) | u8::from(changed) << 1) << (2 * at)
            }));
        }
        Some(message)
    }

    /// Whether the interrupt endpoint has something to send.
    #[must_use]
    pub fn has_interrupt(&self) -> bool {
        self.config.interrupt && (!self.strays.is_empty() || self.slots.iter().any(|slot| slot.changed))
    }

    /// A control request without data to the device; `None` is STALL.
    pub fn control(&mut self, request: ControlRequest, now: Instant) -> Option<Vec<u8>> {
        self.control_with(request, &[], now)
    }

    /// A control request with data to the device; only tokens without bulk endpoints need any.
    pub fn control_with(&mut self, request: ControlRequest, data: &[u8], now: Instant) -> Option<Vec<u8>> {
        let [value_low, value_high] = request.value.to_le_bytes();
        let to_interface = request.index == u16::from(self.config.interface_number);
        match (request.request_type, request.request) {
            (0x80, 0x06) => descriptor::get(&self.config, value_high, value_low),
            (0x80..=0x81, 0x00) => Some(vec![0, 0]),
            (0x82, 0x00) => Some(vec![u8::from(self.is_halted(request.index)), 0]),
            (0x80, 0x08) => Some(vec![1]),
            (0x00, 0x09) => Some(Vec::new()),
            (0x81, 0x0A) if to_interface => Some(vec![0]),
            (0x01, 0x0B) if to_interface && request.value == 0 => {
                self.log.counters.set_interfaces += 1;
                self.reset_pipes();
                Some(Vec::new())
            }
            (0x02, 0x01) if request.value == 0 => self.clear_halt(request.index),
            (0x21 | 0xA1, _) if to_interface && self.config.control_only => self.token_request(request, data, now),
            (0x21, 0x01) if to_interface && self.config.abort => {
                self.log.counters.control_aborts += 1;
                self.control_abort(value_low, value_high, now)
            }
            (0xA1, 0x03) if to_interface && !self.config.data_rates_bps.is_empty() => Some(
                self.config
                    .data_rates_bps
                    .iter()
                    .flat_map(|rate| rate.to_le_bytes())
                    .collect(),
            ),
            _ => None,
        }
    }

    /// A reset of the whole device: pipes empty, cards without power.
    pub fn bus_reset(&mut self) {
        self.log.counters.bus_resets += 1;
        self.reset_pipes();
        for slot in &mut self.slots {
            let _off: Reply = slot.power_off();
        }
    }

    /// The machine was suspended: pipes empty, cards without power, or with new power where that comes by itself.
    pub fn lose_power(&mut self) {
        self.reset_pipes();
        self.token = Token::default();
        for slot in &mut self.slots {
            slot.lose_power(&self.config);
        }
    }

    fn reset_pipes(&mut self) {
        self.assembler.clear();
        self.queue.clear();
        self.out_halted = false;
        for slot in &mut self.slots {
            slot.half_abort = None;
            slot.forget_exchange();
        }
    }

    /// Bit 0 of an endpoint's status (USB 2.0 §9.4.5).
    fn is_halted(&self, endpoint: u16) -> bool {
        match u8::try_from(endpoint) {
            Ok(descriptor::BULK_OUT) => self.out_halted,
            Ok(descriptor::BULK_IN) => self.queue.is_halted(),
            _ => false,
        }
    }

    fn clear_halt(&mut self, endpoint: u16) -> Option<Vec<u8>> {
        match u8::try_from(endpoint) {
            Ok(descriptor::BULK_OUT) => {
                self.out_halted = false;
                self.assembler.clear();
            }
            Ok(descriptor::BULK_IN) => self.queue.clear_halt(),
            Ok(descriptor::INTERRUPT_IN) if self.config.interrupt => {}
            _ => return None,
        }
        self.log.counters.clear_halts += 1;
        Some(Vec::new())
    }

    /// First or second half of an abort (CCID 1.1 §5.3.1).
    fn control_abort(&mut self, number: u8, seq: u8, now: Instant) -> Option<Vec<u8>> {
        let slot = self.slots.get_mut(usize::from(number))?;
        self.assembler.clear();
        slot.forget_exchange();
        self.queue.drop_slot(number);
        if slot.half_abort == Some(HalfAbort::Bulk(seq)) {
            slot.half_abort = None;
            let reply = slot.status();
            let command = Command {
                kind: kind::ABORT,
                slot: number,
                seq,
                specific: [0; 3],
                data: Vec::new(),
            };
            self.answer(now, &command, reply, &[]);
        } else {
            slot.half_abort = Some(HalfAbort::Control(seq));
        }
        Some(Vec::new())
    }

    /// A whole command has arrived.
    fn command(&mut self, bytes: &[u8], good_len: bool, now: Instant) {
        self.log.command(bytes);
        let Some(command) = Command::parse(bytes) else {
            return;
        };
        let faults = self.faults.take(command.kind);
        for fault in &faults {
            if let Fault::Interrupt(bytes) = fault {
                self.strays.push(bytes.clone());
            }
        }
        if faults.contains(&Fault::Lost) {
            return;
        }
        if faults.contains(&Fault::Unplugged) {
            self.gone = true;
            return;
        }
        if faults.contains(&Fault::CardPulled) {
            if let Some(slot) = self.slots.get_mut(usize::from(command.slot)) {
                let _pulled: Option<Box<dyn Card>> = slot.remove();
            }
        }
        let forced = faults.iter().find_map(Fault::forced_error);
        let reply = match forced {
            Some(error) => Some(Reply::failed(error)),
            None if !good_len => Some(Reply::failed(error::BAD_LENGTH)),
            None => self.carry_out(&command, &faults, now),
        };
        let reply = reply.map(|reply| garbled(reply, &faults));
        if let Some(reply) = reply {
            self.answer(now, &command, reply, &faults);
        }
    }

    /// Carries a command out; `None` if its answer has to wait for something else than time.
    fn carry_out(&mut self, command: &Command, faults: &[Fault], now: Instant) -> Option<Reply> {
        let busy = self.queue.busy_slots(now);
        let Some(slot) = self.slots.get_mut(usize::from(command.slot)) else {
            return Some(Reply::failed(error::BAD_SLOT));
        };
        if command.kind == kind::ABORT {
            return self.bulk_abort(command);
        }
        if matches!(slot.half_abort, Some(HalfAbort::Control(_))) {
            return Some(Reply::failed(error::ABORTED));
        }
        if busy.contains(&command.slot) || busy.len() >= usize::from(self.config.busy_slots.max(1)) {
            return Some(Reply::failed(error::SLOT_BUSY));
        }
        let config = &self.config;
        Some(match command.kind {
            kind::ICC_POWER_ON => {
                let refused = faults.iter().find_map(Fault::refused_voltages);
                if slot.is_active() {
                    self.log.counters.warm_resets += 1;
                } else {
                    self.log.counters.cold_power_ons += 1;
                }
                slot.power_on(config, command, refused.unwrap_or_default())
            }
            kind::ICC_POWER_OFF => slot.power_off(),
            kind::GET_SLOT_STATUS => slot.status(),
            kind::XFR_BLOCK => slot.transfer(config, command),
            kind::GET_PARAMETERS => slot.get_parameters(),
            kind::RESET_PARAMETERS => slot.reset_parameters(),
            kind::SET_PARAMETERS => slot.set_parameters(config, command),
            kind::ESCAPE => escape(config, command),
            kind::ICC_CLOCK => slot.clock(config, command),
            kind::T0_APDU if matches!(config.level, Level::ShortApdu | Level::ExtendedApdu) => slot.status(),
            kind::SECURE => slot.secure(config, command),
            kind::MECHANICAL => slot.mechanical(config, command),
            kind::SET_DATA_RATE_AND_CLOCK if command.data.len() == 8 => Reply::data(command.data.clone()),
            kind::SET_DATA_RATE_AND_CLOCK => Reply::failed(error::BAD_LENGTH),
            _ => Reply::failed(error::NOT_SUPPORTED),
        })
    }

    fn bulk_abort(&mut self, command: &Command) -> Option<Reply> {
        let slot = self.slots.get_mut(usize::from(command.slot))?;
        if !self.config.abort {
            return Some(Reply::failed(error::NOT_SUPPORTED));
        }
        match slot.half_abort {
            Some(HalfAbort::Control(seq)) if seq == command.seq => {
                slot.half_abort = None;
                self.queue.drop_slot(command.slot);
                Some(slot.status())
            }
            Some(HalfAbort::Control(_)) => Some(Reply::failed(error::BAD_SEQUENCE)),
            Some(HalfAbort::Bulk(_)) | None => {
                slot.half_abort = Some(HalfAbort::Bulk(command.seq));
                None
            }
        }
    }
}

/// What becomes of an answer on a bad line between card and reader.
fn garbled(mut reply: Reply, faults: &[Fault]) -> Reply {
    for fault in faults {
        if let Fault::FailAfter(error) = fault {
            reply = Reply {
                delay: reply.delay,
                ..Reply::failed(*error)
            };
        } else if let Fault::Garble(place) = fault {
            if let Some(byte) = reply.data.iter_mut().rev().nth(*place) {
                *byte ^= 0x10;
            }
        }
    }
    reply
}

/// What the configuration says, or what came in.
fn escape(config: &Config, command: &Command) -> Reply {
    let answers = &config.escape_answers;
    match answers.iter().find(|(asked, _)| *asked == command.data) {
        None => Reply::data(command.data.clone()),
        Some((_, Some(answer))) => Reply::data(answer.clone()),
        Some((_, None)) => Reply::failed(error::NOT_SUPPORTED),
    }
}
