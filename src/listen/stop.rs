//! Stopping: one sender says "begin", every connection holds a receiver, the last one gone says "done".

use tokio::sync::watch;

/// Ends what was given a [`Stopping`].
#[derive(Debug)]
pub struct Stop(watch::Sender<bool>);

/// Held by whatever must be finished before the process may end.
#[derive(Debug, Clone)]
pub struct Stopping(watch::Receiver<bool>);

/// A new pair.
pub fn pair() -> (Stop, Stopping) {
    let (sender, receiver) = watch::channel(false);
    (Stop(sender), Stopping(receiver))
}

// === impl Stop ===

impl Stop {
    /// Says "begin": no new connections, each open one ends after the request it is at.
    pub fn begin(&self) {
        self.0.send_replace(true);
    }

    /// Waits until nothing holds a [`Stopping`] any more.
    pub async fn done(&self) {
        self.0.closed().await;
    }
}

// === impl Stopping ===

impl Stopping {
    /// Returns once stopping has begun; at once if it has already.
    pub async fn begun(&mut self) {
        // An error means the sender is gone, which is a stop as well.
        let _ = self.0.wait_for(|begun| *begun).await;
    }
}
