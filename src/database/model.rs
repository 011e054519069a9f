//! What the database holds, and the rules of its names. No system call here.

use crate::error::{Error, Result};
use crate::iso7816::atr::MAX_ATR_LEN;

/// The group that every reader is in from the start.
pub(crate) const DEFAULT_READERS: &str = "SCard$DefaultReaders";
/// The group of all readers, which exists only as a name to list by.
pub(crate) const ALL_READERS: &str = "SCard$AllReaders";
/// Groups that Windows reserves and no longer uses.
const LEGACY_GROUPS: [&str; 2] = ["SCard$LocalReaders", "SCard$SystemReaders"];

/// Longest name, in bytes of UTF-8: that of a reader must fit where pcsc-lite's fit.
pub(crate) const MAX_NAME_LEN: usize = 127;
/// Most readers, and most kinds of card, in one scope.
pub(crate) const MAX_ENTRIES: usize = 1024;
/// Most groups of a reader, interfaces or providers of a card.
pub(crate) const MAX_PARTS: usize = 64;

/// The number of the primary provider in `SCardGetCardTypeProviderName`.
pub(crate) const PROVIDER_PRIMARY: u32 = 1;

/// An identifier, in the order in which its text has the bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Guid(pub(crate) [u8; 16]);

impl Guid {
    /// From `{8-4-4-4-12}` digits, braces optional.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let digits = match text.strip_prefix('{') {
            Some(rest) => rest.strip_suffix('}')?,
            None => text,
        };
        let groups: Vec<&str> = digits.split('-').collect();
        if groups.iter().map(|group| group.len()).ne([8, 4, 4, 4, 12]) {
            return None;
        }
        parse_hex(&groups.concat())?.try_into().ok().map(Self)
    }

    /// As `{8-4-4-4-12}` upper-case digits.
    pub(crate) fn text(self) -> String {
        let mut text = String::from("{");
        for (index, byte) in self.0.iter().enumerate() {
            if matches!(index, 4 | 6 | 8 | 10) {
                text.push('-');
            }
            text.push_str(&format!("{byte:02X}"));
        }
        text.push('}');
        text
    }
}

/// Pairs of hexadecimal digits, spaces between pairs allowed.
pub(crate) fn parse_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b' ').collect();
    if digits.len() % 2 != 0 || digits.len() > 1024 {
        return None;
    }
    let nibble = |digit: &u8| {
        char::from(*digit)
            .to_digit(16)
            .and_then(|value| u8::try_from(value).ok())
    };
    digits
        .chunks_exact(2)
        .map(|pair| match pair {
            [high, low] => Some(nibble(high)? << 4 | nibble(low)?),
            _ => None,
        })
        .collect()
}

/// Pairs of upper-case digits with a space between, for the file of Unix.
#[cfg(unix)]
pub(crate) fn hex(bytes: &[u8]) -> String {
    let pairs: Vec<String> = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
    pairs.join(" ")
}

/// Whether two names are the same one: letters of ASCII count without their case, as in the registry.
pub(crate) fn same(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
}

/// A name that may be stored.
///
/// # Errors
/// [`Error::InvalidValue`] for one that is empty, too long, or has a control character.
pub(crate) fn check_name(name: &str) -> Result<()> {
    if name.is_empty() || name.len() > MAX_NAME_LEN || name.chars().any(char::is_control) {
        return Err(Error::InvalidValue);
    }
    Ok(())
}

/// A group that readers can be put into.
///
/// # Errors
/// [`Error::InvalidValue`], also for the groups that exist only to list by.
pub(crate) fn check_group(name: &str) -> Result<()> {
    check_name(name)?;
    if same(name, ALL_READERS) || LEGACY_GROUPS.iter().any(|group| same(name, group)) {
        return Err(Error::InvalidValue);
    }
    Ok(())
}

/// A name that a reader goes by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ReaderEntry {
    /// The name.
    pub(crate) name: String,
    /// The system name of the reader.
    pub(crate) device: String,
    /// Groups it is in.
    pub(crate) groups: Vec<String>,
    /// The name is not to be used, although a reader has it by itself.
    pub(crate) forgotten: bool,
}

impl ReaderEntry {
    /// A name as it is when introduced.
    pub(crate) fn new(name: &str, device: &str) -> Self {
        Self {
            name: name.to_owned(),
            device: device.to_owned(),
            groups: vec![DEFAULT_READERS.to_owned()],
            forgotten: false,
        }
    }

    /// Whether it is in the group.
    pub(crate) fn is_in(&self, group: &str) -> bool {
        self.groups.iter().any(|name| same(name, group))
    }
}

/// A kind of card.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CardType {
    /// Its name.
    pub(crate) name: String,
    /// The ATR, as it is after the mask.
    pub(crate) atr: Vec<u8>,
    /// The bits that count; all if there is none.
    pub(crate) mask: Option<Vec<u8>>,
    /// The primary provider.
    pub(crate) primary: Option<Guid>,
    /// What the card supports.
    pub(crate) interfaces: Vec<Guid>,
    /// Names of other providers by number.
    pub(crate) providers: Vec<(u32, String)>,
}

impl CardType {
    /// Whether a card with this ATR is of this kind.
    pub(crate) fn matches(&self, atr: &[u8]) -> bool {
        matches(atr, &self.atr, self.mask.as_deref())
    }
}

