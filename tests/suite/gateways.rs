//! `/oauth2/auth`: gateways are told what the gate would do itself, and nobody else is told anything.

use crate::corpus::{Case, case};
use crate::refresh::due;
use crate::support::browser::Kind;
use crate::support::gate::Access;
use crate::support::pool::User;
use crate::support::wire::{Answer, Wire};
use crate::support::world::{EVERYBODY, Session, Setup, Who, World, identity_seen};

mod servers;

/// As `[gateway] kind` has them.
pub const KINDS: [&str; 3] = ["nginx", "forward_auth", "envoy"];

pub fn cases() -> Vec<Case> {
    vec![
        case(&["PATH-37"], |_| nobody_but_a_listed_peer_is_answered()),
        case(&["PATH-38"], |_| what_is_missing_repeated_or_malformed_is_no_yes()),
        case(&["PATH-39"], |_| a_gateway_is_told_what_would_be_done()),
    ]
}

/// The bench, which a gateway of this kind may ask.
pub fn asked_by(kind: &str) -> Setup {
    Setup::bench().tables(&format!("[gateway]\npeers = [\"127.0.0.1\"]\nkind = {kind:?}"))
}

/// What a gateway of this kind sends to ask about a request; `lines` are its client's.
fn question(kind: &str, method: &str, target: &str, lines: &str) -> String {
    let (start, source) = match kind {
        "nginx" => (
            "GET /oauth2/auth".to_owned(),
            format!(
                "Host: gate\r\nX-Original-Method: {method}\r\nX-Original-URL: https://app.test{target}\r\n"
            ),
        ),
        "forward_auth" => (
            "GET /oauth2/auth".to_owned(),
            format!(
                "Host: gate\r\nX-Forwarded-Method: {method}\r\nX-Forwarded-Proto: https\r\n\
                 X-Forwarded-Host: app.test\r\nX-Forwarded-Uri: {target}\r\n"
            ),
        ),
        _ => (format!("{method} /oauth2/auth{target}"), "Host: app.test\r\n".to_owned()),
    };
    format!("{start} HTTP/1.1\r\n{source}{lines}Connection: close\r\n\r\n")
}

fn send(world: &World, bytes: &str) -> Answer {
    let mut wire = Wire::connect(world.gate.public);
    wire.write(bytes.as_bytes());
    wire.answer(bytes.starts_with("HEAD ")).unwrap_or_else(|ended| panic!("{bytes}: {ended:?}"))
}

/// Asks about a request of this session's.
fn ask(world: &World, kind: &str, session: &Session, browser: Kind, target: &str) -> Answer {
    send(world, &question(kind, "GET", target, &format!("{}{}", browser.lines(), session.line())))
}

fn nobody_but_a_listed_peer_is_answered() {
    let unlisted = |peers: &str| format!("[gateway]\npeers = [{peers}]\nkind = \"forward_auth\"");
    let setups = [
        Setup::bench(),
        Setup::bench().tables(&unlisted("")),
        Setup::bench().tables(&unlisted("\"10.0.0.0/8\", \"127.0.0.2\"")),
        // What a header says of where it comes from makes no peer, and a proxy is no gateway.
        Setup::bench().top("trusted_proxies = [\"127.0.0.1\"]").tables(&unlisted("\"10.0.0.7\"")),
    ];
    for setup in setups {
        let world = setup.start();
        for who in EVERYBODY {
            for kind in KINDS {
                let lines = format!("X-Forwarded-For: 10.0.0.7\r\n{}", world.session(who).line());
                let mark = world.mark();
                let answer = send(&world, &question(kind, "GET", "/public", &lines));
                assert_eq!(answer.status, 404, "{kind}: {answer:?}");
                assert!(answer.header("x-user").is_none(), "{answer:?}");
                assert!(world.seen_since(mark).is_empty());
            }
        }
    }
}

