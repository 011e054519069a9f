//! `winscard trace`: a program with this library, and what it does with it.

mod event;
mod pcap;
mod plot;
mod text;

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use event::Event;
use text::Text;

use super::failure::{Failure, Outcome};
use super::launch::{self, Launch};
use super::options::{Arguments, Word};
use super::signals;
use super::style::Style;

/// How often the file is looked at while the program runs.
const LOOK_EVERY: Duration = Duration::from_millis(20);

#[derive(Debug, Default)]
struct Options {
    launch: Launch,
    output: Option<PathBuf>,
    read: Option<PathBuf>,
    pcap: Option<PathBuf>,
    plot: Option<PathBuf>,
    json: bool,
    usb: bool,
    show_pins: bool,
}

impl Options {
    fn parse(arguments: Arguments) -> Result<Self, Failure> {
        let mut options = Self::default();
        let mut reader = arguments.reader();
        while let Some(word) = reader.next()? {
            if options.launch.take(&word, &mut reader)? {
                continue;
            }
            let Word::Option(name) = &word else {
                return Err(reader.unknown(&word));
            };
            match name.as_str() {
                "-o" | "--output" => options.output = Some(reader.value()?.into()),
                "--read" => options.read = Some(reader.value()?.into()),
                "--pcap" => options.pcap = Some(reader.value()?.into()),
                "--plot" => options.plot = Some(reader.value()?.into()),
                "--json" => options.json = true,
                "-u" | "--usb" => options.usb = true,
                "--show-pins" => options.show_pins = true,
                _ => return Err(reader.unknown(&word)),
            }
        }
        match (&options.read, options.launch.has_program()) {
            (None, false) => Err(reader
                .misuse("which program?")
                .advise("winscard trace -- opensc-tool -l")),
            (Some(_), true) => Err(reader.misuse("--read takes the place of a program")),
            _ => Ok(options),
        }
    }
}

pub(super) fn main(arguments: Arguments) -> Outcome {
    let options = Options::parse(arguments)?;
    // All files are made before the program runs: nobody traces for an hour to learn that there is no room for the picture.
    let mut sink = Sink::open(&options)?;
    let status = match &options.read {
        Some(path) => {
            read(path, &mut sink)?;
            0
        }
        None => run(&options, &mut sink)?,
    };
    sink.finish()?;
    Ok(status)
}

/// Takes events from a file.
fn read(path: &Path, sink: &mut Sink) -> Result<(), Failure> {
    let fail = |text: String| {
        Failure::new(format!("{}: {text}", path.display()))
            .advise("the file has to come from winscard trace --json -o FILE")
    };
    let file = File::open(path).map_err(|error| fail(error.to_string()))?;
    for (number, line) in BufReader::new(file).lines().enumerate() {
        let line = line.map_err(|error| fail(error.to_string()))?;
        if !sink.line(&line)? {
            return Err(fail(format!("line {} is no event of a trace", number + 1)));
        }
    }
    if sink.events == 0 {
        return Err(fail("nothing in it".into()));
    }
    Ok(())
}

/// Runs the program and takes events as they come.
fn run(options: &Options, sink: &mut Sink) -> Outcome {
    let launch = &options.launch;
    let plan = launch.plan()?;
    let folder = launch::Folder::new()?;
    let path = folder.path.join("events");
    let mut tail = Tail {
        file: File::create_new(&path).and_then(|_| File::open(&path))?,
        rest: Vec::new(),
    };
    let mut command = launch.command(&plan);
    command.env("WINSCARD_TRACE", &path);
    command.env("WINSCARD_TRACE_PINS", if options.show_pins { "1" } else { "0" });
    let mut child = signals::spawn(&mut command).map_err(|error| launch::cannot_run(launch, &error))?;
    let status = loop {
        let ended = child.try_wait()?;
        tail.take(sink)?;
        if let Some(status) = ended {
            break status;
        }
        sink.idle()?;
        std::thread::sleep(LOOK_EVERY);
    };
    if sink.events == 0 {
        explain_silence(launch, &plan.why)?;
    }
    Ok(launch::end_as(status))
}

/// Nothing came: the program's own output is there, and this is said beside it.
fn explain_silence(launch: &Launch, why: &str) -> io::Result<()> {
    let name = launch.name();
    let mut text = format!("winscard: {name} made no PC/SC call through this library ({why})\n");
    if ["gpg", "gpg2", "gpgsm", "gpg-connect-agent"].contains(&name.as_str()) {
        text.push_str(
            "  -> GnuPG's scdaemon does it for gpg, and may run already: gpgconf --kill scdaemon, then again\n",
        );
        text.push_str("  -> scdaemon uses USB by itself unless ~/.gnupg/scdaemon.conf says disable-ccid\n");
    }
    text.push_str("  -> if a service does the work for it, trace the service\n");
    text.push_str("  -> another way in may help: --by path, --by preload\n");
    io::stderr().write_all(text.as_bytes())
}

