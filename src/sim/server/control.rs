//! Commands of the control channel; [`remote`](crate::sim::remote) lists them.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Instant;

use super::Server;
use super::served::{Function, Served};
use crate::sim::counters::{Counters, Direction, Message};
use crate::sim::fault::Injection;
use crate::sim::options::{self, Spec};

/// The lines that answer a command, or why it cannot be carried out.
pub(super) type Answer = Result<String, String>;

/// As it goes to the one who asked: lines, then `ok`, or one line with the reason.
pub(super) fn answer(answer: Answer) -> String {
    match answer {
        Ok(lines) => format!("{lines}ok\n"),
        Err(reason) => format!("error: {}\n", reason.replace('\n', " ")),
    }
}

fn parse<T: std::str::FromStr>(word: Option<&&str>, what: &str) -> Result<T, String> {
    let word = word.ok_or_else(|| format!("{what} is missing"))?;
    word.parse().map_err(|_| format!("\"{word}\" is no {what}"))
}

impl Server {
    /// Carries out a command.
    pub(super) fn command(&mut self, line: &str) -> Answer {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (Some(command), arguments) = (words.first(), words.get(1..).unwrap_or_default()) else {
            return Ok(String::new());
        };
        match *command {
            "readers" => Ok(self.readers()),
            "add" => {
                let first = self.add(arguments.first().copied().unwrap_or_default())?;
                Ok(format!("{first}\n"))
            }
            "plug" => {
                let socket = self.socket.clone();
                let device = self.device(arguments.first())?;
                device.plug(socket.as_deref()).map_err(|error| error.to_string())?;
                Ok(String::new())
            }
            "unplug" => {
                self.device(arguments.first())?.unplug();
                Ok(String::new())
            }
            "after" => {
                let time = arguments.first().and_then(|time| options::time(time));
                let at = time
                    .and_then(|time| Instant::now().checked_add(time))
                    .ok_or("no time")?;
                let rest = arguments.get(1..).unwrap_or_default().join(" ");
                let place = self.planned.partition_point(|(planned, _)| *planned > at);
                self.planned.insert(place, (at, rest));
                Ok(String::new())
            }
            "quit" => {
                self.quit = true;
                Ok(String::new())
            }
            _ => reader_command(
                command,
                self.function(arguments.first())?,
                arguments.get(1..).unwrap_or_default(),
            ),
        }
    }

    /// The device that has the reader of this number.
    fn device(&mut self, word: Option<&&str>) -> Result<&mut Served, String> {
        let mut number: usize = parse(word, "reader number")?;
        for device in &mut self.devices {
            match number.checked_sub(device.len()) {
                Some(rest) => number = rest,
                None => return Ok(device),
            }
        }
        Err("no such reader".into())
    }

    /// The reader of this number, which has to be plugged in.
    fn function(&mut self, word: Option<&&str>) -> Result<&Function, String> {
        let number: usize = parse(word, "reader number")?;
        let mut before = 0;
        for device in &self.devices {
            if number < before + device.len() {
                return device.functions.get(number - before).ok_or_else(|| "unplugged".into());
            }
            before += device.len();
        }
        Err("no such reader".into())
    }

    fn readers(&self) -> String {
        let mut lines = String::new();
        let mut number = 0;
        for device in &self.devices {
            for function in 0..device.len() {
                let line = match device.functions.get(function) {
                    Some(function) => {
                        let i = &function.interface;
                        format!(
                            "{number} plugged {} {:04x}:{:04x}",
                            i.usb_path, i.vendor_id, i.product_id
                        )
                    }
                    None => format!("{number} unplugged"),
                };
                lines += &line;
                lines.push('\n');
                number += 1;
            }
        }
        lines
    }
}

fn reader_command(command: &str, function: &Function, arguments: &[&str]) -> Answer {
    let reader = &function.reader;
    let slot = || arguments.first().map_or(Ok(0), |word| parse(Some(word), "slot"));
    match command {
        "insert" => {
            let name = arguments.get(1).copied().unwrap_or("default");
            let card = Spec::card_named(name).ok_or_else(|| format!("\"{name}\" is no card, or not there"))?;
            drop(reader.insert(slot()?, card));
        }
        "remove" => drop(reader.remove(slot()?)),
        "inject" => {
            let text = arguments.first().copied().unwrap_or_default();
            let injection = Injection::parse(text).ok_or_else(|| format!("\"{text}\" is no misbehaviour"))?;
            reader.inject(injection);
        }
        "clear" => reader.clear_faults(),
        "counters" => return Ok(counters(reader.counters())),
        "log" => {
            return match arguments.first() {
                None => Ok(log(&reader.messages(), String::new())),
                from => {
                    let (first, messages) = reader.messages_from(parse(from, "number")?);
                    Ok(log(&messages, format!("{first}\n")))
                }
            };
        }
        "latency" => {
            let time = arguments
                .first()
                .and_then(|time| options::time(time))
                .ok_or("no time")?;
            let port = Arc::clone(function.port());
            if let Some(mut state) = port.lock() {
                state.device.config.latency = time;
                port.finish(state);
            }
        }
        _ => return Err(format!("\"{command}\" is no command")),
    }
    Ok(String::new())
}

/// One message a line.
fn log(messages: &[Message], before: String) -> String {
    messages.iter().fold(before, |mut lines, message| {
        lines.push(if message.direction == Direction::Out { '>' } else { '<' });
        lines.push(' ');
        for byte in &message.bytes {
            let _infallible = write!(lines, "{byte:02x}");
        }
        lines.push('\n');
        lines
    })
}

/// One counter a line.
fn counters(c: Counters) -> String {
    [
        ("commands", c.commands),
        ("cold_power_ons", c.cold_power_ons),
        ("warm_resets", c.warm_resets),
        ("power_offs", c.power_offs),
        ("get_slot_status", c.get_slot_status),
        ("xfr_blocks", c.xfr_blocks),
        ("set_parameters", c.set_parameters),
        ("get_parameters", c.get_parameters),
        ("escapes", c.escapes),
        ("secures", c.secures),
        ("aborts", c.aborts),
        ("control_aborts", c.control_aborts),
        ("clear_halts", c.clear_halts),
        ("set_interfaces", c.set_interfaces),
        ("bus_resets", c.bus_resets),
        ("interrupts", c.interrupts),
    ]
    .iter()
    .fold(String::new(), |lines, (name, count)| format!("{lines}{name} {count}\n"))
}
