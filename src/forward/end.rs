//! The end that is set for a stream when it opens: by time, by sign-out, by the process's stop.

use tokio::time::{Instant, sleep_until};

use crate::streams::Open;

/// When a stream must end. It counts as open for as long as this lives.
pub(super) struct End {
    open: Open,
    at: Option<Instant>,
}

// === impl End ===

impl End {
    pub(super) fn new(open: Open, at: Option<Instant>) -> Self {
        Self { open, at }
    }

    /// Returns once it must.
    pub(super) async fn comes(&mut self) {
        let at = self.at;
        let time = async move {
            match at {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = time => {}
            () = self.open.called_off() => {}
        }
    }
}
