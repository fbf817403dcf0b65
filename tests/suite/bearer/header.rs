//! Which `Authorization` is a bearer token, what becomes of the header, and what lies beside it.

use super::{access, ask, bench, line, refused, send};
use crate::support::browser::Kind;
use crate::support::token::{Use, sha256};
use crate::support::upstream;
use crate::support::wire::Wire;
use crate::support::world::{Setup, Who, World, identity_seen};

/// Lines that may be taken for a bearer token and are none. `{token}` is a good one.
pub const NEARLY: [&str; 14] = [
    "Authorization: Bearer\r\n",
    "Authorization: bearer\r\n",
    "Authorization: Bearer \r\n",
    "Authorization: Bearer  {token}\r\n",
    "Authorization: Bearer\t{token}\r\n",
    "Authorization: Bearer, {token}\r\n",
    "Authorization: Bearer={token}\r\n",
    "Authorization: Bearer \"{token}\"\r\n",
    "Authorization: Bearer {token} x\r\n",
    "Authorization: Bearer {token}, Bearer {token}\r\n",
    "Authorization: Bearer {token}\r\nAuthorization: Bearer {token}\r\n",
    "Authorization: Bearer {token}\r\nAuthorization: Basic YTpi\r\n",
    "Authorization: Basic YTpi\r\nAuthorization: Bearer {token}\r\n",
    "Authorization: Bearer \u{e9}\r\n",
];

/// TOK-32.
pub fn only_one_well_formed_header_is_a_token(world: &World) {
    let token = access(world, "user");
    let session = world.session(Who::Admin);
    for lines in NEARLY {
        for cookie in [String::new(), session.line()] {
            let (mark, lines) = (world.mark(), lines.replace("{token}", &token));
            let answer = ask(world, "/x", &(lines.clone() + &cookie));
            assert_eq!(refused(world, &answer, mark), "bearer_malformed", "{lines:?}");
        }
    }
    for scheme in ["Bearer", "bearer", "BEARER", "bEaReR"] {
        assert_eq!(ask(world, "/x", &format!("authorization: {scheme} {token}\r\n")).status, 200, "{scheme}");
        assert_eq!(ask(world, "/x", &format!("AUTHORIZATION:{scheme} {token} \r\n")).status, 200, "{scheme}");
    }
    // A token anywhere else is none (RFC 6750 §2.2, §2.3).
    for (method, target, lines) in [
        ("GET", format!("/x?access_token={token}"), String::new()),
        ("GET", format!("/x?bearer={token}&id_token={token}"), String::new()),
        ("GET", "/x".into(), format!("X-Authorization: Bearer {token}\r\nX-Access-Token: {token}\r\n")),
        ("GET", "/x".into(), format!("Proxy-Authorization: Bearer {token}\r\n")),
        ("GET", "/x".into(), format!("Cookie: access_token={token}; authorization=Bearer {token}\r\n")),
    ] {
        let mark = world.mark();
        let answer = send(world, method, &target, &lines);
        assert_eq!(
            (answer.status, &answer.json()["error"]),
            (401, &"login_required".into()),
            "{target} {lines}"
        );
        assert!(world.seen_since(mark).is_empty());
    }
    let form = format!("access_token={token}");
    let head = "Content-Type: application/x-www-form-urlencoded\r\n";
    let mut wire = Wire::connect(world.gate.public);
    wire.write(
        format!("POST /x HTTP/1.1\r\nHost: app.test\r\n{head}Content-Length: {}\r\n\r\n{form}", form.len())
            .as_bytes(),
    );
    assert_eq!(wire.answer(false).unwrap().status, 401);
}

