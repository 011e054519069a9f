//! `winscard run` and `winscard trace` with a program that knows nothing of either.

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
mod support;

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use sim_server::{Server, WINSCARD, outcome, winscard, within};

/// A C program that verifies a PIN, linked as any is.
const PROGRAM: &str = r#"
#include <stdio.h>
#include <string.h>
#include <winscard.h>
int main(void) {
    static const unsigned char select[] = {0x00, 0xA4, 0x00, 0x0C, 0x02, 0x00, 0x01};
    static const unsigned char verify[] = {0x00, 0x20, 0x00, 0x01, 0x04, '1', '2', '3', '4'};
    SCARDCONTEXT context;
    SCARDHANDLE card;
    DWORD protocol, length;
    char readers[1000];
    unsigned char response[258];
    if (SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &context) != SCARD_S_SUCCESS) return 10;
    length = sizeof readers;
    if (SCardListReaders(context, NULL, readers, &length) != SCARD_S_SUCCESS) return 11;
    if (SCardConnect(context, readers, SCARD_SHARE_SHARED, SCARD_PROTOCOL_ANY, &card, &protocol) != SCARD_S_SUCCESS) return 12;
    const SCARD_IO_REQUEST *pci = protocol == SCARD_PROTOCOL_T1 ? SCARD_PCI_T1 : SCARD_PCI_T0;
    SCardBeginTransaction(card);
    length = sizeof response;
    if (SCardTransmit(card, pci, select, sizeof select, NULL, response, &length) != SCARD_S_SUCCESS) return 13;
    length = sizeof response;
    if (SCardTransmit(card, pci, verify, sizeof verify, NULL, response, &length) != SCARD_S_SUCCESS) return 14;
    SCardEndTransaction(card, SCARD_LEAVE_CARD);
    SCardDisconnect(card, SCARD_LEAVE_CARD);
    SCardReleaseContext(context);
    puts(readers);
    return length == 2 && response[0] == 0x90 ? 7 : 15;
}
"#;

fn program() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        let folder = support::scratch("cli_trace");
        let libraries = support::lib_dir("cli_trace_lib");
        let (source, binary) = (folder.join("verify.c"), folder.join("verify"));
        fs::write(&source, PROGRAM).unwrap();
        let mut command = Command::new("cc");
        command
            .arg(&source)
            .arg("-o")
            .arg(&binary)
            .arg("-I")
            .arg(support::root().join("include/PCSC"));
        command.arg("-L").arg(&libraries).arg("-lpcsclite");
        support::run(&mut command, "gcc");
        binary
    })
}

fn library() -> &'static str {
    static PATH: OnceLock<String> = OnceLock::new();
    PATH.get_or_init(|| support::library().to_str().unwrap().to_owned())
}

fn file(name: &str) -> PathBuf {
    let path = support::scratch("cli_trace").join(format!("{name}-{}", std::process::id()));
    let _not_there = fs::remove_file(&path);
    path
}

fn run(arguments: &[&str]) -> (i32, String, String) {
    outcome(winscard(Path::new("builtin"), arguments))
}

#[test]
fn run_gives_the_program_this_library_by_each_way() {
    let program = program().to_str().unwrap();
    for way in [&[][..], &["--by", "preload"], &["--by", "path"]] {
        let arguments = [&["run", "--library", library()][..], way, &["--", program]].concat();
        let (status, out, err) = run(&arguments);
        assert_eq!((status, err.as_str()), (7, ""), "{way:?}");
        assert_eq!(out, "winscard Software Reader 00 00\n");
        // Nothing of the library's own ways is left: the words behind the program's name are its own.
        let (_, dry, _) = run(&[
            &["run", "--dry-run", "--library", library()][..],
            way,
            &[program, "--json"],
        ]
        .concat());
        assert!(
            dry.starts_with("# ") && dry.trim_end().ends_with("verify --json"),
            "{dry}"
        );
    }
    // The program takes this one's place; where something is to be put away after it, its end is told as a shell tells it.
    let script = ["sh", "-c", "kill -TERM $$"];
    let arguments = [&["run", "--library", library(), "--by", "preload"][..], &script].concat();
    let status = winscard(Path::new("builtin"), &arguments).status().unwrap();
    assert_eq!(status.signal(), Some(15));
    let arguments = [&["run", "--library", library(), "--by", "path"][..], &script].concat();
    assert_eq!(run(&arguments).0, 128 + 15);
}

