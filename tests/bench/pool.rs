//! A stack of connections to one upstream, of one runtime: what `engines pool` has in the place of a stock client.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use http::Request;
use http::uri::Authority;
use http_body_util::Either;
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::{Answer, Failure, bad_gateway};

/// The idle connections of one runtime, the one used last on top.
pub(super) type Shelf = Rc<RefCell<Vec<SendRequest<Incoming>>>>;

/// An answer's body. Once it has been read whole, the connection that it came on lies on the shelf again.
pub(super) struct Lent {
    body: Incoming,
    ended: bool,
    sender: Option<SendRequest<Incoming>>,
    shelf: Shelf,
}

pub(super) async fn pass(
    shelf: &Shelf,
    upstream: &Authority,
    request: Request<Incoming>,
) -> Result<Answer<Lent>, http::Error> {
    let Ok(mut sender) = take(shelf, upstream).await else { return bad_gateway() };
    match sender.send_request(request).await {
        Ok(answer) => Ok(answer.map(|body| {
            Either::Left(Lent { body, ended: false, sender: Some(sender), shelf: shelf.clone() })
        })),
        Err(_) => bad_gateway(),
    }
}

async fn take(shelf: &Shelf, upstream: &Authority) -> Result<SendRequest<Incoming>, Failure> {
    loop {
        let Some(sender) = shelf.borrow_mut().pop() else { break };
        if sender.is_ready() {
            return Ok(sender);
        }
    }
    let stream = TcpStream::connect(upstream.as_str()).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::task::spawn_local(connection);
    Ok(sender)
}

// === impl Lent ===

impl Body for Lent {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        self.ended |= matches!(polled, Poll::Ready(None));
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let whole = self.ended || self.body.is_end_stream();
        // Not ready: the request's own body is still on its way.
        self.shelf.borrow_mut().extend(self.sender.take().filter(|sender| whole && sender.is_ready()));
    }
}
