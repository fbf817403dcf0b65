//! Verifying a JWT at `now`: the only verifier, for ID and access tokens, at the callback and at refresh. ★
//!
//! RS256 alone, every claim required by name (RFC 7519 §4.1, OpenID Connect Core §3.1.3.7, and what Cognito
//! adds). The signature is checked before a claim is read.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use serde_json::Value;

use super::json::{self, Claims};
use super::jwks::KeySet;

/// What a token must say.
#[derive(Debug, Clone, Copy)]
pub struct Expect<'a> {
    /// The issuer whose keys these are, byte-exact: a key of one issuer says nothing about another's tokens.
    pub issuer: &'a str,
    /// The app clients whose tokens count.
    pub client_ids: &'a [String],
    /// What an access token's `aud`, if it has one, may name beside those clients: the resources that it is
    /// bound to (RFC 8707). `None`: `aud` is not looked at where the token says which client it was issued to.
    pub audiences: Option<&'a [String]>,
    /// Whether Cognito's own claims (`token_use`, `client_id`) are asked for.
    pub cognito: bool,
    /// ID or access token.
    pub kind: Kind<'a>,
}

/// Which token it must be.
#[derive(Debug, Clone, Copy)]
pub enum Kind<'a> {
    /// An ID token.
    Id {
        /// The nonce sent at login; `None` at refresh, where providers differ.
        nonce: Option<&'a str>,
        /// The access token that came with it, for `at_hash`.
        access_token: Option<&'a str>,
        /// The code that it came for, for `c_hash`.
        code: Option<&'a str>,
    },
    /// An access token.
    Access,
}

/// What a token says of itself before anything of it is verified. Good for choosing what to verify it with,
/// and for nothing else.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unverified {
    /// `iss`.
    pub issuer: Option<String>,
    /// The header's `kid`.
    pub kid: Option<String>,
    /// Cognito's `token_use`.
    pub token_use: Option<String>,
}

/// Why a token does not count. The name is for logs and metrics; a client is told nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "each is named after the check that failed; code() is the documentation")]
pub enum TokenFault {
    #[error("the token is larger than {MAX_TOKEN} bytes")]
    TooLarge,
    #[error("the token is not three base64url parts")]
    Malformed,
    #[error("the token's header is not as expected")]
    Header,
    #[error("the token is not signed with RS256")]
    Algorithm,
    #[error("the token's key is not in the issuer's key set")]
    UnknownKey,
    #[error("the token's signature is wrong")]
    Signature,
    #[error("the token's claims are not a JSON object with unique keys")]
    Claims,
    #[error("the token is of another issuer")]
    Issuer,
    #[error("the token is for another audience")]
    Audience,
    #[error("the token was issued to another party")]
    AuthorizedParty,
    #[error("the token is of another client")]
    ClientId,
    #[error("an ID token was given as access token, or the reverse")]
    TokenUse,
    #[error("the token has expired")]
    Expired,
    #[error("the token is not valid yet")]
    NotYet,
    #[error("a time in the token is missing or no number")]
    Time,
    #[error("the token has no usable subject")]
    Subject,
    #[error("the token's nonce is not the one that was sent")]
    Nonce,
    #[error("the access token is not the one that the ID token names")]
    AtHash,
    #[error("the code is not the one that the ID token names")]
    CHash,
}

/// Verifies `token` and gives its claims.
pub fn verify(token: &str, keys: &KeySet, expect: &Expect<'_>, now: u64) -> Result<Claims, TokenFault> {
    let claims = authentic(token, keys)?;
    issued_for(&claims, expect)?;
    in_time(&claims, now)?;
    let subject = claims.get("sub").and_then(Value::as_str).unwrap_or_default();
    if subject.is_empty() || subject.len() > MAX_SUBJECT {
        return Err(TokenFault::Subject);
    }
    if let Kind::Id { nonce, access_token, code } = expect.kind {
        bound_to_login(&claims, nonce, access_token, code)?;
    }
    Ok(claims)
}

/// Reads what `token` says of itself. What cannot be read is absent: the verification says why.
pub fn unverified(token: &str) -> Unverified {
    let mut parts = token.split('.').take(2);
    let mut part = || {
        let part = parts.next().filter(|part| part.len() <= MAX_TOKEN)?;
        json::object(&URL_SAFE_NO_PAD.decode(part).ok()?)
    };
    let (header, claims) = (part().unwrap_or_default(), part().unwrap_or_default());
    let text = |object: &Claims, name: &str| object.get(name).and_then(Value::as_str).map(str::to_owned);
    Unverified {
        issuer: text(&claims, "iss"),
        kid: text(&header, "kid"),
        token_use: text(&claims, "token_use"),
    }
}

