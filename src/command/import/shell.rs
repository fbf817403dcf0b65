//! Variables and flags: env files, command lines, scripts, units of systemd, `docker run`. ★

use super::options;
use super::read::{Given, Source, Unreadable, given};

const PREFIX: &str = "OAUTH2_PROXY_";

/// Every variable and flag.
pub(super) fn read(text: &str) -> Result<Vec<Given>, Unreadable> {
    let mut found = Vec::new();
    // A unit of systemd: other lines run other programs.
    let unit = text.lines().any(|line| line.trim() == "[Service]");
    for (line, logical) in joined(text) {
        let trimmed = logical.trim();
        let other = unit && !["Environment=", "ExecStart="].iter().any(|start| trimmed.starts_with(start));
        if trimmed.starts_with('#') || other {
            continue;
        }
        let trimmed = ["Environment=", "ExecStart=", "export ", "set -x "]
            .iter()
            .find_map(|before| trimmed.strip_prefix(before))
            .unwrap_or(trimmed)
            .trim_start();
        if let Some(variable) = variable(trimmed, line)? {
            found.push(variable);
            continue;
        }
        let words = words(trimmed, line)?;
        found.extend(arguments(&words.iter().map(|word| (line, word.as_str())).collect::<Vec<_>>()));
    }
    Ok(found)
}

/// `NAME=value` that takes the whole line, quoted or not; an env file knows no further words.
fn variable(text: &str, line: usize) -> Result<Option<Given>, Unreadable> {
    let Some((name, value)) = text.split_once('=') else { return Ok(None) };
    if !name.starts_with(PREFIX) || !is_name(name) || value.contains(" --") {
        return Ok(None);
    }
    let value = value.trim();
    let text = if value.starts_with(['"', '\'']) {
        words(value, line)?.into_iter().next().unwrap_or_default()
    } else {
        value.split(" #").next().unwrap_or_default().trim().to_owned()
    };
    Ok(Some(given(name, vec![text], line, Source::Env)))
}

fn is_name(name: &str) -> bool {
    name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// What the words of one command line give: `--flag=value`, `--flag value`, and variables before the program's name.
pub(super) fn arguments(words: &[(usize, &str)]) -> Vec<Given> {
    let mut found = Vec::new();
    let is_program = |word: &str| {
        let name = word.rsplit('/').next().unwrap_or_default();
        !word.starts_with('-')
            && !word.contains('=')
            && ["oauth2-proxy", "oauth2_proxy"].iter().any(|known| name.starts_with(known))
    };
    // A value may have the program's name too: no option of its own stands before the program itself.
    let is_option = |word: &str| word.starts_with("--") && options::find(option(word)).is_some();
    let program = words
        .iter()
        .position(|(_, word)| is_program(word))
        .filter(|at| !words[..*at].iter().any(|(_, word)| is_option(word)));
    for (line, word) in &words[..program.unwrap_or(0)] {
        if let Some((name, value)) = word.trim_start_matches("--env=").split_once('=')
            && name.starts_with(PREFIX)
            && is_name(name)
        {
            found.push(given(name, vec![value.to_owned()], *line, Source::Env));
        }
    }
    let rest = program.map_or(words, |at| &words[at + 1..]);
    let mut at = 0;
    while let Some((line, word)) = rest.get(at) {
        at += 1;
        let Some(bare) = word.strip_prefix('-').filter(|bare| bare.len() > 1) else {
            if let Some((name, value)) =
                word.split_once('=').filter(|(name, _)| name.starts_with(PREFIX) && is_name(name))
            {
                found.push(given(name, vec![value.to_owned()], *line, Source::Env));
            }
            continue;
        };
        let bare = bare.trim_start_matches('-');
        if let Some((name, value)) = bare.split_once('=') {
            found.push(given(&format!("--{name}"), vec![value.to_owned()], *line, Source::Flag));
            continue;
        }
        let known = options::find(bare);
        let values = if takes_next(word) {
            // Whatever it begins with, as pflag reads it: a secret may begin with a hyphen.
            at += 1;
            rest.get(at - 1).map(|(_, next)| (*next).to_owned()).into_iter().collect()
        } else {
            vec!["true".to_owned()]
        };
        // A word with one hyphen that nobody knows belongs to another program.
        if known.is_some() || word.starts_with("--") {
            found.push(given(&format!("--{bare}"), values, *line, Source::Flag));
        }
    }
    found
}

/// Whether the word behind this one is its value.
pub(super) fn takes_next(word: &str) -> bool {
    word.starts_with('-') && options::find(word.trim_start_matches('-')).is_some_and(|row| !row.switch)
}

/// The name in `--name=value`.
fn option(word: &str) -> &str {
    word.trim_start_matches('-').split('=').next().unwrap_or_default()
}

/// Lines, those that end in a backslash together with the next; each with its number.
fn joined(text: &str) -> Vec<(usize, String)> {
    let mut found: Vec<(usize, String)> = Vec::new();
    let mut open = false;
    for (at, line) in text.lines().enumerate() {
        let (part, continues) = match line.trim_end().strip_suffix('\\') {
            Some(part) => (part, true),
            None => (line, false),
        };
        match found.last_mut().filter(|_| open) {
            Some((_, whole)) => {
                whole.push(' ');
                whole.push_str(part);
            }
            None => found.push((at + 1, part.to_owned())),
        }
        open = continues;
    }
    found
}

/// As a shell cuts words: quotes, backslashes, a comment at the end.
pub(super) fn words(text: &str, line: usize) -> Result<Vec<String>, Unreadable> {
    let mut found = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = text.chars();
    let unclosed = || Unreadable { line, why: "a quotation mark is never closed".into() };
    while let Some(c) = chars.next() {
        match c {
            '\'' => loop {
                match chars.next().ok_or_else(unclosed)? {
                    '\'' => {
                        word.get_or_insert_default();
                        break;
                    }
                    c => word.get_or_insert_default().push(c),
                }
            },
            '"' => loop {
                match chars.next().ok_or_else(unclosed)? {
                    '"' => {
                        word.get_or_insert_default();
                        break;
                    }
                    '\\' => match chars.next().ok_or_else(unclosed)? {
                        c @ ('"' | '\\' | '$' | '`') => word.get_or_insert_default().push(c),
                        c => word.get_or_insert_default().extend(['\\', c]),
                    },
                    c => word.get_or_insert_default().push(c),
                }
            },
            '\\' => word.get_or_insert_default().extend(chars.next()),
            '#' if word.is_none() => break,
            c if c.is_whitespace() || c == ';' => found.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    found.extend(word);
    Ok(found)
}
