//! One HTTP/2 connection: hyper with every limit set. What is answered cannot tell it from HTTP/1.1.
//!
//! Threat: what costs a client little and the gate much. Resets by the thousand, heads that never end, frames with
//! nothing in them and answers that nobody takes all end the connection, and nothing else.

use std::convert::Infallible;
use std::error::Error;
use std::future::{Future, poll_fn};
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};

use super::crowd::Place;
use super::{Bounds, Handler, Peer, Stopping};
use load::{FAREWELL, Load, Running, Taken, Verdict, now};
use wire::Wire;

pub(crate) mod frames;
pub(crate) mod head;
mod load;
mod wire;

/// Bounds on what an HTTP/2 connection may do beside HTTP/1.1's.
#[derive(Debug, Clone)]
pub struct Http2Bounds {
    /// Whether it is spoken in cleartext, by clients that know so beforehand.
    pub cleartext: bool,
    /// Requests at once.
    pub streams: u32,
    /// How much of a request's body may come before somebody takes it, bytes; of a connection's bodies four times that.
    pub window: u32,
    /// How much of an answer may wait for the client, bytes.
    pub send_buffer: usize,
    /// How long a client may be silent before it is asked whether it is there; `None`: for ever.
    pub ping: Option<Duration>,
    /// The parser's own limit on a request head, bytes as RFC 9113 §10.5.1 counts them. From four times that on it
    /// ends the connection.
    pub header_list: u32,
}

/// Runs what belongs to a connection on its own thread.
#[derive(Clone)]
struct Here;

/// Serves one connection, in cleartext or (`secure`) behind its handshake, to its end; on `stopping` its client is told,
/// and it ends after the requests it is at, or that are on their way.
pub(super) async fn connection<H: Handler>(
    stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
    (secure, place): (bool, Rc<Place>),
    peer: Peer,
    handler: Rc<H>,
    bounds: Rc<Bounds>,
    mut stopping: Stopping,
) {
    let load = Load::new();
    let wire = Wire::new(stream, load.clone(), bounds.header_timeout, bounds.write_timeout);
    let address = peer.address;
    let (going, leaving) = (load.clone(), stopping.leaving());
    let service = service_fn(move |request: http::Request<Incoming>| {
        let (handler, load, leaving) = (handler.clone(), going.clone(), leaving.clone());
        // The connection's own place is for one.
        let beside = if load.is_answering() { place.beside() } else { Ok(None) };
        let peer = Peer { crowds: beside.is_err(), ..peer.clone() };
        let running = Running::new(load.clone(), handler.clone(), beside.ok().flatten());
        async move {
            let (mut head, body) = request.into_parts();
            head::level(&mut head, secure);
            let mut answer = handler.answer(http::Request::from_parts(head, body), peer).await;
            if leaving.has_begun() {
                load.say_goodbye();
            }
            head::strip(answer.headers_mut());
            Ok::<_, Infallible>(answer.map(|body| Taken::new(body, running)))
        }
    });
    let sending = wire.half();
    let connection = builder(&bounds.http2).serve_connection(TokioIo::new(wire), service);
    let mut connection = std::pin::pin!(connection);
    let mut said_goodbye = false;
    let mut look = std::pin::pin!(tokio::time::sleep(bounds.idle_timeout.min(bounds.write_timeout)));

    let ended: Result<(), Box<dyn Error>> = loop {
        let turn = poll_fn(|cx| {
            let turn = connection.as_mut().poll(cx);
            match (turn, sending.poll_send(cx)) {
                (Poll::Pending, Poll::Ready(Err(error))) => Poll::Ready(Err(error.into())),
                (turn, _) => turn.map_err(Into::into),
            }
        });
        let goodbye = tokio::select! {
            ended = turn => break ended,
            () = stopping.begun(), if !said_goodbye => true,
            () = load.goodbye(), if !said_goodbye => true,
            () = look.as_mut() => match load.verdict(said_goodbye, bounds.idle_timeout, bounds.write_timeout) {
                Verdict::Later(then) => {
                    look.as_mut().reset(then);
                    false
                }
                Verdict::Goodbye => true,
                Verdict::End => {
                    tracing::debug!(peer = %address, "connection given up");
                    return;
                }
            }
        };
        if goodbye {
            // HTTP/2 has a word for it: what is on its way is still answered, and nothing is lost (RFC 9113 §6.8).
            connection.as_mut().graceful_shutdown();
            said_goodbye = true;
            look.as_mut().reset(now() + FAREWELL);
        }
    };
    if let Err(error) = ended {
        tracing::debug!(peer = %address, %error, "connection ended");
    }
}

fn builder(bounds: &Http2Bounds) -> http2::Builder<Here> {
    let mut builder = http2::Builder::new(Here);
    // What is not set here is as hyper has it: at most 20 streams that were reset before anybody looked at them
    // (RUSTSEC-2024-0003), and 1,024 that the gate had to reset (RUSTSEC-2025-0070); a head's CONTINUATION frames
    // (RUSTSEC-2024-0332) and frames with next to nothing in them (RUSTSEC-2026-0258) are counted as well. CONNECT
    // in its extended form (RFC 8441) is not offered, so that browsers open WebSockets over HTTP/1.1.
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(bounds.streams)
        .initial_stream_window_size(bounds.window)
        .initial_connection_window_size(bounds.window.saturating_mul(4).min(LARGEST_WINDOW))
        .max_frame_size(FRAME)
        .max_send_buf_size(bounds.send_buffer)
        .max_header_list_size(bounds.header_list)
        .keep_alive_interval(bounds.ping)
        .keep_alive_timeout(PONG);
    builder
}

// === impl Http2Bounds ===

impl Default for Http2Bounds {
    fn default() -> Self {
        Self {
            cleartext: false,
            streams: 128,
            window: 256 * 1024,
            send_buffer: 256 * 1024,
            ping: Some(Duration::from_secs(60)),
            header_list: 128 * 1024,
        }
    }
}

// === impl Here ===

impl<F: Future + 'static> Executor<F> for Here {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(future);
    }
}

/// What a client says first (RFC 9113 §3.4).
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// The least that anybody may send at once (RFC 9113 §6.5.2): one stream's piece keeps no other waiting for long.
const FRAME: u32 = 16 * 1024;
/// RFC 9113 §6.9.1.
const LARGEST_WINDOW: u32 = (1 << 31) - 1;
/// For the answer to a ping.
const PONG: Duration = Duration::from_secs(20);
