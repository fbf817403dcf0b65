//! Clients' certificates: which count, what rules ask of them, and what the upstream is told.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use rustls::HandshakeKind;
use rustls::version::{TLS12, TLS13};

use super::{fragmented, get, setup, status};
use crate::support::pool::FakePool;
use crate::support::tls::Offer;
use crate::support::upstream::{self, Recorder};
use crate::support::wire::Wire;
use crate::support::world::{Setup, Who, World};

pub const KEY: &str = include_str!("../../fixtures/tls/clients/client.key");
pub const GOOD: &str = include_str!("../../fixtures/tls/clients/good.pem");
pub const REVOKED: &str = include_str!("../../fixtures/tls/clients/revoked.pem");
const NAMELESS: &str = include_str!("../../fixtures/tls/clients/nameless.pem");
const DEEP: &str = include_str!("../../fixtures/tls/clients/deep.pem");
const CA: &str = include_str!("../../fixtures/tls/clients/ca.pem");
pub const LIST: &str = include_str!("../../fixtures/tls/clients/revoked.crl");
const LIST_BETWEEN: &str = include_str!("../../fixtures/tls/clients/between.crl");
pub const NOBODY: &str = include_str!("../../fixtures/tls/clients/nobody.crl");
const OLD_LIST: &str = include_str!("../../fixtures/tls/clients/old.crl");
const SUBJECT: &str = "CN=Erika%20M%C3%BCller,O=Example\\,%20Inc.,C=DE";

/// Each of another kind that counts nowhere.
const OTHERS: [(&str, &str); 6] = [
    ("expired", include_str!("../../fixtures/tls/clients/expired.pem")),
    ("not yet", include_str!("../../fixtures/tls/clients/future.pem")),
    ("another authority's", include_str!("../../fixtures/tls/clients/stranger.pem")),
    ("for servers", include_str!("../../fixtures/tls/clients/server.pem")),
    ("a subject that ends early", include_str!("../../fixtures/tls/clients/nul-subject.pem")),
    ("a name that ends early", include_str!("../../fixtures/tls/clients/nul-name.pem")),
];

const RULES: &str = r#"
[[rules]]
path = "/machines/**"
public = true
client_certificate = "required"
[[rules]]
path = "/vault/**"
any_role = ["admin"]
client_certificate = "required"
"#;

/// The front's bench, asking for certificates of [`CA`]'s; `keys` are further ones of `[tls]`.
fn asking(keys: &str) -> Setup {
    let mut setup = setup(&format!("client_ca_file = \"{{folder}}/clients.pem\"\n{keys}")).rules(RULES);
    setup.files.push(("clients.pem".into(), CA.into()));
    setup
}

pub fn with_lists(keys: &str, lists: &[&str]) -> Setup {
    let mut setup = asking(&format!("client_crl_file = \"{{folder}}/revoked.pem\"\n{keys}"));
    setup.files.push(("revoked.pem".into(), lists.concat().into()));
    setup
}

fn showing(certificate: &str) -> Offer {
    Offer::to("app.test").showing(certificate, KEY)
}

/// The answer to a request on a connection of its own, or why there is none: an alert, or the end of the connection
/// where that comes first.
fn asked(offer: &Offer, address: SocketAddr, target: &str) -> Result<String, String> {
    let tls = offer.connect(address).map_err(|error| error.to_string())?;
    tls.ask(&get("app.test", target)).map_err(|error| error.to_string())
}

/// Behind a tunnel that shows this certificate.
fn tunnelled(setup: Setup, offer: &Offer) -> World {
    let mut world = setup.start();
    world.gate.public = offer.tunnel(world.gate.public);
    world
}

pub fn a_certificate_that_does_not_count_is_refused_in_the_handshake() {
    for keys in ["", "client_certificates = \"required\""] {
        let world = with_lists(keys, &[LIST, LIST_BETWEEN]).start();
        for versions in [&TLS12, &TLS13] {
            for (what, certificate) in OTHERS.into_iter().chain([("revoked", REVOKED)]) {
                let offer = Offer::of("app.test", &[versions]).showing(certificate, KEY);
                assert!(asked(&offer, world.gate.public, "/public/x").is_err(), "{what}");
            }
            for certificate in [GOOD, NAMELESS, DEEP] {
                let offer = Offer::of("app.test", &[versions]).showing(certificate, KEY);
                let answer = asked(&offer, world.gate.public, "/public/x").unwrap();
                assert_eq!(status(&answer), "200", "{answer}");
            }
        }
        assert_eq!(world.upstream.count(), 6);
    }
    // An authority that no list is of, and a list that has ended: nothing is known of the certificate.
    for (lists, certificate) in [([LIST], DEEP), ([OLD_LIST], GOOD)] {
        let world = with_lists("", &lists).start();
        assert!(asked(&showing(certificate), world.gate.public, "/public/x").is_err());
        assert_eq!(status(&asked(&Offer::to("app.test"), world.gate.public, "/public/x").unwrap()), "200");
    }
}

