//! What became of each option, for whoever moves in. ★

use std::fmt;

use super::options::Fate;

/// One option that was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// On which line, from 1.
    pub line: usize,
    /// As it was written, without its value.
    pub written: String,
    /// The flag that it is.
    pub name: String,
    /// What became of it.
    pub fate: Fate,
    /// In a clause.
    pub text: String,
}

/// All that were given, and what is left to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// In the order of the text.
    pub entries: Vec<Entry>,
    /// What must be done before the gate runs.
    pub todo: Vec<String>,
}

/// What is stricter whatever was configured.
pub const STRICTER: [&str; 9] = [
    "Everybody signs in once more: cookies have other names and another seal, and neither gate reads the other's.",
    "A session ends 12 hours after its sign-in, however busy; there it was 7 days after the last refresh, unless cookie_expire said otherwise.",
    "Roles are asked for anew after 15 minutes, and who lost one is out then; there it was never, unless cookie_refresh said otherwise.",
    "Cookies are one host's, HttpOnly, Secure and SameSite=Lax, and the upstream does not see them.",
    "PKCE and the nonce are always used, and a login's state counts once and in the browser that began it.",
    "X-Forwarded-* is believed from trusted_proxies alone, and identity headers of a client never pass, under any spelling.",
    "A path that servers read in different ways is 400, and no query decides anything (allowed_groups, allowed_emails).",
    "Public paths match byte by byte, and rules that name methods refuse the others.",
    "A sign-out needs a request of the gate's own pages or the same origin, ends the session at the provider too, and returns to public_url and allowed_return_hosts alone.",
];

// === impl Report ===

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for fate in [Fate::Taken, Fate::Needless, Fate::Stricter, Fate::Missing, Fate::Unknown] {
            let of_it: Vec<&Entry> = self.entries.iter().filter(|entry| entry.fate == fate).collect();
            if of_it.is_empty() {
                continue;
            }
            writeln!(f, "{}:", fate.heading())?;
            for entry in of_it {
                writeln!(f, "  line {}: {}: {}", entry.line, shown(&entry.written), entry.text)?;
            }
        }
        writeln!(f, "stricter whatever was configured:")?;
        for text in STRICTER {
            writeln!(f, "  {text}")?;
        }
        if !self.todo.is_empty() {
            writeln!(f, "to do before it runs:")?;
            for text in &self.todo {
                writeln!(f, "  {text}")?;
            }
        }
        Ok(())
    }
}

/// A name from a file, on one line and bounded.
fn shown(name: &str) -> String {
    name.chars().take(80).map(|c| if c.is_control() { '?' } else { c }).collect()
}
