//! What the journal may say: who holds what when, what calls may return, how counters go.

use std::collections::{HashMap, HashSet};

use crate::agent::{EXCLUSIVE, REMOVED, RESET};
use crate::journal::{Call, Entry, Line};
use crate::noise::{Samples, quiet_ns};
use crate::wire::Wire;

/// Longest time a call may take, without what the machine was busy with other things: the longest hold of everybody else.
pub(crate) const LONGEST_NS: u64 = 5_000_000_000;

/// A time during which something was surely so.
#[derive(Clone, Debug)]
struct Interval {
    from: u64,
    to: u64,
    who: String,
    alone: bool,
}

/// What an agent is known to have.
#[derive(Debug, Default)]
struct Process {
    open: Option<(u64, Call)>,
    /// By handle: since when, reader, share mode and since when it is that.
    handles: HashMap<u32, Handle>,
    /// Since when, reader, hold, begins not ended: the transaction.
    transaction: Option<(u64, u32, u32, u32)>,
}

#[derive(Debug)]
struct Handle {
    reader: u32,
    since: u64,
    share: u32,
    epoch: u32,
    /// Epochs that ended with a reported reset, and nothing but one.
    told: Option<u32>,
    /// Epoch and count of resets told of since.
    resets: Vec<u32>,
}

/// A look at a counter.
#[derive(Clone, Copy, Debug)]
struct Look {
    reader: u32,
    from: u64,
    to: u64,
    count: u64,
}

/// What a round came to.
#[derive(Debug, Default)]
pub(crate) struct Model {
    processes: HashMap<u32, Process>,
    dead: HashSet<u32>,
    connections: [Vec<Interval>; 2],
    transactions: [Vec<Interval>; 2],
    looks: Vec<Look>,
    /// When cards were moved and readers unplugged or plugged, by reader.
    moves: [Vec<u64>; 2],
    plugs: [Vec<u64>; 2],
    /// Handles with the epochs that ended by a told reset.
    told: Vec<(u32, u32, Vec<u32>)>,
    /// Nothing is moved in this round, so nothing but resets happens.
    calm: bool,
    /// How busy the machine was.
    noise: Samples,
    pub(crate) calls: u64,
    pub(crate) longest: (u64, String),
    pub(crate) findings: Vec<String>,
}

fn slot(reader: u32) -> usize {
    usize::from(reader != 0)
}

impl Model {
    /// Follows a round's journal, whose lines are in the order they were written in.
    pub(crate) fn of(lines: &[Line], calm: bool, noise: Samples) -> Self {
        let mut model = Self {
            calm,
            noise,
            ..Self::default()
        };
        for line in lines {
            model.follow(line);
        }
        let end = lines.last().map_or(0, |line| line.at);
        for agent in model.processes.keys().copied().collect::<Vec<_>>() {
            model.killed(agent, end);
        }
        model.connections_overlap();
        model.transactions_overlap();
        model.counters_go_back();
        model
    }

    fn follow(&mut self, line: &Line) {
        // Until the signal arrives it goes on for a moment, of which nothing is concluded.
        if self.dead.contains(&line.agent) {
            return;
        }
        match &line.entry {
            Entry::Call(call) => self.begun(line.agent, line.at, call),
            Entry::Return { code, value } => self.returned(line.agent, line.at, *code, *value),
            Entry::Lost => self.end_transaction(line.agent, line.at),
            Entry::Bad(text) => self.findings.push(format!("process {}: {text}", line.agent)),
            Entry::Deed { what, number } => match what.as_str() {
                "kill" => self.killed(*number, line.at),
                "insert" => self.moves[slot(*number)].push(line.at),
                "remove" => {
                    self.moves[slot(*number)].push(line.at);
                    self.card_leaves(*number, line.at);
                }
                "unplug" => {
                    self.plugs[slot(*number)].push(line.at);
                    self.card_leaves(*number, line.at);
                    self.reader_leaves(*number, line.at);
                }
                "plug" => self.plugs[slot(*number)].push(line.at),
                _ => {}
            },
        }
    }

