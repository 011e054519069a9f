//! A scripted reader at the level of USB packets, for the tests of this module.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use super::exchange::{Engine, Timeouts};
use crate::usb::{self, ControlRequest, ErrorKind, Interrupt, InterruptWait, Transport};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Bulk packet length of the scripted reader.
pub(super) const PACKET: usize = 64;

/// What happens next on the bulk IN pipe.
#[derive(Clone, Debug)]
pub(super) enum Item {
    Packet(Vec<u8>),
    Fail(ErrorKind),
}

/// A message the reader got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) kind: u8,
    pub(super) slot: u8,
    pub(super) sequence: u8,
    pub(super) specific: [u8; 3],
    pub(super) data: Vec<u8>,
}

impl Sent {
    fn parse(message: &[u8]) -> Self {
        let len = u32::from_le_bytes(message[1..5].try_into().unwrap());
        assert_eq!(
            usize::try_from(len).unwrap() + 10,
            message.len(),
            "dwLength of {message:02X?}"
        );
        Self {
            kind: message[0],
            slot: message[5],
            sequence: message[6],
            specific: message[7..10].try_into().unwrap(),
            data: message[10..].to_vec(),
        }
    }

    /// An answer to this message.
    pub(super) fn frame(&self, kind: u8, status: u8, error: u8, last: u8, data: &[u8]) -> Vec<u8> {
        frame(kind, self.slot, self.sequence, status, error, last, data)
    }

    /// A data block that ends well.
    pub(super) fn data(&self, data: &[u8]) -> Vec<Item> {
        message(&self.frame(0x80, 0, 0, 0, data))
    }

    /// A data block with a bChainParameter.
    pub(super) fn chained(&self, chain: u8, data: &[u8]) -> Vec<Item> {
        message(&self.frame(0x80, 0, 0, chain, data))
    }

    /// A slot status with bStatus and bError.
    pub(super) fn status(&self, status: u8, error: u8) -> Vec<Item> {
        message(&self.frame(0x81, status, error, 0, &[]))
    }
}

/// Any message from the reader.
pub(super) fn frame(kind: u8, slot: u8, sequence: u8, status: u8, error: u8, last: u8, data: &[u8]) -> Vec<u8> {
    let [l0, l1, l2, l3] = u32::try_from(data.len()).unwrap().to_le_bytes();
    let header = [kind, l0, l1, l2, l3, slot, sequence, status, error, last];
    [&header[..], data].concat()
}

/// A message in packets without zero-length packet.
pub(super) fn unended(bytes: &[u8]) -> Vec<Item> {
    bytes
        .chunks(PACKET)
        .map(|packet| Item::Packet(packet.to_vec()))
        .collect()
}

/// A message in packets as USB wants it: with a zero-length packet where the last one is full.
pub(super) fn message(bytes: &[u8]) -> Vec<Item> {
    let mut items = unended(bytes);
    if bytes.len() % PACKET == 0 {
        items.push(Item::Packet(Vec::new()));
    }
    items
}

/// What a reader in good order says to anything that is not scripted.
pub(super) fn polite(sent: &Sent) -> Vec<Item> {
    match sent.kind {
        0x62 | 0x6F => sent.data(&[0x90, 0x00]),
        0x61 | 0x6C | 0x6D => message(&sent.frame(0x82, 0, 0, 0, &[0x11, 0x00, 0x00, 0x0A, 0x00])),
        0x6B => message(&sent.frame(0x83, 0, 0, 0, &[])),
        _ => sent.status(0, 0),
    }
}

/// What the engine did to the reader, beside reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Call {
    Out(Sent),
    Control(ControlRequest),
    ClearHalt(u8),
    SetInterface,
    Reset,
}

type Handler = Box<dyn FnMut(&Sent) -> Vec<Item> + Send>;

struct State {
    handler: Handler,
    pipe: VecDeque<Item>,
    calls: Vec<Call>,
    reads: Vec<(usize, Duration)>,
    fail_out: VecDeque<ErrorKind>,
    short_out: bool,
    control: Option<ErrorKind>,
    /// What control requests for data are answered with; stalled if nothing.
    told: Option<Vec<u8>>,
    revived_by: Option<Call>,
    dead: bool,
}

/// The scripted reader. Reading an empty pipe times out at once.
pub(super) struct Reader(Mutex<State>);

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reader")
    }
}

fn error(kind: ErrorKind) -> usb::Error {
    usb::Error {
        kind,
        errno: 0,
        what: "scripted",
    }
}

