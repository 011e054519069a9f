//! What the documents say exists, does.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::fs;
use std::path::{Path, PathBuf};

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

/// Every row of the tables in a document names tests, and they exist.
fn check(document: &str, least: usize) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    sources(&root.join("tests"), &mut files);
    sources(&root.join("src"), &mut files);
    let code: String = files.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    let text = fs::read_to_string(root.join(document)).unwrap();
    let rows: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("| ") && !line.contains("| test |"))
        .collect();
    assert!(rows.len() > least, "{document}");
    let mut missing = Vec::new();
    for row in rows {
        let cell = row.trim_end_matches('|').rsplit('|').next().unwrap();
        let names: Vec<&str> = cell.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "no test named: {row}");
        let tests = |name: &&str| {
            let plain = format!("fn {name}(");
            root.join(name).is_file() || code.contains(&plain)
        };
        missing.extend(names.into_iter().filter(|name| !tests(name)));
    }
    assert!(missing.is_empty(), "{document}: no such tests: {missing:#?}");
}

/// Design: each deviation stands in one list in the documentation, with its test.
#[test]
fn every_deviation_has_the_test_that_its_row_names() {
    check("docs/differences.md", 10);
}

#[test]
fn every_defect_and_trap_has_the_tests_that_its_row_names() {
    check("docs/defects.md", 70);
}

#[test]
fn every_difference_between_the_platforms_has_the_test_that_its_row_names() {
    check("docs/platforms.md", 20);
}