/// TOK-33.
pub fn beside_a_token_no_cookie_is_read_or_set(world: &World) {
    let admin = world.session(Who::Admin);
    let token = access(world, "user");
    for (target, status) in [("/x", 200), ("/public/x", 200), ("/admin/x", 403)] {
        for kind in [Kind::Program, Kind::Navigate] {
            let mark = world.mark();
            let lines = format!("{}Cookie: own=1\r\n{}{}", line(&token), admin.line(), kind.lines());
            let answer = ask(world, target, &lines);
            assert_eq!(answer.status, status, "{target}: {answer:#?}");
            assert!(answer.head.all("set-cookie").is_empty(), "{answer:#?}");
            for seen in world.seen_since(mark) {
                assert_eq!(identity_seen(&seen), Ok(Some(("user".into(), "user".into()))), "{target}");
                assert_eq!(seen.head.all("cookie"), ["own=1"], "{seen:#?}");
                assert!(seen.head.all("authorization").is_empty());
            }
        }
    }
    // Nor the other way about: the session has fewer roles than the token.
    let lines = format!("{}{}", line(&access(world, "admin")), world.session(Who::User).line());
    assert_eq!(ask(world, "/admin/x", &lines).status, 200);
    // Without the header it is the session again, and what went before left nothing behind.
    let mark = world.mark();
    assert_eq!(ask(world, "/admin/x", &admin.line()).status, 200);
    assert_eq!(identity_seen(&world.seen_since(mark)[0]), Ok(admin.identity.clone()));
    // Two on one connection.
    let mut wire = Wire::connect(world.gate.public);
    for (lines, status) in
        [(line(&token), 403), (admin.line(), 200), (line(&token), 403), (String::new(), 401)]
    {
        wire.write(format!("GET /admin/x HTTP/1.1\r\nHost: app.test\r\n{lines}\r\n").as_bytes());
        assert_eq!(wire.answer(false).unwrap().status, status);
    }
    // Who the gate thinks one is, is who the token says.
    let answer = ask(world, "/oauth2/userinfo", &format!("{}{}", line(&token), admin.line()));
    assert_eq!((answer.status, &answer.json()["user"]), (200, &"user".into()), "{answer:#?}");
    assert!(answer.head.all("set-cookie").is_empty() && !answer.text().contains(&token));
    let mark = world.mark();
    let answer = ask(world, "/oauth2/userinfo", &format!("{}{}", line("x"), admin.line()));
    assert_eq!(refused(world, &answer, mark), "token_malformed");
    assert_eq!(send(world, "POST", "/oauth2/userinfo", &line(&token)).status, 405);
}

#[test]
fn what_the_gate_thinks_of_a_token_is_told_only_for_one_that_counts() {
    let world = bench().start();
    let info = |kind| ask(&world, "/oauth2/userinfo", &line(&world.pool.mint(kind, "admin", |_| {})));
    let told = info(Use::Access);
    assert_eq!((told.status, &told.json()["roles"]), (200, &serde_json::json!(["admin", "user"])));
    let refused = info(Use::Id);
    assert_eq!((refused.status, super::record(&world, &refused).text("reason")), (401, "token_use"));
    assert_eq!(
        ask(&Setup::bench().start(), "/oauth2/userinfo", &line("x")).json()["error"],
        "login_required"
    );
}

#[test]
fn a_session_that_is_due_is_left_alone_beside_a_token() {
    let world = crate::login::short_lived().tables("[bearer]").start();
    let session = world.session_of("admin", "admin,user");
    crate::login::wait_until_due(std::time::Instant::now());
    let before = world.pool.grants("refresh_token");
    let answer = ask(&world, "/x", &format!("{}{}", line(&access(&world, "user")), session.line()));
    assert_eq!(answer.status, 200);
    assert!(answer.head.all("set-cookie").is_empty(), "{answer:#?}");
    assert_eq!(world.pool.grants("refresh_token"), before);
    let answer = ask(&world, "/x", &session.line());
    assert!(!answer.head.all("set-cookie").is_empty(), "now it was due: {answer:#?}");
}

#[test]
fn other_schemes_pass_untouched_and_everything_does_where_bearer_is_off() {
    let on = bench().rules("[[rules]]\npath = \"/own/**\"\nbearer = \"off\"\nany_role = [\"user\"]").start();
    let off = Setup::bench().start();
    let token = access(&on, "user");
    let others =
        ["Basic YTpi", "Digest username=\"a\"", "Bearerx abc", "Bearer-Like abc", "AWS4-HMAC-SHA256 x"];
    let bearers = [format!("Bearer {token}"), "Bearer garbage".to_owned(), "bearer".to_owned()];
    let all: Vec<&str> = others.into_iter().chain(bearers.iter().map(String::as_str)).collect();
    for (world, target, values) in [(&on, "/x", &others[..]), (&on, "/own/x", &all), (&off, "/x", &all)] {
        for value in values {
            let lines = format!("Authorization: {value}\r\n");
            let answer = ask(world, target, &lines);
            assert_eq!((answer.status, &answer.json()["error"]), (401, &"login_required".into()), "{value}");
            let challenges = answer.head.all("www-authenticate");
            assert_eq!(
                challenges.contains(&"Bearer"),
                target == "/x" && std::ptr::eq(world, &on),
                "{challenges:?}"
            );
            let mark = world.mark();
            let answer = ask(world, target, &(lines + &world.session(Who::User).line()));
            assert_eq!(answer.status, 200, "{target} {value}: {answer:#?}");
            let seen = &world.seen_since(mark)[0];
            assert_eq!(seen.head.all("authorization"), [*value], "{target}");
            assert_eq!(identity_seen(seen), Ok(Some(("user".into(), "user".into()))));
        }
    }
}

