//! Limits on how many connections there are and on what a request may bring: one too many is refused at once, is counted
//! and told, and nobody else is.

use std::io::Write;
use std::net::TcpStream;

use crate::support::http2::{Http2, get};
use crate::support::scrape::{becomes, counts};
use crate::support::wire::{Ended, Wire};
use crate::support::world::{Setup, World};
use crate::support::{until, upstream};

const REFUSED: &[&str] = &["connections_refused"];
const BY_ADDRESS: &str = "connections_refused reason=\"connections_per_address\"";
const BY_ALL: &str = "connections_refused reason=\"connections\"";

fn serves(wire: &mut Wire) -> Result<u16, Ended> {
    wire.write(b"GET /public/x HTTP/1.1\r\nHost: app.test\r\n\r\n");
    wire.answer(false).map(|answer| answer.status)
}

/// Connections that are each served, and then stay.
fn held(world: &World, count: usize) -> Vec<Wire> {
    let connect = |_| {
        let mut wire = Wire::connect(world.gate.public);
        assert_eq!(serves(&mut wire), Ok(200));
        wire
    };
    (0..count).map(connect).collect()
}

/// Another connection's answer; its end may come before the connection is known to be there.
fn another(world: &World) -> Result<u16, Ended> {
    let mut wire = Wire::over(TcpStream::connect(world.gate.public).map_err(|_| Ended::Closed)?);
    serves(&mut wire)
}

#[test]
fn one_address_and_all_together_have_so_many_connections_and_no_more() {
    for (limit, refused) in [("connections_per_address = 5", BY_ADDRESS), ("connections = 5", BY_ALL)] {
        let world = Setup::bench().limits(limit).start();
        let mut held = held(&world, 5);
        counts(&world.gate, REFUSED, &[refused], || assert_eq!(another(&world), Err(Ended::Closed)));
        for wire in &mut held {
            assert_eq!(serves(wire), Ok(200), "who is in stays in");
        }
        for _ in 0..20 {
            assert_eq!(another(&world), Err(Ended::Closed));
        }
        let key = limit.split(' ').next().unwrap();
        let is_told = |line: &str| line.contains("connections were refused").then_some(());
        world.gate.stderr().wait(is_told).expect("a line in the log");
        let lines = world.gate.stderr().all();
        let told: Vec<_> = lines.lines().filter(|line| line.contains("connections were refused")).collect();
        assert!(told[0].contains(&format!("limits.{key}\"")) && told[0].contains("127.0.0.1"), "{told:?}");
        assert!(told.len() < 5, "{told:?}");
        held.pop();
        until("who has left makes room", || another(&world).is_ok().then_some(()));
    }
}

#[test]
fn what_one_address_asks_for_at_once_over_http_2_counts_as_its_connections() {
    let world = Setup::bench().top("http2_cleartext = true").limits("connections_per_address = 4").start();
    world.upstream.at("/public/stall", upstream::stalls_after_head());
    let mut http2 = Http2::connect(world.gate.public);
    // The connection, and three more beside the first.
    for _ in 0..4 {
        http2.begin(&get("/public/stall", &[]), true);
    }
    until("they are under way", || (world.upstream.open() == 4).then_some(()));
    let refused = http2.ask(&get("/public/x", &[]));
    assert_eq!((refused.status(), refused.json()["error"].as_str()), (503, Some("crowded")), "{refused:?}");
    assert!(refused.header("retry-after").is_some(), "{refused:?}");
    assert_eq!(another(&world), Err(Ended::Closed), "nor is there a connection more");
    drop(http2);
    until("who has left makes room", || another(&world).is_ok().then_some(()));
}

#[test]
fn a_trusted_proxy_brings_as_many_as_there_are() {
    let world = Setup::bench()
        .limits("connections_per_address = 2")
        .top("trusted_proxies = [\"127.0.0.1/32\"]")
        .start();
    counts(&world.gate, REFUSED, &[], || held(&world, 8));
}

