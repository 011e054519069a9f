//! Sizes, offsets and constants: this project's headers, Debian's libpcsclite-dev and the Rust types agree.
#![allow(clippy::expect_used, clippy::panic, clippy::print_stderr, reason = "tests")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::mem::offset_of;
use std::path::Path;
use std::process::Command;

use support::Language;
use winscard::api::constants;
use winscard::api::types::{
    DWORD, GUID, HANDLE, LONG, SCARD_ATRMASK, SCARD_IO_REQUEST, SCARD_READERSTATE, SCARD_READERSTATEA,
    SCARD_READERSTATEW, SCARDCONTEXT, SCARDHANDLE, WCHAR,
};
use winscard::error::Error;

const SYSTEM_HEADERS: &str = "/usr/include/PCSC";

/// Names that are expected on one side only.
const NOT_COMPARED: &[&str] = &[
    // A version, not a part of the interface.
    "PCSCLITE_VERSION_NUMBER",
    // pcsc-lite ≥ 2.0 only.
    "SCARD_E_UNKNOWN_RES_MSG",
    // For whoever compiles the headers.
    "PCSC_API",
    "WINSCARDAPI",
    "WINSCARD_ANONYMOUS",
    // Macros of the language and of strings; tests/windows_names.rs uses them.
    "TRUE",
    "FALSE",
    "SCARD_ALL_READERS",
    "SCARD_DEFAULT_READERS",
    "SCARD_LOCAL_READERS",
    "SCARD_SYSTEM_READERS",
];

/// Has layout.c show what pcsc-lite does not have, too.
const WINDOWS_NAMES: &str = "-DWITH_WINDOWS_NAMES";

/// Output of layout.c by "kind name", compiled with `arguments` and run against our library.
fn layout(test: &str, language: Language, arguments: &[&str]) -> BTreeMap<String, String> {
    let libraries = support::lib_dir(&format!("{test}-lib"));
    let program = support::scratch(test).join(format!("layout-{language:?}"));
    let search = format!("-L{}", libraries.display());
    let mut all = arguments.to_vec();
    all.extend([search.as_str(), "-lpcsclite"]);
    support::cc(language, "layout.c", &program, &all);
    let mut command = Command::new(&program);
    lines(&support::run(command.env("LD_LIBRARY_PATH", &libraries), "libc6"))
}

fn lines(text: &str) -> BTreeMap<String, String> {
    text.lines()
        .map(|line| {
            let end = line.match_indices(' ').nth(1).expect("kind, name and value").0;
            let (key, value) = line.split_at(end);
            (key.to_owned(), value.trim().to_owned())
        })
        .collect()
}

fn include(directory: &str) -> String {
    format!("-I{}", support::root().join(directory).display())
}

/// Whether the system's headers are there; their absence is a failure unless it was asked for.
fn has_system_headers() -> bool {
    let header = Path::new(SYSTEM_HEADERS).join("winscard.h");
    if !header.is_file() {
        support::go_without(&header.display().to_string(), "libpcsclite-dev");
        return false;
    }
    true
}

#[test]
fn both_ways_to_include_and_both_languages_agree() {
    let plain = include("include/PCSC");
    let parent = include("include");
    let expected = layout("layout-plain", Language::C, &[&plain, WINDOWS_NAMES]);
    assert!(expected.len() > 350, "{} lines", expected.len());
    for language in [Language::C, Language::Cxx] {
        assert_eq!(
            layout("layout-again", language, &[&plain, WINDOWS_NAMES]),
            expected,
            "{language:?}"
        );
        let with_directory = layout(
            "layout-directory",
            language,
            &[&parent, "-DWITH_DIRECTORY", WINDOWS_NAMES],
        );
        assert_eq!(with_directory, expected, "{language:?}");
    }
    layout("layout-c99", Language::C, &["-std=c99", &plain, WINDOWS_NAMES]);
    layout(
        "layout-cxx98",
        Language::Cxx,
        &["-std=c++98", "-Wno-long-long", &plain, WINDOWS_NAMES],
    );
}

/// With UNICODE the sizes are the same, but for those of characters; a string of two-byte `wchar_t` is one of the W forms.
#[test]
fn unicode_changes_nothing_but_characters() {
    let plain = include("include/PCSC");
    let narrow = layout("layout-narrow", Language::C, &[&plain, WINDOWS_NAMES]);
    for wide in [["-DUNICODE", "-fno-short-wchar"], ["-DUNICODE", "-fshort-wchar"]] {
        let wide = layout("layout-wide", Language::C, &[&plain, WINDOWS_NAMES, wide[0], wide[1]]);
        assert_eq!(wide.get("sizeof WCHAR").map(String::as_str), Some("2"));
        for (key, value) in &narrow {
            let differs = matches!(key.as_str(), "sizeof TCHAR" | "text groups")
                || key.starts_with("constant SCARD_ATTR_DEVICE_")
                || key.starts_with("signed WCHAR");
            assert!(differs || wide.get(key) == Some(value), "{key}");
        }
        assert_eq!(wide.get("text groups").map(String::as_str), Some("36 44 40 42"));
    }
    assert_eq!(narrow.get("text groups").map(String::as_str), Some("18 22 20 21"));
}

