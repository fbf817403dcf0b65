//! The absolute and the idle limit, held against the clock before and after each answer: what is in doubt about a
//! second is not asserted, and `session::tests` has both sides of each boundary to the second.

use std::time::{Duration, SystemTime};

use super::ask;
use crate::forwarding::websocket;
use crate::support::browser::{Browser, Kind};
use crate::support::until;
use crate::support::upstream::{self, After};
use crate::support::wire::{Ended, Wire};
use crate::support::world::{Session, Setup, World};

pub fn a_session_ends_at_its_limits_and_not_before() {
    let life = Duration::from_secs(4);
    let absolute = Setup::bench().session("max_age = \"4s\"").start();
    let browser = absolute.signed_in("user");
    let session = Session { cookie: browser.cookies("/"), identity: None };
    let info = ask(&absolute, &session, Kind::Fetch, "/oauth2/userinfo").json();
    let at = |name: &str| Duration::from_secs(info[name].as_u64().unwrap());
    assert_eq!(at("ends_at"), at("signed_in_at") + life);
    ends_between(&absolute, &session, (at("ends_at"), at("ends_at")));
    // A refresh moves nothing: it counts from the sign-in.
    let begun = now();
    let sliding = Setup::bench().session("max_age = \"4s\"\nmax_role_age = \"1s\"\nidle = \"3s\"").start();
    let mut browser = sliding.signed_in("user");
    until("its end, however busy it is", || (browser.fetch("/x").status == 401).then_some(()));
    assert!(now() >= begun + life - Duration::from_secs(1), "it ended too early");

    let idle = Setup::bench().session("idle = \"4s\"").start();
    let before = Duration::from_secs(now().as_secs());
    let browser = idle.signed_in("user");
    let session = Session { cookie: browser.cookies("/"), identity: None };
    // A pass that the browser does not replace is as old as its sign-in, whoever shows it how often.
    ends_between(&idle, &session, (before + life, now() + life));
    visits_keep_it_alive(&idle, life);
}

/// Asks over and over: before `range` the answer must be 200, after it 401.
fn ends_between(world: &World, session: &Session, range: (Duration, Duration)) {
    let mut served = 0;
    until("its end", || {
        let asked = now();
        let status = ask(world, session, Kind::Fetch, "/x").status;
        let answered = now();
        assert!(status == 200 || answered >= range.0, "{status} at {answered:?}, before {range:?}");
        assert!(status == 401 || asked < range.1, "{status} at {asked:?}, after {range:?}");
        served += usize::from(status == 200);
        (status == 401).then_some(())
    });
    assert!(served > 0, "it never counted");
}

fn visits_keep_it_alive(world: &World, life: Duration) {
    let mut browser: Browser = world.signed_in("user");
    let begun = now();
    let mut last = begun;
    while now() < begun + life + Duration::from_secs(3) {
        // Not an event to wait for: somebody who comes back now and then.
        std::thread::sleep(Duration::from_millis(700));
        let asked = now();
        let status = browser.fetch("/public/x").status.max(browser.fetch("/x").status);
        // On a machine that stood still in between nothing is said about it.
        if now() < last + life - Duration::from_secs(2) {
            assert_eq!(status, 200, "seen {:?} ago", asked.checked_sub(last));
        }
        last = asked;
    }
}

#[test]
fn a_websocket_and_an_event_stream_end_at_the_idle_limit_whatever_moves_on_them() {
    let world = Setup::bench().session("idle = \"4s\"").start();
    world.upstream.at("/ws", upstream::switches_protocols(websocket::ACCEPT));
    world.upstream.at(
        "/events",
        std::sync::Arc::new(|turn| {
            turn.wire.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
            );
            while turn.wire.write(b"9\r\ndata: 1\n\n\r\n") {
                std::thread::sleep(Duration::from_millis(200));
            }
            After::Close
        }),
    );
    let before = Duration::from_secs(now().as_secs());
    let browser = world.signed_in("user");
    let session = Session { cookie: browser.cookies("/"), identity: None };
    let open = |request: String| {
        let mut wire = Wire::connect(world.gate.public).patient_for(Duration::from_secs(20));
        wire.write(&session.fill(request.as_bytes()));
        wire
    };
    let mut events = open("GET /events HTTP/1.1\r\nHost: app.test\r\n{session}\r\n".into());
    let mut socket = open(websocket::request("/ws", ""));
    assert!(socket.head().unwrap().start.contains("101"));
    let echoed = std::thread::spawn(move || {
        let mut answered = 0;
        // A ping of the application's own every now and then, for as long as the socket is open.
        while socket.write(b"\x89\x00") {
            match socket.take(2) {
                Ok(frame) if frame == b"\x89\x00" => answered += 1,
                Ok(frame) => return (answered, frame),
                Err(_) => return (answered, vec![]),
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        (answered, vec![])
    });
    let answer = events.answer(false).unwrap();
    assert!(answer.text().starts_with("data: 1\n\n"), "{answer:#?}");
    assert!(now() >= before + Duration::from_secs(4), "it ended too early");
    let (answered, last) = echoed.join().unwrap();
    assert!(answered > 0 && last == b"\x88\x02", "{answered} echoes, then {last:?}");
    let mut late = open(websocket::request("/ws", ""));
    assert_eq!(late.answer(false).map(|answer| answer.status), Ok::<_, Ended>(401));
}

fn now() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap()
}
