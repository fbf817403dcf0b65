//! DOS-14: an upstream that hangs, and many who want something of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::corpus::{Case, case};
use crate::support::scrape::{Scrape, counts};
use crate::support::until;
use crate::support::upstream::{Behaviour, Recorder, answers_headers};
use crate::support::wire::{Answer, Wire};
use crate::support::world::{Setup, World};

const PLACES: usize = 4;
const QUEUE: usize = 3;

pub fn bench() -> World {
    Setup::bench()
        .limits(
            "upstream_connections = 4\nupstream_queue = 3\nupstream_queue_time = \"30s\"\n\
             response_timeout = \"60s\"\nbody_idle_timeout = \"60s\"",
        )
        .start()
}

pub fn cases() -> Vec<Case> {
    vec![
        case(&["DOS-14"], a_crowd_before_an_upstream_that_hangs_is_told_so_at_once),
        case(&["DOS-14"], |_| whoever_waits_too_long_is_told_so_and_other_upstreams_go_on()),
    ]
}

fn asks(world: &World, target: &str) -> Wire {
    let mut wire = Wire::connect(world.gate.public);
    wire.set_patience(Duration::from_secs(60));
    wire.write(format!("GET {target} HTTP/1.1\r\nHost: app.test\r\n\r\n").as_bytes());
    wire
}

fn is_busy(answer: &Answer) {
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("5")), "{answer:#?}");
    assert_eq!(answer.json()["error"], "upstream_busy", "{answer:#?}");
}

/// Hangs until it is let go, then answers.
fn hangs() -> (Behaviour, Arc<AtomicBool>) {
    let go = Arc::new(AtomicBool::new(false));
    let (gone, honest) = (go.clone(), answers_headers("", "at last"));
    let hangs: Behaviour = Arc::new(move |turn| {
        while !gone.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(5));
        }
        honest(turn)
    });
    (hangs, go)
}

fn a_crowd_before_an_upstream_that_hangs_is_told_so_at_once(world: &World) {
    let (behaviour, go) = hangs();
    world.upstream.at("/public/hangs", behaviour);
    let mark = world.mark();
    let mut served: Vec<_> = (0..PLACES).map(|_| asks(world, "/public/hangs")).collect();
    world.upstream.wait_for(mark.upstream, PLACES);
    served.extend((0..QUEUE).map(|_| asks(world, "/public/hangs")));
    until("they wait", || {
        (Scrape::of(&world.gate).get("rolegate_upstream_waiting") == QUEUE as f64).then_some(())
    });

    let busy = "upstream_faults reason=\"upstream_busy\" * 20";
    counts(&world.gate, &["upstream_faults"], &[busy], || {
        for mut wire in (0..20).map(|_| asks(world, "/public/hangs")).collect::<Vec<_>>() {
            is_busy(&wire.answer(false).unwrap());
        }
    });
    assert_eq!(world.seen_since(mark).len(), PLACES, "none of them reached the upstream");
    assert_eq!(asks(world, "/oauth2/nothing").answer(false).unwrap().status, 404, "the gate itself goes on");

    go.store(true, Ordering::SeqCst);
    for wire in &mut served {
        assert_eq!(wire.answer(false).unwrap().text(), "at last", "who waited is served");
    }
    assert_eq!(world.seen_since(mark).len(), PLACES + QUEUE);
    assert!(world.upstream.open() <= PLACES, "{} connections", world.upstream.open());
    assert_eq!(asks(world, "/public/x").answer(false).unwrap().status, 200);
}

fn whoever_waits_too_long_is_told_so_and_other_upstreams_go_on() {
    let other = Recorder::start();
    let rule =
        format!("[[rules]]\npath = \"/other/**\"\npublic = true\nupstream = \"http://{}\"", other.address);
    let limits = "upstream_connections = 1\nupstream_queue_time = \"200ms\"\nresponse_timeout = \"60s\"";
    let world = Setup::bench().rules(&rule).limits(limits).start();
    let (behaviour, go) = hangs();
    world.upstream.at("/public/hangs", behaviour);
    let mark = world.mark();
    let mut hanging = asks(&world, "/public/hangs");
    world.upstream.wait_for(mark.upstream, 1);
    for _ in 0..3 {
        is_busy(&asks(&world, "/public/x").answer(false).unwrap());
        assert_eq!(asks(&world, "/other/x").answer(false).unwrap().status, 200);
    }
    go.store(true, Ordering::SeqCst);
    assert_eq!(hanging.answer(false).unwrap().text(), "at last");
    until("its place is free", || {
        (asks(&world, "/public/x").answer(false).unwrap().status == 200).then_some(())
    });
}
