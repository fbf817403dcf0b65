//! Metrics that say why: each cause counts where it belongs and nowhere else, and nothing that a client sends becomes a
//! label.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::bearer;
use crate::forwarding::websocket;
use crate::front;
use crate::login::{login, short_lived, wait_until_due};
use crate::support::gate::Access;
use crate::support::pool::{Endpoint, Reply};
use crate::support::scrape::{Scrape, becomes, counts};
use crate::support::store::Server;
use crate::support::token::{Key, Use, random};
use crate::support::upstream;
use crate::support::wire::Wire;
use crate::support::world::{Setup, Who, World};

/// What is told of logins, and of the pool for their sake.
const LOGIN: &[&str] = &["login_steps", "login_failures", "pool_calls", "sign_outs"];
/// What is told of sessions that come.
const SESSION: &[&str] = &["passes", "visits", "refreshes", "pool_calls"];

#[test]
fn a_login_counts_by_how_far_it_came_and_a_failed_one_by_its_cause() {
    let world = World::bench();
    let gate = &world.gate;
    let begun = "login_steps step=\"begun\"";
    let redeemed = "pool_calls call=\"code\",outcome=\"ok\",error=\"\"";
    counts(gate, LOGIN, &[begun, "login_steps step=\"signed_in\"", redeemed], || world.signed_in("user"));

    // What the pool says in the callback: of its codes those that are known, and nothing of what is made up.
    for (error, cause) in [
        ("access_denied", "cause=\"access_denied\",error=\"\""),
        ("server_error", "cause=\"pool_error\",error=\"server_error\""),
        ("x-made-up", "cause=\"pool_error\",error=\"other\""),
    ] {
        counts(gate, LOGIN, &[begun, &format!("login_failures {cause}")], || {
            let mut browser = world.browser();
            let callback = browser.callback_for("user", "/x");
            browser.open(&callback.as_str().replace("code=", &format!("error={error}&ignored=")))
        });
    }
    // A wrong secret, a pool that is away, one that answers nonsense, a token for somebody else's client.
    for (prepare, cause, call) in [
        (
            (|world| world.pool.set_client_secrets(&[&random(20)])) as fn(&World),
            "invalid_client",
            "outcome=\"refused\",error=\"invalid_client\"",
        ),
        (
            |world| world.pool.script_once(Endpoint::Token, Reply::Hangup),
            "pool_unreachable",
            "outcome=\"unreachable\",error=\"\"",
        ),
        (
            |world| world.pool.script_once(Endpoint::Token, Reply::Status(200, "text/html", b"<p>".to_vec())),
            "pool_answer",
            "outcome=\"bad_answer\",error=\"\"",
        ),
        (
            |world| {
                let error = br#"{"error": "x-made-up"}"#.to_vec();
                world.pool.script_once(Endpoint::Token, Reply::Status(400, "application/json", error));
            },
            "pool_refused",
            "outcome=\"refused\",error=\"other\"",
        ),
        (
            |world| world.pool.tamper(|mint| mint.claim("aud", "somebody-else")),
            "token_audience",
            "outcome=\"ok\",error=\"\"",
        ),
        (
            |world| world.pool.tamper(|mint| mint.key = Key::Foreign),
            "token_signature",
            "outcome=\"ok\",error=\"\"",
        ),
    ] {
        let failure = format!("login_failures cause=\"{cause}\",error=\"\"");
        let call = format!("pool_calls call=\"code\",{call}");
        counts(gate, LOGIN, &[begun, &failure, &call], || {
            prepare(&world);
            login(&world, "user");
        });
        world.pool.be_honest();
        world.pool.set_client_secrets(&[crate::support::pool::CLIENT_SECRET]);
    }
}

