//! A C program written for Windows' `winscard.h` compiles against this project's headers, as C and C++, with and without UNICODE, and
//! does the same in every form; and what a program for pcsc-lite may have of its own does not clash with them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod support;

use std::fs;
use std::path::Path;
use std::process::Command;

use support::Language;

/// Compiles a program of tests/c with `arguments`, and runs it on the built-in software reader with directories of its own.
fn output(name: &str, source: &str, language: Language, arguments: &[&str]) -> String {
    let libraries = support::lib_dir(&format!("{name}-lib"));
    let directory = support::scratch(name);
    let program = directory.join("program");
    let include = format!("-I{}", support::root().join("include/PCSC").display());
    let search = format!("-L{}", libraries.display());
    let mut all = vec![include.as_str()];
    all.extend(arguments);
    all.extend([search.as_str(), "-lpcsclite"]);
    support::cc(language, source, &program, &all);
    let private = |part: &str| {
        let path = directory.join(part);
        let _none = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        path
    };
    let mut command = Command::new(&program);
    command
        .env("LD_LIBRARY_PATH", &libraries)
        .env("WINSCARD_SIM", "builtin")
        .env("XDG_CONFIG_HOME", private("config"))
        .env("XDG_RUNTIME_DIR", private("run"))
        .env("WINSCARD_SYSCONFDIR", private("etc"));
    support::run(&mut command, "libc6")
}

fn expected() -> String {
    let path = Path::new(support::root()).join("tests/c/windows_names.expected");
    fs::read_to_string(path).unwrap()
}

#[test]
fn a_program_for_windows_in_bytes() {
    for (name, language, arguments) in [
        ("names-c", Language::C, &[][..]),
        ("names-c99", Language::C, &["-std=c99"]),
        ("names-cxx", Language::Cxx, &[]),
        ("names-cxx98", Language::Cxx, &["-std=c++98"]),
    ] {
        assert_eq!(
            output(name, "windows_names.c", language, arguments),
            expected(),
            "{name}"
        );
    }
}

/// `u"text"`, or `L"text"` where `wchar_t` has two bytes.
#[test]
fn a_program_for_windows_in_utf_16() {
    for (name, language, arguments) in [
        ("wide-c", Language::C, &["-DUNICODE"][..]),
        ("wide-c11", Language::C, &["-DUNICODE", "-std=c11"]),
        ("wide-short", Language::C, &["-DUNICODE", "-fshort-wchar"]),
        ("wide-cxx", Language::Cxx, &["-DUNICODE"]),
        ("wide-cxx-short", Language::Cxx, &["-DUNICODE", "-fshort-wchar"]),
    ] {
        assert_eq!(
            output(name, "windows_names.c", language, arguments),
            expected(),
            "{name}"
        );
    }
}
