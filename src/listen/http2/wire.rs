//! The bytes below HTTP/2's parser: how long a head may take, and a client that takes nothing. What the answers of one turn
//! have to say goes out at its end, in one piece.
//!
//! The parser writes each piece of a body by itself and flushes behind it. On TLS that is a record and a call of the
//! system each, and answers are many at once here: of what the gate spends on a small one that was a sixth.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use super::PREFACE;
use super::frames::Frames;
use super::load::Load;

/// A connection's stream, watched: one half is the parser's, and the other sends what that has written.
pub(super) struct Wire<S>(Rc<RefCell<Line<S>>>);

struct Line<S> {
    stream: S,
    load: Rc<Load>,
    received: Frames,
    sent: Frames,
    /// Written by the parser; `gone` bytes of it are in the stream already.
    held: Vec<u8>,
    gone: usize,
    /// The stream holds nothing back. On TLS it may, and is given no more until it does not: a client that is slow to
    /// take costs a record, and is not taken for one that has moved.
    flushed: bool,
    head_timeout: Duration,
    write_timeout: Duration,
    /// For the rest of a head that did not come in one piece, and for the goodbye.
    late: Option<Pin<Box<Sleep>>>,
    /// For what the client does not take.
    untaken: Option<Pin<Box<Sleep>>>,
}

// === impl Wire ===

impl<S> Wire<S> {
    pub(super) fn new(stream: S, load: Rc<Load>, head_timeout: Duration, write_timeout: Duration) -> Self {
        Self(Rc::new(RefCell::new(Line {
            stream,
            load,
            received: Frames::inbound(PREFACE.len()),
            sent: Frames::outbound(),
            held: Vec::new(),
            gone: 0,
            flushed: true,
            head_timeout,
            write_timeout,
            late: None,
            untaken: None,
        })))
    }

    /// Another half of the same.
    pub(super) fn half(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<S: AsyncWrite + Unpin> Wire<S> {
    /// Sends what was written. To be called after each turn of the parser's, by its task.
    pub(super) fn poll_send(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.borrow_mut().poll_send(cx)
    }
}

// === impl Line ===

impl<S> Line<S> {
    fn is_late(&mut self, cx: &mut Context<'_>) -> bool {
        let timeout = self.head_timeout;
        let timer = self.late.get_or_insert_with(|| Box::pin(tokio::time::sleep(timeout)));
        timer.as_mut().poll(cx).is_ready()
    }

    /// An error once the client has taken nothing for too long.
    fn poll_untaken<T>(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        let timeout = self.write_timeout;
        let timer = self.untaken.get_or_insert_with(|| Box::pin(tokio::time::sleep(timeout)));
        timer.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncWrite + Unpin> Line<S> {
    /// Takes what the parser writes: a little is held, much is on its way.
    fn poll_put(&mut self, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let length = bufs.iter().map(|buf| buf.len()).sum::<usize>();
        if self.held.len() + length > HELD {
            ready!(self.poll_let_go(cx))?;
        }
        if length > HELD {
            ready!(self.poll_flushed(cx))?;
            let Poll::Ready(written) = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs) else {
                return self.poll_untaken(cx);
            };
            let written = written?;
            let mut left = written;
            for buf in bufs {
                let piece = left.min(buf.len());
                self.went(&buf[..piece]);
                left -= piece;
            }
            return Poll::Ready(Ok(written));
        }
        if self.held.capacity() == 0 {
            self.held.reserve_exact(HELD);
        }
        bufs.iter().for_each(|buf| self.held.extend_from_slice(buf));
        Poll::Ready(Ok(length))
    }

    /// What is held goes into the stream.
    fn poll_let_go(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.held.is_empty() {
            return Poll::Ready(Ok(()));
        }
        ready!(self.poll_flushed(cx))?;
        // A connection at rest keeps no room for it.
        let (held, mut gone) = (std::mem::take(&mut self.held), std::mem::take(&mut self.gone));
        while gone < held.len() {
            match Pin::new(&mut self.stream).poll_write(cx, &held[gone..]) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(count)) => {
                    self.went(&held[gone..gone + count]);
                    gone += count;
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    (self.held, self.gone) = (held, gone);
                    return self.poll_untaken(cx);
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    /// What is in the stream is on its way.
    fn poll_flushed(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.flushed {
            let Poll::Ready(flushed) = Pin::new(&mut self.stream).poll_flush(cx) else {
                return self.poll_untaken(cx);
            };
            flushed?;
            (self.untaken, self.flushed) = (None, true);
        }
        Poll::Ready(Ok(()))
    }

    /// All of it is, as far as the client takes it.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_let_go(cx))?;
        self.poll_flushed(cx)
    }

    /// So much went into the stream.
    fn went(&mut self, bytes: &[u8]) {
        (self.untaken, self.flushed) = (None, false);
        // An acknowledgement of a ping is no progress: only what was asked for is.
        if self.sent.pass(bytes).data > 0 {
            self.load.has_moved();
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Wire<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let line = &mut *self.0.borrow_mut();
        let before = buf.filled().len();
        let read = Pin::new(&mut line.stream).poll_read(cx, buf);
        let passed = line.received.pass(&buf.filled()[before..]);
        if passed.ended {
            line.late = None;
        }
        if read.is_pending() && line.received.is_in_head() && line.is_late(cx) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.0.borrow_mut().poll_put(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.0.borrow_mut().poll_put(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// At once: it is done at the turn's end, by the other half.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let line = &mut *self.0.borrow_mut();
        let last = line.poll_send(cx);
        let shut = match last {
            Poll::Ready(Ok(())) => Pin::new(&mut line.stream).poll_shutdown(cx),
            waits_or_failed => waits_or_failed,
        };
        // TLS says goodbye in a message of its own, and a client that reads nothing leaves no room for it.
        if shut.is_pending() && line.is_late(cx) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        shut
    }
}

/// As much as a record of TLS takes (RFC 8446 §5.1). More is on its way by itself.
const HELD: usize = 16 * 1024;

#[cfg(test)]
mod tests;
