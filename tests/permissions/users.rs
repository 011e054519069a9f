//! Several users and one reader.

use std::fs::{self, Permissions};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use winscard::error::Error::{NoAccess, NoReadersAvailable};

use crate::agents::*;
use crate::players::*;
use crate::support::quiet::Quiet;

const ALICE: &str = "user=60001:60021";
const GROUP: u32 = 60010;
const BOB_OF_GROUP: &str = "user=60002:60022:60010";
const CAROL_OF_GROUP: &str = "user=60003:60023:60010";
const MALLORY: &str = "user=60004:60024";
/// Nobody who may use the reader, but of the same first group as Alice.
const ALICES_SISTER: &str = "user=60005:60021";
const ROOT: &str = "user=0:0";

/// Both are connected, see one card and exclude each other from transactions.
fn share(world: &World, first: &str, second: &str) {
    let (mut a, mut b) = (confined(world, &[first]), confined(world, &[second]));
    let (a, b) = (&mut a.agent, &mut b.agent);
    for agent in [&mut *a, &mut *b] {
        agent.establish(0);
        let answer = agent.call("connect 2 3");
        assert!(answer.starts_with("0 "), "{first} then {second}: connect gave {answer}");
    }
    a.answers(VERIFY, "9000");
    b.answers(IS_VERIFIED, "9000");
    exclude(a, b);
    exclude(b, a);
    a.gives("begin", Fine);
    b.start("begin");
    b.waits();
    a.kill();
    assert_eq!(b.result(SOON), Expected::code(&winscard::error::Error::ResetCard));
}

/// One waits for the other's transaction.
fn exclude(owner: &mut Agent, waiter: &mut Agent) {
    owner.gives("begin", Fine);
    waiter.start("begin");
    waiter.waits();
    owner.gives("end 0", Fine);
    assert_eq!(waiter.result(SOON), "0");
    waiter.gives("end 0", Fine);
}

#[test]
fn root_and_a_user_of_the_seat_share_a_reader_whoever_comes_first() {
    if !is_root("root and the seat's user") {
        return;
    }
    for (first, second) in [(ROOT, ALICE), (ALICE, ROOT)] {
        let world = World::new(&[]);
        open_to_users(&world, 0, 0o600);
        admit(&node(&world), 60001, 0);
        share(&world, first, second);
        let mut mallory = confined(&world, &[MALLORY]);
        mallory.agent.gives("establish", Fine);
        mallory.agent.gives("list", NoReadersAvailable);
    }
}

#[test]
fn two_users_of_one_group_share_a_reader() {
    if !is_root("two users of a group") {
        return;
    }
    let world = World::new(&[]);
    open_to_users(&world, GROUP, 0o660);
    share(&world, BOB_OF_GROUP, CAROL_OF_GROUP);
    share(&world, ROOT, BOB_OF_GROUP);
}

/// The one who makes the record cannot give it to the node's group; its members can use it nevertheless, and those of
/// his own group cannot.
#[test]
fn a_user_of_the_seat_and_one_of_the_group_share_a_reader_and_nobody_else_does() {
    if !is_root("seat and group") {
        return;
    }
    for (first, second) in [(ALICE, BOB_OF_GROUP), (BOB_OF_GROUP, ALICE)] {
        let world = World::new(&[]);
        open_to_users(&world, GROUP, 0o660);
        admit(&node(&world), 60001, 6);
        share(&world, first, second);
        let records = record_files(&world);
        assert_eq!(records.len(), 1, "{records:?}");
        for (user, may) in [
            (ALICE, true),
            (BOB_OF_GROUP, true),
            (ALICES_SISTER, false),
            (MALLORY, false),
        ] {
            let mut read = confine(&[user]);
            let read = read.args(["/usr/bin/head", "-c", "1"]).arg(&records[0]);
            let output = read.output().unwrap();
            assert_eq!(output.status.success(), may, "{first} made it, {user} reads it");
        }
    }
}

