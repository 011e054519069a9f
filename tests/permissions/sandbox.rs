//! Processes to which the system denies what the arbitration is made of.

use std::time::Duration;

use winscard::error::Error::{NoAccess, NoMemory, SharingViolation};

use crate::agents::*;
use crate::players::*;
use crate::support::quiet::Quiet;

/// `EPERM` and `ENOSYS`.
const FAILURES: [&str; 2] = ["1", "38"];

#[test]
fn without_locks_connecting_is_a_clear_error_and_others_are_undisturbed() {
    for (what, errno) in ["flock", "ofd"]
        .iter()
        .flat_map(|what| FAILURES.map(|errno| (what, errno)))
    {
        let restriction = format!("deny={what}:{errno}");
        if !is_possible(&[&restriction]) {
            continue;
        }
        let world = World::new(&[]);
        let mut other = world.connected(SHARED);
        other.answers(VERIFY, "9000");
        let mut agent = confined(&world, &[&restriction]);
        agent.agent.establish(0);
        agent.agent.gives("connect 2 3", NoAccess);
        assert!(agent.logged("cannot take part") >= 1, "{restriction}: {}", agent.log());
        let watch = Quiet::now();
        let seen = agent.agent.call("change 300 0");
        watch.assert_within(SOON, &restriction);
        assert!(seen.starts_with("0 "), "{restriction}: {seen}");
        other.answers(IS_VERIFIED, "9000");
        assert_eq!(world.resets(), 1);
    }
}

#[test]
fn without_inotify_all_works_but_waiting_which_is_refused_at_once() {
    for errno in FAILURES {
        let restriction = format!("deny=inotify:{errno}");
        if !is_possible(&[&restriction]) {
            continue;
        }
        let world = World::new(&[]);
        let mut other = world.connected(SHARED);
        let mut agent = confined(&world, &[&restriction]);
        agent.agent.establish(0);
        assert!(agent.agent.call("connect 2 3").starts_with("0 "));
        agent.agent.answers(SELECT, "9000");
        agent.agent.gives("begin", Fine);
        agent.agent.gives("end 0", Fine);
        let seen = agent.agent.call("change 0 0");
        let state = u32::from_str_radix(seen.strip_prefix("0 ").unwrap(), 16).unwrap() & !2;
        let watch = Quiet::now();
        agent.agent.gives(&format!("change 20000 {state:x}"), NoMemory);
        other.gives("begin", Fine);
        agent.agent.gives("begin", SharingViolation);
        watch.assert_within(SOON, "a refusal");
        assert!(agent.logged("cannot wait") >= 2, "{}", agent.log());
        other.gives("end 0", Fine);
        agent.agent.gives("begin", Fine);
        agent.agent.gives("end 0", Fine);
    }
}

/// With every number of descriptors from none to plenty: an answer, and nothing lost when there are enough again.
#[test]
fn out_of_descriptors_calls_fail_and_succeed_again_when_there_are_some() {
    let world = World::new(&[]);
    let mut player = lively(&world, &[]);
    let agent = &mut player.agent;
    agent.establish(0);
    assert!(agent.call("connect 2 3").starts_with("0 "));
    let open = descriptors(agent);
    agent.gives("disconnect 0", Fine);
    let mut failed = 0;
    for limit in 3..open + 8 {
        agent.gives(&format!("files {limit}"), Fine);
        let watch = Quiet::now();
        let _fewer_or_none = agent.call("list");
        let connected = agent.call("connect 2 3");
        let waited = agent.call("change 30 122");
        if connected.starts_with("0 ") {
            agent.gives(&format!("transmit {SELECT}"), Fine);
            agent.gives("disconnect 0", Fine);
        } else {
            failed += 1;
        }
        watch.assert_within(SOON, &format!("{limit} descriptors: {connected}, {waited}:"));
        agent.gives("files 256", Fine);
        assert!(agent.call("list").starts_with("0 "), "{limit}: readers are found again");
        let again = agent.call("connect 2 3");
        assert!(again.starts_with("0 "), "{limit}: {again}");
        agent.answers(SELECT, "9000");
        agent.gives("disconnect 0", Fine);
    }
    assert!(failed > 0, "every number of descriptors was enough");
    assert!(agent.call("connect 2 3").starts_with("0 "));
    std::thread::sleep(Duration::from_millis(10));
    // More than when nobody had waited yet: what the context keeps for its next wait, what tells of plugging, and its list.
    assert!(descriptors(agent) <= open + 3, "{} to {}", open, descriptors(agent));
}

/// The kernel takes 5 to 20 ms to close an inotify instance: no wait pays for that, so none is made per wait; and it ends with its context.
#[test]
fn a_context_keeps_its_inotify_instance_from_wait_to_wait() {
    let world = World::new(&[]);
    let mut player = lively(&world, &[]);
    let agent = &mut player.agent;
    agent.establish(0);
    let mut seen = Vec::new();
    for _ in 0..3 {
        let waited = agent.call("change 30 22");
        assert!(!waited.starts_with("0 "), "no change to hear of: {waited}");
        seen.push(instances(agent));
    }
    agent.gives("release", Fine);
    // Beside it perhaps the one that tells of plugging, which outlives contexts.
    assert!(seen.iter().all(|number| (1..=2).contains(number)), "{seen:?}");
    assert_eq!(instances(agent) + 1, seen[2], "{seen:?}");
}

fn instances(agent: &Agent) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", agent.id()))
        .unwrap()
        .filter(|entry| {
            let link = std::fs::read_link(entry.as_ref().unwrap().path());
            link.is_ok_and(|link| link.to_str() == Some("anon_inode:inotify"))
        })
        .count()
}

fn descriptors(agent: &Agent) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", agent.id())).unwrap().count()
}
