//! The cache of `SCardReadCache` and `SCardWriteCache`: what programs keep of cards' contents, by card, name and revision.
//!
//! One file for each user, shared by his processes, gone with the machine's next start; the oldest entries make room for new
//! ones. Whoever is no program of this user neither reads nor writes it.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
use unix::file;
#[cfg(windows)]
use windows::file;

use crate::error::{Error, Result};
use crate::shared_file::SharedFile;

/// Most bytes of a value.
const MAX_VALUE_LEN: usize = 1 << 16;
/// Most bytes of a name.
const MAX_NAME_LEN: usize = 512;
/// Most bytes of the file.
const MAX_LEN: usize = 1 << 20;
/// What the file begins with; changes with the format.
const MAGIC: &[u8; 8] = b"WSCACHE\x01";
/// Bytes of an entry before name and value: card, revision, lengths of both.
const HEAD_LEN: usize = 16 + 4 + 4 + 4;

/// An entry.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Item {
    card: [u8; 16],
    revision: u32,
    name: Vec<u8>,
    value: Vec<u8>,
}

impl Item {
    fn len(&self) -> usize {
        HEAD_LEN + self.name.len() + self.value.len()
    }
}

/// Reads entries, the oldest first; all up to the first that makes no sense.
fn decode(bytes: &[u8]) -> Vec<Item> {
    let mut items = Vec::new();
    let mut rest = bytes.strip_prefix(MAGIC).unwrap_or_default();
    while let Some((item, behind)) = decode_item(rest) {
        items.push(item);
        rest = behind;
    }
    items
}

fn decode_item(bytes: &[u8]) -> Option<(Item, &[u8])> {
    let (card, bytes) = bytes.split_first_chunk::<16>()?;
    let mut rest = bytes;
    let mut number = || {
        let (word, behind) = rest.split_first_chunk::<4>()?;
        rest = behind;
        Some(u32::from_le_bytes(*word))
    };
    let (revision, name_len, value_len) = (number()?, number()?, number()?);
    let (name_len, value_len) = (usize::try_from(name_len).ok()?, usize::try_from(value_len).ok()?);
    if name_len > MAX_NAME_LEN || value_len > MAX_VALUE_LEN {
        return None;
    }
    let (name, rest) = rest.split_at_checked(name_len)?;
    let (value, rest) = rest.split_at_checked(value_len)?;
    let item = Item {
        card: *card,
        revision,
        name: name.to_vec(),
        value: value.to_vec(),
    };
    Some((item, rest))
}

/// The bytes of the newest entries, as many as there is room for.
fn encode(items: &[Item]) -> Vec<u8> {
    let mut room = MAX_LEN - MAGIC.len();
    let newest = items.iter().rev().take_while(|item| {
        let fits = item.len() <= room;
        room = room.saturating_sub(item.len());
        fits
    });
    let mut bytes = MAGIC.to_vec();
    let kept = items.len() - newest.count();
    for item in items.iter().skip(kept) {
        bytes.extend(item.card);
        bytes.extend(item.revision.to_le_bytes());
        for part in [&item.name, &item.value] {
            bytes.extend(u32::try_from(part.len()).unwrap_or(0).to_le_bytes());
        }
        bytes.extend(&item.name);
        bytes.extend(&item.value);
    }
    bytes
}

/// The value of a name for a card, if it is of this revision. An older one is removed.
///
/// # Errors
/// `CacheItemNotFound` (also for one of a later revision than asked for), `CacheItemStale` (an older one).
pub(crate) fn read(card: [u8; 16], revision: u32, name: &str) -> Result<Vec<u8>> {
    let Some(file) = file() else {
        return Err(Error::CacheItemNotFound);
    };
    read_from(&file, card, revision, name)
}

fn read_from(file: &SharedFile, card: [u8; 16], revision: u32, name: &str) -> Result<Vec<u8>> {
    let bytes = file.read().unwrap_or_else(|error| {
        log::warn!("cache {}: {error}", file.path().display());
        Vec::new()
    });
    let is_it = |item: &Item| item.card == card && item.name == name.as_bytes();
    let found = decode(&bytes).into_iter().find(is_it).ok_or(Error::CacheItemNotFound)?;
    if found.revision == revision {
        return Ok(found.value);
    }
    if found.revision > revision {
        return Err(Error::CacheItemNotFound);
    }
    // Unless somebody has renewed it meanwhile.
    let removed = file.update(|bytes| {
        let mut items = decode(&bytes);
        items.retain(|item| !(is_it(item) && item.revision < revision));
        Ok(encode(&items))
    });
    if let Err(error) = removed {
        log::warn!("cache {}: a stale item stays: {error}", file.path().display());
    }
    Err(Error::CacheItemStale)
}

