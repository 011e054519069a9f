//! Processes that are killed: whoever comes next can work at once, and the card is reset exactly where it has to be.
//!
//! Behaviour reference: a connection that dies in a transaction, or exclusive, has the card reset; one that dies in mid-
//! exchange leaves a card in an unknown state, which is reset as well; any other leaves it alone.

use std::thread;
use std::time::Duration;

use winscard::error::Error::ResetCard;

use crate::agents::*;
use crate::support::quiet::Quiet;

/// How long anything may take after a death, on a machine that is not busy with other things.
const AT_ONCE: Duration = Duration::from_secs(1);
/// A command that is not answered until long after.
const NOT_ANSWERED: &str = "inject 0 delay/60s@xfr";

/// Runs something that has to be quick.
#[track_caller]
fn at_once<T>(what: impl FnOnce() -> T) -> T {
    let begin = Quiet::now();
    let result = what();
    let took = begin.elapsed();
    assert!(took < AT_ONCE, "took {took:?}");
    result
}

#[test]
fn killed_while_shared_leaves_the_card_alone() {
    let world = World::new(&[]);
    let (mut a, mut b) = (world.connected(SHARED), world.connected(SHARED));
    a.answers(VERIFY, "9000");
    a.kill();
    at_once(|| b.answers(IS_VERIFIED, "9000"));
    let mut c = at_once(|| world.connected(SHARED));
    c.answers(IS_VERIFIED, "9000");
    assert_eq!(world.resets(), 1);
}

#[test]
fn killed_in_a_transaction_the_card_is_reset_and_the_waiting_are_told() {
    let world = World::new(&[]);
    let (mut a, mut b, mut c) = (world.connected(SHARED), world.connected(SHARED), world.agent());
    a.gives("begin", Fine);
    a.answers(VERIFY, "9000");
    b.start("begin");
    c.start("connect 2 3");
    b.waits();
    c.waits();
    a.kill();
    assert_eq!(at_once(|| b.result(SOON)), Expected::code(&ResetCard));
    assert!(at_once(|| c.result(SOON)).starts_with("0 "));
    c.answers(IS_VERIFIED, "63C3");
    assert_eq!(world.resets(), 2, "reset once");
    b.gives("reconnect 2 3 0", Fine);
    b.answers(SELECT, "9000");
}

#[test]
fn killed_in_a_transaction_with_nobody_there_the_next_one_finds_a_reset_card() {
    let world = World::new(&[]);
    let mut a = world.connected(SHARED);
    a.gives("begin", Fine);
    a.answers(VERIFY, "9000");
    a.kill();
    let mut b = at_once(|| world.connected(SHARED));
    b.answers(IS_VERIFIED, "63C3");
    assert_eq!(world.resets(), 2);
}

#[test]
fn killed_while_exclusive_the_card_is_reset() {
    let world = World::new(&[]);
    let mut a = world.connected(EXCLUSIVE);
    let mut watcher = world.agent();
    watcher.start("change 20000 a0");
    watcher.waits();
    a.answers(VERIFY, "9000");
    a.kill();
    let word = at_once(|| watcher.result(SOON));
    assert_eq!(word, "0 22", "nobody uses it any more");
    let mut b = at_once(|| world.connected(EXCLUSIVE));
    b.answers(IS_VERIFIED, "63C3");
}

#[test]
fn killed_in_direct_mode_leaves_the_card_alone() {
    let world = World::new(&[]);
    let mut a = world.connected(SHARED);
    a.answers(VERIFY, "9000");
    let mut direct = world.connected(DIRECT);
    direct.kill();
    at_once(|| a.answers(IS_VERIFIED, "9000"));
    assert_eq!(world.resets(), 1);
}

#[test]
fn killed_in_mid_exchange_the_pipes_are_found_in_order_and_the_card_is_reset() {
    let world = World::new(&[]);
    for round in 0..5_u64 {
        let (mut a, mut b) = (world.connected(SHARED), world.connected(SHARED));
        b.answers(SELECT, "9000");
        world.tell(NOT_ANSWERED);
        world.arrives(&mut a, &format!("transmit {VERIFY}"));
        thread::sleep(Duration::from_millis(10 * round));
        a.kill();
        let resets = world.resets();
        at_once(|| b.gives(&format!("transmit {SELECT}"), ResetCard));
        b.gives("reconnect 2 3 0", Fine);
        b.answers(IS_VERIFIED, "63C3");
        b.answers(SELECT, "9000");
        assert_eq!(world.resets(), resets + 1, "round {round}: reset once");
    }
}

