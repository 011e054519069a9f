//! Scenarios written down as data: `tests/scenarios/*.txt`, over the software reader and through the C functions.
//!
//! One step a line, `#` begins a comment:
//!
//! | step | does |
//! |---|---|
//! | `reader WORDS` | plugs in what `WINSCARD_SIM=builtin:WORDS` would; first of all, once |
//! | `connect NAME SLOT shared\|exclusive\|direct -> t0\|t1\|none` | slots count over all readers of the file |
//! | `reconnect NAME leave\|reset\|unpower -> t0\|t1` | |
//! | `disconnect NAME leave\|reset\|unpower -> ok` | |
//! | `begin NAME -> ok`, `end NAME leave\|reset\|unpower -> ok` | |
//! | `send NAME BYTES -> BYTES` | bytes are `00A4`, `00..FF` (counting up), `55*300`; `-` for none |
//! | `control NAME CODE BYTES -> BYTES` | |
//! | `atr NAME -> BYTES` | |
//! | `fault NAME/VALUE@COMMAND*TIMES` | as in `WINSCARD_SIM` |
//! | `insert SLOT t0\|t1\|default\|mute`, `remove SLOT`, `remove-after SLOT TIME`, `unplug` | |
//! | `wait TIME` | |
//! | `wire COUNTER=N …` | how much that has grown since the last `wire` |
//! | `took LEAST..MOST` | milliseconds of the step before |
//!
//! After `->` there may be the name of an error instead, as in `winscard::error::Error`.
#![allow(
    unsafe_code,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "tests call the C functions"
)]

#[path = "support/card_bench.rs"]
mod card_bench;
#[path = "scenarios/parse.rs"]
mod parse;
#[path = "scenarios/play.rs"]
mod play;

use std::fs;
use std::path::Path;

#[test]
fn every_scenario_goes_as_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let entries = fs::read_dir(folder).expect("scenarios");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("entry").path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "txt"));
    files.sort();
    assert!(files.len() >= 12, "{}", files.len());
    let mut wrong = Vec::new();
    for path in files {
        let text = fs::read_to_string(&path).expect("text");
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let result = parse::parse(&text).and_then(|steps| play::play(&steps));
        if let Err((line, what)) = result {
            wrong.push(format!("{name}:{line}: {what}"));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn what_is_no_step_is_told_with_its_line() {
    for (text, line, what) in [
        ("", 0, "no reader"),
        ("wait 1s", 1, "reader"),
        ("reader level=tpdu\nreader level=tpdu", 2, "reader"),
        ("reader\n\n# nothing\nfly", 4, "fly"),
        ("reader\nsend a 00A -> 9000", 2, "00A"),
        ("reader\nsend a 00A4", 2, "->"),
        ("reader\nsend a 00 -> Nonsense", 2, "Nonsense"),
        ("reader\nconnect a 0 loosely -> t0", 2, "loosely"),
        ("reader\nconnect a x shared -> t0", 2, "x"),
        ("reader\nfault explode", 2, "explode"),
        ("reader\nwait soon", 2, "soon"),
        ("reader\nwire xfrs=1", 2, "xfrs"),
        ("reader\ntook 5", 2, "5"),
        ("reader\nsend a 55*x -> 9000", 2, "55*x"),
        ("reader\nsend a 05..01 -> 9000", 2, "05..01"),
    ] {
        let (at, message) = parse::parse(text).map(drop).expect_err(text);
        assert_eq!(at, line, "{text:?}: {message}");
        assert!(message.contains(what), "{text:?}: {message}");
    }
}

#[test]
fn what_goes_otherwise_is_told_with_its_line() {
    for (text, line, what) in [
        ("reader level=fast", 1, "level=fast"),
        ("reader card=t0\nsend a 00 -> 9000", 2, "no connection"),
        ("reader card=t0\nconnect a 0 shared -> t1", 2, "T0"),
        ("reader card=t0\nconnect a 5 shared -> t0", 2, "slot 5"),
        ("reader card=none\nconnect a 0 shared -> t0", 2, "NoSmartcard"),
        (
            "reader card=t0\nconnect a 0 shared -> t0\nsend a 00A4000C023F00 -> 6A82",
            3,
            "9000",
        ),
        (
            "reader card=t0\nconnect a 0 shared -> t0\nwire cold_power_ons=2",
            3,
            "cold_power_ons",
        ),
        ("reader card=t0\nwait 1ms\ntook 5000..6000", 3, "took"),
    ] {
        let result = parse::parse(text).and_then(|steps| play::play(&steps));
        let (at, message) = result.expect_err(text);
        assert_eq!(at, line, "{text:?}: {message}");
        assert!(message.contains(what), "{text:?}: {message}");
    }
}
