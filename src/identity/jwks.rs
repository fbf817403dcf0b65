//! The keys of an issuer, out of a JWK set: what cannot be used is left out, and an empty set is no set. ★

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use serde_json::Value;

use super::json::{self, Claims};

/// The usable RS256 keys of one issuer.
#[derive(Clone, Default)]
pub struct KeySet {
    keys: Vec<(String, DecodingKey)>,
}

// === impl KeySet ===

impl KeySet {
    /// Reads a JWK set (RFC 7517 §5). `None` if not one key of it can be used: a good set is never replaced
    /// by nothing.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let set = json::object(bytes)?;
        let mut keys: Vec<(String, DecodingKey)> = Vec::new();
        for jwk in set.get("keys")?.as_array()?.iter().take(MAX_KEYS) {
            let Some((id, key)) = jwk.as_object().and_then(usable) else { continue };
            // Of two keys of one name neither is to be trusted more: the first stays.
            if keys.iter().all(|(known, _)| *known != id) {
                keys.push((id, key));
            }
        }
        if keys.is_empty() { None } else { Some(Self { keys }) }
    }

    /// The key for a token's `kid`. A token without one is accepted only where there is a single key.
    pub fn find(&self, kid: Option<&str>) -> Option<&DecodingKey> {
        match kid {
            Some(kid) => self.keys.iter().find(|(id, _)| id == kid).map(|(_, key)| key),
            None if self.keys.len() == 1 => self.keys.first().map(|(_, key)| key),
            None => None,
        }
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}

impl std::fmt::Debug for KeySet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.keys.iter().map(|(id, _)| id)).finish()
    }
}

/// An RSA key for RS256 signatures, of 2048 to 8192 bits, with the exponent that everyone uses.
fn usable(jwk: &Claims) -> Option<(String, DecodingKey)> {
    let text = |name: &str| jwk.get(name).and_then(Value::as_str);
    let absent_or = |name: &str, wanted: &str| jwk.get(name).is_none_or(|value| value == wanted);
    if text("kty") != Some("RSA") || !absent_or("use", "sig") || !absent_or("alg", "RS256") {
        return None;
    }
    let (modulus, exponent) = (text("n")?, text("e")?);
    let bytes = URL_SAFE_NO_PAD.decode(modulus).ok()?;
    let significant = bytes.iter().skip_while(|byte| **byte == 0).count();
    // A set that shows private parts is a leak: that key signs for anyone.
    if exponent != "AQAB" || !(256..=1024).contains(&significant) || jwk.contains_key("d") {
        return None;
    }
    let key = DecodingKey::from_rsa_components(modulus, exponent).ok()?;
    Some((text("kid").unwrap_or_default().to_owned(), key))
}

/// More keys of a set than this are not looked at.
const MAX_KEYS: usize = 64;
