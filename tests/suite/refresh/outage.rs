//! A pool that is away, or silent, while sessions of every age come in.

use std::time::{Duration, Instant};

use super::{ask, cookie_names, request};
use crate::support::browser::Kind;
use crate::support::pool::{Endpoint, Reply};
use crate::support::sealed::{Age, Mould};
use crate::support::until;
use crate::support::wire::{Answer, Wire};
use crate::support::world::{Session, Setup, identity_seen};

/// What `outage_grace` and `max_role_age` make of a session while nobody can refresh it, by default.
const AGES: [(&str, Age, bool); 6] = [
    ("fresh", Age { refreshed: 300, left: 3300 }, true),
    ("due for its roles", Age { refreshed: 1500, left: 2100 }, true),
    ("due for its token", Age { refreshed: 300, left: 5 }, true),
    ("overdue for minutes", Age { refreshed: 3900, left: -300 }, true),
    ("near the end of the grace", Age { refreshed: 7100, left: -3500 }, true),
    ("past the grace", Age { refreshed: 7201, left: -3601 }, false),
];

#[test]
fn minutes_into_an_outage_each_session_is_served_to_the_end_of_the_grace_and_after_it_nobody_is_sent_away() {
    for fault in [Reply::Hangup, Reply::Status(503, "text/html", b"<h1>sorry</h1>".to_vec())] {
        let world = Setup::bench().start();
        let mould = Mould::of(world.setup(), &world.pool, &world.session_of("user", "user"));
        let of_ages: Vec<Session> = AGES.iter().map(|(_, age, _)| mould.cast(1, *age).remove(0)).collect();
        world.pool.script(Endpoint::Token, fault.clone());
        for ((what, _, served), session) in AGES.iter().zip(&of_ages) {
            for kind in [Kind::Fetch, Kind::Navigate] {
                let mark = world.mark();
                let answer = ask(&world, session, kind, "/x");
                assert_eq!(answer.status, if *served { 200 } else { 503 }, "{what}, {fault:?}: {answer:#?}");
                assert_eq!(cookie_names(&answer), Vec::<&str>::new(), "{what}, {fault:?}");
                if *served {
                    assert_eq!(identity_seen(&world.seen_since(mark)[0]), Ok(session.identity.clone()));
                } else {
                    assert!(answer.header("retry-after").is_some(), "{what}: {answer:#?}");
                }
            }
        }
        world.pool.be_honest();
        for ((what, _, _), session) in AGES.iter().zip(&of_ages) {
            let back = until(what, || served(ask(&world, session, Kind::Fetch, "/x")));
            assert_eq!(back.status, 200, "{what}, {fault:?}: nobody has to sign in again");
        }
    }
}

#[test]
fn a_silent_pool_holds_up_nobody_whose_session_still_counts_for_longer_than_two_seconds() {
    let world = Setup::bench().start();
    let mould = Mould::of(world.setup(), &world.pool, &world.session_of("user", "user"));
    let due = mould.cast(1, Age { refreshed: 1500, left: 2100 }).remove(0);
    let asked = world.pool.count(Endpoint::Token);
    world.pool.script(Endpoint::Token, Reply::Silence);
    let begun = Instant::now();
    let answer = ask(&world, &due, Kind::Fetch, "/x");
    let waited = begun.elapsed();
    assert_eq!((answer.status, cookie_names(&answer).len()), (200, 0), "{answer:#?}");
    world.pool.wait_for(Endpoint::Token, asked + 1);
    // Two seconds, and what a loaded machine adds; a token call itself is given up after ten.
    assert!((Duration::from_millis(1900)..Duration::from_secs(8)).contains(&waited), "{waited:?}");
}

#[test]
fn a_silent_pool_is_an_outage_for_whose_token_has_ended_and_no_sign_out() {
    let world = Setup::bench().session("outage_grace = \"1s\"").start();
    let mould = Mould::of(world.setup(), &world.pool, &world.session_of("user", "user"));
    let session = mould.cast(1, Age { refreshed: 3700, left: -100 }).remove(0);
    world.pool.script(Endpoint::Token, Reply::Silence);
    let mut wire = Wire::connect(world.gate.public).patient_for(Duration::from_secs(30));
    wire.write(&request(&session, Kind::Navigate, "/x"));
    let answer = wire.answer(false).unwrap();
    assert_eq!((answer.status, cookie_names(&answer).len()), (503, 0), "{answer:#?}");
    world.pool.be_honest();
    let back = until("the pool is asked again", || served(ask(&world, &session, Kind::Fetch, "/x")));
    assert_eq!(back.status, 200);
}

/// An answer other than that of an outage.
fn served(answer: Answer) -> Option<Answer> {
    (answer.status != 503).then_some(answer)
}
