//! `winscard doctor`: what keeps readers and cards from working, and what to do.

mod access;
mod bus;
mod library;
mod record;
mod system;
mod working;

use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::{self, Write};

use super::failure::Outcome;
use super::json::Value;
use super::options::{Arguments, Word};
use super::style::Style;
use system::System;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    /// As it should be.
    Good,
    /// Good to know.
    Note,
    /// May make trouble.
    Warning,
    /// Keeps something from working.
    Problem,
}

impl Weight {
    fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Problem => "problem",
        }
    }
}

/// One thing found.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Finding {
    /// A word for scripts; it stays as it is from version to version.
    id: &'static str,
    weight: Weight,
    text: String,
    /// What to do, one step each.
    remedy: Vec<String>,
    /// The reader it is about.
    reader: Option<String>,
}

impl Finding {
    fn new(id: &'static str, weight: Weight, text: impl Into<String>) -> Self {
        Self {
            id,
            weight,
            text: text.into(),
            remedy: Vec::new(),
            reader: None,
        }
    }

    fn problem(id: &'static str, text: impl Into<String>) -> Self {
        Self::new(id, Weight::Problem, text)
    }

    fn warning(id: &'static str, text: impl Into<String>) -> Self {
        Self::new(id, Weight::Warning, text)
    }

    fn note(id: &'static str, text: impl Into<String>) -> Self {
        Self::new(id, Weight::Note, text)
    }

    fn good(id: &'static str, text: impl Into<String>) -> Self {
        Self::new(id, Weight::Good, text)
    }

    fn remedy(mut self, step: impl Into<String>) -> Self {
        self.remedy.push(step.into());
        self
    }

    fn about(mut self, reader: impl Into<String>) -> Self {
        self.reader = Some(reader.into());
        self
    }
}

pub(super) fn main(arguments: Arguments) -> Outcome {
    let mut as_json = false;
    let mut program: Option<OsString> = None;
    let mut reader = arguments.reader();
    while let Some(word) = reader.next()? {
        match word {
            Word::Option(name) if name == "--json" => as_json = true,
            Word::Value(value) if program.is_none() => program = Some(value),
            word => return Err(reader.unknown(&word)),
        }
    }
    let findings = examine(&System::this(), program.as_deref())?;
    let worst = findings
        .iter()
        .map(|finding| finding.weight)
        .max()
        .unwrap_or(Weight::Good);
    if as_json {
        writeln!(io::stdout(), "{}", report(&findings, worst).pretty())?;
    } else {
        io::stdout().write_all(text(&findings, worst, Style::stdout()).as_bytes())?;
    }
    Ok(u8::from(worst == Weight::Problem))
}

/// Everything that is looked at, in the order in which one depends on the other.
fn examine(system: &System, program: Option<&std::ffi::OsStr>) -> Result<Vec<Finding>, super::Failure> {
    let mut findings = Vec::new();
    findings.extend(system::kernel(system));
    let simulated = crate::env::var_os("WINSCARD_SIM");
    match &simulated {
        Some(value) => findings.push(
            Finding::note(
                "software-reader",
                format!(
                    "WINSCARD_SIM={}: programs see the software reader and no USB",
                    value.to_string_lossy()
                ),
            )
            .remedy("unset WINSCARD_SIM to use the readers that are plugged in"),
        ),
        None => {
            let interfaces = bus::readers(system);
            findings.extend(bus::usb(system, &interfaces));
            for interface in &interfaces {
                findings.extend(access::permission(system, interface));
                findings.extend(access::holders(interface));
                findings.extend(bus::hub(system, interface));
                findings.extend(bus::firmware(interface));
            }
            findings.extend(record::directory());
        }
    }
    findings.extend(access::daemon(system));
    findings.extend(library::environment());
    findings.extend(library::loaded(program)?);
    let explained = findings
        .iter()
        .any(|finding| matches!(finding.id, "held" | "no-permission"));
    findings.extend(working::readers(explained));
    Ok(findings)
}

fn report(findings: &[Finding], worst: Weight) -> Value {
    let list: Vec<Value> = findings
        .iter()
        .map(|finding| {
            Value::object([
                ("id", finding.id.into()),
                ("weight", finding.weight.name().into()),
                ("reader", finding.reader.clone().into()),
                ("text", finding.text.clone().into()),
                ("remedy", finding.remedy.clone().into()),
            ])
        })
        .collect();
    Value::object([
        ("healthy", (worst != Weight::Problem).into()),
        ("worst", worst.name().into()),
        ("findings", list.into()),
    ])
}

fn text(findings: &[Finding], worst: Weight, style: Style) -> String {
    let mut text = String::new();
    for finding in findings {
        let name = format!("{:<8}", finding.weight.name());
        let mark = match finding.weight {
            Weight::Good => style.good(name),
            Weight::Note => style.name(name),
            Weight::Warning => style.warn(name),
            Weight::Problem => style.bad(name),
        };
        let reader = finding
            .reader
            .as_ref()
            .map(|name| format!("{name}: "))
            .unwrap_or_default();
        let _never = writeln!(text, "{mark} {}{}", style.bold(reader), finding.text);
        for step in &finding.remedy {
            let _never = writeln!(text, "         -> {step}");
        }
    }
    let count = |weight| findings.iter().filter(|finding| finding.weight == weight).count();
    let (problems, warnings) = (count(Weight::Problem), count(Weight::Warning));
    let _never = match worst {
        Weight::Problem => writeln!(text, "\n{problems} to be mended, {warnings} to keep in mind"),
        Weight::Warning => writeln!(text, "\nnothing to be mended, {warnings} to keep in mind"),
        Weight::Good | Weight::Note => writeln!(text, "\nnothing to be mended"),
    };
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_found_is_told_with_what_to_do() {
        let findings = [
            Finding::good("kernel", "new enough"),
            Finding::problem("held", "pcscd has it")
                .about("Reader 00 00")
                .remedy("stop pcscd"),
        ];
        let shown = text(&findings, Weight::Problem, Style::plain());
        assert_eq!(
            shown,
            "good     new enough\nproblem  Reader 00 00: pcscd has it\n         -> stop pcscd\n\n1 to be mended, 0 to keep in mind\n"
        );
        let json = report(&findings, Weight::Problem);
        assert_eq!(json.get("healthy"), Some(&Value::Bool(false)));
        let ids: Vec<_> = json
            .get("findings")
            .into_iter()
            .flat_map(Value::items)
            .filter_map(|found| found.get("id")?.as_text())
            .collect();
        assert_eq!(ids, ["kernel", "held"]);
    }
}
