//! Whether an address of an upstream is asked: what requests and checks say of it, as a function of the time. ★
//!
//! Nothing here opens or closes anything: it is asked before a request is sent, and told how it went.

/// Milliseconds by a clock that never goes back; never 0.
pub(super) type Millis = u64;

/// When an address is left out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Policy {
    /// After so many requests in a row that failed; 0: never.
    pub(super) max_fails: u32,
    /// For so long the first time.
    pub(super) eject_time: Millis,
    /// After so many checks in a row that failed.
    pub(super) check_fails: u32,
}

/// How an address has fared.
#[derive(Debug, Default)]
pub(super) struct Health {
    /// Requests that failed in a row.
    fails: u32,
    /// Checks that failed in a row.
    check_fails: u32,
    /// The checks say that it does not answer.
    fails_checks: bool,
    out: Option<Out>,
}

/// Left out for what requests met.
#[derive(Debug, Clone, Copy)]
struct Out {
    /// Nobody tries before.
    until: Millis,
    /// Times in a row.
    times: u32,
    /// Somebody tries now.
    on_trial: bool,
}

/// What an event changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// Nothing that anybody must be told of.
    Nothing,
    /// It is left out from now on.
    Leaves,
    /// It is asked again.
    Returns,
}

/// Whether it may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Yes.
    In,
    /// Not before then; then one request may try.
    Until(Millis),
    /// Not before a check passes.
    Out,
}

// === impl Health ===

impl Health {
    /// A request to it failed.
    pub(super) fn failed(&mut self, now: Millis, policy: &Policy) -> Change {
        self.fails = self.fails.saturating_add(1);
        match &mut self.out {
            // The trial went badly: longer than before, so that what stays away costs less and less.
            Some(out) if out.on_trial => {
                let times = out.times.saturating_add(1);
                *out = Out { until: now.saturating_add(time(times, policy)), times, on_trial: false };
                Change::Nothing
            }
            // It was under way when the others failed.
            Some(_) => Change::Nothing,
            None if policy.max_fails > 0 && self.fails >= policy.max_fails => {
                let was_in = self.is_in();
                self.out =
                    Some(Out { until: now.saturating_add(time(1, policy)), times: 1, on_trial: false });
                if was_in { Change::Leaves } else { Change::Nothing }
            }
            None => Change::Nothing,
        }
    }

    /// A request to it was answered.
    pub(super) fn answered(&mut self) -> Change {
        match self.out {
            // What was under way before says nothing of now.
            Some(out) if !out.on_trial => return Change::Nothing,
            _ => {}
        }
        let was_in = self.is_in();
        self.fails = 0;
        self.out = None;
        if !was_in && self.is_in() { Change::Returns } else { Change::Nothing }
    }

    /// A check of it passed, or did not.
    pub(super) fn checked(&mut self, passed: bool, policy: &Policy) -> Change {
        let was_in = self.is_in();
        self.check_fails = if passed { 0 } else { self.check_fails.saturating_add(1) };
        self.fails_checks = match passed {
            true => false,
            false => self.fails_checks || self.check_fails >= policy.check_fails,
        };
        match (was_in, self.is_in()) {
            (true, false) => Change::Leaves,
            (false, true) => Change::Returns,
            _ => Change::Nothing,
        }
    }

    /// A request is about to try it although it is left out; nobody else does until its time is over once more.
    pub(super) fn tries(&mut self, now: Millis, policy: &Policy) {
        if let Some(out) = &mut self.out {
            out.on_trial = true;
            out.until = now.saturating_add(time(out.times, policy));
        }
    }

    /// Whoever was to try it has not: the next one may.
    pub(super) fn untried(&mut self, now: Millis) {
        if let Some(out) = self.out.as_mut().filter(|out| out.on_trial) {
            (out.on_trial, out.until) = (false, now);
        }
    }

    /// Whether it may be asked.
    pub(super) fn standing(&self) -> Standing {
        match self.out {
            _ if self.fails_checks => Standing::Out,
            Some(out) => Standing::Until(out.until),
            None => Standing::In,
        }
    }

    /// Whether an answer would change anything.
    pub(super) fn is_uneven(&self) -> bool {
        self.fails > 0 || self.out.is_some()
    }

    fn is_in(&self) -> bool {
        self.standing() == Standing::In
    }
}

