//! A store that is away, silent, mad, or somebody else's.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use super::{at, code, engine, later, patient, run};
use crate::support::store::Server;
use crate::support::{PATIENCE, until};

/// Answers every connection with these bytes and keeps it open; closes it if there are none.
pub fn answering(bytes: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let mut open = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            if bytes.is_empty() {
                continue;
            }
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(&bytes);
            open.push(stream);
        }
    });
    url
}

#[test]
fn nobody_there_is_told_at_once_and_found_when_it_comes() {
    let mut server = Server::start();
    server.kill();
    let engine = patient(&at(&server.url()));
    for _ in 0..3 {
        assert_eq!(code(run(engine.load("n"))), "store_unreachable");
    }
    assert_eq!(code(run(engine.log_after(0, PATIENCE))), "store_unreachable", "without the wait");
    server.restart();
    until("it is found again", || run(engine.create("n", 1, b"x", later())).ok());
    until("the log, too", || run(engine.log_after(0, Duration::ZERO)).ok());
}

#[test]
fn a_store_that_was_killed_comes_back_with_what_it_kept() {
    let mut server = Server::start_with("appendonly yes\nappendfsync always\n");
    let engine = patient(&at(&server.url()));
    run(engine.create("n", 3, b"kept", later())).unwrap();
    assert!(run(engine.log_add(4, b"entry")).unwrap());
    server.kill();
    assert_eq!(code(run(engine.load("n"))), "store_unreachable");
    server.restart();
    let kept = until("it is found again", || run(engine.load("n")).ok());
    assert_eq!(kept.as_deref(), Some(&b"kept"[..]));
    assert_eq!(run(engine.log_last()).unwrap(), 4);
    assert!(!run(engine.replace("n", 3, b"old", later())).unwrap());
}

#[test]
fn a_connection_that_the_server_closed_costs_nobody_an_answer() {
    let server = Server::start();
    let engine = patient(&at(&server.url()));
    for at in 0..20 {
        run(engine.create("n", at, b"x", later())).unwrap();
        assert!(run(engine.replace("n", at + 1, b"y", later())).unwrap());
        server.ask(&["CLIENT", "KILL", "TYPE", "normal"]);
    }
}

/// Many at once, while the server hangs up in their midst: each has the answer that one try would have had.
#[test]
fn what_is_asked_again_is_done_once() {
    let server = Server::start();
    let engine = patient(&at(&server.url()));
    run(engine.create("n", 0, b"", later())).unwrap();
    let killer = std::thread::spawn({
        let url = server.socket();
        move || {
            for _ in 0..40 {
                let mut stream = std::net::TcpStream::connect(url).unwrap();
                stream.write_all(b"CLIENT KILL TYPE normal\r\n").unwrap();
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    });
    run(async {
        for number in 1..=400_u64 {
            let told = [engine.log_add(number, b"e").await, engine.replace("n", number, b"v", later()).await];
            // Twice in one call the connection may break; then nobody knows. But no is never said.
            for told in told.into_iter().flatten() {
                assert!(told, "{number}");
            }
        }
    });
    killer.join().unwrap();
}

#[test]
fn a_silent_store_is_waited_for_no_longer_than_the_timeout() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    for lines in [at(&url), format!("{}store_password = \"x\"", at(&url))] {
        let engine = engine(&format!("{lines}\nstore_timeout = \"200ms\""));
        for _ in 0..3 {
            let began = Instant::now();
            assert_eq!(code(run(engine.load("n"))), "store_timeout");
            assert!(began.elapsed() < PATIENCE);
        }
        assert!(run(engine.log_after(0, Duration::from_millis(100))).is_err());
    }
}

#[test]
fn a_store_that_stops_is_a_timeout_and_goes_on_by_itself() {
    let server = Server::start();
    let engine = engine(&at(&server.url()));
    until("it is there", || run(engine.create("n", 1, b"x", later())).ok());
    server.pause();
    assert_eq!(code(run(engine.load("n"))), "store_timeout");
    for _ in 0..2 {
        assert!(["store_timeout", "store_unreachable"].contains(&code(run(engine.load("n")))));
    }
    assert!(run(engine.log_after(0, Duration::from_millis(10))).is_err());
    server.resume();
    let there = until("it goes on", || run(engine.load("n")).ok());
    assert_eq!(there.as_deref(), Some(&b"x"[..]));
    until("the log, too", || run(engine.log_after(0, Duration::from_millis(10))).ok());
}

#[test]
fn what_is_no_redis_is_a_fault_and_no_more() {
    let long = |text: &str| text.repeat(20_000).into_bytes();
    for (bytes, codes) in [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(), &["store_answer"][..]),
        (b"\x16\x03\x01\x02\x00\x01".to_vec(), &["store_answer"]),
        (b"*99999999999999999999\r\n".to_vec(), &["store_answer"]),
        (b"+OK\r\n".to_vec(), &["store_answer"]),
        (b":1\r\n".to_vec(), &["store_answer"]),
        (b"*0\r\n".to_vec(), &["store_answer"]),
        (b"$5\r\nhello\r\n".to_vec(), &["store_answer"]),
        (b"-WHAT \x1b[31m s3cret\r\n".to_vec(), &["store_answer"]),
        (b"$100\r\nand no more".to_vec(), &["store_timeout"]),
        (b"*2\r\n".to_vec(), &["store_timeout"]),
        (Vec::new(), &["store_unreachable"]),
        (long("*1\r\n"), &["store_answer", "store_timeout"]),
        (long("\0"), &["store_answer", "store_timeout"]),
        (long("+OK\r\n"), &["store_answer"]),
    ] {
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(30)]).into_owned();
        let lines = at(&answering(bytes));
        let engine = engine(&format!("{lines}store_timeout = \"500ms\""));
        // Whoever is to be told more than that it was too late has to wait on a busy machine.
        let told = if codes.contains(&"store_timeout") { engine.clone() } else { patient(&lines) };
        let fault = run(told.load("n")).unwrap_err();
        assert!(codes.contains(&fault.code()), "{shown:?}: {fault}");
        assert!(!fault.to_string().contains("s3cret") && !fault.to_string().contains('\x1b'), "{fault}");
        for outcome in [
            run(engine.replace("n", 1, b"v", 1)).map(drop),
            run(engine.noted("p")).map(drop),
            run(engine.everyone_noted()).map(drop),
            run(engine.log_last()).map(drop),
            run(engine.log_next(0)).map(drop),
            run(engine.log_after(0, Duration::from_millis(1))).map(drop),
        ] {
            // `:1` and `*0` are answers to some of them.
            let _ = outcome;
        }
    }
}

