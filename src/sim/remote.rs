//! The control channel of a software reader that is a process of its own.
//!
//! One command a line; the answer is any number of lines, then `ok`, or one line `error: …`. So a shell can use it:
//! `echo "remove 0" | nc -U PATH`, or `winscard sim --control PATH "remove 0"`.
//!
//! | command | does |
//! |---|---|
//! | `readers` | lists them: number, `plugged` or `unplugged`, path, VID:PID |
//! | `insert READER [SLOT [CARD]]` | puts a card in: `default`, `t0`, `t1`, `mute` or `vicc/PORT` |
//! | `remove READER [SLOT]` | takes it out |
//! | `unplug READER`, `plug READER` | takes the reader off the bus; puts it there anew |
//! | `add WORDS` | plugs one more device in; answers with its number |
//! | `inject READER NAME[/VALUE…][@COMMAND][*TIMES]` | a [misbehaviour](super::Injection::parse): `wrong-sequence`, `delay/50ms@xfr`, … |
//! | `clear READER` | takes back all misbehaviours that have not shown |
//! | `latency READER TIME` | time added to every command |
//! | `counters READER`, `log READER` | what arrived: numbers; the last messages |
//! | `log READER FROM` | the number of the first message that follows, then the messages from that number on |
//! | `after TIME COMMAND` | the command at that time |
//! | `quit` | ends the server |

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::time::Duration;

use super::socket::Stream;

/// What a [`BufReader`] reads from.
#[derive(Debug)]
struct Input(Stream);

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        (&self.0).read(buffer)
    }
}

/// A connection to the control channel.
#[derive(Debug)]
pub struct Control {
    stream: BufReader<Input>,
}

impl Control {
    /// Connects to the server at this socket.
    ///
    /// # Errors
    /// No server there.
    pub fn connect(socket: &Path) -> io::Result<Self> {
        let stream = Stream::connect(socket, Duration::from_secs(10))?;
        Ok(Self {
            stream: BufReader::new(Input(stream)),
        })
    }

    /// Connects to a server that is just starting.
    ///
    /// # Errors
    /// No server there within this time.
    pub fn await_server(socket: &Path, patience: Duration) -> io::Result<Self> {
        let end = std::time::Instant::now() + patience;
        loop {
            match Self::connect(socket) {
                Err(error) if std::time::Instant::now() >= end => return Err(error),
                Err(_) => std::thread::sleep(Duration::from_millis(5)),
                connected => return connected,
            }
        }
    }

    /// Has a command carried out; gives the lines of the answer.
    ///
    /// # Errors
    /// The server's reason (`InvalidInput`), or the connection has ended.
    pub fn command(&mut self, command: &str) -> io::Result<Vec<String>> {
        self.stream.get_ref().0.send_all(format!("{command}\n").as_bytes())?;
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let line = line.trim_end();
            if line == "ok" {
                return Ok(lines);
            }
            if let Some(reason) = line.strip_prefix("error: ") {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
            }
            lines.push(line.to_owned());
        }
    }

    /// The counters of a reader by name.
    ///
    /// # Errors
    /// As [`Self::command`].
    pub fn counters(&mut self, reader: usize) -> io::Result<BTreeMap<String, u64>> {
        let lines = self.command(&format!("counters {reader}"))?;
        let pairs = lines.iter().filter_map(|line| line.split_once(' '));
        Ok(pairs
            .filter_map(|(name, count)| Some((name.to_owned(), count.parse().ok()?)))
            .collect())
    }
}
