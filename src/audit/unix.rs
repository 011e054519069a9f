//! The system's log of Unix.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

/// Where the system's log listens.
const SYSLOG: &str = "/dev/log";
/// `LOG_AUTHPRIV`, times 8.
const FACILITY: u32 = 10 << 3;
const WARNING: u32 = 4;
const INFORMATION: u32 = 6;

/// Writes how a verification went.
pub(super) fn record(succeeded: bool) {
    if let Err(error) = send(Path::new(SYSLOG), &line(succeeded)) {
        log::info!("audit: {SYSLOG}: {error}");
    }
}

/// RFC 3164 without time and host, which the receiver knows.
fn line(succeeded: bool) -> String {
    let (severity, text) = if succeeded {
        (INFORMATION, "succeeded")
    } else {
        (WARNING, "failed")
    };
    let program = std::env::current_exe().ok();
    let name = program
        .as_deref()
        .and_then(Path::file_name)
        .unwrap_or_default()
        .to_string_lossy();
    let name: String = name.chars().filter(char::is_ascii_graphic).take(64).collect();
    let number = FACILITY + severity;
    format!(
        "<{number}>winscard[{}]: smart card holder verification {text} (program {name}, user {})",
        std::process::id(),
        crate::shared_file::user()
    )
}

/// A log that does not listen must not hold up the caller.
fn send(path: &Path, line: &str) -> io::Result<()> {
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.send_to(line.as_bytes(), path).map(drop)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn the_line_reaches_the_log() {
        let path = std::env::temp_dir().join(format!("winscard-log-{}", std::process::id()));
        let _none = std::fs::remove_file(&path);
        let log = UnixDatagram::bind(&path).unwrap();
        send(&path, &line(false)).unwrap();
        let mut buffer = [0; 300];
        let len = log.recv(&mut buffer).unwrap();
        let text = String::from_utf8_lossy(buffer.get(..len).unwrap()).into_owned();
        let start = format!(
            "<84>winscard[{}]: smart card holder verification failed (program ",
            std::process::id()
        );
        assert!(text.starts_with(&start), "{text}");
        std::fs::remove_file(&path).unwrap();
        assert!(send(&path, "x").is_err());
    }
}
