//! What streams: WebSockets, event streams, large uploads.

use crate::forwarding::websocket;
use crate::support::upstream::{self, After};
use crate::support::wire::Wire;
use crate::support::world::{Who, World};

/// More than any buffer on the way.
const LARGE: usize = 8 << 20;

#[test]
fn row_28_websockets_event_streams_and_large_uploads_pass_as_they_come() {
    let world = World::bench();
    world.upstream.at("/ws/row-28", upstream::switches_protocols(websocket::ACCEPT));
    let upgrade = websocket::request("/ws/row-28", "Origin: https://app.test\r\n");
    let opened = |who| {
        let mut wire = Wire::connect(world.gate.public);
        wire.write(&world.session(who).fill(upgrade.as_bytes()));
        wire
    };
    let refused = opened(Who::Nobody).answer(false).unwrap();
    assert_eq!((refused.status, refused.header("location")), (401, None), "{refused:#?}");
    assert_eq!(world.upstream.count(), 0);
    let mut wire = opened(Who::User);
    assert!(wire.head().unwrap().start.starts_with("HTTP/1.1 101"));
    wire.write(b"\x81\x05hello");
    assert_eq!(wire.take(7).unwrap(), b"\x81\x05hello");

    let session = world.session(Who::User);
    world.upstream.at(
        "/events/row-28",
        std::sync::Arc::new(|turn| {
            let head =
                "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
            turn.wire.write(format!("{head}9\r\ndata: 1\n\n\r\n").as_bytes());
            // Nothing more comes: whoever waits for more before passing it on has nothing.
            while turn.wire.more().is_ok() {}
            After::Close
        }),
    );
    let mut events = Wire::connect(world.gate.public);
    events.write(&session.fill(b"GET /events/row-28 HTTP/1.1\r\nHost: app.test\r\n{session}\r\n"));
    while !events.pending().windows(9).any(|piece| piece == b"data: 1\n\n") {
        events.more().unwrap();
    }

    let mark = world.mark();
    let mut upload = Wire::connect(world.gate.public);
    let head = format!(
        "POST /upload/row-28 HTTP/1.1\r\nHost: app.test\r\nContent-Length: {LARGE}\r\n{{session}}\r\n"
    );
    upload.write(&session.fill(head.as_bytes()));
    upload.write(&vec![b'x'; LARGE]);
    assert_eq!(upload.answer(false).unwrap().status, 200);
    let seen = world.seen_since(mark).into_iter().find(|seen| seen.path() == "/upload/row-28").unwrap();
    assert!(seen.complete && seen.body.len() == LARGE, "{} bytes", seen.body.len());
}
