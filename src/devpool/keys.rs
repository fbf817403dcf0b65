//! The pool's two signing keys, made at each start: one for ID tokens, one for access tokens, as at Cognito.

use std::sync::Arc;
use std::thread;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde_json::{Map, Value, json};

use super::random;

mod kept;

pub(super) use self::kept::Kept;

/// What signs now, and what is still published.
pub(super) struct Keys {
    pub(super) id: Arc<SigningKey>,
    pub(super) access: Arc<SigningKey>,
    /// The pair before, while it is still published.
    previous: Vec<Arc<SigningKey>>,
}

/// One RSA-2048 key.
pub(super) struct SigningKey {
    kid: String,
    /// As it is kept.
    pkcs8: Vec<u8>,
    private: EncodingKey,
    public: DecodingKey,
    n: String,
    e: String,
}

/// A key could not be made, kept or used.
#[derive(Debug, thiserror::Error)]
#[error("no signing key: {0}")]
pub struct KeyError(String);

// === impl Keys ===

impl Keys {
    /// Two fresh keys, made at the same time: each takes a good part of a second on a slow core.
    pub(super) fn generate() -> Result<Self, KeyError> {
        let other = thread::spawn(SigningKey::generate);
        let id = SigningKey::generate()?;
        let access = other.join().map_err(|_| KeyError("the thread ended".into()))??;
        Ok(Self { id: Arc::new(id), access: Arc::new(access), previous: Vec::new() })
    }

    /// Puts `next` in place; the keys up to now stay published if `keep`.
    pub(super) fn rotate(&mut self, next: Keys, keep: bool) {
        let before = std::mem::replace(self, next);
        if keep {
            self.previous = vec![before.id, before.access];
        }
    }

    /// The JWKS document.
    pub(super) fn document(&self) -> Value {
        json!({ "keys": self.published().map(SigningKey::jwk).collect::<Vec<_>>() })
    }

    /// The claims of a token that one of the published keys signed. Its times are the caller's to judge.
    pub(super) fn open(&self, token: &str) -> Option<Map<String, Value>> {
        let kid = jsonwebtoken::decode_header(token).ok()?.kid?;
        let key = self.published().find(|key| key.kid == kid)?;
        let mut validation = Validation::new(Algorithm::RS256);
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_aud = false;
        jsonwebtoken::decode(token, &key.public, &validation).ok().map(|token| token.claims)
    }

    fn published(&self) -> impl Iterator<Item = &SigningKey> {
        [&self.id, &self.access].into_iter().chain(&self.previous).map(AsRef::as_ref)
    }
}

// === impl SigningKey ===

impl SigningKey {
    fn generate() -> Result<Self, KeyError> {
        let pair = KeyPair::generate(KeySize::Rsa2048).map_err(|error| KeyError(error.to_string()))?;
        let pkcs8 = pair.as_der().map_err(|error| KeyError(error.to_string()))?;
        // 32 bytes in standard base64, which has `+`, `/` and `=`: what is careless with a kid shows here.
        Self::from_pkcs8(STANDARD.encode(random::bytes::<32>()), pkcs8.as_ref().to_vec())
    }

    fn from_pkcs8(kid: String, pkcs8: Vec<u8>) -> Result<Self, KeyError> {
        let pkcs1 = pkcs1(&pkcs8).ok_or_else(|| KeyError("unexpected PKCS#8".into()))?;
        let private = EncodingKey::from_rsa_der(pkcs1);
        let jwk = Jwk::from_encoding_key(&private, Algorithm::RS256)
            .map_err(|error| KeyError(error.to_string()))?;
        let AlgorithmParameters::RSA(parameters) = jwk.algorithm else {
            return Err(KeyError("not an RSA key".into()));
        };
        let public = DecodingKey::from_rsa_components(&parameters.n, &parameters.e)
            .map_err(|error| KeyError(error.to_string()))?;
        Ok(Self { kid, pkcs8, private, public, n: parameters.n, e: parameters.e })
    }

    /// A signed token. The header has exactly Cognito's members.
    pub(super) fn sign(&self, claims: &Map<String, Value>) -> Result<String, KeyError> {
        let mut header = Header::new(Algorithm::RS256);
        header.typ = None;
        header.kid = Some(self.kid.clone());
        jsonwebtoken::encode(&header, claims, &self.private).map_err(|error| KeyError(error.to_string()))
    }

    fn jwk(&self) -> Value {
        json!({ "alg": "RS256", "e": self.e, "kid": self.kid, "kty": "RSA", "n": self.n, "use": "sig" })
    }
}

/// The `RSAPrivateKey` inside a PKCS#8 document (RFC 5958 §2), which is what jsonwebtoken signs with.
fn pkcs1(pkcs8: &[u8]) -> Option<&[u8]> {
    let (0x30, inner, _) = element(pkcs8)? else { return None };
    let (0x02, _version, rest) = element(inner)? else { return None };
    let (0x30, _algorithm, rest) = element(rest)? else { return None };
    let (0x04, key, _) = element(rest)? else { return None };
    Some(key)
}

/// The first DER element: tag, content, what follows.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        // 0x80 is the indefinite length, which DER does not have.
        0x81..=0x83 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}
