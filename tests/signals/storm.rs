//! A signal every half a millisecond, with and without `SA_RESTART`: every call does what it does without.

use std::time::{Duration, Instant};

use winscard::error::Error::{ResetCard, Timeout};

use crate::agents::*;
use crate::players::*;

fn storms() -> [[(&'static str, &'static str); 1]; 2] {
    [[("LIVELY_STORM", "plain")], [("LIVELY_STORM", "restart")]]
}

/// An agent in a storm that is connected.
fn in_storm(world: &World, variables: &[(&str, &str)]) -> Player {
    let mut player = lively(world, variables);
    player.agent.establish(0);
    let answer = player.agent.call("connect 2 3");
    assert!(answer.starts_with("0 "), "{answer}");
    player
}

/// There was a storm.
fn was_hit(player: &mut Player) {
    let answer = player.agent.call("signals");
    let count: u64 = answer.strip_prefix("0 ").unwrap().parse().unwrap();
    assert!(count > 100, "{count} signals");
}

#[test]
fn commands_short_and_long_are_answered() {
    for storm in storms() {
        let world = World::new(&[]);
        let mut player = in_storm(&world, &storm);
        for _ in 0..50 {
            player.agent.answers(SELECT, "9000");
        }
        // One second, with requests for more time.
        let begin = Instant::now();
        player.agent.answers("801003E8", "9000");
        assert!(begin.elapsed() >= Duration::from_secs(1), "{storm:?}");
        player.agent.answers(VERIFY, "9000");
        assert!(player.agent.call("reconnect 2 3 1").starts_with("0 "));
        player.agent.answers(IS_VERIFIED, "63C3");
        was_hit(&mut player);
    }
}

#[test]
fn a_wait_for_a_change_lasts_as_long_as_it_should_and_ends_when_it_should() {
    for storm in storms() {
        for device in ["card=none", "card=none,interrupt=no"] {
            let world = World::new(&[device]);
            let mut player = lively(&world, &storm);
            player.agent.establish(0);
            let begin = Instant::now();
            player.agent.gives("change 700 10", Timeout);
            assert!(begin.elapsed() >= Duration::from_millis(700), "{storm:?}");
            player.agent.start("change 20000 10");
            player.agent.waits();
            world.tell("insert 0");
            assert_eq!(player.agent.result(SOON), "0 10022", "{storm:?}");
            player.agent.start("change 20000 10020");
            player.agent.waits();
            world.tell("unplug 0");
            assert_eq!(player.agent.result(SOON), "0 E", "{storm:?}");
            was_hit(&mut player);
        }
    }
}

#[test]
fn waits_for_a_transaction_last_until_its_end_or_its_owners() {
    for storm in storms() {
        let world = World::new(&[]);
        let mut owner = world.connected(SHARED);
        let (mut begins, mut transmits) = (in_storm(&world, &storm), in_storm(&world, &storm));
        let mut connects = lively(&world, &storm);
        connects.agent.establish(0);
        for end_by_death in [false, true] {
            owner.gives("begin", Fine);
            begins.agent.start("begin");
            connects.agent.start("connect 2 3");
            begins.agent.waits();
            connects.agent.waits();
            if end_by_death {
                owner.kill();
                let reset = Expected::code(&ResetCard);
                assert_eq!(begins.agent.result(SOON), reset, "{storm:?}");
                transmits.agent.gives(&format!("transmit {SELECT}"), ResetCard);
            } else {
                owner.gives("end 0", Fine);
                assert_eq!(begins.agent.result(SOON), "0", "{storm:?}");
                begins.agent.gives("end 0", Fine);
                transmits.agent.answers(SELECT, "9000");
            }
            assert!(connects.agent.result(SOON).starts_with("0 "), "{storm:?}");
            connects.agent.gives("disconnect 0", Fine);
        }
        was_hit(&mut begins);
        was_hit(&mut connects);
    }
}

/// The exchange lock is waited for in the kernel.
#[test]
fn a_wait_for_somebody_elses_command_lasts_as_long_as_that() {
    for storm in storms() {
        let world = World::new(&[]);
        let mut other = world.connected(SHARED);
        let mut player = in_storm(&world, &storm);
        world.arrives(&mut other, "transmit 801003E8");
        let begin = Instant::now();
        player.agent.answers(SELECT, "9000");
        assert!(begin.elapsed() > Duration::from_millis(700), "{:?}", begin.elapsed());
        assert_eq!(other.result(SOON), "0 9000");
    }
}
