//! The value of `WINSCARD_SIM`.

use std::time::Duration;

use super::builtin::BuiltinCard;
use super::bus::Reader;
use super::card::{Card, Protocols};
use super::config::{Config, Level, PinEntry, feature};
use super::fault::Injection;
use super::vicc::Vicc;

/// Which card the built-in readers have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CardChoice {
    None,
    Mute,
    Speaking(Protocols),
    /// The virtual card that listens on this port.
    Vicc(u16),
}

/// What is to be plugged in.
#[derive(Clone, Debug)]
pub(super) struct Spec {
    pub(super) readers: u8,
    pub(super) config: Config,
    interfaces: u8,
    faults: Vec<Injection>,
    card: CardChoice,
    insert_after: Option<Duration>,
    remove_after: Option<Duration>,
    unplug_after: Option<Duration>,
}

impl CardChoice {
    fn make(self) -> Option<Box<dyn Card>> {
        match self {
            Self::None => None,
            Self::Mute => Some(Box::new(BuiltinCard::mute())),
            Self::Speaking(protocols) => Some(Box::new(BuiltinCard::new(protocols))),
            Self::Vicc(port) => match Vicc::connect(port) {
                Ok(card) => Some(Box::new(card)),
                Err(error) => {
                    log::warn!("no virtual card listens on port {port}: {error}");
                    None
                }
            },
        }
    }
}

impl Default for Spec {
    fn default() -> Self {
        Self {
            readers: 1,
            config: Config::default(),
            interfaces: 1,
            faults: Vec::new(),
            card: CardChoice::Speaking(Protocols::Both),
            insert_after: None,
            remove_after: None,
            unplug_after: None,
        }
    }
}

impl Spec {
    /// Understands what it can and warns about the rest; `None` if no reader is asked for.
    pub(super) fn parse(value: &str) -> Option<Self> {
        let (form, words) = value.split_once(':').unwrap_or((value, ""));
        if matches!(form, "" | "0" | "no" | "off") {
            return None;
        }
        if form != "builtin" {
            log::warn!("WINSCARD_SIM={value}: only \"builtin\" is understood; no software reader");
            return None;
        }
        let mut spec = Self::default();
        for word in words.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            let (name, value) = word.split_once('=').unwrap_or((word, ""));
            if spec.word(name, value).is_none() {
                log::warn!("WINSCARD_SIM: \"{word}\" is not understood and left out");
            }
        }
        Some(spec)
    }

    /// The same words as after `builtin:`, all of which have to be understood.
    ///
    /// # Errors
    /// Says which is not.
    pub(super) fn strict(words: &str) -> Result<Self, String> {
        let mut spec = Self::default();
        for word in words.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            let (name, value) = word.split_once('=').unwrap_or((word, ""));
            spec.word(name, value)
                .ok_or_else(|| format!("\"{word}\" is not understood"))?;
        }
        Ok(spec)
    }

    /// The card of this name.
    pub(super) fn card_named(name: &str) -> Option<Box<dyn Card>> {
        card(name)?.make()
    }

    /// Takes one option in; `None` if its name or value means nothing.
    fn word(&mut self, name: &str, value: &str) -> Option<()> {
        let config = &mut self.config;
        match name {
            "readers" => self.readers = number(value, 1, 16)?,
            "slots" => {
                config.slots = number(value, 1, 16)?;
                config.busy_slots = config.busy_slots.min(config.slots);
            }
            "busy" => config.busy_slots = number(value, 1, 16)?,
            "level" => config.level = level(value)?,
            "card" => self.card = card(value)?,
            "insert-after" => self.insert_after = Some(time(value)?),
            "remove-after" => self.remove_after = Some(time(value)?),
            "unplug-after" => self.unplug_after = Some(time(value)?),
            "iccd" => iccd(config, value)?,
            "interfaces" => self.interfaces = number(value, 1, 8)?,
            "composite" => config.composite = yes(value)?,
            "one-user" => config.one_user = yes(value)?,
            "class" => config.class = number(value, 0, 0xFF)?,
            "release" => config.device_release = number(value, 0, 0xFFFF)?,
            "ifsd" => config.max_ifsd = number(value, 0, u64::from(u32::MAX))?,
            "clock" => config.default_clock_khz = number(value, 0, u64::from(u32::MAX))?,
            "abort" => config.abort = yes(value)?,
            "time-extension" => {
                config.time_extension_every = if value == "no" { None } else { Some(time(value)?) };
            }
            "fault" => self.faults.push(Injection::parse(value)?),
            "interrupt" => config.interrupt = yes(value)?,
            "packet" => config.max_packet_len = number(value, 8, 512)?,
            "max-message" => config.max_message_len = number(value, 11, 1 << 20)?,
            "protocols" => config.protocols = number(value, 1, 3)?,
            "voltages" => config.voltage_support = number(value, 1, 7)?,
            "features" => {
                config.features = number::<u32>(value, 0, u64::from(u32::MAX))? & !0x0007_0000;
            }
            "vid" => config.vendor_id = number(value, 0, 0xFFFF)?,
            "pid" => config.product_id = number(value, 0, 0xFFFF)?,
            "latency" => config.latency = time(value)?,
            "pin" if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) => {
                config.pin_support = 1;
                config.pin_entry = PinEntry::Digits(value.into());
            }
            _ => return None,
        }
        Some(())
    }

    /// The interfaces of one device.
    pub(super) fn device(&self) -> Vec<Config> {
        let numbered = |number| Config {
            interface_number: number,
            ..self.config.clone()
        };
        (0..self.interfaces).map(numbered).collect()
    }

    /// Gives a reader just plugged in its card and its future.
    pub(super) fn equip(&self, reader: &Reader) {
        match (self.card.make(), self.insert_after) {
            (Some(card), None) => drop(reader.insert(0, card)),
            (Some(card), Some(after)) => reader.insert_after(after, 0, card),
            // "card=none,insert-after=…" can only mean the ordinary card.
            (None, Some(after)) => reader.insert_after(after, 0, BuiltinCard::default()),
            (None, None) => {}
        }
        for fault in &self.faults {
            reader.inject(fault.clone());
        }
        if let Some(after) = self.remove_after {
            reader.remove_after(after, 0);
        }
        if let Some(after) = self.unplug_after {
            reader.unplug_after(after);
        }
    }
}

