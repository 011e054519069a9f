//! The export list, the headers and the built library name the same symbols, those of the system's library are among them; and the
//! loader sees the library as it must.
#![allow(clippy::expect_used, clippy::panic, clippy::print_stderr, reason = "tests")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Kind (`T` function, `R` read-only data) and size of a symbol.
type Symbols = BTreeMap<String, (char, u64)>;

/// The defined dynamic symbols of a library.
fn symbols(library: &Path) -> Symbols {
    let text = support::run(
        Command::new("nm").args(["-DS", "--defined-only"]).arg(library),
        "binutils",
    );
    let mut symbols = Symbols::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let (Some(_address), Some(size), Some(kind), Some(name), None) =
            (words.next(), words.next(), words.next(), words.next(), words.next())
        else {
            panic!("nm: {line}");
        };
        let size = u64::from_str_radix(size, 16).expect("size in hexadecimal");
        symbols.insert(name.to_owned(), (kind.chars().next().expect("kind"), size));
    }
    symbols
}

/// The names with only what a program linked against them depends on: kind, and of data the size.
fn contract(symbols: &Symbols) -> BTreeMap<&str, (char, u64)> {
    symbols
        .iter()
        .map(|(name, (kind, size))| (name.as_str(), (*kind, if *kind == 'T' { 0 } else { *size })))
        .collect()
}

/// The 22 symbols of libpcsclite.so.1.
const PCSC_LITE: [&str; 22] = [
    "SCardBeginTransaction",
    "SCardCancel",
    "SCardConnect",
    "SCardControl",
    "SCardDisconnect",
    "SCardEndTransaction",
    "SCardEstablishContext",
    "SCardFreeMemory",
    "SCardGetAttrib",
    "SCardGetStatusChange",
    "SCardIsValidContext",
    "SCardListReaderGroups",
    "SCardListReaders",
    "SCardReconnect",
    "SCardReleaseContext",
    "SCardSetAttrib",
    "SCardStatus",
    "SCardTransmit",
    "g_rgSCardRawPci",
    "g_rgSCardT0Pci",
    "g_rgSCardT1Pci",
    "pcsc_stringify_error",
];

/// Name and kind of each line of winscard.def, and whether it is for Unix only.
fn lines() -> Vec<(String, char, bool)> {
    let text = fs::read_to_string(support::root().join("winscard.def")).expect("winscard.def");
    let mut lines = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with(';'));
    assert_eq!(lines.next(), Some("LIBRARY winscard"));
    assert_eq!(lines.next(), Some("EXPORTS"));
    lines
        .map(|line| {
            let (entry, only) = line.split_once(" ; ").unwrap_or((line, ""));
            assert!(matches!(only, "" | "unix"), "winscard.def: {line}");
            match entry.split_once(' ') {
                Some((name, "DATA")) => (name.to_owned(), 'R', only == "unix"),
                None => (entry.to_owned(), 'T', only == "unix"),
                Some(_) => panic!("winscard.def: {line}"),
            }
        })
        .collect()
}

/// Name and kind of each export of this platform.
fn listed() -> Vec<(String, char)> {
    lines().into_iter().map(|(name, kind, _)| (name, kind)).collect()
}

#[test]
fn the_list_is_sorted_and_has_what_pcsc_lite_has() {
    let listed = listed();
    assert!(listed.is_sorted());
    for name in PCSC_LITE {
        assert!(listed.iter().any(|(known, _)| known == name), "{name}");
    }
    assert_eq!(listed.len(), 79);
}

/// Windows has no function that takes strings in neither form; and each form has the other.
#[test]
fn what_has_two_forms_is_plain_on_unix_only() {
    let lines = lines();
    let has = |name: &str| lines.iter().any(|(known, ..)| known == name);
    for (name, _, unix) in &lines {
        let plain = has(&format!("{name}A")) && has(&format!("{name}W"));
        assert_eq!(*unix, plain || name == "pcsc_stringify_error", "{name}");
        assert!(!unix || PCSC_LITE.contains(&name.as_str()), "{name}");
        if let Some(stem) = name.strip_suffix('W') {
            assert!(has(&format!("{stem}A")), "{name}");
        }
    }
}

