//! A process that uses the card at random, and is killed while it does.

mod acts;

use std::ffi::CString;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use winscard::api::types::{SCARDCONTEXT, SCARDHANDLE};

use crate::calls;
use crate::journal::{Call, Entry, Journal};
use crate::random::Random;

/// Names the journal; makes this program an agent.
pub(crate) const JOURNAL: &str = "WINSCARD_STRESS_JOURNAL";
/// Number, seed, and whether it only tries once that all is well (1).
pub(crate) const ROLE: &str = "WINSCARD_STRESS_ROLE";
/// Part of the name of the second reader, whose USB IDs say so.
pub(crate) const SECOND: &str = "Cherry";

pub(crate) const SHARED: u32 = 2;
pub(crate) const EXCLUSIVE: u32 = 1;
pub(crate) const DIRECT: u32 = 3;

pub(crate) const RESET: u32 = 0x8010_0068;
pub(crate) const REMOVED: u32 = 0x8010_0069;
const INVALID_VALUE: u32 = 0x8010_0011;
const READER_UNAVAILABLE: u32 = 0x8010_0017;

/// Longest hold in steps.
const HOLD_STEPS: u32 = 12;

/// A connection.
#[derive(Debug)]
struct Held {
    handle: SCARDHANDLE,
    number: u32,
    reader: u32,
    epoch: u32,
    share: u32,
    protocol: u32,
    /// Transactions begun.
    depth: u32,
    /// The hold on the card, 0 for none.
    hold: u32,
    /// Steps the hold has lasted.
    steps: u32,
    /// An event was reported and not acknowledged.
    told: bool,
    /// The reader is gone.
    gone: bool,
}

impl Held {
    fn is_holding(&self) -> bool {
        self.depth > 0 || self.share == EXCLUSIVE
    }
}

#[derive(Debug)]
struct Agent {
    random: Random,
    journal: Journal,
    number: u32,
    context: SCARDCONTEXT,
    /// By number; `None` while unplugged.
    names: [Option<CString>; 2],
    known: [u64; 2],
    held: Vec<Held>,
    handles: u32,
    holds: u32,
    sequence: u32,
}

/// Uses the card until killed.
pub(crate) fn run() {
    // SAFETY: takes numbers only. A driver that dies leaves nobody behind.
    let result = unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
    assert_eq!(result, 0);
    let role = std::env::var(ROLE).expect("a role");
    let role: Vec<u64> = role.split(' ').map(|word| word.parse().expect("a number")).collect();
    let number = u32::try_from(role[0]).expect("a number");
    let journal = PathBuf::from(std::env::var_os(JOURNAL).expect("a journal"));
    let mut agent = Agent {
        random: Random::new(role[1]).fork(role[0]),
        journal: Journal::open(&journal, number),
        number,
        context: 0,
        names: [None, None],
        known: [0; 2],
        held: Vec::new(),
        handles: 0,
        holds: 0,
        sequence: 0,
    };
    agent.establish();
    if role[2] == 1 {
        return agent.check_out();
    }
    loop {
        agent.step();
    }
}

impl Agent {
    /// Notes a call, makes it, and notes what it returned.
    fn call<T>(
        &self,
        op: &str,
        held: (u32, u32, u32),
        argument: u32,
        call: impl FnOnce() -> (u32, u64, T),
    ) -> (u32, T) {
        let (reader, handle, hold) = held;
        self.journal.write(&Entry::Call(Call {
            op: op.to_owned(),
            reader,
            handle,
            argument,
            hold,
        }));
        let (code, value, rest) = call();
        self.journal.write(&Entry::Return { code, value });
        (code, rest)
    }

    fn bad(&self, text: &str) {
        self.journal.write(&Entry::Bad(text.to_owned()));
    }

    fn establish(&mut self) {
        let (_, context) = self.call("establish", (0, 0, 0), 0, || {
            let (code, context) = calls::establish();
            (code, 0, context)
        });
        self.context = context;
        self.list();
    }

