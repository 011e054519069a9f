//! Time flies: whoever would sleep goes on at once with the clock put forward, so that the timeouts of hostile devices
//! cost nothing. The C functions that tell and pass time are replaced for the whole program; one thread is assumed.
//!
//! libFuzzer asks CLOCK_REALTIME, which is left alone.

use std::sync::atomic::{AtomicI64, Ordering};

static AHEAD: AtomicI64 = AtomicI64::new(0);
const SECOND: i64 = 1_000_000_000;

/// Nanoseconds that were skipped so far.
pub fn skipped() -> i64 {
    AHEAD.load(Ordering::Relaxed)
}

/// Puts the clock forward.
pub fn skip(nanoseconds: i64) {
    AHEAD.fetch_add(nanoseconds.max(0), Ordering::Relaxed);
}

fn real(clock: libc::clockid_t) -> i64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: a valid place for the answer.
    unsafe { libc::syscall(libc::SYS_clock_gettime, clock, &raw mut time) };
    time.tv_sec * SECOND + time.tv_nsec
}

/// Days since the boot that never was, so that stamps are not 0.
const BOOTED: i64 = 1_000_000 * SECOND;

/// Every look at a clock costs a microsecond; so whatever happens, happens again with the same input.
fn now(clock: libc::clockid_t) -> i64 {
    match clock {
        libc::CLOCK_REALTIME => real(clock),
        libc::CLOCK_REALTIME_COARSE => 1_700_000_000 * SECOND + skipped(),
        _ => BOOTED + AHEAD.fetch_add(1000, Ordering::Relaxed),
    }
}

fn nanoseconds(time: &libc::timespec) -> i64 {
    time.tv_sec.saturating_mul(SECOND).saturating_add(time.tv_nsec)
}

/// Replaces the C library's.
///
/// # Safety
/// As of clock_gettime(3).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clock_gettime(clock: libc::clockid_t, time: *mut libc::timespec) -> libc::c_int {
    let value = now(clock);
    // SAFETY: the caller's place for the answer.
    unsafe {
        time.write(libc::timespec {
            tv_sec: value / SECOND,
            tv_nsec: value % SECOND,
        });
    }
    0
}

/// Replaces the C library's.
///
/// # Safety
/// As of nanosleep(3).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nanosleep(time: *const libc::timespec, _: *mut libc::timespec) -> libc::c_int {
    // SAFETY: the caller's time.
    skip(nanoseconds(unsafe { &*time }));
    0
}

/// Replaces the C library's.
///
/// # Safety
/// As of clock_nanosleep(3).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clock_nanosleep(
    clock: libc::clockid_t,
    flags: libc::c_int,
    time: *const libc::timespec,
    _: *mut libc::timespec,
) -> libc::c_int {
    // SAFETY: the caller's time.
    let time = nanoseconds(unsafe { &*time });
    skip(if flags & libc::TIMER_ABSTIME == 0 {
        time
    } else {
        time - now(clock)
    });
    0
}

/// Replaces the C library's: looks, and puts the clock forward if there was nothing.
///
/// # Safety
/// As of ppoll(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ppoll(
    fds: *mut libc::pollfd,
    count: libc::nfds_t,
    time: *const libc::timespec,
    mask: *const libc::sigset_t,
) -> libc::c_int {
    let _unused = mask;
    // SAFETY: the caller's descriptors.
    let ready = unsafe { libc::poll(fds, count, 0) };
    if ready == 0 {
        assert!(!time.is_null(), "waits for ever, and nobody is there to wake it");
        // SAFETY: the caller's time.
        skip(nanoseconds(unsafe { &*time }));
    }
    ready
}

/// Replaces the C library's for condition variables with a deadline; others are passed on.
///
/// # Safety
/// As of syscall(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn syscall(
    number: libc::c_long,
    a: usize,
    b: usize,
    c: usize,
    d: usize,
    e: usize,
    f: usize,
) -> libc::c_long {
    const WAIT_BITSET: usize = 9;
    if number == libc::SYS_futex && b & 0x7F == WAIT_BITSET && d != 0 {
        // SAFETY: FUTEX_WAIT_BITSET has an absolute time of CLOCK_MONOTONIC here.
        let until = nanoseconds(unsafe { &*(d as *const libc::timespec) });
        skip(until - now(libc::CLOCK_MONOTONIC));
        // SAFETY: this thread's errno.
        unsafe { *libc::__errno_location() = libc::ETIMEDOUT };
        return -1;
    }
    let result: isize;
    // SAFETY: the system call the caller wants, with its arguments.
    unsafe {
        std::arch::asm!(
            "syscall",
            inlateout("rax") number as isize => result,
            in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d, in("r8") e, in("r9") f,
            lateout("rcx") _, lateout("r11") _,
            options(nostack)
        );
    }
    if (-4095..0).contains(&result) {
        // SAFETY: this thread's errno.
        unsafe { *libc::__errno_location() = i32::try_from(-result).unwrap_or(libc::EINVAL) };
        return -1;
    }
    result as libc::c_long
}
