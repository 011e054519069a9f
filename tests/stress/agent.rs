//! A process that uses the card at random, and is killed while it does.

use std::ffi::CString;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use winscard::api::types::{SCARDCONTEXT, SCARDHANDLE};

use crate::calls;
use crate::journal::{Call, Entry, Journal};
use crate::random::Random;
use crate::stamp::Stamp;

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

    fn connect(&mut self) {
        let reader = usize::try_from(self.random.below(2)).expect("small");
        let Some(name) = self.names[reader].clone().or_else(|| self.names[0].clone()) else {
            thread::sleep(Duration::from_millis(1));
            return self.list();
        };
        let reader = u32::from(name.to_string_lossy().contains(SECOND));
        let share = match self.random.below(100) {
            0..80 => SHARED,
            80..94 => EXCLUSIVE,
            _ => DIRECT,
        };
        let protocols = self.random.pick(&[3, 3, 3, 2]);
        let context = self.context;
        self.handles += 1;
        let number = self.handles;
        let (code, (handle, protocol)) = self.call("connect", (reader, number, 0), share, || {
            let (code, handle, protocol) = calls::connect(context, &name, share, protocols);
            (code, protocol.into(), (handle, protocol))
        });
        if code != 0 {
            thread::sleep(Duration::from_micros(300));
            if self.random.percent(10) {
                self.list();
            }
            return;
        }
        let mut held = Held {
            handle,
            number,
            reader,
            epoch: 0,
            share,
            protocol,
            depth: 0,
            hold: 0,
            steps: 0,
            told: false,
            gone: false,
        };
        if share == EXCLUSIVE {
            self.holds += 1;
            held.hold = self.holds;
        }
        self.held.push(held);
    }

    /// Draws the conclusions of what a call on a handle returned.
    fn conclude(&mut self, at: usize, code: u32) {
        let held = &mut self.held[at];
        match code {
            RESET | REMOVED => {
                held.told = true;
                // A transaction may have ended by it; an exclusive connection does not.
                if held.depth > 0 && held.share != EXCLUSIVE && held.hold != 0 {
                    held.hold = 0;
                    self.journal.write(&Entry::Lost);
                }
            }
            INVALID_VALUE | READER_UNAVAILABLE => held.gone = true,
            0 if held.told => {
                held.told = false;
                self.bad("an event was reported once and then forgotten");
            }
            _ => {}
        }
    }

    fn key(&self, at: usize) -> (SCARDHANDLE, (u32, u32, u32)) {
        let held = &self.held[at];
        (held.handle, (held.reader, held.number, held.hold))
    }

    fn transmit(&mut self, at: usize) {
        let (handle, key) = self.key(at);
        self.sequence += 1;
        let (sequence, protocol) = (self.sequence, self.held[at].protocol);
        let stamp = Stamp {
            agent: self.number,
            handle: key.1,
            epoch: self.held[at].epoch,
            hold: key.2,
            sequence,
        };
        let command = stamp.command(u8::try_from(self.random.below(40)).expect("small"));
        let (code, response) = self.call("transmit", key, sequence, || {
            let (code, response) = calls::transmit(handle, protocol, &command);
            (code, 0, response)
        });
        if code == 0 {
            let data = &command[5..command.len() - 1];
            if response.strip_suffix(&[0x90, 0]) != Some(data) {
                self.bad(&format!("{stamp:?} answered with {response:02x?}").replace('\n', " "));
            }
        }
        self.conclude(at, code);
    }

    fn begin(&mut self, at: usize) {
        let (handle, mut key) = self.key(at);
        if key.2 == 0 {
            self.holds += 1;
            key.2 = self.holds;
        }
        let (code, ()) = self.call("begin", key, 0, || (calls::begin(handle), 0, ()));
        if code == 0 && !self.held[at].told {
            let held = &mut self.held[at];
            held.depth += 1;
            if held.hold == 0 {
                (held.hold, held.steps) = (key.2, 0);
            }
        }
        self.conclude(at, code);
    }

    fn end(&mut self, at: usize, disposition: u32) {
        let (handle, key) = self.key(at);
        let (code, ()) = self.call("end", key, disposition, || (calls::end(handle, disposition), 0, ()));
        self.conclude(at, code);
        let held = &mut self.held[at];
        if code == 0 {
            held.depth -= 1;
            if !held.is_holding() {
                held.hold = 0;
            }
        } else if held.share != EXCLUSIVE && held.hold != 0 {
            held.hold = 0;
            self.journal.write(&Entry::Lost);
        }
    }

    fn status(&mut self, at: usize) {
        let (handle, key) = self.key(at);
        let (code, ()) = self.call("status", key, 0, || {
            let (code, state) = calls::status(handle);
            (code, state, ())
        });
        self.conclude(at, code);
    }

    fn reconnect(&mut self, at: usize) {
        let held = &self.held[at];
        let share = match self.random.below(100) {
            0..10 => SHARED,
            10..12 if held.depth == 0 => EXCLUSIVE,
            12..14 if held.depth == 0 => DIRECT,
            _ => held.share,
        };
        let initialization = match self.random.below(100) {
            0..65 => 0,
            65..90 => 1,
            _ => 2,
        };
        self.reconnect_as(at, share, initialization);
    }

    fn reconnect_as(&mut self, at: usize, share: u32, initialization: u32) {
        let (handle, mut key) = self.key(at);
        let before = self.held[at].share;
        if before == EXCLUSIVE && share != EXCLUSIVE {
            // What was begun within goes on, but only if the card was not taken out meanwhile, which we do not know.
            self.held[at].hold = 0;
            self.journal.write(&Entry::Lost);
            key.2 = 0;
        } else if share == EXCLUSIVE && key.2 == 0 {
            self.holds += 1;
            key.2 = self.holds;
        }
        let (code, protocol) = self.call("reconnect", key, share << 4 | initialization, || {
            let (code, protocol) = calls::reconnect(handle, share, initialization);
            (code, protocol.into(), protocol)
        });
        let held = &mut self.held[at];
        if code != 0 {
            // The share mode did not change; a new hold begins, because the old one has been declared over.
            if before == EXCLUSIVE && share != EXCLUSIVE {
                self.holds += 1;
                held.hold = self.holds;
            }
            held.gone |= matches!(code, INVALID_VALUE | READER_UNAVAILABLE);
            held.told |= matches!(code, RESET | REMOVED);
            if !held.gone && held.told {
                thread::sleep(Duration::from_micros(500));
            }
            return;
        }
        held.epoch += 1;
        held.told = false;
        (held.share, held.protocol) = (share, protocol);
        if share == EXCLUSIVE && before != EXCLUSIVE {
            (held.hold, held.steps) = (key.2, 0);
        }
    }

    fn disconnect(&mut self, at: usize, disposition: u32) {
        let (handle, key) = self.key(at);
        let (code, ()) = self.call("disconnect", key, disposition, || {
            (calls::disconnect(handle, disposition), 0, ())
        });
        if code != 0 {
            self.bad(&format!("SCardDisconnect gave {code:x}"));
        }
        self.held.remove(at);
    }

    fn release(&mut self) {
        let context = self.context;
        self.call("release", (0, 0, 0), 0, || (calls::release(context), 0, ()));
        self.held.clear();
        self.establish();
    }

    fn change(&mut self, timeout: u32) {
        let reader = usize::try_from(self.random.below(2)).expect("small");
        let Some(name) = self.names[reader].clone() else {
            return self.list();
        };
        let context = self.context;
        let number = u32::try_from(reader).expect("small");
        let known = self.known[reader];
        let (code, word) = self.call("change", (number, 0, 0), timeout, || {
            let (code, words) = calls::change(context, timeout, &[(name.as_ptr(), known)]);
            (code, words[0], words[0])
        });
        if code == 0 {
            self.known[reader] = word & !2;
        }
    }

    /// Asserts that readers and cards can be used, at the end of a round.
    fn check_out(&mut self) {
        for (reader, name) in self.names.clone().iter().enumerate() {
            let Some(name) = name else { continue };
            let (reader, context) = (u32::try_from(reader).expect("small"), self.context);
            self.handles += 1;
            let number = self.handles;
            let (code, (handle, protocol)) = self.call("connect", (reader, number, 0), SHARED, || {
                let (code, handle, protocol) = calls::connect(context, name, SHARED, 3);
                (code, protocol.into(), (handle, protocol))
            });
            if code != 0 {
                self.bad(&format!(
                    "the last process could not connect to reader {reader}: {code:x}"
                ));
                continue;
            }
            let command = [0x80, 0x12, 0, 0, 2, 0xCA, 0xFE, 0];
            let (code, response) = calls::transmit(handle, protocol, &command);
            if (code, response.as_slice()) != (0, &[0xCA, 0xFE, 0x90, 0]) {
                self.bad(&format!("the last process's command gave {code:x} {response:02x?}"));
            }
            self.call("disconnect", (reader, number, 0), 0, || {
                (calls::disconnect(handle, 0), 0, ())
            });
            self.call("change", (reader, 0, 0), 0, || {
                let (code, words) = calls::change(context, 0, &[(name.as_ptr(), 0)]);
                (code, words[0], ())
            });
        }
    }
}
