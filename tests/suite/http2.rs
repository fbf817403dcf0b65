//! Section E: HTTP/2 on the front. What holds of HTTP/1.1 holds here, and what only HTTP/2 can do wrong is refused.

use std::time::{Duration, Instant};

use crate::corpus::{Case, case};
use crate::support::http2::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, HEADERS, Http2, NO_ERROR, Outcome,
    PADDED, PING, PREFACE, PRIORITY, PROTOCOL_ERROR, RST_STREAM, SETTINGS, WINDOW_UPDATE, block, frame, get,
    request,
};
use crate::support::upstream::{self, After, Behaviour, Seen};
use crate::support::wire::{Framing, Wire, latin1};
use crate::support::world::{EVERYBODY, Mark, Setup, Who, World};

mod clients;
mod floods;
mod front;
mod heads;

/// The bench, to clients that know beforehand; what is told of TLS alone is in [`front`].
pub fn bench() -> World {
    setup().start()
}

pub fn setup() -> Setup {
    Setup::bench().top("http2_cleartext = true")
}

pub fn cases() -> Vec<Case> {
    let mut cases = heads::cases();
    cases.extend(floods::cases());
    cases.extend(front::cases());
    cases
}

/// The lines of a session, as HTTP/2 writes them, and what tells its requests from others'.
fn lines(world: &World, who: Who) -> Vec<(String, String)> {
    let text = latin1(&world.fill(&world.session(who), "{session}"));
    let lines = text.lines().filter_map(|line| line.split_once(": "));
    lines.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect()
}

/// What the upstream saw of these lines' requests: one that was given up may come to light in a later case.
fn seen_of(world: &World, mark: Mark, own: &[(String, String)]) -> Vec<Seen> {
    let case = own.iter().find(|(name, _)| name == "x-case").map(|(_, case)| case.as_str());
    let mut seen = world.seen_since(mark);
    seen.retain(|seen| seen.head.one("x-case") == case);
    seen
}

/// Something harmless gets its own answer on this connection.
fn goes_on(http2: &mut Http2) {
    let answer = http2.ask(&get("/public/after", &[]));
    assert_eq!((answer.status(), answer.json()["target"].as_str()), (200, Some("/public/after")));
}
