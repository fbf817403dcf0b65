//! Section L, as far as it is about logins: how many one client address may begin and finish a minute.

use std::time::Instant;

use url::Url;

use crate::corpus::{Case, case};
use crate::support::browser::{Browser, Kind, address};
use crate::support::pool::Endpoint;
use crate::support::token::random;
use crate::support::wire::Answer;
use crate::support::world::{Setup, World};

/// Few enough that a bucket gains one only every half minute.
const RATE: usize = 2;

/// Loopback is a proxy that is believed, so that a test can come from anywhere.
pub fn bench() -> World {
    Setup::bench().limits(&format!("login_rate = {RATE}")).top("trusted_proxies = [\"127.0.0.0/8\"]").start()
}

pub fn cases() -> Vec<Case> {
    vec![case(&["DOS-08"], |world| {
        callbacks_with_random_states_reach_no_pool(world);
        callbacks_with_real_states_redeem_no_more_than_the_rate(world);
    })]
}

fn callbacks_with_random_states_reach_no_pool(world: &World) {
    let (asked, begun) = (world.pool.count(Endpoint::Token), Instant::now());
    let mut answers = Vec::new();
    for _ in 0..100 {
        let url = address(&format!("/oauth2/callback?code=x&state=s{}", random(16)));
        answers.push(from("203.0.113.10", &mut world.browser(), Kind::Navigate, &url));
    }
    within_the_rate(answers.iter().filter(|answer| answer.status == 302).count(), begun);
    answers.iter().filter(|answer| answer.status != 302).for_each(refused_for_now);
    assert_eq!(world.pool.count(Endpoint::Token), asked, "the pool was not asked");
    // Another address is another bucket.
    let answer = from("203.0.113.11", &mut world.browser(), Kind::Navigate, &address("/x"));
    assert_eq!(answer.status, 302, "{answer:#?}");
}

fn callbacks_with_real_states_redeem_no_more_than_the_rate(world: &World) {
    let asked = world.pool.count(Endpoint::Token);
    let mut logins: Vec<_> = (0..RATE + 3)
        .map(|n| {
            let mut browser = world.browser();
            let callback = callback(&format!("203.0.113.{}", 20 + n), &mut browser);
            (browser, callback)
        })
        .collect();
    let begun = Instant::now();
    let mut refused = Vec::new();
    for (at, (browser, callback)) in logins.iter_mut().enumerate() {
        let answer = from("203.0.113.40", browser, Kind::Navigate, callback);
        if answer.status != 302 {
            refused_for_now(&answer);
            assert!(answer.text().contains("/oauth2/start?rd=%2Fdeep"), "{}", answer.text());
            refused.push(at);
        }
    }
    within_the_rate(RATE + 3 - refused.len(), begun);
    assert_eq!(world.pool.count(Endpoint::Token) - asked, RATE + 3 - refused.len());
    // What was refused was not used up.
    for at in refused {
        let (browser, callback) = &mut logins[at];
        let answer = from(&format!("203.0.113.{}", 50 + at), browser, Kind::Navigate, callback);
        assert_eq!((answer.status, answer.location()), (302, "https://app.test/deep"));
    }
}

#[test]
fn logins_above_the_rate_are_429_with_a_time_and_no_cookie() {
    let world = bench();
    let begun = Instant::now();
    for path in ["/reports/q3?x=1", "/oauth2/start?rd=%2Freports%2Fq3%3Fx%3D1"] {
        let client = if path.starts_with("/oauth2") { "2001:db8:1:2::1" } else { "203.0.113.1" };
        let answers: Vec<_> = (0..RATE + 3)
            .map(|_| from(client, &mut world.browser(), Kind::Navigate, &address(path)))
            .collect();
        within_the_rate(answers.iter().filter(|answer| answer.status == 302).count(), begun);
        let last = answers.last().unwrap();
        refused_for_now(last);
        assert!(last.text().contains("Too many sign-ins"), "{}", last.text());
        assert!(last.text().contains("/oauth2/start?rd=%2Freports%2Fq3%3Fx%3D1"), "{}", last.text());
    }
    // The same subscriber from another address of the network; then another network.
    let answer = from("2001:db8:1:2:3:4:5:6", &mut world.browser(), Kind::Navigate, &address("/x"));
    refused_for_now(&answer);
    let answer = from("2001:db8:1:3::1", &mut world.browser(), Kind::Navigate, &address("/x"));
    assert_eq!(answer.status, 302);
}

#[test]
fn whoever_is_signed_in_is_not_counted_and_a_program_is_told_in_json() {
    let world = bench();
    let client = "203.0.113.2";
    let mut browser = world.browser();
    let first = callback(client, &mut browser);
    assert_eq!(from(client, &mut browser, Kind::Navigate, &first).status, 302);
    for _ in 0..RATE * 5 {
        assert_eq!(from(client, &mut browser, Kind::Navigate, &address("/x")).status, 200);
    }
    // Two more are begun elsewhere and finished here: one of them too many.
    let (mut one, mut other) = (world.browser(), world.browser());
    let callbacks = [callback("203.0.113.3", &mut one), callback("203.0.113.4", &mut other)];
    let begun = Instant::now();
    let answers = [
        from(client, &mut one, Kind::Fetch, &callbacks[0]),
        from(client, &mut other, Kind::Fetch, &callbacks[1]),
    ];
    let Some(answer) = answers.iter().find(|answer| answer.status != 302) else {
        return within_the_rate(RATE + 1, begun);
    };
    refused_for_now(answer);
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    assert_eq!(answer.json()["error"], "login_rate");
}

#[test]
fn without_a_rate_any_number_of_logins_begins() {
    let world = World::bench();
    for _ in 0..50 {
        assert_eq!(world.browser().open("/x").status, 302);
    }
}

fn refused_for_now(answer: &Answer) {
    assert_eq!(answer.status, 429, "{answer:#?}");
    let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&seconds), "{seconds}");
    assert_eq!(answer.header("set-cookie"), None, "{answer:#?}");
}

/// The bucket, and what a slow machine gave it time to gain.
fn within_the_rate(passed: usize, begun: Instant) {
    let gained = begun.elapsed().as_secs() as usize / (60 / RATE) + 1;
    assert!((RATE..=RATE + gained).contains(&passed), "{passed} passed in {:?}", begun.elapsed());
}

fn from(client: &str, browser: &mut Browser, kind: Kind, url: &Url) -> Answer {
    browser.send(kind, "GET", url, &format!("X-Forwarded-For: {client}\r\n"), "")
}

/// Begins a login from there and goes to the pool; the address it leads back to is not opened.
fn callback(client: &str, browser: &mut Browser) -> Url {
    browser.signs_in_as = Some("user".into());
    let begun = from(client, browser, Kind::Navigate, &address("/deep"));
    assert_eq!(begun.status, 302, "{begun:#?}");
    let pool = Url::parse(begun.location()).unwrap();
    let answer = browser.send(Kind::Navigate, "GET", &pool, "", "");
    pool.join(answer.location()).unwrap()
}
