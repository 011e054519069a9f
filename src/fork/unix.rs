//! Descriptors that a forked child closes, and the handlers around a fork.

#![allow(unsafe_code, reason = "pthread_atfork(3), close(2)")]

use std::fs::File;
use std::io;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use once_cell::sync::OnceCell;

/// Descriptors below this are tracked; a process that has more open is told so in the log.
const MAX_TRACKED: usize = 1 << 16;

static OPEN: [AtomicU64; MAX_TRACKED / 64] = [const { AtomicU64::new(0) }; MAX_TRACKED / 64];
static REGISTERED: OnceCell<()> = OnceCell::new();

/// Threads that are opening or closing a tracked file, and threads that are forking.
static CHANGING: AtomicU32 = AtomicU32::new(0);
static FORKING: AtomicU32 = AtomicU32::new(0);
/// How long one waits for the other: far longer than either takes, and not for ever (a signal handler that forks may have
/// interrupted a thread that is opening a file).
const PATIENCE: u32 = 2000;
const PAUSE: Duration = Duration::from_micros(50);

/// The time in which a tracked file is opened or closed.
struct Change;

impl Change {
    fn begin() -> Self {
        for _ in 0..PATIENCE {
            CHANGING.fetch_add(1, Ordering::SeqCst);
            if FORKING.load(Ordering::SeqCst) == 0 {
                return Self;
            }
            CHANGING.fetch_sub(1, Ordering::SeqCst);
            thread::sleep(PAUSE);
        }
        CHANGING.fetch_add(1, Ordering::SeqCst);
        Self
    }
}

impl Drop for Change {
    fn drop(&mut self) {
        CHANGING.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Runs `body`, which soon ends and has no file open then: a thread that forks waits for that, so that no child gets its
/// files. It opens none that is [`Tracked`], whose waiting would be for the one that waits.
pub fn apart<T>(body: impl FnOnce() -> T) -> T {
    let _change = Change::begin();
    body()
}

/// A file whose descriptor a forked child closes before it does anything else.
#[derive(Debug)]
pub struct Tracked {
    file: ManuallyDrop<File>,
}

impl Tracked {
    /// Tracks the file that `open` makes until it is dropped.
    ///
    /// # Errors
    /// What `open` returns.
    pub fn open(open: impl FnOnce() -> io::Result<File>) -> io::Result<Self> {
        let _change = Change::begin();
        let file = ManuallyDrop::new(open()?);
        mark(file.as_raw_fd(), true);
        Ok(Self { file })
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        let _change = Change::begin();
        mark(self.file.as_raw_fd(), false);
        // SAFETY: never used again, and dropped nowhere else.
        unsafe { ManuallyDrop::drop(&mut self.file) };
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
    extern "C" fn before() {
        FORKING.fetch_add(1, Ordering::SeqCst);
        for _ in 0..PATIENCE {
            if CHANGING.load(Ordering::SeqCst) == 0 {
                break;
            }
            thread::sleep(PAUSE);
        }
    }
    extern "C" fn parent() {
        FORKING.fetch_sub(1, Ordering::SeqCst);
    }
    extern "C" fn child() {
        // The other threads are not here.
        FORKING.store(0, Ordering::SeqCst);
        CHANGING.store(0, Ordering::SeqCst);
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
        // SAFETY: the handlers are functions of this library, which is linked `-z nodelete` and so never unmapped.
        if unsafe { libc::pthread_atfork(Some(before), Some(parent), Some(child)) } != 0 {
            log::warn!("no fork handler: a forked child keeps this process's readers open");
        }
    });
}
