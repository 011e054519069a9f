//! The software reader as a process of its own: the readers of one bus, used by any number of other processes.
//!
//! One thread, one `poll`: clients over a Unix socket (see `sim::protocol`), their control channel (see
//! [`remote`](super::remote)), and kernels over USB/IP. What a client has open dies with its connection, so a client
//! killed at any moment leaves nothing behind but what it had sent to the device.

mod control;
mod served;
mod session;

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::protocol::{self, Reply, Request, VERSION};
pub use super::socket::End;
use super::socket::{self, Listener, Peer, Stream};
use super::usbip;
use super::{bus, port};
use crate::usb::ErrorKind;
use served::{Function, Served};
use session::Session;

/// What a server is to do.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Path of the Unix socket for clients with `WINSCARD_SIM=PATH`, and for control.
    pub listen: Option<PathBuf>,
    /// Address to serve USB/IP on.
    pub usbip: Option<SocketAddr>,
    /// The devices, each as the words after `builtin:` in `WINSCARD_SIM`; one of the default kind if there are none.
    pub devices: Vec<String>,
}

/// What a connection is for.
#[derive(Debug)]
enum Role {
    /// Lines of text, until one of them says something else.
    Lines,
    /// A client's requests to a reader.
    Session(Session),
    /// Where the ended interrupt transfers of the session with this token go.
    Interrupts(u64),
    /// A kernel.
    Usbip(usbip::Link),
}

#[derive(Debug)]
struct Connection {
    peer: Peer,
    role: Role,
}

/// A command to be carried out at a time.
type Planned = (Instant, String);

/// See the module.
#[derive(Debug)]
pub struct Server {
    socket: Option<PathBuf>,
    listener: Option<Listener>,
    tcp: Option<TcpListener>,
    devices: Vec<Served>,
    connections: Vec<Connection>,
    /// The next one last.
    planned: Vec<Planned>,
    last_token: u64,
    quit: bool,
}

/// Serves until the process is asked to end by a signal or over the control channel.
///
/// # Errors
/// As [`Server::new`] and [`Server::serve`].
pub fn run(options: &Options) -> io::Result<()> {
    #[cfg(unix)]
    let end = Some(End::new()?);
    #[cfg(windows)]
    let end = None;
    Server::new(options)?.serve(end.as_ref())
}

impl Server {
    /// Opens the sockets and plugs the devices in. Clients may connect from now on; they are answered by
    /// [`Self::serve`].
    ///
    /// # Errors
    /// A word that is not understood (`InvalidInput`), another server at the socket (`AddrInUse`), or the system's error.
    pub fn new(options: &Options) -> io::Result<Self> {
        let mut server = Self {
            socket: None,
            listener: None,
            tcp: None,
            devices: Vec::new(),
            connections: Vec::new(),
            planned: Vec::new(),
            last_token: 0,
            quit: false,
        };
        if let Some(path) = &options.listen {
            let path = std::path::absolute(path)?;
            remove_stale(&path)?;
            served::prepare(&path)?;
            server.socket = Some(path);
        }
        let default = [String::new()];
        let devices = if options.devices.is_empty() {
            &default[..]
        } else {
            &options.devices
        };
        for words in devices {
            server
                .add(words)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        }
        if let Some(address) = options.usbip {
            let listener = TcpListener::bind(address)?;
            listener.set_nonblocking(true)?;
            server.tcp = Some(listener);
        }
        // Last: whoever waits for the socket finds everything there.
        if let Some(path) = &server.socket {
            server.listener = Some(Listener::bind(path)?);
        }
        Ok(server)
    }

    /// The address USB/IP is served on, for those who asked for any port.
    ///
    /// # Errors
    /// The system's error.
    pub fn usbip_address(&self) -> io::Result<Option<SocketAddr>> {
        self.tcp.as_ref().map(TcpListener::local_addr).transpose()
    }

