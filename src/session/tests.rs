use std::time::Duration;

use super::*;
use crate::config::secret::Secret;

mod pinned;

fn policy() -> settings::Session {
    settings::Session {
        keys_file: None,
        keys: vec![Secret::new([1; 32])],
        max_age: Duration::from_secs(43_200),
        idle: None,
        max_role_age: Duration::from_secs(900),
        outage_grace: Duration::from_secs(3600),
        cookie_name: "rolegate".into(),
        store: None,
    }
}

pub(super) fn session(has_ticket: bool) -> Session {
    Session {
        begun: 1000,
        ends: 1000 + 43_200,
        refreshed: 1000,
        access_ends: 1000 + 3600,
        seen: 1000,
        has_ticket,
        ..Session::sample()
    }
}

#[test]
fn a_session_is_due_when_roles_are_old_or_the_access_token_is_near_its_end() {
    let session = session(true);
    let mut lax = policy();
    lax.max_role_age = Duration::from_secs(86_400);
    assert_eq!(session.standing(1000, &policy()), Standing::Fresh);
    // A tenth earlier for some, never later.
    assert_eq!(session.standing(1809, &policy()), Standing::Fresh);
    assert_eq!(session.standing(1900, &policy()), Standing::Due);
    assert_eq!(session.standing(1000 + 3533, &lax), Standing::Fresh);
    assert_eq!(session.standing(1000 + 3540, &lax), Standing::Due);
    assert_eq!(session.standing(1000 + 3600, &lax), Standing::Overdue);
}

#[test]
fn without_a_ticket_a_session_ends_with_its_access_token() {
    assert_eq!(session(false).standing(1000 + 3599, &policy()), Standing::Fresh);
    assert_eq!(session(false).standing(1000 + 3600, &policy()), Standing::Ended);
}

#[test]
fn the_absolute_end_is_the_end() {
    assert_eq!(session(true).standing(1000 + 43_200, &policy()), Standing::Ended);
    assert!(!session(true).survives_outage(1000 + 43_200, &policy()));
}

#[test]
fn an_idle_session_ends_and_a_busy_one_is_sealed_anew() {
    let mut policy = policy();
    policy.idle = Some(Duration::from_secs(600));
    assert_eq!(session(true).standing(1599, &policy), Standing::Fresh);
    assert_eq!(session(true).standing(1600, &policy), Standing::Ended);
    assert!(!session(true).wants_new_seal(1059, &policy));
    assert!(session(true).wants_new_seal(1060, &policy));
}

#[test]
fn during_an_outage_roles_are_served_for_the_grace_and_no_longer() {
    assert!(session(true).survives_outage(1000 + 3600 + 3599, &policy()));
    assert!(!session(true).survives_outage(1000 + 3600 + 3600, &policy()));
}

#[test]
fn what_a_session_opens_ends_with_the_first_of_its_ends() {
    let (session, policy) = (session(true), policy());
    assert_eq!(session.ends_by_itself(1000, &policy), 1000 + 3600, "the access token's");
    assert_eq!(session.ends_by_itself(1000 + 3600, &policy), 1000 + 3600 + 3600, "the grace's, in an outage");
    let without_ticket = Session { has_ticket: false, ..session.clone() };
    assert_eq!(
        without_ticket.ends_by_itself(1000 + 3600, &policy),
        1000 + 3600,
        "there is none without a ticket"
    );
    let old = Session { ends: 1500, ..session.clone() };
    assert_eq!(old.ends_by_itself(1000, &policy), 1500, "its own");
    let idle = settings::Session { idle: Some(Duration::from_secs(60)), ..policy };
    assert_eq!(session.ends_by_itself(1000, &idle), 1060, "the idle limit's");
}