/// Whether an ATR, after the mask, is the one that is looked for. MSDN `SCardIntroduceCardType`: A & M = pbAtr.
pub(crate) fn matches(atr: &[u8], wanted: &[u8], mask: Option<&[u8]>) -> bool {
    if atr.len() != wanted.len() || atr.is_empty() {
        return false;
    }
    match mask {
        None => atr == wanted,
        Some(mask) if mask.len() != wanted.len() => false,
        Some(mask) => atr.iter().zip(mask).map(|(a, m)| a & m).eq(wanted.iter().copied()),
    }
}

/// Whether this can be the ATR of a kind of card, with its mask.
///
/// # Errors
/// [`Error::InvalidAtr`]: no length an ATR has; bits that the mask leaves out, so that no card could match.
pub(crate) fn check_atr(atr: &[u8], mask: Option<&[u8]>) -> Result<()> {
    let fits = mask.is_none_or(|mask| matches(atr, atr, Some(mask)));
    if !(2..=MAX_ATR_LEN).contains(&atr.len()) || !fits {
        return Err(Error::InvalidAtr);
    }
    Ok(())
}

/// Everything of one scope.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Database {
    /// Names of readers.
    pub(crate) readers: Vec<ReaderEntry>,
    /// Kinds of cards.
    pub(crate) cards: Vec<CardType>,
    /// Lines of the file that are kept and not understood: comments, and what later versions write.
    pub(crate) kept: Vec<String>,
    /// Lines of entries that are wrong, or the second of their name; kept likewise.
    pub(crate) rejected: Vec<String>,
}

impl Database {
    /// The entry of a name.
    pub(crate) fn reader(&self, name: &str) -> Option<&ReaderEntry> {
        self.readers.iter().find(|reader| same(&reader.name, name))
    }

    /// The entry of a name, for a change.
    pub(crate) fn reader_mut(&mut self, name: &str) -> Option<&mut ReaderEntry> {
        self.readers.iter_mut().find(|reader| same(&reader.name, name))
    }

    /// Stores an entry in place of the one of that name.
    ///
    /// # Errors
    /// [`Error::NoMemory`] when there are too many.
    pub(crate) fn put_reader(&mut self, entry: ReaderEntry) -> Result<()> {
        if let Some(old) = self.reader_mut(&entry.name) {
            *old = entry;
        } else if self.readers.len() < MAX_ENTRIES {
            self.readers.push(entry);
        } else {
            return Err(Error::NoMemory);
        }
        Ok(())
    }

    /// The kind of card of this name.
    pub(crate) fn card(&self, name: &str) -> Option<&CardType> {
        self.cards.iter().find(|card| same(&card.name, name))
    }

    /// The kind of card of this name, for a change.
    pub(crate) fn card_mut(&mut self, name: &str) -> Option<&mut CardType> {
        self.cards.iter_mut().find(|card| same(&card.name, name))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_guid_is_read_as_it_is_written() {
        let text = "{ABCDEF00-ABCD-1234-AABB-CCDDAABBCCDD}";
        let guid = Guid::parse(text).unwrap();
        assert_eq!(guid.text(), text);
        assert_eq!(Guid::parse("abcdef00-abcd-1234-aabb-ccddaabbccdd"), Some(guid));
        for wrong in [
            "",
            "{}",
            "{ABCDEF00-ABCD-1234-AABB-CCDDAABBCCD}",
            "{ABCDEF00-ABCD-1234-AABB-CCDDAABBCCDD",
        ] {
            assert_eq!(Guid::parse(wrong), None, "{wrong}");
        }
        assert_eq!(Guid::parse("é0CDEF0-ABCD-1234-AABB-CCDDAABBCCDD"), None);
    }

    /// MSDN `SCardIntroduceCardType`: A matches if and only if A & M = pbAtr.
    #[test]
    fn the_mask_is_applied_to_the_cards_atr() {
        let (wanted, mask) = ([0xAA, 0xBB, 0xCC, 0x00, 0xDD], [0xFF, 0xFF, 0xFF, 0x00, 0xFF]);
        assert!(matches(&[0xAA, 0xBB, 0xCC, 0x42, 0xDD], &wanted, Some(&mask)));
        assert!(!matches(&[0xAA, 0xBB, 0xCC, 0x42, 0xDE], &wanted, Some(&mask)));
        assert!(!matches(&[0xAA, 0xBB, 0xCC, 0x42], &wanted, Some(&mask)));
        assert!(!matches(&[0xAA, 0xBB, 0xCC, 0x42, 0xDD], &wanted, None));
        assert!(matches(&wanted, &wanted, None));
        assert!(!matches(&[], &[], None), "no card");
        assert_eq!(check_atr(&wanted, Some(&mask)), Ok(()));
        assert_eq!(
            check_atr(&[0xAA, 0xBB, 0xCC, 0x01, 0xDD], Some(&mask)),
            Err(Error::InvalidAtr)
        );
        assert_eq!(check_atr(&[0x3B], None), Err(Error::InvalidAtr));
    }

    #[test]
    fn names_of_groups_that_exist_only_to_list_by_are_refused() {
        for group in [
            "SCard$AllReaders",
            "scard$localreaders",
            "SCard$SystemReaders",
            "",
            "a\nb",
        ] {
            assert_eq!(check_group(group), Err(Error::InvalidValue), "{group}");
        }
        assert_eq!(check_group(DEFAULT_READERS), Ok(()));
        assert_eq!(check_name(&"x".repeat(128)), Err(Error::InvalidValue));
        assert_eq!(check_name(&"x".repeat(127)), Ok(()));
    }
}