/// Stores the value of a name for a card, in place of any other revision's.
///
/// # Errors
/// `CacheItemTooBig`; `NoAccess` where there is no place for a cache; `ServerTooBusy`, `NoMemory`.
pub(crate) fn write(card: [u8; 16], revision: u32, name: &str, value: &[u8]) -> Result<()> {
    write_to(&file().ok_or(Error::NoAccess)?, card, revision, name, value)
}

fn write_to(file: &SharedFile, card: [u8; 16], revision: u32, name: &str, value: &[u8]) -> Result<()> {
    if name.len() > MAX_NAME_LEN || value.len() > MAX_VALUE_LEN {
        return Err(Error::CacheItemTooBig);
    }
    file.update(|bytes| {
        let mut items = decode(&bytes);
        items.retain(|item| item.card != card || item.name != name.as_bytes());
        items.push(Item {
            card,
            revision,
            name: name.as_bytes().to_vec(),
            value: value.to_vec(),
        });
        Ok(encode(&items))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::fs;
    use std::path::PathBuf;

    use super::*;
    use crate::shared_file::Owner;

    fn cache(name: &str) -> (PathBuf, SharedFile) {
        let directory = std::env::temp_dir().join(format!("winscard-cache-{name}-{}", std::process::id()));
        let _none = fs::remove_dir_all(&directory);
        (
            directory.clone(),
            SharedFile::new(directory, "cache", Owner::User, MAX_LEN),
        )
    }

    const CARD: [u8; 16] = [1; 16];

    /// MSDN `SCardReadCache`.
    #[test]
    fn a_value_is_read_at_its_revision_and_removed_when_a_later_one_is_asked_for() {
        let (directory, file) = cache("revision");
        assert_eq!(read_from(&file, CARD, 0, "file"), Err(Error::CacheItemNotFound));
        write_to(&file, CARD, 5, "file", b"five").unwrap();
        assert_eq!(read_from(&file, CARD, 5, "file").unwrap(), b"five");
        assert_eq!(
            read_from(&file, [2; 16], 5, "file"),
            Err(Error::CacheItemNotFound),
            "another card"
        );
        assert_eq!(
            read_from(&file, CARD, 5, "File"),
            Err(Error::CacheItemNotFound),
            "another name"
        );
        assert_eq!(
            read_from(&file, CARD, 4, "file"),
            Err(Error::CacheItemNotFound),
            "newer than asked for"
        );
        assert_eq!(read_from(&file, CARD, 5, "file").unwrap(), b"five", "and kept");
        assert_eq!(read_from(&file, CARD, 6, "file"), Err(Error::CacheItemStale));
        assert_eq!(
            read_from(&file, CARD, 5, "file"),
            Err(Error::CacheItemNotFound),
            "and removed"
        );
        write_to(&file, CARD, 6, "file", b"six").unwrap();
        write_to(&file, CARD, 2, "file", b"").unwrap();
        assert_eq!(read_from(&file, CARD, 2, "file").unwrap(), b"");
        fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn the_oldest_make_room() {
        let (directory, file) = cache("room");
        let value = vec![7; MAX_VALUE_LEN];
        for number in 0..20_u8 {
            write_to(&file, CARD, 1, &number.to_string(), &value).unwrap();
        }
        assert_eq!(read_from(&file, CARD, 1, "0"), Err(Error::CacheItemNotFound));
        assert_eq!(read_from(&file, CARD, 1, "19").unwrap(), value);
        assert_eq!(read_from(&file, CARD, 1, "6").unwrap(), value);
        assert!(fs::metadata(file.path()).unwrap().len() <= MAX_LEN as u64);
        let long = "x".repeat(MAX_NAME_LEN + 1);
        assert_eq!(write_to(&file, CARD, 1, &long, b""), Err(Error::CacheItemTooBig));
        assert_eq!(
            write_to(&file, CARD, 1, "x", &vec![0; MAX_VALUE_LEN + 1]),
            Err(Error::CacheItemTooBig)
        );
        fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn any_bytes_are_read() {
        let item = Item {
            card: CARD,
            revision: 3,
            name: b"name".to_vec(),
            value: b"value".to_vec(),
        };
        let sound = encode(&[item.clone(), item.clone()]);
        assert_eq!(decode(&sound), [item.clone(), item.clone()]);
        for len in 0..sound.len() {
            assert!(decode(sound.get(..len).unwrap()).len() < 2);
        }
        for at in 0..sound.len() {
            let mut bytes = sound.clone();
            *bytes.get_mut(at).unwrap() ^= 0x80;
            assert!(decode(&bytes).len() <= 2);
        }
        assert_eq!(decode(b"something else"), []);
    }
}