#[test]
fn the_upstream_gets_the_token_only_where_it_is_passed_on() {
    for (table, passes) in
        [("[bearer]", false), ("[bearer]\npass = false", false), ("[bearer]\npass = true", true)]
    {
        let world = Setup::bench().tables(table).start();
        let token = access(&world, "user");
        for target in ["/x", "/public/x"] {
            let mark = world.mark();
            let lines = format!("{}X-Other: y\r\nAuthorization_: z\r\nAuthoriza-tion: z\r\n", line(&token));
            assert_eq!(ask(&world, target, &lines).status, 200);
            let seen = &world.seen_since(mark)[0];
            let wanted: &[String] = if passes { &[format!("Bearer {token}")] } else { &[] };
            assert_eq!(seen.head.all("authorization"), wanted, "{table} {target}");
            if !passes {
                let shown = seen.head.headers.iter().find(|(name, value)| {
                    value.contains(&token)
                        || (name.len() > 12 && name.to_ascii_lowercase().starts_with("auth"))
                });
                assert_eq!(shown, None);
            }
            assert_eq!(seen.head.one("x-other"), Some("y"));
        }
    }
}

#[test]
fn a_token_behind_the_head_is_none_and_nothing_hides_the_one_in_it() {
    let world = bench().start();
    let token = access(&world, "user");
    let chunked = |lines: &str, trailer: &str| {
        let mut wire = Wire::connect(world.gate.public);
        let head = format!("POST /x HTTP/1.1\r\nHost: app.test\r\nTransfer-Encoding: chunked\r\n{lines}\r\n");
        wire.write(format!("{head}1\r\na\r\n0\r\n{trailer}\r\n").as_bytes());
        wire.answer(false).unwrap().status
    };
    let mark = world.mark();
    assert_eq!(chunked("", &line(&token)), 401);
    assert_eq!(chunked("Trailer: Authorization\r\n", &line(&token)), 401);
    assert!(world.seen_since(mark).is_empty());
    let admin = line(&access(&world, "admin"));
    for lines in [line(&token), format!("Connection: Authorization\r\n{}", line(&token))] {
        let mark = world.mark();
        assert_eq!(chunked(&lines, &admin), 200, "{lines}");
        let seen = &world.seen_since(mark)[0];
        assert_eq!(identity_seen(seen), Ok(Some(("user".into(), "user".into()))));
        assert!(seen.head.all("authorization").is_empty());
        assert!(seen.trailers.iter().all(|(_, value)| !value.contains("Bearer")), "{seen:#?}");
    }
}

#[test]
fn a_token_decides_on_any_host_a_session_only_on_its_own() {
    let world = bench().start();
    let session = world.session(Who::User).line();
    let elsewhere = "Host: other.test:8443\r\n";
    let mark = world.mark();
    for lines in [elsewhere.to_owned(), format!("{elsewhere}{session}")] {
        assert_eq!(ask(&world, "/x", &lines).status, 421);
    }
    let navigation = format!("{elsewhere}{}", Kind::Navigate.lines());
    assert_eq!(ask(&world, "/x?y", &navigation).location(), "https://app.test/x?y");
    assert!(world.seen_since(mark).is_empty());
    let token = access(&world, "user");
    for (target, status) in [("/x", 200), ("/public/x", 200), ("/admin/x", 403)] {
        for lines in
            [format!("{elsewhere}{}", line(&token)), format!("{navigation}{}{session}", line(&token))]
        {
            let answer = ask(&world, target, &lines);
            assert_eq!(answer.status, status, "{target}: {answer:#?}");
            assert!(answer.head.all("set-cookie").is_empty() && answer.head.all("location").is_empty());
        }
    }
    assert_eq!(ask(&world, "/oauth2/userinfo", &format!("{elsewhere}{}", line(&token))).status, 200);
    assert_eq!(ask(&world, "/oauth2/userinfo", &format!("{elsewhere}{session}")).status, 421);
    let mark = world.mark();
    let answer = ask(&world, "/x", &format!("{elsewhere}{}", line("garbage")));
    assert_eq!(refused(&world, &answer, mark), "token_malformed");
}

