//! How much one address is given to do at once, by all workers together: whoever comes too many waits a little, or not.
//!
//! A permit is taken when a connection is opened and given back when its socket is closed (over HTTP/2: for each
//! request), so that a request on a connection that is there costs no more than a look whether somebody waits.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::futures::Notified;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use crate::config::settings::{Limits, Upstream};

/// The caps of all addresses that there are: a new configuration goes on with those of the one before.
#[derive(Default)]
pub struct Caps(Mutex<Vec<(Upstream, Weak<Cap>)>>);

/// The cap of one address.
pub(super) struct Cap {
    bounds: Bounds,
    free: Arc<Semaphore>,
    waiting: AtomicUsize,
    pools: AtomicUsize,
    wanted: Notify,
}

/// How much, how many may wait, how long.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Bounds {
    most: usize,
    queue: usize,
    time: Duration,
}

/// May do one thing at the address, until it is dropped.
pub(super) struct Permit {
    _permit: OwnedSemaphorePermit,
    /// One of those of the pool that it was taken for.
    _of: Arc<()>,
}

/// Counts one that waits.
pub(super) struct Waiting<'c>(&'c Cap);

/// Counts one worker's pool.
pub(super) struct Share {
    cap: Arc<Cap>,
    /// As many more as there are permits of this pool.
    own: Arc<()>,
}

// === impl Caps ===

impl Caps {
    /// The cap of this address: the one there is, unless the limits are others now.
    pub(super) fn of(&self, upstream: &Upstream, limits: &Limits) -> Arc<Cap> {
        let bounds = Bounds {
            most: limits.upstream_connections,
            queue: limits.upstream_queue,
            time: limits.upstream_queue_time,
        };
        let mut caps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        caps.retain(|(_, cap)| cap.strong_count() > 0);
        let known = caps.iter().filter(|(known, _)| known == upstream).filter_map(|(_, cap)| cap.upgrade());
        if let Some(cap) = known.into_iter().find(|cap| cap.bounds == bounds) {
            return cap;
        }
        let cap = Arc::new(Cap {
            bounds,
            free: Arc::new(Semaphore::new(bounds.most.min(Semaphore::MAX_PERMITS))),
            waiting: AtomicUsize::new(0),
            pools: AtomicUsize::new(0),
            wanted: Notify::new(),
        });
        caps.push((upstream.clone(), Arc::downgrade(&cap)));
        cap
    }
}

// === impl Cap ===

impl Cap {
    /// How many wait, in all workers. Whoever is asked on the way of a request: one load.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Ready when somebody begins to wait.
    pub(super) fn wanted(&self) -> Notified<'_> {
        self.wanted.notified()
    }

    /// For how long anybody waits.
    pub(super) fn time(&self) -> Duration {
        self.bounds.time
    }

    /// A place in the queue; `None` if it is full. Who has had one before (`again`) is not sent away.
    pub(super) fn wait(&self, again: bool) -> Option<Waiting<'_>> {
        let before = self.waiting.fetch_add(1, Ordering::SeqCst);
        let waiting = Waiting(self);
        if before >= self.bounds.queue && !again {
            return None;
        }
        // What lies idle in some worker is wanted in another.
        self.wanted.notify_waiters();
        Some(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}

// === impl Share ===

impl Share {
    pub(super) fn new(cap: Arc<Cap>) -> Self {
        cap.pools.fetch_add(1, Ordering::Relaxed);
        Self { cap, own: Arc::new(()) }
    }

    pub(super) fn cap(&self) -> &Arc<Cap> {
        &self.cap
    }

    /// A permit if one is free and nobody waits for it.
    pub(super) fn permit_now(&self) -> Option<Permit> {
        self.cap.free.clone().try_acquire_owned().ok().map(|permit| self.permitted(permit))
    }

    /// The next permit, in the order in which all workers asked.
    pub(super) async fn permit(&self) -> Option<Permit> {
        self.cap.free.clone().acquire_owned().await.ok().map(|permit| self.permitted(permit))
    }

    /// Whether this pool has more than its share: what it has no use for then is better closed, so that who waits in
    /// another worker comes to have one.
    pub(super) fn has_its_share(&self) -> bool {
        let pools = self.cap.pools.load(Ordering::Relaxed).max(1);
        Arc::strong_count(&self.own) - 1 > self.cap.bounds.most / pools
    }

    fn permitted(&self, permit: OwnedSemaphorePermit) -> Permit {
        Permit { _permit: permit, _of: self.own.clone() }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.cap.pools.fetch_sub(1, Ordering::Relaxed);
    }
}
