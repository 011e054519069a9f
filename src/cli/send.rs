//! `winscard send`: command APDUs to a card, responses in words.

use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal, Write};
use std::path::PathBuf;

use super::failure::{Failure, Outcome};
use super::json::Value;
use super::options::{Arguments, Word};
use super::pcsc::{Card, Context, choose};
use super::style::Style;
use super::{hex, words};
use crate::api::constants as c;
use crate::api::types::DWORD;
use crate::trace::mask;

/// Exit status when the card answered a command with an error.
const REFUSED: u8 = 3;
/// GET RESPONSE calls for one command: 64 KiB in pieces of 256 bytes.
const MAX_PIECES: u32 = 257;

#[derive(Debug)]
struct Options {
    reader: Option<String>,
    commands: Vec<String>,
    file: Option<PathBuf>,
    get_response: bool,
    keep_going: bool,
    exclusive: bool,
    protocols: DWORD,
    json: bool,
    show_pins: bool,
}

impl Options {
    fn parse(arguments: Arguments) -> Result<Self, Failure> {
        let mut options = Self {
            reader: None,
            commands: Vec::new(),
            file: None,
            get_response: false,
            keep_going: false,
            exclusive: false,
            protocols: c::SCARD_PROTOCOL_ANY,
            json: false,
            show_pins: false,
        };
        let mut reader = arguments.reader();
        while let Some(word) = reader.next()? {
            match word {
                Word::Value(value) if value == "-" => options.file = Some("-".into()),
                Word::Value(value) => options.commands.push(value.to_string_lossy().into_owned()),
                Word::Option(name) => match name.as_str() {
                    "-r" | "--reader" => options.reader = Some(reader.text()?),
                    "-f" | "--file" => options.file = Some(reader.value()?.into()),
                    "-g" | "--get-response" => options.get_response = true,
                    "-k" | "--keep-going" => options.keep_going = true,
                    "-x" | "--exclusive" => options.exclusive = true,
                    "-p" | "--protocol" => options.protocols = protocol(&reader.text()?, &reader)?,
                    "--json" => options.json = true,
                    "--show-pins" => options.show_pins = true,
                    _ => return Err(reader.unknown(&Word::Option(name))),
                },
            }
        }
        if options.file.is_some() && !options.commands.is_empty() {
            return Err(reader.misuse("APDUs are taken from the arguments or from a file, not from both"));
        }
        Ok(options)
    }
}

fn protocol(text: &str, reader: &super::options::Reader) -> Result<DWORD, Failure> {
    match text.to_ascii_lowercase().as_str() {
        "t0" | "t=0" | "0" => Ok(c::SCARD_PROTOCOL_T0),
        "t1" | "t=1" | "1" => Ok(c::SCARD_PROTOCOL_T1),
        "raw" => Ok(c::SCARD_PROTOCOL_RAW),
        "any" => Ok(c::SCARD_PROTOCOL_ANY),
        _ => Err(reader.misuse(format!("\"{text}\" is no protocol: t0, t1, raw or any"))),
    }
}

pub(super) fn main(arguments: Arguments) -> Outcome {
    let options = Options::parse(arguments)?;
    // What is wrong with the arguments is told before the card is touched.
    let commands: Vec<Vec<u8>> = join(&options.commands)
        .iter()
        .map(|text| command(text))
        .collect::<Result<_, _>>()?;
    let context = Context::establish().map_err(|error| Failure::pcsc("no context", error))?;
    let names = context
        .readers()
        .map_err(|error| Failure::pcsc("no list of readers", error))?;
    let name = choose(&names, options.reader.as_deref())?;
    let share = if options.exclusive {
        c::SCARD_SHARE_EXCLUSIVE
    } else {
        c::SCARD_SHARE_SHARED
    };
    let card = context
        .connect(&name, share, options.protocols)
        .map_err(|error| Failure::pcsc(&name, error))?;
    let mut session = Session {
        card: &card,
        options: &options,
        style: Style::stdout(),
        refused: false,
    };
    if options.commands.is_empty() {
        session.interactive()?;
    } else {
        // Nobody else's commands come in between.
        card.begin().map_err(|error| Failure::pcsc(&name, error))?;
        let result = commands
            .iter()
            .try_for_each(|command| session.send_unless_refused(command));
        let ended = card.end();
        result?;
        ended.map_err(|error| Failure::pcsc(&name, error))?;
    }
    Ok(if session.refused { REFUSED } else { 0 })
}

/// Arguments that are single bytes are the bytes of one command.
fn join(words: &[String]) -> Vec<String> {
    let is_byte = |word: &String| word.trim_start_matches("0x").len() <= 2;
    if words.len() > 1 && words.iter().all(is_byte) {
        return vec![words.join(" ")];
    }
    words.to_vec()
}

/// Reads a command and says what is wrong with it. Whether the card takes it is the card's business.
fn command(text: &str) -> Result<Vec<u8>, Failure> {
    let advice = "an APDU is CLA INS P1 P2 [Lc data] [Le] in hexadecimal: 00A4040000 or \"00 A4 04 00 00\"";
    let complain = |what: String| Failure::usage(format!("\"{text}\": {what}")).advise(advice);
    let bytes = hex::parse(text).map_err(complain)?;
    match bytes.len() {
        0..4 => Err(complain(format!("{} bytes; a command has 4 at least", bytes.len()))),
        length if length > c::MAX_APDU_LEN => Err(complain(format!("{length} bytes are too many"))),
        _ => Ok(bytes),
    }
}

struct Session<'a> {
    card: &'a Card,
    options: &'a Options,
    style: Style,
    refused: bool,
}

