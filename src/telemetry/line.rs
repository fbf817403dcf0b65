//! A JSON object on one line, written field by field. ★
//!
//! One is written for every request: this takes a quarter of what a serializer of any type does. Whatever is not plain
//! ASCII is left to serde_json.

use super::stamp;

/// A line in the making.
pub(super) struct Line<'a>(&'a mut String);

impl<'a> Line<'a> {
    /// Appends one to `text`.
    pub(super) fn begin(text: &'a mut String) -> Self {
        text.push('{');
        Self(text)
    }

    /// The moment.
    pub(super) fn now(&mut self, name: &str) -> &mut Self {
        self.name(name);
        self.0.push('"');
        stamp::write_now(self.0);
        self.0.push('"');
        self
    }

    /// A text, or null.
    pub(super) fn text(&mut self, name: &str, value: Option<&str>) -> &mut Self {
        self.name(name);
        match value {
            None => self.0.push_str("null"),
            Some(text) if is_plain(text) => self.word(text),
            Some(text) => self.0.push_str(&serde_json::Value::from(text).to_string()),
        }
        self
    }

    /// A text of ours, which is plain.
    pub(super) fn said(&mut self, name: &str, text: &'static str) -> &mut Self {
        self.name(name);
        self.word(text);
        self
    }

    /// A number, or null.
    pub(super) fn number(&mut self, name: &str, value: Option<u64>) -> &mut Self {
        self.name(name);
        match value {
            None => self.0.push_str("null"),
            Some(number) => self.0.push_str(itoa::Buffer::new().format(number)),
        }
        self
    }

    /// Nothing follows.
    pub(super) fn end(self) {
        self.0.push('}');
    }

    fn word(&mut self, text: &str) {
        self.0.push('"');
        self.0.push_str(text);
        self.0.push('"');
    }

    /// Names are ours, and plain.
    fn name(&mut self, name: &str) {
        if !self.0.ends_with('{') {
            self.0.push(',');
        }
        self.0.push('"');
        self.0.push_str(name);
        self.0.push_str("\":");
    }
}

/// Whether all of it stands for itself in JSON (RFC 8259 §7), and is ASCII. Every byte is looked at, many at a time.
fn is_plain(text: &str) -> bool {
    let is_plain = |byte: u8| matches!(byte, b' '..=b'~') & (byte != b'"') & (byte != b'\\');
    text.bytes().fold(true, |all, byte| all & is_plain(byte))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn fields_stand_in_their_order() {
        let mut text = String::new();
        let mut line = Line::begin(&mut text);
        line.text("a", Some("x")).text("b", None).number("c", Some(0)).number("d", None);
        line.end();
        Line::begin(&mut text).end();
        assert_eq!(text, r#"{"a":"x","b":null,"c":0,"d":null}{}"#);
    }

    proptest! {
        #[test]
        fn whatever_is_written_is_read_again_and_stays_on_its_line(text in any::<String>(), number in any::<u64>()) {
            let mut written = String::new();
            let mut line = Line::begin(&mut written);
            line.text("text", Some(&text)).number("number", Some(number));
            line.end();
            let line = written;
            prop_assert!(!line.bytes().any(|byte| byte.is_ascii_control()));
            prop_assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), json!({"text": text, "number": number}));
        }
    }
}
