//! Serves a software reader to other programs: `software_reader PATH [DEVICE…]`, and for them `WINSCARD_SIM=PATH`, an absolute
//! path. On Windows, too. It ends when told to `quit` through its control channel (see `winscard::sim::remote`).
#![allow(clippy::print_stderr, reason = "a program")]

use std::process::ExitCode;

use winscard::sim::remote::Control;
use winscard::sim::server::{self, Options};

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let result = match arguments.next().as_deref() {
        None => Err("usage: software_reader PATH [DEVICE…] | software_reader --tell PATH COMMAND…".to_owned()),
        Some("--tell") => tell(arguments),
        Some(path) => server::run(&Options {
            listen: Some(path.into()),
            usbip: None,
            devices: arguments.collect(),
        })
        .map_err(|error| error.to_string()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Has a server carry out commands.
fn tell(mut arguments: impl Iterator<Item = String>) -> Result<(), String> {
    let path = arguments.next().ok_or("no path")?;
    let mut control = Control::connect(path.as_ref()).map_err(|error| error.to_string())?;
    for command in arguments {
        for line in control.command(&command).map_err(|error| error.to_string())? {
            eprintln!("{line}");
        }
    }
    Ok(())
}
