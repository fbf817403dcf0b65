//! What the doctor found: a line a finding, what mends it below, as text or as JSON. ★
//!
//! Threat: an answer of the provider is a stranger's text. What could move a terminal's cursor is taken out,
//! and so is every configured secret, wherever it stands.

use std::fmt::Write;

use serde_json::{Value, json};

/// Everything that is told.
#[derive(Debug, Clone, Default)]
pub(super) struct Report {
    /// Where things are, as the provider says: name and address.
    pub(super) endpoints: Vec<(&'static str, String)>,
    /// What is to be registered at the app client: name and address.
    pub(super) register: Vec<(&'static str, String)>,
    /// In the order in which they were looked at.
    pub(super) findings: Vec<Finding>,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    /// How it is.
    pub(super) level: Level,
    /// What was looked at; stable.
    pub(super) what: &'static str,
    /// What was found.
    pub(super) found: String,
    /// What to do, a step or a command a line; commands can be pasted as they are.
    pub(super) fix: Vec<String>,
}

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    /// As it should be.
    Ok,
    /// It works, and could work better.
    Warn,
    /// It does not work.
    Fail,
    /// It could not be looked at from here.
    Unseen,
}

// === impl Report ===

impl Report {
    /// How many findings are of a level.
    pub(super) fn count(&self, level: Level) -> usize {
        self.findings.iter().filter(|finding| finding.level == level).count()
    }

    /// The same without these texts, wherever they stand.
    pub(super) fn without(mut self, secrets: &[&str]) -> Self {
        let clean = |text: &mut String| {
            *text = printable(text);
            for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
                if text.contains(secret) {
                    *text = text.replace(secret, "(the secret)");
                }
            }
        };
        self.endpoints.iter_mut().chain(&mut self.register).for_each(|(_, address)| clean(address));
        for finding in &mut self.findings {
            clean(&mut finding.found);
            finding.fix.iter_mut().for_each(clean);
        }
        self
    }

    /// For people. `colours`: they sit at a terminal.
    pub(super) fn text(&self, colours: bool) -> String {
        let mut text = String::new();
        addresses(&mut text, "The provider says:", &self.endpoints);
        addresses(&mut text, "To be registered at the app client, to the letter:", &self.register);
        for finding in &self.findings {
            let level = finding.level;
            let (begin, end) = if colours { (level.colour(), "\x1b[0m") } else { ("", "") };
            let _ = writeln!(
                text,
                "{begin}{:<LEVEL_WIDTH$}{end}{:<WHAT_WIDTH$}{}",
                level.name(),
                finding.what,
                finding.found
            );
            for line in &finding.fix {
                let _ = writeln!(text, "{:width$}{line}", "", width = LEVEL_WIDTH + WHAT_WIDTH + 2);
            }
        }
        let _ = writeln!(text, "\n{}", self.summary());
        text
    }

    /// For programs.
    pub(super) fn json(&self) -> Value {
        let finding = |finding: &Finding| {
            json!({
                "level": finding.level.name(),
                "what": finding.what,
                "found": finding.found,
                "fix": finding.fix,
            })
        };
        let pairs = |pairs: &[(&str, String)]| -> Vec<Value> {
            pairs.iter().map(|(name, address)| json!({ "what": name, "address": address })).collect()
        };
        json!({
            "well": self.count(Level::Fail) == 0,
            "endpoints": pairs(&self.endpoints),
            "register": pairs(&self.register),
            "findings": self.findings.iter().map(finding).collect::<Vec<_>>(),
        })
    }

    fn summary(&self) -> String {
        let mut parts = vec![match self.count(Level::Fail) {
            0 => "nothing failed".to_owned(),
            count => format!("{count} failed"),
        }];
        for (level, words) in
            [(Level::Warn, "could be better"), (Level::Unseen, "could not be seen from here")]
        {
            let count = self.count(level);
            if count > 0 {
                parts.push(format!("{count} {words}"));
            }
        }
        parts.join(", ")
    }
}

fn addresses(text: &mut String, heading: &str, addresses: &[(&str, String)]) {
    if addresses.is_empty() {
        return;
    }
    let _ = writeln!(text, "{heading}");
    for (name, address) in addresses {
        let _ = writeln!(text, "  {name:<ADDRESS_WIDTH$}{address}");
    }
    text.push('\n');
}

