//! Identity where a table of headers does not do: names and roles of people, trailers, upgrades, an upstream that
//! speaks for the gate.

use url::form_urlencoded;

use super::{CLAIM, everywhere, places, send, send_as};
use crate::support::browser::Browser;
use crate::support::pool::User;
use crate::support::upstream;
use crate::support::wire::Wire;
use crate::support::world::{EVERYBODY, Setup, Who, World};

pub fn framing_and_trust_named_in_connection_stay(world: &World) {
    for (who, target) in places() {
        for (framing, body) in
            [("Content-Length: 5", "hello"), ("Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\n\r\n")]
        {
            let exchange = world.attack(
                who,
                format!(
                    "POST {target} HTTP/1.1\r\nHost: app.test\r\nConnection: Cookie, Host, Content-Length, \
                     Transfer-Encoding, X-Forwarded-For, Authorization\r\n{framing}\r\nAuthorization: Basic eDp5\r\n\
                     Cookie: app=1\r\n{{session}}\r\n{body}"
                ),
            );
            if exchange.is_refused(&[400]) {
                continue;
            }
            let seen = exchange.one().unwrap_or_else(|| panic!("{}", exchange.told()));
            assert_eq!((exchange.status(), &seen.body[..]), (200, &b"hello"[..]), "{}", exchange.told());
            assert_eq!(seen.head.one("host"), Some("app.test"));
            // What the upstream itself may decide by is not the client's to take away on the last step.
            assert_eq!(seen.head.one("authorization"), Some("Basic eDp5"), "{}", exchange.told());
            assert_eq!(seen.head.one("cookie"), Some("app=1"), "{}", exchange.told());
            assert_eq!(seen.head.one("x-forwarded-for"), Some("127.0.0.1"), "{}", exchange.told());
        }
    }
    // It cannot take away what a refusal rests on, either.
    for line in ["Connection: Cookie, Host\r\n", "Connection: x-user, cookie\r\n"] {
        send(world, Who::User, "/admin", line).must_be_refused(&[403, 400]);
        send(world, Who::Nobody, "/x", line).must_be_refused(&[401, 400]);
    }
}

pub fn hop_by_hop_headers_end_here(world: &World) {
    const NAMES: [&str; 7] = [
        "Keep-Alive",
        "Proxy-Connection",
        "Proxy-Authenticate",
        "Proxy-Authorization",
        "TE",
        "Trailer",
        "Upgrade",
    ];
    let lines = "Keep-Alive: timeout=99\r\nProxy-Connection: keep-alive\r\nProxy-Authenticate: Basic\r\n\
                 Proxy-Authorization: Basic eDp5\r\nTE: trailers\r\nTrailer: X-User\r\nUpgrade: h2c\r\n\
                 X-Hop: 1\r\nConnection: X-Hop, Upgrade, TE\r\n";
    everywhere(world, lines, |exchange| {
        let seen = exchange.one().unwrap_or_else(|| panic!("not forwarded: {}", exchange.told()));
        for name in NAMES.iter().chain(&["X-Hop"]) {
            assert!(seen.head.all(name).is_empty(), "{name} went on: {}", exchange.told());
        }
        let members = seen.head.members("connection");
        assert!(members.iter().all(|member| member == "keep-alive"), "{}", exchange.told());
    });
}

pub fn trailers_never_become_headers(world: &World) {
    for trailer in [
        "Content-Length: 7",
        "Transfer-Encoding: chunked",
        "Host: root-of-all",
        "Authorization: root-of-all",
        "Cookie: a=root-of-all",
        "X-User: root-of-all",
        "X_Roles: root-of-all",
        "X-Forwarded-For: root-of-all",
        "Connection: close",
    ] {
        for (who, target) in places() {
            let exchange = world.attack(
                who,
                format!(
                    "POST {target} HTTP/1.1\r\nHost: app.test\r\nTransfer-Encoding: chunked\r\nTE: trailers\r\n\
                     {{session}}\r\n5\r\nhello\r\n0\r\n{trailer}\r\nX-Sum: 1\r\n\r\n"
                ),
            );
            let seen = exchange.one().unwrap_or_else(|| panic!("not forwarded: {}", exchange.told()));
            assert_eq!(seen.body, b"hello", "{}", exchange.told());
            exchange.must_not_show(CLAIM);
            let name = trailer.split(':').next().unwrap();
            let forwarded = seen.trailers.iter().any(|(n, _)| n.eq_ignore_ascii_case(name));
            assert!(!forwarded, "the trailer {trailer} went on: {}", exchange.told());
        }
    }
}

