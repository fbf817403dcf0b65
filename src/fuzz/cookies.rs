//! The cookie scan: our names byte for byte, everyone else's untouched.

use http::header::{COOKIE, HeaderMap, HeaderValue};

use super::headers::sent_on;
use crate::session::cookie::{Jar, Names};

/// Whatever the Cookie lines (one a line of `data`): the scan finds our names byte-exactly, and what goes on is
/// everything but them.
pub fn cookies(data: &[u8]) {
    let mut head = HeaderMap::new();
    for line in data.split(|byte| *byte == b'\n').take(8) {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            head.append(COOKIE, value);
        }
    }
    for names in [Names::new("rolegate", true), Names::new("rolegate", false)] {
        scanned(&head, &names);
        passed_on(&head, &names);
    }
}

/// The first few values under exactly the pass's name are candidates; under any other name none is.
fn scanned(head: &HeaderMap, names: &Names) {
    let pairs = pairs(head);
    let jar = Jar::read(head, names);
    for name in [&names.pass, &names.ticket] {
        let theirs: Vec<&[u8]> = pairs
            .iter()
            .filter_map(|pair| split(pair))
            .filter(|(known, value)| *known == name.as_bytes() && value.is_ascii())
            .map(|(_, value)| value)
            .collect();
        let found: Vec<_> = jar.candidates(name).collect();
        assert!(found.len() <= 5, "{} candidates", found.len());
        // What is put together from parts comes last and stands nowhere whole.
        let whole = found.len().min(theirs.len());
        let same = found.iter().take(whole).zip(&theirs).all(|(found, theirs)| found.as_bytes() == *theirs);
        assert!(same, "{found:?} is not what the lines say: {theirs:?}");
        if pairs.len() <= 8 {
            assert!(whole == theirs.len().min(4), "a value was not found: {theirs:?}");
        }
    }
    for (name, _) in jar.attempts(names) {
        let there = pairs.iter().filter_map(|pair| split(pair)).any(|(known, _)| known == name.as_bytes());
        assert!(name.starts_with(&names.attempt_prefix) && there, "{name:?} is no attempt of these lines");
    }
    for line in names.forget_all(&jar) {
        let text = line.to_str().expect("a Set-Cookie of visible ASCII");
        assert!(text.starts_with(names.pass.as_str()) && text.contains("Max-Age=0"), "{text}");
    }
}

/// The upstream sees every pair but ours, in order.
fn passed_on(head: &HeaderMap, names: &Names) {
    let sent = sent_on(head, &names.pass);
    let left = |head: &HeaderMap| -> Vec<Vec<u8>> {
        pairs(head).into_iter().filter(|pair| !is_ours(pair, &names.pass)).collect()
    };
    let all = pairs(&sent);
    assert_eq!(all, left(&sent), "a cookie of ours went on");
    assert_eq!(all, left(head), "a cookie of somebody else's did not go on as it was");
    assert!(sent.get_all(COOKIE).iter().count() <= 1);
}

/// Every `;`-separated piece of every line, without blanks around it; empty ones count for nothing.
fn pairs(head: &HeaderMap) -> Vec<Vec<u8>> {
    let lines = head.get_all(COOKIE).iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
    lines.map(|pair| blankless(pair).to_vec()).filter(|pair| !pair.is_empty()).collect()
}

fn split(pair: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = pair.iter().position(|byte| *byte == b'=')?;
    Some((blankless(&pair[..at]), blankless(&pair[at + 1..])))
}

/// Whether a recipient that reads cookies at all could take this pair for one of the gate's.
fn is_ours(pair: &[u8], pass: &str) -> bool {
    let text = String::from_utf8_lossy(pair).into_owned();
    let named = text.trim_start_matches(['=', ' ', '\t']);
    let name = named.split('=').next().unwrap_or_default().trim_matches([' ', '\t']);
    let Some(rest) = name.strip_prefix(pass) else { return false };
    // What looks like a part is taken for one, also with no number that the gate would give.
    let is_part = |rest: &str| rest.is_empty() || rest.starts_with('.');
    let of = |kind: &str| rest.strip_prefix(kind).is_some_and(is_part);
    is_part(rest) || of("-refresh") || of("-token") || rest.starts_with("-login-")
}

fn blankless(bytes: &[u8]) -> &[u8] {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = bytes.iter().position(|byte| !blank(byte)).unwrap_or(bytes.len());
    let end = bytes.iter().rposition(|byte| !blank(byte)).map_or(start, |last| last + 1);
    &bytes[start..end]
}
