//! The time as the clock on the wall shows it.

#![allow(unsafe_code, reason = "localtime_r(3)")]

use std::mem::MaybeUninit;
use std::time::{SystemTime, UNIX_EPOCH};

/// Time of day, to the millisecond.
pub(super) fn clock(time: SystemTime) -> String {
    let time = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = libc::time_t::try_from(time.as_secs()).unwrap_or(0);
    let mut broken_down = MaybeUninit::<libc::tm>::zeroed();
    // SAFETY: both pointers are valid.
    unsafe { libc::localtime_r(&raw const seconds, broken_down.as_mut_ptr()) };
    // SAFETY: all fields are numbers, and the null pointer of the zone's name is never looked at.
    let tm = unsafe { broken_down.assume_init() };
    format!(
        "{:02}:{:02}:{:02}.{:03}",
        tm.tm_hour,
        tm.tm_min,
        tm.tm_sec,
        time.subsec_millis()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn minutes_seconds_and_milliseconds_are_those_of_any_zone_of_whole_hours() {
        let text = clock(UNIX_EPOCH + Duration::from_millis(3_723_004));
        assert!(text.ends_with(":03.004"), "{text}");
        assert_eq!(text.len(), 12);
    }
}
