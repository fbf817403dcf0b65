//! What stays open through refreshes: for as long as the person may, whoever refreshes; and not longer.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::{CLOSE, asked, open, sends_then_echoes, streams};
use crate::forwarding::websocket;
use crate::support::browser::Kind;
use crate::support::pool::{Endpoint, Reply, User};
use crate::support::until;
use crate::support::upstream::{After, Behaviour};
use crate::support::wire::{Answer, Ended, Wire};
use crate::support::world::{Session, Setup, World};

#[test]
fn a_role_that_is_removed_ends_what_it_opened_though_nobody_asks_anything() {
    let world = where_tokens_stay(Setup::bench().session("max_role_age = \"2s\""));
    let admin = world.session_of("admin", "admin,user");
    let mut wire = open(&world, &admin, "/admin/ws");
    let (_tell, mut events) = listening(&world, &admin, "/admin/events");
    // The rule asks for another role, but the upstream was told of this one.
    let mut told = open(&world, &admin, "/ws");
    let mut other = open(&world, &world.session_of("user", "user"), "/ws");
    for wire in [&mut wire, &mut told, &mut other] {
        assert!(lives(wire));
    }
    world.pool.user(User::new("admin", &["user"]));
    let changed = Instant::now();
    assert_eq!(wire.rest(), (CLOSE.to_vec(), Ended::Closed));
    assert_eq!(told.rest().0, CLOSE);
    assert_eq!(events.answer(false).unwrap().text(), "data: 1\n\n", "as if it were over");
    assert!(changed.elapsed() < Duration::from_secs(15), "{:?}", changed.elapsed());
    assert!(lives(&mut other));
    assert_eq!(get(&world, &admin, "/admin").status, 403, "whoever comes again is decided on anew");
}

#[test]
fn what_may_go_on_outlives_its_access_tokens_at_one_token_call_each() {
    let world = where_tokens_stay(Setup::bench());
    world.pool.set_life(4);
    let begun = Instant::now();
    let session = world.session_of("user", "user");
    let mut wires = [open(&world, &session, "/ws"), open(&world, &session, "/ws/2")];
    let (tell, mut events) = listening(&world, &session, "/events");
    for tokens in 1..=3 {
        until("the next token", || (refreshes(&world) > tokens).then_some(()));
        assert!(wires.iter_mut().all(lives), "token {tokens}");
    }
    // The first call was for somebody else. However seconds are rounded, a token of four seconds is not due again
    // within three.
    let calls = refreshes(&world) - 1;
    assert!(calls as u64 <= begun.elapsed().as_secs() / 3 + 1, "{calls} calls in {:?}", begun.elapsed());
    tell.send(()).unwrap();
    assert_eq!(events.answer(false).unwrap().text(), "data: 1\n\ndone");
}

#[test]
fn what_is_learned_of_rotation_counts_for_what_is_open_already() {
    let world = started(Setup::bench());
    world.pool.set_life(6);
    let mut wire = open(&world, &world.session_of("user", "user"), "/ws");
    world.pool.set_life(3600);
    // Nobody knows yet whether a refresh would end the browser's refresh token. Somebody else's tells.
    learn(&world);
    until("the refresh", || (refreshes(&world) > 1).then_some(()));
    // Not an event to wait for: the old token is over by then.
    std::thread::sleep(Duration::from_secs(2));
    assert!(lives(&mut wire));
}

#[test]
fn where_tokens_rotate_and_nothing_keeps_them_it_ends_with_the_access_token() {
    let world = started(Setup::bench());
    world.pool.set_rotation(true);
    learn(&world);
    world.pool.set_life(5);
    let session = world.session_of("user", "user");
    world.pool.set_life(3600);
    let calls = refreshes(&world);
    let mut wire = open(&world, &session, "/ws");
    assert_eq!(wire.rest(), (CLOSE.to_vec(), Ended::Closed));
    assert_eq!(refreshes(&world), calls, "a token that nobody can bring to the browser");
    assert_eq!(get(&world, &session, "/x").status, 200, "it is still good");
}

