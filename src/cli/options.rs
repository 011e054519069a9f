//! Reading the command line.

use std::ffi::{OsStr, OsString};

use lexopt::{Arg, Parser, ValueExt};

use super::failure::Failure;

/// The arguments of a command.
#[derive(Debug)]
pub(super) struct Arguments {
    command: &'static str,
    words: Vec<OsString>,
}

/// One argument.
#[derive(Debug)]
pub(super) enum Word {
    /// An option, with its dashes.
    Option(String),
    /// Anything else.
    Value(OsString),
}

impl Arguments {
    pub(super) fn new(command: &'static str, words: Vec<OsString>) -> Self {
        Self { command, words }
    }

    /// Whether help is asked for, among the command's own options.
    pub(super) fn wants_help(&self) -> bool {
        let own = self.words.iter().take_while(|word| *word != "--");
        own.take_while(|word| !self.ends_options(word))
            .any(|word| word == "-h" || word == "--help")
    }

    /// `run` and `trace` pass everything behind the program's name on.
    fn ends_options(&self, word: &OsStr) -> bool {
        matches!(self.command, "run" | "trace") && !word.to_string_lossy().starts_with('-')
    }

    pub(super) fn reader(self) -> Reader {
        Reader {
            command: self.command,
            parser: Parser::from_args(self.words),
            last: String::new(),
        }
    }
}

/// Takes the arguments one by one.
#[derive(Debug)]
pub(super) struct Reader {
    command: &'static str,
    parser: Parser,
    last: String,
}

impl Reader {
    /// The next argument.
    pub(super) fn next(&mut self) -> Result<Option<Word>, Failure> {
        let word = match self.parser.next() {
            Ok(None) => return Ok(None),
            Ok(Some(Arg::Short(letter))) => Word::Option(format!("-{letter}")),
            Ok(Some(Arg::Long(name))) => Word::Option(format!("--{name}")),
            Ok(Some(Arg::Value(value))) => Word::Value(value),
            Err(error) => {
                let text = error.to_string();
                return Err(self.misuse(text));
            }
        };
        if let Word::Option(name) = &word {
            self.last.clone_from(name);
        }
        Ok(Some(word))
    }

    /// The value of the option that was read last.
    pub(super) fn value(&mut self) -> Result<OsString, Failure> {
        self.parser
            .value()
            .map_err(|_| self.misuse(format!("{} needs a value", self.last)))
    }

    /// The same as text.
    pub(super) fn text(&mut self) -> Result<String, Failure> {
        let value = self.value()?;
        value
            .string()
            .map_err(|_| self.misuse(format!("the value of {} is no text", self.last)))
    }

    /// The same as a number.
    pub(super) fn number<T: std::str::FromStr>(&mut self) -> Result<T, Failure> {
        let text = self.text()?;
        text.parse()
            .map_err(|_| self.misuse(format!("{} needs a number, not \"{text}\"", self.last)))
    }

    /// The program to run and its arguments: everything that is left, beginning with `first`.
    pub(super) fn rest(&mut self, first: OsString) -> Vec<OsString> {
        let rest = self
            .parser
            .raw_args()
            .map(Iterator::collect::<Vec<_>>)
            .unwrap_or_default();
        std::iter::once(first).chain(rest).collect()
    }

    /// The complaint about an argument that the command does not know.
    pub(super) fn unknown(&self, word: &Word) -> Failure {
        match word {
            Word::Option(name) => self.misuse(format!("{} has no option {name}", self.command)),
            Word::Value(value) => self.misuse(format!(
                "{} has no use for \"{}\"",
                self.command,
                value.to_string_lossy()
            )),
        }
    }

    /// A complaint, with the way to the help.
    pub(super) fn misuse(&self, text: impl Into<String>) -> Failure {
        Failure::usage(text).advise(format!("winscard {} --help", self.command))
    }
}
