//! JSON, written for scripts and read back from traces.
//!
//! (`serde_json` would do, but a crate that has it compares numbers with its values as well, and then `assert_eq!(bytes, [])` in any
//! test of this crate no longer compiles.)

use std::fmt::{self, Write};

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Number(u64),
    /// A number that is negative or no whole one.
    Float(f64),
    Text(String),
    List(Vec<Self>),
    /// In the order in which the fields stand.
    Object(Vec<(String, Self)>),
}

/// Values within values; deeper ones are refused.
const MAX_DEPTH: u32 = 32;

impl Value {
    /// An object with these fields.
    pub(super) fn object<const N: usize>(fields: [(&str, Self); N]) -> Self {
        Self::Object(
            fields
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
        )
    }

    /// A field of an object.
    pub(super) fn get(&self, name: &str) -> Option<&Self> {
        self.fields()
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value)
    }

    /// The fields of an object; none of anything else.
    pub(super) fn fields(&self) -> &[(String, Self)] {
        match self {
            Self::Object(fields) => fields,
            _ => &[],
        }
    }

    /// The values of a list; none of anything else.
    pub(super) fn items(&self) -> &[Self] {
        match self {
            Self::List(items) => items,
            _ => &[],
        }
    }

    pub(super) fn as_number(&self) -> Option<u64> {
        match self {
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }

    pub(super) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Reads a value that fills the whole text.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parser = Parser { rest: text };
        let value = parser.value(0)?;
        parser.space();
        parser.rest.is_empty().then_some(value)
    }

    /// On several lines, for people who look at it.
    pub(super) fn pretty(&self) -> String {
        let mut text = String::new();
        self.write_pretty(&mut text, 1);
        text
    }

    fn write_pretty(&self, text: &mut String, depth: usize) {
        let line = |text: &mut String, depth: usize| {
            text.push('\n');
            text.push_str(&"  ".repeat(depth));
        };
        match self {
            Self::List(items) if !items.is_empty() => {
                text.push('[');
                for (number, item) in items.iter().enumerate() {
                    text.push_str(if number > 0 { "," } else { "" });
                    line(text, depth);
                    item.write_pretty(text, depth + 1);
                }
                line(text, depth - 1);
                text.push(']');
            }
            Self::Object(fields) if !fields.is_empty() => {
                text.push('{');
                for (number, (name, value)) in fields.iter().enumerate() {
                    text.push_str(if number > 0 { "," } else { "" });
                    line(text, depth);
                    let _never = write!(text, "{}: ", Quoted(name));
                    value.write_pretty(text, depth + 1);
                }
                line(text, depth - 1);
                text.push('}');
            }
            flat => {
                let _never = write!(text, "{flat}");
            }
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Float(number) => write!(f, "{number}"),
            Self::Text(text) => write!(f, "{}", Quoted(text)),
            Self::List(items) => {
                f.write_char('[')?;
                for (number, item) in items.iter().enumerate() {
                    write!(f, "{}{item}", if number > 0 { "," } else { "" })?;
                }
                f.write_char(']')
            }
            Self::Object(fields) => {
                f.write_char('{')?;
                for (number, (name, value)) in fields.iter().enumerate() {
                    write!(f, "{}{}:{value}", if number > 0 { "," } else { "" }, Quoted(name))?;
                }
                f.write_char('}')
            }
        }
    }
}

/// A string as it is written.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for character in self.0.chars() {
            match character {
                '"' | '\\' => write!(f, "\\{character}")?,
                control if control.is_control() => write!(f, "\\u{:04x}", u32::from(control))?,
                other => f.write_char(other)?,
            }
        }
        f.write_char('"')
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Number(number.into())
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl<T: Into<Self>> From<Vec<T>> for Value {
    fn from(values: Vec<T>) -> Self {
        Self::List(values.into_iter().map(Into::into).collect())
    }
}

/// Reads from front to back.
struct Parser<'a> {
    rest: &'a str,
}

