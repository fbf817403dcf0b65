//! Toward the store: verified always, with a certificate of our own where it asks for one.

use super::facts;
use super::{at, code, engine, patient, run};
use crate::support::store::Server;

fn file(name: &str) -> String {
    format!("{}/tests/fixtures/tls/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn trusting(server: &Server) -> String {
    format!("{}store_ca_file = \"{}\"\n", at(&server.url()), file("ca.pem"))
}

fn with_certificate(server: &Server) -> String {
    format!(
        "{}store_certificate_file = \"{}\"\nstore_key_file = \"{}\"\n",
        trusting(server),
        file("store-client.pem"),
        file("store-client.key")
    )
}

#[test]
fn a_store_over_tls_keeps_every_fact() {
    let server = Server::with_tls("good", false);
    facts::hold(&patient(&trusting(&server)));
}

#[test]
fn a_store_that_asks_for_a_certificate_gets_it() {
    let server = Server::with_tls("good", true);
    facts::hold(&patient(&with_certificate(&server)));
    let code = code(run(patient(&trusting(&server)).load("n")));
    assert_eq!(code, "store_unreachable", "and lets nobody in without");
}

#[test]
fn a_store_that_cannot_prove_its_name_is_none() {
    for certificate in ["other", "expired"] {
        let server = Server::with_tls(certificate, false);
        let fault = run(patient(&trusting(&server)).load("n")).unwrap_err();
        assert!(
            fault.code() == "store_unreachable" && fault.to_string().contains("TLS"),
            "{certificate}: {fault}"
        );
    }
    let server = Server::with_tls("good", false);
    let system = patient(&at(&server.url()));
    assert_eq!(code(run(system.load("n"))), "store_unreachable", "the system's roots do not know it");
    let elsewhere = trusting(&server).replace("ca.pem", "front-ca.pem");
    assert_eq!(code(run(patient(&elsewhere).load("n"))), "store_unreachable", "nor does another bundle");
    run(patient(&trusting(&server)).load("n")).unwrap();
}

#[test]
fn tls_and_cleartext_do_not_meet() {
    let clear = Server::start();
    let tls = Server::with_tls("good", false);
    let to_clear = trusting(&tls).replace(&tls.url(), &clear.url().replace("redis:", "rediss:"));
    assert!(["store_unreachable", "store_timeout"].contains(&code(run(engine(&to_clear).load("n")))));
    let to_tls = at(&tls.url().replace("rediss:", "redis:"));
    assert!(run(engine(&to_tls).load("n")).is_err());
}
