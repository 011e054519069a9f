//! What reached the card, in the order in which it did.
//!
//! Nothing here depends on time or on who was alive: the commands of one hold on the card stand together whatever
//! happens, because a dead process sends nothing more and a card taken out ends a transaction.

use std::collections::{HashMap, HashSet};

use crate::stamp::Stamp;

/// CCID 1.1 §6.1.
const POWER_ON: u8 = 0x62;
const POWER_OFF: u8 = 0x63;

/// Where a handle's last command in one epoch stood.
#[derive(Clone, Copy, Debug)]
struct Mark {
    resets: u64,
    powers: u64,
    moves: u64,
}

/// The first and the last command of a handle in one epoch.
type Span = (Mark, Mark);

/// One reader since it was plugged in, as far as its log was read.
#[derive(Debug, Default)]
pub(crate) struct Wire {
    /// Number of the next message.
    next: u64,
    /// Messages that were gone before they could be read.
    missed: u64,
    now: Option<Mark>,
    holder: (u32, u32),
    ended: HashSet<(u32, u32)>,
    /// By process, handle and epoch.
    spans: HashMap<(u32, u32, u32), Span>,
    pub(crate) commands: u64,
    pub(crate) resets: u64,
    /// Broken rules.
    pub(crate) findings: Vec<String>,
}

impl Wire {
    /// For `log READER FROM`.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// The card is taken out, put in, or the reader unplugged.
    pub(crate) fn moved(&mut self) {
        let mut now = self.now();
        now.moves += 1;
        self.now = Some(now);
    }

    fn now(&self) -> Mark {
        self.now.unwrap_or(Mark {
            resets: 0,
            powers: 0,
            moves: 0,
        })
    }

    /// Takes the answer to `log READER FROM` in.
    pub(crate) fn read(&mut self, lines: &[String]) {
        let Some((first, messages)) = lines.split_first() else {
            return;
        };
        let first: u64 = first.parse().expect("a number");
        if first != self.next {
            // Unknown what happened: no two commands before and after are compared.
            self.missed += first - self.next;
            self.moved();
            self.spans.clear();
            self.holder = (0, 0);
            self.ended.clear();
        }
        self.next = first + u64::try_from(messages.len()).expect("few");
        for message in messages.iter().filter_map(|line| line.strip_prefix("> ")) {
            self.message(&bytes(message));
        }
    }

    fn message(&mut self, message: &[u8]) {
        let mut now = self.now();
        match message.first() {
            Some(&POWER_ON) => {
                now.resets += 1;
                now.powers += 1;
                self.resets += 1;
            }
            Some(&POWER_OFF) => now.powers += 1,
            _ => {}
        }
        self.now = Some(now);
        if let Some(stamp) = Stamp::find(message) {
            self.commands += 1;
            self.command(stamp, now);
        }
    }

    fn command(&mut self, stamp: Stamp, now: Mark) {
        let hold = if stamp.hold == 0 {
            (0, 0)
        } else {
            (stamp.agent, stamp.hold)
        };
        if hold != self.holder {
            self.ended.insert(self.holder);
            self.holder = hold;
            if hold != (0, 0) && self.ended.contains(&hold) {
                self.findings
                    .push(format!("others' commands in the midst of a hold, seen at {stamp:?}"));
            }
        }
        let span = self
            .spans
            .entry((stamp.agent, stamp.handle, stamp.epoch))
            .or_insert((now, now));
        if span.1.resets != now.resets {
            self.findings
                .push(format!("a reset that the handle was not told of, before {stamp:?}"));
        }
        span.1 = now;
    }

    /// The card was reset this often at least once between the handle's command in one epoch and in a later one; `None`
    /// if it was taken out in between, or there are no such commands.
    pub(crate) fn powers_between(&self, agent: u32, handle: u32, from: u32, to: u32) -> Option<u64> {
        let (_, last) = self.spans.get(&(agent, handle, from))?;
        let (first, _) = self.spans.get(&(agent, handle, to))?;
        (last.moves == first.moves).then(|| first.powers - last.powers)
    }

    /// Messages that nobody looked at.
    pub(crate) fn missed(&self) -> u64 {
        self.missed
    }
}

fn bytes(hex: &str) -> Vec<u8> {
    hex.as_bytes()
        .chunks_exact(2)
        .map(|pair| {
            let text = std::str::from_utf8(pair).expect("ASCII");
            u8::from_str_radix(text, 16).expect("hexadecimal")
        })
        .collect()
}
