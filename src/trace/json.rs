//! One JSON object on one line, written from front to back.

use std::fmt::Write;

/// An object under construction. Names are the trace's own, and need no escaping.
#[derive(Debug)]
pub(super) struct Object {
    text: String,
}

impl Object {
    pub(super) fn new() -> Self {
        Self { text: "{".into() }
    }

    fn name(&mut self, name: &str) -> &mut String {
        if !self.text.ends_with(['{', '[']) {
            self.text.push(',');
        }
        if !name.is_empty() {
            string(&mut self.text, name);
            self.text.push(':');
        }
        &mut self.text
    }

    pub(super) fn number(&mut self, name: &str, value: u64) {
        // A String takes everything.
        let _never = write!(self.name(name), "{value}");
    }

    pub(super) fn text(&mut self, name: &str, value: &str) {
        string(self.name(name), value);
    }

    /// What a C string held, whatever its bytes are.
    pub(super) fn bytes_as_text(&mut self, name: &str, value: &[u8]) {
        self.text(name, &String::from_utf8_lossy(value));
    }

    /// Bytes in hexadecimal; those from `hidden` on, or none, as `**`.
    pub(super) fn hex(&mut self, name: &str, value: &[u8], hidden: Option<usize>) {
        let text = self.name(name);
        text.push('"');
        for (at, byte) in value.iter().enumerate() {
            if hidden.is_some_and(|from| at >= from) {
                text.push_str("**");
            } else {
                let _never = write!(text, "{byte:02X}");
            }
        }
        text.push('"');
    }

    pub(super) fn object(&mut self, name: &str, fill: impl FnOnce(&mut Self)) {
        self.name(name).push('{');
        fill(self);
        self.text.push('}');
    }

    pub(super) fn list(&mut self, name: &str, fill: impl FnOnce(&mut Self)) {
        self.name(name).push('[');
        fill(self);
        self.text.push(']');
    }

    pub(super) fn line(mut self) -> String {
        self.text.push_str("}\n");
        self.text
    }
}

fn string(text: &mut String, value: &str) {
    text.push('"');
    for character in value.chars() {
        match character {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            control if u32::from(control) < 0x20 || control == '\u{7f}' => {
                let _never = write!(text, "\\u{:04x}", u32::from(control));
            }
            other => text.push(other),
        }
    }
    text.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_json_on_one_line() {
        let mut object = Object::new();
        object.number("t", 5);
        object.text("name", "a\"\\\n\u{7f}é");
        object.object("in", |inner| inner.hex("apdu", &[0, 0x20, 7], Some(2)));
        object.list("readers", |list| {
            list.text("", "one");
            list.number("", 2);
        });
        assert_eq!(
            object.line(),
            "{\"t\":5,\"name\":\"a\\\"\\\\\\u000a\\u007fé\",\"in\":{\"apdu\":\"0020**\"},\"readers\":[\"one\",2]}\n"
        );
    }
}
