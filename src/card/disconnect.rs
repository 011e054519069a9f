//! Letting go of a card: `SCardDisconnect`, and what becomes of the connections of a released context.

use std::sync::atomic::Ordering;

use super::{CARDS, Card, Disposition};
use crate::api::types::DWORD;
use crate::arbiter::locks::Byte;
use crate::arbiter::record::CardState;
use crate::clock::boot_millis;
use crate::error::Result;
use crate::platform;
use crate::reader::link::Attempt;
use crate::reader::power::Reset;
use crate::reader::turn::Owner;

impl Card {
    /// `SCardDisconnect`. The handle is gone unless its value or the disposition is wrong.
    ///
    /// # Errors
    /// `InvalidHandle`, `InvalidValue` (disposition).
    pub fn disconnect(handle: u32, disposition: DWORD) -> Result<()> {
        let card = CARDS.get(handle)?;
        let disposition = Disposition::parse(disposition)?;
        // A resetting disposition waits for others' transactions, and another thread may be faster meanwhile.
        if !matches!(disposition, Disposition::Leave) {
            card.wait_to_leave();
        }
        let card = CARDS.remove(handle)?;
        card.leave(disposition);
        Ok(())
    }

    fn wait_to_leave(&self) {
        let free = self.until_free(platform::READER_GONE, true, |turn| {
            Ok(if self.is_locked_out(turn)? {
                Attempt::Busy
            } else {
                Attempt::Done(())
            })
        });
        if let Err(error) = free {
            log::debug!("{}: {error}", self.reader.name);
        }
    }

    /// What is left to do for a connection that its context takes along: a card in this handle's transaction is reset.
    pub(crate) fn abandon(&self) {
        let Ok(turn) = self.turn(platform::READER_GONE) else {
            return;
        };
        let resets = turn.card.owner == self.token && turn.card.pending(self.standing.lock().acknowledged).is_none();
        drop(turn);
        self.leave(if resets { Disposition::Reset } else { Disposition::Leave });
    }

    /// Lets go of the card. What becomes of a reset does not matter to the caller.
    fn leave(&self, disposition: Disposition) {
        let Ok(mut turn) = self.turn(platform::READER_GONE) else {
            return;
        };
        self.left.store(true, Ordering::Release);
        turn.write_count();
        let mine = turn.card.owner == self.token;
        if mine {
            turn.card.owner = 0;
            turn.ring();
        }
        if turn.card.state == CardState::Powered {
            turn.card.last_use_ms = boot_millis();
        }
        if disposition != Disposition::Leave
            && turn.refresh().is_ok()
            && matches!(turn.owner(self.token), Ok(Owner::Nobody))
        {
            match disposition {
                Disposition::Reset => drop(turn.reset(Reset::Warm)),
                Disposition::Unpower if turn.card.state.is_present() => {
                    turn.card.note_reset();
                    turn.power_down();
                    turn.card.state = CardState::Unpowered;
                    turn.ring();
                }
                Disposition::Leave | Disposition::Unpower | Disposition::Eject => {}
            }
        }
        self.link.locks().unlock(Byte::Share(turn.slot()));
        self.link.locks().unlock(Byte::Handle(self.token));
        turn.ring();
    }
}
