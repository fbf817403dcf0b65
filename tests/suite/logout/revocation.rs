//! A sign-out while the pool is unwell: done here at once, and brought to the pool's notice when that is back.

use super::OURS;
use crate::support::pool::{Endpoint, Reply};
use crate::support::until;
use crate::support::world::{Setup, World};

pub fn a_sign_out_does_not_wait_for_the_pool_which_is_asked_again() {
    for unwell in [Reply::Hangup, Reply::Status(503, "text/html", b"<html>maintenance</html>".to_vec())] {
        let world = World::bench();
        world.pool.script(Endpoint::Revoke, unwell.clone());
        let mut browser = world.signed_in("user");
        let answer = browser.open("/oauth2/signout");
        assert_eq!(answer.status, 302, "{unwell:?}: {answer:#?}");
        assert!(browser.jar.named(OURS).is_empty() && browser.fetch("/x").status == 401);
        world.pool.wait_for(Endpoint::Revoke, 2);
        world.pool.be_honest();
        until("it is revoked", || (world.pool.revoked().len() == 1).then_some(()));
        let log = world.gate.stderr().all();
        assert!(!log.contains("was not revoked"), "nothing was given up: {log}");
    }
}

#[test]
fn a_sign_out_does_not_wait_for_a_pool_that_hangs_and_a_stop_says_what_was_given_up() {
    let world = Setup::bench().limits("drain = \"1s\"").start();
    world.pool.script(Endpoint::Revoke, Reply::Silence);
    let mut browser = world.signed_in("user");
    // The pool answers none of them: that there is an answer shows that it is not waited for.
    assert_eq!(browser.open("/oauth2/signout").status, 302);
    assert!(browser.jar.named(OURS).is_empty());
    world.pool.wait_for(Endpoint::Revoke, 1);
    world.gate.signal("TERM");
    let World { gate, pool, .. } = world;
    let (status, log) = gate.wait();
    assert!(status.success(), "{status:?}\n{log}");
    let said: Vec<_> = log.lines().filter(|line| line.contains("was not revoked")).collect();
    assert!(said.len() == 1 && said[0].contains("stopped"), "{log}");
    assert!(pool.secrets().iter().all(|secret| !log.contains(secret)));
}

#[test]
fn a_pool_that_refuses_to_revoke_is_asked_once_and_the_log_says_why() {
    let world = World::bench();
    let refusal = br#"{"error":"unsupported_token_type"}"#.to_vec();
    world.pool.script(Endpoint::Revoke, Reply::Status(400, "application/json", refusal));
    let mut browser = world.signed_in("user");
    assert_eq!(browser.open("/oauth2/signout").status, 302);
    let said = |line: &str| line.contains("was not revoked").then(|| line.to_owned());
    let line = world.gate.stderr().wait(said).expect("a line about it");
    assert!(line.contains("pool_refused"), "{line}");
    // Not an event to wait for: what is shown is that the pool is not asked again where another try would be due.
    std::thread::sleep(std::time::Duration::from_secs(2));
    assert_eq!(world.pool.count(Endpoint::Revoke), 1);
}
