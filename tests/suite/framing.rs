//! Section D: where one HTTP/1 message ends and the next begins, the gate and the upstream agree.

use std::time::Duration;

use crate::corpus::{Case, case};
use crate::support::upstream;
use crate::support::wire::{Ended, Wire, latin1};
use crate::support::world::{Delivery, EVERYBODY, End, Exchange, Session, Who, World};

/// What may become of a malformed or borderline message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum May {
    /// REJ, and the connection closed: 400, or a status that says more.
    Refuse,
    /// Refused too late to keep its head from the upstream: never whole there, and the connection closed.
    Break,
    /// ONE: exactly one request upstream, with this body.
    One(&'static str),
    /// The same, and the connection closed after it.
    OneAndClose(&'static str),
}

use May::{Break, One, OneAndClose, Refuse};

/// A message after its request line and session, and what may become of it.
struct Row {
    id: &'static str,
    method: &'static str,
    /// Head lines but Host and Cookie, empty line, body.
    rest: Vec<u8>,
    allowed: &'static [May],
}

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for ids in IDS_OF_ROWS {
        cases.push(case(ids, move |world| {
            let rows = rows();
            let mine: Vec<_> = rows.iter().filter(|row| row.id == ids[0]).collect();
            assert!(!mine.is_empty(), "no rows");
            for row in mine {
                for (who, target) in PLACES {
                    row.hold(world, Delivery::Whole, who, target);
                }
            }
        }));
    }
    cases.extend([
        case(&["SMG-03"], |world| {
            let send = |lines: &str| {
                let request = format!(
                    "POST /public/t HTTP/1.1\r\nHost: app.test\r\n{lines}{{session}}\r\n5\r\nhello\r\n0\r\n\r\n"
                );
                EVERYBODY.map(|who| {
                    let exchange = world.attack(who, &request);
                    (exchange.statuses(), exchange.seen.len(), exchange.end)
                })
            };
            assert_eq!(
                send("Transfer-Encoding: chunked\r\nContent-Length: 15\r\n"),
                send("Content-Length: 15\r\nTransfer-Encoding: chunked\r\n")
            );
        }),
        case(&["SMG-22"], |world| {
            for who in EVERYBODY {
                let exchange = world.attack(
                    who,
                    "POST /public/t HTTP/1.1\r\nHost: app.test\r\nContent-Length: 0\r\n{session}\r\n\
                     GET /admin HTTP/1.1\r\nHost: app.test\r\n\r\n",
                );
                assert_eq!(exchange.statuses(), [200, 401], "{}", exchange.told());
                assert_eq!(exchange.seen.len(), 1);
            }
        }),
        case(&["SMG-23"], |world| {
            let smuggled = "GET /admin HTTP/1.1\r\nHost: app.test\r\nX-User: root\r\n\r\n";
            for method in ["GET", "HEAD", "DELETE", "OPTIONS", "PROPFIND"] {
                for (framing, body) in [
                    (format!("Content-Length: {}", smuggled.len()), smuggled.to_owned()),
                    (
                        "Transfer-Encoding: chunked".into(),
                        format!("{:x}\r\n{smuggled}\r\n0\r\n\r\n", smuggled.len()),
                    ),
                ] {
                    for (who, target) in PLACES {
                        let exchange = world.attack(
                            who,
                            format!("{method} {target} HTTP/1.1\r\nHost: app.test\r\n{framing}\r\n{{session}}\r\n{body}"),
                        );
                        assert_eq!(exchange.statuses(), [200], "{}", exchange.told());
                        let seen = exchange.one().unwrap_or_else(|| panic!("{}", exchange.told()));
                        assert_eq!((seen.method(), seen.complete), (method, true));
                        assert_eq!(latin1(&seen.body), smuggled, "{}", exchange.told());
                    }
                }
            }
        }),
        case(&["SMG-24"], an_unread_body_is_never_a_request),
        case(&["SMG-31"], a_body_that_breaks_off_never_ends_well_upstream),
        case(&["SMG-33"], |world| {
            for (who, target) in PLACES {
                let session = world.session(who).line().replace("\r\n", "\n");
                for request in [
                    format!("GET {target} HTTP/1.1\nHost: app.test\n{session}\n"),
                    format!("GET {target} HTTP/1.1\r\nHost: app.test\n{session}\r\n"),
                    format!("GET {target} HTTP/1.1\r\nHost: app.test\r\n{}\n", session.replace('\n', "\r\n")),
                ] {
                    // The recorder complains of a bare LF by itself.
                    let exchange = world.attack(who, request);
                    let passed = exchange.status() == 200 && exchange.one().is_some();
                    assert!(passed || exchange.is_refused(&[400]), "{}", exchange.told());
                }
            }
        }),
        case(&["SMG-34"], |world| {
            for (who, target) in PLACES {
                for lines in ["Host: app.test\nX-User: root-of-all\r\n", "Host: app.test\nX-User: root-of-all\nX_Roles: root-of-all\r\n"]
                {
                    let exchange = world.attack(who, format!("GET {target} HTTP/1.1\r\n{lines}{{session}}\r\n"));
                    exchange.must_not_show("root-of-all");
                }
            }
        }),
        case(&["SMG-37"], empty_lines_before_a_request),
        case(&["SMG-38"], |world| {
            for (who, target) in PLACES {
                for line in [
                    "GET  {} HTTP/1.1",
                    "GET {}  HTTP/1.1",
                    "GET\t{} HTTP/1.1",
                    "GET {}\tHTTP/1.1",
                    " GET {} HTTP/1.1",
                    "GET {}",
                    "GET {} HTTP/1.2",
                    "GET {} HTTP/2.0",
                    "GET {} HTTP/01.1",
                    "GET {} HTTP/1.01",
                    "GET {} HTTP/11",
                    "GET {} http/1.1",
                    "GET {} HTTP/1.1 ",
                    "GET {} HTTP/1.1 x",
                    "GET {} HTTP /1.1",
                    "GET {} HTTP/1.1\rX: y",
                    "{} GET HTTP/1.1",
                    "G=T {} HTTP/1.1",
                ] {
                    let line = line.replace("{}", target);
                    let exchange = world.attack(who, format!("{line}\r\nHost: app.test\r\n{{session}}\r\n"));
                    exchange.must_be_refused_and_closed(&[400, 505]);
                }
            }
        }),
        case(&["SMG-39"], |world| {
            for (who, target) in PLACES {
                for line in [format!("GET {target}\r\n"), format!("GET {target}\r\n\r\n"), "GET /admin\r\n".into()] {
                    world.attack(who, line).must_be_refused_and_closed(&[400, 505]);
                }
            }
        }),
        case(&["SMG-41"], a_body_is_asked_for_only_once_it_is_allowed),
        case(&["SMG-42"], |world| {
            for lines in [
                "Expect: 100-continue, x",
                "Expect: y 100-continue",
                "Expect: 100-continue\r\nExpect: 100-continue",
                "Expect: 100-continue\r\nExpect: x",
                "Expect: \t 100-continue\t",
                "Expect: 100-Continue",
                "Expect: x",
                "Expect:",
                "Expect: \"100-continue\"",
            ] {
                for (who, target) in PLACES {
                    let exchange = world.attack(
                        who,
                        format!(
                            "POST {target} HTTP/1.1\r\nHost: app.test\r\n{lines}\r\nContent-Length: 5\r\n{{session}}\r\nhello"
                        ),
                    );
                    if exchange.is_refused(&[417]) {
                        continue;
                    }
                    let seen = exchange.one().unwrap_or_else(|| panic!("{}", exchange.told()));
                    assert_eq!((exchange.status(), &seen.body[..]), (200, &b"hello"[..]), "{}", exchange.told());
                    assert!(seen.head.all("expect").is_empty(), "Expect went on: {}", exchange.told());
                }
            }
        }),
        case(&["SMG-43"], interim_answers_are_never_final),
        case(&["SMG-44"], bytes_behind_an_upgrade_wait_for_its_answer),
        case(&["SMG-46"], |world| {
            for lines in [
                "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13",
                "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 8\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
                "Connection: Upgrade\r\nUpgrade: websocket",
                "Connection: Upgrade\r\nUpgrade: TLS/1.0",
                "Connection: Upgrade\r\nUpgrade: foo",
                "Connection: Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA",
                "Connection: HTTP2-Settings, upgrade\r\nUpgrade: h2c, websocket\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA",
                "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            ] {
                for (who, target) in PLACES {
                    let exchange =
                        world.attack(who, format!("GET {target} HTTP/1.1\r\nHost: app.test\r\n{lines}\r\n{{session}}\r\n"));
                    if exchange.is_refused(&[400, 426]) {
                        continue;
                    }
                    let seen = exchange.one().unwrap_or_else(|| panic!("{}", exchange.told()));
                    assert_eq!(exchange.status(), 200, "{}", exchange.told());
                    for name in ["upgrade", "http2-settings"] {
                        assert!(seen.head.all(name).is_empty(), "{name} went on: {}", exchange.told());
                    }
                }
            }
        }),
        case(&["SMG-47"], |world| {
            for lines in [
                "",
                "Host: app.test\r\nHost: app.test\r\n",
                "Host: app.test\r\nhost: evil.test\r\n",
                "Host: a, b\r\n",
                "Host: u@a\r\n",
                "Host: a/b\r\n",
                "Host:\r\n",
                "Host: app.test evil\r\n",
                "Host: \x01\r\n",
            ] {
                for (who, target) in PLACES {
                    world
                        .attack(who, format!("GET {target} HTTP/1.1\r\n{lines}{{session}}\r\n"))
                        .must_be_refused(&[400]);
                }
            }
        }),
        case(&["SMG-48"], a_garbled_answer_is_the_end_of_its_connection),
        case(&["SMG-49"], |world| {
            world.upstream.at("/public/two", upstream::sends_two_answers());
            world.upstream.at("/two", upstream::sends_two_answers());
            for (who, target) in [(Who::Nobody, "/public/two"), (Who::User, "/two"), (Who::Admin, "/public/two")] {
                for _ in 0..3 {
                    // That the follow-up gets its own answer is what `attack` itself looks at.
                    let exchange =
                        world.attack(who, format!("GET {target} HTTP/1.1\r\nHost: app.test\r\n{{session}}\r\n"));
                    assert_eq!(exchange.answers.len(), 1, "{}", exchange.told());
                    assert!(exchange.answers[0].text() == "first" || exchange.status() == 502, "{}", exchange.told());
                    for other in EVERYBODY {
                        let next = world.attack(other, "GET /public/n HTTP/1.1\r\nHost: app.test\r\n{session}\r\n");
                        assert_eq!(next.answers[0].json()["target"], "/public/n", "{}", next.told());
                    }
                }
            }
        }),
        case(&["SMG-51"], |world| {
            for row in rows().iter().filter(|row| row.rest.len() < 4_000) {
                row.hold(world, Delivery::Bytewise, Who::Nobody, "/public/t");
                let whole = row.request("/public/t");
                for at in (1..whole.len()).step_by(if row.allowed.len() == 1 { 23 } else { 5 }) {
                    row.hold(world, Delivery::Cut(at), Who::Nobody, "/public/t");
                }
                row.hold(world, Delivery::Bytewise, Who::User, "/t");
            }
        }),
        case(&["SMG-52"], pipelined_requests_keep_their_own_identity),
    ]);
    cases
}

