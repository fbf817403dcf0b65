//! A thousand sessions due at once: the pool is asked by ten at the most, who can wait waits behind who cannot, and in
//! the end all are refreshed.

use std::time::{Duration, Instant};

use super::{ask, cookie_names, request};
use crate::support::browser::Kind;
use crate::support::pool::{Endpoint, Reply};
use crate::support::sealed::{Age, Mould};
use crate::support::wire::{Answer, Wire};
use crate::support::world::{Session, Setup, World};
use crate::support::{PATIENCE, until};

/// More than a pool may be asked by one gate at once.
const CAP: usize = 10;

/// Roles older than they may be, and an access token with half an hour left.
const DUE: Age = Age { refreshed: 1800, left: 1800 };

#[test]
fn a_thousand_sessions_due_at_once_ask_the_pool_ten_at_a_time_and_all_end_refreshed() {
    const SESSIONS: usize = 1000;
    let world = Setup::bench().start();
    let mut sessions = mould(&world).cast(SESSIONS, DUE);
    // Long enough that without a cap hundreds would be under way.
    world.pool.script(Endpoint::Token, Reply::Late(Duration::from_millis(50)));
    let end = Instant::now() + 12 * PATIENCE;
    while !sessions.is_empty() {
        assert!(Instant::now() < end, "{} are still not refreshed", sessions.len());
        let answers = all_at_once(&world, &sessions);
        let mut again = Vec::new();
        for (session, answer) in sessions.into_iter().zip(answers) {
            // Refused for its role alone, and by the gate itself: known, whether or not it waited in vain.
            assert_eq!(answer.status, 403, "{answer:#?}");
            match &cookie_names(&answer)[..] {
                [] => again.push(session),
                set => assert_eq!(set, ["__Host-rolegate", "__Host-rolegate-refresh"]),
            }
        }
        sessions = again;
        // Whose turn did not come while anyone would wait for it is not asked for again within five seconds.
        std::thread::sleep(Duration::from_millis(200));
    }
    let most = world.pool.most_at_once(Endpoint::Token);
    assert!((2..=CAP).contains(&most), "{most} at once");
    assert_eq!(world.pool.grants("refresh_token"), SESSIONS, "each session's once");
}

#[test]
fn who_cannot_be_served_without_a_refresh_does_not_wait_behind_all_who_can() {
    // Past so short a grace a session is served by a refresh or not at all.
    let world = Setup::bench().session("outage_grace = \"1s\"").start();
    let mould = mould(&world);
    let due = mould.cast(600, DUE);
    let overdue = mould.cast(CAP, Age { refreshed: 3700, left: -100 });
    // Three rounds a second: those who are due alone fill the queue for longer than anyone waits.
    world.pool.script(Endpoint::Token, Reply::Late(Duration::from_millis(330)));
    let _waiting = send_all(&world, &due);
    for mut wire in send_all(&world, &overdue) {
        let answer = wire.answer(false).unwrap();
        assert_eq!((answer.status, cookie_names(&answer).len()), (403, 2), "{answer:#?}");
    }
    // They came last, and many who came before them are still to be asked for.
    let urgent: Vec<String> = overdue.iter().map(|session| mould.refresh_token(session)).collect();
    let after_them = || {
        let asked = world.pool.asked_of(Endpoint::Token);
        let tokens = asked.iter().rev().filter_map(|asked| asked.parameter("refresh_token"));
        tokens.take_while(|token| urgent.iter().all(|urgent| urgent != token)).count()
    };
    until("those who can wait go on", || (after_them() >= 3 * CAP).then_some(()));
    assert!(world.pool.most_at_once(Endpoint::Token) <= CAP);
}

#[test]
fn people_who_signed_in_together_do_not_come_back_together() {
    const SESSIONS: usize = 200;
    let world = Setup::bench().start();
    // In the middle of the tenth of fifteen minutes over which they are spread.
    let sessions = mould(&world).cast(SESSIONS, Age { refreshed: 855, left: 3600 });
    for session in &sessions {
        assert_eq!(ask(&world, session, Kind::Fetch, "/x").status, 200);
    }
    let refreshed = world.pool.grants("refresh_token");
    assert!((SESSIONS / 5..SESSIONS * 9 / 10).contains(&refreshed), "{refreshed} of {SESSIONS} were due");
}

fn mould(world: &World) -> Mould {
    Mould::of(world.setup(), &world.pool, &world.session_of("user", "user"))
}

/// The answers to [`send_all`].
fn all_at_once(world: &World, sessions: &[Session]) -> Vec<Answer> {
    send_all(world, sessions).iter_mut().map(|wire| wire.answer(false).unwrap()).collect()
}

/// One request of each session, all sent before any answer is read. What they ask for is refused by the gate, so that
/// no upstream has a thousand connections to bear.
fn send_all(world: &World, sessions: &[Session]) -> Vec<Wire> {
    let begin = |session: &Session| {
        let mut wire = Wire::connect(world.gate.public).patient_for(3 * PATIENCE);
        wire.write(&request(session, Kind::Fetch, "/admin/x"));
        wire
    };
    sessions.iter().map(begin).collect()
}
