//! WebSockets and event streams: open while who opened them may, and ended between two frames when not.

mod conformance;
mod kept;
mod tunnel;

use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::corpus::{Case, case};
use crate::forwarding::websocket;
use crate::support::browser::Kind;
use crate::support::until;
use crate::support::upstream::{self, After, Behaviour};
use crate::support::wire::{Ended, Wire};
use crate::support::world::{Session, Setup, Who, World};

/// 1012, "service restart".
const CLOSE: &[u8] = b"\x88\x02\x03\xf4";
/// A session's life where its end is what is shown; long enough to sign in and open something.
const LIFE: Duration = Duration::from_secs(4);
/// After that an end has not come in time, on a busy machine either; a stop waits for 20 seconds.
const SECONDS: Duration = Duration::from_secs(10);

pub fn cases() -> Vec<Case> {
    vec![
        case(&["WS-01", "WS-02", "WS-03", "WS-04"], websocket::refused),
        case(&["WS-06"], an_upgrade_passes_only_where_both_sides_mean_it),
        case(&["WS-08"], tunnel::ends_and_floods),
        case(&["WS-09"], a_token_in_a_subprotocol_or_a_query_is_in_no_log),
        case(&["WS-13"], |_| a_long_upload_ends_as_who_began_it()),
        case(&["WS-12"], |_| an_event_stream_ends_with_its_session_and_a_download_does_not()),
    ]
}

#[test]
fn a_websocket_ends_between_two_frames_when_its_session_does() {
    let (world, session) = short_lived(Setup::bench());
    world.upstream.behave(sends_then_echoes(b""));
    let mut wire = open(&world, &session, "/ws");
    wire.write(b"\x81\x02hi");
    assert_eq!(wire.take(4).unwrap(), b"\x81\x02hi");
    let (rest, ended) = wire.rest();
    assert_eq!((&rest[..], ended), (CLOSE, Ended::Closed));
    until("the upstream's side ends", || (world.upstream.open() == 0).then_some(()));

    let mut late = Wire::connect(world.gate.public);
    world.pool.revoke_all();
    late.write(&session.fill(websocket::request("/ws", "").as_bytes()));
    assert_eq!(late.answer(false).unwrap().status, 401, "whoever comes again is decided on anew");
}

#[test]
fn a_frame_that_never_ends_gets_no_close_frame_into_its_payload() {
    let (world, session) = short_lived(Setup::bench());
    // Sixteen bytes are announced, and three come.
    world.upstream.behave(sends_then_echoes(b"\x82\x10abc"));
    let mut wire = open(&world, &session, "/ws");
    let (rest, _) = wire.rest();
    assert_eq!(rest, b"\x82\x10abc");
    until("the upstream's side ends", || (world.upstream.open() == 0).then_some(()));
}

#[test]
fn a_sign_out_ends_the_sessions_websockets_and_no_others() {
    let world = World::bench();
    world.upstream.behave(sends_then_echoes(b""));
    let mut browser = world.signed_in("user");
    let ours = Session { cookie: browser.cookies("/"), identity: Some(("user".into(), "user".into())) };
    let (mut one, mut two) = (open(&world, &ours, "/ws"), open(&world, &ours, "/ws"));
    let mut other = open(&world, &world.session(Who::User), "/ws");
    let mut nobodys = open(&world, &world.session(Who::Nobody), "/public/ws");
    // Somebody who is signed in says who they are at a public path as well.
    let mut named = open(&world, &ours, "/public/ws");
    let begun = Instant::now();
    assert!(browser.open("/oauth2/signout").status < 400);
    for wire in [&mut one, &mut two, &mut named] {
        assert_eq!(wire.rest().0, CLOSE);
    }
    assert!(begun.elapsed() < SECONDS, "{:?}", begun.elapsed());
    for wire in [&mut other, &mut nobodys] {
        wire.write(b"\x89\x00");
        assert_eq!(wire.take(2).unwrap(), b"\x89\x00");
    }
}

#[test]
fn a_stop_says_goodbye_to_open_websockets_and_waits_for_it() {
    let world = World::bench();
    world.upstream.behave(sends_then_echoes(b""));
    let mut wires = [
        open(&world, &world.session(Who::User), "/ws"),
        open(&world, &world.session(Who::Nobody), "/public/ws"),
    ];
    let begun = Instant::now();
    world.gate.signal("TERM");
    for wire in &mut wires {
        assert_eq!(wire.take(4).unwrap(), CLOSE);
    }
    let World { gate, .. } = world;
    let (status, log) = gate.wait();
    assert!(status.success() && begun.elapsed() < SECONDS, "{status:?} {:?}\n{log}", begun.elapsed());
    assert!(!log.contains("did not finish in time"), "{log}");
}

#[test]
fn a_websocket_on_which_nothing_moves_ends_after_its_idle_limit_and_a_busy_one_does_not() {
    let world = Setup::bench().limits("stream_idle = \"3s\"").start();
    world.upstream.behave(sends_then_echoes(b""));
    let session = world.session(Who::User);
    let mut wire = open(&world, &session, "/ws");
    for _ in 0..8 {
        // Not an event to wait for: what is shown is that nothing happens while something moves.
        std::thread::sleep(Duration::from_millis(500));
        wire.write(b"\x89\x00");
        assert_eq!(wire.take(2).unwrap(), b"\x89\x00");
    }
    assert_eq!(wire.rest().0, CLOSE);
}

