//! Descriptors that a forked child closes, and the handler that does it.

#![allow(unsafe_code, reason = "pthread_atfork(3), close(2)")]

use std::fs::File;
use std::ops::Deref;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::atomic::{AtomicU64, Ordering};

use once_cell::sync::OnceCell;

/// Descriptors below this are tracked; a process that has more open is told so in the log.
const MAX_TRACKED: usize = 1 << 16;

static OPEN: [AtomicU64; MAX_TRACKED / 64] = [const { AtomicU64::new(0) }; MAX_TRACKED / 64];
static REGISTERED: OnceCell<()> = OnceCell::new();

/// A file whose descriptor a forked child closes before it does anything else.
#[derive(Debug)]
pub struct Tracked {
    file: File,
}

impl Tracked {
    /// Tracks `file` until it is dropped.
    pub fn new(file: File) -> Self {
        mark(file.as_raw_fd(), true);
        Self { file }
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        mark(self.file.as_raw_fd(), false);
    }
}

impl Deref for Tracked {
    type Target = File;

    fn deref(&self) -> &File {
        &self.file
    }
}

fn mark(fd: RawFd, open: bool) {
    let bit = usize::try_from(fd).unwrap_or(usize::MAX);
    let Some(word) = OPEN.get(bit / 64) else {
        log::warn!("descriptor {fd} will be inherited by forked children");
        return;
    };
    if open {
        word.fetch_or(1 << (bit % 64), Ordering::Relaxed);
    } else {
        word.fetch_and(!(1 << (bit % 64)), Ordering::Relaxed);
    }
}

/// Has `in_child` called in every child forked from now on, after its copies of our descriptors are closed. Only the
/// first call counts.
pub fn register(in_child: fn()) {
    static IN_CHILD: OnceCell<fn()> = OnceCell::new();
    extern "C" fn child() {
        for (index, word) in OPEN.iter().enumerate() {
            let mut bits = word.swap(0, Ordering::Relaxed);
            while bits != 0 {
                let fd = index * 64 + bits.trailing_zeros() as usize;
                // SAFETY: the child's copy of a descriptor that only this library knows; its owner is never dropped here.
                unsafe { libc::close(RawFd::try_from(fd).unwrap_or(-1)) };
                bits &= bits - 1;
            }
        }
        if let Some(in_child) = IN_CHILD.get() {
            in_child();
        }
    }
    REGISTERED.get_or_init(|| {
        let _first = IN_CHILD.set(in_child);
        // SAFETY: the handler is a function of this library, which is linked `-z nodelete` and so never unmapped.
        if unsafe { libc::pthread_atfork(None, None, Some(child)) } != 0 {
            log::warn!("no fork handler: a forked child keeps this process's readers open");
        }
    });
}
