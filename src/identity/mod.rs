//! Claims to identity: the user, the roles and the headers an upstream is told. ★
//!
//! Identity values are percent-encoded so that no name can forge another: a group called `user,admin` must
//! not become two roles, and no byte of a name may end a header.

use http::{HeaderName, HeaderValue};
use serde_json::Value;

use crate::config::settings::{self, ProviderKind, TokenChoice};

pub mod assertion;
pub mod json;
pub mod jwks;
pub mod roles;
pub mod token;

use json::Claims;

/// The verified claims of one login or refresh.
#[derive(Debug, Clone, Copy)]
pub struct Tokens<'a> {
    /// Of the ID token.
    pub id: &'a Claims,
    /// Of the access token, where it is one that can be verified.
    pub access: Option<&'a Claims>,
}

/// Who someone is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The `sub` claim.
    pub sub: String,
    /// X-User before encoding.
    pub user: String,
    /// Sorted, unique.
    pub roles: Vec<String>,
    /// Mapped claims: header name and encoded value.
    pub headers: Vec<(String, String)>,
}

/// The tokens behind an identity, as they were issued: for upstreams that are handed one.
#[derive(Clone)]
pub struct Issued {
    /// The access token.
    pub access: String,
    /// The ID token.
    pub id: String,
    /// When the ID token ends, seconds since 1970.
    pub id_ends: u64,
    /// What an ALB would tell of the person.
    pub profile: Claims,
}

/// Why verified claims give no identity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityFault {
    /// The claim that `identity.user` names is not there, is empty or no string.
    #[error("the claim {0:?}, which identity.user names, is missing or empty")]
    NoUser(String),
    /// `identity.user = "email"`, and the pool has not verified the address.
    #[error("the e-mail address is not verified")]
    UnverifiedEmail,
}

/// Reads who someone is out of verified claims.
pub fn identify(
    config: &settings::Identity,
    provider: &ProviderKind,
    tokens: &Tokens<'_>,
) -> Result<Identity, IdentityFault> {
    let text = |name: &str| tokens.id.get(name).and_then(Value::as_str).unwrap_or_default();
    let user = text(&config.user);
    if user.is_empty() {
        return Err(IdentityFault::NoUser(config.user.clone()));
    }
    // Cognito states booleans as strings in places; anything else than true is not verified.
    let verified = |value: &Value| *value == Value::Bool(true) || value == "true";
    if config.user == "email" && !tokens.id.get("email_verified").is_some_and(verified) {
        return Err(IdentityFault::UnverifiedEmail);
    }
    let headers = config.headers.iter().filter_map(|mapped| {
        let claim = tokens.claims(mapped.token, &mapped.claim).next()?;
        Some((mapped.header.as_str().to_owned(), header_text(claim)?))
    });
    Ok(Identity {
        sub: text("sub").to_owned(),
        user: user.to_owned(),
        roles: roles::roles(&config.roles, provider, tokens),
        headers: headers.collect(),
    })
}

/// The headers that say who someone is: `X-User`, `X-Roles` and the mapped ones. `None` if one cannot be
/// a header at all, which refuses the request.
pub fn header_values(
    user: &str,
    roles: &[String],
    mapped: &[(String, String)],
) -> Option<Vec<(HeaderName, HeaderValue)>> {
    let mut headers = Vec::with_capacity(2 + mapped.len());
    headers.push((X_USER, HeaderValue::try_from(encode(user)).ok()?));
    headers.push((X_ROLES, HeaderValue::try_from(encode_list(roles.iter().map(String::as_str))).ok()?));
    for (name, value) in mapped {
        headers.push((HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?));
    }
    Some(headers)
}

/// Percent-encodes every byte that is not visible ASCII, and `,` and `%`: distinct values stay distinct.
pub fn encode(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for byte in value.bytes() {
        if matches!(byte, 0x21..=0x7e) && byte != b',' && byte != b'%' {
            out.push(char::from(byte));
        } else {
            out.push('%');
            for nibble in [byte >> 4, byte & 0x0f] {
                out.push(char::from(b"0123456789ABCDEF"[usize::from(nibble)]));
            }
        }
    }
    out
}

// === impl Tokens ===

impl<'a> Tokens<'a> {
    /// Each value of the claim `name` in the tokens that `choice` names.
    fn claims(&self, choice: TokenChoice, name: &str) -> impl Iterator<Item = &'a Value> {
        let id = (choice != TokenChoice::Access).then_some(self.id);
        let access = if choice == TokenChoice::Id { None } else { self.access };
        [id, access]
            .into_iter()
            .flatten()
            .filter_map(move |claims| claims.get(name))
            .collect::<Vec<_>>()
            .into_iter()
    }
}

/// A mapped claim as header text: a scalar, or a list of scalars.
fn header_text(claim: &Value) -> Option<String> {
    match claim {
        Value::Array(items) => {
            let texts: Vec<_> = items.iter().filter_map(roles::text).collect();
            Some(encode_list(texts.iter().map(String::as_str)))
        }
        scalar => roles::text(scalar).map(|text| encode(&text)),
    }
}

fn encode_list<'a>(values: impl Iterator<Item = &'a str>) -> String {
    values.map(encode).collect::<Vec<_>>().join(",")
}

/// Who this is.
pub const X_USER: HeaderName = HeaderName::from_static("x-user");
/// What they may do.
pub const X_ROLES: HeaderName = HeaderName::from_static("x-roles");

#[cfg(test)]
mod tests;