pub fn who_shows_none_is_refused_where_one_is_asked_for() {
    let world = asking("").start();
    let address = world.gate.public;
    let nobody = Offer::to("app.test");
    for target in ["/machines/x", "/machines", "/Machines/x", "/MACHINES/x;a=b", "/vault/x", "/VAULT/x"] {
        for navigation in ["", "Sec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n"] {
            let request = format!(
                "GET {target} HTTP/1.1\r\nHost: app.test\r\nX-Client-Subject: CN=admin\r\nClient-Cert: :AAAA:\r\n\
                 {navigation}Connection: close\r\n\r\n"
            );
            let answer = nobody.connect(address).unwrap().ask(&request).unwrap();
            if matches!(target, "/machines/x" | "/machines" | "/vault/x" | "/VAULT/x") {
                assert_eq!(status(&answer), "403", "{target}: {answer}");
                assert!(
                    answer.contains("certificate") && !answer.contains("set-cookie"),
                    "{target}: {answer}"
                );
            } else {
                // Public in one spelling alone: the others are as whatever nobody may.
                assert!(matches!(status(&answer), "302" | "401"), "{target}: {answer}");
            }
        }
    }
    let api = nobody.connect(address).unwrap().ask(&get("app.test", "/machines/x")).unwrap();
    assert!(api.contains("\"error\":\"client_certificate\""), "{api}");
    assert_eq!(world.upstream.count(), 0);
    // Whose name was asked for in the handshake decides nothing.
    let other = Offer::to("api.test").connect(address).unwrap();
    assert_eq!(status(&other.ask(&get("app.test", "/machines/x")).unwrap()), "403");

    let world = asking("client_certificates = \"required\"").start();
    for versions in [&TLS12, &TLS13] {
        let offer = Offer::of("app.test", &[versions]);
        assert!(asked(&offer, world.gate.public, "/public/x").is_err());
        let known = Offer::of("app.test", &[versions]).showing(GOOD, KEY);
        assert_eq!(status(&asked(&known, world.gate.public, "/public/x").unwrap()), "200");
        // However its ClientHello comes.
        for size in [1, 100] {
            assert!(fragmented(&offer, world.gate.public, size).is_err());
            assert_eq!(fragmented(&known, world.gate.public, size).unwrap(), "200");
        }
    }
    assert_eq!(world.upstream.count(), 6);
}

