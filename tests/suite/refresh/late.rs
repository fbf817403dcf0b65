//! Answers that were decided before a refresh and leave after it: their cookies are older than what the browser has.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Instant;

use super::{ask, cookie_names, due, request};
use crate::login::wait_until_due;
use crate::support::browser::Kind;
use crate::support::sealed::Mould;
use crate::support::upstream::{After, Behaviour, echo};
use crate::support::wire::Wire;
use crate::support::world::{Session, Setup, World};

const BOTH: [&str; 2] = ["__Host-rolegate", "__Host-rolegate-refresh"];

#[test]
fn an_answer_that_was_overtaken_by_a_newer_refresh_leaves_the_newer_cookies_alone() {
    let world = patient().session("max_role_age = \"2s\"").start();
    world.pool.set_rotation(true);
    let first = due(&world, "user");
    let (honest, breaks) = (Latch::default(), Latch::default());
    world.upstream.at("/slow", honest.behind(echo()));
    world.upstream.at("/breaks", breaks.behind(Arc::new(|_| After::Close)));
    // Both are decided with the second generation, whose cookies are theirs to bring.
    let (mut slow, mut broken) = (begin(&world, &first, "/slow"), begin(&world, &first, "/breaks"));
    let second = first.after(&ask(&world, &first, Kind::Fetch, "/x"));
    assert_eq!(world.pool.grants("refresh_token"), 1);
    // A third generation is made and reaches the browser before they do.
    wait_until_due(Instant::now());
    let answer = ask(&world, &second, Kind::Fetch, "/x");
    assert_eq!((answer.status, cookie_names(&answer)), (200, BOTH.to_vec()), "{answer:#?}");
    assert_eq!(world.pool.grants("refresh_token"), 2);
    let mould = Mould::of(world.setup(), &world.pool, &second);
    assert!(mould.refreshed(&second.after(&answer)) > mould.refreshed(&second));

    for (latch, wire, status) in [(&honest, &mut slow, 200), (&breaks, &mut broken, 502)] {
        latch.open();
        let late = wire.answer(false).unwrap();
        assert_eq!((late.status, cookie_names(&late)), (status, vec![]), "{late:#?}");
    }
}

#[test]
fn an_answer_that_takes_its_time_brings_its_cookies_as_long_as_they_are_the_newest() {
    let world = patient().start();
    let session = due(&world, "user");
    let latch = Latch::default();
    world.upstream.at("/slow", latch.behind(echo()));
    let mut slow = begin(&world, &session, "/slow");
    // Another answer of the same generation was faster.
    assert_eq!(cookie_names(&ask(&world, &session, Kind::Fetch, "/x")), BOTH);
    latch.open();
    let late = slow.answer(false).unwrap();
    assert_eq!((late.status, cookie_names(&late)), (200, BOTH.to_vec()), "{late:#?}");
}

#[test]
fn an_answer_that_comes_after_the_sign_out_brings_no_session_back() {
    let world = patient().start();
    let session = due(&world, "user");
    let latch = Latch::default();
    world.upstream.at("/slow", latch.behind(echo()));
    let mut slow = begin(&world, &session, "/slow");
    let signed_out = {
        let mut wire = Wire::connect(world.gate.public);
        let head =
            "GET /oauth2/signout HTTP/1.1\r\nHost: app.test\r\nSec-Fetch-Site: same-origin\r\n{session}\r\n";
        wire.write(&session.fill(head.as_bytes()));
        wire.answer(false).unwrap()
    };
    assert_eq!(signed_out.status, 302, "{signed_out:#?}");
    latch.open();
    let late = slow.answer(false).unwrap();
    assert_eq!((late.status, cookie_names(&late)), (200, vec![]), "{late:#?}");
}

/// A gate that waits long enough for an upstream that a test holds up.
fn patient() -> Setup {
    Setup::bench().limits("response_timeout = \"60s\"")
}

/// Sends a request and waits until the upstream has it.
fn begin(world: &World, session: &Session, target: &str) -> Wire {
    let mark = world.upstream.mark();
    let mut wire = Wire::connect(world.gate.public);
    wire.write(&request(session, Kind::Fetch, target));
    let path = |seen: &crate::support::upstream::Seen| seen.path() == target;
    world.upstream.wait_until(mark, |seen| seen.iter().any(path));
    wire
}

/// What keeps an upstream from answering until it is opened.
#[derive(Clone, Default)]
struct Latch(Arc<(Mutex<bool>, Condvar)>);

impl Latch {
    fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    fn behind(&self, then: Behaviour) -> Behaviour {
        let latch = self.clone();
        Arc::new(move |turn| {
            let (open, changed) = &*latch.0;
            drop(changed.wait_while(open.lock().unwrap(), |open| !*open).unwrap());
            then(turn)
        })
    }
}