#[test]
fn programs_that_cannot_be_reached_are_refused_with_the_reason() {
    for (arguments, status, told) in [
        (&["run", "no-such-program"][..], 127, "no such program"),
        (&["run", "/etc/passwd"], 126, "not a program"),
        (&["run", "--by", "magic", "sh"], 2, "delegate, preload or path"),
        (&["run"], 2, "winscard run -- opensc-tool -l"),
        (&["run", "--library", "/etc/passwd", "sh"], 1, "is not this library"),
        (&["trace", "--read", "/etc/passwd"], 1, "no event of a trace"),
        (&["trace", "--read", "x", "sh"], 2, "takes the place of a program"),
    ] {
        let (got, _, err) = run(arguments);
        assert_eq!(got, status, "{arguments:?}: {err}");
        assert!(err.contains(told), "{arguments:?}: {err}");
    }
    let folder = support::scratch("cli_trace");
    let source = folder.join("static.c");
    fs::write(&source, "int main(void) { return 0; }").unwrap();
    let fixed = folder.join("static");
    support::run(
        Command::new("cc").arg("-static").arg(&source).arg("-o").arg(&fixed),
        "libc6-dev",
    );
    let (status, _, err) = run(&["run", "--library", library(), fixed.to_str().unwrap()]);
    assert_eq!(status, 126);
    assert!(err.contains("linked statically"), "{err}");
}

/// WinPR exports SCard functions itself: a preloaded library would be called in their place.
#[test]
fn a_program_with_winpr_gets_the_library_path() {
    let folder = support::scratch("cli_winpr");
    let (source, winpr, main) = (folder.join("w.c"), folder.join("libwinpr3.so.3"), folder.join("main.c"));
    fs::write(&source, "int winpr(void) { return 0; }").unwrap();
    fs::write(&main, "int winpr(void); int main(void) { return winpr(); }").unwrap();
    support::run(
        Command::new("cc")
            .args(["-shared", "-fPIC", "-Wl,-soname,libwinpr3.so.3", "-o"])
            .arg(&winpr)
            .arg(&source),
        "gcc",
    );
    let binary = folder.join("freerdp");
    let rpath = format!("-Wl,-rpath,{}", folder.display());
    support::run(
        Command::new("cc")
            .arg(&main)
            .arg("-o")
            .arg(&binary)
            .arg(&winpr)
            .arg(rpath),
        "gcc",
    );
    let (status, out, err) = run(&["run", "--dry-run", "--library", library(), binary.to_str().unwrap()]);
    assert_eq!(status, 0, "{err}");
    assert!(
        out.contains("LD_LIBRARY_PATH=") && !out.contains("LD_PRELOAD") && out.contains("libwinpr3.so.3"),
        "{out}"
    );
}

#[test]
fn trace_tells_calls_apdus_times_and_hides_the_pin() {
    let program = program().to_str().unwrap();
    let (status, out, err) = run(&["trace", "--library", library(), "--", program]);
    assert_eq!((status, out.as_str()), (7, "winscard Software Reader 00 00\n"), "{err}");
    let at = |text: &str| err.find(text).unwrap_or_else(|| panic!("{text}: {err}"));
    let order = [
        at("-- verify, process "),
        at(" SCardEstablishContext(scope SYSTEM) = ok context 0x"),
        at(" SCardConnect(context 0x"),
        at("reader \"winscard Software Reader 00 00\", share SHARED, protocols T=0|T=1"),
        at(" SCardBeginTransaction(card 0x"),
        at("   SCardTransmit(card 0x"),
        at("     > 00 A4 00 0C 02 00 01  SELECT\n"),
        at("     < 90 00  success\n"),
        at("     > 00 20 00 01 04 ** ** ** **  VERIFY\n"),
        at(" SCardEndTransaction(card 0x"),
        at(" SCardReleaseContext(context 0x"),
    ];
    assert!(order.is_sorted(), "{err}");
    assert!(
        err.lines()
            .all(|line| line.starts_with("-- ") || line.trim_start().split(' ').next().unwrap().parse::<f64>().is_ok()),
        "{err}"
    );
    assert!(!err.contains("31 32 33 34"), "{err}");
    let (_, _, err) = run(&["trace", "--show-pins", "--library", library(), "--", program]);
    assert!(err.contains("00 20 00 01 04 31 32 33 34"), "{err}");
}

