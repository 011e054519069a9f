//! The way to a software reader that is a process of its own: `WINSCARD_SIM=/path/of/socket`.
//!
//! Beside the socket stands a directory, its name that of the socket and `.d`: in `bus/BBB/DDD` the nodes, laid out
//! like `/dev/bus/usb`, and in the directory itself the records.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::protocol::{self, VERSION};
use super::socket::Stream;
use crate::oserror;
use crate::usb::{Backend, Interface};

/// A server that takes longer over anything but a transfer is not alive.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where the records of a server's readers are.
pub(crate) fn records(socket: &Path) -> PathBuf {
    let mut name = socket.as_os_str().to_owned();
    name.push(".d");
    PathBuf::from(name)
}

/// Where the nodes of a server's readers are.
pub(crate) fn nodes(socket: &Path) -> PathBuf {
    records(socket).join("bus")
}

/// The node of one reader.
pub(crate) fn node(socket: &Path, bus: u16, address: u16) -> PathBuf {
    nodes(socket).join(format!("{bus:03}")).join(format!("{address:03}"))
}

/// What to watch for a server's readers that come and go, and for the server itself while there is none.
pub(crate) fn watch_paths(socket: &Path) -> Vec<PathBuf> {
    let nodes = nodes(socket);
    if nodes.is_dir() {
        return vec![nodes.join("000"), nodes];
    }
    socket.parent().map(Path::to_owned).into_iter().collect()
}

/// The interfaces a server has.
///
/// # Errors
/// No server there, or none that speaks this protocol.
pub(crate) fn interfaces(socket: &Path) -> io::Result<Vec<Interface>> {
    let (_, body) = connect(socket, &format!("list {VERSION}"))?;
    let backend = Backend::Server(socket.into());
    protocol::decode_interfaces(&body, &backend, |bus, address| node(socket, bus, address))
        .ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Connects and says what the connection is for; gives the connection and the body of the server's reply.
///
/// # Errors
/// No server there, or it refuses: `ENODEV` for a reader that it has not.
pub(crate) fn connect(socket: &Path, line: &str) -> io::Result<(Stream, Vec<u8>)> {
    // The patience is also what bounds a read within a frame later.
    let stream = Stream::connect(socket, PATIENCE)?;
    stream.send_all(format!("{line}\n").as_bytes())?;
    match protocol::decode_reply(&read_frame(&stream)?) {
        Ok(body) => Ok((stream, body)),
        Err(_) => Err(oserror::gone()),
    }
}

/// Reads one frame; gives its body.
///
/// # Errors
/// The connection has ended, stalls, or carries something else.
pub(crate) fn read_frame(mut stream: &Stream) -> io::Result<Vec<u8>> {
    let mut header = [0; 4];
    stream.read_exact(&mut header)?;
    let len = protocol::body_len(header).ok_or(io::ErrorKind::InvalidData)?;
    let mut body = vec![0; len];
    stream.read_exact(&mut body)?;
    Ok(body)
}
