//! A WebSocket's bytes, both ways, until either side ends it or the gate does: then with a close frame of its own,
//! between two frames of the upstream's.

use std::cell::Cell;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::{Instant, sleep_until, timeout};

use super::frames::Frames;
use super::now;
use crate::streams::Open;

/// The client's side. What is written to it is counted, and held back between two frames once that is wanted.
struct Counted<S> {
    stream: S,
    count: Rc<Count>,
}

struct Count {
    frames: Cell<Frames>,
    /// The frame under way is the last.
    ending: Cell<bool>,
    /// When something last moved, either way.
    moved: Cell<Instant>,
}

/// Why a tunnel is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Over {
    /// Both sides have ended it.
    Themselves,
    /// It had to end.
    Ended,
}

/// Copies until both sides have ended, or it must end, or nothing moves for `idle`. Then the client gets 1012 between two frames; the upstream's
/// connection is closed without one, as if the client had gone: it has nothing to do but to let go.
pub(super) async fn splice<C, U>(
    client: C,
    mut upstream: U,
    open: &mut Open,
    idle: Option<Duration>,
) -> io::Result<Over>
where
    C: AsyncRead + AsyncWrite + Unpin,
    U: AsyncRead + AsyncWrite + Unpin,
{
    let count = Rc::new(Count {
        frames: Cell::new(Frames::new()),
        ending: Cell::new(false),
        moved: Cell::new(now()),
    });
    let mut client = Counted { stream: client, count: count.clone() };
    {
        let copy = tokio::io::copy_bidirectional_with_sizes(&mut client, &mut upstream, BUFFER, BUFFER);
        let mut copy = pin!(copy);
        tokio::select! {
            // What has to end begins no frame more, however much there is to copy.
            biased;
            () = open.must_end() => {}
            copied = copy.as_mut() => return copied.map(|_| Over::Themselves),
            () = count.rests(idle) => {}
        }
        count.ending.set(true);
        if !count.frames.get().between() && !count.frames.get().over() {
            // The rest of a frame that has begun; what comes behind it is an error to the copy, and its end.
            let _ = timeout(LAST_FRAME, copy).await;
        }
    }
    drop(upstream);
    let mut client = client.stream;
    let goodbye = async {
        if count.frames.get().between() {
            client.write_all(&CLOSE).await?;
        }
        client.shutdown().await?;
        // Were anything left unread, closing would take the close frame back.
        let mut unread = [0; 256];
        while client.read(&mut unread).await? > 0 {}
        io::Result::Ok(())
    };
    let _ = timeout(GOODBYE, goodbye).await;
    Ok(Over::Ended)
}

// === impl Count ===

impl Count {
    /// Returns once nothing has moved for `idle`: one timer for as long as it is not due, whatever moves.
    async fn rests(&self, idle: Option<Duration>) {
        let Some(idle) = idle else { return std::future::pending().await };
        while let Some(until) = self.moved.get().checked_add(idle).filter(|until| *until > now()) {
            sleep_until(until).await;
        }
    }
}

// === impl Counted ===

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        if read.is_ready() {
            self.count.moved.set(now());
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let mut frames = self.count.frames.get();
        let may = if self.count.ending.get() { &buf[..frames.until_between(buf)] } else { buf };
        if may.is_empty() && !buf.is_empty() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        let written = Pin::new(&mut self.stream).poll_write(cx, may);
        if let Poll::Ready(Ok(count)) = written {
            frames.pass(&may[..count]);
            self.count.frames.set(frames);
            self.count.moved.set(now());
            // Nothing need come behind the last frame to end the copy.
            if self.count.ending.get() && frames.between() && count == buf.len() {
                return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
            }
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// 1012, "service restart" (IANA's registry): come again, and be decided on anew.
const CLOSE: [u8; 4] = [0x88, 2, 0x03, 0xf4];
/// Each way; ten thousand idle sockets hold two of these each.
const BUFFER: usize = 4096;
/// For the frame under way to end.
const LAST_FRAME: Duration = Duration::from_secs(1);
/// For the close frame to be written and the client to close in turn.
const GOODBYE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::streams::Streams;
    use tokio::io::duplex;

    /// What a client gets whose upstream sends `first`, then `then` once the tunnel has to end.
    fn received(first: &'static [u8], then: &'static [u8]) -> Vec<u8> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let ((mut client, front), (back, mut upstream)) = (duplex(64), duplex(64));
            let streams = Streams::new();
            let mut open = streams.open(None, Box::new(|_| true));
            let tunnel = splice(front, back, &mut open, None);
            let others = async {
                upstream.write_all(first).await.unwrap();
                let mut got = vec![0; first.len()];
                client.read_exact(&mut got).await.unwrap();
                streams.stop();
                tokio::task::yield_now().await;
                let _ = upstream.write_all(then).await;
                client.read_to_end(&mut got).await.unwrap();
                drop(client);
                got
            };
            let (over, got) = tokio::join!(tunnel, others);
            assert_eq!(over.unwrap(), Over::Ended);
            got
        })
    }

    #[test]
    fn the_close_frame_comes_between_two_frames_or_not_at_all() {
        assert_eq!(received(b"\x81\x02hi", b""), b"\x81\x02hi\x88\x02\x03\xf4");
        assert_eq!(received(b"\x81\x02h", b"i"), b"\x81\x02hi\x88\x02\x03\xf4");
        assert_eq!(
            received(b"\x81\x02h", b"i\x81\x01x"),
            b"\x81\x02hi\x88\x02\x03\xf4",
            "one more is not begun"
        );
        assert_eq!(received(b"\x81\x02h", b""), b"\x81\x02h", "one that never ends");
        assert_eq!(received(b"\x88\x02\x03\xe8", b""), b"\x88\x02\x03\xe8", "they have said it themselves");
    }
}
