//! What a reader's interrupt endpoint says of its slots.

use crate::arbiter::record::CardState;

/// What the interrupt endpoint had to say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hints {
    /// Bit n: slot n may have changed.
    pub(crate) changed: u32,
    /// Bit n: slot n was empty at some time since the last look.
    pub(crate) emptied: u32,
    /// Bit n: something happened to slot n, and afterwards there was a card in it. Only of readers whose slot status would
    /// not show that it is another.
    pub(crate) replaced: u32,
}

impl Hints {
    /// Whether anything was said of a slot.
    pub(crate) fn concern(self, slot: u8) -> bool {
        (self.changed | self.emptied | self.replaced) & bit(slot) != 0
    }

    /// Without this slot.
    pub(crate) fn but(self, slot: u8) -> Self {
        Self {
            changed: self.changed & !bit(slot),
            emptied: self.emptied & !bit(slot),
            replaced: self.replaced & !bit(slot),
        }
    }

    /// Whether the card that was in a slot has left it meanwhile. One that nobody has powered yet may be the very card
    /// whose coming was reported. A powered one is not judged by reports, which may be older than what is known, where the
    /// slot's status will tell (`tells`): no other card is active then.
    pub(crate) fn say_left(self, slot: u8, state: CardState, tells: bool) -> bool {
        if tells && state == CardState::Powered {
            return false;
        }
        let replaced = self.replaced & bit(slot) != 0 && state != CardState::Inserted;
        self.emptied & bit(slot) != 0 || replaced
    }
}

/// The bit of a slot.
pub(super) fn bit(slot: u8) -> u32 {
    1_u32.checked_shl(slot.into()).unwrap_or(0)
}