pub fn too_many_headers_are_refused_and_never_cut(world: &World) {
    for (who, target) in places() {
        let session = world.session(who);
        // Host, and the two lines that stand for the session.
        let own = 2 + usize::from(!session.cookie.is_empty());
        let request = |fillers: usize| {
            let fillers: String = (0..fillers).map(|n| format!("A{n}: b\r\n")).collect();
            format!(
                "GET {target} HTTP/1.1\r\nHost: app.test\r\n{{session}}{fillers}X-User: root-of-all\r\n\r\n"
            )
        };
        // As number 100, the last that the limit allows, then beyond the limit, then beyond the parser's.
        world.attack(who, request(99 - own)).must_be_stripped_of(CLAIM);
        for fillers in [100 - own, 120, 250, 300, 1_000] {
            world.attack(who, request(fillers)).must_be_refused(&[431]);
        }
    }
}

pub fn a_role_is_its_exact_code_points(world: &World) {
    for (index, (group, header)) in [
        (" admin", "%20admin"),
        ("admin ", "admin%20"),
        ("admin\u{a0}", "admin%C2%A0"),
        ("ADMIN", "ADMIN"),
        ("adm\u{131}n", "adm%C4%B1n"),
        ("admin\u{200b}", "admin%E2%80%8B"),
        ("\u{ff41}dmin", "%EF%BD%81dmin"),
        ("user,admin", "user%2Cadmin"),
        ("user%2Cadmin", "user%252Cadmin"),
        ("caf\u{e9}", "caf%C3%A9"),
        ("cafe\u{301}", "cafe%CC%81"),
        ("admin\nx", "admin%0Ax"),
        ("a\tb", "a%09b"),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("role-{index}");
        world.pool.user(User::new(&name, &[group, "user"]));
        // Sorted by the names themselves, whatever they are encoded as.
        let roles = if group < "user" { format!("{header},user") } else { format!("user,{header}") };
        let session = world.session_of(&name, &roles);
        let exchange = send_as(world, &session, "/x", "");
        assert!(exchange.one().is_some(), "{group:?}: {}", exchange.told());
        send_as(world, &session, "/admin", "").must_be_refused(&[403]);
    }
}

pub fn a_user_name_arrives_whole_or_not_at_all(world: &World) {
    let long = "n".repeat(2_048);
    for (index, name) in [
        "a\r\nX-Roles: admin",
        "a\nb",
        "a\0b",
        "a\u{7f}b",
        " admin",
        "admin ",
        "a:b",
        "a,b",
        "a%2Cb",
        "\u{1f600}",
        "ad\u{200b}min",
        "\u{85}x\u{a0}",
        &long,
    ]
    .into_iter()
    .enumerate()
    {
        let key = format!("odd-{index}");
        let user = User::new(&key, &["user"]).with("cognito:username", name).with_access("username", name);
        world.pool.user(user);
        let mut browser = world.browser();
        let callback = browser.callback_for(&key, "/");
        let answer = browser.open(callback.as_str());
        if answer.status == 403 {
            continue;
        }
        assert_eq!(answer.status, 302, "{name:?}: {answer:#?}");
        let seen = world.upstream.mark();
        let answer = browser.open("/x");
        if answer.status == 403 {
            continue;
        }
        assert_eq!(answer.status, 200, "{name:?}: {answer:#?}");
        let seen = &world.upstream.since(seen)[0];
        let sent = seen.head.one("x-user").unwrap_or_else(|| panic!("{name:?}: {:?}", seen.head));
        // Plus is not an escape in X-User.
        let sent = sent.replace('+', "%2B");
        let (decoded, _) = form_urlencoded::parse(sent.as_bytes()).next().unwrap();
        assert_eq!(decoded, name);
        assert_eq!(seen.head.all("x-roles"), ["user"]);
    }
}

