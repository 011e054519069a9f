//! What waiting costs those who wait and those who do not.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use crate::agents::*;
use crate::players::*;
use crate::stopped::{go_on, stop_asleep};
use crate::support::quiet::Quiet;

fn connected(world: &World) -> Player {
    let mut player = lively(world, &[]);
    player.agent.establish(0);
    assert!(player.agent.call("connect 2 3").starts_with("0 "));
    player
}

/// The numbers of a line that begins with success.
fn numbers(line: &str) -> Vec<u64> {
    let rest = line.strip_prefix("0 ").unwrap_or_else(|| panic!("{line}"));
    rest.split(' ').map(|number| number.trim().parse().unwrap()).collect()
}

/// Processor time a process has had.
fn cpu(agent: &Agent) -> Duration {
    let text = fs::read_to_string(format!("/proc/{}/schedstat", agent.id())).unwrap();
    Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
}

/// Whoever takes the reader from another asks it for the slots' status: that does not happen between commands, and after
/// a while without one at the earliest.
#[test]
fn a_watcher_does_not_slow_commands() {
    const LEAST_IDLE_MS: u128 = 150;
    let world = World::new(&[]);
    let mut worker = connected(&world);
    let mut watcher = world.agent();
    let seen = watcher.call("change 0 0");
    let state = u32::from_str_radix(seen.strip_prefix("0 ").unwrap(), 16).unwrap() & !2;
    let mut commands = 0;
    for _ in 0..4 {
        watcher.start(&format!("change 1000 {state:x}"));
        thread::sleep(Duration::from_millis(50));
        let (begin, before) = (Instant::now(), world.counter("get_slot_status"));
        commands += numbers(&worker.agent.call("commands 600"))[0];
        let asked = u128::from(world.counter("get_slot_status") - before);
        // Back and forth, each with two questions at most.
        let handovers = begin.elapsed().as_millis() / LEAST_IDLE_MS + 1;
        assert!(asked <= 4 * handovers, "asked {asked} times in {:?}", begin.elapsed());
        let line = watcher.result(SOON);
        assert!(line.starts_with("8010000A"), "{line}: nothing changed");
    }
    assert!(commands > 20, "{commands} commands");
}

#[test]
fn a_wait_for_a_transaction_costs_nothing_and_ends_promptly() {
    let world = World::new(&[]);
    let (mut a, mut b) = (world.connected(SHARED), world.connected(SHARED));
    a.gives("begin", Fine);
    b.start("begin");
    b.waits();
    // Whoever waits watches, and takes the interface for that when it has been idle for a moment.
    thread::sleep(Duration::from_millis(700));
    let (time, switches) = (cpu(&b), b.switches());
    thread::sleep(Duration::from_secs(2));
    let cost = (cpu(&b) - time, b.switches() - switches);
    assert!(
        cost.0 < Duration::from_millis(2) && cost.1 <= 2,
        "two seconds cost {cost:?}"
    );
    a.gives("end 0", Fine);
    assert_eq!(b.result(SOON), "0");
    b.gives("end 0", Fine);
    let mut waits: Vec<Duration> = (0..21)
        .map(|_| {
            a.gives("begin", Fine);
            b.start("begin");
            thread::sleep(Duration::from_millis(30));
            a.gives("end 0", Fine);
            let begin = Quiet::now();
            assert_eq!(b.result(SOON), "0");
            let took = begin.elapsed();
            b.gives("end 0", Fine);
            took
        })
        .collect();
    waits.sort_unstable();
    // Polling every 100 ms, as others do, would take 50 ms.
    assert!(waits[10] < Duration::from_millis(30), "{waits:?}");
}

/// Whoever has it may take it again before the others are awake, but not for long: then they come in the order in which
/// they began to wait.
#[test]
fn among_eight_who_wait_nobody_starves() {
    let world = World::new(&[]);
    let mut players: Vec<Player> = (0..8).map(|_| connected(&world)).collect();
    for player in &mut players {
        player.agent.start("turns 6000");
    }
    let results: Vec<Vec<u64>> = players
        .iter_mut()
        .map(|player| numbers(&player.agent.result(SOON * 5)))
        .collect();
    let total: u64 = results.iter().map(|result| result[0]).sum();
    for result in &results {
        assert!(result[0] * 8 * 4 > total, "count, longest wait in ms: {results:?}");
    }
}

/// Waits until an agent's call, which others have to end, sleeps.
fn falls_asleep(agent: &Agent) {
    let begin = Quiet::now();
    while !agent.is_asleep() {
        assert!(begin.elapsed() < SOON * 5, "it does not wait");
        thread::yield_now();
    }
    thread::sleep(Duration::from_millis(80));
}

/// Of two that want it at the same time it goes to the one that has waited, not to the one that has just had it. (One that
/// takes too long to wake up is passed over, so not always on a busy machine.)
#[test]
fn who_has_waited_comes_before_who_has_just_had_it() {
    let world = World::new(&[]);
    let (mut a, mut b) = (world.connected(SHARED), world.connected(SHARED));
    let mut first = 0;
    for _ in 0..8 {
        a.gives("begin", Fine);
        b.start("begin");
        falls_asleep(&b);
        a.start("end 0");
        a.start("begin");
        assert_eq!(a.result(SOON), "0", "end");
        let begin = Quiet::now();
        let b_is_first = loop {
            assert!(begin.elapsed() < SOON, "neither of the two gets it");
            if b.returns(Duration::from_millis(1)) {
                break true;
            }
            if a.returns(Duration::from_millis(1)) {
                break false;
            }
        };
        first += u32::from(b_is_first);
        let (one, other) = if b_is_first { (&mut b, &mut a) } else { (&mut a, &mut b) };
        assert_eq!(one.result(SOON), "0", "begin");
        one.gives("end 0", Fine);
        assert_eq!(other.result(SOON), "0", "begin");
        other.gives("end 0", Fine);
    }
    assert!(first >= 5, "{first} of 8 times");
}

/// One that does not come is passed over.
#[test]
fn who_waits_and_is_stopped_is_passed_over() {
    let world = World::new(&[]);
    let (mut a, mut b) = (world.connected(SHARED), world.connected(SHARED));
    a.gives("begin", Fine);
    b.start("begin");
    falls_asleep(&b);
    stop_asleep(&b, &mut a);
    for _ in 0..20 {
        a.gives("end 0", Fine);
        a.gives("begin", Fine);
    }
    a.gives("end 0", Fine);
    go_on(&b);
    assert_eq!(b.result(SOON), "0");
    b.gives("end 0", Fine);
}
