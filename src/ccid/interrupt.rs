//! Messages on the interrupt pipe. They are hints: readers miss some and invent others.

/// One message from the interrupt pipe.
// CCID 1.1 §6.3
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notification<'a> {
    /// 50: something changed in one or more slots.
    SlotChange(SlotChange<'a>),
    /// 51: the hardware has a problem.
    HardwareError {
        /// `bSlot`, not checked against the number of slots.
        slot: u8,
        /// `bSeq` of the command under way.
        sequence: u8,
        /// `bHardwareErrorCode`; 1 is overcurrent.
        code: u8,
    },
}

/// `RDR_to_PC_NotifySlotChange`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotChange<'a> {
    states: &'a [u8],
}

impl SlotChange<'_> {
    fn bits(&self, slot: usize) -> u8 {
        self.states
            .get(slot / 4)
            .map_or(0, |byte| byte >> (slot % 4 * 2) & 0x03)
    }

    /// Whether a card is in the slot; `None` if the message does not reach that far.
    #[must_use]
    pub fn present(&self, slot: usize) -> Option<bool> {
        self.states.get(slot / 4).map(|_| self.bits(slot) & 0x01 != 0)
    }

    /// Whether the slot changed since the last notification.
    #[must_use]
    pub fn changed(&self, slot: usize) -> bool {
        self.bits(slot) & 0x02 != 0
    }
}

/// The messages in one interrupt packet: readers may put several in one. Ends at the first byte it does not know.
#[derive(Clone, Debug)]
pub struct Notifications<'a> {
    rest: &'a [u8],
    states_len: usize,
}

/// Walks the messages of an interrupt packet of a reader with `slots` slots.
#[must_use]
pub fn notifications(packet: &[u8], slots: usize) -> Notifications<'_> {
    Notifications {
        rest: packet,
        states_len: slots.div_ceil(4).max(1),
    }
}

impl<'a> Iterator for Notifications<'a> {
    type Item = Notification<'a>;

    fn next(&mut self) -> Option<Notification<'a>> {
        let rest = std::mem::take(&mut self.rest);
        match rest {
            // A message cut short still says something about the slots it reaches.
            [0x50, states @ ..] if !states.is_empty() => {
                let (states, rest) = states.split_at(self.states_len.min(states.len()));
                self.rest = rest;
                Some(Notification::SlotChange(SlotChange { states }))
            }
            [0x51, slot, sequence, code, rest @ ..] => {
                self.rest = rest;
                Some(Notification::HardwareError {
                    slot: *slot,
                    sequence: *sequence,
                    code: *code,
                })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic, clippy::indexing_slicing, reason = "tests")]
    use super::*;

    #[test]
    fn several_notifications_in_one_packet_are_all_seen() {
        let packet = [0x50, 0b0000_0011, 0x51, 0, 9, 1, 0x50, 0b0000_0010];
        let all: Vec<_> = notifications(&packet, 1).collect();
        assert_eq!(all.len(), 3);
        let Notification::SlotChange(first) = all[0] else {
            panic!("{all:?}")
        };
        assert_eq!((first.present(0), first.changed(0)), (Some(true), true));
        assert_eq!(
            all[1],
            Notification::HardwareError {
                slot: 0,
                sequence: 9,
                code: 1
            }
        );
        let Notification::SlotChange(last) = all[2] else {
            panic!("{all:?}")
        };
        assert_eq!((last.present(0), last.changed(0)), (Some(false), true));
    }

    #[test]
    fn slots_beyond_the_notification_are_unknown_not_read() {
        let packet = [0x50, 0xFF];
        let Some(Notification::SlotChange(change)) = notifications(&packet, 256).next() else {
            panic!()
        };
        assert_eq!((change.present(3), change.changed(3)), (Some(true), true));
        assert_eq!((change.present(4), change.changed(4)), (None, false));
        assert_eq!((change.present(255), change.changed(usize::MAX)), (None, false));
    }

    #[test]
    fn junk_on_the_interrupt_pipe_ends_the_walk() {
        for packet in [&[][..], &[0x50], &[0x51, 1, 2], &[0x00, 0x50, 0x03]] {
            assert_eq!(notifications(packet, 1).count(), 0, "{packet:02X?}");
        }
    }
}