/// Whoever waits for the pipes gets them while the dead one's descriptors are still being closed, one after the other, on
/// another processor. Several times, because he has to come in between.
#[test]
fn killed_in_mid_exchange_while_others_wait_for_their_turn() {
    let world = World::new(&[]);
    let (mut b, mut c) = (world.connected(SHARED), world.agent());
    for round in 0..12 {
        let mut a = world.connected(SHARED);
        world.tell(NOT_ANSWERED);
        world.arrives(&mut a, &format!("transmit {SELECT}"));
        b.start(&format!("transmit {SELECT}"));
        c.start("connect 2 3");
        if round % 4 == 0 {
            b.waits();
        } else {
            thread::sleep(Duration::from_millis(5 * round));
        }
        a.kill();
        let b_result = b.result(SOON);
        let is_told = b_result.starts_with(&Expected::code(&ResetCard));
        assert!(is_told, "round {round}: {b_result}");
        assert!(c.result(SOON).starts_with("0 "));
        c.answers(SELECT, "9000");
        c.gives("disconnect 0", Fine);
        b.gives("reconnect 2 3 0", Fine);
        b.answers(SELECT, "9000");
    }
}

/// With a reader that works for several slots at once the first slot says nothing of what is under way in the second.
#[test]
fn killed_in_mid_exchange_with_the_second_of_two_slots_only_that_card_is_reset() {
    let world = World::new(&["slots=2,busy=2"]);
    world.tell("insert 0 1 t1");
    let (mut a, mut b, mut c) = (world.agent_at(1), world.agent_at(1), world.connected(SHARED));
    for agent in [&mut a, &mut b] {
        let answer = agent.call("connect 2 3");
        assert!(answer.starts_with("0 "), "{answer}");
    }
    c.answers(VERIFY, "9000");
    world.tell(NOT_ANSWERED);
    world.arrives(&mut a, &format!("transmit {SELECT}"));
    a.kill();
    at_once(|| c.answers(IS_VERIFIED, "9000"));
    at_once(|| b.gives(&format!("transmit {SELECT}"), ResetCard));
    b.gives("reconnect 2 3 0", Fine);
    b.answers(SELECT, "9000");
    c.answers(IS_VERIFIED, "9000");
}

#[test]
fn killed_while_it_waits_for_a_transaction_nothing_happens() {
    let world = World::new(&[]);
    let (mut a, mut b) = (world.connected(SHARED), world.connected(SHARED));
    a.gives("begin", Fine);
    a.answers(VERIFY, "9000");
    b.start("begin");
    b.waits();
    b.kill();
    at_once(|| a.answers(IS_VERIFIED, "9000"));
    a.gives("end 0", Fine);
    at_once(|| a.answers(IS_VERIFIED, "9000"));
    assert_eq!(world.resets(), 1);
}

#[test]
fn killed_while_watching_the_others_hear_the_card() {
    let world = World::new(&["card=none"]);
    let (mut a, mut b) = (world.agent(), world.agent());
    a.start("change 20000 10");
    a.waits();
    a.kill();
    world.tell("insert 0");
    assert_eq!(at_once(|| b.call("change 5000 10")), "0 10022");
}

#[test]
fn many_deaths_at_random_moments() {
    let world = World::new(&[]);
    world.tell("latency 0 2ms");
    let mut b = world.connected(SHARED);
    let mut seed = 0x2545_F491_u32;
    for round in 0..60 {
        let mut a = world.connected(SHARED);
        a.start("begin");
        for _ in 0..20 {
            a.start(&format!("transmit {SELECT}"));
        }
        seed ^= seed << 13;
        seed ^= seed >> 17;
        seed ^= seed << 5;
        thread::sleep(Duration::from_micros(u64::from(seed % 60_000)));
        a.kill();
        let answer = at_once(|| b.call(&format!("transmit {SELECT}")));
        if answer != "0 9000" {
            assert!(
                answer.starts_with(&Expected::code(&ResetCard)),
                "round {round}: {answer}"
            );
            b.gives("reconnect 2 3 0", Fine);
            b.answers(SELECT, "9000");
        }
    }
}

#[test]
fn a_card_left_alone_for_five_seconds_has_forgotten_its_pin() {
    let world = World::new(&[]);
    let mut a = world.connected(SHARED);
    a.answers(VERIFY, "9000");
    a.gives("disconnect 0", Fine);
    let mut b = world.connected(SHARED);
    b.answers(IS_VERIFIED, "9000");
    b.gives("disconnect 0", Fine);
    thread::sleep(Duration::from_millis(5500));
    let mut c = world.connected(SHARED);
    c.answers(IS_VERIFIED, "63C3");
    assert_eq!(world.counter("cold_power_ons"), 2);
}
