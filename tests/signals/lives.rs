//! exec, fork among threads, and libraries that are unloaded.

use std::fs;
use std::process::Command;
use std::time::Instant;

use winscard::error::Error::ResetCard;

use crate::agents::*;
use crate::players::*;
use crate::support::{Language, cc, library, output, root, scratch};

/// What a program inherits by exec: nothing of ours, and what we held is free.
#[test]
fn exec_inherits_nothing_also_in_a_transaction() {
    let world = World::new(&[]);
    let mut b = world.connected(SHARED);
    for in_transaction in [false, true] {
        let mut player = lively(&world, &[]);
        player.agent.establish(0);
        assert!(player.agent.call("connect 2 3").starts_with("0 "));
        player.agent.answers(VERIFY, "9000");
        if in_transaction {
            player.agent.gives("begin", Fine);
            b.start("begin");
            b.waits();
        }
        let inherited = player.agent.call("exec");
        for word in ["winscard-processes", "inotify", "eventfd", "socket"] {
            assert!(!inherited.contains(word), "{inherited}");
        }
        assert!(
            fs::metadata(format!("/proc/{}", player.agent.id())).is_ok(),
            "it lives on"
        );
        if in_transaction {
            assert_eq!(b.result(SOON), Expected::code(&ResetCard));
            assert!(b.call("reconnect 2 3 0").starts_with("0 "));
            b.answers(IS_VERIFIED, "63C3");
        } else {
            b.answers(IS_VERIFIED, "9000");
        }
        b.gives("begin", Fine);
        b.gives("end 0", Fine);
        let mut c = world.connected(SHARED);
        c.answers(SELECT, "9000");
    }
}

#[test]
fn forks_among_working_threads_disturb_nobody() {
    for log in ["warn", "trace"] {
        let world = World::new(&[]);
        let mut player = lively(&world, &[("WINSCARD_LOG", log)]);
        player.agent.establish(0);
        assert!(player.agent.call("connect 2 3").starts_with("0 "));
        player.agent.answers(VERIFY, "9000");
        player.agent.start("forks 60");
        let answer = player.agent.result(SOON * 20);
        let complaints: Vec<_> = player
            .log()
            .lines()
            .filter(|l| !l.starts_with("winscard "))
            .map(str::to_owned)
            .collect();
        assert_eq!(answer, "0 0 0", "children and threads that failed: {complaints:?}");
        player.agent.answers(IS_VERIFIED, "9000");
        assert_eq!(world.resets(), 1);
        assert_eq!(player.agent.threads(), 1);
    }
}

#[test]
fn loading_and_unloading_two_hundred_times_leaks_nothing() {
    let world = World::new(&[]);
    let program = scratch("signals").join("reload");
    let include = format!("-I{}", root().join("include/PCSC").display());
    cc(Language::C, "reload.c", &program, &[&include, "-ldl"]);
    let mut reload = Command::new(program);
    reload.arg(library()).env("WINSCARD_SIM", world.socket());
    let begin = Instant::now();
    let output = output(&mut reload, "libc6");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}: {text}", output.status);
    assert_eq!(text, "good\n", "after {:?}", begin.elapsed());
    assert_eq!(world.resets(), 1, "the card is powered once");
}