impl Reader {
    /// A reader that does with each message what `handler` says.
    pub(super) fn new(handler: impl FnMut(&Sent) -> Vec<Item> + Send + 'static) -> Self {
        Self(Mutex::new(State {
            handler: Box::new(handler),
            pipe: VecDeque::new(),
            calls: Vec::new(),
            reads: Vec::new(),
            fail_out: VecDeque::new(),
            short_out: false,
            control: None,
            told: None,
            revived_by: None,
            dead: false,
        }))
    }

    /// A reader that answers the messages of one kind with these, in turn, and is polite otherwise and afterwards.
    pub(super) fn script(kind: u8, answers: Vec<fn(&Sent) -> Vec<Item>>) -> Self {
        let mut answers = VecDeque::from(answers);
        Self::new(move |sent| {
            if sent.kind != kind {
                return polite(sent);
            }
            answers.pop_front().map_or_else(|| polite(sent), |answer| answer(sent))
        })
    }

    /// Puts something on the bulk IN pipe.
    pub(super) fn preload(&self, items: Vec<Item>) {
        self.0.lock().pipe.extend(items);
    }

    /// The next messages to the reader fail like this.
    pub(super) fn fail_out(&self, kinds: &[ErrorKind]) {
        self.0.lock().fail_out.extend(kinds);
    }

    /// The reader reports 0 bytes taken.
    pub(super) fn report_short_out(&self) {
        self.0.lock().short_out = true;
    }

    /// Control requests fail like this.
    pub(super) fn fail_control(&self, kind: ErrorKind) {
        self.0.lock().control = Some(kind);
    }

    /// Control requests for data are answered with this.
    pub(super) fn tell(&self, answer: &[u8]) {
        self.0.lock().told = Some(answer.to_vec());
    }

    /// The reader says nothing until it sees this.
    pub(super) fn dead_until(&self, call: Option<Call>) {
        let mut state = self.0.lock();
        state.dead = true;
        state.revived_by = call;
    }

    pub(super) fn calls(&self) -> Vec<Call> {
        self.0.lock().calls.clone()
    }

    /// Types of the messages sent, in order.
    pub(super) fn kinds(&self) -> Vec<u8> {
        self.sent().iter().map(|sent| sent.kind).collect()
    }

    /// The messages sent, in order.
    pub(super) fn sent(&self) -> Vec<Sent> {
        let calls = self.calls().into_iter();
        calls
            .filter_map(|call| if let Call::Out(sent) = call { Some(sent) } else { None })
            .collect()
    }

    /// Lengths of the reads.
    pub(super) fn reads(&self) -> Vec<usize> {
        self.0.lock().reads.iter().map(|(len, _)| *len).collect()
    }

    /// How long the reads were to wait.
    pub(super) fn waits(&self) -> Vec<Duration> {
        self.0.lock().reads.iter().map(|(_, wait)| *wait).collect()
    }

    fn note(&self, call: Call) {
        let mut state = self.0.lock();
        if state.revived_by.as_ref() == Some(&call) {
            state.dead = false;
        }
        state.calls.push(call);
    }
}

impl Transport for Reader {
    fn claim(&self) -> usb::Result<()> {
        Ok(())
    }

    fn take_over(&self) -> usb::Result<()> {
        Ok(())
    }

    fn release(&self) {}

    fn bulk_out(&self, data: &[u8], timeout: Duration) -> usb::Result<usize> {
        assert!(!timeout.is_zero());
        let sent = Sent::parse(data);
        let mut state = self.0.lock();
        state.calls.push(Call::Out(sent.clone()));
        if let Some(kind) = state.fail_out.pop_front() {
            return Err(error(kind));
        }
        if !state.dead {
            let items = (state.handler)(&sent);
            state.pipe.extend(items);
        }
        Ok(if state.short_out { 0 } else { data.len() })
    }

    fn bulk_in(&self, buffer: &mut [u8], timeout: Duration) -> usb::Result<usize> {
        assert!(!timeout.is_zero(), "0 means no limit to the kernel");
        assert_eq!(buffer.len() % PACKET, 0, "reads are whole packets");
        let mut state = self.0.lock();
        state.reads.push((buffer.len(), timeout));
        let mut got = 0;
        loop {
            match state.pipe.pop_front() {
                // As usbfs does: what has come is lost.
                None => return Err(error(ErrorKind::Timeout)),
                Some(Item::Fail(kind)) => return Err(error(kind)),
                Some(Item::Packet(packet)) => {
                    if got + packet.len() > buffer.len() {
                        return Err(error(ErrorKind::Overflow));
                    }
                    buffer[got..got + packet.len()].copy_from_slice(&packet);
                    got += packet.len();
                    if packet.len() < PACKET || got == buffer.len() {
                        return Ok(got);
                    }
                }
            }
        }
    }

