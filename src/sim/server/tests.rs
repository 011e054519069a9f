//! The server and its clients' transports, in one process: a thread serves, the test is the client.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::{Options, Server};
use crate::arbiter::wait::{entry, poll};
use crate::sim::client;
use crate::sim::remote::Control;
use crate::usb::{ErrorKind, Interface, Interrupt, Transport};

const STATUS: [u8; 10] = [0x65, 0, 0, 0, 0, 0, 7, 0, 0, 0];
const SHORT: Duration = Duration::from_millis(30);
const LONG: Duration = Duration::from_secs(5);

struct Bench {
    socket: PathBuf,
    control: Control,
    server: Option<JoinHandle<()>>,
}

impl Bench {
    fn new(name: &str, devices: &[&str]) -> Self {
        let socket = std::env::temp_dir().join(format!("winscard-server-{name}-{}", std::process::id()));
        let options = Options {
            listen: Some(socket.clone()),
            usbip: None,
            devices: devices.iter().map(|words| (*words).to_owned()).collect(),
        };
        let mut server = Server::new(&options).unwrap();
        let server = Some(thread::spawn(move || server.serve(None).unwrap()));
        let control = Control::connect(&socket).unwrap();
        Self {
            socket,
            control,
            server,
        }
    }

    fn interfaces(&self) -> Vec<Interface> {
        client::interfaces(&self.socket).unwrap()
    }

    fn open(&self) -> Arc<dyn Transport> {
        self.interfaces()[0].open().unwrap()
    }

    fn tell(&mut self, command: &str) -> Vec<String> {
        self.control.command(command).unwrap()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.control.command("quit").unwrap();
        self.server.take().unwrap().join().unwrap();
        assert!(
            !self.socket.exists() && !client::records(&self.socket).exists(),
            "nothing is left"
        );
    }
}

fn status(transport: &dyn Transport) -> Vec<u8> {
    assert_eq!(transport.bulk_out(&STATUS, LONG).unwrap(), 10);
    let mut buffer = [0; 64];
    let len = transport.bulk_in(&mut buffer, LONG).unwrap();
    buffer[..len].to_vec()
}

fn wakes(transport: &dyn Transport, within: Duration) -> bool {
    let wait = transport.interrupt_wait();
    let mut fds = [entry(wait.fd, wait.events)];
    poll(&mut fds, Some(Instant::now() + within)).unwrap();
    fds[0].revents != 0
}

#[test]
fn readers_are_listed_with_nodes_and_exchange() {
    let bench = Bench::new("list", &["readers=2", "vid=0x08e6,interrupt=no"]);
    let list = bench.interfaces();
    assert_eq!(list.len(), 3);
    assert_eq!(list[2].vendor_id, 0x08E6);
    assert!(list.iter().all(|interface| interface.node.exists()));
    let transport = list[1].open().unwrap();
    assert_eq!(status(&*transport)[..8], [0x81, 0, 0, 0, 0, 0, 7, 1]);
    let mut buffer = [0; 64];
    assert_eq!(
        transport.bulk_in(&mut buffer, SHORT).unwrap_err().kind,
        ErrorKind::Timeout
    );
    assert_eq!(status(&*transport).len(), 10, "works again after a timeout");
}

#[test]
fn a_claim_is_one_clients_until_it_is_taken_or_the_client_dies() {
    let bench = Bench::new("claim", &[]);
    let (a, b) = (bench.open(), bench.open());
    a.claim().unwrap();
    a.claim().unwrap();
    assert_eq!(b.claim().unwrap_err().kind, ErrorKind::Busy);
    assert_eq!(b.bulk_out(&STATUS, SHORT).unwrap_err().kind, ErrorKind::Busy);
    let mut buffer = [0; 8];
    a.start_interrupt().unwrap();
    assert!(wakes(&*a, LONG), "the card that is in it");
    assert_eq!(a.reap_interrupt(&mut buffer).unwrap(), Interrupt::Message(2));
    a.start_interrupt().unwrap();
    assert_eq!(a.reap_interrupt(&mut buffer).unwrap(), Interrupt::Pending);
    b.take_over().unwrap();
    assert!(wakes(&*a, LONG), "the old holder's interrupt transfer ends");
    assert_eq!(a.reap_interrupt(&mut buffer).unwrap(), Interrupt::Idle);
    assert_eq!(a.bulk_out(&STATUS, SHORT).unwrap_err().kind, ErrorKind::Busy);
    assert_eq!(status(&*b).len(), 10);
    drop(b);
    a.claim().unwrap();
    assert_eq!(status(&*a).len(), 10);
}

