//! That single readers are known in one place, and that what other drivers do for them is answered for.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::fs;
use std::path::{Path, PathBuf};

/// Where vendor and product numbers may stand, from `src`.
const MAY_NAME_READERS: [&str; 3] = ["ccid/quirks.rs", "ccid/class_ff.rs", "sim/"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// Four hexadecimal digits that stand for themselves.
fn hex4(text: &str) -> bool {
    text.len() == 4 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Pairs like `0x1234, 0xABCD` and `1234:ABCD` in a text.
fn readers_named(text: &str) -> Vec<String> {
    let words: Vec<&str> = text
        .split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':' || c == ','))
        .filter(|word| !word.is_empty())
        .collect();
    let literal = |word: &str| word.trim_end_matches(',').strip_prefix("0x").is_some_and(hex4);
    let pairs = words
        .windows(2)
        .filter(|pair| pair[0].ends_with(',') && literal(pair[0]) && literal(pair[1]));
    let mut named: Vec<String> = pairs.map(|pair| pair.join(" ")).collect();
    let written = words.iter().filter(|word| {
        let halves = word.trim_matches([':', ',']).split_once(':');
        halves.is_some_and(|(vendor, product)| hex4(vendor) && hex4(product))
    });
    named.extend(written.map(|word| (*word).to_owned()));
    named
}

#[test]
fn readers_are_named_in_the_table_only() {
    assert_eq!(readers_named("x(0x08E6, 0x3437)").len(), 1);
    assert_eq!(readers_named("x(\n    0x08E6,\n    0x3437,\n)").len(), 1);
    assert_eq!(readers_named("the GemPC Twin (08E6:3437)").len(), 1);
    assert_eq!(readers_named("0x08E60000, 0x3437 and std::mem").len(), 0);
    let src = root().join("src");
    let mut looked_at = 0;
    for path in sources(&src) {
        let name = path.strip_prefix(&src).unwrap().to_str().unwrap();
        let is_test = name.contains("tests") || name.ends_with("testing.rs");
        if is_test || MAY_NAME_READERS.iter().any(|place| name.starts_with(place)) {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap();
        assert_eq!(readers_named(code), Vec::<String>::new(), "{name}");
        looked_at += 1;
    }
    assert!(looked_at > 50);
}

/// The lines of a table in the documentation: readers, phase, what happens here.
fn documented() -> Vec<(String, String, String)> {
    let text = fs::read_to_string(root().join("docs/quirks.md")).unwrap();
    let rows = text
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| readers"));
    rows.map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        assert_eq!(cells.len(), 4, "{line}");
        (cells[0].replace('\\', ""), cells[1].to_owned(), cells[3].to_owned())
    })
    .collect()
}

/// Whether the table has a row for this product, or for all of the vendor's.
fn in_table(table: &str, vendor: &str, product: &str) -> bool {
    let one_line: String = table.split_whitespace().collect::<Vec<_>>().join(" ");
    let code = one_line.replace("( ", "(");
    if product == "*" {
        return code.contains(&format!("vendor(0x{vendor},"));
    }
    let fields = format!("vendor: 0x{vendor}, product: Some(0x{product})");
    code.contains(&format!("(0x{vendor}, 0x{product},")) || code.contains(&fields)
}

/// Readers whose row comes with the speeds (PPS).
const SPEEDS: [&str; 4] = ["0B97:7762", "0B97:7772", "058F:9540", "08E6:3479"];

#[test]
fn every_quirk_of_other_drivers_is_in_the_table_or_not_needed_for_a_reason() {
    let table = fs::read_to_string(root().join("src/ccid/quirks.rs")).unwrap();
    let documented = documented();
    let mut count = 0;
    for line in include_str!("data/ccid_quirks.csv").lines().skip(1) {
        let [source, vendor, product, phase] = line.split(',').collect::<Vec<_>>()[..] else {
            panic!("{line}");
        };
        let reader = format!("{vendor}:{product}");
        let here: Vec<&str> = documented
            .iter()
            .filter(|(readers, at, _)| at == phase && readers.split(' ').any(|one| one == reader))
            .map(|(.., here)| here.as_str())
            .collect();
        assert!(
            !here.is_empty(),
            "docs/quirks.md says nothing of {reader} at \"{phase}\" ({source})"
        );
        for here in here {
            let known = ["table", "always", "not needed:", "`class_ff.rs`"];
            assert!(known.iter().any(|word| here.starts_with(word)), "{reader}: {here}");
            let speeds = SPEEDS.contains(&reader.as_str()) && phase != "enumerate";
            if here.starts_with("table") && vendor != "*" && !(reader == "04E6:*" || speeds) {
                assert!(in_table(&table, vendor, product), "no row for {reader}: {here}");
            }
        }
        count += 1;
    }
    assert!(count > 110);
}
