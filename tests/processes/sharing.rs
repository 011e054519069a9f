//! Connections and transactions between processes.

use std::thread;
use std::time::Duration;

use winscard::error::Error::{ResetCard, SharingViolation};

use crate::agents::*;

#[test]
fn two_processes_share_a_card_and_its_state() {
    let world = World::new(&[]);
    let (mut a, mut b) = (world.connected(SHARED), world.connected(SHARED));
    assert_eq!(world.resets(), 1, "powered once");
    a.answers(VERIFY, "9000");
    b.answers(IS_VERIFIED, "9000");
    assert_eq!(a.call("status"), b.call("status"));
    assert_eq!((a.threads(), b.threads()), (1, 1));
    a.gives("disconnect 0", Fine);
    b.answers(IS_VERIFIED, "9000");
}

#[test]
fn exclusive_keeps_others_out_and_others_keep_it_out() {
    let world = World::new(&[]);
    let mut a = world.connected(EXCLUSIVE);
    let mut b = world.agent();
    for mode in [SHARED, EXCLUSIVE, DIRECT] {
        b.gives(&format!("connect {mode} 3"), SharingViolation);
    }
    a.answers(SELECT, "9000");
    a.gives("disconnect 0", Fine);
    b.gives("connect 2 3", Fine);
    a.gives("connect 1 3", SharingViolation);
    a.gives("connect 3 0", Fine);
    a.gives("disconnect 0", Fine);
    b.gives("disconnect 0", Fine);
    a.gives("connect 1 3", Fine);
}

#[test]
fn one_protocol_per_card() {
    let world = World::new(&[]);
    let (mut a, mut b) = (world.agent(), world.agent());
    assert_eq!(a.call("connect 2 1"), "0 1");
    b.gives("connect 2 2", winscard::error::Error::ProtoMismatch);
    assert_eq!(b.call("connect 2 3"), "0 1");
}

#[test]
fn a_transaction_keeps_others_waiting_and_lets_them_go_on() {
    let world = World::new(&[]);
    let (mut a, mut b, mut c) = (
        world.connected(SHARED),
        world.connected(SHARED),
        world.connected(SHARED),
    );
    a.gives("begin", Fine);
    b.start("begin");
    c.start(&format!("transmit {SELECT}"));
    b.waits();
    c.waits();
    a.answers(SELECT, "9000");
    b.waits();
    a.gives("end 0", Fine);
    // Who of the two is first is open; the transaction of the one ends before the other goes on.
    assert_eq!(b.result(SOON), "0");
    b.gives("end 0", Fine);
    assert_eq!(c.result(SOON), "0 9000");
}

/// A command that takes half a second.
const SLOW: &str = "transmit 801001F4";

#[test]
fn who_comes_in_an_owners_exchange_waits_for_the_end_of_the_transaction() {
    let world = World::new(&[]);
    let (mut a, mut b) = (world.connected(SHARED), world.connected(SHARED));
    a.gives("begin", Fine);
    world.arrives(&mut a, SLOW);
    b.start("begin");
    b.waits();
    assert_eq!(a.result(SOON), "0 9000");
    a.answers(SELECT, "9000");
    b.waits();
    a.gives("end 0", Fine);
    assert_eq!(b.result(SOON), "0");
    b.answers(SELECT, "9000");
}

/// Behaviour reference §2.1: what happened to the card is told even while another handle has the transaction.
#[test]
fn a_reset_is_told_to_who_comes_in_an_owners_exchange() {
    let world = World::new(&[]);
    let (mut a, mut b) = (world.connected(SHARED), world.connected(SHARED));
    assert!(a.call("reconnect 2 3 1").starts_with("0 "));
    a.gives("begin", Fine);
    world.arrives(&mut a, SLOW);
    b.start("begin");
    assert_eq!(b.result(SOON), Expected::code(&ResetCard));
    assert_eq!(a.result(SOON), "0 9000");
}

