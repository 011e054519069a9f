//! Readers as USB/IP devices, which a kernel's `vhci_hcd` attaches like hardware.
//!
//! A connection is one imported device. Transfers of one endpoint are served in the order they were submitted, one at a
//! time; each waits for as long as the device has nothing to say (NAK) and ends at a short packet.

mod device;
mod wire;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use super::errno;
use super::port::Port;
use super::socket::Peer;
use super::transfer::{InTransfer, OutTransfer, Step};
use crate::usb::ErrorKind;
use device::Functions;
use wire::{Announcement, Command, Operation, Parsed, Submit};

/// A device that can be imported: one port for each interface; none while it is unplugged.
#[derive(Debug)]
pub(super) struct Exported {
    pub(super) ports: Vec<Arc<Port>>,
}

/// What a transfer moves.
#[derive(Debug)]
enum Work {
    BulkIn(InTransfer),
    BulkOut(OutTransfer),
    Interrupt { len: usize },
}

/// A transfer that has not ended.
#[derive(Debug)]
struct Urb {
    seq: u32,
    /// Endpoint address.
    endpoint: u8,
    work: Work,
}

/// One connection.
#[derive(Debug, Default)]
pub(super) struct Link {
    functions: Option<Functions>,
    urbs: VecDeque<Urb>,
}

impl Link {
    /// Whether the imported device has left.
    pub(super) fn is_gone(&self) -> bool {
        self.functions.as_ref().is_some_and(Functions::is_gone)
    }

    /// Carries out what has arrived. `exported` gives the devices in the order of their numbers.
    pub(super) fn receive(&mut self, peer: &mut Peer, now: Instant, exported: impl Fn() -> Vec<Exported>) {
        while self.functions.is_none() && !peer.is_ended() {
            let Some((operation, len)) = Operation::parse(&peer.input) else {
                return;
            };
            peer.take(len);
            self.operate(peer, &operation, exported());
        }
        while !peer.is_ended() {
            match Command::parse(&peer.input) {
                Parsed::Incomplete => break,
                Parsed::Nonsense => {
                    log::warn!("USB/IP: not understood; closing");
                    peer.end();
                }
                Parsed::Command(command, len) => {
                    peer.take(len);
                    match command {
                        Command::Submit(submit) => self.submit(peer, submit, now),
                        Command::Unlink { seq, which } => self.unlink(peer, seq, which),
                    }
                }
            }
        }
        self.step(peer, now);
    }

    fn operate(&mut self, peer: &mut Peer, operation: &Operation, exported: Vec<Exported>) {
        let devices = exported
            .into_iter()
            .enumerate()
            .filter(|(_, device)| !device.ports.is_empty());
        let mut devices = devices.map(|(at, device)| Functions::new(at, device.ports));
        match operation {
            Operation::DeviceList => {
                let list: Vec<Announcement> = devices.map(|device| device.announcement()).collect();
                peer.push(&wire::device_list(&list));
                peer.end();
            }
            Operation::Import(id) => {
                let device = devices.find(|device| device.announcement().id == *id);
                let announcement = device.as_ref().map(Functions::announcement);
                peer.push(&wire::imported(announcement.as_ref()));
                if device.is_none() {
                    peer.end();
                }
                self.functions = device;
            }
            Operation::Unknown => peer.end(),
        }
    }

