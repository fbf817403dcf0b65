//! A JSON object on one line, written field by field. ★
//!
//! One is written for every request: this takes a quarter of what a serializer of any type does. Whatever is not plain
//! ASCII is left to serde_json.

use super::stamp;

/// A line in the making: after each field a comma, of which the last gives way to the end.
pub(super) struct Line<'a>(&'a mut String);

/// A field's name as it stands in the line, in quotes and with the colon. [`name!`] makes one.
#[derive(Clone, Copy)]
pub(super) struct Name(pub(super) &'static str);

/// Names are ours, and plain: one piece of text each, known when this is built.
macro_rules! name {
    ($name:literal) => {
        $crate::telemetry::line::Name(concat!('"', $name, "\":"))
    };
}
pub(super) use name;

impl<'a> Line<'a> {
    /// Appends one to `text`.
    pub(super) fn begin(text: &'a mut String) -> Self {
        text.push('{');
        Self(text)
    }

    /// The moment.
    pub(super) fn now(&mut self, name: Name) -> &mut Self {
        self.0.push_str(name.0);
        self.0.push('"');
        stamp::write_now(self.0);
        self.0.push_str("\",");
        self
    }

    /// A text, or null.
    #[inline]
    pub(super) fn text(&mut self, name: Name, value: Option<&str>) -> &mut Self {
        self.0.push_str(name.0);
        match value {
            None => self.0.push_str("null,"),
            Some(text) => self.any(text),
        }
        self
    }

    /// A text of ours, which is plain.
    #[inline]
    pub(super) fn said(&mut self, name: Name, text: &'static str) -> &mut Self {
        self.0.push_str(name.0);
        self.plain(text);
        self
    }

    /// A number, or null.
    #[inline]
    pub(super) fn number(&mut self, name: Name, value: Option<u64>) -> &mut Self {
        self.0.push_str(name.0);
        match value {
            None => self.0.push_str("null,"),
            Some(number) => {
                self.0.push_str(itoa::Buffer::new().format(number));
                self.0.push(',');
            }
        }
        self
    }

    /// Nothing follows.
    pub(super) fn end(self) {
        if self.0.ends_with(',') {
            self.0.pop();
        }
        self.0.push('}');
    }

    fn any(&mut self, text: &str) {
        if is_plain(text) {
            return self.plain(text);
        }
        self.0.push_str(&serde_json::Value::from(text).to_string());
        self.0.push(',');
    }

    fn plain(&mut self, text: &str) {
        self.0.push('"');
        self.0.push_str(text);
        self.0.push_str("\",");
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
        line.text(name!("a"), Some("x"))
            .text(name!("b"), None)
            .number(name!("c"), Some(0))
            .number(name!("d"), None);
        line.end();
        Line::begin(&mut text).end();
        assert_eq!(text, r#"{"a":"x","b":null,"c":0,"d":null}{}"#);
    }

    proptest! {
        #[test]
        fn whatever_is_written_is_read_again_and_stays_on_its_line(text in any::<String>(), number in any::<u64>()) {
            let mut written = String::new();
            let mut line = Line::begin(&mut written);
            line.text(name!("text"), Some(&text)).number(name!("number"), Some(number));
            line.end();
            let line = written;
            prop_assert!(!line.bytes().any(|byte| byte.is_ascii_control()));
            prop_assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), json!({"text": text, "number": number}));
        }
    }
}
