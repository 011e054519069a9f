//! A trace for people: one line for a call, more where something happens inside it.

use std::collections::HashMap;
use std::fmt::Write;

use super::event::{Event, bytes, spaced};
use crate::cli::json::Value;
use crate::cli::style::Style;
use crate::cli::words;

/// Looks without news after which a call under way is shown before it returns.
const PATIENCE: u32 = 5;
/// Bytes of a response on one line.
const LINE_LEN: usize = 32;

/// Parts of a call's time that are shorter are not shown.
const NOTEWORTHY_US: u64 = 20;

/// A thread of a process.
type Thread = (u64, u64);

/// What is known of a thread's calls.
#[derive(Debug, Default)]
struct State {
    /// A call whose beginning has not been shown.
    pending: Option<Event>,
    /// Transactions it is in, by card.
    transactions: Vec<String>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Text {
    style: Style,
    usb: bool,
    start: Option<u64>,
    names: HashMap<u64, String>,
    threads: HashMap<Thread, State>,
    /// The thread of the last line.
    current: Option<Thread>,
    looks: u32,
}

impl Text {
    pub(super) fn new(style: Style, usb: bool) -> Self {
        Self {
            style,
            usb,
            start: None,
            names: HashMap::new(),
            threads: HashMap::new(),
            current: None,
            looks: 0,
        }
    }

    /// The lines that an event adds.
    pub(super) fn event(&mut self, event: &Event) -> String {
        self.start.get_or_insert(event.at);
        self.looks = 0;
        let thread = (event.pid, event.tid);
        let mut out = String::new();
        match event.kind.as_str() {
            "process" => {
                self.names.insert(event.pid, event.text("name").to_owned());
            }
            "call" => {
                self.flush(&mut out, thread);
                self.threads.entry(thread).or_default().pending = Some(event.clone());
            }
            "return" => self.returned(&mut out, thread, event),
            "wait" if event.number("us") >= 1000 => {
                self.flush(&mut out, thread);
                let text = format!(
                    "  waited for {}: {}",
                    event.text("for"),
                    milliseconds(event.number("us"))
                );
                self.line(&mut out, thread, event.at, 1, &self.style.warn(text));
            }
            "usb" if self.usb => {
                self.flush(&mut out, thread);
                let text = transfer(event, self.style);
                self.line(&mut out, thread, event.at, 1, &text);
            }
            "device" if self.usb => {
                self.flush(&mut out, thread);
                let text = format!(
                    "  device {:04x}:{:04x} {} on bus {}, address {}",
                    event.number("vendor"),
                    event.number("product"),
                    event.text("name"),
                    event.number("bus"),
                    event.number("address"),
                );
                self.line(&mut out, thread, event.at, 1, &text);
            }
            _ => {}
        }
        out
    }

    /// Nothing has come for one more look: calls that take long are shown now.
    pub(super) fn idle(&mut self) -> String {
        self.looks += 1;
        if self.looks == PATIENCE {
            self.finish()
        } else {
            String::new()
        }
    }

    /// Shows the calls that have not returned.
    pub(super) fn finish(&mut self) -> String {
        let mut out = String::new();
        let mut waiting: Vec<Thread> = self
            .threads
            .iter()
            .filter(|(_, state)| state.pending.is_some())
            .map(|(thread, _)| *thread)
            .collect();
        waiting.sort_unstable();
        for thread in waiting {
            self.flush(&mut out, thread);
        }
        out
    }

    /// Shows the beginning of a thread's call.
    fn flush(&mut self, out: &mut String, thread: Thread) {
        let Some(call) = self.threads.get_mut(&thread).and_then(|state| state.pending.take()) else {
            return;
        };
        let text = format!("{}({})", self.style.bold(call.text("name")), arguments(&call));
        self.line(out, thread, call.at, 0, &text);
        self.command(out, &call);
    }

    fn command(&mut self, out: &mut String, call: &Event) {
        let argument = call.object("arguments").iter().find(|(name, _)| *name == "command");
        if let Some(command) = argument.and_then(|(_, value)| value.as_text()).map(bytes) {
            let name = match command[..] {
                [Some(class), Some(instruction), ..] => words::command(class, instruction).unwrap_or_default(),
                _ => "",
            };
            let text = format!(
                "  {} {}  {}",
                self.style.name(">"),
                spaced(&command),
                self.style.dim(name)
            );
            self.line(out, (call.pid, call.tid), call.at, 0, &text);
        }
    }

