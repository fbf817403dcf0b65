//! Refreshing, as people and the pool see it: one token call for all, nobody signed out by it, roles as fresh
//! as configured, and a pool that is away.

use std::sync::Barrier;
use std::time::{Duration, Instant};

use crate::support::browser::Kind;
use crate::support::pool::{Endpoint, Reply, Rotation, User};
use crate::support::until;
use crate::support::wire::{Answer, Wire};
use crate::support::world::{Session, Setup, World, identity_seen};

mod late;
mod outage;
mod storm;

/// How many requests are sent at the same moment.
const AT_ONCE: usize = 50;

/// All that a pool can do with refresh tokens.
pub const ROTATIONS: [Rotation; 3] =
    [Rotation::Off, Rotation::Grace(Duration::from_secs(60)), Rotation::Grace(Duration::ZERO)];

#[test]
fn fifty_requests_at_the_moment_of_a_refresh_cause_one_token_call_and_all_pass() {
    for rotates in ROTATIONS {
        let world = Setup::bench().start();
        world.pool.rotate(rotates);
        let session = due(&world, "user");
        // Late enough that all of them are there before it answers.
        world.pool.script_once(Endpoint::Token, Reply::Late(Duration::from_millis(500)));
        let answers = at_once(&world, &session);
        for answer in &answers {
            assert_eq!(answer.status, 200, "{rotates:?}: {answer:#?}");
            let set: Vec<&str> = cookie_names(answer);
            assert_eq!(set, ["__Host-rolegate", "__Host-rolegate-refresh"], "{rotates:?}");
            assert_eq!(answer.header("cache-control"), Some("private, no-store"));
        }
        assert_eq!(world.pool.grants("refresh_token"), 1, "{rotates:?}");

        // The cookie of any of them goes on without another call.
        let fresh = session.after(&answers[AT_ONCE / 2]);
        let answer = ask(&world, &fresh, Kind::Navigate, "/x");
        assert_eq!((answer.status, cookie_names(&answer)), (200, vec![]), "{rotates:?}");
        assert_eq!(world.pool.grants("refresh_token"), 1, "{rotates:?}");
    }
}

#[test]
fn a_late_request_with_the_old_cookie_is_served_from_the_same_refresh() {
    for rotates in ROTATIONS {
        let world = Setup::bench().start();
        world.pool.rotate(rotates);
        let old = due(&world, "user");
        let first = ask(&world, &old, Kind::Navigate, "/x");
        assert_eq!(first.status, 200, "{rotates:?}: {first:#?}");
        // Where the old refresh token counts no more, showing it again would end the session.
        for kind in [Kind::Navigate, Kind::Fetch, Kind::Program] {
            let mark = world.mark();
            let late = ask(&world, &old, kind, "/x");
            assert_eq!(late.status, 200, "{rotates:?}: {late:#?}");
            let seen = identity_seen(&world.seen_since(mark)[0]);
            assert_eq!(seen, Ok(old.identity.clone()), "{rotates:?}");
        }
        assert_eq!(world.pool.grants("refresh_token"), 1, "{rotates:?}");
    }
}

#[test]
fn connections_gone_before_their_answers_take_the_new_ticket_from_nobody() {
    for rotates in ROTATIONS {
        let world = Setup::bench().start();
        world.pool.rotate(rotates);
        let session = due(&world, "user");
        world.pool.script_once(Endpoint::Token, Reply::Late(Duration::from_millis(500)));
        let asked = world.pool.count(Endpoint::Token);
        let begin = || {
            let mut wire = Wire::connect(world.gate.public);
            wire.write(&request(&session, Kind::Fetch, "/x"));
            wire
        };
        // The first one starts the refresh.
        let first = begin();
        world.pool.wait_for(Endpoint::Token, asked + 1);
        let others: Vec<Wire> = (0..10).map(|_| begin()).collect();
        drop(first);
        // Every second one of them goes away too.
        let mut stay: Vec<Wire> = others.into_iter().step_by(2).collect();
        let answers: Vec<Answer> = stay.iter_mut().map(|wire| wire.answer(false).unwrap()).collect();
        for answer in &answers {
            assert_eq!(answer.status, 200, "{rotates:?}: {answer:#?}");
        }
        // One whose answer was lost comes again with what it had, another goes on with what it was given.
        for session in [&session, &session.after(&answers[0])] {
            assert_eq!(ask(&world, session, Kind::Fetch, "/x").status, 200, "{rotates:?}");
        }
        assert_eq!(world.pool.grants("refresh_token"), 1, "{rotates:?}");
    }
}

