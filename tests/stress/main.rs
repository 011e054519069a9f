//! The stress test of many processes at one reader, with a model of what they may see.
//!
//! Processes of this very program, each a seeded random user of the C functions, work on one or two software readers in
//! a server. They are killed at random moments and replaced; cards come and go, readers are unplugged. Every call and
//! what it returned stands in a journal that all write; what reached the card stands in the reader's log, because each
//! command carries who sends it, in which hold on the card (transaction, exclusive connection), and how often he had
//! acknowledged an event. Journal and log are compared ([`wire`], [`model`]): there are no two holds at once, nothing in
//! the midst of somebody's hold, no answer to another's command, no reset between two commands of a handle that was not
//! told of it, none told of twice, no wait without end, counters that only grow, and agree.
//!
//! | variable | meaning |
//! |---|---|
//! | `WINSCARD_STRESS_KILLS` | how many processes to kill; default 300, the long form is 10000 |
//! | `WINSCARD_STRESS_SEED` | what the random choices start from; printed by a failing run |
//! | `WINSCARD_STRESS_PROCESSES` | how many at once; default 6 |
//! | `WINSCARD_STRESS_KEEP` | a directory to put the journal and the log of a failing round in |
//!
//! The long form: `WINSCARD_STRESS_KILLS=10000 cargo test --release --test stress -- --nocapture`.

#![allow(unsafe_code, reason = "tests of a C interface, and the clock shared by processes")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::undocumented_unsafe_blocks,
    reason = "tests"
)]

#[path = "../support/quiet.rs"]
mod quiet;

mod agent;
mod calls;
mod journal;
mod model;
mod noise;
mod random;
mod round;
mod stamp;
mod wire;

use std::time::Instant;

use random::Random;
use round::{Plan, Round};

/// Kills a server sees before the next round begins with a new one.
const KILLS_PER_ROUND: u32 = 250;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text}")))
}

/// What a child process runs; nothing in the parent.
#[test]
fn agent_process() {
    if std::env::var_os(agent::JOURNAL).is_some() {
        agent::run();
    }
}

#[test]
fn processes_killed_at_any_moment_leave_the_rules_intact() {
    let kills = u32::try_from(number("WINSCARD_STRESS_KILLS", 300)).expect("a sensible number");
    let seed = number("WINSCARD_STRESS_SEED", 1);
    let processes = usize::try_from(number("WINSCARD_STRESS_PROCESSES", 6)).expect("a sensible number");
    let begin = Instant::now();
    let (mut done, mut findings) = (0, Vec::new());
    for number in 0.. {
        if done >= kills {
            break;
        }
        let part = (kills - done).min(KILLS_PER_ROUND);
        let plan = Plan::new(Random::new(seed).fork(number), part, processes, number);
        eprintln!("seed {seed}: {plan}");
        let (summary, found) = Round::new(plan).run();
        done += part;
        eprintln!("  {summary}; {done} kills in {:.1?}", begin.elapsed());
        for finding in found {
            eprintln!("  FINDING: {finding}");
            findings.push(format!("round {number}: {finding}"));
        }
    }
    assert!(findings.is_empty(), "seed {seed}: {}", findings.join("\n"));
}
