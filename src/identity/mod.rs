//! Claims to identity: the user, the roles and the headers an upstream is told. ★
//!
//! Identity values are percent-encoded so that no name can forge another: a group called `user,admin` must
//! not become two roles, and no byte of a name may end a header.

use http::{HeaderName, HeaderValue};
use serde_json::Value;

use crate::config::settings::{self, ProviderKind, RolesFormat, TokenChoice};

pub mod assertion;
pub mod facts;
pub mod json;
pub mod jwks;
pub mod roles;
pub mod token;

pub use facts::Facts;
use json::Claims;
pub use roles::Odd;

/// The verified claims of one login, one refresh or one bearer token.
#[derive(Debug, Clone, Copy)]
pub struct Tokens<'a> {
    /// Of the ID token; `None` where an access token came alone.
    pub id: Option<&'a Claims>,
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
    /// What rules ask beside that.
    pub facts: Facts,
    /// Claims that granted nothing because of their type, for the log.
    pub odd: Vec<Odd>,
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
    /// A mapped claim is no text, number, truth value or list of those: no header could say it.
    #[error("the claim {0:?}, which identity.headers names, is of a type that no header can say")]
    Unwritable(String),
    /// A person is called as a client is: an upstream could not tell the two apart.
    #[error("the user is called as an app client is")]
    CalledAsClient,
}

/// Reads who someone is out of verified claims.
pub fn identify(
    config: &settings::Identity,
    provider: &ProviderKind,
    tokens: &Tokens<'_>,
) -> Result<Identity, IdentityFault> {
    let user = user(config, provider, tokens)?;
    let headers = config.headers.iter().filter_map(|mapped| {
        let claim = tokens.claims(mapped.token, &mapped.claim).find(|claim| !claim.is_null())?;
        let text = header_text(claim).ok_or_else(|| IdentityFault::Unwritable(mapped.claim.clone()));
        Some(text.map(|text| (mapped.header.as_str().to_owned(), text)))
    });
    let headers = headers.collect::<Result<_, _>>()?;
    let found = roles::roles(&config.roles, provider, tokens);
    Ok(Identity {
        sub: tokens.text("sub").unwrap_or_default().to_owned(),
        user: user.to_owned(),
        roles: found.roles,
        headers,
        facts: Facts::of(tokens, &config.asked),
        odd: found.odd,
    })
}

/// One claim, never a fallback. What an ID token calls `cognito:username` is `username` in an access token; a
/// machine's token has neither, and its subject is its client (AWS: "Understanding the access token").
fn user<'a>(
    config: &settings::Identity,
    provider: &ProviderKind,
    tokens: &Tokens<'a>,
) -> Result<&'a str, IdentityFault> {
    let none = || IdentityFault::NoUser(config.user.clone());
    let cognito = *provider != ProviderKind::Oidc;
    let is_machine = tokens.is_machine();
    let claim = match (tokens.id, config.user.as_str()) {
        (None, "cognito:username") if is_machine => "client_id",
        (None, "cognito:username") if cognito => "username",
        (_, claim) => claim,
    };
    let user = tokens.text(claim).filter(|user| !user.is_empty()).ok_or_else(none)?;
    if config.user == "email" && !tokens.first().is_some_and(is_verified) {
        return Err(IdentityFault::UnverifiedEmail);
    }
    if !is_machine && config.machines.iter().any(|machine| machine == user) {
        return Err(IdentityFault::CalledAsClient);
    }
    Ok(user)
}

/// Whether a token says that its e-mail address is verified. Cognito states booleans as strings in places;
/// anything else than true is not verified.
fn is_verified(claims: &Claims) -> bool {
    claims.get("email_verified").is_some_and(|value| *value == Value::Bool(true) || value == "true")
}

