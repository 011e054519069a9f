// SPDX-License-Identifier: MIT OR Apache-2.0
//! A bus for `usb-device` that a kernel attaches over USB/IP: one device, "1-1", on the TCP port in `TOKEN_PORT` (3240).
//!
//! Endpoints behave as hardware's do: one packet at a time; a request for data is over with a short packet or when its buffer is full; a request
//! that sends data is over when the device has taken its last packet.

mod control;
mod pipes;
mod server;

use std::io::Write;
use std::net::TcpStream;
use std::sync::{Arc, Mutex, MutexGuard};

use usb_device::bus::{PollResult, UsbBus};
use usb_device::endpoint::{EndpointAddress, EndpointType};
use usb_device::{Result, UsbDirection, UsbError};

use control::Control;
use pipes::{In, Out};

/// Status words of completed requests: the kernel's error numbers.
pub(crate) const OK: i32 = 0;
pub(crate) const STALLED: i32 = -32;
pub(crate) const UNLINKED: i32 = -104;

const ENDPOINTS: usize = 16;

/// The bus. There can be one in a process for each port.
pub struct UsbIpBus(Arc<Mutex<Bus>>);

/// A request of the host, as it came.
pub(crate) struct Submit {
    pub(crate) seqnum: u32,
    pub(crate) endpoint: usize,
    pub(crate) device_to_host: bool,
    pub(crate) length: usize,
    pub(crate) setup: [u8; 8],
    pub(crate) data: Vec<u8>,
}

/// What the device and the connection share.
#[derive(Default)]
pub(crate) struct Bus {
    pub(crate) host: Host,
    control: Control,
    ins: [Option<In>; ENDPOINTS],
    outs: [Option<Out>; ENDPOINTS],
    /// A host has come: the device is to see a bus reset.
    reset: bool,
}

/// The connection's sending half; without one answers go nowhere.
#[derive(Default)]
pub(crate) struct Host(Option<TcpStream>);

impl Host {
    /// RET_SUBMIT: `length` is what was moved, `data` what goes back.
    pub(crate) fn complete(&mut self, seqnum: u32, status: i32, length: usize, data: &[u8]) {
        let mut message = [3, seqnum, 0, 0, 0, status as u32, length as u32, 0, 0, 0, 0, 0]
            .iter()
            .flat_map(|word| word.to_be_bytes())
            .collect::<Vec<_>>();
        message.extend_from_slice(data);
        self.send(&message);
    }

    /// RET_UNLINK: whether the request was taken back, or had been over before.
    fn unlinked(&mut self, seqnum: u32, taken_back: bool) {
        let status = if taken_back { UNLINKED } else { OK };
        let message = [4, seqnum, 0, 0, 0, status as u32, 0, 0, 0, 0, 0, 0];
        self.send(&message.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<_>>());
    }

    fn send(&mut self, message: &[u8]) {
        if self.0.as_mut().is_some_and(|stream| stream.write_all(message).is_err()) {
            self.0 = None;
        }
    }
}

impl Bus {
    /// A host has attached the device: nothing of the last one's is left.
    pub(crate) fn attach(&mut self, stream: TcpStream) {
        self.detach();
        self.host = Host(Some(stream));
        self.reset = true;
    }

    pub(crate) fn detach(&mut self) {
        self.host = Host(None);
        self.control.clear();
        self.ins.iter_mut().flatten().for_each(In::clear);
        self.outs.iter_mut().flatten().for_each(Out::clear);
    }

    pub(crate) fn submit(&mut self, urb: Submit) {
        let Self { host, ins, outs, control, .. } = self;
        let seqnum = urb.seqnum;
        let known = match (urb.endpoint, urb.device_to_host) {
            (0, _) => {
                control.submit(urb);
                true
            }
            (number, true) => ins.get_mut(number).and_then(Option::as_mut).map(|pipe| pipe.submit(urb, host)).is_some(),
            (number, false) => outs.get_mut(number).and_then(Option::as_mut).map(|pipe| pipe.submit(urb, host)).is_some(),
        };
        if !known {
            host.complete(seqnum, STALLED, 0, &[]);
        }
    }

    pub(crate) fn unlink(&mut self, seqnum: u32, victim: u32) {
        let taken_back = self.control.unlink(victim)
            || self.ins.iter_mut().flatten().any(|pipe| pipe.unlink(victim))
            || self.outs.iter_mut().flatten().any(|pipe| pipe.unlink(victim));
        self.host.unlinked(seqnum, taken_back);
    }
}

