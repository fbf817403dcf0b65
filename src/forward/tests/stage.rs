//! The gate and the upstreams of these tests: a forwarding handler behind the real listener, scripted sockets.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::{HeaderName, HeaderValue, Request};
use hyper::body::Incoming;
use tokio::runtime::{Builder, LocalOptions};

use super::super::upgrade::{Websocket, is_websocket};
use super::super::*;
use crate::body::{Answer, Body};
use crate::config::settings::*;
use crate::listen::{self, Bounds, Handler, Peer};
use crate::streams::Streams;

// === the gate ===

pub(super) struct Gate(pub(super) Forward);

impl Handler for Gate {
    async fn answer(&self, request: Request<Incoming>, _: Peer) -> Answer {
        let (mut head, body) = request.into_parts();
        let upgrade = is_websocket(&head) == Websocket::Yes;
        let plan = Plan {
            upstream: 0,
            drops_authorization: false,
            target: head.uri.path_and_query().cloned().unwrap(),
            host: HeaderValue::from_static("app.example.com"),
            identity: vec![(HeaderName::from_static("x-user"), HeaderValue::from_static("viewer"))],
            forwarded: Forwarded {
                for_: HeaderValue::from_static("192.0.2.1"),
                proto: "https",
                host: HeaderValue::from_static("app.example.com"),
                prefix: None,
            },
            request_id: HeaderValue::from_static("gate-1"),
            trace: None,
            upgrade,
            cacheability: Cacheability::Keep,
        };
        let open = |_: &http::HeaderMap| Streams::new().open(None, Box::new(|_| true));
        match self.0.send((&mut head, body), plan, open).await {
            Ok(relayed) => relayed.answer,
            Err(fault) => {
                let mut answer = Answer::new(Body::from(fault.reason().to_owned()));
                *answer.status_mut() = http::StatusCode::BAD_GATEWAY;
                answer
            }
        }
    }
}

pub(super) fn config(upstream: impl Into<Destination>, limits: Limits) -> Config {
    Config {
        origins: Vec::new(),
        listen: ([127, 0, 0, 1], 0).into(),
        admin_listen: ([127, 0, 0, 1], 0).into(),
        control_socket: None,
        http2_cleartext: false,
        tls: None,
        auth_prefix: "/oauth2".into(),
        upstreams: vec![upstream.into()],
        pass_host: true,
        rules: Vec::new(),
        default: Requirement::default(),
        provider: Provider {
            kind: ProviderKind::Oidc,
            issuer: String::new(),
            additional_issuers: Vec::new(),
            client_id: String::new(),
            client_secrets: vec![],
            scopes: Vec::new(),
            resources: vec![],
            parameters: Default::default(),
            ca_file: None,
            shortcut: None,
        },
        session: Session {
            keys_file: None,
            keys: Vec::new(),
            max_age: Duration::ZERO,
            idle: None,
            max_role_age: Duration::ZERO,
            outage_grace: Duration::ZERO,
            cookie_name: "rolegate".into(),
            store: None,
        },
        identity: Identity::default(),
        bearer: None,
        gateway: None,
        assertion: None,
        trusted_proxies: Vec::new(),
        proxy_protocol: false,
        trusted_headers: Default::default(),
        admin_hosts: Vec::new(),
        allowed_return_hosts: Vec::new(),
        limits,
        log: Log::default(),
        traces: None,
        pages: Pages::default(),
        workers: 1,
    }
}

pub(super) fn patient() -> Limits {
    // Short, and more than a busy machine stands still for.
    let short = Duration::from_secs(1);
    Limits {
        connect_timeout: Duration::from_secs(2),
        response_timeout: short,
        upstream_idle: Duration::from_secs(1),
        body_idle_timeout: short,
        ..Limits::default()
    }
}

pub(super) fn gate(upstream: impl Into<Destination> + Send + 'static) -> SocketAddr {
    workers(upstream, patient(), 1).0[0]
}

/// One after the other: what each worker listens on, and what they count.
pub(super) fn workers(
    upstream: impl Into<Destination>,
    limits: Limits,
    count: usize,
) -> (Vec<SocketAddr>, Arc<Tally>) {
    let names = [HeaderName::from_static("x-user")];
    let own = OwnCookies { bases: vec!["__Host-rolegate".into()] };
    let tally = Arc::new(Tally::new());
    let blueprint = Blueprint::new(&config(upstream, limits), own, &names, &Caps::default()).unwrap();
    let blueprint = Arc::new(blueprint.counting(&tally));
    let worker = |blueprint: &Arc<Blueprint>| {
        let listener = listen::bind(([127, 0, 0, 1], 0).into()).unwrap();
        let address = listener.local_addr().unwrap();
        let blueprint = blueprint.clone();
        std::thread::spawn(move || {
            let runtime =
                Builder::new_current_thread().enable_all().build_local(LocalOptions::default()).unwrap();
            let (_stop, stopping) = listen::stop::pair();
            let gate = Rc::new(Gate(blueprint.forward(None)));
            runtime.block_on(listen::serve(listener, gate, Bounds::default(), stopping)).unwrap();
        });
        address
    };
    ((0..count).map(|_| worker(&blueprint)).collect(), tally)
}

// === upstreams ===

/// One connection of an upstream: reads requests, says bytes.
pub(super) struct Conversation(pub(super) BufReader<TcpStream>);

impl Conversation {
    pub(super) fn head(&mut self) -> Option<String> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if self.0.read_line(&mut head).ok()? == 0 {
                return None;
            }
        }
        Some(head)
    }

    pub(super) fn say(&mut self, bytes: &str) {
        let _ = self.0.get_mut().write_all(bytes.as_bytes());
    }
}

/// Serves each connection by `script(connection, its number)`; counts them.
pub(super) fn upstream(
    script: impl Fn(Conversation, usize) + Send + Sync + 'static,
) -> (SocketAddr, Arc<AtomicUsize>) {
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

pub(super) fn before(
    script: impl Fn(Conversation, usize) + Send + Sync + 'static,
) -> (SocketAddr, Arc<AtomicUsize>) {
    let (address, count) = upstream(script);
    (gate(http(address)), count)
}

pub(super) fn http(address: SocketAddr) -> Upstream {
    Upstream::Http { host: "127.0.0.1".into(), port: address.port(), http2: false }
}

// === clients ===

pub(super) fn connect(gate: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(gate).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream
}

pub(super) fn ask(gate: SocketAddr, request: &str) -> String {
    let mut stream = connect(gate);
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8(answer).unwrap()
}

pub(super) fn get(gate: SocketAddr, path: &str) -> String {
    ask(gate, &format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"))
}

pub(super) fn post(gate: SocketAddr, body: &str) -> String {
    let length = body.len();
    ask(
        gate,
        &format!("POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"),
    )
}

pub(super) const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// Waits for what nothing tells of.
pub(super) fn until(what: &str, ready: impl Fn() -> bool) {
    for _ in 0..10_000 {
        if ready() {
            return;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    panic!("waited in vain: {what}");
}

pub(super) fn pause() {
    std::thread::sleep(Duration::from_millis(60));
}
