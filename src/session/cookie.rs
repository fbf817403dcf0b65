//! The gate's own cookies: found byte-exactly, put together from parts, written and expired. ★
//!
//! Threat: `\u{2000}__Host-rolegate` or `__%48ost-rolegate`, which lenient parsers fold into our name and
//! which a sibling host may set. Names are trimmed of SP and HTAB only, never decoded (RFC 6265 §4.2).

use std::borrow::Cow;

use cookie::time::Duration;
use cookie::{Cookie, SameSite};
use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};

use super::seal::{MAX_PARTS, parts_of};

/// What the gate's cookies are called at one origin.
#[derive(Debug, Clone)]
pub struct Names {
    /// `__Host-rolegate`; without `__Host-` where the origin is cleartext.
    pub pass: String,
    /// The refresh ticket.
    pub ticket: String,
    /// The tokens that an upstream is handed.
    pub token: String,
    /// What the name of every login attempt begins with.
    pub attempt_prefix: String,
    /// Where to go after signing out.
    pub after_signout: String,
    secure: bool,
}

/// The gate's own cookies of one request.
#[derive(Debug, Default)]
pub struct Jar<'a> {
    /// Values as they came: most are used by nobody, and what one is made of is looked at where it is.
    own: Vec<(&'a str, &'a [u8])>,
}

// === impl Names ===

impl Names {
    /// Names for an origin; `base` is `session.cookie_name`.
    pub fn new(base: &str, secure: bool) -> Self {
        let pass = if secure { format!("__Host-{base}") } else { base.to_owned() };
        Self {
            ticket: format!("{pass}-refresh"),
            token: format!("{pass}-token"),
            attempt_prefix: format!("{pass}-login-"),
            after_signout: format!("{pass}-login-return"),
            pass,
            secure,
        }
    }

    /// The lines that make a browser keep `sealed` under `name` for `seconds`, and forget the parts of an
    /// earlier, longer or shorter value that `jar` shows.
    pub fn keep(&self, jar: &Jar<'_>, name: &str, sealed: &str, seconds: u64) -> Vec<HeaderValue> {
        let mut written = Vec::new();
        let mut lines = Vec::new();
        if sealed.len() <= PART_LEN {
            lines.extend(self.line(name, sealed, seconds));
            written.push(name.to_owned());
        } else {
            for (index, part) in sealed.as_bytes().chunks(PART_LEN).enumerate() {
                let part_name = format!("{name}.{index}");
                // Sealed text is ASCII, so every cut is a character boundary.
                lines.extend(
                    std::str::from_utf8(part).ok().and_then(|part| self.line(&part_name, part, seconds)),
                );
                written.push(part_name);
            }
        }
        let stale = |own: &str| is_part_of(own, name) && !written.iter().any(|written| written == own);
        lines.extend(jar.names().filter(|own| stale(own)).filter_map(|own| self.line(own, "", 0)));
        lines
    }

    /// The line that makes a browser forget `name`.
    pub fn forget(&self, name: &str) -> Option<HeaderValue> {
        self.line(name, "", 0)
    }

    /// The lines that make a browser forget `name` and its parts, as far as `jar` shows them.
    pub fn forget_parts(&self, jar: &Jar<'_>, name: &str) -> Vec<HeaderValue> {
        jar.names().filter(|own| is_part_of(own, name)).filter_map(|own| self.line(own, "", 0)).collect()
    }

    /// The lines that make a browser forget every cookie of the gate that `jar` shows.
    pub fn forget_all(&self, jar: &Jar<'_>) -> Vec<HeaderValue> {
        jar.names().filter_map(|name| self.line(name, "", 0)).collect()
    }

    fn line(&self, name: &str, value: &str, seconds: u64) -> Option<HeaderValue> {
        let mut cookie = Cookie::build((name, value)).path("/").http_only(true).same_site(SameSite::Lax);
        if self.secure {
            cookie = cookie.secure(true);
        }
        cookie = cookie.max_age(Duration::seconds(i64::try_from(seconds).unwrap_or(i64::MAX)));
        if seconds == 0 {
            cookie = cookie.expires(cookie::time::OffsetDateTime::UNIX_EPOCH);
        }
        HeaderValue::try_from(cookie.build().to_string()).ok()
    }
}

// === impl Jar ===

impl<'a> Jar<'a> {
    /// Reads the gate's own cookies out of every `Cookie` line, in one pass and bounded in number.
    pub fn read(headers: &'a HeaderMap, names: &Names) -> Self {
        let mut own = Vec::new();
        for line in headers.get_all(COOKIE) {
            for pair in pairs(line.as_bytes()) {
                let pair = trim(pair);
                // Most cookies are somebody else's.
                if !pair.starts_with(names.pass.as_bytes()) || own.len() == MAX_OWN {
                    continue;
                }
                let Some(at) = memchr::memchr(b'=', pair) else { continue };
                let (name, value) = (trim(&pair[..at]), trim(&pair[at + 1..]));
                if !is_own(&names.pass, name) {
                    continue;
                }
                // A name with other bytes is none that we wrote, nor one to be written back.
                if let Ok(name) = std::str::from_utf8(name)
                    && name.bytes().all(is_plain)
                {
                    own.push((name, value));
                }
            }
        }
        Self { own }
    }

