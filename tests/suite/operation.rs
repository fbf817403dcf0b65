//! Running a gate: starting without a pool, stopping with people on it, what it writes about what it does.

use std::net::TcpListener;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::browser::Kind;
use crate::support::gate::{Access, Gate, Start};
use crate::support::pool::{Endpoint, FakePool, Reply};
use crate::support::upstream::{After, Recorder};
use crate::support::wire::{Answer, Ended, Wire};
use crate::support::world::{Setup, Who, World};

mod commands;
mod dev;
pub mod edge;

/// A stop without open requests takes no longer, however busy the machine is; a request would have 20 seconds.
const PROMPT: Duration = Duration::from_secs(10);

#[test]
fn a_gate_starts_without_its_pool_serves_nothing_protected_and_becomes_ready() {
    for (endpoint, reply) in [
        (Endpoint::Discovery, Reply::Hangup),
        (Endpoint::Jwks, Reply::Status(503, "text/html", b"<html>".to_vec())),
        (Endpoint::Discovery, Reply::Status(200, "text/html", b"<html>maintenance</html>".to_vec())),
    ] {
        let pool = FakePool::start();
        pool.script(endpoint, reply);
        let world = Setup::bench().unready().start_with(pool, Recorder::start());
        assert_eq!(world.gate.admin("/livez").status, 200);
        assert_eq!(world.gate.admin("/readyz").status, 503);
        let page = ask(&world, Kind::Navigate, "/x");
        assert_eq!((page.status, page.header("retry-after")), (503, Some("5")), "{page:#?}");
        assert!(page.text().contains(page.header("x-request-id").unwrap()), "{page:#?}");
        assert!(page.head.all("set-cookie").is_empty(), "a login that cannot begin leaves no cookie");
        assert_eq!(ask(&world, Kind::Fetch, "/x").status, 401);
        assert_eq!(world.upstream.count(), 0);
        assert_eq!(ask(&world, Kind::Fetch, "/public/x").status, 200, "what is public needs no pool");

        world.pool.wait_for(endpoint, 3);
        let pauses = crate::support::until("the log tells of each try", || {
            Some(retry_pauses(&world.gate)).filter(|pauses| pauses.len() >= 2)
        });
        assert!(pauses.windows(2).all(|pair| pair[0] < pair[1]), "the pauses grow: {pauses:?}");
        world.pool.be_honest();
        crate::support::until("the gate is ready", || {
            (world.gate.admin("/readyz").status == 200).then_some(())
        });
        let session = world.session(Who::User);
        let mut wire = Wire::connect(world.gate.public);
        wire.write(&session.fill(b"GET /x HTTP/1.1\r\nHost: app.test\r\n{session}\r\n"));
        assert_eq!(wire.answer(false).unwrap().status, 200);
    }
}

#[test]
fn every_problem_of_a_configuration_is_said_at_once_with_its_place() {
    let toml = r#"public_url = "http://app.example.com"
upstream = "ftp://127.0.0.1"
requierd_roles = ["a"]
[cognito]
user_pool_id = 7
client_id = "1h57kf5cpq17m0eml12EXAMPLE"
client_secret_file = "{folder}/missing"
[session]
keys = ["c2hvcnQ="]
[[rules]]
path = "/a/*/b"
any_role = []
"#;
    let Err(refused) = Start::with(toml).start() else { panic!("it started") };
    assert_eq!(refused.code, Some(78), "{refused:#?}");
    assert_eq!(refused.stdout, "");
    let mut keys = Vec::new();
    for line in refused.stderr.lines() {
        let (place, told) = line.split_once(": ").unwrap_or_else(|| panic!("no place in {line:?}"));
        let mut numbers = place.rsplit(':');
        let column: usize =
            numbers.next().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{line}"));
        let row: usize =
            numbers.next().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{line}"));
        assert!(place.contains("rolegate.toml:") && column >= 1 && (1..=12).contains(&row), "{line}");
        keys.push(told.split(':').next().unwrap().to_owned());
    }
    for key in [
        "public_url",
        "upstream",
        "requierd_roles",
        "cognito.user_pool_id",
        "cognito.client_secret_file",
        "session.keys[1]",
        "rules[1].path",
        "rules[1].any_role",
    ] {
        assert!(keys.iter().any(|known| known == key), "{key} is not told of: {:#?}", refused.stderr);
    }
    assert!(!refused.stderr.contains("c2hvcnQ"), "a key's text is told: {}", refused.stderr);
}

