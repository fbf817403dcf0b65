//! Regular expressions of paths as paths of ours: the same or less, never more. ★
//!
//! oauth2-proxy looks for an expression anywhere in a path; a rule names one path, or all below one. What cannot be said
//! so is refused, and the path stays closed.

use crate::rule::path::Pattern;

/// What an expression becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Paths {
    /// As rules write them.
    pub(super) patterns: Vec<String>,
    /// Paths that the patterns cover and the expression does not.
    pub(super) kept_out: Vec<String>,
    /// Whether the expression has further paths.
    pub(super) fewer: bool,
}

/// Why there is no such path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Untranslated {
    #[error("matches every path")]
    Everything,
    #[error("begins with no fixed path: rules know no endings")]
    NoBeginning,
    #[error("is more than a path, or all below one")]
    NotAPath,
    #[error("says what it does not match")]
    Negated,
}

/// How an expression ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// `(/.*)?$`: the path, and all below it.
    Tree,
    /// `/?$`: with or without a final slash.
    Slash,
    /// `$`
    Here,
    /// `.+`: something more.
    More,
    /// Nothing, or `.*`: anything more.
    Any,
}

const ENDS: [(&str, End); 17] = [
    ("(/.*)?$", End::Tree),
    ("(?:/.*)?$", End::Tree),
    ("(/.*|$)", End::Tree),
    ("(/|$)", End::Tree),
    ("(?:/|$)", End::Tree),
    ("($|/)", End::Tree),
    ("(?:$|/)", End::Tree),
    ("/?$", End::Slash),
    (".*$", End::Any),
    ("(.*)$", End::Any),
    (".+$", End::More),
    ("(.*)", End::Any),
    (".*", End::Any),
    (".+", End::More),
    ("/?", End::Any),
    ("$", End::Here),
    ("", End::Any),
];

/// The most paths that one expression may stand for.
const MOST: usize = 64;

/// The paths, or why there are none.
pub(super) fn paths(expression: &str) -> Result<Paths, Untranslated> {
    let (anchored, rest) = match expression.strip_prefix('^') {
        Some(rest) => (true, rest),
        None => (false, expression),
    };
    let (body, end) = ENDS
        .iter()
        .find_map(|(text, end)| Some((rest.strip_suffix(text)?, *end)))
        .ok_or(Untranslated::NotAPath)?;
    // What looks like an end may belong to an escape before it.
    if body.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1 {
        return Err(Untranslated::NotAPath);
    }
    if matches!(body, "" | "/") && matches!(end, End::Any | End::More) {
        return Err(Untranslated::Everything);
    }
    let (literals, dots) = literals(body)?;
    let mut found = Paths { patterns: vec![], kept_out: vec![], fewer: !anchored || dots };
    for base in literals {
        if !base.starts_with('/') {
            return Err(if base.is_empty() { Untranslated::Everything } else { Untranslated::NoBeginning });
        }
        // No path has two slashes in a row by the time that a rule sees it.
        if base.contains("//") {
            return Err(Untranslated::NotAPath);
        }
        add(&base, end, &mut found)?;
    }
    for pattern in &found.patterns {
        Pattern::parse(pattern).map_err(|_| Untranslated::NotAPath)?;
    }
    Ok(found)
}

fn add(base: &str, end: End, found: &mut Paths) -> Result<(), Untranslated> {
    let bare = base.trim_end_matches('/');
    match end {
        End::Here => found.patterns.push(base.to_owned()),
        // `^/a//?$` has one slash at its end, or two.
        End::Slash if bare != base && !bare.is_empty() => return Err(Untranslated::NotAPath),
        End::Slash => {
            found.patterns.push(if bare.is_empty() { "/".to_owned() } else { bare.to_owned() });
            if !bare.is_empty() {
                found.patterns.push(format!("{bare}/"));
            }
        }
        _ if bare.is_empty() => return Err(Untranslated::Everything),
        End::Tree if bare == base => found.patterns.push(format!("{bare}/**")),
        End::Tree => return Err(Untranslated::NotAPath),
        End::Any | End::More => {
            found.patterns.push(format!("{bare}/**"));
            // `/a/**` covers `/a`, which `^/a/` does not.
            if bare != base || end == End::More {
                found.kept_out.push(bare.to_owned());
            }
            found.fewer |= bare == base;
        }
    }
    Ok(())
}

