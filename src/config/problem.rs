//! What is wrong with a configuration, where, and how to mend it; prints it, decides nothing. ★

use std::fmt;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The gate does not start.
    Error,
    /// The gate starts, but something is weaker than it looks or does nothing.
    Warning,
}

/// Where a problem lies.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A position in the file.
    At {
        /// The file as it was named.
        file: String,
        /// From 1.
        line: usize,
        /// From 1, in characters.
        column: usize,
    },
    /// The file as a whole: something is missing.
    File(String),
    /// `env:NAME`, a flag, or `environment` where no file was read.
    Source(String),
}

/// One step of a key's path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// A table's key.
    Name(String),
    /// An element of a list, from 0 (shown from 1).
    Index(usize),
}

/// The path of a key: `rules[2].any_role`.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key(pub Vec<Step>);

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Error or warning.
    pub severity: Severity,
    /// Where.
    pub place: Place,
    /// Which key; empty where the text is not TOML at all.
    pub key: Key,
    /// What is wrong and what was expected. Never holds a secret's value.
    pub message: String,
    /// How to mend it.
    pub fix: Option<String>,
}

/// Everything that is wrong, errors and warnings, in the order of the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Problems {
    list: Vec<Problem>,
    /// The file's text, for the lines under the carets.
    text: String,
}

// === impl Key ===

impl Key {
    /// `a.b` as a key path. The parts are schema names, which hold no dots.
    pub fn of(path: &str) -> Self {
        Self(path.split('.').filter(|part| !part.is_empty()).map(|part| Step::Name(part.into())).collect())
    }

    /// This path and one name more.
    pub fn name(&self, name: &str) -> Self {
        self.with(Step::Name(name.to_owned()))
    }

    /// This path and one index more, from 0.
    pub fn index(&self, index: usize) -> Self {
        self.with(Step::Index(index))
    }

    fn with(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }

    /// Whether `other` is this key or lies below it.
    pub fn holds(&self, other: &Self) -> bool {
        other.0.starts_with(&self.0)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, step) in self.0.iter().enumerate() {
            match step {
                Step::Name(name) if at == 0 => f.write_str(name)?,
                Step::Name(name) => write!(f, ".{name}")?,
                Step::Index(index) => write!(f, "[{}]", index + 1)?,
            }
        }
        Ok(())
    }
}

// === impl Place ===

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At { file, line, column } => write!(f, "{file}:{line}:{column}"),
            Self::File(name) | Self::Source(name) => f.write_str(name),
        }
    }
}

// === impl Problem ===

impl Problem {
    /// Whether nothing can be run with it.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        if self.severity == Severity::Warning {
            f.write_str("warning: ")?;
        }
        if !self.key.0.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.message)?;
        match &self.fix {
            Some(fix) => write!(f, "; {fix}"),
            None => Ok(()),
        }
    }
}

// === impl Problems ===

impl Problems {
    /// Nothing wrong yet. `text` is the file's, or empty.
    pub fn new(text: &str) -> Self {
        Self { list: Vec::new(), text: text.to_owned() }
    }

    /// Adds one.
    pub fn push(&mut self, problem: Problem) {
        self.list.push(problem);
    }

    /// In the order of the file; what has no position comes last.
    pub fn sorted(mut self) -> Self {
        self.list.sort_by(|a, b| a.place.cmp(&b.place));
        self
    }

