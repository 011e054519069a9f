//! `SIGSTOP` and `SIGCONT` in each state: the others go on, or wait as for a daemon that is stopped, and all recovers.
#![allow(unsafe_code, reason = "kill(2)")]

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use winscard::error::Error::ResetCard;

use crate::agents::*;
use crate::support::quiet::Quiet;

fn signal(agent: &Agent, number: libc::c_int) {
    let pid = libc::pid_t::try_from(agent.id()).unwrap();
    // SAFETY: our own child, which has not been waited for.
    assert_eq!(unsafe { libc::kill(pid, number) }, 0);
}

/// Stops a process; returns when it has.
pub(crate) fn stop(agent: &Agent) {
    signal(agent, libc::SIGSTOP);
    let end = Instant::now() + SOON;
    loop {
        let stat = fs::read_to_string(format!("/proc/{}/stat", agent.id())).unwrap();
        if stat.rsplit(") ").next().unwrap().starts_with('T') {
            return;
        }
        assert!(Instant::now() < end, "{stat}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Stops a process that waits, but not while it holds the pipes to look whether its wait is over: then everybody else would
/// have to wait for it. `other` has the card.
pub(crate) fn stop_asleep(agent: &Agent, other: &mut Agent) {
    loop {
        stop(agent);
        other.start("status");
        let is_free = other.returns(SOON);
        if !is_free {
            go_on(agent);
        }
        let _any = other.result(SOON * 5);
        if is_free {
            return;
        }
    }
}

pub(crate) fn go_on(agent: &Agent) {
    signal(agent, libc::SIGCONT);
}

#[test]
fn an_idle_process_that_is_stopped_is_in_nobodys_way() {
    let world = World::new(&[]);
    // It has the interface claimed.
    let (mut b, mut a) = (world.connected(SHARED), world.connected(SHARED));
    a.answers(VERIFY, "9000");
    stop(&a);
    b.answers(IS_VERIFIED, "9000");
    b.gives("begin", Fine);
    b.gives("end 1", Fine);
    let mut c = world.connected(SHARED);
    c.answers(SELECT, "9000");
    world.tell("remove 0");
    world.tell("insert 0");
    c.gives("status", winscard::error::Error::RemovedCard);
    go_on(&a);
    a.gives(&format!("transmit {SELECT}"), winscard::error::Error::RemovedCard);
    assert!(a.call("reconnect 2 3 0").starts_with("0 "));
    a.answers(SELECT, "9000");
}

#[test]
fn a_transaction_of_a_process_that_is_stopped_goes_on() {
    let world = World::new(&[]);
    let (mut a, mut b, mut c) = (world.connected(SHARED), world.connected(SHARED), world.agent());
    a.gives("begin", Fine);
    a.answers(VERIFY, "9000");
    stop(&a);
    b.start("begin");
    c.start("connect 2 3");
    thread::sleep(Duration::from_secs(1));
    b.waits();
    c.waits();
    go_on(&a);
    a.answers(IS_VERIFIED, "9000");
    a.gives("end 0", Fine);
    assert_eq!(b.result(SOON), "0");
    b.gives("end 0", Fine);
    assert!(c.result(SOON).starts_with("0 "));
    // Killed while stopped is killed.
    a.gives("begin", Fine);
    stop(&a);
    b.start("begin");
    b.waits();
    a.kill();
    assert_eq!(b.result(SOON), Expected::code(&ResetCard));
}

#[test]
fn a_waiting_process_that_is_stopped_gets_its_turn_when_it_goes_on() {
    let world = World::new(&[]);
    let (mut a, mut b, mut c) = (
        world.connected(SHARED),
        world.connected(SHARED),
        world.connected(SHARED),
    );
    a.gives("begin", Fine);
    b.start("begin");
    b.waits();
    stop_asleep(&b, &mut a);
    a.gives("end 0", Fine);
    // The transaction is nobody's: somebody who is not stopped can have it.
    c.gives("begin", Fine);
    go_on(&b);
    b.waits();
    c.gives("end 0", Fine);
    assert_eq!(b.result(SOON), "0");
    b.gives("end 0", Fine);
}

/// What happened meanwhile is told to the watcher when it goes on, and whoever works is not kept from the reader. What
/// others are told without asking the card is what the watcher knew.
#[test]
fn a_watcher_that_is_stopped_keeps_nobody_from_working() {
    let world = World::new(&[]);
    let mut watcher = world.agent();
    let seen = watcher.call("change 0 0");
    let state = u32::from_str_radix(seen.strip_prefix("0 ").unwrap(), 16).unwrap() & !2;
    watcher.start(&format!("change 20000 {state:x}"));
    watcher.waits();
    let mut b = world.connected(SHARED);
    stop_asleep(&watcher, &mut b);
    b.answers(VERIFY, "9000");
    let mut c = world.connected(SHARED);
    c.answers(IS_VERIFIED, "9000");
    world.tell("remove 0");
    b.gives(&format!("transmit {SELECT}"), winscard::error::Error::RemovedCard);
    c.gives("status", winscard::error::Error::RemovedCard);
    go_on(&watcher);
    let word = watcher.result(SOON);
    let word = u32::from_str_radix(word.strip_prefix("0 ").unwrap(), 16).unwrap();
    assert_eq!(word & 0x12, 0x12, "empty, changed: {word:x}");
}

/// A process that is stopped in a command of this many milliseconds (four hexadecimal digits), and one that waits for it.
fn stopped_in_exchange(world: &World, time: &str) -> (Agent, Agent) {
    let (mut a, mut b) = (world.connected(SHARED), world.connected(SHARED));
    world.arrives(&mut a, &format!("transmit 8010{time}"));
    stop(&a);
    b.start(&format!("transmit {SELECT}"));
    b.waits();
    (a, b)
}

/// As long as it is stopped in an exchange the others wait; the exchange then comes to its end.
#[test]
fn a_process_stopped_in_mid_exchange_finishes_it_when_it_goes_on() {
    let world = World::new(&[]);
    let (mut a, mut b) = stopped_in_exchange(&world, "01F4");
    thread::sleep(Duration::from_secs(1));
    b.waits();
    go_on(&a);
    assert_eq!(a.result(SOON), "0 9000");
    assert_eq!(b.result(SOON), "0 9000");
}

/// If it is killed before the card has answered, the card is reset; if the answer was there, the card is in order, unless the
/// process was stopped before it had even asked for it, and the reader still has it.
#[test]
fn a_process_killed_while_stopped_in_mid_exchange_is_like_any_that_is_killed() {
    let world = World::new(&[]);
    let (mut a, mut b) = stopped_in_exchange(&world, "2710");
    a.kill();
    let answer = b.result(SOON);
    assert!(answer.starts_with(&Expected::code(&ResetCard)), "{answer}");
    assert!(b.call("reconnect 2 3 0").starts_with("0 "));
    b.answers(SELECT, "9000");
    let resets = world.resets();
    let (mut a, mut b) = stopped_in_exchange(&world, "01F4");
    // The reader has said it.
    let end = Instant::now() + SOON;
    loop {
        let log = world.tell("log 0");
        let last = log.last().unwrap();
        if last.starts_with("< 80") && last.ends_with("9000") {
            break;
        }
        assert!(Instant::now() < end, "{log:?}");
    }
    // And whoever carries it to the process has taken it.
    Quiet::let_run(Duration::from_millis(300));
    a.kill();
    let answer = b.result(SOON);
    if answer == "0 9000" {
        assert_eq!(world.resets(), resets);
    } else {
        assert!(answer.starts_with(&Expected::code(&ResetCard)), "{answer}");
        b.gives("reconnect 2 3 0", Fine);
        b.answers(SELECT, "9000");
    }
}
