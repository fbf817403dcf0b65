//! Rust source read as far as its paths go: comments, literals and tests taken out, `use` trees spelled out,
//! every path resolved to where it begins.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// A module of `src/` and every path that its code names.
#[derive(Debug, Clone)]
pub struct Source {
    /// `session::seal`; the library's root is empty, the binary is `main`.
    pub module: String,
    /// `crate::…` for our own, `std::…` and the like for others'.
    pub paths: BTreeSet<String>,
}

/// A module and its text.
pub type Text = (String, String);

/// Every module of `src/` that is no test.
pub fn texts(src: &Path) -> Vec<Text> {
    let mut texts = Vec::new();
    let mut folders = vec![src.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
            let name = entry.file_name().unwrap().to_string_lossy().into_owned();
            if name == "tests" || name == "tests.rs" {
                continue;
            }
            if entry.is_dir() {
                folders.push(entry);
            } else if let Some(stem) = name.strip_suffix(".rs") {
                let inner = folder.strip_prefix(src).unwrap().components();
                let mut module: Vec<_> =
                    inner.map(|part| part.as_os_str().to_string_lossy().into_owned()).collect();
                if stem != "mod" && stem != "lib" {
                    module.push(stem.to_owned());
                }
                texts.push((module.join("::"), std::fs::read_to_string(&entry).unwrap()));
            }
        }
    }
    texts.sort();
    texts
}

/// Reads them all: which names are modules is known only from all of them.
pub fn sources(texts: &[Text]) -> Vec<Source> {
    let modules: BTreeSet<&str> = texts.iter().map(|(module, _)| module.as_str()).collect();
    texts.iter().map(|(module, text)| source(module, text, &modules)).collect()
}

/// Reads one, where these are all the modules that there are.
pub fn source(module: &str, text: &str, modules: &BTreeSet<&str>) -> Source {
    let code = without_scopes(&without_tests(&without_literals(text)));
    let (imports, rest) = imports(&code);
    let mut aliases = BTreeMap::new();
    let mut paths = BTreeSet::new();
    // Twice: an import may begin with a name that another one brings.
    for _ in 0..2 {
        for (path, alias) in &imports {
            let path = resolve(module, path, modules, &aliases);
            aliases.insert(alias.clone(), path.clone());
            paths.insert(path);
        }
    }
    for path in paths_in(&rest) {
        paths.insert(resolve(module, &path, modules, &aliases));
    }
    Source { module: module.to_owned(), paths }
}

/// `path` as seen from `module`, from its true beginning.
fn resolve(module: &str, path: &str, modules: &BTreeSet<&str>, aliases: &BTreeMap<String, String>) -> String {
    let mut here: Vec<&str> = module.split("::").filter(|part| !part.is_empty()).collect();
    let parts: Vec<&str> = path.split("::").collect();
    let ours = |here: &[&str], rest: &[&str]| [&["crate"], here, rest].concat().join("::");
    match parts[0] {
        // The binary sees the library as any other program does.
        "crate" | "rolegate" => ours(&[], &parts[1..]),
        "self" => ours(&here, &parts[1..]),
        "super" => {
            let mut rest = &parts[..];
            while let ["super", inner @ ..] = rest {
                here.pop();
                rest = inner;
            }
            ours(&here, rest)
        }
        first => {
            let child = [&here[..], &[first]].concat().join("::");
            if modules.contains(child.as_str()) {
                ours(&here, &parts)
            } else if let Some(known) = aliases.get(first).filter(|known| known.as_str() != path) {
                [&[known.as_str()], &parts[1..]].concat().join("::")
            } else {
                path.to_owned()
            }
        }
    }
}

/// `pub` for `pub(in crate::config)`: who may see a thing is nothing that it uses.
fn without_scopes(code: &str) -> String {
    let mut parts = code.split("pub(in ");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |code, part| code + "pub" + part.split_once(')').map_or("", |(_, rest)| rest))
}

/// What the `use` declarations bring (path and name), and the code without them.
fn imports(code: &str) -> (Vec<(String, String)>, String) {
    let (mut found, mut rest) = (Vec::new(), String::new());
    let mut left = code;
    while let Some(at) = word(left, "use") {
        rest.push_str(&left[..at]);
        let after = &left[at + 3..];
        let end = after.find(';').unwrap_or(after.len());
        // `impl Trait + use<'a>` is no import.
        if after.starts_with(char::is_whitespace) {
            let tree: String = after[..end].split_whitespace().collect::<Vec<_>>().join(" ");
            branches("", &tree, &mut found);
        }
        left = &after[end.min(after.len())..];
    }
    rest.push_str(left);
    (found, rest)
}