/// Everybody at the public path, and those with a session at a protected one too.
const PLACES: [(Who, &str); 5] = [
    (Who::Nobody, "/public/t"),
    (Who::User, "/public/t"),
    (Who::Admin, "/public/t"),
    (Who::User, "/t"),
    (Who::Admin, "/admin/t"),
];

const IDS_OF_ROWS: &[&[&str]] = &[
    &["SMG-01"],
    &["SMG-02"],
    &["SMG-04"],
    &["SMG-06"],
    &["SMG-07"],
    &["SMG-08"],
    &["SMG-09"],
    &["SMG-11"],
    &["SMG-12"],
    &["SMG-13"],
    &["SMG-14"],
    &["SMG-16"],
    &["SMG-17"],
    &["SMG-18"],
    &["SMG-19"],
    &["SMG-21"],
    &["SMG-26"],
    &["SMG-27"],
    &["SMG-28"],
    &["SMG-29"],
    &["SMG-32"],
    &["SMG-36"],
];

/// `hello`, chunked.
const CHUNKED_HELLO: &str = "5\r\nhello\r\n0\r\n\r\n";

fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    let mut add = |id, head: &str, body: &str, allowed| {
        let rest = latin1_bytes(&format!("{head}\r\n\r\n{body}"));
        rows.push(Row { id, method: "POST", rest, allowed });
    };
    let chunked = "Transfer-Encoding: chunked";

    add(
        "SMG-01",
        "Content-Length: 6\r\nTransfer-Encoding: chunked",
        "0\r\n\r\nG",
        &[Refuse, OneAndClose("")],
    );
    add(
        "SMG-01",
        "Content-Length: 15\r\nTransfer-Encoding: chunked",
        CHUNKED_HELLO,
        &[Refuse, OneAndClose("hello")],
    );
    add(
        "SMG-02",
        "Transfer-Encoding: chunked\r\nContent-Length: 4",
        "2d\r\nGET /public/smug HTTP/1.1\r\nHost: app.test\r\n\r\n\r\n0\r\n\r\n",
        &[Refuse, OneAndClose("GET /public/smug HTTP/1.1\r\nHost: app.test\r\n\r\n")],
    );
    for head in [
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\ntransfer-encoding: chunked",
    ] {
        add("SMG-04", head, CHUNKED_HELLO, &[Refuse, One("hello")]);
    }
    for head in
        ["Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", "Transfer-Encoding: chunked, identity"]
    {
        add("SMG-06", head, CHUNKED_HELLO, &[Refuse]);
    }
    add("SMG-07", "Transfer-Encoding: gzip, chunked", CHUNKED_HELLO, &[Refuse]);
    add("SMG-07", "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked", CHUNKED_HELLO, &[Refuse]);
    add("SMG-07", "Transfer-Encoding: identity, chunked", CHUNKED_HELLO, &[Refuse]);
    for value in [",chunked", "chunked,", "chunked, chunked", " ,, chunked"] {
        add("SMG-08", &format!("Transfer-Encoding: {value}"), CHUNKED_HELLO, &[Refuse, One("hello")]);
    }
    for value in [
        "chunked;a=b",
        "xchunked",
        "chunked\0",
        "\"chunked\"",
        "chunk",
        "\x0bchunked",
        "\x0cchunked",
        "",
        "chunked x",
        "identity",
        "chunked\x0b",
        "'chunked'",
    ] {
        add("SMG-09", &format!("Transfer-Encoding: {value}"), CHUNKED_HELLO, &[Refuse]);
    }
    for value in ["\u{a0}chunked\u{a0}", "\u{ff}chunked\u{ff}", "chunked\u{a0}", "\u{85}chunked"] {
        add("SMG-11", &format!("Transfer-Encoding: {value}"), CHUNKED_HELLO, &[Refuse]);
    }
    add("SMG-12", "Transfer_Encoding: chunked\r\nContent-Length: 5", "hello", &[Refuse]);
    add("SMG-12", "Content_Length: 5", "hello", &[Refuse]);
    add("SMG-12", "Content_Length: 3\r\nContent-Length: 5", "hello", &[Refuse]);
    add("SMG-12", "transfer_encoding: chunked\r\nTransfer-Encoding: chunked", CHUNKED_HELLO, &[Refuse]);
    for head in [
        "Transfer-Encoding : chunked",
        "Transfer-Encoding\t: chunked",
        "Transfer-\r\nEncoding: chunked",
        "Transfer-Encoding\u{85}: chunked",
        "Content-Length : 5",
    ] {
        add("SMG-13", head, CHUNKED_HELLO, &[Refuse]);
    }
    for head in ["Transfer-Encoding:\r\n chunked", "Transfer-Encoding:\r\n\tchunked", "Content-Length:\r\n 5"]
    {
        add("SMG-14", head, CHUNKED_HELLO, &[Refuse]);
    }
    add("SMG-17", "Content-Length: 5\r\nContent-Length: 5", "hello", &[Refuse, One("hello")]);
    add("SMG-17", "Content-Length: 5, 5", "hello", &[Refuse, One("hello")]);
    let smuggled = "GET /public/smug HTTP/1.1\r\nHost: app.test\r\n\r\n";
    add("SMG-18", "Content-Length: 5\r\nContent-Length: 6", "hello!", &[Refuse]);
    add("SMG-18", "Content-Length: 0\r\nContent-Length: 45", smuggled, &[Refuse]);
    add("SMG-18", "Content-Length: 45\r\nContent-Length: 0", smuggled, &[Refuse]);
    add("SMG-18", "Content-Length: 5, 6", "hello!", &[Refuse]);
    for value in [
        "+5",
        "-5",
        "0x5",
        "5_0",
        "5 5",
        "5,",
        ",5",
        "1Z",
        "5;",
        "\u{ef}\u{bc}\u{95}",
        "",
        "12345678901234567890123",
        "18446744073709551616",
        "18446744073709551621",
        "5.0",
        "5e0",
        "\"5\"",
    ] {
        add("SMG-19", &format!("Content-Length: {value}"), "hello", &[Refuse]);
    }
    add("SMG-21", "Content-Length: \r\nContent-Length: 5", "hello", &[Refuse]);
    add("SMG-21", "Content-Length: 5\r\nContent-Length:", "hello", &[Refuse]);

    for size in ["5 ", "5\t", "5 \t "] {
        add("SMG-26", chunked, &format!("{size}\r\nhello\r\n0\r\n\r\n"), &[One("hello")]);
    }
    add("SMG-27", chunked, "5;a=b\r\nhello\r\n0;c\r\n\r\n", &[One("hello")]);
    add("SMG-27", chunked, "5;\0a\r\nhello\r\n0\r\n\r\n", &[One("hello"), Break]);
    add("SMG-27", chunked, &format!("5;{}\r\nhello\r\n0\r\n\r\n", "x".repeat(64 * 1024)), &[Break]);
    add("SMG-27", chunked, &format!("{}0\r\n\r\n", "1;xxxxxxxx\r\na\r\n".repeat(10_000)), &[Break]);
    for body in [
        "5;\nhello\r\n0\r\n\r\n",
        "5;a\rX\r\nhello\r\n0\r\n\r\n",
        "5\r\r;ABCD\r\nhello\r\n0\r\n\r\n",
        "5\rhello\r\n0\r\n\r\n",
        "5;a\nb\r\nhello\r\n0\r\n\r\n",
        "x\r\nhello\r\n0\r\n\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "\r\n5\r\nhello\r\n0\r\n\r\n",
        "fffffffffffffffff\r\nhello\r\n0\r\n\r\n",
    ] {
        add("SMG-28", chunked, body, &[Break]);
    }
    for body in
        ["5\nhello\r\n0\r\n\r\n", "5\r\nhello\n0\r\n\r\n", "5\r\nhello\r\n0\n\n", "5\r\nhelloXX0\r\n\r\n"]
    {
        add("SMG-29", chunked, body, &[Break]);
    }
    add("SMG-32", chunked, "5\r\nhello\r\n\r\n0\r\n\r\n", &[Break]);
    add("SMG-32", chunked, "5\r\nhello\r\n\n0\r\n\r\n", &[Break]);
    for head in ["X-A: b\r\n c", "X-A: b\r\n\tc", "Cookie: a=b;\r\n c=d", "X-A:\r\n "] {
        add("SMG-36", head, "", &[Refuse]);
    }
    rows.push(Row {
        id: "SMG-16",
        method: "POST10",
        rest: b"\r\nGET /public/smug HTTP/1.1\r\nHost: app.test\r\n\r\n".to_vec(),
        allowed: &[Refuse, OneAndClose("")],
    });
    rows.push(Row {
        id: "SMG-36",
        method: "GET-FOLDED-HOST",
        rest: b"X-A: b\r\n\r\n".to_vec(),
        allowed: &[Refuse],
    });
    rows
}