    fn returned(&mut self, out: &mut String, thread: Thread, event: &Event) {
        let name = event.text("name").to_owned();
        let result = self.result(event);
        let time = times(event, self.style);
        let pending = self.threads.entry(thread).or_default().pending.take();
        if name == "SCardEndTransaction" {
            self.threads.entry(thread).or_default().transactions.pop();
        }
        match pending.filter(|call| call.number("id") == event.number("id")) {
            // Nothing happened in between: one line, and one more for each direction of an exchange.
            Some(call) => {
                let text = format!(
                    "{}({}){}",
                    self.style.bold(&name),
                    arguments(&call),
                    if name == "SCardTransmit" {
                        String::new()
                    } else {
                        format!(" {result}  {time}")
                    }
                );
                self.line(out, thread, call.at, 0, &text);
                self.command(out, &call);
                if name == "SCardTransmit" {
                    self.response(out, thread, event);
                    self.line(out, thread, event.at, 0, &format!("  {result}  {time}"));
                }
            }
            None => {
                self.response(out, thread, event);
                self.line(out, thread, event.at, 0, &format!("  {result}  {time}"));
            }
        }
        for reader in event
            .object("results")
            .iter()
            .filter(|(name, _)| *name == "readers")
            .flat_map(|(_, value)| value.items())
        {
            let word = |name: &str| reader.get(name).and_then(Value::as_text).unwrap_or("");
            let text = format!("    {}: {} {}", word("name"), word("event"), word("atr"));
            self.line(out, thread, event.at, 0, text.trim_end());
        }
        if name == "SCardBeginTransaction" && is_success(event) {
            self.threads.entry(thread).or_default().transactions.push(String::new());
        }
    }

    /// The response of an exchange, the status word in words.
    fn response(&mut self, out: &mut String, thread: Thread, event: &Event) {
        let found = event.object("results").iter().find(|(name, _)| *name == "response");
        let Some(response) = found.and_then(|(_, value)| value.as_text()).map(bytes) else {
            return;
        };
        let (data, word) = response.split_at(response.len().saturating_sub(2));
        for chunk in data.chunks(LINE_LEN) {
            let text = format!("  {} {}", self.style.name("<"), spaced(chunk));
            self.line(out, thread, event.at, 0, &text);
        }
        if let &[Some(sw1), Some(sw2)] = word {
            let good = words::is_success(sw1, sw2);
            let shown = spaced(word);
            let shown = if good {
                self.style.good(shown)
            } else {
                self.style.bad(shown)
            };
            let text = format!("  {} {shown}  {}", self.style.name("<"), words::status(sw1, sw2));
            self.line(out, thread, event.at, 0, &text);
        }
    }

    fn result(&self, event: &Event) -> String {
        let mut text = if is_success(event) {
            self.style.good("= ok")
        } else {
            self.style.bad(format!("= {}", event.text("result")))
        };
        for (name, value) in event.object("results") {
            if !matches!(name.as_str(), "response" | "readers") {
                let _never = write!(text, " {name} {}", shown(value));
            }
        }
        text
    }

