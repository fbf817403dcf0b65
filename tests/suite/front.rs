//! TLS on the front: what is spoken, to whom, for how long, and that the gate behind it is the same.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustls::ProtocolVersion;
use rustls::version::{TLS12, TLS13};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use crate::support::tls::{FRONT_CA, Offer, rest};
use crate::support::until;
use crate::support::upstream;
use crate::support::wire::{Ended, Wire};
use crate::support::world::{Delivery, Setup, Who, World};

pub mod cleartext;
pub mod clients;

const APP: &str = include_str!("../fixtures/tls/app.pem");
const API: &str = include_str!("../fixtures/tls/api.pem");

/// The corpus' bench at app.test and api.test, with a certificate for each; `keys` are further ones of `[tls]`.
pub fn setup(keys: &str) -> Setup {
    let mut setup = Setup::bench().tables(&format!(
        "[tls]\ncert_file = \"{{folder}}/app.pem\"\nkey_file = \"{{folder}}/app.key\"\n{keys}\n\
         [[tls.certificates]]\ncert_file = \"{{folder}}/api.pem\"\nkey_file = \"{{folder}}/api.key\"\n"
    ));
    setup.public_url = "[\"https://app.test\", \"https://api.test\"]".into();
    for (name, content) in [
        ("app.pem", APP),
        ("app.key", include_str!("../fixtures/tls/app.key")),
        ("api.pem", API),
        ("api.key", include_str!("../fixtures/tls/api.key")),
    ] {
        setup.files.push((name.into(), content.as_bytes().to_vec()));
    }
    setup
}

/// The bench behind a tunnel, so that everything that speaks cleartext can be used; and where it really is.
pub fn tunnelled(setup: Setup) -> (World, SocketAddr) {
    let mut world = setup.start();
    let address = world.gate.public;
    world.gate.public = Offer::to("app.test").tunnel(address);
    (world, address)
}

fn get(host: &str, target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_default()
}

#[test]
fn tls_1_2_and_1_3_are_spoken_and_nothing_below_the_minimum() {
    for (keys, spoken) in [("", true), ("min_version = \"1.2\"", true), ("min_version = \"1.3\"", false)] {
        let world = setup(keys).start();
        let offered = Offer::of("app.test", &[&TLS13]).connect(world.gate.public).unwrap();
        assert_eq!(offered.session().protocol_version(), Some(ProtocolVersion::TLSv1_3));
        assert_eq!(status(&offered.ask(&get("app.test", "/public/x")).unwrap()), "200");
        match Offer::of("app.test", &[&TLS12]).connect(world.gate.public) {
            Ok(offered) => {
                assert!(spoken, "{keys}");
                assert_eq!(offered.session().protocol_version(), Some(ProtocolVersion::TLSv1_2));
                assert_eq!(status(&offered.ask(&get("app.test", "/public/x")).unwrap()), "200");
            }
            Err(error) => {
                assert!(!spoken && error.to_string().contains("ProtocolVersion"), "{keys}: {error}");
            }
        }
        let mut old = TcpStream::connect(world.gate.public).unwrap();
        old.write_all(&hello_of_tls_1_1()).unwrap();
        // A fatal alert and the end (RFC 8446 §6.2).
        let answer = rest(&mut old).unwrap();
        assert!(answer.len() == 7 && answer.starts_with(&[0x15, 3, 3, 0, 2, 2]), "{keys}: {answer:?}");
    }
}

/// A client of 2006: version 1.1 alone, without a single extension.
fn hello_of_tls_1_1() -> Vec<u8> {
    let mut hello = vec![3, 2];
    hello.extend([7; 32]);
    hello.extend([0, 0, 2, 0, 0x2f, 1, 0]);
    let length = u8::try_from(hello.len()).unwrap();
    [&[0x16, 3, 1, 0, length + 4, 1, 0, 0, length], hello.as_slice()].concat()
}

#[test]
fn a_login_goes_through_from_end_to_end() {
    let (world, _) = tunnelled(setup(""));
    let mut browser = world.signed_in("admin");
    let kept = browser.jar.all().into_iter().filter(|cookie| cookie.domain == "app.test");
    let kept: Vec<_> = kept.map(|cookie| (cookie.name.starts_with("__Host-"), cookie.secure)).collect();
    assert_eq!(kept, [(true, true); 2]);
    let mark = world.mark();
    assert_eq!(browser.open("/admin/x?y=%2F").status, 200);
    assert_eq!(browser.post("/x", "a=b&c=d").status, 200);
    let seen = world.seen_since(mark);
    assert_eq!(seen[0].target(), "/admin/x?y=%2F");
    assert_eq!(seen[0].head.one("x-user"), Some("admin"));
    assert_eq!(seen[0].head.one("x-forwarded-proto"), Some("https"));
    assert_eq!(seen[1].body, b"a=b&c=d");
    assert_eq!(world.browser().fetch("/admin/x").status, 401);
    assert_eq!(browser.open("/oauth2/signout").status, 302);
    world.oracle(mark, &[world.session(Who::Admin)]);
}

