//! What browsers ask for, and what nobody should.

use http::HeaderValue;

use super::*;

fn asked(lines: &[&str]) -> &'static str {
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append(ACCEPT_LANGUAGE, HeaderValue::from_bytes(line.as_bytes()).unwrap());
    }
    Language::asked(&headers).tag()
}

#[test]
fn the_first_language_that_there_is_is_spoken() {
    for (line, language) in [
        ("de", "de"),
        ("de-CH-1996,en;q=0.5", "de"),
        ("DE-at", "de"),
        ("ja-JP,ja;q=0.9,en-US;q=0.8", "ja"),
        ("nl,pt-BR;q=0.9,es-419;q=0.8,en;q=0.7", "es"),
        ("en;q=0.8,fr-CA;q=0.9", "fr"),
        ("fr;q=0.5, es;q=0.5", "fr"),
        ("fr;q=0.123\t,\tes ; q=0.124", "es"),
        ("de;q=0,fr;q=0.001", "fr"),
        ("en-GB,de", "en"),
        ("de;Q=1.000", "de"),
        ("zh-Hant-TW", "en"),
        ("*", "en"),
        ("*;q=0.9,de;q=0.1", "de"),
        ("", "en"),
    ] {
        assert_eq!(asked(&[line]), language, "{line:?}");
    }
    assert_eq!(asked(&[]), "en");
    assert_eq!(asked(&["nl;q=0.9, es;q=0.2", "fr;q=0.3"]), "fr", "lines are one list (RFC 9110 §5.3)");
}

#[test]
fn what_cannot_be_read_asks_for_nothing() {
    for line in [
        "german",
        "d",
        "de_DE",
        "de-",
        "de--AT",
        "-de",
        "de;q",
        "de;q=",
        "de;q=2",
        "de;q=1.001",
        "de;q=-1",
        "de;q=.5",
        "de;q=0.1234",
        "de;q=+1",
        "de;q=0.+1",
        "de;level=1",
        "de;q=1;q=0.5",
        "de q=1",
        ";",
        ",",
        ";;q=1,,",
        "de-abcdefghi",
    ] {
        assert_eq!(asked(&[line]), "en", "{line:?}");
        assert_eq!(asked(&[&format!("{line},fr;q=0.1")]), "fr", "{line:?} spoils nothing beside it");
    }
    // A line that is no text is none of it; another one may be.
    assert_eq!(asked(&["de-überall,de"]), "en");
    assert_eq!(asked(&["\u{ff}", "fr"]), "fr");
}

#[test]
fn a_list_without_end_is_read_to_its_bound() {
    let list = |before: usize| format!("{}de", "x,".repeat(before));
    assert_eq!(asked(&[&list(MOST - 1)]), "de");
    assert_eq!(asked(&[&list(MOST)]), "en");
    assert_eq!(asked(&[&",".repeat(60_000)]), "en");
}
