//! How much about a person fits into cookies, and what happens where it does not.

use crate::support::pool::User;
use crate::support::until;
use crate::support::wire::Answer;
use crate::support::world::{Setup, World};

const PASS: &str = "__Host-rolegate";
/// What every browser keeps of one cookie: name, value and attributes.
const ONE_COOKIE: usize = 4096;
/// The bench's `user`, and this many groups of 33 characters.
const MANY: usize = 100;

#[test]
fn row_12_a_hundred_groups_of_33_characters_fit_and_parts_go_and_come_with_them() {
    let mapped = "[[identity.headers]]\nclaim = \"pet_preference\"\nheader = \"X-Pet-Preference\"\n";
    let rule = "[[rules]]\npath = \"/api/**\"\nany_role = [\"user\"]\npass_token = \"access\"\n";
    for (tables, rules, target) in [("", "", "/x"), (mapped, "", "/x"), (mapped, rule, "/api/x")] {
        let world = Setup::bench().session("max_role_age = \"1s\"").tables(tables).rules(rules).start();
        world.pool.set_rotation(true);
        world.pool.user(person("many", MANY));
        let mut browser = world.browser();
        let signed_in = browser.sign_in_to("many", target);
        assert_eq!(signed_in.answer.location(), format!("https://app.test{target}"));
        each_fits(&signed_in.answer);
        let first = browser.open(target);
        assert_eq!(roles(&first), wanted(MANY), "{first:#?}");
        let parts = browser.jar.named(&format!("{PASS}.")).len();
        assert!(parts >= 2 && browser.jar.get(PASS).is_none(), "{parts} parts");
        assert_eq!(tables.is_empty(), header(&first, "x-pet-preference").is_none());

        for groups in [MANY - 90, MANY, MANY - 90] {
            world.pool.user(person("many", groups));
            // One answer has the new roles, the parts that hold them, and the end of the others.
            let renewed = until("the roles of now", || {
                let answer = browser.fetch(target);
                assert_eq!(answer.status, 200, "{answer:#?}");
                each_fits(&answer);
                (roles(&answer) == wanted(groups)).then_some(answer)
            });
            if groups < MANY {
                for part in 0..parts {
                    let line = format!("{PASS}.{part}=;");
                    let lines = renewed.head.all("set-cookie");
                    assert!(
                        lines.iter().any(|l| l.starts_with(&line) && l.contains("Max-Age=0")),
                        "{lines:#?}"
                    );
                }
            }
            let whole = browser.jar.get(PASS).is_some();
            let held = browser.jar.named(&format!("{PASS}.")).len();
            assert_eq!((whole, held), if groups < MANY { (true, 0) } else { (false, parts) });
            assert_eq!(roles(&browser.open(target)), wanted(groups), "what the browser keeps is the same");
        }
    }
}

#[test]
fn row_12_over_the_limit_is_a_page_with_the_reason_at_sign_in_and_a_line_in_the_log() {
    let world = World::bench();
    world.pool.user(far_too_much("too-much"));
    let mut browser = world.browser();
    let callback = browser.callback_for("too-much", "/");
    let answer = browser.open(callback.as_str());
    assert_eq!((answer.status, answer.header("location")), (403, None), "{answer:#?}");
    assert!(answer.text().contains("too much about your account"), "{}", answer.text());
    assert!(answer.text().contains("switch=1"), "another account is the way on: {}", answer.text());
    until("a line in the log", || (says_too_large(&world) > 0).then_some(()));
    assert_eq!(world.upstream.count(), 0);
}