#[test]
fn a_callback_that_comes_twice_or_from_nowhere_is_counted_as_such() {
    let world = World::bench();
    let mut browser = world.browser();
    let callback = browser.callback_for("user", "/x");
    let mut other_tab = browser.clone();
    browser.open(callback.as_str());
    // Replayed where nobody is signed in: it begins anew, once.
    counts(&world.gate, LOGIN, &["login_steps step=\"stale\"", "login_steps step=\"restarted\""], || {
        other_tab.open(callback.as_str())
    });
    // And where somebody is.
    counts(
        &world.gate,
        &["login_steps", "login_failures", "visits"],
        &["login_steps step=\"stale\"", "visits outcome=\"served\""],
        || browser.open(callback.as_str()),
    );
    let unknown = format!("/oauth2/callback?code=x&state=r{}", random(16));
    counts(
        &world.gate,
        LOGIN,
        &["login_steps step=\"stale\"", "login_failures cause=\"cookies_off\",error=\"\""],
        || world.browser().open(&unknown),
    );
}

#[test]
fn sign_outs_count_by_whose_doing_they_are() {
    let world = World::bench();
    let mut browser = world.signed_in("user");
    let revoked = "pool_calls call=\"revoke\",outcome=\"ok\",error=\"\"";
    counts(&world.gate, LOGIN, &["sign_outs by=\"user\"", revoked], || browser.post("/oauth2/signout", ""));
    let mut browser = world.signed_in("user");
    let mut thief = browser.clone();
    browser.post("/oauth2/signout", "");
    counts(&world.gate, &["passes", "visits"], &["passes outcome=\"called_off\""], || thief.fetch("/x"));
}

#[test]
fn refreshes_count_by_how_they_ended() {
    let world = short_lived().start();
    let (mut one, mut two) = (world.signed_in("user"), world.signed_in("user"));
    let begun = Instant::now();
    let served = ["passes outcome=\"current_key\"", "visits outcome=\"served\""];
    wait_until_due(begun);
    counts(
        &world.gate,
        SESSION,
        &[
            "pool_calls call=\"refresh\",outcome=\"ok\",error=\"\"",
            "refreshes outcome=\"renewed\",reason=\"\"",
            served[0],
            served[1],
        ],
        || assert_eq!(one.fetch("/x").status, 200),
    );
    world.pool.script_once(Endpoint::Token, Reply::Hangup);
    counts(
        &world.gate,
        SESSION,
        &[
            "pool_calls call=\"refresh\",outcome=\"unreachable\",error=\"\"",
            "refreshes outcome=\"outage\",reason=\"pool_unreachable\"",
            served[0],
            served[1],
        ],
        || assert_eq!(two.fetch("/x").status, 200, "an outage signs nobody out"),
    );
    world.pool.revoke_all();
    wait_until_due(Instant::now());
    counts(
        &world.gate,
        SESSION,
        &[
            "pool_calls call=\"refresh\",outcome=\"refused\",error=\"invalid_grant\"",
            "refreshes outcome=\"rejected\",reason=\"invalid_grant\"",
            served[0],
            "visits outcome=\"over\"",
        ],
        || assert_eq!(one.fetch("/x").status, 401),
    );
}

