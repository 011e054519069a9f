//! The end of a turn: what it changed is written, the lock given back, and whoever waits for that woken.

use super::{Known, Turn, doubt};
use crate::arbiter::locks::{Byte, LockFile};
use crate::arbiter::record::Header;

impl Turn<'_> {
    /// Whether somebody waits at this byte, as far as can be seen.
    fn is_awaited(&self, whom: Byte) -> bool {
        !matches!(self.link.locks().probe(whom), Ok(None))
    }
}

/// Gives the exchange lock back, also if writing the record panics: everybody else sleeps on it in the kernel.
struct Unlock<'a>(&'a LockFile);

impl Drop for Unlock<'_> {
    fn drop(&mut self) {
        self.0.unlock_exchange();
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let unlock = Unlock(self.port().locks());
        let store = self.port().store();
        if std::thread::panicking() && !self.unwinding {
            // Half an update is worse than none: leave the mark, so that the next turn starts over with the reader.
            let header = Header {
                busy: self.slot + 1,
                ..self.header_written
            };
            store.write_header(&header);
        } else {
            // The reader says it once only, and this turn did not ask; whoever waits for it has to.
            if self.hints.concern(self.slot) {
                let tells = self.port().tells_swaps();
                doubt(&mut self.card, self.hints, self.slot, tells);
                self.bell = true;
            }
            if self.header != self.header_written {
                store.write_header(&self.header);
            }
            if self.card_written != Some(self.card) {
                store.write_slot(self.slot, &self.card);
                self.port().see_moves(self.slot, self.card.moves);
            }
            if self.line != self.line_written {
                store.write_line(self.slot, &self.line);
            }
            // What an earlier turn left there is still so, if nothing was written since; otherwise its count says that it is not.
            let (writes, slot, header, card) = (store.writes(), self.slot, self.header, self.card);
            let owns = card.owner != 0 && card.owner == self.link.token();
            if let Some(gate) = self.gate.as_mut().filter(|_| owns) {
                if gate.as_ref().is_none_or(|known| known.writes != writes) {
                    **gate = Some(Known {
                        writes,
                        token: card.owner,
                        slot,
                        header,
                        card,
                    });
                }
            }
        }
        self.give_back();
        drop(unlock);
        // Before anybody is woken: who finds it locked takes it that somebody is in an exchange.
        drop(self.gate.take());
        // After the writing: who begins to wait later than this reads what was written.
        let whom = if self.bell {
            Some(Byte::Anybody)
        } else {
            self.freed.then_some(Byte::Queue)
        };
        if whom.is_some_and(|whom| self.is_awaited(whom)) {
            store.ring();
        }
    }
}
