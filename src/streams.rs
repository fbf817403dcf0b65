//! What is still open when its request is decided: WebSockets and event streams, and what ends them early.
//!
//! Nothing here polls: a stream waits for its session's channel and for the stop's, and each is silent until then.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

/// The open streams of this process, and the sessions that signed out in it: their cookies may still be replayed.
#[derive(Debug)]
pub struct Streams {
    /// Session ids, and until when they must be remembered.
    signed_out: Mutex<HashMap<String, u64>>,
    /// How many there are, so that the common case costs no lock.
    signed_out_count: AtomicUsize,
    /// By session id; a sender that is dropped ends its streams.
    open: Mutex<HashMap<String, watch::Sender<()>>>,
    open_count: AtomicUsize,
    stop: watch::Sender<bool>,
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
    /// Nothing open, nobody signed out.
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            signed_out: Mutex::default(),
            signed_out_count: AtomicUsize::new(0),
            open: Mutex::default(),
            open_count: AtomicUsize::new(0),
            stop: watch::channel(false).0,
        })
    }

    /// A stream is open from here on, of the session with this id if it is one's.
    pub fn open(self: &Arc<Self>, session: Option<&str>) -> Open {
        self.open_count.fetch_add(1, Ordering::Relaxed);
        let session = session.map(|id| {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            let receiver = open.entry(id.to_owned()).or_insert_with(|| watch::channel(()).0).subscribe();
            // Asked for after it is known as open: a sign-out in between finds it.
            if self.is_signed_out(id) {
                open.remove(id);
            }
            (id.to_owned(), receiver)
        });
        Open { streams: self.clone(), session, stop: self.stop.subscribe() }
    }

    /// Whether the session with this id signed out in this process.
    pub fn is_signed_out(&self, id: &str) -> bool {
        self.signed_out_count.load(Ordering::SeqCst) > 0
            && self.signed_out.lock().unwrap_or_else(PoisonError::into_inner).contains_key(id)
    }

    /// From now on this session counts no more here, and its streams end. `ends` and `now` in seconds since 1970.
    pub fn sign_out(&self, id: &str, ends: u64, now: u64) {
        let mut ids = self.signed_out.lock().unwrap_or_else(PoisonError::into_inner);
        if ids.len() >= MAX_SIGNED_OUT {
            ids.retain(|_, ends| now < *ends);
        }
        if ids.len() < MAX_SIGNED_OUT {
            ids.insert(id.to_owned(), ends);
        } else {
            tracing::warn!(
                "too many sign-outs to remember: this one's cookies count until its access token ends"
            );
        }
        self.signed_out_count.store(ids.len(), Ordering::SeqCst);
        drop(ids);
        self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    }

    /// Ends all that are open, and all that will be.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Whether any is open.
    pub fn is_busy(&self) -> bool {
        self.open_count.load(Ordering::Relaxed) > 0
    }
}

// === impl Open ===

impl Open {
    /// Returns once the session has signed out, or the process stops; never otherwise.
    pub async fn called_off(&mut self) {
        let signed_out = async {
            match &mut self.session {
                // Nothing is ever sent: what ends this is the sender's going away.
                Some((_, session)) => while session.changed().await.is_ok() {},
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = signed_out => {}
            _ = self.stop.wait_for(|stop| *stop) => {}
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if let Some((id, _)) = &self.session {
            let mut open = self.streams.open.lock().unwrap_or_else(PoisonError::into_inner);
            // Ours is still one of them.
            if open.get(id).is_some_and(|sender| sender.receiver_count() <= 1) {
                open.remove(id);
            }
        }
        self.streams.open_count.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Beyond this many the oldest protection is the access token's end alone.
const MAX_SIGNED_OUT: usize = 100_000;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

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
            let (mut one, mut two) = (streams.open(Some("a")), streams.open(Some("a")));
            let (mut other, mut nobodys) = (streams.open(Some("b")), streams.open(None));
            drop(streams.open(Some("a")));
            streams.sign_out("a", 10, 0);
            let mut late = streams.open(Some("a"));
            for open in [&mut one, &mut two, &mut late] {
                assert!(is_over(open).await);
            }
            assert!(!is_over(&mut other).await && !is_over(&mut nobodys).await);
            streams.stop();
            assert!(is_over(&mut other).await && is_over(&mut nobodys).await);
        });
    }

    #[test]
    fn what_is_over_is_forgotten() {
        let streams = Streams::new();
        let open =
            [streams.open(Some("a")), streams.open(Some("a")), streams.open(Some("b")), streams.open(None)];
        assert!(streams.is_busy());
        drop(open);
        assert!(!streams.is_busy() && streams.open.lock().unwrap().is_empty());
    }
}
