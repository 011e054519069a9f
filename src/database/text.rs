//! The database as text: docs/database.md sets the format down. Reading is total: what is not understood is kept as it is.

use super::model::{
    CardType, Database, Guid, MAX_ENTRIES, MAX_PARTS, ReaderEntry, check_atr, check_name, hex, parse_hex,
};

/// First line of a file that this library has written.
const HEADING: &str =
    "# Smart card database, version 1. Programs change this file; its format is in docs/database.md of winscard.";

/// Begins the lines that are kept, so that they belong to no entry.
const KEPT: &str = "[other]";

/// What the lines that follow belong to.
enum Kind {
    /// Nothing that is understood.
    Other,
    Reader(ReaderEntry),
    /// With whether something about it is wrong.
    Card(CardType, bool),
}

/// An entry, the lines it is made of, and those of them that say nothing.
struct Section {
    kind: Kind,
    lines: Vec<String>,
    unknown: Vec<String>,
}

/// Reads the text of a file. Never fails.
pub(super) fn parse(text: &str) -> Database {
    let mut database = Database::default();
    let mut section = open("");
    for line in text.lines() {
        // Or it would lose one of several each time it is read and written.
        let line = line.trim_end_matches('\r');
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed == HEADING {
            continue;
        }
        if let Some(head) = trimmed.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            finish(&mut database, std::mem::replace(&mut section, open(head)));
            if trimmed == KEPT {
                continue;
            }
            if matches!(section.kind, Kind::Other) {
                database.kept.push(line.to_owned());
            }
            section.lines.push(line.to_owned());
            continue;
        }
        let known = trimmed
            .split_once('=')
            .is_some_and(|(key, value)| match &mut section.kind {
                Kind::Other => false,
                Kind::Reader(entry) => read_reader(entry, key.trim(), value.trim()),
                Kind::Card(card, bad) => read_card(card, bad, key.trim(), value.trim()),
            });
        if matches!(section.kind, Kind::Other) {
            database.kept.push(line.to_owned());
        } else if !known {
            section.unknown.push(line.to_owned());
        }
        section.lines.push(line.to_owned());
    }
    finish(&mut database, section);
    database
}

fn open(head: &str) -> Section {
    let (kind, name) = head.split_once(' ').unwrap_or_default();
    let kind = match (kind, unquote(name.trim())) {
        ("reader", Some(name)) => Kind::Reader(ReaderEntry {
            device: name.clone(),
            name,
            ..ReaderEntry::default()
        }),
        ("card", Some(name)) => Kind::Card(
            CardType {
                name,
                ..CardType::default()
            },
            false,
        ),
        _ => Kind::Other,
    };
    Section {
        kind,
        lines: Vec::new(),
        unknown: Vec::new(),
    }
}

/// Takes an entry that makes sense, the first of its name; else keeps its lines.
fn finish(database: &mut Database, section: Section) {
    let name = match section.kind {
        Kind::Other => return,
        Kind::Reader(entry) => {
            let fits = database.readers.len() < MAX_ENTRIES && database.reader(&entry.name).is_none();
            if fits && check_name(&entry.name).is_ok() {
                database.readers.push(entry);
                return database.kept.extend(section.unknown);
            }
            entry.name
        }
        Kind::Card(card, bad) => {
            let fits = database.cards.len() < MAX_ENTRIES && database.card(&card.name).is_none();
            let sound = !bad && check_name(&card.name).is_ok() && check_atr(&card.atr, card.mask.as_deref()).is_ok();
            if fits && sound {
                database.cards.push(card);
                return database.kept.extend(section.unknown);
            }
            card.name
        }
    };
    log::warn!("database: the entry {name:?} is wrong, or the second of its name; not used");
    database.rejected.extend(section.lines);
}

fn push<T>(list: &mut Vec<T>, item: Option<T>) -> bool {
    match item {
        Some(item) if list.len() < MAX_PARTS => {
            list.push(item);
            true
        }
        _ => false,
    }
}

fn read_reader(entry: &mut ReaderEntry, key: &str, value: &str) -> bool {
    match (key, unquote(value)) {
        ("device", Some(device)) => entry.device = device,
        ("group", Some(group)) => return push(&mut entry.groups, Some(group)),
        ("forgotten", None) if value == "yes" => entry.forgotten = true,
        _ => return false,
    }
    true
}

fn read_card(card: &mut CardType, bad: &mut bool, key: &str, value: &str) -> bool {
    match key {
        "atr" | "mask" => match parse_hex(value) {
            Some(bytes) if key == "atr" => card.atr = bytes,
            Some(bytes) => card.mask = Some(bytes),
            None => *bad = true,
        },
        "primary" => {
            card.primary = Guid::parse(value);
            return card.primary.is_some();
        }
        "interface" => return push(&mut card.interfaces, Guid::parse(value)),
        _ => {
            let number = key.strip_prefix("provider ").and_then(|number| number.parse().ok());
            let provider = number.zip(unquote(value).filter(|name| check_name(name).is_ok()));
            return push(&mut card.providers, provider);
        }
    }
    true
}