    /// Serves until told to quit over the control channel, or until `end` is readable.
    ///
    /// # Errors
    /// The system's error from waiting.
    pub fn serve(&mut self, end: Option<&End>) -> io::Result<()> {
        while !self.quit {
            let wake = self.advance();
            let wake = wake.into_iter().chain(bus::next_event()).min();
            let mut fds: Vec<socket::PollFd> = end.map(End::entry).into_iter().collect();
            fds.extend(self.listener.as_ref().map(Listener::entry));
            fds.extend(self.tcp.as_ref().map(socket::listener_entry));
            fds.extend(self.connections.iter().map(|connection| connection.peer.interest()));
            socket::poll(&mut fds, wake)?;
            if end.is_some() && fds.first().is_some_and(|fd| fd.revents != 0) {
                return Ok(());
            }
            for connection in &mut self.connections {
                connection.peer.fill();
                connection.peer.flush();
            }
            // Before any request: the claim of somebody killed is free for whoever asks next.
            self.drop_ended();
            self.accept();
            for at in 0..self.connections.len() {
                self.listen_to(at);
            }
        }
        Ok(())
    }

    fn add(&mut self, words: &str) -> Result<usize, String> {
        let first = self.devices.iter().map(Served::len).sum();
        for mut device in Served::parse(words)? {
            device.plug(self.socket.as_deref()).map_err(|error| error.to_string())?;
            self.devices.push(device);
        }
        Ok(first)
    }

    fn functions(&self) -> impl Iterator<Item = &Function> {
        self.devices.iter().flat_map(|device| &device.functions)
    }

    fn accept(&mut self) {
        if let Some(stream) = self.listener.as_ref().and_then(|listener| listener.accept().ok()) {
            self.connections.push(Connection {
                peer: Peer::new(stream),
                role: Role::Lines,
            });
        }
        let tcp = self.tcp.as_ref().and_then(|listener| listener.accept().ok());
        if let Some((stream, from)) = tcp {
            log::info!("USB/IP: connection from {from}");
            if let Ok(stream) = Stream::from_tcp(stream) {
                self.connections.push(Connection {
                    peer: Peer::new(stream),
                    role: Role::Usbip(usbip::Link::default()),
                });
            }
        }
    }

    /// Does what is due and goes on with what is under way; gives the time of what is due next.
    fn advance(&mut self) -> Option<Instant> {
        let now = Instant::now();
        while self.planned.last().is_some_and(|(at, _)| *at <= now) {
            let Some((_, command)) = self.planned.pop() else { break };
            if let Err(error) = self.command(&command) {
                log::warn!("planned command \"{command}\": {error}");
            }
        }
        self.devices.iter_mut().for_each(Served::settle);
        let mut wake = self.planned.last().map(|(at, _)| *at);
        for connection in &mut self.connections {
            let Connection { peer, role } = connection;
            let next = match role {
                Role::Session(session) => {
                    if let Some(reply) = session.step(now) {
                        peer.push(&protocol::frame(&protocol::encode_reply(&reply)));
                    }
                    if session.is_gone() {
                        peer.end();
                    }
                    session.wake()
                }
                Role::Usbip(link) => {
                    let next = link.step(peer, now);
                    if link.is_gone() {
                        peer.end();
                    }
                    next
                }
                Role::Lines | Role::Interrupts(_) => None,
            };
            wake = wake.into_iter().chain(next).min();
        }
        self.deliver_notices();
        self.drop_ended();
        wake
    }

    /// Tells clients of interrupt transfers that have ended.
    fn deliver_notices(&mut self) {
        let mut notices = Vec::new();
        for connection in &mut self.connections {
            if let Role::Session(session) = &mut connection.role {
                notices.extend(session.notice().map(|notice| (session.token, notice)));
            }
        }
        for (token, notice) in notices {
            let to = self
                .connections
                .iter_mut()
                .find(|c| matches!(c.role, Role::Interrupts(of) if of == token));
            if let Some(connection) = to {
                connection.peer.push(&protocol::frame(&notice.encode()));
            }
        }
    }

    /// Lets go of connections whose other end is gone. Commands in text that were sent before are still carried out.
    fn drop_ended(&mut self) {
        self.connections.retain(|Connection { peer, role }| {
            !peer.is_ended() || matches!(role, Role::Lines) && peer.input.contains(&b'\n')
        });
        let sessions: Vec<u64> = self
            .connections
            .iter()
            .filter_map(|connection| match &connection.role {
                Role::Session(session) => Some(session.token),
                Role::Lines | Role::Interrupts(_) | Role::Usbip(_) => None,
            })
            .collect();
        self.connections
            .retain(|c| !matches!(c.role, Role::Interrupts(of) if !sessions.contains(&of)));
    }

