//! Time that can be held against the program: without that in which the machine ran nobody.
//!
//! A limit of a second in real time fails on a machine that stops for a second, whatever the program does. Here a thread
//! that only sleeps finds out by how much it is woken too late, and that is subtracted: what is left is the time that a
//! program has taken by itself, by waiting for the wrong thing, say. A limit stays as tight as it was.
#![allow(dead_code, reason = "each test uses a part")]

use std::sync::{Condvar, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How often is looked.
const TICK: Duration = Duration::from_millis(5);

/// What the thread that only sleeps has seen.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    ticks: u64,
    /// By how much it was woken too late, in all.
    stalled: Duration,
}

fn metronome() -> &'static (Mutex<Seen>, Condvar) {
    static METRONOME: OnceLock<(Mutex<Seen>, Condvar)> = OnceLock::new();
    static THREAD: OnceLock<()> = OnceLock::new();
    let metronome = METRONOME.get_or_init(Default::default);
    THREAD.get_or_init(|| {
        thread::spawn(move || {
            let mut last = Instant::now();
            loop {
                thread::sleep(TICK);
                let now = Instant::now();
                let mut seen = metronome.0.lock().unwrap_or_else(PoisonError::into_inner);
                seen.ticks += 1;
                seen.stalled += now.duration_since(last).saturating_sub(TICK);
                last = now;
                metronome.1.notify_all();
            }
        });
    });
    metronome
}

/// What was seen up to now: the tick under way is waited for.
fn look() -> (Instant, Duration) {
    let (seen, ticked) = metronome();
    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    let begun = seen.ticks;
    while seen.ticks == begun {
        seen = ticked.wait(seen).unwrap_or_else(PoisonError::into_inner);
    }
    (Instant::now(), seen.stalled)
}

/// Measures that time; some milliseconds too much.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stopwatch {
    begin: Instant,
    stalled: Duration,
}

impl Stopwatch {
    pub(crate) fn start() -> Self {
        let (_, stalled) = look();
        Self {
            begin: Instant::now(),
            stalled,
        }
    }

    pub(crate) fn elapsed(self) -> Duration {
        let (now, stalled) = look();
        now.duration_since(self.begin)
            .saturating_sub(stalled.saturating_sub(self.stalled))
    }

    /// Returns when everybody has had this much time to do what he is at.
    pub(crate) fn let_run(time: Duration) {
        let watch = Self::start();
        while watch.elapsed() < time {}
    }

    /// Asserts that no more than this has passed.
    #[track_caller]
    pub(crate) fn assert_within(self, limit: Duration, what: &str) {
        let took = self.elapsed();
        assert!(took < limit, "{what} took {took:?}");
    }
}
