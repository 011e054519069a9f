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
//! the host.

#![allow(unsafe_code, reason = "getauxval, write, and the signal mask around it")]

use std::ffi::{OsString, c_int};
use std::fmt::Write as _;
use std::fs::File;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::PathBuf;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Once, OnceLock};

use log::{LevelFilter, Log, Metadata, Record};

static ONCE: Once = Once::new();
static SINK: OnceLock<Sink> = OnceLock::new();
static APDU_BODIES: AtomicBool = AtomicBool::new(false);

/// Reads the environment and starts logging, once in a process.
///
/// A program that uses this crate as a Rust library and has set a logger of its own keeps it, with its own level.
pub fn init() {
    ONCE.call_once(|| {
        if let Some(wish) = environment("WINSCARD_LOG") {
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
    let target = match environment("WINSCARD_LOG_FILE").map(PathBuf::from) {
        None => Target::Stderr,
        Some(path) => match Target::append(path) {
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
        environment("WINSCARD_LOG_APDU").is_some_and(|value| value == "1"),
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

/// The value of an environment variable, `None` in a program that runs with more rights than its user.
fn environment(name: &str) -> Option<OsString> {
    if has_extra_rights() {
        None
    } else {
        std::env::var_os(name)
    }
}

/// Set-uid, set-gid or with file capabilities: the question that `secure_getenv` asks.
#[cfg(target_os = "linux")]
fn has_extra_rights() -> bool {
    // SAFETY: no precondition.
    unsafe { libc::getauxval(libc::AT_SECURE) != 0 }
}

/// Set-uid or set-gid.
#[cfg(not(target_os = "linux"))]
fn has_extra_rights() -> bool {
    // SAFETY: no precondition.
    let (user, effective_user) = (unsafe { libc::getuid() }, unsafe { libc::geteuid() });
    // SAFETY: no precondition.
    let (group, effective_group) = (unsafe { libc::getgid() }, unsafe { libc::getegid() });
    user != effective_user || group != effective_group
}

/// Where lines go.
#[derive(Debug)]
pub(crate) enum Target {
    Stderr,
    /// The identity tells the file from what the host may have opened under its number after closing all descriptors.
    File {
        file: File,
        id: (u64, u64),
    },
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

impl Target {
    /// A file that lines are appended to; made if it is not there.
    pub(crate) fn append(path: PathBuf) -> Option<Self> {
        let file = File::options()
            .append(true)
            .create(true)
            .mode(0o600)
            // O_NONBLOCK: a FIFO without a reader must not stop the host. std adds O_CLOEXEC.
            .custom_flags(libc::O_NOFOLLOW | libc::O_NOCTTY | libc::O_NONBLOCK)
            .open(path)
            .ok()?;
        let metadata = file.metadata().ok()?;
        Some(Self::File {
            id: (metadata.dev(), metadata.ino()),
            file,
        })
    }

    /// Writes a line, in one `write(2)`.
    pub(crate) fn write(&self, line: &[u8]) {
        let fd: RawFd = match self {
            Self::Stderr => libc::STDERR_FILENO,
            Self::File { file, id } => match file.metadata() {
                Ok(now) if (now.dev(), now.ino()) == *id => file.as_raw_fd(),
                _ => return,
            },
        };
        without_sigpipe(|| write_once(fd, line));
    }
}

/// One line: seconds since boot, process.thread, level, module, message. Control characters, which names from devices may
/// contain, are escaped.
fn line(record: &Record<'_>) -> String {
    let (seconds, micros) = monotonic();
    let module = record
        .target()
        .strip_prefix("winscard::")
        .unwrap_or_else(|| record.target());
    let mut line = format!(
        "winscard {seconds}.{micros:06} {}.{} {:<5} {module}: ",
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

fn monotonic() -> (i64, i64) {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is valid for writing a timespec.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    #[allow(clippy::useless_conversion, reason = "both are 32 bits on some targets")]
    (i64::from(time.tv_sec), i64::from(time.tv_nsec) / 1000)
}

/// Number of the thread, as the kernel counts them.
#[cfg(target_os = "linux")]
pub(crate) fn thread_id() -> u64 {
    // SAFETY: no precondition.
    let number = unsafe { libc::gettid() };
    number.unsigned_abs().into()
}

/// A number that tells threads apart.
#[cfg(not(target_os = "linux"))]
pub(crate) fn thread_id() -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    std::thread::current().id().hash(&mut hasher);
    hasher.finish() & 0xFFFF
}

/// Writes the line in one call; whether the other end of a pipe is gone.
fn write_once(fd: RawFd, line: &[u8]) -> bool {
    loop {
        // SAFETY: the slice is valid for its length.
        let written = unsafe { libc::write(fd, line.as_ptr().cast(), line.len()) };
        if written >= 0 {
            return false;
        }
        match std::io::Error::last_os_error().raw_os_error() {
            Some(libc::EINTR) => {}
            error => return error == Some(libc::EPIPE),
        }
    }
}

/// Runs `write` with SIGPIPE blocked in this thread, and takes back the signal if `write` says that it caused one.
fn without_sigpipe(write: impl FnOnce() -> bool) {
    let sigpipe = set_of_sigpipe();
    let was_pending = is_sigpipe_pending();
    let mut before = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: both sets are valid; the old mask is written before it is used, as the call succeeds.
    let blocked = unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const sigpipe, before.as_mut_ptr()) };
    if blocked != 0 {
        return;
    }
    let broken = write();
    if broken && !was_pending {
        take_sigpipe(&sigpipe);
    }
    // SAFETY: pthread_sigmask has filled `before`.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), ptr::null_mut()) };
}

fn set_of_sigpipe() -> libc::sigset_t {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: valid for writing a set.
    unsafe { libc::sigemptyset(set.as_mut_ptr()) };
    // SAFETY: the set was made empty above.
    unsafe { libc::sigaddset(set.as_mut_ptr(), libc::SIGPIPE) };
    // SAFETY: initialised by sigemptyset.
    unsafe { set.assume_init() }
}

fn is_sigpipe_pending() -> bool {
    let mut pending = set_of_sigpipe();
    // SAFETY: valid for writing a set.
    let result: c_int = unsafe { libc::sigpending(&raw mut pending) };
    // SAFETY: `pending` is an initialised set.
    result == 0 && unsafe { libc::sigismember(&raw const pending, libc::SIGPIPE) } == 1
}

#[cfg(not(any(target_os = "macos", target_os = "openbsd")))]
fn take_sigpipe(sigpipe: &libc::sigset_t) {
    let now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: an initialised set and a valid time; no information about the signal is asked for.
    unsafe { libc::sigtimedwait(sigpipe, ptr::null_mut(), &raw const now) };
}

#[cfg(any(target_os = "macos", target_os = "openbsd"))]
fn take_sigpipe(sigpipe: &libc::sigset_t) {
    let mut signal: c_int = 0;
    // SAFETY: an initialised set; the signal is pending, so that the call returns at once.
    unsafe { libc::sigwait(sigpipe, &raw mut signal) };
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

    use super::*;
    use std::io::Read;

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

    #[test]
    fn a_file_is_appended_to_and_a_link_is_not_followed() {
        let directory = std::env::temp_dir().join(format!("winscard-logging-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let path = directory.join("log");
        std::fs::write(&path, "before\n").unwrap();
        let target = Target::append(path.clone()).unwrap();
        target.write(b"one\n");
        target.write(b"two\n");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "before\none\ntwo\n");

        let link = directory.join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(Target::append(link).is_none());
        std::fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn a_closed_pipe_raises_no_signal() {
        let (mut reader, writer) = std::os::unix::net::UnixStream::pair().unwrap();
        let fd = writer.as_raw_fd();
        without_sigpipe(|| write_once(fd, b"line\n"));
        let mut line = [0; 5];
        reader.read_exact(&mut line).unwrap();
        assert_eq!(&line, b"line\n");
        drop(reader);
        // Under the default disposition a signal that got through would end the test process. The harness ignores it.
        // SAFETY: no handler is installed.
        let before = unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
        let mut broken = false;
        without_sigpipe(|| {
            broken = write_once(fd, b"line\n");
            broken
        });
        // SAFETY: the disposition there was before.
        unsafe { libc::signal(libc::SIGPIPE, before) };
        assert!(broken);
        assert!(!is_sigpipe_pending());
    }
}