/// The text of a file.
pub(super) fn write(database: &Database) -> String {
    let mut lines = vec![HEADING.to_owned()];
    for entry in &database.readers {
        lines.push(String::new());
        lines.push(format!("[reader {}]", quote(&entry.name)));
        lines.push(format!("device = {}", quote(&entry.device)));
        lines.extend(entry.groups.iter().map(|group| format!("group = {}", quote(group))));
        if entry.forgotten {
            lines.push("forgotten = yes".to_owned());
        }
    }
    for card in &database.cards {
        lines.push(String::new());
        lines.push(format!("[card {}]", quote(&card.name)));
        lines.push(format!("atr = {}", hex(&card.atr)));
        lines.extend(card.mask.iter().map(|mask| format!("mask = {}", hex(mask))));
        lines.extend(card.primary.iter().map(|guid| format!("primary = {}", guid.text())));
        lines.extend(
            card.interfaces
                .iter()
                .map(|guid| format!("interface = {}", guid.text())),
        );
        let providers = card.providers.iter();
        lines.extend(providers.map(|(number, name)| format!("provider {number} = {}", quote(name))));
    }
    if !database.kept.is_empty() || !database.rejected.is_empty() {
        lines.extend([String::new(), KEPT.to_owned()]);
        lines.extend(database.kept.iter().chain(&database.rejected).cloned());
    }
    lines.push(String::new());
    lines.join("\n")
}

/// In quotation marks, with a backslash before those and before backslashes.
fn quote(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        if matches!(letter, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(letter);
    }
    quoted.push('"');
    quoted
}

fn unquote(text: &str) -> Option<String> {
    let inner = text.strip_prefix('"')?.strip_suffix('"')?;
    let (mut plain, mut letters) = (String::new(), inner.chars());
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => plain.push(letters.next()?),
            '"' => return None,
            other => plain.push(other),
        }
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use super::*;

    #[test]
    fn what_is_kept_is_the_same_however_often_it_is_written() {
        let once = parse("junk\r\r\r\n[odd]\r\r\nx\r\n");
        assert_eq!(parse(&write(&once)), once);
        assert_eq!(once.kept, ["junk", "[odd]", "x"]);
    }

    fn sample() -> Database {
        Database {
            readers: vec![
                ReaderEntry::new("The \"front\" \\ reader", "Maker Reader 00 00"),
                ReaderEntry {
                    forgotten: true,
                    ..ReaderEntry::new("Maker Reader 00 00", "Maker Reader 00 00")
                },
            ],
            cards: vec![CardType {
                name: "Karte für Gäste".to_owned(),
                atr: vec![0x3B, 0x80, 0x00],
                mask: Some(vec![0xFF, 0xFF, 0x00]),
                primary: Guid::parse("{ABCDEF00-ABCD-1234-AABB-CCDDAABBCCDD}"),
                interfaces: vec![Guid([7; 16]), Guid([8; 16])],
                providers: vec![(2, "A provider".to_owned()), (0x8000_0001, "card.so".to_owned())],
            }],
            ..Database::default()
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let database = sample();
        assert_eq!(parse(&write(&database)), database);
        assert_eq!(parse(""), Database::default());
    }

    #[test]
    fn what_is_not_understood_is_kept() {
        let text = "# my comment\n[colour \"x\"]\nshade = 3\n[reader \"a\"]\nshape = round\ndevice = \"b\"\n";
        let database = parse(text);
        assert_eq!(database.readers.len(), 1);
        assert_eq!(database.readers[0].device, "b");
        assert_eq!(
            database.kept,
            ["# my comment", "[colour \"x\"]", "shade = 3", "shape = round"]
        );
        let again = write(&database);
        for line in &database.kept {
            assert!(again.contains(line), "{again}");
        }
        assert_eq!(parse(&again).readers, database.readers);
    }

    #[test]
    fn nonsense_is_left_out_and_the_rest_is_read() {
        let text = "[card \"a\"]\natr = 3B 8\n[card \"b\"]\natr = 3B 00\n[card \"b\"]\natr = 3B 01\n[reader a]\n[reader \"\"]\n\
                    [reader \"x\ndevice=\"y\"\n[card \"c\"]\natr = 3B 01\nmask = FF\n[card \"d\"]\nprimary = {1}\natr=3b00";
        let database = parse(text);
        let cards: Vec<&str> = database.cards.iter().map(|card| card.name.as_str()).collect();
        assert_eq!(cards, ["b", "d"]);
        assert!(database.rejected.contains(&"[card \"a\"]".to_owned()));
        assert_eq!(parse(&write(&database)), database, "also what is wrong is kept");
        assert_eq!(database.cards[0].atr, [0x3B, 0x00]);
        assert!(database.readers.is_empty());
    }

    /// Bytes at random, and the sample with bytes changed: no panic, and what was read can be written and read again.
    #[test]
    fn any_text_is_read() {
        let mut state = 0x1234_5678_u32;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state
        };
        let sample = write(&sample()).into_bytes();
        for _ in 0..3000 {
            let mut bytes = sample.clone();
            for _ in 0..next() % 8 {
                let at = next() as usize % bytes.len();
                bytes[at] = next().to_le_bytes()[0];
            }
            let cut = next() as usize % bytes.len();
            let text = String::from_utf8_lossy(&bytes[cut..]).into_owned();
            let database = parse(&text);
            assert_eq!(parse(&write(&database)), database, "{text}");
        }
    }
}
