//! The exchange state machine against whatever a reader puts on its pipes (CCID 1.1 §6.2): bulk frames, control answers,
//! failures of transfers, at every exchange level and for every command.

use std::collections::VecDeque;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::input::Input;
use crate::time;
use winscard::ccid::pin::PinOperation;
use winscard::ccid::{Engine, Parameters};
use winscard::iso7816::pps::Request;
use winscard::iso7816::{Protocol, t1};
use winscard::usb::{
    Backend, ControlRequest, Endpoint, Error, ErrorKind, Interface, Interrupt, InterruptWait, NodeId, Result, Transport,
};

/// An interface with this class descriptor and endpoints of 64 bytes.
#[must_use]
pub fn interface(class_descriptor: Vec<u8>) -> Interface {
    let endpoint = |address| {
        Some(Endpoint {
            address,
            max_packet_len: 64,
            interval: 0,
        })
    };
    Interface {
        node: PathBuf::new(),
        node_id: NodeId { dev: 0, ino: 0 },
        bus: 1,
        address: 2,
        vendor_id: 0xFFFF,
        product_id: 0xFFFF,
        device_release: 0x0100,
        number: 0,
        class: 0x0B,
        protocol: 0,
        class_descriptor,
        bulk_out: endpoint(0x02),
        bulk_in: endpoint(0x81),
        interrupt_in: None,
        composite: false,
        manufacturer: None,
        product: None,
        serial: None,
        interface_name: None,
        usb_path: String::new(),
        backend: Backend::Sim,
    }
}

const KINDS: [ErrorKind; 8] = [
    ErrorKind::Timeout,
    ErrorKind::Stall,
    ErrorKind::Overflow,
    ErrorKind::Busy,
    ErrorKind::NoMemory,
    ErrorKind::Other,
    ErrorKind::NoAccess,
    ErrorKind::Disconnected,
];

/// What the reader does, from the fuzzer's bytes.
struct Script {
    bytes: VecDeque<u8>,
    /// Slot and sequence number of the last command, to be answered in step.
    last: [u8; 3],
    reads: u32,
}

impl Script {
    fn u8(&mut self) -> Option<u8> {
        self.bytes.pop_front()
    }

    fn take(&mut self, len: usize) -> Vec<u8> {
        let len = len.min(self.bytes.len());
        self.bytes.drain(..len).collect()
    }

    /// One transfer on the bulk IN pipe; nothing when the script is over.
    fn transfer(&mut self, buffer: &mut [u8], timeout: Duration) -> Result<usize> {
        let how = self.u8();
        let bytes = match how {
            None => {
                time::skip(i64::try_from(timeout.as_nanos()).unwrap_or(0));
                return Err(error(ErrorKind::Timeout));
            }
            Some(how @ 0..=7) => return Err(error(KINDS[usize::from(how)])),
            Some(8) => Vec::new(),
            // Raw bytes.
            Some(9..=31) => {
                let len = usize::from(self.u8().unwrap_or(0));
                self.take(len)
            }
            // An answer in step with the command.
            Some(how) => self.answer(how),
        };
        let fits = bytes.len().min(buffer.len());
        buffer[..fits].copy_from_slice(&bytes[..fits]);
        if bytes.len() > buffer.len() && how == Some(9) {
            return Err(error(ErrorKind::Overflow));
        }
        Ok(fits)
    }

    fn answer(&mut self, how: u8) -> Vec<u8> {
        let [command, slot, sequence] = self.last;
        let kind = match (how & 3, command) {
            (0, _) => self.u8().unwrap_or(0x80),
            (_, 0x61 | 0x6C | 0x6D) => 0x82,
            (_, 0x63 | 0x65 | 0x72) => 0x81,
            (_, 0x6B) => 0x83,
            _ => 0x80,
        };
        let status = if how & 0x1C == 0 { self.u8().unwrap_or(0) } else { 0 };
        let bytes = self.u8().unwrap_or(0);
        let (fault, specific) = if how & 0x60 == 0 {
            (self.u8().unwrap_or(0), self.u8().unwrap_or(0))
        } else {
            (0, 0)
        };
        let data = self.take(usize::from(bytes));
        let announced = u32::try_from(data.len())
            .unwrap_or(0)
            .wrapping_add(u32::from(how == 0xFF));
        let mut frame = vec![kind];
        frame.extend(announced.to_le_bytes());
        frame.extend([slot, sequence, status, fault, specific]);
        frame.extend(data);
        frame
    }
}

