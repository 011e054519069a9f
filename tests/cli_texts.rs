//! Help texts, manual pages and completions tell of the same commands and options.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "tests"
)]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

const WINSCARD: &str = env!("CARGO_BIN_EXE_winscard");
const COMMANDS: [&str; 8] = ["list", "watch", "send", "reset", "doctor", "run", "trace", "sim"];

fn help(command: &str) -> String {
    let output = Command::new(WINSCARD).args([command, "--help"]).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{command}");
    String::from_utf8(output.stdout).unwrap()
}

/// The words in a help text that begin with a dash at the beginning of a line of the list of options: `-r, --reader READER  …`.
fn options(help: &str) -> BTreeSet<String> {
    let lines = help
        .lines()
        .filter_map(|line| line.strip_prefix("  -").map(|rest| format!("-{rest}")));
    let names = lines.flat_map(|line| {
        let head = line.split("  ").next().unwrap().to_owned();
        head.split([' ', ','])
            .filter(|word| word.starts_with('-'))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    });
    names.collect()
}

fn page(name: &str) -> String {
    fs::read_to_string(support::root().join("contrib/man").join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The options that a manual page has paragraphs for: `.It Fl r , -reader Ar reader`.
fn described(page: &str) -> BTreeSet<String> {
    let items = page.lines().filter_map(|line| line.strip_prefix(".It Fl "));
    let words = items.flat_map(|item| {
        let head = item.split(" Ar ").next().unwrap().to_owned();
        head.split(" , ")
            .map(|word| format!("-{}", word.trim()))
            .collect::<Vec<_>>()
    });
    words.collect()
}

#[test]
fn every_command_is_in_the_help_and_in_every_list() {
    let main = Command::new(WINSCARD).arg("--help").output().unwrap();
    let main = String::from_utf8(main.stdout).unwrap();
    let bash = fs::read_to_string(support::root().join("contrib/completions/winscard.bash")).unwrap();
    let zsh = fs::read_to_string(support::root().join("contrib/completions/_winscard")).unwrap();
    let fish = fs::read_to_string(support::root().join("contrib/completions/winscard.fish")).unwrap();
    let manual = page("winscard.1");
    for command in COMMANDS {
        assert!(main.contains(&format!("\n  {command} ")), "{command}");
        assert!(manual.contains(&format!(".It Cm {command}\n")), "{command}");
        assert!(manual.contains(&format!(".Xr winscard-{command} 1")), "{command}");
        assert!(bash.contains(&format!("    {command}) options=")), "bash: {command}");
        assert!(zsh.contains(&format!("'{command}:")), "zsh: {command}");
        assert!(fish.contains(&format!("-a {command} ")), "fish: {command}");
        let output = Command::new(WINSCARD).args(["help", command]).output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), help(command));
    }
    let listed = main
        .lines()
        .filter(|line| line.starts_with("  ") && line.as_bytes()[2].is_ascii_lowercase());
    assert_eq!(
        listed.filter(|line| !line.starts_with("  winscard")).count(),
        COMMANDS.len()
    );
}

#[test]
fn manual_pages_tell_of_the_options_that_the_help_tells_of() {
    for command in COMMANDS {
        let page = page(&format!("winscard-{command}.1"));
        let named = options(&help(command));
        assert!(named.contains("--help") && named.contains("-h"), "{command}: {named:?}");
        assert_eq!(named, described(&page), "{command}");
    }
}

#[test]
fn completions_know_every_option() {
    let read = |name: &str| fs::read_to_string(support::root().join("contrib/completions").join(name)).unwrap();
    let (bash, zsh, fish) = (read("winscard.bash"), read("_winscard"), read("winscard.fish"));
    for command in COMMANDS {
        for option in options(&help(command)) {
            let line = bash
                .lines()
                .find(|line| line.trim_start().starts_with(&format!("{command}) options=")))
                .unwrap();
            let known = line.split([' ', '"']).any(|word| word == option)
                || bash.contains(&format!("{option} ")) && option.ends_with('h');
            assert!(known || option == "--help", "bash: {command} {option}");
            assert!(zsh.contains(&option), "zsh: {command} {option}");
            let of_fish = match option.strip_prefix("--") {
                Some(long) => format!("-l {long} "),
                None => format!("-s {} ", &option[1..]),
            };
            assert!(
                fish.lines().any(|line| line.contains(&of_fish)),
                "fish: {command} {option}"
            );
        }
    }
}

/// What the software reader understands, help, manual page and document tell.
#[test]
fn the_software_readers_words_are_all_told() {
    let help = help("sim");
    let page = page("winscard-sim.1");
    let document = fs::read_to_string(support::root().join("docs/software-reader.md")).unwrap();
    let mut words = 0;
    for row in document.lines().filter(|line| line.starts_with("| `")) {
        let cell = row.split('|').nth(1).unwrap();
        for name in cell.split('`').skip(1).step_by(2) {
            let name = name.split(['/', ' ']).next().unwrap();
            // The commands of the card, which the document alone has.
            if name.chars().next().unwrap().is_ascii_lowercase() {
                words += 1;
                assert!(help.contains(name), "help: {name}");
                assert!(page.contains(name), "page: {name}");
            }
        }
    }
    assert!(words > 45, "{words}");
    // And all of it works: each misbehaviour that the help names is taken by a server.
    let faults = help
        .split("Misbehaviours:")
        .nth(1)
        .unwrap()
        .split("Commands after @")
        .next()
        .unwrap();
    let names = faults
        .lines()
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names: Vec<String> = names
        .flat_map(|line| {
            let head = line[2..].split("  ").next().unwrap();
            let head = head
                .strip_suffix(" fails at these values of bPowerSelect")
                .unwrap_or(head);
            head.split(", ").map(str::to_owned).collect::<Vec<_>>()
        })
        .collect();
    assert!(names.len() > 20, "{names:?}");
    for name in names {
        let fault = name
            .replace("/N/N...", "/1")
            .replace("/N", "/1")
            .replace("/TIME", "/5ms")
            .replace("/HEX", "/5003")
            .replace("/COUNT/MULTIPLIER/EVERY", "/1/1/5ms");
        assert!(winscard::sim::Injection::parse(&fault).is_some(), "{fault}");
    }
}

/// Bash offers commands, options and readers, the latter so that they are one word.
#[test]
fn bash_completes() {
    let script = r#"
        source contrib/completions/winscard.bash
        offer() { COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)); _winscard; echo "${COMPREPLY[*]}"; }
        offer winscard se
        offer winscard trace --pl
        offer winscard send -r w
        offer winscard run --by p
    "#;
    let folder = std::path::Path::new(WINSCARD).parent().unwrap();
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
    let mut bash = Command::new("bash");
    bash.args(["--norc", "-c", script]).current_dir(support::root());
    bash.env("PATH", path).env("WINSCARD_SIM", "builtin");
    let offered = support::run(&mut bash, "bash");
    assert_eq!(
        offered,
        "send\n--plot\nwinscard\\ Software\\ Reader\\ 00\\ 00\npreload path\n"
    );
}
