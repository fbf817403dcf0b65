//! What the upstream can verify for itself: a signed statement of who asks, for one request. ★
//!
//! Threat: a header that merely says a name is believed from whoever reaches the upstream. A signature is too,
//! unless it says for whom it is and for what: a statement that is taken elsewhere must count for nothing
//! there (ALBeast: without audience and signer, anyone's load balancer could speak for anyone).

use aws_lc_rs::error::Unspecified;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderName, HeaderValue};
use serde::Serialize;
use serde_json::{Value, json};

use super::json::Claims;
use crate::config::settings::{self, AssertionKind};

pub mod alb;
pub mod key;

use key::{BadKey, SigningKey};

/// A configured assertion and its keys.
pub struct Assertions {
    settings: settings::Assertion,
    /// The pool's issuer, which an ALB names.
    issuer: String,
    /// The app client, which an ALB names.
    client_id: String,
    /// The first signs, all are published. Never empty.
    keys: Vec<SigningKey>,
}

/// Who asks.
#[derive(Clone, Copy)]
pub struct Who<'a> {
    /// The `sub` claim.
    pub sub: &'a str,
    /// X-User before encoding.
    pub user: &'a str,
    /// Sorted, unique.
    pub roles: &'a [String],
    /// What may be handed on beside that.
    pub handed: Handed<'a>,
}

/// What is at hand of a person and may be handed on, whether a session kept it or a bearer token is it.
#[derive(Clone, Copy, Default)]
pub struct Handed<'a> {
    /// What an ALB would tell of the person: see [`alb::profile`]. Read by that kind alone.
    pub profile: Option<&'a Claims>,
    /// The access token.
    pub access_token: Option<&'a str>,
    /// The ID token.
    pub id_token: Option<&'a str>,
}

/// The one request that an assertion is for.
#[derive(Debug, Clone, Copy)]
pub struct Bound<'a> {
    /// The public origin that it came to, or the first one.
    pub origin: &'a str,
    /// The method, byte-exact.
    pub method: &'a str,
    /// What the upstream sees as X-Forwarded-Host.
    pub host: &'a str,
    /// The canonical path, without the query.
    pub path: &'a str,
}

/// Header lines for the upstream.
pub type Headers = Vec<(HeaderName, HeaderValue)>;

#[derive(Serialize)]
struct Statement<'a> {
    iss: &'a str,
    aud: &'a str,
    sub: &'a str,
    user: &'a str,
    roles: &'a [String],
    iat: u64,
    exp: u64,
    jti: String,
    method: &'a str,
    host: &'a str,
    path: &'a str,
}

// === impl Assertions ===

impl Assertions {
    /// `keys`: EC P-256 private keys, DER (PKCS#8 or SEC 1); the first signs. `issuer` and `client_id` are the
    /// provider's.
    pub fn new(
        settings: settings::Assertion,
        keys: &[&[u8]],
        issuer: &str,
        client_id: &str,
    ) -> Result<Self, BadKey> {
        let keys = keys.iter().map(|der| SigningKey::from_der(der)).collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() {
            return Err(BadKey);
        }
        Ok(Self { settings, issuer: issuer.to_owned(), client_id: client_id.to_owned(), keys })
    }

    /// The headers that assert `who` for this request, at `now` (seconds since 1970). `random` names it.
    /// `None` if they cannot be written, which refuses the request.
    pub fn headers(&self, who: &Who<'_>, bound: &Bound<'_>, now: u64, random: [u8; 16]) -> Option<Headers> {
        let exp = now.saturating_add(self.settings.lifetime.as_secs());
        match &self.settings.kind {
            AssertionKind::Rolegate { audience } => {
                let token = self.statement(who, bound, audience, (now, exp), random)?;
                Some(vec![(X_ROLEGATE_ASSERTION, secret(&token)?)])
            }
            AssertionKind::Alb { signer } => {
                let names = alb::Names { signer, issuer: &self.issuer, client_id: &self.client_id };
                alb::headers(self.signer()?, &names, who, exp)
            }
        }
    }

    /// The JWKS document: our own keys and no others.
    pub fn document(&self) -> Value {
        json!({ "keys": self.keys.iter().map(SigningKey::jwk).collect::<Vec<_>>() })
    }

    /// The public key with this id as PEM; `None` if there is none.
    pub fn pem(&self, kid: &str) -> Option<&str> {
        self.keys.iter().find(|key| key.kid() == kid).map(SigningKey::pem)
    }

    fn signer(&self) -> Option<&SigningKey> {
        self.keys.first()
    }

    fn statement(
        &self,
        who: &Who<'_>,
        bound: &Bound<'_>,
        audience: &str,
        (iat, exp): (u64, u64),
        random: [u8; 16],
    ) -> Option<String> {
        let key = self.signer()?;
        let header = json!({ "alg": "ES256", "kid": key.kid(), "typ": "JWT" });
        let statement = Statement {
            iss: bound.origin,
            aud: audience,
            sub: who.sub,
            user: who.user,
            roles: who.roles,
            iat,
            exp,
            jti: URL_SAFE_NO_PAD.encode(random),
            method: bound.method,
            host: bound.host,
            path: bound.path,
        };
        signed(key, &URL_SAFE_NO_PAD, &header, &serde_json::to_vec(&statement).ok()?).ok()
    }
}

/// The compact serialisation (RFC 7515 §3.1) in the given base64.
fn signed(
    key: &SigningKey,
    base64: &impl Engine,
    header: &Value,
    payload: &[u8],
) -> Result<String, Unspecified> {
    let mut token = base64.encode(header.to_string());
    token.push('.');
    base64.encode_string(payload, &mut token);
    let signature = key.sign(token.as_bytes())?;
    token.push('.');
    base64.encode_string(signature, &mut token);
    Ok(token)
}

/// A value that no log of a header map shows.
pub fn secret(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::try_from(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Who asks, signed.
pub const X_ROLEGATE_ASSERTION: HeaderName = HeaderName::from_static("x-rolegate-assertion");

#[cfg(test)]
mod tests;
