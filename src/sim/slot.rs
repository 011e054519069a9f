//! One slot of a simulated reader: power, parameters and the smaller commands (CCID 1.1 §6.1).

use std::time::Duration;

use super::card::{Card, Offer, Protocol, Reset};
use super::character::Line;
use super::config::{Config, feature};
use super::t0::T0;
use super::t1::T1;
use super::wire::{Command, IccStatus, error};

/// What a command comes to, before faults and header are put on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Reply {
    /// `bError` if it failed.
    pub(super) error: Option<u8>,
    pub(super) specific: u8,
    pub(super) data: Vec<u8>,
    /// Time the card takes.
    pub(super) delay: Duration,
}

impl Reply {
    pub(super) fn data(data: Vec<u8>) -> Self {
        Self {
            data,
            ..Self::default()
        }
    }

    pub(super) fn specific(specific: u8) -> Self {
        Self {
            specific,
            ..Self::default()
        }
    }

    pub(super) fn failed(error: u8) -> Self {
        Self {
            error: Some(error),
            ..Self::default()
        }
    }
}

/// Protocol data structure of SetParameters (CCID 1.1 §6.1.7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Parameters {
    pub(super) protocol: Protocol,
    bytes: Vec<u8>,
}

/// An abort of which one half has arrived (CCID 1.1 §5.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HalfAbort {
    /// The control request with this sequence number.
    Control(u8),
    /// The bulk message with this sequence number.
    Bulk(u8),
}

/// A slot with or without card.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) card: Option<Box<dyn Card>>,
    active: bool,
    clock_stopped: bool,
    /// What the last ATR said.
    pub(super) offer: Offer,
    /// Protocol the card runs.
    pub(super) protocol: Protocol,
    pub(super) parameters: Parameters,
    /// Fi and Di the card works with.
    pub(super) speed: u8,
    /// Those the host has told the reader.
    told_speed: Option<u8>,
    /// Nothing but the ATR has been exchanged: a PPS is possible (ISO 7816-3 §9.1).
    pub(super) fresh: bool,
    pub(super) t0: T0,
    pub(super) t1: T1,
    pub(super) line: Line,
    /// The parts of a chained command.
    pub(super) command_parts: Option<Vec<u8>>,
    /// What is left of a chained answer.
    pub(super) answer_rest: Vec<u8>,
    pub(super) half_abort: Option<HalfAbort>,
    /// The card was put in or taken out since the last NotifySlotChange.
    pub(super) changed: bool,
}

impl Slot {
    pub(super) fn new() -> Self {
        let offer = Offer::parse(&[]);
        Self {
            card: None,
            active: false,
            clock_stopped: false,
            protocol: offer.first,
            parameters: Parameters::initial(&offer),
            speed: 0x11,
            told_speed: None,
            offer,
            fresh: false,
            t0: T0::default(),
            t1: T1::default(),
            line: Line::default(),
            command_parts: None,
            answer_rest: Vec::new(),
            half_abort: None,
            changed: false,
        }
    }

    pub(super) fn icc_status(&self) -> IccStatus {
        match (&self.card, self.active) {
            (None, _) => IccStatus::Absent,
            (Some(_), true) => IccStatus::Active,
            (Some(_), false) => IccStatus::Inactive,
        }
    }

    /// `bClockStatus`: running, or stopped in an unknown state.
    fn clock_status(&self) -> u8 {
        if self.active && !self.clock_stopped { 0 } else { 3 }
    }

    pub(super) fn insert(&mut self, config: &Config, card: Box<dyn Card>) -> Option<Box<dyn Card>> {
        let old = self.remove();
        self.card = Some(card);
        self.changed = true;
        if config.has(feature::AUTO_ACTIVATION) {
            let _activated: Reply = self.activate(config, config.voltage_support, Reset::Cold);
        }
        old
    }

    /// Power was gone for a while.
    pub(super) fn lose_power(&mut self, config: &Config) {
        self.active = false;
        self.forget_exchange();
        if config.has(feature::AUTO_ACTIVATION) {
            let _activated: Reply = self.activate(config, config.voltage_support, Reset::Cold);
        }
    }

