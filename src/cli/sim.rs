//! `winscard sim`: the software reader.

use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use super::failure::{Failure, Outcome};
use super::options::{Arguments, Word};
use crate::sim::remote::Control;
use crate::sim::server::{self, Options};

/// What the arguments ask for.
#[derive(Debug, PartialEq, Eq)]
enum Sim {
    Serve {
        listen: Option<PathBuf>,
        usbip: Option<u16>,
        devices: Vec<String>,
    },
    Control {
        path: PathBuf,
        commands: Vec<String>,
    },
}

impl Sim {
    fn parse(arguments: Arguments) -> Result<Self, Failure> {
        let (mut listen, mut control, mut usbip, mut port) = (None, None, false, None);
        let mut words = Vec::new();
        let mut reader = arguments.reader();
        while let Some(word) = reader.next()? {
            match word {
                Word::Value(value) => words.push(value.to_string_lossy().into_owned()),
                Word::Option(name) => match name.as_str() {
                    "--listen" => listen = Some(PathBuf::from(reader.value()?)),
                    "--control" => control = Some(PathBuf::from(reader.value()?)),
                    "--usbip" => usbip = true,
                    "--port" => port = Some(reader.number()?),
                    _ => return Err(reader.unknown(&Word::Option(name))),
                },
            }
        }
        match (control, listen, usbip) {
            (Some(path), None, false) if port.is_none() => Ok(Self::Control { path, commands: words }),
            (Some(_), _, _) => Err(reader.misuse("--control goes with no other option")),
            (None, None, false) => Err(reader
                .misuse("one of --listen, --usbip and --control is needed")
                .advise("one program alone needs no server: WINSCARD_SIM=builtin PROGRAM")),
            (None, _, false) if port.is_some() => Err(reader.misuse("--port goes with --usbip")),
            (None, listen, usbip) => Ok(Self::Serve {
                listen,
                usbip: usbip.then_some(port.unwrap_or(3240)),
                devices: words,
            }),
        }
    }
}

pub(super) fn main(arguments: Arguments) -> Outcome {
    match Sim::parse(arguments)? {
        Sim::Control { path, commands } => control(&path, &commands)?,
        Sim::Serve { listen, usbip, devices } => server::run(&Options {
            listen,
            usbip: usbip.map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port))),
            devices,
        })
        .map_err(|error| {
            Failure::new(error.to_string()).advise("winscard sim --help lists the devices and their misbehaviours")
        })?,
    }
    Ok(0)
}

fn control(path: &Path, commands: &[String]) -> Result<(), Failure> {
    let mut control = Control::connect(path).map_err(|error| {
        Failure::new(format!("{}: {error}", path.display())).advise(format!(
            "start a server there: winscard sim --listen {}",
            path.display()
        ))
    })?;
    for command in commands {
        for line in control.command(command)? {
            writeln!(io::stdout(), "{line}")?;
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use std::ffi::OsString;

    fn parse(line: &str) -> Result<Sim, Failure> {
        Sim::parse(Arguments::new(
            "sim",
            line.split_whitespace().map(OsString::from).collect(),
        ))
    }

    #[test]
    fn arguments_are_understood() {
        assert_eq!(
            parse("--listen /run/s level=tpdu card=none").unwrap(),
            Sim::Serve {
                listen: Some("/run/s".into()),
                usbip: None,
                devices: vec!["level=tpdu".into(), "card=none".into()],
            }
        );
        assert!(matches!(
            parse("--usbip").unwrap(),
            Sim::Serve { usbip: Some(3240), .. }
        ));
        assert!(matches!(
            parse("--usbip --port 7").unwrap(),
            Sim::Serve { usbip: Some(7), .. }
        ));
        assert!(matches!(parse("--control /s readers").unwrap(), Sim::Control { .. }));
        for line in [
            "",
            "--listen",
            "--port 7 --listen /s",
            "--control /s --usbip",
            "--fast",
            "--usbip --port x",
        ] {
            assert_eq!(parse(line).unwrap_err().status(), 2, "{line}");
        }
    }
}
