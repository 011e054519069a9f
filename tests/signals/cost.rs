//! What waiting costs those who wait and those who do not.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use crate::agents::*;
use crate::players::*;

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

#[test]
fn a_watcher_does_not_slow_commands() {
    let world = World::new(&[]);
    let mut worker = connected(&world);
    let mut watcher = world.agent();
    let seen = watcher.call("change 0 0");
    let state = u32::from_str_radix(seen.strip_prefix("0 ").unwrap(), 16).unwrap() & !2;
    // By turns, so that what else the machine does concerns both.
    let rounds: Vec<(u64, u64)> = (0..7)
        .map(|_| {
            let alone = numbers(&worker.agent.call("commands 150"))[0];
            watcher.start(&format!("change 600 {state:x}"));
            thread::sleep(Duration::from_millis(50));
            let watched = numbers(&worker.agent.call("commands 150"))[0];
            let line = watcher.result(SOON);
            assert!(line.starts_with("8010000A"), "{line}: nothing changed");
            (alone, watched)
        })
        .collect();
    // In most rounds, for in any the machine may have had something else to do.
    let good = rounds.iter().filter(|(alone, watched)| watched * 2 > *alone).count();
    assert!(good > rounds.len() / 2, "commands alone and watched: {rounds:?}");
    assert!(rounds.iter().any(|(alone, _)| *alone > 10), "{rounds:?}");
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
    let (begin, time, switches) = (Instant::now(), cpu(&b), b.switches());
    thread::sleep(Duration::from_secs(2));
    let (cost, switches) = (cpu(&b) - time, b.switches() - switches);
    // Once in five seconds it looks without having been told.
    let looks = begin.elapsed().as_secs() / 5 + 1;
    assert!(
        cost < Duration::from_millis(2) && switches <= 2 * looks,
        "two seconds cost {cost:?}, with {switches} wake-ups"
    );
    // So nothing but the end itself can be what wakes it soon after. Polling every 100 ms, as others do, would take 70 ms
    // in each of these rounds.
    a.gives("end 0", Fine);
    assert_eq!(b.result(SOON), "0");
    b.gives("end 0", Fine);
    let mut waits: Vec<Duration> = (0..21)
        .map(|_| {
            a.gives("begin", Fine);
            b.start("begin");
            thread::sleep(Duration::from_millis(30));
            a.gives("end 0", Fine);
            let begin = Instant::now();
            assert_eq!(b.result(SOON), "0");
            let took = begin.elapsed();
            b.gives("end 0", Fine);
            took
        })
        .collect();
    waits.sort_unstable();
    assert!(waits[5] < Duration::from_millis(15), "{waits:?}");
}

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
        // Whoever has it may take it again before the others are awake: shares differ, but everybody gets one.
        assert!(result[0] * 8 * 16 > total, "count, longest wait in ms: {results:?}");
        assert!(
            u128::from(result[1]) < SOON.as_millis(),
            "count, longest wait in ms: {results:?}"
        );
    }
}