fn branches(prefix: &str, tree: &str, found: &mut Vec<(String, String)>) {
    let tree = tree.trim();
    if let Some(at) = tree.find('{') {
        let prefix = format!("{prefix}{}", tree[..at].trim());
        let inner = &tree[at + 1..tree.rfind('}').unwrap_or(tree.len())];
        for branch in split_outside(inner) {
            branches(&prefix, branch, found);
        }
        return;
    }
    let (path, alias) = tree.split_once(" as ").unwrap_or((tree, ""));
    let path = format!("{prefix}{}", path.trim());
    let path = path.strip_suffix("::self").unwrap_or(&path).to_owned();
    let alias = if alias.is_empty() { path.rsplit("::").next().unwrap_or_default() } else { alias.trim() };
    if !path.is_empty() {
        found.push((path.clone(), alias.to_owned()));
    }
}

/// At the commas that are in no inner braces.
fn split_outside(text: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0, 0);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            b',' if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts.into_iter().filter(|part| !part.trim().is_empty()).collect()
}

/// Every `a::b…` in the code.
fn paths_in(code: &str) -> BTreeSet<String> {
    let named = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let words = code.split(|c: char| !named(c));
    let paths = words.map(|word| word.trim_matches(':')).filter(|word| word.contains("::"));
    paths.map(str::to_owned).collect()
}

/// Where the whole word stands.
fn word(text: &str, wanted: &str) -> Option<usize> {
    let named = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    let bytes = text.as_bytes();
    text.match_indices(wanted).map(|(at, _)| at).find(|&at| {
        !named(at.checked_sub(1).and_then(|at| bytes.get(at))) && !named(bytes.get(at + wanted.len()))
    })
}

/// Without what is compiled for tests alone.
fn without_tests(code: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let mut kept = String::new();
    let mut left = code;
    while let Some(at) = left.find(MARK) {
        kept.push_str(&left[..at]);
        let item = &left[at + MARK.len()..];
        let end = item.find([';', '{']).unwrap_or(item.len());
        left = if item[end..].starts_with('{') { after_braces(&item[end..]) } else { &item[end..] };
    }
    kept + left
}

fn after_braces(text: &str) -> &str {
    let mut depth = 0;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' if depth == 1 => return &text[at + 1..],
            b'}' => depth -= 1,
            _ => {}
        }
    }
    ""
}

/// Without comments and without what stands in quotes.
fn without_literals(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut left = text;
    while let Some(first) = left.chars().next() {
        let skipped = match first {
            '/' if left.starts_with("//") => left.find('\n').unwrap_or(left.len()),
            '/' if left.starts_with("/*") => left.find("*/").map_or(left.len(), |at| at + 2),
            '"' => quoted(left),
            'r' if !kept.ends_with(|c: char| c.is_ascii_alphanumeric() && c != 'b' || c == '_') => raw(left),
            '\'' => character(left),
            _ => 0,
        };
        if skipped == 0 {
            kept.push(first);
            left = &left[first.len_utf8()..];
        } else {
            kept.push(' ');
            left = &left[skipped..];
        }
    }
    kept
}

fn quoted(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// `r"…"` and `r#"…"#`; 0 if it is none.
fn raw(text: &str) -> usize {
    let hashes = text[1..].bytes().take_while(|byte| *byte == b'#').count();
    if text.as_bytes().get(1 + hashes) != Some(&b'"') {
        return 0;
    }
    let end = format!("\"{}", "#".repeat(hashes));
    let from = 2 + hashes;
    text[from..].find(&end).map_or(text.len(), |at| from + at + end.len())
}

/// `'x'` or `'\n'`; 0 for a lifetime.
fn character(text: &str) -> usize {
    let mut chars = text.char_indices().skip(1);
    match chars.next() {
        Some((_, '\\')) => text[3..].find('\'').map_or(0, |at| at + 4),
        Some(_) => chars.next().filter(|(_, c)| *c == '\'').map_or(0, |(at, _)| at + 1),
        None => 0,
    }
}