// === impl Row ===

impl Row {
    fn request(&self, target: &str) -> Vec<u8> {
        let head = match self.method {
            "POST10" => format!("POST {target} HTTP/1.0\r\nHost: app.test\r\n{{session}}"),
            "GET-FOLDED-HOST" => format!("GET {target} HTTP/1.1\r\nHost:\r\n app.test\r\n{{session}}"),
            method => format!("{method} {target} HTTP/1.1\r\nHost: app.test\r\n{{session}}"),
        };
        [head.as_bytes(), &self.rest].concat()
    }

    fn hold(&self, world: &World, delivery: Delivery, who: Who, target: &str) {
        let exchange = world.attack_by(delivery, who, self.request(target));
        let verdicts: Vec<_> = self.allowed.iter().map(|may| may.check(&exchange)).collect();
        assert!(
            verdicts.iter().any(Result::is_ok),
            "{who:?}, {delivery:?}: none of {:?}: {:?} {}",
            self.allowed,
            verdicts.into_iter().filter_map(Result::err).collect::<Vec<_>>(),
            exchange.told()
        );
    }
}

// === impl May ===

impl May {
    fn check(self, exchange: &Exchange) -> Result<(), String> {
        let must = |holds: bool, what: &str| if holds { Ok(()) } else { Err(what.to_owned()) };
        let whole = |body: &str| {
            let one = exchange.one().ok_or("not one request upstream")?;
            must(one.complete && latin1(&one.body) == body, "another body upstream")?;
            must(exchange.statuses() == [200], "not answered 200 once")
        };
        match self {
            Self::Refuse => {
                must(exchange.is_refused(&[400, 411, 501]), "not refused")?;
                must(exchange.end == End::Closed, "not closed")
            }
            Self::Break => {
                must(exchange.answers.len() <= 1, "more than one answer")?;
                must(matches!(exchange.status(), 0 | 400 | 413), "another status")?;
                must(exchange.seen.iter().all(|seen| !seen.complete), "whole upstream")?;
                must(exchange.seen.len() <= 1, "more than one request upstream")?;
                must(exchange.end == End::Closed, "not closed")
            }
            Self::One(body) => whole(body),
            Self::OneAndClose(body) => {
                whole(body)?;
                must(exchange.end == End::Closed, "not closed")
            }
        }
    }
}

