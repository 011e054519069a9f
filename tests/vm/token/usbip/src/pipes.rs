// SPDX-License-Identifier: MIT OR Apache-2.0
//! Bulk and interrupt endpoints.

use std::collections::VecDeque;

use usb_device::{Result, UsbError};

use crate::{Host, Submit, OK, STALLED};

/// An endpoint that sends to the host.
pub(crate) struct In {
    packet: usize,
    /// The packet that no request has fetched yet: the endpoint's buffer holds one.
    waiting: Option<Vec<u8>>,
    requests: VecDeque<(Submit, Vec<u8>)>,
    completed: bool,
    stalled: bool,
}

impl In {
    pub(crate) fn new(packet: usize) -> Self {
        Self { packet, waiting: None, requests: VecDeque::new(), completed: false, stalled: false }
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::new(self.packet);
    }

    pub(crate) fn submit(&mut self, urb: Submit, host: &mut Host) {
        if self.stalled {
            host.complete(urb.seqnum, STALLED, 0, &[]);
        } else {
            self.requests.push_back((urb, Vec::new()));
            self.fetch(host);
        }
    }

    /// Moves the waiting packet into the first request; a short one, or one that fills the request, ends it.
    fn fetch(&mut self, host: &mut Host) {
        let Some((urb, data)) = self.requests.front_mut() else { return };
        let Some(packet) = self.waiting.take() else { return };
        data.extend_from_slice(&packet);
        self.completed = true;
        if packet.len() < self.packet || data.len() >= urb.length {
            // What does not fit is lost, as on a wire; the host's driver asks for whole packets.
            data.truncate(urb.length);
            host.complete(urb.seqnum, OK, data.len(), data);
            self.requests.pop_front();
        }
    }

    pub(crate) fn write(&mut self, packet: &[u8], host: &mut Host) -> Result<usize> {
        if packet.len() > self.packet {
            return Err(UsbError::BufferOverflow);
        }
        if self.waiting.is_some() || self.completed {
            return Err(UsbError::WouldBlock);
        }
        self.waiting = Some(packet.to_vec());
        self.fetch(host);
        Ok(packet.len())
    }

    pub(crate) fn take_completed(&mut self) -> bool {
        std::mem::take(&mut self.completed)
    }

    pub(crate) fn unlink(&mut self, seqnum: u32) -> bool {
        let before = self.requests.len();
        self.requests.retain(|(urb, _)| urb.seqnum != seqnum);
        self.requests.len() != before
    }

    pub(crate) fn set_stalled(&mut self, stalled: bool, host: &mut Host) {
        self.stalled = stalled;
        if stalled {
            self.waiting = None;
            for (urb, _) in self.requests.drain(..) {
                host.complete(urb.seqnum, STALLED, 0, &[]);
            }
        }
    }

    pub(crate) fn is_stalled(&self) -> bool {
        self.stalled
    }
}

/// An endpoint that the host sends to.
pub(crate) struct Out {
    packet: usize,
    /// Requests, and how much of the first one the device has taken.
    requests: VecDeque<Submit>,
    taken: usize,
    stalled: bool,
}

impl Out {
    pub(crate) fn new(packet: usize) -> Self {
        Self { packet, requests: VecDeque::new(), taken: 0, stalled: false }
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::new(self.packet);
    }

    pub(crate) fn submit(&mut self, urb: Submit, host: &mut Host) {
        if self.stalled {
            host.complete(urb.seqnum, STALLED, 0, &[]);
        } else {
            self.requests.push_back(urb);
        }
    }

    pub(crate) fn is_ready(&self) -> bool {
        !self.requests.is_empty()
    }

    pub(crate) fn read(&mut self, buffer: &mut [u8], host: &mut Host) -> Result<usize> {
        let urb = self.requests.front().ok_or(UsbError::WouldBlock)?;
        let end = urb.data.len().min(self.taken + self.packet);
        let packet = &urb.data[self.taken..end];
        buffer.get_mut(..packet.len()).ok_or(UsbError::BufferOverflow)?.copy_from_slice(packet);
        let length = packet.len();
        self.taken = end;
        if end == urb.data.len() {
            host.complete(urb.seqnum, OK, end, &[]);
            self.requests.pop_front();
            self.taken = 0;
        }
        Ok(length)
    }

    pub(crate) fn unlink(&mut self, seqnum: u32) -> bool {
        if self.requests.front().is_some_and(|urb| urb.seqnum == seqnum) {
            self.taken = 0;
        }
        let before = self.requests.len();
        self.requests.retain(|urb| urb.seqnum != seqnum);
        self.requests.len() != before
    }

    pub(crate) fn set_stalled(&mut self, stalled: bool, host: &mut Host) {
        self.stalled = stalled;
        if stalled {
            self.taken = 0;
            for urb in self.requests.drain(..) {
                host.complete(urb.seqnum, STALLED, 0, &[]);
            }
        }
    }

    pub(crate) fn is_stalled(&self) -> bool {
        self.stalled
    }
}