/// The headers that say who someone is: `X-User`, `X-Roles`, their further names and the mapped ones. `None` if
/// one cannot be a header at all, which refuses the request.
///
/// Sessions outlive configurations: of `mapped`, what has a name that is mapped no more is left out. By now it may be a
/// name of the user's, and people write some claims themselves.
pub fn header_values(
    config: &settings::Identity,
    user: &str,
    roles: &[String],
    mapped: &[(String, String)],
) -> Option<Vec<(HeaderName, HeaderValue)>> {
    let (users, lists) = (&config.user_headers, &config.roles_headers);
    let mut headers = Vec::with_capacity(users.len() + lists.len() + mapped.len());
    let user = HeaderValue::try_from(encode(user)).ok()?;
    let roles = HeaderValue::try_from(match config.roles_format {
        RolesFormat::List => encode_list(roles.iter().map(String::as_str)),
        RolesFormat::Json => ascii_json(roles),
    });
    let roles = roles.ok()?;
    headers.extend(users.iter().map(|name| (name.clone(), user.clone())));
    headers.extend(lists.iter().map(|name| (name.clone(), roles.clone())));
    for (name, value) in mapped {
        if let Some(known) = config.headers.iter().find(|known| known.header == name.as_str()) {
            headers.push((known.header.clone(), HeaderValue::try_from(value).ok()?));
        }
    }
    Some(headers)
}

/// Percent-encodes every byte that is not visible ASCII, and `,` and `%`: distinct values stay distinct.
pub fn encode(value: &str) -> String {
    escaped(value, b",%")
}

/// The same for a distinguished name, which has a meaning for `,` and escapes it itself (RFC 4514 §2.4).
pub fn encode_name(name: &str) -> String {
    escaped(name, b"%")
}

fn escaped(value: &str, also: &[u8]) -> String {
    let mut out = String::with_capacity(value.len());
    escape_onto(&mut out, value, also);
    out
}

fn escape_onto(out: &mut String, value: &str, also: &[u8]) {
    let stands = |byte: u8| matches!(byte, 0x21..=0x7e) && !also.contains(&byte);
    if value.bytes().all(stands) {
        return out.push_str(value);
    }
    for byte in value.bytes() {
        if stands(byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            for nibble in [byte >> 4, byte & 0x0f] {
                out.push(char::from(b"0123456789ABCDEF"[usize::from(nibble)]));
            }
        }
    }
}

// === impl Tokens ===

impl<'a> Tokens<'a> {
    /// Each value of the claim `name` in the tokens that `choice` names.
    fn claims(&self, choice: TokenChoice, name: &str) -> impl Iterator<Item = &'a Value> {
        let id = if choice == TokenChoice::Access { None } else { self.id };
        let access = if choice == TokenChoice::Id { None } else { self.access };
        [id, access].map(|token| token.and_then(|claims| claims.get(name))).into_iter().flatten()
    }

    /// The token that says who this is: the ID token, or an access token that came alone.
    fn first(&self) -> Option<&'a Claims> {
        self.id.or(self.access)
    }

    fn text(&self, name: &str) -> Option<&'a str> {
        self.first()?.get(name)?.as_str()
    }

    /// A client-credentials token: nobody's but the client's own (RFC 9068 §2.2).
    fn is_machine(&self) -> bool {
        let claim = |name| self.access.and_then(|access| access.get(name));
        let client = claim("client_id").or_else(|| claim("azp"));
        self.id.is_none() && claim("username").is_none() && client.is_some() && claim("sub") == client
    }
}

/// A mapped claim as header text: a scalar, or a list of nothing but scalars. A part of a claim is another claim.
fn header_text(claim: &Value) -> Option<String> {
    match claim {
        Value::Array(items) => {
            let texts = items.iter().map(roles::text).collect::<Option<Vec<_>>>()?;
            Some(encode_list(texts.iter().map(String::as_str)))
        }
        scalar => roles::text(scalar).map(|text| encode(&text)),
    }
}

/// An array in visible ASCII: what lies beyond is written as UTF-16 escapes, which every JSON reader knows.
fn ascii_json(roles: &[String]) -> String {
    let mut out = String::new();
    for char in serde_json::Value::from(roles).to_string().chars() {
        if matches!(char, ' '..='~') {
            out.push(char);
        } else {
            for unit in char.encode_utf16(&mut [0; 2]) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    out
}

fn encode_list<'a>(values: impl Iterator<Item = &'a str>) -> String {
    let mut out = String::new();
    for (index, value) in values.enumerate() {
        if index > 0 {
            out.push(',');
        }
        escape_onto(&mut out, value, b",%");
    }
    out
}

/// Who this is.
pub const X_USER: HeaderName = HeaderName::from_static("x-user");
/// What they may do.
pub const X_ROLES: HeaderName = HeaderName::from_static("x-roles");

#[cfg(test)]
mod tests;