#[test]
fn what_others_put_at_our_keys_is_a_fault() {
    let server = Server::start();
    let engine = patient(&at(&server.url()));
    server.ask(&["SET", "rolegate:s:{text}", "hello"]);
    server.ask(&["RPUSH", "rolegate:s:{list}", "x"]);
    server.ask(&["RPUSH", "rolegate:l:{list}", "x"]);
    server.ask(&["SET", "rolegate:p:{text}", "x"]);
    server.ask(&["SET", "rolegate:people", "x"]);
    run(async {
        assert_eq!(code(engine.load("text").await), "store_answer");
        assert!(!engine.replace("text", 5, b"x", later()).await.unwrap(), "what is not ours is left alone");
        assert_eq!(code(engine.load("list").await), "store_answer");
        assert_eq!(code(engine.replace("list", 1, b"x", later()).await), "store_answer");
        assert_eq!(code(engine.lock("list", &[1; 16], PATIENCE).await), "store_answer");
        assert_eq!(code(engine.note("text", "s", b"", later()).await), "store_answer");
        assert_eq!(code(engine.noted("text").await), "store_answer");
        assert_eq!(code(engine.everyone_noted().await), "store_answer");
    });
    server.ask(&["SET", "rolegate:log", "x"]);
    assert_eq!(code(run(engine.log_after(0, Duration::ZERO))), "store_answer");
    assert_eq!(code(run(engine.log_add(1, b""))), "store_answer");
    assert_eq!(code(run(engine.log_last())), "store_answer");
    assert_eq!(code(run(engine.log_next(0))), "store_answer");
    assert_eq!(code(run(engine.log_trim(1))), "store_answer");
    run(engine.create("text", 1, b"x", later())).unwrap();
    assert!(run(engine.load("text")).unwrap().is_some());
}

#[test]
fn entries_that_others_put_into_the_log_are_empty_and_keep_none_of_ours_from_being_read() {
    let server = Server::start();
    let engine = patient(&at(&server.url()));
    server.ask(&["XADD", "rolegate:log", "5-1", "e", "x"]);
    server.ask(&["XADD", "rolegate:log", "6-0", "a", "b", "c", "d"]);
    run(async {
        assert!(engine.log_add(7, b"ours").await.unwrap());
        server.ask(&["XADD", "rolegate:log", "7-1", "e", "x"]);
        let read = engine.log_after(0, Duration::ZERO).await.unwrap();
        assert_eq!(read, [(5, vec![]), (6, vec![]), (7, b"ours".to_vec()), (7, vec![])]);
        assert_eq!(
            engine.log_after(7, Duration::ZERO).await.unwrap(),
            [],
            "what shares a number is behind us"
        );
    });
}

#[test]
fn a_server_that_takes_no_writes_is_a_refusal_until_it_does() {
    let master = Server::start();
    let replica = Server::start_with(&format!("replicaof 127.0.0.1 {}\n", master.port()));
    until("it follows", || {
        replica.says(&["INFO", "replication"]).contains("master_link_status:up").then_some(())
    });
    let engine = patient(&at(&replica.url()));
    assert_eq!(code(run(engine.create("n", 1, b"x", later()))), "store_refused");
    assert_eq!(code(run(engine.lock("n", &[1; 16], PATIENCE))), "store_refused");
    assert_eq!(code(run(engine.log_add(1, b"x"))), "store_refused");
    replica.ask(&["REPLICAOF", "NO", "ONE"]);
    until("it takes writes", || run(engine.create("n", 1, b"x", later())).ok());
}

#[test]
fn a_full_server_refuses() {
    let server = Server::start_with("maxmemory 1\nmaxmemory-policy noeviction\n");
    let engine = patient(&at(&server.url()));
    assert_eq!(code(run(engine.create("n", 1, b"x", later()))), "store_refused");
    assert_eq!(code(run(engine.log_add(1, b"x"))), "store_refused");
    assert_eq!(run(engine.load("n")).unwrap(), None);
}

#[test]
fn whoever_waits_for_the_log_and_goes_away_leaves_nothing_waiting() {
    let server = Server::start();
    let engine = patient(&at(&server.url()));
    run(async {
        let waiting = tokio::spawn({
            let engine = engine.clone();
            async move { engine.log_after(0, Duration::from_secs(50)).await }
        });
        while !server.says(&["INFO", "clients"]).contains("blocked_clients:1\r") {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        waiting.abort();
        let _ = waiting.await;
    });
    until("nobody waits", || server.says(&["INFO", "clients"]).contains("blocked_clients:0\r").then_some(()));
    run(engine.log_add(1, b"x")).unwrap();
    assert_eq!(run(engine.log_after(0, PATIENCE)).unwrap().len(), 1);
}
