//! Signing in more strongly, or again: asked of the pool once, believed of the returned token alone.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use url::Url;

use super::{ask, seen};
use crate::login::{short_lived, wait_until_due};
use crate::support::browser::{Browser, Page};
use crate::support::pool::{Endpoint, User};
use crate::support::world::{Setup, World};

const RULES: &str = r#"
[[rules]]
path = "/strong/**"
any_role = ["user"]
min_acr = "urn:cognito:loa:3"
[[rules]]
path = "/recent/**"
any_role = ["user"]
max_auth_age = "5m"
[[rules]]
path = "/both/**"
any_role = ["admin"]
min_acr = "urn:cognito:loa:3"
max_auth_age = "5m"
[[rules]]
path = "/transfer"
methods = ["POST"]
any_role = ["user"]
min_acr = "urn:cognito:loa:3"
"#;

#[test]
fn row_29_a_weak_session_is_sent_once_for_more_and_a_pool_that_gives_no_more_is_not_asked_in_a_loop() {
    let world = world();
    let mut browser = signed_in(&world, "ann", Some("urn:cognito:loa:1"));
    let asked = sent_for(&mut browser, "/strong/29");
    assert_eq!(asked, (Some("urn:cognito:loa:3".into()), None));

    // The pool ignores it: a page that says so, under the callback's address, and that was all.
    let authorizations = world.pool.count(Endpoint::Authorize);
    let page = browser.navigate("/strong/29");
    is_told_why(&page, "urn:cognito:loa:3");
    assert_eq!(world.pool.count(Endpoint::Authorize), authorizations + 1);
    assert!(seen(&world.upstream, "/strong/29").is_empty());
    assert_eq!(browser.fetch("/other").status, 200, "the session is there for all else");

    for acr in ["urn:cognito:loa:3", "urn:cognito:loa:4"] {
        says(&world, "ann", acr.into(), None);
        let mut browser = browser.clone();
        let page = browser.navigate("/strong/29");
        assert_eq!((page.answer.status, page.url.path()), (200, "/strong/29"), "{acr}: {page:#?}");
        assert_eq!(browser.fetch("/strong/29").status, 200, "{acr}");
    }
}

#[test]
fn a_script_is_told_that_the_sign_in_is_too_weak_and_where_a_stronger_one_begins() {
    let world = world();
    let mut browser = signed_in(&world, "ann", Some("urn:cognito:loa:2"));
    let answer = browser.fetch("/strong/x?a=1");
    assert_eq!(answer.status, 401, "{answer:#?}");
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    let problem = answer.json();
    assert_eq!(problem["error"], "insufficient_user_authentication");
    assert!(problem["detail"].as_str().unwrap().contains("urn:cognito:loa:3"), "{problem}");
    let start = problem["login_url"].as_str().unwrap().to_owned();
    assert_eq!(wishes(browser.open(&start).location()), (Some("urn:cognito:loa:3".into()), None));
    // It leads back to what was asked for.
    says(&world, "ann", "urn:cognito:loa:3".into(), None);
    let page = browser.navigate(&start);
    assert_eq!((page.answer.status, page.url.as_str()), (200, "https://app.test/strong/x?a=1"));
}

#[test]
fn what_only_a_post_asks_for_is_asked_of_the_pool_too() {
    let world = world();
    let mut browser = signed_in(&world, "ann", Some("urn:cognito:loa:1"));
    let answer = browser.post("/transfer", "to=bob");
    assert_eq!(answer.status, 401, "a form is not sent away, or what was typed is gone: {answer:#?}");
    let html = answer.text();
    let link = html.split("href=\"").find_map(|rest| rest.split('"').next().filter(|l| l.contains("/start")));
    let asked = wishes(browser.open(link.unwrap()).location());
    assert_eq!(asked, (Some("urn:cognito:loa:3".into()), None));
    says(&world, "ann", "urn:cognito:loa:4".into(), None);
    browser.sign_in_to("ann", "/transfer");
    assert_eq!(browser.post("/transfer", "to=bob").status, 200);
}

