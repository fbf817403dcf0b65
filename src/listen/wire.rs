//! The bytes below the parser: how long a request head may take, and what the parser would swallow.
//!
//! hyper's own timeout runs while a connection is merely idle, so one limit cannot serve both a patient
//! keep-alive and a client that sends a byte a second. And it cuts a target at `#` without a word, where a
//! request must be refused (RFC 9112 §3.2). Both need to know where a head begins: after the last answer.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use super::lull::Lull;
use crate::body::{Body, BodyError};
use crate::gather;

/// A connection's stream, watched.
pub(super) struct Wire<S> {
    stream: S,
    watch: Arc<Watch>,
    /// Bytes of the stream that were taken off it, and are to be read before what it holds.
    ahead: Bytes,
    /// Bytes of the head that comes, and how many it may have.
    head: usize,
    most: usize,
    /// For the rest of a head that has begun and did not come in one piece, and for the goodbye.
    timer: Option<Pin<Box<Sleep>>>,
    /// For what the client does not take.
    untaken: Option<Pin<Box<Sleep>>>,
}

/// What a connection is at. Shared by its stream and its answers, which live on one thread.
pub(super) struct Watch {
    phase: AtomicU8,
    /// From a head's end until its answer's body is gone.
    answering: AtomicBool,
    fragment: AtomicBool,
    /// Bytes of empty lines since the last head.
    blank: AtomicU8,
    head_timeout: Duration,
    write_timeout: Duration,
    /// The bytes are a tunnel's, which has its own time.
    tunnel: AtomicBool,
    /// Something is written that the client does not take at once.
    full: AtomicBool,
    /// Bytes of bodies that have been handed over since all was written.
    held: AtomicUsize,
    pub(super) lull: Lull,
}

/// An answer's body that says when it is gone: what is read then is the next head.
pub(super) struct Watched {
    body: Body,
    watch: Arc<Watch>,
    then: Then,
}

/// What a connection is at once an answer's body is gone.
#[derive(Clone, Copy)]
pub(super) enum Then {
    /// The next bytes are a head.
    Head,
    /// They may still be of a body that nobody read: the head behind it is not looked at.
    Unknown,
    /// They are a tunnel's.
    Tunnel,
}

// === impl Watch ===

impl Watch {
    pub(super) fn new(head_timeout: Duration, write_timeout: Duration) -> Arc<Self> {
        Arc::new(Self {
            phase: AtomicU8::new(IDLE),
            answering: AtomicBool::new(false),
            fragment: AtomicBool::new(false),
            blank: AtomicU8::new(0),
            head_timeout,
            write_timeout,
            tunnel: AtomicBool::new(false),
            full: AtomicBool::new(false),
            held: AtomicUsize::new(0),
            lull: Lull::default(),
        })
    }

    /// A head has been parsed. Whether its target was cut at `#`; not known of a request that came in one
    /// piece with the one before it, or right behind a body: there it is decided and sent on as it was cut.
    pub(super) fn head_is_read(&self) -> bool {
        self.lull.end();
        self.phase.store(SERVING, Ordering::Relaxed);
        self.answering.store(true, Ordering::Relaxed);
        self.fragment.swap(false, Ordering::Relaxed)
    }

    /// The parser waits for a head, of which it may hold something already.
    pub(super) fn waits(&self) {
        self.lull.begin();
        let is_over = !self.is_answering() && !self.tunnel.load(Ordering::Relaxed);
        if is_over && self.phase.load(Ordering::Relaxed) == SERVING {
            self.phase.store(BEHIND, Ordering::Relaxed);
        }
    }

    /// Whether a request is being answered.
    pub(super) fn is_answering(&self) -> bool {
        self.answering.load(Ordering::Relaxed)
    }

    /// Whether a head has begun and is not there yet; not known right behind a body.
    pub(super) fn is_in_head(&self) -> bool {
        matches!(self.phase.load(Ordering::Relaxed), IN_LINE | IN_HEAD)
    }

