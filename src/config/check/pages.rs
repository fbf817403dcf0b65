//! `[pages]`: the operator's own templates, read and compiled once; a broken one is an error now, not later. ★

use std::sync::Arc;

use super::{Context, Severity};
use crate::config::problem::{Key, Place};
use crate::config::raw;
use crate::config::settings::Pages;
use crate::config::template::{ANY_PAGE, PageName, Templates, is_part};

/// The table, with its defaults.
pub(super) fn pages(raw: Option<&raw::Pages>, cx: &mut Context<'_>) -> Pages {
    let Some(raw) = raw else { return Pages::default() };
    let templates = raw.folder.as_deref().and_then(|folder| templates(folder, cx));
    Pages { templates: templates.map(Arc::new), keep_fragment: raw.keep_fragment.unwrap_or(false) }
}

fn templates(folder: &str, cx: &mut Context<'_>) -> Option<Templates> {
    let key = Key::of("pages.folder");
    if folder.is_empty() {
        cx.error(&key, "empty", "leave the key out, or name a folder of templates");
        return None;
    }
    let path = cx.path(folder);
    let names = match (cx.around.list)(&path) {
        Ok(names) => names,
        Err(error) => {
            let message = format!("cannot read the folder {}: {error}", path.display());
            cx.error(&key, &message, "check the name and the rights");
            return None;
        }
    };
    // What begins with a dot belongs to editors, version control and Kubernetes' mounts.
    let (known, unknown): (Vec<_>, Vec<_>) = names
        .iter()
        .filter(|name| !name.starts_with('.'))
        .partition(|name| is_part(name) || page_names().any(|known| known == name.as_str()));
    for name in unknown {
        let message = format!("no page is made from {}", path.join(name).display());
        let fix = format!("pages are {}; a part that they include begins with _", listed());
        cx.warning(&key, &message, &fix);
    }
    if !known.iter().any(|name| !is_part(name)) {
        let message = format!("{} holds no page", path.display());
        cx.warning(&key, &message, &format!("pages are {}", listed()));
    }
    let sources: Vec<_> =
        known.into_iter().filter_map(|name| Some((name.clone(), text(name, folder, cx)?))).collect();
    let (templates, faults) = Templates::compile(&sources);
    let broken = faults.iter().any(|fault| !fault.harmless);
    for fault in faults {
        let file = path.join(&fault.file);
        let place = Place::Source(match fault.line {
            Some(line) => format!("{}:{line}", file.display()),
            None => file.display().to_string(),
        });
        let severity = if fault.harmless { Severity::Warning } else { Severity::Error };
        cx.push(severity, place, &key, &fault.message, fault.fix);
    }
    templates.filter(|_| !broken)
}

fn text(name: &str, folder: &str, cx: &mut Context<'_>) -> Option<String> {
    let key = Key::of("pages.folder");
    let path = cx.path(folder).join(name);
    let contents = match (cx.around.read)(&path) {
        Ok(contents) => contents,
        Err(error) => {
            let message = format!("cannot read {}: {error}", path.display());
            cx.error(&key, &message, "check the name and the rights");
            return None;
        }
    };
    if let Ok(text) = String::from_utf8(contents.bytes) {
        return Some(text);
    }
    cx.error(&key, &format!("{} is not UTF-8 text", path.display()), "save it as UTF-8");
    None
}

fn page_names() -> impl Iterator<Item = &'static str> {
    PageName::ALL.iter().map(|page| page.file()).chain([ANY_PAGE])
}

fn listed() -> String {
    page_names().collect::<Vec<_>>().join(", ")
}
