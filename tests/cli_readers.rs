//! `winscard list`, `watch`, `send` and `reset` as their users run them.

#![allow(
    unsafe_code,
    clippy::undocumented_unsafe_blocks,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

#[path = "support/sim_server.rs"]
#[allow(dead_code, reason = "each test uses a part")]
mod sim_server;

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::Path;
use std::process::{Child, Stdio};

use sim_server::{Server, outcome, winscard, within};

fn builtin() -> &'static Path {
    Path::new("builtin")
}

/// A process that is killed with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _dead = self.0.kill();
        let _reaped = self.0.wait();
    }
}

fn interrupt(child: &Child) {
    let pid = libc::pid_t::try_from(child.id()).unwrap();
    assert_eq!(unsafe { libc::kill(pid, libc::SIGINT) }, 0);
}

#[test]
fn list_tells_readers_cards_and_what_their_atrs_mean() {
    let (status, out, err) = outcome(winscard(builtin(), &["list"]));
    assert_eq!((status, err.as_str()), (0, ""));
    for told in [
        "0 winscard Software Reader 00 00\n",
        "card in it",
        "USB 1209:0001 firmware 1.00, software reader in this process",
        "3B 9E 11 80 31 FE 45 80 58 77 69 6E 73 63 61 72 64 73 D4 01 C0 2C",
        "T=0, T=1 (T=0 unless another is chosen)",
        "\"winscard\"",
        "command chaining, extended length",
    ] {
        assert!(out.contains(told), "{told}: {out}");
    }
    assert!(!out.contains('\x1b'), "no colours where nobody looks");
    // `winscard` alone is the same.
    assert_eq!(outcome(winscard(builtin(), &[])).1, out);
    let (_, empty, _) = outcome(winscard(Path::new("builtin:card=none"), &["list"]));
    assert!(empty.contains("no card") && !empty.contains("ATR"), "{empty}");
}

#[test]
fn list_as_json_has_a_field_for_each() {
    let (status, out, _) = outcome(winscard(Path::new("builtin:slots=2"), &["list", "--json"]));
    assert_eq!(status, 0);
    for field in [
        "\"name\": \"winscard Software Reader 00 00\"",
        "\"name\": \"winscard Software Reader 00 01\"",
        "\"PRESENT\"",
        "\"EMPTY\"",
        "\"card\": null",
        "\"atr\": \"3B9E118031FE45805877696E736361726473D401C02C\"",
        "\"protocols\": \"T=0, T=1 (T=0 unless another is chosen)\"",
        "\"vendor\": \"1209\"",
        "\"users\": []",
        "\"without_permission\": []",
    ] {
        assert!(out.contains(field), "{field}: {out}");
    }
    // `winscard --json` is `winscard list --json`.
    assert_eq!(outcome(winscard(Path::new("builtin:slots=2"), &["--json"])).1, out);
}

#[test]
fn without_a_reader_it_is_told_what_to_do() {
    let server = Server::start(&[]);
    server.control("unplug 0");
    let (status, out, err) = outcome(winscard(&server.socket, &["list"]));
    assert_eq!((status, out.as_str()), (1, ""));
    assert!(
        err.contains("SCARD_E_NO_READERS_AVAILABLE")
            && err.contains("-> plug a reader in")
            && err.contains("WINSCARD_SIM=builtin"),
        "{err}"
    );
    let (status, out, _) = outcome(winscard(&server.socket, &["list", "--json"]));
    assert_eq!(status, 1);
    assert!(out.contains("\"readers\": []"), "{out}");
}

#[test]
fn list_names_who_uses_a_reader() {
    let server = Server::start(&[]);
    let mut holder = winscard(&server.socket, &["send", "--exclusive", "-"]);
    let mut holder = Running(holder.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap());
    let mut commands = holder.0.stdin.take().unwrap();
    writeln!(commands, "00A4000C020001").unwrap();
    // The first answer: the card is held.
    let mut answers = BufReader::new(holder.0.stdout.take().unwrap());
    let mut line = String::new();
    answers.read_line(&mut line).unwrap();
    let (_, out, _) = outcome(winscard(&server.socket, &["list"]));
    let told = format!("winscard (process {})", holder.0.id());
    assert!(
        out.contains(&told) && out.contains("used exclusively") && !out.contains("does not share"),
        "{out}"
    );
    let (_, out, _) = outcome(winscard(&server.socket, &["--json"]));
    assert!(
        out.contains(&format!("\"pid\": {}", holder.0.id())) && out.contains("\"shares\": true"),
        "{out}"
    );
    let (status, _, err) = outcome(winscard(&server.socket, &["send", "00A4000C020001"]));
    assert_eq!(status, 1);
    assert!(
        err.contains("SCARD_E_SHARING_VIOLATION") && err.contains("winscard list names it"),
        "{err}"
    );
    drop(commands);
    assert!(holder.0.wait().unwrap().success());
}

