//! What an agent does: each call with what follows from its result.

use std::thread;
use std::time::Duration;

use winscard::api::types::SCARDHANDLE;

use super::{Agent, DIRECT, EXCLUSIVE, Held, INVALID_VALUE, READER_UNAVAILABLE, REMOVED, RESET, SECOND, SHARED};
use crate::calls;
use crate::journal::Entry;
use crate::stamp::Stamp;

impl Agent {
    pub(super) fn connect(&mut self) {
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
    pub(super) fn conclude(&mut self, at: usize, code: u32) {
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

    pub(super) fn key(&self, at: usize) -> (SCARDHANDLE, (u32, u32, u32)) {
        let held = &self.held[at];
        (held.handle, (held.reader, held.number, held.hold))
    }

    pub(super) fn transmit(&mut self, at: usize) {
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

    pub(super) fn begin(&mut self, at: usize) {
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

    pub(super) fn end(&mut self, at: usize, disposition: u32) {
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

    pub(super) fn status(&mut self, at: usize) {
        let (handle, key) = self.key(at);
        let (code, ()) = self.call("status", key, 0, || {
            let (code, state) = calls::status(handle);
            (code, state, ())
        });
        self.conclude(at, code);
    }

    pub(super) fn reconnect(&mut self, at: usize) {
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

    pub(super) fn reconnect_as(&mut self, at: usize, share: u32, initialization: u32) {
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

    pub(super) fn disconnect(&mut self, at: usize, disposition: u32) {
        let (handle, key) = self.key(at);
        let (code, ()) = self.call("disconnect", key, disposition, || {
            (calls::disconnect(handle, disposition), 0, ())
        });
        if code != 0 {
            self.bad(&format!("SCardDisconnect gave {code:x}"));
        }
        self.held.remove(at);
    }

    pub(super) fn release(&mut self) {
        let context = self.context;
        self.call("release", (0, 0, 0), 0, || (calls::release(context), 0, ()));
        self.held.clear();
        self.establish();
    }

    pub(super) fn change(&mut self, timeout: u32) {
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
    pub(super) fn check_out(&mut self) {
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
