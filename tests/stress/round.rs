//! One round: a server, the processes, and what happens to them and to the cards.

use std::fmt;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use winscard::sim::remote::Control;
use winscard::sim::server::{Options, Server};

use crate::agent::{JOURNAL, ROLE};
use crate::journal::{self, Entry, Journal};
use crate::model::{LONGEST_NS, Model};
use crate::noise::Noise;
use crate::quiet::Quiet;
use crate::random::Random;
use crate::wire::Wire;

/// How often the readers' logs are read: long before a message is forgotten.
const READ_EVERY: Duration = Duration::from_millis(10);
/// How long the last process may take.
const CHECK_OUT: Duration = Duration::from_secs(10);

/// What a round is to be like.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    random: Random,
    seed: u64,
    number: u64,
    kills: u32,
    processes: usize,
    /// Words for each reader's device.
    devices: Vec<String>,
    /// Neither cards nor readers are moved.
    calm: bool,
}

impl Plan {
    pub(crate) fn new(mut random: Random, kills: u32, processes: usize, number: u64) -> Self {
        let seed = random.next();
        let latency = random.pick(&["0", "0", "0", "1ms", "3ms"]);
        let words = random.pick(&["", "", "", ",level=tpdu", ",level=short", ",interrupt=no"]);
        let mut devices = vec![format!("latency={latency}{words}")];
        if random.percent(35) {
            devices.push(format!("vid=0x046a,pid=0x0010,latency={latency}"));
        }
        let calm = random.percent(50);
        Self {
            random,
            seed,
            number,
            kills,
            processes,
            devices,
            calm,
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            number,
            kills,
            processes,
            devices,
            ..
        } = self;
        let calm = if self.calm { "calm" } else { "cards come and go" };
        write!(
            f,
            "round {number}: {kills} kills, {processes} processes, {devices:?}, {calm}"
        )
    }
}

/// A process and when it is to die.
#[derive(Debug)]
struct Doomed {
    child: Child,
    number: u32,
    at: Instant,
}

/// Of one reader: what is to be done to it next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Condition {
    WithCard,
    Empty,
    Unplugged,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Round {
    plan: Plan,
    dir: PathBuf,
    control: Control,
    server: Option<JoinHandle<()>>,
    journal: Journal,
    /// The wires of now, by reader, and those of readers that were unplugged.
    wires: Vec<Wire>,
    past: Vec<Wire>,
    conditions: Vec<Condition>,
    last_number: u32,
    noise: Noise,
    /// Longest time in which this process did not get to look.
    longest_gap: Duration,
    findings: Vec<String>,
}

impl Round {
    pub(crate) fn new(plan: Plan) -> Self {
        let dir = std::env::temp_dir().join(format!("winscard-stress-{}-{}", std::process::id(), plan.number));
        fs::create_dir_all(&dir).expect("a directory");
        let socket = dir.join("reader");
        let options = Options {
            listen: Some(socket.clone()),
            usbip: None,
            devices: plan.devices.clone(),
        };
        let mut server = Server::new(&options).expect("a server");
        let server = Some(thread::spawn(move || server.serve(None).expect("serving")));
        let readers = plan.devices.len();
        Self {
            control: Control::connect(&socket).expect("a control channel"),
            server,
            journal: Journal::open(&dir.join("journal"), 0),
            wires: (0..readers).map(|_| Wire::default()).collect(),
            past: Vec::new(),
            conditions: vec![Condition::WithCard; readers],
            last_number: 0,
            noise: Noise::listen(),
            longest_gap: Duration::ZERO,
            findings: Vec::new(),
            plan,
            dir,
        }
    }

    /// Runs it; a line about it, and the broken rules.
    pub(crate) fn run(mut self) -> (String, Vec<String>) {
        let mut killed = 0;
        let mut processes: Vec<Doomed> = (0..self.plan.processes).map(|_| self.spawn()).collect();
        let mut next_move = Instant::now();
        let mut next_read = Instant::now();
        let mut last = Instant::now();
        while killed < self.plan.kills {
            let now = Instant::now();
            self.longest_gap = self.longest_gap.max(now - last);
            last = now;
            for process in &mut processes {
                let has_ended = process.child.try_wait().expect("wait").is_some();
                if !has_ended && process.at > now {
                    continue;
                }
                if has_ended {
                    self.findings
                        .push(format!("process {} ended by itself", process.number));
                }
                self.kill(process);
                killed += 1;
                *process = self.spawn();
            }
            if !self.plan.calm && next_move <= now {
                next_move = now + Duration::from_millis(self.plan.random.below(100));
                self.move_something();
            }
            if next_read <= now {
                next_read = now + READ_EVERY;
                self.read_wires();
            }
            thread::sleep(Duration::from_micros(500));
        }
        for process in &mut processes {
            self.kill(process);
        }
        self.settle();
        self.check_out();
        self.check_out();
        self.read_wires();
        self.conclude()
    }

    fn spawn(&mut self) -> Doomed {
        // Most die young; some get old enough to show who waits without end.
        let life = match self.plan.random.below(100) {
            0..80 => 5 + self.plan.random.below(60),
            80..98 => 60 + self.plan.random.below(250),
            _ => 2000 + self.plan.random.below(LONGEST_NS / 1_000_000),
        };
        Doomed {
            child: self.start(0),
            number: self.last_number,
            at: Instant::now() + Duration::from_millis(life),
        }
    }

