//! oauth2-proxy.cfg: TOML, of which only the top level means anything. ★

use toml_edit::{Document, Item, Value};

use super::read::{Given, Source, Unreadable, given};

/// Every key with its values.
pub(super) fn read(text: &str) -> Result<Vec<Given>, Unreadable> {
    let parsed = Document::parse(text.to_owned());
    let parsed = parsed.or_else(|error| Document::parse(slashes(text)).map_err(|_| error));
    let document = parsed.map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        // The error's own text shows the line, and what stands there may be a secret.
        let mut why = error.message().lines().next().unwrap_or("no TOML").to_owned();
        if text.contains("{{") {
            why.push_str(" (a template: render it first)");
        }
        Unreadable { line: line_of(text, at), why }
    })?;
    let mut found = Vec::new();
    for (name, item) in document.iter() {
        let at = document.key(name).and_then(toml_edit::Key::span).map_or(0, |span| span.start);
        let (values, listed) = match item {
            Item::Value(Value::Array(list)) => (list.iter().filter_map(text_of).collect(), true),
            Item::Value(value) => (text_of(value).into_iter().collect(), false),
            _ => (Vec::new(), false),
        };
        found.push(Given { listed, ..given(name, values, line_of(text, at), Source::File) });
    }
    found.sort_by_key(|one| one.line);
    Ok(found)
}

/// `\/` is no escape of TOML any more, and was one when many of these files were written.
fn slashes(text: &str) -> String {
    let mut found = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '\\' && chars.peek() == Some(&'/') {
            continue;
        }
        found.push(c);
        if c == '\\' {
            found.extend(chars.next());
        }
    }
    found
}

fn text_of(value: &Value) -> Option<String> {
    Some(match value {
        Value::String(text) => text.value().clone(),
        Value::Integer(number) => number.value().to_string(),
        Value::Float(number) => number.value().to_string(),
        Value::Boolean(switch) => switch.value().to_string(),
        _ => return None,
    })
}

fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}