#[test]
fn a_browser_that_goes_away_during_a_refresh_does_not_lose_its_rotated_token() {
    let world = Setup::bench().start();
    world.pool.set_rotation(true);
    let session = due(&world, "user");
    world.pool.script_once(Endpoint::Token, Reply::Late(Duration::from_millis(300)));
    let asked = world.pool.count(Endpoint::Token);
    let mut wire = Wire::connect(world.gate.public);
    wire.write(&request(&session, Kind::Navigate, "/x"));
    world.pool.wait_for(Endpoint::Token, asked + 1);
    drop(wire);
    let answer = ask(&world, &session, Kind::Navigate, "/x");
    assert_eq!(answer.status, 200, "{answer:#?}");
    assert_eq!(world.pool.grants("refresh_token"), 1);
}

#[test]
pub fn refreshes_of_two_people_at_once_never_mix() {
    let world = Setup::bench().start();
    world.pool.set_rotation(true);
    let (user, admin) = (due(&world, "user"), due(&world, "admin"));
    world.pool.script_once(Endpoint::Token, Reply::Late(Duration::from_millis(300)));
    let sessions: Vec<&Session> = [&user, &admin].into_iter().cycle().take(20).collect();
    let barrier = Barrier::new(sessions.len());
    std::thread::scope(|scope| {
        for session in sessions {
            let (barrier, world) = (&barrier, &world);
            scope.spawn(move || {
                barrier.wait();
                let answer = ask(world, session, Kind::Fetch, "/x");
                let seen = answer.json()["headers"].to_string();
                let (name, roles) = session.identity.clone().unwrap();
                assert!(seen.contains(&format!("[\"x-user\",\"{name}\"]")), "{name}: {seen}");
                assert!(seen.contains(&format!("[\"x-roles\",\"{roles}\"]")), "{name}: {seen}");
            });
        }
    });
    assert_eq!(world.pool.grants("refresh_token"), 2);
}

#[test]
fn a_group_that_is_taken_away_at_the_pool_is_gone_within_the_age_that_roles_may_have() {
    let world = Setup::bench().session("max_role_age = \"2s\"").start();
    let mut session = world.session_of("admin", "admin,user");
    let first = ask(&world, &session, Kind::Navigate, "/admin");
    assert_eq!(first.status, 200);
    world.pool.user(User::new("admin", &["user"]));
    let changed = Instant::now();
    let refused = until("the role is gone", || {
        let answer = ask(&world, &session, Kind::Navigate, "/admin");
        session = session.after(&answer);
        (answer.status != 200).then_some(answer)
    });
    assert_eq!(refused.status, 403, "{refused:#?}");
    // Two seconds, and what a loaded machine adds.
    assert!(changed.elapsed() < Duration::from_secs(8), "{:?}", changed.elapsed());
    assert_eq!(ask(&world, &session, Kind::Navigate, "/x").status, 200, "still signed in");
    let mark = world.mark();
    ask(&world, &session, Kind::Navigate, "/x");
    assert_eq!(world.seen_since(mark)[0].head.all("x-roles"), ["user"]);
}

#[test]
fn a_revoked_session_is_sent_to_sign_in_and_no_cookie_is_deleted() {
    let world = Setup::bench().start();
    let session = due(&world, "user");
    world.pool.revoke_all();
    let navigation = ask(&world, &session, Kind::Navigate, "/x?y=1");
    assert_eq!(navigation.status, 302, "{navigation:#?}");
    assert!(navigation.location().starts_with(&format!("{}/oauth2/authorize", world.pool.origin())));
    let fetch = ask(&world, &session, Kind::Fetch, "/x");
    assert_eq!((fetch.status, cookie_names(&fetch)), (401, vec![]), "{fetch:#?}");
    // A sibling may have refreshed meanwhile: its newer cookies must survive this answer.
    for name in cookie_names(&navigation) {
        assert!(name.starts_with("__Host-rolegate-login-"), "{navigation:#?}");
    }
    // A dead token is not shown to the pool again and again.
    assert_eq!(world.pool.grants("refresh_token"), 1);
}

