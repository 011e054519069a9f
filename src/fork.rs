//! `fork`: the child owns nothing of its parent's.
//!
//! An open file description is shared with a child, and with it every lock and claim: unclosed copies in a child would
//! keep a dead parent's locks alive. So each descriptor this library opens is [`Tracked`], and a `pthread_atfork`
//! handler closes the child's copies, which the kernel notices nowhere else. The tables of handles and contexts are
//! swapped for empty ones without dropping what is in them; what a thread of the parent was just changing is not looked
//! at. The child may establish contexts of its own.
//!
//! A thread that is just opening or closing one of these files and a thread that forks wait for each other: a child
//! forked in between would have a descriptor that nobody knows of. Files that are closed again at once are opened
//! [`apart`] from any fork.
//!
//! Windows has no `fork`, and handles are not inherited: there nothing is tracked.

#![allow(
    unsafe_code,
    reason = "one atomic pointer, so that a forked child can replace what it points to"
)]

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

use std::ffi::OsString;
use std::path::Path;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::{fs, io};

#[cfg(unix)]
pub use unix::{Tracked, apart, register};
#[cfg(windows)]
pub use windows::{Tracked, apart, register};

/// Names of the first `most` entries of a directory, whose descriptor no forked child gets.
///
/// # Errors
/// The system's, if it cannot be opened.
pub fn names_in(directory: &Path, most: usize) -> io::Result<Vec<OsString>> {
    apart(|| {
        let entries = fs::read_dir(directory)?.flatten().take(most);
        Ok(entries.map(|entry| entry.file_name()).collect())
    })
}

/// State of the process that a forked child starts without: made on first use, replaced (and the old leaked) in a child.
#[derive(Debug)]
pub struct PerProcess<T> {
    current: AtomicPtr<T>,
    make: fn() -> T,
}

impl<T> PerProcess<T> {
    /// Nothing made yet.
    pub const fn new(make: fn() -> T) -> Self {
        Self {
            current: AtomicPtr::new(std::ptr::null_mut()),
            make,
        }
    }

    /// The state.
    pub fn get(&self) -> &T {
        let current = self.current.load(Ordering::Acquire);
        // SAFETY: a non-null pointer here came from `Box::leak` below and is never freed.
        if let Some(state) = unsafe { current.as_ref() } {
            return state;
        }
        let fresh = Box::into_raw(Box::new((self.make)()));
        match self
            .current
            .compare_exchange(std::ptr::null_mut(), fresh, Ordering::AcqRel, Ordering::Acquire)
        {
            // SAFETY: just made, published, never freed.
            Ok(_) => unsafe { &*fresh },
            Err(other) => {
                // SAFETY: another thread published its own; this one was never seen by anybody.
                drop(unsafe { Box::from_raw(fresh) });
                // SAFETY: published by the other thread from `Box::into_raw`, never freed.
                unsafe { &*other }
            }
        }
    }

    /// Lets go of the state without dropping it.
    pub fn forget(&self) {
        self.current.store(std::ptr::null_mut(), Ordering::Release);
    }
}