impl Parser<'_> {
    fn space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\r', '\n']);
    }

    fn take(&mut self, word: &str) -> Option<()> {
        self.space();
        self.rest = self.rest.strip_prefix(word)?;
        Some(())
    }

    fn value(&mut self, depth: u32) -> Option<Value> {
        if depth > MAX_DEPTH {
            return None;
        }
        self.space();
        match self.rest.chars().next()? {
            '{' => self.object(depth),
            '[' => self.list(depth),
            '"' => self.text().map(Value::Text),
            't' => self.take("true").map(|()| Value::Bool(true)),
            'f' => self.take("false").map(|()| Value::Bool(false)),
            'n' => self.take("null").map(|()| Value::Null),
            _ => self.number(),
        }
    }

    fn object(&mut self, depth: u32) -> Option<Value> {
        self.take("{")?;
        let mut fields = Vec::new();
        if self.take("}").is_some() {
            return Some(Value::Object(fields));
        }
        loop {
            self.space();
            let name = self.text()?;
            self.take(":")?;
            fields.push((name, self.value(depth + 1)?));
            if self.take("}").is_some() {
                return Some(Value::Object(fields));
            }
            self.take(",")?;
        }
    }

    fn list(&mut self, depth: u32) -> Option<Value> {
        self.take("[")?;
        let mut items = Vec::new();
        if self.take("]").is_some() {
            return Some(Value::List(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            if self.take("]").is_some() {
                return Some(Value::List(items));
            }
            self.take(",")?;
        }
    }

    fn number(&mut self) -> Option<Value> {
        let end = self
            .rest
            .find(|c: char| !matches!(c, '0'..='9' | '-' | '+' | '.' | 'e' | 'E'))
            .unwrap_or(self.rest.len());
        let (digits, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest;
        digits
            .parse()
            .map(Value::Number)
            .or_else(|_| digits.parse().map(Value::Float))
            .ok()
    }

    fn text(&mut self) -> Option<String> {
        let mut text = String::new();
        let mut characters = self.rest.strip_prefix('"')?.chars();
        loop {
            match characters.next()? {
                '"' => break,
                '\\' => match characters.next()? {
                    'n' => text.push('\n'),
                    't' => text.push('\t'),
                    'r' => text.push('\r'),
                    'b' => text.push('\u{8}'),
                    'f' => text.push('\u{c}'),
                    'u' => {
                        let digits: String = characters.by_ref().take(4).collect();
                        let unit = u16::from_str_radix(&digits, 16).ok()?;
                        // Half of a pair stands for nothing by itself, and the trace writes none.
                        text.push(char::from_u32(unit.into()).unwrap_or(char::REPLACEMENT_CHARACTER));
                    }
                    plain @ ('"' | '\\' | '/') => text.push(plain),
                    _ => return None,
                },
                control if u32::from(control) < 0x20 => return None,
                other => text.push(other),
            }
        }
        self.rest = characters.as_str();
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let value = Value::object([
            ("a", Value::Null),
            ("text", "quote \" back \\ line \n é".into()),
            ("list", vec![1_u64, u64::MAX].into()),
            ("none", Value::List(Vec::new())),
            (
                "inside",
                Value::object([("yes", true.into()), ("half", Value::Float(0.5))]),
            ),
        ]);
        assert_eq!(Value::parse(&value.to_string()).as_ref(), Some(&value));
        assert_eq!(Value::parse(&value.pretty()), Some(value));
        assert_eq!(Value::object([("a", 1_u64.into())]).pretty(), "{\n  \"a\": 1\n}");
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "{",
            "{\"a\"}",
            "[1,]",
            "\"open",
            "{} x",
            "nul",
            "\"\\q\"",
            "\"\\u12\"",
            "01x",
            "--",
        ] {
            assert_eq!(Value::parse(text), None, "{text}");
        }
        assert_eq!(Value::parse(&"[".repeat(100_000)), None);
        assert_eq!(
            Value::parse(" [ -1 , \"\\u0041\\/\" ] ")
                .unwrap()
                .items()
                .last()
                .unwrap()
                .as_text(),
            Some("A/")
        );
    }
}
