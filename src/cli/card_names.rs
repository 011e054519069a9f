//! Names of cards by their ATR, from the list that pcsc-tools keeps, where it is installed.

use std::fs;
use std::path::PathBuf;

/// Where the list may be: the user's own, newer one first.
fn places() -> Vec<PathBuf> {
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    [
        cache
            .or_else(|| home.as_ref().map(|home| home.join(".cache")))
            .map(|cache| cache.join("smartcard_list.txt")),
        home.map(|home| home.join(".smartcard_list.txt")),
        Some("/usr/share/pcsc/smartcard_list.txt".into()),
        Some("/usr/local/share/pcsc/smartcard_list.txt".into()),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// What cards with this ATR are known as.
pub(super) fn of(atr: &[u8]) -> Vec<String> {
    let list = places().into_iter().find_map(|path| fs::read_to_string(path).ok());
    list.map(|list| in_list(&list, atr)).unwrap_or_default()
}

/// A pattern on a line of its own, hexadecimal with dots for any digit; then its names, each on an indented line.
fn in_list(list: &str, atr: &[u8]) -> Vec<String> {
    let digits = super::hex::plain(atr);
    let mut names = Vec::new();
    let mut applies = false;
    for line in list.lines() {
        match line.chars().next() {
            None => applies = false,
            Some('#') => {}
            Some('\t' | ' ') => {
                if applies {
                    names.push(line.trim().to_owned());
                }
            }
            Some(_) => applies = matches(line, &digits),
        }
    }
    names
}

fn matches(pattern: &str, digits: &str) -> bool {
    let mut pattern = pattern.chars().filter(|c| !c.is_whitespace());
    let same = digits.chars().all(|digit| {
        pattern
            .next()
            .is_some_and(|p| p == '.' || p.eq_ignore_ascii_case(&digit))
    });
    same && pattern.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_compared_digit_by_digit() {
        let list = "# cards\n\n3B 68 00 .. 77\n\tFirst\n\tSecond\n\n3B 68 00\n\tShort\n";
        assert_eq!(in_list(list, &[0x3B, 0x68, 0, 9, 0x77]), ["First", "Second"]);
        assert_eq!(in_list(list, &[0x3B, 0x68, 0]), ["Short"]);
        assert!(in_list(list, &[0x3B]).is_empty());
    }
}
