//! A transport that tells of every transfer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use super::call::{secret, spend};
use super::json::Object;
use super::{event, is_on, micros, now};
use crate::clock;
use crate::usb::{ControlRequest, Endpoint, Interface, Interrupt, InterruptWait, Result, Transport};

/// The transport as it is, or one around it that tells of its transfers if there is a trace.
pub(crate) fn watched(interface: &Interface, transport: Arc<dyn Transport>) -> Arc<dyn Transport> {
    if !is_on() {
        return transport;
    }
    tell_of_device(interface);
    Arc::new(Watched {
        inner: transport,
        bus: interface.bus,
        address: interface.address,
        interface: interface.number,
        bulk_out: interface.bulk_out.map_or(0, |endpoint| endpoint.address),
        bulk_in: interface.bulk_in.map_or(0, |endpoint| endpoint.address),
        interrupt_in: interface.interrupt_in.map_or(0, |endpoint| endpoint.address),
        message: AtomicU8::new(0),
    })
}

/// What a reader of the transfers needs to know of the device they go to.
fn tell_of_device(interface: &Interface) {
    event(now(), "device", |object| {
        object.number("bus", interface.bus.into());
        object.number("address", interface.address.into());
        object.number("vendor", interface.vendor_id.into());
        object.number("product", interface.product_id.into());
        object.number("release", interface.device_release.into());
        object.number("interface", interface.number.into());
        object.number("class", interface.class.into());
        object.number("protocol", interface.protocol.into());
        object.hex("descriptor", &interface.class_descriptor, None);
        object.list("endpoints", |list| {
            let tell = |list: &mut Object, kind: &str, endpoint: Option<Endpoint>| {
                if let Some(endpoint) = endpoint {
                    list.object("", |object| {
                        object.text("kind", kind);
                        object.number("address", endpoint.address.into());
                        object.number("packet", endpoint.max_packet_len.into());
                    });
                }
            };
            tell(list, "bulk", interface.bulk_out);
            tell(list, "bulk", interface.bulk_in);
            tell(list, "interrupt", interface.interrupt_in);
        });
        object.text("name", interface.product.as_deref().unwrap_or_default());
    });
}

/// CCID 1.1 §6.1: the messages whose answers wait for the card.
const CARD_MESSAGES: [u8; 4] = [0x61, 0x62, 0x69, 0x6F];
/// Length of a CCID message's header. CCID 1.1 §6
const HEADER_LEN: usize = 10;

#[derive(Debug)]
struct Watched {
    inner: Arc<dyn Transport>,
    bus: u16,
    address: u16,
    interface: u8,
    bulk_out: u8,
    bulk_in: u8,
    interrupt_in: u8,
    /// Type of the last message to the reader.
    message: AtomicU8,
}

impl Watched {
    /// One transfer or request, begun at `begin`.
    fn tell<T>(&self, begin: Duration, kind: &str, result: &Result<T>, fill: impl FnOnce(&mut Object)) {
        let time = micros(clock::awake().saturating_sub(begin));
        let waits = kind == "in" && CARD_MESSAGES.contains(&self.message.load(Ordering::Relaxed));
        spend(|spent| *(if waits { &mut spent.card } else { &mut spent.usb }) += time);
        event(micros(begin), "usb", |object| {
            object.number("bus", self.bus.into());
            object.number("address", self.address.into());
            object.number("interface", self.interface.into());
            object.text("kind", kind);
            object.number("us", time);
            if waits {
                object.text("for", "card");
            }
            if let Err(error) = result {
                object.text("error", &error.to_string());
                object.number("errno", error.errno.unsigned_abs().into());
            }
            fill(object);
        });
    }

    /// A request without data of interest.
    fn plain<T>(&self, kind: &str, request: impl FnOnce() -> Result<T>) -> Result<T> {
        let begin = clock::awake();
        let result = request();
        self.tell(begin, kind, &result, |_| ());
        result
    }
}

fn setup(object: &mut Object, request: ControlRequest) {
    object.number("request_type", request.request_type.into());
    object.number("request", request.request.into());
    object.number("value", request.value.into());
    object.number("index", request.index.into());
}

impl Transport for Watched {
    fn claim(&self) -> Result<()> {
        self.plain("claim", || self.inner.claim())
    }

    fn take_over(&self) -> Result<()> {
        self.plain("take-over", || self.inner.take_over())
    }

    fn release(&self) {
        let _done = self.plain("release", || {
            self.inner.release();
            Ok(())
        });
    }

    fn bulk_out(&self, data: &[u8], timeout: Duration) -> Result<usize> {
        self.message
            .store(data.first().copied().unwrap_or(0), Ordering::Relaxed);
        let begin = clock::awake();
        let result = self.inner.bulk_out(data, timeout);
        self.tell(begin, "out", &result, |object| {
            object.number("endpoint", self.bulk_out.into());
            object.number("taken", result.map_or(0, |taken| u64::try_from(taken).unwrap_or(0)));
            object.hex("data", data, secret().hidden_from(data, HEADER_LEN));
        });
        result
    }

    fn bulk_in(&self, buffer: &mut [u8], timeout: Duration) -> Result<usize> {
        let begin = clock::awake();
        let result = self.inner.bulk_in(buffer, timeout);
        self.tell(begin, "in", &result, |object| {
            object.number("endpoint", self.bulk_in.into());
            object.hex(
                "data",
                result.ok().and_then(|len| buffer.get(..len)).unwrap_or_default(),
                None,
            );
        });
        result
    }

    fn control_out(&self, request: ControlRequest, data: &[u8], timeout: Duration) -> Result<usize> {
        let begin = clock::awake();
        let result = self.inner.control_out(request, data, timeout);
        self.tell(begin, "control-out", &result, |object| {
            setup(object, request);
            object.hex("data", data, secret().hidden_from(data, 0));
        });
        result
    }

    fn control_in(&self, request: ControlRequest, buffer: &mut [u8], timeout: Duration) -> Result<usize> {
        let begin = clock::awake();
        let result = self.inner.control_in(request, buffer, timeout);
        self.tell(begin, "control-in", &result, |object| {
            setup(object, request);
            object.number("room", u64::try_from(buffer.len()).unwrap_or(0));
            object.hex(
                "data",
                result.ok().and_then(|len| buffer.get(..len)).unwrap_or_default(),
                None,
            );
        });
        result
    }

    fn clear_halt(&self, endpoint: u8) -> Result<()> {
        self.plain("clear-halt", || self.inner.clear_halt(endpoint))
    }

    fn set_interface(&self) -> Result<()> {
        self.plain("set-interface", || self.inner.set_interface())
    }

    fn reset_device(&self) -> Result<()> {
        self.plain("reset", || self.inner.reset_device())
    }

    fn start_interrupt(&self) -> Result<()> {
        self.inner.start_interrupt()
    }

    fn reap_interrupt(&self, buffer: &mut [u8]) -> Result<Interrupt> {
        let result = self.inner.reap_interrupt(buffer);
        if let Ok(Interrupt::Message(len)) = result {
            self.tell(clock::awake(), "interrupt", &result, |object| {
                object.number("endpoint", self.interrupt_in.into());
                object.hex("data", buffer.get(..len).unwrap_or_default(), None);
            });
        }
        result
    }

    fn interrupt_wait(&self) -> InterruptWait {
        self.inner.interrupt_wait()
    }

    fn is_connected(&self) -> bool {
        self.inner.is_connected()
    }
}