    fn process(&mut self, agent: u32) -> &mut Process {
        self.processes.entry(agent).or_default()
    }

    /// What a call may end, is not surely so any more from its beginning on.
    fn begun(&mut self, agent: u32, at: u64, call: &Call) {
        self.calls += 1;
        match call.op.as_str() {
            "end" => {
                let process = self.process(agent);
                if process.transaction.is_some_and(|(.., begun)| begun <= 1) {
                    self.end_transaction(agent, at);
                } else if let Some((.., begun)) = &mut process.transaction {
                    *begun -= 1;
                }
            }
            "disconnect" => {
                self.end_transaction(agent, at);
                self.end_connection(agent, call.handle, at);
            }
            "release" => {
                self.end_transaction(agent, at);
                let handles: Vec<u32> = self.process(agent).handles.keys().copied().collect();
                for handle in handles {
                    self.end_connection(agent, handle, at);
                }
            }
            "reconnect" => self.change_share(agent, call.handle, at, None),
            _ => {}
        }
        self.process(agent).open = Some((at, call.clone()));
    }

    fn returned(&mut self, agent: u32, at: u64, code: u32, value: u64) {
        let Some((from, call)) = self.process(agent).open.take() else {
            return;
        };
        let took = at - from;
        let is_upgrade = call.op == "reconnect" && call.argument >> 4 == EXCLUSIVE;
        if !is_upgrade {
            if took > self.longest.0 {
                self.longest = (took, call.op.clone());
            }
            if took > LONGEST_NS && quiet_ns(&self.noise, from, at) > LONGEST_NS {
                self.findings.push(format!(
                    "process {agent}: {call:?} took {} ms of {} to {} ms",
                    took / 1_000_000,
                    from / 1_000_000,
                    at / 1_000_000
                ));
            }
        }
        let stays = self.plugs.iter().all(Vec::is_empty);
        if !is_allowed(&call, code, self.calm, stays) {
            self.findings.push(format!("process {agent}: {call:?} gave {code:x}"));
        }
        match call.op.as_str() {
            "connect" if code == 0 => {
                let handle = Handle {
                    reader: call.reader,
                    since: at,
                    share: call.argument,
                    epoch: 0,
                    told: None,
                    resets: Vec::new(),
                };
                self.process(agent).handles.insert(call.handle, handle);
            }
            // Of a handle to a reader that has left meanwhile, nobody else's is in the way.
            "begin" if code == 0 && self.process(agent).handles.contains_key(&call.handle) => {
                let process = self.process(agent);
                match &mut process.transaction {
                    Some((.., begun)) => *begun += 1,
                    None => process.transaction = Some((at, call.reader, call.hold, 1)),
                }
            }
            "reconnect" if code == 0 => self.change_share(agent, call.handle, at, Some(call.argument >> 4)),
            "change" if (code == 0 || code == 0x8010_000A) && value & 0xC == 0 => {
                let (reader, count) = (call.reader, value >> 16);
                self.looks.push(Look {
                    reader,
                    from,
                    to: at,
                    count,
                });
            }
            _ => {}
        }
        if let Some(handle) = self.process(agent).handles.get_mut(&call.handle) {
            match code {
                RESET => handle.told = Some(handle.epoch),
                // Two things happened: it is not known how many resets were among them.
                REMOVED => handle.told = None,
                _ => {}
            }
        }
    }

    /// A reconnection begins (the share mode is unsure from here on) or has come off.
    fn change_share(&mut self, agent: u32, handle: u32, at: u64, new: Option<u32>) {
        let Some(state) = self.process(agent).handles.get_mut(&handle) else {
            return;
        };
        let (reader, since, alone) = (state.reader, state.since, state.share == EXCLUSIVE);
        state.since = at;
        if let Some(share) = new {
            state.share = share;
            if let Some(told) = state.told.take() {
                state.resets.push(told);
            }
            state.epoch += 1;
        }
        let who = format!("process {agent} handle {handle}");
        self.connections[slot(reader)].push(Interval {
            from: since,
            to: at,
            who,
            // While it is being changed, it may not be exclusive already or any more.
            alone: alone && new.is_none(),
        });
    }

