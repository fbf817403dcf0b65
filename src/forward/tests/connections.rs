//! Facts about connections: which are used again, and which never.

use std::io::{Read, Write};
use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use super::super::*;
use super::stage::*;
use crate::config::settings::Upstream;

#[test]
fn the_upstream_sees_the_rebuilt_head_and_connections_are_reused() {
    let (sender, seen) = mpsc::channel();
    let sender = std::sync::Mutex::new(sender);
    let (gate, connections) = before(move |mut upstream, _| {
        while let Some(head) = upstream.head() {
            sender.lock().unwrap().send(head).unwrap();
            upstream.say(OK);
        }
    });
    for _ in 0..3 {
        let answer = ask(
            gate,
            "GET /a?b=%2F HTTP/1.1\r\nHost: a\r\nX-User: root\r\nX_User: root\r\nConnection: close, X-User\r\n\r\n",
        );
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nok"), "{answer}");
        assert!(answer.contains("x-request-id: gate-1\r\n"));
        let head = seen.recv().unwrap();
        assert!(head.starts_with("GET /a?b=%2F HTTP/1.1\r\nhost: app.example.com\r\n"), "{head}");
        assert!(head.contains("x-user: viewer\r\n") && !head.contains("root"), "{head}");
    }
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

fn closes_on_the_second(mut upstream: Conversation, number: usize) {
    let mut served = 0;
    while upstream.head().is_some() {
        if number == 0 && served == 1 {
            return;
        }
        served += 1;
        upstream.say(OK);
    }
}

#[test]
fn a_stale_connection_is_tried_once_more_on_a_fresh_one() {
    let (gate, connections) = before(closes_on_the_second);
    assert!(get(gate, "/").ends_with("ok"));
    assert!(get(gate, "/").ends_with("ok"));
    assert_eq!(connections.load(Ordering::SeqCst), 2);
}

#[test]
fn a_post_that_may_have_been_acted_on_is_not_sent_twice() {
    let (gate, connections) = before(closes_on_the_second);
    assert!(get(gate, "/").ends_with("ok"));
    assert!(post(gate, "x").ends_with("upstream_closed"));
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[test]
fn only_what_may_be_done_twice_and_has_no_body_is_tried_once_more() {
    for (request, again) in [
        ("OPTIONS / HTTP/1.1\r\n", true),
        ("DELETE / HTTP/1.1\r\n", true),
        ("PUT / HTTP/1.1\r\nContent-Length: 0\r\n", true),
        ("PUT / HTTP/1.1\r\nContent-Length: 1\r\n", false),
        ("POST / HTTP/1.1\r\nContent-Length: 0\r\n", false),
        ("PATCH / HTTP/1.1\r\n", false),
        ("LOCK / HTTP/1.1\r\n", false),
    ] {
        let (gate, connections) = before(closes_on_the_second);
        assert!(get(gate, "/").ends_with("ok"));
        let body = if request.contains(": 1") { "x" } else { "" };
        let answer = ask(gate, &format!("{request}Host: a\r\nConnection: close\r\n\r\n{body}"));
        assert_eq!(answer.ends_with("\r\n\r\nok"), again, "{request}: {answer}");
        assert_eq!(answer.ends_with("upstream_closed"), !again, "{request}: {answer}");
        assert_eq!(connections.load(Ordering::SeqCst), 1 + usize::from(again), "{request}");
    }
}

#[test]
fn an_answer_that_has_begun_is_not_asked_for_again() {
    let (gate, connections) = before(|mut breaks_off_on_the_second, _| {
        for answer in [OK, "HTTP/1.1 200 OK\r\nContent-"] {
            breaks_off_on_the_second.head();
            breaks_off_on_the_second.say(answer);
        }
    });
    assert!(get(gate, "/").ends_with("ok"));
    let answer = get(gate, "/");
    assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[test]
fn a_connection_closed_while_idle_is_not_used() {
    let (sender, closed) = mpsc::channel();
    let sender = std::sync::Mutex::new(sender);
    let (gate, connections) = before(move |mut upstream, _| {
        upstream.head();
        upstream.say(OK);
        drop(upstream);
        let _ = sender.lock().unwrap().send(());
    });
    for _ in 0..3 {
        assert!(get(gate, "/").ends_with("ok"));
        closed.recv_timeout(Duration::from_secs(20)).unwrap();
        pause();
    }
    pause();
    assert!(post(gate, "x").ends_with("ok"));
    assert_eq!(connections.load(Ordering::SeqCst), 4);
}

#[test]
fn a_fresh_connection_that_closes_is_not_tried_again() {
    let (gate, connections) = before(|mut closes_at_once, _| drop(closes_at_once.head()));
    assert!(get(gate, "/").ends_with("upstream_closed"));
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[test]
fn a_second_answer_reaches_nobody() {
    // SMG-49
    let (gate, connections) = before(|mut sends_two_answers, number| {
        while sends_two_answers.head().is_some() {
            sends_two_answers.say(&format!("{OK}HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nevil-{number}"));
        }
    });
    for _ in 0..3 {
        assert!(get(gate, "/").ends_with("\r\n\r\nok"));
    }
    assert_eq!(connections.load(Ordering::SeqCst), 3);
}

#[test]
fn a_late_second_answer_ends_the_idle_connection() {
    let (sender, spoken) = mpsc::channel();
    let sender = std::sync::Mutex::new(sender);
    let (gate, connections) = before(move |mut speaks_unasked, _| {
        while speaks_unasked.head().is_some() {
            speaks_unasked.say(OK);
            pause();
            speaks_unasked.say("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
            let _ = sender.lock().unwrap().send(());
        }
    });
    for _ in 0..2 {
        assert!(get(gate, "/").ends_with("ok"));
        spoken.recv_timeout(Duration::from_secs(20)).unwrap();
        pause();
    }
    assert_eq!(connections.load(Ordering::SeqCst), 2);
}

#[test]
fn an_idle_connection_is_closed_in_time_without_another_request() {
    let (sender, closed) = mpsc::channel();
    let sender = std::sync::Mutex::new(sender);
    let (gate, _) = before(move |mut upstream, _| {
        upstream.head();
        upstream.say(OK);
        assert!(upstream.head().is_none());
        sender.lock().unwrap().send(()).unwrap();
    });
    get(gate, "/");
    closed.recv_timeout(Duration::from_secs(20)).unwrap();
}

#[test]
fn a_body_after_head_reaches_nobody() {
    let (gate, _) = before(|mut answers_head_with_a_body, _| {
        while answers_head_with_a_body.head().is_some() {
            answers_head_with_a_body.say("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
        }
    });
    for _ in 0..2 {
        let answer = ask(gate, "HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        assert!(answer.contains("content-length: 4\r\n") && answer.ends_with("\r\n\r\n"), "{answer}");
    }
}

#[test]
fn a_short_keep_alive_and_a_close_are_honoured() {
    for head in ["Keep-Alive: timeout=1", "Connection: close"] {
        let (gate, connections) = before(move |mut upstream, _| {
            while upstream.head().is_some() {
                upstream.say(&format!("HTTP/1.1 200 OK\r\n{head}\r\nContent-Length: 2\r\n\r\nok"));
            }
        });
        get(gate, "/");
        get(gate, "/");
        assert_eq!(connections.load(Ordering::SeqCst), 2, "{head}");
    }
}

#[test]
fn an_idle_connection_is_used_until_a_second_before_the_upstream_would_close_it() {
    for (seconds, new) in [(2, 1), (60, 0)] {
        let (address, connections) = upstream(move |mut upstream, _| {
            let answer =
                format!("HTTP/1.1 200 OK\r\nKeep-Alive: timeout={seconds}\r\nContent-Length: 2\r\n\r\nok");
            while upstream.head().is_some() {
                upstream.say(&answer);
            }
        });
        let limits = Limits { upstream_idle: Duration::from_secs(60), ..patient() };
        let gate = workers(http(address), limits, 1).0[0];
        get(gate, "/");
        std::thread::sleep(Duration::from_millis(1_500));
        get(gate, "/");
        assert_eq!(connections.load(Ordering::SeqCst), 1 + new, "timeout={seconds}");
    }
}

#[test]
fn an_answer_s_head_has_a_size_and_a_number_of_lines_that_it_may_have() {
    let (whole, refused) = ("\r\n\r\nok", "upstream_bad_answer");
    for (count, length, expected) in
        [(19, 4_000, whole), (45, 4_000, refused), (99, 10, whole), (100, 10, refused)]
    {
        let lines = format!("X-Filler: {}\r\n", "x".repeat(length)).repeat(count);
        let (gate, _) = before(move |mut upstream, _| {
            while upstream.head().is_some() {
                upstream.say(&format!("HTTP/1.1 200 OK\r\n{lines}Content-Length: 2\r\n\r\nok"));
            }
        });
        let answer = get(gate, "/");
        assert!(answer.ends_with(expected), "{count} of {length}");
    }
}

#[test]
fn a_unix_socket_is_an_upstream() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.sock");
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut buffer = [0; 4096];
        while stream.read(&mut buffer).is_ok_and(|read| read > 0) {
            stream.write_all(OK.as_bytes()).unwrap();
        }
    });
    assert!(get(gate(Upstream::Unix(path)), "/").ends_with("ok"));
}

#[test]
fn an_upstream_that_cannot_be_reached_is_named_as_such() {
    // A port that was free a moment ago may be another test's by now; nobody listens at this one.
    let refuses = Upstream::Http { host: "127.0.0.1".into(), port: 1, http2: false };
    assert!(get(gate(refuses), "/").ends_with("upstream_connect"));
    assert!(get(gate(Upstream::Unix("/nowhere/app.sock".into())), "/").ends_with("upstream_connect"));
}

#[test]
fn an_https_upstream_is_verified_by_name_and_authority() {
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};

    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/forward/tests/tls");
    let certificate = CertificateDer::from_pem_file(format!("{folder}/upstream.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(format!("{folder}/upstream.key")).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let tls = Arc::new(tls);
    let (address, _) = upstream(move |upstream, _| {
        let session = rustls::ServerConnection::new(tls.clone()).unwrap();
        let mut stream = rustls::StreamOwned::new(session, upstream.0.into_inner());
        let mut buffer = [0; 4096];
        while stream.read(&mut buffer).is_ok_and(|read| read > 0) {
            stream.write_all(OK.as_bytes()).unwrap();
        }
    });
    let https = |host: &str, ca_file: Option<&str>| Upstream::Https {
        host: host.into(),
        port: address.port(),
        http2: false,
        ca_file: ca_file.map(Into::into),
    };
    let ca = format!("{folder}/ca.pem");
    let good = gate(https("127.0.0.1", Some(&ca)));
    assert!(get(good, "/").ends_with("ok"));
    assert!(get(good, "/").ends_with("ok"));
    assert!(get(gate(https("localhost", Some(&ca))), "/").ends_with("upstream_tls"));

    let names = [HeaderName::from_static("x-user")];
    let make = |upstream| {
        Blueprint::new(
            &config(upstream, patient()),
            OwnCookies { bases: vec!["__Host-rolegate".into()] },
            &names,
            &Caps::default(),
        )
    };
    let missing = make(https("127.0.0.1", Some("/nowhere.pem")));
    assert!(matches!(missing, Err(SetupError::Tls(_))));
    let no_certificate = make(https("127.0.0.1", Some(&format!("{folder}/upstream.key"))));
    assert!(matches!(no_certificate, Err(SetupError::Tls(_))));
}