#[test]
fn row_12_over_the_limit_at_a_refresh_is_said_once_and_asked_once() {
    let world = World::bench();
    world.pool.set_rotation(true);
    world.pool.user(person("grows", 1));
    // An access token that ends with its login: the first request is a refresh, and for an hour no other is due.
    world.pool.set_life(0);
    let mut browser = world.signed_in("grows");
    world.pool.set_life(3600);
    world.pool.user(far_too_much("grows"));
    let refused = browser.fetch("/x");
    assert_eq!(refused.status, 403, "{refused:#?}");
    assert_eq!(refused.header("content-type"), Some("application/problem+json"));
    assert_eq!(refused.json()["error"], "session_too_large");
    let asked = world.pool.grants("refresh_token");
    for target in ["/x", "/admin", "/oauth2/userinfo"] {
        for _ in 0..5 {
            let page = browser.open(target);
            assert_eq!((page.status, page.header("location")), (403, None), "{page:#?}");
            assert!(page.text().contains("too much about your account"), "{}", page.text());
            assert!(page.text().contains("href=\"/oauth2/signout\">Sign out</a>"), "{}", page.text());
            let lines = page.head.all("set-cookie");
            assert!(lines.is_empty(), "no half of a session: {lines:?}");
        }
    }
    assert_eq!(world.pool.grants("refresh_token"), asked, "a refresh is decided on once");
    let told = |line: &str| line.contains("\"session_too_large\"").then_some(());
    world.gate.stdout().wait(told).expect("an access record with the code");
    until("a line in the log", || (says_too_large(&world) > 0).then_some(()));

    // The way out that the page shows.
    assert_eq!(browser.open("/oauth2/signout").status, 302);
    assert!(browser.jar.named(PASS).is_empty(), "{:?}", browser.jar.all());
    world
        .gate
        .stderr()
        .wait(|line| line.contains("signed out").then_some(()))
        .expect("a line of the sign-out");
    assert_eq!(says_too_large(&world), 1, "said once: {}", world.gate.stderr().all());
}

#[test]
fn two_hundred_abandoned_logins_leave_a_small_cookie_header_and_the_next_one_works() {
    let world = World::bench();
    let mut browser = world.browser();
    for n in 0..200 {
        // Every other one to a long address.
        let target = format!("/page-{n}?x={}", "y".repeat(if n % 2 == 0 { 10 } else { 1_500 }));
        let answer = browser.open(&target);
        assert_eq!(answer.status, 302, "{target}: {answer:#?}");
        each_fits(&answer);
        let header = browser.cookies("/");
        assert!(header.len() < 4096, "after {n} logins: {} bytes", header.len());
    }
    let callback = browser.callback_for("user", "/last?x=1");
    assert_eq!(browser.open(callback.as_str()).location(), "https://app.test/last?x=1");
    assert_eq!(browser.fetch("/x").status, 200);
}

#[test]
fn eight_tabs_that_sign_in_side_by_side_all_arrive() {
    let world = World::bench();
    let mut browser = world.browser();
    let begun: Vec<_> = (0..8).map(|tab| browser.callback_for("user", &format!("/tab-{tab}"))).collect();
    // In an order that is nobody's.
    for tab in [3, 0, 7, 1, 6, 2, 5, 4] {
        let answer = browser.open(begun[tab].as_str());
        assert_eq!((answer.status, answer.location()), (302, &*format!("https://app.test/tab-{tab}")));
    }
    assert_eq!(browser.fetch("/x").status, 200);
    assert!(browser.jar.named("__Host-rolegate-login-").is_empty());
}

fn groups(count: usize) -> Vec<String> {
    let mut groups: Vec<String> = (0..count).map(|n| format!("group-{n:03}-{}", "x".repeat(23))).collect();
    assert!(groups.iter().all(|group| group.len() == 33));
    groups.push("user".into());
    groups
}

fn person(name: &str, count: usize) -> User {
    let groups = groups(count);
    let names: Vec<&str> = groups.iter().map(String::as_str).collect();
    User::new(name, &names).with("pet_preference", "dogs")
}

/// X-Roles of somebody with so many groups.
fn wanted(count: usize) -> String {
    groups(count).join(",")
}

/// More than cookies hold, in tokens that are each small enough to be looked at.
fn far_too_much(name: &str) -> User {
    let groups = |letter: &str| -> Vec<String> {
        (0..160).map(|n| format!("group-{letter}-{n:03}-{}", "x".repeat(40))).collect()
    };
    let (id, access) = (groups("i"), groups("a"));
    let names: Vec<&str> = id.iter().map(String::as_str).chain(["user"]).collect();
    User::new(name, &names).with_access("cognito:groups", access)
}

fn each_fits(answer: &Answer) {
    for line in answer.head.all("set-cookie") {
        assert!(line.len() <= ONE_COOKIE, "{} bytes: {line}", line.len());
    }
}

/// What the upstream saw of a header.
fn header(answer: &Answer, name: &str) -> Option<String> {
    let seen = answer.json();
    let headers = seen["headers"].as_array()?;
    let found = headers.iter().find(|pair| pair[0] == name)?;
    found[1].as_str().map(str::to_owned)
}

fn roles(answer: &Answer) -> String {
    header(answer, "x-roles").unwrap_or_default()
}

fn says_too_large(world: &World) -> usize {
    world.gate.stderr().all().lines().filter(|line| line.contains("too large for cookies")).count()
}
