//! The way in: sockets, the acceptor and the workers. Knows no gate: it takes a handler.

use std::future::Future;
use std::io;
use std::io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, Request};
use hyper::body::Incoming;

use crate::body::Answer;
use crate::tls::client_certificate::ClientCertificate;

pub mod crowd;
mod door;
pub mod http1;
pub mod http2;
pub mod inherited;
mod lull;
mod proxied;
pub mod proxy_protocol;
mod rest;
pub mod stop;
pub mod tls;
pub mod unix;
mod wire;
pub mod workers;

pub use http2::Http2Bounds;
pub use stop::{Leaving, Stop, Stopping};

/// Who is at the other end of the socket.
#[derive(Debug, Clone)]
pub struct Peer {
    /// The socket's own peer address, or what a balancer says in its PROXY header; never an HTTP header's claim.
    pub address: SocketAddr,
    /// Its IP address as text, made once a connection.
    pub spelled: HeaderValue,
    /// What they showed in the handshake, verified then; read once a connection.
    pub certificate: Option<Arc<ClientCertificate>>,
    /// A balancer passed this connection on and did not say whose it is. The address is its own then, and what a request
    /// says about its way here is the client's word.
    pub nameless: bool,
    /// Its address asks for more at once than it may.
    pub crowds: bool,
    /// The request's target held a `#`, at which the parser cuts it off without a word.
    pub target_was_cut: bool,
}

/// What answers a request. One instance a worker, never shared between threads.
pub trait Handler: 'static {
    /// Answers one request. The answer's body may go on after this returns.
    fn answer(&self, request: Request<Incoming>, peer: Peer) -> impl Future<Output = Answer>;

    /// Whether connections from there begin with a PROXY header. Asked once for each, before a byte of it is read.
    fn is_balancer(&self, _address: IpAddr) -> bool {
        false
    }

    /// A connection ended without an answer that somebody waited for.
    fn lost(&self, _why: Lost) {}
}

/// How a connection is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// A balancer's connection did not say whose it is.
    ProxyHeader,
    /// Answering it panicked: a bug. Its task is gone, and nothing else.
    Panic,
}

/// Goes off where what answers a request ends by a panic: tokio keeps that from everything else, and says nothing.
struct Alarm<H: Handler>(Rc<H>);

/// Bounds on what a connection may do. Those of the gate lie below the parser's, so that refusals are ours.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// For a whole request head, from its first byte.
    pub header_timeout: Duration,
    /// Until the first byte of the next request.
    pub idle_timeout: Duration,
    /// For a client that takes nothing of its answer. A tunnel's has its own time.
    pub write_timeout: Duration,
    /// The parser's own limit on header lines.
    pub parser_headers: usize,
    /// How long a request head may get before it is ended where it is, bytes.
    pub head_bytes: usize,
    /// What the parser holds at most, bytes: of a head, of a body before somebody takes it, of an answer that waits.
    pub parser_buffer: usize,
    /// Of HTTP/2 alone.
    pub http2: Http2Bounds,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(60),
            write_timeout: Duration::from_secs(60),
            parser_headers: PARSER_HEADERS,
            head_bytes: 128 * 1024,
            parser_buffer: 128 * 1024,
            http2: Http2Bounds::default(),
        }
    }
}

// === impl Peer ===

impl Peer {
    /// Whoever is at the other end themselves, who has shown nothing.
    pub fn at(address: SocketAddr) -> Self {
        let spelled = HeaderValue::try_from(address.ip().to_canonical().to_string());
        let spelled = spelled.unwrap_or(HeaderValue::from_static("unknown"));
        Self { address, spelled, certificate: None, nameless: false, crowds: false, target_was_cut: false }
    }
}

// === impl Alarm ===

impl<H: Handler> Drop for Alarm<H> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.lost(Lost::Panic);
        }
    }
}

// === impl Lost ===

impl Lost {
    /// A stable word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ProxyHeader => "proxy_header",
            Self::Panic => "panic",
        }
    }
}

/// Binds `address` for `listen`ing. Port 0 takes any free port.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Accepts on the current thread until `stopping`, each connection a local task. For the small listeners
/// (admin, dev pool); the gate's own goes through [`workers`].
pub async fn serve<H: Handler>(
    listener: TcpListener,
    handler: Rc<H>,
    bounds: Bounds,
    mut stopping: Stopping,
) -> io::Result<()> {
    let (listener, bounds) = (tokio::net::TcpListener::from_std(listener)?, Rc::new(bounds));
    while let Some((stream, address)) = accept(&listener, &mut stopping).await {
        at_once(&stream);
        let connection =
            http1::connection(stream, Peer::at(address), handler.clone(), bounds.clone(), stopping.clone());
        tokio::task::spawn_local(connection);
    }
    Ok(())
}

/// Without it a streamed answer waits for delayed acknowledgements, up to 40 ms.
fn at_once(stream: &tokio::net::TcpStream) {
    let _ = stream.set_nodelay(true);
}

/// The next connection, or `None` once stopping.
async fn accept(
    listener: &tokio::net::TcpListener,
    stopping: &mut Stopping,
) -> Option<(tokio::net::TcpStream, SocketAddr)> {
    for failures in 0_u32.. {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stopping.begun() => return None,
        };
        match accepted {
            Ok(connection) => return Some(connection),
            // Gone before it was taken.
            Err(error) if matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted) => {}
            // Out of file descriptors, most often: no reason to spin, nor to fill the log.
            Err(error) => {
                if failures.is_multiple_of(FAILURES_A_LINE) {
                    tracing::warn!(%error, "accept failed");
                }
                tokio::time::sleep(BREATH).await;
            }
        }
    }
    None
}

/// Those whom the system has let in before the listener closes: its end would reset them.
fn waiting(listener: tokio::net::TcpListener) -> Vec<(TcpStream, SocketAddr)> {
    let Ok(listener) = listener.into_std() else { return vec![] };
    std::iter::from_fn(|| listener.accept().ok())
        .take(LAST_IN)
        .filter(|(stream, _)| stream.set_nonblocking(true).is_ok())
        .collect()
}

/// The parser's own limit on header lines, for which it has room at hand.
pub const PARSER_HEADERS: usize = 100;
/// As many as wait for a listener at most, by the system's default: a flood is not let in for ever.
const LAST_IN: usize = 4096;
/// Between two tries to accept where there is no file descriptor left.
const BREATH: Duration = Duration::from_millis(50);
/// One every five seconds.
const FAILURES_A_LINE: u32 = 100;