impl UsbIpBus {
    /// Listens.
    ///
    /// # Panics
    /// If the port is taken.
    pub fn new() -> Self {
        let bus = Arc::<Mutex<Bus>>::default();
        server::start(Arc::clone(&bus));
        Self(bus)
    }

    fn lock(&self) -> MutexGuard<'_, Bus> {
        self.0.lock().unwrap()
    }
}

impl Default for UsbIpBus {
    fn default() -> Self {
        Self::new()
    }
}

impl UsbBus for UsbIpBus {
    fn alloc_ep(
        &mut self,
        direction: UsbDirection,
        address: Option<EndpointAddress>,
        kind: EndpointType,
        packet: u16,
        _interval: u8,
    ) -> Result<EndpointAddress> {
        let mut bus = self.lock();
        if kind == EndpointType::Control {
            bus.control.set_packet(packet.into());
            return Ok(EndpointAddress::from_parts(0, direction));
        }
        let free = |number: usize, bus: &Bus| match direction {
            UsbDirection::In => bus.ins[number].is_none(),
            UsbDirection::Out => bus.outs[number].is_none(),
        };
        let number = match address {
            Some(address) => Some(address.index()).filter(|number| (1..ENDPOINTS).contains(number) && free(*number, &bus)),
            None => (1..ENDPOINTS).find(|number| free(*number, &bus)),
        };
        let number = number.ok_or(UsbError::EndpointOverflow)?;
        match direction {
            UsbDirection::In => bus.ins[number] = Some(In::new(packet.into())),
            UsbDirection::Out => bus.outs[number] = Some(Out::new(packet.into())),
        }
        Ok(EndpointAddress::from_parts(number, direction))
    }

    fn enable(&mut self) {}

    fn reset(&self) {}

    fn set_device_address(&self, _address: u8) {}

    fn write(&self, address: EndpointAddress, packet: &[u8]) -> Result<usize> {
        let Bus { host, control, ins, .. } = &mut *self.lock();
        match address.index() {
            0 => control.write(packet, host),
            number => ins[number].as_mut().ok_or(UsbError::InvalidEndpoint)?.write(packet, host),
        }
    }

    fn read(&self, address: EndpointAddress, packet: &mut [u8]) -> Result<usize> {
        let Bus { host, control, outs, .. } = &mut *self.lock();
        match address.index() {
            0 => control.read(packet),
            number => outs[number].as_mut().ok_or(UsbError::InvalidEndpoint)?.read(packet, host),
        }
    }

    fn set_stalled(&self, address: EndpointAddress, stalled: bool) {
        let Bus { host, control, ins, outs, .. } = &mut *self.lock();
        match (address.index(), address.direction()) {
            (0, _) => control.set_stalled(stalled, host),
            (number, UsbDirection::In) => ins[number].iter_mut().for_each(|pipe| pipe.set_stalled(stalled, host)),
            (number, UsbDirection::Out) => outs[number].iter_mut().for_each(|pipe| pipe.set_stalled(stalled, host)),
        }
    }

    fn is_stalled(&self, address: EndpointAddress) -> bool {
        let bus = self.lock();
        match (address.index(), address.direction()) {
            (0, _) => false,
            (number, UsbDirection::In) => bus.ins[number].as_ref().is_some_and(In::is_stalled),
            (number, UsbDirection::Out) => bus.outs[number].as_ref().is_some_and(Out::is_stalled),
        }
    }

    fn suspend(&self) {}

    fn resume(&self) {}

    fn poll(&self) -> PollResult {
        let mut bus = self.lock();
        if std::mem::take(&mut bus.reset) {
            return PollResult::Reset;
        }
        let (mut ep_out, mut ep_in_complete) = (0, 0);
        let (setup, out, done) = bus.control.poll();
        for number in 1..ENDPOINTS {
            ep_out |= u16::from(bus.outs[number].as_ref().is_some_and(Out::is_ready)) << number;
            ep_in_complete |= u16::from(bus.ins[number].as_mut().is_some_and(In::take_completed)) << number;
        }
        ep_out |= u16::from(out);
        ep_in_complete |= u16::from(done);
        if setup || ep_out | ep_in_complete != 0 {
            PollResult::Data { ep_out, ep_in_complete, ep_setup: setup.into() }
        } else {
            PollResult::None
        }
    }
}
