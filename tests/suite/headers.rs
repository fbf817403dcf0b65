//! Section A: nobody but the gate says who somebody is.

mod scenes;

use crate::corpus::{Case, case};
use crate::support::pool::User;
use crate::support::world::{Delivery, EVERYBODY, Exchange, Session, Who, World};

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
        case(&["HDR-13"], scenes::framing_and_trust_named_in_connection_stay),
        case(&["HDR-14"], scenes::hop_by_hop_headers_end_here),
        case(&["HDR-16"], scenes::trailers_never_become_headers),
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
        case(&["HDR-23"], scenes::too_many_headers_are_refused_and_never_cut),
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
        case(&["HDR-26"], scenes::a_role_is_its_exact_code_points),
        case(&["HDR-27"], scenes::a_user_name_arrives_whole_or_not_at_all),
        case(&["HDR-28"], |world| {
            for name in ["viewer", "Viewer", "VIEWER"] {
                world.pool.user(User::new(name, &["user"]));
                let session = world.session_of(name, "user");
                let exchange = send_as(world, &session, "/x", "");
                assert_eq!(exchange.seen[0].head.all("x-user"), [name]);
            }
        }),
        case(&["HDR-29"], |_| scenes::an_email_is_an_identity_only_when_it_is_verified_and_plain()),
        case(&["HDR-31"], scenes::an_upstream_cannot_speak_for_the_gate),
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
            crate::assertion::no_client_speaks_with_a_statement_of_its_own();
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
        case(&["HDR-37"], scenes::an_upgrade_request_is_scrubbed_as_well),
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
