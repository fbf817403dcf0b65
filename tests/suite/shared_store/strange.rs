//! A store whose contents somebody else has written to: what is not a session's own opens for nobody, and nobody is
//! signed out or taken for another by it.

use super::{fetch, identity, keys, once, prefix, trips};
use crate::support::browser::{Browser, Kind as Request};
use crate::support::replicas::{Kind, Replicas, is_store_outage};
use crate::support::store::{Server, eventually};
use crate::support::world::Setup;

#[test]
fn values_that_are_not_the_sessions_own_are_503_at_its_refresh_and_nobody_is_taken_for_another() {
    let server = Server::start();
    let kind = Kind::on(&server);
    let house = Replicas::start(&kind, 2, Setup::bench());
    let mut seen = vec![];
    let mut kept = |user: &str| {
        let browser = house.signed_in(user, 0);
        let key = keys(&server, &kind, "s:").into_iter().find(|key| !seen.contains(key)).unwrap();
        seen.push(key.clone());
        (browser, key)
    };
    let (mut user, users) = kept("user");
    let (mut admin, admins) = kept("admin");
    let swap = || {
        server.ask(&["RENAME", &users, "between"]);
        server.ask(&["RENAME", &admins, &users]);
        server.ask(&["RENAME", "between", &admins]);
    };
    swap();
    for browser in [&mut user, &mut admin] {
        is_refused(browser);
    }
    swap();
    goes_on(&mut user, "user", "user");
    goes_on(&mut admin, "admin", "admin,user");

    let shorten = "redis.call('SET', KEYS[1], string.sub(redis.call('GET', KEYS[1]), 1, -2))";
    let emptied = "redis.call('SET', KEYS[1], string.sub(redis.call('GET', KEYS[1]), 1, 20))";
    let list = "redis.call('DEL', KEYS[1]) redis.call('RPUSH', KEYS[1], 'x')";
    let garbage = "redis.call('SET', KEYS[1], 'garbage')";
    for script in [shorten, emptied, list, garbage] {
        let (mut browser, key) = kept("user");
        server.ask(&["COPY", &key, "copy", "REPLACE"]);
        server.try_ask(&["EVAL", script, "1", &key]).unwrap();
        is_refused(&mut browser);
        server.ask(&["COPY", "copy", &key, "REPLACE"]);
        goes_on(&mut browser, "user", "user");
    }
    assert_eq!(house.pool.grants("refresh_token"), 6, "the pool was asked for what opened alone");
}

#[test]
fn an_emptied_store_costs_a_silent_trip_and_who_signed_out_before_stays_out_at_a_new_gate_too() {
    let server = Server::start();
    let kind = Kind::on(&server);
    let house = Replicas::start(&kind, 2, Setup::bench());
    let mut due = house.signed_in("user", 0);
    let mut fresh = house.signed_in("admin", 3600);
    let mut leaving = house.signed_in("user", 3600);
    let mut copy = leaving.clone();
    assert_eq!(once(&mut leaving, Request::Navigate, 0, "/oauth2/signout").status, 302);
    eventually("all gates know who left", || (fetch(&mut copy, 1, "/x").status == 401).then_some(()));

    server.ask(&["FLUSHALL"]);
    let log = format!("{}log", prefix(&kind));
    eventually("the gates have written anew what was called off", || {
        (server.says(&["XLEN", &log]) != "0").then_some(())
    });
    assert_eq!(trips(&house, &mut due), 1, "one silent trip");
    assert_eq!(trips(&house, &mut due), 0, "and no loop");

    let gate = house.setup.try_start_with(&house.pool, &house.upstream).expect("a gate that starts");
    let at_it = |from: &Browser| {
        let mut there = Browser::new(gate.public);
        there.jar = from.jar.clone();
        there
    };
    assert_eq!(fetch(&mut at_it(&fresh), 0, "/x").status, 200);
    assert_eq!(fetch(&mut at_it(&copy), 0, "/x").status, 401, "it has heard who left");
    assert_eq!(fetch(&mut fresh, 0, "/x").status, 200);
}

