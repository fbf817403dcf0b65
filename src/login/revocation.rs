//! Refresh tokens that nobody needs any more: given back to the pool in the background, in several tries.
//!
//! A sign-out never waits for it: here it counts at once, and the browser has lost its ticket with the same answer.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::background::Background;
use crate::provider::{PoolFault, Provider};
use crate::session::visit::Sessions;
use crate::session::{Grant, Session, Ticket};

/// The revocations of this process.
#[derive(Clone)]
pub(super) struct Revocations {
    provider: Arc<Provider>,
    sessions: Arc<Sessions>,
    background: Background,
    /// One for each that may be waiting: while the pool is away each holds a token.
    places: Arc<Semaphore>,
}

/// A token that is not revoked yet; says so where it is given up.
struct Unrevoked {
    reason: &'static str,
}

// === impl Revocations ===

impl Revocations {
    pub(super) fn new(provider: Arc<Provider>, sessions: Arc<Sessions>, background: Background) -> Self {
        Self { provider, sessions, background, places: Arc::new(Semaphore::new(MOST)) }
    }

    /// Those to come as this `provider` is configured; the ones under way have their places still.
    pub(super) fn with(&self, provider: Arc<Provider>, sessions: Arc<Sessions>) -> Self {
        Self { provider, sessions, background: self.background.clone(), places: self.places.clone() }
    }

    /// Revokes `tickets`, and what a refresh of `session` under way makes of them. A stop waits for it, within its
    /// drain.
    pub(super) fn revoke(&self, session: Option<&Session>, tickets: Vec<Ticket>) {
        let mut given: Vec<Grant> = Vec::new();
        for ticket in tickets {
            if let Some(session) = session.filter(|session| ticket.belongs_to(session)) {
                self.revoke_successors(session.clone(), ticket.clone());
            }
            if !given.contains(&ticket.grant) {
                given.push(ticket.grant.clone());
                self.give_back(ticket);
            }
        }
    }

    /// What a refresh brings that was begun before: its token is one that no browser has, or only an old tab.
    fn revoke_successors(&self, session: Session, ticket: Ticket) {
        let (this, sessions, work) = (self.clone(), self.sessions.clone(), self.background.begin());
        self.background.spawn(async move {
            let mut before = ticket.grant.clone();
            for ticket in sessions.successors(&session, &ticket).await {
                // Without rotation it is the same one again, and so it is with a store.
                if ticket.grant != before {
                    before.clone_from(&ticket.grant);
                    this.give_back(ticket);
                }
            }
            drop(work);
        });
    }

    fn give_back(&self, ticket: Ticket) {
        let Ok(place) = self.places.clone().try_acquire_owned() else {
            return drop(Unrevoked { reason: "too_many" });
        };
        let (this, work) = (self.clone(), self.background.begin());
        self.background.spawn(async move {
            // Also dropped where the process ends first.
            let mut unrevoked = Unrevoked { reason: "stopped" };
            match this.release_and_revoke(&ticket).await {
                Ok(()) => unrevoked.reason = DONE,
                Err(reason) => unrevoked.reason = reason,
            }
            drop((unrevoked, place, work));
        });
    }

    /// With a store the refresh token is fetched from there first, where nothing is kept for it any more.
    async fn release_and_revoke(&self, ticket: &Ticket) -> Result<(), &'static str> {
        let released = persist(&PAUSES, || self.sessions.release(ticket), |_| false).await;
        let Some(token) = released.map_err(|fault| fault.code())? else { return Ok(()) };
        let revoked = persist(&PAUSES, || self.provider.revoke(&token), PoolFault::is_a_refusal).await;
        revoked.map_err(|fault| fault.code())
    }
}

// === impl Unrevoked ===

impl Drop for Unrevoked {
    fn drop(&mut self) {
        if self.reason != DONE {
            tracing::warn!(
                reason = self.reason,
                "a refresh token was not revoked: at the pool it counts until its own end"
            );
        }
    }
}

/// Tries until it is well, or hopeless, or the pauses between tries are used up.
async fn persist<F, T, Done, Fault>(
    pauses: &[Duration],
    attempt: F,
    is_hopeless: fn(&Fault) -> bool,
) -> Result<Done, Fault>
where
    F: Fn() -> T,
    T: Future<Output = Result<Done, Fault>>,
{
    for pause in pauses {
        match attempt().await {
            Err(fault) if !is_hopeless(&fault) => tokio::time::sleep(*pause).await,
            outcome => return outcome,
        }
    }
    attempt().await
}

const DONE: &str = "";
/// After about three minutes a token is given up; a try takes at most ten seconds more.
const PAUSES: [Duration; 4] =
    [Duration::from_secs(1), Duration::from_secs(5), Duration::from_secs(30), Duration::from_secs(120)];
/// More are given up at once; each costs a few KiB.
const MOST: usize = 1_000;

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn tried(outcomes: &[fn() -> Result<(), PoolFault>]) -> (usize, bool) {
        let calls = Cell::new(0);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let outcome = runtime.block_on(persist(
            &[Duration::ZERO; PAUSES.len()],
            || {
                let outcome = outcomes[calls.get().min(outcomes.len() - 1)]();
                calls.set(calls.get() + 1);
                async { outcome }
            },
            PoolFault::is_a_refusal,
        ));
        (calls.get(), outcome.is_ok())
    }

    #[test]
    fn a_revocation_is_tried_five_times_and_no_more() {
        assert_eq!(tried(&[|| Err(PoolFault::NotReady)]), (5, false));
        assert_eq!(tried(&[|| Err(PoolFault::NotReady), || Err(PoolFault::NotReady), || Ok(())]), (3, true));
        assert_eq!(tried(&[|| Ok(())]), (1, true));
    }

    #[test]
    fn the_tries_are_over_within_five_minutes() {
        let all: Duration = PAUSES.iter().sum::<Duration>() + Duration::from_secs(10) * 5;
        assert!(all < Duration::from_secs(300), "{all:?}");
    }
}
