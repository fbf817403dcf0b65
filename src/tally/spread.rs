//! A number that many threads add to at once without waiting for each other's cache lines. ★

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use prometheus_client::metrics::counter::Atomic;

/// The value of a counter, in shares: each thread adds to its own, a reader adds them up.
#[derive(Debug, Default)]
pub struct Spread([Share; SHARES]);

/// Two cache lines apart: processors fetch them in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Share(AtomicU64);

// === impl Spread ===

impl Atomic<u64> for Spread {
    fn inc(&self) -> u64 {
        self.inc_by(1)
    }

    /// Returns what this thread's share was: nobody asks for it.
    fn inc_by(&self, by: u64) -> u64 {
        self.0[own_share()].0.fetch_add(by, Ordering::Relaxed)
    }

    fn get(&self) -> u64 {
        self.0.iter().map(|share| share.0.load(Ordering::Relaxed)).fold(0, u64::wrapping_add)
    }
}

/// Which share is this thread's. Threads beyond the number of shares share them.
pub(super) fn own_share() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local!(static OWN: Cell<usize> = const { Cell::new(usize::MAX) });
    OWN.with(|own| {
        if own.get() == usize::MAX {
            own.set(NEXT.fetch_add(1, Ordering::Relaxed) % SHARES);
        }
        own.get()
    })
}

/// As many as most machines that run a gate have cores.
pub(super) const SHARES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_many_threads_add_is_all_there() {
        let spread = Spread::default();
        std::thread::scope(|scope| {
            for _ in 0..40 {
                scope.spawn(|| {
                    (0..1000).for_each(|_| {
                        spread.inc();
                    })
                });
            }
        });
        assert_eq!(spread.get(), 40_000);
    }
}
