//! The bus: nodes, hotplug, planned events, fork.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::sim::sys::probe::{Watch, in_child, readable, try_lock};
use crate::sim::{self, BuiltinCard, Config, Reader};
use crate::usb::{ErrorKind, Interrupt};

const SECOND: Duration = Duration::from_secs(1);

fn plug() -> Reader {
    sim::plug(Config::default()).unwrap()
}

fn open_node(path: &Path) -> File {
    OpenOptions::new().read(true).write(true).open(path).unwrap()
}

fn listed(reader: &Reader) -> bool {
    sim::interfaces().contains(reader.interface())
}

#[test]
fn a_plugged_reader_is_listed_until_unplugged() {
    let reader = plug();
    assert!(sim::enabled() && listed(&reader) && reader.is_plugged());
    reader.unplug();
    assert!(!listed(&reader) && !reader.is_plugged());
    assert_eq!(reader.interface().open().unwrap_err().kind, ErrorKind::Disconnected);
}

#[test]
fn each_reader_has_its_own_identity_and_the_node_keeps_it() {
    let (one, two) = (plug(), plug());
    let (one, two) = (one.interface(), two.interface());
    assert_ne!(one.node_id, two.node_id);
    assert_ne!(one.address, two.address);
    let metadata = open_node(&one.node).metadata().unwrap();
    assert_eq!((metadata.dev(), metadata.ino()), (one.node_id.dev, one.node_id.ino));
    assert_eq!(one.class_descriptor.len(), 54);
}

#[test]
fn the_node_can_be_locked_by_any_number_of_opens() {
    let reader = plug();
    let (one, two) = (open_node(&reader.interface().node), open_node(&reader.interface().node));
    assert!(try_lock(&one, 5));
    assert!(!try_lock(&two, 5), "locks of two opens in one process conflict");
    assert!(try_lock(&two, 6));
    drop(one);
    assert!(try_lock(&two, 5), "closing gives the lock back");
}

#[test]
fn the_node_tells_watchers_of_closing_and_of_unplugging() {
    let reader = plug();
    let mut watch = Watch::new(&reader.interface().node, libc::IN_CLOSE_WRITE | libc::IN_ATTRIB).unwrap();
    drop(open_node(&reader.interface().node));
    assert!(watch.sees(libc::IN_CLOSE_WRITE));
    reader.unplug();
    assert!(watch.sees(libc::IN_ATTRIB));
}

#[test]
fn the_bus_tells_watchers_of_plugging_and_unplugging() {
    let check = || {
        sim::forget_after_fork();
        let mut watch = Watch::new(&sim::bus_path().unwrap(), libc::IN_ATTRIB).unwrap();
        let reader = plug();
        let plugged = watch.sees(libc::IN_ATTRIB);
        reader.unplug();
        plugged && watch.sees(libc::IN_ATTRIB)
    };
    assert!(in_child(check), "in a child, where no other test plugs");
}

#[test]
fn planned_cards_come_and_go_and_wake_whoever_waits() {
    let reader = plug();
    let start = Instant::now();
    reader.insert_after(Duration::from_millis(100), 0, BuiltinCard::default());
    reader.remove_after(Duration::from_millis(400), 0);
    let transport = reader.interface().open().unwrap();
    transport.start_interrupt().unwrap();
    let fd = transport.interrupt_wait().fd;
    let mut message = [0; 8];
    for (due, slots) in [(100, 0b11), (400, 0b10)] {
        assert!(readable(fd, SECOND));
        assert!(start.elapsed() >= Duration::from_millis(due));
        assert_eq!(transport.reap_interrupt(&mut message).unwrap(), Interrupt::Message(2));
        assert_eq!(message[..2], [0x50, slots]);
        transport.start_interrupt().unwrap();
    }
    assert!(!readable(fd, Duration::from_millis(30)), "nothing else is planned");
}

#[test]
fn planned_unplugging_wakes_and_stays_readable() {
    for interrupt in [true, false] {
        let reader = sim::plug(Config {
            interrupt,
            ..Config::default()
        })
        .unwrap();
        let transport = reader.interface().open().unwrap();
        reader.unplug_after(Duration::from_millis(250));
        let fd = transport.interrupt_wait().fd;
        assert!(transport.is_connected() && !readable(fd, Duration::ZERO));
        assert!(readable(fd, SECOND));
        assert!(!transport.is_connected());
        assert_eq!(
            transport.reap_interrupt(&mut []).unwrap_err().kind,
            ErrorKind::Disconnected
        );
        assert!(readable(fd, Duration::ZERO));
        assert!(!listed(&reader));
    }
}

#[test]
fn planned_events_are_told_to_those_without_open_reader() {
    let check = || {
        sim::forget_after_fork();
        let Some(idle) = sim::wait_fd() else {
            return false;
        };
        let quiet = !readable(idle, Duration::ZERO);
        plug().unplug_after(Duration::from_millis(250));
        let woken = sim::wait_fd().is_some_and(|fd| !readable(fd, Duration::ZERO) && readable(fd, SECOND));
        quiet && woken && sim::interfaces().is_empty() && !readable(idle, Duration::ZERO)
    };
    assert!(in_child(check));
}

#[test]
fn a_child_forgets_the_bus_even_with_its_locks_held() {
    let reader = plug();
    reader.insert(0, BuiltinCard::default());
    let mut opened = Some(reader.interface().open().unwrap());
    let held = reader.port().lock().unwrap();
    let check = || {
        sim::forget_after_fork();
        let transport = opened.take().unwrap();
        let gone = transport.claim().is_err_and(|e| e.kind == ErrorKind::Disconnected)
            && transport.start_interrupt().is_err()
            && !transport.is_connected()
            && !reader.is_plugged();
        let empty = sim::interfaces().is_empty();
        let again = plug();
        let works = again.interface().open().is_ok_and(|t| t.claim().is_ok());
        drop(transport);
        gone && empty && works && sim::interfaces().len() == 1
    };
    assert!(in_child(check));
    drop(held);
    assert!(listed(&reader) && reader.is_plugged());
    opened.unwrap().claim().unwrap();
}

#[test]
fn the_environment_plugs_in_once_and_anew_in_a_child() {
    let check = || {
        sim::forget_after_fork();
        let asked = sim::builtin_from_env("builtin:readers=2,slots=2") && sim::builtin_from_env("builtin:readers=5");
        let first = sim::interfaces();
        sim::forget_after_fork();
        let second = sim::interfaces();
        asked && first.len() == 2 && second.len() == 2 && first[0].class_descriptor[4] == 1
    };
    assert!(in_child(check));
    let none = || {
        sim::forget_after_fork();
        let empty = !sim::builtin_from_env("/no/such/thing") && sim::interfaces().is_empty();
        empty && !sim::enabled() && sim::bus_path().is_some() && sim::enabled()
    };
    assert!(in_child(none));
}