    fn end_connection(&mut self, agent: u32, handle: u32, at: u64) {
        let Some(state) = self.process(agent).handles.remove(&handle) else {
            return;
        };
        let who = format!("process {agent} handle {handle}");
        self.connections[slot(state.reader)].push(Interval {
            from: state.since,
            to: at,
            who,
            alone: state.share == EXCLUSIVE,
        });
        self.told.push((agent, handle, state.resets));
    }

    fn end_transaction(&mut self, agent: u32, at: u64) {
        if let Some((from, reader, hold, _)) = self.process(agent).transaction.take() {
            let who = format!("process {agent} hold {hold}");
            self.transactions[slot(reader)].push(Interval {
                from,
                to: at,
                who,
                alone: true,
            });
        }
    }

    fn killed(&mut self, agent: u32, at: u64) {
        self.end_transaction(agent, at);
        let process = self.process(agent);
        let handles: Vec<u32> = process.handles.keys().copied().collect();
        if let Some((from, call)) = process.open.take() {
            let is_long = at.saturating_sub(from) > LONGEST_NS && quiet_ns(&self.noise, from, at) > LONGEST_NS;
            if is_long && call.argument >> 4 != EXCLUSIVE {
                let waited = (at - from) / 1_000_000;
                self.findings
                    .push(format!("process {agent}: {call:?} had not returned after {waited} ms"));
            }
        }
        for handle in handles {
            self.end_connection(agent, handle, at);
        }
        self.processes.remove(&agent);
        self.dead.insert(agent);
    }

    fn card_leaves(&mut self, reader: u32, at: u64) {
        let agents = self.processes.iter();
        let owners = agents.filter(|(_, process)| process.transaction.is_some_and(|(_, of, ..)| of == reader));
        for agent in owners.map(|(agent, _)| *agent).collect::<Vec<_>>() {
            self.end_transaction(agent, at);
        }
    }

    fn reader_leaves(&mut self, reader: u32, at: u64) {
        for agent in self.processes.keys().copied().collect::<Vec<_>>() {
            let process = self.process(agent);
            let of = process.handles.iter().filter(|(_, handle)| handle.reader == reader);
            for handle in of.map(|(number, _)| *number).collect::<Vec<_>>() {
                self.end_connection(agent, handle, at);
            }
        }
    }

    fn connections_overlap(&mut self) {
        for reader in 0..2 {
            let intervals = std::mem::take(&mut self.connections[reader]);
            self.overlap(intervals, "an exclusive connection beside another");
        }
    }

    fn transactions_overlap(&mut self) {
        for reader in 0..2 {
            let intervals = std::mem::take(&mut self.transactions[reader]);
            self.overlap(intervals, "two transactions at once");
        }
    }

    /// No interval of somebody alone overlaps another's.
    fn overlap(&mut self, mut intervals: Vec<Interval>, what: &str) {
        intervals.retain(|interval| interval.from < interval.to);
        intervals.sort_by_key(|interval| interval.from);
        let mut active: Vec<&Interval> = Vec::new();
        for interval in &intervals {
            active.retain(|other| other.to > interval.from);
            for other in &active {
                if (interval.alone || other.alone) && interval.who != other.who {
                    self.findings.push(format!("{what}: {interval:?} and {other:?}"));
                }
            }
            active.push(interval);
        }
    }