pub fn files_that_name_no_authority_or_no_list_keep_the_gate_from_starting() {
    let start = |setup: Setup| {
        let refused = setup.try_start_with(&FakePool::start(), &Recorder::start()).err().unwrap();
        assert_eq!(refused.code, Some(78), "{refused:?}");
        refused.stderr
    };
    let authorities = |content: Option<&str>| {
        let mut setup = asking("");
        setup.files.retain(|(name, _)| name != "clients.pem");
        setup.files.extend(content.map(|content| ("clients.pem".into(), content.into())));
        start(setup)
    };
    for (content, complaint) in [
        (None, "cannot read"),
        (Some(""), "holds no certificate"),
        (Some("\n\n"), "holds no certificate"),
        (Some(KEY), "holds no certificate"),
        (Some(LIST), "holds no certificate"),
        (Some("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), "that cannot be read"),
        (Some(&CA[..200]), "client_ca_file"),
        // Whoever has its key could make themselves a client.
        (Some(GOOD), "no authority's"),
    ] {
        let said = authorities(content);
        assert!(said.contains("tls.client_ca_file") && said.contains(complaint), "{content:?}: {said}");
    }
    for (lists, complaint) in [
        (&[""][..], "holds no list"),
        (&[CA], "holds no list"),
        (&["-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n"], "that cannot be read"),
    ] {
        let said = start(with_lists("", lists));
        assert!(said.contains("tls.client_crl_file") && said.contains(complaint), "{lists:?}: {said}");
    }
    // Without authorities nobody could have a certificate.
    let said = start(setup("client_certificates = \"required\""));
    assert!(said.contains("tls.client_certificates"), "{said}");
    let said = start(setup("").rules(RULES));
    assert!(said.contains("rules[2].client_certificate") || said.contains("client_certificate:"), "{said}");
}

#[test]
fn the_upstream_is_told_the_subject_and_the_certificate_if_it_is_to_be() {
    let world = tunnelled(asking("client_cert_header = true"), &showing(GOOD));
    let whole = format!(":{}:", GOOD.lines().filter(|line| !line.starts_with("---")).collect::<String>());
    for (who, target) in [
        (Who::Nobody, "/public/x"),
        (Who::User, "/public/x"),
        (Who::Nobody, "/machines/x"),
        (Who::Admin, "/machines/x"),
        (Who::User, "/x"),
        (Who::Admin, "/vault/x"),
    ] {
        let head = format!(
            "GET {target} HTTP/1.1\r\nHost: app.test\r\nX-Client-Subject: CN=root-of-all\r\nclient_cert: :AAAA:\r\n\
             {{session}}\r\n"
        );
        let exchange = world.attack(who, head);
        exchange.must_be_stripped_of("root-of-all");
        let seen = &exchange.seen[0].head;
        assert_eq!(seen.all("x-client-subject"), [SUBJECT], "{}", exchange.told());
        assert_eq!(seen.all("client-cert"), [whole.as_str()], "{}", exchange.told());
        assert_eq!(seen.one("x-user").is_some(), who != Who::Nobody, "{}", exchange.told());
    }
    // The certificate opens nothing that asks for a role, and no role opens what asks for a certificate.
    world.attack(Who::Nobody, get("app.test", "/vault/x")).must_be_refused(&[401]);
    world
        .attack(Who::User, "GET /vault/x HTTP/1.1\r\nHost: app.test\r\n{session}\r\n")
        .must_be_refused(&[403]);
    // An answer to such a client alone is kept in no shared cache.
    world
        .upstream
        .behave(crate::support::upstream::answers_headers("Cache-Control: public, max-age=60\r\n", "x"));
    for (target, kept) in [("/machines/x", false), ("/public/x", true)] {
        let answer = &world.attack(Who::Nobody, get("app.test", target)).answers[0];
        assert_eq!(answer.header("cache-control").unwrap().contains("public"), kept, "{target}: {answer:?}");
    }
}

#[test]
fn a_subject_has_the_name_that_was_chosen_and_is_no_word_of_a_client() {
    let world = asking("client_subject_header = \"X-Cert-Subject\"").start();
    let forged = "X-Cert-Subject: CN=root\r\nX_Cert_Subject: CN=root\r\nX-Client-Subject: CN=root\r\n";
    let request = format!("GET /public/x HTTP/1.1\r\nHost: app.test\r\n{forged}Connection: close\r\n\r\n");
    for (offer, subject) in [
        (showing(GOOD), Some(SUBJECT)),
        (Offer::to("app.test"), None),
        // Nothing is made up for a certificate without a subject.
        (showing(NAMELESS), None),
    ] {
        let mark = world.mark();
        let answer = offer.connect(world.gate.public).unwrap().ask(&request).unwrap();
        assert_eq!(status(&answer), "200", "{answer}");
        let seen = &world.seen_since(mark)[0].head;
        assert_eq!(seen.one("x-cert-subject"), subject);
        for name in ["x_cert_subject", "x-client-subject", "client-cert"] {
            assert!(seen.all(name).is_empty(), "{name}");
        }
    }
    for (name, complaint) in [("X-User", "is set by the gate"), ("X_Subject", "other marks than -")] {
        let setup = asking(&format!("client_subject_header = {name:?}"));
        let refused = setup.try_start_with(&FakePool::start(), &Recorder::start()).err().unwrap();
        assert!(refused.stderr.contains(complaint), "{refused:?}");
    }
    let twice = asking("client_subject_header = \"X-Who\"")
        .tables("[identity]\nuser_headers = [\"X-Who\"]\n")
        .try_start_with(&FakePool::start(), &Recorder::start());
    assert!(twice.err().unwrap().stderr.contains("tls.client_subject_header"));
}

#[test]
fn a_session_that_goes_on_by_its_ticket_is_still_that_clients() {
    let world = asking("").top("workers = 2").start();
    for versions in [&TLS12, &TLS13] {
        let offer = Offer::of("app.test", &[versions]).showing(GOOD, KEY);
        for expected in [HandshakeKind::Full, HandshakeKind::Resumed, HandshakeKind::Resumed] {
            let mark = world.mark();
            let tls = offer.connect(world.gate.public).unwrap();
            let kind = tls.session().handshake_kind();
            let answer = tls.ask(&get("app.test", "/machines/x")).unwrap();
            assert_eq!((status(&answer), kind), ("200", Some(expected)), "{answer}");
            assert_eq!(world.seen_since(mark)[0].head.one("x-client-subject"), Some(SUBJECT));
        }
        // A ticket of somebody without a certificate makes nobody a client.
        let nobody = Offer::of("app.test", &[versions]);
        for expected in [HandshakeKind::Full, HandshakeKind::Resumed] {
            let tls = nobody.connect(world.gate.public).unwrap();
            let kind = tls.session().handshake_kind();
            let answer = tls.ask(&get("app.test", "/machines/x")).unwrap();
            assert_eq!((status(&answer), kind), ("403", Some(expected)), "{answer}");
        }
    }
}

/// Clients that share no code with the gate.
#[test]
fn openssl_and_curl_show_certificates_and_go_on_by_tickets() {
    let world = asking("").start();
    let folder = world.gate.folder();
    let port = world.gate.public.port();
    for (name, content) in [("front.pem", super::FRONT_CA), ("good.pem", GOOD), ("client.key", KEY)] {
        std::fs::write(folder.join(name), content).unwrap();
    }
    let curl = |certificate: bool| {
        let mut curl = Command::new("curl");
        curl.current_dir(folder)
            .args(["--silent", "--show-error", "--include", "--cacert", "front.pem"])
            .args(["--resolve", &format!("app.test:{port}:127.0.0.1")]);
        if certificate {
            curl.args(["--cert", "good.pem", "--key", "client.key"]);
        }
        let url = format!("https://app.test:{port}/machines/x");
        let answered = curl.arg(url).output().expect("this test needs curl");
        String::from_utf8_lossy(&answered.stdout).into_owned()
    };
    assert_eq!(status(&curl(true)), "200");
    assert_eq!(status(&curl(false)), "403");
    for version in ["-tls1_2", "-tls1_3"] {
        let client = |session: &str| {
            let mut openssl = Command::new("openssl")
                .current_dir(folder)
                .args(["s_client", version, "-connect", &format!("127.0.0.1:{port}"), "-servername"])
                .args(["app.test", "-CAfile", "front.pem", "-cert", "good.pem", "-key", "client.key"])
                .args(["-ign_eof", session, "kept.session"])
                .stdin(std::process::Stdio::piped())
                .stdout(std::process::Stdio::piped())
                .stderr(std::process::Stdio::piped())
                .spawn()
                .expect("this test needs openssl");
            let request = get("app.test", "/machines/x");
            std::io::Write::write_all(&mut openssl.stdin.take().unwrap(), request.as_bytes()).unwrap();
            let ended = openssl.wait_with_output().unwrap();
            String::from_utf8_lossy(&ended.stdout).into_owned()
        };
        let first = client("-sess_out");
        assert!(first.contains("New, TLSv1") && first.contains("HTTP/1.1 200"), "{version}: {first}");
        let second = client("-sess_in");
        assert!(second.contains("Reused, TLSv1") && second.contains("HTTP/1.1 200"), "{version}: {second}");
    }
}

#[test]
fn explain_and_check_know_what_certificates_are_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, content: &str| std::fs::write(folder.path().join(name), content).unwrap();
    let (pool, upstream) = (FakePool::start(), Recorder::start());
    let toml =
        |setup: &Setup| setup.toml(&pool, &upstream).replace("{folder}", folder.path().to_str().unwrap());
    for (name, content) in &asking("").files {
        std::fs::write(folder.path().join(name), content).unwrap();
    }
    write("client-secret", "secret-of-the-client\n");
    write("session-keys", &format!("{}\n", asking("").keys));
    let rolegate = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_rolegate"))
            .current_dir(folder.path())
            .args(arguments)
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&said).into_owned())
    };
    let explain = |further: &[&str], url: &str| {
        rolegate(&[&["explain", "--config", "c.toml"], further, &["GET", url]].concat())
    };
    write("c.toml", &toml(&asking("")));
    let shown = ["--client-certificate"];
    let (code, said) = explain(&[], "/machines/x");
    assert!(code == Some(11) && said.contains("show a certificate"), "{code:?} {said}");
    assert_eq!(explain(&shown, "/machines/x").0, Some(0));
    assert_eq!(explain(&[], "/vault/x").0, Some(11));
    assert_eq!(explain(&["--role", "admin"], "/vault/x").0, Some(11));
    assert_eq!(explain(&shown, "/vault/x").0, Some(10));
    assert_eq!(explain(&["--client-certificate", "--role", "admin"], "/vault/x").0, Some(0));
    assert_eq!(explain(&[], "/public/x").0, Some(0));

    write("c.toml", &toml(&asking("client_certificates = \"required\"")));
    let (code, said) = explain(&[], "/public/x");
    assert!(code == Some(12) && said.contains("client_certificates"), "{code:?} {said}");
    assert_eq!(explain(&shown, "/public/x").0, Some(0));

    // A list that is too old, and one that is not of every authority, are told before anybody is refused.
    for (lists, complaint) in
        [(OLD_LIST, "has expired"), (LIST_BETWEEN, "has no list of CN=Clients of the tests,O=Nobody")]
    {
        write("revoked.pem", lists);
        write("c.toml", &toml(&with_lists("", &[lists])));
        let (code, said) = rolegate(&["check", "--config", "c.toml"]);
        assert!(code == Some(0) && said.contains(complaint), "{code:?} {said}");
        assert_eq!(rolegate(&["check", "--strict", "--config", "c.toml"]).0, Some(78));
    }
    write("c.toml", &toml(&setup("").rules(RULES)));
    let (code, said) = rolegate(&["check", "--config", "c.toml"]);
    assert!(code == Some(78) && said.contains("nobody could pass"), "{code:?} {said}");
}