/// Longer each time in a row, up to ten times as long.
fn time(times: u32, policy: &Policy) -> Millis {
    policy.eject_time.saturating_mul(Millis::from(times.min(10)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const POLICY: Policy = Policy { max_fails: 3, eject_time: 100, check_fails: 2 };

    fn ejected_at(now: Millis) -> Health {
        let mut health = Health::default();
        for _ in 0..2 {
            assert_eq!(health.failed(now, &POLICY), Change::Nothing);
        }
        assert_eq!(health.failed(now, &POLICY), Change::Leaves);
        health
    }

    #[test]
    fn so_many_failures_in_a_row_and_it_is_left_out_for_a_time() {
        let health = ejected_at(1000);
        assert_eq!(health.standing(), Standing::Until(1100));
        let mut now_and_then = Health::default();
        for _ in 0..100 {
            assert_eq!(now_and_then.failed(1, &POLICY), Change::Nothing);
            assert_eq!(now_and_then.failed(1, &POLICY), Change::Nothing);
            assert_eq!(now_and_then.answered(), Change::Nothing, "not in a row");
        }
        assert_eq!(now_and_then.standing(), Standing::In);
    }

    #[test]
    fn one_request_tries_it_and_its_answer_brings_it_back() {
        let mut health = ejected_at(1000);
        assert_eq!(health.answered(), Change::Nothing, "it was under way before");
        health.tries(1100, &POLICY);
        assert_eq!(health.standing(), Standing::Until(1200), "nobody else tries meanwhile");
        assert_eq!(health.answered(), Change::Returns);
        assert_eq!(health.standing(), Standing::In);
        assert!(!health.is_uneven());
        assert_eq!(health.failed(1300, &POLICY), Change::Nothing, "it begins anew");
    }

    #[test]
    fn who_stays_away_is_tried_less_and_less_but_never_given_up() {
        let mut health = ejected_at(0);
        let mut now = 100;
        let mut pauses = vec![];
        for _ in 0..12 {
            health.tries(now, &POLICY);
            assert_eq!(health.failed(now, &POLICY), Change::Nothing, "told once");
            let Standing::Until(until) = health.standing() else { panic!("{health:?}") };
            pauses.push(until - now);
            now = until;
        }
        assert_eq!(pauses[..3], [200, 300, 400]);
        assert_eq!(pauses[9..], [1000, 1000, 1000]);
    }

    #[test]
    fn checks_take_out_and_bring_back_by_themselves() {
        let mut health = Health::default();
        assert_eq!(health.checked(false, &POLICY), Change::Nothing);
        assert_eq!(health.checked(true, &POLICY), Change::Nothing);
        assert_eq!(health.checked(false, &POLICY), Change::Nothing);
        assert_eq!(health.checked(false, &POLICY), Change::Leaves);
        assert_eq!(health.standing(), Standing::Out);
        assert_eq!(health.answered(), Change::Nothing, "an answer is no check");
        assert_eq!(health.checked(true, &POLICY), Change::Returns);
    }

    #[test]
    fn who_fails_requests_is_not_brought_back_by_a_check() {
        let mut health = ejected_at(1000);
        assert_eq!(health.checked(true, &POLICY), Change::Nothing);
        assert_eq!(health.standing(), Standing::Until(1100));
    }

    #[test]
    fn nobody_is_left_out_where_that_is_off() {
        let (mut health, off) = (Health::default(), Policy { max_fails: 0, ..POLICY });
        for _ in 0..1000 {
            assert_eq!(health.failed(1, &off), Change::Nothing);
        }
        assert_eq!(health.standing(), Standing::In);
    }

    proptest! {
        #[test]
        fn leaving_and_returning_take_turns(events in prop::collection::vec(0..6_u8, 0..200)) {
            let (mut health, mut now, mut is_in) = (Health::default(), 1, true);
            for event in events {
                now += 40;
                let change = match event {
                    0 | 1 => health.failed(now, &POLICY),
                    2 => health.answered(),
                    3 => health.checked(false, &POLICY),
                    4 => health.checked(true, &POLICY),
                    _ => {
                        if matches!(health.standing(), Standing::Until(until) if until <= now) {
                            health.tries(now, &POLICY);
                        }
                        Change::Nothing
                    }
                };
                match change {
                    Change::Leaves => prop_assert!(std::mem::replace(&mut is_in, false)),
                    Change::Returns => prop_assert!(!std::mem::replace(&mut is_in, true)),
                    Change::Nothing => {}
                }
                prop_assert_eq!(is_in, health.standing() == Standing::In);
            }
        }
    }
}