#[test]
fn whom_a_balancer_names_is_counted_and_a_subscriber_of_ipv6_as_one() {
    let world = Setup::bench()
        .limits("connections_per_address = 2")
        .top("trusted_proxies = [\"127.0.0.1/32\"]\nproxy_protocol = true")
        .start();
    let named = |line: &str| {
        let mut stream = TcpStream::connect(world.gate.public).unwrap();
        stream.write_all(format!("PROXY {line}\r\n").as_bytes()).unwrap();
        Wire::over(stream)
    };
    let mut held = vec![];
    for (line, served) in [
        ("TCP4 192.0.2.1 192.0.2.9 4000 443", true),
        ("TCP4 192.0.2.1 192.0.2.9 4001 443", true),
        ("TCP4 192.0.2.1 192.0.2.9 4002 443", false),
        ("TCP4 192.0.2.2 192.0.2.9 4000 443", true),
        ("TCP6 2001:db8::1 2001:db8::9 4000 443", true),
        ("TCP6 2001:db8::2 2001:db8::9 4000 443", true),
        ("TCP6 2001:db8::ffff:3 2001:db8::9 4000 443", false),
        ("TCP6 2001:db8:0:1::1 2001:db8::9 4000 443", true),
        // A balancer's own: health checks.
        ("UNKNOWN", true),
        ("UNKNOWN", true),
        ("UNKNOWN", true),
    ] {
        let mut wire = named(line);
        let answered = serves(&mut wire);
        if served {
            // Nobody is spoken for, and nobody's address decides here.
            assert!(answered.is_ok(), "{line}: {answered:?}");
        } else {
            assert_eq!(answered, Err(Ended::Closed), "{line}");
        }
        held.push(wire);
    }
    becomes(&world.gate, "rolegate_connections_refused_total{reason=\"connections_per_address\"}", 2.0);
}

#[test]
fn a_body_that_is_too_large_is_refused_before_the_upstream_has_more_of_it_than_may_be() {
    let world = Setup::bench().limits("body = 10").start();
    let answer = |framing: &str, body: &str| {
        let mut wire = Wire::connect(world.gate.public);
        let head = format!("POST /public/x HTTP/1.1\r\nHost: app.test\r\n{framing}\r\n\r\n");
        wire.write((head + body).as_bytes());
        let answer = wire.answer(false).unwrap();
        assert!(answer.interim.is_empty(), "{answer:?}");
        assert_eq!(answer.closes(), answer.status == 413, "{answer:?}");
        (answer.status, answer.text())
    };
    let fits = [
        ("Content-Length: 10", "0123456789"),
        ("Transfer-Encoding: chunked", "a\r\n0123456789\r\n0\r\n\r\n"),
    ];
    for (framing, body) in fits {
        let mark = world.mark();
        assert_eq!(answer(framing, body).0, 200);
        assert_eq!(world.seen_since(mark)[0].body, b"0123456789");
    }
    let told = [
        ("Content-Length: 11", "01234567890"),
        ("Content-Length: 1000000000000", ""),
        ("Content-Length: 11\r\nExpect: 100-continue", ""),
    ];
    let mark = world.mark();
    for (framing, body) in told {
        let (status, text) = answer(framing, body);
        assert!(status == 413 && text.contains("request_body_too_large"), "{framing}: {status} {text}");
    }
    assert!(world.seen_since(mark).is_empty(), "its length says it");
    let mark = world.mark();
    let untold = "5\r\n01234\r\n5\r\n56789\r\n1\r\n0\r\n0\r\n\r\n";
    assert_eq!(answer("Transfer-Encoding: chunked", untold).0, 413);
    for seen in world.upstream.wait_for(mark.upstream, 1) {
        assert!(seen.body.len() <= 10 && !seen.complete, "{seen:?}");
    }
}
