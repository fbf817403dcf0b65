//! Refreshing a session: one token call for any number of requests, its result kept for late-comers.
//!
//! A flight belongs to one generation of one session: its key is a digest of the session's id, the time of
//! its last refresh and the refresh token, so no two people can share one (OWASP calls the opposite
//! "single-flight key collision").

mod alone;
mod newest;
mod shared;
mod told;
mod turns;
mod untaken;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use aws_lc_rs::digest::{Context, SHA256};
use tokio::sync::watch;

use super::kept::Handle;
use super::store::Store;
use super::tokens::TokenBox;
use super::{Grant, Session, Ticket};
use crate::background::Background;
use crate::clock;
use crate::config::settings::PassedOn;
use crate::provider::Provider;
use crate::streams::Streams;
use crate::tally::Tally;
use crate::trace;
use newest::Newest;
use shared::Shared;
use turns::Turns;

/// All refreshes of this process.
pub struct Refresher {
    /// As it is configured now.
    provider: Arc<ArcSwap<Provider>>,
    tally: Arc<Tally>,
    /// What a session keeps of its tokens.
    passed_on: ArcSwap<PassedOn>,
    /// Where token calls run: a request that goes away does not lose what the pool answered.
    background: Background,
    /// Where several gates share sessions.
    store: Option<Arc<Store>>,
    flights: Mutex<HashMap<Key, Result>>,
    turns: Turns,
    newest: Newest,
    /// Where what a session holds open hears how it fares.
    streams: Arc<Streams>,
    /// Whether what a refresh brings is kept without a browser: there is a store, or the last one brought no new token.
    keeps: watch::Sender<bool>,
}

/// How a refresh ended.
#[derive(Debug, Clone)]
pub enum Renewal {
    /// The session as it is now, and the ticket that goes with it.
    Renewed(Arc<Generation>),
    /// The pool says that this refresh token counts no more.
    Dead,
    /// Nobody who could say so was there.
    Unavailable(Outage),
}

/// Who could not be reached, or answered nonsense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outage {
    /// The user pool.
    Pool,
    /// The store.
    Store,
}

/// A session between two refreshes.
#[derive(Debug, Clone)]
pub struct Generation {
    /// Who this is.
    pub session: Session,
    /// What its next refresh goes with.
    pub ticket: Ticket,
    /// The tokens that are handed on, where any is.
    pub tokens: Option<TokenBox>,
    /// Done once it has been told that this does not fit into cookies: many requests find that out.
    pub too_large: Arc<Once>,
}

type Key = [u8; 32];
/// Empty while the flight is under way.
type Result = watch::Receiver<Option<Renewal>>;

// === impl Refresher ===

impl Refresher {
    /// A refresher whose token calls run in the `background`, and that tells `streams` what comes of them.
    pub fn new(
        provider: Arc<ArcSwap<Provider>>,
        passed_on: PassedOn,
        background: Background,
        streams: Arc<Streams>,
        store: Option<Arc<Store>>,
    ) -> Self {
        // What goes to a store needs no browser to take it.
        let keeps = watch::Sender::new(store.is_some());
        Self {
            tally: provider.load().tally().clone(),
            provider,
            passed_on: ArcSwap::from_pointee(passed_on),
            background,
            store,
            flights: Mutex::default(),
            turns: Turns::new(),
            newest: Newest::default(),
            streams,
            keeps,
        }
    }

    /// From now on sessions keep `passed_on` of their tokens.
    pub fn pass_on(&self, passed_on: PassedOn) {
        self.passed_on.store(Arc::new(passed_on));
    }

    /// Refreshes `session`, or takes the result of whoever is doing so or has just done so. `urgent`: it cannot be
    /// served without.
    pub async fn renew(self: &Arc<Self>, session: &Session, ticket: &Ticket, urgent: bool) -> Renewal {
        let key = key(session, ticket);
        let mut result = self.flight(key, session, ticket, urgent);
        match result.wait_for(Option::is_some).await {
            Ok(renewal) => renewal.clone().unwrap_or(Renewal::Unavailable(Outage::Pool)),
            // The task is gone without a word: that is an outage of ours, and nobody is logged out for it.
            Err(_) => Renewal::Unavailable(Outage::Pool),
        }
    }

    /// Where refreshes are counted, and written down.
    pub fn tally(&self) -> &Arc<Tally> {
        &self.tally
    }

    /// Whether this process has refreshed `session` since it was as it is here.
    pub fn outdates(&self, session: &Session) -> bool {
        self.newest.outdates(session)
    }

    /// The tickets that refreshes of this generation gave or are about to give instead of `ticket`, one after
    /// another. Begins no refresh.
    pub async fn successors(&self, session: &Session, ticket: &Ticket) -> Vec<Ticket> {
        let mut found: Vec<Ticket> = Vec::new();
        let (mut session, mut ticket) = (session.clone(), ticket.clone());
        while found.len() < MOST_SUCCESSORS {
            let flight = self.flights().get(&key(&session, &ticket)).cloned();
            let Some(mut flight) = flight else { break };
            let next = match flight.wait_for(Option::is_some).await.as_deref() {
                Ok(Some(Renewal::Renewed(next))) => next.clone(),
                _ => break,
            };
            (session, ticket) = (next.session.clone(), next.ticket.clone());
            found.push(ticket.clone());
        }
        found
    }

