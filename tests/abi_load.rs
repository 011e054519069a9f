//! The library in a program that loads it by path: names in the global scope, closing, and what it says where nobody asked.
#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

mod support;

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Command, Output};

use support::Language;

/// tests/c/load.c, ready to run with our library and without any of our variables.
fn loader(test: &str) -> Command {
    let program = support::scratch(test).join("load");
    let include = format!("-I{}", support::root().join("include/PCSC").display());
    support::cc(Language::C, "load.c", &program, &["-rdynamic", &include, "-ldl"]);
    let mut command = Command::new(program);
    command.arg(support::library());
    for variable in ["WINSCARD_LOG", "WINSCARD_LOG_FILE", "WINSCARD_LOG_APDU"] {
        command.env_remove(variable);
    }
    command
}

fn stderr(output: &Output) -> String {
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.success() && stdout == "good\n",
        "{}\n{stdout}{stderr}",
        output.status
    );
    stderr
}

fn log_file(test: &str) -> PathBuf {
    let path = support::scratch(test).join("log");
    // Left by an earlier run.
    if path.exists() {
        fs::remove_file(&path).expect("remove");
    }
    path
}

#[test]
fn it_keeps_to_itself_and_survives_dlclose_silently() {
    let output = support::output(&mut loader("load"), "libc6");
    assert_eq!(stderr(&output), "");
}

#[test]
fn it_logs_to_stderr_when_asked() {
    let output = support::output(loader("log-stderr").env("WINSCARD_LOG", "debug"), "libc6");
    let text = stderr(&output);
    assert!(text.lines().count() >= 10, "{text}");
    assert!(
        text.lines()
            .all(|line| line.starts_with("winscard ") && line.contains(" DEBUG ")),
        "{text}"
    );
    assert!(
        text.contains("SCardIsValidContext: SCARD_E_INVALID_HANDLE (0x80100003)"),
        "{text}"
    );
}

#[test]
fn it_logs_from_the_level_asked_for() {
    let text = stderr(&support::output(
        loader("log-level").env("WINSCARD_LOG", "error"),
        "libc6",
    ));
    assert_eq!(text, "");
    let text = stderr(&support::output(
        loader("log-word").env("WINSCARD_LOG", "loud"),
        "libc6",
    ));
    assert!(text.contains("WARN") && text.contains("WINSCARD_LOG=loud"), "{text}");
    assert!(!text.contains("DEBUG"), "{text}");
}

#[test]
fn it_appends_to_a_file() {
    let path = log_file("log-file");
    let mut loader = loader("log-file");
    loader.env("WINSCARD_LOG", "debug").env("WINSCARD_LOG_FILE", &path);
    let mut lines = 0;
    for _ in 0..2 {
        assert_eq!(stderr(&support::output(&mut loader, "libc6")), "");
        let text = fs::read_to_string(&path).expect("log file");
        assert!(text.lines().count() >= lines + 10, "{text}");
        lines = text.lines().count();
    }
}

#[test]
fn a_file_that_cannot_be_opened_is_no_reason_to_write_elsewhere() {
    let mut loader = loader("log-nowhere");
    loader
        .env("WINSCARD_LOG", "trace")
        .env("WINSCARD_LOG_FILE", "/nonexistent/log");
    assert_eq!(stderr(&support::output(&mut loader, "libc6")), "");
}

#[test]
fn a_closed_pipe_as_stderr_does_not_end_the_program() {
    let (reader, writer) = UnixStream::pair().expect("sockets");
    drop(reader);
    let mut loader = loader("log-pipe");
    // A program starts with SIGPIPE at its default from here: std sets it so for children.
    loader.env("WINSCARD_LOG", "trace").stderr(OwnedFd::from(writer));
    stderr(&support::output(&mut loader, "libc6"));
}