#[test]
fn decisions_count_by_rule_and_reason() {
    let world = Setup::bench().tables("[bearer]").start();
    let user = world.session(Who::User);
    let requests = &["requests"];
    let get = |target: &str, lines: &str| bearer::ask(&world, target, lines).status;
    let admin = "rule=\"rules[3] /admin/**\"";
    let line = |decision: &str, reason: &str, rule: &str, class: &str| {
        format!("requests decision=\"{decision}\",reason=\"{reason}\",{rule},class=\"{class}\"")
    };
    for (target, lines, status, counted) in [
        ("/public/x", String::new(), 200, line("forward", "public", "rule=\"rules[1] /public/**\"", "2xx")),
        ("/x", user.line(), 200, line("forward", "allowed", "rule=\"default\"", "2xx")),
        ("/admin/x", user.line(), 403, line("forbid", "role_missing", admin, "4xx")),
        ("/admin/x", String::new(), 401, line("challenge", "login_required", admin, "4xx")),
        ("/a%2fb", user.line(), 400, line("refuse", "path_ambiguous_escape", "rule=\"none\"", "4xx")),
        ("/oauth2/userinfo", user.line(), 200, line("own", "userinfo", "rule=\"none\"", "2xx")),
    ] {
        let seen = Scrape::of(&world.gate);
        assert_eq!(get(target, &lines), status, "{target}");
        crate::support::until(&format!("{target} is counted as {counted}"), || {
            let more = Scrape::of(&world.gate).more_than(&seen, requests);
            if more.is_empty() {
                return None;
            }
            let one = more.len() == 1 && more.values().all(|value| *value == 1.0);
            // The code of a path that is refused is the rule module's affair.
            let same = more.contains_key(&counted) || target == "/a%2fb";
            assert!(one && same, "{target}: {more:#?}");
            Some(())
        });
    }
    let failed = |reason: &str| format!("bearer_failures reason=\"{reason}\"");
    for (token, reason) in [
        ("x", "token_malformed".to_owned()),
        (&world.pool.mint(Use::Access, "user", |mint| mint.claim("exp", 1)), "token_expired".to_owned()),
        (&world.pool.mint(Use::Id, "user", |_| {}), "token_use".to_owned()),
    ] {
        counts(&world.gate, &["bearer_failures"], &[&failed(&reason)], || get("/x", &bearer::line(token)));
    }
}

#[test]
fn upstream_faults_connections_and_streams_are_told() {
    let world = Setup::bench().limits("response_timeout = \"3s\"").start();
    let faults = &["upstream_faults"];
    let get = |target: &str| bearer::ask(&world, target, "Connection: close\r\n").status;
    assert_eq!(get("/public/x"), 200);
    becomes(&world.gate, "rolegate_open_connections{side=\"upstream\"}", 1.0);
    assert_eq!(Scrape::of(&world.gate).get("rolegate_upstream_answer_seconds_count"), 1.0);
    for (behaviour, reason, status) in [
        (upstream::stalls_after_head(), "upstream_timeout", 504),
        (upstream::answers_and_closes("nonsense\r\n\r\n"), "upstream_bad_answer", 502),
        (upstream::closes_after_head(), "upstream_closed", 502),
    ] {
        world.upstream.behave(behaviour);
        counts(&world.gate, faults, &[&format!("upstream_faults reason=\"{reason}\"")], || {
            assert_eq!(get("/public/x"), status, "{reason}");
        });
    }
    world.upstream.behave(upstream::switches_protocols(websocket::ACCEPT));
    let mut wire = Wire::connect(world.gate.public);
    wire.write(websocket::request("/public/ws", "").replace("{session}", "").as_bytes());
    assert_eq!(wire.head().unwrap().start, "HTTP/1.1 101 Switching Protocols");
    becomes(&world.gate, "rolegate_open_streams", 1.0);
    drop(wire);
    becomes(&world.gate, "rolegate_open_streams", 0.0);
    let mut wire = Wire::connect(world.gate.public);
    wire.write(b"GET /x HTTP/1.1\r\nHost: app.test\r\n\r\n");
    assert_eq!(wire.answer(false).unwrap().status, 401);
    becomes(&world.gate, "rolegate_open_connections{side=\"front\"}", 1.0);
    drop(wire);
    becomes(&world.gate, "rolegate_open_connections{side=\"front\"}", 0.0);

    let mut setup = Setup::bench();
    setup.upstream = "http://127.0.0.1:1".into();
    let world = setup.start();
    counts(&world.gate, faults, &["upstream_faults reason=\"upstream_connect\""], || {
        bearer::ask(&world, "/public/x", "")
    });
}

