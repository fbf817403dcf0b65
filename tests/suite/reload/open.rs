//! What is open while the configuration changes.

use super::*;
use crate::forwarding::websocket;
use crate::support::upstream;
use crate::support::world::Session;

/// A close frame: 1001, going away, or 1008, policy.
fn is_close(rest: &[u8]) -> bool {
    rest.first() == Some(&0x88)
}

#[test]
fn a_websocket_ends_when_the_rules_no_longer_allow_it_and_no_other_does() {
    let world = World::bench();
    world.upstream.behave(upstream::switches_protocols(websocket::ACCEPT));
    let session = world.session(Who::User);
    let (mut forbidden, mut allowed) = (open(&world, &session, "/ledger/ws"), open(&world, &session, "/ws"));
    reload(&world.gate, |text| format!("{text}\n[[rules]]\npath = \"/ledger/**\"\nany_role = [\"admin\"]\n"));
    assert!(is_close(&forbidden.rest().0));
    allowed.write(b"\x81\x02hi");
    assert_eq!(allowed.take(4).unwrap(), b"\x81\x02hi");
    reload(&world.gate, |text| text.replace("required_roles = [\"user\"]", "required_roles = [\"admin\"]"));
    assert!(is_close(&allowed.rest().0));
}

#[test]
fn an_upload_under_way_ends_at_the_upstream_where_it_began() {
    let second = upstream::Recorder::start();
    let world = World::bench();
    let session = world.session(Who::User);
    let mut upload = wire(&world.gate);
    let head = "POST /x HTTP/1.1\r\nHost: app.test\r\nContent-Length: 6\r\n{session}\r\nabc";
    let mark = world.mark();
    upload.write(&session.fill(head.as_bytes()));
    crate::support::until("the upload has begun", || (world.upstream.open() > 0).then_some(()));
    let (from, to) = (world.upstream.address.to_string(), second.address.to_string());
    reload(&world.gate, |text| text.replace(&from, &to));
    upload.write(b"def");
    let answer = upload.answer(false).unwrap();
    assert_eq!(answer.status, 200, "{answer:#?}");
    assert_eq!(world.seen_since(mark)[0].body, b"abcdef");
    assert_eq!(second.count(), 0);
    upload.write(&session.fill(get("/x").as_bytes()));
    assert_eq!(upload.answer(false).unwrap().status, 200);
    assert_eq!(second.count(), 1, "the next request on the same connection goes where it should now");
}

#[test]
fn what_was_decided_before_a_reload_and_is_answered_after_it_is_decided_anew() {
    let world = World::bench();
    let (tell, told) = std::sync::mpsc::channel::<()>();
    let told = std::sync::Mutex::new(told);
    let late: upstream::Behaviour = std::sync::Arc::new(move |turn| {
        let _ = told.lock().unwrap().recv();
        turn.wire.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
        );
        turn.wire.write(b"9\r\ndata: x\n\n\r\n");
        while turn.wire.more().is_ok() {}
        upstream::After::Close
    });
    world.upstream.behave(late);
    let session = world.session(Who::User);
    let mut events = wire(&world.gate);
    let head = "GET /ledger/events HTTP/1.1\r\nHost: app.test\r\nSec-Fetch-Mode: cors\r\nSec-Fetch-Dest: empty\r\n{session}\r\n";
    let mark = world.mark();
    events.write(&session.fill(head.as_bytes()));
    world.upstream.wait_until(mark.upstream, |_| world.upstream.open() > 0);
    reload(&world.gate, |text| format!("{text}\n[[rules]]\npath = \"/ledger/**\"\nany_role = [\"admin\"]\n"));
    tell.send(()).unwrap();
    assert!(events.head().unwrap().start.starts_with("HTTP/1.1 200"), "it had left by the rules of its time");
    assert!(events.chunks(|_| ()).is_ok(), "it comes to its end, which the upstream does not give it");
}

#[test]
fn what_nobody_had_to_sign_in_for_ends_when_somebody_would_have_to() {
    let world = World::bench();
    world.upstream.behave(upstream::switches_protocols(websocket::ACCEPT));
    let nobody = world.session(Who::Nobody);
    let (mut closed, mut stays) = (open(&world, &nobody, "/public/ws"), open(&world, &nobody, "/healthz"));
    reload(&world.gate, |text| {
        let (before, after) = text.split_once("/public/**").unwrap();
        format!("{before}/public/**{}", after.replacen("public = true", "any_role = [\"user\"]", 1))
    });
    assert!(is_close(&closed.rest().0));
    stays.write(b"\x81\x02hi");
    assert_eq!(stays.take(4).unwrap(), b"\x81\x02hi");
}

fn open(world: &World, session: &Session, target: &str) -> Wire {
    let mut wire = wire(&world.gate);
    wire.write(&session.fill(websocket::request(target, "").as_bytes()));
    let head = wire.head().unwrap();
    assert!(head.start.starts_with("HTTP/1.1 101"), "{target}: {head:?}");
    wire
}