    /// A look that began after another had ended saw no less; nobody saw more moves than there were.
    fn counters_go_back(&mut self) {
        for reader in 0..2 {
            let plugs = &self.plugs[reader];
            let moves = &self.moves[reader];
            let era = |at: u64| plugs.partition_point(|plug| *plug < at);
            let mut looks: Vec<Look> = self
                .looks
                .iter()
                .copied()
                .filter(|look| slot(look.reader) == reader)
                .collect();
            looks.retain(|look| era(look.from) == era(look.to));
            let mut by_end = looks.clone();
            by_end.sort_by_key(|look| look.to);
            let mut tops: Vec<Look> = Vec::new();
            for look in by_end {
                let top = tops
                    .last()
                    .filter(|top| top.count >= look.count && era(top.to) == era(look.to));
                let top = top.copied().unwrap_or(look);
                tops.push(Look { to: look.to, ..top });
            }
            for look in &looks {
                let before = tops.partition_point(|top| top.to < look.from);
                let top = before.checked_sub(1).and_then(|at| tops.get(at));
                if let Some(top) = top.filter(|top| era(top.to) == era(look.from) && top.count > look.count) {
                    self.findings
                        .push(format!("a counter went back: {top:?}, then {look:?}"));
                }
                let started = plugs.get(era(look.from).wrapping_sub(1)).copied().unwrap_or(0);
                let most = moves.iter().filter(|at| (started..look.to).contains(*at)).count();
                if look.count > u64::try_from(most).expect("few") {
                    self.findings.push(format!("{look:?} saw more than {most} moves"));
                }
            }
        }
    }

    /// Every reset reported to a handle is one on the wire.
    pub(crate) fn told_twice(&self, wires: &[Wire]) -> Vec<String> {
        let mut findings = Vec::new();
        for (agent, handle, epochs) in &self.told {
            for (from, last) in epochs.iter().flat_map(|a| epochs.iter().map(move |b| (*a, *b))) {
                let told = epochs.iter().filter(|epoch| (from..=last).contains(*epoch)).count();
                if from > last {
                    continue;
                }
                let mut seen = wires
                    .iter()
                    .map(|wire| wire.powers_between(*agent, *handle, from, last + 1));
                let there = seen.find_map(|there| there);
                if there.is_some_and(|there| there < u64::try_from(told).expect("few")) {
                    findings.push(format!(
                        "process {agent} handle {handle}: told of {told} resets in epochs {from} to {last}, {there:?} on the wire"
                    ));
                }
            }
        }
        findings
    }
}

/// Whether a call may return this at all; in a calm round only what sharing and resets bring about, and while every reader
/// stays nothing that says it has left.
fn is_allowed(call: &Call, code: u32, calm: bool, stays: bool) -> bool {
    const SHARING_VIOLATION: u32 = 0x8010_000B;
    const PROTO_MISMATCH: u32 = 0x8010_000F;
    let direct_or_moved: &[u32] = &[0x8010_000C, PROTO_MISMATCH, 0x8010_0016, 0x8010_0066, 0x8010_0067];
    let gone: &[u32] = &[0x8010_0009, 0x8010_0011, 0x8010_0017, 0x8010_002E];
    let event = [RESET, REMOVED];
    let in_calm = match call.op.as_str() {
        "connect" => code == SHARING_VIOLATION || code == PROTO_MISMATCH,
        "begin" | "status" => code == RESET,
        "transmit" => code == RESET || code == PROTO_MISMATCH,
        "end" => code == RESET,
        "end-lost" => matches!(code, RESET | SHARING_VIOLATION | 0x8010_0016),
        "reconnect" => code == PROTO_MISMATCH,
        "change" => code == 0x8010_000A,
        _ => false,
    };
    let in_storm = match call.op.as_str() {
        "connect" | "begin" | "status" | "transmit" | "end" | "end-lost" | "reconnect" => {
            direct_or_moved.contains(&code)
                || (!stays && gone.contains(&code))
                || event.contains(&code)
                || code == SHARING_VIOLATION
        }
        "change" | "list" => !stays && gone.contains(&code),
        _ => false,
    };
    code == 0 || in_calm || (!calm && in_storm)
}
