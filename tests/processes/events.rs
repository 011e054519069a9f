//! What processes see of cards and readers that come and go.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use winscard::error::Error::{InvalidValue, RemovedCard, Timeout};

use crate::agents::*;
use crate::support::quiet::Quiet;

const CHANGED: u32 = 0x2;
const EMPTY: u32 = 0x10;
const PRESENT: u32 = 0x20;

/// The event state of a line of `change`.
fn event(line: &str) -> u32 {
    let (code, event) = line.split_once(' ').unwrap();
    assert_eq!(code, "0", "{line}");
    u32::from_str_radix(event, 16).unwrap()
}

/// Waits for a change of this state in every agent; gives what they all saw.
fn all_see(agents: &mut [Agent], state: u32, then: impl FnOnce()) -> u32 {
    for agent in agents.iter_mut() {
        agent.start(&format!("change 20000 {state:x}"));
    }
    for agent in agents.iter_mut() {
        agent.waits();
    }
    then();
    let seen: Vec<u32> = agents.iter_mut().map(|agent| event(&agent.result(SOON))).collect();
    assert!(seen.iter().all(|event| *event == seen[0]), "{seen:x?}");
    seen[0]
}

fn card_comes_and_goes(world: &World) {
    let mut agents = [world.agent(), world.agent(), world.agent()];
    let mut state = event(&agents[0].call("change 0 0")) & !CHANGED;
    assert_eq!(state & 0xFFFF, EMPTY);
    for round in 1..=3 {
        let seen = all_see(&mut agents, state, || drop(world.tell("insert 0")));
        assert_eq!(seen, (2 * round - 1) << 16 | PRESENT | CHANGED, "insertion {round}");
        let seen = all_see(&mut agents, seen & !CHANGED, || drop(world.tell("remove 0")));
        assert_eq!(seen, (2 * round) << 16 | EMPTY | CHANGED, "removal {round}");
        state = seen & !CHANGED;
    }
}

#[test]
fn three_waiters_see_every_card_that_comes_and_goes() {
    card_comes_and_goes(&World::new(&["card=none"]));
}

#[test]
fn so_they_do_at_a_reader_without_interrupt_endpoint() {
    card_comes_and_goes(&World::new(&["card=none,interrupt=no"]));
}

#[test]
fn one_that_was_not_watching_knows_of_it_at_its_next_call() {
    let world = World::new(&[]);
    let (mut a, mut b) = (world.connected(SHARED), world.connected(SHARED));
    world.tell("remove 0");
    a.gives("status", RemovedCard);
    world.tell("insert 0");
    b.gives(&format!("transmit {SELECT}"), RemovedCard);
    assert_eq!(event(&a.call("change 0 0")) >> 16, 2);
    assert_eq!(event(&b.call("change 0 0")) >> 16, 2);
    b.gives("reconnect 2 3 0", Fine);
    b.answers(SELECT, "9000");
}

#[test]
fn what_a_process_found_just_before_it_ended_is_looked_at_anew() {
    let world = World::new(&[]);
    let mut b = world.agent();
    let mut a = world.connected(SHARED);
    a.answers(SELECT, "9000");
    a.kill();
    world.tell("remove 0");
    assert_eq!(event(&b.call("change 0 0")) & (EMPTY | PRESENT), EMPTY);
}

#[test]
fn a_card_swapped_while_all_are_idle_is_another_card() {
    let world = World::new(&[]);
    let mut a = world.connected(SHARED);
    a.answers(VERIFY, "9000");
    world.tell("remove 0");
    world.tell("insert 0");
    a.gives(&format!("transmit {SELECT}"), RemovedCard);
    assert!(a.call("reconnect 2 3 0").starts_with("0 "));
    a.answers(IS_VERIFIED, "63C3");
}

