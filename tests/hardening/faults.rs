//! Every system call of the usb and arbiter layers fails once, in every way that it can (`tests/c/faults.c`).
//!
//! `WINSCARD_FAULTS=1` makes it all of them, some minutes; without it every 13th.

use std::env;
use std::process::Command;

use crate::agents::World;
use crate::support::{Language, cc, lib_dir, output, root, scratch};

/// One of this many faults in a run without wishes: a prime, so that each way of each call has its turn.
const STRIDE: &str = "13";

/// Builds the program, runs it with a stride and these words, and says how many faults there were.
fn faults(name: &str, stride: &str, words: &[&str]) -> u32 {
    let libraries = lib_dir(name);
    let program = scratch(name).join("faults");
    let include = format!("-I{}", root().join("include/PCSC").display());
    let path = format!("-L{}", libraries.display());
    // -rdynamic: the library takes the program's functions for the C library's.
    cc(
        Language::C,
        "faults.c",
        &program,
        &["-rdynamic", &include, &path, "-lpcsclite", "-ldl"],
    );
    let world = World::new(&[]);
    let mut bus = world.socket().as_os_str().to_owned();
    bus.push(".d/bus/000");
    let mut command = Command::new(&program);
    command
        .args([stride, "3000"])
        .args(words)
        .env("LD_LIBRARY_PATH", &libraries)
        .env("WINSCARD_SIM", world.socket())
        .env("FAULTS_BUS", &bus);
    let output = output(&mut command, "libc6-dev");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}: {text}", output.status);
    let last = text.lines().last().unwrap_or_default();
    let count = last.split(' ').next().unwrap().parse();
    #[allow(clippy::print_stderr, reason = "the figures are for docs/hardening.md")]
    {
        eprintln!("{text}");
    }
    count.unwrap_or_else(|_| panic!("{text}"))
}

#[test]
fn a_single_fault_of_any_system_call_is_survived() {
    let stride = env::var("WINSCARD_FAULTS").unwrap_or_else(|_| STRIDE.into());
    let count = faults("faults", &stride, &[]);
    let wanted = 600 / stride.parse::<u32>().unwrap();
    assert!(count >= wanted, "{count}");
}

/// What the record does not say the others do not know. A transaction whose end could not be written was waited for as long as
/// its handle lived.
#[test]
fn a_record_that_could_not_be_written_once_is_written_again() {
    assert!(faults("faults_of_writing", "1", &["pwrite64"]) >= 20);
}
