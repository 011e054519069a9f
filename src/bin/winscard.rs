//! The command-line companion of the library.

use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use winscard::sim::remote::Control;
use winscard::sim::server::{self, Options};

const USAGE: &str = "\
usage: winscard sim --listen PATH [--usbip [--port N]] [DEVICE…]
       winscard sim --usbip [--port N] [DEVICE…]
       winscard sim --control PATH COMMAND…

The software reader: smart card readers without hardware.

  --listen PATH    serve programs that run with WINSCARD_SIM=PATH (an absolute path)
  --usbip          serve kernels: usbip attach -r 127.0.0.1 -b 1-1
  --port N         TCP port on 127.0.0.1 for --usbip (3240)
  --control PATH   carry out commands at the server listening at PATH, each an argument: \"remove 0\" \"insert 0\"

A DEVICE is what may follow \"builtin:\" in WINSCARD_SIM: level=tpdu,card=t0,slots=2. Interfaces of one device are joined
by \"+\". Without any there is one reader with a card in it.
";

/// What the arguments after `sim` ask for.
#[derive(Debug, PartialEq, Eq)]
enum Sim {
    Help,
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
    fn parse(arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let (mut listen, mut control, mut usbip, mut port) = (None, None, false, None);
        let mut words = Vec::new();
        let mut arguments = arguments;
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or_else(|| format!("{argument} needs a value"));
            match argument.as_str() {
                "-h" | "--help" => return Ok(Self::Help),
                "--listen" => listen = Some(PathBuf::from(value()?)),
                "--control" => control = Some(PathBuf::from(value()?)),
                "--usbip" => usbip = true,
                "--port" => port = Some(value()?.parse().map_err(|_| "--port needs a number".to_owned())?),
                _ if argument.starts_with('-') => return Err(format!("{argument} is no option")),
                _ => words.push(argument),
            }
        }
        match (control, listen, usbip) {
            (Some(path), None, false) if port.is_none() => Ok(Self::Control { path, commands: words }),
            (Some(_), _, _) => Err("--control goes with no other option".into()),
            (None, None, false) => Err("one of --listen, --usbip and --control is needed".into()),
            (None, _, false) if port.is_some() => Err("--port goes with --usbip".into()),
            (None, listen, usbip) => Ok(Self::Serve {
                listen,
                usbip: usbip.then_some(port.unwrap_or(3240)),
                devices: words,
            }),
        }
    }

    fn run(self) -> io::Result<()> {
        match self {
            Self::Help => io::stdout().write_all(USAGE.as_bytes()),
            Self::Control { path, commands } => control(&path, &commands),
            Self::Serve { listen, usbip, devices } => server::run(&Options {
                listen,
                usbip: usbip.map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port))),
                devices,
            }),
        }
    }
}

fn control(path: &Path, commands: &[String]) -> io::Result<()> {
    let mut control = Control::connect(path)?;
    for command in commands {
        for line in control.command(command)? {
            writeln!(io::stdout(), "{line}")?;
        }
    }
    Ok(())
}

fn main() -> ExitCode {
    winscard::logging::init();
    let mut arguments = std::env::args().skip(1);
    let result = match arguments.next().as_deref() {
        Some("sim") => Sim::parse(arguments),
        Some("-h" | "--help") => Ok(Sim::Help),
        Some(other) => Err(format!("{other} is no command")),
        None => Err("a command is needed".into()),
    };
    let complaint = match result {
        Ok(sim) => match sim.run() {
            Ok(()) => return ExitCode::SUCCESS,
            Err(error) => format!("winscard: {error}\n"),
        },
        Err(error) => format!("winscard: {error}\n\n{USAGE}"),
    };
    let _nobody_to_tell = io::stderr().write_all(complaint.as_bytes());
    ExitCode::FAILURE
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Sim, String> {
        Sim::parse(line.split_whitespace().map(str::to_owned))
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
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