#[test]
fn passes_count_by_the_key_that_sealed_them_and_what_does_not_open() {
    let old = random(32);
    let world = Setup::bench().keys(&old).start();
    let before = world.signed_in("user");
    let world = world.restarted(|setup| setup.keys(&format!("{}\n{old}", random(32))));
    let mut browser = world.browser();
    browser.jar = before.jar;
    let passes = &["passes"];
    counts(&world.gate, passes, &["passes outcome=\"older_key\""], || {
        assert_eq!(browser.fetch("/x").status, 200)
    });
    counts(&world.gate, passes, &["passes outcome=\"current_key\""], || browser.fetch("/x"));
    browser.jar.plant("__Host-rolegate", &random(300));
    counts(&world.gate, passes, &["passes outcome=\"unreadable\""], || browser.fetch("/x"));
    counts(&world.gate, passes, &[], || world.browser().fetch("/x"));
}

#[test]
fn a_store_that_goes_away_is_seen() {
    let mut store = Server::start();
    let world = Setup::bench().session(&format!("store = {:?}", store.url())).start();
    becomes(&world.gate, "rolegate_store_heard", 1.0);
    let before = Scrape::of(&world.gate);
    drop(world.signed_in("user"));
    crate::support::until("what a login asks the store is counted", || {
        let after = Scrape::of(&world.gate).more_than(&before, &["store_calls"]);
        let is_counted =
            |call: &str| after.contains_key(&format!("store_calls call=\"{call}\",outcome=\"ok\""));
        (is_counted("session") && is_counted("index")).then_some(())
    });
    store.kill();
    becomes(&world.gate, "rolegate_store_heard", 0.0);
    let failed = "rolegate_store_calls_total{call=\"log\",outcome=\"store_unreachable\"}";
    crate::support::until("the log's fault is counted", || {
        (Scrape::of(&world.gate).get(failed) > 0.0).then_some(())
    });
}

#[test]
fn handshakes_count_by_how_they_ended_and_certificates_say_until_when_they_count() {
    let (world, address) = front::tunnelled(front::setup("").limits("handshake_timeout = \"3s\""));
    let handshakes = &["tls_handshakes"];
    let said = |outcome: &str| format!("tls_handshakes outcome=\"{outcome}\"");
    counts(&world.gate, handshakes, &[&said("ok")], || bearer::ask(&world, "/public/x", ""));
    counts(&world.gate, handshakes, &[&said("cleartext")], || {
        let mut wire = Wire::connect(address);
        wire.write(b"GET / HTTP/1.1\r\nHost: app.test\r\n\r\n");
        wire.rest()
    });
    counts(&world.gate, handshakes, &[&said("failed")], || {
        let mut wire = Wire::connect(address);
        wire.write(b"\x16\x03\x01\x00\x05nonsense");
        wire.rest()
    });
    counts(&world.gate, handshakes, &[&said("late")], || Wire::connect(address).rest());
    for index in [0, 1] {
        let name = format!("rolegate_certificate_not_after_timestamp_seconds{{index=\"{index}\"}}");
        assert!(Scrape::of(&world.gate).get(&name) > 1.7e9, "{name}");
    }
}

#[test]
fn the_output_is_openmetrics_and_every_name_keeps_its_conventions() {
    let world = Setup::bench().tables("[bearer]").start();
    drop(world.signed_in("user"));
    bearer::ask(&world, "/x", &bearer::line("x"));
    let answer = world.gate.admin("/metrics");
    assert_eq!(
        answer.header("content-type"),
        Some("application/openmetrics-text; version=1.0.0; charset=utf-8")
    );
    let families = parsed(&answer.text());
    assert!(families.len() > 25, "{families:#?}");
    for line in families.lines() {
        let (name, kind) = line.split_once(' ').unwrap();
        assert!(name.starts_with("rolegate_"), "{line}");
        assert!(!name.ends_with("_total"), "a family has no suffix: {line}");
        let times = name.contains("timestamp") || name.contains("_time") || kind == "histogram";
        assert_eq!(name.ends_with("_seconds"), times, "times are in seconds, and say so: {line}");
    }
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
    let scrape = Scrape::parse(answer.text().trim_end_matches("# EOF\n"));
    for time in ["start_time_seconds", "config_last_reload_success_timestamp_seconds"] {
        let told = scrape.get(&format!("rolegate_{time}"));
        assert!((now - told).abs() < 600.0, "{time} is {told}");
    }
    assert_eq!(scrape.get("rolegate_config_last_reload_successful"), 1.0);
    let version = format!("rolegate_build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION"));
    assert_eq!(scrape.get(&version), 1.0);
}

