//! Stopping a gate with people on it: nobody new is sent here first, what is open is finished, and then it ends.

use std::sync::Arc;
use std::time::Duration;

use crate::corpus::{Case, case};
use crate::forwarding::websocket;
use crate::support::browser::Kind;
use crate::support::pool::{Endpoint, Reply};
use crate::support::until;
use crate::support::upstream::{self, After};
use crate::support::wire::{Ended, Wire};
use crate::support::world::{Setup, Who, World};

mod rolling;

/// The close code "service restart".
const CLOSE: &[u8] = b"\x88\x02\x03\xf4";
/// Nobody waits for this to be over.
const ENDLESS: &str = "drain_delay = \"10m\"\ndrain = \"10m\"\nresponse_timeout = \"10m\"";

pub fn cases() -> Vec<Case> {
    vec![case(&["OPS-08"], |_| what_people_are_at_is_finished())]
}

fn what_people_are_at_is_finished() {
    let world = World::bench();
    world.pool.set_life(0);
    let mut refreshing = world.signed_in("user");
    world.pool.set_life(3600);
    let mut signing_in = world.browser();
    let callback = signing_in.callback_for("admin", "/x");
    let session = world.session(Who::User);
    world.upstream.at("/ws", upstream::switches_protocols(websocket::ACCEPT));
    world.upstream.at("/events", events());
    let mark = world.mark();
    let calls = world.pool.count(Endpoint::Token);

    let mut socket = Wire::connect(world.gate.public);
    socket.write(&session.fill(websocket::request("/ws", "").as_bytes()));
    assert!(socket.head().unwrap().start.starts_with("HTTP/1.1 101"));
    let mut stream = asked(&world, "/events");
    while !stream.pending().ends_with(b"data: 1\n\n\r\n") {
        stream.more().unwrap();
    }
    let mut upload = Wire::connect(world.gate.public);
    let head = "POST /upload HTTP/1.1\r\nHost: app.test\r\nContent-Length: 8\r\n{session}\r\nhalf";
    upload.write(&session.fill(head.as_bytes()));
    world.upstream.wait_until(mark.upstream, |seen| seen.iter().any(|seen| seen.path() == "/upload"));
    let mut idle = asked(&world, "/x");
    idle.answer(false).unwrap();
    // Longer than a connection without a request is waited for.
    world.pool.script(Endpoint::Token, Reply::Late(Duration::from_secs(4)));
    let (callback, refreshed) = std::thread::scope(|scope| {
        let callback = scope.spawn(|| signing_in.open(callback.as_str()));
        let refreshed = scope.spawn(|| refreshing.open("/x"));
        world.pool.wait_for(Endpoint::Token, calls + 2);
        world.gate.signal("TERM");
        until("it says that it goes", || (world.gate.admin("/readyz").status == 503).then_some(()));
        assert_eq!(world.gate.admin("/readyz").text(), "draining: the gate is about to stop\n");

        assert_eq!(socket.rest(), (CLOSE.to_vec(), Ended::Closed));
        assert_eq!(stream.answer(false).unwrap().text(), "data: 1\n\n", "as if it were over");
        assert_eq!(idle.answer(false).unwrap_err(), Ended::Closed);
        upload.write(b"done");
        let uploaded = upload.answer(false).unwrap();
        assert!(uploaded.status == 200 && uploaded.closes(), "{uploaded:?}");
        (callback.join().unwrap(), refreshed.join().unwrap())
    });
    for (answer, status) in [(&callback, 302), (&refreshed, 200)] {
        assert!(answer.status == status && answer.closes(), "{answer:?}");
        assert!(
            answer.head.all("set-cookie").iter().any(|line| line.starts_with("__Host-rolegate=")),
            "{answer:?}"
        );
    }
    let seen = world.seen_since(mark).into_iter().find(|seen| seen.path() == "/upload").unwrap();
    assert_eq!((&seen.body[..], seen.complete), (&b"halfdone"[..], true));
    let (status, log) = world.gate.wait();
    assert!(status.success(), "{status:?}\n{log}");
}