/// When the token ends, in seconds since 1970.
pub fn ends(claims: &Claims) -> Option<u64> {
    time(claims, "exp").ok().flatten()
}

// === impl TokenFault ===

impl TokenFault {
    /// A stable code for logs and metrics.
    pub fn code(self) -> &'static str {
        match self {
            Self::TooLarge => "token_too_large",
            Self::Malformed => "token_malformed",
            Self::Header => "token_header",
            Self::Algorithm => "token_algorithm",
            Self::UnknownKey => "token_unknown_key",
            Self::Signature => "token_signature",
            Self::Claims => "token_claims",
            Self::Issuer => "token_issuer",
            Self::Audience => "token_audience",
            Self::AuthorizedParty => "token_azp",
            Self::ClientId => "token_client_id",
            Self::TokenUse => "token_use",
            Self::Expired => "token_expired",
            Self::NotYet => "token_not_yet",
            Self::Time => "token_time",
            Self::Subject => "token_subject",
            Self::Nonce => "token_nonce",
            Self::AtHash => "token_at_hash",
            Self::CHash => "token_c_hash",
        }
    }
}

/// The claims, if the signature is the issuer's. Nothing of them is read before.
fn authentic(token: &str, keys: &KeySet) -> Result<Claims, TokenFault> {
    if token.len() > MAX_TOKEN {
        return Err(TokenFault::TooLarge);
    }
    let mut parts = token.splitn(4, '.');
    let (Some(header), Some(payload), Some(signature), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(TokenFault::Malformed);
    };
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenFault::Malformed);
    let (header_bytes, payload_bytes) = (decode(header)?, decode(payload)?);
    // Decoded for its strictness: one spelling of a signature, and never an empty one.
    if decode(signature)?.is_empty() {
        return Err(TokenFault::Malformed);
    }

    let header_claims = json::object(&header_bytes).ok_or(TokenFault::Header)?;
    let kid = trusted_header(&header_claims)?;
    let key = keys.find(kid).ok_or(TokenFault::UnknownKey)?;
    let signed = &token.as_bytes()[..header.len() + 1 + payload.len()];
    match jsonwebtoken::crypto::verify(signature, signed, key, Algorithm::RS256) {
        Ok(true) => json::object(&payload_bytes).ok_or(TokenFault::Claims),
        _ => Err(TokenFault::Signature),
    }
}

/// The header's `kid`, if the header asks for nothing that we do not do: another algorithm, a key or an
/// address of the sender's choice, an extension that must be understood (RFC 7515 §4.1).
fn trusted_header(header: &Claims) -> Result<Option<&str>, TokenFault> {
    if header.get("alg").and_then(Value::as_str) != Some("RS256") {
        return Err(TokenFault::Algorithm);
    }
    if ["crit", "b64", "zip", "enc", "jku", "jwk", "x5u", "x5c", "cty"]
        .iter()
        .any(|name| header.contains_key(*name))
    {
        return Err(TokenFault::Header);
    }
    match header.get("kid") {
        None => Ok(None),
        Some(Value::String(kid)) if kid.len() <= MAX_KID => Ok(Some(kid)),
        Some(_) => Err(TokenFault::Header),
    }
}

fn issued_for(claims: &Claims, expect: &Expect<'_>) -> Result<(), TokenFault> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    if text("iss") != Some(expect.issuer) {
        return Err(TokenFault::Issuer);
    }
    if expect.cognito {
        let wanted = match expect.kind {
            Kind::Id { .. } => "id",
            Kind::Access => "access",
        };
        if text("token_use") != Some(wanted) {
            return Err(TokenFault::TokenUse);
        }
    }
    match expect.kind {
        Kind::Id { .. } => audience_is_us(claims, expect.client_ids),
        // A Cognito access token names its client; its `aud`, if any, is a bound resource.
        Kind::Access if expect.cognito => match text("client_id") {
            Some(client) if is_among(client, expect.client_ids) => bound_to_us(claims, expect),
            _ => Err(TokenFault::ClientId),
        },
        // One that is bound to us is for us, whichever client it was issued to (RFC 9068 §4).
        Kind::Access if expect.audiences.is_some_and(|ours| names_one_of(claims, ours)) => Ok(()),
        // Nothing else tells an ID token from it, and those are shown to more eyes.
        Kind::Access if expect.audiences.is_some() && looks_like_id(claims) => Err(TokenFault::TokenUse),
        // Elsewhere an access token says who it was issued to in `client_id` or `azp` (RFC 9068 §2.2).
        Kind::Access => match text("client_id").or_else(|| text("azp")) {
            Some(client) if is_among(client, expect.client_ids) => bound_to_us(claims, expect),
            Some(_) => Err(TokenFault::ClientId),
            None => audience_is_us(claims, expect.client_ids),
        },
    }
}

