//! Section D: where one HTTP/1 message ends and the next begins, the gate and the upstream agree.

mod rows;
mod scenes;

use self::rows::{IDS_OF_ROWS, rows};
use crate::corpus::{Case, case};
use crate::support::upstream;
use crate::support::wire::latin1;
use crate::support::world::{Delivery, EVERYBODY, Who};

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
        case(&["SMG-24"], scenes::an_unread_body_is_never_a_request),
        case(&["SMG-31"], scenes::a_body_that_breaks_off_never_ends_well_upstream),
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
        case(&["SMG-37"], scenes::empty_lines_before_a_request),
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
        case(&["SMG-41"], scenes::a_body_is_asked_for_only_once_it_is_allowed),
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
        case(&["SMG-43"], scenes::interim_answers_are_never_final),
        case(&["SMG-44", "WS-07"], scenes::bytes_behind_an_upgrade_wait_for_its_answer),
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
        case(&["SMG-48"], scenes::a_garbled_answer_is_the_end_of_its_connection),
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
        case(&["SMG-52"], scenes::pipelined_requests_keep_their_own_identity),
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