/// The bytes of a text whose `char`s are bytes.
fn latin1_bytes(text: &str) -> Vec<u8> {
    text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect()
}

fn an_unread_body_is_never_a_request(world: &World) {
    for (who, target, lines, status) in [
        (Who::Nobody, "/t", "", 401),
        (Who::Nobody, "/t", "Accept: text/html\r\n", 401),
        (Who::User, "/admin", "", 403),
        (Who::User, "/oauth2/nothing", "", 404),
        (Who::Nobody, "/oauth2/callback", "", 405),
        (Who::Nobody, "/public/%2f", "", 400),
    ] {
        for framing in ["Content-Length: 1000000", "Transfer-Encoding: chunked"] {
            let session = world.session(who);
            let mark = world.mark();
            let mut wire = Wire::connect(world.gate.public);
            let start = if framing.starts_with('T') { "f4240\r\n" } else { "" };
            wire.write(&world.fill(&session,
                format!("POST {target} HTTP/1.1\r\nHost: app.test\r\n{framing}\r\n{lines}{{session}}\r\n{start}0123456789")
                    .as_bytes(),
            ));
            let answer = wire.answer(false).unwrap();
            assert_eq!(answer.status, status, "{target} {framing}: {answer:#?}");
            wire.write(b"GET /public/smug HTTP/1.1\r\nHost: app.test\r\n\r\n");
            let next = wire.answer(false);
            assert_eq!(
                next.unwrap_err(),
                Ended::Closed,
                "{target} {framing}: the unread body was taken for a request"
            );
            world.oracle(mark, std::slice::from_ref(&session));
            assert!(world.seen_since(mark).is_empty());
        }
    }
}

