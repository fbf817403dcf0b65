//! Bearer tokens end to end: one of them alone decides, and whatever is wrong with it is one and the same answer.

use serde_json::json;

use crate::support::gate::Access;
use crate::support::pool::CLIENT_ID;
use crate::support::token::{Mint, Use};
use crate::support::wire::{Answer, Wire};
use crate::support::world::{Mark, Setup, World};

mod header;
pub mod keys;
mod rules;
mod wrong;

pub use header::{beside_a_token_no_cookie_is_read_or_set, only_one_well_formed_header_is_a_token};
pub use wrong::every_way_to_be_wrong_has_a_reason_of_its_own_and_the_same_answer;

/// The bench, where access tokens count.
pub fn bench() -> Setup {
    Setup::bench().tables("[bearer]")
}

/// The bench of section I, where both tokens count.
pub fn either() -> World {
    Setup::bench().tables("[bearer]\ntokens = \"either\"").start()
}

/// `GET` with these header lines, on a connection of its own.
pub fn ask(world: &World, target: &str, lines: &str) -> Answer {
    send(world, "GET", target, lines)
}

/// The same with any method.
pub fn send(world: &World, method: &str, target: &str, lines: &str) -> Answer {
    let mut wire = Wire::connect(world.gate.public);
    let host = if lines.starts_with("Host:") { "" } else { "Host: app.test\r\n" };
    wire.write(format!("{method} {target} HTTP/1.1\r\n{host}{lines}\r\n").as_bytes());
    wire.answer(method == "HEAD").unwrap_or_else(|ended| panic!("{method} {target}: {ended:?}"))
}

/// The header line that carries a token.
pub fn line(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

/// An honest access token.
pub fn access(world: &World, user: &str) -> String {
    world.pool.mint(Use::Access, user, |_| {})
}

/// An access token of a client that is nobody's: its subject is the client, and no user is named.
pub fn machine(world: &World, client: &str, scope: &str) -> String {
    world.pool.mint(Use::Access, client, |mint| as_machine(mint, client, scope))
}

fn as_machine(mint: &mut Mint, client: &str, scope: &str) {
    for name in ["username", "auth_time", "origin_jti", "event_id"] {
        mint.without(name);
    }
    mint.claim("sub", client);
    mint.claim("client_id", client);
    mint.claim("scope", scope);
}

/// The access record of an answer that the gate wrote itself.
pub fn record(world: &World, answer: &Answer) -> Access {
    let id = answer.header("x-request-id").expect("a request id");
    let of_it = |line: &str| Access::parse(line).filter(|access| access.text("request_id") == id);
    world.gate.stdout().wait(of_it).expect("an access record")
}

/// The answer to a token that does not count, as RFC 6750 has it, and nothing more. Gives the reason that only the
/// access record tells.
pub fn refused(world: &World, answer: &Answer, mark: Mark) -> String {
    assert_eq!(answer.status, 401, "{answer:#?}");
    assert_eq!(answer.head.all("www-authenticate"), ["Bearer error=\"invalid_token\""]);
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    assert_eq!(answer.json()["error"], "invalid_token");
    assert_eq!(answer.json().get("login_url"), None, "who has a token has no use for a login");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    for name in ["set-cookie", "location"] {
        assert!(answer.head.all(name).is_empty(), "{answer:#?}");
    }
    assert!(world.seen_since(mark).is_empty(), "the upstream saw it: {:#?}", world.seen_since(mark));
    let access = record(world, answer);
    assert_eq!(access.decision(), "challenge", "{access:?}");
    let reason = access.text("reason").to_owned();
    assert!(!reason.is_empty() && !answer.text().contains(&reason), "{reason} is told: {}", answer.text());
    reason
}

/// A token that the callback refuses for one of these reasons is refused as a bearer token for one of them too,
/// unless no header could hold it.
pub fn must_not_count(world: &World, token: &str, reasons: &[&str]) {
    let mark = world.mark();
    if token.len() > 30_000 {
        assert_eq!(ask(world, "/x", &line(token)).status, 431, "{} bytes", token.len());
        assert!(world.seen_since(mark).is_empty());
        return;
    }
    if token.contains(|c: char| c.is_ascii_control()) {
        assert_eq!(ask(world, "/x", &line(token)).status, 400, "{token:?}");
        assert!(world.seen_since(mark).is_empty());
        return;
    }
    let answer = ask(world, "/x", &line(token));
    let reason = refused(world, &answer, mark);
    // RFC 6750 §2.1; blanks around a field's value are none of it.
    let body = token.trim_matches(' ').trim_end_matches('=');
    let part = |c: char| c.is_ascii_alphanumeric() || "-._~+/".contains(c);
    let well_formed = !body.is_empty() && body.chars().all(part) && !token.starts_with(' ');
    if well_formed {
        assert!(reasons.contains(&reason.as_str()), "{reason} is none of {reasons:?}: {token}");
    } else {
        assert_eq!(reason, "bearer_malformed", "{token:?}");
    }
}

/// How many requests the metrics count for a reason.
fn counted(world: &World, reason: &str) -> u64 {
    let text = world.gate.admin("/metrics").text();
    let label = format!("reason=\"{reason}\"");
    let lines =
        text.lines().filter(|line| line.starts_with("rolegate_requests_total{") && line.contains(&label));
    lines.map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap()).sum()
}

