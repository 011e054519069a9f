//! The clocks of Windows: both count the time since boot, one without the time in which the machine slept.

#![allow(unsafe_code, reason = "functions of kernel32")]

use std::time::Duration;

use windows_sys::Win32::Foundation::FILETIME;
use windows_sys::Win32::System::SystemInformation::{GetSystemTimeAsFileTime, GetTickCount64};
use windows_sys::Win32::System::WindowsProgramming::QueryUnbiasedInterruptTime;

/// Units of 100 ns.
fn ticks(count: u64) -> Duration {
    Duration::from_micros(count / 10)
}

/// Since boot without suspension; both come from memory that every process can read.
pub(super) fn coarse() -> Duration {
    let mut now = 0;
    // SAFETY: `now` is a valid place for the result.
    if unsafe { QueryUnbiasedInterruptTime(&raw mut now) } == 0 {
        return since_boot();
    }
    ticks(now)
}

/// Since boot without suspension.
pub(super) fn awake() -> Duration {
    coarse()
}

/// Since boot, suspension included, exact to a timer tick.
pub(super) fn since_boot() -> Duration {
    // SAFETY: no precondition.
    Duration::from_millis(unsafe { GetTickCount64() })
}

/// The wall clock, exact to a timer tick.
pub(super) fn wall() -> Duration {
    let mut now = FILETIME {
        dwLowDateTime: 0,
        dwHighDateTime: 0,
    };
    // SAFETY: `now` is a valid place for the result.
    unsafe { GetSystemTimeAsFileTime(&raw mut now) };
    ticks(u64::from(now.dwHighDateTime) << 32 | u64::from(now.dwLowDateTime))
}