    /// All of them.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.list.iter()
    }

    /// Whether any is an error.
    pub fn has_errors(&self) -> bool {
        self.list.iter().any(|problem| problem.severity == Severity::Error)
    }

    /// Whether `key`, something below it or something that holds it has an error already: what follows
    /// from that is not worth a second line.
    pub fn touches(&self, key: &Key) -> bool {
        self.list.iter().any(|problem| {
            problem.severity == Severity::Error
                && !problem.key.0.is_empty()
                && (key.holds(&problem.key) || problem.key.holds(key))
        })
    }

    /// The problems themselves.
    pub fn into_vec(self) -> Vec<Problem> {
        self.list
    }

    /// The line of the source with a caret under the column, for people at a terminal.
    pub fn caret(&self, problem: &Problem) -> Option<String> {
        let Place::At { line, column, .. } = &problem.place else { return None };
        let source = self.text.lines().nth(line.checked_sub(1)?)?;
        let shown = if may_hold_secret(problem, source) { hide_value(source) } else { source.to_owned() };
        let number = line.to_string();
        let gap = " ".repeat(number.len());
        let indent: String = source
            .chars()
            .take(column.saturating_sub(1))
            .map(|c| if c == '\t' { '\t' } else { ' ' })
            .collect();
        Some(format!("{gap} |\n{number} | {shown}\n{gap} | {indent}^"))
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, problem) in self.list.iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// Whether a secret may stand on the line: by the key, by the line (an inline table holds several keys; a store's
/// address may hold a password), and always where the text is no TOML or the key unknown, which may be a slip of `client_secret`.
fn may_hold_secret(problem: &Problem, line: &str) -> bool {
    let secret = |text: &str| {
        text == "keys" || text == "store" || text.contains("secret") || text.contains("password")
    };
    problem.message == UNKNOWN_KEY
        || problem.key.0.is_empty()
        || problem.key.0.iter().any(|step| matches!(step, Step::Name(name) if secret(name)))
        || secret(line)
        || ["keys", "redis:", "rediss:"].iter().any(|word| line.contains(word))
}

/// Cuts off everything that may be a value.
fn hide_value(line: &str) -> String {
    let bare = |key: &str| key.chars().all(|c| c.is_ascii_alphanumeric() || " \t-_.".contains(c));
    match line.split_once('=') {
        Some((key, _)) if bare(key) => format!("{key}= …"),
        None if bare(line.trim_matches(['[', ']'])) => line.to_owned(),
        _ => "…".to_owned(),
    }
}

/// What an unknown key is told.
pub(super) const UNKNOWN_KEY: &str = "unknown key";

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(key: &str, column: usize) -> Problem {
        Problem {
            severity: Severity::Error,
            place: Place::At { file: "a.toml".into(), line: 2, column },
            key: Key::of(key),
            message: "wrong".into(),
            fix: Some("mend it".into()),
        }
    }

    #[test]
    fn a_problem_is_one_line_with_place_key_message_and_fix() {
        assert_eq!(problem("log.level", 9).to_string(), "a.toml:2:9: log.level: wrong; mend it");
    }

    #[test]
    fn the_line_of_a_stores_address_is_not_shown() {
        let problems = Problems::new("[session]\nstore = \"redis://:hunter2@h/x\"\n");
        assert!(!problems.caret(&problem("session.store", 9)).unwrap().contains("hunter2"));
        let problems = Problems::new("\n  \"rediss://:hunter2@h/x\",\n");
        assert!(!problems.caret(&problem("session.store", 3)).unwrap().contains("hunter2"));
        let problems = Problems::new("\nsession = { store = \"redis://:hunter2@h\", idle = \"x\" }\n");
        assert!(!problems.caret(&problem("session.idle", 20)).unwrap().contains("hunter2"));
    }

    #[test]
    fn the_caret_stands_under_the_column() {
        let problems = Problems::new("[log]\nlevel = 5\n");
        assert_eq!(problems.caret(&problem("log.level", 9)).unwrap(), "  |\n2 | level = 5\n  |         ^");
    }

    #[test]
    fn a_secret_is_not_shown_above_the_caret() {
        for (key, line) in [
            ("cognito.client_secret", "client_secret = \"hunter2\""),
            ("session.keys", "  \"hunter2=\","),
            ("session.keys", "[\"hunter2\"]"),
            ("cognito.client_id", "cognito = { client_id = [], client_secret = \"hunter2\" }"),
            ("", "client_secret = hunter2"),
        ] {
            let problems = Problems::new(&format!("#\n{line}\n"));
            let shown = problems.caret(&problem(key, 3)).unwrap();
            assert!(!shown.contains("hunter2"), "{shown}");
        }
    }
}