#[test]
fn a_disabled_user_and_a_token_about_someone_else_end_the_session() {
    let world = Setup::bench().start();
    let session = due(&world, "user");
    world.pool.tamper(|mint| mint.claim("sub", "somebody-else"));
    assert_eq!(ask(&world, &session, Kind::Fetch, "/x").status, 401);
    world.pool.be_honest();
    let other = due(&world, "admin");
    world.pool.script(
        Endpoint::Token,
        Reply::Status(400, "application/json", br#"{"error":"invalid_grant"}"#.to_vec()),
    );
    assert_eq!(ask(&world, &other, Kind::Fetch, "/x").status, 401);
    assert_eq!(world.upstream.count(), 0);
}

#[test]
fn while_the_pool_is_away_roles_are_served_to_the_end_of_the_token_then_of_the_grace_then_503() {
    let world = Setup::bench().session("max_role_age = \"1s\"\noutage_grace = \"3s\"").start();
    // A token of four seconds and three of grace: old roles from the first second on.
    world.pool.set_life(4);
    let session = world.session_of("user", "user");
    let signed_in = Instant::now();
    world.pool.set_life(3600);
    world.pool.script(Endpoint::Token, Reply::Hangup);
    let refused = until("the grace ends", || {
        let answer = ask(&world, &session, Kind::Fetch, "/x");
        assert!(answer.status == 200 || answer.status == 503, "{answer:#?}");
        assert!(cookie_names(&answer).is_empty(), "{answer:#?}");
        (answer.status == 503).then_some(answer)
    });
    let lasted = signed_in.elapsed();
    // Seven seconds, of which the first may have been almost over; and what a loaded machine adds.
    assert!((5..15).contains(&lasted.as_secs()), "served for {lasted:?}");
    assert_eq!(refused.header("retry-after"), Some("5"));
    let page = ask(&world, &session, Kind::Navigate, "/x");
    assert_eq!((page.status, cookie_names(&page)), (503, vec![]), "{page:#?}");
    assert!(page.text().contains(page.header("x-request-id").unwrap()), "the page names the request");

    world.pool.be_honest();
    let again = until("the pool is asked again", || {
        let answer = ask(&world, &session, Kind::Fetch, "/x");
        (answer.status != 503).then_some(answer)
    });
    assert_eq!(again.status, 200, "nobody has to sign in again: {again:#?}");
}

#[test]
fn a_pool_that_answers_nonsense_to_a_refresh_signs_nobody_out() {
    for reply in [
        Reply::Status(200, "text/html", b"<html>maintenance</html>".to_vec()),
        Reply::Status(500, "application/json", b"{}".to_vec()),
        Reply::Status(429, "application/json", br#"{"error":"slow_down"}"#.to_vec()),
        Reply::Redirect("https://elsewhere.test/".into()),
        Reply::HalfClosed,
        Reply::Endless(10 << 20),
    ] {
        let world = Setup::bench().start();
        let session = due(&world, "user");
        world.pool.script(Endpoint::Token, reply.clone());
        let answer = ask(&world, &session, Kind::Fetch, "/x");
        assert_eq!((answer.status, cookie_names(&answer)), (200, vec![]), "{reply:?}: {answer:#?}");
    }
}

/// A session whose access token ends with its login: a refresh is due at once.
pub fn due(world: &World, user: &str) -> Session {
    world.pool.set_life(0);
    let session = world.session_of(user, if user == "admin" { "admin,user" } else { "user" });
    world.pool.set_life(3600);
    session
}

pub fn at_once(world: &World, session: &Session) -> Vec<Answer> {
    let barrier = Barrier::new(AT_ONCE);
    std::thread::scope(|scope| {
        let ask = || {
            barrier.wait();
            ask(world, session, Kind::Fetch, "/x")
        };
        let asking: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(ask)).collect();
        asking.into_iter().map(|asking| asking.join().unwrap()).collect()
    })
}

pub fn ask(world: &World, session: &Session, kind: Kind, target: &str) -> Answer {
    let mut wire = Wire::connect(world.gate.public);
    wire.write(&request(session, kind, target));
    wire.answer(false).unwrap_or_else(|ended| panic!("{target}: {ended:?}"))
}

pub fn request(session: &Session, kind: Kind, target: &str) -> Vec<u8> {
    let head = format!("GET {target} HTTP/1.1\r\nHost: app.test\r\n{}{{session}}\r\n", kind.lines());
    session.fill(head.as_bytes())
}

pub fn cookie_names(answer: &Answer) -> Vec<&str> {
    answer.head.all("set-cookie").iter().map(|line| line.split('=').next().unwrap()).collect()
}

#[test]
fn signing_in_again_as_oneself_revokes_nothing_and_as_someone_else_what_was_before() {
    let world = Setup::bench().start();
    let mut browser = world.browser();
    for name in ["user", "user", "admin"] {
        let callback = browser.callback_for(name, "/");
        assert_eq!(browser.open(callback.as_str()).status, 302);
    }
    // The revocation is not waited for by the login.
    until("what was someone else's is revoked", || (!world.pool.revoked().is_empty()).then_some(()));
    // Not an event to wait for: what is shown is that no other one comes.
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(world.pool.revoked().len(), 1, "a refresh token of the same person's was given back");
}
