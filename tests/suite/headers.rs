//! Section A: nobody but the gate says who somebody is.

use url::form_urlencoded;

use crate::corpus::{Case, case};
use crate::support::browser::Browser;
use crate::support::pool::User;
use crate::support::upstream;
use crate::support::wire::Wire;
use crate::support::world::{Delivery, EVERYBODY, Exchange, Session, Setup, Who, World};

/// What every attacker claims to be: no session of the bench has it in any header.
const CLAIM: &str = "root-of-all";

pub fn cases() -> Vec<Case> {
    vec![
        case(&["HDR-01"], |world| {
            for who in EVERYBODY {
                send(world, who, "/public/x", "X-User: root-of-all\r\n").must_be_stripped_of(CLAIM);
            }
        }),
        case(&["HDR-02"], |world| {
            world.pool.user(User::new("viewer", &["user"]));
            let session = world.session_of("viewer", "user");
            let exchange = send_as(world, &session, "/x", "X-User: root-of-all\r\n");
            exchange.must_be_stripped_of(CLAIM);
            assert_eq!(exchange.seen[0].head.all("x-user"), ["viewer"]);
        }),
        stripped(&["HDR-03"], &["x-user: {}", "X-USER: {}", "x-UsEr: {}", "X-ROLES: {}", "x-roles: {}"]),
        stripped_or_refused(
            &["HDR-04"],
            &["X_User: {}", "x_user: {}", "X_Roles: {}", "x-USER: {}\r\nX_USER: {}"],
        ),
        case(&["HDR-06"], |world| {
            for (first, second) in [("X", "User"), ("x", "roles"), ("X-Rolegate", "Assertion")] {
                for between in "!'~+*&#$^`%|._".chars() {
                    everywhere(world, &format!("{first}{between}{second}: {CLAIM}\r\n"), |exchange| {
                        exchange.must_not_show(CLAIM);
                    });
                }
            }
        }),
        case(&["HDR-07"], |world| {
            // Other names, even to an upstream that folds: they may pass, but never as X-User (see the oracle).
            for name in
                ["XUser", "X--User", "X-User-", "-X-User", "X-User_", "X-Users", "XX-User", "X-User-X"]
            {
                everywhere(world, &format!("{name}: {CLAIM}\r\n"), |exchange| {
                    assert!(exchange.one().is_some() || exchange.is_refused(&[400]), "{}", exchange.told());
                });
            }
        }),
        stripped(
            &["HDR-08"],
            &["X-User: {}\r\nX-User: {}-b", "X-Roles: {}\r\nX-User: {}\r\nX-Roles: {}\r\nX-User: {}"],
        ),
        stripped_or_refused(
            &["HDR-09"],
            &[
                "X-User: {}\r\nX_User: {}\r\nX.User: {}",
                "X.User: {}\r\nX-User: {}\r\nX_User: {}\r\nx-user: {}",
            ],
        ),
        stripped(&["HDR-11"], &["X-User: {}\r\nConnection: x-user, x-roles", "Connection: x-user, x-roles"]),
        stripped(
            &["HDR-12"],
            &[
                "Connection: keep-alive\r\nConnection: X-User\r\nX-User: {}",
                "Connection: keep-alive,,X-User ,\r\nX-User: {}",
                "Connection: ,\tx-roles\t,,\r\nConnection:\r\nConnection: x-user",
            ],
        ),
        case(&["HDR-13"], framing_and_trust_named_in_connection_stay),
        case(&["HDR-14"], hop_by_hop_headers_end_here),
        case(&["HDR-16"], trailers_never_become_headers),
        case(&["HDR-18"], |world| {
            for value in
                [&b"\x85root-of-all\xa0"[..], b"\xff\xfe", b"root-of-all\xc3", b"\xc3\xbcroot-of-all"]
            {
                for name in [&b"X-User: "[..], b"X-Roles: "] {
                    for (who, target) in places() {
                        let head = format!("GET {target} HTTP/1.1\r\nHost: app.test\r\n{{session}}");
                        let exchange =
                            world.attack(who, [head.as_bytes(), name, value, b"\r\n\r\n"].concat());
                        exchange.must_not_show(CLAIM);
                    }
                }
            }
            // Undecodable bytes anywhere make no difference to the decision.
            for (who, status) in [(Who::Nobody, 401), (Who::User, 403)] {
                let head = b"GET /admin HTTP/1.1\r\nHost: app.test\r\nX-Note: \x85\xa0\xff\r\n{session}\r\n";
                world.attack(who, head).must_be_refused(&[status]);
            }
        }),
        refused(&["HDR-19"], &[b"X-\xefser: root", b"\xc3\x9c: x", b"X-User\x85: root"]),
        case(&["HDR-21"], |world| {
            for (who, target) in places() {
                for head in [
                    format!("GET {target} HTTP/1.1\r\n\tX-User: root\r\nHost: app.test\r\n{{session}}\r\n"),
                    format!("GET {target} HTTP/1.1\r\n X-User: root\r\nHost: app.test\r\n{{session}}\r\n"),
                    format!(
                        "GET {target} HTTP/1.1\r\nHost: app.test\r\n{{session}}A: b\r\n X-User: root\r\n\r\n"
                    ),
                    format!("GET {target} HTTP/1.1\r\nHost: app.test\r\n{{session}}X-User:\r\n root\r\n\r\n"),
                ] {
                    world.attack(who, head).must_be_refused(&[400]);
                }
            }
        }),
        refused(&["HDR-22"], &[b": root", b"X-User", b"X-User root", b":", b"X User: root"]),
        case(&["HDR-23"], too_many_headers_are_refused_and_never_cut),
        case(&["HDR-24"], |world| {
            world.pool.user(User::new("roleless", &[]));
            let session = world.session_of("roleless", "");
            for lines in
                ["X-Roles: root-of-all\r\n", "X-Roles: admin\r\nX-Roles: user\r\n", "x_roles: admin\r\n"]
            {
                let exchange = send_as(world, &session, "/public/x", lines);
                assert!(exchange.one().is_some() || exchange.is_refused(&[400]), "{}", exchange.told());
                send_as(world, &session, "/x", lines).must_be_refused(&[403, 400]);
                send_as(world, &session, "/admin", lines).must_be_refused(&[403, 400]);
            }
        }),
        case(&["HDR-26"], a_role_is_its_exact_code_points),
        case(&["HDR-27"], a_user_name_arrives_whole_or_not_at_all),
        case(&["HDR-28"], |world| {
            for name in ["viewer", "Viewer", "VIEWER"] {
                world.pool.user(User::new(name, &["user"]));
                let session = world.session_of(name, "user");
                let exchange = send_as(world, &session, "/x", "");
                assert_eq!(exchange.seen[0].head.all("x-user"), [name]);
            }
        }),
        case(&["HDR-29"], |_| an_email_is_an_identity_only_when_it_is_verified_and_plain()),
        case(&["HDR-31"], an_upstream_cannot_speak_for_the_gate),
        case(&["HDR-32"], |world| {
            for name in [
                "X-Forwarded-User",
                "X-Auth-Request-User",
                "X-Auth-Request-Email",
                "X-Auth-Request-Groups",
                "X-Auth-Request-Preferred-Username",
                "X-Auth-Request-Access-Token",
                "X-Forwarded-Email",
                "X-Forwarded-Groups",
                "X-Forwarded-Preferred-Username",
                "X-Forwarded-Access-Token",
                "Remote-User",
                "X-Remote-User",
                "X-WEBAUTH-USER",
                "X-Amzn-Oidc-Identity",
                "X-Amzn-Oidc-Data",
                "X-Amzn-Oidc-Accesstoken",
                "Ssl-Client-S-Dn",
                "X-Auth-Username",
                "remote_user",
                "X_Forwarded_User",
                "x.amzn.oidc.identity",
            ] {
                everywhere(world, &format!("{name}: {CLAIM}\r\n"), |exchange| exchange.must_not_show(CLAIM));
            }
        }),
        case(&["HDR-33"], |world| {
            let forged = [
                "eyJhbGciOiJub25lIn0.eyJzdWIiOiJyb290LW9mLWFsbCJ9.",
                "eyJhbGciOiJFUzI1NiIsImtpZCI6IngifQ.eyJzdWIiOiJyb290LW9mLWFsbCJ9.AAAA",
                "root-of-all",
            ];
            for name in ["X-Rolegate-Assertion", "x_rolegate_assertion", "X.Rolegate-Assertion"] {
                for value in forged {
                    everywhere(world, &format!("{name}: {value}\r\n"), |exchange| {
                        exchange.must_not_show(value)
                    });
                }
            }
        }),
        case(&["HDR-34"], |world| {
            for host in ["admin.internal", "localhost", "127.0.0.1:8080"] {
                let exchange = world.attack(
                    Who::Nobody,
                    format!("GET /public/x HTTP/1.1\r\nHost: {host}\r\nX-User: root-of-all\r\nX_Roles: root-of-all\r\n\r\n"),
                );
                exchange.must_not_show(CLAIM);
            }
        }),
        case(&["HDR-36"], |world| {
            for method in [
                "HEAD", "TRACE", "get", "GET'", "PROPFIND", "MKCOL", "LOCK", "OPTIONS", "DELETE", "PURGE",
                "M-SEARCH",
            ] {
                for (who, target) in places() {
                    let exchange = world.attack(
                        who,
                        format!("{method} {target} HTTP/1.1\r\nHost: app.test\r\nX-User: root-of-all\r\n{{session}}\r\n"),
                    );
                    exchange.must_not_show(CLAIM);
                }
            }
        }),
        case(&["HDR-37"], an_upgrade_request_is_scrubbed_as_well),
        case(&["HDR-38"], |world| {
            for size in [1_000, 30_000, 100_000, 300_000] {
                let claim = format!("X-User: {CLAIM}{}\r\n", "x".repeat(size));
                everywhere(world, &claim, |exchange| {
                    exchange.must_not_show(CLAIM);
                    let answered: usize = exchange.answers.iter().map(|answer| answer.body.len()).sum();
                    assert!(answered < 20_000, "amplified: {}", exchange.told());
                });
            }
        }),
        case(&["HDR-39"], |world| {
            for (who, target) in places() {
                let exchange = world.attack(
                    who,
                    format!(
                        "POST {target} HTTP/1.1\r\nHost: app.test\r\nContent-Length: 0\r\n{{session}}\r\n\
                         GET {target}-2 HTTP/1.1\r\nHost: app.test\r\nX-User: root-of-all\r\n{{session}}X-Roles: root-of-all\r\n\r\n\
                         POST {target}-3 HTTP/1.1\r\nHost: app.test\r\nX-User: root-of-all\r\nContent-Length: 2\r\n{{session}}\r\nab"
                    ),
                );
                assert_eq!(exchange.statuses(), [200, 200, 200], "{}", exchange.told());
                exchange.must_not_show(CLAIM);
            }
        }),
    ]
}

