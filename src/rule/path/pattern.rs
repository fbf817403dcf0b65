//! Which paths a rule is about: an exact one, or all below a prefix. ★

use super::{CanonicalPath, PathRefusal, canonical};

/// The path part of a rule: exact (`/a/b`) or a prefix (`/a/**`, which covers `/a` too).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pattern {
    /// Canonical; for a prefix without the `/**`, so empty for `/**`.
    base: String,
    prefix: bool,
}

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternProblem {
    /// It does not begin with `/`.
    #[error("a path begins with /")]
    NotAbsolute,
    /// `*` anywhere but in a final `/**`.
    #[error("* is allowed only as a final /**")]
    Star,
    /// Not in the spelling that requests are brought to.
    #[error("write it as {0}")]
    NotCanonical(String),
    /// No request can have this path.
    #[error("no request can match: {0}")]
    Refused(PathRefusal),
    /// `;` never takes part in matching.
    #[error("a path parameter (;…) never takes part in matching: leave it out")]
    Parameter,
}

/// How a pattern matched: a longer one is more specific, an exact one more than any prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PathMatch {
    /// A prefix of this many bytes.
    Prefix(usize),
    /// The whole path.
    Exact,
}

// === impl Pattern ===

impl Pattern {
    /// Reads a pattern as a rule writes it.
    pub fn parse(text: &str) -> Result<Self, PatternProblem> {
        if !text.starts_with('/') {
            return Err(PatternProblem::NotAbsolute);
        }
        let (base, prefix) = match text.strip_suffix("/**") {
            Some(base) => (base, true),
            None => (text, false),
        };
        if base.contains('*') {
            return Err(PatternProblem::Star);
        }
        if base.is_empty() {
            return Ok(Self { base: String::new(), prefix });
        }
        let path = canonical(base).map_err(PatternProblem::Refused)?;
        if path.has_parameters() {
            return Err(PatternProblem::Parameter);
        }
        if path.as_str() != base {
            let suffix = if prefix { "/**" } else { "" };
            return Err(PatternProblem::NotCanonical(format!("{}{suffix}", path.as_str())));
        }
        if prefix && base.ends_with('/') {
            return Err(PatternProblem::NotCanonical(format!("{}/**", base.trim_end_matches('/'))));
        }
        Ok(Self { base: base.to_owned(), prefix })
    }

    /// The text that every path it covers begins with, but for ASCII case: whole, or up to a slash.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Byte-exact, as public rules match: a spelling that an upstream might fold never becomes public.
    pub fn matches_exactly(&self, path: &CanonicalPath<'_>) -> Option<PathMatch> {
        if path.has_parameters() {
            return None;
        }
        self.matched(path.as_str(), |path, base| path == base)
    }

    /// As role rules match: without ASCII case and parameters, and with or without a final slash, so that
    /// a lenient upstream cannot be reached around a stricter rule.
    pub fn matches_leniently(&self, path: &CanonicalPath<'_>) -> Option<PathMatch> {
        let path = path.for_role_rules();
        self.matched(path, |path, base| path.eq_ignore_ascii_case(base)).or_else(|| {
            let bare = path.strip_suffix('/').filter(|bare| !bare.is_empty())?;
            (!self.prefix && bare.eq_ignore_ascii_case(&self.base)).then_some(PathMatch::Exact)
        })
    }

    /// Whether every path that `other` covers is covered by this one.
    pub fn covers(&self, other: &Self) -> bool {
        if !self.prefix {
            return self == other;
        }
        let (base, rest) = (self.base.as_str(), other.base.as_str());
        rest.eq_ignore_ascii_case(base)
            || (rest.len() > base.len()
                && rest.as_bytes()[..base.len()].eq_ignore_ascii_case(base.as_bytes())
                && rest.as_bytes()[base.len()] == b'/')
    }

    /// Where these paths are once `strip` is taken off and `add` put in front; `None`: none of them lies below `strip`.
    pub(super) fn moved(&self, strip: &str, add: &str) -> Option<Self> {
        let below = |text: &str, base: &str| text.strip_prefix(base).map(str::to_owned);
        let at_boundary = |rest: &String| rest.is_empty() || rest.starts_with('/');
        let rest = match below(&self.base, strip).filter(at_boundary) {
            Some(rest) => rest,
            // Of all paths below a shorter prefix those below `strip` are sent.
            None => below(strip, &self.base)
                .filter(|rest| self.prefix && at_boundary(rest))
                .map(|_| String::new())?,
        };
        let base = match format!("{add}{rest}") {
            base if base.is_empty() && !self.prefix => "/".to_owned(),
            base => base,
        };
        Some(Self { base, prefix: self.prefix })
    }

    fn matched(&self, path: &str, same: impl Fn(&str, &str) -> bool) -> Option<PathMatch> {
        if !self.prefix {
            return same(path, &self.base).then_some(PathMatch::Exact);
        }
        let head = path.get(..self.base.len())?;
        let at_boundary = path.len() == self.base.len() || path.as_bytes()[self.base.len()] == b'/';
        (at_boundary && same(head, &self.base)).then_some(PathMatch::Prefix(self.base.len()))
    }
}

impl std::fmt::Display for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.base)?;
        if self.prefix { f.write_str("/**") } else { Ok(()) }
    }
}
