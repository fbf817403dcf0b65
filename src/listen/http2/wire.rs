//! The bytes below HTTP/2's parser: how long a head may take, and a client that takes nothing.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use super::frames::Frames;
use super::load::Load;

/// A connection's stream, watched.
pub(super) struct Wire<S> {
    stream: S,
    load: Rc<Load>,
    received: Frames,
    sent: Frames,
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
        Self {
            stream,
            load,
            received: Frames::inbound(),
            sent: Frames::outbound(),
            head_timeout,
            write_timeout,
            late: None,
            untaken: None,
        }
    }

    fn is_late(&mut self, cx: &mut Context<'_>) -> bool {
        let timeout = self.head_timeout;
        let timer = self.late.get_or_insert_with(|| Box::pin(tokio::time::sleep(timeout)));
        timer.as_mut().poll(cx).is_ready()
    }

    /// What became of an attempt to write `bufs`; an error where the client has taken nothing for too long.
    fn taken(
        &mut self,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match &written {
            Poll::Ready(written) => {
                self.untaken = None;
                let mut left = written.as_ref().map_or(0, |count| *count);
                let mut data = 0;
                for buf in bufs {
                    let piece = left.min(buf.len());
                    data += self.sent.pass(&buf[..piece]).data;
                    left -= piece;
                }
                // An acknowledgement of a ping is no progress: only what was asked for is.
                if data > 0 {
                    self.load.has_moved();
                }
            }
            Poll::Pending => {
                let timeout = self.write_timeout;
                let timer = self.untaken.get_or_insert_with(|| Box::pin(tokio::time::sleep(timeout)));
                if timer.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
                }
            }
        }
        written
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Wire<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        let passed = self.received.pass(&buf.filled()[before..]);
        if passed.ended {
            self.late = None;
        }
        if read.is_pending() && self.received.is_in_head() && self.is_late(cx) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.taken(cx, &[io::IoSlice::new(buf)], written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.taken(cx, bufs, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.stream).poll_shutdown(cx);
        // TLS says goodbye in a message of its own, and a client that reads nothing leaves no room for it.
        if shut.is_pending() && self.is_late(cx) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        shut
    }
}