#[test]
fn a_head_request_is_decided_as_a_get_and_answered_without_a_body() {
    let world = bench().start();
    let (token, wrong) = (access(&world, "user"), line("garbage"));
    for (target, lines, status) in
        [("/x", line(&token), 200), ("/admin/x", line(&token), 403), ("/x", wrong.clone(), 401)]
    {
        let answer = send(&world, "HEAD", target, &lines);
        assert_eq!((answer.status, answer.body.len()), (status, 0), "{target}");
    }
    let answer = send(&world, "HEAD", "/x", &wrong);
    assert_eq!(answer.head.all("www-authenticate"), ["Bearer error=\"invalid_token\""]);
}

#[test]
fn a_preflight_is_one_without_a_token_alone() {
    let world =
        bench().rules("[[rules]]\npath = \"/api/**\"\nany_role = [\"user\"]\npreflight = true").start();
    let preflight = "Origin: https://spa.test\r\nAccess-Control-Request-Method: GET\r\n\
        Access-Control-Request-Headers: authorization\r\n";
    let mark = world.mark();
    assert_eq!(send(&world, "OPTIONS", "/api/x", preflight).status, 200);
    assert_eq!(identity_seen(&world.seen_since(mark)[0]), Ok(None));
    let mark = world.mark();
    let lines = format!("{preflight}{}", line("garbage"));
    assert_eq!(refused(&world, &send(&world, "OPTIONS", "/api/x", &lines), mark), "token_malformed");
    let lines = format!("{preflight}{}", line(&access(&world, "user")));
    assert_eq!(send(&world, "OPTIONS", "/api/x", &lines).status, 200);
    let seen = &world.seen_since(mark)[0];
    assert_eq!(identity_seen(seen), Ok(Some(("user".into(), "user".into()))));
    assert!(seen.head.all("authorization").is_empty());
}

#[test]
fn a_websocket_opens_with_a_token_wherever_its_page_is_from() {
    let world = bench().start();
    let accept = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";
    world.upstream.behave(upstream::switches_protocols(accept));
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let token = access(&world, "user");
    for origin in ["", "Origin: https://app.test\r\n", "Origin: https://elsewhere.test\r\n"] {
        // A session beside it is not what decides.
        let mark = world.mark();
        let lines = format!("{}{origin}{}{upgrade}", world.session(Who::Admin).line(), line(&token));
        let mut wire = Wire::connect(world.gate.public);
        wire.write(format!("GET /ws HTTP/1.1\r\nHost: app.test\r\n{lines}\r\n").as_bytes());
        assert!(wire.head().unwrap().start.starts_with("HTTP/1.1 101"), "{origin}");
        wire.write(b"\x81\x05hello");
        assert_eq!(wire.take(7).unwrap(), b"\x81\x05hello");
        let seen = &world.seen_since(mark)[0];
        assert_eq!(identity_seen(seen), Ok(Some(("user".into(), "user".into()))));
        assert!(seen.head.all("authorization").is_empty());
    }
    let mark = world.mark();
    for (target, token, status) in [("/ws", "garbage", 401), ("/admin/ws", token.as_str(), 403)] {
        let answer = ask(&world, target, &format!("{}{upgrade}{}", Kind::Navigate.lines(), line(token)));
        assert_eq!(answer.status, status, "{answer:#?}");
        assert!(answer.head.all("location").is_empty());
    }
    assert!(world.seen_since(mark).is_empty());
}

#[test]
fn whatever_is_changed_in_a_good_token_it_counts_no_more() {
    let world = super::either();
    let good = world.pool.mint(Use::Id, "user", |_| {});
    let mut wire = Wire::connect(world.gate.public);
    let mut ask = |token: &str| {
        wire.write(format!("GET /x HTTP/1.1\r\nHost: app.test\r\n{}\r\n", line(token)).as_bytes());
        wire.answer(false).unwrap().status
    };
    assert_eq!(ask(&good), 200);
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~+/= ,";
    let mark = world.mark();
    for n in 0..1_500_u32 {
        let random = sha256(&n.to_be_bytes());
        let at = usize::from(u16::from_be_bytes([random[0], random[1]])) % good.len();
        let byte = char::from(alphabet[usize::from(random[2]) % alphabet.len()]);
        let (before, after) = good.split_at(at);
        let mutated = match random[3] % 5 {
            0 => format!("{before}{byte}{}", &after[1..]),
            1 => format!("{before}{byte}{after}"),
            2 => format!("{before}{}", &after[1..]),
            3 => format!("{after}{before}"),
            _ => before.to_owned(),
        };
        // A blank at either end is the field's, and not the token's.
        if mutated.trim() == good {
            continue;
        }
        assert_eq!(ask(&mutated), 401, "{mutated:?}");
    }
    assert!(world.seen_since(mark).is_empty());
    assert_eq!(ask(&good), 200);
}
