//! Refreshing: one call for all, whatever the pool does with refresh tokens; what changes at the pool is seen.

use std::time::{Duration, Instant};

use crate::refresh::{ROTATIONS, ask, at_once, due};
use crate::support::browser::Kind;
use crate::support::pool::{Endpoint, FakePool, Reply, User};
use crate::support::sealed::Mould;
use crate::support::until;
use crate::support::world::Setup;

#[test]
fn row_20_fifty_requests_at_the_tokens_end_cost_one_call_and_are_all_served_whatever_the_rotation() {
    for rotation in ROTATIONS {
        let world = Setup::bench().start();
        world.pool.rotate(rotation);
        let session = due(&world, "admin");
        world.pool.script_once(Endpoint::Token, Reply::Late(Duration::from_millis(300)));
        let mark = world.mark();
        for answer in at_once(&world, &session) {
            assert_eq!(answer.status, 200, "{rotation:?}: {answer:#?}");
        }
        assert_eq!(world.pool.grants("refresh_token"), 1, "{rotation:?}");
        world.oracle(mark, &[session]);
    }
}

#[test]
fn row_20_who_is_taken_out_of_a_group_is_refused_once_roles_are_as_old_as_they_may_be() {
    let world = Setup::bench().session("max_role_age = \"2s\"").start();
    let mut session = world.session_of("admin", "admin,user");
    assert_eq!(ask(&world, &session, Kind::Fetch, "/admin").status, 200);
    world.pool.user(User::new("admin", &["user"]));
    let changed = Instant::now();
    until("the role is gone", || {
        let asked = changed.elapsed();
        let answer = ask(&world, &session, Kind::Fetch, "/admin");
        session = session.after(&answer);
        assert!(matches!(answer.status, 200 | 403), "{answer:#?}");
        // Two seconds, and what a loaded machine may add to a refresh that is not waited for.
        assert!(answer.status == 403 || asked < Duration::from_secs(8), "served {asked:?} after the change");
        (answer.status == 403).then_some(())
    });
    // Still signed in, with the role that is left.
    let mark = world.mark();
    assert_eq!(ask(&world, &session, Kind::Fetch, "/x").status, 200);
    assert_eq!(world.seen_since(mark)[0].head.all("x-roles"), ["user"]);
}

#[test]
fn row_20_a_revoked_ticket_ends_the_session_at_the_next_refresh() {
    ends_the_session(|pool, ticket| pool.revoke(ticket));
}

#[test]
fn row_20_a_disabled_user_has_no_session_after_the_next_refresh() {
    ends_the_session(|pool, _| pool.disable("user"));
}

#[test]
fn row_20_a_global_sign_out_ends_each_of_that_users_sessions_at_its_next_refresh() {
    ends_the_session(|pool, _| pool.sign_out_everywhere("user"));
}

/// What happens at the pool ends a session of `user`: a page leads to sign in, a fetch is told so, the upstream sees
/// neither, and the pool is asked once. Whoever else is signed in stays so.
fn ends_the_session(at_the_pool: impl FnOnce(&FakePool, &str)) {
    let world = Setup::bench().start();
    let (session, other, fresh) =
        (due(&world, "user"), due(&world, "admin"), world.session_of("user", "user"));
    at_the_pool(&world.pool, &Mould::of(world.setup(), &world.pool, &session).refresh_token(&session));
    let mark = world.mark();
    let page = ask(&world, &session, Kind::Navigate, "/x");
    assert_eq!(page.status, 302, "{page:#?}");
    assert!(page.location().starts_with(&format!("{}/oauth2/authorize?", world.pool.origin())), "{page:#?}");
    let fetch = ask(&world, &session, Kind::Fetch, "/x");
    assert_eq!((fetch.status, &fetch.json()["error"]), (401, &"login_required".into()), "{fetch:#?}");
    assert!(world.seen_since(mark).is_empty());
    assert_eq!(world.pool.grants("refresh_token"), 1);
    for (session, why) in [(&other, "somebody else's"), (&fresh, "not due")] {
        let answer = ask(&world, session, Kind::Fetch, "/x");
        assert_eq!(answer.status, 200, "{why}: {answer:#?}");
    }
}
