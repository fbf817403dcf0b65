//! What the whole is for, row by row: each `row_NN_…` is one promise, shown by the real gate and, where the promise
//! is about what Cognito says of a person, by the dev pool with real triggers in front of it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, Weak};

use crate::support::browser::Browser;
use crate::support::upstream::{Mark, Recorder, Seen};
use crate::support::wire::{Answer, Wire};
use crate::support::world::World;

mod answers;
mod claims;
mod houses;
pub mod keys_of_rules;
mod manuals;
mod people;
mod refresh;
mod running;
mod sizes;
mod slashes;
pub mod step_up;
mod streaming;

/// What tests share while any of them runs: the process ends with the last of them.
type Shared<T> = Mutex<Weak<T>>;

fn shared<T>(slot: &Shared<T>, make: impl FnOnce() -> T) -> Arc<T> {
    let mut slot = slot.lock().unwrap();
    slot.upgrade().unwrap_or_else(|| {
        let made = Arc::new(make());
        *slot = Arc::downgrade(&made);
        made
    })
}

/// A script's GET, its target byte for byte as it stands here.
fn raw(gate: SocketAddr, host: &str, cookies: &str, target: &str, lines: &str) -> Answer {
    let mut wire = Wire::connect(gate);
    let cookies = if cookies.is_empty() { String::new() } else { format!("Cookie: {cookies}\r\n") };
    wire.write(
        format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n{cookies}{lines}Connection: close\r\n\r\n")
            .as_bytes(),
    );
    wire.answer(false).unwrap_or_else(|ended| panic!("GET {target}: no answer but {ended:?}"))
}

/// The same in a world, with this browser's cookies.
fn ask(world: &World, browser: &Browser, target: &str, lines: &str) -> Answer {
    raw(world.gate.public, "app.test", &browser.cookies("/"), target, lines)
}

/// What the upstream has seen of this path so far. No two tests ask for the same one.
fn seen(upstream: &Recorder, path: &str) -> Vec<Seen> {
    let all = upstream.since(Mark::default());
    all.into_iter().filter(|seen| seen.path() == path).collect()
}

/// The one request for this path that the upstream has seen.
fn one_seen(upstream: &Recorder, path: &str) -> Seen {
    let mut found = seen(upstream, path);
    assert_eq!(found.len(), 1, "{path}: {found:#?}");
    found.remove(0)
}

/// X-User and X-Roles of the one request for this path.
fn identity(upstream: &Recorder, path: &str) -> (String, String) {
    let found = crate::support::world::identity_seen(&one_seen(upstream, path));
    found.unwrap().unwrap_or_else(|| panic!("no identity at {path}"))
}