    pub(super) fn remove(&mut self) -> Option<Box<dyn Card>> {
        let card = self.card.take();
        self.changed |= card.is_some();
        self.active = false;
        self.forget_exchange();
        card
    }

    /// Drops what belongs to exchanges under way; the card is not touched.
    pub(super) fn forget_exchange(&mut self) {
        self.command_parts = None;
        self.answer_rest.clear();
        self.line.clear();
    }

    /// Whether IccPowerOn would be a warm reset.
    pub(super) fn is_active(&self) -> bool {
        self.active
    }

    /// IccPowerOn (§6.1.1).
    pub(super) fn power_on(&mut self, config: &Config, command: &Command, refused: &[u8]) -> Reply {
        let [select, ..] = command.specific;
        if !command.data.is_empty() {
            return Reply::failed(error::BAD_LENGTH);
        }
        let voltage = match select {
            0 if config.has(feature::AUTO_VOLTAGE) || config.has(feature::AUTO_ACTIVATION) => config.voltage_support,
            1..=3 => config.voltage_support & (1 << (select - 1)),
            _ => 0,
        };
        if voltage == 0 {
            return Reply::failed(error::BAD_BYTE_7);
        }
        let reset = if self.active { Reset::Warm } else { Reset::Cold };
        if refused.contains(&select) {
            self.active = false;
            return Reply::failed(error::ICC_MUTE);
        }
        self.activate(config, voltage, reset)
    }

    fn activate(&mut self, config: &Config, voltage: u8, reset: Reset) -> Reply {
        self.forget_exchange();
        self.t0 = T0::default();
        let Some(card) = &mut self.card else {
            return Reply::failed(error::ICC_MUTE);
        };
        let atr = if card.voltages() & voltage == 0 {
            Vec::new()
        } else {
            card.reset(reset)
        };
        self.active = !atr.is_empty();
        if !self.active {
            return Reply::failed(error::ICC_MUTE);
        }
        let delay = card.delay();
        self.clock_stopped = false;
        self.fresh = true;
        self.offer = Offer::parse(&atr);
        self.t1 = T1::of(&self.offer);
        self.speed = if self.offer.specific { self.offer.ta1 } else { 0x11 };
        self.told_speed = None;
        self.protocol = self.offer.first;
        self.parameters = if config.has(feature::AUTO_PARAMETERS) {
            Parameters::from_offer(&self.offer)
        } else {
            Parameters::initial(&self.offer)
        };
        Reply {
            data: atr,
            delay,
            ..Reply::default()
        }
    }

    /// IccPowerOff (§6.1.2).
    pub(super) fn power_off(&mut self) -> Reply {
        self.active = false;
        self.forget_exchange();
        Reply::specific(self.clock_status())
    }

    /// GetSlotStatus (§6.1.3).
    pub(super) fn status(&self) -> Reply {
        Reply::specific(self.clock_status())
    }

    /// GetParameters (§6.1.5).
    pub(super) fn get_parameters(&self) -> Reply {
        if !self.active {
            return Reply::failed(error::ICC_MUTE);
        }
        Reply {
            specific: self.parameters.protocol.number(),
            data: self.parameters.bytes.clone(),
            ..Reply::default()
        }
    }

    /// ResetParameters (§6.1.6).
    pub(super) fn reset_parameters(&mut self) -> Reply {
        if self.active {
            self.parameters = Parameters::initial(&self.offer);
        }
        self.get_parameters()
    }

    /// SetParameters (§6.1.7). A reader that makes the PPS itself makes it here.
    pub(super) fn set_parameters(&mut self, config: &Config, command: &Command) -> Reply {
        if !self.active {
            return Reply::failed(error::ICC_MUTE);
        }
        let [number, ..] = command.specific;
        let protocol = Protocol::from_number(number).filter(|p| config.protocols & p.bit() != 0);
        let Some(protocol) = protocol else {
            return Reply::failed(error::BAD_BYTE_7);
        };
        if let Err(error) = check_parameters(protocol, &command.data) {
            return Reply::failed(error);
        }
        if config.features & (feature::AUTO_PPS | feature::AUTO_NEGOTIATION) != 0 {
            if self.offer.protocols & protocol.bit() == 0 || (self.offer.specific && protocol != self.offer.first) {
                return Reply::failed(error::PROTOCOL_NOT_SUPPORTED);
            }
            self.protocol = protocol;
            if let Some(&speed) = command.data.first().filter(|speed| self.offer.can_take(**speed)) {
                self.speed = speed;
            }
        }
        self.told_speed = command.data.first().copied();
        self.parameters = Parameters {
            protocol,
            bytes: command.data.clone(),
        };
        self.get_parameters()
    }

