//! What the software reader needs and std does not offer: a node to lock and to listen to, a timer to wait for, and a
//! value that is never freed but can be forgotten.

#![allow(unsafe_code, reason = "forgettable statics have no safe wrapper in std")]

#[cfg(all(test, unix))]
pub(super) mod probe;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

#[cfg(unix)]
pub(crate) use unix::{Node, Timer};
#[cfg(windows)]
pub(crate) use windows::{Node, Timer};

/// A value made once and never freed, which can be forgotten without being touched: after fork its locks may be held by
/// threads that do not exist in the child.
#[derive(Debug)]
pub(super) struct Leaked<T>(AtomicPtr<T>);

impl<T: Send + Sync + 'static> Leaked<T> {
    pub(super) const fn none() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    pub(super) fn get(&self) -> Option<&'static T> {
        let value = self.0.load(Ordering::Acquire);
        // SAFETY: the pointer is null or comes from `Box::into_raw` in `set`; nothing frees it or makes it exclusive again.
        unsafe { value.as_ref() }
    }

    /// Stores a value unless there is one; returns whether it was this one.
    pub(super) fn set(&self, value: T) -> bool {
        let new = Box::into_raw(Box::new(value));
        let done = self
            .0
            .compare_exchange(ptr::null_mut(), new, Ordering::AcqRel, Ordering::Acquire)
            .is_ok();
        if !done {
            // SAFETY: `new` was made above and nobody else has seen it.
            drop(unsafe { Box::from_raw(new) });
        }
        done
    }

    pub(super) fn forget(&self) {
        self.0.store(ptr::null_mut(), Ordering::Release);
    }
}
