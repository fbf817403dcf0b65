//! What an old key sealed is sealed anew on the next answer: together, whole, and nothing else.

use super::*;

const RULES: &str = r#"
[[rules]]
path = "/api/**"
any_role = ["user"]
pass_token = "access"
"#;

#[test]
fn pass_ticket_and_tokens_are_sealed_anew_with_the_next_answer_and_only_once() {
    let (a, b) = (random(32), random(32));
    let world = Setup::bench().rules(RULES).keys(&a).start();
    let old = world.signed_in("user");
    roll(&world.gate, &format!("{b}\n{a}"));
    // Where a token is handed on and where none is.
    for path in ["/api/x", "/x", "/public/x", "/oauth2/userinfo"] {
        let mut browser = old.clone();
        let answer = browser.fetch(path);
        assert_eq!((answer.status, set(&answer)), (200, vec![PASS, TICKET, TOKEN]), "{path}: {answer:#?}");
        assert!(answer.header("cache-control").unwrap().contains("no-store"), "{path}: {answer:#?}");
        for name in [PASS, TICKET, TOKEN] {
            assert_ne!(sealed_by(&browser.jar, name), sealed_by(&old.jar, name), "{path}: {name}");
        }
        let again = browser.fetch(path);
        assert_eq!((again.status, set(&again)), (200, vec![]), "{path}: {again:#?}");
        let mark = world.mark();
        assert_eq!(browser.fetch("/api/x").status, 200);
        let seen = &world.seen_since(mark)[0];
        assert_eq!(seen.head.all("authorization").len(), 1, "the token is still there: {seen:#?}");
    }
    assert_eq!(world.pool.grants("refresh_token"), 0);
}

#[test]
fn only_what_an_old_key_sealed_is_sealed_anew() {
    let (a, b) = (random(32), random(32));
    let world = Setup::bench().rules(RULES).keys(&a).start();
    let old = world.signed_in("user");
    roll(&world.gate, &format!("{b}\n{a}"));
    let mut new = old.clone();
    new.fetch("/x");
    for name in [PASS, TICKET, TOKEN] {
        let mut mixed = new.clone();
        mixed.jar.plant(name, &old.jar.get(name).unwrap().value);
        let answer = mixed.fetch("/api/x");
        assert_eq!((answer.status, set(&answer)), (200, vec![name]), "{answer:#?}");
    }
    // A ticket of another login is none of this session's and is left alone.
    let other = {
        let mut other = world.browser();
        other.sign_in("admin");
        other
    };
    let mut mixed = other.clone();
    mixed.jar.plant(TICKET, &old.jar.get(TICKET).unwrap().value);
    let answer = mixed.fetch("/x");
    assert_eq!((answer.status, set(&answer)), (200, vec![]), "{answer:#?}");
    // Nor is anybody who only names an old key.
    let mut forged = other.clone();
    let value = old.jar.get(TICKET).unwrap().value.clone();
    forged.jar.plant(TICKET, &format!("{}{}", &value[..8], "A".repeat(100)));
    let answer = forged.fetch("/x");
    assert_eq!((answer.status, set(&answer)), (200, vec![]), "{answer:#?}");
}

#[test]
fn a_session_in_parts_is_sealed_anew_in_as_many() {
    let (a, b) = (random(32), random(32));
    let world = Setup::bench().keys(&a).start();
    let mut browser = large(&world);
    let old = browser.clone();
    assert!(browser.jar.named(&format!("{PASS}.")).len() >= 3);
    roll(&world.gate, &format!("{b}\n{a}"));
    assert_eq!(browser.fetch("/x").status, 200);
    let names = |browser: &Browser| -> Vec<String> {
        let mut names: Vec<_> = browser.jar.all().iter().map(|cookie| cookie.name.clone()).collect();
        names.sort();
        names
    };
    assert_eq!(names(&browser), names(&old));
    assert_ne!(sealed_by(&browser.jar, PASS), sealed_by(&old.jar, PASS));
    roll(&world.gate, &b);
    assert_eq!(browser.fetch("/x").status, 200);
}

#[test]
fn where_a_refresh_may_come_meanwhile_sealing_anew_is_left_to_it() {
    let (a, b) = (random(32), random(32));
    // Every session is within two minutes of its refresh.
    let world = Setup::bench().session("max_role_age = \"60s\"").keys(&a).start();
    let mut browser = world.signed_in("user");
    let old = browser.clone();
    roll(&world.gate, &format!("{b}\n{a}"));
    let answer = browser.fetch("/x");
    assert_eq!((answer.status, set(&answer)), (200, vec![]), "{answer:#?}");
    // The refresh does it.
    let world = world.restarted(|setup| {
        let setup = setup.keys(&format!("{b}\n{a}"));
        Setup { session: "max_role_age = \"1s\"".into(), ..setup }
    });
    let mut browser = with_jar(&world, browser.jar);
    patiently("a refresh", || {
        assert_eq!(browser.fetch("/x").status, 200);
        world.pool.grants("refresh_token") > 0
    });
    for name in [PASS, TICKET] {
        assert_ne!(sealed_by(&browser.jar, name), sealed_by(&old.jar, name), "{name}");
    }
}

#[test]
fn a_visit_that_the_idle_limit_must_see_is_sealed_anew_once_and_its_ticket_too() {
    let (a, b) = (random(32), random(32));
    let world = Setup::bench().session("idle = \"30s\"").keys(&a).start();
    let mut browser = world.signed_in("user");
    let old = browser.clone();
    roll(&world.gate, &format!("{b}\n{a}"));
    // A tenth of the limit, after which a visit has the pass sealed anew whatever its key.
    std::thread::sleep(Duration::from_secs(4));
    let answer = browser.fetch("/x");
    assert_eq!((answer.status, set(&answer)), (200, vec![PASS, TICKET]), "{answer:#?}");
    assert_ne!(sealed_by(&browser.jar, PASS), sealed_by(&old.jar, PASS));
    roll(&world.gate, &b);
    assert_eq!(browser.fetch("/x").status, 200);
}