/// In a reader that powers cards by itself (`dwFeatures` 04) the status does not show a swap, and the report of the removal
/// went to the idle process that had the claim. That of the insertion waits for the next.
#[test]
fn a_swap_reported_to_an_idle_process_is_not_lost_with_its_claim() {
    let world = World::new(&["features=0x4BE"]);
    let mut a = world.connected(SHARED);
    a.answers(VERIFY, "9000");
    // So soon after the card was met its coming would be taken for a late report of that.
    thread::sleep(Duration::from_millis(1100));
    world.tell("remove 0");
    world.tell("insert 0");
    let (commands, resets) = (world.counter("xfr_blocks"), world.resets());
    let mut b = world.connected(SHARED);
    // The report comes to light while it connects, and then it is connected to the new card, or after that.
    let has_noticed = world.resets() > resets;
    if has_noticed {
        b.answers(IS_VERIFIED, "63C3");
    } else {
        b.gives(&format!("transmit {SELECT}"), RemovedCard);
        assert_eq!(world.counter("xfr_blocks"), commands, "no command to the new card");
    }
    a.gives(&format!("transmit {SELECT}"), RemovedCard);
    assert!(a.call("reconnect 2 3 0").starts_with("0 "));
    a.answers(IS_VERIFIED, "63C3");
}

/// The report of an insertion may come late, to a process that has taken the claim from the one which powered the card up.
#[test]
fn a_late_report_of_an_insertion_is_no_swap_to_the_next_process_either() {
    let world = World::new(&["features=0x4BE"]);
    let (mut a, mut b) = (world.connected(SHARED), world.connected(SHARED));
    world.tell("inject 0 interrupt/5003@xfr");
    b.answers(SELECT, "9000");
    b.answers(SELECT, "9000");
    a.answers(SELECT, "9000");
    assert_eq!(event(&b.call("change 0 0")) >> 16, 0, "nothing was moved");
}

/// The same with nobody connected: whoever takes the claim from an idle process starts the card anew.
#[test]
fn a_claim_taken_from_an_idle_process_comes_with_a_card_that_is_not_trusted() {
    let world = World::new(&["features=0x4BE"]);
    let mut a = world.connected(SHARED);
    a.answers(VERIFY, "9000");
    a.gives("disconnect 0", Fine);
    // Its context keeps the claim.
    assert_eq!(event(&a.call("change 0 0")) & PRESENT, PRESENT);
    thread::sleep(Duration::from_millis(400));
    world.tell("remove 0");
    world.tell("insert 0");
    let resets = world.resets();
    let mut b = world.connected(SHARED);
    assert_eq!(world.resets(), resets + 1);
    b.answers(IS_VERIFIED, "63C3");
}

#[test]
fn a_removal_ends_a_transaction_and_wakes_who_waits_for_it() {
    let world = World::new(&[]);
    let (mut a, mut b, mut watcher) = (world.connected(SHARED), world.connected(SHARED), world.agent());
    a.gives("begin", Fine);
    b.start("begin");
    b.waits();
    // Somebody watches, for a waiting call does not ask the reader itself.
    watcher.start("change 20000 122");
    watcher.waits();
    world.tell("remove 0");
    assert_eq!(event(&watcher.result(SOON)) & EMPTY, EMPTY);
    assert_eq!(b.result(SOON), Expected::code(&RemovedCard));
    a.gives("end 0", RemovedCard);
}

#[test]
fn the_watch_is_handed_on_when_the_watcher_dies() {
    let world = World::new(&["card=none"]);
    let mut agents: Vec<Agent> = (0..3).map(|_| world.agent()).collect();
    for agent in &mut agents {
        agent.start("change 20000 10");
        agent.waits();
    }
    // The first is the watcher; then whoever has taken over.
    agents.remove(0).kill();
    agents.remove(0).kill();
    thread::sleep(Duration::from_millis(50));
    let begin = Quiet::now();
    world.tell("insert 0");
    assert_eq!(event(&agents[0].result(SOON)) & PRESENT, PRESENT);
    assert!(begin.elapsed() < Duration::from_secs(1), "{:?}", begin.elapsed());
}

