//! A store that is configured later, and one that is taken away again.

use std::time::Duration;

use super::{fetch, identity, keys, trips};
use crate::support::balancer::Balancer;
use crate::support::browser::Browser;
use crate::support::pool::Rotation;
use crate::support::replicas::{Kind, Replicas};
use crate::support::store::Server;
use crate::support::world::Setup;

#[test]
fn a_session_from_before_the_store_moves_in_at_its_refresh_and_costs_a_trip_when_the_store_is_gone() {
    let server = Server::start();
    let kind = Kind::on(&server);
    let house = Replicas::start(&Kind::Cookies, 2, Setup::bench());
    house.pool.rotate(Rotation::Grace(Duration::ZERO));
    let browser = house.signed_in("user", 0);

    let (house, mut browser) = restarted(house, &kind, browser);
    let mut late = browser.clone();
    let called = house.pool.grants("refresh_token");
    let answers: Vec<_> = std::thread::scope(|scope| {
        let asking = [0, 1].map(|gate| {
            let mut browser = browser.clone();
            scope.spawn(move || (fetch(&mut browser, gate, "/x"), browser))
        });
        asking.map(|asking| asking.join().unwrap()).into_iter().collect()
    });
    for (answer, after) in answers {
        assert_eq!(identity(&answer), ("user".into(), "user".into()), "{answer:#?}");
        browser = after;
    }
    assert_eq!(house.pool.grants("refresh_token") - called, 1, "one token call over both gates");
    assert_eq!(keys(&server, &kind, "s:").len(), 1);
    // The cookies from before lead there as well, at any time.
    for gate in 0..2 {
        assert_eq!(fetch(&mut late.clone(), gate, "/x").status, 200);
    }
    assert_eq!(fetch(&mut late, 1, "/x").status, 200);
    assert_eq!(house.pool.grants("refresh_token") - called, 1);

    // Due at once under the gates that know of no store any more.
    let due = house.signed_in("user", 0);
    let (house, mut due) = restarted(house, &Kind::Cookies, due);
    assert_eq!(trips(&house, &mut due), 1, "one silent trip");
    assert_eq!(trips(&house, &mut due), 0, "and no loop");
    // A pass that is fresh counts until then.
    let mut browser = moved(&house, browser);
    assert_eq!(fetch(&mut browser, 0, "/x").status, 200);
}

/// Other gates with the same keys, pool and upstream, and another kind of store.
fn restarted(house: Replicas, kind: &Kind, browser: Browser) -> (Replicas, Browser) {
    let Replicas { gates, pool, upstream, setup, .. } = house;
    drop(gates);
    let mut setup = setup;
    setup.session = match kind {
        Kind::Cookies => String::new(),
        Kind::Store(lines) => lines.clone(),
    };
    let start = |_| setup.try_start_with(&pool, &upstream).expect("a gate that starts");
    let gates: Vec<_> = (0..2).map(start).collect();
    let balancer = Balancer::start(gates.iter().map(|gate| gate.public).collect());
    let house = Replicas { gates: gates.into_iter().map(Some).collect(), pool, upstream, balancer, setup };
    let browser = moved(&house, browser);
    (house, browser)
}

/// The same browser, which finds the gates there.
fn moved(house: &Replicas, browser: Browser) -> Browser {
    let mut there = house.browser();
    (there.jar, there.signs_in_as) = (browser.jar, browser.signs_in_as);
    there
}