    fn control_out(&self, request: ControlRequest, data: &[u8], _: Duration) -> usb::Result<usize> {
        assert!(data.is_empty());
        self.note(Call::Control(request));
        self.0.lock().control.map_or(Ok(0), |kind| Err(error(kind)))
    }

    fn control_in(&self, request: ControlRequest, buffer: &mut [u8], _: Duration) -> usb::Result<usize> {
        self.note(Call::Control(request));
        let told = self.0.lock().told.clone().ok_or(error(ErrorKind::Stall))?;
        let len = told.len().min(buffer.len());
        buffer[..len].copy_from_slice(&told[..len]);
        Ok(len)
    }

    fn clear_halt(&self, endpoint: u8) -> usb::Result<()> {
        self.note(Call::ClearHalt(endpoint));
        Ok(())
    }

    fn set_interface(&self) -> usb::Result<()> {
        self.note(Call::SetInterface);
        Ok(())
    }

    fn reset_device(&self) -> usb::Result<()> {
        self.note(Call::Reset);
        Ok(())
    }

    fn start_interrupt(&self) -> usb::Result<()> {
        Ok(())
    }

    fn reap_interrupt(&self, _: &mut [u8]) -> usb::Result<Interrupt> {
        Ok(Interrupt::Idle)
    }

    fn interrupt_wait(&self) -> InterruptWait {
        InterruptWait {
            fd: usb::NO_WAIT,
            events: 0,
        }
    }

    fn is_connected(&self) -> bool {
        true
    }
}

/// TPDU level.
pub(super) const TPDU: u32 = 0x0001_0000;
/// Short APDU level.
pub(super) const SHORT: u32 = 0x0002_0000;
/// Extended APDU level.
pub(super) const EXTENDED: u32 = 0x0004_0000;
/// Automatic voltage.
pub(super) const AUTO_VOLTAGE: u32 = 0x0008;

/// A class descriptor of a reader with two slots and all voltages.
pub(super) fn class_descriptor(features: u32, max_message_len: u32) -> Vec<u8> {
    let mut bytes = vec![0; 54];
    bytes[0] = 54;
    bytes[1] = 0x21;
    bytes[2..4].copy_from_slice(&0x0110_u16.to_le_bytes());
    bytes[4] = 1;
    bytes[5] = 7;
    bytes[6..10].copy_from_slice(&3_u32.to_le_bytes());
    bytes[10..14].copy_from_slice(&4000_u32.to_le_bytes());
    bytes[28..32].copy_from_slice(&254_u32.to_le_bytes());
    bytes[40..44].copy_from_slice(&features.to_le_bytes());
    bytes[44..48].copy_from_slice(&max_message_len.to_le_bytes());
    bytes[53] = 1;
    bytes
}

/// An interface with such a descriptor.
pub(super) fn interface(features: u32, max_message_len: u32) -> usb::Interface {
    let endpoint = |address| usb::Endpoint {
        address,
        max_packet_len: u16::try_from(PACKET).unwrap(),
        interval: 0,
    };
    usb::Interface {
        node: PathBuf::new(),
        node_id: usb::NodeId { dev: 0, ino: 0 },
        bus: 1,
        address: 2,
        vendor_id: 0xFFFF,
        product_id: 0xFFFF,
        device_release: 0x0100,
        number: 3,
        class: 0x0B,
        protocol: 0,
        class_descriptor: class_descriptor(features, max_message_len),
        bulk_out: Some(endpoint(0x02)),
        bulk_in: Some(endpoint(0x81)),
        interrupt_in: None,
        composite: false,
        manufacturer: None,
        product: None,
        serial: None,
        interface_name: None,
        usb_path: String::new(),
        backend: usb::Backend::Sim,
    }
}

/// Timeouts short enough for tests.
pub(super) fn quick() -> Timeouts {
    Timeouts {
        write: Duration::from_millis(100),
        command: Duration::from_millis(30),
        status_retry: Duration::from_millis(3),
        power_on: Duration::from_millis(60),
        escape: Duration::from_millis(40),
        control: Duration::from_millis(20),
        remainder: Duration::from_millis(30),
        end: Duration::from_millis(2),
        abort: Duration::from_millis(30),
        total: Duration::from_millis(300),
        plain_total: Duration::from_millis(300),
    }
}

/// An engine with short timeouts for a reader with these features.
pub(super) fn engine(features: u32, max_message_len: u32) -> Engine {
    engine_for(&interface(features, max_message_len))
}

/// An engine with short timeouts for this interface.
pub(super) fn engine_for(interface: &usb::Interface) -> Engine {
    let mut engine = Engine::new(interface).unwrap();
    engine.set_timeouts(quick());
    engine
}
