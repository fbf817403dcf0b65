//! Facts about WebSocket upgrades.

use std::io::{Read, Write};

use super::stage::*;

pub(super) const UPGRADE: &str = "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nX-User: root\r\n\r\n";
pub(super) const SWITCHED: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSet-Cookie: __Host-rolegate=evil\r\n\r\n";

#[test]
fn a_websocket_is_spliced_both_ways_and_closes_with_either_side() {
    let (gate, _) = before(|mut echoes, _| {
        let head = echoes.head().unwrap();
        assert!(
            head.contains("upgrade: websocket\r\n") && head.contains("connection: upgrade\r\n"),
            "{head}"
        );
        assert!(head.contains("x-user: viewer\r\n") && !head.contains("root"), "{head}");
        echoes.say(&format!("{SWITCHED}hello"));
        let mut bytes = [0; 5];
        echoes.0.read_exact(&mut bytes).unwrap();
        echoes.0.get_mut().write_all(&bytes).unwrap();
    });
    // Frames before the 101 are held until there is one (WS-07).
    let answer = ask(gate, &format!("{UPGRADE}early"));
    assert!(answer.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{answer}");
    assert!(answer.contains("sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"), "{answer}");
    assert!(answer.contains("upgrade: websocket\r\n") && !answer.contains("evil"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nhelloearly"), "{answer}");
}

#[test]
fn an_upgrade_answered_otherwise_is_an_ordinary_answer_or_a_bad_one() {
    // WS-06
    for (answer, end) in [
        (OK.to_owned(), "ok"),
        (SWITCHED.replace("s3pP", "S3pP"), "upstream_bad_answer"),
        (SWITCHED.replace("Upgrade: websocket", "Upgrade: h2c"), "upstream_bad_answer"),
        (SWITCHED.replace("Sec-WebSocket-Accept", "X-Accept"), "upstream_bad_answer"),
    ] {
        let (gate, _) = before(move |mut upstream, _| {
            upstream.head();
            upstream.say(&answer);
            pause();
        });
        let closing = UPGRADE.replace("keep-alive, Upgrade", "Upgrade, close");
        let relayed = ask(gate, &closing);
        assert!(relayed.ends_with(end), "{relayed}");
    }
}

#[test]
fn an_upgrade_to_anything_else_is_a_plain_request() {
    // SMG-46
    for (from, to) in [
        ("Upgrade: websocket", "Upgrade: h2c"),
        ("Upgrade: websocket", "Upgrade: TLS/1.0"),
        ("Version: 13", "Version: 8"),
        ("Key: dGhl", "Key: dGh"),
        ("GET", "POST"),
        ("HTTP/1.1", "HTTP/1.0"),
        ("keep-alive, Upgrade", "keep-alive"),
    ] {
        let (gate, _) = before(|mut upstream, _| {
            let head = upstream.head().unwrap();
            assert!(!head.contains("upgrade"), "{head}");
            upstream.say(OK);
        });
        let request = UPGRADE.replace(from, to);
        let mut stream = connect(gate);
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer[8..], b" 200", "{to}");
    }
}
