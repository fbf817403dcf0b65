//! What is written on an HTTP/2 connection, to clients that take much, little and nothing.

use std::cell::Cell;
use std::future::{Future, poll_fn};

use super::*;

/// Takes so many bytes altogether, and remembers in which pieces.
#[derive(Clone, Default)]
struct Client {
    took: Rc<RefCell<Vec<Vec<u8>>>>,
    takes: Rc<Cell<usize>>,
    /// It holds back what it took, as TLS does behind a full socket.
    holds_back: Rc<Cell<bool>>,
}

impl Client {
    fn taking(takes: usize) -> (Self, Wire<Self>) {
        let client = Self { takes: Rc::new(Cell::new(takes)), ..Self::default() };
        let wire = Wire::new(client.clone(), Load::new(), Duration::from_secs(60), Duration::from_millis(10));
        (client, wire)
    }

    fn pieces(&self) -> Vec<usize> {
        self.took.borrow().iter().map(Vec::len).collect()
    }
}

impl AsyncWrite for Client {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let count = buf.len().min(self.takes.get());
        if count == 0 {
            return Poll::Pending;
        }
        self.takes.set(self.takes.get() - count);
        self.took.borrow_mut().push(buf[..count].to_vec());
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.holds_back.get() { Poll::Pending } else { Poll::Ready(Ok(())) }
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// In a runtime, for the timers.
fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

async fn write(wire: &mut Wire<Client>, bytes: &[u8]) -> Poll<io::Result<usize>> {
    poll_fn(|cx| Poll::Ready(Pin::new(&mut *wire).poll_write(cx, bytes))).await
}

async fn send(wire: &Wire<Client>) -> Poll<io::Result<()>> {
    poll_fn(|cx| Poll::Ready(wire.poll_send(cx))).await
}

#[test]
fn what_is_written_in_a_turn_goes_out_in_one_piece_at_its_end() {
    run(async {
        let (client, mut wire) = Client::taking(usize::MAX);
        let half = wire.half();
        for _ in 0..8 {
            assert!(matches!(write(&mut wire, &[1; 1055]).await, Poll::Ready(Ok(1055))));
            let flushed = poll_fn(|cx| Poll::Ready(Pin::new(&mut wire).poll_flush(cx))).await;
            assert!(flushed.is_ready());
        }
        assert!(client.pieces().is_empty());
        assert!(send(&half).await.is_ready());
        assert_eq!(client.pieces(), [8 * 1055]);
        assert_eq!(wire.0.borrow().held.capacity(), 0, "at rest nothing is kept");
    });
}

#[test]
fn more_than_is_held_goes_out_in_order_and_by_itself() {
    run(async {
        let (client, mut wire) = Client::taking(usize::MAX);
        for (byte, count) in [(1, 10_000), (2, 10_000), (3, 40_000), (4, 5)] {
            assert!(matches!(write(&mut wire, &vec![byte; count]).await, Poll::Ready(Ok(n)) if n == count));
        }
        assert_eq!(client.pieces(), [10_000, 10_000, 40_000]);
        assert!(send(&wire).await.is_ready());
        let took = client.took.borrow();
        assert!(took.iter().zip(1..=4).all(|(piece, byte)| piece.iter().all(|taken| *taken == byte)));
        assert_eq!(took.iter().map(Vec::len).sum::<usize>(), 60_005);
    });
}

#[test]
fn what_is_held_for_a_client_that_takes_a_little_is_bounded_and_none_of_it_is_sent_twice() {
    run(async {
        let (client, mut wire) = Client::taking(100);
        let written: Vec<u8> = (0..HELD).map(|at| (at % 251) as u8).collect();
        assert!(write(&mut wire, &written).await.is_ready());
        assert!(send(&wire).await.is_pending(), "it took a hundred");
        assert!(write(&mut wire, b"more").await.is_pending(), "and there is no room for more");
        client.takes.set(usize::MAX);
        assert!(send(&wire).await.is_ready());
        assert_eq!(client.took.borrow().concat(), written);
    });
}

#[test]
fn a_client_that_takes_nothing_is_given_up() {
    run(async {
        let (_, mut wire) = Client::taking(0);
        assert!(write(&mut wire, b"an answer").await.is_ready());
        let ended = tokio::time::timeout(Duration::from_secs(20), poll_fn(|cx| wire.poll_send(cx))).await;
        assert_eq!(ended.unwrap().unwrap_err().kind(), io::ErrorKind::TimedOut);
    });
}

#[test]
fn the_last_words_are_sent_before_the_end() {
    run(async {
        let (client, mut wire) = Client::taking(usize::MAX);
        assert!(write(&mut wire, b"goodbye").await.is_ready());
        assert!(poll_fn(|cx| Pin::new(&mut wire).poll_shutdown(cx)).await.is_ok());
        assert_eq!(client.took.borrow().concat(), b"goodbye");
    });
}

#[test]
fn a_stream_that_holds_something_back_is_given_no_more() {
    run(async {
        let (client, mut wire) = Client::taking(usize::MAX);
        client.holds_back.set(true);
        assert!(write(&mut wire, &[1; 20_000]).await.is_ready());
        assert!(write(&mut wire, &[2; 20_000]).await.is_pending());
        assert!(write(&mut wire, &[3; 1_000]).await.is_ready(), "so much is held beside it");
        assert!(send(&wire).await.is_pending());
        assert_eq!(client.pieces(), [20_000]);
        client.holds_back.set(false);
        assert!(send(&wire).await.is_ready());
        assert_eq!(client.pieces(), [20_000, 1_000]);
        // And not for ever.
        client.holds_back.set(true);
        assert!(write(&mut wire, &[4; 20_000]).await.is_ready());
        let ended = tokio::time::timeout(Duration::from_secs(20), poll_fn(|cx| wire.poll_send(cx))).await;
        assert_eq!(ended.unwrap().unwrap_err().kind(), io::ErrorKind::TimedOut);
    });
}
