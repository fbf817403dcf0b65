//! What holds whatever keeps the sessions: the browser alone, or a store of any kind.

use std::sync::Barrier;
use std::time::{Duration, Instant};

use super::{fetch, identity, once, over_tls};
use crate::cookies::PASS;
use crate::key_roll::{roll, sealed_by};
use crate::login::wait_until_due;
use crate::support::browser::{Browser, Kind as Request};
use crate::support::gate::Gate;
use crate::support::pool::{Endpoint, Reply, Rotation, User};
use crate::support::replicas::{Kind, Replicas};
use crate::support::store::{Nodes, Server, Watched, eventually};
use crate::support::token::random;
use crate::support::world::Setup;

#[test]
fn every_fact_of_a_session_holds_with_cookies_alone() {
    hold(&|| Kind::Cookies, 1);
}

#[test]
fn every_fact_of_a_session_holds_on_a_single_server() {
    let server = Server::start();
    hold(&|| Kind::on(&server), 2);
}

#[test]
fn every_fact_of_a_session_holds_over_tls() {
    let server = Server::with_tls("good", false);
    hold(&|| over_tls(&server), 2);
}

#[test]
fn every_fact_of_a_session_holds_behind_sentinels() {
    let watched = Watched::start();
    hold(&|| Kind::at(&watched.lines()), 2);
}

#[test]
fn every_fact_of_a_session_holds_in_a_cluster() {
    let nodes = Nodes::start();
    hold(&|| Kind::at(&nodes.lines()), 2);
}

/// A deployment for each fact's needs, beside each other: they wait more than they work.
fn hold(kind: &(dyn Fn() -> Kind + Sync), gates: usize) {
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let house = Replicas::start(&kind(), gates, Setup::bench());
            house.pool.rotate(Rotation::Grace(Duration::ZERO));
            many_requests_at_the_refresh_are_one_token_call_and_a_late_cookie_is_served_from_it(&house);
            a_hundred_long_groups_fit(&house);
            a_sign_out_counts_and_a_refresh_in_flight_does_not_undo_it(&house);
            what_the_pool_revokes_ends_at_the_next_refresh(&house);
        });
        scope.spawn(move || {
            let house = Replicas::start(&kind(), gates, Setup::bench().session("max_role_age = \"2s\""));
            a_role_that_is_taken_away_is_gone(&house);
            keys_roll_and_everyone_goes_on(&house);
        });
        scope.spawn(move || {
            let house = Replicas::start(&kind(), gates, Setup::bench().session("max_age = \"5s\""));
            a_session_ends_with_its_age(&house);
        });
    });
}

fn many_requests_at_the_refresh_are_one_token_call_and_a_late_cookie_is_served_from_it(house: &Replicas) {
    let mut old = house.signed_in("user", 0);
    let called = house.pool.grants("refresh_token");
    house.pool.script_once(Endpoint::Token, Reply::Late(Duration::from_millis(300)));
    let barrier = Barrier::new(50);
    std::thread::scope(|scope| {
        for at in 0..50 {
            let (mut browser, barrier) = (old.clone(), &barrier);
            scope.spawn(move || {
                barrier.wait();
                let answer = fetch(&mut browser, at % house.gates.len(), "/x");
                assert_eq!(answer.status, 200, "{answer:#?}");
                assert_eq!(identity(&answer), ("user".into(), "user".into()));
            });
        }
    });
    assert_eq!(house.pool.grants("refresh_token") - called, 1, "one token call over all gates");
    let late = fetch(&mut old, house.gates.len() - 1, "/x");
    assert_eq!(late.status, 200, "{late:#?}");
    let next = fetch(&mut old, 0, "/x");
    assert!(next.status == 200 && next.head.all("set-cookie").is_empty(), "{next:#?}");
    assert_eq!(house.pool.grants("refresh_token") - called, 1, "the late one is served from it");
}

fn a_hundred_long_groups_fit(house: &Replicas) {
    let mut groups: Vec<String> = (0..99).map(|at| format!("group-{at:03}-{}", "x".repeat(23))).collect();
    groups.push("user".into());
    let names: Vec<&str> = groups.iter().map(String::as_str).collect();
    house.pool.user(User::new("large", &names));
    let mut browser = house.signed_in("large", 0);
    for gate in 0..house.gates.len() {
        let answer = fetch(&mut browser, gate, "/x");
        assert_eq!(answer.status, 200, "{answer:#?}");
        assert_eq!(identity(&answer).1.split(',').count(), 100);
    }
}

fn a_sign_out_counts_and_a_refresh_in_flight_does_not_undo_it(house: &Replicas) {
    let last = house.gates.len() - 1;
    let mut browser = house.signed_in("user", 0);
    let mut in_flight = browser.clone();
    let asked = house.pool.count(Endpoint::Token);
    house.pool.script_once(Endpoint::Token, Reply::Late(Duration::from_millis(1500)));
    std::thread::scope(|scope| {
        let flight = scope.spawn(|| {
            fetch(&mut in_flight, 0, "/x");
            in_flight
        });
        house.pool.wait_for(Endpoint::Token, asked + 1);
        assert_eq!(once(&mut browser, Request::Navigate, last, "/oauth2/signout").status, 302);
        // With whatever its answer brought.
        let mut in_flight = flight.join().unwrap();
        for gate in 0..house.gates.len() {
            is_out(&mut in_flight, gate);
        }
        // And so it stays.
        is_out(&mut in_flight, last);
    });
}

