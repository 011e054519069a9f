//! `winscard watch`: readers and cards as they come and go.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::failure::{Failure, Outcome};
use super::json::Value;
use super::list::{self, Seen};
use super::options::{Arguments, Word};
use super::pcsc::{Context, State};
use super::style::Style;
use super::{atr, hex, signals, wall};
use crate::api::constants as c;
use crate::error::Error;

/// The pseudo reader whose state is the list of readers.
const LIST: &str = r"\\?PnP?\Notification";
/// Events kept under the readers.
const KEPT: usize = 100;

/// How what happens is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// A screen that shows the readers now and the last events.
    Screen,
    /// A line for each event.
    Lines,
    /// A JSON object for each event, on a line.
    Json,
}

pub(super) fn main(arguments: Arguments) -> Outcome {
    let mut form = if io::stdout().is_terminal() {
        Form::Screen
    } else {
        Form::Lines
    };
    let mut reader = arguments.reader();
    while let Some(word) = reader.next()? {
        match word {
            Word::Option(name) if name == "--json" => form = Form::Json,
            Word::Option(name) if name == "--lines" => form = Form::Lines,
            word => return Err(reader.unknown(&word)),
        }
    }
    let context = Context::establish().map_err(|error| Failure::pcsc("no context", error))?;
    let ended = Arc::new(AtomicBool::new(false));
    let (canceller, flag) = (context.canceller(), Arc::clone(&ended));
    let wanted = [&signals::ENDING[..], &signals::REDRAWING].concat();
    let _mask = signals::take(&wanted, move |signal| {
        if signals::ENDING.contains(&signal) {
            flag.store(true, Ordering::Release);
            // A wait that begins just now is not cancelled by what came before it.
            loop {
                canceller.cancel();
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        canceller.cancel();
    })?;
    Watch::new(form).run(&context, &ended)
}

struct Watch {
    form: Form,
    style: Style,
    before: Vec<State>,
    events: VecDeque<String>,
    screen: Option<Screen>,
}

impl Watch {
    fn new(form: Form) -> Self {
        Self {
            form,
            style: Style::stdout(),
            before: Vec::new(),
            events: VecDeque::new(),
            screen: None,
        }
    }

    fn run(mut self, context: &Context, ended: &AtomicBool) -> Outcome {
        if self.form == Form::Screen {
            self.screen = Some(Screen::open()?);
        }
        let mut first = true;
        while !ended.load(Ordering::Acquire) {
            let seen = list::look(context)?;
            for event in changes(&self.before, &seen, first) {
                self.tell(&event)?;
            }
            if let Some(screen) = &mut self.screen {
                screen.draw(&frame(&seen, &self.events, self.style))?;
            }
            self.before = seen.iter().map(|seen| seen.state.clone()).collect();
            first = false;
            wait(context, &self.before, ended)?;
        }
        Ok(0)
    }

    fn tell(&mut self, event: &Event) -> io::Result<()> {
        match self.form {
            Form::Json => writeln!(io::stdout(), "{}", event.json()),
            Form::Lines => writeln!(io::stdout(), "{}", event.line(self.style)),
            Form::Screen => {
                self.events.push_back(event.line(self.style));
                while self.events.len() > KEPT {
                    self.events.pop_front();
                }
                Ok(())
            }
        }
    }
}

/// Sleeps until something differs from `known`.
fn wait(context: &Context, known: &[State], ended: &AtomicBool) -> Result<(), Failure> {
    let mut states: Vec<State> = known
        .iter()
        .map(|state| State {
            known: state.event,
            ..state.clone()
        })
        .collect();
    states.push(State {
        known: count(known.len()),
        ..State::of(LIST)
    });
    if ended.load(Ordering::Acquire) {
        return Ok(());
    }
    match context.status_change(c::INFINITE, &mut states) {
        // An unknown reader has just left.
        Ok(_) | Err(Error::Cancelled | Error::UnknownReader) => Ok(()),
        Err(error) => Err(Failure::pcsc("waiting for readers", error)),
    }
}

/// The state of the list of readers that knows of this many.
fn count(readers: usize) -> crate::api::types::DWORD {
    crate::ffi::length(readers) << 16
}

/// Something that happened.
#[derive(Debug)]
struct Event {
    time: SystemTime,
    reader: String,
    what: &'static str,
    atr: Vec<u8>,
}

/// What is new in `seen`.
fn changes(before: &[State], seen: &[Seen], first: bool) -> Vec<Event> {
    let mut events = Vec::new();
    let mut push = |reader: &str, what, atr: &[u8]| {
        events.push(Event {
            time: SystemTime::now(),
            reader: reader.to_owned(),
            what,
            atr: atr.to_vec(),
        });
    };
    for state in before
        .iter()
        .filter(|old| seen.iter().all(|new| new.state.name != old.name))
    {
        push(&state.name, "reader unplugged", &[]);
    }
    for new in seen.iter().map(|seen| &seen.state) {
        let old = before.iter().find(|old| old.name == new.name);
        if old.is_none() {
            push(&new.name, if first { "reader there" } else { "reader plugged in" }, &[]);
        }
        let had = |bit| old.is_some_and(|old| old.has(bit));
        // The upper half counts insertions and removals: a card may have been swapped since the last look.
        let swapped = old.is_some_and(|old| old.event >> 16 != new.event >> 16) && had(c::SCARD_STATE_PRESENT);
        match (had(c::SCARD_STATE_PRESENT), new.has(c::SCARD_STATE_PRESENT)) {
            (false, true) => push(&new.name, if first { "card there" } else { "card put in" }, &new.atr),
            (true, true) if swapped => push(&new.name, "card swapped", &new.atr),
            (true, false) => push(&new.name, "card taken out", &[]),
            _ => {}
        }
        for (bit, begins, ends) in [
            (
                c::SCARD_STATE_UNAVAILABLE,
                "reader not available",
                "reader available again",
            ),
            (c::SCARD_STATE_MUTE, "card does not answer", "card answers"),
            (
                c::SCARD_STATE_EXCLUSIVE,
                "used exclusively",
                "no longer used exclusively",
            ),
            (c::SCARD_STATE_INUSE, "in use", "not in use any more"),
        ] {
            match (had(bit), new.has(bit)) {
                (false, true) => push(&new.name, begins, &[]),
                (true, false) if new.has(c::SCARD_STATE_PRESENT) => push(&new.name, ends, &[]),
                _ => {}
            }
        }
    }
    events
}

impl Event {
    fn line(&self, style: Style) -> String {
        let mut line = format!(
            "{}  {}  {}",
            style.dim(wall::clock(self.time)),
            style.name(&self.reader),
            self.what
        );
        if !self.atr.is_empty() {
            let _never = write!(line, "  {}", hex::spaced(&self.atr, None));
        }
        line
    }

    fn json(&self) -> Value {
        let time = self.time.duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut object = Value::object([
            ("time", Value::Float(time.as_secs_f64())),
            ("reader", self.reader.clone().into()),
            ("event", self.what.into()),
        ]);
        if let (false, Value::Object(fields)) = (self.atr.is_empty(), &mut object) {
            fields.push(("atr".into(), hex::plain(&self.atr).into()));
        }
        object
    }
}

/// The lines of the screen.
fn frame(seen: &[Seen], events: &VecDeque<String>, style: Style) -> Vec<String> {
    let mut lines = vec![
        format!("{}   {}", style.bold("winscard watch"), style.dim("Ctrl-C ends it")),
        String::new(),
    ];
    if seen.is_empty() {
        lines.push("no reader; plug one in (winscard doctor looks for the cause)".into());
    }
    for (number, seen) in seen.iter().enumerate() {
        lines.push(format!("{} {}", style.bold(number), style.name(&seen.state.name)));
        let users: Vec<String> = seen.users.iter().map(super::users::User::describe).collect();
        let by = if users.is_empty() {
            String::new()
        } else {
            format!(" by {}", users.join(", "))
        };
        lines.push(format!("  {}{by}", seen.words(style)));
        if !seen.state.atr.is_empty() {
            lines.push(format!("  {}", hex::spaced(&seen.state.atr, None)));
            let told = atr::explain(&seen.state.atr);
            let brief: Vec<String> = told
                .iter()
                .filter(|(heading, _)| matches!(*heading, "protocols" | "storage card" | "problem"))
                .map(|(_, words)| words.clone())
                .collect();
            lines.push(format!("  {}", brief.join("; ")));
        }
    }
    lines.push(String::new());
    lines.extend(events.iter().rev().cloned());
    lines
}

/// The terminal's other screen, given back on the way out.
struct Screen;

impl Screen {
    fn open() -> io::Result<Self> {
        // Other screen, cursor hidden.
        io::stdout().write_all(b"\x1b[?1049h\x1b[?25l")?;
        io::stdout().flush()?;
        Ok(Self)
    }

    /// Draws over what is there, in one write and without clearing first: nothing flickers.
    fn draw(&mut self, lines: &[String]) -> io::Result<()> {
        let (rows, columns) = size();
        let mut text = String::from("\x1b[?2026h\x1b[H");
        for (number, line) in lines.iter().take(rows).enumerate() {
            if number > 0 {
                text.push_str("\r\n");
            }
            text.push_str(&cut(line, columns));
            text.push_str("\x1b[0m\x1b[K");
        }
        text.push_str("\x1b[J\x1b[?2026l");
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let mut out = io::stdout().lock();
        let _gone = out.write_all(b"\x1b[?25h\x1b[?1049l").and_then(|()| out.flush());
    }
}

/// Rows and columns of the terminal.
fn size() -> (usize, usize) {
    signals::window_size().unwrap_or((24, 80))
}

/// The beginning of a line that fills at most `columns`; escape sequences take no room.
fn cut(line: &str, columns: usize) -> String {
    let mut text = String::new();
    let mut used = 0;
    let mut escape = false;
    for character in line.chars() {
        if escape {
            escape = !character.is_ascii_alphabetic();
        } else if character == '\x1b' {
            escape = true;
        } else if used == columns {
            continue;
        } else {
            used += 1;
        }
        text.push(character);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_without_their_colours() {
        assert_eq!(cut("\x1b[36mabcdef\x1b[0m", 3), "\x1b[36mabc\x1b[0m");
        assert_eq!(cut("ab", 3), "ab");
    }
}