/// `WINSCARD_PCSCLITE_ONLY`: for programs that have names of their own for what pcsc-lite does not have.
#[test]
fn what_pcsc_lite_does_not_have_can_be_left_out() {
    let plain = include("include/PCSC");
    let only = layout("layout-only", Language::C, &[&plain, "-DWINSCARD_PCSCLITE_ONLY"]);
    assert_eq!(only, layout("layout-all", Language::C, &[&plain]));
    let unicode = layout(
        "layout-only-unicode",
        Language::C,
        &[&plain, "-DWINSCARD_PCSCLITE_ONLY", "-DUNICODE"],
    );
    assert_eq!(unicode.get("sizeof LPTSTR"), only.get("sizeof LPTSTR"));
}

#[test]
fn the_systems_headers_agree() {
    if !has_system_headers() {
        return;
    }
    let ours = layout("layout-ours", Language::C, &[&include("include/PCSC")]);
    let theirs = layout("layout-system", Language::C, &["-isystem", SYSTEM_HEADERS]);
    for (key, value) in &ours {
        assert_eq!(theirs.get(key), Some(value), "{key}");
    }
    assert_eq!(ours.len(), theirs.len());
}

/// Every object-like macro with a value that the headers of a directory define.
fn macros(directory: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for header in [
        "winscard.h",
        "pcsclite.h",
        "wintypes.h",
        "reader.h",
        "winsmcrd.h",
        "winscard_aw.h",
    ] {
        let ours = header.starts_with("winsmcrd") || header.starts_with("winscard_");
        if ours && directory == Path::new(SYSTEM_HEADERS) {
            continue;
        }
        let text = fs::read_to_string(directory.join(header)).expect("header");
        for line in text.lines() {
            let mut words = line.trim_start().trim_start_matches('#').split_whitespace();
            if words.next() == Some("define") && line.trim_start().starts_with('#') {
                let name = words.next().expect("name");
                if words.next().is_some_and(|value| !value.starts_with("/*")) && !name.contains('(') {
                    names.push(name.to_owned());
                }
            }
        }
    }
    names
}

#[test]
fn no_constant_is_left_out() {
    let program = fs::read_to_string(support::root().join("tests/c/layout.c")).expect("layout.c");
    let mut directories = vec![support::root().join("include/PCSC")];
    if has_system_headers() {
        directories.push(SYSTEM_HEADERS.into());
    }
    for directory in directories {
        let names = macros(&directory);
        assert!(names.len() > 150, "{}: {}", directory.display(), names.len());
        for name in names.iter().filter(|name| !NOT_COMPARED.contains(&name.as_str())) {
            let named = program.contains(&format!("CONSTANT({name})")) || program.contains(&format!("object {name} "));
            let only_macro_of_unicode = (name.ends_with("_NAME") && name.starts_with("SCARD_ATTR_DEVICE_"))
                || name.starts_with("SCard")
                || name.ends_with("READERSTATE");
            assert!(
                named || only_macro_of_unicode,
                "{}: {name} is not in tests/c/layout.c",
                directory.display()
            );
        }
    }
}

#[test]
fn rust_has_the_same_constants_and_codes() {
    let c = layout(
        "layout-constants",
        Language::C,
        &[&include("include/PCSC"), WINDOWS_NAMES],
    );
    for (name, value) in constants::ALL {
        let text = c
            .get(&format!("constant {name}"))
            .unwrap_or_else(|| panic!("{name} is not in C"));
        let number: i128 = text
            .split(' ')
            .next()
            .and_then(|word| word.parse().ok())
            .expect("number");
        let value = i128::from(*value);
        assert!(
            number == value || number == value - (1 << DWORD::BITS),
            "{name}: {number} in C, {value} in Rust"
        );
    }
    for error in Error::ALL {
        let text = c
            .get(&format!("constant {}", error.name()))
            .unwrap_or_else(|| panic!("{error} is not in C"));
        assert_eq!(*text, format!("{} {}", error.to_long(), size_of::<LONG>()), "{error}");
    }
    // And no code of the header is missing in Rust, but for the two names of 0x8010001F and three that this library never returns.
    let codes = c.keys().filter_map(|key| key.strip_prefix("constant SCARD_"));
    let codes = codes.filter(|name| ["E_", "F_", "P_", "W_"].iter().any(|prefix| name.starts_with(prefix)));
    assert_eq!(codes.count(), Error::ALL.len() + 1 + 3);
}

