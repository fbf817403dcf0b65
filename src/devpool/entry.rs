//! The end of every sign-in at the pool's own pages: the trigger, then a code; for the form, for who is signed in
//! already, and for who comes from another provider.

use super::authorize::Ask;
use super::http::{redirect, set_cookie};
use super::state::{PoolSession, State};
use super::trigger::{self, Failure, Occasion, Source};
use super::{Pool, login, random};
use crate::body::Answer;

/// Who signs in, and how they proved it.
pub(super) struct Entry {
    /// Lower-cased name.
    pub(super) user: String,
    pub(super) auth_time: u64,
    pub(super) amr: &'static [&'static str],
}

/// Lets someone who has just proved who they are in: a session at the pool and a code for the client. If the trigger
/// fails, neither.
pub(super) async fn sign_in(pool: &Pool, ask: Ask, entry: Entry) -> Result<Answer, (Ask, Failure)> {
    let session = PoolSession {
        user: entry.user.clone(),
        auth_time: entry.auth_time,
        amr: entry.amr,
        expires: entry.auth_time.saturating_add(login::SESSION_LIFETIME),
    };
    let mut answer = go_on(pool, ask, entry).await?;
    let id = random::token::<32>();
    let mut state = pool.state();
    state.sessions.insert(id.clone(), session);
    state.stats.sign_ins += 1;
    set_cookie(&mut answer, &login::cookie(pool, super::authorize::SESSION, &id, login::SESSION_LIFETIME));
    Ok(answer)
}

/// A code for someone who is signed in at the pool.
pub(super) async fn go_on(pool: &Pool, ask: Ask, entry: Entry) -> Result<Answer, (Ask, Failure)> {
    let call = call(pool, &pool.state(), &ask, &entry);
    // The lock is free while the trigger runs.
    match trigger::run(pool, call).await {
        Ok(overrides) => Ok(redirect(&ask.grant(&mut pool.state(), entry, overrides))),
        Err(failure) => Err((ask, failure)),
    }
}

fn call(pool: &Pool, state: &State, ask: &Ask, entry: &Entry) -> Option<trigger::Call> {
    let occasion = Occasion {
        source: Source::HostedAuth,
        state,
        pool_id: &pool.pool_id,
        client: state.client(&ask.client_id)?,
        user: Some(state.active_user(&entry.user)?),
        scopes: &ask.scopes,
        metadata: None,
    };
    trigger::call(pool, &occasion)
}
