//! Ending sessions for an operator: called off first, then what the store keeps of them is cleared.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::words::{Ended, Reach, Whom};
use super::{Desk, Refusal, no_store, outage};
use crate::clock;
use crate::listen::unix::Caller;
use crate::reply::Fared;
use crate::session::revoked::Whose;
use crate::session::store::{Noted, Store};
use crate::session::visit::CalledOff;
use crate::tally::Event;

/// Ends the sessions of `whom`, as `caller` asked.
pub(super) async fn end(desk: &Desk, caller: Caller, whom: &Whom) -> Result<Ended, Refusal> {
    let begun_until = clock::now();
    let store = desk.sessions.store();
    let whose = match whom {
        Whom::Id(id) => vec![Whose::Session(id.clone())],
        Whom::Sub(sub) => vec![Whose::Person { sub: sub.clone(), begun_until }],
        Whom::Everyone => vec![Whose::Everyone { begun_until }],
        Whom::User(user) => {
            let store = store.ok_or_else(|| no_store("ending sessions by user"))?;
            let subs = subs(store, user).await?;
            subs.into_iter().map(|sub| Whose::Person { sub, begun_until }).collect()
        }
    };
    let mut reach = if store.is_some() { Reach::Everywhere } else { Reach::Here };
    for one in &whose {
        reach = reach.min(desk.sessions.call_off(one.clone()).await.into());
    }
    // Listed only now: what has begun in between is called off as well.
    let noted = match store {
        Some(store) => named(store, &whose).await,
        None => Some(vec![]),
    };
    let sessions = store.and(noted.as_ref()).map(Vec::len);
    let (by, name) = whom.named();
    let tally = desk.sessions.tally();
    tally.signed_out("operator");
    let event = Event::success("logout").because("operator").with("uid", caller.uid).with("pid", caller.pid);
    let event = event.with("by", by).with("whom", name).with("sessions", sessions);
    let event = event.with("reach", reach.as_str());
    tally.trail.tell(&match whom {
        Whom::Id(id) => event.session(id),
        _ => event,
    });
    tracing::info!(
        target: "rolegate::audit", uid = caller.uid, pid = caller.pid, by, whom = name, sessions, reach = reach.as_str(),
        "an operator ended sessions"
    );
    let cleared = match (store, noted) {
        (Some(store), Some(noted)) => clear(desk, store, noted).await,
        (_, noted) => noted.is_some(),
    };
    Ok(Ended { reach, sessions, cleared })
}

/// Everybody who goes by this name.
async fn subs(store: &Store, user: &str) -> Result<BTreeSet<String>, Refusal> {
    let noted = store.all_sessions().await.map_err(|fault| outage(&fault))?;
    let subs: BTreeSet<_> =
        noted.into_iter().filter(|noted| noted.user == user).map(|noted| noted.sub).collect();
    if subs.is_empty() {
        return Err(Refusal(Fared::Nobody, format!("nobody of the name {user:?} has a session")));
    }
    Ok(subs)
}

/// What is listed of them; `None`: the store does not say.
async fn named(store: &Store, whose: &[Whose]) -> Option<Vec<Noted>> {
    let listed = match whose {
        [Whose::Person { sub, .. }] => store.sessions_of(sub).await,
        _ => store.all_sessions().await,
    };
    let named = |noted: &Noted| {
        whose.iter().any(|whose| match whose {
            Whose::Session(id) => noted.id == *id,
            Whose::Person { sub, begun_until } => noted.sub == *sub && noted.begun <= *begun_until,
            Whose::Everyone { begun_until } => noted.begun <= *begun_until,
        })
    };
    match listed {
        Ok(mut noted) => {
            noted.retain(named);
            Some(noted)
        }
        Err(fault) => {
            tracing::warn!(%fault, "what the store keeps of ended sessions stays until they would have ended");
            None
        }
    }
}

/// Forgets them; whether that is done. It goes on if it takes longer than an operator waits.
async fn clear(desk: &Desk, store: &Arc<Store>, noted: Vec<Noted>) -> bool {
    let (store, busy) = (store.clone(), desk.background.begin());
    let clearing = desk.background.spawn(async move {
        let _busy = busy;
        for (done, one) in noted.iter().enumerate() {
            if let Err(fault) = store.clear(one).await {
                let left = noted.len() - done;
                tracing::warn!(%fault, left, "what the store keeps of ended sessions stays until they would have ended");
                return false;
            }
        }
        true
    });
    matches!(tokio::time::timeout(PATIENCE, clearing).await, Ok(Ok(true)))
}

// === impl Reach ===

impl From<CalledOff> for Reach {
    fn from(called_off: CalledOff) -> Self {
        match called_off {
            CalledOff::Here => Self::Here,
            CalledOff::Later => Self::Later,
            CalledOff::Everywhere => Self::Everywhere,
        }
    }
}

/// For the clearing.
const PATIENCE: Duration = Duration::from_secs(5);
