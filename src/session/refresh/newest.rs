//! The newest generation of each session that this process has made: what an answer that was long under way must not
//! undo in the browser.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::session::Session;

/// By session id: when its newest generation was made, and when that one's access token ends.
#[derive(Default)]
pub(super) struct Newest(Mutex<HashMap<String, Times>>);

struct Times {
    refreshed: u64,
    access_ends: u64,
}

// === impl Newest ===

impl Newest {
    /// From now on every generation before this one is outdated.
    pub(super) fn learn(&self, session: &Session, now: u64) {
        let mut known = self.known();
        if known.len() >= MOST_KNOWN {
            known.retain(|_, times| now < times.access_ends);
        }
        // What is forgotten too early costs a browser at worst the trip that this is here to save.
        if known.len() >= MOST_KNOWN {
            known.clear();
        }
        let times = Times { refreshed: session.refreshed, access_ends: session.access_ends };
        known.insert(session.id.clone(), times);
    }

    /// Whether this process knows of a newer generation of `session`.
    pub(super) fn outdates(&self, session: &Session) -> bool {
        self.known().get(&session.id).is_some_and(|times| session.refreshed < times.refreshed)
    }

    fn known(&self) -> MutexGuard<'_, HashMap<String, Times>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Each takes about a hundred bytes.
const MOST_KNOWN: usize = 100_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn session(id: usize, refreshed: u64) -> Session {
        Session {
            id: id.to_string(),
            sub: String::new(),
            user: String::new(),
            begun: 0,
            refreshed,
            access_ends: refreshed + 10,
            seen: refreshed,
            ..Session::sample()
        }
    }

    #[test]
    fn only_a_generation_before_the_newest_of_the_same_session_is_outdated() {
        let newest = Newest::default();
        assert!(!newest.outdates(&session(1, 5)));
        newest.learn(&session(1, 6), 6);
        for (id, refreshed, outdated) in [(1, 5, true), (1, 6, false), (1, 7, false), (2, 5, false)] {
            assert_eq!(newest.outdates(&session(id, refreshed)), outdated, "{id} {refreshed}");
        }
    }

    #[test]
    fn what_is_known_is_bounded_and_whose_token_has_ended_goes_first() {
        let newest = Newest::default();
        (0..MOST_KNOWN).for_each(|id| newest.learn(&session(id, if id < 10 { 100 } else { 1 }), 1));
        newest.learn(&session(MOST_KNOWN, 100), 11);
        assert_eq!(newest.known().len(), 11);
        assert!(newest.outdates(&session(3, 50)));
        (0..2 * MOST_KNOWN).for_each(|id| newest.learn(&session(id, 100), 11));
        assert!(newest.known().len() <= MOST_KNOWN);
    }
}
