//! Upstreams that refuse, break, are slow, or are reached in other ways than over plain TCP.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::answer_of;
use crate::support::browser::Kind;
use crate::support::upstream;
use crate::support::wire::{Ended, Wire};
use crate::support::world::{Setup, Who};

/// An authority of the tests' own, and a certificate of it for 127.0.0.1.
const TLS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/forward/tests/tls");

#[test]
fn an_upstream_that_refuses_or_breaks_is_a_502_that_names_the_request() {
    // A port that was free a moment ago may be another test's by now; nobody listens at this one.
    let mut refuses = Setup::bench();
    refuses.upstream = "http://127.0.0.1:1".into();
    let nowhere = {
        let mut setup = Setup::bench();
        setup.upstream = "unix:/nowhere/app.sock".into();
        setup
    };
    for (setup, behaviour, reason) in [
        (refuses, None, "upstream_connect"),
        (nowhere, None, "upstream_connect"),
        (Setup::bench(), Some(upstream::closes_after_head()), "upstream_closed"),
        (Setup::bench(), Some(upstream::answers_and_closes("no HTTP at all\r\n\r\n")), "upstream_bad_answer"),
        (
            Setup::bench(),
            Some(upstream::answers_and_closes(
                "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
            )),
            "upstream_bad_answer",
        ),
    ] {
        let page = answer_of(setup.clone(), behaviour.clone(), Kind::Navigate).unwrap();
        assert_eq!(page.status, 502, "{reason}: {page:#?}");
        assert!(page.header("content-type").is_some_and(|kind| kind.starts_with("text/html")));
        assert!(page.text().contains(page.header("x-request-id").unwrap()), "{page:#?}");
        assert_eq!(page.header("cache-control"), Some("no-store"));
        let problem = answer_of(setup, behaviour, Kind::Fetch).unwrap();
        assert_eq!((problem.status, problem.header("content-type")), (502, Some("application/problem+json")));
        assert_eq!(problem.json()["error"], reason, "{problem:#?}");
        assert_eq!(problem.json()["request_id"].as_str(), problem.header("x-request-id"));
    }
}

#[test]
fn a_body_that_nobody_read_is_never_taken_for_the_head_behind_it() {
    let world = Setup::bench().start();
    world.upstream.behave(upstream::early_413());
    let session = world.session(Who::User);
    let mut wire = Wire::connect(world.gate.public);
    let (first, rest) = ("{\"color\": ", "\"#fff\"}\n\n\n\n\n\n");
    let head = format!(
        "POST /x HTTP/1.1\r\nHost: app.test\r\nContent-Length: {}\r\n{{session}}\r\n{first}",
        first.len() + rest.len()
    );
    wire.write(&session.fill(head.as_bytes()));
    let answer = wire.answer(false).unwrap();
    assert_eq!(answer.status, 413, "{answer:#?}");
    world.upstream.behave(upstream::answers_with("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
    // Either the connection is over, or what comes next is read as what it is.
    let next = format!("{rest}GET /y HTTP/1.1\r\nHost: app.test\r\n{{session}}\r\n");
    wire.write(&session.fill(next.as_bytes()));
    if let Ok(answer) = wire.answer(false) {
        assert_eq!(answer.status, 200, "{answer:#?}");
    }
}

#[test]
fn an_upstream_that_is_slow_is_a_504() {
    let slow = Setup::bench().limits("response_timeout = \"300ms\"");
    let page = answer_of(slow.clone(), Some(upstream::stalls_after_head()), Kind::Navigate).unwrap();
    assert_eq!(page.status, 504, "{page:#?}");
    let problem = answer_of(slow, Some(upstream::stalls_after_head()), Kind::Fetch).unwrap();
    assert_eq!((problem.status, problem.json()["error"].as_str()), (504, Some("upstream_timeout")));
}

#[test]
fn an_answer_that_breaks_off_or_stalls_does_not_look_whole() {
    let cut = answer_of(Setup::bench(), Some(upstream::cuts_its_body()), Kind::Fetch);
    assert_eq!(cut.unwrap_err(), Ended::Cut("half".into()));
    let stalls = Setup::bench().limits("body_idle_timeout = \"300ms\"");
    let behaviour = upstream::slow_drip("ab", Duration::from_secs(2));
    let stalled = answer_of(stalls, Some(behaviour), Kind::Fetch);
    assert!(matches!(stalled, Err(Ended::Cut(_) | Ended::Closed)), "{stalled:?}");
}

#[test]
fn an_upstream_behind_a_unix_socket_is_reached() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.sock");
    let listener = UnixListener::bind(&path).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            answer_with_the_head(stream);
        }
    });
    let mut setup = Setup::bench();
    setup.upstream = format!("unix:{}", path.display());
    let answer = answer_of(setup, None, Kind::Fetch).unwrap();
    assert_eq!(answer.status, 200);
    assert!(answer.text().contains("x-user: user\r\n") && answer.text().contains("host: app.test\r\n"));
}

#[test]
fn an_https_upstream_counts_only_with_a_certificate_of_the_named_authority() {
    let address = https();
    let ca = std::fs::read(format!("{TLS}/ca.pem")).unwrap();
    let setup = |host: &str, ca: Option<&[u8]>| {
        let mut setup = Setup::bench();
        setup.upstream = format!("https://{host}:{}", address.port());
        if let Some(ca) = ca {
            setup.files.push(("ca.pem".into(), ca.to_vec()));
            setup = setup.top("upstream_ca_file = \"{folder}/ca.pem\"");
        }
        setup
    };
    let answer = answer_of(setup("127.0.0.1", Some(&ca)), None, Kind::Fetch).unwrap();
    assert_eq!(answer.status, 200, "{answer:#?}");
    assert!(answer.text().contains("x-user: user\r\n"), "{answer:#?}");

    // Another name, an authority that did not sign it, and the system's authorities.
    let other = std::fs::read(format!("{TLS}/upstream.pem")).unwrap();
    for refused in [setup("localhost", Some(&ca)), setup("127.0.0.1", Some(&other)), setup("127.0.0.1", None)]
    {
        let answer = answer_of(refused, None, Kind::Fetch).unwrap();
        assert_eq!(
            (answer.status, answer.json()["error"].as_str()),
            (502, Some("upstream_tls")),
            "{answer:#?}"
        );
    }
}

/// Answers every request with its own head, over TLS.
fn https() -> std::net::SocketAddr {
    let certificate = CertificateDer::from_pem_file(format!("{TLS}/upstream.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(format!("{TLS}/upstream.key")).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let session = rustls::ServerConnection::new(config.clone()).unwrap();
            answer_with_the_head(rustls::StreamOwned::new(session, stream));
        }
    });
    address
}

/// One request's head comes back as the body of its answer.
fn answer_with_the_head(mut stream: impl Read + Write) {
    let (mut head, mut piece) = (Vec::new(), [0; 4096]);
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut piece) {
            Ok(count) if count > 0 => head.extend_from_slice(&piece[..count]),
            _ => return,
        }
    }
    let lines = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", head.len());
    // A client that has gone is not waited for.
    let _ = stream.write_all(&[lines.as_bytes(), &head].concat()).and_then(|()| stream.flush());
}