/// Neither the text, nor the lines, nor the capture has a PIN, at any exchange level.
#[test]
fn a_pin_is_nowhere_in_any_output() {
    for devices in [
        "level=extended",
        "level=short,card=t1",
        "level=tpdu,card=t1",
        "level=tpdu,card=t0",
        "level=character,card=t0",
        "iccd=a",
        "iccd=b",
    ] {
        let (json, pcap, plot) = (file("lines"), file("capture"), file("picture"));
        let paths = [&json, &pcap, &plot].map(|path| path.to_str().unwrap());
        let arguments = [
            "trace",
            "--library",
            library(),
            "--sim",
            devices,
            "--json",
            "-o",
            paths[0],
            "--pcap",
            paths[1],
            "--plot",
            paths[2],
            "--",
            program().to_str().unwrap(),
        ];
        let (status, _, err) = run(&arguments);
        assert_eq!(status, 7, "{devices}: {err}");
        let lines = fs::read_to_string(&json).unwrap();
        assert!(lines.contains("0020000104********"), "{devices}: {lines}");
        assert!(!lines.contains("31323334"), "{devices}: {lines}");
        // Nor in pieces: at character level each byte may go alone, and then all of a piece is hidden.
        let outs = lines
            .lines()
            .filter(|line| line.contains("\"kind\":\"out\"") || line.contains("\"kind\":\"control-out\""));
        assert!(outs.clone().count() > 1, "{devices}");
        assert!(
            !outs.clone().any(|line| line.contains("3132") || line.contains("3334")),
            "{devices}: {lines}"
        );
        let capture = fs::read(&pcap).unwrap();
        assert!(!capture.windows(4).any(|bytes| bytes == b"1234"), "{devices}");
        assert_eq!(&capture[..4], &[0x0A, 0x0D, 0x0D, 0x0A]);
        // The same from the lines, later.
        let again = file("again");
        let (status, _, err) = run(&["trace", "--read", paths[0], "--pcap", again.to_str().unwrap()]);
        assert_eq!(status, 0, "{err}");
        assert_eq!(fs::read(&again).unwrap(), capture);
        let picture = fs::read_to_string(&plot).unwrap();
        assert!(
            picture.starts_with("<svg ")
                && picture.contains(">verify</text>")
                && picture.contains("SCardTransmit: SCARD_S_SUCCESS"),
            "{devices}"
        );
    }
}

#[test]
fn processes_are_told_apart_and_waiting_is_told() {
    let server = Server::start(&["latency=20ms"]);
    let program = program().to_str().unwrap();
    let json = file("processes");
    let script = format!("{program} & {program}; wait");
    let arguments = [
        "trace",
        "--json",
        "-o",
        json.to_str().unwrap(),
        "--library",
        library(),
        "--",
        "sh",
        "-c",
        &script,
    ];
    let traced = || {
        let (status, _, err) = outcome(winscard(&server.socket, &arguments));
        assert_eq!(status, 0, "{err}");
        let lines = fs::read_to_string(&json).unwrap();
        let whole = |line: &str| line.starts_with("{\"t\":") && line.ends_with('}');
        assert!(lines.lines().all(whole), "whole lines only: {lines}");
        let named = |line: &&str| line.contains("\"event\":\"process\"") && line.contains("\"name\":\"verify\"");
        assert_eq!(lines.lines().filter(named).count(), 2, "{lines}");
        lines
    };
    // Both want the card for several exchanges of 20 ms each: one of them has to wait, unless the machine starts it too late.
    within("a wait", || {
        traced().contains("\"for\":\"another user's ").then_some(())
    });
    let (_, text, _) = run(&["trace", "--read", json.to_str().unwrap()]);
    assert!(text.matches("-- verify, process ").count() >= 2, "{text}");
}

/// The environment variable alone is enough, and nothing is written without it.
#[test]
fn a_trace_is_off_unless_asked_for() {
    let path = file("off");
    let command = |on: bool| {
        let mut command = Command::new(program());
        command
            .env("LD_PRELOAD", library())
            .env("WINSCARD_SIM", "builtin")
            .stdout(Stdio::null());
        command.env_remove("WINSCARD_TRACE");
        if on {
            command.env("WINSCARD_TRACE", &path);
        }
        command.status().unwrap().code()
    };
    assert_eq!(command(false), Some(7));
    assert!(!path.exists());
    assert_eq!(command(true), Some(7));
    let calls = fs::read_to_string(&path).unwrap().matches("\"event\":\"call\"").count();
    assert_eq!(calls, 9);
}

#[test]
fn a_program_that_makes_no_call_is_told_of() {
    let (status, _, err) = run(&["trace", "--library", library(), "--", "true"]);
    assert_eq!(status, 0);
    assert!(
        err.contains("true made no PC/SC call through this library") && err.contains("-> "),
        "{err}"
    );
}

/// A signal for the tracer alone reaches the program, and the temporary folder is put away.
#[test]
fn a_signal_is_passed_on() {
    let _of_an_earlier_run = fs::remove_dir_all(support::scratch("cli_trace_signal"));
    let folder = support::scratch("cli_trace_signal");
    let mut command = winscard(
        Path::new("builtin"),
        &["trace", "--library", library(), "--", "sleep", "600"],
    );
    command.env("XDG_RUNTIME_DIR", &folder).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let ours = || {
        fs::read_dir(&folder)
            .unwrap()
            .flatten()
            .find(|entry| entry.path().join("events").is_file())
    };
    within("a folder for events", ours);
    let children = format!("/proc/{0}/task/{0}/children", child.id());
    within("a program", || {
        fs::read_to_string(&children)
            .ok()
            .filter(|text| !text.trim().is_empty())
    });
    support::run(Command::new("kill").arg(child.id().to_string()), "procps");
    assert_eq!(child.wait().unwrap().code(), Some(128 + 15));
    assert!(ours().is_none());
    assert!(Path::new(WINSCARD).is_file());
}