#[test]
fn only_a_known_class_that_is_as_strong_counts() {
    let world = world();
    for acr in [
        Value::Null,
        json!(""),
        json!("urn:cognito:loa:2"),
        json!("urn:cognito:loa:30"),
        json!("urn:cognito:loa:3 "),
        json!("URN:COGNITO:LOA:4"),
        json!("urn:cognito:loa"),
        json!("urn:other:loa:4"),
        json!(["urn:cognito:loa:3"]),
        json!(3),
    ] {
        says(&world, "ann", acr.clone(), None);
        let mut browser = world.browser();
        browser.sign_in("ann");
        assert_eq!(browser.fetch("/strong/x").status, 401, "{acr}");
        assert_eq!(browser.navigate("/strong/x").answer.status, 403, "{acr}");
    }
}

/// OIDC-26.
pub fn a_sign_in_that_is_old_unknown_or_yet_to_come_is_not_recent() {
    let world = world();
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap();
    for (auth_time, counts) in [
        (json!(now), true),
        (json!(now - 200), true),
        // Clocks may differ by a minute.
        (json!(now + 40), true),
        (json!(now - 400), false),
        (json!(now + 3600), false),
        (json!(-1), false),
        (json!(now.to_string()), false),
        (Value::Null, false),
    ] {
        says(&world, "ann", Value::Null, Some(auth_time.clone()));
        let mut browser = world.browser();
        browser.sign_in("ann");
        assert_eq!(browser.fetch("/other").status, 200);
        let (status, page) = (browser.fetch("/recent/x").status, browser.clone().navigate("/recent/x"));
        if counts {
            assert_eq!((status, page.answer.status, page.hops.len()), (200, 200, 1), "{auth_time}");
        } else {
            assert_eq!(status, 401, "{auth_time}");
            assert_eq!(sent_for(&mut browser, "/recent/x"), (None, Some("300".into())), "{auth_time}");
            is_told_why(&page, "within the last 5 minutes");
        }
    }
}

#[test]
fn nobody_signs_in_again_for_what_they_may_not_see_anyway() {
    let world = world();
    let mut browser = signed_in(&world, "ann", Some("urn:cognito:loa:1"));
    let page = browser.navigate("/both/x");
    assert_eq!((page.answer.status, page.hops.len()), (403, 1), "{page:#?}");
    assert!(page.answer.text().contains("admin"), "{}", page.answer.text());
    assert_eq!(browser.fetch("/both/x").json()["error"], "role_missing");
    // Who may, and came too weakly, is asked for both.
    world.pool.user(User::new("boss", &["admin", "user"]));
    let mut browser = signed_in(&world, "boss", Some("urn:cognito:loa:1"));
    says(&world, "boss", "urn:cognito:loa:1".into(), Some(json!(1)));
    browser.sign_in("boss");
    let asked = sent_for(&mut browser, "/both/x");
    assert_eq!(asked, (Some("urn:cognito:loa:3".into()), Some("300".into())));
    // Who has no session yet is asked for it at once.
    let mut fresh = world.browser();
    assert_eq!(sent_for(&mut fresh, "/strong/x").0.as_deref(), Some("urn:cognito:loa:3"));
    assert_eq!(sent_for(&mut fresh, "/other"), (None, None));
}

#[test]
fn how_strongly_someone_signed_in_outlives_a_refresh_and_a_weaker_word_ends_it() {
    let world = short_lived().rules(RULES).start();
    world.pool.user(User::new("ann", &["user"]));
    let mut browser = signed_in(&world, "ann", Some("urn:cognito:loa:3"));
    let refreshes = |expected: usize| assert_eq!(world.pool.grants("refresh_token"), expected);
    for (times, acr, status) in [
        (1, json!("urn:cognito:loa:3"), 200),
        // A provider need not repeat how and when: a refresh is no new sign-in.
        (2, Value::Null, 200),
        (3, json!("urn:cognito:loa:1"), 401),
    ] {
        let auth_time = acr.is_null().then_some(Value::Null);
        says(&world, "ann", acr.clone(), auth_time);
        wait_until_due(Instant::now());
        assert_eq!(browser.fetch("/strong/x").status, status, "{acr}");
        refreshes(times);
        assert_eq!(browser.fetch("/recent/x").status, 200, "{acr}");
    }
}

