//! Section B: no spelling of a path reaches more than its one meaning allows.

use std::process::Command;

use crate::corpus::{Case, case};
use crate::support::gate::Start;
use crate::support::world::{Delivery, EVERYBODY, Session, Setup, Who, World};
use crate::verdict::{Decided, REFUSED, admin, is_decided, protected, public};

/// The bench with a rule for some methods only and rules for some hosts only.
pub fn bench() -> World {
    Setup::bench()
        .rules(
            "[[rules]]\npath = \"/get-only/**\"\nmethods = [\"GET\"]\npublic = true\n\
             [[rules]]\nhost = \"open.test\"\npath = \"/hosted/**\"\npublic = true\n\
             [[rules]]\nhost = \"app.test\"\npath = \"/hosted/**\"\nany_role = [\"admin\"]\n",
        )
        .start()
}

pub fn cases() -> Vec<Case> {
    vec![
        decided(&["PATH-01"], &[("/public/../admin", &[admin("/admin")])]),
        decided(
            &["PATH-02"],
            &[
                ("/public/%2e%2e/admin", &[admin("/admin"), REFUSED]),
                ("/public/.%2e/admin", &[admin("/admin"), REFUSED]),
                ("/public/%2E%2E/admin", &[admin("/admin"), REFUSED]),
            ],
        ),
        decided(
            &["PATH-03"],
            &[
                ("/public/%252e%252e/admin", &[REFUSED, protected("/public/%252e%252e/admin")]),
                ("/public/%25252e%25252e/admin", &[REFUSED, protected("/public/%25252e%25252e/admin")]),
                ("/public/%252E./admin", &[REFUSED, protected("/public/%252E./admin")]),
            ],
        ),
        decided(
            &["PATH-04"],
            &[
                ("/public%2f..%2fadmin", &[REFUSED]),
                ("/public/..%2fadmin", &[REFUSED]),
                ("/%2e%2e%2fadmin", &[REFUSED]),
                ("/public/..%5cadmin", &[REFUSED]),
                ("/public/..\\admin", &[REFUSED]),
            ],
        ),
        decided(
            &["PATH-06"],
            &[
                ("/public/..;/admin", &[admin("/admin"), REFUSED]),
                ("/public;/../admin", &[admin("/admin"), REFUSED]),
                ("/admin;x=y", &[admin("/admin;x=y"), REFUSED]),
                ("/admin;/x", &[admin("/admin;/x"), REFUSED]),
                ("/;/admin", &[admin("/;/admin"), REFUSED]),
                ("/admin;x=y?z=;w", &[admin("/admin;x=y?z=;w"), REFUSED]),
                ("/public;x=y/z", &[protected("/public;x=y/z"), REFUSED]),
                ("/healthz;x", &[protected("/healthz;x"), REFUSED]),
                ("/public/..;x=y/admin", &[admin("/admin"), REFUSED]),
                ("/public/x;/admin", &[protected("/public/x;/admin"), REFUSED]),
            ],
        ),
        decided(
            &["PATH-07"],
            &[
                ("/admin%3bx", &[admin("/admin%3Bx"), REFUSED]),
                ("/public%3b/../admin", &[admin("/admin"), REFUSED]),
            ],
        ),
        decided(
            &["PATH-08"],
            &[
                ("//admin", &[admin("/admin"), REFUSED]),
                ("///admin", &[admin("/admin"), REFUSED]),
                ("/public//../admin", &[admin("/admin"), REFUSED]),
                ("//public/../admin", &[admin("/admin"), REFUSED]),
            ],
        ),
        decided(
            &["PATH-09"],
            &[
                ("/./admin", &[admin("/admin")]),
                ("/.//admin", &[admin("/admin")]),
                ("/admin/.", &[admin("/admin/")]),
                ("/admin/./x", &[admin("/admin/x")]),
            ],
        ),
        decided(
            &["PATH-11"],
            &[("/admin%00", &[REFUSED]), ("/admin%00.css", &[REFUSED]), ("/public%00/../admin", &[REFUSED])],
        ),
        case(&["PATH-12"], |world| {
            for byte in (0..0x20).chain([0x7f]) {
                for target in [[b"/public/a", &[byte][..], b"b"].concat(), [b"/admin", &[byte][..]].concat()]
                {
                    for who in EVERYBODY {
                        let lines = b" HTTP/1.1\r\nHost: app.test\r\n{session}\r\n";
                        let exchange = world.attack(who, [b"GET ", &target[..], lines].concat());
                        exchange.must_be_refused(&[400]);
                    }
                }
            }
        }),
        decided(
            &["PATH-13"],
            &[
                ("/ADMIN", &[admin("/ADMIN")]),
                ("/Admin", &[admin("/Admin")]),
                ("/aDMIN/x", &[admin("/aDMIN/x")]),
            ],
        ),
        decided(
            &["PATH-14"],
            &[("/PUBLIC/../admin", &[admin("/admin")]), ("/pUbLiC/x", &[protected("/pUbLiC/x")])],
        ),
        decided(
            &["PATH-16"],
            &[
                ("/admin/public/", &[admin("/admin/public/")]),
                ("/x/public/", &[protected("/x/public/")]),
                ("/publicity", &[protected("/publicity")]),
                ("/x/healthz", &[protected("/x/healthz")]),
            ],
        ),
        decided(
            &["PATH-17"],
            &[("/admin#/public", &[REFUSED]), ("/admin%23/public/bar", &[protected("/admin%23/public/bar")])],
        ),
        decided(
            &["PATH-18"],
            &[
                ("/public#/../admin", &[REFUSED, public("/public")]),
                ("/public?x#/../admin", &[REFUSED, public("/public?x")]),
            ],
        ),
        decided(
            &["PATH-19"],
            &[
                ("/admin?x=/public/", &[admin("/admin?x=/public/")]),
                ("/admin?/public", &[admin("/admin?/public")]),
                ("/admin%3f/public", &[protected("/admin%3F/public")]),
                ("/x?/../public/y", &[protected("/x?/../public/y")]),
            ],
        ),
        decided(
            &["PATH-21"],
            &[
                ("http://app.test/public/../admin", &[admin("/admin"), REFUSED]),
                ("http://app.test", &[protected("/"), REFUSED]),
                ("http://app.test?x", &[protected("/?x"), REFUSED]),
                ("http:///admin", &[admin("/admin"), REFUSED]),
                ("HTTP://app.test/admin", &[admin("/admin"), REFUSED]),
                ("ftp://app.test/admin", &[admin("/admin"), REFUSED]),
                ("http://u:p@app.test/admin", &[REFUSED]),
                ("http://u:p@app.test/public/x", &[REFUSED]),
                ("http://other.test/public/x", &[REFUSED]),
            ],
        ),
        decided(&["PATH-22"], &[("admin", &[REFUSED]), ("public/x", &[REFUSED])]),
        case(&["PATH-23"], |world| {
            is_decided(world, "!", &[REFUSED]);
            is_decided(world, "*", &[REFUSED]);
            for who in EVERYBODY {
                let exchange = world.attack(who, "OPTIONS * HTTP/1.1\r\nHost: app.test\r\n{session}\r\n");
                assert!(exchange.seen.is_empty() && exchange.answers.len() == 1, "{}", exchange.told());
            }
        }),
        case(&["PATH-24"], |world| {
            for who in EVERYBODY {
                for line in [
                    "CONNECT evil:443",
                    "CONNECT /admin",
                    "CONNECT app.test:443",
                    "CONNECT http://app.test/x",
                ] {
                    let exchange =
                        world.attack(who, format!("{line} HTTP/1.1\r\nHost: app.test\r\n{{session}}\r\n"));
                    exchange.must_be_refused(&[400, 405]);
                }
            }
        }),
        decided(
            &["PATH-26"],
            &[("/admin%2", &[REFUSED]), ("/admin%zz", &[REFUSED]), ("/admin%", &[REFUSED])],
        ),
        case(&["PATH-27"], |world| {
            for target in [
                &b"/%c0%ae%c0%ae/admin"[..],
                b"/\xc0\xae\xc0\xae/admin",
                b"/public/%c0%af",
                b"/public/%f0%80%80%af",
            ] {
                is_decided(world, target, &[REFUSED]);
            }
        }),
        case(&["PATH-28"], |world| {
            for target in ["/adm\u{131}n", "/ａｄｍｉｎ", "/admin\u{200b}", "/public/\u{e9}"] {
                is_decided(world, target, &[REFUSED]);
            }
            is_decided(world, "/adm%c4%b1n", &[protected("/adm%C4%B1n")]);
            is_decided(world, "/%ef%bd%81dmin", &[protected("/%EF%BD%81dmin")]);
        }),
        decided(&["PATH-29"], &[("/admin/", &[admin("/admin/")]), ("/admin", &[admin("/admin")])]),
        decided(
            &["PATH-31"],
            &[
                ("/public/x/..%2e/admin", &[public("/public/x/.../admin")]),
                ("/public/.../admin", &[public("/public/.../admin")]),
                ("/public/%2e%2e%2e/", &[public("/public/.../")]),
            ],
        ),
        decided(
            &["PATH-32"],
            &[
                ("/admin%20", &[protected("/admin%20")]),
                ("/%20admin", &[protected("/%20admin")]),
                ("/public%20/../admin", &[admin("/admin")]),
                ("/admin%09", &[protected("/admin%09"), REFUSED]),
                ("/public/a b", &[REFUSED]),
                ("/public/a\tb", &[REFUSED]),
            ],
        ),
        decided(
            &["PATH-33"],
            &[
                ("/healthz/../admin", &[admin("/admin")]),
                ("/healthz?x", &[public("/healthz?x")]),
                ("/healthz/", &[protected("/healthz/")]),
                ("//healthz", &[public("/healthz"), REFUSED]),
                // The gate's own are on another listener: here they are the upstream's, and protected.
                ("/livez", &[protected("/livez")]),
                ("/readyz", &[protected("/readyz")]),
                ("/metrics", &[protected("/metrics")]),
            ],
        ),
        case(&["PATH-34"], a_method_that_the_rule_does_not_name_is_not_public),
        case(&["PATH-36"], headers_that_name_a_path_decide_nothing),
        case(&["PATH-41"], |world| {
            for target in [
                "/oauth2/x",
                "/oauth2/",
                "//oauth2/x",
                "/oauth2/%78",
                "/%6fauth2/x",
                "/public/../oauth2/x",
                "/oauth2//x",
                "/oauth2;a=b/x",
                "/OAUTH2/x",
            ] {
                for who in EVERYBODY {
                    for method in ["GET", "POST", "HEAD"] {
                        let exchange = world.attack(
                            who,
                            format!("{method} {target} HTTP/1.1\r\nHost: app.test\r\n{{session}}\r\n"),
                        );
                        exchange.must_be_refused(&[400, 401, 403, 404, 405]);
                    }
                }
            }
        }),
        decided(
            &["PATH-42"],
            &[
                ("/public../admin", &[protected("/public../admin")]),
                ("/public%2e%2e/admin", &[protected("/public../admin")]),
                ("/public/..%2fadmin", &[REFUSED]),
            ],
        ),
        decided(
            &["PATH-43"],
            &[
                ("/public/%0a", &[REFUSED]),
                ("/public/x%0d%0ay", &[REFUSED]),
                ("/admin%0a", &[REFUSED]),
                ("/public/%c2%85", &[REFUSED]),
            ],
        ),
        case(&["PATH-44"], |world| {
            for who in EVERYBODY {
                for (filler, suffix) in [("a", ""), ("a", "!"), ("/.", ""), ("%61", "")] {
                    let begun = std::time::Instant::now();
                    let path = filler.repeat(60_000 / filler.len());
                    let exchange = world.attack(
                        who,
                        format!("GET /{path}{suffix} HTTP/1.1\r\nHost: app.test\r\n{{session}}\r\n"),
                    );
                    exchange.must_be_refused(&[400, 414]);
                    assert!(begun.elapsed().as_secs() < 10, "a long path took {:?}", begun.elapsed());
                }
            }
            let long = format!("/{}", "a".repeat(7_000));
            is_decided(world, &long, &[protected(&long)]);
        }),
        case(&["PATH-46"], |_| what_is_not_written_opens_nothing()),
        case(&["PATH-47"], a_rule_for_a_host_holds_for_every_spelling_of_it),
    ]
}