fn error(kind: ErrorKind) -> Error {
    Error {
        kind,
        errno: 5,
        what: "fuzzer",
    }
}

/// A reader that plays a script.
struct Scripted(Mutex<Script>);

impl fmt::Debug for Scripted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scripted")
    }
}

impl Scripted {
    fn script(&self) -> std::sync::MutexGuard<'_, Script> {
        let mut script = self.0.lock().expect("one thread");
        script.reads += 1;
        // More system calls than this for one call of an application is a reader that holds it.
        assert!(script.reads < 400_000, "without end");
        script
    }

    fn maybe_fails(&self) -> Result<()> {
        let mut script = self.script();
        match script.bytes.front() {
            Some(how @ 0..=3) => {
                let kind = KINDS[usize::from(*how)];
                script.bytes.pop_front();
                Err(error(kind))
            }
            _ => Ok(()),
        }
    }
}

impl Transport for Scripted {
    fn claim(&self) -> Result<()> {
        Ok(())
    }

    fn take_over(&self) -> Result<()> {
        Ok(())
    }

    fn release(&self) {}

    fn bulk_out(&self, data: &[u8], timeout: Duration) -> Result<usize> {
        assert!(!timeout.is_zero(), "0 means no limit to the kernel");
        assert!(data.len() >= 10, "a message has a header");
        assert_eq!(
            usize::try_from(u32::from_le_bytes(data[1..5].try_into().expect("four"))),
            Ok(data.len() - 10)
        );
        let mut script = self.script();
        script.last = [data[0], data[5], data[6]];
        match script.bytes.front() {
            // Rarely: most inputs should get past here.
            Some(0) => {
                script.bytes.pop_front();
                let kind = script.u8().unwrap_or(0);
                Err(error(KINDS[usize::from(kind % 8)]))
            }
            Some(1) => {
                script.bytes.pop_front();
                Ok(data.len() / 2)
            }
            _ => Ok(data.len()),
        }
    }

    fn bulk_in(&self, buffer: &mut [u8], timeout: Duration) -> Result<usize> {
        assert!(!timeout.is_zero(), "0 means no limit to the kernel");
        assert!(!buffer.is_empty() && buffer.len() % 64 == 0, "reads are whole packets");
        self.script().transfer(buffer, timeout)
    }

    fn control_out(&self, _: ControlRequest, data: &[u8], _: Duration) -> Result<usize> {
        self.maybe_fails().map(|()| data.len())
    }

    fn control_in(&self, _: ControlRequest, buffer: &mut [u8], _: Duration) -> Result<usize> {
        self.maybe_fails()?;
        let mut script = self.script();
        let len = usize::from(script.u8().ok_or(error(ErrorKind::Stall))?);
        let bytes = script.take(len);
        let fits = bytes.len().min(buffer.len());
        buffer[..fits].copy_from_slice(&bytes[..fits]);
        Ok(fits)
    }

    fn clear_halt(&self, _: u8) -> Result<()> {
        self.maybe_fails()
    }

    fn set_interface(&self) -> Result<()> {
        self.maybe_fails()
    }

    fn reset_device(&self) -> Result<()> {
        self.maybe_fails()
    }

    fn start_interrupt(&self) -> Result<()> {
        Ok(())
    }

    fn reap_interrupt(&self, _: &mut [u8]) -> Result<Interrupt> {
        Ok(Interrupt::Idle)
    }

    fn interrupt_wait(&self) -> InterruptWait {
        InterruptWait { fd: -1, events: 0 }
    }

    fn is_connected(&self) -> bool {
        true
    }
}

