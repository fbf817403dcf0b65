//! `[session]`: how long it lives, and keys that nobody can guess. ★

use std::time::Duration;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::Context;
use super::duration::{duration, duration_or_off};
use super::secrets::{self, Pair};
use super::store;
use crate::config::problem::Key;
use crate::config::raw;
use crate::config::secret::Secret;
use crate::config::settings::Session;

/// Keys that stand in files which people copy: `config/` and the manual.
const SAMPLES: [&[u8]; 1] = [b"sample-key-do-not-use-this-one!!"];

/// Rolling one takes two.
const MANY_KEYS: usize = 5;

const FIX: &str = "make one with: rolegate secret";

/// The table, with its defaults.
pub(super) fn session(
    raw: Option<&raw::Session>,
    client_secrets: &[Secret],
    cx: &mut Context<'_>,
) -> Session {
    let empty = raw::Session::default();
    let raw = raw.unwrap_or(&empty);
    let key = Key::of("session");
    let hours = |hours: u64| Duration::from_secs(hours * 3600);

    let max_age = duration(raw.max_age.as_deref(), &key.name("max_age"), hours(12), cx);
    let idle = duration_or_off(raw.idle.as_deref(), &key.name("idle"), cx);
    if idle.is_some_and(|idle| idle > max_age) {
        cx.error(
            &key.name("idle"),
            "longer than max_age, which ends the session first",
            "make it shorter, or off",
        );
    }
    let max_role_age =
        duration(raw.max_role_age.as_deref(), &key.name("max_role_age"), Duration::from_secs(15 * 60), cx);
    if max_role_age > hours(24) {
        cx.warning(
            &key.name("max_role_age"),
            "a role that is taken away stays good for more than a day",
            "make it shorter: 15m is the default",
        );
    }
    Session {
        keys: keys(raw, client_secrets, cx),
        keys_file: raw.keys_file.as_deref().map(|name| cx.path(name)),
        max_age,
        idle,
        max_role_age,
        outage_grace: duration(raw.outage_grace.as_deref(), &key.name("outage_grace"), hours(1), cx),
        cookie_name: cookie_name(raw.cookie_name.as_deref(), &key.name("cookie_name"), cx),
        store: store::store(raw, cx),
    }
}

fn keys(raw: &raw::Session, client_secrets: &[Secret], cx: &mut Context<'_>) -> Vec<Secret> {
    let list_key = Key::of("session.keys");
    let file_key = Key::of("session.keys_file");
    let joined = raw.keys.as_ref().map(|keys| keys.join("\n"));
    if raw.keys.as_ref().is_some_and(|keys| keys.iter().all(|key| key.trim().is_empty()))
        && raw.keys_file.is_none()
    {
        cx.error(&list_key, "no key", FIX);
        return Vec::new();
    }
    let pair =
        Pair { value: joined.as_deref(), value_key: list_key, file: raw.keys_file.as_deref(), file_key };
    if pair.value.is_none() && pair.file.is_none() {
        if !cx.problems.touches(&pair.value_key) {
            cx.missing(&pair.file_key, "put the output of `rolegate secret` into a file and name it here");
        }
        return Vec::new();
    }
    let Some((text, key)) = secrets::one_of(&pair, cx) else { return Vec::new() };
    listed(&text, &key, pair.file.is_some(), client_secrets, cx)
}

/// A key a line.
fn listed(
    text: &Secret,
    key: &Key,
    in_file: bool,
    client_secrets: &[Secret],
    cx: &mut Context<'_>,
) -> Vec<Secret> {
    let Some(text) = text.expose_text() else {
        cx.error(key, "not text: each line is a key as base64 or hex", FIX);
        return Vec::new();
    };
    let mut found: Vec<Secret> = Vec::new();
    for (at, line) in text.lines().enumerate() {
        if in_file && line.trim().is_empty() {
            continue;
        }
        // In a list each key has a place of its own; in a file it has a line.
        let (place, which) = if in_file {
            (key.clone(), format!("line {}: ", at + 1))
        } else {
            (key.index(at), String::new())
        };
        match sealing_key(line.trim(), client_secrets) {
            Err(why) => cx.error(&place, &format!("{which}{why}"), FIX),
            Ok(secret) if found.contains(&secret) => {
                cx.warning(&place, &format!("{which}the same key again"), "leave it out");
            }
            Ok(secret) => found.push(secret),
        }
    }
    if found.len() > MANY_KEYS {
        cx.warning(
            key,
            &format!("{} keys, and whoever has one of them can make sessions", found.len()),
            "drop those that stopped sealing longer ago than max_age",
        );
    }
    found
}

