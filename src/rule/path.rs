//! The one meaning of a request path, or none: what is matched here is what is forwarded. ★
//!
//! Threat: a path that the gate reads as public and the upstream reads as protected. Every form on
//! which servers are known to disagree is either brought to one spelling or refused; nothing is
//! decoded twice (RFC 3986 §6.2.2, RFC 9110 §4.2.3).

use std::borrow::Cow;

mod pattern;
mod rewrite;

pub use pattern::{PathMatch, Pattern, PatternProblem};
pub use rewrite::Rewrite;

/// A request path in its only spelling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CanonicalPath<'a> {
    /// What the upstream is sent.
    text: Cow<'a, str>,
    /// The path with every `;…` cut off, where it has any: what role rules are matched against.
    without_parameters: Option<String>,
    /// Whether a segment holds an escaped slash.
    holds_slash: bool,
}

/// Why a path has no single meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathRefusal {
    /// It does not begin with `/`.
    #[error("the path does not begin with /")]
    NotAbsolute,
    /// A byte outside visible ASCII, `\` or `#`.
    #[error("the path holds a byte that is not allowed")]
    Byte,
    /// A `%` that is not followed by two hex digits.
    #[error("the path holds a broken percent-escape")]
    BrokenEscape,
    /// An escaped `/`, `\` or control, or escapes that are not UTF-8.
    #[error("the path holds an escape that servers read differently")]
    AmbiguousEscape,
    /// `%25` before `2e`, `2f`, `5c` or `00`.
    #[error("the path is escaped twice")]
    DoubleEscape,
    /// `..` above the root.
    #[error("the path climbs above the root")]
    AboveRoot,
    /// A segment that is a dot segment once its `;…` is cut off.
    #[error("the path hides a dot segment behind a parameter")]
    HiddenDots,
    /// It does not lie below the prefix that its upstream has taken off.
    #[error("the path lies outside of what its upstream serves")]
    Outside,
}

/// Brings `raw` (the path of a request target, without the query) to its only spelling.
///
/// Unreserved escapes are decoded, all others kept with upper-case hex, `//` is merged and dot
/// segments are resolved (RFC 3986 §5.2.4).
pub fn canonical(raw: &str) -> Result<CanonicalPath<'_>, PathRefusal> {
    match canonical_with_slashes(raw) {
        Ok(path) if path.holds_slash => Err(PathRefusal::AmbiguousEscape),
        path => path,
    }
}

/// The same for where a rule may keep escaped slashes: they stay, as `%2F`, and [`CanonicalPath::holds_slash`]
/// says so. Whoever decides on such a path must ask what it is with the slashes decoded.
pub fn canonical_with_slashes(raw: &str) -> Result<CanonicalPath<'_>, PathRefusal> {
    if !raw.starts_with('/') {
        return Err(PathRefusal::NotAbsolute);
    }
    if raw.bytes().any(|b| !(0x21..=0x7e).contains(&b) || b == b'\\' || b == b'#') {
        return Err(PathRefusal::Byte);
    }

    let unescaped = if raw.contains('%') { Cow::Owned(normalize_escapes(raw)?) } else { Cow::Borrowed(raw) };
    let text = if needs_resolving(&unescaped) { Cow::Owned(resolve(&unescaped)?) } else { unescaped };
    let without_parameters = if has_parameters(&text) { Some(cut_parameters(&text)?) } else { None };
    let holds_slash = text.contains(SLASH);
    Ok(CanonicalPath { text, without_parameters, holds_slash })
}

// === impl CanonicalPath ===

impl CanonicalPath<'_> {
    /// The path as the upstream is sent it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether a segment carries a `;…`: such a path never matches a public rule.
    pub fn has_parameters(&self) -> bool {
        self.without_parameters.is_some()
    }

    /// The path as role rules see it.
    pub fn for_role_rules(&self) -> &str {
        self.without_parameters.as_deref().unwrap_or(&self.text)
    }

    /// Whether a segment holds an escaped slash. Only of [`canonical_with_slashes`].
    pub fn holds_slash(&self) -> bool {
        self.holds_slash
    }

    /// The path as a server reads it that takes an escaped slash for a slash. Refused if that brings empty or
    /// dot segments to light, by which it would be another path again.
    pub fn with_slashes_decoded(&self) -> Result<CanonicalPath<'static>, PathRefusal> {
        let decoded = self.text.replace(SLASH, "/");
        let path = canonical(&decoded)?;
        if path.as_str() == decoded { Ok(path.into_owned()) } else { Err(PathRefusal::AmbiguousEscape) }
    }

    /// Whether the path lies at or below `prefix`, as leniently as an upstream might read it.
    pub fn is_under(&self, prefix: &str) -> bool {
        let is = |path: &str| {
            let at_boundary = matches!(path.as_bytes().get(prefix.len()), None | Some(b'/'));
            at_boundary && path.get(..prefix.len()).is_some_and(|head| head.eq_ignore_ascii_case(prefix))
        };
        let path = self.for_role_rules();
        if !self.holds_slash {
            return is(path);
        }
        // Whichever an upstream does first: decode slashes, or cut parameters. What has dots in it then is refused later.
        let decoded = self.text.replace(SLASH, "/");
        is(path) || is(&path.replace(SLASH, "/")) || cut_parameters(&decoded).is_ok_and(|cut| is(&cut))
    }

    /// The same path, borrowing nothing.
    pub fn into_owned(self) -> CanonicalPath<'static> {
        CanonicalPath {
            text: Cow::Owned(self.text.into_owned()),
            without_parameters: self.without_parameters,
            holds_slash: self.holds_slash,
        }
    }
}

// === impl PathRefusal ===

