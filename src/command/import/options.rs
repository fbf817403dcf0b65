//! Every option of oauth2-proxy, a row each: what it is called, and what becomes of it. ★

mod login;
mod server;
mod sessions;

/// One option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// As a flag, without the hyphens before it.
    pub flag: &'static str,
    /// In the configuration file, and after `OAUTH2_PROXY_` in capitals in the environment.
    pub key: &'static str,
    /// A switch: as a flag it may stand without a value.
    pub switch: bool,
    /// What becomes of it, where its value does not say otherwise.
    pub fate: Fate,
    /// In one clause.
    pub says: &'static str,
}

/// What becomes of an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// It is written as something of ours that means the same.
    Taken,
    /// It is so anyway, or there is nothing that it could be about.
    Needless,
    /// It is taken over, or is so anyway, and less is let through than before.
    Stricter,
    /// There is nothing like it.
    Missing,
    /// It is none of oauth2-proxy's.
    Unknown,
}

// === impl Fate ===

impl Fate {
    /// As the report's headings and the manual call it.
    pub fn heading(self) -> &'static str {
        match self {
            Self::Taken => "taken over",
            Self::Needless => "not needed",
            Self::Stricter => "stricter here",
            Self::Missing => "no equivalent",
            Self::Unknown => "unknown",
        }
    }
}

// === impl Row ===

impl Row {
    /// Whether it may be given several times.
    pub fn is_list(&self) -> bool {
        plain(self.key) != self.flag || matches!(self.flag, "skip-auth-regex" | "extra-jwt-issuers")
    }
}

/// All of them.
pub fn rows() -> impl Iterator<Item = &'static Row> {
    login::ROWS.iter().chain(sessions::ROWS).chain(server::ROWS)
}

/// The row of a name as a flag, a key of the file or a variable has it; singular and plural, `_` and `-` are alike.
pub fn find(name: &str) -> Option<&'static Row> {
    let name = plain(name);
    rows().find(|row| row.flag == name || plain(row.key) == name)
}

/// In small letters with hyphens.
pub fn plain(name: &str) -> String {
    name.to_ascii_lowercase().replace('_', "-")
}

const fn row(flag: &'static str, key: &'static str, fate: Fate, says: &'static str) -> Row {
    Row { flag, key, switch: false, fate, says }
}

const fn switch(flag: &'static str, key: &'static str, fate: Fate, says: &'static str) -> Row {
    Row { flag, key, switch: true, fate, says }
}