    /// Carries out what has arrived on a connection.
    fn listen_to(&mut self, at: usize) {
        loop {
            let now = Instant::now();
            let Some(Connection { peer, role }) = self.connections.get_mut(at) else {
                return;
            };
            match role {
                Role::Lines => {
                    let Some(line) = peer.take_line() else { return };
                    self.line(at, &line);
                }
                Role::Session(session) => {
                    let Some(request) = next_request(peer, session) else {
                        return;
                    };
                    let reply = session.request(request, now);
                    // First who has lost something by it, then who has it.
                    self.deliver_notices();
                    if let (Some(connection), Some(reply)) = (self.connections.get_mut(at), reply) {
                        let reply = protocol::encode_reply(&reply);
                        connection.peer.push(&protocol::frame(&reply));
                    }
                }
                Role::Usbip(link) => {
                    let devices = &self.devices;
                    link.receive(peer, now, || devices.iter().map(exported).collect());
                    return;
                }
                Role::Interrupts(_) => {
                    peer.input.clear();
                    return;
                }
            }
        }
    }

    /// A line of text: what the connection is for, or a command.
    fn line(&mut self, at: usize, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let version = VERSION.to_string();
        let (answer, role) = match words.as_slice() {
            ["list", v] if *v == version => {
                let interfaces = self.functions().map(|function| &function.interface);
                let list: Vec<_> = interfaces.filter(|i| bus::is_reader(i)).cloned().collect();
                (Ok(protocol::encode_interfaces(&list)), None)
            }
            ["open", v, address, number] if *v == version => self.open(address, number),
            ["interrupt", v, token] if *v == version => match token.parse() {
                Ok(token) => (Ok(Vec::new()), Some(Role::Interrupts(token))),
                Err(_) => (Err(ErrorKind::Other), None),
            },
            ["list" | "open" | "interrupt", ..] => (Err(ErrorKind::Other), None),
            _ => {
                let answer = control::answer(self.command(line));
                if let Some(connection) = self.connections.get_mut(at) {
                    connection.peer.push(answer.as_bytes());
                }
                return;
            }
        };
        if let Some(connection) = self.connections.get_mut(at) {
            connection.peer.push(&protocol::frame(&protocol::encode_reply(&answer)));
            if let Some(role) = role {
                connection.role = role;
            }
        }
    }

    fn open(&mut self, address: &str, number: &str) -> (Reply, Option<Role>) {
        let function = self.functions().find(|function| {
            function.interface.address.to_string() == address && function.interface.number.to_string() == number
        });
        let Some(port) = function.map(|function| Arc::clone(function.port())) else {
            return (Err(ErrorKind::Disconnected), None);
        };
        self.last_token += 1;
        match Session::open(port, self.last_token) {
            Some(session) => {
                let mut reply = self.last_token.to_string();
                if session.is_of_one_user() {
                    reply.push(' ');
                    reply.push_str(protocol::ONE_USER);
                }
                (Ok(reply.into_bytes()), Some(Role::Session(session)))
            }
            None => (Err(ErrorKind::Disconnected), None),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.connections.clear();
        self.devices.clear();
        // Only if the socket is ours.
        if let (Some(_), Some(socket)) = (self.listener.take(), &self.socket) {
            served::clean(socket);
        }
    }
}

/// What USB/IP shows of a device.
fn exported(device: &Served) -> usbip::Exported {
    usbip::Exported {
        ports: device
            .functions
            .iter()
            .map(|f| Arc::clone(f.port()))
            .collect::<Vec<Arc<port::Port>>>(),
    }
}

/// The next request, if all of it has arrived and the one before has ended.
fn next_request(peer: &mut Peer, session: &Session) -> Option<Request> {
    if session.is_pending() {
        return None;
    }
    let len = protocol::body_len(*peer.input.first_chunk::<4>()?);
    let frame = len.map(|len| peer.take(4 + len));
    let request = match frame {
        Some(None) => return None,
        Some(Some(frame)) => Request::decode(frame.get(4..).unwrap_or_default()),
        None => None,
    };
    if request.is_none() {
        peer.end();
    }
    request
}

/// Removes the socket of a server that is no more.
fn remove_stale(path: &Path) -> io::Result<()> {
    match Stream::connect(path, Duration::from_secs(1)) {
        Ok(_) => Err(io::Error::new(
            io::ErrorKind::AddrInUse,
            format!("{}: another server is there", path.display()),
        )),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