fn a_body_that_breaks_off_never_ends_well_upstream(world: &World) {
    for (who, target) in PLACES {
        for (framing, body) in [
            ("Transfer-Encoding: chunked", "5\r\nhello\r\n"),
            ("Transfer-Encoding: chunked", "5\r\nhel"),
            ("Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\n"),
            ("Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\nX-Trailer: 1\r\n"),
            ("Transfer-Encoding: chunked", "5"),
            ("Content-Length: 10", "hello"),
            ("Content-Length: 10", ""),
        ] {
            let session = world.session(who);
            let mark = world.mark();
            let mut wire = Wire::connect(world.gate.public);
            wire.write(
                &world.fill(
                    &session,
                    format!("POST {target} HTTP/1.1\r\nHost: app.test\r\n{framing}\r\n{{session}}\r\n{body}")
                        .as_bytes(),
                ),
            );
            wire.finish_writing();
            match wire.answer(false) {
                Ok(answer) => {
                    assert!(matches!(answer.status, 400 | 408), "{framing} {body:?}: {answer:#?}");
                    assert_eq!(wire.answer(false).unwrap_err(), Ended::Closed);
                }
                Err(ended) => assert_eq!(ended, Ended::Closed, "{framing} {body:?}"),
            }
            world.oracle(mark, std::slice::from_ref(&session));
            let seen = world.seen_since(mark);
            assert!(
                seen.iter().all(|seen| !seen.complete),
                "it ended well upstream: {framing} {body:?} {seen:#?}"
            );
        }
    }
}

