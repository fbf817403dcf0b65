//! Section M, as far as it is about headers: who is believed about where a request came from.

use std::net::IpAddr;

use url::Url;

use crate::corpus::{Case, case};
use crate::front::clients;
use crate::support::browser::Kind;
use crate::support::world::{EVERYBODY, Setup, Who, World};

pub fn cases() -> Vec<Case> {
    vec![
        case(&["FWD-01"], |world| {
            for name in [
                "X-Forwarded-For",
                "X-Forwarded-Proto",
                "X-Forwarded-Host",
                "X-Forwarded-Port",
                "X-Forwarded-Uri",
                "X-Forwarded-Prefix",
                "X-Forwarded-Server",
                "X-Forwarded-Ssl",
                "Forwarded",
                "X-Real-IP",
                "X-Client-IP",
                "X-Cluster-Client-IP",
                "True-Client-IP",
                "CF-Connecting-IP",
            ] {
                for value in ["203.0.113.66", "for=203.0.113.66;host=203.0.113.66", "203.0.113.66, 127.0.0.1"]
                {
                    said_is_not_believed(world, &format!("{name}: {value}\r\n"));
                    said_is_not_believed(world, &format!("{name}: {value}\r\n{name}: {value}\r\n"));
                }
            }
        }),
        case(&["FWD-08"], what_others_say_of_certificates_is_removed),
        case(&["FWD-09"], |_| {
            clients::a_certificate_that_does_not_count_is_refused_in_the_handshake();
            clients::who_shows_none_is_refused_where_one_is_asked_for();
            clients::files_that_name_no_authority_or_no_list_keep_the_gate_from_starting();
        }),
        case(&["FWD-11"], |_| crate::tls::an_upstream_without_a_certificate_that_counts_gets_nothing()),
        case(&["FWD-02"], |_| {
            the_client_is_the_rightmost_address_that_is_no_proxy();
            of_the_two_kinds_of_header_one_counts();
        }),
        case(&["FWD-03"], |world| {
            for lines in [
                "X_Forwarded_Proto: 203.0.113.66\r\n",
                "X.Forwarded.For: 203.0.113.66\r\n",
                "x_forwarded_for: 203.0.113.66\r\nX_Forwarded-Host: 203.0.113.66\r\n",
                "X~Real~IP: 203.0.113.66\r\n",
                "X_Request_Id: 203.0.113.66\r\n",
            ] {
                said_is_not_believed(world, lines);
            }
        }),
        case(&["FWD-04"], |world| {
            for lines in [
                "X-Forwarded-Proto: http\r\n",
                "X-Forwarded-Proto: javascript\r\n",
                "X-Forwarded-Host: evil.test\r\n",
                "Forwarded: proto=http;host=evil.test\r\n",
                "X-Forwarded-Port: 8443\r\nX-Forwarded-Scheme: http\r\n",
            ] {
                let navigation = Kind::Navigate.lines();
                let exchange = world.attack(
                    Who::Nobody,
                    format!("GET /x HTTP/1.1\r\nHost: app.test\r\n{lines}{navigation}\r\n"),
                );
                assert_eq!(exchange.status(), 302, "{}", exchange.told());
                let answer = &exchange.answers[0];
                assert!(
                    answer.location().contains("redirect_uri=https%3A%2F%2Fapp.test%2Foauth2%2Fcallback"),
                    "{}",
                    exchange.told()
                );
                for cookie in answer.head.all("set-cookie") {
                    assert!(cookie.starts_with("__Host-") && cookie.contains("; Secure"), "{cookie}");
                }
            }
            // Nor is a cleartext origin made a secure one.
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
        case(&["FWD-07"], crate::traces::what_clients_say_of_traces_and_request_ids),
    ]
}

/// What servers, balancers and plug-ins call it (RFC 9440 §4: no copy of a client's may pass).
fn what_others_say_of_certificates_is_removed(world: &World) {
    for name in [
        "Client-Cert",
        "Client-Cert-Chain",
        "X-Client-Subject",
        "X-Client-Cert",
        "X-Client-Cert-Dn",
        "X-Client-Certificate",
        "X-Client-Verify",
        "X-Client-DN",
        "X-Forwarded-Client-Cert",
        "X-Forwarded-Tls-Client-Cert",
        "X-SSL-Cert",
        "X-SSL-Client-Verify",
        "X-SSL-Client-S-DN",
        "SSL-Client-Cert",
        "Ssl-Client-Verify",
        "Ssl-Client-Subject-Dn",
        "SSL_CLIENT_S_DN",
        "X-Tls-Client-Cert",
        "X-ARR-ClientCert",
        "X-Amzn-Mtls-Clientcert",
        "X-Amzn-Mtls-Clientcert-Subject",
        "Cf-Client-Cert-Sha256",
        "WL-Proxy-Client-Cert",
        "$WSCC",
    ] {
        let other = name.replace('-', "_");
        let third = name.to_ascii_lowercase().replace('-', ".");
        for name in [name, &other, &third] {
            for who in EVERYBODY {
                let exchange = world.attack(
                    who,
                    format!(
                        "GET /public/x HTTP/1.1\r\nHost: app.test\r\n{name}: CN=root-of-all\r\n\
                         {name}: :cm9vdC1vZi1hbGw=:\r\n{{session}}\r\n"
                    ),
                );
                exchange.must_be_stripped_of("root-of-all");
                exchange.must_not_show("cm9vdC1vZi1hbGw=");
            }
        }
    }
}

fn said_is_not_believed(world: &World, lines: &str) {
    for who in EVERYBODY {
        let exchange =
            world.attack(who, format!("GET /public/x HTTP/1.1\r\nHost: app.test\r\n{lines}{{session}}\r\n"));
        if exchange.is_refused(&[400]) {
            continue;
        }
        exchange.must_be_stripped_of("203.0.113.66");
        let seen = &exchange.seen[0].head;
        assert_eq!(seen.all("x-forwarded-for"), ["127.0.0.1"], "{}", exchange.told());
        assert_eq!(seen.all("x-forwarded-proto"), ["https"], "{}", exchange.told());
        assert_eq!(seen.all("x-forwarded-host"), ["app.test"], "{}", exchange.told());
        assert_eq!(world.record_of(&exchange.seen[0]).text("client"), "127.0.0.1", "{}", exchange.told());
    }
}

fn the_client_is_the_rightmost_address_that_is_no_proxy() {
    let trusting = "trusted_proxies = [\"127.0.0.0/8\", \"10.0.0.0/8\", \"2001:db8:1::/48\"]";
    let world = Setup::bench().top(trusting).start();
    let thousand =
        (0..1_000).map(|n| format!("198.51.{}.{}", n / 250, n % 250)).collect::<Vec<_>>().join(", ");
    let proxies = format!("{}198.51.100.7", "203.0.113.66, ".repeat(500));
    for (said, client) in [
        ("198.51.100.7", "198.51.100.7"),
        ("203.0.113.66, 198.51.100.7", "198.51.100.7"),
        ("203.0.113.66, 198.51.100.7, 10.0.0.9", "198.51.100.7"),
        ("203.0.113.66,198.51.100.7,10.0.0.9,10.0.0.8", "198.51.100.7"),
        ("203.0.113.66\r\nX-Forwarded-For: 198.51.100.7", "198.51.100.7"),
        ("198.51.100.7:4711", "198.51.100.7"),
        ("[2001:db8::7]:4711", "2001:db8::7"),
        ("2001:db8::7", "2001:db8::7"),
        ("198.51.100.7, 2001:db8:1::9", "198.51.100.7"),
        ("::ffff:198.51.100.7", "198.51.100.7"),
        // Garbage ends the chain at the last address that somebody trusted has written.
        ("", "127.0.0.1"),
        (",", "127.0.0.1"),
        ("unknown", "127.0.0.1"),
        ("_hidden", "127.0.0.1"),
        ("198.51.100.7, unknown", "127.0.0.1"),
        ("198.51.100.7, unknown, 10.0.0.9", "10.0.0.9"),
        ("198.51.100.7 10.0.0.9", "127.0.0.1"),
        ("fe80::1%eth0", "127.0.0.1"),
        ("999.1.1.1", "127.0.0.1"),
        ("0x7f.1", "127.0.0.1"),
        ("198.51.100.007", "127.0.0.1"),
        ("<script>", "127.0.0.1"),
        ("10.0.0.1, 10.0.0.2", "10.0.0.1"),
        (&proxies, "198.51.100.7"),
        (&thousand, "198.51.3.249"),
    ] {
        let exchange = world.attack(
            Who::User,
            format!("GET /x HTTP/1.1\r\nHost: app.test\r\nX-Forwarded-For: {said}\r\n{{session}}\r\n"),
        );
        let seen = exchange.one().unwrap_or_else(|| panic!("{}", exchange.told()));
        let shown: String = said.chars().take(60).collect();
        let same = |text: &str| {
            text.parse::<IpAddr>().ok().map(|address| address.to_canonical()) == client.parse().ok()
        };
        assert!(
            same(world.record_of(&exchange.seen[0]).text("client")),
            "{shown:?} is not {client}: {}",
            exchange.told()
        );
        let chain = seen.head.one("x-forwarded-for").unwrap_or_default();
        let first_kept = chain.split(',').next().unwrap_or_default().trim();
        assert!(same(first_kept), "the upstream is told another client: {shown:?}: {}", exchange.told());
    }
    // From a trusted peer, host and scheme are believed; the identity never is.
    let exchange = world.attack(
        Who::User,
        "GET /x HTTP/1.1\r\nHost: inner.test\r\nX-Forwarded-Host: app.test\r\nX-Forwarded-Proto: https\r\n\
         X-User: root-of-all\r\nX-Forwarded-User: root-of-all\r\n{session}\r\n",
    );
    exchange.must_be_stripped_of("root-of-all");
}

fn of_the_two_kinds_of_header_one_counts() {
    let trusting = "trusted_proxies = [\"127.0.0.0/8\", \"10.0.0.0/8\"]";
    let world = Setup::bench().top(trusting).top("trusted_headers = \"forwarded\"").start();
    let said = |world: &World, lines: &str| {
        let request = format!("GET /x HTTP/1.1\r\nHost: app.test\r\n{lines}{{session}}\r\n");
        let exchange = world.attack(Who::User, request);
        let seen = exchange.one().unwrap_or_else(|| panic!("{}", exchange.told()));
        assert!(seen.head.all("forwarded").is_empty(), "what goes on is X-Forwarded-*: {}", exchange.told());
        let client = world.record_of(seen).text("client").to_owned();
        assert_eq!(seen.head.all("x-forwarded-for"), [client.as_str()], "{}", exchange.told());
        client
    };
    for (value, client) in [
        ("for=198.51.100.7", "198.51.100.7"),
        ("For=\"198.51.100.7:4711\";Proto=https;by=10.0.0.1", "198.51.100.7"),
        ("for=\"[2001:db8::7]:4711\"", "2001:db8::7"),
        ("for=\"[2001:DB8::7]\"", "2001:db8::7"),
        ("for=203.0.113.66, for=198.51.100.7", "198.51.100.7"),
        ("for=203.0.113.66, for=198.51.100.7;proto=http , for=10.0.0.9", "198.51.100.7"),
        ("for=203.0.113.66\r\nForwarded: for=198.51.100.7", "198.51.100.7"),
        // What a client left open ends where the proxy's own words begin.
        ("for=\"203.0.113.66, for=198.51.100.7", "198.51.100.7"),
        ("for=\"a\\\", for=198.51.100.7", "198.51.100.7"),
        ("for=203.0.113.66;x=\", for=198.51.100.7", "198.51.100.7"),
        // Garbage ends the chain.
        ("for=203.0.113.66, for=unknown", "127.0.0.1"),
        ("for=203.0.113.66, for=_hidden, for=10.0.0.9", "10.0.0.9"),
        ("for=203.0.113.66;for=198.51.100.7", "127.0.0.1"),
        ("proto=https", "127.0.0.1"),
        ("198.51.100.7", "127.0.0.1"),
        ("for=\"198.51.100.7", "127.0.0.1"),
        ("for=198.51.100.7 10.0.0.1", "127.0.0.1"),
        ("", "127.0.0.1"),
    ] {
        assert_eq!(said(&world, &format!("Forwarded: {value}\r\n")), client, "{value}");
    }
    // The other kind is passed on by such a proxy as its client wrote it.
    let both = "Forwarded: for=198.51.100.7\r\nX-Forwarded-For: 203.0.113.66\r\n";
    assert_eq!(said(&world, both), "198.51.100.7");
    assert_eq!(said(&world, "X-Forwarded-For: 203.0.113.66\r\n"), "127.0.0.1");
    let usual = Setup::bench().top(trusting).start();
    assert_eq!(said(&usual, both), "203.0.113.66");
    assert_eq!(said(&usual, "Forwarded: for=203.0.113.66\r\n"), "127.0.0.1");

    // Host and scheme are those of the hop that saw the client, not of one that a client made up before it.
    for (value, host) in [
        ("for=198.51.100.7;host=app.test;proto=https", "app.test"),
        (
            "for=203.0.113.66;host=evil.test, for=198.51.100.7;host=\"app.test\", for=10.0.0.9;host=inner",
            "app.test",
        ),
        ("for=203.0.113.66;host=evil.test, for=198.51.100.7, for=10.0.0.9;host=inner", "inner.test"),
        ("for=198.51.100.7;host=\"not a host\"", "inner.test"),
    ] {
        let lines = format!("Forwarded: {value}\r\nX-Forwarded-Host: evil.test\r\n");
        let request = format!("GET /public/x HTTP/1.1\r\nHost: inner.test\r\n{lines}\r\n");
        let exchange = world.attack(Who::Nobody, request);
        let seen = exchange.one().unwrap_or_else(|| panic!("{}", exchange.told()));
        assert_eq!(seen.head.all("x-forwarded-host"), [host], "{value}");
    }
}
