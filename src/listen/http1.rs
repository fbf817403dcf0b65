//! One HTTP/1.1 connection: hyper with every limit set.

use std::convert::Infallible;
use std::rc::Rc;

use http::HeaderValue;
use http::header::CONNECTION;
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};

use super::stop::LAST_CALL;
use super::wire::{Then, Watch, Watched, Wire};
use super::{Bounds, Handler, PARSER_HEADERS, Peer, Stopping};

/// Serves one connection, in cleartext or behind its handshake, to its end; on `stopping` it ends after the request it is at, or
/// that is on its way.
pub async fn connection<H: Handler>(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: Peer,
    handler: Rc<H>,
    bounds: Bounds,
    mut stopping: Stopping,
) {
    let watch = Watch::new(bounds.header_timeout, bounds.write_timeout);
    let wire = Wire::new(stream, watch.clone());
    let address = peer.address;
    let (leaving, watched) = (stopping.leaving(), watch.clone());
    let service = service_fn(move |request: http::Request<Incoming>| {
        let (handler, watch, leaving) = (handler.clone(), watch.clone(), leaving.clone());
        let peer = Peer { target_was_cut: watch.head_is_read(), ..peer.clone() };
        let bodiless = request.body().is_end_stream();
        async move {
            let mut answer = handler.answer(request, peer).await;
            if leaving.has_begun() && !answer.status().is_informational() {
                answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            let then = match (answer.status().is_informational(), bodiless) {
                (true, _) => Then::Tunnel,
                (false, true) => Then::Head,
                (false, false) => Then::Unknown,
            };
            Ok::<_, Infallible>(answer.map(|body| Watched::new(body, watch, then)))
        }
    });
    let mut builder = http1::Builder::new();
    // The parser has room for a hundred lines at hand; for more it takes memory with every head.
    if bounds.parser_headers != PARSER_HEADERS {
        builder.max_headers(bounds.parser_headers);
    }
    let connection = builder
        // The timeout below is silently off without a timer.
        .timer(TokioTimer::new())
        .header_read_timeout(bounds.idle_timeout)
        .max_buf_size(bounds.parser_buffer)
        .serve_connection(TokioIo::new(wire), service)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);

    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopping.begun() => loop {
            if watched.is_answering() {
                connection.as_mut().graceful_shutdown();
                break connection.await;
            }
            tokio::select! {
                ended = connection.as_mut() => break ended,
                () = tokio::time::sleep(LAST_CALL) => {}
            }
            // A head that has begun is read to its end, for which it has its own time.
            if !watched.is_in_head() {
                connection.as_mut().graceful_shutdown();
                break connection.await;
            }
        },
    };
    if let Err(error) = ended {
        tracing::debug!(peer = %address, %error, "connection ended");
    }
}
