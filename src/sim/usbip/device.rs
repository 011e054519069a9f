//! Several reader interfaces as one USB device: descriptors put together, endpoints and requests told apart.
//!
//! Each interface of the model has the same three endpoints; in the device, those of interface n have numbers 3n higher.

use std::sync::Arc;
use std::time::Instant;

use super::wire::Announcement;
use crate::sim::descriptor;
use crate::sim::device::Device;
use crate::sim::port::Port;
use crate::usb::ControlRequest;

/// Endpoint numbers one interface takes.
const STRIDE: u8 = 3;
/// Index of the first interface's string.
const FIRST_INTERFACE_STRING: u8 = 4;

/// `bDescriptorType` of an interface.
const INTERFACE: u8 = 4;

/// What an endpoint does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    BulkIn,
    BulkOut,
    Interrupt,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Functions {
    /// Number of the device, from 0.
    number: usize,
    ports: Vec<Arc<Port>>,
}

impl Functions {
    pub(super) fn new(number: usize, ports: Vec<Arc<Port>>) -> Self {
        Self { number, ports }
    }

    pub(super) fn is_gone(&self) -> bool {
        self.ports
            .iter()
            .any(|port| !port.lock().is_some_and(|state| state.is_connected()))
    }

    pub(super) fn announcement(&self) -> Announcement {
        let number = u32::try_from(self.number).unwrap_or(0) + 1;
        let high = self
            .with(0, |device| device.config().packet_len() > 64)
            .unwrap_or(false);
        Announcement {
            id: format!("1-{number}"),
            bus: 1,
            device: number,
            speed: if high { 3 } else { 2 },
            descriptor: self
                .with(0, |device| descriptor::device(device.config()))
                .unwrap_or_default(),
            interfaces: (0..self.ports.len())
                .filter_map(|at| self.with(at, |device| [device.config().class, 0, device.config().protocol]))
                .collect(),
        }
    }

    /// What the endpoint of this address does, if it exists.
    pub(super) fn kind(&self, endpoint: u8) -> Option<Kind> {
        let (at, own) = self.split(endpoint)?;
        let (bulk, interrupt) = self.with(at, |device| {
            let config = device.config();
            (!config.control_only, config.interrupt)
        })?;
        match own {
            descriptor::BULK_OUT => bulk.then_some(Kind::BulkOut),
            descriptor::BULK_IN => bulk.then_some(Kind::BulkIn),
            descriptor::INTERRUPT_IN => interrupt.then_some(Kind::Interrupt),
            _ => None,
        }
    }

    /// Runs `action` on the interface that the endpoint of this address belongs to.
    pub(super) fn with_device<T>(&self, endpoint: u8, action: impl FnOnce(&mut Device) -> T) -> Option<T> {
        self.with(self.split(endpoint)?.0, action)
    }

    /// A control request (USB 2.0 §9.4); `None` is STALL.
    pub(super) fn control(&self, setup: [u8; 8], data: &[u8], now: Instant) -> Option<Vec<u8>> {
        let [
            request_type,
            request,
            value_low,
            value_high,
            index_low,
            index_high,
            _,
            _,
        ] = setup;
        let request = ControlRequest {
            request_type,
            request,
            value: u16::from_le_bytes([value_low, value_high]),
            index: u16::from_le_bytes([index_low, index_high]),
        };
        // Bits 0 to 4 of bmRequestType: whom it is for.
        match request_type & 0x1F {
            1 => {
                let at = self.interface(index_low)?;
                self.with(at, |device| device.control_with(request, data, now))?
            }
            2 => {
                let (at, own) = self.split(index_low)?;
                let index = u16::from(own);
                self.with(at, |device| {
                    device.control_with(ControlRequest { index, ..request }, data, now)
                })?
            }
            _ if (request_type, request.request) == (0x80, 0x06) => {
                self.descriptor(value_high, value_low, request, now)
            }
            _ => self.with(0, |device| device.control_with(request, data, now))?,
        }
    }

    fn descriptor(&self, kind: u8, index: u8, request: ControlRequest, now: Instant) -> Option<Vec<u8>> {
        const CONFIGURATION: u8 = 2;
        const STRING: u8 = 3;
        match (kind, index) {
            (CONFIGURATION, 0) => self.configuration(),
            (STRING, index) if index > FIRST_INTERFACE_STRING => {
                let at = usize::from(index - FIRST_INTERFACE_STRING);
                self.with(at, |device| {
                    descriptor::get(device.config(), STRING, FIRST_INTERFACE_STRING)
                })?
            }
            _ => self.with(0, |device| device.control(request, now))?,
        }
    }

    /// The configuration descriptor of all interfaces.
    fn configuration(&self) -> Option<Vec<u8>> {
        let mut all = self.with(0, |device| descriptor::configuration(device.config()))?;
        if self.ports.len() > 1 {
            // The others make the device composite; the interface that stands for them is not needed.
            all.truncate(9);
            for at in 0..self.ports.len() {
                let own = self.with(at, |device| descriptor::configuration(device.config()))?;
                let mut body = first_interface(own.get(9..)?).to_vec();
                renumber(&mut body, u8::try_from(at).ok()?);
                all.extend(body);
            }
            let total = u16::try_from(all.len()).ok()?.to_le_bytes();
            all.get_mut(2..4)?.copy_from_slice(&total);
            *all.get_mut(4)? = u8::try_from(self.ports.len()).ok()?;
        }
        Some(all)
    }

    /// Which interface has this number.
    fn interface(&self, number: u8) -> Option<usize> {
        (0..self.ports.len()).find(|at| self.with(*at, |device| device.config().interface_number) == Some(number))
    }

    /// Which interface an endpoint address belongs to, and its address in the model.
    fn split(&self, endpoint: u8) -> Option<(usize, u8)> {
        let number = (endpoint & 0x0F).checked_sub(1)?;
        let at = usize::from(number / STRIDE);
        (at < self.ports.len()).then_some((at, (endpoint & 0x80) | (number % STRIDE + 1)))
    }

    fn with<T>(&self, at: usize, action: impl FnOnce(&mut Device) -> T) -> Option<T> {
        let port = self.ports.get(at)?;
        let mut state = port.lock().filter(|state| state.is_connected())?;
        let result = action(&mut state.device);
        port.finish(state);
        Some(result)
    }
}

/// The descriptors up to the second interface's.
fn first_interface(body: &[u8]) -> &[u8] {
    let mut at = 0;
    while let Some(&[len, kind]) = body.get(at..at + 2) {
        if kind == INTERFACE && at > 0 {
            break;
        }
        at += usize::from(len.max(2));
    }
    body.get(..at).unwrap_or(body)
}

/// Gives interface `at` its own endpoint addresses and string.
fn renumber(body: &mut [u8], at: u8) {
    const ENDPOINT: u8 = 5;
    let mut rest = body;
    while let [len, kind, ..] = *rest {
        let Some((descriptor, next)) = rest.split_at_mut_checked(usize::from(len.max(2))) else {
            return;
        };
        let (place, by) = match kind {
            ENDPOINT => (2, STRIDE * at),
            INTERFACE => (8, at),
            _ => (0, 0),
        };
        // A string index of 0 says that there is none.
        if let Some(byte) = descriptor.get_mut(place).filter(|byte| by != 0 && **byte != 0) {
            *byte += by;
        }
        rest = next;
    }
}
