//! fork and exec. Each test in a process of its own, with no other threads that a child could inherit locks of.
#![allow(unsafe_code, reason = "fork(2), waitpid(2), _exit(2)")]

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::card_bench::*;

/// A forked child, which runs `body` and ends with 0 if that is `true`.
struct Child(libc::pid_t);

impl Child {
    fn start(body: impl FnOnce() -> bool) -> Self {
        // SAFETY: the child runs `body` only and leaves without destructors or exit handlers.
        let pid = unsafe { libc::fork() };
        assert!(pid >= 0);
        if pid == 0 {
            let good = catch_unwind(AssertUnwindSafe(body)).unwrap_or(false);
            // SAFETY: ends the process; there is nothing to be cleaned up that is the child's.
            unsafe { libc::_exit(i32::from(!good)) };
        }
        Self(pid)
    }

    fn succeeded(self) -> bool {
        let mut status = 0;
        // SAFETY: our own child, which nobody else waits for, and a variable of our own.
        assert_eq!(unsafe { libc::waitpid(self.0, &raw mut status, 0) }, self.0);
        libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0
    }
}

/// Descriptors of a process that belong to this library or its software reader.
fn ours(process: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(format!("/proc/{process}/fd")).unwrap().flatten();
    let links = entries.filter_map(|entry| fs::read_link(entry.path()).ok());
    links
        .filter(|link| {
            ["winscard", "inotify", "eventfd", "timerfd"]
                .iter()
                .any(|w| link.to_string_lossy().contains(w))
        })
        .collect()
}

#[test]
fn the_parents_objects_are_invalid_in_the_child_and_undisturbed_by_it() {
    in_child(
        "processes::the_parents_objects_are_invalid_in_the_child_and_undisturbed_by_it",
        &[],
        || {
            let (bench, context) = (Bench::new(), Context::new());
            let (card, other) = (context.shared(&bench), context.shared(&bench));
            assert_eq!(card.transmit(VERIFY), Ok(OK_SW.into()));
            card.begin().unwrap();
            let commands = bench.reader.counters().commands;
            let (handle, value) = (card.handle, context.value);
            let child = Child::start(|| {
                assert_eq!(is_valid(value), Err(InvalidHandle));
                assert_eq!(cancel(value), Err(InvalidHandle));
                assert_eq!(release(value), Err(InvalidHandle));
                assert_eq!(connect(value, "anybody", SHARED, ANY).map(drop), Err(InvalidHandle));
                assert_eq!(handle.status(), Err(InvalidHandle));
                assert_eq!(handle.transmit(SELECT), Err(InvalidHandle));
                assert_eq!(handle.begin(), Err(InvalidHandle));
                assert_eq!(handle.end(RESET), Err(InvalidHandle));
                assert_eq!(handle.features(), Err(InvalidHandle));
                assert_eq!(handle.attribute(SCARD_ATTR_ATR_STRING), Err(InvalidHandle));
                assert_eq!(handle.reconnect(SHARED, ANY, RESET), Err(InvalidHandle));
                assert_eq!(handle.disconnect(RESET), Err(InvalidHandle));
                true
            });
            assert!(child.succeeded());
            assert_eq!(bench.reader.counters().commands, commands, "the child sent nothing");
            assert_eq!(card.transmit(IS_VERIFIED), Ok(OK_SW.into()));
            assert_eq!(other.features(), Err(SharingViolation), "the transaction goes on");
            card.end(LEAVE).unwrap();
            assert_eq!(other.begin(), Ok(()));
        },
    );
}

