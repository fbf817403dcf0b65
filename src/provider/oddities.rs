//! Claims that granted nothing because of their type: said once a minute, not once a login.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::identity::Odd;

/// When each was last told of. The names are the configuration's own, so there are only so many.
#[derive(Default)]
pub(super) struct Oddities(Mutex<HashMap<String, u64>>);

// === impl Oddities ===

impl Oddities {
    /// Writes a line for each that was not told of within the last minute.
    pub(super) fn tell(&self, odd: &[Odd], now: u64) {
        for Odd { claim, is } in odd {
            if self.is_due(claim, now) {
                tracing::warn!(claim, is, "a role source cannot read this claim's type: it granted nothing");
            }
        }
    }

    fn is_due(&self, claim: &str, now: u64) -> bool {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let due = told.get(claim).is_none_or(|at| now.saturating_sub(*at) >= MINUTE);
        if due {
            told.insert(claim.to_owned(), now);
        }
        due
    }
}

const MINUTE: u64 = 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_claim_is_told_of_once_a_minute() {
        let oddities = Oddities::default();
        assert!(oddities.is_due("a", 100));
        assert!(!oddities.is_due("a", 159));
        assert!(oddities.is_due("b", 159));
        assert!(oddities.is_due("a", 160));
    }
}