/// Whether it says what only an ID token does (OpenID Connect Core §3.3.2.11), or that it is one.
fn looks_like_id(claims: &Claims) -> bool {
    claims.contains_key("at_hash") || claims.contains_key("c_hash") || claims.get("typ") == Some(&"ID".into())
}

/// The `aud` of an ID token, and with several of them the `azp` (OpenID Connect Core §3.1.3.7).
fn audience_is_us(claims: &Claims, client_ids: &[String]) -> Result<(), TokenFault> {
    if !names_one_of(claims, client_ids) {
        return Err(TokenFault::Audience);
    }
    let several = claims.get("aud").and_then(Value::as_array).is_some_and(|many| many.len() > 1);
    match claims.get("azp") {
        None if several => Err(TokenFault::AuthorizedParty),
        None => Ok(()),
        Some(Value::String(party)) if is_among(party, client_ids) => Ok(()),
        Some(_) => Err(TokenFault::AuthorizedParty),
    }
}

/// An access token for another resource is not for us, though our client got it: whoever it was shown to could
/// show it here.
fn bound_to_us(claims: &Claims, expect: &Expect<'_>) -> Result<(), TokenFault> {
    let Some(audiences) = expect.audiences else { return Ok(()) };
    let ours = !claims.contains_key("aud")
        || names_one_of(claims, audiences)
        || names_one_of(claims, expect.client_ids);
    if ours { Ok(()) } else { Err(TokenFault::Audience) }
}

/// Whether `aud`, a text or a list of them, names one of these.
fn names_one_of(claims: &Claims, ours: &[String]) -> bool {
    match claims.get("aud") {
        Some(Value::String(one)) => is_among(one, ours),
        Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).any(|one| is_among(one, ours)),
        _ => false,
    }
}

fn is_among(text: &str, known: &[String]) -> bool {
    known.iter().any(|one| one == text)
}

fn in_time(claims: &Claims, now: u64) -> Result<(), TokenFault> {
    let expires = time(claims, "exp")?.ok_or(TokenFault::Time)?;
    let issued = time(claims, "iat")?.ok_or(TokenFault::Time)?;
    if now >= expires.saturating_add(LEEWAY) {
        return Err(TokenFault::Expired);
    }
    if issued > now + LEEWAY || time(claims, "nbf")?.is_some_and(|from| from > now + LEEWAY) {
        return Err(TokenFault::NotYet);
    }
    Ok(())
}

fn bound_to_login(
    claims: &Claims,
    nonce: Option<&str>,
    access_token: Option<&str>,
    code: Option<&str>,
) -> Result<(), TokenFault> {
    if let Some(nonce) = nonce {
        let claimed = claims.get("nonce").and_then(Value::as_str).unwrap_or_default();
        verify_slices_are_equal(claimed.as_bytes(), nonce.as_bytes()).map_err(|_| TokenFault::Nonce)?;
    }
    // OpenID Connect Core §3.1.3.6 and §3.3.2.11.
    let names = |claim: &str, value: Option<&str>| match (claims.get(claim), value) {
        (Some(claimed), Some(value)) => *claimed == half_hash(value),
        _ => true,
    };
    if !names("at_hash", access_token) {
        return Err(TokenFault::AtHash);
    }
    if names("c_hash", code) { Ok(()) } else { Err(TokenFault::CHash) }
}

/// The left half of the SHA-256, which goes with RS256.
fn half_hash(value: &str) -> String {
    let hash = digest(&SHA256, value.as_bytes());
    URL_SAFE_NO_PAD.encode(&hash.as_ref()[..hash.as_ref().len() / 2])
}

/// A NumericDate (RFC 7519 §2): a number in a sane range, or absent. Any other type is a fault, never
/// "absent".
fn time(claims: &Claims, name: &str) -> Result<Option<u64>, TokenFault> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    let seconds = value.as_u64().or_else(|| {
        let float = value.as_f64()?;
        // Truncation is what is wanted of 1759348800.25; the range is checked below.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        (float >= 0.0 && float <= MAX_TIME as f64).then_some(float as u64)
    });
    match seconds {
        Some(seconds) if seconds <= MAX_TIME => Ok(Some(seconds)),
        _ => Err(TokenFault::Time),
    }
}

/// How far clocks may differ, seconds.
pub const LEEWAY: u64 = 60;
/// Cognito's tokens are 1–8 KiB; more is not looked at.
const MAX_TOKEN: usize = 16 * 1024;
const MAX_KID: usize = 256;
/// OpenID Connect Core §2: `sub` must not exceed 255 ASCII characters.
const MAX_SUBJECT: usize = 255;
/// The year 5138: later is no date.
const MAX_TIME: u64 = 100_000_000_000;

#[cfg(test)]
mod tests;