/// By its ticket, on its open connection, or anew: with the next list a client is out, and nobody else notices.
#[test]
fn who_is_revoked_while_the_gate_runs_does_not_come_back() {
    let world = with_lists("", &[NOBODY]).start();
    let address = world.gate.public;
    let (rolf, erika) = (showing(REVOKED), showing(GOOD));
    let request = "GET /machines/x HTTP/1.1\r\nHost: app.test\r\n\r\n".as_bytes();
    let open = |offer: &Offer| {
        let mut wire = Wire::connect(offer.tunnel(address));
        wire.write(request);
        assert_eq!(wire.answer(false).unwrap().status, 200);
        wire
    };
    let (mut of_rolf, mut of_erika) = (open(&rolf), open(&erika));
    assert_eq!(status(&asked(&rolf, address, "/machines/x").unwrap()), "200");
    // Nobody has to sign in for it: it is open by the certificate alone.
    let events = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n\n\n\r\n";
    world.upstream.at("/machines/events", upstream::answers_with(events));
    let mut stream = Wire::connect(rolf.tunnel(address)).patient_for(Duration::from_secs(60));
    stream.write(b"GET /machines/events HTTP/1.1\r\nHost: app.test\r\n\r\n");
    assert!(stream.head().unwrap().start.starts_with("HTTP/1.1 200"));

    let from = world.gate.stderr().count();
    std::fs::write(world.gate.folder().join("revoked.pem"), LIST).unwrap();
    world.gate.signal("HUP");
    let taken = |line: &str| line.contains("configuration taken").then_some(());
    world.gate.stderr().wait_since(from, taken).expect("the list is taken");

    assert!(stream.chunks(|_| ()).is_ok(), "what he has open ends");
    let mark = world.mark();
    for (wire, expected) in [(&mut of_rolf, 403), (&mut of_erika, 200)] {
        wire.write(request);
        assert_eq!(wire.answer(false).unwrap().status, expected);
    }
    assert!(asked(&rolf, address, "/machines/x").is_err());
    assert!(asked(&rolf, address, "/public/x").is_err());
    assert_eq!(status(&asked(&erika, address, "/machines/x").unwrap()), "200");
    assert_eq!(world.seen_since(mark).len(), 2);
}