pub fn an_email_is_an_identity_only_when_it_is_verified_and_plain() {
    let world = Setup::bench().tables("[identity]\nuser = \"email\"").start();
    let visit = |claims: User| -> (u16, Option<String>) {
        let name = claims.name.clone();
        world.pool.user(claims);
        let mut browser: Browser = world.browser();
        let callback = browser.callback_for(&name, "/");
        let answer = browser.open(callback.as_str());
        if !matches!(answer.status, 302 | 303) {
            return (answer.status, None);
        }
        let mark = world.upstream.mark();
        let status = browser.open("/x").status;
        let seen = world.upstream.since(mark);
        (status, seen.first().map(|seen| seen.head.one("x-user").unwrap_or_default().to_owned()))
    };
    let user = |name: &str, email: &str| User::new(name, &["user"]).with("email", email);
    assert_eq!(visit(user("good", "a@corp.com")), (200, Some("a@corp.com".into())));
    assert_eq!(
        visit(user("text", "a@corp.com").with("email_verified", "true")),
        (200, Some("a@corp.com".into()))
    );
    for (name, claims) in [
        ("false", user("false", "a@corp.com").with("email_verified", false)),
        ("text-false", user("text-false", "a@corp.com").with("email_verified", "false")),
        ("null", user("null", "a@corp.com").with("email_verified", serde_json::Value::Null)),
        ("number", user("number", "a@corp.com").with("email_verified", 1)),
        ("list", user("list", "a@corp.com").with("email_verified", serde_json::json!([true]))),
        ("absent", user("absent", "a@corp.com").with("email", serde_json::Value::Null)),
    ] {
        assert_eq!(visit(claims), (403, None), "{name}");
    }
    for email in [
        "a@evil.com@corp.com",
        "\"a@corp.com\"@evil.com",
        "a@corp.com,",
        "a@corp.com\r\n",
        "@corp.com",
        "corp.com",
    ] {
        let (status, shown) = visit(user("odd", email));
        let whole = shown
            .as_deref()
            .map(|shown| form_urlencoded::parse(shown.as_bytes()).next().unwrap().0.into_owned());
        let exact = whole.as_deref() == Some(email);
        assert!(status == 403 || (status == 200 && exact), "{email:?}: {status} {shown:?}");
    }
}

pub fn an_upstream_cannot_speak_for_the_gate(world: &World) {
    world.upstream.at(
        "/public/speaks",
        upstream::answers_headers(
            "X-User: root-of-all\r\nX-Roles: root-of-all\r\nX_User: root-of-all\r\n\
             Set-Cookie: __Host-rolegate=forged; Path=/; Secure\r\n\
             Set-Cookie: __Host-rolegate=; Path=/; Secure; Max-Age=0\r\n\
             Set-Cookie: __Host-rolegate-refresh=forged; Path=/; Secure\r\n\
             Set-Cookie: __Host-rolegate.0=forged; Path=/; Secure\r\n\
             Set-Cookie: __Host-rolegate-login-x=forged; Path=/; Secure\r\n\
             set-cookie:   __Host-rolegate  = forged; Path=/; Secure\r\n\
             Set-Cookie: app=1; Path=/\r\n",
            "fine",
        ),
    );
    for who in EVERYBODY {
        let exchange = send(world, who, "/public/speaks", "");
        let answer = &exchange.answers[0];
        assert_eq!(answer.text(), "fine");
        assert_eq!(answer.head.all("set-cookie"), ["app=1; Path=/"], "{}", exchange.told());
        let leaked = answer.head.headers.iter().find(|(_, value)| value.contains(CLAIM));
        assert!(leaked.is_none(), "an identity header went back: {leaked:?}");
    }
}

pub fn an_upgrade_request_is_scrubbed_as_well(world: &World) {
    const ACCEPT: &str = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";
    world.upstream.at("/ws", upstream::switches_protocols(ACCEPT));
    world.upstream.at("/public/ws", upstream::switches_protocols(ACCEPT));
    for (who, target) in
        [(Who::Nobody, "/public/ws"), (Who::User, "/public/ws"), (Who::User, "/ws"), (Who::Admin, "/ws")]
    {
        let session = world.session(who);
        let mark = world.mark();
        let mut wire = Wire::connect(world.gate.public);
        wire.write(&world.fill(&session,
            format!(
                "GET {target} HTTP/1.1\r\nHost: app.test\r\nConnection: Upgrade, x-user\r\nUpgrade: websocket\r\n\
                 Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                 X-User: root-of-all\r\nX_Roles: root-of-all\r\nx-roles: root-of-all\r\n{{session}}\r\n"
            )
            .as_bytes(),
        ));
        let answer = wire.answer(false).unwrap();
        if who != Who::Nobody {
            assert_eq!(answer.status, 101, "{answer:#?}");
            wire.write(b"\x81\x00through");
            assert_eq!(wire.take(9).unwrap(), b"\x81\x00through");
        }
        drop(wire);
        world.oracle(mark, std::slice::from_ref(&session));
        for seen in world.seen_since(mark) {
            assert!(!seen.head.headers.iter().any(|(_, value)| value.contains(CLAIM)), "{seen:#?}");
        }
    }
}
