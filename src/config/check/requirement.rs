//! What a rule asks of whoever comes, and whether anybody could have it. ★

use std::time::Duration;

use super::duration::duration;
use super::rules::Judged;
use super::{Context, origin};
use crate::config::problem::Key;
use crate::config::raw;
use crate::config::settings::{Access, Asked, MinAcr, Requirement, RoleSource};

/// Who may pass, as written: everybody, or whoever has this.
pub(super) fn access(raw: &raw::Rule, key: &Key, acr_order: &[String], cx: &mut Context<'_>) -> Access {
    let lists = [
        ("any_role", &raw.any_role),
        ("all_roles", &raw.all_roles),
        ("any_scope", &raw.any_scope),
        ("any_user", &raw.any_user),
        ("any_email_domain", &raw.any_email_domain),
    ];
    let mut asks = raw.min_acr.is_some() || raw.max_auth_age.is_some();
    for (name, list) in lists {
        let Some(list) = list else { continue };
        asks = true;
        if list.is_empty() {
            let fix = "name somebody, or write public = true if everybody may pass";
            // An element that could not be read was named already.
            if !cx.problems.touches(&key.name(name)) {
                cx.error(&key.name(name), "the list is empty, which nobody can fulfil", fix);
            }
        }
        cx.names(&key.name(name), list);
    }
    let public = raw.public == Some(true);
    if public && asks {
        let fix = "keep public = true or the requirement, not both";
        cx.error(&key.name("public"), "public together with a requirement", fix);
    }
    if !public && !asks && !cx.problems.touches(key) {
        let fix = "write any_role, all_roles, any_scope, any_user, any_email_domain, min_acr or max_auth_age, \
                   or public = true";
        cx.error(key, "does not say who may pass", fix);
    }
    if public && !asks {
        return Access::Public;
    }
    let list = |list: &Option<Vec<String>>| list.clone().unwrap_or_default();
    let scopes = raw.any_scope.as_deref().unwrap_or_default();
    for name in ["any_role", "all_roles"] {
        let list = if name == "any_role" { &raw.any_role } else { &raw.all_roles };
        for (at, _) in list.iter().flatten().enumerate().filter(|(_, role)| *role == "signed-in") {
            let fix = "a rule cannot ask for being signed in alone; required_roles = \"signed-in\" can";
            cx.warning(&key.name(name).index(at), "\"signed-in\" here is a role of that name", fix);
        }
    }
    for (at, scope) in scopes.iter().enumerate().filter(|(_, scope)| scope.contains(' ')) {
        let message = format!("{scope:?} is several scopes");
        cx.error(&key.name("any_scope").index(at), &message, "write each scope as an element of its own");
    }
    Access::Needs(Requirement {
        any_role: list(&raw.any_role),
        all_roles: list(&raw.all_roles),
        any_scope: list(&raw.any_scope),
        any_user: list(&raw.any_user),
        any_email_domain: domains(raw.any_email_domain.as_deref().unwrap_or_default(), key, cx),
        min_acr: raw.min_acr.as_deref().map(|acr| min_acr(acr, acr_order, &key.name("min_acr"), cx)),
        max_auth_age: raw
            .max_auth_age
            .as_deref()
            .map(|text| max_auth_age(text, &key.name("max_auth_age"), cx)),
    })
}

fn domains(written: &[String], key: &Key, cx: &mut Context<'_>) -> Vec<String> {
    let key = key.name("any_email_domain");
    let mut found = Vec::new();
    for (at, text) in written.iter().enumerate() {
        match origin::host_name(text).filter(|host| host.contains('.') && !host.contains(['[', '*'])) {
            Some(domain) => found.push(domain),
            None if text.trim().is_empty() => {}
            None => cx.error(
                &key.index(at),
                &format!("{text:?} is no domain"),
                "write what stands behind the @, such as \"example.com\"",
            ),
        }
    }
    found
}

/// Cognito's classes are numbered, `urn:cognito:loa:1` to `:4`; others have the order that is written.
fn min_acr(wanted: &str, order: &[String], key: &Key, cx: &mut Context<'_>) -> MinAcr {
    let mut enough = vec![wanted.to_owned()];
    match order.iter().position(|acr| acr == wanted) {
        Some(at) => enough = order[at..].to_vec(),
        None if !order.is_empty() => {
            cx.error(
                key,
                &format!("{wanted:?} is not in identity.acr_order"),
                "add it there, or mend the name",
            );
        }
        None if wanted.trim() != wanted || wanted.is_empty() || wanted.contains(' ') => {
            cx.error(key, &format!("{wanted:?} is no class"), "write one, such as \"urn:cognito:loa:3\"");
        }
        None => {
            if let Some((base, last)) = wanted.rsplit_once(':')
                && let Ok(level @ 0..=9) = last.parse::<u8>()
            {
                enough = (level..=9).map(|level| format!("{base}:{level}")).collect();
            }
        }
    }
    MinAcr { wanted: wanted.to_owned(), enough }
}

fn max_auth_age(text: &str, key: &Key, cx: &mut Context<'_>) -> Duration {
    let minute = Duration::from_secs(60);
    let found = duration(Some(text), key, minute, cx);
    if found < minute {
        // Clocks may differ by as much: someone who has just signed in would be sent to sign in again.
        cx.error(key, "shorter than a minute", "write a minute or more, such as \"5m\"");
    }
    found
}

/// Whether any path needs a role, so that there must be somewhere for roles to come from.
pub(super) fn need_roles(default: &Requirement, rules: &[Judged]) -> bool {
    let asks = |needs: &Requirement| !needs.any_role.is_empty() || !needs.all_roles.is_empty();
    asks(default)
        || rules.iter().any(|judged| matches!(&judged.rule.access, Access::Needs(needs) if asks(needs)))
}

/// What rules ask beside user and roles.
pub(super) fn asked(rules: &[Judged]) -> Asked {
    let mut asked = Asked::default();
    for judged in rules {
        let Access::Needs(needs) = &judged.rule.access else { continue };
        asked.scopes.extend(needs.any_scope.iter().cloned());
        asked.email_domain |= !needs.any_email_domain.is_empty();
        asked.strength |= needs.min_acr.is_some() || needs.max_auth_age.is_some();
    }
    asked.scopes.sort();
    asked.scopes.dedup();
    asked
}

/// A role that is needed and that no source can give: nobody would ever pass.
pub(super) fn against_sources(
    default: &Requirement,
    rules: &[Judged],
    sources: &[RoleSource],
    cx: &mut Context<'_>,
) {
    // What a source without a list gives is for the pool to say.
    let can_give = |role: &String| {
        sources.iter().any(|source| match &source.grant {
            Some(grant) => grant.role == *role,
            None if source.rename.values().any(|renamed| renamed == role) => true,
            None => {
                !source.rename.contains_key(role) && (source.only.is_empty() || source.only.contains(role))
            }
        })
    };
    if sources.is_empty() {
        return;
    }
    let ask = |roles: &[String], key: &Key, cx: &mut Context<'_>| {
        for (at, role) in roles.iter().enumerate().filter(|(_, role)| !can_give(role)) {
            let message = format!("no source of [[identity.roles]] can give the role {role:?}");
            cx.warning(&key.index(at), &message, "mend the name, or the source's only, rename or role");
        }
    };
    ask(&default.any_role, &Key::of("required_roles"), cx);
    for judged in rules {
        let Access::Needs(needs) = &judged.rule.access else { continue };
        let key = Key::of("rules").index(judged.at);
        ask(&needs.any_role, &key.name("any_role"), cx);
        ask(&needs.all_roles, &key.name("all_roles"), cx);
    }
}
