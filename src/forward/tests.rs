//! The whole way over real sockets, with upstreams named for their misbehaviour.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use http::{HeaderName, HeaderValue, Request};
use hyper::body::Incoming;
use tokio::runtime::{Builder, LocalOptions};

use super::upgrade::{Websocket, is_websocket};
use super::*;
use crate::body::{Answer, Body};
use crate::config::settings::*;
use crate::listen::{self, Bounds, Handler, Peer};

// === the gate ===

struct Gate(Forward);

impl Handler for Gate {
    async fn answer(&self, request: Request<Incoming>, _: Peer) -> Answer {
        let (parts, body) = request.into_parts();
        let upgrade = is_websocket(&parts) == Websocket::Yes;
        let request = Request::from_parts(parts, body);
        let plan = Plan {
            target: request.uri().path_and_query().cloned().unwrap(),
            host: HeaderValue::from_static("app.example.com"),
            identity: vec![(HeaderName::from_static("x-user"), HeaderValue::from_static("viewer"))],
            forwarded: Forwarded {
                for_: HeaderValue::from_static("192.0.2.1"),
                proto: "https",
                host: HeaderValue::from_static("app.example.com"),
            },
            request_id: HeaderValue::from_static("gate-1"),
            upgrade,
            cacheability: Cacheability::Keep,
        };
        match self.0.send(request, plan).await {
            Ok(relayed) => relayed.answer,
            Err(fault) => {
                let mut answer = Answer::new(Body::from(fault.reason().to_owned()));
                *answer.status_mut() = http::StatusCode::BAD_GATEWAY;
                answer
            }
        }
    }
}

fn config(upstream: Upstream, limits: Limits) -> Config {
    Config {
        origins: Vec::new(),
        listen: ([127, 0, 0, 1], 0).into(),
        admin_listen: ([127, 0, 0, 1], 0).into(),
        auth_prefix: "/oauth2".into(),
        upstream,
        pass_host: true,
        rules: Vec::new(),
        default: Requirement::default(),
        provider: Provider {
            kind: ProviderKind::Oidc,
            issuer: String::new(),
            additional_issuers: Vec::new(),
            client_id: String::new(),
            client_secret: None,
            scopes: Vec::new(),
            ca_file: None,
        },
        session: Session {
            keys: Vec::new(),
            max_age: Duration::ZERO,
            idle: None,
            max_role_age: Duration::ZERO,
            outage_grace: Duration::ZERO,
            cookie_name: "rolegate".into(),
        },
        identity: Identity { user: "sub".into(), roles: Vec::new(), headers: Vec::new() },
        trusted_proxies: Vec::new(),
        allowed_return_hosts: Vec::new(),
        limits,
        log: Log::default(),
        workers: 1,
    }
}

fn patient() -> Limits {
    let short = Duration::from_millis(400);
    Limits {
        connect_timeout: Duration::from_secs(2),
        response_timeout: short,
        body_idle_timeout: short,
        ..Limits::default()
    }
}

fn gate(upstream: Upstream) -> SocketAddr {
    let listener = listen::bind(([127, 0, 0, 1], 0).into()).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let runtime =
            Builder::new_current_thread().enable_all().build_local(LocalOptions::default()).unwrap();
        let names = [HeaderName::from_static("x-user")];
        let own = OwnCookies { base: "__Host-rolegate".into() };
        let forward = Forward::new(&config(upstream, patient()), own, &names).unwrap();
        let (_stop, stopping) = listen::stop::pair();
        let gate = Rc::new(Gate(forward));
        runtime.block_on(listen::serve(listener, gate, Bounds::default(), stopping)).unwrap();
    });
    address
}

// === upstreams ===

/// One connection of an upstream: reads requests, says bytes.
struct Conversation(BufReader<TcpStream>);

impl Conversation {
    fn head(&mut self) -> Option<String> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if self.0.read_line(&mut head).ok()? == 0 {
                return None;
            }
        }
        Some(head)
    }

    fn say(&mut self, bytes: &str) {
        let _ = self.0.get_mut().write_all(bytes.as_bytes());
    }
}

/// Serves each connection by `script(connection, its number)`; counts them.
fn upstream(script: impl Fn(Conversation, usize) + Send + Sync + 'static) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let (script, counter) = (Arc::new(script), count.clone());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let number = counter.fetch_add(1, Ordering::SeqCst);
            let script = script.clone();
            std::thread::spawn(move || script(Conversation(BufReader::new(stream.unwrap())), number));
        }
    });
    (address, count)
}

fn before(script: impl Fn(Conversation, usize) + Send + Sync + 'static) -> (SocketAddr, Arc<AtomicUsize>) {
    let (address, count) = upstream(script);
    (gate(Upstream::Http { host: "127.0.0.1".into(), port: address.port() }), count)
}

// === clients ===

fn connect(gate: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(gate).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream
}

fn ask(gate: SocketAddr, request: &str) -> String {
    let mut stream = connect(gate);
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8(answer).unwrap()
}

