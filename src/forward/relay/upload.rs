//! A request's body on its way to the upstream.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::Version;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::super::now;
use super::patience::{Patience, Timers};
use super::{Reset, Stalled};

/// A request's body on its way to the upstream.
pub(in crate::forward) enum Upload {
    /// None.
    Empty,
    /// As it comes from the client.
    Stream(Box<Uploading>),
}

pub(in crate::forward) struct Uploading {
    body: Incoming,
    /// It came as a stream of HTTP/2.
    http2: bool,
    patience: Patience,
    progress: Rc<Progress>,
    /// Bytes that may still come.
    left: u64,
    /// Over HTTP/2: resolves when the answer is over, or nobody wants it any more.
    over: Option<oneshot::Receiver<()>>,
}

/// How a request's body fares, for whoever waits for the answer.
pub(in crate::forward) struct Progress {
    /// When something last moved.
    pub(super) last: Cell<Instant>,
    /// The client is who is waited for.
    pub(super) waiting: Cell<bool>,
    /// The client's body broke.
    pub(in crate::forward) broken: Cell<bool>,
    /// The client stopped sending.
    pub(in crate::forward) stalled: Cell<bool>,
    /// The client sent more than it may.
    pub(in crate::forward) too_large: Cell<bool>,
    /// Both sides go on for as long as they like: silence is no stalling.
    pub(in crate::forward) conversing: Cell<bool>,
}

#[derive(Debug, thiserror::Error)]
#[error("more came than may")]
struct TooLarge;

/// Why a request's body ended early. What HTTP/2 said of it is said to the upstream as well.
#[derive(Debug, thiserror::Error)]
#[error("the request's body ended early: {0}")]
pub(in crate::forward) struct UploadError(#[source] Box<dyn std::error::Error + Send + Sync>);

// === impl Upload ===

impl Upload {
    /// Of at most `most` bytes; nothing may stand still for `time`.
    pub(in crate::forward) fn new(
        body: Incoming,
        version: Version,
        (time, most): (Duration, Option<u64>),
        timers: &Rc<Timers>,
    ) -> (Self, Rc<Progress>) {
        let progress = Rc::new(Progress::new());
        let upload = if body.is_end_stream() {
            Self::Empty
        } else {
            Self::Stream(Box::new(Uploading {
                body,
                http2: version == Version::HTTP_2,
                patience: Patience::new(time, timers),
                progress: progress.clone(),
                left: most.unwrap_or(u64::MAX),
                over: None,
            }))
        };
        (upload, progress)
    }

    /// Ends early once that resolves.
    pub(in crate::forward) fn goes_until(&mut self, over: oneshot::Receiver<()>) {
        if let Self::Stream(uploading) = self {
            uploading.over = Some(over);
        }
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = UploadError;

    // hyper polls this once the head is on its way upstream; the first poll is also what makes the server side
    // answer `Expect: 100-continue`. So a client is never told to go on before there is someone to send to.
    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UploadError>>> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            Self::Stream(uploading) => uploading.poll(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Stream(uploading) => uploading.body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Stream(uploading) => uploading.body.size_hint(),
        }
    }
}

// === impl Uploading ===

impl Uploading {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, UploadError>>> {
        if let Some(over) = &mut self.over
            && Pin::new(over).poll(cx).is_ready()
        {
            return Poll::Ready(Some(Err(UploadError(Box::new(h2::Error::from(h2::Reason::CANCEL))))));
        }
        loop {
            let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) else {
                self.progress.waiting.set(true);
                ready!(self.patience.poll(cx));
                if self.progress.conversing.get() {
                    self.patience.rest();
                    continue;
                }
                self.progress.stalled.set(true);
                return Poll::Ready(Some(Err(UploadError(Box::new(Stalled)))));
            };
            self.patience.rest();
            self.progress.waiting.set(false);
            self.progress.last.set(now());
            return Poll::Ready(match frame {
                // A trailer could become a header further on (RFC 9110 §6.5.1); none is passed.
                Some(Ok(frame)) if !frame.is_data() => continue,
                // Its length was not told: what is too much does not go on.
                Some(Ok(frame)) => match self.left.checked_sub(length(&frame)) {
                    Some(left) => {
                        self.left = left;
                        Some(Ok(frame))
                    }
                    None => {
                        self.progress.too_large.set(true);
                        Some(Err(UploadError(Box::new(TooLarge))))
                    }
                },
                Some(Err(error)) => {
                    self.progress.broken.set(true);
                    Some(Err(UploadError(Box::new(error))))
                }
                None if self.http2 && !self.body.is_end_stream() => {
                    self.progress.broken.set(true);
                    Some(Err(UploadError(Box::new(Reset))))
                }
                None => None,
            });
        }
    }
}

fn length(frame: &Frame<Bytes>) -> u64 {
    frame.data_ref().map_or(0, |data| data.len() as u64)
}

// === impl Progress ===

impl Progress {
    fn new() -> Self {
        Self {
            last: Cell::new(now()),
            waiting: Cell::new(false),
            broken: Cell::new(false),
            stalled: Cell::new(false),
            too_large: Cell::new(false),
            conversing: Cell::new(false),
        }
    }
}