fn what_is_missing_repeated_or_malformed_is_no_yes() {
    let good: [(&str, &[&str]); 2] = [
        ("nginx", &["X-Original-Method: GET", "X-Original-URL: https://app.test/public/x"]),
        (
            "forward_auth",
            &[
                "X-Forwarded-Method: GET",
                "X-Forwarded-Proto: https",
                "X-Forwarded-Host: app.test",
                "X-Forwarded-Uri: /public/x",
            ],
        ),
    ];
    let malformed: [(&str, &[&str]); 6] = [
        ("X-Original-Method", &["", "G ET", "GET, POST", "G(T"]),
        (
            "X-Original-URL",
            &[
                "",
                "/public/x",
                "app.test/public/x",
                "https://app.test",
                "https:///public/x",
                "ftp://app.test/public/x",
                "https://u@app.test/public/x",
                "https://a b/public/x",
                "https://app.test:x/public/x",
                "https://app.test/public/x y",
                "https://app.test/public/x#",
                "https://app.test?/public/x",
                "https://app.test/public/\u{e9}",
                "https://app.test\\/public/x",
            ],
        ),
        ("X-Forwarded-Method", &["", "G ET", "GET, GET"]),
        ("X-Forwarded-Proto", &["", "ftp", "https, http", "HTTPS"]),
        ("X-Forwarded-Host", &["", "app.test, evil.test", "u@app.test", "app.test/x", "app.test:0"]),
        (
            "X-Forwarded-Uri",
            &[
                "",
                "public/x",
                "https://app.test/public/x",
                "*",
                "/public/x#y",
                "/public/x y",
                "/public/\\x",
                "?/public/x",
            ],
        ),
    ];
    for (kind, lines) in good {
        let world = asked_by(kind).start();
        let with = |lines: &[String]| {
            let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
            let session = world.session(Who::Admin).line();
            send(&world, &format!("GET /oauth2/auth HTTP/1.1\r\nHost: gate\r\n{lines}{session}\r\n"))
        };
        let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        assert_eq!(with(&lines).status, 200);
        for at in 0..lines.len() {
            let (without, twice) = (&mut lines.clone(), &mut lines.clone());
            let line = without.remove(at);
            twice.push(line.clone());
            assert_eq!(with(without).status, 400, "{kind} without {line}");
            assert_eq!(with(twice).status, 400, "{kind} with {line} twice");
            let name = line.split(':').next().unwrap();
            // What only looks like it is not it.
            without.push(line.replace('-', "_"));
            assert_eq!(with(without).status, 400, "{kind} with {name} underscored");
            let (_, values) = malformed.iter().find(|(known, _)| *known == name).unwrap();
            for value in *values {
                let mut lines = lines.clone();
                lines[at] = format!("{name}: {value}");
                assert_eq!(with(&lines).status, 400, "{kind} with {name}: {value:?}");
            }
        }
        // A restriction that nobody reads is none.
        let restricted =
            question(kind, "GET", "/public/x", "").replace("/auth HTTP", "/auth?allowed_groups=x HTTP");
        assert_eq!(send(&world, &restricted).status, if kind == "nginx" { 400 } else { 200 });
        // Nor is the source of another kind read.
        for other in KINDS.iter().filter(|other| **other != kind) {
            let status = send(&world, &question(other, "GET", "/public/x", "")).status;
            assert!(matches!(status, 400 | 404), "{kind} asked as {other}: {status}");
        }
    }
    let world = asked_by("envoy").start();
    for target in [
        "",
        "?/public/x",
        "/../public/x",
        "/../../public/x",
        "/public/../../x",
        "/..%2fpublic/x",
        "/%2e%2e/x",
    ] {
        let answer = send(&world, &question("envoy", "GET", target, &world.session(Who::Admin).line()));
        assert_eq!(answer.status, 400, "{target}: {answer:?}");
    }
    for target in ["x", "%2fpublic/x", "..", "/../signout", "/../userinfo"] {
        let answer = send(&world, &question("envoy", "GET", target, &world.session(Who::Admin).line()));
        assert!(matches!(answer.status, 400 | 404), "{target}: {answer:?}");
    }
    assert_eq!(world.upstream.count(), 0, "nothing was sent on");
}

