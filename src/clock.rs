//! Clocks.
//!
//! Deadlines of exchanges and the stamps that peers compare use the kernel's coarse clock: it stands in memory that
//! every process can read, whatever the machine's clock hardware, and is exact to one timer tick (1 to 10 ms). A precise
//! clock can cost as much as a USB transfer where the hardware has to be asked (virtual machines, old chipsets).

#![allow(unsafe_code, reason = "clock_gettime(2)")]

use std::ops::Add;
use std::time::Duration;

/// A moment of the coarse monotonic clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(Duration);

impl Moment {
    /// Now, exact to a timer tick.
    #[must_use]
    pub fn now() -> Self {
        #[cfg(target_os = "linux")]
        const COARSE: libc::clockid_t = libc::CLOCK_MONOTONIC_COARSE;
        #[cfg(not(target_os = "linux"))]
        const COARSE: libc::clockid_t = libc::CLOCK_MONOTONIC;
        Self(read(COARSE))
    }

    /// Time passed since `earlier`; nothing if that is later.
    #[must_use]
    pub fn saturating_duration_since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// Time passed since this moment.
    #[must_use]
    pub fn elapsed(self) -> Duration {
        Self::now().saturating_duration_since(self)
    }

    /// Milliseconds since boot without suspension, for stamps in a record.
    pub(crate) fn millis(self) -> u64 {
        millis(self.0)
    }
}

impl Add<Duration> for Moment {
    type Output = Self;

    fn add(self, time: Duration) -> Self {
        Self(self.0.saturating_add(time))
    }
}

/// Milliseconds since boot, suspension included, precise.
pub(crate) fn boot_millis() -> u64 {
    #[cfg(target_os = "linux")]
    const BOOT: libc::clockid_t = libc::CLOCK_BOOTTIME;
    #[cfg(not(target_os = "linux"))]
    const BOOT: libc::clockid_t = libc::CLOCK_MONOTONIC;
    millis(read(BOOT))
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn read(clock: libc::clockid_t) -> Duration {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is a valid `timespec` for the call's duration.
    if unsafe { libc::clock_gettime(clock, &raw mut now) } != 0 {
        return Duration::ZERO;
    }
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(now.tv_nsec).unwrap_or(0))
}
