//! Whose token call is next: so many at once, and whoever cannot be served without one before whoever can.

use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};

/// The turns of one process.
pub(super) struct Turns {
    all: Semaphore,
    /// Those of them that may go to refreshes nobody needs at once: a thousand of these leave the rest free.
    patient: Semaphore,
}

/// One token call may be under way for as long as this lives.
pub(super) struct Turn<'a> {
    _one: SemaphorePermit<'a>,
    _patient: Option<SemaphorePermit<'a>>,
}

// === impl Turns ===

impl Turns {
    pub(super) fn new() -> Self {
        Self { all: Semaphore::new(MOST_AT_ONCE), patient: Semaphore::new(MOST_PATIENT) }
    }

    /// Waits for a turn. `urgent`: somebody cannot be served without it. `None` if none came in time.
    pub(super) async fn take(&self, urgent: bool) -> Option<Turn<'_>> {
        let turn = async {
            // In this order: the patient ones wait among themselves, and few of them stand in the queue for all.
            let patient = if urgent { None } else { Some(self.patient.acquire().await.ok()?) };
            Some(Turn { _one: self.all.acquire().await.ok()?, _patient: patient })
        };
        tokio::time::timeout(PATIENCE, turn).await.ok().flatten()
    }
}

/// Token calls for refreshes under way at once. Cognito takes 120 a second for an account and 300 for a source
/// address, and answers in about a tenth of a second: this keeps one process at about a hundred a second.
const MOST_AT_ONCE: usize = 10;
/// Those of them for sessions that can be served as they are meanwhile.
const MOST_PATIENT: usize = 7;
/// A flight waits this long for its turn: as long as anyone waits for it. Without the bound a pool that hangs
/// would leave a queue behind that outlasts it.
const PATIENCE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_who_can_wait_do_not_keep_one_who_cannot_from_a_turn() {
        let turns = Turns::new();
        let soon = |urgent| {
            let take = async { tokio::time::timeout(Duration::from_millis(20), turns.take(urgent)).await };
            tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(take)
        };
        let held: Vec<_> = (0..1000).map_while(|_| soon(false).ok().flatten()).collect();
        assert_eq!(held.len(), MOST_PATIENT);
        let urgent: Vec<_> = (0..1000).map_while(|_| soon(true).ok().flatten()).collect();
        assert_eq!(urgent.len(), MOST_AT_ONCE - MOST_PATIENT);
        drop(held);
        let urgent: Vec<_> = (0..1000).map_while(|_| soon(true).ok().flatten()).collect();
        assert_eq!(urgent.len(), MOST_PATIENT, "they may take every turn");
        drop(urgent);
        assert!(soon(false).is_ok_and(|turn| turn.is_some()), "and leave it");
    }
}
