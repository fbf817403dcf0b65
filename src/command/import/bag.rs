//! The options that were given, asked for by name; and what is said of each. ★

use std::collections::BTreeMap;
use std::time::Duration;

use super::options::{self, Fate};
use super::read::{Given, Source};
use super::report::{Entry, Report};

/// What was given, while it is turned into ours.
pub(super) struct Bag<'a> {
    given: &'a [Given],
    said: BTreeMap<String, (Fate, String)>,
    todo: Vec<String>,
}

// === impl Bag ===

impl<'a> Bag<'a> {
    pub(super) fn new(given: &'a [Given]) -> Self {
        Self { given, said: BTreeMap::new(), todo: Vec::new() }
    }

    /// Whether it was named at all, with a value or with one that is elsewhere.
    pub(super) fn has(&self, flag: &str) -> bool {
        self.given.iter().any(|one| one.name == flag)
    }

    /// Whether a field about one kind of provider is here that no flag is known for: it may keep people out.
    pub(super) fn has_unread_provider_field(&self) -> bool {
        let table = |name: &str| name.split('.').next().is_some_and(|table| table.ends_with("config"));
        let mut unread = self.given.iter().filter(|one| one.source == Source::Alpha);
        unread.any(|one| one.name.strip_prefix("providers.").is_some_and(table))
    }

    /// Whether the structured configuration is here, which has no defaults of the flags'.
    pub(super) fn is_alpha(&self) -> bool {
        self.given.iter().any(|one| one.source == Source::Alpha)
    }

    /// The line on which it stands.
    pub(super) fn line(&self, flag: &str) -> usize {
        self.of(flag).last().map_or(0, |one| one.line)
    }

    /// Its last value, if there is one.
    pub(super) fn text(&self, flag: &str) -> Option<String> {
        let one = self.of(flag).last().copied()?;
        one.values
            .last()
            .map(|value| clean(value).to_owned())
            .filter(|value| !value.is_empty() && !is_blank(value))
    }

    /// All of its values; one text may hold several, with commas, unless it is an element of a list itself.
    pub(super) fn list(&self, flag: &str) -> Vec<String> {
        let mut found = self.expressions(flag);
        found.retain(|value| !is_blank(value));
        found
    }

    /// The same of expressions, whose `$` is none of a shell's.
    pub(super) fn expressions(&self, flag: &str) -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        for one in self.of(flag) {
            let whole = one.listed || one.source == Source::Alpha;
            for value in &one.values {
                let value = clean(value);
                let parts: Vec<&str> = if whole { vec![value] } else { value.split(',').collect() };
                for part in parts.into_iter().map(clean).filter(|part| !part.is_empty()) {
                    if !found.iter().any(|known| known == part) {
                        found.push(part.to_owned());
                    }
                }
            }
        }
        found
    }

    /// `None` where it is not given, or is neither true nor false.
    pub(super) fn on(&self, flag: &str) -> Option<bool> {
        match self.text(flag)?.to_ascii_lowercase().as_str() {
            "true" | "t" | "1" => Some(true),
            "false" | "f" | "0" => Some(false),
            _ => None,
        }
    }

    /// As Go reads a duration.
    pub(super) fn duration(&self, flag: &str) -> Option<Duration> {
        duration(&self.text(flag)?)
    }

    /// What became of it, in place of what its row says.
    pub(super) fn say(&mut self, flag: &str, fate: Fate, text: impl Into<String>) {
        self.said.insert(flag.to_owned(), (fate, text.into()));
    }

    /// Something that must be done before the gate runs.
    pub(super) fn todo(&mut self, text: impl Into<String>) {
        let text = text.into();
        if !self.todo.contains(&text) {
            self.todo.push(text);
        }
    }

    /// Everything that was given with what became of it, each option once.
    pub(super) fn report(self) -> Report {
        let mut entries: Vec<Entry> = Vec::new();
        for one in self.given {
            if entries.iter().any(|entry| entry.name == one.name) {
                continue;
            }
            let row = options::find(&one.name);
            let (fate, text) = match (self.said.get(&one.name), row) {
                (Some((fate, text)), _) => (*fate, text.clone()),
                (None, Some(row)) if row.switch && self.on(&one.name) == Some(false) => off(row),
                (None, Some(row)) => (row.fate, row.says.to_owned()),
                (None, None) if one.source == Source::Alpha => {
                    (Fate::Missing, "nothing here is like it".to_owned())
                }
                (None, None) => {
                    (Fate::Unknown, "not an option of oauth2-proxy that is known here".to_owned())
                }
            };
            let (line, written) = (one.line, one.written.clone());
            entries.push(Entry { line, written, name: one.name.clone(), fate, text });
        }
        Report { entries, todo: self.todo }
    }

    fn of(&self, flag: &str) -> Vec<&'a Given> {
        let named: Vec<&Given> = self.given.iter().filter(|one| one.name == flag).collect();
        let wins = named.iter().map(|one| one.source).max();
        named.into_iter().filter(|one| Some(one.source) == wins).collect()
    }
}

/// A switch that is off asks for nothing, unless its row is about what happens then.
fn off(row: &options::Row) -> (Fate, String) {
    match row.fate {
        Fate::Missing | Fate::Stricter => (Fate::Needless, "off, as it is here".to_owned()),
        fate => (fate, row.says.to_owned()),
    }
}

/// Whether something is still to be filled in, by a shell or a template: nothing of it is known.
fn is_blank(text: &str) -> bool {
    let named = |part: &str| part.starts_with(|c: char| c.is_ascii_alphabetic() || "_{(".contains(c));
    text.contains("{{") || text.split('$').skip(1).any(named)
}

/// Without blanks, and without the quotation marks that a list in YAML keeps.
fn clean(text: &str) -> &str {
    let text = text.trim();
    ['"', '\''].iter().find_map(|mark| text.strip_prefix(*mark)?.strip_suffix(*mark)).unwrap_or(text)
}

/// `168h0m0s`, `1.5h`, `0`; a bare number is nanoseconds.
fn duration(text: &str) -> Option<Duration> {
    let mut total = Duration::ZERO;
    let mut rest = text;
    if let Ok(nanoseconds) = text.parse::<u64>() {
        return Some(Duration::from_nanos(nanoseconds));
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let letters = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        let unit = match &rest[..letters] {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 0.001,
            "us" | "µs" => 0.000_001,
            "ns" => 0.000_000_001,
            _ => return None,
        };
        rest = &rest[letters..];
        total = total.checked_add(Duration::try_from_secs_f64(number * unit).ok()?)?;
    }
    Some(total)
}