/// Everybody at a public path, and those with a session at a protected one too.
fn places() -> [(Who, &'static str); 5] {
    [
        (Who::Nobody, "/public/x"),
        (Who::User, "/public/x"),
        (Who::Admin, "/public/x"),
        (Who::User, "/x"),
        (Who::Admin, "/admin/x"),
    ]
}

fn everywhere(world: &World, lines: &str, check: impl Fn(Exchange)) {
    for (who, target) in places() {
        check(send(world, who, target, lines));
    }
}

fn send(world: &World, who: Who, target: &str, lines: &str) -> Exchange {
    send_as(world, &world.session(who), target, lines)
}

/// The attacker's lines before the session's and, in a second request, behind them.
fn send_as(world: &World, session: &Session, target: &str, lines: &str) -> Exchange {
    let request = |lines: String| format!("GET {target} HTTP/1.1\r\nHost: app.test\r\n{lines}\r\n");
    let behind = world.attack_as(session, Delivery::Whole, request(format!("{{session}}{lines}")));
    let before = world.attack_as(session, Delivery::Whole, request(format!("{lines}{{session}}")));
    assert_eq!(
        behind.statuses(),
        before.statuses(),
        "the order of headers decides: {} {}",
        behind.told(),
        before.told()
    );
    before
}

/// A table of header lines, `{}` in them the claim, none of which may be seen upstream.
fn stripped(ids: &'static [&'static str], table: &'static [&'static str]) -> Case {
    case(ids, move |world| {
        for lines in table {
            let lines = format!("{}\r\n", lines.replace("{}", CLAIM));
            everywhere(world, &lines, |exchange| exchange.must_be_stripped_of(CLAIM));
        }
    })
}

