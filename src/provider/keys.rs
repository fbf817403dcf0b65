//! The provider's keys, kept fresh: a good set is never replaced by nothing, and nobody can make us fetch.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use tokio::sync::Mutex;

use super::outbound::Outbound;
use crate::clock;
use crate::identity::jwks::KeySet;

/// The current key set and when it may be fetched again.
#[derive(Default)]
pub struct Keys {
    set: ArcSwapOption<KeySet>,
    /// Held during a fetch, so that one fetch serves all who wait. Times are seconds since 1970.
    times: Mutex<Times>,
}

#[derive(Default)]
struct Times {
    fetched: u64,
    quiet_until: u64,
    failed: bool,
}

/// What there is beyond a set that lacks a key.
pub enum Newer {
    /// This set.
    Set(Arc<KeySet>),
    /// Nothing, and it was looked for a moment ago.
    Quiet,
    /// Nothing, and it cannot be looked for.
    Unreachable,
}

// === impl Keys ===

impl Keys {
    /// The set as it is now; `None` before the first one.
    pub fn current(&self) -> Option<Arc<KeySet>> {
        self.set.load_full()
    }

    /// Fetches the set; on failure the old one stays until it is older than a day.
    pub async fn fetch(&self, outbound: &Outbound, url: &str) -> Result<(), String> {
        let mut times = self.times.lock().await;
        self.fetch_holding(&mut times, outbound, url).await
    }

    /// For a token whose key is not in `seen`: a newer set, if someone has fetched one or one may be fetched.
    pub async fn newer_than(&self, seen: &Arc<KeySet>, outbound: &Outbound, url: &str) -> Newer {
        let mut times = self.times.lock().await;
        if let Some(current) = self.current().filter(|current| !Arc::ptr_eq(current, seen)) {
            return Newer::Set(current);
        }
        let now = clock::now();
        if now < times.quiet_until {
            return if times.failed { Newer::Unreachable } else { Newer::Quiet };
        }
        let fetched = self.fetch_holding(&mut times, outbound, url).await;
        times.failed = fetched.is_err();
        match fetched {
            Ok(()) => self.current().map_or(Newer::Unreachable, Newer::Set),
            // Whoever waits behind this fetch does not make another one.
            Err(error) => {
                tracing::warn!(%error, "the key set could not be fetched");
                times.quiet_until = clock::now() + QUIET_AFTER_FAILURE;
                Newer::Unreachable
            }
        }
    }

    /// The newer set did not have the key either: no token makes us fetch again for ten seconds.
    pub async fn quieten(&self) {
        self.times.lock().await.quiet_until = clock::now() + QUIET;
    }

    async fn fetch_holding(&self, times: &mut Times, outbound: &Outbound, url: &str) -> Result<(), String> {
        let now = clock::now();
        let fetched = match outbound.get(url).await {
            Ok(Ok(body)) => KeySet::parse(&body).ok_or_else(|| "no usable key in the answer".to_owned()),
            Ok(Err(status)) => Err(format!("status {status}")),
            Err(error) => Err(error.to_string()),
        };
        match fetched {
            Ok(set) => {
                (times.fetched, times.failed) = (now, false);
                self.set.store(Some(Arc::new(set)));
                Ok(())
            }
            Err(error) => {
                if now.saturating_sub(times.fetched) > MAX_STALE {
                    self.set.store(None);
                }
                Err(error)
            }
        }
    }
}

/// After a fetch that did not bring the wanted key, seconds.
const QUIET: u64 = 10;
/// After a fetch that failed, seconds.
const QUIET_AFTER_FAILURE: u64 = 2;
/// A set that could not be renewed for this long is trusted no more, seconds.
const MAX_STALE: u64 = 24 * 3600;
