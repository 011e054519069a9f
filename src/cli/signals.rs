//! Signals, taken by a thread that waits for them instead of by handlers.

#![allow(unsafe_code, reason = "signal sets, kill(2), and the size of a terminal")]

use std::ffi::c_int;
use std::io;
use std::mem::MaybeUninit;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

/// Signals that end a program.
pub(super) const ENDING: [c_int; 3] = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP];
/// Signals after which a screen is to be drawn anew.
pub(super) const REDRAWING: [c_int; 2] = [libc::SIGWINCH, libc::SIGCONT];

fn set_of(signals: &[c_int]) -> libc::sigset_t {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: valid for writing a set.
    unsafe { libc::sigemptyset(set.as_mut_ptr()) };
    for signal in signals {
        // SAFETY: the set was made empty above.
        unsafe { libc::sigaddset(set.as_mut_ptr(), *signal) };
    }
    // SAFETY: initialised by sigemptyset.
    unsafe { set.assume_init() }
}

/// Blocks the signals in this thread, and so in those that it starts, and has `each` called for every one that comes, in a
/// thread of its own. To be called before any other thread is started. Gives the mask there was before.
pub(super) fn take(signals: &[c_int], mut each: impl FnMut(c_int) + Send + 'static) -> io::Result<libc::sigset_t> {
    let set = set_of(signals);
    let mut before = set_of(&[]);
    // SAFETY: two initialised sets.
    let result = unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, &raw mut before) };
    if result != 0 {
        return Err(io::Error::from_raw_os_error(result));
    }
    thread::Builder::new().name("signals".into()).spawn(move || {
        loop {
            let mut signal = 0;
            // SAFETY: an initialised set, and room for a number.
            if unsafe { libc::sigwait(&raw const set, &raw mut signal) } == 0 {
                each(signal);
            }
        }
    })?;
    Ok(before)
}

/// Starts a program, and lets this process live through what a terminal sends to both: the program decides what it means. What is
/// meant for this process alone is passed on. To be called before any other thread is started.
pub(super) fn spawn(command: &mut Command) -> io::Result<Child> {
    let number = Arc::new(AtomicU32::new(0));
    let child = Arc::clone(&number);
    let before = take(
        &[libc::SIGINT, libc::SIGQUIT, libc::SIGTERM, libc::SIGHUP],
        move |signal| {
            if !matches!(signal, libc::SIGTERM | libc::SIGHUP) {
                return;
            }
            // It may be on its way only.
            while child.load(Ordering::Acquire) == 0 {
                thread::sleep(Duration::from_millis(5));
            }
            if let Ok(pid) = libc::pid_t::try_from(child.load(Ordering::Acquire)) {
                // SAFETY: no pointer is passed.
                unsafe { libc::kill(pid, signal) };
            }
        },
    )?;
    let restore = move || {
        // SAFETY: an initialised set; sigprocmask() may be called between fork and exec.
        match unsafe { libc::sigprocmask(libc::SIG_SETMASK, &raw const before, ptr::null_mut()) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    };
    // SAFETY: the closure makes one system call and allocates nothing.
    unsafe { command.pre_exec(restore) };
    let started = command.spawn()?;
    number.store(started.id(), Ordering::Release);
    Ok(started)
}

/// Rows and columns of the terminal that standard output is.
pub(super) fn window_size() -> Option<(usize, usize)> {
    let mut size = libc::winsize {
        ws_row: 0,
        ws_col: 0,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    // SAFETY: the request writes a winsize.
    let result = unsafe { libc::ioctl(libc::STDOUT_FILENO, libc::TIOCGWINSZ, &raw mut size) };
    (result == 0 && size.ws_row > 0 && size.ws_col > 0).then(|| (size.ws_row.into(), size.ws_col.into()))
}