/// A case that is a table of targets and what each may be decided as.
fn decided(ids: &'static [&'static str], table: &[(&'static str, &[Decided])]) -> Case {
    let table: Vec<_> = table.iter().map(|(target, allowed)| (*target, allowed.to_vec())).collect();
    case(ids, move |world| table.iter().for_each(|(target, allowed)| is_decided(world, target, allowed)))
}

fn a_method_that_the_rule_does_not_name_is_not_public(world: &World) {
    let ask = |who, method: &str, path: &str| {
        world.attack(
            who,
            format!("{method} {path} HTTP/1.1\r\nHost: app.test\r\nContent-Length: 0\r\n{{session}}\r\n"),
        )
    };
    for who in EVERYBODY {
        for method in ["GET", "HEAD"] {
            let exchange = ask(who, method, "/get-only/x");
            assert_eq!((exchange.status(), exchange.seen.len()), (200, 1), "{}", exchange.told());
        }
        for method in ["POST", "get", "GeT", "FOO", "GET'", "PUT", "OPTIONS", "PROPFIND"] {
            let statuses: &[u16] = if who == Who::Nobody { &[401, 405, 501] } else { &[403, 405, 501] };
            ask(who, method, "/get-only/x").must_be_refused(statuses);
        }
        for method in ["POST", "get", "FOO", "GET'"] {
            let exchange = ask(who, method, "/admin/x");
            match who {
                Who::Nobody => exchange.must_be_refused(&[401, 405, 501]),
                Who::User => exchange.must_be_refused(&[403, 405, 501]),
                Who::Admin => {
                    let same = exchange.one().is_some_and(|seen| seen.method() == method);
                    assert!(same || exchange.is_refused(&[405, 501]), "{}", exchange.told());
                }
            }
        }
    }
}

fn headers_that_name_a_path_decide_nothing(world: &World) {
    const NAMES: [&str; 9] = [
        "X-Original-URL",
        "X-Rewrite-URL",
        "X-Forwarded-Uri",
        "X-Original-URI",
        "X-Forwarded-Prefix",
        "X-Envoy-Original-Path",
        "X-Forwarded-Method",
        "X-Original-Method",
        "X-Forwarded-Path",
    ];
    for name in NAMES {
        for (path, said) in [("/public/x", "/admin"), ("/admin/x", "/public/x"), ("/x", "/public/x")] {
            for who in EVERYBODY {
                let exchange = world.attack(
                    who,
                    format!("GET {path} HTTP/1.1\r\nHost: app.test\r\n{name}: {said}\r\n{{session}}\r\n"),
                );
                let wanted = match (path, who) {
                    ("/public/x", _) | ("/admin/x", Who::Admin) | ("/x", Who::User | Who::Admin) => 200,
                    (_, Who::Nobody) => 401,
                    _ => 403,
                };
                assert_eq!(exchange.status(), wanted, "{name}: {}", exchange.told());
                if let Some(seen) = exchange.one() {
                    assert_eq!(seen.target(), path);
                    assert!(
                        seen.head.all(name).is_empty(),
                        "{name} reached the upstream: {}",
                        exchange.told()
                    );
                }
            }
        }
    }
}

fn what_is_not_written_opens_nothing() {
    let refused = |toml: &str| match Start::with(toml).unready().start() {
        Ok(_) => panic!("a gate started with {toml:?}"),
        Err(refused) => assert_eq!(refused.code, Some(78), "{refused:#?}"),
    };
    refused("");
    refused("public_url = \"https://app.test\"\nupstream = \"http://127.0.0.1:9\"\n");

    let (pool, upstream) =
        (crate::support::pool::FakePool::start(), crate::support::upstream::Recorder::start());
    let broken = |setup: Setup| match setup.unready().try_start_with(&pool, &upstream) {
        Ok(_) => panic!("a gate started with a broken configuration"),
        Err(refused) => assert_eq!(refused.code, Some(78), "{refused:#?}"),
    };
    broken(Setup::bench().rules("[[rules]]\npath = \"/x/**\"\npublik = true"));
    broken(Setup::bench().rules("[[rules]]\npath = \"/x/**\""));
    broken(Setup::bench().rules("[[rules]]\npath = \"/x/**\"\nany_role = []"));
    broken(Setup::bench().rules("[[rules]]\npath = \"/x/**\"\npublic = false"));
    broken(Setup { required_roles: "[]".into(), ..Setup::bench() });
    broken(Setup {
        provider: Setup::bench().provider.replace("client-secret\"", "no-such-file\""),
        ..Setup::bench()
    });

    let missing = Command::new(env!("CARGO_BIN_EXE_rolegate"))
        .args(["run", "--config", "/nonexistent/rolegate.toml"])
        .env_clear()
        .output()
        .unwrap();
    assert_eq!(missing.status.code(), Some(78), "{missing:?}");

    let world = Setup { rules: String::new(), ..Setup::bench() }.start_with(pool, upstream);
    for target in ["/", "/public/x", "/healthz", "/admin"] {
        is_decided(&world, target, &[protected(target)]);
    }
}

fn a_rule_for_a_host_holds_for_every_spelling_of_it(world: &World) {
    let ask = |session: &Session, hosts: &str, target: &str| {
        world.attack_as(session, Delivery::Whole, format!("GET {target} HTTP/1.1\r\n{hosts}{{session}}\r\n"))
    };
    for who in EVERYBODY {
        let session = world.session(who);
        for hosts in [
            "",
            "Host: app.test\r\nHost: app.test\r\n",
            "Host: app.test\r\nHost: open.test\r\n",
            "Host: open.test\r\nHost: app.test\r\n",
            "Host: app.test, open.test\r\n",
            "Host: open.test, app.test\r\n",
            "Host: u@open.test\r\n",
            "Host: app.test@open.test\r\n",
            "Host: \r\n",
            "Host: open.test/\r\n",
            "Host: open.test:\r\n",
            "Host: open.test:x\r\n",
            "Host: open.test:99999\r\n",
            "Host: open.test \tapp.test\r\n",
            "Host: open.test#app.test\r\n",
            "Host: open.test?\r\n",
            "Host: [::1\r\n",
        ] {
            let exchange = ask(&session, hosts, "/hosted/x");
            // An empty port is allowed by RFC 3986 §3.2.3; it must then mean what no port means.
            let same_as_none = hosts == "Host: open.test:\r\n" && exchange.status() == 200;
            assert!(same_as_none || exchange.is_refused(&[400]), "{hosts:?}: {}", exchange.told());
        }

        // Where the gate has no origin it reads no cookie: public by the rule for that host, or nothing.
        let unread = world.session(Who::Nobody);
        let cookie = session.line();
        for host in ["open.test", "OPEN.TEST", "open.test.", "open.test:80", "Open.Test:443"] {
            let exchange = ask(&unread, &format!("Host: {host}\r\n{cookie}"), "/hosted/x");
            assert!(exchange.status() == 200 && exchange.one().is_some(), "{host}: {}", exchange.told());
        }
        for host in
            ["[::1]", "127.1", "127.0.0.1", "xopen.test", "open.test.evil", "app.test:80", "app.test:8443"]
        {
            ask(&unread, &format!("Host: {host}\r\n{cookie}"), "/hosted/x")
                .must_be_refused(&[400, 401, 403, 421]);
        }

        // The rule holds for the rooted name as well; to a browser's cookies that is another host, so none is read.
        ask(&session, "Host: app.test.\r\n", "/hosted/x").must_be_refused(&[421]);
        for host in ["app.test", "APP.test", "app.test:443"] {
            let exchange = ask(&session, &format!("Host: {host}\r\n"), "/hosted/x");
            match who {
                Who::Nobody => exchange.must_be_refused(&[401]),
                Who::User => exchange.must_be_refused(&[403]),
                Who::Admin => assert!(exchange.one().is_some(), "{host}: {}", exchange.told()),
            }
        }
    }
}