#[test]
fn send_shows_responses_in_words() {
    let arguments = [
        "send",
        "00A4000C020001",
        "00 B0 00 00 04",
        "0020000104 39393939",
        "00A4000C020001",
    ];
    let (status, out, _) = outcome(winscard(builtin(), &arguments));
    assert_eq!(status, 3, "the card refused one");
    assert_eq!(
        out,
        "\
> 00 A4 00 0C 02 00 01  SELECT
< 90 00  success
> 00 B0 00 00 04  READ BINARY
< 00 01 02 03                                      ....
< 90 00  success
> 00 20 00 01 04 ** ** ** **  VERIFY
< 63 C2  not verified, 2 tries are left
"
    );
    let (status, out, _) = outcome(winscard(
        builtin(),
        &["send", "-k", "--show-pins", "002000010439393939", "00A4000C020001"],
    ));
    assert_eq!((status, out.matches("90 00").count()), (3, 1));
    assert!(out.contains("00 20 00 01 04 39 39 39 39"), "{out}");
    let (status, out, _) = outcome(winscard(builtin(), &["send", "00", "A4", "00", "0C", "02", "00", "01"]));
    assert_eq!(
        (status, out.lines().count()),
        (0, 2),
        "single bytes are one command: {out}"
    );
    let (status, out, _) = outcome(winscard(builtin(), &["send", "--json", "00B0810004"]));
    assert_eq!(status, 0);
    assert_eq!(
        out,
        "{\"command\":\"00B0810004\",\"data\":\"00010203\",\"sw\":\"9000\",\"meaning\":\"success\",\"success\":true}\n"
    );
}

#[test]
fn get_response_is_sent_on_request_only() {
    let sim = Path::new("builtin:card=t0,level=tpdu");
    // 80 12 with data gives them back; with T=0 they have to be fetched. ISO 7816-3 §12.2.2
    let command = "8012000003AABBCC";
    let (_, out, _) = outcome(winscard(sim, &["send", command]));
    assert!(
        out.ends_with("< 61 03  3 bytes of the response are still to be fetched\n"),
        "{out}"
    );
    let (status, out, _) = outcome(winscard(sim, &["send", "-g", command]));
    assert_eq!(status, 0);
    assert!(
        out.contains("< AA BB CC ") && out.ends_with("< 90 00  success\n"),
        "{out}"
    );
    // A longer answer than Le: 6Cxx, and the command once more.
    let (_, out, _) = outcome(winscard(sim, &["send", "-g", "00A4000C020002", "00B0000000"]));
    assert!(!out.contains("6C "), "{out}");
}

#[test]
fn apdus_come_from_files_and_pipes() {
    let folder = std::env::temp_dir().join(format!("winscard-cli-apdus-{}", std::process::id()));
    std::fs::write(
        &folder,
        "# two commands\n00A4000C020001   # the file\n\n00 B0 00 00 02\n",
    )
    .unwrap();
    let path = folder.to_str().unwrap().to_owned();
    let (status, out, err) = outcome(winscard(builtin(), &["send", "--file", &path]));
    assert_eq!((status, out.matches("< 90 00  success").count()), (0, 2), "{out}{err}");
    let mut piped = winscard(builtin(), &["send", "-"]);
    piped.stdin(File::open(&folder).unwrap());
    assert_eq!(outcome(piped).1, out);
    std::fs::write(&folder, "00A4000C020001\n00A4\n").unwrap();
    let (status, _, err) = outcome(winscard(builtin(), &["send", "-f", &path]));
    assert_eq!(status, 2);
    assert!(
        err.contains("2 bytes; a command has 4 at least") && err.contains("line 2"),
        "{err}"
    );
    std::fs::remove_file(folder).unwrap();
    let (status, _, err) = outcome(winscard(builtin(), &["send", "-f", &path]));
    assert_eq!(status, 1);
    assert!(err.contains("No such file"), "{err}");
}

#[test]
fn errors_say_what_to_do_next() {
    let two = Path::new("builtin:readers=2");
    for (sim, arguments, status, told) in [
        (builtin(), &["send", "0"][..], 2, "half a byte"),
        (builtin(), &["send", "00A4040G00"], 2, "no hexadecimal digit"),
        (builtin(), &["send", "--fast"], 2, "winscard send --help"),
        (
            builtin(),
            &["send", "-r", "none", "00A40400"],
            1,
            "-r 0  winscard Software Reader 00 00",
        ),
        (two, &["send", "00A40400"], 2, "say which with -r"),
        (two, &["reset", "-r", "software"], 2, "fits several readers"),
        (
            Path::new("builtin:card=none"),
            &["send", "00A40400"],
            1,
            "put a card in",
        ),
        (Path::new("builtin:card=mute"), &["reset"], 1, "look at its contacts"),
        (builtin(), &["reset", "--cold", "--warm"], 2, "cold or warm, not both"),
        (builtin(), &["send", "-f", "x", "00A40400"], 2, "not from both"),
        (builtin(), &["send", "-p", "t9", "00A40400"], 2, "t0, t1, raw or any"),
        (builtin(), &["watsh"], 2, "did you mean: winscard watch"),
        (builtin(), &["list", "extra"], 2, "no use for \"extra\""),
    ] {
        let (got, out, err) = outcome(winscard(sim, arguments));
        assert_eq!((got, out.as_str()), (status, ""), "{arguments:?}: {err}");
        assert!(
            err.starts_with("winscard: ") && err.contains(told),
            "{arguments:?}: {err}"
        );
    }
}

