//! Processes that use one software reader's server: each an agent (`tests/c/agent.c`), told what to call line by line.
#![allow(dead_code, reason = "each test uses a part")]

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use winscard::error::Error;
use winscard::sim::remote::Control;
use winscard::sim::server::{Options, Server};

use crate::support::quiet::Quiet;
use crate::support::{Language, cc, lib_dir, root, scratch};

pub(crate) const SHARED: u32 = 2;
pub(crate) const EXCLUSIVE: u32 = 1;
pub(crate) const DIRECT: u32 = 3;
pub(crate) const LEAVE: u32 = 0;
pub(crate) const RESET: u32 = 1;
pub(crate) const UNPOWER: u32 = 2;

/// SELECT MF without answer.
pub(crate) const SELECT: &str = "00A4000C023F00";
/// VERIFY of the right PIN.
pub(crate) const VERIFY: &str = "002000010431323334";
/// Asks whether the PIN is verified: 9000 if so, 63C3 if not.
pub(crate) const IS_VERIFIED: &str = "00200001";

/// What has to happen soon, happens within this time of a machine that is not busy with other things. Less than what a
/// wait looks again after without being told, so that a wake-up that was lost is noticed.
pub(crate) const SOON: Duration = Duration::from_secs(4);
/// What does not happen within this does not happen.
pub(crate) const NEVER: Duration = Duration::from_millis(150);

/// A server, and the agents' program.
#[derive(Debug)]
pub(crate) struct World {
    socket: PathBuf,
    control: Mutex<Control>,
    server: Option<JoinHandle<()>>,
}

/// The agent's program and the library's directory, made once.
fn program() -> &'static (PathBuf, PathBuf) {
    static PROGRAM: OnceLock<(PathBuf, PathBuf)> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let libraries = lib_dir("processes");
        let program = scratch("processes").join("agent");
        let include = format!("-I{}", root().join("include/PCSC").display());
        let path = format!("-L{}", libraries.display());
        cc(Language::C, "agent.c", &program, &[&include, &path, "-lpcsclite"]);
        (program, libraries)
    })
}

impl World {
    /// A server with these devices (words as in `WINSCARD_SIM=builtin:…`).
    pub(crate) fn new(devices: &[&str]) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let socket = std::env::temp_dir().join(format!("winscard-processes-{}-{number}", std::process::id()));
        let options = Options {
            listen: Some(socket.clone()),
            usbip: None,
            devices: devices.iter().map(|words| (*words).to_owned()).collect(),
        };
        let mut server = Server::new(&options).expect("server");
        let server = Some(thread::spawn(move || server.serve(None).expect("serving")));
        let control = Mutex::new(Control::connect(&socket).expect("control channel"));
        Self {
            socket,
            control,
            server,
        }
    }

    /// Carries out a command of the control channel.
    pub(crate) fn tell(&self, command: &str) -> Vec<String> {
        let mut control = self.control.lock().expect("control");
        control
            .command(command)
            .unwrap_or_else(|error| panic!("{command}: {error}"))
    }

    pub(crate) fn counter(&self, name: &str) -> u64 {
        let mut control = self.control.lock().expect("control");
        control.counters(0).expect("counters")[name]
    }

    /// How often the card was reset in any way.
    pub(crate) fn resets(&self) -> u64 {
        self.counter("warm_resets") + self.counter("cold_power_ons")
    }

    /// Has an agent start a call, and waits until its command has reached the card.
    #[track_caller]
    pub(crate) fn arrives(&self, agent: &mut Agent, call: &str) {
        let before = self.counter("xfr_blocks");
        agent.start(call);
        let end = Instant::now() + SOON * 10;
        while self.counter("xfr_blocks") == before {
            assert!(Instant::now() < end, "the command never arrived");
            thread::yield_now();
        }
    }

    /// A process that does nothing yet.
    pub(crate) fn bare_agent(&self) -> Agent {
        let (program, libraries) = program();
        let mut command = Command::new(program);
        self.spawn(command.env("LD_LIBRARY_PATH", libraries))
    }

    /// Where the server listens.
    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    /// Starts a process that is an agent by another way.
    pub(crate) fn spawn(&self, command: &mut Command) -> Agent {
        let mut child = command
            .env("WINSCARD_SIM", &self.socket)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("agent");
        let input = child.stdin.take().expect("piped");
        let output = BufReader::new(child.stdout.take().expect("piped"));
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Agent {
            child,
            input,
            lines,
            early: None,
        }
    }

    /// A process with a context, which uses the reader of this number.
    pub(crate) fn agent_at(&self, reader: usize) -> Agent {
        let mut agent = self.bare_agent();
        agent.establish(reader);
        agent
    }

    pub(crate) fn agent(&self) -> Agent {
        self.agent_at(0)
    }

    /// A process that is connected.
    pub(crate) fn connected(&self, share: u32) -> Agent {
        let mut agent = self.agent();
        let answer = agent.call(&format!("connect {share} 3"));
        assert!(answer.starts_with("0 "), "connect: {answer}");
        agent
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // Also after a command that panicked: the server would be waited for for ever.
        let mut control = self.control.lock().unwrap_or_else(PoisonError::into_inner);
        let _ended = control.command("quit");
        drop(control);
        if let Some(server) = self.server.take() {
            let _ended = server.join();
        }
    }
}

