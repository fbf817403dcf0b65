//! Bodies on their way, up and down: streamed, timed, trailers filtered; never held in memory.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Version};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::sync::oneshot;
use tokio::time::{Instant, Sleep, sleep_until};

use super::headers::Scrub;
use super::now;
use super::pool::Lease;
use crate::body::BodyError;
use crate::streams::Open;

/// A request's body on its way to the upstream.
pub(super) enum Upload {
    /// None.
    Empty,
    /// As it comes from the client.
    Stream(Box<Uploading>),
}

pub(super) struct Uploading {
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
pub(super) struct Progress {
    /// When something last moved.
    last: Cell<Instant>,
    /// The client is who is waited for.
    waiting: Cell<bool>,
    /// The client's body broke.
    pub(super) broken: Cell<bool>,
    /// The client stopped sending.
    pub(super) stalled: Cell<bool>,
    /// The client sent more than it may.
    pub(super) too_large: Cell<bool>,
    /// Both sides go on for as long as they like: silence is no stalling.
    pub(super) conversing: Cell<bool>,
}

/// An answer's body on its way to the client. Its end gives the connection back; its breaking, or the client's
/// going away, closes it.
pub(super) struct Download {
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

/// What is waited for has its time; a body that is there at once costs nothing.
struct Patience {
    time: Duration,
    timers: Rc<Timers>,
    timer: Option<Pin<Box<Sleep>>>,
    /// Counted from here.
    since: Option<Instant>,
}

/// Timers that requests lend each other. To arm one and to take it back costs more than the rest of a wait; one that
/// merely goes off later than it was set for costs nothing. So each stays armed, and is set anew only when it goes off.
#[derive(Default)]
pub(super) struct Timers(RefCell<Vec<Pin<Box<Sleep>>>>);

#[derive(Debug, thiserror::Error)]
#[error("nothing came for too long")]
struct Stalled;

#[derive(Debug, thiserror::Error)]
#[error("more came than may")]
struct TooLarge;

/// HTTP/2 can end a stream without an error before its end.
#[derive(Debug, thiserror::Error)]
#[error("the stream was reset")]
struct Reset;

/// Why a request's body ended early. What HTTP/2 said of it is said to the upstream as well.
#[derive(Debug, thiserror::Error)]
#[error("the request's body ended early: {0}")]
pub(super) struct UploadError(#[source] Box<dyn std::error::Error + Send + Sync>);

/// The answer's head; `None` if the upstream takes too long. While the client's body is what is waited for,
/// the upstream's time does not run.
pub(super) async fn await_head<T>(
    answer: impl Future<Output = T>,
    progress: &Progress,
    time: Duration,
    timers: &Timers,
) -> Option<T> {
    let mut answer = pin!(answer);
    progress.last.set(now());
    let mut timer = timers.take(progress.last.get() + time);
    let waited = poll_fn(|cx| {
        if let Poll::Ready(answer) = answer.as_mut().poll(cx) {
            return Poll::Ready(Some(answer));
        }
        let deadline = || if progress.waiting.get() { now() } else { progress.last.get() } + time;
        is_over(&mut timer, deadline, cx).map(|()| None)
    });
    let answered = waited.await;
    timers.put_back(timer);
    answered
}

/// Ready once `deadline` is past, which may have moved on since the timer was set.
fn is_over(timer: &mut Pin<Box<Sleep>>, deadline: impl Fn() -> Instant, cx: &mut Context<'_>) -> Poll<()> {
    loop {
        ready!(timer.as_mut().poll(cx));
        let deadline = deadline();
        if deadline <= now() {
            return Poll::Ready(());
        }
        timer.as_mut().reset(deadline);
    }
}

// === impl Timers ===

impl Timers {
    /// One that goes off at `deadline`, or before and is to be set anew then.
    fn take(&self, deadline: Instant) -> Pin<Box<Sleep>> {
        match self.0.borrow_mut().pop() {
            Some(mut timer) => {
                if timer.deadline() > deadline || timer.is_elapsed() {
                    timer.as_mut().reset(deadline);
                }
                timer
            }
            None => Box::pin(sleep_until(deadline)),
        }
    }

    fn put_back(&self, timer: Pin<Box<Sleep>>) {
        let mut timers = self.0.borrow_mut();
        if timers.len() < MAX_TIMERS {
            timers.push(timer);
        }
    }
}

// === impl Upload ===

impl Upload {
    /// Of at most `most` bytes; nothing may stand still for `time`.
    pub(super) fn new(
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
    pub(super) fn goes_until(&mut self, over: oneshot::Receiver<()>) {
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

// === impl Download ===

impl Download {
    pub(super) fn new(
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
    pub(super) fn of_call(mut self) -> Self {
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

// === impl Patience ===

impl Patience {
    fn new(time: Duration, timers: &Rc<Timers>) -> Self {
        Self { time, timers: timers.clone(), timer: None, since: None }
    }

    /// Ready once nothing has come for too long.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let deadline = *self.since.get_or_insert_with(now) + self.time;
        let timer = self.timer.get_or_insert_with(|| self.timers.take(deadline));
        is_over(timer, || deadline, cx)
    }

    fn rest(&mut self) {
        self.since = None;
    }
}

impl Drop for Patience {
    fn drop(&mut self) {
        if let Some(timer) = self.timer.take() {
            self.timers.put_back(timer);
        }
    }
}

/// More are not kept: each is some hundred bytes.
const MAX_TIMERS: usize = 4096;
