//! The cleartext listener beside TLS.

use std::net::SocketAddr;

use super::setup;
use crate::support::browser::Kind;
use crate::support::wire::{Answer, Ended, Wire};
use crate::support::world::{Setup, World};

/// Where it listens.
pub fn address(world: &World) -> SocketAddr {
    let said = world.gate.stderr().wait(|line| {
        let event: serde_json::Value = serde_json::from_str(line).ok()?;
        let field = |name: &str| event.get(name).or_else(|| event.get("fields")?.get(name))?.as_str();
        (field("message")? == "sending cleartext to TLS").then(|| field("listen")?.parse().ok())?
    });
    said.expect("the cleartext listener's address in the log")
}

fn world() -> World {
    let mut setup = setup("redirect_listen = \"127.0.0.1:0\"");
    setup.public_url = "[\"https://app.test\", \"https://api.test:8443\", \"https://[::1]\"]".into();
    setup.start()
}

#[test]
fn a_get_in_cleartext_is_sent_to_the_same_target_at_a_public_origin() {
    let world = world();
    let address = address(&world);
    for (host, target, location) in [
        ("app.test", "/", "https://app.test/"),
        ("APP.test", "/x/y?z=%2F&a=b", "https://app.test/x/y?z=%2F&a=b"),
        ("app.test:80", "/x", "https://app.test/x"),
        ("app.test:8080", "/x", "https://app.test/x"),
        ("app.test.", "/x", "https://app.test/x"),
        ("api.test", "/x", "https://api.test:8443/x"),
        ("api.test:80", "/x", "https://api.test:8443/x"),
        ("[::1]:80", "/x", "https://[::1]/x"),
        // A host that is no public origin: never where the client says.
        ("evil.test", "/x", "https://app.test/x"),
        ("app.test.evil.test", "/x", "https://app.test/x"),
        ("127.0.0.1", "/x", "https://app.test/x"),
        ("app.test", "//evil.test/x", "https://app.test/evil.test/x"),
        ("app.test", "/.//evil.test/%2e%2e/x", "https://app.test/x"),
        ("app.test", "/%61?x=//evil.test", "https://app.test/a?x=//evil.test"),
        ("app.test", "http://app.test/x", "https://app.test/x"),
        ("app.test", "http://app.test", "https://app.test/"),
        // The gate's own pages are no others here.
        ("app.test", "/oauth2/callback?code=a&state=b", "https://app.test/oauth2/callback?code=a&state=b"),
        ("app.test", "/oauth2/start?rd=/x", "https://app.test/oauth2/start?rd=/x"),
    ] {
        for method in ["GET", "HEAD"] {
            for lines in ["", navigation(), "X-Forwarded-Host: evil.test\r\nForwarded: host=evil.test\r\n"] {
                let mut wire = Wire::connect(address);
                wire.write(format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n{lines}\r\n").as_bytes());
                let answer = wire.answer(method == "HEAD").unwrap();
                assert_eq!((answer.status, answer.location()), (308, location), "{method} {host} {target}");
                is_own(&answer);
                assert_eq!(wire.rest(), (vec![], Ended::Closed));
            }
        }
    }
    assert_eq!(world.upstream.count(), 0);
}

#[test]
fn everything_else_in_cleartext_is_refused_and_goes_nowhere() {
    let limits = "target = 1024\nheader_bytes = 4096\nheader_timeout = \"1s\"";
    let world = setup("redirect_listen = \"127.0.0.1:0\"").limits(limits).start();
    let address = address(&world);
    let host = "Host: app.test\r\n";
    let long = format!("/{}", "x".repeat(2_000));
    let large = format!("{host}X-Large: {}\r\n", "x".repeat(5_000));
    let session = world_session();
    for (line, lines, status) in [
        ("POST /x", "Host: app.test\r\nContent-Length: 3\r\n", 421),
        ("PUT /public/x", host, 421),
        ("DELETE /x", host, 421),
        ("OPTIONS /x", host, 421),
        ("BREW /x", host, 421),
        ("get /x", host, 421),
        ("TRACE /x", host, 405),
        ("GET /x", "", 400),
        ("GET /x", "Host: app.test\r\nHost: api.test\r\n", 400),
        ("GET /x", "Host: app.test/evil\r\n", 400),
        ("GET /x", "Host: user@evil.test\r\n", 400),
        ("GET http://evil.test/x", host, 400),
        ("GET /x#y", host, 400),
        ("GET /\\evil.test", host, 400),
        ("GET /%2f/evil.test", host, 400),
        ("GET /..%2f", host, 400),
        ("GET /%0d%0aLocation:x", host, 400),
        (&format!("GET {long}"), host, 414),
        ("GET /x", &large, 431),
        (&format!("GET {long}"), &session, 414),
    ] {
        for kind in ["", navigation()] {
            let mut wire = Wire::connect(address);
            wire.write(format!("{line} HTTP/1.1\r\n{lines}{kind}\r\nabc").as_bytes());
            let answer = wire.answer(false).unwrap();
            assert_eq!(answer.status, status, "{line} {lines}: {answer:?}");
            assert!(answer.head.all("location").is_empty());
            is_own(&answer);
        }
    }
    // What does not come in time, or is no HTTP at all, is closed.
    for bytes in [&b"GET /x HTTP/1.1\r\nHost: app"[..], b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"] {
        let mut wire = Wire::connect(address);
        wire.write(bytes);
        assert!(!matches!(wire.rest().1, Ended::Silent), "{bytes:?}");
    }
    assert_eq!(world.upstream.count(), 0);
}

/// A cookie of the gate's, as a browser would never send it here.
fn world_session() -> String {
    "Host: app.test\r\nCookie: __Host-rolegate=AAAA; __Host-rolegate-refresh=AAAA\r\n".to_owned()
}

#[test]
fn a_browser_that_begins_in_cleartext_ends_signed_in_behind_tls() {
    let (mut world, cleartext) = {
        let world = setup("redirect_listen = \"127.0.0.1:0\"").start();
        let address = address(&world);
        (world, address)
    };
    let mut plain = Wire::connect(cleartext);
    plain.write(format!("GET /admin/x HTTP/1.1\r\nHost: app.test\r\n{}\r\n", navigation()).as_bytes());
    let to = plain.answer(false).unwrap().location().to_owned();
    world.gate.public = super::Offer::to("app.test").tunnel(world.gate.public);
    let mut browser = world.browser();
    browser.signs_in_as = Some("admin".into());
    let page = browser.navigate(&to);
    assert_eq!((page.url.as_str(), page.answer.status), ("https://app.test/admin/x", 200), "{page:#?}");
}

#[test]
fn what_comes_in_cleartext_has_its_record() {
    let world = world();
    let mark = world.mark();
    for method in ["GET", "POST"] {
        let mut wire = Wire::connect(address(&world));
        wire.write(format!("{method} /x?code=secret HTTP/1.1\r\nHost: app.test\r\n\r\n").as_bytes());
        wire.answer(false).unwrap();
    }
    let records = crate::support::until("both records", || {
        Some(world.access_since(mark)).filter(|records| records.len() == 2)
    });
    let told: Vec<_> = records.iter().map(|record| (record.decision(), record.text("reason"))).collect();
    assert_eq!(told, [("redirect", "cleartext"), ("refuse", "cleartext")]);
}

#[test]
fn an_address_that_is_taken_is_named_by_its_key() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let keys = format!("redirect_listen = \"{}\"", taken.local_addr().unwrap());
    let (pool, upstream) =
        (crate::support::pool::FakePool::start(), crate::support::upstream::Recorder::start());
    let refused = Setup::try_start_with(&setup(&keys), &pool, &upstream).err().unwrap();
    assert!(refused.stderr.contains("(tls.redirect_listen)"), "{refused:?}");
}

/// An answer of the gate's own that nobody keeps and that touches no cookie.
fn is_own(answer: &Answer) {
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{answer:?}");
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{answer:?}");
    assert!(answer.head.all("set-cookie").is_empty() && answer.closes(), "{answer:?}");
}

/// What a browser going somewhere says.
fn navigation() -> &'static str {
    Kind::Navigate.lines()
}