#[test]
fn a_taken_port_is_one_line_that_names_it_and_its_key() {
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = holder.local_addr().unwrap();
    let (pool, upstream) = (FakePool::start(), Recorder::start());
    for key in ["listen", "admin_listen"] {
        let setup = Setup::bench();
        let toml = setup.toml(&pool, &upstream);
        let toml = toml.replace(&format!("\n{key} = \"127.0.0.1:0\""), &format!("\n{key} = \"{taken}\""));
        let start =
            Start::with(toml).file("client-secret", "x\n").file("session-keys", format!("{}\n", setup.keys));
        let Err(refused) = start.start() else { panic!("it listens where somebody else does") };
        assert_eq!(refused.code, Some(1), "{refused:#?}");
        let told: Vec<_> = refused.stderr.lines().filter(|line| line.contains(&taken.to_string())).collect();
        assert!(matches!(told[..], [line] if line.contains(&format!("({key})"))), "{refused:#?}");
    }
}

#[test]
fn a_signal_ends_the_gate_promptly_with_idle_connections_open() {
    for signal in ["TERM", "INT"] {
        let world = World::bench();
        let session = world.session(Who::User);
        let mut idle = Wire::connect(world.gate.public);
        idle.write(&session.fill(b"GET /x HTTP/1.1\r\nHost: app.test\r\n{session}\r\n"));
        assert_eq!(idle.answer(false).unwrap().status, 200);
        let mut silent = Wire::connect(world.gate.public);
        let begun = Instant::now();
        let World { gate, .. } = world;
        gate.signal(signal);
        let (status, log) = gate.wait();
        assert!(status.success(), "SIG{signal}: {status:?}\n{log}");
        assert!(begun.elapsed() < PROMPT, "SIG{signal}: {:?}\n{log}", begun.elapsed());
        assert_eq!(idle.answer(false).unwrap_err(), Ended::Closed);
        assert_eq!(silent.answer(false).unwrap_err(), Ended::Closed);
    }
}

#[test]
fn a_request_that_is_under_way_is_finished_before_the_end() {
    let world = World::bench();
    let (go, told) = channel::<()>();
    let told = std::sync::Mutex::new(told);
    world.upstream.at(
        "/long",
        std::sync::Arc::new(move |turn| {
            turn.wire.write(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf");
            let _ = told.lock().unwrap().recv();
            turn.wire.write(b"done");
            After::Close
        }),
    );
    let session = world.session(Who::User);
    let mut wire = Wire::connect(world.gate.public);
    wire.write(&session.fill(b"GET /long HTTP/1.1\r\nHost: app.test\r\n{session}\r\n"));
    let public = world.gate.public;
    while !wire.pending().ends_with(b"half") {
        wire.more().unwrap();
    }
    let from = world.gate.stderr().count();
    world.gate.signal("TERM");
    world.gate.stderr().wait_since(from, |line| line.contains("stopping").then_some(())).expect("it stops");
    // Nobody new is let in meanwhile.
    crate::support::until("the listener is closed", || {
        std::net::TcpStream::connect_timeout(&public, Duration::from_millis(200)).is_err().then_some(())
    });
    go.send(()).unwrap();
    assert_eq!(wire.answer(false).unwrap().text(), "halfdone");
    let World { gate, .. } = world;
    let (status, log) = gate.wait();
    assert!(status.success(), "{status:?}\n{log}");
}

#[test]
fn each_request_leaves_one_record_that_says_what_was_decided_and_why() {
    let world = World::bench();
    let session = world.session(Who::User);
    let mark = world.mark();
    let mut ids = Vec::new();
    for (who, kind, target, decision, reason, rule, user, status, upstream) in [
        (true, Kind::Fetch, "/x?code=secret", "forward", "allowed", "default", "user", 200, Some(200)),
        (false, Kind::Fetch, "/public/x", "forward", "public", "/public/**", "", 200, Some(200)),
        (false, Kind::Navigate, "/x", "login", "login_required", "default", "", 302, None),
        (false, Kind::Fetch, "/x", "challenge", "login_required", "default", "", 401, None),
        (true, Kind::Navigate, "/admin", "forbid", "role_missing", "/admin/**", "user", 403, None),
        (true, Kind::Fetch, "/oauth2/userinfo", "own", "userinfo", "", "", 200, None),
        (true, Kind::Fetch, "/a%2fb", "refuse", "path_ambiguous_escape", "", "", 400, None),
    ] {
        let cookie = if who { "{session}" } else { "" };
        let head = format!(
            "GET {target} HTTP/1.1\r\nHost: app.test\r\nX-Request-Id: mine\r\n{}{cookie}\r\n",
            kind.lines()
        );
        let mut wire = Wire::connect(world.gate.public);
        wire.write(&session.fill(head.as_bytes()));
        let answer = wire.answer(false).unwrap();
        assert_eq!(answer.status, status, "{target}: {answer:#?}");
        let id = answer.header("x-request-id").unwrap().to_owned();
        let record = record(&world, &id);
        let text = |name: &str| record.text(name).to_owned();
        assert_eq!((text("decision"), text("reason")), (decision.into(), reason.into()), "{record:#?}");
        assert!(text("rule").ends_with(rule) && rule.is_empty() == text("rule").is_empty(), "{record:#?}");
        assert_eq!((text("user"), record.status()), (user.into(), u64::from(status)), "{record:#?}");
        assert_eq!(record.0["upstream_status"].as_u64(), upstream, "{record:#?}");
        assert_eq!(record.0["upstream_us"].is_u64(), upstream.is_some(), "{record:#?}");
        assert_eq!((text("method"), text("client")), ("GET".into(), "127.0.0.1".into()));
        assert!(record.0["duration_us"].is_u64() && text("time").ends_with('Z'), "{record:#?}");
        if decision != "refuse" {
            assert_eq!(text("host"), "app.test");
            assert_eq!(text("path"), target.split('?').next().unwrap(), "never a query");
        }
        ids.push(id);
    }
    let records = world.access_since(mark);
    assert_eq!(records.len(), ids.len(), "one record a request");
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), records.len(), "every request has an id of its own, whatever the client says");
    assert!(!ids.iter().any(|id| id == "mine"));
}

