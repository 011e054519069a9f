//! `winscard run`: a program with this library in place of the system's.

pub(super) mod library;
mod plan;
pub(super) mod program;

use std::ffi::OsString;
use std::io::{self, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitStatus};

pub(super) use plan::{Folder, Plan, Way};
use program::CANNOT_RUN;

use super::failure::{Failure, Outcome};
use super::options::{Arguments, Reader, Word};
use super::signals;

/// What `run` and `trace` have in common.
#[derive(Debug, Default)]
pub(super) struct Launch {
    by: Option<Way>,
    library: Option<OsString>,
    sim: Option<String>,
    command: Vec<OsString>,
}

impl Launch {
    /// Takes a word that concerns the launch; `false` if it is another's.
    pub(super) fn take(&mut self, word: &Word, reader: &mut Reader) -> Result<bool, Failure> {
        match word {
            Word::Value(first) => self.command = reader.rest(first.clone()),
            Word::Option(name) => match name.as_str() {
                "--by" => {
                    let text = reader.text()?;
                    let way = Way::parse(&text);
                    self.by =
                        Some(way.ok_or_else(|| {
                            reader.misuse(format!("\"{text}\" is no way: delegate, preload or path"))
                        })?);
                }
                "--library" => self.library = Some(reader.value()?),
                "--sim" => self.sim = Some(reader.text()?),
                _ => return Ok(false),
            },
        }
        Ok(true)
    }

    pub(super) fn has_program(&self) -> bool {
        !self.command.is_empty()
    }

    /// Name of the program, for messages.
    pub(super) fn name(&self) -> String {
        let first = self.command.first().map(std::path::Path::new);
        let name = first.and_then(|path| path.file_name()).unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    /// Decides how the library gets into the program.
    pub(super) fn plan(&self) -> Result<Plan, Failure> {
        let name = self.command.first().ok_or_else(|| Failure::usage("which program?"))?;
        let library = library::own(self.library.as_deref())?;
        let mut plan = Plan::decide(name, &library, self.by)?;
        if let Some(devices) = &self.sim {
            let value = if devices.is_empty() {
                "builtin".to_owned()
            } else if devices.starts_with('/') {
                devices.clone()
            } else {
                format!("builtin:{devices}")
            };
            plan.environment.push(("WINSCARD_SIM".into(), value.into()));
        }
        Ok(plan)
    }

    /// The program's command with the plan's environment.
    pub(super) fn command(&self, plan: &Plan) -> Command {
        let mut words = self.command.iter();
        let mut command = Command::new(&plan.program);
        if let Some(name) = words.next() {
            command.arg0(name);
        }
        command.args(words);
        command.envs(plan.environment.iter().map(|(name, value)| (name, value)));
        command
    }
}

pub(super) fn main(arguments: Arguments) -> Outcome {
    let mut launch = Launch::default();
    let mut dry = false;
    let mut reader = arguments.reader();
    while let Some(word) = reader.next()? {
        if launch.take(&word, &mut reader)? {
            continue;
        }
        match &word {
            Word::Option(name) if name == "--dry-run" => dry = true,
            _ => return Err(reader.unknown(&word)),
        }
    }
    if !launch.has_program() {
        return Err(reader.misuse("which program?").advise("winscard run -- opensc-tool -l"));
    }
    let plan = launch.plan()?;
    if dry {
        return show(&launch, &plan);
    }
    let mut command = launch.command(&plan);
    if plan.is_lasting() {
        // Returns only if it fails.
        return Err(cannot_run(&launch, &command.exec()));
    }
    let mut child = signals::spawn(&mut command).map_err(|error| cannot_run(&launch, &error))?;
    Ok(end_as(child.wait()?))
}

pub(super) fn cannot_run(launch: &Launch, error: &io::Error) -> Failure {
    Failure::new(format!("{}: {error}", launch.name())).with_status(CANNOT_RUN)
}

/// The exit status of another program as a shell tells it: 128 and the number of the signal that ended it, if one did.
pub(super) fn end_as(status: ExitStatus) -> u8 {
    if let Some(code) = status.code() {
        return u8::try_from(code).unwrap_or(1);
    }
    u8::try_from(128 + status.signal().unwrap_or(0)).unwrap_or(1)
}

/// The environment and the command, as one would type them.
fn show(launch: &Launch, plan: &Plan) -> Outcome {
    let mut line = String::from("env");
    for (name, value) in &plan.environment {
        line.push_str(&format!(" {name}={}", quoted(&value.to_string_lossy())));
    }
    for word in &launch.command {
        line.push(' ');
        line.push_str(&quoted(&word.to_string_lossy()));
    }
    writeln!(io::stdout(), "# {}", plan.why)?;
    writeln!(io::stdout(), "{line}")?;
    Ok(0)
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}