    /// One line, with a heading where the thread changes.
    fn line(&mut self, out: &mut String, thread: Thread, at: u64, depth: usize, text: &str) {
        if self.current != Some(thread) {
            self.current = Some(thread);
            let (pid, tid) = thread;
            let name = self.names.get(&pid).map_or("?", String::as_str);
            let of_thread = if pid == tid {
                String::new()
            } else {
                format!(", thread {tid}")
            };
            let _never = writeln!(
                out,
                "{}",
                self.style.bold(format!("-- {name}, process {pid}{of_thread}"))
            );
        }
        let inside = self.threads.get(&thread).map_or(0, |state| state.transactions.len());
        let time = at.saturating_sub(self.start.unwrap_or(at));
        let stamp = format!("{:>10}.{:03}", time / 1000, time % 1000);
        let _never = writeln!(out, "{} {}{text}", self.style.dim(stamp), "  ".repeat(inside + depth));
    }
}

fn is_success(event: &Event) -> bool {
    event.text("result") == "SCARD_S_SUCCESS"
}

/// The arguments as they stand between the brackets; a command has its own line.
fn arguments(call: &Event) -> String {
    let words: Vec<String> = call
        .object("arguments")
        .iter()
        .filter(|(name, value)| *name != "command" && *name != "room" && value.as_text() != Some(""))
        .map(|(name, value)| format!("{name} {}", shown(value)))
        .collect();
    words.join(", ")
}

fn shown(value: &Value) -> String {
    match value {
        Value::Text(text) if text.contains(' ') => format!("\"{text}\""),
        Value::Text(text) => text.clone(),
        Value::List(list) => {
            let words: Vec<String> = list.iter().map(shown).collect();
            format!("[{}]", words.join(", "))
        }
        Value::Object(fields) => {
            let words: Vec<String> = fields.iter().map(|(_, value)| shown(value)).collect();
            words.join(" ")
        }
        Value::Number(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Bool(value) => value.to_string(),
        Value::Null => "none".into(),
    }
}

fn milliseconds(micros: u64) -> String {
    format!("{}.{:03} ms", micros / 1000, micros % 1000)
}

/// How long a call took, and with what.
fn times(event: &Event, style: Style) -> String {
    let parts: Vec<String> = [("card", "card_us"), ("usb", "usb_us"), ("waiting", "wait_us")]
        .into_iter()
        .filter(|(_, field)| event.number(field) >= NOTEWORTHY_US)
        .map(|(name, field)| format!("{name} {}", milliseconds(event.number(field)).trim_end_matches(" ms")))
        .collect();
    let whole = milliseconds(event.number("us"));
    style.dim(if parts.is_empty() {
        whole
    } else {
        format!("{whole} ({})", parts.join(", "))
    })
}

/// A message to or from the reader, or a request.
fn transfer(event: &Event, style: Style) -> String {
    let data = event.bytes("data");
    let kind = event.text("kind");
    let mark = match kind {
        "out" | "control-out" => ">>",
        "in" | "control-in" | "interrupt" => "<<",
        _ => "--",
    };
    let name = match (kind, data.first()) {
        ("out" | "in" | "interrupt", Some(Some(first))) => words::message(*first).unwrap_or("continuation").to_owned(),
        ("control-out" | "control-in", _) => format!(
            "control {:02X} {:02X} {:04X} {:04X}",
            event.number("request_type"),
            event.number("request"),
            event.number("value"),
            event.number("index"),
        ),
        _ => kind.to_owned(),
    };
    let error = event.text("error");
    let trouble = if error.is_empty() {
        String::new()
    } else {
        format!("  {}", style.bad(error))
    };
    let time = style.dim(milliseconds(event.number("us")));
    let shown = spaced(data.get(..64).unwrap_or(&data));
    let more = if data.len() > 64 {
        format!(" ... {} bytes", data.len())
    } else {
        String::new()
    };
    format!("{} {name} {shown}{more}{trouble}  {time}", style.name(mark))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn shown(lines: &[&str], usb: bool) -> String {
        let mut text = Text::new(Style::plain(), usb);
        let mut out: String = lines
            .iter()
            .map(|line| text.event(&Event::parse(line).unwrap()))
            .collect();
        out.push_str(&text.finish());
        out
    }

    const PROCESS: &str = r#"{"t":1000,"pid":7,"tid":7,"event":"process","name":"tool"}"#;
    const CALL: &str = r#"{"t":2000,"pid":7,"tid":7,"event":"call","id":1,"name":"SCardTransmit","arguments":{"card":"0x1","protocol":"T=1","command":"0020000104********"}}"#;
    const OUT: &str = r#"{"t":2100,"pid":7,"tid":7,"event":"usb","kind":"out","us":50,"data":"6F09"}"#;
    const RETURN: &str = r#"{"t":5000,"pid":7,"tid":7,"event":"return","id":1,"name":"SCardTransmit","result":"SCARD_S_SUCCESS","us":3000,"card_us":2500,"usb_us":50,"wait_us":0,"results":{"response":"63C2"}}"#;

    #[test]
    fn an_exchange_is_told_in_words() {
        assert_eq!(
            shown(&[PROCESS, CALL, OUT, RETURN], false),
            "\
-- tool, process 7
         1.000 SCardTransmit(card 0x1, protocol T=1)
         1.000   > 00 20 00 01 04 ** ** ** **  VERIFY
         4.000   < 63 C2  not verified, 2 tries are left
         4.000   = ok  3.000 ms (card 2.500, usb 0.050)
"
        );
    }

    #[test]
    fn messages_are_nested_if_wanted() {
        let text = shown(&[PROCESS, CALL, OUT, RETURN], true);
        assert!(
            text.contains("         1.100   >> XfrBlock 6F 09  0.050 ms\n"),
            "{text}"
        );
    }

    #[test]
    fn a_call_that_does_not_return_is_told() {
        let text = shown(&[PROCESS, CALL], false);
        assert!(text.contains("VERIFY") && !text.contains("= ok"), "{text}");
    }
}