/// The end of a file that grows.
#[derive(Debug)]
struct Tail {
    file: File,
    rest: Vec<u8>,
}

impl Tail {
    fn take(&mut self, sink: &mut Sink) -> Result<(), Failure> {
        self.file.read_to_end(&mut self.rest)?;
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            sink.line(String::from_utf8_lossy(&line).trim_end())?;
        }
        Ok(())
    }
}

/// Where events go.
struct Sink {
    out: Box<dyn Write>,
    /// `None`: JSON.
    text: Option<Text>,
    pcap: Option<(PathBuf, File)>,
    plot: Option<(PathBuf, File)>,
    /// Kept for what is made at the end.
    kept: Vec<Event>,
    events: u64,
}

impl Sink {
    fn open(options: &Options) -> Result<Self, Failure> {
        let create = |path: &PathBuf| {
            File::create(path)
                .map(|file| (path.clone(), file))
                .map_err(|error| Failure::new(format!("{}: {error}", path.display())))
        };
        // A file read for pictures only is not printed as well.
        let quiet = options.read.is_some()
            && options.output.is_none()
            && !options.json
            && (options.pcap.is_some() || options.plot.is_some());
        let (out, style): (Box<dyn Write>, Style) = match &options.output {
            Some(path) => (Box::new(create(path)?.1), Style::plain()),
            None if quiet => (Box::new(io::sink()), Style::plain()),
            // Of a program's own output nothing is known; a file has no output of its own.
            None if options.read.is_some() => (Box::new(io::stdout()), Style::stdout()),
            None => (Box::new(io::stderr()), Style::stderr()),
        };
        Ok(Self {
            out,
            text: (!options.json).then(|| Text::new(style, options.usb)),
            pcap: options.pcap.as_ref().map(create).transpose()?,
            plot: options.plot.as_ref().map(create).transpose()?,
            kept: Vec::new(),
            events: 0,
        })
    }

    /// Takes one line; `false` if it is no event.
    fn line(&mut self, line: &str) -> Result<bool, Failure> {
        if line.is_empty() {
            return Ok(true);
        }
        let Some(event) = Event::parse(line) else {
            return Ok(false);
        };
        self.events += 1;
        let written = match &mut self.text {
            None => writeln!(self.out, "{line}"),
            Some(text) => {
                let shown = text.event(&event);
                self.out.write_all(shown.as_bytes())
            }
        };
        written?;
        if self.pcap.is_some() || self.plot.is_some() {
            self.kept.push(event);
        }
        Ok(true)
    }

    /// Nothing came for a while.
    fn idle(&mut self) -> Result<(), Failure> {
        if let Some(text) = &mut self.text {
            let shown = text.idle();
            self.out.write_all(shown.as_bytes())?;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<(), Failure> {
        if let Some(text) = &mut self.text {
            let shown = text.finish();
            self.out.write_all(shown.as_bytes())?;
        }
        self.out.flush()?;
        let write = |target: Option<(PathBuf, File)>, bytes: &dyn Fn() -> Vec<u8>| match target {
            None => Ok(()),
            Some((path, mut file)) => file
                .write_all(&bytes())
                .map_err(|error| Failure::new(format!("{}: {error}", path.display()))),
        };
        write(self.pcap.take(), &|| pcap::of(&self.kept))?;
        write(self.plot.take(), &|| plot::of(&self.kept).into_bytes())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn half_a_line_waits_for_its_other_half() {
        let folder = launch::Folder::new().unwrap();
        let path = folder.path.join("events");
        let mut writer = File::create(&path).unwrap();
        let mut tail = Tail {
            file: File::open(&path).unwrap(),
            rest: Vec::new(),
        };
        let mut sink = Sink {
            out: Box::new(io::sink()),
            text: None,
            pcap: None,
            plot: None,
            kept: Vec::new(),
            events: 0,
        };
        writer
            .write_all(b"{\"t\":1,\"pid\":1,\"tid\":1,\"event\":\"wa")
            .unwrap();
        tail.take(&mut sink).unwrap();
        assert_eq!(sink.events, 0);
        writer.write_all(b"it\",\"us\":3}\n").unwrap();
        tail.take(&mut sink).unwrap();
        assert_eq!(sink.events, 1);
    }
}
