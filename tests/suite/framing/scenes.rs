//! Framing where a table does not do: bodies not read, upgrades, interim and garbled answers, pipelines.

use std::time::Duration;

use super::PLACES;
use crate::support::upstream;
use crate::support::wire::{Ended, Wire, latin1};
use crate::support::world::{EVERYBODY, End, Session, Who, World};

pub fn an_unread_body_is_never_a_request(world: &World) {
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

pub fn a_body_that_breaks_off_never_ends_well_upstream(world: &World) {
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

pub fn empty_lines_before_a_request(world: &World) {
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

pub fn a_body_is_asked_for_only_once_it_is_allowed(world: &World) {
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

pub fn interim_answers_are_never_final(world: &World) {
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

pub fn bytes_behind_an_upgrade_wait_for_its_answer(world: &World) {
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

pub fn a_garbled_answer_is_the_end_of_its_connection(world: &World) {
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

pub fn pipelined_requests_keep_their_own_identity(world: &World) {
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
