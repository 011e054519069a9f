//! An event of a trace, read back. The file may come from anywhere: what is missing or of another kind counts as not there.

use crate::cli::json::Value;

/// One event.
#[derive(Clone, Debug)]
pub(super) struct Event {
    /// When it began, in microseconds.
    pub(super) at: u64,
    pub(super) pid: u64,
    pub(super) tid: u64,
    pub(super) kind: String,
    fields: Value,
}

impl Event {
    pub(super) fn parse(line: &str) -> Option<Self> {
        let fields = Value::parse(line)?;
        Some(Self {
            at: fields.get("t")?.as_number()?,
            pid: fields.get("pid")?.as_number()?,
            tid: fields.get("tid")?.as_number()?,
            kind: fields.get("event")?.as_text()?.to_owned(),
            fields,
        })
    }

    pub(super) fn number(&self, name: &str) -> u64 {
        self.fields.get(name).and_then(Value::as_number).unwrap_or(0)
    }

    pub(super) fn text(&self, name: &str) -> &str {
        self.fields.get(name).and_then(Value::as_text).unwrap_or("")
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.fields.get(name).is_some()
    }

    /// The fields of an object, or nothing.
    pub(super) fn object(&self, name: &str) -> &[(String, Value)] {
        self.fields.get(name).map_or(&[], Value::fields)
    }

    pub(super) fn list(&self, name: &str) -> &[Value] {
        self.fields.get(name).map_or(&[], Value::items)
    }

    /// Bytes; `None` for each that is hidden.
    pub(super) fn bytes(&self, name: &str) -> Vec<Option<u8>> {
        bytes(self.text(name))
    }

    /// When a call or transfer ended.
    pub(super) fn end(&self) -> u64 {
        self.at.saturating_add(self.number("us"))
    }
}

/// Bytes in hexadecimal, `**` for one that is hidden.
pub(super) fn bytes(text: &str) -> Vec<Option<u8>> {
    let digits: Vec<char> = text.chars().collect();
    digits
        .chunks_exact(2)
        .map(|pair| {
            let pair: String = pair.iter().collect();
            u8::from_str_radix(&pair, 16).ok()
        })
        .collect()
}

/// The same with spaces.
pub(super) fn spaced(bytes: &[Option<u8>]) -> String {
    let words: Vec<String> = bytes
        .iter()
        .map(|byte| byte.map_or_else(|| "**".to_owned(), |byte| format!("{byte:02X}")))
        .collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn hidden_bytes_stay_hidden() {
        assert_eq!(bytes("00A4**"), [Some(0), Some(0xA4), None]);
        assert_eq!(spaced(&bytes("00A4**")), "00 A4 **");
    }

    #[test]
    fn anything_is_read_without_harm() {
        for line in [
            "",
            "{}",
            "[]",
            "{\"t\":-1}",
            "{\"t\":1,\"pid\":1,\"tid\":1,\"event\":7}",
            "nonsense",
        ] {
            assert!(Event::parse(line).is_none(), "{line}");
        }
        let event = Event::parse("{\"t\":1,\"pid\":2,\"tid\":3,\"event\":\"x\",\"us\":18446744073709551615}").unwrap();
        assert_eq!(event.end(), u64::MAX);
        assert_eq!(
            (event.number("none"), event.text("t"), event.list("t").len()),
            (0, "", 0)
        );
    }
}
