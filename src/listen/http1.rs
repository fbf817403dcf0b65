//! One HTTP/1.1 connection: hyper with every limit set.

use std::convert::Infallible;
use std::rc::Rc;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;

use super::{Bounds, Handler, Peer, Stopping};

/// Serves one connection to its end; on `stopping` it ends after the request it is at.
pub async fn connection<H: Handler>(
    stream: TcpStream,
    peer: Peer,
    handler: Rc<H>,
    bounds: Bounds,
    mut stopping: Stopping,
) {
    // Without it a streamed answer waits for delayed acknowledgements, up to 40 ms.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let handler = handler.clone();
        async move { Ok::<_, Infallible>(handler.answer(request, peer).await) }
    });
    let connection = http1::Builder::new()
        // The timeout below is silently off without a timer.
        .timer(TokioTimer::new())
        .header_read_timeout(bounds.header_timeout)
        .max_headers(bounds.parser_headers)
        .max_buf_size(bounds.parser_buffer)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);

    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopping.begun() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(peer = %peer.address, %error, "connection ended");
    }
}