    /// Each text that the cookie `name` may hold: whole values, then one put together from parts. Duplicates
    /// are candidates too, a few of them: only one that opens counts.
    pub fn candidates<'n>(&'n self, name: &'n str) -> impl Iterator<Item = Cow<'a, str>> + 'n {
        let whole = self.values(name).take(MAX_CANDIDATES).map(Cow::Borrowed);
        whole.chain(std::iter::once_with(|| self.joined(name)).flatten().map(Cow::Owned))
    }

    /// How each text begins that pass, ticket and tokens may hold: whole values and first parts.
    pub fn beginnings(&self, names: &Names) -> impl Iterator<Item = &'a str> {
        let is_one = |own: &str| [&names.pass, &names.ticket, &names.token].iter().any(|name| *name == own);
        let begins = move |own: &str| is_one(own) || own.strip_suffix(".0").is_some_and(is_one);
        self.own
            .iter()
            .filter(move |(own, _)| begins(own))
            .filter_map(|(_, value)| text(&value[..value.len().min(BEGINNING)]))
    }

    /// Whether no cookie of the gate came in.
    pub fn is_empty(&self) -> bool {
        self.own.is_empty()
    }

    /// Whether any cookie of this name, or a part of it, came in.
    pub fn has(&self, name: &str) -> bool {
        self.names().any(|own| is_part_of(own, name))
    }

    /// Whether any cookie of the gate came in, but for the one that is kept after signing out.
    pub fn has_more_than_signed_out(&self, names: &Names) -> bool {
        self.names().any(|own| own != names.after_signout)
    }

    /// The login attempts: names and values.
    pub fn attempts(&self, names: &Names) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.own
            .iter()
            .filter(|(name, _)| name.starts_with(&names.attempt_prefix) && *name != names.after_signout)
            .filter_map(|(name, value)| Some((*name, text(value)?)))
    }

    fn names(&self) -> impl Iterator<Item = &'a str> {
        self.own.iter().map(|(name, _)| *name)
    }

    fn values(&self, name: &str) -> impl Iterator<Item = &'a str> {
        self.own.iter().filter(move |(own, _)| *own == name).filter_map(|(_, value)| text(value))
    }

    fn joined(&self, name: &str) -> Option<String> {
        let first = self.values(&format!("{name}.0")).next()?;
        let parts = parts_of(first).filter(|parts| (2..=MAX_PARTS).contains(parts))?;
        let mut text = first.to_owned();
        for index in 1..parts {
            text.push_str(self.values(&format!("{name}.{index}")).next()?);
        }
        Some(text)
    }
}

/// The pieces of a `Cookie` line, each `name=value` with what blanks it has.
pub fn pairs(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let ends = memchr::memchr_iter(b';', line).chain(std::iter::once(line.len()));
    ends.scan(0, |start, end| Some(&line[std::mem::replace(start, end + 1)..end]))
}

/// Whether a cookie called `name` belongs to the gate whose pass is called `pass`. Byte-exact: names are never
/// decoded or folded. What looks like a part is the gate's, also one with no number that it would give.
pub fn is_own(pass: &str, name: &[u8]) -> bool {
    let Some(rest) = name.strip_prefix(pass.as_bytes()) else { return false };
    let part = |rest: &[u8]| rest.is_empty() || rest.starts_with(b".");
    part(rest)
        || rest.strip_prefix(b"-refresh").is_some_and(part)
        || rest.strip_prefix(b"-token").is_some_and(part)
        || rest.starts_with(b"-login-")
}

/// A value that we may have written: others are none.
fn text(value: &[u8]) -> Option<&str> {
    value.is_ascii().then(|| std::str::from_utf8(value).ok())?
}

/// What names of the gate are made of.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
}

/// Whether `own` is `name` itself or one of its parts (`name.0`, `name.1` …).
fn is_part_of(own: &str, name: &str) -> bool {
    own.strip_prefix(name).is_some_and(|rest| {
        rest.is_empty()
            || rest.strip_prefix('.').is_some_and(|index| {
                !index.is_empty() && index.len() <= 2 && index.bytes().all(|byte| byte.is_ascii_digit())
            })
    })
}

fn trim(bytes: &[u8]) -> &[u8] {
    let blank = |byte: &u8| *byte == b' ' || *byte == b'\t';
    let start = bytes.iter().position(|byte| !blank(byte)).unwrap_or(bytes.len());
    let end = bytes.iter().rposition(|byte| !blank(byte)).map_or(start, |last| last + 1);
    &bytes[start..end]
}

/// As much of a value as says how it was sealed.
const BEGINNING: usize = 16;
/// Text in one cookie: with name and attributes it stays under the 4096 bytes that every browser takes.
pub const PART_LEN: usize = 3800;
/// More cookies of ours than this are not looked at.
const MAX_OWN: usize = 64;
/// More values of one name than this are not tried.
const MAX_CANDIDATES: usize = 4;

#[cfg(test)]
mod tests;
