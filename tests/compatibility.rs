//! The table of docs/compatibility.md has every export of winscard.def once, on the platforms that it is for, with tests that exist.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// What stands between backquotes.
fn quoted(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The platforms of each name, as the list of exports has them: Linux and Windows.
fn exports() -> BTreeMap<String, (bool, bool)> {
    let text = read("winscard.def");
    let lines = text.lines().map(str::trim);
    let entries =
        lines.filter(|line| line.starts_with("SCard") || line.starts_with("g_rg") || line.starts_with("pcsc"));
    let platforms = |line: &str| match line.split_once(';').map(|(_, mark)| mark.trim()) {
        Some("unix") => (true, false),
        Some("windows") => (false, true),
        _ => (true, true),
    };
    entries
        .map(|line| (line.split_whitespace().next().unwrap().to_owned(), platforms(line)))
        .collect()
}

#[test]
fn every_export_has_its_row_its_platforms_and_its_tests() {
    let mut files = Vec::new();
    sources(&root().join("tests"), &mut files);
    sources(&root().join("src"), &mut files);
    let code: String = files.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    let is_test = |name: &str| {
        root().join(name).is_file() || code.contains(&format!("fn {name}(")) || code.contains(&format!("fn {name}<"))
    };
    let mut table = BTreeMap::new();
    for row in read("docs/compatibility.md")
        .lines()
        .filter(|line| line.starts_with("| `"))
    {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        assert_eq!(cells.len(), 4, "{row}");
        let tests = quoted(cells[3]);
        assert!(!tests.is_empty(), "{row}");
        for test in &tests {
            assert!(is_test(test), "no such test: {test}");
        }
        for name in quoted(cells[0]) {
            let before = table.insert(name, (cells[1] == "yes", cells[2] == "yes"));
            assert_eq!(before, None, "twice: {row}");
        }
    }
    assert_eq!(table, exports());
}

/// The functions of pcsc-lite with strings have three forms on Linux and two on Windows; all others have one, or two on both.
#[test]
fn the_plain_names_of_functions_with_forms_are_for_unix_only() {
    let exports = exports();
    for (name, platforms) in &exports {
        let has_forms = exports.contains_key(&format!("{name}A")) && exports.contains_key(&format!("{name}W"));
        let unix_only = has_forms || name == "pcsc_stringify_error";
        assert_eq!(*platforms, (true, !unix_only), "{name}");
    }
}
