//! A USB/IP client of a few lines, and the server in a thread.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::sim::remote::Control;
use crate::sim::server::{Options, Server};

const STATUS: [u8; 10] = [0x65, 0, 0, 0, 0, 0, 7, 0, 0, 0];
const NO_SETUP: [u8; 8] = [0; 8];

struct Bench {
    control: Control,
    address: SocketAddr,
    server: Option<JoinHandle<()>>,
}

impl Bench {
    fn new(name: &str, devices: &[&str]) -> Self {
        let socket: PathBuf = std::env::temp_dir().join(format!("winscard-usbip-{name}-{}", std::process::id()));
        let mut server = Server::new(&Options {
            listen: Some(socket.clone()),
            usbip: Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))),
            devices: devices.iter().map(|words| (*words).to_owned()).collect(),
        })
        .unwrap();
        let address = server.usbip_address().unwrap().unwrap();
        let server = Some(thread::spawn(move || server.serve(None).unwrap()));
        let control = Control::connect(&socket).unwrap();
        Self {
            control,
            address,
            server,
        }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        stream
    }

    fn import(&self, id: &str) -> Host {
        let mut host = Host {
            stream: self.connect(),
            seq: 0,
        };
        let mut request = vec![1, 0x11, 0x80, 3, 0, 0, 0, 0];
        request.extend(id.bytes());
        request.resize(40, 0);
        host.stream.write_all(&request).unwrap();
        let answer = host.read(320);
        assert_eq!(answer[..8], [1, 0x11, 0, 3, 0, 0, 0, 0]);
        host
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.control.command("quit").unwrap();
        self.server.take().unwrap().join().unwrap();
    }
}

/// An imported device.
struct Host {
    stream: TcpStream,
    seq: u32,
}

/// The end of a transfer.
#[derive(Debug, PartialEq, Eq)]
struct Ended {
    seq: u32,
    status: i32,
    data: Vec<u8>,
}

impl Host {
    fn read(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.stream.read_exact(&mut bytes).unwrap();
        bytes
    }

    fn send(&mut self, words: [u32; 10], setup: [u8; 8], data: &[u8]) {
        let mut message: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        message.extend(setup);
        message.extend(data);
        self.stream.write_all(&message).unwrap();
    }

    fn submit_in(&mut self, endpoint: u32, len: u32, setup: [u8; 8]) -> u32 {
        self.seq += 1;
        self.send([1, self.seq, 0x0001_0001, 1, endpoint, 0, len, 0, 0, 0], setup, &[]);
        self.seq
    }

    fn submit_out(&mut self, endpoint: u32, data: &[u8], setup: [u8; 8]) -> u32 {
        self.seq += 1;
        let len = u32::try_from(data.len()).unwrap();
        self.send([1, self.seq, 0x0001_0001, 0, endpoint, 0, len, 0, 0, 0], setup, data);
        self.seq
    }

    fn unlink(&mut self, which: u32) -> u32 {
        self.seq += 1;
        self.send([2, self.seq, 0x0001_0001, 0, 0, which, 0, 0, 0, 0], NO_SETUP, &[]);
        self.seq
    }

    /// The next end of a transfer; `is_in` says whether data follows.
    fn ended(&mut self, is_in: bool) -> Ended {
        let header = self.read(48);
        let word = |at: usize| u32::from_be_bytes(header[at..at + 4].try_into().unwrap());
        assert!(matches!(word(0), 3 | 4), "{header:?}");
        let len = if word(0) == 3 && is_in { word(24) } else { 0 };
        Ended {
            seq: word(4),
            status: i32::from_be_bytes(word(20).to_be_bytes()),
            data: self.read(usize::try_from(len).unwrap()),
        }
    }

    fn control_in(&mut self, setup: [u8; 8]) -> Ended {
        let len = u32::from(u16::from_le_bytes([setup[6], setup[7]]));
        let seq = self.submit_in(0, len, setup);
        let ended = self.ended(true);
        assert_eq!(ended.seq, seq);
        ended
    }
}

#[test]
fn devices_are_listed() {
    let bench = Bench::new("list", &["vid=0x08e6,pid=0x3437", "level=tpdu+level=short"]);
    let mut stream = bench.connect();
    stream.write_all(&[1, 0x11, 0x80, 5, 0, 0, 0, 0]).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert_eq!(answer[8..12], [0, 0, 0, 2]);
    assert_eq!(answer.len(), 12 + 312 + 4 + 312 + 8);
    assert!(answer[12 + 256..].starts_with(b"1-1\0"));
    assert_eq!(answer[12 + 300..12 + 304], [0x08, 0xE6, 0x34, 0x37]);
    assert!(answer[12 + 316 + 256..].starts_with(b"1-2\0"));
}

#[test]
fn a_device_that_is_not_there_cannot_be_imported() {
    let bench = Bench::new("absent", &[]);
    let mut stream = bench.connect();
    let mut request = vec![1, 0x11, 0x80, 3, 0, 0, 0, 0];
    request.extend(b"1-9");
    request.resize(40, 0);
    stream.write_all(&request).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert_eq!(answer, [1, 0x11, 0, 3, 0, 0, 0, 1]);
}

