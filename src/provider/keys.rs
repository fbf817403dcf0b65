//! One issuer's keys, kept fresh: a good set is never replaced by nothing, and nobody can make us fetch.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use aws_lc_rs::digest::{Digest, SHA256, digest};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::discovery;
use super::outbound::Outbound;
use crate::clock;
use crate::identity::jwks::KeySet;

mod times;

pub use times::Asker;
use times::Times;

/// An issuer, its current key set, and when that may be fetched again.
pub struct Keys {
    issuer: String,
    /// Cognito's keys lie beside its discovery document.
    at_issuer: bool,
    set: ArcSwapOption<KeySet>,
    /// Held during a fetch, so that one fetch serves all who wait.
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    place: Place,
    /// Whether it is kept fresh before any token asks.
    main: bool,
    /// Of the document that the current set was read from.
    document: Option<Digest>,
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
        Self { issuer: issuer.to_owned(), at_issuer, set: ArcSwapOption::empty(), state: Arc::default() }
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
        (state.place, state.main) = (Place::Found(url.to_owned()), true);
        self.fetch(&mut state, outbound).await
    }

    /// Fetches a set that has been in use for an hour again; on failure the old one stays until it is older
    /// than a day.
    pub async fn renew(&self, outbound: &Outbound) {
        let mut state = self.state.lock().await;
        let in_use = self.current().is_some() || state.main;
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
        self: &Arc<Self>,
        seen: Option<&Arc<KeySet>>,
        kid: Option<&str>,
        outbound: &Arc<Outbound>,
        asker: Asker,
    ) -> Newer {
        let state = self.state.clone().lock_owned().await;
        let newer = |current: &Arc<KeySet>| seen.is_none_or(|seen| !Arc::ptr_eq(current, seen));
        if let Some(current) = self.current().filter(newer) {
            return Newer::Set(current);
        }
        if let Some(failed) = state.times.quiet(clock::now(), asker) {
            return if failed { Newer::Unreachable } else { Newer::Quiet };
        }
        // A task of its own: who asks and goes away would else take along the fetch and the pause after it, and the
        // next one would begin anew.
        let (keys, outbound, kid) = (self.clone(), outbound.clone(), kid.map(str::to_owned));
        let looking = tokio::spawn(async move { keys.look(state, kid.as_deref(), &outbound, asker).await });
        looking.await.unwrap_or(Newer::Unreachable)
    }

    async fn look(
        &self,
        mut state: OwnedMutexGuard<State>,
        kid: Option<&str>,
        outbound: &Outbound,
        asker: Asker,
    ) -> Newer {
        let fetched = self.fetch(&mut state, outbound).await;
        // Whoever waits behind this fetch does not make another one.
        match (fetched, self.current()) {
            (Ok(()), Some(set)) => {
                if set.find(kid).is_none() {
                    state.times.lacked_the_key(clock::now(), asker);
                }
                Newer::Set(set)
            }
            (fetched, current) => {
                let error = fetched.err().unwrap_or_default();
                tracing::warn!(issuer = %self.issuer, %error, "the key set could not be fetched");
                state.times.was_in_vain(clock::now(), current.is_some(), asker);
                Newer::Unreachable
            }
        }
    }

    async fn fetch(&self, state: &mut State, outbound: &Outbound) -> Result<(), String> {
        let now = clock::now();
        let jitter = clock::random::<1>().map_or(0, |[byte]| byte);
        match self.fetched(&mut state.place, outbound).await {
            Ok((set, document)) => {
                state.times.succeeded(now, jitter);
                // The same keys stay the same set: what was verified with it still stands.
                let known = state.document.replace(document);
                let same = known.is_some_and(|known| known.as_ref() == document.as_ref());
                if !same || self.current().is_none() {
                    self.set.store(Some(Arc::new(set)));
                }
                Ok(())
            }
            Err(error) => {
                if state.times.failed(now, jitter) {
                    self.set.store(None);
                }
                // The document may say another place by now.
                state.place = Place::Unknown;
                Err(error)
            }
        }
    }

    async fn fetched(&self, place: &mut Place, outbound: &Outbound) -> Result<(KeySet, Digest), String> {
        let url = match place {
            Place::Found(url) => url.clone(),
            Place::Unknown => {
                let url = discovery::address(&self.issuer);
                let document = outbound.get_ok("discovery", &url).await?;
                let found = discovery::keys_of(&document, &self.issuer, self.at_issuer)
                    .map_err(|error| format!("{url}: {error}"))?
                    .to_string();
                *place = Place::Found(found.clone());
                found
            }
        };
        let body = outbound.get_ok("keys", &url).await?;
        let set = KeySet::parse(&body).ok_or_else(|| format!("{url}: no usable key in the answer"))?;
        Ok((set, digest(&SHA256, &body)))
    }
}
