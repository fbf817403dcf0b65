//! Section M, as far as it is about forwarded headers: what a proxy in front says is believed of a listed peer
//! alone, and read from the right.

use url::Url;

use crate::corpus::{Case, case};
use crate::support::browser::Kind;
use crate::support::world::{EVERYBODY, Exchange, Setup, Who, World};

pub fn cases() -> Vec<Case> {
    vec![
        case(&["FWD-01"], |world| {
            let lies = "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 6.6.6.6, 6.6.6.6\r\n\
                        X-Forwarded-Proto: evil\r\nX-Forwarded-Host: evil.test\r\nX-Forwarded-Port: 666\r\n\
                        X-Forwarded-Uri: /evil\r\nX-Forwarded-Prefix: /evil\r\nX-Forwarded-Server: evil\r\n\
                        X-Forwarded-Scheme: evil\r\nX-Forwarded-Ssl: evil\r\nX-Forwarded-Method: evil\r\n\
                        Forwarded: for=6.6.6.6;host=evil.test;proto=evil\r\nX-Real-IP: 6.6.6.6\r\n\
                        True-Client-IP: 6.6.6.6\r\nCF-Connecting-IP: 6.6.6.6\r\nX-Client-IP: 6.6.6.6\r\n";
            for who in EVERYBODY {
                let target = if who == Who::Nobody { "/public/x" } else { "/x" };
                let exchange = get(world, who, target, lies);
                for value in ["6.6.6.6", "evil", "666"] {
                    exchange.must_be_stripped_of(value);
                }
                told(&exchange, "127.0.0.1", "https", "app.test");
                assert_eq!(exchange.access[0].text("client"), "127.0.0.1", "{}", exchange.told());
            }
        }),
        case(&["FWD-02"], |_| the_client_is_the_rightmost_that_is_no_trusted_proxy()),
        case(&["FWD-03"], |world| {
            for name in [
                "X_Forwarded_Proto",
                "X.Forwarded.For",
                "x_forwarded_for",
                "X-Forwarded_Host",
                "X!Forwarded!Host",
                "X~Forwarded-Uri",
                "X_Real_IP",
                "X.Real-IP",
                "CF_Connecting_IP",
                "True_Client_IP",
            ] {
                for who in EVERYBODY {
                    let target = if who == Who::Nobody { "/public/x" } else { "/x" };
                    let exchange = get(world, who, target, &format!("{name}: 6.6.6.6\r\n"));
                    exchange.must_not_show("6.6.6.6");
                }
            }
        }),
        case(&["FWD-04"], |world| {
            for value in ["https", "http", "javascript", "https, http", ""] {
                let lines = format!(
                    "{}X-Forwarded-Proto: {value}\r\nX-Forwarded-Ssl: on\r\n",
                    Kind::Navigate.lines()
                );
                let exchange = get(world, Who::Nobody, "/x", &lines);
                let answer = &exchange.answers[0];
                assert_eq!(answer.status, 302, "{}", exchange.told());
                let to = Url::parse(answer.location()).unwrap();
                let callback =
                    to.query_pairs().find(|(name, _)| name == "redirect_uri").unwrap().1.into_owned();
                assert_eq!(callback, "https://app.test/oauth2/callback");
                let cookie = answer.header("set-cookie").unwrap();
                assert!(cookie.starts_with("__Host-") && cookie.contains("; Secure"), "{cookie}");
            }
            let mut setup = Setup::bench();
            setup.public_url = "\"http://localhost:4180\"".into();
            let cleartext = setup.start();
            let mut browser = cleartext.browser().route("localhost", cleartext.gate.public);
            let url = Url::parse("http://localhost:4180/x").unwrap();
            let answer = browser.send(Kind::Navigate, "GET", &url, "X-Forwarded-Proto: https\r\n", "");
            assert!(
                answer.location().contains("redirect_uri=http%3A%2F%2Flocalhost%3A4180%2F"),
                "{answer:#?}"
            );
            assert!(!answer.header("set-cookie").unwrap().contains("Secure"), "{answer:#?}");
        }),
    ]
}

fn get(world: &World, who: Who, target: &str, lines: &str) -> Exchange {
    world.attack(who, format!("GET {target} HTTP/1.1\r\nHost: app.test\r\n{lines}{{session}}\r\n"))
}

/// The upstream is told exactly this about the client.
fn told(exchange: &Exchange, client: &str, proto: &str, host: &str) {
    let seen = exchange.one().unwrap_or_else(|| panic!("not forwarded: {}", exchange.told()));
    assert_eq!(seen.head.all("x-forwarded-for"), [client], "{}", exchange.told());
    assert_eq!(seen.head.all("x-forwarded-proto"), [proto], "{}", exchange.told());
    assert_eq!(seen.head.all("x-forwarded-host"), [host], "{}", exchange.told());
}

