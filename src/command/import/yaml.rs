//! YAML: manifests, compose files and Helm values, in which arguments, variables and files of oauth2-proxy stand. ★
//!
//! Read as events, so that nesting is bounded here and an alias is never copied out.

use saphyr_parser::{Event, Parser};

use super::read::{Format, Given, Source, Unreadable, given, told};
use super::{alpha, cfg, options, shell};

/// A value with its line.
#[derive(Debug)]
pub(super) enum Node {
    /// Anything that is written as one text.
    Text(String, usize),
    /// A list.
    List(Vec<Node>),
    /// A table, in order.
    Table(Vec<(String, usize, Node)>),
}

/// Deeper than any manifest, shallower than a stack.
const DEEPEST: usize = 64;

/// Everything of oauth2-proxy's in any document of the text.
pub(super) fn read(text: &str) -> Result<Vec<Given>, Unreadable> {
    let mut found = Vec::new();
    for document in documents(text)? {
        look(&document, "", &mut found)?;
    }
    once(&found)?;
    Ok(found)
}

/// Two instances in one text would become one that lets in whom either does.
fn once(found: &[Given]) -> Result<(), Unreadable> {
    for (at, one) in found.iter().enumerate() {
        let Some(row) = options::find(&one.name).filter(|row| !row.is_list()) else { continue };
        let other = found[..at].iter().find(|other| other.name == one.name && other.source == one.source);
        if let Some(other) = other.filter(|_| one.source != Source::Alpha) {
            let why =
                format!("{} stands on line {} as well: import each instance by itself", row.flag, other.line);
            return Err(Unreadable { line: one.line, why });
        }
    }
    Ok(())
}

/// What may still be open while events come.
enum Open {
    List(Vec<Node>),
    Table(Vec<(String, usize, Node)>, Option<(String, usize)>),
}

fn documents(text: &str) -> Result<Vec<Node>, Unreadable> {
    let mut found = Vec::new();
    let mut open: Vec<Open> = Vec::new();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| {
            let mut why = error.info().to_owned();
            if text.contains("{{") {
                why.push_str(" (a template: render it first, as with `helm template`)");
            }
            Unreadable { line: error.marker().line().max(1), why }
        })?;
        let line = span.start.line().max(1);
        let done = match event {
            Event::Scalar(text, ..) => Node::Text(text.into_owned(), line),
            Event::Alias(_) => {
                // What stands elsewhere may be what keeps people out.
                let why = "an alias (*name): write out what it stands for, as `docker compose config` does";
                return Err(Unreadable { line, why: why.into() });
            }
            Event::SequenceStart(..) => {
                open.push(Open::List(Vec::new()));
                deep(&open, line)?;
                continue;
            }
            Event::MappingStart(..) => {
                open.push(Open::Table(Vec::new(), None));
                deep(&open, line)?;
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match open.pop() {
                Some(Open::List(items)) => Node::List(items),
                Some(Open::Table(entries, _)) => Node::Table(entries),
                None => continue,
            },
            _ => continue,
        };
        match open.last_mut() {
            None => found.push(done),
            Some(Open::List(items)) => items.push(done),
            Some(Open::Table(entries, key)) => match (key.take(), done) {
                (Some((name, line)), done) => entries.push((name, line, done)),
                (None, Node::Text(name, line)) => *key = Some((name, line)),
                // A list or a table as a key is nothing of ours.
                (None, _) => *key = Some((String::new(), line)),
            },
        }
    }
    Ok(found)
}

fn deep(open: &[Open], line: usize) -> Result<(), Unreadable> {
    if open.len() > DEEPEST {
        return Err(Unreadable { line, why: format!("nested deeper than {DEEPEST} levels") });
    }
    Ok(())
}

/// Whatever of oauth2-proxy's lies in a value that stands under this key.
fn look(node: &Node, key: &str, found: &mut Vec<Given>) -> Result<(), Unreadable> {
    match node {
        Node::Table(_) if alpha::is_alpha(node) => alpha::read(node, found),
        Node::Table(entries) => {
            if let Some(variable) = variable(node) {
                found.push(variable);
                return Ok(());
            }
            for (name, line, value) in entries {
                entry((name, *line, value), key, found)?;
            }
        }
        Node::List(items) => {
            let words: Option<Vec<(usize, &str)>> = items.iter().map(Node::word).collect();
            let Some(words) = words else {
                return items.iter().try_for_each(|item| look(item, key, found));
            };
            let mut cut: Vec<(usize, String)> = Vec::new();
            for (line, word) in words {
                // What a flag before it takes is one text, whatever it looks like.
                if cut.last().is_some_and(|(_, before)| shell::takes_next(before)) {
                    cut.push((line, word.to_owned()));
                } else {
                    cut.extend(several(line, word)?);
                }
            }
            list(&cut.iter().map(|(line, word)| (*line, word.as_str())).collect::<Vec<_>>(), found);
        }
        Node::Text(text, line) => written(text, *line, key, found)?,
    }
    Ok(())
}

