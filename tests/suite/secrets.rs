//! The app client's secret: several while it is rotated, and what the log says when the pool will have none of it.

use serde_json::json;

use crate::login::{login, short_lived, wait_until_due};
use crate::support::browser::Kind;
use crate::support::pool::{CLIENT_SECRET, Endpoint, Reply};
use crate::support::token::random;
use crate::support::until;
use crate::support::world::{Setup, World};

/// A gate that knows these secrets, in this order.
fn knowing(setup: Setup, secrets: &[&str]) -> World {
    let mut setup = setup;
    setup.provider = setup.provider.replace("client_secret_file", "client_secrets_file");
    setup.files.push(("client-secret".into(), secrets.join("\n\n").into_bytes()));
    let world = setup.start();
    world.keep_secret(secrets.iter().map(|secret| (*secret).to_owned()));
    world
}

#[test]
fn a_rejected_secret_makes_room_for_the_next_which_then_comes_first() {
    let (next, last) = (random(30), random(30));
    let world = knowing(Setup::bench(), &[&next, CLIENT_SECRET, &last]);
    let calls = || world.pool.count(Endpoint::Token);
    // The pool does not know the first yet.
    login(&world, "user").must_succeed(&world, "user");
    assert_eq!((calls(), world.pool.grants("authorization_code")), (2, 2));
    login(&world, "user").must_succeed(&world, "user");
    assert_eq!(calls(), 3, "the one that was taken comes first");
    // Rotated: the old one is gone, the new one is there.
    world.pool.set_client_secrets(&[&next]);
    login(&world, "user").must_succeed(&world, "user");
    assert_eq!(calls(), 6, "each once");
    login(&world, "user").must_succeed(&world, "user");
    assert_eq!(calls(), 7);
    // Each call said the same code, verifier and way to authenticate, or began anew.
    let asked = world.pool.asked_of(Endpoint::Token);
    for call in &asked {
        assert!(call.head.one("authorization").is_some_and(|value| value.starts_with("Basic ")));
        assert!(call.parameter("client_secret").is_none());
    }
    for (one, other) in [(0, 1), (3, 4), (4, 5)] {
        assert_eq!(asked[one].parameters, asked[other].parameters);
        assert_ne!(asked[one].head.one("authorization"), asked[other].head.one("authorization"));
    }
}

#[test]
fn where_all_secrets_are_rejected_each_was_tried_once() {
    let world = knowing(Setup::bench(), &[&random(30), &random(30)]);
    login(&world, "user").must_fail(&world, 502, &["invalid_client"]);
    assert_eq!(world.pool.count(Endpoint::Token), 2);
}

#[test]
fn nothing_but_a_rejected_client_leads_to_a_second_call() {
    let world = knowing(Setup::bench(), &[CLIENT_SECRET, &random(30)]);
    let error = |text: &str| json!({ "error": text }).to_string().into_bytes();
    for (reply, status) in [
        (Reply::Status(400, "application/json", error("invalid_grant")), 502),
        (Reply::Status(400, "application/json", error("unauthorized_client")), 502),
        (Reply::Status(401, "application/json", error("invalid_token")), 502),
        (Reply::Status(401, "text/plain", b"invalid_client".to_vec()), 502),
        (Reply::Status(500, "application/json", error("server_error")), 502),
        (Reply::Hangup, 503),
        (Reply::HalfClosed, 503),
    ] {
        let before = world.pool.count(Endpoint::Token);
        world.pool.script_once(Endpoint::Token, reply);
        let reasons =
            ["invalid_grant", "unauthorized_client", "pool_refused", "pool_answer", "pool_unreachable"];
        login(&world, "user").must_fail(&world, status, &reasons);
        assert_eq!(world.pool.count(Endpoint::Token), before + 1);
    }
    login(&world, "user").must_succeed(&world, "user");
}

#[test]
fn refreshes_and_revocations_try_the_next_secret_too() {
    let next = random(30);
    let world = knowing(short_lived(), &[CLIENT_SECRET, &next]);
    world.pool.set_rotation(true);
    let mut browser = world.signed_in("user");
    world.pool.set_client_secrets(&[&next]);
    wait_until_due(std::time::Instant::now());
    assert_eq!(browser.fetch("/x").status, 200);
    until("it is refreshed", || (world.pool.grants("refresh_token") >= 2).then_some(()));
    assert_eq!(world.pool.grants("refresh_token"), 2, "the rejected call and the one that counted");

    // Back again: now the revocation is the first to notice.
    world.pool.set_client_secrets(&[CLIENT_SECRET]);
    let url = crate::support::browser::address("/oauth2/signout");
    let answer = browser.send(Kind::Form, "POST", &url, "", "");
    assert_eq!(answer.status, 302, "{answer:#?}");
    until("it is revoked", || (world.pool.revoked().len() == 1).then_some(()));
    assert_eq!(world.pool.count(Endpoint::Revoke), 2);
}

#[test]
fn row_21_the_log_names_the_cause_of_a_rejected_client_and_the_address_to_register() {
    let mut setup = Setup::bench();
    setup.files.push(("client-secret".into(), random(30).into_bytes()));
    let world = setup.start();
    let line = failure(&world, &["invalid_client"]);
    assert!(line.contains("invalid_client: app client secret rejected"), "{line}");

    let world = World::bench();
    let error = json!({"error": "unauthorized_client", "error_description": "invalid_redirect"});
    world
        .pool
        .script(Endpoint::Token, Reply::Status(400, "application/json", error.to_string().into_bytes()));
    let line = failure(&world, &["unauthorized_client"]);
    let wanted = "unauthorized_client/invalid_redirect: register https://app.test/oauth2/callback";
    assert!(line.contains(wanted), "{line}");
}

/// The line that tells why a login failed.
fn failure(world: &World, reasons: &[&str]) -> String {
    let before = world.gate.stderr().count();
    login(world, "user").must_fail(world, 502, reasons);
    let lines = world.gate.stderr().since(before);
    lines.into_iter().find(|line| line.contains("\"reason\"")).expect("the line with the reason")
}
