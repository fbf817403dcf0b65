//! Stopping: one sender says "leaving", then "begin"; every connection holds a receiver, the last one gone says "done".

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::watch;

/// Ends what was given a [`Stopping`].
#[derive(Debug)]
pub struct Stop {
    begun: watch::Sender<bool>,
    leaving: Leaving,
}

/// Held by whatever must be finished before the process may end.
#[derive(Debug, Clone)]
pub struct Stopping {
    begun: watch::Receiver<bool>,
    leaving: Leaving,
}

/// Whether the process is about to stop, for whoever only asks: nobody waits for its holder.
#[derive(Debug, Clone, Default)]
pub struct Leaving(Arc<AtomicBool>);

/// A new pair.
pub fn pair() -> (Stop, Stopping) {
    let (sender, receiver) = watch::channel(false);
    let leaving = Leaving::default();
    (Stop { begun: sender, leaving: leaving.clone() }, Stopping { begun: receiver, leaving })
}

// === impl Stop ===

impl Stop {
    /// Says "leaving": all is served as before, but each connection ends with its next answer.
    pub fn announce(&self) {
        self.leaving.0.store(true, Ordering::Relaxed);
    }

    /// Says "begin": no new connections, each open one ends after the request it is at, or that is on its way.
    pub fn begin(&self) {
        self.announce();
        self.begun.send_replace(true);
    }

    /// Waits until nothing holds a [`Stopping`] any more.
    pub async fn done(&self) {
        self.begun.closed().await;
    }
}

// === impl Stopping ===

impl Stopping {
    /// Returns once stopping has begun; at once if it has already.
    pub async fn begun(&mut self) {
        // An error means the sender is gone, which is a stop as well.
        let _ = self.begun.wait_for(|begun| *begun).await;
    }

    /// The same, and what was on its way then has had its time to come.
    pub async fn last_call(&mut self) {
        self.begun().await;
        tokio::time::sleep(LAST_CALL).await;
    }

    /// For whoever only asks.
    pub fn leaving(&self) -> Leaving {
        self.leaving.clone()
    }
}

// === impl Leaving ===

impl Leaving {
    /// Whether it has been said.
    pub fn has_begun(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// For a request that is on its way to a connection without one. HTTP/1.1 has no word that closes an idle connection
/// without a race (RFC 9112 §9.3); whoever is busy meets an answer that says so within this time, instead of an end.
pub(super) const LAST_CALL: Duration = Duration::from_millis(500);
