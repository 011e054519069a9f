//! What callers see of a slot: the event words of `SCardGetStatusChange`. (The state word of `SCardStatus` is the platform's.)
//!
//! Pure functions; each word is made from scratch and compared once. Source of every rule: pcsc-lite, as set down in the
//! documentation under "Status".

use crate::api::constants as c;
use crate::api::types::DWORD;
use crate::arbiter::locks::Mode;
use crate::arbiter::record::CardState;

/// A constant of the C interface as the 32 bits that matter.
#[allow(
    clippy::cast_possible_truncation,
    clippy::unnecessary_cast,
    trivial_numeric_casts,
    reason = "constants below 2^32; DWORD has 4 or 8 bytes"
)]
const fn bits(value: DWORD) -> u32 {
    value as u32
}

/// What an event word is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct View {
    /// The card's state.
    pub(crate) state: CardState,
    /// Insertions and removals.
    pub(crate) moves: u16,
    /// Whether handles are connected.
    pub(crate) users: Option<Mode>,
}

/// The event word for a reader, given the caller's idea of it (`dwCurrentState`); `CHANGED` included.
pub(crate) fn event_word(view: View, current: u32) -> u32 {
    let (low, counter) = match view.state {
        // Exactly this, and no counter, for a reader that does not answer.
        CardState::Unknown | CardState::Failed => (bits(c::SCARD_STATE_UNAVAILABLE), 0),
        CardState::Absent
        | CardState::Inserted
        | CardState::Powered
        | CardState::Mute
        | CardState::Unpowered
        | CardState::Dormant => (card_bits(view), u32::from(view.moves)),
    };
    let word = low | (counter << 16);
    if is_changed(view, current) {
        word | bits(c::SCARD_STATE_CHANGED)
    } else {
        word
    }
}

fn card_bits(view: View) -> u32 {
    let mut word = if view.state.is_present() {
        c::SCARD_STATE_PRESENT
    } else {
        c::SCARD_STATE_EMPTY
    };
    if view.state == CardState::Mute {
        word |= c::SCARD_STATE_MUTE;
    }
    // INUSE needs a card, EXCLUSIVE does not; with a card EXCLUSIVE stands without INUSE.
    match view.users {
        Some(Mode::Exclusive) => word |= c::SCARD_STATE_EXCLUSIVE,
        Some(Mode::Shared) if view.state.is_present() => word |= c::SCARD_STATE_INUSE,
        Some(Mode::Shared) | None => {}
    }
    bits(word)
}

/// The comparisons that make a change; nothing else does (becoming INUSE or EXCLUSIVE, for one, does not).
fn is_changed(view: View, current: u32) -> bool {
    let has = |bit: DWORD| current & bits(bit) != 0;
    let failed = matches!(view.state, CardState::Unknown | CardState::Failed);
    if current == 0 || has(c::SCARD_STATE_UNKNOWN) || failed != has(c::SCARD_STATE_UNAVAILABLE) {
        return true;
    }
    let counter = current >> 16;
    if counter != 0 && counter != u32::from(view.moves) {
        return true;
    }
    if failed {
        return false;
    }
    let (present, mute) = (view.state.is_present(), view.state == CardState::Mute);
    let moved = if present {
        has(c::SCARD_STATE_EMPTY)
    } else {
        has(c::SCARD_STATE_PRESENT)
    };
    let spoke = present && mute != has(c::SCARD_STATE_MUTE);
    let shared_otherwise = match view.users {
        Some(Mode::Exclusive) => has(c::SCARD_STATE_INUSE),
        Some(Mode::Shared) => present && has(c::SCARD_STATE_EXCLUSIVE),
        None => has(c::SCARD_STATE_INUSE) || has(c::SCARD_STATE_EXCLUSIVE),
    };
    moved || spoke || shared_otherwise
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: u32 = 0x10;
    const PRESENT: u32 = 0x20;
    const EXCLUSIVE: u32 = 0x80;
    const INUSE: u32 = 0x100;
    const MUTE: u32 = 0x200;
    const CHANGED: u32 = 2;

    fn view(state: CardState, moves: u16, users: Option<Mode>) -> View {
        View { state, moves, users }
    }

    /// Behaviour reference §5.2, "typical values".
    #[test]
    fn typical_event_words() {
        use CardState::{Absent, Failed, Mute, Powered};
        let rows = [
            (view(Powered, 0, None), 0, 0x22),
            (view(Powered, 0, None), PRESENT, 0x20),
            (view(Powered, 0, None), PRESENT | CHANGED, 0x20),
            (view(Absent, 0, None), 0, 0x12),
            (view(Powered, 0, Some(Mode::Shared)), 0, 0x122),
            (view(Powered, 0, Some(Mode::Exclusive)), 0, 0xA2),
            (view(Mute, 0, None), 0, 0x222),
            (view(Failed, 3, None), 0, 0xA),
            (view(Absent, 1, None), PRESENT, 0x1_0012),
            (view(Absent, 1, Some(Mode::Exclusive)), PRESENT, 0x1_0092),
            (view(Absent, 1, Some(Mode::Shared)), EMPTY, 0x1_0010),
        ];
        for (view, current, expected) in rows {
            assert_eq!(event_word(view, current), expected, "{view:?} from {current:#x}");
        }
    }

    /// Behaviour reference §5.2: what makes a change, and what does not.
    #[test]
    fn comparisons() {
        use CardState::{Absent, Failed, Mute, Powered};
        let changed = |v: View, current: u32| event_word(v, current) & CHANGED != 0;
        assert!(changed(view(Powered, 5, None), PRESENT | 4 << 16), "another counter");
        assert!(!changed(view(Powered, 5, None), PRESENT | 5 << 16));
        assert!(!changed(view(Powered, 5, None), PRESENT), "counter 0 is not compared");
        assert!(
            changed(view(Powered, 0, None), 4 | PRESENT),
            "UNKNOWN always is a change"
        );
        assert!(changed(view(Failed, 0, None), PRESENT));
        assert!(!changed(view(Failed, 0, None), 8));
        assert!(changed(view(Powered, 0, None), 8 | PRESENT), "available again");
        assert!(changed(view(Mute, 0, None), PRESENT));
        assert!(changed(view(Powered, 0, None), PRESENT | MUTE));
        assert!(
            !changed(view(Powered, 0, Some(Mode::Shared)), PRESENT),
            "becoming INUSE is none"
        );
        assert!(
            !changed(view(Powered, 0, Some(Mode::Exclusive)), PRESENT),
            "becoming EXCLUSIVE is none"
        );
        assert!(changed(view(Powered, 0, Some(Mode::Exclusive)), PRESENT | INUSE));
        assert!(changed(view(Powered, 0, Some(Mode::Shared)), PRESENT | EXCLUSIVE));
        assert!(changed(view(Powered, 0, None), PRESENT | INUSE));
        assert!(changed(view(Powered, 0, None), PRESENT | EXCLUSIVE));
        assert!(!changed(view(Absent, 0, Some(Mode::Shared)), EMPTY));
        assert!(
            !changed(view(Powered, 0, None), CHANGED),
            "CHANGED alone is not UNAWARE"
        );
    }
}