impl Session<'_> {
    /// Commands from a file or standard input, line by line.
    fn interactive(&mut self) -> Result<(), Failure> {
        let from_stdin = self.options.file.as_ref().is_none_or(|path| path.as_os_str() == "-");
        let prompt = from_stdin && io::stdin().is_terminal() && io::stdout().is_terminal();
        let input: Box<dyn BufRead> = match &self.options.file {
            Some(path) if !from_stdin => {
                let file = File::open(path).map_err(|error| {
                    Failure::new(format!("{}: {error}", path.display()))
                        .advise("the file has an APDU in hexadecimal on each line; # begins a comment")
                })?;
                Box::new(BufReader::new(file))
            }
            _ => Box::new(io::stdin().lock()),
        };
        if prompt {
            writeln!(io::stdout(), "APDUs in hexadecimal, one on a line; Ctrl-D ends")?;
        }
        self.ask(prompt)?;
        for (number, line) in input.lines().enumerate() {
            let line = line?;
            let text = line.split('#').next().unwrap_or_default().trim();
            if !text.is_empty() {
                match command(text) {
                    Ok(command) => self.send_unless_refused(&command)?,
                    Err(failure) if prompt => write!(io::stdout(), "{failure}")?,
                    Err(failure) => return Err(failure.advise(format!("that was line {}", number + 1))),
                }
            }
            self.ask(prompt)?;
        }
        if prompt {
            writeln!(io::stdout())?;
        }
        Ok(())
    }

    fn ask(&self, prompt: bool) -> io::Result<()> {
        if prompt {
            write!(io::stdout(), "{} ", self.style.bold("APDU>"))?;
            io::stdout().flush()?;
        }
        Ok(())
    }

    /// Sends a command unless an earlier one failed, and shows what comes of it.
    fn send_unless_refused(&mut self, command: &[u8]) -> Result<(), Failure> {
        let interactive = io::stdin().is_terminal() && self.options.commands.is_empty();
        if self.refused && !self.options.keep_going && !interactive {
            return Ok(());
        }
        let response = self.send(command)?;
        let Some((data, &[sw1, sw2])) = response.split_last_chunk::<2>() else {
            return Err(Failure::new(format!(
                "the card answered {} bytes, which is no response",
                response.len()
            )));
        };
        self.refused |= !words::is_success(sw1, sw2);
        self.show(command, data, sw1, sw2)?;
        Ok(())
    }

    fn send(&self, command: &[u8]) -> Result<Vec<u8>, Failure> {
        let transmit = |command: &[u8]| {
            self.card
                .transmit(command)
                .map_err(|error| Failure::pcsc(hex::spaced(command, self.hidden(command)), error))
        };
        let mut response = transmit(command)?;
        if !self.options.get_response {
            return Ok(response);
        }
        if let (&[0x6C, exact], &[cla, ins, p1, p2, _]) = (&response[..], command) {
            response = transmit(&[cla, ins, p1, p2, exact])?;
        }
        let class = command.first().copied().unwrap_or(0);
        for _ in 0..MAX_PIECES {
            let Some((data, &[0x61, more])) = response.split_last_chunk::<2>() else {
                break;
            };
            let so_far = data.to_vec();
            // Not the bit that says that a chain goes on. ISO 7816-4 §5.4.1
            let piece = transmit(&[class & !0x10, 0xC0, 0, 0, more])?;
            response = [so_far, piece].concat();
        }
        Ok(response)
    }

    fn hidden(&self, command: &[u8]) -> Option<usize> {
        mask::hidden_from(command).filter(|_| !self.options.show_pins)
    }

    fn show(&self, command: &[u8], data: &[u8], sw1: u8, sw2: u8) -> io::Result<()> {
        let mut out = io::stdout().lock();
        let shown = hex::spaced(command, self.hidden(command));
        let told = words::status(sw1, sw2);
        let good = words::is_success(sw1, sw2);
        if self.options.json {
            let object = Value::object([
                ("command", shown.replace(' ', "").into()),
                ("data", hex::plain(data).into()),
                ("sw", format!("{sw1:02X}{sw2:02X}").into()),
                ("meaning", told.into()),
                ("success", good.into()),
            ]);
            return writeln!(out, "{object}");
        }
        let name = match command {
            [class, instruction, ..] => words::command(*class, *instruction).unwrap_or_default(),
            _ => "",
        };
        writeln!(out, "{} {shown}  {}", self.style.bold(">"), self.style.dim(name))?;
        for chunk in data.chunks(16) {
            writeln!(
                out,
                "{} {:<47}  {}",
                self.style.bold("<"),
                hex::spaced(chunk, None),
                self.style.dim(hex::ascii(chunk))
            )?;
        }
        let word = format!("{sw1:02X} {sw2:02X}");
        let dressed = if good {
            self.style.good(word)
        } else {
            self.style.bad(word)
        };
        writeln!(out, "{} {dressed}  {told}", self.style.bold("<"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn commands_are_checked_before_they_are_sent() {
        assert_eq!(command("00 A4 04 00").unwrap(), [0, 0xA4, 4, 0]);
        for wrong in ["00A4", "00A40", "hello", ""] {
            let failure = command(wrong).unwrap_err();
            assert!(
                failure.to_string().contains("CLA INS P1 P2") && failure.status() == 2,
                "{failure}"
            );
        }
    }

    #[test]
    fn single_bytes_are_one_command() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(join(&words("00 A4 04 00")), ["00 A4 04 00"]);
        assert_eq!(join(&words("00A40400 00B00000")).len(), 2);
    }
}
