//! Workers with a handler that has a bug, and how connections are spread over them.

use std::error::Error as _;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::Mutex;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};

use super::*;
use crate::body::{Answer, Body};
use crate::listen::http2::Http2Bounds;
use crate::listen::stop;

/// Panics where it is asked to; what it is told of, in order.
struct Buggy(Arc<Mutex<Vec<Lost>>>);

impl Handler for Buggy {
    async fn answer(&self, request: Request<Incoming>, _peer: Peer) -> Answer {
        assert!(request.uri().path() != "/bug", "a test's own bug");
        while request.uri().path() == "/after-bugs" && self.0.lock().unwrap().len() < 3 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Response::new(Body::from("well".to_owned()))
    }

    fn lost(&self, why: Lost) {
        self.0.lock().unwrap().push(why);
    }
}

/// What comes back for these bytes until the other side closes; empty where it just closes.
fn asked(address: SocketAddr, request: &str) -> String {
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    answer
}

/// Says "begin" when it goes, also where a test fails: nobody would ever stop accepting.
struct Ends(stop::Stop);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.begin();
    }
}

/// Has `workers` serve at an address for as long as `scene` takes.
fn serving(workers: Workers, scene: impl FnOnce(SocketAddr, &Workers)) {
    let listener = crate::listen::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopping) = stop::pair();
    std::thread::scope(|scope| {
        let _ends = Ends(stop);
        scope.spawn(|| {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(workers.feed(listener, stopping)).unwrap();
        });
        scene(address, &workers);
    });
    workers.join();
}

#[test]
fn a_panic_takes_its_connection_with_it_and_nothing_else() {
    let lost = Arc::new(Mutex::new(Vec::new()));
    let told = lost.clone();
    // One worker: whoever panics shares it with everybody.
    let make = move |_| Ok(Buggy(told.clone()));
    let workers = spawn("buggy", 1, make, &Bounds::default(), None).unwrap();
    serving(workers, |address, _| {
        let mut other = std::net::TcpStream::connect(address).unwrap();
        other.write_all(b"GET /one HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        let mut first = [0; 12];
        other.read_exact(&mut first).unwrap();
        for bugs in 1..=3 {
            assert_eq!(asked(address, "GET /bug HTTP/1.1\r\nHost: a\r\n\r\n"), "");
            let well = asked(address, "GET /well HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
            assert!(well.ends_with("well"), "{well}");
            assert_eq!(*lost.lock().unwrap(), vec![Lost::Panic; bugs]);
        }
        other.write_all(b"GET /two HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
        let mut rest = String::new();
        other.read_to_string(&mut rest).unwrap();
        assert!(rest.ends_with("well"), "who was on the same worker is served: {rest}");
    });
}

#[test]
fn a_panic_over_http_2_takes_its_stream_with_it_and_no_other() {
    let lost = Arc::new(Mutex::new(Vec::new()));
    let told = lost.clone();
    let make = move |_| Ok(Buggy(told.clone()));
    let bounds =
        Bounds { http2: Http2Bounds { cleartext: true, ..Http2Bounds::default() }, ..Bounds::default() };
    let workers = spawn("buggy", 1, make, &bounds, None).unwrap();
    let client = |address: SocketAddr| async move {
        let stream = TokioIo::new(TcpStream::connect(address).await.unwrap());
        let (mut client, connection) =
            http2::handshake::<_, _, String>(TokioExecutor::new(), stream).await.unwrap();
        let connection = tokio::spawn(connection);
        let mut ask = |path: &str| {
            let request = Request::get(format!("http://a{path}")).body(String::new()).unwrap();
            client.send_request(request)
        };
        // Under way on the same connection while the others fail.
        let beside = ask("/after-bugs");
        for bugs in 1..=3 {
            let error = ask("/bug").await.unwrap_err();
            let reset = error.source().and_then(|source| source.downcast_ref::<h2::Error>());
            assert!(reset.is_some_and(h2::Error::is_reset), "{error:?}");
            assert_eq!(ask("/well").await.unwrap().status(), 200);
            assert_eq!(*lost.lock().unwrap(), vec![Lost::Panic; bugs]);
        }
        assert_eq!(beside.await.unwrap().status(), 200);
        assert!(!connection.is_finished());
    };
    serving(workers, |address, _| {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(client(address));
    });
}

#[test]
fn of_open_connections_each_worker_has_as_many_as_any_other() {
    let make = |_| Ok(Buggy(Arc::default()));
    let workers = spawn("even", 4, make, &Bounds::default(), None).unwrap();
    serving(workers, |address, workers| {
        let open =
            || workers.workers.iter().map(|worker| worker.open.load(Ordering::Relaxed)).collect::<Vec<_>>();
        let until = |what: &dyn Fn(&[usize]) -> bool| {
            for _ in 0..10_000 {
                if what(&open()) {
                    return;
                }
                std::thread::sleep(Duration::from_millis(2));
            }
            panic!("{:?}", open());
        };
        let connected = |_| std::net::TcpStream::connect(address).unwrap();
        let mut held: Vec<_> = (0..64).map(connected).collect();
        until(&|open| open == [16; 4]);
        // Whoever goes away makes room for whoever comes next.
        drop(held.drain(..6).collect::<Vec<_>>());
        until(&|open| open.iter().sum::<usize>() == 58);
        held.extend((0..6).map(connected));
        until(&|open| open == [16; 4]);
        drop(held);
    });
}

#[test]
fn a_head_is_answered_where_it_is_too_long_and_not_where_the_buffer_ends() {
    let bounds = Bounds { head_bytes: 1000, parser_buffer: 256 * 1024, ..Bounds::default() };
    let make = |_| Ok(Buggy(Arc::default()));
    let workers = spawn("short", 1, make, &bounds, None).unwrap();
    serving(workers, |address, _| {
        // No end: only what is too long can be what is answered.
        let head = |filler| format!("GET /well HTTP/1.1\r\nHost: a\r\nX: {}", "x".repeat(filler));
        let long = asked(address, &head(2000));
        // Its end is there as well: nothing comes behind it but what the client sends.
        let next = "GET /well HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        let ended = asked(address, &format!("{}\r\n\r\n{next}", head(2000)));
        let longest = asked(address, &(head(900) + "\r\nConnection: close\r\n\r\n"));
        assert!(long.starts_with("HTTP/1.1 431 "), "{long:?}");
        assert_eq!(
            (ended.matches("HTTP/1.1 200").count(), ended.matches("well").count()),
            (2, 2),
            "{ended:?}"
        );
        assert!(longest.ends_with("well"), "{longest:?}");
    });
}