fn empty_lines_before_a_request(world: &World) {
    for (who, target) in PLACES {
        let request = format!("GET {target} HTTP/1.1\r\nHost: app.test\r\n{{session}}\r\n");
        let exchange = world.attack(who, format!("\r\n{request}"));
        let passed = exchange.status() == 200 && exchange.one().is_some();
        assert!(passed || exchange.is_refused(&[400]), "{}", exchange.told());

        let exchange = world.attack(who, format!("{}{request}", "\r\n".repeat(1_000)));
        let closed = exchange.end == End::Closed && exchange.seen.is_empty();
        assert!(closed, "a thousand empty lines were taken: {}", exchange.told());

        for bytes in [
            format!("GET {target} HTTP/1.1\r\n\r\rZGET /public/evil HTTP/1.1\r\nHost: app.test\r\n\r\n"),
            format!(
                "GET {target} HTTP/1.1\r\nHost: app.test\r\n\r\rZGET /public/evil HTTP/1.1\r\nHost: app.test\r\n\r\n"
            ),
            format!("\r{request}"),
        ] {
            world.attack(who, bytes).must_be_refused_and_closed(&[400]);
        }
    }
}

fn a_body_is_asked_for_only_once_it_is_allowed(world: &World) {
    let head = |target: &str, session: &Session| {
        world.fill(session,
            format!(
                "POST {target} HTTP/1.1\r\nHost: app.test\r\nExpect: 100-continue\r\nContent-Length: 5\r\n{{session}}\r\n"
            )
            .as_bytes(),
        )
    };
    for (who, target, status) in [
        (Who::Nobody, "/t", 401),
        (Who::User, "/admin", 403),
        (Who::Nobody, "/public/%2f", 400),
        (Who::User, "/oauth2/nothing", 404),
    ] {
        let session = world.session(who);
        let mark = world.mark();
        let mut wire = Wire::connect(world.gate.public);
        wire.write(&head(target, &session));
        let answer = wire.answer(false).unwrap();
        assert_eq!((answer.status, answer.interim.len()), (status, 0), "{answer:#?}");
        // Whether the body follows or not, it is never taken for a request.
        wire.write(b"GET /public/smug HTTP/1.1\r\nHost: app.test\r\n\r\n");
        match wire.answer(false) {
            Err(Ended::Closed) => {}
            other => panic!("{target}: what followed a refused Expect was read: {other:#?}"),
        }
        world.oracle(mark, std::slice::from_ref(&session));
        assert!(world.seen_since(mark).is_empty());
    }
    world.upstream.behave(upstream::continues());
    for (who, target) in PLACES {
        let session = world.session(who);
        for at_once in [false, true] {
            let mark = world.mark();
            let mut wire = Wire::connect(world.gate.public);
            wire.write(&head(target, &session));
            if at_once {
                wire.write(b"hello");
            } else {
                let told = wire.head().unwrap();
                assert!(told.start.starts_with("HTTP/1.1 100"), "{told:?}");
                wire.write(b"hello");
            }
            let answer = wire.answer(false).unwrap();
            assert_eq!((answer.status, answer.json()["body"].as_str()), (200, Some("hello")), "{answer:#?}");
            world.oracle(mark, std::slice::from_ref(&session));
            assert_eq!(world.seen_since(mark).len(), 1);
        }
        // Never sent: the upstream must not be left with a request that looks whole.
        let mark = world.mark();
        let mut wire = Wire::connect(world.gate.public);
        wire.write(&head(target, &session));
        assert!(wire.head().unwrap().start.starts_with("HTTP/1.1 100"));
        // Asking for the body means that the upstream has been told: its head is on its way.
        world.upstream.wait_for(mark.upstream, 1);
        drop(wire);
        world.oracle(mark, std::slice::from_ref(&session));
        assert!(world.seen_since(mark).iter().all(|seen| !seen.complete));
    }
}