/// The texts that it may begin with; and whether a dot in it stands for any character.
fn literals(body: &str) -> Result<(Vec<String>, bool), Untranslated> {
    let mut found = vec![String::new()];
    let mut dots = false;
    let mut chars = body.chars().peekable();
    while let Some(c) = chars.next() {
        let parts: Vec<String> = match c {
            '(' => {
                let mut inner = String::new();
                loop {
                    match chars.next().ok_or(Untranslated::NotAPath)? {
                        ')' => break,
                        c => inner.push(c),
                    }
                }
                let inner = inner.strip_prefix("?:").unwrap_or(&inner);
                inner.split('|').map(|part| literal(part, &mut dots)).collect::<Result<_, _>>()?
            }
            '\\' => vec![escaped(chars.next())?.to_string()],
            '.' => {
                dots = true;
                vec![".".to_owned()]
            }
            c if is_plain(c) => vec![c.to_string()],
            _ => return Err(Untranslated::NotAPath),
        };
        // What comes behind would change what was just read.
        if matches!(chars.peek(), Some('?' | '*' | '+' | '{')) || found.len() * parts.len() > MOST {
            return Err(Untranslated::NotAPath);
        }
        found =
            found.iter().flat_map(|before| parts.iter().map(move |part| format!("{before}{part}"))).collect();
    }
    Ok((found, dots))
}

fn literal(part: &str, dots: &mut bool) -> Result<String, Untranslated> {
    let mut text = String::new();
    let mut chars = part.chars();
    while let Some(c) = chars.next() {
        text.push(match c {
            '\\' => escaped(chars.next())?,
            '.' => {
                *dots = true;
                '.'
            }
            c if is_plain(c) => c,
            _ => return Err(Untranslated::NotAPath),
        });
    }
    if text.is_empty() { Err(Untranslated::NotAPath) } else { Ok(text) }
}

/// A letter behind a backslash is a class or a place.
fn escaped(c: Option<char>) -> Result<char, Untranslated> {
    c.filter(|c| c.is_ascii_punctuation()).ok_or(Untranslated::NotAPath)
}

fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || "/-_~!@&=,:'%".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths_of(expression: &str) -> (Vec<String>, Vec<String>, bool) {
        let found = paths(expression).unwrap_or_else(|why| panic!("{expression}: {why}"));
        (found.patterns, found.kept_out, found.fewer)
    }

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn what_is_a_path_becomes_that_path() {
        for (expression, patterns, kept_out, fewer) in [
            ("^/health$", &["/health"][..], &[][..], false),
            ("^/robots\\.txt$", &["/robots.txt"], &[], false),
            ("^/robots.txt$", &["/robots.txt"], &[], true),
            ("^/health/?$", &["/health", "/health/"], &[], false),
            ("^/assets/", &["/assets/**"], &["/assets"], false),
            ("^/assets/.*", &["/assets/**"], &["/assets"], false),
            ("^/assets/.*$", &["/assets/**"], &["/assets"], false),
            ("^/assets(/.*)?$", &["/assets/**"], &[], false),
            ("^/assets(/|$)", &["/assets/**"], &[], false),
            ("^/assets", &["/assets/**"], &[], true),
            ("/assets", &["/assets/**"], &[], true),
            ("^/assets.+", &["/assets/**"], &["/assets"], true),
            ("^/(css|js)/", &["/css/**", "/js/**"], &["/css", "/js"], false),
            ("^/$", &["/"], &[], false),
            ("^\\/ready", &["/ready/**"], &[], true),
        ] {
            let expected = (texts(patterns), texts(kept_out), fewer);
            assert_eq!(paths_of(expression), expected, "{expression}");
        }
    }

    #[test]
    fn what_is_more_than_a_path_is_refused() {
        for expression in [
            "",
            ".*",
            "^/",
            "^/.*",
            "^/.*$",
            "/",
            "\\.css$",
            "^/api/v[0-9]+/",
            "^/a/.*/b$",
            "^/(a|)/",
            "^/a?$",
            "(?i)^/a$",
            "^/a\\.*",
            "^/a\\$",
            "^/\\d+$",
            "^/a|/b$",
            "^/a/[^/]+$",
            "^/x/../y$",
            "^/a*$",
            "^/a{2}$",
            "^/ä$",
            "^/(a|b/$",
            "^/((a|b)|c)/$",
            "health",
            "^/a;b$",
            "^//a$",
            "/b//",
            "^/b/\\/",
            "^/b/\\/$",
            "^/(a|b/)/c$",
            "^/a//?$",
            "^/(a|b/)/?$",
            "^/a%2fb$",
            "^$",
        ] {
            assert!(paths(expression).is_err(), "{expression} became {:?}", paths(expression));
        }
    }
}