#[test]
fn rust_has_the_same_sizes_and_offsets() {
    let c = layout("layout-types", Language::C, &[&include("include/PCSC"), WINDOWS_NAMES]);
    let size = |name: &str, size: usize| {
        assert_eq!(c.get(&format!("sizeof {name}")), Some(&size.to_string()), "{name}");
    };
    size("DWORD", size_of::<DWORD>());
    size("LONG", size_of::<LONG>());
    size("SCARDCONTEXT", size_of::<SCARDCONTEXT>());
    size("SCARDHANDLE", size_of::<SCARDHANDLE>());
    size("SCARD_READERSTATE", size_of::<SCARD_READERSTATE>());
    size("SCARD_IO_REQUEST", size_of::<SCARD_IO_REQUEST>());
    size("SCARD_READERSTATEA", size_of::<SCARD_READERSTATEA>());
    size("SCARD_READERSTATEW", size_of::<SCARD_READERSTATEW>());
    size("SCARD_ATRMASK", size_of::<SCARD_ATRMASK>());
    size("WCHAR", size_of::<WCHAR>());
    size("GUID", size_of::<GUID>());
    size("HANDLE", size_of::<HANDLE>());
    let offset = |name: &str, offset: usize| {
        let value = c.get(&format!("member {name}")).unwrap_or_else(|| panic!("{name}"));
        assert_eq!(
            value.split_once('+').map(|pair| pair.0),
            Some(offset.to_string().as_str()),
            "{name}"
        );
    };
    offset("SCARD_READERSTATE.szReader", offset_of!(SCARD_READERSTATE, szReader));
    offset(
        "SCARD_READERSTATE.pvUserData",
        offset_of!(SCARD_READERSTATE, pvUserData),
    );
    offset(
        "SCARD_READERSTATE.dwCurrentState",
        offset_of!(SCARD_READERSTATE, dwCurrentState),
    );
    offset(
        "SCARD_READERSTATE.dwEventState",
        offset_of!(SCARD_READERSTATE, dwEventState),
    );
    offset("SCARD_READERSTATE.cbAtr", offset_of!(SCARD_READERSTATE, cbAtr));
    offset("SCARD_READERSTATE.rgbAtr", offset_of!(SCARD_READERSTATE, rgbAtr));
    offset("SCARD_READERSTATEW.szReader", offset_of!(SCARD_READERSTATEW, szReader));
    offset(
        "SCARD_READERSTATEW.dwEventState",
        offset_of!(SCARD_READERSTATEW, dwEventState),
    );
    offset("SCARD_READERSTATEW.rgbAtr", offset_of!(SCARD_READERSTATEW, rgbAtr));
    offset("SCARD_ATRMASK.rgbAtr", offset_of!(SCARD_ATRMASK, rgbAtr));
    offset("SCARD_ATRMASK.rgbMask", offset_of!(SCARD_ATRMASK, rgbMask));
    offset("GUID.Data4", offset_of!(GUID, Data4));
    offset("SCARD_IO_REQUEST.dwProtocol", offset_of!(SCARD_IO_REQUEST, dwProtocol));
    offset(
        "SCARD_IO_REQUEST.cbPciLength",
        offset_of!(SCARD_IO_REQUEST, cbPciLength),
    );
}

#[test]
fn the_objects_have_protocol_and_size() {
    let c = layout(
        "layout-objects",
        Language::C,
        &[&include("include/PCSC"), "-no-pie", "-fno-pie"],
    );
    let word = size_of::<SCARD_IO_REQUEST>();
    assert_eq!(c.get("object values"), Some(&format!("1,{word} 2,{word} 4,{word}")));
    for name in ["SCARD_PCI_T0", "SCARD_PCI_T1", "SCARD_PCI_RAW"] {
        assert_eq!(
            c.get(&format!("object {name}")).map(String::as_str),
            Some("1"),
            "{name}"
        );
    }
}

#[test]
fn the_texts_are_those_of_the_systems_library() {
    let Some(system) = support::system_library() else {
        support::go_without("libpcsclite.so.1", "libpcsclite1");
        return;
    };
    let ours = support::lib_dir("texts-lib");
    let program = support::scratch("texts").join("layout");
    let search = format!("-L{}", ours.display());
    support::cc(
        Language::C,
        "layout.c",
        &program,
        &[&include("include/PCSC"), &search, "-lpcsclite"],
    );
    let texts = |directory: &Path| {
        let mut command = Command::new(&program);
        support::run(command.arg("texts").env("LD_LIBRARY_PATH", directory), "libc6")
    };
    let system = texts(system.parent().expect("directory"));
    assert!(system.contains("text 80100003 Invalid handle."), "{system}");
    let ours = texts(&ours);
    for (ours, theirs) in ours.lines().zip(system.lines()) {
        assert_eq!(ours, theirs);
    }
    assert_eq!(ours.lines().count(), system.lines().count());
}
