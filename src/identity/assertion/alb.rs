//! The headers of an Application Load Balancer that signs people in, as it writes them. ★
//!
//! For applications written for `x-amzn-oidc-data`: they change the address of the keys and nothing else. It is
//! weaker than the gate's own assertion: bound to a signer and a client, to no host and no path.

use base64::engine::general_purpose::URL_SAFE;
use http::HeaderName;
use serde_json::{Value, json};

use super::key::SigningKey;
use super::{Headers, Who, secret, signed};
use crate::config::settings::ProviderKind;
use crate::identity::encode;
use crate::identity::json::Claims;

/// What an ALB writes into the JWT's header.
pub(super) struct Names<'a> {
    /// The load balancer's ARN.
    pub(super) signer: &'a str,
    /// The issuer of the person's own tokens.
    pub(super) issuer: &'a str,
    /// The app client.
    pub(super) client_id: &'a str,
}

/// `x-amzn-oidc-data`, `-identity` and, where the token is at hand, `-accesstoken`.
pub(super) fn headers(key: &SigningKey, names: &Names<'_>, who: &Who<'_>, exp: u64) -> Option<Headers> {
    let Names { signer, issuer, client_id } = names;
    let header = json!({
        "alg": "ES256",
        "client": client_id,
        "exp": exp,
        "iss": issuer,
        "kid": key.kid(),
        "signer": signer,
        "typ": "JWT",
    });
    let mut payload = who.handed.profile.cloned().unwrap_or_default();
    for (name, value) in [("sub", who.sub.into()), ("iss", (*issuer).into()), ("exp", Value::from(exp))] {
        payload.insert(name.into(), value);
    }
    // With padding, unlike every other JWT (RFC 7515 §2): an ALB writes it, and signs over it.
    let data = signed(key, &URL_SAFE, &header, Value::Object(payload).to_string().as_bytes()).ok()?;
    let mut headers =
        vec![(X_AMZN_OIDC_DATA, secret(&data)?), (X_AMZN_OIDC_IDENTITY, encode(who.sub).try_into().ok()?)];
    if let Some(token) = who.handed.access_token {
        headers.push((X_AMZN_OIDC_ACCESSTOKEN, secret(token)?));
    }
    Some(headers)
}

/// What an ALB tells of a person, read out of an ID token: what the provider's userInfo endpoint would say,
/// which is the person's attributes, without roles and without what is about the token. At Cognito every value
/// of it is text, booleans too.
pub fn profile(id: &Claims, kind: &ProviderKind) -> Claims {
    let cognito = *kind != ProviderKind::Oidc;
    let mut profile = Claims::new();
    if let Some(name) = id.get("cognito:username").filter(|_| cognito) {
        profile.insert("username".into(), name.clone());
    }
    for (name, value) in id {
        if ABOUT_THE_TOKEN.contains(&name.as_str()) || cognito && name.starts_with("cognito:") {
            continue;
        }
        profile.insert(name.clone(), if cognito { as_text(value) } else { value.clone() });
    }
    profile
}

fn as_text(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(text.clone()),
        other => Value::String(other.to_string()),
    }
}

/// Claims that say something of a token, a login or a client (OpenID Connect Core §2), not of the person.
const ABOUT_THE_TOKEN: [&str; 20] = [
    "iss",
    "aud",
    "exp",
    "nbf",
    "iat",
    "jti",
    "origin_jti",
    "event_id",
    "token_use",
    "auth_time",
    "nonce",
    "acr",
    "amr",
    "azp",
    "at_hash",
    "c_hash",
    "client_id",
    "scope",
    "version",
    "device_key",
];

const X_AMZN_OIDC_DATA: HeaderName = HeaderName::from_static("x-amzn-oidc-data");
const X_AMZN_OIDC_IDENTITY: HeaderName = HeaderName::from_static("x-amzn-oidc-identity");
const X_AMZN_OIDC_ACCESSTOKEN: HeaderName = HeaderName::from_static("x-amzn-oidc-accesstoken");
