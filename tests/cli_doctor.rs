//! `winscard doctor` as a program. What it finds on machines that are not this one, its unit tests know.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

#[path = "support/sim_server.rs"]
#[allow(dead_code, reason = "each test uses a part")]
mod sim_server;

use std::path::Path;
use std::process::Command;

use sim_server::{WINSCARD, outcome, winscard};

#[test]
fn a_working_reader_is_found_well() {
    let (status, out, err) = outcome(winscard(Path::new("builtin"), &["doctor"]));
    assert_eq!((status, err.as_str()), (0, ""), "{out}");
    assert!(
        out.contains("good     winscard Software Reader 00 00: works, and so does the card in it\n"),
        "{out}"
    );
    assert!(
        out.contains("WINSCARD_SIM=builtin: programs see the software reader"),
        "{out}"
    );
    assert!(
        out.ends_with("\nnothing to be mended\n") || out.ends_with(" to keep in mind\n"),
        "{out}"
    );
}

#[test]
fn a_card_that_does_not_answer_is_a_problem() {
    let (status, out, _) = outcome(winscard(Path::new("builtin:card=mute"), &["doctor"]));
    assert_eq!(status, 1);
    assert!(
        out.contains("problem  winscard Software Reader 00 00: the card does not answer"),
        "{out}"
    );
    assert!(out.contains("-> take it out, look at its contacts"), "{out}");
    assert!(out.contains("\n1 to be mended, "), "{out}");
}

#[test]
fn scripts_get_json_and_the_exit_status() {
    let (status, out, _) = outcome(winscard(Path::new("builtin"), &["doctor", "--json"]));
    assert_eq!(status, 0);
    for part in [
        "\"healthy\": true",
        "\"id\": \"kernel\"",
        "\"id\": \"software-reader\"",
        "\"id\": \"reader\"",
        "\"remedy\": [",
    ] {
        assert!(out.contains(part), "{part}: {out}");
    }
    let (status, out, _) = outcome(winscard(Path::new("builtin:card=mute"), &["doctor", "--json"]));
    assert_eq!(status, 1);
    assert!(
        out.contains("\"healthy\": false") && out.contains("\"id\": \"card\""),
        "{out}"
    );
    assert_eq!(outcome(winscard(Path::new("builtin"), &["doctor", "--fast"])).0, 2);
}

#[test]
fn a_program_with_another_library_is_a_problem_and_run_mends_it() {
    let (status, out, _) = outcome(winscard(Path::new("builtin"), &["doctor", "--json", "--", "sh"]));
    assert_eq!(status, 1);
    assert!(
        out.contains("\"id\": \"other-library\"") && out.contains("winscard run -- sh"),
        "{out}"
    );
    // In the environment that `run` makes, the same question has the other answer.
    let library = std::env::current_exe().unwrap().with_file_name("libwinscard.so");
    let arguments = [
        "run",
        "--by",
        "preload",
        "--library",
        library.to_str().unwrap(),
        "--",
        WINSCARD,
        "doctor",
        "--json",
        "--",
        "sh",
    ];
    let (status, out, err) = outcome(winscard(Path::new("builtin"), &arguments));
    assert_eq!(status, 0, "{out}{err}");
    assert!(!out.contains("other-library"), "{out}");
    let mut broken = Command::new(WINSCARD);
    broken
        .args(["doctor", "--json"])
        .env("WINSCARD_SIM", "builtin")
        .env("LIBPCSCLITE_DELEGATE", "/nowhere/libwinscard.so");
    let (status, out, _) = outcome(broken);
    assert_eq!(status, 1);
    assert!(
        out.contains("\"id\": \"environment\"") && out.contains("/nowhere/libwinscard.so"),
        "{out}"
    );
}
