//! Workers with a handler that has a bug.

use std::io::{Read, Write};
use std::sync::Mutex;

use http::{Request, Response};
use hyper::body::Incoming;

use super::*;
use crate::body::{Answer, Body};
use crate::listen::stop;

/// Panics where it is asked to; what it is told of, in order.
struct Buggy(Arc<Mutex<Vec<Lost>>>);

impl Handler for Buggy {
    async fn answer(&self, request: Request<Incoming>, _peer: Peer) -> Answer {
        assert!(request.uri().path() != "/bug", "a test's own bug");
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

#[test]
fn a_panic_takes_its_connection_with_it_and_nothing_else() {
    let lost = Arc::new(Mutex::new(Vec::new()));
    let told = lost.clone();
    // One worker: whoever panics shares it with everybody.
    let make = move |_| Ok(Buggy(told.clone()));
    let workers = spawn("buggy", 1, make, &Bounds::default(), None).unwrap();
    let listener = crate::listen::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopping) = stop::pair();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(workers.feed(listener, stopping)).unwrap();
        });
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
        stop.begin();
    });
    workers.join();
}