#[test]
fn a_watcher_leaves_the_reader_to_those_who_work() {
    let world = World::new(&[]);
    let mut worker = world.connected(SHARED);
    let mut watcher = world.agent();
    let state = event(&watcher.call("change 0 0")) & !CHANGED;
    watcher.start(&format!("change 20000 {state:x}"));
    for _ in 0..30 {
        worker.answers(SELECT, "9000");
    }
    watcher.waits();
    world.tell("remove 0");
    assert_eq!(event(&watcher.result(SOON)) & EMPTY, EMPTY);
    worker.gives("status", RemovedCard);
}

#[test]
fn an_unplugged_reader_is_gone_for_everybody_and_a_new_one_is_found() {
    let world = World::new(&[]);
    let (mut a, mut b, mut c) = (world.connected(SHARED), world.agent(), world.agent());
    let pnp = c.call("change 0 0 pnp");
    let counter = pnp.split_once(' ').unwrap().1.to_owned();
    c.start(&format!("change 20000 {counter} pnp"));
    b.start("change 20000 122");
    b.waits();
    c.waits();
    world.tell("unplug 0");
    let unavailable = event(&b.result(SOON));
    assert_eq!(unavailable, 0xE, "UNKNOWN, UNAVAILABLE, CHANGED");
    assert_eq!(event(&c.result(SOON)) & CHANGED, CHANGED);
    a.gives(&format!("transmit {SELECT}"), InvalidValue);
    a.gives("begin", InvalidValue);
    a.gives("disconnect 0", Fine);
    a.gives("list", winscard::error::Error::NoReadersAvailable);
    c.start("change 20000 0 pnp");
    c.waits();
    world.tell("plug 0");
    assert_eq!(event(&c.result(SOON)) & CHANGED, CHANGED);
    let list = a.call("list");
    assert!(list.starts_with("0 "), "{list}");
    a.gives("connect 2 3", Fine);
    a.answers(SELECT, "9000");
}

#[test]
fn nothing_new_is_a_timeout_and_not_before_its_time() {
    let world = World::new(&[]);
    let mut a = world.agent();
    let state = event(&a.call("change 0 0")) & !CHANGED;
    let begin = Instant::now();
    a.gives(&format!("change 200 {state:x}"), Timeout);
    assert!(begin.elapsed() >= Duration::from_millis(200), "{:?}", begin.elapsed());
}

/// One of those who wait watches the interface, for those too who wait for slots that are nothing to him.
#[test]
fn a_watcher_of_one_slot_hears_the_others_for_everybody() {
    for device in ["slots=3,card=none", "slots=3,card=none,interrupt=no"] {
        let world = World::new(&[device]);
        let (mut watcher, mut other) = (world.agent_at(0), world.agent_at(2));
        watcher.start("change 20000 10");
        watcher.waits();
        other.start("change 20000 10");
        other.waits();
        world.tell("insert 0 2");
        assert_eq!(other.result(SOON), "0 10022", "{device}");
        watcher.waits();
        other.start("change 20000 10020");
        other.waits();
        world.tell("remove 0 2");
        assert_eq!(other.result(SOON), "0 20012", "{device}");
        // Nor does it matter that somebody works in a third slot all the time.
        world.tell("insert 0 1");
        let mut worker = world.agent_at(1);
        assert!(worker.call("connect 2 3").starts_with("0 "));
        other.start("change 20000 20010");
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let work = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                worker.answers(SELECT, "9000");
            }
        });
        other.waits();
        world.tell("insert 0 2");
        assert_eq!(other.result(SOON), "0 30022", "{device}");
        stop.store(true, Ordering::Relaxed);
        work.join().expect("the worker's answers");
        world.tell("insert 0 0");
        assert_eq!(watcher.result(SOON), "0 10022", "{device}");
    }
}
