//! One HTTP/1.1 connection: hyper with every limit set, for as long as anything is asked of it.
//!
//! hyper keeps two buffers of 8 KiB for each connection, and most connections wait. Those at rest are taken out of it
//! ([`rest`]), and handed back with the next request's first byte.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use http::HeaderValue;
use http::header::CONNECTION;
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1::{self, Parts};
use hyper::service::{Service, service_fn};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::lull::{HeadTimer, Rounds};
use super::rest::rest;
use super::stop::LAST_CALL;
use super::wire::{Then, Watch, Watched, Wire};
use super::{Bounds, Handler, PARSER_HEADERS, Peer, Stopping};

/// What a connection comes to that hyper has.
enum Turn {
    Ended(hyper::Result<()>),
    Stopping,
    Rest,
}

/// Serves one connection, in cleartext or behind its handshake, to its end; on `stopping` it ends after the request it is at, or
/// that is on its way.
///
/// No async function, which would keep its arguments beside what they become: most connections wait, and what is kept
/// while they do is what they take.
pub fn connection<H: Handler>(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: Peer,
    handler: Rc<H>,
    bounds: Rc<Bounds>,
    mut stopping: Stopping,
) -> impl Future<Output = ()> {
    let watch = Watch::new(bounds.header_timeout, bounds.write_timeout);
    let mut wire = Wire::new(stream, watch.clone(), bounds.head_bytes);
    let address = peer.address;
    let (leaving, watched) = (stopping.leaving(), watch.clone());
    let mut service = service_fn(move |request: http::Request<Incoming>| {
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
    async move {
        let ended = loop {
            let begun;
            // In a box: whoever rests does not keep the room for it.
            (wire, service, begun) =
                match Box::pin(busy(wire, service, &watched, &bounds, &mut stopping)).await {
                    Ok(Some(kept)) => kept,
                    Ok(None) => break Ok(()),
                    Err(error) => break Err(error),
                };
            let left = bounds.idle_timeout.saturating_sub(Rounds::seen_after(bounds.idle_timeout));
            if !begun && !rest(&mut wire, left, &mut stopping).await {
                break Ok(());
            }
        };
        if let Err(error) = ended {
            tracing::debug!(peer = %address, %error, "connection ended");
        }
    }
}

/// Has hyper serve a connection until it is at rest: its stream and its service then, and whether a head has begun that is
/// to be read; `None` at the connection's end.
async fn busy<S, V>(
    wire: Wire<S>,
    service: V,
    watched: &Arc<Watch>,
    bounds: &Bounds,
    stopping: &mut Stopping,
) -> hyper::Result<Option<(Wire<S>, V, bool)>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    V: Service<http::Request<Incoming>, Response = http::Response<Watched>, Error = Infallible> + Unpin,
{
    let leaving = stopping.leaving();
    let mut connection =
        builder(watched, bounds).serve_connection(TokioIo::new(wire), service).with_upgrades();
    let turn = {
        let mut rounds = Rounds::new(bounds.idle_timeout);
        let (mut begun, mut heard) = (pin!(stopping.begun()), false);
        poll_fn(|cx| {
            if let Poll::Ready(ended) = Pin::new(&mut connection).poll(cx) {
                return Poll::Ready(Turn::Ended(ended));
            }
            // Once it is waited for it wakes this task. Asking takes a lock that all workers share, so nobody asks
            // with every request.
            if (!heard || leaving.has_begun()) && begun.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Turn::Stopping);
            }
            heard = true;
            if rounds.is_at_rest(cx, watched) { Poll::Ready(Turn::Rest) } else { Poll::Pending }
        })
        .await
    };
    match turn {
        Turn::Ended(ended) => return ended.map(|()| None),
        Turn::Stopping => loop {
            if watched.is_answering() {
                Pin::new(&mut connection).graceful_shutdown();
                return connection.await.map(|()| None);
            }
            tokio::select! {
                ended = &mut connection => return ended.map(|()| None),
                () = tokio::time::sleep(LAST_CALL) => {}
            }
            // A head that has begun is read to its end, for which it has its own time.
            if !watched.is_in_head() {
                Pin::new(&mut connection).graceful_shutdown();
                return connection.await.map(|()| None);
            }
        },
        Turn::Rest => {}
    }
    // It waits for a head, and has nothing to write: what it has read besides is all that it knows.
    Ok(connection.into_parts().map(|Parts { io, read_buf, service, .. }| {
        let mut wire = io.into_inner();
        let begun = wire.put_back(&read_buf);
        (wire, service, begun)
    }))
}

fn builder(watch: &Arc<Watch>, bounds: &Bounds) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        // Without a time for heads hyper would not say that it waits for one; without a timer the time is silently off.
        .timer(HeadTimer::new(watch.clone()))
        .header_read_timeout(bounds.idle_timeout)
        .max_buf_size(bounds.parser_buffer);
    // The parser has room for a hundred lines at hand; for more it takes memory with every head.
    if bounds.parser_headers != PARSER_HEADERS {
        builder.max_headers(bounds.parser_headers);
    }
    builder
}