/// The decision is the one of every other request; a gateway that passes no redirect on is told 401.
fn a_gateway_is_told_what_would_be_done() {
    let long = format!("/public/{}", "x".repeat(64 * 1024));
    let targets = [
        "/",
        "/x",
        "/x?a=1&b=//../x",
        "/public",
        "/public/x",
        "/admin",
        "/ADMIN/x",
        "/admin/x?public",
        "/healthz",
        "/public/../admin",
        "/public/%2e%2e/admin",
        "/public/.%2E/admin",
        "/public/%2f",
        "/public/..%2fadmin",
        "/public/%5c",
        "/%70ublic/x",
        "/caf%c3%a9",
        "/public;a/x",
        "/public/..;/admin",
        "/../x",
        "/public/%zz",
        "/public/%252e%252e/admin",
        "/public/%0a",
        "//app.test/x",
        &long,
    ];
    let bent = |target: &str| {
        let path = target.split('?').next().unwrap();
        ["//", "/.", "%2e"].iter().any(|part| path.to_ascii_lowercase().contains(part))
    };
    for kind in KINDS {
        let world = asked_by(kind).limits("header_bytes = 131072").start();
        for who in EVERYBODY {
            let session = world.session(who);
            for browser in [Kind::Program, Kind::Navigate, Kind::Fetch] {
                for target in targets {
                    let lines = format!("{}{}", browser.lines(), session.line());
                    let mark = world.mark();
                    let request = format!(
                        "GET {target} HTTP/1.1\r\nHost: app.test\r\n{lines}Connection: close\r\n\r\n"
                    );
                    let done = send(&world, &request);
                    let seen = world.seen_since(mark);
                    let told = ask(&world, kind, &session, browser, target);
                    let context = format!("{kind} {who:?} {browser:?} {:.40}: {done:?} {told:?}", target);
                    assert_eq!(world.seen_since(mark).len(), seen.len(), "nothing is sent on: {context}");
                    let status = match done.status {
                        302 if kind != "forward_auth" => 401,
                        // What a gateway sends on is the path as it came.
                        200 if bent(target) => 400,
                        status => status,
                    };
                    assert_eq!(told.status, status, "{context}");
                    if told.status == 200 {
                        let identity = identity_seen(&seen[0]).unwrap();
                        let header = |name| told.header(name).map(str::to_owned);
                        assert_eq!(header("x-user").zip(header("x-roles")), identity, "{context}");
                    } else {
                        assert_eq!(
                            (told.header("x-user"), told.header("x-roles")),
                            (None, None),
                            "{context}"
                        );
                    }
                    // What the listener itself refuses is bare.
                    assert!(
                        told.status == 414 || told.header("cache-control") == Some("no-store"),
                        "{context}"
                    );
                }
            }
        }
    }
}

#[test]
fn nothing_that_a_direct_request_says_makes_it_a_question() {
    let world = asked_by("nginx").start();
    for target in ["/x", "/oauth2/auth/x", "/oauth2//auth", "/oauth2/%61uth", "/oauth2/AUTH", "/oauth2/auth/"]
    {
        let lines = "X-Original-Method: GET\r\nX-Original-URL: https://app.test/public/x\r\n";
        let answer = send(&world, &format!("GET {target} HTTP/1.1\r\nHost: app.test\r\n{lines}\r\n"));
        assert!(matches!(answer.status, 401 | 404), "{target}: {answer:?}");
    }
}

#[test]
fn a_refresh_and_the_clients_own_cookies_reach_the_gateway() {
    for kind in KINDS {
        let world = asked_by(kind).start();
        let old = due(&world, "user");
        let session = Session { cookie: format!("theme=dark; {}; lang=de", old.cookie), ..old };
        let answer = ask(&world, kind, &session, Kind::Navigate, "/x");
        assert_eq!(answer.status, 200, "{kind}: {answer:?}");
        let lines = answer.head.all("set-cookie");
        let names: Vec<_> = lines.iter().filter_map(|line| line.split('=').next()).collect();
        assert_eq!(names, ["__Host-rolegate", "__Host-rolegate-refresh"], "{kind}");
        // What an upstream is sent of them.
        assert_eq!(answer.header("cookie"), Some("theme=dark; lang=de"), "{kind}");
        if kind == "nginx" {
            let numbered = [1, 2].map(|at| answer.header(&format!("x-rolegate-set-cookie-{at}")).unwrap());
            assert_eq!(numbered, lines[..]);
        }
        let fresh = session.after(&answer);
        let answer = ask(&world, kind, &fresh, Kind::Navigate, "/x");
        assert_eq!((answer.status, answer.head.all("set-cookie").len()), (200, 0), "{kind}: {answer:?}");
        assert_eq!(world.pool.grants("refresh_token"), 1, "{kind}");
    }
}