#[test]
fn a_refresh_for_any_request_moves_the_end_and_takes_away_what_may_no_longer_be() {
    let world = started(Setup::bench().session("max_role_age = \"1s\""));
    world.pool.set_rotation(true);
    world.pool.set_life(6);
    let mut session = world.session_of("admin", "admin,user");
    let signed_in = Instant::now();
    world.pool.set_life(3600);
    let mut wire = open(&world, &session, "/admin/ws");
    until("a refresh", || {
        session = session.after(&get(&world, &session, "/x"));
        (refreshes(&world) > 0).then_some(())
    });
    // Not an event to wait for: the access token that it was opened with is over by then.
    while signed_in.elapsed() < Duration::from_secs(8) {
        assert!(lives(&mut wire));
        std::thread::sleep(Duration::from_millis(200));
    }
    world.pool.user(User::new("admin", &["user"]));
    until("the role is gone", || {
        let answer = get(&world, &session, "/admin");
        session = session.after(&answer);
        (answer.status == 403).then_some(())
    });
    assert_eq!(wire.rest(), (CLOSE.to_vec(), Ended::Closed));
}

#[test]
fn a_refresh_between_the_decision_and_the_answer_is_not_missed() {
    let setup = Setup::bench().session("max_role_age = \"2s\"").limits("response_timeout = \"30s\"");
    let world = setup.start();
    world.pool.set_rotation(true);
    let session = world.session_of("admin", "admin,user");
    let (go, told) = channel();
    world.upstream.at("/admin/ws", switches_once(told));
    let mark = world.mark();
    let mut wire = Wire::connect(world.gate.public).patient_for(Duration::from_secs(20));
    wire.write(&session.fill(websocket::request("/admin/ws", "").as_bytes()));
    world.upstream.wait_for(mark.upstream, 1);
    world.pool.user(User::new("admin", &["user"]));
    until("the role is gone", || (get(&world, &session, "/admin").status == 403).then_some(()));
    go.send(()).unwrap();
    assert!(wire.head().unwrap().start.starts_with("HTTP/1.1 101"));
    assert_eq!(wire.rest().0, CLOSE);
}

#[test]
fn a_user_who_is_disabled_loses_what_is_open_at_the_next_refresh() {
    let world = where_tokens_stay(Setup::bench().session("max_role_age = \"2s\""));
    let session = world.session_of("user", "user");
    let mut wire = open(&world, &session, "/ws");
    assert!(lives(&mut wire));
    world.pool.revoke_all();
    assert_eq!(wire.rest(), (CLOSE.to_vec(), Ended::Closed));
    assert_eq!(get(&world, &session, "/x").status, 401);
}

#[test]
fn a_pool_that_is_away_when_a_refresh_is_due_is_asked_again_and_nothing_ends() {
    let world = where_tokens_stay(Setup::bench());
    world.pool.set_life(4);
    let mut wire = open(&world, &world.session_of("user", "user"), "/ws");
    world.pool.set_life(3600);
    world.pool.script_once(Endpoint::Token, Reply::Hangup);
    let calls = refreshes(&world);
    until("the first call", || (lives(&mut wire) && refreshes(&world) > calls).then_some(()));
    until("the second", || (lives(&mut wire) && refreshes(&world) > calls + 1).then_some(()));
    assert!(lives(&mut wire));
}

#[test]
fn while_the_pool_stays_away_it_ends_with_the_grace() {
    let world = where_tokens_stay(Setup::bench().session("outage_grace = \"3s\""));
    world.pool.set_life(4);
    let begun = Instant::now();
    let session = world.session_of("user", "user");
    world.pool.script(Endpoint::Token, Reply::Hangup);
    let mut wire = open(&world, &session, "/ws");
    assert_eq!(wire.rest(), (CLOSE.to_vec(), Ended::Closed));
    // Seven seconds, of which the first may have been almost over.
    assert!(begun.elapsed() > Duration::from_secs(5), "{:?}", begun.elapsed());
    assert_eq!(get(&world, &session, "/x").status, 503);
}

#[test]
fn a_sign_out_beats_a_refresh_that_is_under_way_for_what_is_open() {
    let world = where_tokens_stay(Setup::bench().session("max_role_age = \"3s\""));
    let mut browser = world.signed_in("user");
    let session = Session { cookie: browser.cookies("/"), identity: Some(("user".into(), "user".into())) };
    let asked = world.pool.count(Endpoint::Token);
    world.pool.script_once(Endpoint::Token, Reply::Late(Duration::from_secs(2)));
    let mut wire = open(&world, &session, "/ws");
    world.pool.wait_for(Endpoint::Token, asked + 1);
    assert!(browser.open("/oauth2/signout").status < 400);
    assert_eq!(wire.rest().0, CLOSE);
    // Not an event to wait for: what is shown is that the refresh, once it has ended, brings nothing back.
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(get(&world, &session, "/x").status, 401);
    let mut again = Wire::connect(world.gate.public);
    again.write(&session.fill(websocket::request("/ws", "").as_bytes()));
    assert_eq!(again.answer(false).unwrap().status, 401);
}

