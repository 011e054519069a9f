//! The clocks of Unix.

#![allow(unsafe_code, reason = "clock_gettime(2)")]

use std::time::Duration;

#[cfg(target_os = "linux")]
const COARSE: libc::clockid_t = libc::CLOCK_MONOTONIC_COARSE;
#[cfg(not(target_os = "linux"))]
const COARSE: libc::clockid_t = libc::CLOCK_MONOTONIC;

#[cfg(target_os = "linux")]
const WALL: libc::clockid_t = libc::CLOCK_REALTIME_COARSE;
#[cfg(not(target_os = "linux"))]
const WALL: libc::clockid_t = libc::CLOCK_REALTIME;

#[cfg(target_os = "linux")]
const BOOT: libc::clockid_t = libc::CLOCK_BOOTTIME;
#[cfg(not(target_os = "linux"))]
const BOOT: libc::clockid_t = libc::CLOCK_MONOTONIC;

/// Since boot without suspension, exact to a timer tick.
pub(super) fn coarse() -> Duration {
    read(COARSE)
}

/// Since boot without suspension, precise.
pub(super) fn awake() -> Duration {
    read(libc::CLOCK_MONOTONIC)
}

/// Since boot, suspension included, precise.
pub(super) fn since_boot() -> Duration {
    read(BOOT)
}

/// The wall clock, exact to a timer tick.
pub(super) fn wall() -> Duration {
    read(WALL)
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