fn interim_answers_are_never_final(world: &World) {
    let ask = |who, target: &str, body: &str| {
        world.attack(
            who,
            format!(
                "POST {target} HTTP/1.1\r\nHost: app.test\r\nContent-Length: {}\r\n{{session}}\r\n{body}",
                body.len()
            ),
        )
    };
    for raw in [
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n",
        "HTTP/1.1 199 What\r\nContent-Length: 5\r\n\r\n",
    ] {
        world.upstream.behave(upstream::interim(raw));
        for (who, target) in PLACES {
            let exchange = ask(who, target, "hello");
            assert_eq!(exchange.statuses(), [200], "{raw:?}: {}", exchange.told());
            assert_eq!(exchange.answers[0].json()["target"], target);
        }
    }
    // Final before the body is read, kept open as if all were well: the body must not become the next request.
    world.upstream.behave_well();
    for status in ["417 Expectation Failed", "401 Unauthorized", "413 Content Too Large"] {
        for target in ["/public/early", "/early", "/admin/early"] {
            let raw = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
            world.upstream.at(
                target,
                std::sync::Arc::new(move |turn: &mut upstream::Turn<'_>| {
                    turn.wire.write(raw.as_bytes());
                    if turn.read_body() { upstream::After::Keep } else { upstream::After::Close }
                }),
            );
        }
        let expected: u16 = status[..3].parse().unwrap();
        for (who, target) in
            [(Who::Nobody, "/public/early"), (Who::User, "/early"), (Who::Admin, "/admin/early")]
        {
            let smuggled = "GET /public/smug HTTP/1.1\r\nHost: app.test\r\n\r\n";
            let exchange = ask(who, target, smuggled);
            assert_eq!(exchange.statuses(), [expected], "{}", exchange.told());
            assert_eq!(exchange.seen.len(), 1, "{}", exchange.told());
        }
    }
    world.upstream.behave(upstream::early_413());
    world.upstream.at("/public/follow-up-", upstream::echo());
    for (who, target) in PLACES {
        let large = "x".repeat(300_000);
        let exchange = ask(who, target, &large);
        assert!(matches!(exchange.status(), 413 | 502), "{}", exchange.told());
    }
}

