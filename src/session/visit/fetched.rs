//! Sessions whose missing tokens were fetched a moment ago: a browser that never keeps the cookie would cost a token
//! call a request.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::session::Session;

/// Sessions whose missing tokens were fetched by a refresh: the generation that lacked them, and when.
#[derive(Default)]
pub(super) struct Fetched(Mutex<HashMap<String, (u64, u64)>>);

// === impl Fetched ===

impl Fetched {
    /// Whether the tokens of an earlier generation of `session` were fetched within the last minute; if not, this one's
    /// are now.
    pub(super) fn lately(&self, session: &Session, now: u64) -> bool {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match known.get(&session.id) {
            Some((generation, at)) if now.saturating_sub(*at) < MINUTE => *generation < session.refreshed,
            _ => {
                if known.len() >= MAX_FETCHED {
                    known.retain(|_, (_, at)| now.saturating_sub(*at) < MINUTE);
                }
                if known.len() < MAX_FETCHED {
                    known.insert(session.id.clone(), (session.refreshed, now));
                }
                false
            }
        }
    }
}

const MINUTE: u64 = 60;
/// More are not remembered; each costs some hundred bytes.
const MAX_FETCHED: usize = 10_000;