impl PathRefusal {
    /// A stable code for records and metrics.
    pub fn code(self) -> &'static str {
        match self {
            Self::NotAbsolute => "path_not_absolute",
            Self::Byte => "path_byte",
            Self::BrokenEscape => "path_broken_escape",
            Self::AmbiguousEscape => "path_ambiguous_escape",
            Self::DoubleEscape => "path_double_escape",
            Self::AboveRoot => "path_above_root",
            Self::HiddenDots => "path_hidden_dots",
            Self::Outside => "path_outside",
        }
    }
}

/// Decodes unreserved escapes, keeps the rest with upper-case hex, refuses the ambiguous ones.
fn normalize_escapes(raw: &str) -> Result<String, PathRefusal> {
    let bytes = raw.as_bytes();
    let mut out = String::with_capacity(bytes.len());
    // All octets that escapes stand for in a row: they must be UTF-8 together (overlong forms are not).
    let mut run: Vec<u8> = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] != b'%' {
            whole_utf8(&mut run)?;
            out.push(char::from(bytes[at]));
            at += 1;
            continue;
        }
        let octet = hex_pair(bytes.get(at + 1..at + 3)).ok_or(PathRefusal::BrokenEscape)?;
        match octet {
            b'\\' | 0x00..=0x1f | 0x7f => return Err(PathRefusal::AmbiguousEscape),
            _ => {}
        }
        if octet.is_ascii() {
            whole_utf8(&mut run)?;
        } else {
            run.push(octet);
        }
        if is_unreserved(octet) {
            out.push(char::from(octet));
        } else {
            out.push('%');
            out.push(upper_hex(octet >> 4));
            out.push(upper_hex(octet & 0x0f));
        }
        at += 3;
    }
    whole_utf8(&mut run)?;
    // Asked of what comes out: decoding may have put the digits together (`%25%32%65`).
    let again = |at: usize| is_double_escape(&out.as_bytes()[at + "%25".len()..]);
    if out.match_indices("%25").any(|(at, _)| again(at)) {
        return Err(PathRefusal::DoubleEscape);
    }
    Ok(out)
}

fn whole_utf8(run: &mut Vec<u8>) -> Result<(), PathRefusal> {
    match std::str::from_utf8(run) {
        // C1 controls (U+0080–U+009F) are controls too.
        Ok(text) if text.chars().any(char::is_control) => Err(PathRefusal::AmbiguousEscape),
        Ok(_) => {
            run.clear();
            Ok(())
        }
        Err(_) => Err(PathRefusal::AmbiguousEscape),
    }
}

/// `rest` is what follows `%25`: a second decoding would make a dot, a separator or NUL of it. Further
/// `25`s only add layers (`%25252e`).
fn is_double_escape(rest: &[u8]) -> bool {
    let mut rest = rest;
    while let Some(inner) = rest.strip_prefix(b"25") {
        rest = inner;
    }
    matches!(hex_pair(rest.get(..2)), Some(b'.' | b'/' | b'\\' | 0))
}

/// An escaped slash in its only spelling.
const SLASH: &str = "%2F";

fn needs_resolving(path: &str) -> bool {
    let bytes = path.as_bytes();
    bytes.windows(2).any(|pair| pair == b"//" || pair == b"/.")
}

/// Merges empty segments and resolves `.` and `..`. A final dot segment leaves a final slash.
fn resolve(path: &str) -> Result<String, PathRefusal> {
    let mut kept: Vec<&str> = Vec::new();
    let mut ends_open = false;
    for segment in path.split('/').skip(1) {
        ends_open = false;
        match segment {
            "" | "." => ends_open = true,
            ".." => {
                kept.pop().ok_or(PathRefusal::AboveRoot)?;
                ends_open = true;
            }
            _ => kept.push(segment),
        }
    }
    let mut out = String::with_capacity(path.len());
    for segment in &kept {
        out.push('/');
        out.push_str(segment);
    }
    if ends_open || kept.is_empty() {
        out.push('/');
    }
    Ok(out)
}

fn has_parameters(path: &str) -> bool {
    parameter_at(path).is_some()
}

/// Where the first `;` is. An escaped one counts as well, however often it is escaped: some servers decode
/// before they look for parameters.
fn parameter_at(text: &str) -> Option<usize> {
    text.bytes().enumerate().find_map(|(at, byte)| {
        let escaped = || {
            let mut rest = &text.as_bytes()[at + 1..];
            while let Some(inner) = rest.strip_prefix(b"25") {
                rest = inner;
            }
            rest.get(..2).is_some_and(|hex| hex.eq_ignore_ascii_case(b"3b"))
        };
        (byte == b';' || (byte == b'%' && escaped())).then_some(at)
    })
}

/// Cuts `;…` off each segment. A segment that becomes a dot segment by it is what `/public/..;/admin`
/// tricks are made of: refused.
fn cut_parameters(path: &str) -> Result<String, PathRefusal> {
    let mut out = String::with_capacity(path.len());
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let end = parameter_at(segment).unwrap_or(segment.len());
        match &segment[..end] {
            "." | ".." => return Err(PathRefusal::HiddenDots),
            "" if segments.peek().is_some() => {}
            cut => {
                out.push('/');
                out.push_str(cut);
            }
        }
    }
    Ok(out)
}

fn hex_pair(pair: Option<&[u8]>) -> Option<u8> {
    let pair = pair?;
    let high = char::from(*pair.first()?).to_digit(16)?;
    let low = char::from(*pair.get(1)?).to_digit(16)?;
    u8::try_from(high * 16 + low).ok()
}

/// RFC 3986 §2.3.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

fn upper_hex(nibble: u8) -> char {
    char::from(b"0123456789ABCDEF"[usize::from(nibble & 0x0f)])
}

#[cfg(test)]
mod tests;
