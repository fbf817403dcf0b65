//! Calling sessions off before their time: here, and where there is a store at every gate.

use std::time::Duration;

use super::Sessions;
use crate::clock;
use crate::session::kept::Handle;
use crate::session::revoked::{Revocation, Whose};
use crate::session::store::{Store, StoreFault};
use crate::session::{Grant, Session, Ticket};

/// How far something is called off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CalledOff {
    /// At this gate; there is no store that could tell others.
    Here,
    /// At every gate, within two seconds.
    Everywhere,
    /// At this gate, and at the others once the store can be reached: it is tried again until then.
    Later,
}

impl Sessions {
    /// From now on `whose` sessions count no more, nor what a refresh in flight makes of them; what they have open ends.
    /// Returns once every gate is told, or that takes too long.
    pub async fn call_off(&self, whose: Whose) -> CalledOff {
        let now = clock::now();
        // Whatever began until now has ended by then.
        let revocation = Revocation { whose, ends: now.saturating_add(self.policy.max_age.as_secs()) };
        self.streams.revoke(&revocation, now);
        let Some(store) = &self.store else { return CalledOff::Here };
        match tokio::time::timeout(PATIENCE, store.publish(revocation)).await {
            Ok(true) => CalledOff::Everywhere,
            Ok(false) | Err(_) => CalledOff::Later,
        }
    }

    /// The second in which a new session of the person with this `sub` begins; waits for one in which it counts. Who signs
    /// in again within the second of a sign-out everywhere would be sent to and fro between pool and gate until it is
    /// over, and a date ahead of the clock would escape the next one.
    pub async fn beginning(&self, sub: &str) -> u64 {
        if let Some(until) = self.streams.called_off_until(sub) {
            let left = until.saturating_add(1).saturating_mul(1000).saturating_sub(clock::now_millis());
            // Longer if clocks disagree; then the session does not count for so long.
            tokio::time::sleep(Duration::from_millis(left).min(MOST_UNTIL_BEGINNING)).await;
        }
        clock::now()
    }

    /// From now on `session` counts no more, here at once and elsewhere as soon as the store has it; nobody waits.
    pub fn sign_out(&self, session: &Session) {
        let revocation = Revocation { whose: Whose::Session(session.id.clone()), ends: session.ends };
        self.streams.revoke(&revocation, clock::now());
        if let Some(store) = &self.store {
            store.publish_soon(revocation);
        }
    }

    /// Keeps nothing more for `ticket`, and gives out the refresh token that it led to, to be revoked. After a fault it
    /// may be tried again.
    pub async fn release(&self, ticket: &Ticket) -> Result<Option<String>, StoreFault> {
        match (&ticket.grant, &self.store) {
            (Grant::Token(token), None) => Ok(Some(token.clone())),
            // Another gate may have taken it into the store meanwhile, where a later one came of it.
            (Grant::Token(token), Some(store)) => match Handle::of_token(token) {
                Some(handle) => Ok(forget(store, &handle).await?.or_else(|| Some(token.clone()))),
                None => Ok(Some(token.clone())),
            },
            (Grant::Kept(handle), Some(store)) => forget(store, handle).await,
            (Grant::Kept(_), None) => Ok(None),
        }
    }
}

/// What was kept of a session, which is its refresh token.
async fn forget(store: &Store, handle: &Handle) -> Result<Option<String>, StoreFault> {
    let Some(kept) = store.load(handle).await? else { return Ok(None) };
    store.unnote(&kept.session).await?;
    store.end(handle).await?;
    Ok(Some(kept.refresh_token))
}

/// What is called off is called off with the second it happens in; the rest is for clocks that disagree.
const MOST_UNTIL_BEGINNING: Duration = Duration::from_secs(2);
/// A person, or an operator, waits for the store no longer than this.
const PATIENCE: Duration = Duration::from_secs(2);