#[test]
fn a_ticket_of_another_login_does_not_belong() {
    let session = session(true);
    let ticket = |id: &str, begun| Ticket {
        id: id.into(),
        begun,
        ends: session.ends,
        grant: Grant::Token("r".into()),
    };
    assert!(ticket("i", 1000).belongs_to(&session));
    assert!(!ticket("j", 1000).belongs_to(&session));
    assert!(!ticket("i", 1001).belongs_to(&session));
}

#[test]
fn sessions_of_one_moment_are_due_spread_over_a_tenth_of_the_age_that_roles_may_have() {
    let mut due = [0; 901];
    for n in 0..1000 {
        let session = Session { id: format!("session-{n}"), ..session(true) };
        let first = (0..=900).find(|age| session.standing(1000 + age, &policy()) == Standing::Due).unwrap();
        due[usize::try_from(first).unwrap()] += 1;
    }
    assert!(due[..810].iter().all(|sessions| *sessions == 0), "more than a tenth earlier");
    assert!(due.iter().all(|sessions| *sessions < 40), "too many in one second: {:?}", &due[810..]);
    assert!(due[810..840].iter().sum::<u32>() > 200 && due[870..].iter().sum::<u32>() > 200, "lopsided");
}

#[test]
fn no_age_and_no_life_is_too_long_or_too_short_to_spread() {
    let mut policy = policy();
    for (age, now) in [(0, 1000), (1, 1001), (9, 1009), (u64::MAX, 1000)] {
        policy.max_role_age = Duration::from_secs(age);
        let expected = if age == u64::MAX { Standing::Fresh } else { Standing::Due };
        assert_eq!(session(true).standing(now, &policy), expected, "{age}");
    }
    // Under ten seconds there is nothing to spread.
    policy.max_role_age = Duration::from_secs(9);
    assert_eq!(session(true).standing(1008, &policy), Standing::Fresh);
}

#[test]
fn a_session_ends_at_its_absolute_limit_to_the_second_whatever_happened_in_between() {
    for (has_ticket, seen, refreshed) in [(true, 1000, 1000), (true, 44_000, 44_000), (false, 44_000, 1000)] {
        let session = Session { seen, refreshed, access_ends: 99_999, ..session(has_ticket) };
        for idle in [None, Some(Duration::from_secs(43_200))] {
            let policy = settings::Session { idle, ..policy() };
            assert_eq!(session.ends, 44_200);
            assert_ne!(session.standing(44_199, &policy), Standing::Ended, "{session:?}");
            assert_eq!(session.standing(44_200, &policy), Standing::Ended, "{session:?}");
            assert_eq!(session.standing(44_201, &policy), Standing::Ended, "{session:?}");
            assert!(!session.survives_outage(44_200, &policy), "no outage prolongs it");
            assert!(session.ends_by_itself(1000, &policy) <= 44_200, "nor does a stream");
        }
    }
}

#[test]
fn a_session_ends_at_its_idle_limit_to_the_second_counted_from_the_last_seal() {
    let policy = settings::Session { idle: Some(Duration::from_secs(600)), ..policy() };
    for has_ticket in [true, false] {
        for seen in [1000, 1060, 3000] {
            let session = Session { seen, access_ends: 99_999, ..session(has_ticket) };
            assert_ne!(session.standing(seen + 599, &policy), Standing::Ended);
            assert_eq!(session.standing(seen + 600, &policy), Standing::Ended);
            assert_eq!(session.standing(seen + 601, &policy), Standing::Ended);
            // What is open does not count as a visit: there is no answer left that could seal the pass anew.
            assert_eq!(session.ends_by_itself(seen, &policy), seen + 600);
        }
    }
    // A visit is seen when a tenth of the limit has passed, so nobody is ended who comes back within nine.
    let session = Session { access_ends: 99_999, ..session(true) };
    assert!(!session.wants_new_seal(1059, &policy) && session.wants_new_seal(1060, &policy));
    assert_eq!(session.standing(0, &policy), Standing::Fresh, "a clock that was set back ends nothing");
}
