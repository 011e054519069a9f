//! Time that does not pass while the machine is busy with other things.
//!
//! A thread sleeps for a moment again and again; what it oversleeps is time in which the machine let nobody run who ought
//! to. A time limit in this clock means the same on a machine with nothing else to do and on one with too much.
#![allow(dead_code, reason = "each test uses a part")]

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How long the thread sleeps; what a machine at rest oversleeps is less.
const TICK: Duration = Duration::from_millis(2);

static OVERSLEPT_NS: AtomicU64 = AtomicU64::new(0);

fn overslept() -> Duration {
    static THREAD: OnceLock<()> = OnceLock::new();
    THREAD.get_or_init(|| {
        thread::spawn(|| {
            loop {
                let begin = Instant::now();
                thread::sleep(TICK);
                let over = begin.elapsed().saturating_sub(2 * TICK);
                let over = u64::try_from(over.as_nanos()).unwrap_or(u64::MAX);
                OVERSLEPT_NS.fetch_add(over, Ordering::Relaxed);
            }
        });
    });
    Duration::from_nanos(OVERSLEPT_NS.load(Ordering::Relaxed))
}

/// A moment of that clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quiet {
    begin: Instant,
    overslept: Duration,
}

impl Quiet {
    pub(crate) fn now() -> Self {
        Self {
            overslept: overslept(),
            begin: Instant::now(),
        }
    }

    /// Time passed since, less the time in which the machine was too busy.
    pub(crate) fn elapsed(&self) -> Duration {
        let busy = overslept().saturating_sub(self.overslept);
        self.begin.elapsed().saturating_sub(busy)
    }
}