/// One entry of a table that stands under this key.
fn entry(
    (name, line, value): (&str, usize, &Node),
    key: &str,
    found: &mut Vec<Given>,
) -> Result<(), Unreadable> {
    match value {
        _ if name.starts_with("OAUTH2_PROXY_") => found.push(given(name, value.texts(), line, Source::Env)),
        Node::Table(flags) if matches!(name, "extraArgs" | "extra_args") => {
            found.extend(
                flags.iter().map(|(flag, line, value)| {
                    given(&format!("--{flag}"), value.texts(), *line, Source::Flag)
                }),
            );
        }
        Node::Text(text, line) if key == "config" && !text.contains('\n') => {
            // The values of the chart that most people use.
            let flag = match name {
                "clientID" => "client-id",
                "clientSecret" => "client-secret",
                "cookieSecret" => "cookie-secret",
                "cookieName" => "cookie-name",
                _ => return Ok(()),
            };
            found.push(given(flag, vec![text.clone()], *line, Source::File));
        }
        _ => look(value, name, found)?,
    }
    Ok(())
}

/// Words of a command line, if they are one of oauth2-proxy's.
fn list(words: &[(usize, &str)], found: &mut Vec<Given>) {
    let inner = shell::arguments(words);
    if inner.iter().any(|one| options::find(&one.name).is_some() || one.source == Source::Env) {
        found.extend(inner);
    }
}

/// A file or a command line inside a text.
fn written(text: &str, line: usize, key: &str, found: &mut Vec<Given>) -> Result<(), Unreadable> {
    // A block begins, to the parser, where its first line with something on it does.
    let before = (line - 1).saturating_sub(text.bytes().take_while(|byte| *byte == b'\n').count());
    let moved =
        |inner: Vec<Given>| inner.into_iter().map(move |one| Given { line: one.line + before, ..one });
    let there = |error: Unreadable| Unreadable { line: error.line + before, ..error };
    if matches!(key, "command" | "args" | "entrypoint") {
        let flat = text.replace("\\\n", " ").replace("\\ ", " ").replace('\n', " ");
        let words = shell::words(&flat, line)?;
        list(&words.iter().map(|word| (line, word.as_str())).collect::<Vec<_>>(), found);
        return Ok(());
    }
    let file = [".cfg", ".yaml", ".yml"].iter().any(|end| key.ends_with(end))
        || key.to_ascii_lowercase().contains("config")
        || key == "conf";
    if !text.contains('\n') && !file {
        return Ok(());
    }
    match told(text) {
        // Other programs' files are in the same form.
        Some(Format::Cfg) if keys(text) > 0 => found.extend(moved(cfg::read(text).map_err(there)?)),
        Some(Format::Env) if text.contains("OAUTH2_PROXY_") => {
            found.extend(moved(shell::read(text).map_err(there)?));
        }
        Some(Format::Yaml) if text.contains('\n') => {
            let documents = match documents(text) {
                Ok(documents) => documents,
                // Half of a configuration may be without what keeps people out.
                Err(error) if file || ALPHA.iter().any(|key| text.contains(key)) => return Err(there(error)),
                Err(_) => return Ok(()),
            };
            for document in documents.iter().filter(|inner| alpha::is_alpha(inner)) {
                let mut inner = Vec::new();
                alpha::read(document, &mut inner);
                found.extend(moved(inner));
            }
        }
        _ => {}
    }
    Ok(())
}

/// What a text with an alpha configuration in it cannot do without.
const ALPHA: [&str; 2] = ["providers", "upstreamConfig"];

/// How many lines begin with a key of oauth2-proxy's own; two words that everybody uses do not count.
fn keys(text: &str) -> usize {
    let name = |line: &str| line.split_once('=').map(|(name, _)| name.trim().to_owned());
    let names = text.lines().filter_map(name).filter(|name| name.contains('_'));
    names.filter(|name| options::find(name).is_some()).count()
}

/// `--upstream http://…` may be one element, and a script another.
fn several(line: usize, word: &str) -> Result<Vec<(usize, String)>, Unreadable> {
    let flag = word.split_once(' ').filter(|(flag, _)| flag.starts_with("--") && !flag.contains('='));
    if let Some((flag, value)) = flag {
        return Ok(vec![(line, flag.to_owned()), (line, value.trim().to_owned())]);
    }
    if word.contains(" --") && !word.starts_with('-') {
        let flat = word.replace("\\\n", " ").replace('\n', " ");
        return Ok(shell::words(&flat, line)?.into_iter().map(|word| (line, word)).collect());
    }
    Ok(vec![(line, word.to_owned())])
}

/// `name: OAUTH2_PROXY_…` with `value`, or with `valueFrom`, which is elsewhere.
fn variable(node: &Node) -> Option<Given> {
    let Some(Node::Text(name, line)) = node.at("name") else { return None };
    if !name.starts_with("OAUTH2_PROXY_") {
        return None;
    }
    Some(given(name, node.at("value").map(Node::texts).unwrap_or_default(), *line, Source::Env))
}

// === impl Node ===

impl Node {
    /// What a table has under this key.
    pub(super) fn at(&self, key: &str) -> Option<&Node> {
        let Self::Table(entries) = self else { return None };
        entries.iter().find(|(name, ..)| name == key).map(|(.., value)| value)
    }

    /// Itself, or the texts that it lists.
    pub(super) fn texts(&self) -> Vec<String> {
        match self {
            Self::Text(text, _) => vec![text.clone()],
            Self::List(items) => items.iter().flat_map(Node::texts).collect(),
            Self::Table(_) => Vec::new(),
        }
    }

    fn word(&self) -> Option<(usize, &str)> {
        match self {
            Self::Text(text, line) => Some((*line, text.as_str())),
            _ => None,
        }
    }
}
