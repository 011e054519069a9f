//! Panics on demand, for the tests that prove the boundary: built with the feature `panic-injection` only, which nothing
//! but the tests asks for. Without it a point is nothing at all.

#[cfg(feature = "panic-injection")]
mod armed {
    use std::cell::Cell;

    thread_local! {
        /// Which point is to panic in this thread, and how many times it is passed before.
        static AT: Cell<Option<(&'static str, u32)>> = const { Cell::new(None) };
    }

    /// Has this thread panic once, when it passes the point of this name for the `after + 1`st time.
    pub fn arm(point: &'static str, after: u32) {
        AT.set(Some((point, after)));
    }

    /// Takes it back. Whether it had happened.
    pub fn disarm() -> bool {
        AT.take().is_none()
    }

    #[allow(clippy::panic, reason = "that is what it is for")]
    pub(crate) fn point(name: &str) {
        match AT.get() {
            Some((point, 0)) if point == name => {
                AT.set(None);
                panic!("on purpose, at {name}");
            }
            Some((point, after)) if point == name => AT.set(Some((point, after - 1))),
            _ => {}
        }
    }
}

#[cfg(feature = "panic-injection")]
pub(crate) use armed::point;
#[cfg(feature = "panic-injection")]
pub use armed::{arm, disarm};

/// Nothing.
#[cfg(not(feature = "panic-injection"))]
pub(crate) const fn point(_: &str) {}
