//! `winscard list`: readers, cards, and who uses them.

use std::fmt::Write as _;
use std::io::{self, Write};

use super::failure::{Failure, Outcome};
use super::json::Value;
use super::options::{Arguments, Word};
use super::pcsc::{Context, State};
use super::style::Style;
use super::users::{self, Library, User};
use super::{atr, card_names, hex};
use crate::api::constants as c;
use crate::arbiter::store;
use crate::reader::registry;
use crate::usb::{Backend, Interface, sysfs};

/// All there is to say about one reader.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) state: State,
    interface: Option<Interface>,
    pub(super) users: Vec<User>,
}

pub(super) fn main(arguments: Arguments) -> Outcome {
    let mut as_json = false;
    let mut reader = arguments.reader();
    while let Some(word) = reader.next()? {
        match word {
            Word::Option(name) if name == "--json" => as_json = true,
            word => return Err(reader.unknown(&word)),
        }
    }
    let context = Context::establish().map_err(|error| Failure::pcsc("no context", error))?;
    let seen = look(&context)?;
    let hidden = hidden_readers();
    if as_json {
        let readers: Vec<Value> = seen.iter().map(Seen::json).collect();
        let hidden: Vec<String> = hidden
            .iter()
            .map(|interface| interface.node.display().to_string())
            .collect();
        let object = Value::object([("readers", readers.into()), ("without_permission", hidden.into())]);
        writeln!(io::stdout(), "{}", object.pretty())?;
        return Ok(u8::from(seen.is_empty()));
    }
    let style = Style::stdout();
    let mut text = String::new();
    for (number, seen) in seen.iter().enumerate() {
        text.push_str(&seen.text(number, style));
    }
    for interface in &hidden {
        let _never = writeln!(
            text,
            "{} {}: no permission, so programs do not see it (winscard doctor says how to get it)",
            style.warn("not listed:"),
            interface.node.display()
        );
    }
    io::stdout().write_all(text.as_bytes())?;
    if seen.is_empty() && hidden.is_empty() {
        return Err(Failure::pcsc("no reader", crate::error::Error::NoReadersAvailable));
    }
    Ok(u8::from(seen.is_empty()))
}

/// Looks at every reader once.
pub(super) fn look(context: &Context) -> Result<Vec<Seen>, Failure> {
    let names = context
        .readers()
        .map_err(|error| Failure::pcsc("no list of readers", error))?;
    let mut states: Vec<State> = names.iter().map(|name| State::of(name)).collect();
    if !states.is_empty() {
        // One that was unplugged meanwhile makes the call fail: the others are asked one by one then.
        if context.status_change(0, &mut states).is_err() {
            states.retain_mut(|state| context.status_change(0, std::slice::from_mut(state)).is_ok());
        }
    }
    Ok(states.into_iter().map(Seen::new).collect())
}

/// Readers on the bus that this user may not open.
fn hidden_readers() -> Vec<Interface> {
    if crate::env::var_os("WINSCARD_SIM").is_some() {
        return Vec::new();
    }
    sysfs::enumerate()
        .into_iter()
        .filter(|interface| !store::may_use(&interface.node))
        .collect()
}

impl Seen {
    fn new(state: State) -> Self {
        let snapshot = registry::readers();
        let interface = snapshot
            .find(state.name.as_bytes())
            .map(|reader| (*reader.interface).clone());
        let users = interface
            .as_ref()
            .map(|interface| users::of(&interface.node))
            .unwrap_or_default();
        Self {
            state,
            interface,
            users,
        }
    }

