//! JSON Web Tokens built piece by piece, so that each piece can be wrong. Signs with aws-lc-rs alone: no
//! library that would refuse to write nonsense.

use std::sync::OnceLock;

use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use aws_lc_rs::{digest, hmac, rand};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

/// Which of a pool's two tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// The ID token.
    Id,
    /// The access token.
    Access,
}

/// What a token is signed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// The pool's key for ID tokens, in its JWKS.
    ForId,
    /// The pool's key for access tokens, in its JWKS.
    ForAccess,
    /// A key that no JWKS shows until a test puts it there.
    Foreign,
    /// HMAC-SHA256 with this secret.
    Hmac(Vec<u8>),
    /// An empty signature.
    Nothing,
    /// These bytes as the signature.
    Bytes(Vec<u8>),
}

/// A token about to be written; a test changes what it likes.
#[derive(Debug, Clone)]
pub struct Mint {
    /// Which token this is.
    pub kind: Use,
    /// Whether a refresh asked for it.
    pub refreshed: bool,
    /// The JOSE header.
    pub header: Map<String, Value>,
    /// The payload.
    pub claims: Map<String, Value>,
    /// What signs it.
    pub key: Key,
    /// The payload's bytes instead of `claims`.
    pub payload: Option<Vec<u8>>,
    /// The header's bytes instead of `header`.
    pub raw_header: Option<Vec<u8>>,
    /// The whole token instead of all of this.
    pub raw: Option<String>,
}

/// A public key as a JWKS shows it.
pub fn jwk(key: &Key) -> Value {
    let (n, e) = components(rsa(key).expect("an RSA key"));
    json!({ "alg": "RS256", "e": b64(e), "kid": kid(key), "kty": "RSA", "n": b64(n), "use": "sig" })
}

/// The key id of one of the three RSA keys; in the alphabet that Cognito uses.
pub fn kid(key: &Key) -> &'static str {
    match key {
        Key::ForId => "aWQta2V5+of/the/pool=",
        Key::ForAccess => "YWNjZXNz+key/of/pool=",
        _ => "Zm9yZWlnbg+a/foreign=",
    }
}

/// Unpadded base64url.
pub fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// SHA-256.
pub fn sha256(bytes: &[u8]) -> Vec<u8> {
    digest::digest(&digest::SHA256, bytes).as_ref().to_vec()
}

/// Fresh random text.
pub fn random(bytes: usize) -> String {
    let mut random = vec![0; bytes];
    rand::fill(&mut random).unwrap();
    b64(random)
}

// === impl Mint ===

impl Mint {
    /// The compact serialisation.
    pub fn write(&self) -> String {
        if let Some(raw) = &self.raw {
            return raw.clone();
        }
        let header = self.raw_header.clone().unwrap_or_else(|| serde_json::to_vec(&self.header).unwrap());
        let payload = self.payload.clone().unwrap_or_else(|| serde_json::to_vec(&self.claims).unwrap());
        let signed = format!("{}.{}", b64(header), b64(payload));
        let signature = sign(&self.key, signed.as_bytes());
        format!("{signed}.{}", b64(signature))
    }

    /// Sets a claim; `null` stays a `null`.
    pub fn claim(&mut self, name: &str, value: impl Into<Value>) {
        self.claims.insert(name.to_owned(), value.into());
    }

    /// Takes a claim away.
    pub fn without(&mut self, name: &str) {
        self.claims.remove(name);
    }
}

fn sign(key: &Key, message: &[u8]) -> Vec<u8> {
    match key {
        Key::Hmac(secret) => {
            hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message).as_ref().to_vec()
        }
        Key::Nothing => Vec::new(),
        Key::Bytes(bytes) => bytes.clone(),
        key => {
            let pair = rsa(key).unwrap();
            let mut signature = vec![0; pair.public_modulus_len()];
            pair.sign(&RSA_PKCS1_SHA256, &rand::SystemRandom::new(), message, &mut signature).unwrap();
            signature
        }
    }
}

/// Made once a process: a key takes longer than most tests.
fn rsa(key: &Key) -> Option<&'static RsaKeyPair> {
    static KEYS: [OnceLock<RsaKeyPair>; 3] = [OnceLock::new(), OnceLock::new(), OnceLock::new()];
    let slot = match key {
        Key::ForId => 0,
        Key::ForAccess => 1,
        Key::Foreign => 2,
        _ => return None,
    };
    Some(KEYS[slot].get_or_init(|| RsaKeyPair::generate(KeySize::Rsa2048).unwrap()))
}

/// Modulus and exponent out of the DER `SEQUENCE { INTEGER n, INTEGER e }` (RFC 8017 A.1.1).
fn components(pair: &RsaKeyPair) -> (Vec<u8>, Vec<u8>) {
    let der = pair.public_key().as_ref();
    let (_, sequence, _) = der_value(der);
    let (_, n, rest) = der_value(sequence);
    let (_, e, _) = der_value(rest);
    let unsigned = |bytes: &[u8]| bytes.iter().copied().skip_while(|b| *b == 0).collect();
    (unsigned(n), unsigned(e))
}

fn der_value(der: &[u8]) -> (u8, &[u8], &[u8]) {
    let (tag, first) = (der[0], usize::from(der[1]));
    let (length, at) = if first < 0x80 {
        (first, 2)
    } else {
        let octets = first - 0x80;
        (der[2..2 + octets].iter().fold(0, |n, b| n << 8 | usize::from(*b)), 2 + octets)
    };
    (tag, &der[at..at + length], &der[at + length..])
}
