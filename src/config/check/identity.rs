//! `[identity]`: which claims become a user, roles and headers, and which of them people can write themselves. ★

mod roles;

use http::HeaderName;

use super::{Context, is_cognito};
use crate::config::problem::Key;
use crate::config::raw;
use crate::config::settings::{Asked, ClaimHeader, Identity, ProviderKind, RolesFormat, TokenChoice};

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
const TAKEN: [&str; 37] = [
    "x-forwarded",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-protocol",
    "x-forwarded-scheme",
    "x-forwarded-ssl",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-prefix",
    "x-forwarded-uri",
    "x-forwarded-method",
    "x-forwarded-client-cert",
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
    ["x-rolegate-", "x-amzn-oidc-", "client-cert", "proxy-", "content-", "sec-", "x-accel-"];

/// The table, with its defaults.
pub(super) fn identity(
    raw: Option<&raw::Identity>,
    kind: Option<&ProviderKind>,
    needs_roles: bool,
    asked: Asked,
    cx: &mut Context<'_>,
) -> Identity {
    let empty = raw::Identity::default();
    let raw = raw.unwrap_or(&empty);
    let mut names = Names::default();
    let user_headers = names.further(X_USER, raw.user_headers.as_deref(), "identity.user_headers", cx);
    let roles_headers = names.further(X_ROLES, raw.roles_headers.as_deref(), "identity.roles_headers", cx);
    Identity {
        user: user(raw.user.as_deref(), kind, cx),
        roles: roles::roles(raw.roles.as_deref(), kind, needs_roles, cx),
        headers: headers(raw.headers.as_deref().unwrap_or_default(), &mut names, cx),
        user_headers,
        roles_headers,
        roles_format: match raw.roles_format {
            Some(raw::RolesFormat::Json) => RolesFormat::Json,
            Some(raw::RolesFormat::List) | None => RolesFormat::List,
        },
        asked,
        machines: Vec::new(),
    }
}

/// The order of authentication context classes, weakest first; empty where none is written.
pub(super) fn acr_order(raw: Option<&raw::Identity>, cx: &mut Context<'_>) -> Vec<String> {
    let key = Key::of("identity.acr_order");
    let order = raw.and_then(|raw| raw.acr_order.as_deref()).unwrap_or_default();
    cx.names(&key, order);
    for (at, acr) in order.iter().enumerate() {
        if order[..at].contains(acr) {
            cx.error(
                &key.index(at),
                &format!("{acr:?} again: it cannot be weaker than itself"),
                "leave one out",
            );
        }
    }
    order.to_vec()
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

fn headers(written: &[raw::ClaimHeader], names: &mut Names, cx: &mut Context<'_>) -> Vec<ClaimHeader> {
    let mut found: Vec<ClaimHeader> = Vec::new();
    for (at, raw) in written.iter().enumerate() {
        let key = Key::of("identity.headers").index(at);
        let claim = claim(raw.claim.as_deref(), &key, cx);
        let header_key = key.name("header");
        let Some(text) = raw.header.as_deref() else {
            cx.missing(&header_key, "write header = \"X-…\", the name that the upstream sees");
            continue;
        };
        if let (Some(header), Some(claim)) = (names.take(text, &header_key, cx), claim) {
            found.push(ClaimHeader { claim: claim.to_owned(), header, token: token(raw.token) });
        }
    }
    found
}

/// The names of all headers with identity: each is filled once.
#[derive(Default)]
struct Names(Vec<HeaderName>);

// === impl Names ===

impl Names {
    fn further(
        &mut self,
        first: HeaderName,
        written: Option<&[String]>,
        key: &str,
        cx: &mut Context<'_>,
    ) -> Vec<HeaderName> {
        let mut found = vec![first];
        for (at, text) in written.unwrap_or_default().iter().enumerate() {
            found.extend(self.take(text, &Key::of(key).index(at), cx));
        }
        found
    }

    fn take(&mut self, text: &str, key: &Key, cx: &mut Context<'_>) -> Option<HeaderName> {
        let header = header_name(text, key, cx)?;
        if self.0.iter().any(|other| is_same(other, &header)) {
            cx.error(key, &format!("{text:?} is filled twice"), "leave one out");
            return None;
        }
        self.0.push(header.clone());
        Some(header)
    }
}

/// A name for a header that the gate alone fills.
pub(super) fn header_name(text: &str, key: &Key, cx: &mut Context<'_>) -> Option<HeaderName> {
    let Ok(header) = HeaderName::from_bytes(text.as_bytes()) else {
        cx.error(key, &format!("{text:?} is no header name"), "write letters, digits and -");
        return None;
    };
    if header.as_str().bytes().any(|b| !b.is_ascii_alphanumeric() && b != b'-') {
        let message =
            format!("{text:?}: many servers read other marks than - as the same header, or drop it");
        cx.error(key, &message, "write letters, digits and -");
    } else if is_taken(header.as_str()) {
        let message = format!("{text:?} frames messages, belongs to a connection, or is set by the gate");
        cx.error(key, &message, "choose a name of your own, such as \"X-Pet-Preference\"");
    } else {
        return Some(header);
    }
    None
}

/// Whether an upstream could read the two as one.
pub(super) fn is_same(one: &HeaderName, other: &HeaderName) -> bool {
    class(one.as_str()) == class(other.as_str())
}

const X_USER: HeaderName = HeaderName::from_static("x-user");
const X_ROLES: HeaderName = HeaderName::from_static("x-roles");

pub(super) fn claim<'r>(text: Option<&'r str>, key: &Key, cx: &mut Context<'_>) -> Option<&'r str> {
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

pub(super) fn token(raw: Option<raw::Token>) -> TokenChoice {
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

/// By class, as upstreams that speak CGI read names: letters and digits alone.
fn is_taken(header: &str) -> bool {
    let class = class(header);
    let families = ["xrolegate", "xamznoidc"];
    TAKEN.iter().any(|name| self::class(name) == class)
        || TAKEN_PREFIXES.iter().any(|prefix| header.starts_with(prefix))
        || families.iter().any(|family| class.starts_with(family))
}

fn class(header: &str) -> String {
    header.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}