#[test]
fn what_holds_of_bytes_in_cleartext_holds_behind_tls() {
    let (world, _) = tunnelled(setup("").limits("header_timeout = \"3s\"\nidle_timeout = \"30s\""));
    for delivery in [Delivery::Whole, Delivery::Bytewise] {
        let send = |head: &str| world.attack_by(delivery, Who::User, head);
        let good = send("GET /x HTTP/1.1\r\nHost: app.test\r\n{session}\r\n");
        assert_eq!((good.status(), good.seen.len()), (200, 1), "{delivery:?}: {good:#?}");
        let cut = send("GET /x#y HTTP/1.1\r\nHost: app.test\r\n{session}\r\n");
        assert!(cut.is_refused(&[400]), "{delivery:?}: {cut:#?}");
        let smuggled = send(
            "POST /x HTTP/1.1\r\nHost: app.test\r\nContent-Length: 3\r\nContent-Length: 4\r\n\
             {session}\r\nabcd",
        );
        assert!(smuggled.is_refused(&[400]), "{delivery:?}: {smuggled:#?}");
    }
    // A head that does not end is given up long before an idle connection would be.
    let mut slow = Wire::connect(world.gate.public);
    slow.write(b"GET /public/x HTTP/1.1\r\nHost: app.test\r\nX-Slow: ");
    assert!(matches!(slow.answer(false), Err(Ended::Closed)));
    let body = "x".repeat(3 * 1024 * 1024);
    let large = format!(
        "POST /x HTTP/1.1\r\nHost: app.test\r\nContent-Length: {}\r\n{{session}}\r\n{body}",
        body.len()
    );
    assert_eq!(world.attack(Who::User, large).one().map(|seen| seen.body.len()), Some(body.len()));
}

