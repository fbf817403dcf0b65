//! A key that signs assertions, and how others come to know its public half. ★

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, Signature};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

/// One EC P-256 key.
pub struct SigningKey {
    pair: EcdsaKeyPair,
    kid: String,
    jwk: Value,
    pem: String,
}

/// The bytes are no EC P-256 private key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an EC P-256 private key")]
pub struct BadKey;

// === impl SigningKey ===

impl SigningKey {
    /// Reads a private key: DER, PKCS#8 or SEC 1 (RFC 5915).
    pub fn from_der(der: &[u8]) -> Result<Self, BadKey> {
        let pair =
            EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_FIXED_SIGNING, der).map_err(|_| BadKey)?;
        let public = AsDer::as_der(pair.public_key()).map_err(|_| BadKey)?;
        // Uncompressed (SEC 1 §2.3.3): 04 ‖ x ‖ y.
        let Some((x, y)) =
            pair.public_key().as_ref().strip_prefix(&[4]).and_then(|point| point.split_at_checked(32))
        else {
            return Err(BadKey);
        };
        let kid = kid(public.as_ref());
        let jwk = json!({
            "alg": "ES256",
            "crv": "P-256",
            "kid": kid,
            "kty": "EC",
            "use": "sig",
            "x": URL_SAFE_NO_PAD.encode(x),
            "y": URL_SAFE_NO_PAD.encode(y),
        });
        Ok(Self { pem: pem(public.as_ref()), kid, jwk, pair })
    }

    /// `r ‖ s`, as ES256 wants it (RFC 7518 §3.4).
    pub fn sign(&self, message: &[u8]) -> Result<Signature, Unspecified> {
        self.pair.sign_digest(&digest(&SHA256, message))
    }

    /// The key's id: it follows from the key, so replicas with the same key agree on it.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The public key as JWK (RFC 7517).
    pub fn jwk(&self) -> &Value {
        &self.jwk
    }

    /// The public key as PEM.
    pub fn pem(&self) -> &str {
        &self.pem
    }
}

/// The beginning of the public key's digest in the shape of a random UUID, which ALB's own ids have and its
/// verifiers insist on.
fn kid(public: &[u8]) -> String {
    let hash = digest(&SHA256, public);
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.as_ref()[..16]);
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

/// RFC 7468 §13.
fn pem(public: &[u8]) -> String {
    let text = STANDARD.encode(public);
    let mut pem = String::from("-----BEGIN PUBLIC KEY-----\n");
    for line in text.as_bytes().chunks(64) {
        pem.extend(line.iter().map(|byte| char::from(*byte)));
        pem.push('\n');
    }
    pem + "-----END PUBLIC KEY-----\n"
}