/// One process. It is killed when dropped.
#[derive(Debug)]
pub(crate) struct Agent {
    child: Child,
    input: ChildStdin,
    lines: Receiver<String>,
    /// What came before it was asked for.
    early: Option<String>,
}

impl Agent {
    /// Has a call made, without waiting for what it comes to.
    pub(crate) fn start(&mut self, call: &str) {
        writeln!(self.input, "{call}").expect("agent lives");
    }

    /// What the call started comes to, in the time of a machine that is not busy with other things.
    #[track_caller]
    pub(crate) fn result(&mut self, within: Duration) -> String {
        let begin = Quiet::now();
        if let Some(line) = self.early.take() {
            return line;
        }
        loop {
            match self.lines.recv_timeout(Duration::from_millis(20)) {
                Ok(line) => return line,
                Err(RecvTimeoutError::Timeout) if begin.elapsed() < within => {}
                Err(error) => panic!("no result within {within:?}: {error}"),
            }
        }
    }

    /// Asserts that the call started does not return now.
    #[track_caller]
    pub(crate) fn waits(&mut self) {
        if let Ok(line) = self.lines.recv_timeout(NEVER) {
            panic!("did not wait: {line}");
        }
    }

    /// Whether the call started returns within this time.
    pub(crate) fn returns(&mut self, within: Duration) -> bool {
        if self.early.is_none() {
            self.early = self.lines.recv_timeout(within).ok();
        }
        self.early.is_some()
    }

    /// Whether it sleeps in a call that waits for somebody.
    pub(crate) fn is_asleep(&self) -> bool {
        let call = std::fs::read_to_string(format!("/proc/{}/syscall", self.child.id())).unwrap_or_default();
        let number = call.split(' ').next().and_then(|number| number.parse().ok());
        number == Some(libc::SYS_ppoll)
    }

    /// Has a call made and waits for it.
    #[track_caller]
    pub(crate) fn call(&mut self, call: &str) -> String {
        self.start(call);
        self.result(Duration::from_secs(20)).trim_end().to_owned()
    }

    /// Has a call made and asserts what it returns.
    #[track_caller]
    pub(crate) fn gives(&mut self, call: &str, expected: impl Expected) {
        let answer = self.call(call);
        let code = answer.split(' ').next().unwrap_or_default();
        assert_eq!(code, expected.code(), "{call} gave {answer}");
    }

    /// Sends an APDU that has to be answered like this.
    #[track_caller]
    pub(crate) fn answers(&mut self, command: &str, response: &str) {
        assert_eq!(
            self.call(&format!("transmit {command}")),
            format!("0 {response}"),
            "{command}"
        );
    }

    /// Makes a context for the reader of this number.
    #[track_caller]
    pub(crate) fn establish(&mut self, reader: usize) {
        assert_eq!(self.call("establish"), "0");
        let list = self.call("list");
        let names = list.strip_prefix("0 ").unwrap_or_else(|| panic!("list: {list}"));
        let name = names.split('|').nth(reader).unwrap_or_else(|| panic!("{names}"));
        self.call(&format!("use {name}"));
    }

    /// Its process's number.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Kills it, at once.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("SIGKILL");
        self.child.wait().expect("wait");
    }

    /// Number of its threads.
    pub(crate) fn threads(&self) -> usize {
        let tasks = format!("/proc/{}/task", self.child.id());
        std::fs::read_dir(tasks).expect("/proc").count()
    }

    /// How often it has woken up and gone to sleep.
    pub(crate) fn switches(&self) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("/proc");
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        line.and_then(|count| count.trim().parse().ok()).expect("a number")
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _dead = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// A result code.
pub(crate) trait Expected {
    /// As agents print it.
    fn code(&self) -> String;
}

impl Expected for Error {
    fn code(&self) -> String {
        format!("{:X}", self.to_long())
    }
}

/// Success.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fine;

impl Expected for Fine {
    fn code(&self) -> String {
        "0".into()
    }
}
