//! What a connection is at: how many requests it answers, for which of them the client is who is waited for, and since
//! when nothing has moved.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::body::{Body, BodyError};
use crate::listen::crowd::Beside;
use crate::listen::{Alarm, Handler};

/// Shared by a connection's bytes and its requests, which live on one thread.
pub(super) struct Load {
    answering: Cell<usize>,
    /// Answers of which a piece has been handed out and the next has not been asked for: they wait for the client.
    untaken: Cell<usize>,
    /// When a request last ended, or something of a body last left.
    moved: Cell<Instant>,
    goodbye: Notify,
}

/// One request, from its head to its answer's last byte.
pub(super) struct Running<H: Handler> {
    load: Rc<Load>,
    _alarm: Alarm<H>,
    _beside: Option<Beside>,
}

/// An answer's body that says whether the client is who is waited for.
pub(super) struct Taken<H: Handler> {
    body: Body,
    running: Running<H>,
    waits: bool,
}

/// What is to be done about a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing until then.
    Later(Instant),
    /// No request for too long: the client is told that no more are taken.
    Goodbye,
    /// It takes nothing, or does not go: its end.
    End,
}

// === impl Load ===

impl Load {
    pub(super) fn new() -> Rc<Self> {
        Rc::new(Self {
            answering: Cell::new(0),
            untaken: Cell::new(0),
            moved: Cell::new(now()),
            goodbye: Notify::new(),
        })
    }

    /// Something of a body has left.
    pub(super) fn has_moved(&self) {
        self.moved.set(now());
    }

    /// Whether a request is under way.
    pub(super) fn is_answering(&self) -> bool {
        self.answering.get() > 0
    }

    /// No more requests on this connection.
    pub(super) fn say_goodbye(&self) {
        self.goodbye.notify_one();
    }

    /// Returns once that was said.
    pub(super) async fn goodbye(&self) {
        self.goodbye.notified().await;
    }

    /// What to do now. `leaving`: the client was told that no more requests are taken.
    pub(super) fn verdict(&self, leaving: bool, idle: Duration, write: Duration) -> Verdict {
        let (now, moved) = (now(), self.moved.get());
        let (time, verdict) = match (self.answering.get(), self.untaken.get()) {
            (0, _) if leaving => (FAREWELL, Verdict::End),
            (0, _) => (idle, Verdict::Goodbye),
            // What one client does not take lies in buffers of the gate's.
            (_, 1..) => (write, Verdict::End),
            // Its end comes with the last answer, unless the client has not taken note: then soon after.
            (_, 0) => return Verdict::Later(now + if leaving { FAREWELL } else { write.min(idle) }),
        };
        if now >= moved + time { verdict } else { Verdict::Later((moved + time).min(now + write)) }
    }
}

// === impl Running ===

impl<H: Handler> Running<H> {
    pub(super) fn new(load: Rc<Load>, handler: Rc<H>, beside: Option<Beside>) -> Self {
        load.answering.set(load.answering.get() + 1);
        Self { load, _alarm: Alarm(handler), _beside: beside }
    }
}

impl<H: Handler> Drop for Running<H> {
    fn drop(&mut self) {
        self.load.answering.set(self.load.answering.get().saturating_sub(1));
        self.load.has_moved();
    }
}

// === impl Taken ===

impl<H: Handler> Taken<H> {
    pub(super) fn new(body: Body, running: Running<H>) -> Self {
        Self { body, running, waits: false }
    }

    fn wait(&mut self, waits: bool) {
        let untaken = &self.running.load.untaken;
        match (self.waits, waits) {
            (false, true) => {
                if untaken.get() == 0 {
                    self.running.load.has_moved();
                }
                untaken.set(untaken.get() + 1);
            }
            (true, false) => untaken.set(untaken.get().saturating_sub(1)),
            _ => {}
        }
        self.waits = waits;
    }
}

impl<H: Handler> Drop for Taken<H> {
    fn drop(&mut self) {
        self.wait(false);
    }
}

impl<H: Handler> http_body::Body for Taken<H> {
    type Data = Bytes;
    type Error = BodyError;

    // The next piece is asked for once there is room for it; in between the client is who is waited for.
    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        self.wait(matches!(&frame, Poll::Ready(Some(Ok(frame))) if frame.is_data()));
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Now, by the clock that the timers of a connection go by.
#[allow(clippy::disallowed_methods, reason = "timers of the connection, never a decision")]
pub(super) fn now() -> Instant {
    Instant::now()
}

/// For a client that was told that no more requests are taken to take note of it.
pub(super) const FAREWELL: Duration = Duration::from_secs(2);