fn get(gate: SocketAddr, path: &str) -> String {
    ask(gate, &format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"))
}

fn post(gate: SocketAddr, body: &str) -> String {
    let length = body.len();
    ask(
        gate,
        &format!("POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"),
    )
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

fn pause() {
    std::thread::sleep(Duration::from_millis(60));
}

// === facts ===

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

/// Answers the first request of its first connection, then takes the second and closes without a word.
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
fn a_connection_closed_while_idle_is_not_used() {
    let (gate, connections) = before(|mut upstream, _| {
        upstream.head();
        upstream.say(OK);
    });
    for _ in 0..3 {
        assert!(get(gate, "/").ends_with("ok"));
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
fn a_bad_answer_is_a_502_and_its_connection_is_gone() {
    for bad in [
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: ,chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        "SSH-2.0-OpenSSH_9.6\r\n",
    ] {
        let (gate, connections) = before(move |mut upstream, _| {
            while upstream.head().is_some() {
                upstream.say(bad);
            }
        });
        assert!(get(gate, "/").ends_with("upstream_bad_answer"), "{bad}");
        assert!(get(gate, "/").ends_with("upstream_bad_answer"), "{bad}");
        assert_eq!(connections.load(Ordering::SeqCst), 2, "{bad}");
    }
}

#[test]
fn interim_answers_are_not_final() {
    // SMG-43
    let (gate, _) = before(|mut upstream, _| {
        while upstream.head().is_some() {
            upstream.say("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n");
            upstream.say(OK);
        }
    });
    let answer = get(gate, "/");
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.ends_with("ok") && !answer.contains("link"),
        "{answer}"
    );
}

#[test]
fn an_upstream_that_stalls_is_a_timeout_or_an_answer_cut_short() {
    let (gate, _) = before(|mut never_answers, _| {
        never_answers.head();
        std::thread::sleep(Duration::from_secs(3));
    });
    assert!(get(gate, "/").ends_with("upstream_timeout"));

    let (gate, _) = before(|mut stalls_after_head, _| {
        stalls_after_head.head();
        stalls_after_head.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n");
        std::thread::sleep(Duration::from_secs(3));
    });
    let answer = get(gate, "/");
    assert!(answer.contains("2\r\nok\r\n") && !answer.contains("0\r\n\r\n"), "{answer}");
}

#[test]
fn an_answer_that_breaks_off_does_not_look_whole() {
    let (gate, _) = before(|mut breaks_off, _| {
        breaks_off.head();
        breaks_off.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n");
        pause();
    });
    let answer = get(gate, "/");
    assert!(answer.contains("ok") && !answer.contains("0\r\n\r\n"), "{answer}");
}

#[test]
fn chunks_stream_both_ways_and_trailers_stay_behind() {
    let (gate, _) = before(|mut echoes, _| {
        let head = echoes.head().unwrap();
        assert!(
            head.contains("transfer-encoding: chunked\r\n") && !head.contains("content-length"),
            "{head}"
        );
        let mut body = String::new();
        while !body.ends_with("0\r\n\r\n") {
            echoes.0.read_line(&mut body).unwrap();
        }
        echoes.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        echoes.say(&body.replace("0\r\n\r\n", "0\r\nX-User: evil\r\n\r\n"));
    });
    for method in ["POST", "GET"] {
        let answer = ask(
            gate,
            &format!(
                "{method} / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTE: trailers\r\n\
                 Transfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nX-User: evil\r\n\r\n"
            ),
        );
        assert!(answer.contains("abc") && answer.contains("de") && answer.ends_with("0\r\n\r\n"), "{answer}");
        assert!(!answer.contains("evil"), "{answer}");
    }
}

#[test]
fn a_piece_is_passed_on_at_once() {
    let (gate, _) = before(|mut events, _| {
        events.head();
        events
            .say("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
        for _ in 0..3 {
            events.say("7\r\ndata: 1\r\n");
            std::thread::sleep(Duration::from_millis(250));
        }
        events.say("0\r\n\r\n");
    });
    let mut stream = connect(gate);
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let began = std::time::Instant::now();
    let mut seen = String::new();
    let mut buffer = [0; 512];
    while !seen.contains("data: 1") {
        let read = stream.read(&mut buffer).unwrap();
        seen.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
    }
    assert!(began.elapsed() < Duration::from_millis(240));
}

#[test]
fn an_answer_before_the_upload_is_done_is_relayed() {
    let (gate, _) = before(|mut answers_early, _| {
        answers_early.head();
        answers_early.say("HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig");
        let mut rest = Vec::new();
        let _ = answers_early.0.read_to_end(&mut rest);
    });
    let mut stream = connect(gate);
    stream.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nbegin").unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
}

#[test]
fn a_client_that_stalls_or_breaks_off_aborts_the_request() {
    // SMG-31
    let (sender, ended) = mpsc::channel();
    let sender = std::sync::Mutex::new(sender);
    let (gate, _) = before(move |mut upstream, _| {
        upstream.head();
        let mut body = String::new();
        let _ = upstream.0.read_to_string(&mut body);
        sender.lock().unwrap().send(body).unwrap();
    });
    let half = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n";
    assert!(ask(gate, half).ends_with("request_body_timeout"));
    assert_eq!(ended.recv().unwrap(), "3\r\nabc\r\n");

    let mut stream = connect(gate);
    stream.write_all(half.as_bytes()).unwrap();
    pause();
    drop(stream);
    assert_eq!(ended.recv().unwrap(), "3\r\nabc\r\n");
}

#[test]
fn a_slow_upload_does_not_use_up_the_upstreams_time() {
    let (gate, _) = before(|mut upstream, _| {
        upstream.head();
        let mut body = [0; 6];
        upstream.0.read_exact(&mut body).unwrap();
        upstream.say(OK);
    });
    let mut stream = connect(gate);
    stream
        .write_all(b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 6\r\n\r\n")
        .unwrap();
    for _ in 0..6 {
        std::thread::sleep(Duration::from_millis(150));
        stream.write_all(b"x").unwrap();
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("ok"), "{answer}");
}

#[test]
fn expect_is_answered_by_the_gate_once_there_is_an_upstream() {
    let (gate, _) = before(|mut upstream, _| {
        let head = upstream.head().unwrap();
        assert!(!head.contains("expect"), "{head}");
        let mut body = [0; 2];
        upstream.0.read_exact(&mut body).unwrap();
        upstream.say(OK);
    });
    let head = b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
    let mut stream = connect(gate);
    stream.write_all(head).unwrap();
    let mut interim = [0; 25];
    stream.read_exact(&mut interim).unwrap();
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"hi").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");

    // Nobody to send to: no 100.
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut stream = connect(self::gate(Upstream::Http { host: "127.0.0.1".into(), port: closed }));
    stream.write_all(head).unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 502");
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
fn an_answer_that_ends_with_the_connection_is_relayed_whole() {
    let (gate, _) = before(|mut http_1_0, _| {
        http_1_0.head();
        http_1_0.say("HTTP/1.0 200 Fine\r\n\r\nuntil the end");
    });
    let answer = get(gate, "/");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("until the end"), "{answer}");
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

// === WebSocket ===

const UPGRADE: &str = "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nX-User: root\r\n\r\n";
const SWITCHED: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSet-Cookie: __Host-rolegate=evil\r\n\r\n";

#[test]
fn a_websocket_is_spliced_both_ways_and_closes_with_either_side() {
    let (gate, _) = before(|mut echoes, _| {
        let head = echoes.head().unwrap();
        assert!(
            head.contains("upgrade: websocket\r\n") && head.contains("connection: upgrade\r\n"),
            "{head}"
        );
        assert!(head.contains("x-user: viewer\r\n") && !head.contains("root"), "{head}");
        echoes.say(&format!("{SWITCHED}hello"));
        let mut bytes = [0; 5];
        echoes.0.read_exact(&mut bytes).unwrap();
        echoes.0.get_mut().write_all(&bytes).unwrap();
    });
    // Frames before the 101 are held until there is one (WS-07).
    let answer = ask(gate, &format!("{UPGRADE}early"));
    assert!(answer.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{answer}");
    assert!(answer.contains("sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"), "{answer}");
    assert!(answer.contains("upgrade: websocket\r\n") && !answer.contains("evil"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nhelloearly"), "{answer}");
}

#[test]
fn an_upgrade_answered_otherwise_is_an_ordinary_answer_or_a_bad_one() {
    // WS-06
    for (answer, end) in [
        (OK.to_owned(), "ok"),
        (SWITCHED.replace("s3pP", "S3pP"), "upstream_bad_answer"),
        (SWITCHED.replace("Upgrade: websocket", "Upgrade: h2c"), "upstream_bad_answer"),
        (SWITCHED.replace("Sec-WebSocket-Accept", "X-Accept"), "upstream_bad_answer"),
    ] {
        let (gate, _) = before(move |mut upstream, _| {
            upstream.head();
            upstream.say(&answer);
            pause();
        });
        let closing = UPGRADE.replace("keep-alive, Upgrade", "Upgrade, close");
        let relayed = ask(gate, &closing);
        assert!(relayed.ends_with(end), "{relayed}");
    }
}

#[test]
fn an_upgrade_to_anything_else_is_a_plain_request() {
    // SMG-46
    for (from, to) in [
        ("Upgrade: websocket", "Upgrade: h2c"),
        ("Upgrade: websocket", "Upgrade: TLS/1.0"),
        ("Version: 13", "Version: 8"),
        ("Key: dGhl", "Key: dGh"),
        ("GET", "POST"),
        ("HTTP/1.1", "HTTP/1.0"),
        ("keep-alive, Upgrade", "keep-alive"),
    ] {
        let (gate, _) = before(|mut upstream, _| {
            let head = upstream.head().unwrap();
            assert!(!head.contains("upgrade"), "{head}");
            upstream.say(OK);
        });
        let request = UPGRADE.replace(from, to);
        let mut stream = connect(gate);
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer[8..], b" 200", "{to}");
    }
}
