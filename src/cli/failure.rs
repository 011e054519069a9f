//! What went wrong, in words, with what to do next.

use std::fmt;
use std::io;

use super::USAGE;
use crate::error::Error;

/// A command's exit status, or why it failed.
pub(super) type Outcome = Result<u8, Failure>;

/// See the module.
#[derive(Debug)]
pub(super) struct Failure {
    text: String,
    advice: Vec<String>,
    status: u8,
}

impl Failure {
    /// A failure with exit status 1.
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            advice: Vec::new(),
            status: 1,
        }
    }

    /// A command line that is not understood.
    pub(super) fn usage(text: impl Into<String>) -> Self {
        Self {
            status: USAGE,
            ..Self::new(text)
        }
    }

    /// With one more hint at what to do.
    pub(super) fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice.push(advice.into());
        self
    }

    /// With another exit status.
    pub(super) fn with_status(mut self, status: u8) -> Self {
        self.status = status;
        self
    }

    /// A PC/SC function that failed while `what` was tried.
    pub(super) fn pcsc(what: impl fmt::Display, error: Error) -> Self {
        let failure = Self::new(format!("{what}: {}", describe(error)));
        advice(error)
            .iter()
            .fold(failure, |failure, line| failure.advise(*line))
    }

    pub(super) fn status(&self) -> u8 {
        self.status
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.text.is_empty() {
            return Ok(());
        }
        writeln!(f, "winscard: {}", self.text)?;
        for advice in &self.advice {
            writeln!(f, "  -> {advice}")?;
        }
        Ok(())
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            // Whoever read the output has seen enough.
            return Self {
                text: String::new(),
                advice: Vec::new(),
                status: 0,
            };
        }
        Self::new(error.to_string())
    }
}

/// A code in words.
pub(super) fn describe(error: Error) -> String {
    let text = error.text().map_or("", |text| text.trim_end_matches('.'));
    if text.is_empty() {
        error.name().to_owned()
    } else {
        format!("{text} ({})", error.name())
    }
}

/// What to do about a code.
fn advice(error: Error) -> &'static [&'static str] {
    const DOCTOR: &str = "winscard doctor looks for the cause";
    const NO_CARD: &str = "put a card in; winscard watch shows when the reader sees it";
    match error {
        Error::NoReadersAvailable => &[
            "plug a reader in, or let winscard doctor look for the cause",
            "without one: WINSCARD_SIM=builtin winscard list",
        ],
        Error::UnknownReader => &["winscard list names the readers"],
        Error::NoSmartcard | Error::RemovedCard => &[NO_CARD],
        Error::SharingViolation => &[
            "another program has the reader or the card: winscard list names it, winscard doctor says how to get it back",
        ],
        Error::UnpoweredCard | Error::UnresponsiveCard => &[
            "take the card out, look at its contacts and which way round it goes, and put it back in",
            "winscard reset --cold tries once more",
        ],
        Error::ProtoMismatch => &["winscard list tells the card's protocols; leave --protocol out to take any"],
        Error::ResetCard => &["another program reset the card in between; try again"],
        Error::NoAccess | Error::ReaderUnavailable | Error::CommError | Error::NoService => &[DOCTOR],
        _ => &[],
    }
}