/// A class descriptor with what matters to the exchange taken from the input.
fn class_descriptor(input: &mut Input<'_>) -> Vec<u8> {
    let mut bytes = vec![0; 54];
    bytes[0] = 54;
    bytes[1] = 0x21;
    bytes[4] = input.u8() & 0x83;
    bytes[5] = input.u8() & 7;
    bytes[6] = 3;
    bytes[10..14].copy_from_slice(&4000_u32.to_le_bytes());
    bytes[27] = input.u8() & 0x83;
    bytes[28..30].copy_from_slice(&input.u16().to_le_bytes());
    let level = [0, 1_u32 << 16, 1 << 17, 1 << 18][usize::from(input.below(4))];
    let features = level | u32::from(input.u16() & 0x0FFF);
    bytes[40..44].copy_from_slice(&features.to_le_bytes());
    let longest = [271, 64, 24, 11, 65_556, 300, 0xFFFF_FFFF, 523][usize::from(input.below(8))];
    bytes[44..48].copy_from_slice(&u32::to_le_bytes(longest));
    bytes[52] = 3;
    bytes[53] = 1;
    bytes
}

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let mut reader = interface(class_descriptor(&mut input));
    match input.below(4) {
        0 => {
            // Any of the readers that need something special.
            reader.vendor_id = input.u16();
            reader.product_id = input.u16();
        }
        1 => {
            reader.bulk_in = None;
            reader.bulk_out = None;
            reader.protocol = 1 + input.below(2);
        }
        _ => {}
    }
    let Ok(mut engine) = Engine::new(&reader) else { return };
    let calls: Vec<[u8; 3]> = (0..=input.below(6))
        .map(|_| [input.u8(), input.u8(), input.u8()])
        .collect();
    let script = Script {
        bytes: input.rest().iter().copied().collect(),
        last: [0; 3],
        reads: 0,
    };
    let transport = Arc::new(Scripted(Mutex::new(script)));
    let mut state = t1::State::new(32, t1::Edc::Lrc);
    for call in calls {
        let before = time::skipped();
        one_call(&mut engine, &*transport, &mut state, call);
        // The longest total there is: a PIN entry or an exchange with extensions, and the repair after it.
        let hours = (time::skipped() - before) / 3_600_000_000_000;
        assert!(hours < 2, "{call:02X?} took {hours} hours");
        transport.script().reads = 0;
    }
}

fn one_call(engine: &mut Engine, reader: &dyn Transport, state: &mut t1::State, [what, a, b]: [u8; 3]) {
    const WAIT: Duration = Duration::from_secs(2);
    let mut response = vec![0xEE; usize::from(b) * 5];
    let slot = a & 1;
    let command = vec![a; usize::from(b) * (1 + usize::from(a & 3))];
    match what % 14 {
        0 => drop(engine.warm_up(reader)),
        1 => drop(engine.power_on(reader, slot)),
        2 => drop(engine.slot_status(reader, slot)),
        3 => drop(engine.power_off(reader, slot)),
        4 | 5 => {
            let apdu = [&[0, 0xB0, a, 0][..], if b & 1 == 0 { &[0] } else { &command }].concat();
            let _taken = engine.transmit(reader, slot, &apdu, &mut response, WAIT);
        }
        6 | 7 => drop(engine.transmit_t1(reader, slot, state, &command, &mut response, WAIT)),
        8 => drop(engine.set_parameters(reader, slot, a & 1, &command[..command.len().min(7)])),
        9 => drop(engine.get_parameters(reader, slot).map(|p: Parameters| p.data().len())),
        10 => drop(engine.escape(reader, slot, &command, &mut response)),
        11 => {
            let rates = engine.rates(reader, slot);
            assert!(rates.table.len() <= 256);
            let request = Request {
                protocol: Protocol::T1,
                fi_di: (b & 1 == 0).then_some(a),
            };
            let _taken = engine.pps(reader, slot, request);
        }
        12 => {
            let mut bytes = vec![a; 19];
            bytes[15..].copy_from_slice(&5_u32.to_le_bytes());
            bytes.extend([0, 0x20, 0, b, 8]);
            let operation = PinOperation::verify(&bytes).expect("well formed");
            let _taken = engine.secure(reader, slot, operation, None, &mut response);
        }
        _ => drop(engine.resynchronise(reader, slot)),
    }
}
