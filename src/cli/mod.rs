//! The command-line companion: what programs see of readers and cards, why they do not, and what they do with them.
//!
//! What it shows comes from the exported functions wherever they tell it, so that it is what other programs see; the library's
//! insides are asked only for what these cannot tell (who uses a reader, what is wrong with the machine).

#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "what most variants have in common is said once"
)]

mod atr;
mod card_names;
mod doctor;
mod failure;
mod help;
mod hex;
mod json;
mod launch;
mod list;
mod options;
mod pcsc;
mod reset;
mod send;
mod signals;
mod sim;
mod style;
mod trace;
mod users;
mod wall;
mod watch;
mod words;

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use failure::{Failure, Outcome};
use options::Arguments;

/// Exit status of a command line that was not understood.
const USAGE: u8 = 2;

/// Runs the program with the arguments of this process.
#[must_use]
pub fn main() -> ExitCode {
    crate::logging::init();
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let status = match dispatch(arguments) {
        Ok(status) => status,
        Err(failure) => {
            let _nobody_to_tell = io::stderr().write_all(failure.to_string().as_bytes());
            failure.status()
        }
    };
    ExitCode::from(status)
}

/// A command of the program.
#[derive(Clone, Copy, Debug)]
struct Command {
    name: &'static str,
    help: &'static str,
    run: fn(Arguments) -> Outcome,
}

const COMMANDS: [Command; 8] = [
    command("list", help::LIST, list::main),
    command("watch", help::WATCH, watch::main),
    command("send", help::SEND, send::main),
    command("reset", help::RESET, reset::main),
    command("doctor", help::DOCTOR, doctor::main),
    command("run", help::RUN, launch::main),
    command("trace", help::TRACE, trace::main),
    command("sim", help::SIM, sim::main),
];

const fn command(name: &'static str, help: &'static str, run: fn(Arguments) -> Outcome) -> Command {
    Command { name, help, run }
}

fn dispatch(mut arguments: Vec<OsString>) -> Outcome {
    let first = arguments.first().map(|word| word.to_string_lossy().into_owned());
    match first.as_deref() {
        Some("-h" | "--help") => return print(help::MAIN),
        Some("-V" | "--version") => return print(concat!("winscard ", env!("CARGO_PKG_VERSION"), "\n")),
        Some("help") => {
            let topic = arguments.get(1).map(|word| word.to_string_lossy().into_owned());
            return match topic {
                None => print(help::MAIN),
                Some(topic) => print(find(&topic)?.help),
            };
        }
        // `winscard` alone, or with the options of `list`.
        None => arguments.push("list".into()),
        Some(word) if word.starts_with('-') => arguments.insert(0, "list".into()),
        Some(_) => {}
    }
    let name = arguments.remove(0);
    let command = find(&name.to_string_lossy())?;
    match Arguments::new(command.name, arguments) {
        arguments if arguments.wants_help() => print(command.help),
        arguments => (command.run)(arguments),
    }
}

fn find(name: &str) -> Result<Command, Failure> {
    COMMANDS
        .into_iter()
        .find(|command| command.name == name)
        .ok_or_else(|| {
            let near = COMMANDS.iter().find(|command| is_near(command.name, name));
            let failure = Failure::usage(format!("{name} is no command"));
            match near {
                Some(command) => failure.advise(format!("did you mean: winscard {}", command.name)),
                None => failure,
            }
            .advise("winscard --help lists the commands")
        })
}

/// Whether the words differ by a slip: one letter more, less, or other, or two exchanged.
fn is_near(known: &str, word: &str) -> bool {
    let (known, word): (Vec<char>, Vec<char>) = (known.chars().collect(), word.chars().collect());
    let same_start = known.iter().zip(&word).take_while(|(a, b)| a == b).count();
    let same_end = known
        .iter()
        .rev()
        .zip(word.iter().rev())
        .take_while(|(a, b)| a == b)
        .count();
    let longest = known.len().max(word.len());
    let exchanged = known.len() == word.len() && same_start + same_end + 2 >= longest;
    exchanged || same_start + same_end + 1 >= longest || (word.len() >= 3 && known.starts_with(&word))
}

/// Prints a text on standard output.
fn print(text: &str) -> Outcome {
    io::stdout().write_all(text.as_bytes())?;
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised() {
        for slip in ["lsit", "lst", "listt", "doc", "docter", "wacth"] {
            assert!(COMMANDS.iter().any(|command| is_near(command.name, slip)), "{slip}");
        }
        assert!(!COMMANDS.iter().any(|command| is_near(command.name, "dance")));
    }
}