#[test]
fn nothing_in_an_address_decides_what_the_pool_is_asked_for() {
    let world = world();
    let mut browser = world.browser();
    for query in [
        "rd=/x&acr_values=urn:evil&max_age=0",
        "acr_values=urn:cognito:loa:1&rd=/x",
        "rd=%2Fx%3Facr_values%3Durn%3Aevil%26max_age%3D0",
        "rd=%2Fx%23%26acr_values%3Durn%3Aevil",
    ] {
        let answer = browser.open(&format!("/oauth2/start?{query}"));
        assert_eq!(wishes(answer.location()), (None, None), "{query}");
    }
    // And nothing takes away what the rule asks for.
    for target in ["/strong/x?acr_values=urn:cognito:loa:1", "/oauth2/start?rd=/strong/x&acr_values=weak"] {
        let answer = browser.open(target);
        assert_eq!(wishes(answer.location()).0.as_deref(), Some("urn:cognito:loa:3"), "{target}");
    }
    for target in ["/STRONG/x", "//strong/x", "/strong;a/x", "/%73trong/x"] {
        let mut weak = signed_in(&world, "ann", Some("urn:cognito:loa:1"));
        assert_eq!(ask(&world, &weak, target, "").status, 401, "{target}");
        let rd: String = url::form_urlencoded::byte_serialize(target.as_bytes()).collect();
        let answer = weak.open(&format!("/oauth2/start?rd={rd}"));
        assert!(wishes(answer.location()).0.is_some() || !answer.location().contains("trong"), "{answer:#?}");
    }
}

fn world() -> World {
    let world = Setup::bench().rules(RULES).start();
    world.pool.user(User::new("ann", &["user"]));
    world
}

/// From now on the pool's tokens say so; `auth_time` in the place of the truth.
fn says(world: &World, name: &str, acr: Value, auth_time: Option<Value>) {
    world.pool.change_user(name, |user| {
        user.id_claims.insert("acr".into(), acr);
        for claims in [&mut user.id_claims, &mut user.access_claims] {
            match &auth_time {
                Some(time) => drop(claims.insert("auth_time".into(), time.clone())),
                None => drop(claims.remove("auth_time")),
            }
        }
    });
}

fn signed_in(world: &World, name: &str, acr: Option<&str>) -> Browser {
    says(world, name, acr.into(), None);
    world.signed_in(name)
}

/// What an authorize address asks for: `acr_values` and `max_age`, each once or not at all.
fn wishes(location: &str) -> (Option<String>, Option<String>) {
    let url = Url::parse(location).unwrap();
    let one = |wanted: &str| {
        let values: Vec<_> = url.query_pairs().filter(|(name, _)| name == wanted).collect();
        assert!(values.len() <= 1, "{location}");
        values.first().map(|(_, value)| value.clone().into_owned())
    };
    (one("acr_values"), one("max_age"))
}

/// Where a navigation is sent, as what is asked of the pool there.
fn sent_for(browser: &mut Browser, target: &str) -> (Option<String>, Option<String>) {
    let answer = browser.clone().open(target);
    assert_eq!(answer.status, 302, "{target}: {answer:#?}");
    assert!(answer.location().contains("/oauth2/authorize?"), "{answer:#?}");
    wishes(answer.location())
}

fn is_told_why(page: &Page, reason: &str) {
    let way: Vec<_> = page.hops.iter().map(|(url, status)| (url.path(), *status)).collect();
    assert_eq!(way.len(), 3, "there, to the pool, and back: {way:?}");
    assert_eq!(way[2], ("/oauth2/callback", 403), "{way:?}");
    let html = page.answer.text();
    assert!(html.contains(reason) && html.contains("stronger sign-in"), "{html}");
}
