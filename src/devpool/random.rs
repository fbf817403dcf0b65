//! Random values of the pool: tokens, codes, ids; from aws-lc-rs, never from elsewhere.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

/// `N` random bytes.
#[allow(clippy::disallowed_methods, reason = "the dev pool is an island with randomness of its own")]
pub(super) fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    if aws_lc_rs::rand::fill(&mut bytes).is_err() {
        // Without randomness no token may be made; nothing sensible is left to answer with.
        tracing::error!("the system gives no random bytes");
        std::process::abort();
    }
    bytes
}

/// `N` random bytes as base64url.
pub(super) fn token<const N: usize>() -> String {
    URL_SAFE_NO_PAD.encode(bytes::<N>())
}

/// A random UUID, as Cognito's codes, `jti` and `event_id` are.
pub(super) fn uuid() -> String {
    uuid_from(bytes())
}

/// Sixteen bytes in the shape of a version 4 UUID.
pub(super) fn uuid_from(mut bytes: [u8; 16]) -> String {
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let mut text = String::with_capacity(36);
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push(char::from(HEX[usize::from(byte >> 4)]));
        text.push(char::from(HEX[usize::from(byte & 15)]));
    }
    text
}

/// A client secret as Cognito makes them: lower-case letters and digits.
pub(super) fn secret() -> String {
    // 32 symbols, so that no byte is more likely than another.
    const ALPHABET: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";
    bytes::<51>().iter().map(|byte| char::from(ALPHABET[usize::from(byte & 31)])).collect()
}

/// The session of a sign-in's step: standard base64, because clients send the block of a proof back as that.
pub(super) fn session() -> String {
    STANDARD.encode(bytes::<192>())
}

/// A refresh token: to its holder opaque, in size and shape Cognito's five-part JWE, so that cookies made of it
/// are as large as they will be.
pub(super) fn refresh_token() -> String {
    let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let header = part(br#"{"cty":"JWT","enc":"A256GCM","alg":"RSA-OAEP"}"#);
    let random = bytes::<1284>();
    let [key, iv, text, tag] = [&random[..256], &random[256..268], &random[268..1268], &random[1268..]];
    format!("{header}.{}.{}.{}.{}", part(key), part(iv), part(text), part(tag))
}

const HEX: &[u8; 16] = b"0123456789abcdef";