    fn start(&mut self, task: u32) -> Child {
        self.last_number += 1;
        let errors = File::options().append(true).create(true).open(self.dir.join("errors"));
        Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "agent_process", "--nocapture", "--test-threads=1"])
            .env("WINSCARD_SIM", self.dir.join("reader"))
            .env(JOURNAL, self.dir.join("journal"))
            .env(ROLE, format!("{} {} {task}", self.last_number, self.plan.seed))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(errors.expect("a file"))
            .spawn()
            .expect("a process")
    }

    fn note(&self, what: &str, number: u32) {
        self.journal.write(&Entry::Deed {
            what: what.to_owned(),
            number,
        });
    }

    fn kill(&mut self, process: &mut Doomed) {
        self.note("kill", process.number);
        process.child.kill().expect("SIGKILL");
        process.child.wait().expect("wait");
    }

    fn move_something(&mut self) {
        let readers = u64::try_from(self.conditions.len()).expect("few");
        let reader = usize::try_from(self.plan.random.below(readers)).expect("few");
        let rare = self.plan.random.percent(6);
        match self.conditions[reader] {
            Condition::WithCard if rare => self.act("unplug", reader, Condition::Unplugged),
            Condition::WithCard => self.act("remove", reader, Condition::Empty),
            Condition::Empty => self.act("insert", reader, Condition::WithCard),
            Condition::Unplugged => self.act("plug", reader, Condition::WithCard),
        }
    }

    fn act(&mut self, deed: &str, reader: usize, then: Condition) {
        self.read_wires();
        self.note(deed, u32::try_from(reader).expect("few"));
        self.wires[reader].moved();
        self.tell(&format!("{deed} {reader}"));
        self.conditions[reader] = then;
        if then == Condition::Unplugged {
            self.past.push(std::mem::take(&mut self.wires[reader]));
        }
        self.read_wires();
        self.wires[reader].moved();
    }

    /// Every reader plugged, with its card.
    fn settle(&mut self) {
        for reader in 0..self.conditions.len() {
            match self.conditions[reader] {
                Condition::WithCard => {}
                Condition::Empty => self.act("insert", reader, Condition::WithCard),
                Condition::Unplugged => self.act("plug", reader, Condition::WithCard),
            }
        }
    }

    fn tell(&mut self, command: &str) -> Vec<String> {
        let answer = self.control.command(command);
        answer.unwrap_or_else(|error| panic!("{command}: {error}"))
    }

    fn read_wires(&mut self) {
        for reader in 0..self.wires.len() {
            if self.conditions[reader] != Condition::Unplugged {
                let from = self.wires[reader].next();
                let lines = self.tell(&format!("log {reader} {from}"));
                self.wires[reader].read(&lines);
            }
        }
    }

    /// After everybody's death the readers serve the next one.
    fn check_out(&mut self) {
        let begin = Quiet::now();
        let mut child = self.start(1);
        while begin.elapsed() < CHECK_OUT {
            if let Some(status) = child.try_wait().expect("wait") {
                if !status.success() {
                    self.findings.push(format!("the last process: {status}"));
                }
                return;
            }
            thread::sleep(Duration::from_millis(2));
        }
        self.findings.push("the last process is stuck".to_owned());
        child.kill().expect("SIGKILL");
        child.wait().expect("wait");
    }

    fn conclude(mut self) -> (String, Vec<String>) {
        let text = fs::read_to_string(self.dir.join("journal")).expect("the journal");
        let model = Model::of(&journal::parse(&text), self.plan.calm, self.noise.samples());
        let mut findings = std::mem::take(&mut self.findings);
        self.past.append(&mut self.wires);
        findings.extend(model.told_twice(&self.past));
        findings.extend(model.findings);
        let (mut commands, mut resets, mut missed) = (0, 0, 0);
        for wire in &mut self.past {
            (commands, resets) = (commands + wire.commands, resets + wire.resets);
            missed += wire.missed();
            findings.append(&mut wire.findings);
        }
        let errors = fs::read_to_string(self.dir.join("errors")).unwrap_or_default();
        if !errors.is_empty() {
            findings.push(format!("on stderr: {}", errors.chars().take(2000).collect::<String>()));
        }
        if let (Ok(keep), false) = (std::env::var("WINSCARD_STRESS_KEEP"), findings.is_empty()) {
            let kept = PathBuf::from(keep).join(format!("journal-{}", self.plan.number));
            fs::write(&kept, text).expect("keeping the journal");
        }
        let (longest, op) = &model.longest;
        let summary = format!(
            "{} calls, {commands} commands and {resets} resets on the wire ({missed} messages missed), longest call {} ms ({op}), the driver's longest pause {} ms",
            model.calls,
            longest / 1_000_000,
            self.longest_gap.as_millis()
        );
        (summary, findings)
    }
}

impl Drop for Round {
    fn drop(&mut self) {
        let _quit = self.control.command("quit");
        if let Some(server) = self.server.take() {
            let _ended = server.join();
        }
        let _removed = fs::remove_dir_all(&self.dir);
    }
}
