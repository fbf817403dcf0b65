use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use tokio::io::AsyncWrite;

/// Takes so much at a time, and notes how it was asked.
struct Taker {
    at_a_time: usize,
    taken: Vec<u8>,
    calls: Vec<&'static str>,
}

#[test]
fn few_bytes_go_as_one_and_many_as_a_list() {
    let (small, large) = (vec![b'a'; 300], vec![b'b'; 4000]);
    for (pieces, call) in [
        (&[&*small][..], "one"),
        (&[&large], "one"),
        (&[&small, &small], "one"),
        (&[&small, &large], "list"),
        (&[], "one"),
    ] {
        let mut taker = Taker { at_a_time: usize::MAX, taken: vec![], calls: vec![] };
        let slices = pieces.iter().map(|piece| IoSlice::new(piece)).collect::<Vec<_>>();
        let count = super::poll_write(&mut taker, &mut Context::from_waker(Waker::noop()), &slices);
        let all = pieces.concat();
        assert!(matches!(count, Poll::Ready(Ok(count)) if count == all.len()), "{count:?}");
        assert_eq!((taker.taken, taker.calls), (all, vec![call]));
    }
}

#[test]
fn what_is_taken_in_part_goes_on_where_it_stopped() {
    let all = (0..=255).cycle().take(3000).collect::<Vec<u8>>();
    let mut taker = Taker { at_a_time: 700, taken: vec![], calls: vec![] };
    while taker.taken.len() < all.len() {
        let (head, body) = all[taker.taken.len()..].split_at((all.len() - taker.taken.len()) / 3);
        let pieces = [IoSlice::new(head), IoSlice::new(body)];
        let before = taker.taken.len();
        let count = super::poll_write(&mut taker, &mut Context::from_waker(Waker::noop()), &pieces);
        assert!(matches!(count, Poll::Ready(Ok(count)) if count == taker.taken.len() - before), "{count:?}");
    }
    assert_eq!(taker.taken, all);
}

// === impl Taker ===

impl Taker {
    fn take(&mut self, call: &'static str, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let count = bytes.len().min(self.at_a_time);
        self.taken.extend_from_slice(&bytes[..count]);
        self.calls.push(call);
        Poll::Ready(Ok(count))
    }
}

impl AsyncWrite for Taker {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.take("one", bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let bytes = pieces.iter().flat_map(|piece| piece.iter().copied()).collect::<Vec<_>>();
        self.take("list", &bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