#[test]
fn a_websocket_goes_through() {
    let (world, _) = tunnelled(setup(""));
    world
        .upstream
        .behave(upstream::switches_protocols("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
    let mut wire = Wire::connect(world.gate.public);
    wire.write(&world.fill(
        &world.session(Who::User),
        "GET /ws HTTP/1.1\r\nHost: app.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{session}\r\n",
    ));
    assert!(wire.head().unwrap().start.starts_with("HTTP/1.1 101"));
    wire.write(b"\x81\x05hello");
    assert_eq!(wire.take(7).unwrap(), b"\x81\x05hello");
}

#[test]
fn the_name_in_a_handshake_chooses_a_certificate_and_decides_nothing_else() {
    let rules = "[[rules]]\npath = \"/open/**\"\nhost = \"api.test\"\npublic = true\n\
                 [[rules]]\npath = \"/open/**\"\nhost = \"app.test\"\nany_role = [\"admin\"]\n";
    let world = setup("").rules(rules).start();
    let address = world.gate.public;
    let der = |pem: &str| CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
    for (offer, shown) in [
        (Offer::to("app.test"), APP),
        (Offer::to("any.apps.test"), APP),
        (Offer::to("localhost"), APP),
        (Offer::to("api.test"), API),
        // No name, and one that is an address: the first certificate.
        (Offer::to("app.test").nameless(), APP),
        (Offer::to("127.0.0.1"), APP),
    ] {
        // Whatever was asked for in the handshake, Host decides.
        for (host, expected) in
            [("api.test", "200"), ("app.test", "401"), ("nowhere.test", "421"), ("127.0.0.1", "421")]
        {
            let tls = offer.connect(address).unwrap();
            assert_eq!(tls.certificate(), der(shown));
            let answer = tls.ask(&get(host, "/open/x")).unwrap();
            assert_eq!(status(&answer), expected, "{host}: {answer}");
        }
    }
    // A name that no certificate covers is shown the first, which such a client refuses.
    let error = Offer::to("nowhere.test").connect(address).err().unwrap();
    assert!(error.to_string().contains("certificate"), "{error}");
    assert_eq!(world.upstream.count(), 6);
}

#[test]
fn every_host_behind_tls_is_told_to_the_upstream_as_https() {
    let (world, _) = tunnelled(setup(""));
    for host in ["app.test", "api.test", "other.test", "127.0.0.1"] {
        let head = format!("GET /public/x HTTP/1.1\r\nHost: {host}\r\nX-Forwarded-Proto: http\r\n\r\n");
        let exchange = world.attack(Who::Nobody, head);
        assert_eq!(exchange.one().unwrap().head.all("x-forwarded-proto"), ["https"], "{host}");
    }
}

#[test]
fn a_client_that_speaks_no_protocol_of_the_gates_is_refused_cleanly() {
    let world = setup("").start();
    let address = world.gate.public;
    for alone in [&["h3"][..], &["http/1.0"], &["h2c"], &["H2", "h3"], &["acme-tls/1"], &["HTTP/1.1"]] {
        let error = Offer::to("app.test").protocols(alone).connect(address).err();
        assert!(error.is_some_and(|error| error.to_string().contains("NoApplicationProtocol")), "{alone:?}");
    }
    for (offered, agreed) in [
        (&[][..], None),
        (&["http/1.1"], Some(&b"http/1.1"[..])),
        (&["h3", "http/1.0", "http/1.1"], Some(b"http/1.1")),
    ] {
        let tls = Offer::to("app.test").protocols(offered).connect(address).unwrap();
        assert_eq!(tls.session().alpn_protocol(), agreed);
        assert_eq!(status(&tls.ask(&get("app.test", "/public/x")).unwrap()), "200");
    }
    // Agreed on HTTP/2, and HTTP/1.1 spoken all the same: its own goodbye, or just the end.
    for offered in [&["h2"][..], &["h2", "http/1.1"]] {
        let tls = Offer::to("app.test").protocols(offered).connect(address).unwrap();
        assert_eq!(tls.session().alpn_protocol(), Some(&b"h2"[..]));
        let answer = tls.ask(&get("app.test", "/public/x")).unwrap_or_default();
        assert!(!answer.contains("HTTP/1.1"), "{answer}");
    }
    // Agreed on HTTP/1.1, and HTTP/2 spoken all the same.
    let tls = Offer::to("app.test").protocols(&["http/1.1"]).connect(address).unwrap();
    let answer = tls.ask("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").unwrap_or_default();
    assert!(matches!(status(&answer), "" | "400" | "505"), "{answer}");
    assert_eq!(world.upstream.count(), 3);
}

#[test]
fn no_handshake_holds_anybody_up() {
    let world = setup("").top("workers = 1").limits("handshake_timeout = \"3s\"").start();
    let address = world.gate.public;
    let served = || {
        let answer = Offer::to("app.test").connect(address).unwrap().ask(&get("app.test", "/public/x"));
        assert_eq!(status(&answer.unwrap()), "200");
    };
    // More than there is room for, of two kinds; whoever means it is served meanwhile.
    let mut half_open: Vec<_> = (0..700).map(|_| TcpStream::connect(address).unwrap()).collect();
    served();
    for stream in half_open.iter_mut().skip(1).step_by(2) {
        // The promise of a record, and a byte of it. Those pushed out already may have gone.
        let _ = stream.write_all(&[0x16, 3, 1, 0x3f, 0xff, 1]);
    }
    served();
    for mut stream in half_open {
        assert!(rest(&mut stream).is_some(), "a handshake that stalls is closed in time");
    }
    // Each byte in its own record is a handshake all the same.
    for size in [1, 5, 100] {
        assert_eq!(fragmented(&Offer::to("app.test"), address, size).unwrap(), "200", "{size}");
    }
    let huge = [&[0x16, 3, 1, 0xff, 0xff][..], &[1; 70_000]].concat();
    let zeros = [&[0x16, 3, 1, 0x40, 0][..], &[0; 20_000]].concat();
    let empty: Vec<u8> = [0x16, 3, 1, 0, 0].repeat(10_000);
    let junk = [&huge[..], &zeros, &empty, &[0x80, 0x2e, 1, 3, 1], &[0; 64], &[0xff; 64], b"\x16", b""];
    let sent: Vec<_> = junk
        .iter()
        .map(|junk| {
            let mut stream = TcpStream::connect(address).unwrap();
            let _ = stream.write_all(junk);
            (stream, &junk[..junk.len().min(8)])
        })
        .collect();
    for (mut stream, junk) in sent {
        assert!(rest(&mut stream).is_some(), "{junk:?}");
    }
    served();
    assert!(world.gate.alive() && world.gate.rss_kib() < 256 * 1024);
}

/// The status of a request whose ClientHello comes in records of this many bytes.
fn fragmented(offer: &Offer, address: SocketAddr, size: usize) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    let mut session = offer.session();
    let mut hello = Vec::new();
    session.write_tls(&mut hello).unwrap();
    let (header, message) = hello.split_at(5);
    for piece in message.chunks(size) {
        let length = u16::try_from(piece.len()).unwrap().to_be_bytes();
        stream.write_all(&[&header[..3], &length, piece].concat())?;
    }
    let mut stream = rustls::StreamOwned::new(session, stream);
    stream.write_all(get("app.test", "/public/x").as_bytes())?;
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut stream, &mut answer)?;
    Ok(status(&answer).to_owned())
}

