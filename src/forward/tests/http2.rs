//! Facts about an upstream that speaks HTTP/2: how many connections it gets, and what becomes of its streams.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::{HeaderMap, Request, Response};
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::Notify;

use super::stage::*;
use crate::config::settings::{Limits, Upstream};

/// One request at such an upstream.
struct Turn {
    request: Request<RecvStream>,
    respond: SendResponse<Bytes>,
    /// Makes its connection go away, gently.
    leave: Rc<Notify>,
}

type Done = Pin<Box<dyn Future<Output = ()>>>;

/// Where it listens, and how many connections it was made.
fn speaks_http2(
    streams: u32,
    script: impl Fn(Turn) -> Done + Send + Sync + 'static,
) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let (address, count) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let (counter, script) = (count.clone(), Arc::new(script));
    std::thread::spawn(move || {
        let runtime =
            Builder::new_current_thread().enable_all().build_local(LocalOptions::default()).unwrap();
        runtime.block_on(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                counter.fetch_add(1, Ordering::SeqCst);
                tokio::task::spawn_local(serve(stream, streams, script.clone()));
            }
        });
    });
    (address, count)
}

async fn serve(stream: tokio::net::TcpStream, streams: u32, script: Arc<impl Fn(Turn) -> Done + 'static>) {
    let mut builder = h2::server::Builder::new();
    builder.max_concurrent_streams(streams);
    let Ok(mut served) = builder.handshake(stream).await else { return };
    let leave = Rc::new(Notify::new());
    loop {
        let accepted = tokio::select! {
            accepted = served.accept() => accepted,
            () = leave.notified() => {
                served.graceful_shutdown();
                continue;
            }
        };
        let Some(Ok((request, respond))) = accepted else { return };
        tokio::task::spawn_local(script(Turn { request, respond, leave: leave.clone() }));
    }
}

fn h2c(address: SocketAddr) -> Upstream {
    Upstream::Http { host: "127.0.0.1".into(), port: address.port(), http2: true }
}

fn before(
    streams: u32,
    script: impl Fn(Turn) -> Done + Send + Sync + 'static,
) -> (SocketAddr, Arc<AtomicUsize>) {
    let (address, count) = speaks_http2(streams, script);
    let limits = Limits { response_timeout: LONG, upstream_idle: LONG, ..patient() };
    (workers(h2c(address), limits, 1).0[0], count)
}

/// Answers with what it was asked.
async fn echo(mut turn: Turn) {
    let (head, mut body) = turn.request.into_parts();
    let mut text = format!("{} {} {:?}\n", head.method, head.uri, head.headers);
    while let Some(Ok(piece)) = body.data().await {
        let _ = body.flow_control().release_capacity(piece.len());
        text += std::str::from_utf8(&piece).unwrap();
    }
    let mut stream = turn.respond.send_response(Response::new(()), false).unwrap();
    stream.send_data(text.into(), true).unwrap();
}

fn crowd(gate: SocketAddr, count: usize) -> Vec<String> {
    let crowd: Vec<_> = (0..count).map(|_| std::thread::spawn(move || get(gate, "/"))).collect();
    crowd.into_iter().map(|one| one.join().unwrap()).collect()
}

#[test]
fn the_upstream_sees_the_rebuilt_head_as_http_2_has_it() {
    let (gate, _) = before(100, |turn| Box::pin(echo(turn)));
    let answer = ask(
        gate,
        "POST /a?b=%2F HTTP/1.1\r\nHost: a\r\nX-User: root\r\nX_User: root\r\nConnection: close, X-User, TE\r\n\
         TE: trailers, deflate\r\nCookie: a=1; __Host-rolegate=x\r\nTransfer-Encoding: chunked\r\n\r\n\
         3\r\nabc\r\n0\r\nX-User: root\r\n\r\n",
    );
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("}\nabc"), "{answer}");
    assert!(answer.contains("POST http://app.example.com/a?b=%2F {"), "{answer}");
    for there in ["\"te\": \"trailers\"", "\"x-user\": \"viewer\"", "\"cookie\": \"a=1\""] {
        assert!(answer.contains(there), "{there} in {answer}");
    }
    for gone in ["root", "\"host\"", "\"connection\"", "\"transfer-encoding\"", "rolegate=x", "deflate"] {
        assert!(!answer.contains(gone), "{gone} in {answer}");
    }
    assert!(!get(gate, "/").contains("\"te\""));
}