#[test]
fn descriptors_of_two_interfaces_are_one_configuration() {
    let bench = Bench::new("descriptors", &["level=tpdu+level=short"]);
    let mut host = bench.import("1-1");
    let device = host.control_in([0x80, 6, 0, 1, 0, 0, 18, 0]).data;
    assert_eq!((device.len(), device[0], device[1]), (18, 18, 1));
    let all = host.control_in([0x80, 6, 0, 2, 0, 0, 0xFF, 0]).data;
    assert_eq!(usize::from(u16::from_le_bytes([all[2], all[3]])), all.len());
    assert_eq!(all[4], 2, "bNumInterfaces");
    let (mut at, mut endpoints, mut interfaces) = (0, Vec::new(), Vec::new());
    while at < all.len() {
        match all[at + 1] {
            4 => interfaces.push(all[at + 2]),
            5 => endpoints.push(all[at + 2]),
            _ => {}
        }
        at += usize::from(all[at]);
    }
    assert_eq!(interfaces, [0, 1]);
    assert_eq!(endpoints, [0x01, 0x82, 0x83, 0x04, 0x85, 0x86]);
    assert_eq!(
        host.control_in([0x80, 6, 9, 3, 0, 0, 255, 0]).status,
        -libc::EPIPE,
        "no such string"
    );
}

#[test]
fn a_bulk_in_waits_for_the_answer_and_ends_at_its_short_packet() {
    let mut bench = Bench::new("bulk", &["card=none+card=t0"]);
    bench.control.command("latency 1 30ms").unwrap();
    let mut host = bench.import("1-1");
    let reading = host.submit_in(5, 64, NO_SETUP);
    let writing = host.submit_out(4, &STATUS, NO_SETUP);
    let ended = host.ended(false);
    assert_eq!((ended.seq, ended.status), (writing, 0));
    let ended = host.ended(true);
    assert_eq!((ended.seq, ended.status), (reading, 0));
    assert_eq!(
        ended.data[..8],
        [0x81, 0, 0, 0, 0, 0, 7, 1],
        "the second interface has a card"
    );
}

#[test]
fn a_transfer_taken_back_takes_nothing_with_it() {
    let bench = Bench::new("unlink", &[]);
    let mut host = bench.import("1-1");
    let reading = host.submit_in(2, 64, NO_SETUP);
    let unlinking = host.unlink(reading);
    let ended = host.ended(false);
    assert_eq!((ended.seq, ended.status), (unlinking, -libc::ECONNRESET));
    let unlinking = host.unlink(reading);
    assert_eq!(host.ended(false).status, 0, "{unlinking}: has ended before");
    host.submit_out(1, &STATUS, NO_SETUP);
    assert_eq!(host.ended(false).status, 0);
    host.submit_in(2, 64, NO_SETUP);
    assert_eq!(host.ended(true).data.len(), 10);
}

#[test]
fn a_halt_lasts_until_it_is_cleared() {
    let mut bench = Bench::new("halt", &[]);
    bench.control.command("inject 0 stall-in").unwrap();
    let mut host = bench.import("1-1");
    host.submit_out(1, &STATUS, NO_SETUP);
    assert_eq!(host.ended(false).status, 0);
    for _ in 0..2 {
        host.submit_in(2, 64, NO_SETUP);
        assert_eq!(host.ended(false).status, -libc::EPIPE);
    }
    assert_eq!(
        host.control_in([0x82, 0, 0, 0, 0x82, 0, 2, 0]).data,
        [1, 0],
        "GET_STATUS"
    );
    host.submit_out(0, &[], [0x02, 1, 0, 0, 0x82, 0, 0, 0]);
    assert_eq!(host.ended(false).status, 0, "CLEAR_FEATURE");
    assert_eq!(host.control_in([0x82, 0, 0, 0, 0x82, 0, 2, 0]).data, [0, 0]);
    host.submit_in(2, 64, NO_SETUP);
    assert_eq!(host.ended(true).data.len(), 10);
}

#[test]
fn a_card_is_reported_on_the_interrupt_endpoint_and_a_removed_device_is_hung_up() {
    let mut bench = Bench::new("interrupt", &["card=none"]);
    let mut host = bench.import("1-1");
    let waiting = host.submit_in(3, 8, NO_SETUP);
    bench.control.command("insert 0").unwrap();
    assert_eq!(
        host.ended(true),
        Ended {
            seq: waiting,
            status: 0,
            data: vec![0x50, 3],
        }
    );
    bench.control.command("unplug 0").unwrap();
    let mut rest = Vec::new();
    assert_eq!(host.stream.read_to_end(&mut rest).unwrap(), 0);
}

#[test]
fn nonsense_is_hung_up() {
    let bench = Bench::new("nonsense", &[]);
    let mut host = bench.import("1-1");
    host.stream.write_all(&[0xEE; 48]).unwrap();
    let mut rest = Vec::new();
    assert_eq!(host.stream.read_to_end(&mut rest).unwrap(), 0);
}
