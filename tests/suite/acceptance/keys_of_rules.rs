//! Every key of a rule, at the real gate: who it lets through, who it refuses, and where it sends what it lets through.

use serde_json::{Value, json};

use super::{ask, identity, one_seen, seen};
use crate::support::pool::User;
use crate::support::upstream::Recorder;
use crate::support::wire::Wire;
use crate::support::world::{Setup, World};

/// Signs somebody in and asks for a path as a script: the status.
fn status(world: &World, user: User, path: &str) -> u16 {
    let name = user.name.clone();
    world.pool.user(user);
    let mut browser = world.browser();
    browser.sign_in(&name);
    browser.fetch(path).status
}

/// HDR-29.
pub fn an_email_domain_is_that_of_a_verified_address_with_one_at_sign() {
    let rule = "[[rules]]\npath = \"/corp/**\"\nany_email_domain = [\"corp.com\", \"Sub.Corp.net\"]\n";
    let world = Setup::bench().rules(rule).start();
    for (at, (email, verified, expected)) in [
        ("a@corp.com", json!(true), 200),
        ("a@CORP.com", json!("true"), 200),
        ("a@sub.corp.net", json!(true), 200),
        ("a+b@corp.com", json!(true), 200),
        ("a@evil.com@corp.com", json!(true), 403),
        ("\"a@corp.com\"@evil.com", json!(true), 403),
        ("a@corp.com,", json!(true), 403),
        ("a@corp.com, b@evil.com", json!(true), 403),
        ("a@corp.com ", json!(true), 403),
        ("a@corp.com.", json!(true), 403),
        ("a@corp.com\u{0}", json!(true), 403),
        ("a@xcorp.com", json!(true), 403),
        ("a@corp.com.evil.com", json!(true), 403),
        ("a@corp.net", json!(true), 403),
        ("a@x.sub.corp.net", json!(true), 403),
        ("@corp.com", json!(true), 403),
        ("corp.com", json!(true), 403),
        ("a@c\u{43e}rp.com", json!(true), 403),
        ("a@corp.com", json!(false), 403),
        ("a@corp.com", json!("false"), 403),
        ("a@corp.com", json!(1), 403),
        ("a@corp.com", Value::Null, 403),
    ]
    .into_iter()
    .enumerate()
    {
        let user =
            User::new(&format!("mail-{at}"), &[]).with("email", email).with("email_verified", verified);
        assert_eq!(status(&world, user, "/corp/x"), expected, "{email:?}");
    }
    assert_eq!(seen(&world.upstream, "/corp/x").len(), 4);
}

#[test]
fn any_user_any_scope_and_all_roles_take_whole_names_and_add_up() {
    let rules = "[[rules]]\npath = \"/named/**\"\nany_user = [\"ann\", \"b,ob\"]\n\
        [[rules]]\npath = \"/scoped/**\"\nany_scope = [\"api/read\", \"api/all\"]\n\
        [[rules]]\npath = \"/every/**\"\nall_roles = [\"one\", \"two\"]\n\
        [[rules]]\npath = \"/added/**\"\nany_role = [\"one\", \"two\"]\nany_user = [\"ann\"]\nany_scope = [\"api/read\"]\n";
    let world = Setup::bench().rules(rules).start();
    let user = |name: &str, groups: &[&str], scope: &str| User::new(name, groups).with_access("scope", scope);
    for (path, name, groups, scope, expected) in [
        ("/named/x", "ann", &[][..], "openid", 200),
        ("/named/x", "b,ob", &[], "openid", 200),
        ("/named/x", "Ann", &[], "openid", 403),
        ("/named/x", "ann2", &[], "openid", 403),
        ("/named/x", "b", &["ann"], "openid", 403),
        ("/scoped/x", "cleo", &[], "openid api/read", 200),
        ("/scoped/x", "cleo", &[], "api/all", 200),
        ("/scoped/x", "cleo", &["api/read"], "openid", 403),
        ("/scoped/x", "cleo", &[], "api/reader xapi/read api/", 403),
        ("/scoped/x", "cleo", &[], "API/READ", 403),
        ("/scoped/x", "cleo", &[], "api/read,api/all", 403),
        ("/every/x", "dan", &["one", "two", "three"], "openid", 200),
        ("/every/x", "dan", &["one"], "openid", 403),
        ("/every/x", "dan", &["one,two"], "openid", 403),
        ("/added/x", "ann", &["two"], "api/read", 200),
        ("/added/x", "ann", &["three"], "api/read", 403),
        ("/added/x", "ann", &["two"], "openid", 403),
        ("/added/x", "dan", &["two"], "api/read", 403),
    ] {
        assert_eq!(
            status(&world, user(name, groups, scope), path),
            expected,
            "{path} {name} {groups:?} {scope}"
        );
    }
    // What is missing is said, and names no other people.
    world.pool.user(user("dan", &["one"], "openid"));
    let mut browser = world.browser();
    browser.sign_in("dan");
    let told = browser.fetch("/every/x").json();
    assert_eq!(told["error"], "role_missing");
    assert!(told["detail"].as_str().unwrap().ends_with("needs the role two."), "{told}");
    assert!(!browser.fetch("/named/x").text().contains("ann"));
}

