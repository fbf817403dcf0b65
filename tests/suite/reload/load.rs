//! Many reloads under load: no request is lost, and none is decided by parts of two configurations.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::*;
use crate::support::upstream::Recorder;
use crate::support::world::Session;

const RELOADS: usize = 1_000;

#[test]
fn many_reloads_under_load_lose_nothing_and_mix_nothing() {
    let second = Recorder::start();
    let setup = Setup::bench().top("pass_host = false").tables("[identity]\nuser_headers = [\"X-Of-One\"]\n");
    let world = setup.start();
    let one = std::fs::read_to_string(file(&world.gate)).unwrap();
    let addresses = [world.upstream.address, second.address].map(|address| address.to_string());
    let two = one.replace(&addresses[0], &addresses[1]).replace("X-Of-One", "X-Of-Two");
    assert_ne!(one, two);
    let session = world.session(Who::User);
    let stop = AtomicBool::new(false);
    let answered = AtomicUsize::new(0);
    let (of_one, of_two) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let mut wire = wire(&world.gate);
                while !stop.load(Ordering::SeqCst) {
                    let (host, header) = asked(&mut wire, &session);
                    let which = addresses.iter().position(|address| *address == host);
                    let told = ["x-of-one", "x-of-two"].iter().position(|name| *name == header);
                    assert!(which.is_some() && which == told, "{host} was told {header}");
                    [&of_one, &of_two][which.unwrap()].fetch_add(1, Ordering::SeqCst);
                    answered.fetch_add(1, Ordering::SeqCst);
                    std::thread::sleep(Duration::from_millis(2));
                }
            });
        }
        let reloading = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for round in 0..RELOADS {
                let before = answered.load(Ordering::SeqCst);
                reload(&world.gate, |_| if round % 2 == 0 { two.clone() } else { one.clone() });
                // Somebody is answered by each; where all have failed nobody waits.
                let end = Instant::now() + PATIENCE;
                while answered.load(Ordering::SeqCst) == before && Instant::now() < end {
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
        }));
        stop.store(true, Ordering::SeqCst);
        reloading.unwrap();
    });
    assert!(of_one.into_inner() > 0 && of_two.into_inner() > 0);
    assert_eq!(count(&world.gate, "configuration", "taken"), RELOADS);
    assert_eq!(world.gate.stderr().all().matches("panicked").count(), 0);
}

/// One more request on this connection: which upstream answered, and by which name it was told who asks.
fn asked(wire: &mut Wire, session: &Session) -> (String, String) {
    assert!(wire.write(&session.fill(get("/x").as_bytes())), "the gate closed a connection");
    let answer = wire.answer(false).unwrap_or_else(|ended| panic!("a request was lost: {ended:?}"));
    assert_eq!(answer.status, 200, "{answer:#?}");
    assert!(!answer.closes(), "{answer:#?}");
    let seen = answer.json();
    let headers: Vec<(String, String)> = serde_json::from_value(seen["headers"].clone()).unwrap();
    let host = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("host")).unwrap().1.clone();
    let told: Vec<_> = headers.iter().filter(|(name, _)| name.to_lowercase().starts_with("x-of-")).collect();
    assert_eq!(told.len(), 1, "{headers:?}");
    (host, told[0].0.to_lowercase())
}
