//! One issuer's keys, kept fresh: a good set is never replaced by nothing, and nobody can make us fetch.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use tokio::sync::Mutex;

use super::discovery;
use super::outbound::Outbound;
use crate::clock;
use crate::identity::jwks::KeySet;

mod times;

use times::Times;

/// An issuer, its current key set, and when that may be fetched again.
pub struct Keys {
    issuer: String,
    /// Cognito's keys lie beside its discovery document.
    at_issuer: bool,
    set: ArcSwapOption<KeySet>,
    /// Held during a fetch, so that one fetch serves all who wait.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    place: Place,
    times: Times,
}

/// Where the set is.
#[derive(Default)]
enum Place {
    /// The issuer's discovery document will say, when a token names the issuer and not before: Cognito answers
    /// 403 under a name that the pool did not opt in to.
    #[default]
    Unknown,
    /// It said so.
    Found(String),
    /// We were told, by who had read the document for its other members.
    Told(String),
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
    /// Of an issuer that has been asked nothing yet. `at_issuer`: the keys must be on the issuer's own host.
    pub fn of(issuer: &str, at_issuer: bool) -> Self {
        Self { issuer: issuer.to_owned(), at_issuer, set: ArcSwapOption::empty(), state: Mutex::default() }
    }

    /// Whose keys these are, byte-exact.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The set as it is now; `None` before the first one.
    pub fn current(&self) -> Option<Arc<KeySet>> {
        self.set.load_full()
    }

    /// Fetches the set from `url`, where it will be from now on.
    pub async fn fetch_from(&self, outbound: &Outbound, url: &str) -> Result<(), String> {
        let mut state = self.state.lock().await;
        state.place = Place::Told(url.to_owned());
        self.fetch(&mut state, outbound).await
    }

    /// Fetches a set that has been in use for an hour again; on failure the old one stays until it is older
    /// than a day.
    pub async fn renew(&self, outbound: &Outbound) {
        let mut state = self.state.lock().await;
        let in_use = self.current().is_some() || matches!(state.place, Place::Told(_));
        if !in_use || !state.times.renewal_is_due(clock::now()) {
            return;
        }
        if let Err(error) = self.fetch(&mut state, outbound).await {
            tracing::warn!(issuer = %self.issuer, %error, "the key set could not be renewed, the old one stays");
        }
    }

    /// For a token whose key is not in `seen`: a newer set, if someone has fetched one or one may be fetched.
    /// If it lacks the key `kid` as well, no token makes us fetch again for ten seconds.
    pub async fn newer_than(
        &self,
        seen: Option<&Arc<KeySet>>,
        kid: Option<&str>,
        outbound: &Outbound,
    ) -> Newer {
        let mut state = self.state.lock().await;
        let newer = |current: &Arc<KeySet>| seen.is_none_or(|seen| !Arc::ptr_eq(current, seen));
        if let Some(current) = self.current().filter(newer) {
            return Newer::Set(current);
        }
        if let Some(failed) = state.times.quiet(clock::now()) {
            return if failed { Newer::Unreachable } else { Newer::Quiet };
        }
        let fetched = self.fetch(&mut state, outbound).await;
        // Whoever waits behind this fetch does not make another one.
        match (fetched, self.current()) {
            (Ok(()), Some(set)) => {
                if set.find(kid).is_none() {
                    state.times.lacked_the_key(clock::now());
                }
                Newer::Set(set)
            }
            (fetched, current) => {
                let error = fetched.err().unwrap_or_default();
                tracing::warn!(issuer = %self.issuer, %error, "the key set could not be fetched");
                state.times.was_in_vain(clock::now(), current.is_some());
                Newer::Unreachable
            }
        }
    }

    async fn fetch(&self, state: &mut State, outbound: &Outbound) -> Result<(), String> {
        let now = clock::now();
        let jitter = clock::random::<1>().map_or(0, |[byte]| byte);
        match self.fetched(&mut state.place, outbound).await {
            Ok(set) => {
                state.times.succeeded(now, jitter);
                self.set.store(Some(Arc::new(set)));
                Ok(())
            }
            Err(error) => {
                if state.times.failed(now, jitter) {
                    self.set.store(None);
                }
                // What the document says may have changed; what we were told does not change.
                if let Place::Found(_) = state.place {
                    state.place = Place::Unknown;
                }
                Err(error)
            }
        }
    }

    async fn fetched(&self, place: &mut Place, outbound: &Outbound) -> Result<KeySet, String> {
        let url = match place {
            Place::Told(url) | Place::Found(url) => url.clone(),
            Place::Unknown => {
                let url = discovery::address(&self.issuer);
                let document = outbound.get_ok(&url).await?;
                let found = discovery::keys_of(&document, &self.issuer, self.at_issuer)
                    .map_err(|error| format!("{url}: {error}"))?
                    .to_string();
                *place = Place::Found(found.clone());
                found
            }
        };
        let body = outbound.get_ok(&url).await?;
        KeySet::parse(&body).ok_or_else(|| format!("{url}: no usable key in the answer"))
    }
}
