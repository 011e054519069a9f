//! The end of a turn: what it changed is written, the lock given back, and whoever waits for that woken.

use super::{Turn, doubt};
use crate::arbiter::locks::{Byte, LockFile};
use crate::reader::link::Link;

/// Gives the exchange lock back, also if writing the record panics: everybody else sleeps on it in the kernel.
struct Unlock<'a>(&'a LockFile);

impl Drop for Unlock<'_> {
    fn drop(&mut self) {
        self.0.unlock_exchange();
    }
}

/// Wakes, when dropped, those who wait for what the turn did.
#[derive(Debug)]
pub(super) struct Wake<'a> {
    pub(super) link: &'a Link,
    /// Whom.
    pub(super) whom: Option<Byte>,
}

impl Wake<'_> {
    /// Whether somebody waits at this byte, as far as can be seen.
    fn is_awaited(&self, whom: Byte) -> bool {
        !matches!(self.link.locks().probe(whom), Ok(None))
    }
}

impl Drop for Wake<'_> {
    fn drop(&mut self) {
        // After the writing: who begins to wait later than this reads what was written.
        if self.whom.is_some_and(|whom| self.is_awaited(whom)) {
            self.link.port().store().ring();
        }
    }
}

impl Turn<'_> {
    /// Has the record say what this turn came to.
    fn write(&mut self) {
        let port = self.port();
        // The reader says it once only, and this turn did not ask; whoever waits for it has to.
        if self.hints.concern(self.slot) {
            let (hints, slot) = (self.hints, self.slot);
            doubt(&mut self.card, hints, slot, port.tells_swaps());
            self.bell = true;
        }
        if self.changed && self.view.write(port.store(), self.slot) {
            port.see_moves(self.slot, self.card.moves);
        }
        if self.card.owner != 0 && self.card.owner == self.link.token() {
            self.view.keep(self.slot, port.store());
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let unlock = Unlock(self.port().locks());
        if std::thread::panicking() && !self.unwinding {
            // Half an update is worse than none: leave the mark, so that the next turn starts over with the reader.
            if self.seen {
                self.view.write_mark(self.port().store(), self.slot);
            }
        } else if self.seen {
            self.write();
        }
        self.give_back();
        drop(unlock);
        self.wake.whom = if self.bell {
            Some(Byte::Anybody)
        } else {
            self.freed.then_some(Byte::Queue)
        };
    }
}