#[test]
fn the_library_exports_what_the_list_says() {
    let ours = symbols(&support::library());
    let names: Vec<(String, char)> = ours.iter().map(|(name, (kind, _))| (name.clone(), *kind)).collect();
    assert_eq!(names, listed());
    for (name, (kind, size)) in &ours {
        let word = size_of::<std::ffi::c_ulong>() as u64;
        assert!(*kind == 'T' || *size == 2 * word, "{name}: {size} bytes");
    }
}

#[test]
fn the_headers_declare_what_the_list_says() {
    let mut declared = Vec::new();
    for header in [
        "winscard.h",
        "winscard_aw.h",
        "winsmcrd.h",
        "pcsclite.h",
        "reader.h",
        "wintypes.h",
    ] {
        let path = support::root().join("include/PCSC").join(header);
        let text = fs::read_to_string(path).expect("header");
        for statement in text
            .split(';')
            .map(|statement| statement.split("*/").last().unwrap_or("").trim())
        {
            let statement = statement.rsplit("#endif").next().unwrap_or(statement);
            if let Some((_, prototype)) = statement.split_once("PCSC_API ") {
                let head = prototype.split_once('(').expect("prototype").0;
                let name = head.rsplit([' ', '*']).next().expect("name");
                declared.push((name.to_owned(), 'T'));
            } else if let Some((_, objects)) = statement.split_once("extern const SCARD_IO_REQUEST ") {
                declared.extend(objects.split(',').map(|name| (name.trim().to_owned(), 'R')));
            }
        }
    }
    declared.sort();
    assert_eq!(declared, listed());
}

#[test]
fn objects_are_objects_and_functions_functions() {
    let text = support::run(
        Command::new("readelf")
            .args(["--dyn-syms", "-W"])
            .arg(support::library()),
        "binutils",
    );
    for (name, kind) in listed() {
        let line = text
            .lines()
            .find(|line| line.split_whitespace().last() == Some(name.as_str()))
            .unwrap_or_else(|| panic!("{name} is no dynamic symbol"));
        let expected = if kind == 'R' {
            " OBJECT  GLOBAL DEFAULT "
        } else {
            " FUNC    GLOBAL DEFAULT "
        };
        assert!(line.contains(expected), "{line}");
    }
}

#[test]
fn the_loader_sees_name_and_flags() {
    let text = support::run(Command::new("readelf").arg("-dW").arg(support::library()), "binutils");
    let entry = |tag: &str| -> String { text.lines().filter(|line| line.contains(tag)).collect() };
    assert!(entry("(SONAME)").ends_with("[libpcsclite.so.1]"), "{text}");
    assert!(
        entry("(FLAGS)").contains("SYMBOLIC") || !entry("(SYMBOLIC)").is_empty(),
        "{text}"
    );
    assert!(entry("(FLAGS_1)").contains("NODELETE"), "{text}");
    // No text relocations, no executable stack: what hardened systems refuse to load.
    assert!(entry("TEXTREL").is_empty(), "{text}");
    let headers = support::run(Command::new("readelf").arg("-lW").arg(support::library()), "binutils");
    let stack = headers
        .lines()
        .find(|line| line.contains("GNU_STACK"))
        .expect("GNU_STACK");
    assert!(!stack.contains("RWE"), "{stack}");
    // The symbols replaced have no versions.
    assert!(!text.contains("(VERDEF)"), "{text}");
}

#[test]
fn the_systems_library_has_the_same_symbols_of_the_same_kinds_and_sizes() {
    let Some(system) = support::system_library() else {
        support::go_without("libpcsclite.so.1", "libpcsclite1");
        return;
    };
    let theirs = symbols(&system);
    let ours = symbols(&support::library());
    let (ours, theirs) = (contract(&ours), contract(&theirs));
    assert!(theirs.keys().eq(PCSC_LITE.iter()), "{}: {theirs:?}", system.display());
    for (name, symbol) in &theirs {
        assert_eq!(ours.get(name), Some(symbol), "{}: {name}", system.display());
    }
}
