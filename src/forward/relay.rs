//! Bodies on their way, up and down: streamed, timed, trailers filtered; never held in memory.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use super::now;

mod download;
mod patience;
mod upload;

pub(super) use download::Download;
pub(super) use patience::Timers;
pub(super) use upload::{Progress, Upload};

#[derive(Debug, thiserror::Error)]
#[error("nothing came for too long")]
struct Stalled;

/// HTTP/2 can end a stream without an error before its end.
#[derive(Debug, thiserror::Error)]
#[error("the stream was reset")]
struct Reset;

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
        patience::is_over(&mut timer, deadline, cx).map(|()| None)
    });
    let answered = waited.await;
    timers.put_back(timer);
    answered
}
