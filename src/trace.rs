//! The trace: what every call was given and returned, every message on the USB and every wait, as JSON lines in a file.
//!
//! Off unless asked for by environment; then a call costs one load more. `winscard trace` is its user; the events are described in
//! `docs/trace.md`.
//!
//! | variable | meaning |
//! |---|---|
//! | `WINSCARD_TRACE` | append to this file; if it cannot be opened, nothing is written |
//! | `WINSCARD_TRACE_PINS` | `1`: PINs too. Otherwise each byte of data that may hold one is written as `**` |
//!
//! Both are ignored in set-uid programs. One line is one `write(2)` to the end of the file, so that processes can share it; a
//! forked child goes on under its own number.

pub mod args;
mod call;
mod json;
pub mod mask;
mod transport;
mod words;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Once, OnceLock};
use std::time::Duration;

pub use call::call;
pub(crate) use call::wait;
use json::Object;
pub(crate) use transport::watched;

use crate::logging::Target;
use crate::{clock, env};

static ON: AtomicBool = AtomicBool::new(false);
static SINK: OnceLock<Sink> = OnceLock::new();
/// The process that has introduced itself in the trace.
static INTRODUCED: AtomicU32 = AtomicU32::new(0);

#[derive(Debug)]
struct Sink {
    target: Target,
    pins: bool,
}

/// Whether anything is written.
#[inline]
#[must_use]
pub fn is_on() -> bool {
    ON.load(Ordering::Relaxed)
}

/// Reads the environment, once in a process.
pub fn init() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let Some(path) = env::var_os("WINSCARD_TRACE").filter(|path| !path.is_empty()) else {
            return;
        };
        let path = PathBuf::from(path);
        let Some(target) = Target::open(&path) else {
            log::warn!("{}: cannot be opened; no trace", path.display());
            return;
        };
        let pins = env::var_os("WINSCARD_TRACE_PINS").is_some_and(|value| value == "1");
        if SINK.set(Sink { target, pins }).is_ok() {
            ON.store(true, Ordering::Release);
        }
    });
}

/// Whether PINs are written as well.
fn shows_pins() -> bool {
    SINK.get().is_some_and(|sink| sink.pins)
}

/// Microseconds since boot.
fn now() -> u64 {
    micros(clock::awake())
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// Writes one event, begun at `at`. The first of a process is preceded by one that says which process it is.
fn event(at: u64, kind: &str, fill: impl FnOnce(&mut Object)) {
    let Some(sink) = SINK.get() else { return };
    let process = std::process::id();
    if INTRODUCED.swap(process, Ordering::AcqRel) != process {
        write(sink, at, process, "process", introduce);
    }
    write(sink, at, process, kind, fill);
}

fn write(sink: &Sink, at: u64, process: u32, kind: &str, fill: impl FnOnce(&mut Object)) {
    let mut object = Object::new();
    object.number("t", at);
    object.number("pid", process.into());
    object.number("tid", crate::logging::thread_id());
    object.text("event", kind);
    fill(&mut object);
    sink.target.write(object.line().as_bytes());
}

/// Never the arguments: people write PINs there.
fn introduce(object: &mut Object) {
    let program = std::env::current_exe().ok();
    let name = program.as_deref().and_then(|path| path.file_name());
    object.text("name", &name.unwrap_or_default().to_string_lossy());
    object.text("program", &program.as_deref().unwrap_or("".as_ref()).to_string_lossy());
    object.text("version", env!("CARGO_PKG_VERSION"));
    // What the clock on the wall shows at "t", for files that want a date.
    let wall = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    object.number("wall", micros(wall).saturating_sub(now()));
}
