//! Somebody's sign-outs everywhere, one after the other: which sessions each may have ended, and which it must have. ★
//!
//! A session that was called off calls no others off, by design: a sign-out everywhere that comes with one is a sign-out
//! like any other. So that it ends all the others is demanded of one whose own session counted for certain, and that is
//! every one but those soon after another of the same person's.

use std::time::{Duration, Instant};

/// All of one person, in the order in which they were asked for.
#[derive(Default)]
pub struct CallOffs(Vec<CallOff>);

/// One of them.
pub struct CallOff {
    /// The browser that asked, and its gate.
    pub by: (usize, usize),
    /// When the session began that it came with; `None`: it came with none.
    pub since: Option<Instant>,
    /// When it was asked for.
    pub asked: Instant,
    /// When that was granted; `None`: it is under way, or failed.
    pub answered: Option<Instant>,
    /// Whether all sessions that were there must have ended.
    pub counts: bool,
}

// === impl CallOffs ===

impl CallOffs {
    /// One is about to be asked for; its place, for [`CallOffs::granted`].
    pub fn asked(&mut self, by: (usize, usize), since: Option<Instant>, asked: Instant) -> usize {
        self.0.push(CallOff { by, since, asked, answered: None, counts: false });
        self.0.len() - 1
    }

    /// It was granted; whether it counts. Whatever else called its session off was asked for by now.
    pub fn granted(&mut self, place: usize, answered: Instant) -> bool {
        let others = self.0.iter().enumerate().filter(|(other, _)| *other != place);
        let before = |since| others.clone().any(|(_, other)| other.may_have_ended(since));
        let counts = self.0[place].since.is_some_and(|since| !before(since));
        (self.0[place].answered, self.0[place].counts) = (Some(answered), counts);
        counts
    }

    /// Whether a session may be over whose callback was asked for then.
    pub fn may_have_ended(&self, since: Instant) -> bool {
        self.0.iter().any(|one| one.may_have_ended(since))
    }

    /// The last one that must have ended a session that was there at `begun`, for whoever asks at `asked`.
    pub fn must_have_ended(&self, begun: Instant, asked: Instant) -> Option<&CallOff> {
        let told = |one: &&CallOff| one.answered.is_some_and(|answered| answered + TOLD < asked);
        self.0.iter().rev().filter(|one| one.counts && begun < one.asked).find(told)
    }

    /// The last one.
    pub fn last(&self) -> Option<&CallOff> {
        self.0.last()
    }
}

// === impl CallOff ===

impl CallOff {
    fn may_have_ended(&self, since: Instant) -> bool {
        self.answered.unwrap_or(self.asked + UNDER_WAY) + SECONDS_ARE_WHOLE > since
    }
}

/// What one gate was told, every gate knows within two seconds; the rest is for a busy machine.
pub const TOLD: Duration = Duration::from_secs(5);
/// As long as anybody waits for an answer: until then it may be done.
pub const UNDER_WAY: Duration = Duration::from_secs(40);
/// A session's times are whole seconds: it may begin almost one before it is made.
pub const SECONDS_ARE_WHOLE: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    /// One that a browser whose session is from second `since` asks for at second `asked`, granted a second later.
    fn ask(all: &mut CallOffs, beginning: Instant, since: u64, asked: u64) -> bool {
        let at = |second| beginning + Duration::from_secs(second);
        let place = all.asked((0, 0), Some(at(since)), at(asked));
        all.granted(place, at(asked + 1))
    }

    #[test]
    fn a_sign_out_everywhere_ends_all_that_was_there_once_every_gate_is_told() {
        let (mut all, beginning) = (CallOffs::default(), Instant::now());
        let at = |second| beginning + Duration::from_secs(second);
        assert!(ask(&mut all, beginning, 0, 50));
        assert!(all.must_have_ended(at(49), at(57)).is_some());
        assert!(all.must_have_ended(at(49), at(55)).is_none(), "not every gate has heard of it");
        assert!(all.must_have_ended(at(51), at(57)).is_none(), "it began later");
        assert!(all.may_have_ended(at(52)) && !all.may_have_ended(at(54)));
    }

    #[test]
    fn with_a_session_that_is_over_nobody_ends_others_and_what_was_demanded_before_still_is() {
        let (mut all, beginning) = (CallOffs::default(), Instant::now());
        let at = |second| beginning + Duration::from_secs(second);
        assert!(ask(&mut all, beginning, 0, 50));
        assert!(!ask(&mut all, beginning, 10, 60), "it was over since second 50");
        assert!(all.must_have_ended(at(55), at(70)).is_none(), "and so who signed in since goes on");
        assert!(all.may_have_ended(at(55)), "or perhaps does not");
        assert!(all.must_have_ended(at(49), at(70)).is_some());
        assert!(ask(&mut all, beginning, 70, 80), "whoever signed in after both ends all again");
        assert!(all.must_have_ended(at(75), at(90)).is_some());
    }

    #[test]
    fn what_was_not_granted_demands_nothing_and_may_have_ended_anything() {
        let (mut all, beginning) = (CallOffs::default(), Instant::now());
        let at = |second| beginning + Duration::from_secs(second);
        all.asked((0, 0), Some(at(0)), at(50));
        assert!(all.must_have_ended(at(10), at(1000)).is_none());
        assert!(all.may_have_ended(at(60)));
        let place = all.asked((1, 0), None, at(200));
        assert!(!all.granted(place, at(201)), "it came without a session");
    }

    #[test]
    fn of_two_at_the_same_time_neither_is_sure_to_come_first() {
        // Both browsers have signed out by that, and nobody has more of them.
        let (mut all, beginning) = (CallOffs::default(), Instant::now());
        let at = |second| beginning + Duration::from_secs(second);
        let places = [0, 1].map(|browser| all.asked((browser, 0), Some(at(0)), at(50)));
        assert_eq!(places.map(|place| all.granted(place, at(51))), [false, false]);
    }
}
