//! Random readers, cards and misbehaviours.

use std::fmt;
use std::time::Duration;

use winscard::sim::config::feature;
use winscard::sim::{Config, Fault, Injection, Level, Times};

use crate::any_card::Says;
use crate::card_bench::kind;
use crate::dice::Dice;

/// A reader with a card for it.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) config: Config,
    pub(crate) card: Says,
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let c = &self.config;
        write!(
            f,
            "{:?} features {:#x} message {} ifsd {} packet {} slots {}/{} interrupt {} abort {} composite {} voltages {} \
             extension {:?}, {:?}",
            c.level,
            c.features,
            c.max_message_len,
            c.max_ifsd,
            c.max_packet_len,
            c.busy_slots,
            c.slots,
            c.interrupt,
            c.abort,
            c.composite,
            c.voltage_support,
            c.time_extension_every,
            self.card
        )
    }
}

impl World {
    pub(crate) fn random(dice: &mut Dice) -> Self {
        let level = dice.pick(&[
            Level::Character,
            Level::Tpdu,
            Level::Tpdu,
            Level::ShortApdu,
            Level::ExtendedApdu,
            Level::ExtendedApdu,
        ]);
        let mut features = feature::AUTO_CLOCK | feature::AUTO_BAUD;
        let optional = [
            feature::AUTO_PARAMETERS,
            feature::AUTO_VOLTAGE,
            feature::AUTO_ACTIVATION,
            feature::AUTO_NEGOTIATION,
            feature::AUTO_PPS,
            feature::AUTO_IFSD,
            0x0800,
        ];
        for bit in optional {
            if dice.chance(40) {
                features |= bit;
            }
        }
        // A short-APDU reader that cannot take the longest short APDU in one message is no such reader.
        let max_message_len = match level {
            Level::ShortApdu => dice.pick(&[271, 272, 1034, 65_556]),
            _ => dice.pick(&[64, 65, 75, 138, 271, 522, 1034, 65_556]),
        };
        let mut max_ifsd = dice.pick(&[0, 1, 16, 32, 100, 254, 255, 1000, u32::MAX]);
        if features & feature::AUTO_IFSD != 0 {
            // What it tells the card itself, it can take.
            max_ifsd = max_ifsd.clamp(16, 254).min(max_message_len - 15);
        }
        let slots = dice.pick(&[1, 1, 1, 2, 4]);
        let config = Config {
            level,
            features,
            max_message_len,
            max_ifsd,
            slots,
            busy_slots: dice.pick(&[0, 1, slots, 255]),
            max_packet_len: dice.pick(&[8, 16, 32, 64, 64, 64, 512]),
            interrupt: dice.chance(75),
            abort: dice.chance(75),
            composite: dice.chance(30),
            class_descriptor_last: dice.chance(10),
            voltage_support: dice.pick(&[1, 2, 3, 7, 7]),
            // Nobody waits long for a card as quick as this.
            default_clock_khz: 40_000,
            max_clock_khz: 40_000,
            max_data_rate_bps: 10_000_000,
            time_extension_every: dice.pick(&[None, Some(Duration::from_millis(20))]),
            ..Config::default()
        };
        Self {
            config,
            card: card(dice),
        }
    }

    /// Whether the host does T=0 and T=1 itself.
    pub(crate) fn is_bare(&self) -> bool {
        matches!(self.config.level, Level::Character | Level::Tpdu)
    }

    /// Most data in one message.
    pub(crate) fn payload(&self) -> usize {
        usize::try_from(self.config.max_message_len).expect("small") - 10
    }
}

fn card(dice: &mut Dice) -> Says {
    let (t0, t1) = dice.pick(&[(true, false), (false, true), (false, true), (true, true)]);
    Says {
        t0,
        t1,
        ta1: dice.pick(&[None, Some(0x11), Some(0x13), Some(0x95)]),
        ifsc: dice.pick(&[1, 5, 16, 32, 100, 128, 254, 255]),
        bwi_cwi: dice.pick(&[0x00, 0x01, 0x02]),
        crc: dice.chance(40),
    }
}

/// Some misbehaviours for the next exchange.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trouble {
    pub(crate) injections: Vec<Injection>,
}

impl Trouble {
    /// Whatever may happen to an exchange.
    pub(crate) fn of_exchange(dice: &mut Dice, world: &World, is_t1: bool) -> Self {
        let mut injections = Vec::new();
        let mut garbled = false;
        for _ in 0..dice.pick(&[0, 0, 1, 1, 1, 2, 3]) {
            let fault = if world.is_bare() && is_t1 && !garbled && dice.chance(20) {
                // Of two changes in one block no LRC is sure to tell.
                garbled = true;
                Fault::Garble(dice.roll(5))
            } else if dice.chance(4) {
                slow(dice)
            } else if dice.chance(30) {
                harmless(dice)
            } else {
                quick(dice)
            };
            let times = match fault {
                Fault::Garble(_) | Fault::Interrupt(_) => 1,
                _ => dice.pick(&[1, 1, 1, 2, 4]),
            };
            injections.push(Injection::on(kind::XFR_BLOCK, fault).times(times));
        }
        Self { injections }
    }