/// 32 bytes that look as if nobody chose them.
fn sealing_key(text: &str, client_secrets: &[Secret]) -> Result<Secret, String> {
    let same_as_client = |bytes: &[u8]| client_secrets.contains(&Secret::new(bytes));
    if same_as_client(text.as_bytes()) {
        return Err("the client secret: whoever knows it could make sessions".into());
    }
    if SAMPLES.contains(&text.as_bytes()) {
        return Err("the sample key, which everybody knows".into());
    }
    if secrets::is_placeholder(text) {
        return Err("a placeholder".into());
    }
    let Some(bytes) = decode(text) else {
        return Err(format!("{} characters that are not base64 or hex of 32 bytes", text.chars().count()));
    };
    if SAMPLES.contains(&bytes.as_slice()) {
        return Err("the sample key, which everybody knows".into());
    }
    if same_as_client(&bytes) {
        return Err("the client secret: whoever knows it could make sessions".into());
    }
    match bytes.len() {
        32 => {}
        few @ 0..32 => return Err(format!("{few} bytes, too short: 32 are needed")),
        many => return Err(format!("{many} bytes, too long: 32 are needed")),
    }
    match guessable(&bytes) {
        Some(why) => Err(format!("{why}, not random")),
        None => Ok(Secret::new(bytes)),
    }
}

/// Of 32 random bytes fewer than 16 different ones, or only printable ones, do not happen (2⁻⁴⁰ and less).
fn guessable(bytes: &[u8]) -> Option<&'static str> {
    let mut seen = [false; 256];
    bytes.iter().for_each(|byte| seen[usize::from(*byte)] = true);
    let steps: Vec<u8> = bytes.windows(2).map(|pair| pair[1].wrapping_sub(pair[0])).collect();
    if bytes.iter().all(|byte| *byte == 0) {
        Some("all zero")
    } else if seen.iter().filter(|seen| **seen).count() == 1 {
        Some("one byte over and over")
    } else if steps.windows(2).all(|pair| pair[0] == pair[1]) {
        Some("a sequence")
    } else if seen.iter().filter(|seen| **seen).count() < 16 {
        Some("a few bytes over and over")
    } else if bytes.iter().all(|byte| (0x20..0x7f).contains(byte)) {
        Some("readable text")
    } else {
        None
    }
}

/// 64 hex digits, or base64 in either alphabet, with or without padding.
fn decode(text: &str) -> Option<Vec<u8>> {
    if text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
        let digit = |b: u8| char::from(b).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        return text.as_bytes().chunks(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect();
    }
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    [alphabet::STANDARD, alphabet::URL_SAFE]
        .iter()
        .find_map(|alphabet| GeneralPurpose::new(alphabet, config).decode(text).ok())
}

fn cookie_name(text: Option<&str>, key: &Key, cx: &mut Context<'_>) -> String {
    let default = "rolegate".to_owned();
    let Some(text) = text else { return default };
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if text.is_empty() || text.len() > 40 || !text.bytes().all(plain) {
        cx.error(key, &format!("{text:?} is no cookie name"), "write at most 40 letters, digits, - or _");
    } else if text.to_ascii_lowercase().starts_with("__host-")
        || text.to_ascii_lowercase().starts_with("__secure-")
    {
        cx.error(key, "the prefix is added by the gate", "leave it out");
    } else {
        return text.to_owned();
    }
    default
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_somebody_could_guess_is_refused() {
        let hex = |bytes: Vec<u8>| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
        for (text, why) in [
            ("", "placeholder"),
            ("changeme", "placeholder"),
            ("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "all zero"),
            (&hex(vec![0xab; 32]), "one byte"),
            (&hex((0..32).collect()), "a sequence"),
            (&hex([0x13, 0x37].repeat(16)), "a few bytes"),
            ("c2FtcGxlLWtleS1kby1ub3QtdXNlLXRoaXMtb25lISE=", "sample key"),
            ("bXkgdmVyeSBsb25nIHBhc3N3b3JkIGZyb20gMjAyNjE=", "readable text"),
            ("c2hvcnQ=", "too short"),
            ("not base64 at all, but 44 characters long ok", "not base64"),
        ] {
            let refusal = sealing_key(text, &[]).unwrap_err();
            assert!(refusal.contains(why), "{text}: {refusal}");
        }
    }

    #[test]
    fn a_random_key_is_taken_in_every_spelling() {
        let spellings = [
            "3q2+78r+ur4BI0VniavN7/7cuphmUkIfDx4tPEtaaXg=",
            "3q2+78r+ur4BI0VniavN7/7cuphmUkIfDx4tPEtaaXg",
            "3q2-78r-ur4BI0VniavN7_7cuphmUkIfDx4tPEtaaXg",
            "deadbeefcafebabe0123456789abcdeffedcba986652421f0f1e2d3c4b5a6978",
        ];
        let keys: Vec<Secret> = spellings.iter().map(|text| sealing_key(text, &[]).unwrap()).collect();
        assert!(keys.windows(2).all(|pair| pair[0] == pair[1]));
    }

    #[test]
    fn the_client_secret_is_no_sealing_key() {
        let text = "deadbeefcafebabe0123456789abcdeffedcba986652421f0f1e2d3c4b5a6978";
        assert!(
            sealing_key(text, &[Secret::new("other"), Secret::new(text)])
                .unwrap_err()
                .contains("client secret")
        );
    }
}