    fn submit(&mut self, peer: &mut Peer, submit: Submit, now: Instant) {
        let Some(functions) = &self.functions else { return };
        if submit.endpoint == 0 {
            let answer = match functions.control(submit.setup, &submit.data, now) {
                Some(mut data) if submit.is_in => {
                    data.truncate(submit.len);
                    wire::submitted(submit.seq, 0, data.len(), &data)
                }
                Some(_) => wire::submitted(submit.seq, 0, submit.len, &[]),
                None => wire::submitted(submit.seq, -errno::EPIPE, 0, &[]),
            };
            peer.push(&answer);
            return;
        }
        let endpoint = submit.endpoint | if submit.is_in { 0x80 } else { 0 };
        let work = match functions.kind(endpoint) {
            Some(device::Kind::BulkIn) => Work::BulkIn(InTransfer::new(submit.len)),
            Some(device::Kind::BulkOut) => Work::BulkOut(OutTransfer::new(submit.data, submit.zlp)),
            Some(device::Kind::Interrupt) => Work::Interrupt { len: submit.len },
            None => {
                peer.push(&wire::submitted(submit.seq, -errno::EPIPE, 0, &[]));
                return;
            }
        };
        self.urbs.push_back(Urb {
            seq: submit.seq,
            endpoint,
            work,
        });
    }

    /// A transfer taken back has no answer of its own; one that has ended already had it, and the status says so.
    fn unlink(&mut self, peer: &mut Peer, seq: u32, which: u32) {
        let before = self.urbs.len();
        self.urbs.retain(|urb| urb.seq != which);
        let status = if self.urbs.len() < before {
            -errno::ECONNRESET
        } else {
            0
        };
        peer.push(&wire::unlinked(seq, status));
    }

    /// Goes on with the transfers under way; gives the time when one of them may go on.
    pub(super) fn step(&mut self, peer: &mut Peer, now: Instant) -> Option<Instant> {
        let functions = self.functions.as_ref()?;
        let mut wake = None;
        let mut waiting = Vec::new();
        // Twice: what one endpoint has taken may be what another answers.
        for _ in 0..2 {
            waiting.clear();
            wake = None;
            self.urbs.retain_mut(|urb| {
                if waiting.contains(&urb.endpoint) {
                    return true;
                }
                match step(functions, urb, now) {
                    Step::Done(answer) => {
                        peer.push(&end(urb.seq, answer));
                        false
                    }
                    Step::Wait(ready) => {
                        waiting.push(urb.endpoint);
                        wake = wake.into_iter().chain(ready).min();
                        true
                    }
                }
            });
        }
        wake
    }
}

/// How much a transfer moved, and what was read.
type Moved = (usize, Vec<u8>);

fn step(functions: &Functions, urb: &mut Urb, now: Instant) -> Step<Moved> {
    let gone = Step::Done(Err(ErrorKind::Disconnected));
    functions
        .with_device(urb.endpoint, |device| match &mut urb.work {
            Work::BulkIn(transfer) => match transfer.step(device, now) {
                Step::Done(result) => Step::Done(result.map(|data| (data.len(), data))),
                Step::Wait(ready) => Step::Wait(ready),
            },
            Work::BulkOut(transfer) => match transfer.step(device, now) {
                Step::Done(result) => Step::Done(result.map(|len| (len, Vec::new()))),
                Step::Wait(ready) => Step::Wait(ready),
            },
            Work::Interrupt { len } => match device.has_interrupt().then(|| device.interrupt_in()).flatten() {
                Some(message) if message.len() > *len => Step::Done(Err(ErrorKind::Overflow)),
                Some(message) => Step::Done(Ok((message.len(), message))),
                None => Step::Wait(None),
            },
        })
        .unwrap_or(gone)
}

fn end(seq: u32, result: Result<Moved, ErrorKind>) -> Vec<u8> {
    let status = match result {
        Ok((len, data)) => return wire::submitted(seq, 0, len, &data),
        Err(ErrorKind::Stall) => errno::EPIPE,
        Err(ErrorKind::Overflow) => errno::EOVERFLOW,
        Err(ErrorKind::Disconnected) => errno::ESHUTDOWN,
        Err(ErrorKind::Busy | ErrorKind::Timeout | ErrorKind::NoAccess | ErrorKind::NoMemory | ErrorKind::Other) => {
            errno::EPROTO
        }
    };
    wire::submitted(seq, -status, 0, &[])
}

#[cfg(test)]
mod tests;