fn the_client_is_the_rightmost_that_is_no_trusted_proxy() {
    let world = Setup::bench().top(r#"trusted_proxies = ["127.0.0.1/32", "10.0.0.0/8", "fd00::/8"]"#).start();
    let long: String = (0..1_000).map(|n| format!("10.1.{}.{}, ", n / 250, n % 250)).collect();
    for (lines, client) in [
        ("", "127.0.0.1"),
        ("X-Forwarded-For: 198.51.100.7", "198.51.100.7"),
        ("X-Forwarded-For: 6.6.6.6, 198.51.100.7", "198.51.100.7"),
        ("X-Forwarded-For: 6.6.6.6, 198.51.100.7, 10.0.0.1, 10.2.3.4", "198.51.100.7"),
        (
            "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 198.51.100.7\r\nX-Forwarded-For: 10.0.0.1",
            "198.51.100.7",
        ),
        ("X-Forwarded-For:198.51.100.7 ,\t10.0.0.1", "198.51.100.7"),
        ("X-Forwarded-For: 198.51.100.7:4711", "198.51.100.7"),
        ("X-Forwarded-For: [2001:db8::7]:4711", "2001:db8::7"),
        ("X-Forwarded-For: [2001:db8::7]", "2001:db8::7"),
        ("X-Forwarded-For: 2001:db8::7, fd00::1", "2001:db8::7"),
        // What is no address ends the chain: left of it stands what nobody trusted wrote.
        ("X-Forwarded-For: 6.6.6.6, unknown", "127.0.0.1"),
        ("X-Forwarded-For: 6.6.6.6, unknown, 10.0.0.1", "10.0.0.1"),
        ("X-Forwarded-For: 6.6.6.6, _hidden, 10.0.0.1", "10.0.0.1"),
        ("X-Forwarded-For: 6.6.6.6, , 10.0.0.1", "10.0.0.1"),
        ("X-Forwarded-For: ,,,", "127.0.0.1"),
        ("X-Forwarded-For: fe80::1%eth0, 10.0.0.1", "10.0.0.1"),
        ("X-Forwarded-For: 6.6.6.6, 010.0.0.1", "127.0.0.1"),
        ("X-Forwarded-For: 6.6.6.6, 0x0a.1", "127.0.0.1"),
        ("X-Forwarded-For: 6.6.6.6, 10.0.0.1/8", "127.0.0.1"),
        ("X-Forwarded-For: 6.6.6.6, 10.0.0.256", "127.0.0.1"),
        ("X-Forwarded-For: 6.6.6.6, \"10.0.0.1\"", "127.0.0.1"),
        // Not the headers that are read.
        ("Forwarded: for=6.6.6.6", "127.0.0.1"),
        ("X-Real-IP: 6.6.6.6", "127.0.0.1"),
        ("X_Forwarded_For: 6.6.6.6", "127.0.0.1"),
    ] {
        let lines = if lines.is_empty() { String::new() } else { format!("{lines}\r\n") };
        for (who, target) in [(Who::Nobody, "/public/x"), (Who::User, "/x")] {
            let exchange = get(&world, who, target, &lines);
            if lines.starts_with("X_") && exchange.is_refused(&[400]) {
                continue;
            }
            told(&exchange, client, "https", "app.test");
            assert_eq!(exchange.access[0].text("client"), client, "{}", exchange.told());
        }
    }
    let flood = format!("X-Forwarded-For: 6.6.6.6, {long}10.0.0.1\r\n");
    let exchange = get(&world, Who::User, "/x", &flood);
    assert_eq!(exchange.status(), 200, "{}", exchange.told());
    assert!(exchange.access[0].text("client").starts_with("10."), "{}", exchange.told());
    let undecodable = b"GET /x HTTP/1.1\r\nHost: app.test\r\nX-Forwarded-For: 6.6.6.6, \xff\r\n{session}\r\n";
    let exchange = world.attack(Who::User, undecodable);
    assert!(
        exchange.status() == 200 && exchange.access[0].text("client") == "127.0.0.1",
        "{}",
        exchange.told()
    );
    // Host and scheme of a trusted peer: one valid value each, or none at all; and still one of the origins.
    for (lines, status) in [
        ("X-Forwarded-Host: app.test\r\nX-Forwarded-Proto: https\r\n", 200),
        ("X-Forwarded-Host: evil.test\r\n", 421),
        ("X-Forwarded-Host: app.test, evil.test\r\n", 200),
        ("X-Forwarded-Host: app.test\r\nX-Forwarded-Host: evil.test\r\n", 200),
        ("X-Forwarded-Host: u@evil.test\r\n", 200),
        ("X-Forwarded-Proto: javascript\r\n", 200),
    ] {
        let exchange = get(&world, Who::User, "/x", lines);
        assert_eq!(exchange.status(), status, "{}", exchange.told());
        if status == 200 {
            told(&exchange, "127.0.0.1", "https", "app.test");
        }
    }
}
