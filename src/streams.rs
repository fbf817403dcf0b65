//! What is still open when its request is decided: WebSockets and event streams, and what ends them early.
//!
//! Nothing here polls: a stream waits for its session's channel and for the stop's, and each is silent until then.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use tokio::sync::watch;

use crate::session::Session;
use crate::session::revoked::{Revocation, Revoked, Taken};

/// The open streams of this process, and what has been called off: the cookies may still be replayed.
#[derive(Debug)]
pub struct Streams {
    revoked: RwLock<Revoked>,
    /// Whether anything is, so that the common case costs no lock.
    any_revoked: AtomicBool,
    /// By session id; a sender that is dropped ends its streams.
    open: Mutex<HashMap<String, Held>>,
    open_count: AtomicUsize,
    stop: watch::Sender<bool>,
}

/// What a session holds open.
#[derive(Debug)]
struct Held {
    session: Session,
    end: watch::Sender<()>,
}

/// One open stream, for as long as it lives.
#[derive(Debug)]
pub struct Open {
    streams: Arc<Streams>,
    session: Option<(String, watch::Receiver<()>)>,
    stop: watch::Receiver<bool>,
}

// === impl Streams ===

impl Streams {
    /// Nothing open, nothing called off.
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            revoked: RwLock::default(),
            any_revoked: AtomicBool::new(false),
            open: Mutex::default(),
            open_count: AtomicUsize::new(0),
            stop: watch::channel(false).0,
        })
    }

    /// A stream is open from here on, of `session` if it is one's.
    pub fn open(self: &Arc<Self>, session: Option<&Session>) -> Open {
        self.open_count.fetch_add(1, Ordering::Relaxed);
        let session = session.map(|session| {
            let mut open = self.held();
            let held = open
                .entry(session.id.clone())
                .or_insert_with(|| Held { session: session.clone(), end: watch::channel(()).0 });
            let receiver = held.end.subscribe();
            // Asked for after it is known as open: a sign-out in between finds it.
            if self.is_revoked(session) {
                open.remove(&session.id);
            }
            (session.id.clone(), receiver)
        });
        Open { streams: self.clone(), session, stop: self.stop.subscribe() }
    }

    /// Whether `session` has been called off.
    pub fn is_revoked(&self, session: &Session) -> bool {
        self.any_revoked.load(Ordering::SeqCst)
            && self.revoked.read().unwrap_or_else(PoisonError::into_inner).covers(session)
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
        // Where there is no room for it, what is open ends all the same.
        let named = |session: &Session| self.is_revoked(session) || revocation.names(session);
        self.held().retain(|_, held| !named(&held.session));
        taken
    }

    /// A refresh made `session`: what it has open belongs to this generation from now on.
    pub fn renewed(&self, session: &Session) {
        if !self.is_busy() {
            return;
        }
        if let Some(held) = self.held().get_mut(&session.id)
            && held.session.refreshed <= session.refreshed
        {
            held.session = session.clone();
        }
    }

    /// The pool ended `session`: what it has open ends, unless that has moved on to a later generation.
    pub fn ended(&self, session: &Session) {
        let mut open = self.held();
        if open.get(&session.id).is_some_and(|held| held.session.refreshed <= session.refreshed) {
            open.remove(&session.id);
        }
    }

    /// Ends all that are open, and all that will be.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Whether any is open.
    pub fn is_busy(&self) -> bool {
        self.open_count.load(Ordering::Relaxed) > 0
    }

    fn held(&self) -> MutexGuard<'_, HashMap<String, Held>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Open ===

impl Open {
    /// Returns once the session has been called off, or the process stops; never otherwise.
    pub async fn called_off(&mut self) {
        let revoked = async {
            match &mut self.session {
                // Nothing is ever sent: what ends this is the sender's going away.
                Some((_, session)) => while session.changed().await.is_ok() {},
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = revoked => {}
            _ = self.stop.wait_for(|stop| *stop) => {}
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if let Some((id, _)) = &self.session {
            let mut open = self.streams.held();
            // Ours is still one of them.
            if open.get(id).is_some_and(|held| held.end.receiver_count() <= 1) {
                open.remove(id);
            }
        }
        self.streams.open_count.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::identity::Facts;
    use crate::session::revoked::Whose;

    async fn is_over(open: &mut Open) -> bool {
        tokio::time::timeout(Duration::from_millis(20), open.called_off()).await.is_ok()
    }

    fn run(test: impl Future<Output = ()>) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
    }

    #[test]
    fn a_sign_out_ends_that_sessions_streams_alone_even_those_that_open_after_it() {
        run(async {
            let streams = Streams::new();
            let (a, b) = (session("a"), session("b"));
            let (mut one, mut two) = (streams.open(Some(&a)), streams.open(Some(&a)));
            let (mut other, mut nobodys) = (streams.open(Some(&b)), streams.open(None));
            drop(streams.open(Some(&a)));
            assert_eq!(
                streams.revoke(&Revocation { whose: Whose::Session("a".into()), ends: 10 }, 0),
                Taken::New
            );
            let mut late = streams.open(Some(&a));
            for open in [&mut one, &mut two, &mut late] {
                assert!(is_over(open).await);
            }
            assert!(!is_over(&mut other).await && !is_over(&mut nobodys).await);
            streams.stop();
            assert!(is_over(&mut other).await && is_over(&mut nobodys).await);
        });
    }

    #[test]
    fn a_session_that_the_pool_ended_ends_its_streams_unless_a_later_refresh_is_known() {
        run(async {
            let streams = Streams::new();
            let (old, other) = (session("a"), session("b"));
            let new = Session { refreshed: 5, ..old.clone() };
            let (mut one, mut two) = (streams.open(Some(&old)), streams.open(Some(&other)));
            streams.renewed(&new);
            streams.ended(&old);
            assert!(!is_over(&mut one).await, "an old cookie's end is not its");
            streams.ended(&new);
            assert!(is_over(&mut one).await && !is_over(&mut two).await);
        });
    }

    #[test]
    fn what_is_over_is_forgotten() {
        let streams = Streams::new();
        let (a, b) = (session("a"), session("b"));
        let open = [Some(&a), Some(&a), Some(&b), None].map(|session| streams.open(session));
        assert!(streams.is_busy());
        drop(open);
        assert!(!streams.is_busy() && streams.open.lock().unwrap().is_empty());
    }

    fn session(id: &str) -> Session {
        Session {
            id: id.into(),
            sub: "s".into(),
            user: "u".into(),
            roles: vec![],
            headers: vec![],
            facts: Facts::default(),
            begun: 0,
            ends: 1000,
            refreshed: 0,
            access_ends: 400,
            seen: 0,
            has_ticket: true,
        }
    }
}
