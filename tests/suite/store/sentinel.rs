//! A master behind sentinels, and what becomes of it.

use super::facts;
use super::outage::answering;
use super::{code, engine, later, patient, run};
use crate::support::store::{Server, Watched, eventually};
use crate::support::{PATIENCE, until};

/// Waits until the replica has all that the master has.
fn replicated(watched: &Watched) {
    watched.servers[0].wait_until_replicated();
}

#[test]
fn a_master_behind_sentinels_keeps_every_fact() {
    let watched = Watched::start();
    facts::hold(&patient(&watched.lines()));
}

#[test]
fn sentinels_may_ask_for_a_password_of_their_own() {
    let watched = Watched::with_password("between-us");
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "between-us\n").unwrap();
    let lines = format!("{}store_sentinel_password_file = \"{}\"", watched.lines(), file.path().display());
    run(patient(&lines).create("n", 1, b"x", later())).unwrap();
    assert_eq!(code(run(patient(&watched.lines()).load("n"))), "store_refused");
}

#[test]
fn one_sentinel_that_lives_is_enough_and_a_wrong_name_is_none() {
    let mut watched = Watched::start();
    let wrong = watched.lines().replace("\"main\"", "\"other\"");
    assert_eq!(code(run(patient(&wrong).load("n"))), "store_unreachable");
    watched.sentinels[0].kill();
    watched.sentinels[1].kill();
    run(patient(&watched.lines()).create("n", 1, b"x", later())).unwrap();
    watched.sentinels[2].kill();
    assert_eq!(code(run(patient(&watched.lines()).load("n"))), "store_unreachable");
}

#[test]
fn a_killed_master_is_followed_by_its_replica() {
    let mut watched = Watched::start();
    let engine = engine(&watched.lines());
    until("it is there", || run(engine.create("n", 5, b"x", later())).ok());
    until("a lock", || run(engine.lock("n", &[1; 16], 60 * PATIENCE)).ok());
    until("an entry", || run(engine.log_add(1, b"x")).ok());
    replicated(&watched);

    watched.servers[0].kill();
    assert!(run(engine.create("n", 6, b"y", later())).is_err(), "nobody may say that it is kept");
    eventually("the replica takes over", || run(engine.create("m", 1, b"x", later())).ok());
    run(async {
        assert_eq!(engine.load("n").await.unwrap().as_deref(), Some(&b"x"[..]));
        assert!(!engine.replace("n", 5, b"old", later()).await.unwrap());
        assert!(!engine.lock("n", &[2; 16], PATIENCE).await.unwrap(), "the lock is still held");
        assert_eq!(engine.log_after(0, PATIENCE).await.unwrap().len(), 1);
        assert_eq!(engine.log_last().await.unwrap(), 1);
    });

    // The old one comes back and believes for a moment that nothing happened.
    watched.servers[0].restart();
    eventually("it is put in its place", || {
        watched.servers[0].says(&["INFO", "replication"]).contains("role:slave").then_some(())
    });
    eventually("all goes on", || run(engine.create("n", 7, b"z", later())).ok());
    assert_eq!(run(patient(&watched.lines()).load("n")).unwrap().as_deref(), Some(&b"z"[..]));
}

#[test]
fn a_master_that_falls_silent_is_left_for_its_replica() {
    let watched = Watched::start();
    let engine = engine(&watched.lines());
    until("it is there", || run(engine.create("n", 1, b"x", later())).ok());
    replicated(&watched);
    watched.servers[0].pause();
    // On a busy machine another node may have said meanwhile that this one is gone.
    let told = code(run(engine.load("n")));
    assert!(["store_timeout", "store_unreachable"].contains(&told), "{told}");
    let there = eventually("the replica takes over", || {
        run(engine.create("m", 1, b"x", later())).ok()?;
        run(engine.load("n")).ok()
    });
    assert_eq!(there.as_deref(), Some(&b"x"[..]));
    watched.servers[0].resume();
    eventually("it is put in its place", || {
        watched.servers[0].says(&["INFO", "replication"]).contains("role:slave").then_some(())
    });
    eventually("all goes on", || run(engine.create("n", 2, b"y", later())).ok());
}

#[test]
fn a_server_that_is_no_sentinel_is_a_fault() {
    let server = Server::start();
    let lines = format!("store = \"{}\"\nstore_mode = \"sentinel\"\nstore_service = \"main\"", server.url());
    assert_eq!(code(run(patient(&lines).load("n"))), "store_answer");
}

/// A sentinel that was cut off names yesterday's master, which is a replica today, or one that is gone.
#[test]
fn only_a_server_that_calls_itself_master_is_taken() {
    let master = Server::start();
    let replica = Server::start_with(&format!("replicaof 127.0.0.1 {}\n", master.port()));
    let naming = |server: &Server| {
        let port = server.port().to_string();
        answering(format!("*2\r\n$9\r\n127.0.0.1\r\n${}\r\n{port}\r\n", port.len()).into_bytes())
    };
    let sentinels = |urls: &[String]| {
        format!("store = [\"{}\"]\nstore_mode = \"sentinel\"\nstore_service = \"main\"", urls.join("\", \""))
    };
    let astray = patient(&sentinels(&[naming(&replica), naming(&replica)]));
    let fault = run(astray.load("n")).unwrap_err();
    assert!(fault.code() == "store_unreachable" && fault.to_string().contains("not the master"), "{fault}");
    let both = patient(&sentinels(&[naming(&replica), naming(&master)]));
    run(both.create("n", 1, b"x", later())).unwrap();
    assert_eq!(master.says(&["EXISTS", "rolegate:s:{n}"]), "1");
    let unknown = patient(&sentinels(&[answering(b"*-1\r\n".to_vec())]));
    assert_eq!(code(run(unknown.load("n"))), "store_unreachable");
}
