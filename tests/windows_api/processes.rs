//! Database and cache between processes: this test's program, started again for one act.

use std::env;
use std::process::{Child, Command, Stdio};

use winscard::api::constants::*;
use winscard::api::context::SCardEstablishContext;
use winscard::api::types::*;
use winscard::error::Error;

use crate::bench::Bench;
use crate::cache::{read, write};
use crate::form::{A, W};

const ACT: &str = "WINSCARD_TEST_ACT";

/// Starts this program for one act, with this process's directories.
fn start(act: &str) -> Child {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args([
        "--exact",
        "processes::the_other_process",
        "--nocapture",
        "--test-threads=1",
    ]);
    command.env(ACT, act).stdout(Stdio::null()).stderr(Stdio::inherit());
    command.spawn().unwrap()
}

fn finish(mut child: Child) {
    assert!(child.wait().unwrap().success());
}

/// Does what it is told, and nothing in the run of all tests.
#[test]
fn the_other_process() {
    let Ok(act) = env::var(ACT) else { return };
    let mut context: SCARDCONTEXT = 0;
    let result =
        unsafe { SCardEstablishContext(SCARD_SCOPE_USER, std::ptr::null(), std::ptr::null(), &raw mut context) };
    assert_eq!(result, SCARD_S_SUCCESS);
    match act.split_once(' ').unwrap() {
        ("introduce", prefix) => {
            for number in 0..15 {
                W.new_card(context, &format!("{prefix}{number}"), &[0x3B, 0x00], None)
                    .unwrap();
                write(&A, context, 1, 1, &format!("{prefix}{number}"), prefix.as_bytes()).unwrap();
            }
        }
        ("read", name) => assert_eq!(read(&W, context, 9, 4, name).as_deref(), Ok(&b"from a process"[..])),
        ("stale", name) => assert_eq!(read(&W, context, 9, 5, name), Err(Error::CacheItemStale)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn many_writing_processes_lose_nothing() {
    let bench = Bench::new();
    let children: Vec<Child> = ["a", "b", "c", "d"]
        .iter()
        .map(|name| start(&format!("introduce {name}")))
        .collect();
    children.into_iter().for_each(finish);
    let mut cards = W.cards(bench.user, None, &[]).unwrap();
    cards.sort();
    cards.dedup();
    assert_eq!(cards.len(), 60, "{cards:?}");
    for card in &cards {
        assert_eq!(read(&A, bench.user, 1, 1, card).unwrap(), &card.as_bytes()[..1]);
    }
}

/// MSDN `SCardReadCache`: a global cache.
#[test]
fn the_cache_is_one_for_all_processes_of_a_user() {
    let bench = Bench::new();
    write(&A, bench.user, 9, 4, "name", b"from a process").unwrap();
    finish(start("read name"));
    finish(start("stale name"));
    assert_eq!(
        read(&A, bench.user, 9, 4, "name"),
        Err(Error::CacheItemNotFound),
        "another process removed it"
    );
}
