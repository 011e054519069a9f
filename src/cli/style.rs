//! Colours, where a person looks.

use std::env;
use std::fmt::Display;
use std::io::{self, IsTerminal};

/// How output is dressed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Style {
    colours: bool,
}

impl Style {
    /// For standard output: coloured if it is a terminal, unless `NO_COLOR` is set.
    pub(super) fn stdout() -> Self {
        Self::of(io::stdout().is_terminal())
    }

    /// For standard error.
    pub(super) fn stderr() -> Self {
        Self::of(io::stderr().is_terminal())
    }

    fn of(is_terminal: bool) -> Self {
        let refused = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = env::var_os("TERM").is_none_or(|value| value == "dumb");
        Self {
            colours: is_terminal && !refused && !dumb,
        }
    }

    pub(super) fn plain() -> Self {
        Self { colours: false }
    }

    fn dress(self, code: &str, text: impl Display) -> String {
        if self.colours {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_string()
        }
    }

    pub(super) fn bold(self, text: impl Display) -> String {
        self.dress("1", text)
    }

    pub(super) fn dim(self, text: impl Display) -> String {
        self.dress("2", text)
    }

    pub(super) fn good(self, text: impl Display) -> String {
        self.dress("32", text)
    }

    pub(super) fn bad(self, text: impl Display) -> String {
        self.dress("31", text)
    }

    pub(super) fn warn(self, text: impl Display) -> String {
        self.dress("33", text)
    }

    pub(super) fn name(self, text: impl Display) -> String {
        self.dress("36", text)
    }
}
