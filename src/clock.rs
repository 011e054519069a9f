//! Clocks.
//!
//! Deadlines of exchanges and the stamps that peers compare use the kernel's coarse clock: it stands in memory that
//! every process can read, whatever the machine's clock hardware, and is exact to one timer tick (1 to 10 ms). A precise
//! clock can cost as much as a USB transfer where the hardware has to be asked (virtual machines, old chipsets).

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

use std::ops::Add;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

#[cfg(unix)]
use unix as system;
#[cfg(windows)]
use windows as system;

/// A moment of the coarse monotonic clock, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(u64);

impl Moment {
    /// Now, exact to a timer tick.
    #[must_use]
    pub fn now() -> Self {
        Self(nanos(system::coarse()))
    }

    /// Time passed since `earlier`; nothing if that is later.
    #[must_use]
    pub fn saturating_duration_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// Time passed since this moment.
    #[must_use]
    pub fn elapsed(self) -> Duration {
        Self::now().saturating_duration_since(self)
    }

    /// Milliseconds since boot without suspension, for stamps in a record.
    pub(crate) fn millis(self) -> u64 {
        self.0 / 1_000_000
    }
}

impl Add<Duration> for Moment {
    type Output = Self;

    fn add(self, time: Duration) -> Self {
        Self(self.0.saturating_add(nanos(time)))
    }
}

/// Milliseconds that the software reader's machine has slept, on top of the real one's.
static PRETENDED_SLEEP: AtomicU64 = AtomicU64::new(0);

/// Lets this process believe that the machine has just been suspended for that long.
pub(crate) fn pretend_sleep(time: Duration) {
    PRETENDED_SLEEP.fetch_add(millis(time), Ordering::AcqRel);
}

/// Time since boot without suspension, precise; for people.
pub(crate) fn awake() -> Duration {
    system::awake()
}

/// Milliseconds since boot, suspension included, precise.
pub(crate) fn boot_millis() -> u64 {
    millis(system::since_boot()).saturating_add(PRETENDED_SLEEP.load(Ordering::Acquire))
}

/// Milliseconds since boot that the machine was suspended, precise.
pub(crate) fn slept_millis() -> u64 {
    boot_millis().saturating_sub(millis(system::awake()))
}

/// Milliseconds between the wall clock and the coarse monotonic one, which says `now`. Jumps when the machine was suspended (and when
/// somebody sets the clock), and costs no more than memory: a sign that [`slept_millis`] may have changed.
pub(crate) fn wall_offset_millis(now: Moment) -> u64 {
    let offset = millis(system::wall()).saturating_sub(now.millis());
    offset.saturating_add(PRETENDED_SLEEP.load(Ordering::Acquire))
}

fn nanos(time: Duration) -> u64 {
    time.as_secs()
        .saturating_mul(1_000_000_000)
        .saturating_add(time.subsec_nanos().into())
}

fn millis(time: Duration) -> u64 {
    time.as_secs()
        .saturating_mul(1000)
        .saturating_add(time.subsec_millis().into())
}
