//! What is still open when its request is decided: WebSockets and event streams, and what ends them early.
//!
//! Nothing here polls: a stream waits for its session's channel and for the stop's, and each is silent until then.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Sleep;

use crate::session::revoked::{Revocation, Revoked, Taken};
use crate::session::{Session, Ticket};
use crate::tally::Tally;

/// The open streams of this process, and what has been called off: the cookies may still be replayed.
#[derive(Debug)]
pub struct Streams {
    revoked: RwLock<Revoked>,
    /// Whether anything is, so that the common case costs no lock.
    any_revoked: AtomicBool,
    /// By session id; a sender that is dropped ends its streams.
    open: Mutex<HashMap<String, Held>>,
    open_count: AtomicUsize,
    /// Tells that what decides is another.
    changes: watch::Sender<()>,
    stop: watch::Sender<bool>,
    tally: Arc<Tally>,
}

/// What a session holds open.
#[derive(Debug)]
struct Held {
    life: watch::Sender<Arc<Life>>,
    streams: usize,
}

/// A session that holds something open: the newest generation of it that is known here.
#[derive(Debug, Clone)]
pub struct Life {
    /// The session.
    pub session: Session,
    /// What its next refresh goes with; `None`: whoever opened something brought none.
    pub ticket: Option<Ticket>,
}

/// Whether what somebody opened may stay open: now that their session is this one, or with none behind it as before.
pub type May = Box<dyn Fn(Option<&Session>) -> bool>;

/// One open stream, for as long as it lives.
pub struct Open {
    streams: Arc<Streams>,
    right: Right,
    /// When it ends whoever it is.
    limit: Option<Pin<Box<Sleep>>>,
    stop: watch::Receiver<bool>,
}

/// By what right a stream is open.
enum Right {
    /// For as long as the rules have it: nobody was asked who they are, or a token said so.
    Rules { changes: watch::Receiver<()>, may: May },
    /// For as long as a session lives, and may.
    Session { id: String, life: watch::Receiver<Arc<Life>>, may: May },
}

/// A session that holds something open, for whoever sees to it: one at a time. Without them nothing would end in time,
/// so that all ends with this.
#[derive(Debug)]
pub struct Ward {
    streams: Arc<Streams>,
    id: String,
    life: watch::Receiver<Arc<Life>>,
}

// === impl Streams ===

impl Streams {
    /// Nothing open, nothing called off.
    pub fn new() -> Arc<Self> {
        Self::counting(Arc::default())
    }

    /// The same, counted there.
    pub fn counting(tally: Arc<Tally>) -> Arc<Self> {
        Arc::new(Self {
            revoked: RwLock::default(),
            any_revoked: AtomicBool::new(false),
            open: Mutex::default(),
            open_count: AtomicUsize::new(0),
            changes: watch::channel(()).0,
            stop: watch::channel(false).0,
            tally,
        })
    }

    /// A stream that is no session's is open from here on, for so long; `None`: for as long as both sides like.
    pub fn open(self: &Arc<Self>, time: Option<Duration>, may: May) -> Open {
        let mut changes = self.changes.subscribe();
        // What decides may have become another since this was decided.
        changes.mark_changed();
        let open = self.opened(Right::Rules { changes, may });
        match time {
            Some(time) => open.at_most(time),
            None => open,
        }
    }

    /// A stream of `session` is open from here on. Where it is the first of that session, somebody has to see to it.
    pub fn open_of(
        self: &Arc<Self>,
        session: &Session,
        ticket: Option<Ticket>,
        may: May,
    ) -> (Open, Option<Ward>) {
        let mut first = false;
        let mut open = self.held();
        let held = open.entry(session.id.clone()).or_insert_with(|| {
            first = true;
            let life = Life { session: session.clone(), ticket: ticket.clone() };
            Held { life: watch::channel(Arc::new(life)).0, streams: 0 }
        });
        held.streams += 1;
        // It may come with more than is known here: from a refresh elsewhere, or with a ticket where none was.
        held.take(session, ticket.as_ref(), |known| {
            let missed = known.ticket.is_none() && ticket.is_some();
            let (known, came) = (known.session.refreshed, session.refreshed);
            known < came || (known == came && missed)
        });
        let mut life = held.life.subscribe();
        // Asked for after it is known as open: a sign-out in between finds it.
        if self.is_revoked(session) {
            open.remove(&session.id);
        }
        drop(open);
        let ward = first.then(|| Ward { streams: self.clone(), id: session.id.clone(), life: life.clone() });
        // Whoever opened this was decided on by an older one maybe, or by rules before: it is decided on anew.
        life.mark_changed();
        (self.opened(Right::Session { id: session.id.clone(), life, may }), ward)
    }

    /// Whether `session` has been called off.
    pub fn is_revoked(&self, session: &Session) -> bool {
        self.any_revoked.load(Ordering::SeqCst)
            && self.revoked.read().unwrap_or_else(PoisonError::into_inner).covers(session)
    }

    /// The last second in which a session of the person with this `sub` may have begun that has been called off.
    pub fn called_off_until(&self, sub: &str) -> Option<u64> {
        self.revoked.read().unwrap_or_else(PoisonError::into_inner).begun_until(sub)
    }