    /// Looks at the bytes of a head; an error where nothing but empty lines comes.
    fn observe(&self, bytes: &[u8]) -> io::Result<()> {
        let mut line = bytes;
        let phase = self.phase.load(Ordering::Relaxed);
        if phase == IDLE || phase == BEHIND {
            // An empty line before a request is to be ignored (RFC 9112 §2.2).
            let start = line.iter().position(|byte| !matches!(byte, b'\r' | b'\n'));
            let blank = u8::try_from(start.unwrap_or(line.len())).unwrap_or(u8::MAX);
            let before = self.blank.load(Ordering::Relaxed);
            self.blank.store(before.saturating_add(blank), Ordering::Relaxed);
            if self.blank.load(Ordering::Relaxed) > BLANK_BYTES {
                return Err(io::ErrorKind::InvalidData.into());
            }
            let Some(start) = start else { return Ok(()) };
            line = &line[start..];
            self.blank.store(0, Ordering::Relaxed);
            self.phase.store(if phase == IDLE { IN_LINE } else { IN_HEAD }, Ordering::Relaxed);
        }
        if self.phase.load(Ordering::Relaxed) != IN_LINE {
            return Ok(());
        }
        let end = line.iter().position(|byte| *byte == b'\n');
        if line[..end.unwrap_or(line.len())].contains(&b'#') {
            self.fragment.store(true, Ordering::Relaxed);
        }
        if end.is_some() {
            self.phase.store(IN_HEAD, Ordering::Relaxed);
        }
        Ok(())
    }
}

// === impl Wire ===

impl<S> Wire<S> {
    /// Of heads of at most `most` bytes: what the parser's buffer holds of a body is more than anybody may have it hold
    /// of a head.
    pub(super) fn new(stream: S, watch: Arc<Watch>, most: usize) -> Self {
        Self { stream, watch, ahead: Bytes::new(), head: 0, most, timer: None, untaken: None }
    }

    /// Puts back what was read and did not become a head. Whether there is anything of one: empty lines are not, and are
    /// counted already (RFC 9112 §2.2).
    pub(super) fn put_back(&mut self, read: &[u8]) -> bool {
        let start = read.iter().position(|byte| !matches!(byte, b'\r' | b'\n'));
        let read = &read[start.unwrap_or(read.len())..];
        // A copy of their own size: what the parser read into is larger.
        self.ahead = Bytes::copy_from_slice(read);
        // What comes is a head, also where a body came before.
        self.watch.phase.store(IDLE, Ordering::Relaxed);
        self.watch.fragment.store(false, Ordering::Relaxed);
        self.timer = None;
        !read.is_empty()
    }

    /// Whether the head that has begun, or the goodbye, is taking too long.
    fn is_late(&mut self, cx: &mut Context<'_>) -> bool {
        let timeout = self.watch.head_timeout;
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(timeout)));
        timer.as_mut().poll(cx).is_ready()
    }
}

impl<S> Wire<S> {
    /// What became of an attempt to write; an error where the client has taken nothing for too long. What it does not
    /// take lies in buffers that it pays nothing for.
    fn taken<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.untaken = None;
            return written;
        }
        self.watch.lull.written(false);
        self.watch.full.store(true, Ordering::Relaxed);
        if !self.watch.tunnel.load(Ordering::Relaxed) {
            let timeout = self.watch.write_timeout;
            let timer = self.untaken.get_or_insert_with(|| Box::pin(tokio::time::sleep(timeout)));
            if timer.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
        }
        written
    }
}

