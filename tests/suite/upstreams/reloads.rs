//! A configuration that adds and takes away addresses while requests are under way.

use std::sync::atomic::AtomicBool;

use super::*;
use crate::reload::reload;

#[test]
fn an_address_comes_and_goes_and_no_request_is_lost() {
    let recorders = [(); 3].map(|()| Recorder::start());
    let addresses = recorders.each_ref().map(at);
    let world = app(&addresses[..2], "").start();
    let list = |addresses: &[String]| format!("addresses = {addresses:?}");
    let (stop, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let mut wire = wire(&world);
                while !stop.load(Ordering::SeqCst) {
                    well(&mut wire);
                    answered.fetch_add(1, Ordering::SeqCst);
                    std::thread::sleep(Duration::from_millis(1));
                }
            });
        }
        let reloading = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for round in 0..20 {
                let (now, next) = match round % 2 {
                    0 => (list(&addresses[..2]), list(&addresses[1..])),
                    _ => (list(&addresses[1..]), list(&addresses[..2])),
                };
                reload(&world.gate, |text| text.replace(&now, &next));
                let before = answered.load(Ordering::SeqCst);
                until("requests are answered", || {
                    (answered.load(Ordering::SeqCst) > before + 3).then_some(())
                });
            }
        }));
        stop.store(true, Ordering::SeqCst);
        reloading.unwrap();
    });
    assert!(recorders.iter().all(|recorder| recorder.count() > 0));
    let seen: usize = recorders.iter().map(Recorder::count).sum();
    assert_eq!(seen, answered.into_inner());
    let text = world.gate.admin("/metrics").text();
    assert!(!text.contains("rolegate_upstream_faults_total{"), "{text}");
    shows(&world, &addresses[0], 1, 0);
    let gone = format!("rolegate_upstream_addresses{{upstream=\"app\",address=\"{}\"", addresses[2]);
    assert!(!text.contains(&gone), "{text}");
}

#[test]
fn who_is_left_out_stays_so_and_connections_stay_open_when_something_else_changes() {
    let [resets, answers] = [(); 2].map(|()| Recorder::start());
    resets.behave(upstream::closes_after_head());
    let addresses = [at(&resets), at(&answers)];
    let setup = app(&addresses, "max_fails = 1\neject_time = \"10m\"").top("workers = 1");
    let world = setup.limits("upstream_idle = \"60s\"").start();
    let mut wire = wire(&world);
    let statuses = [(); 3].map(|()| get(&mut wire, "/public/x").status);
    assert_eq!(statuses.iter().filter(|status| **status == 502).count(), 1, "{statuses:?}");
    shows(&world, &addresses[0], 0, 1);
    let (connections, before) = (answers.connections(), resets.count());
    reload(&world.gate, |text| format!("{text}\n[[rules]]\npath = \"/ledger/**\"\nany_role = [\"admin\"]\n"));
    for _ in 0..10 {
        well(&mut wire);
    }
    assert_eq!((resets.count(), answers.connections()), (before, connections));
    shows(&world, &addresses[0], 0, 1);
}

#[test]
fn what_is_taken_away_is_checked_no_more() {
    let recorders = [(); 2].map(|()| Recorder::start());
    let addresses = recorders.each_ref().map(at);
    let check = "[upstreams.check]\npath = \"/up\"\ninterval = \"100ms\"\n";
    let world = app(&addresses, check).start();
    until("both are checked", || recorders.iter().all(|recorder| recorder.count() > 1).then_some(()));
    let (both, one) = (format!("{addresses:?}"), format!("{:?}", &addresses[1..]));
    reload(&world.gate, |text| text.replace(&both, &one));
    // A check that was under way ends with what it belonged to.
    until("its last check is over", || (recorders[0].open() == 0).then_some(()));
    let before = recorders.each_ref().map(Recorder::count);
    until("the other is still checked", || (recorders[1].count() > before[1] + 5).then_some(()));
    std::thread::sleep(SOME_TIMES);
    assert!(recorders[0].count() <= before[0] + 1, "{} after {}", recorders[0].count(), before[0]);
}
