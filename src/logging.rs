//! The sink behind the `log` macros: off unless asked for by environment, because the host's stderr is the host's.
//!
//! | variable | meaning |
//! |---|---|
//! | `WINSCARD_LOG` | `error`, `warn`, `info`, `debug` or `trace`; unset or `off`: nothing is ever written |
//! | `WINSCARD_LOG_FILE` | append to this file instead of stderr; if it cannot be opened, nothing is written |
//! | `WINSCARD_LOG_APDU` | `1`: command and response bodies too, PINs included |
//!
//! All are ignored in set-uid programs. One line is one `write(2)`, so that processes can share a file. Nothing is kept between
//! lines but the descriptor: a forked child goes on logging under its own number. A write to a closed pipe raises no SIGPIPE in
//! the host. On Windows the variables work alike.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Once, OnceLock};

use log::{LevelFilter, Log, Metadata, Record};

use crate::clock;
pub(crate) use system::{Target, thread_id};
#[cfg(unix)]
use unix as system;
#[cfg(windows)]
use windows as system;

static ONCE: Once = Once::new();
static SINK: OnceLock<Sink> = OnceLock::new();
static APDU_BODIES: AtomicBool = AtomicBool::new(false);

/// Reads the environment and starts logging, once in a process.
///
/// A program that uses this crate as a Rust library and has set a logger of its own keeps it, with its own level.
pub fn init() {
    ONCE.call_once(|| {
        if let Some(wish) = crate::env::var_os("WINSCARD_LOG") {
            start(&wish.to_string_lossy());
        }
    });
}

/// Whether the bodies of APDUs may be logged; they contain PINs and personal data.
#[must_use]
pub fn apdu_bodies() -> bool {
    APDU_BODIES.load(Ordering::Relaxed)
}

fn start(wish: &str) {
    let (level, understood) = level(wish);
    if level == LevelFilter::Off {
        return;
    }
    let target = match crate::env::var_os("WINSCARD_LOG_FILE").map(PathBuf::from) {
        None => Target::Stderr,
        Some(path) => match Target::open(&path) {
            Some(target) => target,
            None => return,
        },
    };
    let sink = SINK.get_or_init(|| Sink { level, target });
    if log::set_logger(sink).is_err() {
        return;
    }
    log::set_max_level(level);
    APDU_BODIES.store(
        crate::env::var_os("WINSCARD_LOG_APDU").is_some_and(|value| value == "1"),
        Ordering::Relaxed,
    );
    if !understood {
        log::warn!("WINSCARD_LOG={wish} is no level: logging as for info");
    }
}

/// The level for a value of `WINSCARD_LOG`, and whether the value was one.
fn level(wish: &str) -> (LevelFilter, bool) {
    match wish.trim() {
        "" | "0" => (LevelFilter::Off, true),
        word => word.parse().map_or((LevelFilter::Info, false), |level| (level, true)),
    }
}

#[derive(Debug)]
struct Sink {
    level: LevelFilter,
    target: Target,
}

impl Log for Sink {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= self.level
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            self.target.write(line(record).as_bytes());
        }
    }

    fn flush(&self) {}
}

/// One line: seconds since boot, process.thread, level, module, message. Control characters, which names from devices may
/// contain, are escaped.
fn line(record: &Record<'_>) -> String {
    let time = clock::awake();
    let module = record
        .target()
        .strip_prefix("winscard::")
        .unwrap_or_else(|| record.target());
    let mut line = format!(
        "winscard {}.{:06} {}.{} {:<5} {module}: ",
        time.as_secs(),
        time.subsec_micros(),
        std::process::id(),
        thread_id(),
        record.level()
    );
    let mut message = String::new();
    if write!(message, "{}", record.args()).is_err() {
        message.push_str("(no message)");
    }
    for character in message.chars() {
        if character.is_control() {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, reason = "tests")]

    use super::*;

    #[test]
    fn levels_are_words_in_any_case() {
        assert_eq!(level("debug"), (LevelFilter::Debug, true));
        assert_eq!(level(" TRACE "), (LevelFilter::Trace, true));
        assert_eq!(level("off"), (LevelFilter::Off, true));
        assert_eq!(level(""), (LevelFilter::Off, true));
        assert_eq!(level("loud"), (LevelFilter::Info, false));
    }

    #[test]
    fn a_record_is_one_line_without_control_characters() {
        let args = format_args!("name\u{1b}[31m\nend");
        let record = Record::builder()
            .args(args)
            .level(log::Level::Warn)
            .target("winscard::reader")
            .build();
        let line = line(&record);
        assert_eq!(line.matches('\n').count(), 1);
        assert!(line.ends_with("reader: name\\u{1b}[31m\\nend\n"), "{line}");
        assert!(line.contains(&format!(" {}.", std::process::id())), "{line}");
    }
}
