//! Who may come in, and how little they may do.

use super::facts;
use super::{at, code, later, patient, run};
use crate::support::store::Server;

#[test]
fn a_password_opens_the_store_and_another_does_not() {
    let server = Server::with_password("the-right-one");
    let with = |password: &str| patient(&format!("{}store_password = \"{password}\"", at(&server.url())));
    facts::hold(&with("the-right-one"));
    let fault = run(with("the-wrong-one").load("n")).unwrap_err();
    assert_eq!(fault.code(), "store_refused", "{fault}");
    assert!(!format!("{fault} {fault:?}").contains("the-wrong-one"));
    assert_eq!(code(run(patient(&at(&server.url())).load("n"))), "store_refused");
}

#[test]
fn the_password_in_an_address_is_the_same() {
    let server = Server::with_password("p@ss/w\u{f6}rd");
    let url = server.url().replace("redis://", "redis://:p%40ss%2Fw%C3%B6rd@");
    run(patient(&at(&url)).create("n", 1, b"x", later())).unwrap();
}

/// The line of docs/store.md, so that it stays true.
fn acl() -> String {
    let manual = include_str!("../../../docs/store.md");
    let line = manual.lines().find(|line| line.trim_start().starts_with("user rolegate on"));
    line.expect("docs/store.md has the line").trim().replace("PASSWORD", "the-right-one")
}

#[test]
fn the_rights_of_the_manual_are_enough() {
    let server = Server::start_with(&format!("{}\n", acl()));
    let engine = patient(&format!(
        "{}store_user = \"rolegate\"\nstore_password = \"the-right-one\"",
        at(&server.url())
    ));
    facts::hold(&engine);
}

/// Taking any of them away must show: rights that nothing needs are rights for whoever steals the password.
#[test]
fn the_rights_of_the_manual_are_no_more_than_needed() {
    let server = Server::start_with(&format!("{}\n", acl()));
    let may = |words: &[&str]| {
        let dry = [&["ACL", "DRYRUN", "rolegate"], words].concat();
        server.says(&dry) == "OK"
    };
    assert!(may(&["GET", "rolegate:x"]));
    for words in [
        &["GET", "other:x"][..],
        &["KEYS", "*"],
        &["SCAN", "0"],
        &["FLUSHALL"],
        &["CONFIG", "GET", "*"],
        &["ACL", "LIST"],
        &["MONITOR"],
        &["PUBLISH", "x", "y"],
        &["SUBSCRIBE", "x"],
        &["CLUSTER", "RESET"],
        &["DEBUG", "SLEEP", "1"],
        &["FUNCTION", "LIST"],
    ] {
        assert!(!may(words), "{words:?}");
    }
}

#[test]
fn a_missing_right_is_a_refusal() {
    let acl = acl().replace(" +get ", " ");
    let server = Server::start_with(&format!("{acl}\n"));
    let engine = patient(&format!(
        "{}store_user = \"rolegate\"\nstore_password = \"the-right-one\"",
        at(&server.url())
    ));
    assert_eq!(code(run(engine.load("n"))), "store_refused");
    run(engine.create("n", 1, b"x", later())).unwrap();
    let elsewhere = patient(&format!(
        "{}store_user = \"rolegate\"\nstore_password = \"the-right-one\"\nstore_prefix = \"other:\"",
        at(&server.url())
    ));
    assert_eq!(code(run(elsewhere.create("n", 1, b"x", later()))), "store_refused");
    assert_eq!(code(run(elsewhere.log_last())), "store_refused");
}
