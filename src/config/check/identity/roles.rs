//! `[[identity.roles]]`: where roles come from, and which of them people could give themselves. ★

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::{Context, is_cognito};
use super::{claim, is_attribute, token};
use crate::config::problem::Key;
use crate::config::raw;
use crate::config::settings::{Grant, ProviderKind, RoleSource, Test, TokenChoice};

/// What Cognito itself says about a person in names of its own, which no trigger can add to.
const COGNITO_CLAIMS: [&str; 4] =
    ["cognito:groups", "cognito:username", "cognito:roles", "cognito:preferred_role"];

/// The sources, with their default.
pub(super) fn roles(
    raw: Option<&[raw::RoleSource]>,
    kind: Option<&ProviderKind>,
    needed: bool,
    cx: &mut Context<'_>,
) -> Vec<RoleSource> {
    let key = Key::of("identity.roles");
    let Some(written) = raw.filter(|written| !written.is_empty()) else {
        if raw.is_none() && is_cognito(kind) {
            return vec![source("cognito:groups")];
        }
        if needed {
            let fix = "say which claim holds the roles: [[identity.roles]] with claim = \"…\"";
            if raw.is_none() {
                cx.missing(&key, fix);
            } else {
                cx.error(&key, "empty, but roles are required", fix);
            }
        }
        return Vec::new();
    };
    let mut found: Vec<RoleSource> = Vec::new();
    for (at, raw) in written.iter().enumerate() {
        let key = key.index(at);
        if let Some(source) = role_source(raw, &key, is_cognito(kind), cx) {
            if found.contains(&source) {
                cx.warning(&key, "the same source again", "leave it out");
            }
            found.push(source);
        }
    }
    found
}

fn role_source(raw: &raw::RoleSource, key: &Key, cognito: bool, cx: &mut Context<'_>) -> Option<RoleSource> {
    let claim = claim(raw.claim.as_deref(), key, cx)?;
    let claim_key = key.name("claim");
    if is_attribute(claim) {
        cx.warning(
            &claim_key,
            &format!("people can write {claim:?} themselves if the app client's WriteAttributes name it, and so give themselves roles"),
            "take it out of WriteAttributes of every app client of the pool",
        );
    }
    if cognito && claim.starts_with("cognito:") && !COGNITO_CLAIMS.contains(&claim) {
        let message = format!("Cognito has no claim {claim:?}, and a trigger cannot add one of that name");
        cx.warning(&claim_key, &message, "write \"cognito:groups\", or the claim that your trigger adds");
    }
    let grant = grant(raw, key, cx);
    if raw.split.as_deref() == Some("") {
        cx.error(&key.name("split"), "an empty separator", "write one such as \",\" or leave it out");
    }
    let only = raw.only.clone().unwrap_or_default();
    if raw.only.as_ref().is_some_and(Vec::is_empty) {
        let fix = "name values or leave it out";
        cx.error(&key.name("only"), "the list is empty, so the source grants nothing", fix);
    }
    cx.names(&key.name("only"), &only);
    let rename = raw.rename.clone().unwrap_or_default();
    renames(&rename, &only, &key.name("rename"), cx);
    Some(RoleSource {
        token: token(raw.token),
        split: raw.split.clone(),
        grant,
        only,
        rename,
        ..source(claim)
    })
}

/// `equals` or `contains`, with the role that it grants.
fn grant(raw: &raw::RoleSource, key: &Key, cx: &mut Context<'_>) -> Option<Grant> {
    let (name, value) = match (&raw.equals, &raw.contains) {
        (None, None) => {
            if raw.role.is_some() {
                let fix = "role needs equals = … or contains = …, the value that grants it";
                cx.missing(&key.name("equals"), fix);
            }
            return None;
        }
        (Some(_), Some(_)) => {
            cx.error(
                &key.name("contains"),
                "both equals and contains",
                "keep one, or write a source for each",
            );
            return None;
        }
        (Some(value), None) => ("equals", value),
        (None, Some(value)) => ("contains", value),
    };
    if raw.only.is_some() || raw.rename.is_some() || (name == "equals" && raw.split.is_some()) {
        let message = format!("{name} and role leave nothing for split, only and rename to do");
        cx.error(key, &message, "leave them out");
    }
    let empty = match value {
        Value::Object(members) => members.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::String(text) => text.is_empty(),
        _ => false,
    };
    if empty && name == "contains" {
        cx.error(&key.name(name), "empty, which everything contains", "write the value that grants the role");
    }
    let Some(role) = raw.role.as_ref() else {
        cx.missing(&key.name("role"), &format!("{name} needs role = \"…\", the role that it grants"));
        return None;
    };
    cx.names(&key.name("role"), std::slice::from_ref(role));
    let test = if name == "equals" { Test::Equals(value.clone()) } else { Test::Contains(value.clone()) };
    Some(Grant { test, role: role.clone() })
}

fn renames(rename: &BTreeMap<String, String>, only: &[String], key: &Key, cx: &mut Context<'_>) {
    for (value, role) in rename {
        let key = key.name(value);
        if role.trim().is_empty() || role.trim() != role {
            cx.error(&key, "empty, or blank at the beginning or end", "write the role that it becomes");
        }
        if !only.is_empty() && !only.contains(value) {
            let message = format!("{value:?} is not among only, so it never comes to be renamed");
            cx.warning(&key, &message, "add it to only, or leave it out");
        }
    }
}

fn source(claim: &str) -> RoleSource {
    RoleSource {
        claim: claim.to_owned(),
        token: TokenChoice::Either,
        split: None,
        grant: None,
        only: Vec::new(),
        rename: BTreeMap::new(),
    }
}
