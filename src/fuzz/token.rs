//! Tokens: nothing counts but what the issuer signed, as it was signed.

use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};

use crate::bearer::Carried;
use crate::identity::json;
use crate::identity::jwks::KeySet;
use crate::identity::token::{Expect, Kind, unverified, verify};

/// A good token, and the public half of the key that signed it; the private half is gone.
const GOOD: &str = include_str!("token.jwt");
static KEYS: LazyLock<KeySet> = LazyLock::new(|| {
    // Whichever program this runs in: the verifier wants its provider named once.
    let _ = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
    KeySet::parse(include_bytes!("keys.json")).expect("a key set")
});
/// Within the good token's life.
const NOW: u64 = 1_800_000_060;

/// Whatever the token: no identity without a valid signature and every required claim.
pub fn token(data: &[u8]) {
    assert!(counts(GOOD), "the good token counts: else nothing here says anything");
    let text = String::from_utf8_lossy(data);
    assert!(text == GOOD || !counts(&text), "{text:?} counts");
    let _ = unverified(&text);

    let [header, payload, signature] = parts(GOOD);
    let mine = URL_SAFE_NO_PAD.encode(data);
    for forged in [
        format!("{mine}.{payload}.{signature}"),
        format!("{header}.{mine}.{signature}"),
        format!("{header}.{payload}.{mine}"),
        format!("{header}.{payload}.{}", text),
        format!("{GOOD}{text}"),
        format!("{text}{GOOD}"),
    ] {
        assert!(forged == GOOD || !counts(&forged), "{forged:?} counts");
    }
    changed(data);
    keys(data);
    carried(data);
}

/// `data` as `Authorization` lines: a token only where one line is the scheme, a blank and that token; nothing at
/// all only where no line names the scheme.
fn carried(data: &[u8]) {
    let mut head = HeaderMap::new();
    let values =
        data.split(|byte| *byte == b'\n').take(8).filter_map(|line| HeaderValue::from_bytes(line).ok());
    for value in values {
        head.append(AUTHORIZATION, value);
    }
    let lines: Vec<&[u8]> = head.get_all(AUTHORIZATION).iter().map(HeaderValue::as_bytes).collect();
    let names_it = |line: &&[u8]| {
        let is_delimiter = |byte: &u8| matches!(byte, b' ' | b'\t' | b',' | b';' | b'=' | b'"');
        let word = line.trim_ascii_start().split(is_delimiter).next();
        word.is_some_and(|word| word.eq_ignore_ascii_case(b"bearer"))
    };
    match Carried::read(&head) {
        Carried::Token(token) => {
            let well = token.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'+' | b'/' | b'='));
            let written = [&b"bearer "[..], token.to_ascii_lowercase().as_bytes()].concat();
            assert!(well && lines.len() == 1 && lines[0].to_ascii_lowercase() == written, "{lines:?}");
        }
        Carried::Nothing => assert!(!lines.iter().any(names_it), "{lines:?} passes for no token"),
        Carried::Malformed => {
            let begins = |line: &&[u8]| line.trim_ascii_start().to_ascii_lowercase().starts_with(b"bearer");
            assert!(lines.iter().any(begins), "{lines:?} is no affair of the gate's");
        }
    }
}

/// `data` as positions and bytes: the good token with some of its own replaced.
fn changed(data: &[u8]) {
    let mut bytes = GOOD.as_bytes().to_vec();
    for piece in data.chunks_exact(3).take(8) {
        let at = usize::from(u16::from_be_bytes([piece[0], piece[1]])) % bytes.len();
        bytes[at] = piece[2];
    }
    let text = String::from_utf8_lossy(&bytes);
    assert!(text == GOOD || !counts(&text), "{text:?} counts");
}

/// `data` as a key set and as an object: never a panic, and never a key twice.
fn keys(data: &[u8]) {
    if let Some(set) = KeySet::parse(data) {
        assert!(!set.is_empty() && set.len() <= 64);
    }
    if let Some(object) = json::object(data) {
        let again = serde_json::to_vec(&object).expect("JSON");
        assert_eq!(json::object(&again), Some(object), "an object that is another one when it is read again");
    }
}

fn counts(token: &str) -> bool {
    let client_ids = ["client".to_owned()];
    let kind = Kind::Id { nonce: Some("n"), access_token: None, code: None };
    let issuer = "https://issuer.test";
    let expect = Expect { issuer, client_ids: &client_ids, audiences: None, cognito: true, kind };
    verify(token, &KEYS, &expect, NOW).is_ok()
}

fn parts(token: &str) -> [&str; 3] {
    let mut parts = token.split('.');
    [(); 3].map(|()| parts.next().unwrap_or_default())
}
