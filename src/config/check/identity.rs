//! `[identity]`: which claims become a user, roles and headers, and which of them people can write themselves. ★

use http::HeaderName;

use super::{Context, is_cognito};
use crate::config::problem::Key;
use crate::config::raw;
use crate::config::settings::{ClaimHeader, Identity, ProviderKind, RoleSource, TokenChoice};

/// Claims that people can change in their own profile, at Cognito and most other providers.
const WRITABLE: [&str; 15] = [
    "preferred_username",
    "name",
    "given_name",
    "family_name",
    "middle_name",
    "nickname",
    "profile",
    "picture",
    "website",
    "gender",
    "birthdate",
    "zoneinfo",
    "locale",
    "address",
    "phone_number",
];

/// Headers that frame a message, belong to one connection, or say what the gate itself says.
const TAKEN: [&str; 25] = [
    "x-user",
    "x-roles",
    "x-request-id",
    "x-real-ip",
    "x-original-url",
    "x-rewrite-url",
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
    "forwarded",
    "via",
    "host",
    "cookie",
    "set-cookie",
    "authorization",
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "expect",
    "http2-settings",
    "origin",
    "date",
];

/// The same, by their beginning.
const TAKEN_PREFIXES: [&str; 7] =
    ["x-forwarded-", "x-rolegate-", "x-amzn-oidc-", "proxy-", "content-", "sec-", "x-accel-"];

/// The table, with its defaults.
pub(super) fn identity(
    raw: Option<&raw::Identity>,
    kind: Option<&ProviderKind>,
    needs_roles: bool,
    cx: &mut Context<'_>,
) -> Identity {
    let empty = raw::Identity::default();
    let raw = raw.unwrap_or(&empty);
    Identity {
        user: user(raw.user.as_deref(), kind, cx),
        roles: roles(raw.roles.as_deref(), kind, needs_roles, cx),
        headers: headers(raw.headers.as_deref().unwrap_or_default(), cx),
    }
}

fn user(text: Option<&str>, kind: Option<&ProviderKind>, cx: &mut Context<'_>) -> String {
    let key = Key::of("identity.user");
    let default = if is_cognito(kind) { "cognito:username" } else { "sub" };
    match text {
        None => return default.to_owned(),
        Some(claim) if claim.trim() != claim || claim.is_empty() => {
            cx.error(
                &key,
                "empty, or blank at the beginning or end",
                &format!("name a claim, such as {default:?}"),
            );
        }
        Some("email") => cx.warning(
            &key,
            "an address can change hands, and people without a verified one are refused",
            &format!("use {default:?} or \"sub\" where the upstream allows it"),
        ),
        Some(claim) if is_writable(claim) => cx.warning(
            &key,
            &format!("people can change {claim:?} themselves, to another's name too"),
            &format!("use {default:?} or \"sub\""),
        ),
        Some(_) => {}
    }
    text.unwrap_or(default).to_owned()
}

fn roles(
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
        if let Some(source) = role_source(raw, &key, cx) {
            if found.contains(&source) {
                cx.warning(&key, "the same source again", "leave it out");
            }
            found.push(source);
        }
    }
    found
}

