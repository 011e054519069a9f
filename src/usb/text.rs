//! Makes strings of devices printable.

/// Replaces what is not printable, and what is not UTF-8, by dots. `None` if nothing is left to show.
pub(crate) fn printable(bytes: &[u8]) -> Option<String> {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.extend(chunk.valid().chars().map(|c| if c.is_control() { '.' } else { c }));
        if !chunk.invalid().is_empty() {
            text.push('.');
        }
    }
    (!text.is_empty()).then_some(text)
}

/// Replaces every byte that is not printable ASCII by a dot, as pcscd does with interface names.
#[cfg(unix)]
pub(crate) fn ascii(bytes: &[u8]) -> Option<String> {
    let text: String = bytes
        .iter()
        .map(|&byte| {
            if (0x20..0x7F).contains(&byte) {
                char::from(byte)
            } else {
                '.'
            }
        })
        .collect();
    (!text.is_empty()).then_some(text)
}

/// The text of a string descriptor (USB 2.0 §9.6.7): UTF-16LE after two bytes.
pub(crate) fn from_descriptor(descriptor: &[u8]) -> Option<String> {
    let (&[len, 3], _) = descriptor.split_first_chunk()? else {
        return None;
    };
    let units = descriptor.get(2..usize::from(len).min(descriptor.len()))?;
    let units = units
        .chunks_exact(2)
        .filter_map(|pair| Some(u16::from_le_bytes(pair.try_into().ok()?)));
    let text: String = char::decode_utf16(units)
        .map(|c| c.ok().filter(|c| !c.is_control()).unwrap_or('.'))
        .collect();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn untrusted_strings() {
        assert_eq!(printable("Ünit\0\x1b[2J".as_bytes()).as_deref(), Some("Ünit..[2J"));
        assert_eq!(printable(b"a\xFF\xFEb").as_deref(), Some("a..b"));
        assert_eq!(printable(b""), None);
        assert_eq!(ascii("PICC é\t".as_bytes()).as_deref(), Some("PICC ..."));
        assert_eq!(
            from_descriptor(&[8, 3, b'A', 0, 0x00, 0xD8, b'B', 0]).as_deref(),
            Some("A.B")
        );
        assert_eq!(
            from_descriptor(&[200, 3, b'A', 0, 9]).as_deref(),
            Some("A"),
            "shorter than it says"
        );
        assert_eq!(from_descriptor(&[2, 3]), None);
        assert_eq!(from_descriptor(&[0, 3, 1, 0]), None);
        assert_eq!(from_descriptor(&[4, 2, 1, 0]), None);
        assert_eq!(from_descriptor(&[4]), None);
    }
}