fn bytes_behind_an_upgrade_wait_for_its_answer(world: &World) {
    const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                           Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let smuggled = "GET /admin/smug HTTP/1.1\r\nHost: app.test\r\n\r\n";
    // The upstream does not switch: what follows is a request of its own, here one that nobody may make.
    for (who, target) in PLACES {
        let exchange = world.attack(
            who,
            format!("GET {target} HTTP/1.1\r\nHost: app.test\r\n{UPGRADE}{{session}}\r\n{smuggled}"),
        );
        let statuses = exchange.statuses();
        let told = exchange.told();
        assert!(exchange.seen.len() <= 1 && exchange.seen.iter().all(|seen| seen.path() == target), "{told}");
        assert!(statuses[..] == [200, 401] || (statuses.len() == 1 && exchange.end == End::Closed), "{told}");
    }
    // It switches: what follows goes through, and only then.
    world
        .upstream
        .at("/ws", upstream::switches_protocols("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
    for who in [Who::User, Who::Admin] {
        let session = world.session(who);
        let mark = world.mark();
        let mut wire = Wire::connect(world.gate.public);
        wire.write(&world.fill(
            &session,
            format!("GET /ws HTTP/1.1\r\nHost: app.test\r\n{UPGRADE}{{session}}\r\n{smuggled}").as_bytes(),
        ));
        let answer = wire.answer(false).unwrap();
        assert_eq!(answer.status, 101, "{answer:#?}");
        assert_eq!(latin1(&wire.take(smuggled.len()).unwrap()), smuggled);
        drop(wire);
        world.oracle(mark, std::slice::from_ref(&session));
        assert_eq!(world.seen_since(mark).len(), 1);
    }
}

fn a_garbled_answer_is_the_end_of_its_connection(world: &World) {
    // What no reader can agree on is 502; the rest may also be passed on in one unmistakable form.
    let hopeless = [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\nhello!",
        "HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nX : y\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\n: y\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 20x OK\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/3.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        "SSH-2.0-OpenSSH\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: foo\r\n\r\n",
    ];
    let doubtful = [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: 15\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: ,chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "HTTP/1.1 204 No Content\r\nContent-Length: 36\r\n\r\nHTTP/1.1 200 OK\r\nX-Poison: 1\r\n\r\n12345",
        "HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\nX-Poison: 1\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 304 Not Modified\r\nContent-Length: 47\r\n\r\nHTTP/1.1 200 OK\r\nX-Poison: 1\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\nX-Poison: 1\r\nContent-Length: 0\r\n\r\n",
    ];
    for (raw, may_pass) in
        hopeless.iter().map(|raw| (raw, false)).chain(doubtful.iter().map(|raw| (raw, true)))
    {
        for target in ["/public/g", "/g", "/admin/g"] {
            world.upstream.at(target, upstream::answers_with(*raw));
        }
        for (who, target) in [(Who::Nobody, "/public/g"), (Who::User, "/g"), (Who::Admin, "/admin/g")] {
            for method in ["GET", "HEAD", "POST"] {
                let exchange = world.attack(
                    who,
                    format!(
                        "{method} {target} HTTP/1.1\r\nHost: app.test\r\nContent-Length: 0\r\n{{session}}\r\n"
                    ),
                );
                let told = || format!("{raw:?}: {}", exchange.told());
                assert_eq!(exchange.answers.len(), 1, "{}", told());
                let answer = &exchange.answers[0];
                assert!(answer.status == 502 || may_pass, "{}", told());
                assert!(answer.head.all("x-poison").is_empty(), "{}", told());
                let whole =
                    method == "HEAD" || matches!(answer.status, 204 | 304) || answer.text() == "hello";
                assert!(answer.status == 502 || whole, "{}", told());
                assert!(answer.head.members("transfer-encoding").len() <= 1, "{}", told());
            }
        }
    }
    // A HEAD that is answered with a body.
    world.upstream.at("/public/g", upstream::answers_with("HTTP/1.1 200 OK\r\nContent-Length: 47\r\n\r\nHTTP/1.1 200 OK\r\nX-Poison: 1\r\nContent-Length: 0\r\n\r\n"));
    for who in EVERYBODY {
        for _ in 0..3 {
            let exchange = world.attack(who, "HEAD /public/g HTTP/1.1\r\nHost: app.test\r\n{session}\r\n");
            assert!(exchange.answers.len() == 1 && exchange.answers[0].head.all("x-poison").is_empty());
        }
    }
}

fn pipelined_requests_keep_their_own_identity(world: &World) {
    let sessions = [world.session(Who::User), world.session(Who::Nobody), world.session(Who::Admin)];
    let mark = world.mark();
    let mut bytes = Vec::new();
    for number in 0..100 {
        let session = &sessions[number % 3];
        let place = if number % 3 == 1 { "public/p" } else { "p" };
        bytes.extend(
            world.fill(
                session,
                format!(
                    "GET /{place}-{number} HTTP/1.1\r\nHost: app.test\r\nX-User: root\r\n{{session}}\r\n"
                )
                .as_bytes(),
            ),
        );
    }
    let mut wire = Wire::connect(world.gate.public).patient_for(Duration::from_secs(10));
    let mut writing = Wire::over(wire.stream().try_clone().unwrap());
    let answers = std::thread::scope(|scope| {
        scope.spawn(move || writing.write(&bytes));
        (0..100)
            .map(|number| wire.answer(false).unwrap_or_else(|e| panic!("answer {number}: {e:?}")))
            .collect::<Vec<_>>()
    });
    for (number, answer) in answers.iter().enumerate() {
        let body = answer.json();
        assert_eq!(body["target"].as_str().unwrap().rsplit('-').next().unwrap(), number.to_string());
        let headers = body["headers"].as_array().unwrap().clone();
        let shown: Vec<_> =
            headers.iter().filter(|header| header[0] == "x-user").map(|header| header[1].clone()).collect();
        let wanted: Vec<_> =
            sessions[number % 3].identity.iter().map(|(user, _)| serde_json::json!(user)).collect();
        assert_eq!(shown, wanted, "answer {number}");
    }
    world.oracle(mark, &sessions);
    assert_eq!(world.seen_since(mark).len(), 100);
}