#[test]
fn requests_share_a_connection_until_it_takes_no_more() {
    for (streams, made) in [(100, 1), (3, 4)] {
        // None is answered before all have come.
        let all = Arc::new(tokio::sync::Barrier::new(10));
        let (gate, connections) = before(streams, move |turn| {
            let all = all.clone();
            Box::pin(async move {
                all.wait().await;
                echo(turn).await;
            })
        });
        for answer in crowd(gate, 10) {
            assert!(answer.contains("GET http://app.example.com/"), "{answer}");
        }
        assert_eq!(connections.load(Ordering::SeqCst), made, "{streams} streams each");
    }
}

#[test]
fn a_connection_that_goes_away_ends_what_it_runs_and_gets_nothing_new() {
    let (tell, told) = mpsc::channel();
    let tell = std::sync::Mutex::new(tell);
    let done = Arc::new(AtomicBool::new(false));
    let is_done = done.clone();
    let (gate, connections) = before(100, move |turn| {
        let (tell, done) = (tell.lock().unwrap().clone(), is_done.clone());
        Box::pin(async move {
            if turn.request.method() == "GET" {
                turn.leave.notify_one();
                tell.send(()).unwrap();
                while !done.load(Ordering::SeqCst) {
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
            }
            echo(turn).await;
        })
    });
    let runs = std::thread::spawn(move || get(gate, "/"));
    told.recv_timeout(LONG).unwrap();
    until("what is new goes elsewhere", || {
        assert!(post(gate, "x").contains("}\nx"));
        connections.load(Ordering::SeqCst) == 2
    });
    assert!(post(gate, "x").contains("}\nx"));
    done.store(true, Ordering::SeqCst);
    assert!(runs.join().unwrap().contains("GET http://app.example.com/"));
    assert_eq!(connections.load(Ordering::SeqCst), 2);
}

#[test]
fn a_refused_stream_is_asked_for_once_more_and_no_other_reset_is() {
    for (reason, asked) in [(Reason::REFUSED_STREAM, 2), (Reason::INTERNAL_ERROR, 1)] {
        let count = Arc::new(AtomicUsize::new(0));
        let counter = count.clone();
        let (gate, _) = before(100, move |mut turn| {
            let number = counter.fetch_add(1, Ordering::SeqCst);
            Box::pin(async move {
                match number {
                    0 => turn.respond.send_reset(reason),
                    _ => echo(turn).await,
                }
            })
        });
        let answer = get(gate, "/");
        let end = if asked == 2 { "GET http://app.example.com/" } else { "upstream_closed" };
        assert!(answer.contains(end), "{answer}");
        assert_eq!(count.load(Ordering::SeqCst), asked);
    }
}

#[test]
fn an_upstream_that_refuses_every_stream_is_asked_twice() {
    let count = Arc::new(AtomicUsize::new(0));
    let counter = count.clone();
    let (gate, _) = before(100, move |mut turn| {
        counter.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move { turn.respond.send_reset(Reason::REFUSED_STREAM) })
    });
    for asked in [2, 4] {
        let answer = get(gate, "/");
        assert!(answer.contains("upstream_closed"), "{answer}");
        assert_eq!(count.load(Ordering::SeqCst), asked);
    }
}

