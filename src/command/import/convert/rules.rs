//! `[[rules]]`: paths that are open, that answer 401, or that have an upstream of their own. ★

use std::collections::{BTreeMap, BTreeSet};

use toml_edit::Value;

use super::super::bag::Bag;
use super::super::expression::{self, Untranslated};
use super::super::options::Fate;
use super::super::page::{Page, list};
use super::people::Asked;
use super::places::Places;
use crate::rule::path::Pattern;

/// What a path is going to be.
#[derive(Default)]
struct Draft {
    /// Open to everybody for these methods; for all with `Some` of none.
    open: Option<BTreeSet<String>>,
    why: String,
}

/// What holds for every rule that asks for somebody.
#[derive(Default)]
struct Everywhere {
    preflight: bool,
    token: bool,
    /// Not a redirect, for any path.
    refuse: bool,
    /// Paths that answer 401.
    api: Vec<Pattern>,
}

const METHODS: [&str; 6] = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
const ALL: &str = "/**";

/// What the rules are about, taken together.
pub(super) struct Written {
    /// One asks for somebody.
    pub(super) asks: bool,
    /// One is open, be it for some methods.
    pub(super) open: bool,
}

/// Writes them.
pub(super) fn rules(asked: &Asked, places: &Places, bag: &mut Bag<'_>, page: &mut Page) -> Written {
    let mut drafts: BTreeMap<String, Draft> = BTreeMap::new();
    let mut all = Everywhere {
        preflight: bag.on("skip-auth-preflight") == Some(true),
        token: bag.on("pass-authorization-header") == Some(true),
        ..Everywhere::default()
    };
    if bag.on("pass-basic-auth") == Some(true) && bag.has("basic-auth-password") {
        bag.say("pass-basic-auth", Fate::Missing, "no password is sent to the upstream");
    }
    for flag in ["skip-auth-route", "skip-auth-regex"] {
        skipped(flag, &mut drafts, &mut all, bag);
    }
    api(&mut drafts, &mut all, bag);
    for (path, _) in &places.mapped {
        drafts.entry(path.clone()).or_default();
    }
    if asked.needs_rule() || all.preflight || all.token || all.refuse {
        drafts.entry(ALL.to_owned()).or_default();
    }
    one_spelling(&mut drafts);
    let closed: Vec<Pattern> = drafts
        .iter()
        .filter(|(_, draft)| draft.open.as_ref().is_none_or(|methods| !methods.is_empty()))
        .filter_map(|(path, _)| Pattern::parse(path).ok())
        .collect();
    for (path, draft) in &drafts {
        let Ok(pattern) = Pattern::parse(path) else { continue };
        write(path, &pattern, draft, &closed, asked, places, &all, page);
    }
    Written { asks: !closed.is_empty(), open: drafts.values().any(|draft| draft.open.is_some()) }
}

/// A rule that asks for somebody owns its path in any case, with and without a final slash: beside it no other can.
fn one_spelling(drafts: &mut BTreeMap<String, Draft>) {
    let asks = |draft: &Draft| draft.open.as_ref().is_none_or(|methods| !methods.is_empty());
    let owned: Vec<String> =
        drafts.iter().filter(|(_, draft)| asks(draft)).map(|(path, _)| path.clone()).collect();
    drafts.retain(|path, draft| {
        let mut others = owned.iter().filter(|other| *other != path && fold(other) == fold(path));
        if asks(draft) { !others.any(|other| other < path) } else { others.next().is_none() }
    });
}

#[allow(clippy::too_many_arguments, reason = "one rule is made of all of them")]
fn write(
    path: &str,
    pattern: &Pattern,
    draft: &Draft,
    closed: &[Pattern],
    asked: &Asked,
    places: &Places,
    all: &Everywhere,
    page: &mut Page,
) {
    let upstream = places
        .mapped
        .iter()
        .find(|(mapped, _)| Pattern::parse(mapped).is_ok_and(|mapped| mapped.covers(pattern)))
        .map(|(_, address)| ("upstream", Value::from(address.as_str())));
    let of_path = ("path", Value::from(path));
    let mut others = Vec::new();
    if let Some(methods) = &draft.open {
        let mut keys = vec![of_path.clone()];
        if !methods.is_empty() {
            keys.push(("methods", list(methods)));
            others = METHODS.into_iter().filter(|method| !methods.contains(*method)).collect();
        }
        keys.push(("public", true.into()));
        if closed.iter().any(|other| other != pattern && other.covers(pattern)) {
            keys.push(("over_role", true.into()));
        }
        keys.extend(upstream.clone());
        page.block("[[rules]]", &draft.why, keys);
        if others.is_empty() {
            return;
        }
    }
    let mut keys = vec![of_path];
    if !others.is_empty() {
        keys.push(("methods", list(others)));
    }
    keys.extend(asked.of_rule());
    if all.refuse || all.api.iter().any(|api| api.covers(pattern)) {
        keys.push(("unauthenticated", "401".into()));
    }
    if all.preflight {
        keys.push(("preflight", true.into()));
    }
    if all.token {
        keys.push(("pass_token", "id".into()));
    }
    keys.extend(upstream);
    let why = if draft.open.is_some() { "The same path, for the other methods." } else { draft.why.as_str() };
    page.block("[[rules]]", why, keys);
}

