//! A store that is configured later, and one that is taken away again.

use std::time::Duration;

use super::{fetch, identity, keys, once, trips};
use crate::support::balancer::Balancer;
use crate::support::browser::{Browser, Kind as Request};
use crate::support::pool::{Endpoint, Reply, Rotation};
use crate::support::replicas::{Kind, Replicas};
use crate::support::store::{Server, eventually};
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

#[test]
fn what_the_pool_gave_a_session_that_moves_in_is_written_when_the_store_is_back() {
    let mut server = Server::start();
    let kind = Kind::on(&server);
    let house = Replicas::start(&Kind::Cookies, 2, Setup::bench());
    let browser = house.signed_in("user", 0);
    let (house, mut browser) = restarted(house, &kind, browser);
    house.pool.rotate(Rotation::Grace(Duration::ZERO));
    let mut late = browser.clone();
    let asked = house.pool.count(Endpoint::Token);
    house.pool.script_once(Endpoint::Token, Reply::Withheld(Duration::from_millis(500)));
    std::thread::scope(|scope| {
        let flight = scope.spawn(|| once(&mut browser, Request::Fetch, 0, "/x"));
        house.pool.wait_for(Endpoint::Token, asked + 1);
        server.kill();
        let answer = flight.join().unwrap();
        assert_eq!(answer.status, 200, "{answer:#?}");
    });
    server.restart();
    eventually("it is written", || (keys(&server, &kind, "s:").len() == 1).then_some(()));
    let answer = fetch(&mut late, 1, "/x");
    assert_eq!((answer.status, house.pool.grants("refresh_token")), (200, 1), "{answer:#?}");
}
