//! The host controller's part of a bulk transfer: a transfer is cut into packets, and packets are put together.

use std::time::Instant;

use super::device::{Device, In, Out};
use crate::usb::ErrorKind;

/// How far a transfer has come.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step<T> {
    /// It has ended.
    Done(Result<T, ErrorKind>),
    /// The device has nothing to give or take; perhaps at that time.
    Wait(Option<Instant>),
}

/// Reading: until all that is wanted has arrived, or a short packet.
#[derive(Debug, Default)]
pub(super) struct InTransfer {
    wanted: usize,
    data: Vec<u8>,
}

impl InTransfer {
    pub(super) fn new(wanted: usize) -> Self {
        Self {
            wanted,
            data: Vec::new(),
        }
    }

    /// Goes on as far as the device lets it.
    pub(super) fn step(&mut self, device: &mut Device, now: Instant) -> Step<Vec<u8>> {
        let packet_len = device.config().packet_len();
        loop {
            match device.bulk_in(now) {
                In::Stall => return Step::Done(Err(ErrorKind::Stall)),
                In::Nak(ready) => return Step::Wait(ready),
                In::Packet(packet) => {
                    if packet.len() > packet_len || self.data.len() + packet.len() > self.wanted {
                        return Step::Done(Err(ErrorKind::Overflow));
                    }
                    self.data.extend(&packet);
                    if packet.len() < packet_len || self.data.len() == self.wanted {
                        return Step::Done(Ok(std::mem::take(&mut self.data)));
                    }
                }
            }
        }
    }
}

/// Writing.
#[derive(Debug)]
pub(super) struct OutTransfer {
    data: Vec<u8>,
    sent: usize,
    /// Whether n whole packets are followed by one of length zero.
    zlp: bool,
}

impl OutTransfer {
    pub(super) fn new(data: Vec<u8>, zlp: bool) -> Self {
        Self { data, sent: 0, zlp }
    }

    /// Goes on as far as the device lets it; gives the number of bytes sent.
    pub(super) fn step(&mut self, device: &mut Device, now: Instant) -> Step<usize> {
        let packet_len = device.config().packet_len();
        loop {
            let rest = self.data.get(self.sent..).unwrap_or_default();
            let packet = rest.get(..packet_len).unwrap_or(rest);
            match device.bulk_out(packet, now) {
                Out::Stall => return Step::Done(Err(ErrorKind::Stall)),
                Out::Nak => return Step::Wait(None),
                Out::Ack => self.sent += packet.len(),
            }
            let whole = packet.len() == packet_len && self.zlp;
            if self.sent == self.data.len() && !whole {
                return Step::Done(Ok(self.sent));
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::sim::fault::{Fault, Injection};
    use crate::sim::{BuiltinCard, Config};

    /// GetSlotStatus.
    const STATUS: [u8; 10] = [0x65, 0, 0, 0, 0, 0, 7, 0, 0, 0];

    fn device() -> Device {
        let mut device = Device::new(Config {
            max_packet_len: 8,
            ..Config::default()
        });
        assert!(device.insert(0, Box::new(BuiltinCard::default())).is_none());
        device
    }

    fn send(device: &mut Device, bytes: &[u8]) {
        let step = OutTransfer::new(bytes.to_vec(), false).step(device, Instant::now());
        assert_eq!(step, Step::Done(Ok(bytes.len())));
    }

    #[test]
    fn a_transfer_is_read_to_its_short_packet() {
        let mut device = device();
        send(&mut device, &STATUS);
        let mut transfer = InTransfer::new(64);
        let Step::Done(Ok(answer)) = transfer.step(&mut device, Instant::now()) else {
            unreachable!("an answer is there");
        };
        assert_eq!((answer.len(), answer.first()), (10, Some(&0x81)));
        assert_eq!(
            InTransfer::new(64).step(&mut device, Instant::now()),
            Step::Wait(None),
            "nothing more to read"
        );
    }

    #[test]
    fn a_full_buffer_ends_a_transfer_and_a_long_packet_overflows() {
        let mut device = device();
        send(&mut device, &STATUS);
        let now = Instant::now();
        assert!(matches!(InTransfer::new(8).step(&mut device, now), Step::Done(Ok(part)) if part.len() == 8));
        assert_eq!(
            InTransfer::new(1).step(&mut device, now),
            Step::Done(Err(ErrorKind::Overflow))
        );
        device.inject(Injection::from(Fault::StallIn));
        send(&mut device, &STATUS);
        assert_eq!(
            InTransfer::new(64).step(&mut device, Instant::now()),
            Step::Done(Err(ErrorKind::Stall))
        );
    }

    #[test]
    fn whole_packets_are_closed_by_an_empty_one_if_asked_for() {
        // PC_to_RDR_XfrBlock with six bytes: two packets of eight.
        let message = [0x6F, 6, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6];
        let mut device = device();
        let mut transfer = OutTransfer::new(message.to_vec(), true);
        assert_eq!(transfer.step(&mut device, Instant::now()), Step::Done(Ok(16)));
        assert_eq!(device.counters().commands, 1);
    }
}