fn role_source(raw: &raw::RoleSource, key: &Key, cx: &mut Context<'_>) -> Option<RoleSource> {
    let claim = claim(raw.claim.as_deref(), key, cx)?;
    let claim_key = key.name("claim");
    if is_attribute(claim) {
        cx.warning(
            &claim_key,
            &format!("people can write {claim:?} themselves if the app client's WriteAttributes name it, and so give themselves roles"),
            "take it out of WriteAttributes of every app client of the pool",
        );
    }
    match (&raw.equals, &raw.role) {
        (Some(_), None) => {
            cx.missing(&key.name("role"), "equals needs role = \"…\", the role that it grants");
        }
        (None, Some(_)) => {
            cx.missing(&key.name("equals"), "role needs equals = \"…\", the value that grants it");
        }
        (Some(_), Some(role)) => {
            cx.names(&key.name("role"), std::slice::from_ref(role));
            if raw.split.is_some() || raw.only.is_some() {
                cx.error(
                    key,
                    "equals and role leave nothing for split and only to do",
                    "leave split and only out",
                );
            }
        }
        (None, None) => {}
    }
    if raw.split.as_deref() == Some("") {
        cx.error(&key.name("split"), "an empty separator", "write one such as \",\" or leave it out");
    }
    if let Some(only) = &raw.only {
        if only.is_empty() {
            cx.error(
                &key.name("only"),
                "the list is empty, so the source grants nothing",
                "name values or leave it out",
            );
        }
        cx.names(&key.name("only"), only);
    }
    Some(RoleSource {
        token: token(raw.token),
        split: raw.split.clone(),
        equals: raw.equals.clone(),
        role: raw.role.clone(),
        only: raw.only.clone().unwrap_or_default(),
        ..source(claim)
    })
}

fn headers(written: &[raw::ClaimHeader], cx: &mut Context<'_>) -> Vec<ClaimHeader> {
    let mut found: Vec<ClaimHeader> = Vec::new();
    for (at, raw) in written.iter().enumerate() {
        let key = Key::of("identity.headers").index(at);
        let claim = claim(raw.claim.as_deref(), &key, cx);
        let header_key = key.name("header");
        let Some(text) = raw.header.as_deref() else {
            cx.missing(&header_key, "write header = \"X-…\", the name that the upstream sees");
            continue;
        };
        let header = match HeaderName::from_bytes(text.as_bytes()) {
            Err(_) => {
                cx.error(&header_key, &format!("{text:?} is no header name"), "write letters, digits and -");
                continue;
            }
            Ok(header) => header,
        };
        if header.as_str().bytes().any(|b| !b.is_ascii_alphanumeric() && b != b'-') {
            let message =
                format!("{text:?}: many servers read other marks than - as the same header, or drop it");
            cx.error(&header_key, &message, "write letters, digits and -");
        } else if is_taken(header.as_str()) {
            let message = format!("{text:?} frames messages, belongs to a connection, or is set by the gate");
            cx.error(&header_key, &message, "choose a name of your own, such as \"X-Pet-Preference\"");
        } else if found.iter().any(|other| other.header == header) {
            cx.error(&header_key, &format!("{text:?} is filled twice"), "leave one out");
        } else if let Some(claim) = claim {
            found.push(ClaimHeader { claim: claim.to_owned(), header, token: token(raw.token) });
        }
    }
    found
}

fn claim<'r>(text: Option<&'r str>, key: &Key, cx: &mut Context<'_>) -> Option<&'r str> {
    let key = key.name("claim");
    match text {
        None => cx.missing(&key, "write claim = \"…\", the claim's literal name"),
        Some(claim) if claim.trim() != claim || claim.is_empty() => {
            cx.error(&key, "empty, or blank at the beginning or end", "write the claim's literal name");
        }
        Some(claim) => return Some(claim),
    }
    None
}

fn source(claim: &str) -> RoleSource {
    RoleSource {
        claim: claim.to_owned(),
        token: TokenChoice::Either,
        split: None,
        equals: None,
        role: None,
        only: Vec::new(),
    }
}

fn token(raw: Option<raw::Token>) -> TokenChoice {
    match raw {
        None | Some(raw::Token::Either) => TokenChoice::Either,
        Some(raw::Token::Id) => TokenChoice::Id,
        Some(raw::Token::Access) => TokenChoice::Access,
    }
}

/// Whether a Cognito user may be able to set the claim themselves: it is an attribute of theirs.
pub(crate) fn is_attribute(claim: &str) -> bool {
    claim.starts_with("custom:") || is_writable(claim) || claim == "email"
}

fn is_writable(claim: &str) -> bool {
    WRITABLE.contains(&claim)
}

fn is_taken(header: &str) -> bool {
    TAKEN.contains(&header) || TAKEN_PREFIXES.iter().any(|prefix| header.starts_with(prefix))
}
