//! How the upstream is told who someone is: under which names, in which form, and out of which claims.

use serde_json::{Value, json};

use super::{ask, one_seen, seen};
use crate::login::login;
use crate::support::pool::User;
use crate::support::token::Use;
use crate::support::world::Setup;

#[test]
fn further_names_carry_the_same_and_a_clients_copy_of_any_never_passes() {
    let identity = "[identity]\nuser_headers = [\"X-Remote-User\", \"Remote-User\", \"X-Gitlab-Person\"]\n\
        roles_headers = [\"X-Webauth-Groups\"]\n";
    let world = Setup::bench().tables(identity).start();
    let browser = world.signed_in("user");
    let names = ["X-User", "X-Remote-User", "Remote-User", "X-Gitlab-Person", "X-Roles", "X-Webauth-Groups"];
    let mut lines = String::new();
    for name in names {
        for alias in [
            name.to_owned(),
            name.to_lowercase(),
            name.replace('-', "_"),
            name.replace('-', "."),
            name.replace('-', ""),
        ] {
            lines += &format!("{alias}: root\r\n");
        }
        lines += &format!("Connection: {name}\r\n");
    }
    for (browser, target, user, roles) in [
        (&browser, "/named", Some("user"), Some("user")),
        (&browser, "/public/named", Some("user"), Some("user")),
        (&world.browser(), "/public/nobody", None, None),
    ] {
        assert_eq!(ask(&world, browser, target, &lines).status, 200, "{target}");
        let seen = one_seen(&world.upstream, target);
        for name in names {
            let roles_too = name.contains("Roles") || name.contains("Groups");
            let expected = if roles_too { roles } else { user };
            assert_eq!(seen.head.all(name), expected.into_iter().collect::<Vec<_>>(), "{target} {name}");
        }
        assert!(!seen.head.headers.iter().any(|(_, value)| value == "root"), "{target}: {seen:#?}");
    }
}