#[test]
fn envoy_is_told_what_to_take_off_a_request() {
    let others = "x-amzn-oidc-data,x-amzn-oidc-identity,x-amzn-oidc-accesstoken,client-cert,client-cert-chain,\
                  x-original-url,x-rewrite-url,cookie";
    let methods = "x-http-method-override,x-http-method,x-method-override";
    let rules = "[[rules]]\npath = \"/read/**\"\nmethods = [\"GET\"]\npublic = true";
    let assertion = "[assertion]\naudience = \"app\"";
    for (setup, nobodys, users) in [
        (
            asked_by("envoy"),
            format!("x-user,x-roles,x-rolegate-assertion,{others}"),
            format!("x-rolegate-assertion,{others}"),
        ),
        (
            asked_by("envoy").rules(rules).tables(assertion),
            format!("x-user,x-roles,{methods},x-rolegate-assertion,{others}"),
            format!("{methods},{others}"),
        ),
    ] {
        let world = setup.start();
        let removed = |who| {
            let answer = ask(&world, "envoy", &world.session(who), Kind::Fetch, "/public/x");
            answer.header("x-envoy-auth-headers-to-remove").unwrap().to_owned()
        };
        assert_eq!((removed(Who::Nobody), removed(Who::User)), (nobodys, users));
    }
}

/// Through the gate these are taken off; a gateway sends on what its client sent.
#[test]
fn what_names_another_method_or_target_is_refused_where_gateways_would_send_it_on() {
    let rules = "[[rules]]\npath = \"/read/**\"\nmethods = [\"GET\"]\npublic = true";
    for kind in ["nginx", "forward_auth"] {
        let world = asked_by(kind).rules(rules).start();
        let session = world.session(Who::User).line();
        for line in [
            "X-HTTP-Method-Override: DELETE",
            "X-HTTP-Method: DELETE",
            "x-method-override: DELETE",
            "X_Method_Override: DELETE",
            "X-Rewrite-URL: /admin/x",
            "X_Original_URL: /admin/x",
        ] {
            let mark = world.gate.stdout().count();
            let lines = format!("{session}{line}\r\n");
            assert_eq!(send(&world, &question(kind, "GET", "/read/x", &lines)).status, 400, "{kind} {line}");
            let told = |line: &str| line.contains("\"gateway_override\"").then_some(());
            world.gate.stdout().wait_since(mark, told).expect("a record with the reason");
        }
    }
}

/// The page that keeps a fragment is a 200.
#[test]
fn whoever_is_sent_to_sign_in_is_not_let_in_by_it() {
    for kind in KINDS {
        let world = asked_by(kind).tables("[pages]\nkeep_fragment = true").start();
        let nobody = world.session(Who::Nobody);
        let answer = ask(&world, kind, &nobody, Kind::Navigate, "/x?a=1&b=2");
        if kind == "forward_auth" {
            assert_eq!(answer.status, 302, "{answer:?}");
            assert!(answer.location().contains("redirect_uri=https%3A%2F%2Fapp.test%2Foauth2%2Fcallback"));
            assert_eq!(answer.head.all("set-cookie").len(), 1);
        } else {
            assert_eq!((answer.status, answer.head.all("set-cookie").len()), (401, 0), "{answer:?}");
            let link = "/oauth2/start?rd=%2Fx%3Fa%3D1%26b%3D2";
            assert!(answer.text().contains(link), "a person finds the way: {}", answer.text());
        }
    }
}

#[test]
fn the_gates_own_pages_are_not_the_gateways_to_allow() {
    for kind in KINDS {
        let world = asked_by(kind).start();
        for target in [
            "/oauth2/start",
            "/oauth2/signout",
            "/oauth2/userinfo",
            "/oauth2/auth",
            "/oauth2/x",
            "/%6fauth2/x",
        ] {
            for who in EVERYBODY {
                let answer = ask(&world, kind, &world.session(who), Kind::Navigate, target);
                assert_eq!(
                    (answer.status, answer.head.all("set-cookie").len()),
                    (403, 0),
                    "{kind} {target}: {answer:?}"
                );
            }
        }
    }
}

#[test]
fn a_websocket_is_one_though_the_gateway_keeps_the_upgrade_to_itself() {
    let handshake = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";
    for kind in KINDS {
        let world = asked_by(kind).start();
        let session = world.session(Who::User).line();
        for (lines, status) in [
            (format!("{handshake}Origin: https://app.test\r\n"), 200),
            (format!("{handshake}Origin: https://evil.test\r\n"), 403),
            ("Sec-Fetch-Mode: websocket\r\nOrigin: https://evil.test\r\n".to_owned(), 403),
            ("Upgrade: websocket\r\nConnection: upgrade\r\nOrigin: null\r\n".to_owned(), 403),
            (format!("{handshake}Sec-Fetch-Site: cross-site\r\n"), 403),
            (handshake.to_owned(), 200),
        ] {
            let answer = send(&world, &question(kind, "GET", "/x", &format!("{lines}{session}")));
            assert_eq!(answer.status, status, "{kind} {lines}: {answer:?}");
        }
    }
}