/// A decimal or 0x… number within limits.
pub(super) fn number<T: TryFrom<u64>>(text: &str, least: u64, most: u64) -> Option<T> {
    let value = match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok()?,
        None => text.parse().ok()?,
    };
    if (least..=most).contains(&value) {
        T::try_from(value).ok()
    } else {
        None
    }
}

/// `500ms`, `2s`, or a number of milliseconds; at most a day.
pub(super) fn time(text: &str) -> Option<Duration> {
    const DAY_MS: u64 = 86_400_000;
    let (digits, unit) = match text.strip_suffix("ms") {
        Some(digits) => (digits, 1),
        None => text.strip_suffix('s').map_or((text, 1), |digits| (digits, 1000)),
    };
    number::<u64>(digits, 0, DAY_MS / unit).map(|count| Duration::from_millis(count * unit))
}

fn yes(text: &str) -> Option<bool> {
    match text {
        "yes" | "1" | "on" => Some(true),
        "no" | "0" | "off" => Some(false),
        _ => None,
    }
}

/// A token without bulk endpoints, as those in the field describe themselves.
fn iccd(config: &mut Config, version: &str) -> Option<()> {
    (config.protocol, config.level, config.protocols) = match version {
        "a" => (1, Level::Character, 1),
        "b" => (2, Level::ShortApdu, 2),
        _ => return None,
    };
    config.control_only = true;
    config.interrupt = false;
    config.voltage_support = 1;
    config.features = feature::AUTO_NEGOTIATION | 0x0800;
    Some(())
}

fn level(text: &str) -> Option<Level> {
    match text {
        "character" => Some(Level::Character),
        "tpdu" => Some(Level::Tpdu),
        "short" => Some(Level::ShortApdu),
        "extended" => Some(Level::ExtendedApdu),
        _ => None,
    }
}