#[test]
fn the_child_makes_contexts_and_readers_of_its_own() {
    in_child(
        "processes::the_child_makes_contexts_and_readers_of_its_own",
        &[],
        || {
            let (bench, context) = (Bench::new(), Context::new());
            let card = context.shared(&bench);
            let old = [context.value, card.handle.0];
            let child = Child::start(|| {
                let mine = Context::new();
                assert!(
                    !mine.readers().contains(&bench.name),
                    "the software bus is the process's"
                );
                let own = Bench::named(Config::default(), "CHILD");
                own.insert();
                let connected = mine.exclusive(&own);
                assert_eq!(connected.transmit(SELECT), Ok(OK_SW.into()));
                assert!(
                    !old.contains(&mine.value) && !old.contains(&connected.handle.0),
                    "no old number again"
                );
                assert_eq!(Handle(old[1]).status(), Err(InvalidHandle));
                assert_eq!(mine.release(), Ok(()));
                true
            });
            // Both at the same time.
            for _ in 0..50 {
                assert_eq!(card.transmit(SELECT), Ok(OK_SW.into()));
            }
            assert!(child.succeeded());
            assert_eq!(card.transmit(SELECT), Ok(OK_SW.into()));
            assert_eq!(context.shared(&bench).status().unwrap().name, bench.name);
            assert_eq!(bench.power(), (1, 0, 0));
        },
    );
}

/// A child that lives on holds none of the parent's locks: what the parent lets go of is free.
#[test]
fn a_child_keeps_nothing_of_the_parent_alive() {
    in_child("processes::a_child_keeps_nothing_of_the_parent_alive", &[], || {
        let (bench, context) = (Bench::new(), Context::new());
        let exclusive = context.exclusive(&bench);
        let (mut here, mut there) = UnixStream::pair().unwrap();
        let child = Child::start(|| {
            there.write_all(b"!").unwrap();
            // Until the parent has finished with it.
            std::thread::sleep(std::time::Duration::from_secs(30));
            true
        });
        here.read_exact(&mut [0]).unwrap();
        let held: Vec<PathBuf> = ours(&child.0.to_string());
        drop(exclusive);
        let next = context.exclusive(&bench);
        assert_eq!(next.transmit(SELECT), Ok(OK_SW.into()));
        drop(next);
        assert!(context.connect(&bench.name, SHARED, ANY).is_ok());
        // SAFETY: our own child.
        assert_eq!(unsafe { libc::kill(child.0, libc::SIGKILL) }, 0);
        assert!(!child.succeeded(), "killed");
        // Node, bus and timers of the software reader are the model's and may stay; locks and records may not.
        assert!(
            !held
                .iter()
                .any(|link| link.to_string_lossy().contains("winscard-record")),
            "{held:?}"
        );
        assert_eq!(context.exclusive(&bench).transmit(SELECT), Ok(OK_SW.into()));
    });
}

#[test]
fn a_child_of_a_child_starts_anew_as_well() {
    in_child("processes::a_child_of_a_child_starts_anew_as_well", &[], || {
        let (bench, context) = (Bench::new(), Context::new());
        let card = context.shared(&bench);
        let child = Child::start(|| {
            let mine = Context::new();
            let value = mine.value;
            let grandchild = Child::start(|| is_valid(value) == Err(InvalidHandle) && Context::new().is_valid());
            grandchild.succeeded() && mine.is_valid()
        });
        assert!(child.succeeded());
        assert_eq!(card.transmit(SELECT), Ok(OK_SW.into()));
    });
}

/// Also while calls wait and watch: with their timers, events and listeners.
#[test]
fn exec_inherits_no_descriptor() {
    in_child("processes::exec_inherits_no_descriptor", &[], || {
        let (bench, context) = (Bench::new(), Context::new());
        let (owner, other) = (context.shared(&bench), context.shared(&bench));
        owner.begin().unwrap();
        let handle = other.handle;
        let waiting = call(move || handle.begin()).must_wait("SCardBeginTransaction");
        assert!(!ours("self").is_empty(), "there is something to inherit");
        let mut program = Command::new("sleep").arg("30").stdin(Stdio::null()).spawn().unwrap();
        let inherited = ours(&program.id().to_string());
        program.kill().unwrap();
        program.wait().unwrap();
        assert_eq!(inherited, Vec::<PathBuf>::new());
        owner.end(LEAVE).unwrap();
        assert_eq!(waiting.end(), Ok(()));
    });
}