#[test]
fn an_access_token_counts_by_its_roles_and_scopes_and_garbage_is_challenged() {
    let world = bench().rules("[[rules]]\npath = \"/api/**\"\nany_scope = [\"api/read\"]").start();
    let token = access(&world, "admin");
    let mark = world.mark();
    assert_eq!(ask(&world, "/admin/x", &line(&token)).status, 200);
    let seen = &world.seen_since(mark)[0];
    assert_eq!((seen.head.one("x-user"), seen.head.one("x-roles")), (Some("admin"), Some("admin,user")));
    assert!(seen.head.all("authorization").is_empty(), "{seen:#?}");
    let access = world.record_of(seen);
    assert_eq!(
        (access.decision(), access.text("reason"), access.text("user")),
        ("forward", "allowed", "admin")
    );

    let mark = world.mark();
    let answer = ask(&world, "/api/x", &line(&token));
    assert_eq!(answer.status, 403, "{answer:#?}");
    assert_eq!(
        answer.head.all("www-authenticate"),
        ["Bearer error=\"insufficient_scope\", scope=\"api/read\""]
    );
    let lacking = ask(&world, "/admin/x", &line(&self::access(&world, "user")));
    assert_eq!((lacking.status, &lacking.json()["error"]), (403, &json!("role_missing")));
    assert!(lacking.head.all("www-authenticate").is_empty(), "no scope would help: {lacking:#?}");
    assert!(lacking.header("location").is_none());
    assert!(world.seen_since(mark).is_empty());

    let mark = world.mark();
    let garbage = ask(&world, "/x", &line("garbage"));
    assert_eq!(refused(&world, &garbage, mark), "token_malformed");
    assert_eq!(world.pool.count(crate::support::pool::Endpoint::Jwks), 1, "verified offline");
}