#[test]
fn no_log_shows_a_secret_however_much_is_said() {
    let world = Setup::bench().tables("[log]\nlevel = \"debug\"").start();
    world.pool.set_rotation(true);
    world.pool.set_life(0);
    let mut browser = world.signed_in("user");
    world.pool.set_life(3600);
    assert_eq!(browser.open("/x").status, 200);
    world.keep_secret(browser.jar.all().iter().map(|cookie| cookie.value.clone()));
    let callback = browser.callback_for("admin", "/x");
    assert_eq!(browser.open(callback.as_str()).status, 302);
    world.pool.script_once(
        Endpoint::Token,
        Reply::Status(400, "application/json", br#"{"error":"invalid_grant"}"#.to_vec()),
    );
    let callback = browser.callback_for("admin", "/x");
    assert_ne!(browser.open(callback.as_str()).status, 302);
    world.keep_secret(browser.jar.all().iter().map(|cookie| cookie.value.clone()));
    assert_eq!(browser.open("/oauth2/signout").status, 302);
    world.pool.wait_for(Endpoint::Revoke, 1);
    let code = callback.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned();
    world.keep_secret([code]);

    let World { ref gate, .. } = world;
    gate.signal("TERM");
    gate.stderr().wait(|line| line.contains("stopping").then_some(())).expect("it stops");
    crate::support::until("its streams end", || {
        (gate.stdout().ended() && gate.stderr().ended()).then_some(())
    });
    assert!(gate.stderr().count() > 5 && gate.stdout().count() > 5, "something was said");
    world.no_secret_in("the log", &gate.stderr().all());
    world.no_secret_in("the access log", &gate.stdout().all());
}

fn ask(world: &World, kind: Kind, target: &str) -> Answer {
    let mut wire = Wire::connect(world.gate.public);
    wire.write(format!("GET {target} HTTP/1.1\r\nHost: app.test\r\n{}\r\n", kind.lines()).as_bytes());
    wire.answer(false).unwrap()
}

fn record(world: &World, id: &str) -> Access {
    let found = world.gate.stdout().wait(|line| {
        let access = Access::parse(line)?;
        (access.text("request_id") == id).then_some(access)
    });
    found.unwrap_or_else(|| panic!("no record of {id}:\n{}", world.gate.stdout().all()))
}

/// The pauses between tries that the log speaks of, milliseconds.
fn retry_pauses(gate: &Gate) -> Vec<u64> {
    let lines = gate.stderr().since(0);
    let events = lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    // Numbers beyond 64 bits are written as text.
    let pause = |event: Value| match event.get("retry_ms")? {
        Value::String(text) => text.parse().ok(),
        number => number.as_u64(),
    };
    events.filter_map(pause).collect()
}
