//! An answer's body on its way to the client.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::patience::{Patience, Timers};
use super::{Reset, Stalled};
use crate::body::BodyError;
use crate::forward::headers::Scrub;
use crate::forward::pool::Lease;
use crate::streams::Open;

/// An answer's body on its way to the client. Its end gives the connection back; its breaking, or the client's
/// going away, closes it.
pub(in crate::forward) struct Download {
    body: Incoming,
    /// It comes as a stream of HTTP/2.
    http2: bool,
    lease: Option<Lease>,
    scrub: Rc<Scrub>,
    /// `None`: it may be silent for as long as it likes.
    patience: Option<Patience>,
    /// When it ends before its end, as if that were it.
    end: Option<Pin<Box<dyn Future<Output = ()>>>>,
    /// What is said then.
    last_words: Option<HeaderMap>,
}

// === impl Download ===

impl Download {
    pub(in crate::forward) fn new(
        body: Incoming,
        lease: Lease,
        scrub: Rc<Scrub>,
        (time, timers): (Option<Duration>, &Rc<Timers>),
        open: Option<Open>,
    ) -> Self {
        let end = open.map(|mut open| Box::pin(async move { open.must_end().await }) as Pin<Box<_>>);
        let http2 = lease.speaks_http2();
        let patience = time.map(|time| Patience::new(time, timers));
        Self { body, http2, lease: Some(lease), scrub, patience, end, last_words: None }
    }

    /// The same of a call of gRPC, whose client is told to ask again when it ends before its end.
    pub(in crate::forward) fn of_call(mut self) -> Self {
        let unavailable = (HeaderName::from_static("grpc-status"), HeaderValue::from_static("14"));
        self.last_words = Some(HeaderMap::from_iter([unavailable]));
        self
    }

    fn finish(&mut self) {
        if let Some(lease) = self.lease.take() {
            lease.finish();
        }
    }

    /// As if it were over. The upstream's connection, or stream, ends as well.
    fn ends_early(&mut self) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let first = self.lease.take().is_some();
        self.end = Some(Box::pin(std::future::ready(())));
        Poll::Ready(self.last_words.take().filter(|_| first).map(|last| Ok(Frame::trailers(last))))
    }
}

impl Body for Download {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(end) = &mut self.end
            && end.as_mut().poll(cx).is_ready()
        {
            return self.ends_early();
        }
        let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) else {
            let Some(patience) = &mut self.patience else { return Poll::Pending };
            ready!(patience.poll(cx));
            if self.end.is_some() {
                return self.ends_early();
            }
            self.lease = None;
            return Poll::Ready(Some(Err(BodyError(Box::new(Stalled)))));
        };
        if let Some(patience) = &mut self.patience {
            patience.rest();
        }
        Poll::Ready(match frame {
            Some(Ok(frame)) => {
                // Whoever reads this may not poll again once it knows that it has all.
                if self.body.is_end_stream() {
                    self.finish();
                }
                Some(Ok(match frame.into_trailers() {
                    Ok(trailers) => Frame::trailers(
                        trailers
                            .iter()
                            .filter(|(name, _)| self.scrub.passes_trailer(name))
                            .map(|(name, value)| (name.clone(), value.clone()))
                            .collect(),
                    ),
                    Err(data) => data,
                }))
            }
            // The client's connection ends abnormally: an answer cut short must not look whole.
            Some(Err(error)) => {
                self.lease = None;
                Some(Err(BodyError(Box::new(error))))
            }
            None if self.http2 && !self.body.is_end_stream() => {
                self.lease = None;
                Some(Err(BodyError(Box::new(Reset))))
            }
            None => {
                self.finish();
                None
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