    /// Refreshes `session` for what it has open: nobody waits who would bring the result to a browser. `Streams` hears
    /// what comes of it.
    pub fn begin(self: &Arc<Self>, session: &Session, ticket: &Ticket) {
        drop(self.flight(key(session, ticket), session, ticket, false));
    }

    /// What came of a refresh of `session`, where that is still kept.
    pub fn known(&self, session: &Session, ticket: &Ticket) -> Option<Renewal> {
        self.flights().get(&key(session, ticket))?.borrow().clone()
    }

    /// Whether the result of a refresh counts for longer than this process remembers it, so that nobody need be there
    /// to take it: the refresh token is known to stay the same. It may change with every refresh.
    pub fn keeping(&self) -> watch::Receiver<bool> {
        self.keeps.subscribe()
    }

    fn flight(self: &Arc<Self>, key: Key, session: &Session, ticket: &Ticket, urgent: bool) -> Result {
        let mut flights = self.flights();
        if let Some(result) = flights.get(&key) {
            self.tally().refreshed("joined", "");
            return result.clone();
        }
        let (sender, receiver) = watch::channel(None);
        flights.insert(key, receiver.clone());
        drop(flights);

        let (refresher, session, ticket) = (self.clone(), session.clone(), ticket.clone());
        self.background.spawn(trace::carried(async move {
            // Whatever happens to the flight, nothing of it stays: it holds a refresh token.
            let _forget = Forget { refresher: refresher.clone(), key };
            let work = refresher.background.begin();
            let (renewal, mut keep) = refresher.fly(&session, &ticket, urgent).await;
            // One receiver is the map's own: where there is no other, everyone gave up waiting, or nobody ever did.
            if let (Renewal::Renewed(next), 1) = (&renewal, sender.receiver_count()) {
                keep += untaken::longer(next, &ticket, clock::now());
            }
            if let Renewal::Renewed(next) = &renewal {
                refresher.newest.learn(&next.session, clock::now());
            }
            let _ = sender.send(Some(renewal.clone()));
            refresher.tell(&session, &renewal);
            drop(work);
            tokio::time::sleep(keep).await;
        }));
        receiver
    }

    fn flights(&self) -> MutexGuard<'_, HashMap<Key, Result>> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What comes of a refresh concerns what the session has open. Said once the result is [`Refresher::known`], so
    /// that whoever opens something meanwhile finds it there.
    fn tell(&self, before: &Session, renewal: &Renewal) {
        match renewal {
            Renewal::Renewed(next) => self.streams.renewed(&next.session, &next.ticket),
            // A cookie from before a refresh that was somebody's here says nothing of the session as it is now.
            Renewal::Dead if !self.newest.outdates(before) => self.streams.ended(before),
            Renewal::Dead | Renewal::Unavailable(_) => {}
        }
    }

    /// The next generation, and for how long it is kept at hand.
    async fn fly(&self, session: &Session, ticket: &Ticket, urgent: bool) -> (Renewal, Duration) {
        match (&ticket.grant, &self.store) {
            (Grant::Token(token), None) => self.fly_alone(session, token, urgent).await,
            (Grant::Kept(handle), Some(store)) => {
                let shared = Shared { store, handle, token: None, urgent };
                self.fly_shared(&shared, session).await
            }
            (Grant::Token(token), Some(store)) => {
                let Some(handle) = Handle::of_token(token) else { return (Renewal::Dead, KEEP_DEAD) };
                let shared = Shared { store, handle: &handle, token: Some(token), urgent };
                self.fly_shared(&shared, session).await
            }
            // There was a store once.
            (Grant::Kept(_), None) => (Renewal::Dead, KEEP_DEAD),
        }
    }
}

// === impl Generation ===

impl Generation {
    /// A generation.
    pub fn new(session: Session, ticket: Ticket, tokens: Option<TokenBox>) -> Self {
        Self { session, ticket, tokens, too_large: Arc::new(Once::new()) }
    }
}

/// Takes a flight's result away at the end of its task.
struct Forget {
    refresher: Arc<Refresher>,
    key: Key,
}

impl Drop for Forget {
    fn drop(&mut self) {
        self.refresher.flights().remove(&self.key);
    }
}

fn key(session: &Session, ticket: &Ticket) -> Key {
    let mut hash = Context::new(&SHA256);
    for part in [session.id.as_bytes(), &session.refreshed.to_be_bytes(), ticket.grant.bytes()] {
        hash.update(&(part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let mut key = [0; 32];
    key.copy_from_slice(hash.finish().as_ref());
    key
}

/// A late request with the cookie from before the refresh is served from its result for this long.
const KEEP_RENEWED: Duration = Duration::from_secs(60);
/// A refresh token that the pool refused is not shown to it again for this long.
const KEEP_DEAD: Duration = Duration::from_secs(60);
/// While the pool is unwell each session asks it no more often than this.
const KEEP_UNAVAILABLE: Duration = Duration::from_secs(5);
/// Results are kept for a minute, in which a session is not refreshed more often than this.
const MOST_SUCCESSORS: usize = 8;