#[test]
fn a_session_of_tls_goes_on_by_its_ticket_at_any_worker() {
    let world = setup("").top("workers = 2").start();
    for versions in [&TLS12, &TLS13] {
        let offer = Offer::of("app.test", &[versions]);
        let kinds: Vec<_> = (0..4)
            .map(|_| {
                let tls = offer.connect(world.gate.public).unwrap();
                let kind = tls.session().handshake_kind();
                assert_eq!(status(&tls.ask(&get("app.test", "/public/x")).unwrap()), "200");
                kind.unwrap()
            })
            .collect();
        assert_eq!(kinds[0], rustls::HandshakeKind::Full);
        assert_eq!(kinds[1..], [rustls::HandshakeKind::Resumed; 3], "{versions:?}");
    }
}

#[test]
fn cleartext_where_tls_is_spoken_is_told_so() {
    let world = setup("").start();
    for request in [get("app.test", "/public/x"), "POST / HTTP/1.1\r\nHost: app.test\r\n\r\n".into()] {
        let mut wire = Wire::connect(world.gate.public);
        wire.write(request.as_bytes());
        let answer = wire.answer(false).unwrap();
        assert_eq!((answer.status, answer.header("cache-control")), (400, Some("no-store")));
        assert!(answer.text().contains("https://"), "{answer:?}");
        assert_eq!(wire.rest(), (vec![], Ended::Closed));
    }
    assert_eq!(world.upstream.count(), 0);
}

#[test]
fn a_stop_finishes_what_is_asked_and_waits_for_nobody_else() {
    let (world, address) = tunnelled(setup("redirect_listen = \"127.0.0.1:0\""));
    world.upstream.at("/public/slow", upstream::slow_drip("abc", Duration::from_millis(200)));
    let mut asked = Wire::connect(world.gate.public);
    asked.write(get("app.test", "/public/slow").as_bytes());
    until("it is asked", || (world.upstream.count() == 1).then_some(()));
    let mut half_open = TcpStream::connect(address).unwrap();
    let mut idle = Wire::connect(cleartext::address(&world));
    world.gate.signal("TERM");
    assert_eq!(asked.answer(false).unwrap().text(), "abc");
    assert_eq!(rest(&mut half_open), Some(vec![]));
    assert_eq!(idle.rest().1, Ended::Closed);
    let (status, log) = world.gate.wait();
    assert!(status.success() && !log.contains("did not finish in time"), "{log}");
}

/// The distribution's own clients, which share no code with the gate.
#[test]
fn openssl_and_curl_come_in_and_renegotiation_does_not() {
    let world = setup("").start();
    let port = world.gate.public.port();
    let ca = world.gate.folder().join("front-ca.pem");
    std::fs::write(&ca, FRONT_CA).unwrap();
    for version in ["--tlsv1.2", "--tlsv1.3"] {
        let answered = Command::new("curl")
            .args(["--silent", "--show-error", "--include", version, "--cacert"])
            .arg(&ca)
            .args(["--resolve", &format!("app.test:{port}:127.0.0.1")])
            .arg(format!("https://app.test:{port}/public/x"))
            .output()
            .expect("this test needs curl");
        assert!(answered.stdout.starts_with(b"HTTP/2 200"), "{version}: {answered:?}");
    }
    let mut client = Command::new("openssl")
        .args(["s_client", "-tls1_2", "-connect", &format!("127.0.0.1:{port}"), "-servername", "app.test"])
        .args(["-verify_return_error", "-CAfile"])
        .arg(&ca)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("this test needs openssl");
    // `R` on a line of its own asks for a renegotiation.
    client.stdin.take().unwrap().write_all(b"R\n").unwrap();
    let ended = client.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stdout).into_owned() + &String::from_utf8_lossy(&ended.stderr);
    assert!(said.contains("Verify return code: 0 (ok)") && said.contains("RENEGOTIATING"), "{said}");
    assert!(!ended.status.success() || said.contains("no renegotiation"), "{said}");
    assert!(world.gate.alive());
}