    /// The state of reader and card in a few words.
    pub(super) fn words(&self, style: Style) -> String {
        let state = &self.state;
        if state.has(c::SCARD_STATE_UNAVAILABLE) {
            return style.bad("not available: another program has it, or it does not work");
        }
        if state.has(c::SCARD_STATE_UNKNOWN) {
            return style.bad("gone");
        }
        if !state.has(c::SCARD_STATE_PRESENT) {
            return style.dim("no card");
        }
        let mut words = vec![style.good("card in it")];
        if state.has(c::SCARD_STATE_MUTE) {
            words = vec![style.bad("card in it that does not answer")];
        } else if state.has(c::SCARD_STATE_UNPOWERED) {
            words.push("not powered".into());
        }
        if state.has(c::SCARD_STATE_EXCLUSIVE) {
            words.push(style.warn("used exclusively"));
        } else if state.has(c::SCARD_STATE_INUSE) {
            words.push("in use".into());
        }
        words.join(", ")
    }

    fn text(&self, number: usize, style: Style) -> String {
        let mut text = format!("{} {}\n", style.bold(number), style.name(&self.state.name));
        let mut line = |heading: &str, words: &str| {
            let _never = writeln!(text, "  {} {words}", style.dim(format!("{heading:<15}")));
        };
        line("state", &self.words(style));
        if let Some(interface) = &self.interface {
            line("device", &device(interface));
        }
        if !self.state.atr.is_empty() {
            line("ATR", &style.bold(hex::spaced(&self.state.atr, None)));
            for (heading, words) in atr::explain(&self.state.atr) {
                line(&format!("  {heading}"), &words);
            }
            for name in card_names::of(&self.state.atr) {
                line("  known as", &name);
            }
        }
        for user in &self.users {
            let how = match user.library {
                Library::Ours => "",
                Library::Other => ", which does not share",
                Library::Unknown => "",
            };
            line("used by", &format!("{}{how}", user.describe()));
        }
        text
    }

    pub(super) fn json(&self) -> Value {
        let states = crate::trace::args::state_words(self.state.event & 0xFFFF);
        let states: Vec<&str> = states.split('|').filter(|word| *word != "CHANGED").collect();
        let users: Vec<Value> = self.users.iter().map(user_json).collect();
        let card = (!self.state.atr.is_empty()).then(|| {
            let mut meaning: Vec<(String, Value)> = Vec::new();
            for (heading, words) in atr::explain(&self.state.atr) {
                meaning.push((heading.to_owned(), words.into()));
            }
            Value::object([
                ("atr", hex::plain(&self.state.atr).into()),
                ("meaning", Value::Object(meaning)),
                ("known_as", card_names::of(&self.state.atr).into()),
            ])
        });
        Value::object([
            ("name", self.state.name.clone().into()),
            ("state", states.into()),
            ("events", (self.state.event >> 16).into()),
            ("device", self.interface.as_ref().map(device_json).into()),
            ("card", card.into()),
            ("users", users.into()),
        ])
    }
}

fn user_json(user: &User) -> Value {
    let shares = match user.library {
        Library::Ours => Some(true),
        Library::Other => Some(false),
        Library::Unknown => None,
    };
    Value::object([
        ("pid", user.pid.into()),
        ("name", user.name.clone().into()),
        ("shares", shares.into()),
    ])
}

fn device(interface: &Interface) -> String {
    let release = interface.device_release;
    let place = match &interface.backend {
        Backend::Usbfs => format!("{} (port {})", interface.node.display(), interface.usb_path),
        Backend::Sim => "software reader in this process".into(),
        Backend::Server(socket) => format!("software reader at {}", socket.display()),
    };
    format!(
        "USB {:04x}:{:04x} firmware {:x}.{:02x}, {place}",
        interface.vendor_id,
        interface.product_id,
        release >> 8,
        release & 0xFF
    )
}

fn device_json(interface: &Interface) -> Value {
    Value::object([
        ("vendor", format!("{:04x}", interface.vendor_id).into()),
        ("product", format!("{:04x}", interface.product_id).into()),
        ("release", format!("{:04x}", interface.device_release).into()),
        ("serial", interface.serial.clone().into()),
        ("node", interface.node.display().to_string().into()),
        ("port", interface.usb_path.clone().into()),
        ("software", (interface.backend != Backend::Usbfs).into()),
    ])
}