    /// IccClock (§6.1.9).
    pub(super) fn clock(&mut self, config: &Config, command: &Command) -> Reply {
        if !config.has(feature::CLOCK_STOP) {
            return Reply::failed(error::NOT_SUPPORTED);
        }
        match command.specific {
            [stop @ 0..=1, ..] => self.clock_stopped = stop == 1,
            _ => return Reply::failed(error::BAD_BYTE_7),
        }
        Reply::specific(self.clock_status())
    }

    /// Mechanical (§6.1.12). Eject and accept are those of a reader with a drawer: the card is gone after eject.
    pub(super) fn mechanical(&mut self, config: &Config, command: &Command) -> Reply {
        let needed = match command.specific {
            [1, ..] => 1,
            [2, ..] => 2,
            [3, ..] => 4,
            [4 | 5, ..] => 8,
            _ => return Reply::failed(error::BAD_BYTE_7),
        };
        if config.mechanical & needed == 0 {
            return Reply::failed(error::NOT_SUPPORTED);
        }
        if needed == 2 {
            let _ejected: Option<Box<dyn Card>> = self.remove();
        }
        self.status()
    }

    /// Whether the reader talks to the card at the card's speed.
    pub(super) fn same_speed(&self) -> bool {
        self.told_speed.is_none_or(|told| told == self.speed)
    }

    /// Block waiting time of T=1 with the parameters now in force (ISO 7816-3 §11.4.3).
    pub(super) fn block_time(&self, config: &Config) -> Duration {
        let bwi = self.parameters.bytes.get(3).map_or(4, |b| b >> 4).min(9);
        let cycles = (1_u64 << bwi) * 960 * 372;
        Duration::from_micros(cycles * 1000 / u64::from(config.default_clock_khz.max(1)))
    }
}

impl Parameters {
    /// What holds after a reset: default speed, everything else from the ATR.
    fn initial(offer: &Offer) -> Self {
        let slow = Offer {
            ta1: 0x11,
            ..offer.clone()
        };
        Self::from_offer(&slow)
    }

    fn from_offer(offer: &Offer) -> Self {
        let inverse = if offer.inverse { 0x02 } else { 0x00 };
        let bytes = match offer.first {
            Protocol::T0 => vec![offer.ta1, inverse, offer.tc1, offer.tc2, 0],
            Protocol::T1 => {
                let edc = 0x10 | u8::from(offer.crc);
                vec![offer.ta1, edc | inverse, offer.tc1, offer.bwi_cwi, 0, offer.ifsc, 0]
            }
        };
        Self {
            protocol: offer.first,
            bytes,
        }
    }
}

/// The offset of the first field that cannot be (CCID 1.1 §6.1.7, ISO 7816-3 tables 7 and 8).
fn check_parameters(protocol: Protocol, data: &[u8]) -> Result<(), u8> {
    let &[speed, edc, _guard, ref rest @ ..] = data else {
        return Err(error::BAD_LENGTH);
    };
    match (protocol, rest) {
        (Protocol::T0, [_, _]) | (Protocol::T1, [_, _, 1..=254, _]) => {}
        (Protocol::T1, [_, _, _, _]) => return Err(0x0F),
        _ => return Err(error::BAD_LENGTH),
    }
    if !matches!(speed >> 4, 0..=6 | 9..=13) || !matches!(speed & 0x0F, 1..=9) {
        return Err(0x0A);
    }
    let good_edc = match protocol {
        Protocol::T0 => edc & !0x02 == 0,
        Protocol::T1 => edc & !0x03 == 0x10,
    };
    if good_edc { Ok(()) } else { Err(0x0B) }
}
