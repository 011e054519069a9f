// SPDX-License-Identifier: MIT OR Apache-2.0
//! Endpoint 0. The kernel hands over a control transfer as one request; the device sees its stages one after another.

use std::collections::VecDeque;

use usb_device::{Result, UsbError};

use crate::{Host, Submit, OK, STALLED};

#[derive(Clone, Copy, Default, PartialEq)]
enum Stage {
    #[default]
    Idle,
    Setup,
    DataIn,
    DataOut,
    StatusIn,
    StatusOut,
}

#[derive(Default)]
pub(crate) struct Control {
    packet: usize,
    waiting: VecDeque<Submit>,
    current: Option<Submit>,
    stage: Stage,
    /// What came from the device, or how much of the request's data it has taken.
    answer: Vec<u8>,
    taken: usize,
    completed: bool,
}

impl Control {
    pub(crate) fn set_packet(&mut self, packet: usize) {
        self.packet = packet;
    }

    pub(crate) fn clear(&mut self) {
        *self = Self { packet: self.packet, ..Self::default() };
    }

    pub(crate) fn submit(&mut self, urb: Submit) {
        self.waiting.push_back(urb);
    }

    /// What the device is to be told: a setup packet is there, data is there, its packet was fetched.
    pub(crate) fn poll(&mut self) -> (bool, bool, bool) {
        if std::mem::take(&mut self.completed) {
            return (false, false, true);
        }
        if self.stage == Stage::Idle {
            self.current = self.waiting.pop_front();
            if self.current.is_some() {
                self.stage = Stage::Setup;
                self.answer.clear();
                self.taken = 0;
            }
        }
        (self.stage == Stage::Setup, matches!(self.stage, Stage::DataOut | Stage::StatusOut), false)
    }

    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        if self.stage == Stage::StatusOut {
            self.stage = Stage::Idle;
            return Ok(0);
        }
        let urb = self.current.as_ref().ok_or(UsbError::WouldBlock)?;
        let packet = match self.stage {
            Stage::Setup => &urb.setup[..],
            Stage::DataOut => &urb.data[self.taken..urb.data.len().min(self.taken + self.packet)],
            _ => return Err(UsbError::WouldBlock),
        };
        let length = packet.len();
        buffer.get_mut(..length).ok_or(UsbError::BufferOverflow)?.copy_from_slice(packet);
        self.stage = match self.stage {
            Stage::Setup if urb.device_to_host && urb.length > 0 => Stage::DataIn,
            Stage::Setup if !urb.data.is_empty() => Stage::DataOut,
            Stage::DataOut if self.taken + length < urb.data.len() => {
                self.taken += length;
                Stage::DataOut
            }
            _ => Stage::StatusIn,
        };
        Ok(length)
    }

    pub(crate) fn write(&mut self, packet: &[u8], host: &mut Host) -> Result<usize> {
        if self.completed {
            return Err(UsbError::WouldBlock);
        }
        let Some(urb) = &self.current else { return Err(UsbError::WouldBlock) };
        match self.stage {
            Stage::DataIn => {
                self.answer.extend_from_slice(packet);
                if packet.len() < self.packet || self.answer.len() >= urb.length {
                    self.answer.truncate(urb.length);
                    host.complete(urb.seqnum, OK, self.answer.len(), &self.answer);
                    self.current = None;
                    self.stage = Stage::StatusOut;
                }
            }
            // The answer to a transfer without data, or the device's word that it has what was sent.
            Stage::StatusIn => {
                host.complete(urb.seqnum, OK, urb.data.len(), &[]);
                self.current = None;
                self.stage = Stage::Idle;
            }
            _ => return Err(UsbError::WouldBlock),
        }
        self.completed = true;
        Ok(packet.len())
    }

    /// A stall of endpoint 0 refuses the transfer under way and is over with the next setup packet.
    pub(crate) fn set_stalled(&mut self, stalled: bool, host: &mut Host) {
        if stalled && !matches!(self.stage, Stage::Idle | Stage::Setup) {
            if let Some(urb) = self.current.take() {
                host.complete(urb.seqnum, STALLED, 0, &[]);
            }
            self.stage = Stage::Idle;
        }
    }

    pub(crate) fn unlink(&mut self, seqnum: u32) -> bool {
        if self.current.as_ref().is_some_and(|urb| urb.seqnum == seqnum) {
            self.current = None;
            self.stage = Stage::Idle;
            return true;
        }
        let before = self.waiting.len();
        self.waiting.retain(|urb| urb.seqnum != seqnum);
        self.waiting.len() != before
    }
}
