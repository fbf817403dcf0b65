//! The scenarios of several gates, where they share a store: one token call over all of them, nobody sent to the pool.

use std::time::{Duration, Instant};

use super::{fetch, once, over_tls};
use crate::login::wait_until_due;
use crate::refresh::ROTATIONS;
use crate::replicas::{
    answers_out_of_order, killed_in_the_middle, late_at_another_gate, parallel_requests,
    tabs_that_load_for_a_while,
};
use crate::support::browser::Kind as Request;
use crate::support::pool::{Endpoint, Reply, Rotation};
use crate::support::replicas::{Kind, Replicas, is_store_outage};
use crate::support::store::{Nodes, Server, Watched};
use crate::support::world::Setup;

const NO_GRACE: Rotation = Rotation::Grace(Duration::ZERO);

#[test]
fn with_a_store_parallel_requests_at_the_moment_of_a_refresh_are_one_token_call_over_all_gates() {
    for_each(parallel_requests);
}

#[test]
fn with_a_store_answers_out_of_order_send_nobody_to_the_pool() {
    for_each(answers_out_of_order);
}

#[test]
fn with_a_store_a_gate_killed_in_the_middle_of_a_refresh_signs_nobody_out_where_the_pool_has_a_grace() {
    for_each(killed_in_the_middle);
}

#[test]
fn with_a_store_a_late_request_at_another_gate_is_served_from_the_same_token_call() {
    for_each(late_at_another_gate);
}

#[test]
fn with_a_store_tabs_that_load_for_a_while_are_never_sent_to_the_pool() {
    for_each(tabs_that_load_for_a_while);
}

#[test]
fn over_tls_behind_sentinels_and_in_a_cluster_it_is_one_token_call_as_well() {
    let (tls, watched, nodes) = (Server::with_tls("good", false), Watched::start(), Nodes::start());
    for kind in [over_tls(&tls), Kind::at(&watched.lines()), Kind::at(&nodes.lines())] {
        parallel_requests(&kind, 2, NO_GRACE);
    }
}

/// Two gates with each rotation, and three; on one server, beside each other: they wait more than they work.
fn for_each(scenario: impl Fn(&Kind, usize, Rotation) + Sync) {
    let server = Server::start();
    let (server, scenario) = (&server, &scenario);
    std::thread::scope(|scope| {
        for rotation in ROTATIONS {
            scope.spawn(move || scenario(&Kind::on(server), 2, rotation));
        }
        scope.spawn(move || scenario(&Kind::on(server), 3, NO_GRACE));
    });
}

#[test]
fn a_gate_that_stood_still_over_its_turn_takes_what_another_made_of_it_and_gives_nothing_back() {
    let server = Server::start();
    let house = Replicas::start(&Kind::on(&server), 2, Setup::bench().session("max_role_age = \"2s\""));
    let mut browser = house.signed_in("user", 0);
    let mut late = browser.clone();
    let asked = house.pool.count(Endpoint::Token);
    house.pool.script_once(Endpoint::Token, Reply::Withheld(Duration::from_millis(500)));
    std::thread::scope(|scope| {
        let slow = house.gates[0].as_ref().unwrap();
        let flight = scope.spawn(|| once(&mut late, Request::Fetch, 0, "/x"));
        house.pool.wait_for(Endpoint::Token, asked + 1);
        slow.signal("STOP");
        let answer = fetch(&mut browser, 1, "/x");
        slow.signal("CONT");
        assert_eq!(answer.status, 200, "once its turn was over: {answer:#?}");
        let answer = flight.join().unwrap();
        assert!(answer.status == 200 || is_store_outage(&answer), "{answer:#?}");
    });
    // The app client does not rotate: what both were given is one and the same.
    wait_until_due(Instant::now());
    for gate in [1, 0] {
        let answer = fetch(&mut browser, gate, "/x");
        assert_eq!(answer.status, 200, "{answer:#?}");
    }
    assert_eq!(house.pool.revoked(), Vec::<String>::new());
}