impl<S: AsyncRead + Unpin> Wire<S> {
    /// Whether first bytes are there, which are to be read; `false` at the end of the stream. Until then nothing is held.
    ///
    /// It reads, and does not ask whether the socket could be read: TLS may hold what has left the socket already, and
    /// what comes in there may be nothing for whoever reads.
    pub(super) fn poll_first(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        // A usual head at once.
        let mut room = [const { MaybeUninit::uninit() }; 2048];
        let mut room = ReadBuf::uninit(&mut room);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut room))?;
        self.ahead = Bytes::copy_from_slice(room.filled());
        Poll::Ready(Ok(!self.ahead.is_empty()))
    }

    fn poll_bytes(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.ahead.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buf);
        }
        let count = self.ahead.len().min(buf.remaining());
        buf.put_slice(&self.ahead.split_to(count));
        if self.ahead.is_empty() {
            self.ahead = Bytes::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Wire<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // Unless its end was in the last piece.
        if self.head > self.most && self.watch.is_in_head() {
            // More lines than the parser takes: it answers as it does to any head that is too large, and ends the
            // connection. Nothing in them can end a head.
            while buf.remaining() >= A_LINE.len() {
                buf.put_slice(A_LINE);
            }
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        let read = self.poll_bytes(cx, buf);
        match &read {
            Poll::Pending => self.watch.lull.nothing(),
            Poll::Ready(_) => self.watch.lull.came(buf.filled().len() - before),
        }
        let phase = self.watch.phase.load(Ordering::Relaxed);
        match phase {
            SERVING => self.timer = None,
            // The common head comes in one piece and never gets here: no timer is made for it.
            IN_LINE | IN_HEAD if read.is_pending() => {
                if self.is_late(cx) {
                    return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
                }
            }
            _ => {
                self.watch.observe(&buf.filled()[before..])?;
                let begins = matches!(phase, IDLE | BEHIND);
                self.head = if begins { 0 } else { self.head } + (buf.filled().len() - before);
            }
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.taken(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = gather::poll_write(&mut self.stream, cx, bufs);
        self.taken(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        if flushed.is_ready() {
            self.watch.lull.written(true);
            self.watch.held.store(0, Ordering::Relaxed);
            // The body that was not asked for more is this task's.
            if self.watch.full.swap(false, Ordering::Relaxed) {
                cx.waker().wake_by_ref();
            }
        }
        // TLS takes what it is given, and keeps it until the client does.
        self.taken(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.watch.lull.end();
        let shut = Pin::new(&mut self.stream).poll_shutdown(cx);
        // TLS says goodbye in a message of its own, and a client that reads nothing leaves no room for it.
        if shut.is_pending() && self.is_late(cx) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        shut
    }
}

// === impl Watched ===

impl Watched {
    pub(super) fn new(body: Body, watch: Arc<Watch>, then: Then) -> Self {
        Self { body, watch, then }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let phase = match self.then {
            Then::Head => IDLE,
            Then::Unknown | Then::Tunnel => SERVING,
        };
        self.watch.phase.store(phase, Ordering::Relaxed);
        self.watch.tunnel.store(matches!(self.then, Then::Tunnel), Ordering::Relaxed);
        self.watch.answering.store(false, Ordering::Relaxed);
    }
}

impl http_body::Body for Watched {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        // The parser would have as much lie there for a client that takes nothing as a piece of an upload is large.
        let (full, held) = (self.watch.full.load(Ordering::Relaxed), self.watch.held.load(Ordering::Relaxed));
        if full && held >= HELD {
            return Poll::Pending;
        }
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &frame {
            let more = frame.data_ref().map_or(0, Bytes::len);
            self.watch.held.store(held.saturating_add(more), Ordering::Relaxed);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Once so much of a body waits to be taken, no more is asked for.
const HELD: usize = 64 * 1024;

/// Room for two empty lines: one is to be ignored (RFC 9112 §2.2), a flood is no request.
const BLANK_BYTES: u8 = 4;

/// One more line of a head, wherever it was.
const A_LINE: &[u8] = b"x:\n";

/// Waiting for a head's first byte.
const IDLE: u8 = 0;
/// In its first line.
const IN_LINE: u8 = 1;
/// Behind it.
const IN_HEAD: u8 = 2;
/// A request is being answered, or what comes is not to be looked at.
const SERVING: u8 = 3;
/// Waiting for a head behind a body, of which something may have come with that: it has its time like any other, but
/// where its first line begins is not known.
const BEHIND: u8 = 4;

#[cfg(test)]
mod tests;