#[test]
fn a_machines_token_is_the_client_itself_and_counts_where_the_client_is_allowed() {
    let clients = format!("[bearer]\nclients = [{CLIENT_ID:?}, \"machine-one\", \"machine-two\"]");
    let rules = "[[rules]]\npath = \"/api/**\"\nany_scope = [\"api/read\"]\n\
        [[rules]]\npath = \"/jobs/**\"\nany_user = [\"machine-two\"]";
    let world = Setup::bench().tables(&clients).rules(rules).start();
    for (client, target, scope, status) in [
        ("machine-one", "/api/x", "api/read", 200),
        ("machine-two", "/api/x", "api/write api/read", 200),
        ("machine-one", "/api/x", "api/readx api", 403),
        ("machine-one", "/api/x", "", 403),
        ("machine-one", "/x", "api/read", 403),
        ("machine-one", "/jobs/x", "api/read", 403),
        ("machine-two", "/jobs/x", "api/read", 200),
        ("machine-three", "/api/x", "api/read", 401),
        (&CLIENT_ID.to_lowercase(), "/api/x", "api/read", 401),
    ] {
        let mark = world.mark();
        let answer = ask(&world, target, &line(&machine(&world, client, scope)));
        assert_eq!(answer.status, status, "{client} {target} {scope:?}: {answer:#?}");
        let seen = world.seen_since(mark);
        let users: Vec<_> =
            seen.iter().map(|seen| (seen.head.one("x-user"), seen.head.one("x-roles"))).collect();
        match status {
            200 => assert_eq!(users, [(Some(client), Some(""))]),
            401 => assert_eq!(refused(&world, &answer, mark), "token_client_id"),
            _ => assert!(users.is_empty(), "{users:?}"),
        }
    }
    // People of the main client and of another allowed one; one who is called as a machine is nobody.
    assert_eq!(ask(&world, "/x", &line(&access(&world, "user"))).status, 200);
    let others = world.pool.mint(Use::Access, "user", |mint| mint.claim("client_id", "machine-one"));
    assert_eq!(ask(&world, "/x", &line(&others)).status, 200);
    let impostor = world.pool.mint(Use::Access, "user", |mint| mint.claim("username", "machine-two"));
    let answer = ask(&world, "/jobs/x", &line(&impostor));
    assert_eq!((answer.status, record(&world, &answer).text("reason")), (403, "called_as_client"));
}

#[test]
fn a_token_that_is_bound_to_a_resource_counts_only_for_one_of_ours() {
    let world = Setup::bench()
        .tables("[bearer]\naudiences = [\"https://api.example.com\", \"https://other.example.com\"]")
        .start();
    for (aud, counts) in [
        (json!("https://api.example.com"), true),
        (json!(["https://elsewhere.test", "https://other.example.com"]), true),
        (json!(CLIENT_ID), true),
        (json!("https://api.example.com/"), false),
        (json!("https://api.example.com.evil.test"), false),
        (json!("https://elsewhere.test"), false),
        (json!([]), false),
        (json!({"https://api.example.com": true}), false),
        (json!(null), false),
        (json!(1), false),
    ] {
        let mark = world.mark();
        let value = aud.clone();
        let token = world.pool.mint(Use::Access, "user", move |mint| mint.claim("aud", value));
        let answer = ask(&world, "/x", &line(&token));
        if counts {
            assert_eq!(answer.status, 200, "{aud}: {answer:#?}");
        } else {
            assert_eq!(refused(&world, &answer, mark), "token_audience", "{aud}");
        }
    }
}

#[test]
fn a_token_that_does_not_say_who_it_speaks_for_is_forbidden_and_not_challenged() {
    let world = Setup::bench().tables("[bearer]\ntokens = \"either\"\n[identity]\nuser = \"email\"").start();
    let id = |change: fn(&mut Mint)| line(&world.pool.mint(Use::Id, "user", change));
    let mark = world.mark();
    assert_eq!(ask(&world, "/x", &id(|_| {})).status, 200);
    assert_eq!(world.seen_since(mark)[0].head.one("x-user"), Some("user@example.com"));
    let mark = world.mark();
    for (lines, code) in [
        (id(|mint| mint.claim("email_verified", false)), "email_not_verified"),
        (id(|mint| mint.claim("email_verified", "false")), "email_not_verified"),
        (id(|mint| mint.without("email_verified")), "email_not_verified"),
        (id(|mint| mint.without("email")), "no_user_claim"),
        (id(|mint| mint.claim("email", "")), "no_user_claim"),
        (line(&access(&world, "user")), "no_user_claim"),
    ] {
        let answer = ask(&world, "/x", &lines);
        assert_eq!((answer.status, &answer.json()["error"]), (403, &json!(code)), "{answer:#?}");
        assert!(answer.head.all("set-cookie").is_empty() && answer.head.all("location").is_empty());
        let access = record(&world, &answer);
        assert_eq!((access.decision(), access.text("reason")), ("forbid", code), "{access:?}");
    }
    assert!(world.seen_since(mark).is_empty());
}
