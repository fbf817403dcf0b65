//! When an issuer's keys may be fetched and how long they are good, as functions of `now`. ★
//!
//! Threat: a flood of tokens with made-up key ids that turns us against the issuer, and keys that were taken out
//! of use long ago. All times are seconds since 1970.

/// What is known of the fetches so far.
#[derive(Debug, Default)]
pub(super) struct Times {
    fetched: u64,
    renew_at: u64,
    quiet_until: u64,
    /// The same for tokens that came from the issuer itself.
    quiet_for_its_own: u64,
    failed: bool,
}

/// Whose token wants a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asker {
    /// Anybody's: what it says was made up by whoever sent it, until a key says otherwise.
    Anyone,
    /// The issuer's own, from its token endpoint. What others sent must not keep it from being verified.
    Issuer,
}

// === impl Times ===

impl Times {
    /// Whether the set should be fetched again although it lacks nothing.
    pub(super) fn renewal_is_due(&self, now: u64) -> bool {
        now >= self.renew_at
    }

    /// Whether no token may make us fetch; then whether the last fetch failed. The second that it ends in still
    /// counts: `now` was cut to seconds both times, and a pause may be longer, never shorter.
    pub(super) fn quiet(&self, now: u64, asker: Asker) -> Option<bool> {
        let until = if asker == Asker::Issuer { self.quiet_for_its_own } else { self.quiet_until };
        (now <= until).then_some(self.failed)
    }

    /// A set came. `jitter` is 0 to 255, so that replicas do not ask in step.
    pub(super) fn succeeded(&mut self, now: u64, jitter: u8) {
        (self.fetched, self.failed) = (now, false);
        self.renew_at = now + jittered(TTL, jitter);
    }

    /// None came. Gives whether the one at hand is too old to be trusted any more.
    pub(super) fn failed(&mut self, now: u64, jitter: u8) -> bool {
        self.failed = true;
        self.renew_at = now + jittered(TTL_AFTER_FAILURE, jitter);
        now.saturating_sub(self.fetched) > MAX_STALE
    }

    /// The set that a token made us fetch lacks its key as well.
    pub(super) fn lacked_the_key(&mut self, now: u64, asker: Asker) {
        self.pause_until(now + QUIET, asker);
    }

    /// A token made us fetch, in vain. An issuer that never gave a set is more likely to be none than unwell.
    pub(super) fn was_in_vain(&mut self, now: u64, has_a_set: bool, asker: Asker) {
        self.pause_until(now + if has_a_set { QUIET_AFTER_FAILURE } else { QUIET }, asker);
    }

    fn pause_until(&mut self, until: u64, asker: Asker) {
        self.quiet_until = until;
        if asker == Asker::Issuer {
            self.quiet_for_its_own = until;
        }
    }
}

/// Up to a quarter more.
fn jittered(seconds: u64, jitter: u8) -> u64 {
    seconds + seconds * u64::from(jitter) / 1024
}

/// After a fetch that did not bring the wanted key.
const QUIET: u64 = 10;
/// After a fetch that failed.
const QUIET_AFTER_FAILURE: u64 = 2;
/// A set is fetched anew after this.
const TTL: u64 = 3600;
/// And after this where that failed.
const TTL_AFTER_FAILURE: u64 = 30;
/// A set that could not be renewed for this long is trusted no more.
const MAX_STALE: u64 = 24 * 3600;

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000;

    #[test]
    fn a_flood_of_unknown_keys_makes_one_fetch_in_ten_seconds() {
        let mut times = Times::default();
        let mut fetches = Vec::new();
        for tick in 0..35 {
            let now = NOW + tick;
            if times.quiet(now, Asker::Anyone).is_none() {
                fetches.push(tick);
                times.succeeded(now, 0);
                times.lacked_the_key(now, Asker::Anyone);
            }
            assert_eq!(times.quiet(now, Asker::Anyone), Some(false));
        }
        assert_eq!(fetches, [0, 11, 22, 33]);
    }

    #[test]
    fn an_issuer_that_is_unwell_is_asked_again_sooner_than_one_that_never_answered() {
        for (has_a_set, pause) in [(true, 2), (false, 10)] {
            let mut times = Times::default();
            times.failed(NOW, 0);
            times.was_in_vain(NOW, has_a_set, Asker::Anyone);
            assert_eq!(times.quiet(NOW + pause, Asker::Anyone), Some(true));
            assert_eq!(times.quiet(NOW + pause + 1, Asker::Anyone), None);
        }
    }

    #[test]
    fn what_anyone_sends_never_keeps_the_issuers_own_tokens_waiting() {
        let mut times = Times::default();
        times.lacked_the_key(NOW, Asker::Anyone);
        assert_eq!(times.quiet(NOW, Asker::Issuer), None);
        times.was_in_vain(NOW, true, Asker::Anyone);
        assert_eq!(times.quiet(NOW, Asker::Issuer), None);
        // Its own do: an issuer that signs with keys that it does not show is not asked at every login.
        times.lacked_the_key(NOW, Asker::Issuer);
        assert_eq!(times.quiet(NOW, Asker::Issuer), Some(false));
        assert_eq!(times.quiet(NOW, Asker::Anyone), Some(false));
    }

    #[test]
    fn a_set_is_renewed_hourly_served_stale_for_a_day_and_then_not_at_all() {
        for jitter in [0, 255] {
            let mut times = Times::default();
            assert!(times.renewal_is_due(NOW));
            times.succeeded(NOW, jitter);
            assert!(!times.renewal_is_due(NOW + 3599));
            assert!(times.renewal_is_due(NOW + 3600 * 5 / 4));
            let mut now = NOW + 3600 * 5 / 4;
            let mut tries = 0;
            while !times.failed(now, jitter) {
                assert!(!times.renewal_is_due(now + 29), "not more often than twice a minute");
                now += 30 * 5 / 4;
                assert!(times.renewal_is_due(now));
                tries += 1;
            }
            assert!(tries > 2000, "tried all day: {tries}");
            assert!((NOW + 24 * 3600 + 1..NOW + 24 * 3600 + 60).contains(&now), "{}", now - NOW);
            times.succeeded(now, jitter);
            assert!(!times.failed(now + 1, jitter), "fresh again");
        }
    }
}