#[test]
fn a_client_that_goes_away_ends_its_stream_alone() {
    let (tell, told) = mpsc::channel();
    let tell = std::sync::Mutex::new(tell);
    let (gate, connections) = before(100, move |mut turn| {
        let tell = tell.lock().unwrap().clone();
        Box::pin(async move {
            if turn.request.uri().path() == "/" {
                return echo(turn).await;
            }
            // With a head that has come, or without.
            let answered = turn.request.uri().path() == "/answered";
            let mut stream = answered.then(|| turn.respond.send_response(Response::new(()), false).unwrap());
            tell.send(None).unwrap();
            let reason = std::future::poll_fn(|cx| match &mut stream {
                Some(stream) => stream.poll_reset(cx),
                None => turn.respond.poll_reset(cx),
            });
            tell.send(reason.await.ok()).unwrap();
        })
    });
    for (path, length) in [("/answered", 0), ("/waiting", 0), ("/answered", 10), ("/waiting", 10)] {
        let mut client = connect(gate);
        let head = format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
        client.write_all(head.as_bytes()).unwrap();
        assert_eq!(told.recv_timeout(LONG).unwrap(), None);
        drop(client);
        let reason = told.recv_timeout(LONG).unwrap();
        // The client's body broke off: what is said of it is not that it was enough.
        assert!(matches!(reason, Some(Reason::CANCEL | Reason::INTERNAL_ERROR)), "{path}: {reason:?}");
    }
    assert!(get(gate, "/").contains("GET"));
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[test]
fn an_answer_whose_stream_is_reset_does_not_look_whole() {
    for reason in [Reason::INTERNAL_ERROR, Reason::CANCEL, Reason::NO_ERROR] {
        let (gate, _) = before(100, move |mut turn| {
            Box::pin(async move {
                let mut stream = turn.respond.send_response(Response::new(()), false).unwrap();
                stream.send_data("half".into(), false).unwrap();
                tokio::time::sleep(Duration::from_millis(50)).await;
                stream.send_reset(reason);
            })
        });
        let answer = get(gate, "/");
        assert!(!answer.ends_with("0\r\n\r\n"), "{reason:?}: {answer}");
    }
}

#[test]
fn an_answer_that_comes_early_is_the_answer_and_ends_the_stream() {
    let (tell, told) = mpsc::channel();
    let tell = std::sync::Mutex::new(tell);
    let (gate, _) = before(100, move |mut turn| {
        let tell = tell.lock().unwrap().clone();
        Box::pin(async move {
            let refusal = Response::builder().status(413).body(()).unwrap();
            let mut stream = turn.respond.send_response(refusal, true).unwrap();
            let mut body = turn.request.into_body();
            while let Some(Ok(_)) = body.data().await {}
            tell.send(std::future::poll_fn(|cx| stream.poll_reset(cx)).await.ok()).unwrap();
        })
    });
    let mut client = connect(gate);
    client.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nx").unwrap();
    let mut answer = [0; 12];
    client.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
    assert_eq!(told.recv_timeout(LONG).unwrap(), Some(Reason::CANCEL));
}

#[test]
fn trailers_reach_a_client_that_takes_them_and_name_nobody() {
    let (gate, _) = before(100, |mut turn| {
        Box::pin(async move {
            let head = Response::builder().header("trailer", "grpc-status, x-user").body(()).unwrap();
            let mut stream = turn.respond.send_response(head, false).unwrap();
            stream.send_data("ok".into(), false).unwrap();
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", "0".parse().unwrap());
            trailers.insert("x-user", "root".parse().unwrap());
            stream.send_trailers(trailers).unwrap();
        })
    });
    let answer = ask(gate, "GET / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: close, TE\r\n\r\n");
    assert!(answer.ends_with("0\r\ngrpc-status: 0\r\n\r\n"), "{answer}");
    assert!(get(gate, "/").ends_with("ok\r\n0\r\n\r\n"));
}

#[test]
fn a_websocket_over_http_2_is_refused() {
    let (gate, connections) = before(100, |turn| Box::pin(echo(turn)));
    let closing = super::websocket::UPGRADE.replace("keep-alive, Upgrade", "Upgrade, close");
    assert!(ask(gate, &closing).ends_with("upstream_no_upgrade"));
    assert!(connections.load(Ordering::SeqCst) <= 1);
}

#[test]
fn an_upstream_that_does_not_answer_or_speaks_something_else_is_named_as_such() {
    let (address, connections) = speaks_http2(100, |turn| {
        Box::pin(async move {
            let _turn = turn;
            std::future::pending().await
        })
    });
    let silent = gate(h2c(address));
    assert!(get(silent, "/").ends_with("upstream_timeout"));
    assert!(get(silent, "/").ends_with("upstream_timeout"));
    assert_eq!(
        connections.load(Ordering::SeqCst),
        2,
        "the second is not asked where the first got no answer"
    );

    let (address, _) = upstream(|mut speaks_http_1, _| {
        while speaks_http_1.head().is_some() {
            speaks_http_1.say("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
        }
    });
    let answer = get(gate(h2c(address)), "/");
    assert!(answer.ends_with("upstream_closed") || answer.ends_with("upstream_bad_answer"), "{answer}");

    let (address, _) = upstream(|mut says_nothing, _| while says_nothing.head().is_some() {});
    assert!(get(gate(h2c(address)), "/").ends_with("upstream_connect_timeout"));
}

#[test]
fn an_idle_connection_is_closed_in_time() {
    let (address, _) = speaks_http2(100, |turn| Box::pin(echo(turn)));
    let (gates, tally) = workers(h2c(address), patient(), 1);
    let open = || {
        let side = crate::tally::Side { side: "upstream" };
        tally.open_connections.get_or_create(&side).get()
    };
    assert!(get(gates[0], "/").contains("GET"));
    assert_eq!(open(), 1);
    until("it is closed", || open() == 0);
    assert!(get(gates[0], "/").contains("GET"));
}

const LONG: Duration = Duration::from_secs(20);
