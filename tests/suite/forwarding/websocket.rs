//! WebSockets: with a session, the role and a right Origin, or not at all.

use crate::support::upstream;
use crate::support::wire::Wire;
use crate::support::world::{Setup, Who, World};

pub const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
pub const ACCEPT: &str = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";

#[test]
fn a_websocket_passes_with_a_session_and_a_right_or_no_origin() {
    let world = world();
    for origin in ["Origin: https://app.test\r\n", ""] {
        let mark = world.mark();
        let mut wire = upgraded(&world, Who::User, "/ws", origin);
        let head = wire.head().unwrap();
        assert!(head.start.starts_with("HTTP/1.1 101"), "{origin}: {head:?}");
        assert_eq!(head.one("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        for frame in [&b"\x81\x05hello"[..], b"\x82\x02\x00\xff", b"\x89\x00"] {
            wire.write(frame);
            assert_eq!(wire.take(frame.len()).unwrap(), frame, "{origin}");
        }
        let seen = world.seen_since(mark);
        assert_eq!((seen[0].head.one("x-user"), seen[0].head.one("x-roles")), (Some("user"), Some("user")));
    }
}

#[test]
fn a_websocket_from_elsewhere_without_a_session_or_without_the_role_is_refused() {
    refused(&world());
}

/// Upgrades that reach no upstream.
pub fn refused(world: &World) {
    let before = world.upstream.count();
    let ours = "Origin: https://app.test\r\n";
    for (who, target, origin, status) in [
        (Who::User, "/ws", "Origin: https://evil.test\r\n", 403),
        (Who::User, "/ws", "Origin: null\r\n", 403),
        (Who::User, "/ws", "Origin: http://app.test\r\n", 403),
        (Who::User, "/ws", "Origin: https://app.test:8443\r\n", 403),
        (Who::User, "/ws", "Origin: https://app.test\r\nOrigin: https://evil.test\r\n", 403),
        (Who::User, "/public/ws", "Origin: https://evil.test\r\n", 403),
        (Who::User, "/ws", "Origin: https://app.test.evil.test\r\n", 403),
        (Who::User, "/ws", "Origin: HTTPS://APP.TEST\r\n", 403),
        (Who::User, "/ws", "Sec-Fetch-Site: cross-site\r\n", 403),
        (Who::User, "/ws", "Sec-Fetch-Site: same-site\r\n", 403),
        (Who::Nobody, "/ws", ours, 401),
        (Who::Nobody, "/ws", "", 401),
        (Who::User, "/admin/ws", ours, 403),
    ] {
        let mut wire = upgraded(world, who, target, origin);
        let answer = wire.answer(false).unwrap();
        assert_eq!(answer.status, status, "{who:?} {target} {origin}: {answer:#?}");
        assert!(answer.head.all("upgrade").is_empty() && answer.head.all("set-cookie").is_empty());
    }
    assert_eq!(world.upstream.count(), before);
}

#[test]
fn either_side_of_a_websocket_can_end_it() {
    let world = world();
    let mut wire = upgraded(&world, Who::User, "/ws", "");
    wire.head().unwrap();
    drop(wire);
    crate::support::until("the upstream's side ends", || (world.upstream.open() == 0).then_some(()));

    world.upstream.behave(upstream::answers_and_closes(format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n{ACCEPT}\r\nbye"
    )));
    let mut wire = upgraded(&world, Who::User, "/ws", "");
    wire.head().unwrap();
    assert_eq!(wire.rest().0, b"bye");
}

#[test]
fn a_websocket_outlives_every_limit_that_is_for_heads() {
    let limits = "header_timeout = \"1s\"\nidle_timeout = \"1s\"";
    let world = Setup::bench().limits(limits).start();
    world.upstream.behave(upstream::switches_protocols(ACCEPT));
    let mut wire = upgraded(&world, Who::User, "/ws", "");
    assert!(wire.head().unwrap().start.starts_with("HTTP/1.1 101"));
    // A frame of text with a `#` and blank lines in it is no request either.
    for frame in [&b"\x81\x0b#\r\n\r\n\r\n\r\n#\n"[..], b"\x81\x05again"] {
        wire.write(frame);
        assert_eq!(wire.take(frame.len()).unwrap(), frame);
        // Not an event to wait for: what is shown is that nothing happens.
        std::thread::sleep(std::time::Duration::from_millis(1_300));
    }
}

fn world() -> World {
    let world = World::bench();
    world.upstream.behave(upstream::switches_protocols(ACCEPT));
    world
}

/// An upgrade, with `{session}` where the session goes.
pub fn request(target: &str, lines: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: app.test\r\n{UPGRADE}{lines}{{session}}\r\n")
}

fn upgraded(world: &World, who: Who, target: &str, lines: &str) -> Wire {
    let request = request(target, lines);
    let mut wire = Wire::connect(world.gate.public);
    wire.write(&world.session(who).fill(request.as_bytes()));
    wire
}
