//! Bytes as people write them.

use std::fmt::Write;

/// Bytes with spaces between them; those from `hidden` on as `**`.
pub(super) fn spaced(bytes: &[u8], hidden: Option<usize>) -> String {
    let mut text = String::new();
    for (at, byte) in bytes.iter().enumerate() {
        if at > 0 {
            text.push(' ');
        }
        if hidden.is_some_and(|from| at >= from) {
            text.push_str("**");
        } else {
            let _never = write!(text, "{byte:02X}");
        }
    }
    text
}

/// Bytes without spaces.
pub(super) fn plain(bytes: &[u8]) -> String {
    spaced(bytes, None).replace(' ', "")
}

/// Printable characters, and dots for the others.
pub(super) fn ascii(bytes: &[u8]) -> String {
    let shown = |byte: &u8| {
        if (0x20..0x7F).contains(byte) {
            char::from(*byte)
        } else {
            '.'
        }
    };
    bytes.iter().map(shown).collect()
}

/// Reads hexadecimal digits; spaces, colons, commas and `0x` between bytes do not matter.
pub(super) fn parse(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    for word in text.split(|c: char| c.is_whitespace() || matches!(c, ':' | ',' | '-')) {
        let digits = word
            .strip_prefix("0x")
            .or_else(|| word.strip_prefix("0X"))
            .unwrap_or(word);
        if let Some(wrong) = digits.chars().find(|c| !c.is_ascii_hexdigit()) {
            return Err(format!("\"{wrong}\" is no hexadecimal digit"));
        }
        if digits.len() % 2 != 0 {
            return Err(format!("\"{digits}\" has half a byte: digits come in pairs"));
        }
        let pairs = (0..digits.len()).step_by(2).filter_map(|at| digits.get(at..at + 2));
        bytes.extend(pairs.filter_map(|pair| u8::from_str_radix(pair, 16).ok()));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_spellings_are_read() {
        for text in [
            "00a40400",
            "00 A4 04 00",
            "00:A4:04:00",
            "0x00,0xA4,0x04,0x00",
            " 00A4 0400 ",
        ] {
            assert_eq!(parse(text), Ok(vec![0, 0xA4, 4, 0]), "{text}");
        }
        assert!(parse("00 A").is_err_and(|error| error.contains("half a byte")));
        assert!(parse("00 XY").is_err_and(|error| error.contains("\"X\"")));
        assert_eq!(spaced(&[1, 0xAB, 3], Some(2)), "01 AB **");
    }
}
