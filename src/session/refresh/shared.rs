//! Refreshing where several gates share a store: one token call among all of them.
//!
//! Whoever has the turn asks the pool and writes what it said; everyone else waits for that. The browser's ticket opens
//! every generation, so that a cookie from before the refresh leads to the one after it, at any gate, at any time.

use std::sync::Arc;
use std::time::Duration;

use super::alone::next;
use super::{Generation, KEEP_DEAD, KEEP_RENEWED, KEEP_UNAVAILABLE, Outage, Refresher, Renewal};
use crate::clock;
use crate::session::kept::{Handle, Kept};
use crate::session::store::{Store, StoreFault, Turn};
use crate::session::{Grant, Session, Ticket};

/// A session that is refreshed there.
pub(super) struct Shared<'a> {
    /// Where.
    pub(super) store: &'a Arc<Store>,
    /// What opens it.
    pub(super) handle: &'a Handle,
    /// Its refresh token, where it is from before there was a store: it is taken into that.
    pub(super) token: Option<&'a str>,
    /// It cannot be served without.
    pub(super) urgent: bool,
}

/// What came first.
enum Way {
    /// A later generation, by whomever.
    Later(Box<Kept>),
    /// The turn to ask for one.
    Turn(Turn),
}

impl Refresher {
    /// The next generation of `session`, and for how long it is kept at hand here.
    pub(super) async fn fly_shared(&self, shared: &Shared<'_>, session: &Session) -> (Renewal, Duration) {
        match self.renew_shared(shared, session).await {
            Ok(Renewal::Dead) => (Renewal::Dead, KEEP_DEAD),
            Ok(renewal @ Renewal::Renewed(_)) => (renewal, KEEP_RENEWED),
            Ok(renewal) => (renewal, KEEP_UNAVAILABLE),
            Err(fault) => {
                self.tell_outage(session, fault.code());
                // While the store is away its log says so, once.
                if shared.store.is_heard() {
                    tracing::warn!(reason = fault.code(), %fault, session = %session.id, "a session could not be refreshed");
                }
                (Renewal::Unavailable(Outage::Store), KEEP_STORE_OUTAGE)
            }
        }
    }

    async fn renew_shared(&self, shared: &Shared<'_>, session: &Session) -> Result<Renewal, StoreFault> {
        let Shared { store, handle, urgent, .. } = *shared;
        // Most often another gate has been here; that takes nobody's place in the queue.
        if let Some(kept) = later(store.load(handle).await?, session) {
            self.tally().refreshed("shared", "");
            return Ok(renewed(handle, session, kept));
        }
        let Some(_turn) = self.turn(session, urgent).await else {
            return Ok(Renewal::Unavailable(Outage::Pool));
        };
        let way = tokio::time::timeout(PATIENCE, wait(store, handle, session)).await;
        let Ok(way) = way else {
            self.tell_outage(session, "store_turn");
            return Ok(Renewal::Unavailable(Outage::Store));
        };
        match way? {
            Way::Later(kept) => {
                self.tally().refreshed("shared", "");
                Ok(renewed(handle, session, *kept))
            }
            Way::Turn(turn) => {
                let renewal = self.in_turn(shared, session, &turn).await;
                turn.over().await;
                renewal
            }
        }
    }