    fn list(&mut self) {
        let context = self.context;
        let (_, names) = self.call("list", (0, 0, 0), 0, || {
            let (code, names) = calls::list(context);
            (code, u64::try_from(names.len()).expect("few"), names)
        });
        self.names = [None, None];
        for name in names {
            let second = name.to_string_lossy().contains(SECOND);
            self.names[usize::from(second)] = Some(name);
        }
    }

    fn step(&mut self) {
        self.held.retain(|held| held.handle != 0);
        if let Some(at) = self.held.iter().position(|held| held.gone) {
            self.disconnect(at, 0);
            return self.list();
        }
        let pause = self.random.below(20);
        if pause < 4 {
            thread::sleep(Duration::from_micros(self.random.below(2000)));
        }
        match self.held.iter().position(Held::is_holding) {
            Some(at) => self.step_in_hold(at),
            None => self.step_free(),
        }
    }

    fn step_in_hold(&mut self, at: usize) {
        let held = &mut self.held[at];
        held.steps += 1;
        if held.hold == 0 {
            return self.end_limbo(at);
        }
        if held.told {
            return self.react(at);
        }
        if held.steps > HOLD_STEPS {
            let disposition = self.disposition();
            if self.held[at].depth > 0 && self.random.percent(70) {
                return self.end(at, disposition);
            }
            return self.disconnect(at, disposition);
        }
        match self.random.below(100) {
            0..56 => self.transmit(at),
            56..62 => self.begin(at),
            62..80 if self.held[at].depth > 0 => {
                let disposition = self.disposition();
                self.end(at, disposition);
            }
            62..84 => self.status(at),
            84..88 => self.reconnect(at),
            88..94 => {
                let disposition = self.disposition();
                self.disconnect(at, disposition);
            }
            94..99 => self.change(0),
            _ => self.release(),
        }
    }

    fn step_free(&mut self) {
        if self.held.is_empty() || (self.held.len() < 2 && self.random.percent(12)) {
            if self.random.percent(10) {
                let timeout = self.random.pick(&[0, 1, 5, 30]);
                return self.change(timeout);
            }
            return self.connect();
        }
        let len = u64::try_from(self.held.len()).expect("few");
        let at = usize::try_from(self.random.below(len)).expect("few");
        if self.held[at].told {
            return self.react(at);
        }
        match self.random.below(100) {
            0..35 => self.transmit(at),
            35..58 => self.begin(at),
            58..66 => self.status(at),
            66..72 => self.reconnect(at),
            72..84 => {
                let timeout = self.random.pick(&[0, 1, 5, 30]);
                self.change(timeout);
            }
            84..98 => {
                let disposition = self.disposition();
                self.disconnect(at, disposition);
            }
            _ => self.release(),
        }
    }

    fn disposition(&mut self) -> u32 {
        match self.random.below(100) {
            0..75 => 0,
            75..90 => 1,
            _ => 2,
        }
    }

    /// After an event: sometimes asks again, which has to say the same; then acknowledges or leaves.
    fn react(&mut self, at: usize) {
        match self.random.below(10) {
            0 => self.status(at),
            1 => self.transmit(at),
            2 => self.disconnect(at, 0),
            _ => self.reconnect(at),
        }
    }

    /// Ends a transaction that may or may not be ours any more.
    fn end_limbo(&mut self, at: usize) {
        if self.held[at].told {
            self.reconnect_as(at, SHARED, 0);
            if self.held[at].told {
                self.disconnect(at, 0);
            }
            return;
        }
        let held = &self.held[at];
        let (handle, key) = (held.handle, (held.reader, held.number, 0));
        let (code, ()) = self.call("end-lost", key, 0, || (calls::end(handle, 0), 0, ()));
        self.conclude(at, code);
        self.held[at].depth -= 1;
    }
}