#[test]
fn without_permission_a_reader_is_not_listed_and_one_line_says_what_to_do() {
    if !is_root("no permission") {
        return;
    }
    let world = World::new(&[]);
    open_to_users(&world, 0, 0o600);
    let mut mallory = confined(&world, &[MALLORY]);
    mallory.agent.gives("establish", Fine);
    for _ in 0..3 {
        mallory.agent.gives("list", NoReadersAvailable);
    }
    let log = mallory.log();
    assert_eq!(log.lines().count(), 1, "{log}");
    assert!(log.contains(&node(&world).display().to_string()), "{log}");
    assert!(log.contains("udev rule") && log.contains("group"), "{log}");
    assert_eq!(
        record_files(&world),
        Vec::<std::path::PathBuf>::new(),
        "nothing changed"
    );
    assert_eq!(world.counter("commands"), 0, "nothing asked");
    // udev does its work a moment after the node is there.
    admit(&node(&world), 60004, 0);
    let list = mallory.agent.call("list");
    let name = list.strip_prefix("0 ").unwrap_or_else(|| panic!("{list}"));
    mallory.agent.call(&format!("use {name}"));
    assert!(mallory.agent.call("connect 2 3").starts_with("0 "));
    mallory.agent.answers(SELECT, "9000");
}

/// By default everybody may read a node.
#[test]
fn a_user_who_may_only_read_the_node_learns_nothing() {
    if !is_root("a user who may only read") {
        return;
    }
    let world = World::new(&[]);
    open_to_users(&world, 0, 0o664);
    let mut mallory = confined(&world, &[MALLORY]);
    mallory.agent.gives("establish", Fine);
    mallory.agent.gives("list", NoReadersAvailable);
    let _user = world.connected(SHARED);
    let record = record_files(&world).remove(0);
    let read = confine(&[MALLORY])
        .args(["/usr/bin/head", "-c", "1"])
        .arg(&record)
        .output();
    assert!(!read.unwrap().status.success(), "the record is not for him");
}

/// In a directory that is everybody's, anybody can hold the lock under which numbers are given.
#[test]
fn who_holds_the_directory_of_records_for_ever_costs_a_moment() {
    if !is_root("a user who holds the directory") {
        return;
    }
    let world = World::new(&[]);
    open_to_users(&world, 0, 0o660);
    let mut lock = confine(&[MALLORY]);
    lock.args(["/usr/bin/flock", "--no-fork", "-x"])
        .arg(records(&world))
        .args(["sh", "-c", "echo; exec sleep 60"]);
    let mut lock = lock.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = [0];
    lock.stdout.as_mut().unwrap().read_exact(&mut line).expect("locked");
    let watch = Quiet::now();
    let mut agent = world.connected(SHARED);
    watch.assert_within(SOON, "connecting");
    agent.answers(SELECT, "9000");
    lock.kill().unwrap();
    lock.wait().unwrap();
}

#[test]
fn a_directory_in_which_no_record_can_be_made_is_a_clear_error_until_somebody_can() {
    if !is_root("read-only directory of records") {
        return;
    }
    let world = World::new(&[]);
    open_to_users(&world, 0, 0o600);
    admit(&node(&world), 60001, 0);
    fs::set_permissions(records(&world), Permissions::from_mode(0o755)).unwrap();
    let mut alice = confined(&world, &[ALICE]);
    alice.agent.establish(0);
    alice.agent.gives("connect 2 3", NoAccess);
    let directory = records(&world).display().to_string();
    assert!(alice.logged(&directory) >= 2, "{}", alice.log());
    assert!(alice.logged("Permission denied") >= 1, "{}", alice.log());
    assert!(
        alice.agent.call("change 100 0").starts_with("0 "),
        "a reader that fails"
    );
    // Root can make it.
    let _root = world.connected(SHARED);
    assert!(alice.agent.call("connect 2 3").starts_with("0 "));
    alice.agent.answers(SELECT, "9000");
}

#[test]
fn a_directory_that_is_full_or_on_a_read_only_file_system_is_a_clear_error() {
    for (kind, reason) in [("full", "No space left"), ("ro", "Read-only file system")] {
        let world = World::new(&[]);
        let restriction = format!("{kind}={}", records(&world).display());
        if !is_possible(&[&restriction]) {
            continue;
        }
        let mut agent = confined(&world, &[&restriction]);
        agent.agent.establish(0);
        agent.agent.gives("connect 2 3", NoAccess);
        assert!(agent.logged(reason) >= 1, "{kind}: {}", agent.log());
        assert!(agent.agent.call("change 100 0").starts_with("0 "));
        // It harms nobody.
        let mut other = world.connected(SHARED);
        other.answers(SELECT, "9000");
    }
}
