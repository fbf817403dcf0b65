use std::sync::Arc;

use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};

use super::*;
use crate::config::secret::Secret;
use crate::session::keyring::Keyring;

fn sealer() -> Sealer {
    let keyring = Keyring::new(&[Secret::new([1; 32])]).unwrap();
    Sealer::new(Arc::new(keyring), "i", "c", "https://app.test")
}

fn names() -> Names {
    Names::new("rolegate", true)
}

fn attempt(seed: u8, begun: u64, target: &str) -> Attempt {
    Attempt::new([seed; 32], begun, false, target.into())
}

fn jar_of(attempts: &[Attempt]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for attempt in attempts {
        let text = attempt.seal(&sealer(), &names(), [0; 12]).unwrap();
        let line = format!("{}={text}", attempt.cookie_name(&names()));
        headers.append(COOKIE, HeaderValue::try_from(line).unwrap());
    }
    headers
}

#[test]
fn an_attempt_is_found_by_its_state_and_by_no_other() {
    let (mine, other) = (attempt(1, 100, "/a?b=c"), attempt(2, 100, "/"));
    let headers = jar_of(std::slice::from_ref(&mine));
    let jar = Jar::read(&headers, &names());
    let find = |state: &str| State::parse(state)?.attempt(&jar, &names(), &sealer(), 200);
    assert_eq!(find(&mine.state()).unwrap().target, "/a?b=c");
    assert!(find(&other.state()).is_none());
    assert!(
        State::parse(&mine.state()).unwrap().attempt(&jar, &names(), &sealer(), 100 + LIFE * 1000).is_none()
    );
}

#[test]
fn state_and_verifier_have_the_form_that_is_asked_for() {
    let attempt = attempt(1, 0, "/");
    assert_eq!(attempt.verifier().len(), 43);
    assert_ne!(attempt.verifier(), attempt.nonce());
    assert!(State::parse(&attempt.state()).is_some());
    for wrong in ["", "s", "x23", "sAAAA", &format!("{}=", attempt.state()), &"s".repeat(5000)] {
        assert!(State::parse(wrong).is_none(), "{wrong:.30}");
    }
}

#[test]
fn an_ordinary_attempt_takes_under_400_bytes() {
    let attempt = attempt(1, 0, &format!("/{}", "x".repeat(150)));
    let text = attempt.seal(&sealer(), &names(), [0; 12]).unwrap();
    assert!(attempt.cookie_name(&names()).len() + text.len() <= 400);
}

#[test]
fn the_oldest_attempts_make_room_in_number_and_in_bytes() {
    let many: Vec<_> = (0..8).map(|seed| attempt(seed, u64::from(seed), "/")).collect();
    let headers = jar_of(&many);
    let jar = Jar::read(&headers, &names());
    assert_eq!(crowded_out(&jar, &names(), &sealer(), 200, 10), [many[0].cookie_name(&names())]);

    let long: Vec<_> = (0..2).map(|seed| attempt(seed, u64::from(seed), &"x".repeat(900))).collect();
    let headers = jar_of(&long);
    let jar = Jar::read(&headers, &names());
    assert_eq!(crowded_out(&jar, &names(), &sealer(), 1500, 10), [long[0].cookie_name(&names())]);
}

#[test]
fn what_does_not_open_is_cleared_first() {
    let mut headers = jar_of(&[attempt(1, 0, "/")]);
    headers.append(COOKIE, HeaderValue::from_static("__Host-rolegate-login-sXXXXXXXXXX=junk"));
    let jar = Jar::read(&headers, &names());
    assert_eq!(crowded_out(&jar, &names(), &sealer(), 200, 10), ["__Host-rolegate-login-sXXXXXXXXXX"]);
}