/// `family type` a line, as a strict parser of OpenMetrics that we did not write has them.
pub fn parsed(text: &str) -> String {
    let python = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("target/clients-venv/bin/python");
    assert!(
        python.exists(),
        "the metrics' tests need prometheus_client: `make test` installs it into target/clients-venv"
    );
    let program = "import sys\nfrom prometheus_client.openmetrics.parser import text_string_to_metric_families as parse\n\
                   for family in parse(sys.stdin.read()): print(family.name, family.type)";
    let mut child = Command::new(python)
        .args(["-c", program])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}\n{text}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn nothing_that_a_client_sends_becomes_a_label() {
    let world = Setup::bench().tables("[bearer]").start();
    let round = |n: usize| {
        let mut wire = Wire::connect(world.gate.public);
        let token = world.pool.mint(Use::Access, "user", |mint| {
            mint.header.insert("kid".into(), format!("made-up-{n}").into());
        });
        for request in [
            format!("GET /{n} HTTP/1.1\r\nHost: host-{n}.test\r\nUser-Agent: agent-{n}\r\n\r\n"),
            format!("GET /{n}?q={n} HTTP/1.1\r\nHost: app.test\r\nUser-Agent: agent-{n}\r\n\r\n"),
            format!("GET /public/{n} HTTP/1.1\r\nHost: app.test\r\nX-{n}: {n}\r\n\r\n"),
            format!("MADEUP{n} /public/{n} HTTP/1.1\r\nHost: app.test\r\nContent-Length: 0\r\n\r\n"),
            format!("GET /{n} HTTP/1.1\r\nHost: app.test\r\n{}\r\n", bearer::line(&token)),
            format!("GET /oauth2/{n} HTTP/1.1\r\nHost: app.test\r\n\r\n"),
            format!("GET /oauth2/callback?state=s{n:0>43}&error=e{n} HTTP/1.1\r\nHost: app.test\r\n\r\n"),
            format!("GET /oauth2/start?rd=/{n}&idp=i{n} HTTP/1.1\r\nHost: app.test\r\n\r\n"),
            format!("GET /x HTTP/1.1\r\nHost: app.test\r\nCookie: __Host-rolegate=c{n}\r\n\r\n"),
        ] {
            wire.write(request.as_bytes());
            if !wire.answer(false).is_ok_and(|answer| !answer.closes()) {
                wire = Wire::connect(world.gate.public);
            }
        }
        let last = bearer::ask(&world, &format!("/last-{n}"), "");
        // All before it is counted by the time its record is written.
        let id = last.header("x-request-id").unwrap().to_owned();
        let of_it = |line: &str| Access::parse(line).filter(|access| access.text("request_id") == id);
        world.gate.stdout().wait(of_it).unwrap();
    };
    // Once each, so that every reason has its series.
    (0..2).for_each(round);
    let before: BTreeSet<String> = Scrape::of(&world.gate).0.into_keys().collect();
    (2..60).for_each(round);
    let after: BTreeSet<String> = Scrape::of(&world.gate).0.into_keys().collect();
    let new: Vec<_> = after.difference(&before).collect();
    assert!(new.is_empty(), "{new:#?}");
}
