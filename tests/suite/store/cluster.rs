//! A cluster: keys on three nodes, nodes that fail, slots that move.

use std::time::Duration;

use super::facts;
use super::{at, code, engine, later, patient, run};
use crate::support::store::{Nodes, Server, eventually};
use crate::support::until;

/// The node that has the value's key.
fn home(cluster: &Nodes, name: &str) -> usize {
    let key = format!("rolegate:s:{{{name}}}");
    let has = |at: &usize| cluster.nodes[*at].says(&["EXISTS", &key]) == "1";
    (0..6)
        .filter(|at| cluster.nodes[*at].says(&["ROLE"]).contains("master"))
        .find(has)
        .expect("some node has it")
}

#[test]
fn a_cluster_keeps_every_fact() {
    let cluster = Nodes::start();
    let engine = patient(&cluster.lines());
    facts::hold(&engine);
    for at in 0..60 {
        run(engine.create(&format!("spread-{at}"), 1, b"x", later())).unwrap();
    }
    for node in &cluster.nodes[..3] {
        assert_ne!(node.says(&["DBSIZE"]), "0", "every node has its part");
    }
}

#[test]
fn a_slot_that_nobody_serves_yet_is_a_fault_and_holds_nothing_up() {
    // As while a cluster is being made, or after a node was forgotten.
    let node = Server::start_with("cluster-enabled yes\ncluster-config-file nodes.conf\n");
    node.ask(&["CLUSTER", "ADDSLOTS", "1"]);
    let engine = engine(&format!("store = [\"{}\"]\nstore_mode = \"cluster\"", node.url()));
    for name in ["a", "b", "c"] {
        let fault = run(engine.load(name)).expect_err("nobody has it");
        assert_eq!(fault.code(), "store_unreachable", "{fault}");
    }
}

#[test]
fn a_killed_node_is_followed_by_its_replica() {
    let mut cluster = Nodes::start();
    let engine = engine(&cluster.lines());
    until("it is there", || run(engine.create("n", 5, b"x", later())).ok());
    until("an entry", || run(engine.log_add(3, b"x")).ok());
    let home = home(&cluster, "n");
    cluster.nodes[home].wait_until_replicated();
    cluster.nodes[home].kill();
    assert!(run(engine.create("n", 6, b"y", later())).is_err());
    eventually("the replica takes over", || run(engine.replace("n", 6, b"y", later())).ok());
    assert_eq!(run(engine.load("n")).unwrap().as_deref(), Some(&b"y"[..]));
    eventually("the log, wherever it is", || run(engine.log_add(4, b"x")).ok());
    cluster.nodes[home].restart();
    eventually("it is a replica now", || {
        cluster.nodes[home].says(&["INFO", "replication"]).contains("role:slave").then_some(())
    });
    for at in 0..30 {
        eventually("all goes on", || run(engine.create(&format!("n-{at}"), 1, b"x", later())).ok());
    }
}

#[test]
fn a_node_that_falls_silent_is_left_for_its_replica() {
    let cluster = Nodes::start();
    let engine = engine(&cluster.lines());
    until("it is there", || run(engine.create("n", 1, b"x", later())).ok());
    let home = home(&cluster, "n");
    cluster.nodes[home].wait_until_replicated();
    cluster.nodes[home].pause();
    // On a busy machine another node may have said meanwhile that this one is gone.
    let told = code(run(engine.load("n")));
    assert!(["store_timeout", "store_unreachable"].contains(&told), "{told}");
    eventually("the replica takes over", || run(engine.replace("n", 2, b"y", later())).ok());
    cluster.nodes[home].resume();
    assert_eq!(eventually("all goes on", || run(engine.load("n")).ok()).as_deref(), Some(&b"y"[..]));
}

