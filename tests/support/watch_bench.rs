//! A bench for watching readers: software readers with names, waiting threads, child processes.

#![allow(unsafe_code, reason = "thread numbers and signals have no safe wrapper in std")]

#[path = "watch_calls.rs"]
mod calls;

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, Receiver, TryRecvError};
use std::thread;
use std::time::{Duration, Instant};

use winscard::api::types::{DWORD, SCARDCONTEXT};
use winscard::sim::{self, Config};

pub(crate) use calls::*;

/// More than anything here takes on a machine that others use as well; a test that fails takes this long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// Milliseconds of [`PATIENCE`].
pub(crate) const PATIENT: DWORD = 30_000;
/// How long something is watched that must not happen.
pub(crate) const A_WHILE: Duration = Duration::from_millis(150);

/// Repeats `attempt` until it gives something.
pub(crate) fn until<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = attempt() {
            return value;
        }
        assert!(Instant::now() < end, "waited in vain: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// A call of `SCardGetStatusChange` in a thread of its own.
#[derive(Debug)]
pub(crate) struct Waiter {
    thread: libc::pid_t,
    result: Receiver<(Code, Vec<State>)>,
}

impl Waiter {
    /// Returns once the call sleeps.
    pub(crate) fn start(context: SCARDCONTEXT, timeout: DWORD, states: &[State]) -> Self {
        let (identify, identity) = mpsc::channel();
        let (finish, result) = mpsc::channel();
        let mut states = states.to_vec();
        thread::spawn(move || {
            // SAFETY: no requirement.
            identify.send(unsafe { libc::gettid() }).unwrap();
            let code = status_change(context, timeout, &mut states);
            // Nobody listens any more if the test has failed.
            let _failed = finish.send((code, states));
        });
        let waiter = Self {
            thread: identity.recv().unwrap(),
            result,
        };
        waiter.until_asleep();
        waiter
    }

    /// Returns once the call sleeps (again).
    pub(crate) fn until_asleep(&self) {
        until("the call sleeps", || {
            self.assert_waiting();
            self.is_asleep().then_some(())
        });
    }

    fn is_asleep(&self) -> bool {
        let call = std::fs::read_to_string(format!("/proc/self/task/{}/syscall", self.thread)).unwrap_or_default();
        let number = call.split(' ').next().and_then(|number| number.parse().ok());
        // Where `long` has 32 bits, libc has the second way to wait with 64-bit times.
        #[cfg(target_pointer_width = "32")]
        let calls = [libc::SYS_ppoll, 414];
        #[cfg(not(target_pointer_width = "32"))]
        let calls = [libc::SYS_ppoll];
        number.is_some_and(|number| calls.contains(&number))
    }

    /// The call has not returned.
    pub(crate) fn assert_waiting(&self) {
        match self.result.try_recv() {
            Err(TryRecvError::Empty) => {}
            other => panic!("the call has ended: {other:?}"),
        }
    }

    /// The call does not return for [`A_WHILE`].
    pub(crate) fn assert_goes_on(&self) {
        thread::sleep(A_WHILE);
        self.assert_waiting();
    }

    /// How often the thread went to sleep so far.
    pub(crate) fn sleeps(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/self/task/{}/status", self.thread)).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        line.unwrap().trim().parse().unwrap()
    }

    /// Sends the thread a signal.
    pub(crate) fn signal(&self, signal: libc::c_int) {
        // SAFETY: no pointer is passed.
        let result = unsafe { libc::syscall(libc::SYS_tgkill, std::process::id(), self.thread, signal) };
        assert_eq!(result, 0);
    }

    /// What the call returns.
    pub(crate) fn end(self) -> (Code, Vec<State>) {
        self.result.recv_timeout(PATIENCE).expect("the call has to end")
    }

    /// What the call returns for the one reader it was about.
    pub(crate) fn end_of_one(self) -> (Code, State) {
        let (code, states) = self.end();
        (code, states.into_iter().next().unwrap())
    }
}

/// Has a signal handler that does nothing, without SA_RESTART: system calls end with EINTR.
pub(crate) fn install_idle_handler(signal: libc::c_int) {
    extern "C" fn nothing(_: libc::c_int) {}
    // SAFETY: all-zero is a valid `sigaction`.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = nothing as extern "C" fn(libc::c_int) as usize;
    // SAFETY: a valid action; null for the old one.
    let result = unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) };
    assert_eq!(result, 0);
}

/// A card that has an ATR and answers 90 00 to everything.
#[derive(Debug)]
pub(crate) struct Chip(Vec<u8>);

impl Chip {
    /// A T=0 card; historical bytes tell it from others.
    pub(crate) fn new(number: u8) -> Self {
        Self(Self::atr(number))
    }

    pub(crate) fn atr(number: u8) -> Vec<u8> {
        vec![0x3B, 0x02, 0xC0, number]
    }

    /// A card that does not answer to reset.
    pub(crate) fn mute() -> Self {
        Self(Vec::new())
    }
}

impl sim::Card for Chip {
    fn reset(&mut self, _: sim::Reset) -> Vec<u8> {
        self.0.clone()
    }

    fn apdu(&mut self, _: &[u8]) -> Vec<u8> {
        vec![0x90, 0x00]
    }
}

/// A software reader with a name of its own, unplugged when dropped.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) reader: sim::Reader,
    /// Names of its slots.
    pub(crate) names: Vec<String>,
}

impl Bench {
    /// An empty reader with one slot and an interrupt endpoint.
    pub(crate) fn plug() -> Self {
        Self::plug_as(Config::default())
    }

    /// The same with a card in it.
    pub(crate) fn with_card(card: Chip) -> Self {
        let bench = Self::plug();
        bench.insert(card);
        bench
    }

    /// An empty reader without interrupt endpoint.
    pub(crate) fn polled() -> Self {
        Self::plug_as(Config {
            interrupt: false,
            ..Config::default()
        })
    }

    pub(crate) fn plug_as(config: Config) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let serial = format!("N{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let reader = sim::plug(Config {
            serial: Some(serial.clone()),
            ..config
        })
        .unwrap();
        let mark = format!("({serial})");
        let names = Context::new()
            .readers()
            .into_iter()
            .filter(|name| name.contains(&mark))
            .collect();
        Self { reader, names }
    }

    /// The name of the first slot.
    pub(crate) fn name(&self) -> &str {
        &self.names[0]
    }

    /// Puts a card into the first slot.
    pub(crate) fn insert(&self, card: Chip) {
        drop(self.reader.insert(0, card));
    }

    /// Takes the card out of the first slot.
    pub(crate) fn remove(&self) {
        assert!(self.reader.remove(0).is_some());
    }

    /// An entry about the first slot.
    pub(crate) fn state(&self, current: DWORD) -> State {
        State::new(self.name(), current)
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.reader.unplug();
    }
}

/// Runs a test's body in a process of its own, where no other test's readers come and go. `test` is its full name.
pub(crate) fn alone(test: &str, body: impl FnOnce()) {
    const CHILD: &str = "WINSCARD_TEST_ALONE";
    if std::env::var_os(CHILD).is_some_and(|name| name == test) {
        return body();
    }
    let mut child = Command::new(std::env::current_exe().unwrap());
    child
        .args(["--exact", test, "--nocapture"])
        .env(CHILD, test)
        .env_remove("WINSCARD_SIM");
    let output = child.output().unwrap();
    let (said, complained) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{}\n{said}\n{complained}", output.status);
    assert!(said.contains("1 passed"), "no test is called {test}:\n{said}");
}
