//! `[[rules]]` against each other: twice the same, never deciding, or weaker than they look. ★
//!
//! The most specific rule owns a request (exact host over any, then exact path over longest prefix), so the
//! order of the file decides nothing; what can surprise is what lies inside or beside another rule.

use super::Context;
use super::rules::Judged;
use crate::config::problem::Key;
use crate::config::settings::{Access, Origin, Rule};

/// Looks at every pair once, and at every owner alone.
pub(super) fn overlaps(rules: &[Judged], origins: &[Origin], cx: &mut Context<'_>) {
    for (at, later) in rules.iter().enumerate() {
        for earlier in &rules[..at] {
            pair(earlier, later, cx);
        }
    }
    for judged in rules {
        opened_by_host(judged, rules, cx);
        whole_site(judged, cx);
        shadowed(judged, rules, origins, cx);
    }
    left_out_methods(rules, cx);
}

fn pair(earlier: &Judged, later: &Judged, cx: &mut Context<'_>) {
    let (a, b) = (&earlier.rule, &later.rule);
    let at = key(later).name("path");
    let other = shown(earlier);
    if a.host == b.host {
        if a.path == b.path {
            if let Some(method) = common_method(a, b) {
                let message = format!("decides {method} on the same path as {other}");
                cx.error(&at, &message, "join the two rules, or give each its own methods");
            }
            return;
        }
        let both_open = is_open(a) && is_open(b);
        if same_but_for_case_or_slash(a, b) && !both_open {
            // What asks for anything owns a path in any case and with or without a final slash; what is open is
            // so byte by byte.
            let message = if is_open(a) == is_open(b) {
                format!("matches the same requests as {other}, apart from case or a final slash")
            } else {
                format!(
                    "one is open to everyone and one is not, and only case or a final slash tells it from {other}"
                )
            };
            cx.error(&at, &message, "join the two rules");
            return;
        }
    }
    for (outer, inner) in [(earlier, later), (later, earlier)] {
        hole(outer, inner, cx);
    }
}

/// `inner` is public inside `outer`, which lets in fewer, and does not say that it is meant to.
fn hole(outer: &Judged, inner: &Judged, cx: &mut Context<'_>) {
    let (big, small) = (&outer.rule, &inner.rule);
    let reaches = small.host == big.host || big.host.is_none();
    if opens(small, big)
        && !inner.over_role
        && reaches
        && big.path.covers(&small.path)
        && small.path != big.path
    {
        let message = format!("is public inside {}, which asks for more", shown(outer));
        let fix = "leave it out, or write over_role = true if this path is meant to ask for less";
        cx.error(&key(inner).name("path"), &message, fix);
    }
}

/// The exact host wins before the path is looked at: a rule for one host replaces even stricter, more
/// specific rules for any host.
fn opened_by_host(judged: &Judged, rules: &[Judged], cx: &mut Context<'_>) {
    let small = &judged.rule;
    let Some(host) = &small.host else { return };
    let replaced: Vec<_> = rules
        .iter()
        .filter(|other| {
            let big = &other.rule;
            big.host.is_none() && !is_open(big) && small.path.covers(&big.path) && !ask_alike(small, big)
        })
        .collect();
    if replaced.is_empty() {
        return;
    }
    let names = replaced.iter().map(|other| shown(other)).collect::<Vec<_>>().join(", ");
    let at = key(judged).name("path");
    let why = format!("on {host}: a rule with a host wins over every rule without one");
    if replaced.iter().any(|other| opens(small, &other.rule)) {
        cx.error(&at, &format!("opens {names} {why}"), "repeat the stricter rules with this host");
    } else {
        cx.warning(
            &at,
            &format!("decides instead of {names} {why}"),
            "repeat the other rules with this host",
        );
    }
}

/// A rule without a host, where every origin has a rule of its own for all of its paths. A public one still
/// decides on other hosts.
fn shadowed(judged: &Judged, rules: &[Judged], origins: &[Origin], cx: &mut Context<'_>) {
    if judged.rule.host.is_some() || is_public(&judged.rule) || origins.is_empty() {
        return;
    }
    let taken = |origin: &Origin| {
        rules.iter().any(|other| {
            other.rule.host.as_deref() == Some(&origin.host) && other.rule.path.covers(&judged.rule.path)
        })
    };
    if origins.iter().all(taken) {
        cx.error(
            &key(judged).name("path"),
            "can never decide: on the host of every public_url a rule with that host decides instead",
            "leave it out, or give it a host too",
        );
    }
}

