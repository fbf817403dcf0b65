//! What is written in a configuration of oauth2-proxy, whichever form it has. ★
//!
//! Nothing that is read is ever said again here but names and lines: any value may be a secret.

use super::{cfg, options, shell, yaml};

/// The forms. What nobody names is told by its first line that means anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// oauth2-proxy.cfg: TOML.
    Cfg,
    /// Variables, a line each, as of `env_file`, `EnvironmentFile` or a shell.
    Env,
    /// A command line, a shell script, a unit of systemd.
    Flags,
    /// Kubernetes, compose, Helm values, or the alpha configuration.
    Yaml,
}

/// Where a value stood. What comes later wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// The configuration file.
    File,
    /// A variable.
    Env,
    /// A flag.
    Flag,
    /// The structured configuration.
    Alpha,
}

/// One option with what it was given.
#[derive(Clone, PartialEq, Eq)]
pub struct Given {
    /// As it was written, without its value; `--…` for a flag that may be a value itself.
    pub written: String,
    /// In small letters with hyphens, without `OAUTH2_PROXY_`.
    pub name: String,
    /// None where the value is elsewhere (`valueFrom`).
    pub values: Vec<String>,
    /// A list of the file's, each of whose elements is one; any other text is a list with commas where a list is asked for.
    pub listed: bool,
    /// From 1.
    pub line: usize,
    /// Where it stood.
    pub source: Source,
}

/// Why a text cannot be read, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{line}: {why}")]
pub struct Unreadable {
    /// From 1.
    pub line: usize,
    /// Without any value.
    pub why: String,
}

/// Everything that is given, in the order of the text.
pub fn read(text: &str, format: Option<Format>) -> Result<Vec<Given>, Unreadable> {
    let format = format.or_else(|| told(text)).ok_or_else(|| Unreadable {
        line: 1,
        why: "nothing here looks like a configuration of oauth2-proxy: --format says what it is".into(),
    })?;
    let found = match format {
        Format::Cfg => cfg::read(text)?,
        Format::Env | Format::Flags => shell::read(text)?,
        Format::Yaml => yaml::read(text)?,
    };
    if found.is_empty() {
        return Err(Unreadable { line: 1, why: "no option of oauth2-proxy is in it".into() });
    }
    Ok(found)
}

/// The form, by the first line that has one.
pub(super) fn told(text: &str) -> Option<Format> {
    text.lines().map(str::trim).find_map(|line| {
        if line.is_empty() || line.starts_with('#') || line == "---" {
            return None;
        }
        if line.starts_with('[') && line.ends_with(']') && !line.contains('=') {
            return Some(Format::Flags);
        }
        let item = line.strip_prefix("- ").map(str::trim_start);
        let key = line.split_once(':').filter(|(_, rest)| rest.is_empty() || rest.starts_with([' ', '\t']));
        let is_key = |name: &str| {
            !name.is_empty()
                && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c))
                && !name.starts_with('-')
        };
        if item.is_some() || line == "-" || key.is_some_and(|(name, _)| is_key(name)) {
            return Some(Format::Yaml);
        }
        if line.contains("OAUTH2_PROXY_") && line.contains('=') && !line.contains(" --") {
            return Some(Format::Env);
        }
        if line.starts_with('-') || line.contains(" --") || line.contains(" -e ") {
            return Some(Format::Flags);
        }
        let word = line.find(|c: char| !c.is_ascii_alphanumeric() && !"_-.".contains(c))?;
        let (name, rest) = (&line[..word], line[word..].trim_start());
        if rest.starts_with('=') && !name.is_empty() {
            let upper = name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
            return Some(if upper { Format::Env } else { Format::Cfg });
        }
        None
    })
}

/// An option under a name that was written somewhere.
pub(super) fn given(written: &str, values: Vec<String>, line: usize, source: Source) -> Given {
    let bare = written.trim_start_matches('-');
    let bare = bare.strip_prefix("OAUTH2_PROXY_").unwrap_or(bare);
    let row = options::find(bare);
    let name = row.map_or_else(|| options::plain(bare), |row| row.flag.to_owned());
    let shown = written.split('=').next().unwrap_or_default();
    let shown = if row.is_none() && source == Source::Flag && !is_named(bare) { "--…" } else { shown };
    Given { written: shown.to_owned(), name, values, listed: false, line, source }
}

/// Whether it is words with hyphens. Anything else may be a value, and so a secret, that a hand has put at a flag's place.
fn is_named(bare: &str) -> bool {
    let word = |word: &str| word.len() <= 16 && word.bytes().all(|b| b.is_ascii_lowercase());
    let bare = bare.split('=').next().unwrap_or_default();
    bare.len() <= 60 && bare.split(['-', '_']).all(word)
}

// === impl Given ===

/// Without the values.
impl std::fmt::Debug for Given {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (line {}, {} values)", self.written, self.line, self.values.len())
    }
}