    async fn in_turn(
        &self,
        shared: &Shared<'_>,
        session: &Session,
        turn: &Turn,
    ) -> Result<Renewal, StoreFault> {
        let Shared { store, handle, token, .. } = *shared;
        let before = match (store.load(handle).await?, token) {
            // One refresh token for two logins: what was kept under it is the other's.
            (Some(kept), _) if !is_of(&kept, session) => {
                self.tell_rejected(session, "store_other_session");
                tracing::warn!(session = %session.id, "the store has another session under this one's token");
                return Ok(Renewal::Dead);
            }
            (Some(kept), _) if is_later(&kept, session) => {
                self.tally().refreshed("shared", "");
                return Ok(renewed(handle, session, kept));
            }
            (Some(kept), _) => kept,
            (None, Some(token)) => {
                Kept { number: 0, session: session.clone(), refresh_token: token.to_owned(), tokens: None }
            }
            (None, None) => {
                self.tell_rejected(session, "store_gone");
                tracing::info!(session = %session.id, "the store has this session no more");
                return Ok(Renewal::Dead);
            }
        };
        let granted = match turn.during(self.ask(session, &before.refresh_token)).await {
            Ok(granted) => granted,
            Err(renewal) => {
                if matches!(renewal, Renewal::Dead) {
                    // It would be listed to its end.
                    let _ = store.unnote(&before.session).await;
                }
                return Ok(renewal);
            }
        };
        let (session, refresh_token, tokens) =
            next(&before.session, &before.refresh_token, granted, **self.passed_on.load(), clock::now());
        let next = Kept { number: before.number + 1, session, refresh_token, tokens };
        let moves_in = before.number == 0;
        let written = if moves_in {
            store.begin(handle, &next).await.map(|()| true)
        } else {
            store.advance(handle, &next).await
        };
        match written {
            Ok(true) => {
                // Only a list is less true without it.
                let _ = store.note(&next.session, Some(handle)).await;
            }
            Ok(false) => {
                // Our turn was over, and another gate's generation counts. The token in it may be ours as well: giving
                // ours back would end both.
                if let Some(kept) = later(store.load(handle).await?, &before.session) {
                    return Ok(renewed(handle, &before.session, kept));
                }
                // Signed out meanwhile.
                self.give_back(next.refresh_token);
                return Ok(Renewal::Dead);
            }
            Err(fault) => {
                tracing::warn!(reason = fault.code(), %fault, session = %next.session.id, "a refreshed session waits for the store");
                self.write_later(store, handle, &next, moves_in);
            }
        }
        Ok(renewed(handle, &before.session, next))
    }

    /// The pool takes the old refresh token no more: what it gave for it is written as soon as that can be. `moves_in`:
    /// the store has never had this session, and may keep it without one before.
    fn write_later(&self, store: &Arc<Store>, handle: &Handle, next: &Kept, moves_in: bool) {
        let (store, handle, next, work) =
            (store.clone(), handle.clone(), next.clone(), self.background.begin());
        self.background.spawn(async move {
            let _work = work;
            let mut pause = FIRST_PAUSE;
            while clock::now() < next.session.access_ends {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(MOST_PAUSE);
                let written = if moves_in && matches!(store.load(&handle).await, Ok(None)) {
                    store.begin(&handle, &next).await
                } else {
                    store.advance(&handle, &next).await.map(drop)
                };
                if written.is_ok() {
                    break;
                }
            }
        });
    }

    fn give_back(&self, refresh_token: String) {
        let (provider, work) = (self.provider.load_full(), self.background.begin());
        self.background.spawn(async move {
            if let Err(fault) = provider.revoke(&refresh_token).await {
                tracing::warn!(reason = fault.code(), "a refresh token could not be revoked");
            }
            drop(work);
        });
    }
}

async fn wait(store: &Arc<Store>, handle: &Handle, session: &Session) -> Result<Way, StoreFault> {
    let mut pause = FIRST_PAUSE;
    loop {
        if let Some(turn) = store.turn(handle).await? {
            return Ok(Way::Turn(turn));
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(MOST_PAUSE);
        if let Some(kept) = later(store.load(handle).await?, session) {
            return Ok(Way::Later(Box::new(kept)));
        }
    }
}

fn later(kept: Option<Kept>, session: &Session) -> Option<Kept> {
    kept.filter(|kept| is_later(kept, session))
}

/// A pass is never refreshed twice within a second: that is what tells generations apart.
fn is_later(kept: &Kept, session: &Session) -> bool {
    kept.session.refreshed > session.refreshed && is_of(kept, session)
}

fn is_of(kept: &Kept, session: &Session) -> bool {
    kept.session.id == session.id && kept.session.sub == session.sub
}

fn renewed(handle: &Handle, before: &Session, kept: Kept) -> Renewal {
    let Kept { session, tokens, .. } = kept;
    // The browser was here since; the idle limit goes by its last visit, not by the store's last write.
    let session = Session { seen: session.seen.max(before.seen), ..session };
    let ticket = Ticket::new(&session, Grant::Kept(handle.clone()));
    Renewal::Renewed(Arc::new(Generation::new(session, ticket, tokens)))
}

/// Another gate's token call is waited for this long: as long as anyone here waits for it.
const PATIENCE: Duration = Duration::from_secs(10);
const FIRST_PAUSE: Duration = Duration::from_millis(25);
const MOST_PAUSE: Duration = Duration::from_millis(200);
/// While the store is unwell each session asks it no more often than this; it is back within seconds.
const KEEP_STORE_OUTAGE: Duration = Duration::from_secs(1);
