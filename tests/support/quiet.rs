//! Time that hardly passes while the machine is busy with other things.
//!
//! What is taken off is what a thread oversleeps that sleeps for a moment again and again, and the time in which the kernel
//! had somebody wait for a processor, a disk or memory (`/proc/pressure`, where there is that). A time limit in this clock
//! means the same on a machine with nothing else to do and on one with too much; but at most ten times as long.
#![allow(dead_code, reason = "each test uses a part")]

use std::fs;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How long the thread sleeps; what a machine at rest oversleeps is less.
const TICK: Duration = Duration::from_millis(2);
/// How much longer a limit may take at most.
const LONGEST: u32 = 10;

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

/// Time in which anybody had to wait for this resource.
fn pressure(resource: &str) -> Duration {
    let text = fs::read_to_string(format!("/proc/pressure/{resource}")).unwrap_or_default();
    let total = text.lines().next().and_then(|some| some.rsplit("total=").next());
    Duration::from_micros(total.and_then(|total| total.trim().parse().ok()).unwrap_or(0))
}

/// Time in which the machine was busy, so far.
pub(crate) fn busy() -> Duration {
    overslept() + pressure("cpu") + pressure("io") + pressure("memory")
}

/// What is left of a time of which the machine was busy for a part.
pub(crate) fn quiet(real: Duration, busy: Duration) -> Duration {
    real.saturating_sub(busy).max(real / LONGEST)
}

/// A moment of that clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quiet {
    begin: Instant,
    busy: Duration,
}

impl Quiet {
    pub(crate) fn now() -> Self {
        Self {
            busy: busy(),
            begin: Instant::now(),
        }
    }

    /// Time passed since, less the time in which the machine was busy.
    pub(crate) fn elapsed(&self) -> Duration {
        quiet(self.begin.elapsed(), busy().saturating_sub(self.busy))
    }

    /// Asserts that no more than this has passed.
    #[track_caller]
    pub(crate) fn assert_within(self, limit: Duration, what: &str) {
        let took = self.elapsed();
        assert!(took < limit, "{what} took {took:?}");
    }

    /// Returns when everybody has had this much time to do what he is at.
    pub(crate) fn let_run(time: Duration) {
        let begin = Self::now();
        while begin.elapsed() < time {
            thread::sleep(TICK);
        }
    }
}