/// The same where refusing is as good.
fn stripped_or_refused(ids: &'static [&'static str], table: &'static [&'static str]) -> Case {
    case(ids, move |world| {
        for lines in table {
            let lines = format!("{}\r\n", lines.replace("{}", CLAIM));
            everywhere(world, &lines, |exchange| exchange.must_not_show(CLAIM));
        }
    })
}

/// A table of header lines that make a request none.
fn refused(ids: &'static [&'static str], table: &'static [&'static [u8]]) -> Case {
    case(ids, move |world| {
        for line in table {
            for (who, target) in places() {
                let head = format!("GET {target} HTTP/1.1\r\nHost: app.test\r\n");
                for request in [
                    [head.as_bytes(), b"{session}", line, b"\r\n\r\n"].concat(),
                    [head.as_bytes(), line, b"\r\n{session}\r\n"].concat(),
                ] {
                    world.attack(who, request).must_be_refused(&[400]);
                }
            }
        }
    })
}

fn framing_and_trust_named_in_connection_stay(world: &World) {
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

fn hop_by_hop_headers_end_here(world: &World) {
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

fn trailers_never_become_headers(world: &World) {
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

fn too_many_headers_are_refused_and_never_cut(world: &World) {
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

fn a_role_is_its_exact_code_points(world: &World) {
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

fn a_user_name_arrives_whole_or_not_at_all(world: &World) {
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

fn an_email_is_an_identity_only_when_it_is_verified_and_plain() {
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

fn an_upstream_cannot_speak_for_the_gate(world: &World) {
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

fn an_upgrade_request_is_scrubbed_as_well(world: &World) {
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
