//! Sees to sessions that hold something open: refreshed where the result can be kept, ended where not.
//!
//! One task a session, however much it holds open; it sleeps until there is something to do.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

use super::refresh::{Refresher, Renewal};
use super::{Session, Ticket};
use crate::background::Background;
use crate::clock;
use crate::config::settings;
use crate::streams::{Life, May, Open, Streams, Ward};

/// Who sees to them.
pub struct Keeper {
    policy: ArcSwap<settings::Session>,
    refresher: Arc<Refresher>,
    streams: Arc<Streams>,
    background: Background,
}

/// What is next to do about a session. Times are seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Nothing until then.
    Rest(u64),
    /// A refresh; if nothing has come of it until then, one more.
    Refresh(u64),
    /// All that it has open ends.
    End,
}

// === impl Keeper ===

impl Keeper {
    /// One that sees to sessions under `policy`, in the `background`.
    pub fn new(
        policy: settings::Session,
        refresher: Arc<Refresher>,
        streams: Arc<Streams>,
        background: Background,
    ) -> Arc<Self> {
        let policy = ArcSwap::from_pointee(policy);
        Arc::new(Self { policy, refresher, streams, background })
    }

    /// From now on `policy` counts, also for what is open already.
    pub fn follow(&self, policy: settings::Session) {
        self.policy.store(Arc::new(policy));
    }

    /// A stream that is no session's is open from here on; see [`Streams::open`].
    pub fn open(&self, time: Option<Duration>, may: May) -> Open {
        self.streams.open(time, may)
    }

    /// A stream of `session` is open from here on, and ends when that does. `may`: whether it may stay open after a
    /// refresh.
    pub fn open_of(self: &Arc<Self>, session: &Session, ticket: Option<Ticket>, may: May) -> Open {
        let (open, ward) = self.streams.open_of(session, ticket, may);
        if let Some(ward) = ward {
            let keeper = self.clone();
            self.background.spawn(async move { keeper.see_to(ward).await });
        }
        open
    }

    /// Returns when the session ends, or nothing of it is open any more.
    async fn see_to(&self, mut ward: Ward) {
        if !self.catches_up(&mut ward) {
            return;
        }
        let mut keeping = self.refresher.keeping();
        loop {
            let (life, since) = (ward.life(), clock::now());
            // Until there is a newer generation.
            loop {
                let ticket = life.ticket.as_ref().filter(|_| *keeping.borrow_and_update());
                let now = clock::now();
                let until =
                    match (step(&life.session, since, ticket.is_some(), now, &self.policy.load()), ticket) {
                        (Step::Rest(until), _) => until,
                        (Step::Refresh(until), Some(ticket)) => {
                            self.refresher.begin(&life.session, ticket);
                            until
                        }
                        _ => return,
                    };
                tokio::select! {
                    is_open = ward.changed() => if is_open { break } else { return },
                    _ = keeping.changed() => {}
                    () = tokio::time::sleep(Duration::from_secs(until.saturating_sub(now))) => {}
                }
            }
        }
    }

    /// A refresh may have ended after the request was decided on and before there was anybody to tell. False if the
    /// session ended by it.
    fn catches_up(&self, ward: &mut Ward) -> bool {
        let Life { session, ticket: Some(ticket) } = &*ward.life() else { return true };
        let (mut session, mut ticket) = (session.clone(), ticket.clone());
        loop {
            match self.refresher.known(&session, &ticket) {
                Some(Renewal::Renewed(next)) => {
                    self.streams.renewed(&next.session, &next.ticket);
                    (session, ticket) = (next.session.clone(), next.ticket.clone());
                }
                Some(Renewal::Dead) => return false,
                Some(Renewal::Unavailable(_)) | None => return true,
            }
        }
    }
}

/// What is next to do at `now` about a session that has been as it is `since` then. `kept`: whether what a refresh
/// brings can be kept without a browser to bring it to.
fn step(session: &Session, since: u64, kept: bool, now: u64, policy: &settings::Session) -> Step {
    let ends = if kept { session.ends_at_last(policy) } else { session.ends_by_itself(since, policy) };
    match session.due(policy) {
        _ if now >= ends => Step::End,
        due if kept && now >= due => Step::Refresh(ends.min(now + AGAIN)),
        due if kept => Step::Rest(ends.min(due)),
        _ => Step::Rest(ends),
    }
}

/// A refresh that failed is begun again after so many seconds: a little longer than its failure is remembered.
const AGAIN: u64 = 6;

#[cfg(test)]
mod tests;