#[test]
fn a_connection_waits_for_a_transaction() {
    let world = World::new(&[]);
    let (mut a, mut b) = (world.connected(SHARED), world.agent());
    a.gives("begin", Fine);
    b.start("connect 2 3");
    b.waits();
    a.gives("end 0", Fine);
    assert!(b.result(SOON).starts_with("0 "));
}

#[test]
fn nobody_starves_when_two_take_turns() {
    let world = World::new(&[]);
    let (mut a, mut b) = (world.connected(SHARED), world.connected(SHARED));
    for round in 0..50 {
        b.gives("begin", Fine);
        a.start("begin");
        b.answers(SELECT, "9000");
        b.gives("end 0", Fine);
        assert_eq!(a.result(SOON), "0", "round {round}");
        a.answers(SELECT, "9000");
        a.gives("end 0", Fine);
    }
    assert_eq!(world.resets(), 1);
}

#[test]
fn a_reset_is_seen_by_everybody_else_once() {
    let world = World::new(&[]);
    let (mut a, mut b, mut c) = (
        world.connected(SHARED),
        world.connected(SHARED),
        world.connected(DIRECT),
    );
    a.answers(VERIFY, "9000");
    assert!(a.call("reconnect 2 3 1").starts_with("0 "));
    a.answers(IS_VERIFIED, "63C3");
    for other in [&mut b, &mut c] {
        other.gives("status", ResetCard);
        other.gives("begin", ResetCard);
        other.gives(&format!("transmit {SELECT}"), ResetCard);
    }
    b.gives("reconnect 2 3 0", Fine);
    b.answers(SELECT, "9000");
    c.gives("reconnect 3 0 0", Fine);
    c.gives("status", Fine);
    assert_eq!(world.counter("warm_resets"), 1);
}

#[test]
fn ending_a_transaction_with_a_reset_tells_the_waiting() {
    let world = World::new(&[]);
    let (mut a, mut b) = (world.connected(SHARED), world.connected(SHARED));
    a.gives("begin", Fine);
    b.start("begin");
    b.waits();
    a.gives("end 1", Fine);
    assert_eq!(b.result(SOON), Expected::code(&ResetCard));
    a.gives("status", ResetCard);
}

#[test]
fn becoming_exclusive_waits_for_the_others_to_leave() {
    let world = World::new(&[]);
    let (mut a, mut b) = (world.connected(SHARED), world.connected(SHARED));
    a.start("reconnect 1 3 0");
    a.waits();
    b.gives("disconnect 0", Fine);
    assert!(a.result(SOON).starts_with("0 "));
    b.gives("connect 2 3", SharingViolation);
    a.gives("reconnect 2 3 0", Fine);
    b.gives("connect 2 3", Fine);
}

#[test]
fn slots_of_one_reader_do_not_disturb_each_other() {
    let world = World::new(&["slots=2,busy=1"]);
    world.tell("insert 0 1 t1");
    let (mut a, mut b) = (world.agent_at(0), world.agent_at(1));
    a.gives("connect 1 3", Fine);
    b.gives("connect 1 3", Fine);
    for _ in 0..10 {
        a.start(&format!("transmit {SELECT}"));
        b.start(&format!("transmit {SELECT}"));
        assert_eq!((a.result(SOON), b.result(SOON)), ("0 9000".into(), "0 9000".into()));
    }
}

#[test]
fn those_who_wait_do_nothing_else() {
    let world = World::new(&[]);
    let (mut a, mut b, mut watcher) = (world.connected(SHARED), world.connected(SHARED), world.agent());
    a.gives("begin", Fine);
    b.start("begin");
    watcher.start("change 20000 122");
    thread::sleep(Duration::from_millis(1500));
    let before = (b.switches(), watcher.switches());
    thread::sleep(Duration::from_millis(1500));
    assert_eq!((b.switches(), watcher.switches()), before, "somebody woke up");
    b.waits();
    watcher.waits();
}
