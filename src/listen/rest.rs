//! A connection at rest: its stream, and nothing else. No byte is taken from it but to be read again.

use std::future::poll_fn;
use std::pin::pin;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use super::Stopping;
use super::stop::LAST_CALL;
use super::wire::Wire;

/// Waits for the first bytes of the next head. `false`: they did not come, and the connection is over.
pub(super) async fn rest<S: AsyncRead + AsyncWrite + Unpin>(
    wire: &mut Wire<S>,
    limit: Duration,
    stopping: &mut Stopping,
) -> bool {
    let mut limit = pin!(tokio::time::sleep(limit));
    let mut asked_to_stop = false;
    let came = loop {
        tokio::select! {
            biased;
            came = poll_fn(|cx| wire.poll_first(cx)) => break came,
            () = limit.as_mut() => break Ok(false),
            // What is on its way then has its time to come.
            () = stopping.begun(), if !asked_to_stop => {
                asked_to_stop = true;
                limit.set(tokio::time::sleep(LAST_CALL));
            }
        }
    };
    if let Ok(false) = came {
        // TLS says that this is the end.
        let _ = wire.shutdown().await;
    }
    came.unwrap_or(false)
}