    /// From now on what `revocation` names counts no more here, and its streams end. `now` in seconds since 1970.
    pub fn revoke(&self, revocation: &Revocation, now: u64) -> Taken {
        let mut revoked = self.revoked.write().unwrap_or_else(PoisonError::into_inner);
        let taken = revoked.take(revocation, now);
        self.any_revoked.store(!revoked.is_empty(), Ordering::SeqCst);
        drop(revoked);
        if taken == Taken::Full {
            tracing::warn!(
                "too much is called off to remember this as well: its cookies count until the access token ends"
            );
        }
        // Whoever opened something since was asked for then: the whole log may be read again at no cost.
        if taken == Taken::Known {
            return taken;
        }
        // Where there is no room for it, what is open ends all the same.
        let named = |session: &Session| self.is_revoked(session) || revocation.names(session);
        self.held().retain(|_, held| !named(&held.life.borrow().session));
        taken
    }

    /// Ends whatever is a session's: nobody can say any more whether it has been called off.
    pub fn abandon_sessions(&self) {
        self.held().clear();
    }

    /// A refresh made this of a session: what it has open is decided on anew.
    pub fn renewed(&self, session: &Session, ticket: &Ticket) {
        if let Some(held) = self.held().get(&session.id) {
            held.take(session, Some(ticket), |known| known.session.refreshed <= session.refreshed);
        }
    }

    /// The pool ended `session`: what it has open ends, unless that has moved on to a later generation.
    pub fn ended(&self, session: &Session) {
        let mut open = self.held();
        if open.get(&session.id).is_some_and(|held| held.life.borrow().session.refreshed <= session.refreshed)
        {
            open.remove(&session.id);
        }
    }

    /// Somebody came with `session`, and its pass is sealed anew for that: it is not idle.
    pub fn visited(&self, session: &Session) {
        if let Some(held) = self.held().get(&session.id) {
            held.life.send_if_modified(|life| {
                let later = session.seen > life.session.seen;
                if later {
                    Arc::make_mut(life).session.seen = session.seen;
                }
                later
            });
        }
    }

    /// What decides is another now: what is open is decided on anew.
    pub fn reconsider(&self) {
        self.changes.send_replace(());
        self.held().values().for_each(|held| held.life.send_modify(|_| {}));
    }

    /// Ends all that are open, and all that will be.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Whether any is open.
    pub fn is_busy(&self) -> bool {
        self.open_count.load(Ordering::Relaxed) > 0
    }

    fn opened(self: &Arc<Self>, right: Right) -> Open {
        self.open_count.fetch_add(1, Ordering::Relaxed);
        self.tally.open_streams.inc();
        Open { streams: self.clone(), right, limit: None, stop: self.stop.subscribe() }
    }

    fn held(&self) -> MutexGuard<'_, HashMap<String, Held>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Held ===

impl Held {
    /// Goes on as this where it `counts` beside what is known.
    fn take(&self, session: &Session, ticket: Option<&Ticket>, counts: impl FnOnce(&Life) -> bool) {
        self.life.send_if_modified(|life| {
            let counts = counts(life);
            if counts {
                // No refresh is a visit, and what is not one takes none back.
                let session = Session { seen: session.seen.max(life.session.seen), ..session.clone() };
                *life = Arc::new(Life { session, ticket: ticket.cloned() });
            }
            counts
        });
    }

    /// Whether `life` is this one's, and not one's of the same session that is over.
    fn is(&self, life: &watch::Receiver<Arc<Life>>) -> bool {
        self.life.subscribe().same_channel(life)
    }
}

// === impl Open ===

impl Open {
    /// The same, and it ends after `time` at the latest.
    pub fn at_most(mut self, time: Duration) -> Self {
        let limit = tokio::time::sleep(time);
        if self.limit.as_ref().is_none_or(|sooner| limit.deadline() < sooner.deadline()) {
            self.limit = Some(Box::pin(limit));
        }
        self
    }

    /// Returns once it must end; never, if it need not.
    pub async fn must_end(&mut self) {
        let limit = async {
            match &mut self.limit {
                Some(limit) => limit.await,
                None => std::future::pending().await,
            }
        };
        let right = async {
            match &mut self.right {
                Right::Rules { changes, may } => {
                    while changes.changed().await.is_ok() {
                        changes.mark_unchanged();
                        if !may(None) {
                            return;
                        }
                    }
                }
                Right::Session { life, may, .. } => {
                    while life.changed().await.is_ok() {
                        let now = life.borrow_and_update().clone();
                        if !may(Some(&now.session)) {
                            return;
                        }
                    }
                }
            }
        };
        tokio::select! {
            () = right => {}
            () = limit => {}
            _ = self.stop.wait_for(|stop| *stop) => {}
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if let Right::Session { id, life, .. } = &self.right {
            let mut open = self.streams.held();
            if let Some(held) = open.get_mut(id).filter(|held| held.is(life)) {
                held.streams -= 1;
                if held.streams == 0 {
                    open.remove(id);
                }
            }
        }
        self.streams.open_count.fetch_sub(1, Ordering::Relaxed);
        self.streams.tally.open_streams.dec();
    }
}

// === impl Ward ===

impl Ward {
    /// The session as it is now.
    pub fn life(&mut self) -> Arc<Life> {
        self.life.borrow_and_update().clone()
    }

    /// Waits until it is another than [`Ward::life`] has said; false once nothing of it is open.
    pub async fn changed(&mut self) -> bool {
        self.life.changed().await.is_ok()
    }
}

impl Drop for Ward {
    fn drop(&mut self) {
        let mut open = self.streams.held();
        if open.get(&self.id).is_some_and(|held| held.is(&self.life)) {
            open.remove(&self.id);
        }
    }
}

#[cfg(test)]
mod tests;