#[test]
fn until_the_delay_is_over_everybody_is_served_and_nobody_is_kept() {
    let world = Setup::bench().limits(ENDLESS).start();
    let mut kept = asked(&world, "/x");
    assert!(!kept.answer(false).unwrap().closes());
    let mut silent = Wire::connect(world.gate.public);
    assert_eq!(world.gate.admin("/readyz").status, 200);
    world.gate.signal("TERM");
    until("it says that it goes", || (world.gate.admin("/readyz").status == 503).then_some(()));
    assert_eq!(world.gate.admin("/livez").status, 200);
    assert!(world.gate.admin("/metrics").text().contains("\nrolegate_ready 0\n"));

    let request = world.session(Who::User).fill(b"GET /x HTTP/1.1\r\nHost: app.test\r\n{session}\r\n");
    for wire in [&mut kept, &mut silent, &mut Wire::connect(world.gate.public)] {
        wire.write(&request);
        let answer = wire.answer(false).unwrap();
        assert!(answer.status == 200 && answer.closes(), "{answer:?}");
        assert_eq!(wire.rest(), (vec![], Ended::Closed));
    }
    // An upgrade is no answer to close behind.
    world.upstream.at("/ws", upstream::switches_protocols(websocket::ACCEPT));
    let mut socket = Wire::connect(world.gate.public);
    socket.write(&world.session(Who::User).fill(websocket::request("/ws", "").as_bytes()));
    assert_eq!(socket.head().unwrap().members("connection"), ["upgrade"]);
    socket.write(b"\x89\x00");
    assert_eq!(socket.take(2).unwrap(), b"\x89\x00");

    world.gate.signal("TERM");
    let (status, log) = world.gate.wait();
    assert_eq!(status.code(), Some(143), "a second signal does not wait: {log}");
}

#[test]
fn nobody_at_a_terminal_waits_for_a_balancer() {
    let world = Setup::bench().limits(ENDLESS).start();
    let mut stalled = stalled(&world);
    let from = world.gate.stderr().count();
    world.gate.signal("INT");
    world.gate.stderr().wait_since(from, |line| line.contains("stopping").then_some(())).expect("it stops");
    let public = world.gate.public;
    until("the listener is closed", || {
        std::net::TcpStream::connect_timeout(&public, Duration::from_millis(200)).is_err().then_some(())
    });
    assert_eq!(world.gate.admin("/readyz").status, 503, "the admin listener outlives the others");
    assert_eq!(world.gate.admin("/livez").status, 200);
    world.gate.signal("INT");
    let (status, log) = world.gate.wait();
    assert_eq!(status.code(), Some(130), "{log}");
    assert_eq!(stalled.answer(false).unwrap_err(), Ended::Closed);
}

#[test]
fn what_does_not_finish_in_its_time_is_cut_off() {
    let world = Setup::bench().limits("drain = \"1s\"\nresponse_timeout = \"60s\"").start();
    let mut stalled = stalled(&world);
    world.gate.signal("TERM");
    let World { gate, .. } = world;
    let (status, log) = gate.wait();
    assert!(status.success() && log.contains("did not finish in time"), "{status:?}\n{log}");
    assert_eq!(stalled.answer(false).unwrap_err(), Ended::Closed);
}

/// A request whose answer does not come.
fn stalled(world: &World) -> Wire {
    world.upstream.at("/stalled", upstream::stalls_after_head());
    let mark = world.mark();
    let wire = asked(world, "/stalled");
    world.upstream.wait_for(mark.upstream, 1);
    wire
}

fn asked(world: &World, target: &str) -> Wire {
    let mut wire = Wire::connect(world.gate.public);
    let head = format!("GET {target} HTTP/1.1\r\nHost: app.test\r\n{}{{session}}\r\n", Kind::Fetch.lines());
    wire.write(&world.session(Who::User).fill(head.as_bytes()));
    wire
}

/// One event, and then none.
fn events() -> upstream::Behaviour {
    Arc::new(|turn| {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
        turn.wire.write(format!("{head}9\r\ndata: 1\n\n\r\n").as_bytes());
        while turn.wire.more().is_ok() {}
        After::Close
    })
}