#[test]
fn a_gate_that_stood_still_while_the_log_was_emptied_and_written_anew_misses_no_sign_out() {
    let server = Server::start();
    let kind = Kind::on(&server);
    let house = Replicas::start(&kind, 2, Setup::bench());
    let log = format!("{}log", prefix(&kind));
    let entries = |count: usize| {
        eventually("so much is in the log", || {
            (server.says(&["XLEN", &log]) == count.to_string()).then_some(())
        });
    };
    for _ in 0..EARLIER {
        signs_out(&house, house.signed_in("user", 3600));
    }
    let leaving: Vec<Browser> = (0..LEAVING).map(|_| house.signed_in("user", 3600)).collect();
    let mut copies = leaving.clone();
    entries(EARLIER);
    for copy in &mut copies {
        assert_eq!(fetch(copy, 1, "/x").status, 200);
    }

    let still = house.gates[1].as_ref().unwrap();
    still.signal("STOP");
    for mut browser in leaving {
        assert_eq!(once(&mut browser, Request::Navigate, 0, "/oauth2/signout").status, 302);
    }
    entries(EARLIER + LEAVING);
    server.ask(&["DEL", &log]);
    // In any order: some of those who left stand where the other gate has read already.
    entries(EARLIER + LEAVING);
    still.signal("CONT");
    for copy in &mut copies {
        eventually("whoever left counts no more", || (fetch(copy, 1, "/x").status == 401).then_some(()));
    }
}

#[test]
fn foreign_entries_in_the_log_call_nobody_off_and_keep_no_sign_out_from_being_heard() {
    let server = Server::start();
    let kind = Kind::on(&server);
    let house = Replicas::start(&kind, 2, Setup::bench());
    let mut staying = house.signed_in("admin", 3600);
    let log = format!("{}log", prefix(&kind));
    signs_out(&house, house.signed_in("user", 3600));
    // A real one under another number; then what no gate has ever written, in every shape that a stream takes.
    let copy = "local e = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1] \
                redis.call('XADD', KEYS[1], '7-0', 'e', e[2][2])";
    server.try_ask(&["EVAL", copy, "1", &log]).unwrap();
    for entry in [
        &["8-0", "e", "garbage"][..],
        &["9-0", "e", "\u{0}"],
        &["9-7", "e", "x"],
        &["10-0", "a", "b", "c", "d"],
        &["11-1", "e", "x"],
        &["*", "e", ""],
    ] {
        server.ask(&[&["XADD", &log], entry].concat());
    }
    signs_out(&house, house.signed_in("user", 3600));
    for gate in 0..2 {
        assert_eq!(fetch(&mut staying, gate, "/x").status, 200);
    }
    // A gate that begins now reads all of it.
    let gate = house.setup.try_start_with(&house.pool, &house.upstream).expect("a gate that starts");
    let mut there = Browser::new(gate.public);
    there.jar = staying.jar.clone();
    assert_eq!(fetch(&mut there, 0, "/x").status, 200);
}

#[test]
fn a_log_in_which_nothing_can_follow_lets_no_session_count_until_it_is_gone() {
    let server = Server::start();
    let kind = Kind::on(&server);
    let house = Replicas::start(&kind, 2, Setup::bench());
    let mut staying = house.signed_in("admin", 3600);
    let log = format!("{}log", prefix(&kind));
    server.ask(&["XADD", &log, "18446744073709551615-0", "e", "x"]);
    for gate in 0..2 {
        eventually("no sign-out could be told", || {
            is_store_outage(&once(&mut staying, Request::Fetch, gate, "/x")).then_some(())
        });
    }
    server.ask(&["DEL", &log]);
    for gate in 0..2 {
        eventually("it goes on", || {
            (once(&mut staying, Request::Fetch, gate, "/x").status == 200).then_some(())
        });
    }
    signs_out(&house, staying);
}

fn signs_out(house: &Replicas, mut browser: Browser) {
    let mut copy = browser.clone();
    assert_eq!(once(&mut browser, Request::Navigate, 0, "/oauth2/signout").status, 302);
    for gate in 0..house.gates.len() {
        eventually("a sign-out is heard", || (fetch(&mut copy, gate, "/x").status == 401).then_some(()));
    }
}

fn is_refused(browser: &mut Browser) {
    for gate in 0..2 {
        for kind in [Request::Fetch, Request::Navigate] {
            let answer = once(browser, kind, gate, "/x");
            assert!(is_store_outage(&answer), "{answer:#?}");
            assert!(answer.header("retry-after").is_some(), "{answer:#?}");
            assert!(answer.head.all("set-cookie").is_empty(), "{answer:#?}");
        }
    }
}

/// As who it was: what was found is at hand for a second.
fn goes_on(browser: &mut Browser, user: &str, roles: &str) {
    let answer = fetch(browser, 0, "/x");
    assert_eq!(answer.status, 200, "{answer:#?}");
    assert_eq!(identity(&answer), (user.into(), roles.into()));
}

/// Sign-outs that both gates have heard of, and those that one of them has not.
const EARLIER: usize = 4;
const LEAVING: usize = 4;