#[test]
fn reset_is_warm_or_cold() {
    let server = Server::start(&[]);
    let (status, out, err) = outcome(winscard(&server.socket, &["reset"]));
    assert_eq!(status, 0, "{err}");
    assert!(out.contains("warm reset") && out.contains("3B 9E 11"), "{out}");
    let (cold, warm) = (server.count("cold_power_ons"), server.count("warm_resets"));
    assert_eq!(warm, 1);
    assert_eq!(outcome(winscard(&server.socket, &["reset", "--warm", "-r", "0"])).0, 0);
    assert_eq!((server.count("cold_power_ons"), server.count("warm_resets")), (cold, 2));
    let (_, out, _) = outcome(winscard(&server.socket, &["reset", "--cold", "--json"]));
    assert!(out.contains("\"reset\":\"cold\""), "{out}");
    assert_eq!(
        (server.count("cold_power_ons"), server.count("warm_resets")),
        (cold + 1, 2)
    );
}

#[test]
fn watch_tells_what_happens_and_ends_at_once() {
    let server = Server::start(&["card=none"]);
    let mut watch = Running(
        winscard(&server.socket, &["watch", "--json"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let mut lines = BufReader::new(watch.0.stdout.take().unwrap())
        .lines()
        .map(Result::unwrap);
    let mut expect = |event: &str| {
        let line = lines
            .find(|line| !line.contains("\"in use\"") && !line.contains("not in use"))
            .unwrap();
        assert!(line.contains(&format!("\"event\":\"{event}\"")), "{event}: {line}");
        line
    };
    assert!(expect("reader there").contains("\"reader\":\"winscard Software Reader 00 00\""));
    server.control("insert 0");
    assert!(expect("card put in").contains("\"atr\":\"3B9E"));
    server.control("remove 0");
    expect("card taken out");
    server.control("add card=t1");
    expect("reader plugged in");
    expect("card put in");
    server.control("unplug 1");
    expect("reader unplugged");
    interrupt(&watch.0);
    assert_eq!(watch.0.wait().unwrap().code(), Some(0));
}

/// A terminal: the end that a person is at, and the program's.
fn terminal() -> (File, OwnedFd) {
    let (mut person, mut program) = (0, 0);
    let size = libc::winsize {
        ws_row: 20,
        ws_col: 60,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    let (name, modes) = (std::ptr::null_mut(), std::ptr::null());
    let result = unsafe { libc::openpty(&raw mut person, &raw mut program, name, modes, &raw const size) };
    assert_eq!(result, 0);
    let person = unsafe { File::from_raw_fd(person) };
    (person, unsafe { OwnedFd::from_raw_fd(program) })
}

#[test]
fn watch_on_a_terminal_draws_over_itself_and_gives_the_terminal_back() {
    let server = Server::start(&["card=none"]);
    let (mut person, program) = terminal();
    unsafe { libc::fcntl(person.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) };
    let mut command = winscard(&server.socket, &["watch"]);
    command.env("TERM", "xterm").stdout(program.try_clone().unwrap());
    let mut watch = Running(command.spawn().unwrap());
    drop((command, program));
    let mut screen = String::new();
    let mut read = |person: &mut File, what: &str| {
        within(what, || {
            let mut bytes = [0; 4096];
            if let Ok(count) = person.read(&mut bytes) {
                screen.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
            }
            screen.contains(what).then(|| screen.clone())
        })
    };
    let first = read(&mut person, "no card");
    assert!(first.starts_with("\x1b[?1049h\x1b[?25l"), "{first:?}");
    assert!(
        first.contains("\x1b[36mwinscard Software Reader 00 00\x1b[0m"),
        "coloured: {first:?}"
    );
    server.control("insert 0");
    read(&mut person, "card put in");
    interrupt(&watch.0);
    let all = read(&mut person, "\x1b[?1049l");
    assert!(all.ends_with("\x1b[?25h\x1b[?1049l"), "{all:?}");
    // Nothing is ever cleared before it is drawn: that is what flickers.
    assert!(!all.contains("\x1b[2J"), "{all:?}");
    // No line is longer than the terminal is wide, so that none wraps.
    for line in all.split("\r\n") {
        let mut plain = String::new();
        let mut escape = false;
        for c in line.chars() {
            match (escape, c) {
                (true, c) => escape = !c.is_ascii_alphabetic(),
                (false, '\x1b') => escape = true,
                (false, '\r') => {}
                (false, c) => plain.push(c),
            }
        }
        assert!(plain.chars().count() <= 60 || line.contains("\x1b[H"), "{line:?}");
    }
    assert_eq!(watch.0.wait().unwrap().code(), Some(0));
}