// === impl Finding ===

impl Finding {
    /// As it should be.
    pub(super) fn ok(what: &'static str, found: impl Into<String>) -> Self {
        Self::new(Level::Ok, what, found)
    }

    /// It does not work; what to do follows by [`Self::fix`].
    pub(super) fn fail(what: &'static str, found: impl Into<String>) -> Self {
        Self::new(Level::Fail, what, found)
    }

    /// It could not be looked at.
    pub(super) fn unseen(what: &'static str, found: impl Into<String>) -> Self {
        Self::new(Level::Unseen, what, found)
    }

    /// Of any level.
    pub(super) fn new(level: Level, what: &'static str, found: impl Into<String>) -> Self {
        Self { level, what, found: found.into(), fix: Vec::new() }
    }

    /// A further step, or a command to paste.
    pub(super) fn fix(mut self, line: impl Into<String>) -> Self {
        self.fix.push(line.into());
        self
    }
}

// === impl Level ===

impl Level {
    /// Stable.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
            Self::Unseen => "unseen",
        }
    }

    fn colour(self) -> &'static str {
        match self {
            Self::Ok => "\x1b[32m",
            Self::Warn => "\x1b[33m",
            Self::Fail => "\x1b[1;31m",
            Self::Unseen => "\x1b[36m",
        }
    }
}

/// A stranger's text within bounds, for the inside of a line.
pub(super) fn quoted(text: &str) -> String {
    let mut short: String = text.chars().take(MOST_QUOTED).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    printable(&short)
}

fn printable(text: &str) -> String {
    let harmless = |c: char| {
        !c.is_control()
            && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    text.chars().map(|c| if harmless(c) { c } else { '\u{fffd}' }).collect()
}

const LEVEL_WIDTH: usize = 8;
const WHAT_WIDTH: usize = 12;
const ADDRESS_WIDTH: usize = 15;
const MOST_QUOTED: usize = 300;

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        Report {
            endpoints: vec![("issuer", "https://a.test/p".into()), ("keys", "https://a.test/p/jwks".into())],
            register: vec![("callback", "https://app.test/oauth2/callback".into())],
            findings: vec![
                Finding::ok("keys", "2 keys"),
                Finding::fail("callback", "not registered").fix("add it:").fix("aws …"),
                Finding::unseen("trigger", "ask"),
            ],
        }
    }

    #[test]
    fn a_line_a_finding_and_its_steps_below_it() {
        let wanted = "\
The provider says:
  issuer         https://a.test/p
  keys           https://a.test/p/jwks

To be registered at the app client, to the letter:
  callback       https://app.test/oauth2/callback

ok      keys        2 keys
fail    callback    not registered
                      add it:
                      aws …
unseen  trigger     ask

1 failed, 1 could not be seen from here
";
        assert_eq!(report().text(false), wanted);
        assert!(report().text(true).contains("\x1b[1;31mfail"), "colours where they are wanted");
    }

    #[test]
    fn programs_get_the_same_as_json() {
        let json = report().json();
        assert_eq!(json["well"], false);
        assert_eq!(json["endpoints"][1], json!({"what": "keys", "address": "https://a.test/p/jwks"}));
        assert_eq!(
            json["findings"][1],
            json!({"level": "fail", "what": "callback", "found": "not registered", "fix": ["add it:", "aws …"]})
        );
    }

    #[test]
    fn no_secret_and_no_control_character_is_told() {
        let mut report = report();
        report.findings.push(Finding::fail("client", "it says s3cret\x1b[2J").fix("s3cret"));
        report.endpoints.push(("token", "https://a.test/?s3cret".into()));
        let text = report.without(&["s3cret", ""]).text(false);
        assert!(!text.contains("s3cret") && !text.contains('\x1b'), "{text}");
        assert!(text.contains("it says (the secret)\u{fffd}[2J"), "{text}");
    }

    #[test]
    fn a_strangers_text_is_cut() {
        assert_eq!(quoted(&"ä".repeat(301)), format!("{}…", "ä".repeat(300)));
        assert_eq!(quoted("a\nb\u{202e}c"), "a\u{fffd}b\u{fffd}c");
    }
}