#[test]
fn whoever_only_reads_the_log_finds_it_after_a_failover() {
    let mut cluster = Nodes::start();
    run(patient(&cluster.lines()).log_add(3, b"x")).unwrap();
    let reader = engine(&cluster.lines());
    until("it is there", || run(reader.log_after(0, Duration::ZERO)).ok());
    let has = |node: &Server| {
        node.says(&["EXISTS", "rolegate:log"]) == "1" && node.says(&["ROLE"]).contains("master")
    };
    let home = cluster.nodes.iter().position(has).unwrap();
    cluster.nodes[home].wait_until_replicated();
    cluster.nodes[home].kill();
    let read =
        eventually("the replica takes over", || run(reader.log_after(0, Duration::from_millis(50))).ok());
    assert_eq!(read, [(3, b"x".to_vec())]);
}

#[test]
fn a_slot_that_moved_is_followed() {
    let cluster = Nodes::start();
    let engine = patient(&cluster.lines());
    run(engine.create("n", 1, b"x", later())).unwrap();
    let home = home(&cluster, "n");
    let replica = (home + 3) % 6;
    cluster.nodes[replica].ask(&["CLUSTER", "FAILOVER"]);
    eventually("they have changed places", || {
        let demoted = cluster.nodes[home].says(&["ROLE"]).contains("slave");
        (demoted && cluster.nodes[replica].says(&["ROLE"]).contains("master")).then_some(())
    });
    // The old node says MOVED, the new one is asked: nobody sees a fault.
    assert!(run(engine.replace("n", 2, b"y", later())).unwrap());
    assert_eq!(run(engine.load("n")).unwrap().as_deref(), Some(&b"y"[..]));
}

#[test]
fn a_slot_on_the_move_is_followed() {
    let cluster = Nodes::start();
    let engine = patient(&cluster.lines());
    run(engine.create("n", 1, b"x", later())).unwrap();
    let home = home(&cluster, "n");
    let to = (home + 1) % 3;
    let key = "rolegate:s:{n}";
    let slot = cluster.nodes[home].says(&["CLUSTER", "KEYSLOT", key]);
    let id = |at: usize| cluster.nodes[at].says(&["CLUSTER", "MYID"]);
    cluster.nodes[to].ask(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &id(home)]);
    cluster.nodes[home].ask(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &id(to)]);
    assert!(run(engine.replace("n", 2, b"still here", later())).unwrap());
    let port = cluster.nodes[to].port().to_string();
    cluster.nodes[home].ask(&["MIGRATE", "127.0.0.1", &port, key, "0", "5000"]);
    assert_eq!(run(engine.load("n")).unwrap().as_deref(), Some(&b"still here"[..]));
    assert!(run(engine.replace("n", 3, b"there", later())).unwrap(), "a script goes there, too");
    assert!(run(engine.lock("n", &[1; 16], Duration::from_secs(60))).unwrap());
    assert_eq!(cluster.nodes[to].says(&["CLUSTER", "COUNTKEYSINSLOT", &slot]), "2");
    for node in &cluster.nodes[..3] {
        node.ask(&["CLUSTER", "SETSLOT", &slot, "NODE", &id(to)]);
    }
    assert_eq!(run(engine.load("n")).unwrap().as_deref(), Some(&b"there"[..]));
}

#[test]
fn one_seed_that_lives_is_enough() {
    let mut cluster = Nodes::start();
    let lines = cluster.lines();
    cluster.nodes[0].kill();
    let engine = engine(&lines);
    eventually("the rest goes on", || {
        let all = (0..12).map(|at| run(engine.create(&format!("n-{at}"), 1, b"x", later())));
        all.collect::<Result<Vec<_>, _>>().ok()
    });
}

#[test]
fn a_server_that_is_no_cluster_is_a_fault_and_a_node_is_no_single_server() {
    let server = Server::start();
    let lines = format!("{}store_mode = \"cluster\"", at(&server.url()));
    assert!(run(patient(&lines).load("n")).is_err());

    let cluster = Nodes::start();
    let single = patient(&at(&cluster.nodes[0].url()));
    let some = (0..20).map(|at| run(single.load(&format!("n-{at}"))));
    let codes: Vec<_> = some.filter_map(Result::err).map(|fault| fault.code()).collect();
    assert!(!codes.is_empty() && codes.iter().all(|code| *code == "store_answer"), "{codes:?}");
}
