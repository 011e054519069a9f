//! The program under test, and a software reader of its own for it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use winscard::sim::remote::Control;

pub(crate) const WINSCARD: &str = env!("CARGO_BIN_EXE_winscard");

/// A server that is ended with the test.
pub(crate) struct Server {
    child: Child,
    pub(crate) socket: PathBuf,
}

impl Server {
    pub(crate) fn start(devices: &[&str]) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let socket = std::env::temp_dir().join(format!("winscard-cli-{}-{number}", std::process::id()));
        let child = Command::new(WINSCARD)
            .args(["sim", "--listen"])
            .arg(&socket)
            .args(devices)
            .stdin(Stdio::null())
            .spawn()
            .expect("winscard");
        Control::await_server(&socket, Duration::from_secs(60)).expect("server");
        Self { child, socket }
    }

    /// Has a command carried out, and gives its answer.
    pub(crate) fn control(&self, command: &str) -> Vec<String> {
        Control::connect(&self.socket)
            .expect("server")
            .command(command)
            .expect(command)
    }

    /// One of its counters.
    pub(crate) fn count(&self, name: &str) -> u32 {
        let lines = self.control("counters 0");
        let line = lines.iter().find_map(|line| line.strip_prefix(name)).expect("counter");
        line.trim().parse().expect("number")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ended = Control::connect(&self.socket).and_then(|mut control| control.command("quit"));
        let _dead = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// The program with the software reader of this value of `WINSCARD_SIM`, and nothing else of ours in its environment.
pub(crate) fn winscard(sim: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(WINSCARD);
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if name.starts_with("WINSCARD_") || name.starts_with("LD_PRELOAD") || name == "LIBPCSCLITE_DELEGATE" {
            command.env_remove(name);
        }
    }
    command.env("WINSCARD_SIM", sim).args(arguments).stdin(Stdio::null());
    command
}

/// Runs it: exit status, standard output, standard error.
pub(crate) fn outcome(mut command: Command) -> (i32, String, String) {
    let Output { status, stdout, stderr } = command.output().expect("winscard");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (status.code().expect("exit status"), text(stdout), text(stderr))
}

/// Waits for a condition that will come true.
pub(crate) fn within<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(Instant::now() < deadline, "did not happen: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
