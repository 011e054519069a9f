//! Messages of the interrupt pipe (CCID 1.1 §6.3).

use crate::input::Input;
use winscard::ccid::interrupt::{Notification, notifications};

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let slots = usize::from(input.u16() % 258);
    let packet = input.rest();
    let mut count = 0;
    for notification in notifications(packet, slots) {
        count += 1;
        if let Notification::SlotChange(change) = notification {
            for slot in (0..slots.max(1)).chain([255, 256, usize::MAX]) {
                assert!(change.present(slot).is_some() || !change.changed(slot));
            }
        }
    }
    assert!(count <= packet.len(), "each takes a byte at least");
}
