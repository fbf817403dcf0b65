use super::*;
use crate::config::secret::Secret;

const BEGUN: u64 = 1000;
/// Roles may be ten minutes old, tokens live an hour; what is due is so up to a tenth earlier.
const DUE: u64 = BEGUN + 600;
const ACCESS_ENDS: u64 = BEGUN + 3600;

fn policy() -> settings::Session {
    settings::Session {
        keys_file: None,
        store: None,
        keys: vec![Secret::new([1; 32])],
        max_age: Duration::from_secs(43_200),
        idle: None,
        max_role_age: Duration::from_secs(600),
        outage_grace: Duration::from_secs(1000),
        cookie_name: "rolegate".into(),
    }
}

fn session() -> Session {
    Session {
        begun: BEGUN,
        ends: BEGUN + 43_200,
        refreshed: BEGUN,
        access_ends: ACCESS_ENDS,
        seen: BEGUN,
        ..Session::sample()
    }
}

#[test]
fn what_can_be_kept_is_refreshed_when_due_and_again_until_the_grace_ends() {
    let (session, policy) = (session(), policy());
    let next = |now| step(&session, BEGUN, true, now, &policy);
    let Step::Rest(due) = next(BEGUN) else { panic!("{:?}", next(BEGUN)) };
    assert!((DUE - 60..=DUE).contains(&due), "{due}");
    assert_eq!(next(due - 1), Step::Rest(due));
    assert_eq!(next(due), Step::Refresh(due + AGAIN));
    assert_eq!(next(ACCESS_ENDS), Step::Refresh(ACCESS_ENDS + AGAIN), "an outage");
    assert_eq!(next(ACCESS_ENDS + 999), Step::Refresh(ACCESS_ENDS + 1000));
    assert_eq!(next(ACCESS_ENDS + 1000), Step::End);
}

#[test]
fn what_cannot_be_kept_ends_with_the_access_token() {
    let (session, policy) = (session(), policy());
    let next = |since, now| step(&session, since, false, now, &policy);
    assert_eq!(next(BEGUN, BEGUN), Step::Rest(ACCESS_ENDS));
    assert_eq!(next(BEGUN, ACCESS_ENDS - 1), Step::Rest(ACCESS_ENDS));
    assert_eq!(next(BEGUN, ACCESS_ENDS), Step::End);
    assert_eq!(next(ACCESS_ENDS, ACCESS_ENDS), Step::Rest(ACCESS_ENDS + 1000), "opened in an outage");
}

#[test]
fn no_refresh_moves_the_absolute_end_or_the_idle_one() {
    let mut policy = policy();
    let ended = Session { ends: BEGUN + 650, ..session() };
    for kept in [true, false] {
        assert_eq!(step(&ended, BEGUN, kept, BEGUN + 650, &policy), Step::End);
    }
    policy.idle = Some(Duration::from_secs(640));
    let refreshed = Session { refreshed: DUE, access_ends: DUE + 3600, ..session() };
    for kept in [true, false] {
        assert_eq!(step(&refreshed, DUE, kept, BEGUN + 639, &policy), Step::Rest(BEGUN + 640));
        assert_eq!(step(&refreshed, DUE, kept, BEGUN + 640, &policy), Step::End);
    }
    let seen = Session { seen: BEGUN + 100, ..refreshed };
    assert_eq!(step(&seen, DUE, true, BEGUN + 640, &policy), Step::Rest(BEGUN + 740));
}
