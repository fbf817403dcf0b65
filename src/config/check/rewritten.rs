//! Rules whose paths meet at an upstream although they do not meet here: by a prefix that is taken off or put in front,
//! one resource is reached by two paths, and the laxer rule decides. ★

use super::Context;
use super::rules::Judged;
use super::upstream::Upstreams;
use crate::config::problem::Key;
use crate::config::settings::{Access, Destination, Requirement, Rule};
use crate::rule::path::Pattern;

/// Who may reach which paths of an upstream, and what says so.
struct Reach<'a> {
    /// Where it stands; `None`: `required_roles`, for whatever no rule covers.
    judged: Option<&'a Judged>,
    access: Access,
    upstream: usize,
    /// As the upstream sees them.
    paths: Pattern,
}

/// Looks at each pair that a prefix brings together.
pub(super) fn rewritten(
    rules: &[Judged],
    default: &Requirement,
    upstreams: &Upstreams,
    cx: &mut Context<'_>,
) {
    if !(0..=rules.len()).filter_map(|at| upstreams.at(at)).any(|one| !one.rewrite.is_none()) {
        return;
    }
    outside(rules, upstreams, cx);
    let reaches = rules.iter().filter_map(|judged| reach(judged, upstreams));
    let all: Vec<_> = reaches.chain(everything_else(default, upstreams)).collect();
    for (at, one) in all.iter().enumerate() {
        for other in &all[at + 1..] {
            meet(one, other, upstreams, cx);
        }
    }
}

/// A rule that allows what can never be sent.
fn outside(rules: &[Judged], upstreams: &Upstreams, cx: &mut Context<'_>) {
    for judged in rules {
        let Some(to) = upstreams.at(judged.rule.upstream) else { continue };
        if to.rewrite.image(&judged.rule.path).is_none() {
            let strip = to.rewrite.stripped().unwrap_or_default();
            let message =
                format!("no path of it lies below {strip}, which {} takes off: all are 404", to.name);
            let fix = "mend the path or strip_prefix, or name another upstream";
            cx.error(&key(judged).name("path"), &message, fix);
        }
    }
}

fn reach<'a>(judged: &'a Judged, upstreams: &Upstreams) -> Option<Reach<'a>> {
    let Rule { access, path, upstream, .. } = &judged.rule;
    let paths = upstreams.at(*upstream)?.rewrite.image(path)?;
    Some(Reach { judged: Some(judged), access: access.clone(), upstream: *upstream, paths })
}

fn everything_else<'a>(default: &Requirement, upstreams: &Upstreams) -> Option<Reach<'a>> {
    let paths = upstreams.at(0)?.rewrite.image(&Pattern::parse("/**").ok()?)?;
    Some(Reach { judged: None, access: Access::Needs(default.clone()), upstream: 0, paths })
}

fn meet(one: &Reach<'_>, other: &Reach<'_>, upstreams: &Upstreams, cx: &mut Context<'_>) {
    // Below one upstream no two paths become the same: what lies inside what is as it is here.
    if one.upstream == other.upstream || one.access == other.access || !same_host(one, other) {
        return;
    }
    let (Some(to), Some(others)) = (upstreams.at(one.upstream), upstreams.at(other.upstream)) else { return };
    let meet = one.paths.covers(&other.paths) || other.paths.covers(&one.paths);
    if !meet || !share_an_address(to, others) || (to.rewrite.is_none() && others.rewrite.is_none()) {
        return;
    }
    let public = |reach: &Reach<'_>| reach.access == Access::Public;
    // Told where the laxer of the two stands; of two that ask for something nobody can say which that is.
    let (lax, strict) = if public(other) { (other, one) } else { (one, other) };
    let Some(judged) = lax.judged else { return };
    let place = key(judged).name("path");
    let what = format!(
        "reaches {} at {}, where {} leads as well",
        lax.paths,
        upstreams.at(lax.upstream).map(|to| to.name.as_str()).unwrap_or_default(),
        strict.judged.map_or("required_roles", |judged| &judged.rule.name),
    );
    if public(lax) && !judged.over_role {
        let fix = "give the public paths a prefix of their own there (add_prefix), or write over_role = true if this is meant";
        cx.error(&place, &format!("is public, and {what}"), fix);
    } else if !public(lax) {
        cx.warning(
            &place,
            &format!("{what}: whoever either lets in is let in"),
            "ask for the same in both, or give each a prefix of its own there",
        );
    }
}

fn same_host(one: &Reach<'_>, other: &Reach<'_>) -> bool {
    let host = |reach: &Reach<'_>| reach.judged.and_then(|judged| judged.rule.host.clone());
    match (host(one), host(other)) {
        (Some(one), Some(other)) => one == other,
        _ => true,
    }
}

fn share_an_address(one: &Destination, other: &Destination) -> bool {
    let names: Vec<_> = other.addresses.iter().map(ToString::to_string).collect();
    one.addresses.iter().any(|address| names.contains(&address.to_string()))
}

fn key(judged: &Judged) -> Key {
    Key::of("rules").index(judged.at)
}