    /// What may happen to any command while a card is connected to, without hours of waiting.
    pub(crate) fn of_connecting(dice: &mut Dice) -> Self {
        let injections = (0..dice.between(1, 4))
            .map(|_| Injection {
                fault: match if dice.chance(30) { harmless(dice) } else { quick(dice) } {
                    // What is said there lasts longer than the trouble.
                    Fault::Interrupt(_) => Fault::StallIn,
                    fault => fault,
                },
                on: None,
                times: Times::Count(1),
            })
            .collect();
        Self { injections }
    }

    /// Whether nobody may notice any of it.
    pub(crate) fn is_harmless(&self) -> bool {
        self.injections.iter().all(|injection| is_harmless(&injection.fault))
    }

    /// How long some of it may last.
    pub(crate) fn lasts(&self) -> Duration {
        let delays = self.injections.iter().filter_map(|injection| match injection.fault {
            Fault::Delay(delay) => Some(delay),
            _ => None,
        });
        delays.max().unwrap_or_default()
    }

    /// Whether some of it may be met by the next exchange only: what follows a whole answer is not waited for.
    pub(crate) fn may_show_late(&self) -> bool {
        self.injections.iter().any(|injection| injection.fault == Fault::Babble)
    }

    /// Reports on the interrupt endpoint that may still be on their way when the trouble is over.
    pub(crate) fn has_reports(&self) -> bool {
        self.injections
            .iter()
            .any(|injection| matches!(injection.fault, Fault::Interrupt(_)))
    }

    pub(crate) fn takes_the_card(&self) -> bool {
        self.injections
            .iter()
            .any(|injection| injection.fault == Fault::CardPulled)
    }

    pub(crate) fn takes_the_reader(&self) -> bool {
        self.injections
            .iter()
            .any(|injection| injection.fault == Fault::Unplugged)
    }
}

fn is_harmless(fault: &Fault) -> bool {
    matches!(
        fault,
        Fault::TimeExtension { .. } | Fault::MissingZlp | Fault::ZlpBefore | Fault::ZlpAfter | Fault::StaleAnswer
    )
}

/// What a host has to put up with.
fn harmless(dice: &mut Dice) -> Fault {
    match dice.roll(6) {
        0 => Fault::MissingZlp,
        1 => Fault::ZlpBefore,
        2 => Fault::ZlpAfter,
        3 => Fault::StaleAnswer,
        _ => Fault::TimeExtension {
            count: u8::try_from(dice.between(1, 3)).expect("small"),
            multiplier: dice.pick(&[0, 1, 2, 0xFF]),
            every: Duration::from_millis(2),
        },
    }
}

/// What is found out at once. Not among it: an announced length that is less than what comes. Up to the end of a packet it
/// is believed, for nobody waits for what may follow a whole message.
fn quick(dice: &mut Dice) -> Fault {
    let errors = [
        0xFD, 0xFE, 0xFC, 0xFB, 0xF4, 0xE0, 0xC0, 0x81, 0x00, 0x01, 0x08, 0xFF, 0xEF, 0xF0,
    ];
    match dice.roll(11) {
        0 | 1 => Fault::Fail(dice.pick(&errors[..12])),
        2 | 3 => Fault::FailAfter(dice.pick(&errors[..12])),
        4 => Fault::StallIn,
        5 => Fault::StallOut,
        6 => Fault::Babble,
        7 => Fault::WrongType(dice.byte()),
        8 => Fault::WrongType(0x82),
        9 if dice.chance(30) => Fault::CardPulled,
        9 if dice.chance(5) => Fault::Unplugged,
        _ => Fault::Interrupt({
            let len = dice.between(1, 6);
            dice.bytes(len)
        }),
    }
}

/// What is found out by waiting.
fn slow(dice: &mut Dice) -> Fault {
    match dice.roll(9) {
        8 => Fault::WrongLength(dice.pick(&[1, 70, i32::MAX])),
        0 => Fault::Silence,
        1 => Fault::Lost,
        2 => Fault::WrongSequence,
        3 => Fault::WrongSlot,
        4 => Fault::OtherSlot(dice.byte() | 0x10),
        5 => Fault::SplitAnswer(dice.between(1, 12)),
        6 => Fault::CutAnswer(dice.between(1, 12)),
        _ => Fault::Delay(Duration::from_millis(dice.pick(&[5, 300, 1300, 3300]))),
    }
}
