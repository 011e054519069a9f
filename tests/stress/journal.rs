//! The journal: one line per call begun, call returned, and thing done to the readers, from all processes in one file.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;

/// What a line says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Entry {
    /// A call begins.
    Call(Call),
    /// The call begun last returns: its code, and a value that depends on the call.
    Return { code: u32, value: u64 },
    /// A hold on the card has come to its end in a way the process does not know: nothing is sent in it any more.
    Lost,
    /// Something that must not be.
    Bad(String),
    /// The driver is about to do this, to the reader or process of this number.
    Deed { what: String, number: u32 },
}

/// A call.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Call {
    pub(crate) op: String,
    pub(crate) reader: u32,
    pub(crate) handle: u32,
    /// Share mode, disposition, sequence number, timeout.
    pub(crate) argument: u32,
    /// Hold in which it is made.
    pub(crate) hold: u32,
}

/// A line.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Line {
    /// The process; 0 for the driver.
    pub(crate) agent: u32,
    /// Nanoseconds of CLOCK_MONOTONIC.
    pub(crate) at: u64,
    pub(crate) entry: Entry,
}

/// The clock of the journal, which is one for all processes.
pub(crate) fn now() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is valid for writing.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    assert_eq!(result, 0);
    u64::try_from(time.tv_sec).expect("positive") * 1_000_000_000 + u64::try_from(time.tv_nsec).expect("positive")
}

/// A writer.
#[derive(Debug)]
pub(crate) struct Journal {
    file: File,
    agent: u32,
}

impl Journal {
    pub(crate) fn open(path: &Path, agent: u32) -> Self {
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .open(path)
            .expect("journal");
        Self { file, agent }
    }

    /// Writes a line, whole or not at all.
    pub(crate) fn write(&self, entry: &Entry) {
        let (agent, at) = (self.agent, now());
        let line = match entry {
            Entry::Call(c) => format!(
                "{agent} {at} call {} {} {} {} {}\n",
                c.op, c.reader, c.handle, c.argument, c.hold
            ),
            Entry::Return { code, value } => format!("{agent} {at} return {code:x} {value}\n"),
            Entry::Lost => format!("{agent} {at} lost\n"),
            Entry::Bad(text) => format!("{agent} {at} bad {text}\n"),
            Entry::Deed { what, number } => format!("{agent} {at} deed {what} {number}\n"),
        };
        let written = (&self.file).write(line.as_bytes()).expect("journal");
        assert_eq!(written, line.len());
    }
}

/// Reads lines.
pub(crate) fn parse(text: &str) -> Vec<Line> {
    let lines = text.lines();
    lines
        .map(|line| parse_line(line).unwrap_or_else(|| panic!("journal: {line}")))
        .collect()
}

fn parse_line(line: &str) -> Option<Line> {
    let mut words = line.split(' ');
    let agent = words.next()?.parse().ok()?;
    let at = words.next()?.parse().ok()?;
    let entry = match words.next()? {
        "call" => Entry::Call(Call {
            op: words.next()?.to_owned(),
            reader: words.next()?.parse().ok()?,
            handle: words.next()?.parse().ok()?,
            argument: words.next()?.parse().ok()?,
            hold: words.next()?.parse().ok()?,
        }),
        "return" => Entry::Return {
            code: u32::from_str_radix(words.next()?, 16).ok()?,
            value: words.next()?.parse().ok()?,
        },
        "lost" => Entry::Lost,
        "bad" => Entry::Bad(words.collect::<Vec<_>>().join(" ")),
        "deed" => Entry::Deed {
            what: words.next()?.to_owned(),
            number: words.next()?.parse().ok()?,
        },
        _ => return None,
    };
    Some(Line { agent, at, entry })
}
