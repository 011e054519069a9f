//! docs/api.md is made from the documentation of the exported functions and the prototypes in the headers, so that C programmers read the same
//! text as Rust programmers. `WINSCARD_UPDATE=1 cargo test --test api_document` writes it anew.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "tests"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

const INTRODUCTION: &str = "\
# The C interface

Made from the source (`WINSCARD_UPDATE=1 cargo test --test api_document`); do not edit. `#include <winscard.h>`, or `<PCSC/winscard.h>`; link with
`-lpcsclite` (`pkg-config --cflags --libs libpcsclite`). Any function may besides return `SCARD_F_INTERNAL_ERROR`: a defect of the library was caught
at its border. Beginnings: [examples/first_light.c](../examples/first_light.c).

Each pointer is null where that is said to be allowed, or valid for reading (`LPC…`) or for reading and writing (`LP…`) one object of its type; for a
buffer with a length, of that many bytes; for a string, up to its NUL. With a length of `SCARD_AUTOALLOCATE` the buffer argument points to a pointer,
which gets memory for [SCardFreeMemory](#scardfreememory). Memory must not be changed by another thread during the call. Arguments may overlap each
other, and need not be aligned.
";

fn files(folder: &Path, extension: &str, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            files(&path, extension, found);
        } else if path.extension().is_some_and(|is| is == extension) {
            found.push(path);
        }
    }
}

fn texts(folder: &str, extension: &str) -> Vec<String> {
    let mut found = Vec::new();
    files(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join(folder),
        extension,
        &mut found,
    );
    found.iter().map(|path| fs::read_to_string(path).unwrap()).collect()
}

/// Name of the function that a line of Rust begins, if it is one of C's.
fn exported(line: &str) -> Option<&str> {
    let (_, rest) = line
        .split_once("extern \"system\" fn ")
        .or_else(|| line.split_once("extern \"C\" fn "))?;
    rest.split(['(', '<']).next()
}

/// What stands before each exported function.
fn documentation() -> BTreeMap<String, Vec<String>> {
    let mut all = BTreeMap::new();
    for text in texts("src/api", "rs") {
        let mut lines = Vec::new();
        for line in text.lines() {
            if let Some(words) = line.strip_prefix("///") {
                lines.push(words.strip_prefix(' ').unwrap_or(words).to_owned());
            } else if let Some(name) = exported(line).filter(|_| line.starts_with("pub ")) {
                all.insert(name.to_owned(), std::mem::take(&mut lines));
            } else if !line.starts_with("#[") {
                lines.clear();
            }
        }
    }
    all
}

/// The prototype as the header has it, without what only compilers want.
fn prototype(headers: &str, name: &str) -> Option<String> {
    let at = headers
        .find(&format!(" {name}("))
        .or_else(|| headers.find(&format!("*{name}(")))?;
    let begin = headers[..at].rfind('\n')? + 1;
    let end = at + headers[at..].find(';')? + 1;
    let line = headers[begin..end].trim_start_matches("PCSC_API ");
    Some(line.to_owned())
}

/// Without links into the Rust documentation: [`X`](path) and [`X`] become `X`.
fn unlinked(line: &str) -> String {
    let mut text = String::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("[`") {
        let Some((name, behind)) = after.split_once("`]") else {
            break;
        };
        text += before;
        text += &format!("`{name}`");
        rest = match behind.strip_prefix('(') {
            Some(target) => target.split_once(')').map_or("", |(_, behind)| behind),
            None => behind,
        };
    }
    text + rest
}

fn section(name: &str, prototype: &str, lines: &[String]) -> String {
    let mut text = format!("\n## {name}\n\n```c\n{prototype}\n```\n\n");
    let mut skipped = false;
    for line in lines {
        if let Some(heading) = line.strip_prefix("# ") {
            skipped = heading == "Safety";
            if !skipped {
                text += &format!("\n**{heading}**\n\n");
            }
        } else if !skipped {
            text += &unlinked(line);
            text.push('\n');
        }
    }
    while text.contains("\n\n\n") {
        text = text.replace("\n\n\n", "\n\n");
    }
    text
}

#[test]
fn the_document_is_what_the_source_says() {
    let headers = texts("include/PCSC", "h").concat();
    let mut text = INTRODUCTION.to_owned();
    let functions = documentation();
    assert!(functions.len() >= 19, "{:?}", functions.keys());
    for (name, lines) in &functions {
        assert!(
            lines.iter().any(|line| line == "# Blocking"),
            "{name}: no word on blocking"
        );
        let prototype = prototype(&headers, name).unwrap_or_else(|| panic!("{name} is in no header"));
        text += &section(name, &prototype, lines);
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/api.md");
    if std::env::var_os("WINSCARD_UPDATE").is_some() {
        fs::write(&path, &text).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == text,
        "docs/api.md is not what the source says: WINSCARD_UPDATE=1 cargo test --test api_document"
    );
}