fn card(text: &str) -> Option<CardChoice> {
    match text {
        "default" => Some(CardChoice::Speaking(Protocols::Both)),
        "t0" => Some(CardChoice::Speaking(Protocols::T0)),
        "t1" => Some(CardChoice::Speaking(Protocols::T1)),
        "mute" => Some(CardChoice::Mute),
        "none" => Some(CardChoice::None),
        _ => number(text.strip_prefix("vicc/")?, 1, 65_535).map(CardChoice::Vicc),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_understood() {
        let spec = Spec::parse(
            "builtin:readers=2,slots=3,busy=2,level=tpdu,card=t1,insert-after=500ms,remove-after=2s,unplug-after=7,\
             interrupt=no,packet=16,max-message=1034,protocols=1,voltages=0x2,features=0x4ba,vid=0x08e6,pid=0x3437,\
             pin=1234,latency=3ms,interfaces=2,composite=yes,class=0xff,release=0x200,ifsd=32,clock=3580,abort=no,\
             time-extension=no,fault=lost@xfr*2,fault=fail/0xFE@power-on",
        )
        .unwrap();
        let c = &spec.config;
        assert_eq!((spec.readers, c.slots, c.busy_slots, c.level), (2, 3, 2, Level::Tpdu));
        assert_eq!(spec.card, CardChoice::Speaking(Protocols::T1));
        assert_eq!(
            (spec.interfaces, c.composite, c.class, c.device_release),
            (2, true, 0xFF, 0x0200)
        );
        assert_eq!((c.max_ifsd, c.default_clock_khz, c.abort), (32, 3580, false));
        assert_eq!((c.time_extension_every, spec.faults.len()), (None, 2));
        let numbers: Vec<u8> = spec.device().iter().map(|c| c.interface_number).collect();
        assert_eq!(numbers, [0, 1]);
        assert_eq!(spec.insert_after, Some(Duration::from_millis(500)));
        assert_eq!(spec.remove_after, Some(Duration::from_secs(2)));
        assert_eq!(spec.unplug_after, Some(Duration::from_millis(7)));
        assert_eq!((c.interrupt, c.max_packet_len, c.max_message_len), (false, 16, 1034));
        assert_eq!((c.protocols, c.voltage_support, c.features), (1, 2, 0x4BA));
        assert_eq!((c.vendor_id, c.product_id, c.pin_support), (0x08E6, 0x3437, 1));
        assert_eq!(
            (&c.pin_entry, c.latency),
            (&PinEntry::Digits("1234".into()), Duration::from_millis(3))
        );
    }

    #[test]
    fn a_virtual_card_is_named_by_its_port() {
        assert_eq!(
            Spec::parse("builtin:card=vicc/35963").unwrap().card,
            CardChoice::Vicc(35963)
        );
        for refused in ["vicc", "vicc/", "vicc/0", "vicc/65536", "vicc/x"] {
            assert_eq!(card(refused), None, "{refused}");
        }
    }

    #[test]
    fn tokens_of_both_versions_can_be_had() {
        for (version, protocol, level) in [("a", 1, Level::Character), ("b", 2, Level::ShortApdu)] {
            let spec = Spec::parse(&format!("builtin:iccd={version}")).unwrap();
            let c = &spec.config;
            assert!(c.control_only && !c.interrupt);
            assert_eq!((c.protocol, c.level, c.protocols), (protocol, level, protocol.into()));
        }
        assert!(!Spec::parse("builtin:iccd=c").unwrap().config.control_only);
    }

    #[test]
    fn what_means_nothing_is_left_out_and_the_rest_holds() {
        let spec =
            Spec::parse("builtin:slots=0,slots=17,level=fast,,=,card,readers=-1,packet=1e3,insert-after=9d,slots=2")
                .unwrap();
        assert_eq!(
            (spec.readers, spec.config.slots, spec.config.level),
            (1, 2, Level::ExtendedApdu)
        );
        assert_eq!(spec.insert_after, None);
    }

    #[test]
    fn other_forms_ask_for_no_reader() {
        for value in ["", "0", "off", "builtins", "/run/sim.sock", ":slots=2"] {
            assert!(Spec::parse(value).is_none(), "{value}");
        }
    }
}