/// Expressions under which nobody is asked who they are.
fn skipped(flag: &str, drafts: &mut BTreeMap<String, Draft>, all: &mut Everywhere, bag: &mut Bag<'_>) {
    let (mut refused, mut fewer, mut preflight) = (Vec::new(), Vec::new(), false);
    let written = bag.expressions(flag);
    for text in &written {
        let (method, expression) = match text.split_once('=').filter(|_| flag == "skip-auth-route") {
            None => (None, text.as_str()),
            Some((before, rest)) if !before.is_empty() && before.bytes().all(|b| b.is_ascii_alphabetic()) => {
                (Some(before.to_ascii_uppercase()), rest)
            }
            Some((before, _)) => {
                let why = if before.ends_with('!') { Untranslated::Negated } else { Untranslated::NotAPath };
                refused.push(format!("{} ({why})", shown(text)));
                continue;
            }
        };
        let found = match expression::paths(expression) {
            Ok(found) => found,
            Err(Untranslated::Everything) if method.as_deref() == Some("OPTIONS") => {
                (all.preflight, preflight) = (true, true);
                continue;
            }
            Err(why) => {
                refused.push(format!("{} ({why})", shown(text)));
                continue;
            }
        };
        for path in found.patterns {
            let draft = drafts.entry(path).or_default();
            draft.why = format!("{flag} {}", shown(text));
            match (&mut draft.open, &method) {
                (Some(methods), _) if methods.is_empty() => {}
                (Some(methods), Some(method)) => drop(methods.insert(method.clone())),
                (open, method) => *open = Some(method.iter().cloned().collect()),
            }
        }
        for path in &found.kept_out {
            let draft = drafts.entry(path.clone()).or_default();
            if draft.open.is_none() {
                draft.why = format!("Not part of {}, which the open rule below it would cover.", shown(text));
            }
        }
        if found.fewer || !found.kept_out.is_empty() {
            fewer.push(shown(text));
        }
    }
    let mut says = vec![format!(
        "{} of {} as open rules",
        written.len() - refused.len() - usize::from(preflight),
        written.len()
    )];
    if preflight {
        says.push("every OPTIONS became preflight = true: true CORS preflights".to_owned());
    }
    if !fewer.is_empty() {
        says.push(format!("fewer paths than before, none of them more: {}", fewer.join(", ")));
    }
    if !refused.is_empty() {
        says.push(format!("closed: {}", refused.join(", ")));
    }
    let fate = match (refused.is_empty(), fewer.is_empty() && !preflight) {
        (false, _) => Fate::Missing,
        (true, false) => Fate::Stricter,
        (true, true) => Fate::Taken,
    };
    bag.say(flag, fate, says.join("; "));
}

/// Expressions of paths that answer 401 where a browser would be sent to sign in.
fn api(drafts: &mut BTreeMap<String, Draft>, all: &mut Everywhere, bag: &mut Bag<'_>) {
    let mut refused = Vec::new();
    for text in bag.expressions("api-route") {
        match expression::paths(&text) {
            Ok(found) => {
                for path in found.patterns {
                    all.api.extend(Pattern::parse(&path).ok());
                    drafts.entry(path).or_default();
                }
            }
            Err(Untranslated::Everything) => all.refuse = true,
            Err(why) => refused.push(format!("{} ({why})", shown(&text))),
        }
    }
    if !refused.is_empty() {
        let says = format!(
            "rules with unauthenticated = \"401\", but for {}, where scripts get 401 and navigations a login",
            refused.join(", ")
        );
        bag.say("api-route", Fate::Missing, says);
    }
}

fn fold(path: &str) -> String {
    path.trim_end_matches('/').to_ascii_lowercase()
}

/// An expression on one line and bounded.
fn shown(text: &str) -> String {
    let short: String = text.chars().filter(|c| !c.is_control()).take(60).collect();
    format!("`{short}`")
}