#[test]
fn a_rules_own_upstream_gets_what_that_rule_lets_through_and_nothing_else() {
    let (first, second) = (Recorder::start(), Recorder::start());
    let rules = format!(
        "[[rules]]\npath = \"/api/**\"\nany_role = [\"user\"]\nupstream = \"http://{}\"\n\
         [[rules]]\npath = \"/api/open\"\npublic = true\nover_role = true\nupstream = \"http://{}\"\n\
         [[rules]]\npath = \"/api/first/**\"\nany_role = [\"user\"]\n",
        second.address, second.address
    );
    let pool = crate::support::pool::FakePool::start();
    let world = Setup::bench().top("pass_host = false").rules(&rules).start_with(pool, first);
    let browser = world.signed_in("user");
    for (path, at_second) in [
        ("/api", true),
        ("/api/x", true),
        ("/API/y", true),
        ("/api/open", true),
        ("/api/first/x", false),
        ("/apix", false),
        ("/x", false),
    ] {
        assert_eq!(ask(&world, &browser, path, "").status, 200, "{path}");
        let (wanted, other) = if at_second { (&second, &world.upstream) } else { (&world.upstream, &second) };
        let head = one_seen(wanted, path).head;
        assert_eq!(head.one("host"), Some(wanted.address.to_string().as_str()), "its own Host: {path}");
        assert_eq!(head.one("x-forwarded-host"), Some("app.test"));
        assert!(seen(other, path).is_empty(), "{path}");
    }
    assert_eq!(ask(&world, &world.browser(), "/api/nobody", "").status, 401);
    assert!(seen(&second, "/api/nobody").is_empty());
    assert!(
        one_seen(&second, "/api/open").head.one("x-user").is_some(),
        "who is signed in is known there too"
    );
}

#[test]
fn unauthenticated_401_sends_nobody_away_and_from_only_narrows() {
    let rules = "[[rules]]\npath = \"/api/**\"\nany_role = [\"user\"]\nunauthenticated = \"401\"\n\
        [[rules]]\npath = \"/near/**\"\nany_role = [\"user\"]\nfrom = [\"127.0.0.0/8\"]\n\
        [[rules]]\npath = \"/far/**\"\nany_role = [\"user\"]\nfrom = [\"10.0.0.0/8\", \"::1/128\"]\n";
    let world = Setup::bench().rules(rules).start();
    let answer = world.browser().open("/api/x");
    assert_eq!(answer.status, 401, "{answer:#?}");
    assert!(answer.header("content-type").unwrap().starts_with("text/html"));
    assert!(answer.text().contains("/oauth2/start?rd=%2Fapi%2Fx"), "{}", answer.text());
    assert_eq!(world.browser().open("/near/x").status, 302, "an address is no identity");
    assert_eq!(world.browser().open("/far/x").status, 403);
    let mut browser = world.signed_in("user");
    assert_eq!(browser.open("/near/x").status, 200);
    for lines in
        ["", "X-Forwarded-For: 10.0.0.1\r\n", "Forwarded: for=10.0.0.1\r\n", "X-Real-IP: 10.0.0.1\r\n"]
    {
        assert_eq!(ask(&world, &browser, "/far/x", lines).status, 403, "{lines}");
    }
    assert!(seen(&world.upstream, "/far/x").is_empty());
    assert_eq!(identity(&world.upstream, "/near/x").0, "user");
}

#[test]
fn a_true_preflight_passes_without_identity_and_nothing_else_does() {
    let rules = "[[rules]]\npath = \"/api/**\"\nany_role = [\"user\"]\npreflight = true\nmethods = [\"GET\", \"PUT\"]\n\
        [[rules]]\npath = \"/shut/**\"\nany_role = [\"user\"]\n";
    let world = Setup::bench().rules(rules).start();
    let cookies = world.signed_in("user").cookies("/");
    let send = |method: &str, path: &str, lines: &str| {
        let mut wire = Wire::connect(world.gate.public);
        let head = format!("{method} {path} HTTP/1.1\r\nHost: app.test\r\n{lines}Connection: close\r\n\r\n");
        wire.write(head.as_bytes());
        wire.answer(false).unwrap().status
    };
    let origin = "Origin: https://other.test\r\n";
    let true_one = format!("{origin}Access-Control-Request-Method: PUT\r\nX-User: root\r\n");
    assert_eq!(send("OPTIONS", "/api/x", &true_one), 200);
    assert_eq!(crate::support::world::identity_seen(&one_seen(&world.upstream, "/api/x")), Ok(None));
    let asks = |method: &str| format!("{origin}Access-Control-Request-Method: {method}\r\n");
    for (method, path, lines) in [
        ("OPTIONS", "/shut/x", asks("GET")),
        // A browser sends none with it.
        ("OPTIONS", "/api/x", format!("{true_one}Cookie: {cookies}\r\n")),
        // Of a method that the rule does not name.
        ("OPTIONS", "/api/x", asks("DELETE")),
        ("OPTIONS", "/api/x", "Access-Control-Request-Method: PUT\r\n".into()),
        ("OPTIONS", "/api/x", origin.into()),
        ("OPTIONS", "/api/x", format!("{}{}", asks("GET"), "Access-Control-Request-Method: PUT\r\n")),
        ("GET", "/api/x", asks("PUT")),
        ("PUT", "/api/x", asks("PUT")),
    ] {
        let status = send(method, path, &lines);
        assert!(matches!(status, 400 | 401 | 403), "{method} {path} {lines:?}: {status}");
    }
    assert_eq!(seen(&world.upstream, "/api/x").len(), 1);
    assert!(seen(&world.upstream, "/shut/x").is_empty());
}