fn an_upgrade_passes_only_where_both_sides_mean_it(world: &World) {
    let head = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n";
    let wrong = format!("{head}Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n\x01\x02");
    let right = format!("{head}{}\r\n", websocket::ACCEPT);
    let plain = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno".to_owned();
    for (target, answer, upgrade, status) in
        [("/ws/plain", plain, true, 200), ("/ws/wrong", wrong, true, 502), ("/ws/unasked", right, false, 502)]
    {
        world.upstream.at(target, upstream::answers_and_closes(answer));
        let request = match upgrade {
            true => websocket::request(target, ""),
            false => format!("GET {target} HTTP/1.1\r\nHost: app.test\r\n{{session}}\r\n"),
        };
        let mut wire = Wire::connect(world.gate.public);
        wire.write(&world.session(Who::User).fill(request.as_bytes()));
        assert_eq!(wire.answer(false).unwrap().status, status, "{target}");
    }
}

fn a_token_in_a_subprotocol_or_a_query_is_in_no_log(world: &World) {
    let (from, secret) = (world.gate.stdout().count(), "c2VjcmV0LWluLWEtc3VicHJvdG9jb2w");
    world.upstream.at("/ws/quiet", sends_then_echoes(b""));
    let target = format!("/ws/quiet?access_token={secret}");
    let lines = format!("Sec-WebSocket-Protocol: bearer.{secret}\r\n");
    let mut wire = Wire::connect(world.gate.public);
    wire.write(&world.session(Who::User).fill(websocket::request(&target, &lines).as_bytes()));
    wire.head().unwrap();
    world.gate.stdout().wait_since(from, |line| line.contains("/ws/quiet").then_some(())).expect("a record");
    for log in [world.gate.stdout().all(), world.gate.stderr().all()] {
        assert!(!log.contains(secret), "{log}");
    }
}

fn an_event_stream_ends_with_its_session_and_a_download_does_not() {
    let (world, session) = short_lived(Setup::bench().limits("body_idle_timeout = \"30s\""));
    world.upstream.at("/events", streams("text/event-stream; charset=utf-8", "data: 1\n\n", never()));
    let (go, told) = channel();
    world.upstream.at("/download", streams("application/octet-stream", "half", told));
    let mut events = asked(&world, &session, "/events");
    let mut download = asked(&world, &session, "/download");
    for (wire, beginning) in [(&mut events, "data: 1\n\n"), (&mut download, "half")] {
        while !wire.pending().windows(beginning.len()).any(|piece| piece == beginning.as_bytes()) {
            wire.more().unwrap();
        }
    }
    // Whole, so that a browser takes it for an end after which it asks again.
    assert_eq!(events.answer(false).unwrap().text(), "data: 1\n\n");
    go.send(()).unwrap();
    assert_eq!(download.answer(false).unwrap().text(), "halfdone");
}

pub fn a_long_upload_ends_as_who_began_it() {
    let (world, session) = short_lived(Setup::bench());
    let mark = world.mark();
    let mut wire = Wire::connect(world.gate.public);
    let head = "POST /upload HTTP/1.1\r\nHost: app.test\r\nContent-Length: 8\r\n{session}\r\n";
    wire.write(&session.fill(head.as_bytes()));
    for byte in b"byslices" {
        // Not an event to wait for: all of them together take longer than the session has.
        std::thread::sleep(LIFE / 6);
        wire.write(&[*byte]);
    }
    assert_eq!(wire.answer(false).unwrap().status, 200);
    let seen = world.seen_since(mark).into_iter().find(|seen| seen.path() == "/upload").unwrap();
    assert_eq!((&seen.body[..], seen.head.one("x-user")), (&b"byslices"[..], Some("user")));
}

/// A session that ends soon, and no refresh that would be due before.
fn short_lived(setup: Setup) -> (World, Session) {
    let world = setup.start();
    world.pool.set_life(LIFE.as_secs().cast_signed());
    let session = world.session_of("user", "user");
    (world, session)
}

fn open(world: &World, session: &Session, target: &str) -> Wire {
    let mut wire = Wire::connect(world.gate.public).patient_for(Duration::from_secs(20));
    wire.write(&session.fill(websocket::request(target, "").as_bytes()));
    let head = wire.head().unwrap();
    assert!(head.start.starts_with("HTTP/1.1 101"), "{target}: {head:?}");
    wire
}

fn asked(world: &World, session: &Session, target: &str) -> Wire {
    let mut wire = Wire::connect(world.gate.public).patient_for(Duration::from_secs(20));
    let head = format!("GET {target} HTTP/1.1\r\nHost: app.test\r\n{}{{session}}\r\n", Kind::Fetch.lines());
    wire.write(&session.fill(head.as_bytes()));
    wire
}

/// Accepts any upgrade, says `first`, and sends every byte back.
fn sends_then_echoes(first: &'static [u8]) -> Behaviour {
    let switches = upstream::switches_protocols(websocket::ACCEPT);
    if first.is_empty() {
        return switches;
    }
    Arc::new(move |turn| {
        let head = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n";
        turn.wire.write(format!("{head}{}\r\n", websocket::ACCEPT).as_bytes());
        turn.wire.write(first);
        while turn.wire.more().is_ok() {}
        After::Close
    })
}

/// A chunked answer: `first`, and "done" once told.
fn streams(kind: &'static str, first: &'static str, told: std::sync::mpsc::Receiver<()>) -> Behaviour {
    let told = Mutex::new(told);
    Arc::new(move |turn| {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n");
        turn.wire.write(format!("{head}{:x}\r\n{first}\r\n", first.len()).as_bytes());
        if told.lock().unwrap().recv().is_ok() {
            turn.wire.write(b"4\r\ndone\r\n0\r\n\r\n");
        } else {
            while turn.wire.more().is_ok() {}
        }
        After::Close
    })
}

/// Nobody tells.
fn never() -> std::sync::mpsc::Receiver<()> {
    channel().1
}