/// `public = true` on `/**` leaves `required_roles` nothing to decide.
fn whole_site(judged: &Judged, cx: &mut Context<'_>) {
    if is_public(&judged.rule) && judged.rule.path.to_string() == "/**" {
        let on = judged.rule.host.as_ref().map(|host| format!(" on {host}")).unwrap_or_default();
        cx.warning(
            &key(judged).name("path"),
            &format!("what no other rule names is public{on}, and required_roles decides nothing there"),
            "make public what must be, path by path",
        );
    }
}

/// A method that no owner names is refused; people expect the rule above or the default to decide it.
fn left_out_methods(rules: &[Judged], cx: &mut Context<'_>) {
    let same = |a: &Rule, b: &Rule| a.host == b.host && a.path == b.path;
    for (at, judged) in rules.iter().enumerate() {
        if rules[..at].iter().any(|earlier| same(&earlier.rule, &judged.rule)) {
            continue;
        }
        let owners: Vec<&Rule> =
            rules[at..].iter().map(|other| &other.rule).filter(|other| same(other, &judged.rule)).collect();
        if owners.iter().any(|owner| owner.methods.is_none()) {
            continue;
        }
        let mut named: Vec<&str> =
            owners.iter().flat_map(|owner| owner.methods.iter().flatten()).map(String::as_str).collect();
        // An empty list, or one of which nothing could be read, is an error already.
        if named.is_empty() {
            continue;
        }
        named.sort_unstable();
        named.dedup();
        cx.warning(
            &key(judged).name("methods"),
            &format!("every method but {} is refused here; no other rule decides it", spoken(&named)),
            "add a rule for the same path if another method should pass",
        );
    }
}

fn spoken(methods: &[&str]) -> String {
    let mut methods: Vec<&str> = methods.to_vec();
    if let Some(at) = methods.iter().position(|method| *method == "GET")
        && !methods.contains(&"HEAD")
    {
        methods.insert(at + 1, "HEAD");
    }
    match methods.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => methods.concat(),
    }
}

/// A method that both rules name, `GET` covering `HEAD`.
fn common_method(a: &Rule, b: &Rule) -> Option<String> {
    let names = |rule: &Rule, method: &str| match &rule.methods {
        None => true,
        Some(methods) => methods.iter().any(|m| m == method || (m == "GET" && method == "HEAD")),
    };
    match (&a.methods, &b.methods) {
        (None, None) => Some("every method".into()),
        (Some(methods), _) => methods.iter().find(|m| names(b, m)).or_else(|| head(b, a)).cloned(),
        (None, Some(methods)) => methods.first().cloned(),
    }
}

/// `HEAD` named by `a` and covered by `GET` of `b`.
fn head<'r>(a: &'r Rule, b: &Rule) -> Option<&'r String> {
    let get = b.methods.iter().flatten().any(|method| method == "GET");
    a.methods.iter().flatten().find(|method| get && *method == "HEAD")
}

fn same_but_for_case_or_slash(a: &Rule, b: &Rule) -> bool {
    let fold = |rule: &Rule| {
        let text = rule.path.to_string().to_ascii_lowercase();
        if text.len() > 1 { text.trim_end_matches('/').to_owned() } else { text }
    };
    fold(a) == fold(b)
}

fn is_public(rule: &Rule) -> bool {
    rule.access == Access::Public
}

/// Public for everyone: `from` and `client_certificate` make of a public rule one that can be bypassed.
fn is_open(rule: &Rule) -> bool {
    is_public(rule) && !rule.narrows()
}

/// Whether `small` is public where `big` asks for a session, a certificate or an address that `small` does not.
/// Which networks each names is their own affair, as roles are.
fn opens(small: &Rule, big: &Rule) -> bool {
    let asks_for_less = !is_public(big)
        || (big.client_certificate && !small.client_certificate)
        || (!big.from.is_empty() && small.from.is_empty());
    is_public(small) && asks_for_less
}

fn ask_alike(a: &Rule, b: &Rule) -> bool {
    a.access == b.access && a.client_certificate == b.client_certificate && a.from == b.from
}

fn key(judged: &Judged) -> Key {
    Key::of("rules").index(judged.at)
}

fn shown(judged: &Judged) -> &str {
    &judged.rule.name
}
