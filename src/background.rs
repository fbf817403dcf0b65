//! Work that goes on when the request that wanted it goes away, and that a stop waits for.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// The way to the control thread's runtime.
#[derive(Clone)]
pub struct Background {
    handle: Handle,
    busy: Arc<AtomicUsize>,
}

/// Something is under way that must not be cut off, for as long as this lives.
pub struct Busy(Arc<AtomicUsize>);

// === impl Background ===

impl Background {
    /// Work that runs on `handle`.
    pub fn new(handle: Handle) -> Self {
        Self { handle, busy: Arc::default() }
    }

    /// Begins something that a stop waits for.
    pub fn begin(&self) -> Busy {
        self.busy.fetch_add(1, Ordering::Relaxed);
        Busy(self.busy.clone())
    }

    /// Runs `work` to its end; a stop does not wait for it, unless it holds a [`Busy`].
    pub fn spawn<F>(&self, work: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.handle.spawn(work)
    }

    /// Whether anything is under way.
    pub fn is_busy(&self) -> bool {
        self.busy.load(Ordering::Relaxed) > 0
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
