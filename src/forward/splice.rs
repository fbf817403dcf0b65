//! A WebSocket's bytes, both ways, until either side ends it or the gate does: then with a close frame of its own,
//! between two frames of the upstream's. Who says nothing takes no buffer.

use std::cell::Cell;
use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::{Instant, sleep_until, timeout};

use super::frames::Frames;
use super::now;
use crate::streams::Open;

/// Both sides, and what is under way between them.
struct Tunnel<'a, C, U> {
    client: C,
    upstream: U,
    /// From the client to the upstream.
    forth: Way,
    /// From the upstream to the client.
    back: Way,
    /// Where the client is in what is written to it.
    frames: Frames,
    /// The frame under way is the last.
    ending: bool,
    /// When something last moved, either way.
    moved: &'a Cell<Instant>,
}

/// One direction.
#[derive(Default)]
struct Way {
    /// Read, and not taken yet: nothing more is read until it is.
    left: Vec<u8>,
    /// How much of it has been taken.
    taken: usize,
    /// Written, and maybe not sent yet.
    unflushed: bool,
    /// There is no more to read.
    ended: bool,
    /// And whoever is written to knows.
    over: bool,
}

/// Where whoever is written to is.
struct Counted<'a> {
    frames: &'a mut Frames,
    /// Nothing behind the frame under way is written.
    ending: bool,
}

/// Why a tunnel is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Over {
    /// Both sides have ended it.
    Themselves,
    /// It had to end.
    Ended,
}

/// Copies until both sides have ended, or it must end, or nothing moves for `idle`. Then the client gets 1012 between
/// two frames; the upstream's connection is closed without one, as if the client had gone: it has nothing to do but to
/// let go.
pub(super) async fn splice<C, U>(
    client: C,
    upstream: U,
    open: &mut Open,
    idle: Option<Duration>,
) -> io::Result<Over>
where
    C: AsyncRead + AsyncWrite + Unpin,
    U: AsyncRead + AsyncWrite + Unpin,
{
    let moved = Cell::new(now());
    let mut tunnel = Tunnel::new(client, upstream, &moved);
    tokio::select! {
        // What has to end begins no frame more, however much there is to copy.
        biased;
        () = open.must_end() => {}
        copied = poll_fn(|cx| tunnel.poll(cx)) => return copied.map(|()| Over::Themselves),
        () = rests(&moved, idle) => {}
    }
    tunnel.ending = true;
    if !tunnel.frames.between() && !tunnel.frames.over() {
        // The rest of a frame that has begun.
        let _ = timeout(LAST_FRAME, poll_fn(|cx| tunnel.poll(cx))).await;
    }
    let Tunnel { mut client, upstream, frames, .. } = tunnel;
    drop(upstream);
    let goodbye = async {
        if frames.between() {
            client.write_all(&CLOSE).await?;
        }
        client.shutdown().await?;
        // Were anything left unread, closing would take the close frame back.
        let mut unread = [0; 256];
        while client.read(&mut unread).await? > 0 {}
        io::Result::Ok(())
    };
    // In a box: for as long as the tunnel lives there is no room to be kept for it.
    let _ = timeout(GOODBYE, Box::pin(goodbye)).await;
    Ok(Over::Ended)
}

/// Returns once nothing has moved for `idle`: one timer for as long as it is not due, whatever moves.
async fn rests(moved: &Cell<Instant>, idle: Option<Duration>) {
    let Some(idle) = idle else { return std::future::pending().await };
    while let Some(until) = moved.get().checked_add(idle).filter(|until| *until > now()) {
        sleep_until(until).await;
    }
}

// === impl Tunnel ===

impl<'a, C, U> Tunnel<'a, C, U>
where
    C: AsyncRead + AsyncWrite + Unpin,
    U: AsyncRead + AsyncWrite + Unpin,
{
    fn new(client: C, upstream: U, moved: &'a Cell<Instant>) -> Self {
        Self {
            client,
            upstream,
            forth: Way::default(),
            back: Way::default(),
            frames: Frames::new(),
            ending: false,
            moved,
        }
    }

    /// Ready once both sides have ended, or the last frame has where that is all that is waited for.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { client, upstream, forth, back, frames, ending, moved } = self;
        let there = forth.poll(cx, client, upstream, None, moved)?;
        let counted = Counted { frames, ending: *ending };
        let here = back.poll(cx, upstream, client, Some(counted), moved)?;
        if *ending && (frames.between() || frames.over()) {
            return Poll::Ready(Ok(()));
        }
        ready!(there);
        ready!(here);
        Poll::Ready(Ok(()))
    }
}

// === impl Way ===

impl Way {
    /// Moves what can be moved now. Ready once all has come and whoever it was for knows.
    fn poll<R, W>(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut R,
        to: &mut W,
        mut counted: Option<Counted<'_>>,
        moved: &Cell<Instant>,
    ) -> Poll<io::Result<()>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        while !self.over {
            if self.taken < self.left.len() {
                let left = &self.left[self.taken..];
                self.taken += ready!(write(cx, to, left, &mut counted))?;
                if self.taken == self.left.len() {
                    (self.left, self.taken) = (Vec::new(), 0);
                }
            } else if self.ended {
                ready!(Pin::new(&mut *to).poll_shutdown(cx))?;
                self.over = true;
            } else {
                let mut room = [const { MaybeUninit::uninit() }; PIECE];
                let mut piece = ReadBuf::uninit(&mut room);
                if Pin::new(&mut *from).poll_read(cx, &mut piece)?.is_pending() {
                    if self.unflushed {
                        ready!(Pin::new(&mut *to).poll_flush(cx))?;
                        self.unflushed = false;
                    }
                    return Poll::Pending;
                }
                let piece = piece.filled();
                self.ended = piece.is_empty();
                self.unflushed = true;
                if let Some(left) = piece.get(written(write(cx, to, piece, &mut counted))?..) {
                    self.left = left.to_vec();
                }
            }
            moved.set(now());
        }
        Poll::Ready(Ok(()))
    }
}

/// Writes what may be written of `bytes`. Where frames are counted and the last is over, nothing may.
fn write<W: AsyncWrite + Unpin>(
    cx: &mut Context<'_>,
    to: &mut W,
    bytes: &[u8],
    counted: &mut Option<Counted<'_>>,
) -> Poll<io::Result<usize>> {
    let may = match counted {
        Some(counted) if counted.ending => counted.frames.until_between(bytes),
        _ => bytes.len(),
    };
    if may == 0 {
        return Poll::Pending;
    }
    let count = ready!(Pin::new(to).poll_write(cx, &bytes[..may]))?;
    if let Some(counted) = counted {
        counted.frames.pass(&bytes[..count]);
    }
    if count == 0 { Poll::Ready(Err(io::ErrorKind::WriteZero.into())) } else { Poll::Ready(Ok(count)) }
}

/// How much has been written: nothing, where it would have to be waited for.
fn written(written: Poll<io::Result<usize>>) -> io::Result<usize> {
    match written {
        Poll::Ready(written) => written,
        Poll::Pending => Ok(0),
    }
}

/// 1012, "service restart" (IANA's registry): come again, and be decided on anew.
const CLOSE: [u8; 4] = [0x88, 2, 0x03, 0xf4];
/// How much is read at once, on the stack: a silent tunnel holds none of it, and one whose other side takes nothing at
/// most this much each way.
const PIECE: usize = 16 * 1024;
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
