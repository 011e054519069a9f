//! `winscard sim` as a program.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod support;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use winscard::sim::remote::Control;

const WINSCARD: &str = env!("CARGO_BIN_EXE_winscard");

struct Server {
    child: Child,
    socket: PathBuf,
}

impl Server {
    fn start(socket: &Path, devices: &[&str]) -> Self {
        let child = Command::new(WINSCARD)
            .args(["sim", "--listen"])
            .arg(socket)
            .args(devices)
            .spawn()
            .expect("winscard");
        Control::await_server(socket, Duration::from_secs(10)).expect("server");
        Self {
            child,
            socket: socket.to_owned(),
        }
    }

    fn control(&self, commands: &[&str]) -> (bool, String) {
        let output = Command::new(WINSCARD)
            .args(["sim", "--control"])
            .arg(&self.socket)
            .args(commands)
            .output()
            .expect("winscard");
        (output.status.success(), String::from_utf8(output.stdout).expect("text"))
    }

    fn signal(&mut self, signal: &str) {
        support::run(
            Command::new("kill").args([signal, &self.child.id().to_string()]),
            "procps",
        );
        self.child.wait().expect("wait");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _dead = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn socket(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("winscard-cli-{name}-{}", std::process::id()))
}

fn record_directory(socket: &Path) -> PathBuf {
    PathBuf::from(format!("{}.d", socket.display()))
}

#[test]
fn a_server_is_controlled_and_leaves_nothing_behind() {
    let mut server = Server::start(&socket("control"), &["vid=0x08e6,pid=0x3437", "card=none"]);
    let (good, readers) = server.control(&["readers"]);
    assert!(good && readers.contains("08e6:3437"), "{readers}");
    assert_eq!(readers.lines().count(), 2);
    assert_eq!(
        server
            .control(&["insert 1", "remove 0", "counters 0"])
            .1
            .lines()
            .count(),
        16
    );
    assert!(!server.control(&["remove 2"]).0);
    server.signal("-TERM");
    assert!(!server.socket.exists() && !record_directory(&server.socket).exists());
}

#[test]
fn a_killed_server_is_replaced_by_the_next() {
    let mut server = Server::start(&socket("killed"), &["readers=3"]);
    server.signal("-KILL");
    assert!(server.socket.exists());
    let mut server = Server::start(&server.socket.clone(), &[]);
    assert_eq!(server.control(&["readers"]).1.lines().count(), 1);
    let nodes = std::fs::read_dir(record_directory(&server.socket).join("bus/000")).unwrap();
    assert_eq!(nodes.count(), 1);
    assert!(server.control(&["quit"]).0);
    assert!(server.child.wait().unwrap().success());
    assert!(!server.socket.exists() && !record_directory(&server.socket).exists());
}

#[test]
fn wrong_arguments_are_named() {
    for arguments in [&["sim"][..], &["dance"], &[], &["sim", "--listen", "/tmp/x", "level=9"]] {
        let output = Command::new(WINSCARD)
            .args(arguments)
            .stdout(Stdio::null())
            .output()
            .expect("winscard");
        assert!(!output.status.success(), "{arguments:?}");
        assert!(output.stderr.starts_with(b"winscard: "), "{arguments:?}");
    }
}
