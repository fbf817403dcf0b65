//! What stands in a template's text: elements that the gate's pages never hold, styles, and unescaping. ★

use super::Fault;

/// The content of a `<style>` element.
pub(super) struct Style<'a> {
    /// Byte for byte, as a browser hashes it.
    pub(super) text: &'a str,
    at: usize,
}

/// Everything in `text` that is refused, or that a browser will ignore.
pub(super) fn faults(file: &str, text: &str) -> Vec<Fault> {
    let mut found = elements(file, text);
    let dynamic = |style: &Style<'_>| ["{{", "{%", "{#"].iter().any(|tag| style.text.contains(tag));
    found.extend(styles(text).filter(dynamic).map(|style| dynamic_style(file, line(text, style.at))));
    for (at, tag) in tags(text) {
        if let Some(what) = unescapes(tag) {
            found.push(Fault {
                file: file.to_owned(),
                line: Some(line(text, at)),
                message: format!("{what} would write text from outside as markup"),
                fix: "leave it out: values are always escaped",
                harmless: false,
            });
        }
    }
    found
}

/// Elements that do not belong on a page of the gate.
pub(super) fn elements(file: &str, text: &str) -> Vec<Fault> {
    let lower = text.to_ascii_lowercase();
    let mut found = Vec::new();
    for (name, why, fix, harmless) in ELEMENTS {
        for (at, _) in lower.match_indices(name) {
            let ends =
                lower[at + name.len()..].starts_with(|c: char| c.is_ascii_whitespace() || "/>".contains(c));
            if ends {
                let message = format!("{name}>: {why}");
                found.push(Fault {
                    file: file.to_owned(),
                    line: Some(line(text, at)),
                    message,
                    fix,
                    harmless,
                });
            }
        }
    }
    found
}

/// A style that only comes to be when the page does.
pub(super) fn dynamic_style(file: &str, line: usize) -> Fault {
    Fault {
        file: file.to_owned(),
        line: Some(line),
        message: "<style> holds template tags, and so has no hash that the page's policy could allow".into(),
        fix: "write the style out; a CSS { before # or % needs a blank after it",
        harmless: false,
    }
}

/// The `<style>` elements, in order.
pub(super) fn styles(text: &str) -> impl Iterator<Item = Style<'_>> {
    let lower = text.to_ascii_lowercase();
    let mut from = 0;
    std::iter::from_fn(move || {
        loop {
            let at = from + lower.get(from..)?.find("<style")?;
            from = at + "<style".len();
            if !lower[from..].starts_with(|c: char| c.is_ascii_whitespace() || "/>".contains(c)) {
                continue;
            }
            let begin = from + lower[from..].find('>')? + 1;
            let end = lower[begin..].find("</style").map_or(text.len(), |len| begin + len);
            from = end;
            return Some(Style { text: &text[begin..end], at });
        }
    })
}

/// `{{ … }}` and `{% … %}` without their marks; comments are left out.
fn tags(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(at) = text[from..].find('{').map(|at| from + at) {
        from = at + 1;
        let end = match text.as_bytes().get(from) {
            Some(b'{') => "}}",
            Some(b'%') => "%}",
            Some(b'#') => "#}",
            _ => continue,
        };
        let inner = from + 1;
        let len = text[inner..].find(end).unwrap_or(text.len() - inner);
        if end != "#}" {
            found.push((at, &text[inner..inner + len]));
        }
        from = inner + len;
    }
    found
}

/// What in a tag is meant to switch escaping off.
fn unescapes(tag: &str) -> Option<&'static str> {
    let word = |text: &str, word: &str| {
        let rest = text.trim_start().strip_prefix(word);
        rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
    };
    let statement = tag.trim_start_matches(['-', '+']);
    let filters = tag.split('|').skip(1).any(|filter| word(filter, "safe"));
    let block = statement.trim_start().strip_prefix("filter").is_some_and(|rest| word(rest, "safe"));
    match () {
        () if filters || block => Some("the filter safe"),
        () if word(statement, "autoescape") => Some("autoescape"),
        () => None,
    }
}

fn line(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

/// Beginning of an element, what is wrong with it, what to do, and whether it only does nothing.
const ELEMENTS: [(&str, &str, &str, bool); 6] = [
    (
        "<script",
        "the gate's pages hold no scripts, and their policy lets none run",
        "say it with text, links and styles",
        false,
    ),
    (
        "<form",
        "the gate's pages hold no forms: what is typed into one would be typed into the gate",
        "a link leads to any page that has a form",
        false,
    ),
    ("<base", "it would lead every link of the page elsewhere", "write the links out", false),
    ("<iframe", "the page's policy lets nothing be framed", "use a link", true),
    (
        "<link",
        "the page's policy lets nothing be loaded",
        "use <style>, and pictures as data: addresses",
        true,
    ),
    ("<object", "the page's policy lets nothing be loaded", "use <img src=\"data:…\">", true),
];
