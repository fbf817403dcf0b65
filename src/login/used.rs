//! States that have been used: an attempt redeems one code, also when its callback arrives ten times at once.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::attempt::LIFE;

/// The states used in this process, for as long as their cookies could live.
#[derive(Default)]
pub(super) struct States(Mutex<HashMap<String, u64>>);

// === impl States ===

impl States {
    /// Marks `state` as used. False if it was already.
    pub(super) fn use_up(&self, state: &str, now: u64) -> bool {
        let mut states = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if states.len() >= MAX_STATES {
            states.retain(|_, until| now < *until);
        }
        if states.len() >= MAX_STATES {
            // The pool itself refuses a code that is used twice; this is a bound, not the only guard.
            states.clear();
        }
        states.insert(state.to_owned(), now + LIFE).is_none_or(|until| now >= until)
    }
}

/// Each entry stands for a finished login, so this is a hundred a second for a quarter of an hour.
const MAX_STATES: usize = 100_000;
