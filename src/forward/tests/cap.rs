//! Facts about how much an upstream is given at once, and about whoever comes too many.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use super::super::Caps;
use super::stage::*;
use crate::config::settings::Limits;
use crate::tally::Tally;

fn at_most(connections: usize, queue: usize, time: Duration) -> Limits {
    Limits {
        upstream_connections: connections,
        upstream_queue: queue,
        upstream_queue_time: time,
        upstream_idle: LONG,
        response_timeout: LONG,
        ..patient()
    }
}

fn wait_for_waiting(tally: &Tally, count: i64) {
    until("somebody waits", || tally.upstream_waiting.get() == count);
}

fn in_background(gate: SocketAddr) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || get(gate, "/"))
}

/// Answers when told to, once each time.
fn answers_when_told() -> (SocketAddr, mpsc::Sender<()>, mpsc::Receiver<()>) {
    let (tell, told) = mpsc::channel();
    let (came, comes) = mpsc::channel();
    let (told, came) = (std::sync::Mutex::new(told), std::sync::Mutex::new(came));
    let (address, _) = upstream(move |mut upstream, _| {
        while upstream.head().is_some() {
            let _ = came.lock().unwrap().send(());
            let _ = told.lock().unwrap().recv();
            upstream.say(OK);
        }
    });
    (address, tell, comes)
}

#[test]
fn no_more_connections_than_there_may_be_serve_whoever_waits() {
    let (open, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (now_open, most_open) = (open, most.clone());
    let (address, connections) = upstream(move |mut upstream, _| {
        let open = now_open.fetch_add(1, Ordering::SeqCst) + 1;
        most_open.fetch_max(open, Ordering::SeqCst);
        while upstream.head().is_some() {
            std::thread::sleep(Duration::from_millis(20));
            upstream.say(OK);
        }
        now_open.fetch_sub(1, Ordering::SeqCst);
    });
    let (gates, tally) = workers(http(address), at_most(2, 100, LONG), 1);
    let crowd: Vec<_> = (0..12).map(|_| in_background(gates[0])).collect();
    for one in crowd {
        assert!(one.join().unwrap().ends_with("\r\n\r\nok"));
    }
    assert_eq!((most.load(Ordering::SeqCst), connections.load(Ordering::SeqCst)), (2, 2));
    assert_eq!(tally.upstream_waiting.get(), 0);
}

#[test]
fn whoever_finds_the_queue_full_or_waits_too_long_is_told_so() {
    let (address, answer, comes) = answers_when_told();
    let (gates, tally) = workers(http(address), at_most(1, 1, Duration::from_secs(4)), 1);
    let served = in_background(gates[0]);
    comes.recv_timeout(LONG).unwrap();
    let waits = in_background(gates[0]);
    wait_for_waiting(&tally, 1);
    assert!(get(gates[0], "/").ends_with("upstream_busy"));
    assert_eq!(tally.upstream_waiting.get(), 1, "who waits still waits");
    assert!(waits.join().unwrap().ends_with("upstream_busy"));
    answer.send(()).unwrap();
    assert!(served.join().unwrap().ends_with("ok"));
    answer.send(()).unwrap();
    assert!(get(gates[0], "/").ends_with("ok"));
}

#[test]
fn whoever_leaves_leaves_the_queue() {
    let (address, answer, comes) = answers_when_told();
    let (gates, tally) = workers(http(address), at_most(1, 1, LONG), 1);
    let served = in_background(gates[0]);
    comes.recv_timeout(LONG).unwrap();
    let mut leaves = connect(gates[0]);
    leaves.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    wait_for_waiting(&tally, 1);
    drop(leaves);
    wait_for_waiting(&tally, 0);
    let waits = in_background(gates[0]);
    wait_for_waiting(&tally, 1);
    answer.send(()).unwrap();
    assert!(served.join().unwrap().ends_with("ok"));
    answer.send(()).unwrap();
    assert!(waits.join().unwrap().ends_with("ok"));
}

#[test]
fn what_lies_idle_in_one_worker_is_given_up_for_another() {
    let (address, connections) = upstream(|mut upstream, _| {
        while upstream.head().is_some() {
            upstream.say(OK);
        }
    });
    let (gates, _) = workers(http(address), at_most(1, 10, LONG), 2);
    for (number, gate) in [0, 1, 0, 1].map(|index| gates[index]).into_iter().enumerate() {
        assert!(get(gate, "/").ends_with("ok"));
        assert!(get(gate, "/").ends_with("ok"), "again on the same connection");
        assert_eq!(connections.load(Ordering::SeqCst), number + 1);
    }
}

#[test]
fn a_worker_that_never_rests_leaves_another_its_turn() {
    let (address, _) = upstream(|mut upstream, _| {
        while upstream.head().is_some() {
            // Others of the same worker have come by then.
            std::thread::sleep(Duration::from_millis(5));
            upstream.say(OK);
        }
    });
    let (gates, _) = workers(http(address), at_most(1, 100, LONG), 2);
    let done = Arc::new(AtomicBool::new(false));
    let (busy, flag) = (gates[0], done.clone());
    let busy: Vec<_> = (0..8)
        .map(|_| {
            let done = flag.clone();
            std::thread::spawn(move || {
                while !done.load(Ordering::SeqCst) {
                    assert!(get(busy, "/").ends_with("ok"));
                }
            })
        })
        .collect();
    for _ in 0..5 {
        assert!(get(gates[1], "/").ends_with("ok"));
    }
    done.store(true, Ordering::SeqCst);
    busy.into_iter().for_each(|one| one.join().unwrap());
}

#[test]
fn a_websocket_has_its_place_until_it_ends() {
    let (ended, ends) = mpsc::channel::<()>();
    let ends = std::sync::Mutex::new(ends);
    let (address, _) = upstream(move |mut upstream, number| {
        while upstream.head().is_some() {
            if number > 0 {
                upstream.say(OK);
                continue;
            }
            upstream.say(super::websocket::SWITCHED);
            let _ = ends.lock().unwrap().recv();
            return;
        }
    });
    let (gates, _) = workers(http(address), at_most(1, 0, LONG), 1);
    let mut socket = connect(gates[0]);
    socket.write_all(super::websocket::UPGRADE.as_bytes()).unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        std::io::Read::read_exact(&mut socket, &mut byte).unwrap();
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 101"));
    assert!(get(gates[0], "/").ends_with("upstream_busy"));
    ended.send(()).unwrap();
    drop(socket);
    until("its place is free", || get(gates[0], "/").ends_with("ok"));
}

#[test]
fn a_new_configuration_goes_on_with_the_bound_there_is_unless_it_is_another() {
    let caps = Caps::default();
    let (one, other) = (http(([127, 0, 0, 1], 1).into()), http(([127, 0, 0, 1], 2).into()));
    let cap = caps.of(&one, &patient());
    assert!(Arc::ptr_eq(&cap, &caps.of(&one, &patient())));
    assert!(!Arc::ptr_eq(&cap, &caps.of(&other, &patient())));
    assert!(!Arc::ptr_eq(&cap, &caps.of(&one, &at_most(1, 1, LONG))));
}

const LONG: Duration = Duration::from_secs(20);
