//! A rolegate.toml while it is written: tables in the order of the reference, each key with where it came from. ★

use std::fmt::Write as _;
use std::time::Duration;

use toml_edit::{Array, Value};

/// The file.
#[derive(Default)]
pub(super) struct Page {
    tables: Vec<(&'static str, Vec<String>)>,
    blocks: Vec<(&'static str, Vec<String>)>,
}

/// In this order; the top has no name.
const ORDER: [&str; 9] =
    ["", "[tls]", "[cognito]", "[oidc]", "[session]", "[identity]", "[bearer]", "[limits]", "[log]"];

// === impl Page ===

impl Page {
    /// A key of a table, with a comment above it where there is something to say.
    pub(super) fn key(&mut self, table: &'static str, key: &str, value: impl Into<Value>, why: &str) {
        let line = format!("{key} = {}", written(value.into()));
        self.lines(table, why, &line);
    }

    /// A key that is left to whoever reads it.
    pub(super) fn open(&mut self, table: &'static str, line: &str, why: &str) {
        self.lines(table, why, &format!("#{line}"));
    }

    /// One of several tables, `[[rules]]` say.
    pub(super) fn block(&mut self, header: &'static str, why: &str, keys: Vec<(&str, Value)>) {
        let mut lines: Vec<String> = why.lines().map(|line| format!("# {line}")).collect();
        lines.push(header.to_owned());
        lines.extend(keys.into_iter().map(|(key, value)| format!("{key} = {}", written(value))));
        self.blocks.push((header, lines));
    }

    /// The whole text.
    pub(super) fn text(&self, head: &str) -> String {
        let mut text = String::new();
        for line in head.lines() {
            let _ = writeln!(text, "# {line}");
        }
        for table in ORDER {
            if let Some((_, lines)) = self.tables.iter().find(|(name, _)| *name == table) {
                text.push('\n');
                if !table.is_empty() {
                    let _ = writeln!(text, "{table}");
                }
                for line in lines {
                    let _ = writeln!(text, "{line}");
                }
            }
            if table == "[identity]" {
                self.blocks_of("[[identity.", &mut text);
            }
        }
        self.blocks_of("[[rules", &mut text);
        text
    }

    fn blocks_of(&self, header: &str, text: &mut String) {
        for (_, lines) in self.blocks.iter().filter(|(name, _)| name.starts_with(header)) {
            text.push('\n');
            for line in lines {
                let _ = writeln!(text, "{line}");
            }
        }
    }

    fn lines(&mut self, table: &'static str, why: &str, line: &str) {
        let at = self.tables.iter().position(|(name, _)| *name == table).unwrap_or_else(|| {
            self.tables.push((table, Vec::new()));
            self.tables.len() - 1
        });
        let lines = &mut self.tables[at].1;
        lines.extend(why.lines().map(|line| format!("# {line}")));
        lines.push(line.to_owned());
    }
}

/// A list of texts.
pub(super) fn list<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> Value {
    Value::Array(texts.into_iter().map(|text| text.as_ref().to_owned()).collect::<Array>())
}

/// As our durations are written: `7d`, `1h30m`, `500ms`.
pub(super) fn duration(time: Duration) -> String {
    let mut text = String::new();
    let mut rest = time.as_millis();
    for (unit, name) in [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s"), (1, "ms")] {
        if rest >= unit {
            let _ = write!(text, "{}{name}", rest / unit);
            rest %= unit;
        }
    }
    text
}

fn written(value: Value) -> String {
    value.decorated("", "").to_string()
}