#[test]
fn losing_the_claim_ends_a_transfer_under_way() {
    let bench = Bench::new("taken", &[]);
    let (a, b) = (bench.open(), bench.open());
    a.claim().unwrap();
    let reading = thread::spawn(move || a.bulk_in(&mut [0; 64], LONG).unwrap_err().kind);
    thread::sleep(SHORT);
    b.take_over().unwrap();
    assert_eq!(reading.join().unwrap(), ErrorKind::Busy);
}

#[test]
fn a_client_that_dies_in_mid_exchange_leaves_its_answer_to_the_next() {
    let mut bench = Bench::new("orphan", &[]);
    bench.tell("latency 0 40ms");
    let a = bench.open();
    a.bulk_out(&STATUS, LONG).unwrap();
    drop(a);
    let b = bench.open();
    let mut buffer = [0; 64];
    assert_eq!(b.bulk_in(&mut buffer, LONG).unwrap(), 10);
    assert_eq!(buffer[6], 7, "the answer to the dead one's command");
    assert_eq!(bench.control.counters(0).unwrap()["get_slot_status"], 1);
}

#[test]
fn a_card_that_comes_and_goes_is_heard_on_the_interrupt_endpoint() {
    let mut bench = Bench::new("card", &["card=none"]);
    let transport = bench.open();
    let mut buffer = [0; 8];
    transport.claim().unwrap();
    transport.start_interrupt().unwrap();
    assert_eq!(transport.reap_interrupt(&mut buffer).unwrap(), Interrupt::Pending);
    bench.tell("insert 0 0 t1");
    assert!(wakes(&*transport, LONG));
    assert_eq!(transport.reap_interrupt(&mut buffer).unwrap(), Interrupt::Message(2));
    assert_eq!(buffer[..2], [0x50, 3]);
    assert_eq!(transport.reap_interrupt(&mut buffer).unwrap(), Interrupt::Idle);
    transport.start_interrupt().unwrap();
    bench.tell("after 20ms remove 0");
    assert!(wakes(&*transport, LONG));
    assert_eq!(transport.reap_interrupt(&mut buffer).unwrap(), Interrupt::Message(2));
    assert_eq!(buffer[1], 2);
}

#[test]
fn an_unplugged_reader_is_disconnected_for_everybody_and_comes_back_as_another() {
    let mut bench = Bench::new("unplug", &[]);
    let before = bench.interfaces().remove(0);
    let transport = before.open().unwrap();
    transport.claim().unwrap();
    assert!(transport.is_connected());
    bench.tell("unplug 0");
    assert!(!before.node.exists());
    assert!(wakes(&*transport, LONG));
    assert_eq!(
        transport.reap_interrupt(&mut [0; 8]).unwrap_err().kind,
        ErrorKind::Disconnected
    );
    assert!(!transport.is_connected());
    assert_eq!(transport.claim().unwrap_err().kind, ErrorKind::Disconnected);
    assert_eq!(before.open().unwrap_err().kind, ErrorKind::Disconnected);
    assert!(bench.interfaces().is_empty());
    bench.tell("plug 0");
    let after = bench.interfaces().remove(0);
    assert_ne!(before.address, after.address);
    assert_eq!(status(&*after.open().unwrap()).len(), 10);
}

#[test]
fn interfaces_of_one_device_share_its_node() {
    let bench = Bench::new("composite", &["level=short+level=tpdu"]);
    let list = bench.interfaces();
    assert_eq!(list.len(), 2);
    assert_eq!(list[0].node, list[1].node);
    assert_eq!((list[0].number, list[1].number), (0, 1));
    assert!(list.iter().all(|interface| interface.composite));
    let (a, b) = (list[0].open().unwrap(), list[1].open().unwrap());
    assert_eq!(
        (status(&*a).len(), status(&*b).len()),
        (10, 10),
        "each has its own claim"
    );
}

#[test]
fn wrong_commands_are_named_and_change_nothing() {
    let mut bench = Bench::new("wrong", &[]);
    for command in [
        "remove",
        "remove 7",
        "dance 0",
        "insert 0 0 gold",
        "inject 0",
        "after soon remove 0",
        "add level=9",
    ] {
        let error = bench.control.command(command).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput, "{command}");
    }
    assert_eq!(bench.tell("readers").len(), 1);
    assert_eq!(bench.tell("add level=tpdu"), ["1"]);
    assert_eq!(bench.interfaces().len(), 2);
}

#[test]
fn there_is_one_server_at_a_socket_and_a_dead_ones_is_replaced() {
    let bench = Bench::new("single", &[]);
    let options = Options {
        listen: Some(bench.socket.clone()),
        ..Options::default()
    };
    assert_eq!(Server::new(&options).unwrap_err().kind(), std::io::ErrorKind::AddrInUse);
    drop(bench);
    drop(std::os::unix::net::UnixListener::bind(options.listen.as_ref().unwrap()).unwrap());
    drop(Server::new(&options).unwrap());
    assert!(!options.listen.unwrap().exists());
}