#[test]
fn a_new_token_that_comes_unexpected_still_finds_its_browser_and_no_other_is_fetched() {
    let world = where_tokens_stay(Setup::bench().session("max_role_age = \"3s\""));
    // No login tells of it.
    world.pool.set_rotation(true);
    let calls = refreshes(&world);
    let session = world.session_of("user", "user");
    let mut wire = open(&world, &session, "/ws");
    until("the refresh", || (refreshes(&world) > calls).then_some(()));
    // Not an event to wait for: what is shown is that nobody refreshes again what nobody has taken.
    std::thread::sleep(Duration::from_secs(5));
    assert!(lives(&mut wire));
    assert_eq!(refreshes(&world), calls + 1);
    // The browser's own token counts no more at the pool.
    let answer = get(&world, &session, "/x");
    assert_eq!(answer.status, 200, "{answer:#?}");
    assert_eq!(get(&world, &session.after(&answer), "/x").status, 200);
    assert!(lives(&mut wire));
}

#[test]
fn an_event_stream_may_be_silent_for_longer_than_a_body_and_ends_after_its_own_limit() {
    let world = Setup::bench().limits("body_idle_timeout = \"1s\"").start();
    let session = world.session_of("user", "user");
    let (tell, mut events) = listening(&world, &session, "/events");
    // Not an event to wait for: what is shown is that nothing happens.
    std::thread::sleep(Duration::from_secs(3));
    tell.send(()).unwrap();
    assert_eq!(events.answer(false).unwrap().text(), "data: 1\n\ndone");

    let world = Setup::bench().limits("body_idle_timeout = \"30s\"\nstream_idle = \"2s\"").start();
    let (_tell, mut events) = listening(&world, &world.session_of("user", "user"), "/events");
    assert_eq!(events.answer(false).unwrap().text(), "data: 1\n\n", "as if it were over");
}

/// A world in which the gate has learned that a refresh token stays the same.
fn where_tokens_stay(setup: Setup) -> World {
    let world = started(setup);
    learn(&world);
    world
}

/// A world whose upstream accepts WebSockets.
fn started(setup: Setup) -> World {
    let world = setup.start();
    for target in ["/ws", "/admin/ws"] {
        world.upstream.at(target, sends_then_echoes(b""));
    }
    world
}

/// Has somebody's session refreshed, which tells whether tokens rotate.
fn learn(world: &World) {
    world.pool.set_life(0);
    let session = world.session_of("user", "user");
    world.pool.set_life(3600);
    assert_eq!((get(world, &session, "/x").status, refreshes(world)), (200, 1));
}

fn refreshes(world: &World) -> usize {
    world.pool.grants("refresh_token")
}

/// Whether a WebSocket still sends back what it is sent.
fn lives(wire: &mut Wire) -> bool {
    wire.write(b"\x89\x00") && wire.take(2).is_ok_and(|got| got == b"\x89\x00")
}

/// An event stream that has begun, and what makes its upstream end it.
fn listening(world: &World, session: &Session, target: &str) -> (Sender<()>, Wire) {
    let (tell, told) = channel();
    world.upstream.at(target, streams("text/event-stream", "data: 1\n\n", told));
    let mut wire = asked(world, session, target);
    while !wire.pending().windows(9).any(|piece| piece == b"data: 1\n\n") {
        wire.more().unwrap();
    }
    (tell, wire)
}

/// Accepts an upgrade once told, and says no more.
fn switches_once(told: Receiver<()>) -> Behaviour {
    let told = Mutex::new(told);
    Arc::new(move |turn| {
        told.lock().unwrap().recv().unwrap();
        let head = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n";
        turn.wire.write(format!("{head}{}\r\n", websocket::ACCEPT).as_bytes());
        while turn.wire.more().is_ok() {}
        After::Close
    })
}

fn get(world: &World, session: &Session, target: &str) -> Answer {
    let mut wire = Wire::connect(world.gate.public);
    let head = format!("GET {target} HTTP/1.1\r\nHost: app.test\r\n{}{{session}}\r\n", Kind::Fetch.lines());
    wire.write(&session.fill(head.as_bytes()));
    wire.answer(false).unwrap()
}