#[test]
fn the_method_and_the_address_are_the_clients() {
    let rules = "[[rules]]\npath = \"/read/**\"\nmethods = [\"GET\"]\npublic = true\n\
                 [[rules]]\npath = \"/near/**\"\nfrom = [\"10.1.0.0/16\"]\npublic = true";
    for kind in KINDS {
        let world = asked_by(kind).top("trusted_proxies = [\"127.0.0.1\"]").rules(rules).start();
        let status = |method: &str, target: &str, lines: &str| {
            send(
                &world,
                &question(kind, method, target, &format!("{}{lines}", world.session(Who::User).line())),
            )
            .status
        };
        let far = "X-Forwarded-For: 203.0.113.9\r\n";
        for (method, expected) in [("GET", 200), ("HEAD", 200), ("POST", 403), ("get", 403), ("DELETE", 403)]
        {
            assert_eq!(status(method, "/read/x", far), expected, "{kind} {method}");
        }
        assert_eq!(status("GET", "/near/x", far), 403, "{kind}");
        assert_eq!(status("GET", "/near/x", "X-Forwarded-For: 10.1.2.3\r\n"), 200, "{kind}");
        assert_eq!(status("GET", "/near/x", "X-Forwarded-For: 10.1.2.3, 203.0.113.9\r\n"), 403, "{kind}");
        // Whoever asks is not who asked.
        assert_eq!(status("GET", "/near/x", ""), 400, "{kind}");
    }
}

#[test]
fn what_proxies_are_believed_about_names_no_host_to_a_gateway() {
    for kind in ["nginx", "envoy"] {
        let world = asked_by(kind).top("trusted_proxies = [\"127.0.0.1\"]").start();
        let lines = format!(
            "X-Forwarded-Host: evil.test\r\nX-Forwarded-Proto: http\r\n{}",
            world.session(Who::User).line()
        );
        assert_eq!(send(&world, &question(kind, "GET", "/x", &lines)).status, 200, "{kind}");
        let elsewhere = question(kind, "GET", "/x", &lines.replace("evil.test", "app.test"))
            .replace("//app.test/x", "//evil.test/x")
            .replace("Host: app.test\r\nX", "Host: evil.test\r\nX");
        assert_eq!(send(&world, &elsewhere).status, 421, "{kind}");
    }
}

#[test]
fn the_record_tells_what_was_asked_and_by_what() {
    for kind in KINDS {
        let world = asked_by(kind).top("trusted_proxies = [\"127.0.0.1\"]").start();
        let of = |who, target: &str| {
            let mark = world.gate.stdout().count();
            let lines = format!("X-Forwarded-For: 203.0.113.9\r\n{}", world.session(who).line());
            send(&world, &question(kind, "PUT", target, &lines));
            let record = |line: &str| Access::parse(line).filter(|record| record.text("path") == target);
            world.gate.stdout().wait_since(mark, record).expect("a record")
        };
        let expected = [
            (Who::User, "/x", "allow", "allowed", "user"),
            (Who::Nobody, "/public/x", "allow", "public", ""),
            (Who::User, "/admin/x", "forbid", "role_missing", "user"),
            (Who::Nobody, "/x", "challenge", "login_required", ""),
        ];
        for (who, target, decision, reason, user) in expected {
            let record = of(who, target);
            let fields = ["gateway", "method", "client", "host", "decision", "reason", "user"];
            let told = fields.map(|name| record.text(name));
            assert_eq!(told, [kind, "PUT", "203.0.113.9", "app.test", decision, reason, user], "{record:?}");
        }
    }
}

#[test]
fn a_weak_sign_in_is_told_apart() {
    let rules = "[[rules]]\npath = \"/strong/**\"\nany_role = [\"user\"]\nmin_acr = \"high\"";
    let identity = "[identity]\nacr_order = [\"low\", \"high\"]";
    for kind in KINDS {
        let world = asked_by(kind).tables(identity).rules(rules).start();
        world.pool.user(User::new("user", &["user"]).with("acr", "low"));
        let session = world.session_of("user", "user");
        let answer = ask(&world, kind, &session, Kind::Navigate, "/strong/x");
        assert_eq!(answer.status, if kind == "forward_auth" { 302 } else { 401 }, "{kind}: {answer:?}");
        assert_eq!(ask(&world, kind, &session, Kind::Fetch, "/strong/x").status, 401, "{kind}");
    }
}