#[test]
fn roles_as_json_are_what_they_were_before() {
    let world = Setup::bench().tables("[identity]\nroles_format = \"json\"\n").start();
    let groups = ["user", "user,admin", "größe", "q\"\\", "\u{1f600}"];
    world.pool.user(User::new("odd", &groups));
    assert_eq!(ask(&world, &world.signed_in("odd"), "/json", "").status, 200);
    let seen = one_seen(&world.upstream, "/json");
    let text = seen.head.one("x-roles").unwrap();
    assert!(text.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{text}");
    let mut expected = groups.map(str::to_owned);
    expected.sort();
    assert_eq!(serde_json::from_str::<Vec<String>>(text).unwrap(), expected);
    // Nobody's role is an empty array, not nothing.
    world.pool.user(User::new("none", &[]));
    assert_eq!(ask(&world, &world.signed_in("none"), "/public/json", "").status, 200);
    assert_eq!(super::one_seen(&world.upstream, "/public/json").head.one("x-roles"), Some("[]"));
}

/// Roles out of every shape that a claim can have.
const SHAPES: &str = r#"
[[identity.roles]]
claim = "cognito:groups"
only = ["eu-staff", "eu-boss", "user"]
rename = { eu-staff = "staff", eu-boss = "boss" }
[[identity.roles]]
claim = "custom:list"
split = ";"
[[identity.roles]]
claim = "tenant"
contains = { plan = "gold", seats = 5 }
role = "gold"
[[identity.roles]]
claim = "badges"
contains = "press"
role = "press"
[[identity.roles]]
claim = "level"
equals = 3
role = "third"
[[identity.roles]]
claim = "beta"
equals = true
role = "beta"
[[identity.roles]]
claim = "access-only"
token = "access"
[[identity.roles]]
claim = "id-only"
token = "id"
"#;

#[test]
fn each_shape_of_a_claim_gives_its_roles_and_nothing_gives_more() {
    let world = Setup { required_roles: "\"signed-in\"".into(), ..Setup::bench() }.tables(SHAPES).start();
    let plain = |name: &str| User::new(name, &[]);
    for (user, expected) in [
        (User::new("u01", &["eu-staff", "eu-boss", "eu-other", "staff-x"]), "boss,staff"),
        // The name that a value is given is not itself a value.
        (User::new("u02", &["staff", "boss"]), ""),
        (plain("u03").with("custom:list", "a; b ;;c,d"), "a,b,c%2Cd"),
        (plain("u04").with("tenant", json!({"plan": "gold", "seats": 5, "more": [1]})), "gold"),
        (plain("u05").with("tenant", json!({"plan": "gold"})), ""),
        (plain("u06").with("tenant", json!({"plan": "golden", "seats": 5})), ""),
        (plain("u07").with("badges", json!(["press", 7])), "press"),
        (plain("u08").with("badges", json!(["pressroom", ["press"], {"press": true}])), ""),
        (plain("u09").with("level", 3), "third"),
        (plain("u10").with("level", 33), ""),
        (plain("u11").with("level", "3"), ""),
        (plain("u12").with("beta", true), "beta"),
        (plain("u13").with("beta", "true"), ""),
        (plain("u14").with("beta", 1), ""),
        (plain("u15").with_access("access-only", json!(["a"])).with("access-only", json!(["b"])), "a"),
        (plain("u16").with_access("id-only", "a").with("id-only", "b"), "b"),
        (plain("u17").with("custom:list", json!(["x", 7, true])), "7,true,x"),
    ] {
        let name = user.name.clone();
        world.pool.user(user);
        assert_eq!(ask(&world, &world.signed_in(&name), &format!("/of-{name}"), "").status, 200);
        let roles = one_seen(&world.upstream, &format!("/of-{name}")).head.one("x-roles").map(str::to_owned);
        assert_eq!(roles.as_deref(), Some(expected), "{name}");
    }
}

#[test]
fn a_claim_of_an_unexpected_type_grants_nothing_and_is_told_of_once_a_minute() {
    let world = Setup { required_roles: "\"signed-in\"".into(), ..Setup::bench() }.tables(SHAPES).start();
    let odd = |name: &str| {
        User::new(name, &[])
            .with("custom:list", json!({"admin": true}))
            .with("badges", "press")
            .with("id-only", json!(["admin", ["admin"]]))
    };
    for name in ["odd-1", "odd-2", "odd-3"] {
        world.pool.user(odd(name));
        assert_eq!(ask(&world, &world.signed_in(name), &format!("/{name}"), "").status, 200);
        assert_eq!(one_seen(&world.upstream, &format!("/{name}")).head.one("x-roles"), Some(""), "{name}");
    }
    let told = |claim: &str| {
        let of_it = |line: &str| line.contains("granted nothing") && line.contains(&format!("{claim:?}"));
        world.gate.stderr().wait(|line| of_it(line).then_some(())).expect("a line in the log");
        world.gate.stderr().all().lines().filter(|line| of_it(line)).map(str::to_owned).collect::<Vec<_>>()
    };
    for (claim, is) in [("custom:list", "an object"), ("badges", "a text"), ("id-only", "a list of more")] {
        let lines = told(claim);
        assert_eq!(lines.len(), 1, "{claim}: {lines:#?}");
        assert!(lines[0].contains(is) && lines[0].contains("WARN"), "{lines:#?}");
    }
}

#[test]
fn a_claim_that_no_header_can_say_refuses_and_says_which() {
    let header =
        "[[identity.headers]]\nclaim = \"tenant\"\nheader = \"X-Tenant\"\n[bearer]\ntokens = \"id\"\n";
    let world = Setup::bench().tables(header).start();
    let user = |tenant: Value| User::new("ann", &["user"]).with("tenant", tenant);
    for (at, (tenant, shown)) in
        [(json!("a,b ü"), "a%2Cb%20%C3%BC"), (json!(["a", 2]), "a,2"), (json!(1.5), "1.5")]
            .into_iter()
            .enumerate()
    {
        world.pool.user(user(tenant));
        let path = format!("/tenant-{at}");
        assert_eq!(ask(&world, &world.signed_in("ann"), &path, "").status, 200);
        assert_eq!(one_seen(&world.upstream, &path).head.one("x-tenant"), Some(shown));
    }
    for tenant in [json!({"id": 1}), json!(["a", {"id": 1}])] {
        world.pool.user(user(tenant));
        login(&world, "ann").must_fail(&world, 403, &["claim_unwritable"]);
        let token = world.pool.mint(Use::Id, "ann", |_| {});
        let lines = format!("Authorization: Bearer {token}\r\n");
        let answer = ask(&world, &world.browser(), "/tenant-refused", &lines);
        assert_eq!(answer.status, 403, "{answer:#?}");
    }
    assert!(seen(&world.upstream, "/tenant-refused").is_empty());
    let names = |line: &str| (line.contains("claim_unwritable") && line.contains("tenant")).then_some(());
    world.gate.stderr().wait(names).expect("the log names the claim");
}