fn what_the_pool_revokes_ends_at_the_next_refresh(house: &Replicas) {
    let mut browser = house.signed_in("user", 0);
    house.pool.revoke_all();
    for gate in 0..house.gates.len() {
        let answer = fetch(&mut browser, gate, "/x");
        assert_eq!(answer.status, 401, "{answer:#?}");
        assert!(answer.head.all("set-cookie").is_empty(), "no cookie is deleted: {answer:#?}");
    }
}

fn a_role_that_is_taken_away_is_gone(house: &Replicas) {
    let mut browser = house.signed_in("admin", 3600);
    assert_eq!(fetch(&mut browser, 0, "/admin").status, 200);
    house.pool.user(User::new("admin", &["user"]));
    wait_until_due(Instant::now());
    let answer = fetch(&mut browser, house.gates.len() - 1, "/admin");
    assert_eq!(answer.status, 403, "{answer:#?}");
    assert_eq!(identity(&fetch(&mut browser, 0, "/x")), ("admin".into(), "user".into()));
}

fn keys_roll_and_everyone_goes_on(house: &Replicas) {
    let mut browser = house.signed_in("user", 3600);
    let before = sealed_by(&browser.jar, PASS);
    let (old, new) = (house.setup.keys.clone(), random(32));
    for keys in [format!("{old}\n{new}"), format!("{new}\n{old}"), new.clone()] {
        for gate in house.gates.iter().flatten() {
            roll(gate, &keys);
        }
        // A refresh each time: what the store keeps is not sealed with these.
        wait_until_due(Instant::now());
        for gate in 0..house.gates.len() {
            let answer = fetch(&mut browser, gate, "/x");
            assert_eq!(answer.status, 200, "{answer:#?}");
        }
    }
    assert_ne!(sealed_by(&browser.jar, PASS), before, "it is sealed anew");
    let mut copy = browser.clone();
    assert_eq!(once(&mut browser, Request::Navigate, 0, "/oauth2/signout").status, 302);
    is_out(&mut copy, house.gates.len() - 1);
}

fn a_session_ends_with_its_age(house: &Replicas) {
    let begun = Instant::now();
    let mut browser = house.signed_in("user", 3600);
    let answer = fetch(&mut browser, 0, "/x");
    assert!(answer.status == 200 || begun.elapsed() > Duration::from_secs(4), "{answer:#?}");
    is_out(&mut browser, house.gates.len() - 1);
    assert!(begun.elapsed() >= Duration::from_secs(4), "it ended after {:?}", begun.elapsed());
}

fn is_out(browser: &mut Browser, gate: usize) {
    eventually("it counts no more", || (fetch(browser, gate, "/x").status == 401).then_some(()));
}

#[test]
fn a_gate_is_not_ready_before_it_has_heard_its_store() {
    let mut server = Server::start();
    server.kill();
    let Kind::Store(lines) = Kind::on(&server) else { unreachable!() };
    let world = Setup::bench().session(&lines).unready().start();
    let told = |gate: &Gate| {
        let answer = gate.admin("/readyz");
        (answer.status, answer.text().contains("session.store"))
    };
    eventually("the pool is not what it waits for", || (told(&world.gate) == (503, true)).then_some(()));
    assert_eq!(world.gate.admin("/livez").status, 200);
    server.restart();
    eventually("it has heard the store", || (told(&world.gate) == (200, false)).then_some(()));
}

#[test]
fn a_request_with_a_fresh_pass_sends_the_store_nothing() {
    let server = Server::start();
    let house = Replicas::start(&Kind::on(&server), 1, Setup::bench());
    let mut browser = house.signed_in("user", 3600);
    assert_eq!(fetch(&mut browser, 0, "/x").status, 200);
    // What following the log asks, whether or not anyone comes.
    let begun = Instant::now();
    let before = commands(&server);
    for _ in 0..200 {
        let answer = fetch(&mut browser, 0, "/x");
        assert!(answer.status == 200 && answer.head.all("set-cookie").is_empty(), "{answer:#?}");
    }
    let asked: Vec<(String, i64)> = commands(&server)
        .into_iter()
        .map(|(name, calls)| {
            let known = before.iter().find(|(known, _)| *known == name).map_or(0, |(_, calls)| *calls);
            (name, calls - known)
        })
        .filter(|(_, calls)| *calls > 0)
        .collect();
    // Twice a second at most, and connections are looked after; a machine that stood still makes it faulty once.
    let rounds = 20 + 4 * i64::try_from(begun.elapsed().as_secs()).unwrap();
    let of_the_log = ["xread", "evalsha", "eval", "exists", "xinfo|stream", "xinfo", "info", "ping"];
    for (name, calls) in &asked {
        let own = ["hello", "auth", "client|setinfo", "client|setname", "select", "role", "cluster|slots"];
        assert!(of_the_log.contains(&name.as_str()) || own.contains(&name.as_str()), "{asked:?}");
        assert!(*calls < rounds.min(200), "{name}: as many as requests: {asked:?}");
    }
}

/// How often the server was asked what.
fn commands(server: &Server) -> Vec<(String, i64)> {
    let said = server.says(&["INFO", "commandstats"]);
    let lines = said.lines().filter_map(|line| line.strip_prefix("cmdstat_")?.split_once(":calls="));
    lines.map(|(name, rest)| (name.to_owned(), rest.split(',').next().unwrap().parse().unwrap())).collect()
}
