//! Section J: the pool's keys are fetched when they are needed and by nobody's will; a pool that is unwell costs
//! new logins and nothing else.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::bearer;
use crate::corpus::{Case, case};
use crate::login::{login, short_lived, wait_until_due};
use crate::support::pool::{CLIENT_SECRET, Endpoint, FakePool, Reply, User};
use crate::support::token::{Key, Use, b64, jwk, kid, random};
use crate::support::until;
use crate::support::upstream::Recorder;
use crate::support::wire::Wire;
use crate::support::world::{Session, Setup, World};

pub fn cases() -> Vec<Case> {
    vec![
        case(&["IDP-01"], |_| {
            let world = World::bench();
            let before = world.pool.count(Endpoint::Jwks);
            let begun = Instant::now();
            // Through the callback.
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| {
                        for n in 0..60 {
                            unknown_kids(&world);
                            let answer = login(&world, "user").answer;
                            assert_eq!(answer.status, 502, "token {n}: {answer:#?}");
                        }
                    });
                }
            });
            let fetches = world.pool.count(Endpoint::Jwks) - before;
            let allowed = 1 + begun.elapsed().as_secs() / 10;
            assert!(fetches as u64 <= allowed, "{fetches} fetches in {:?}", begun.elapsed());
            world.pool.be_honest();
            login(&world, "user").must_succeed(&world, "user");
            // And as bearer tokens.
            bearer::keys::a_flood_of_unknown_keys_costs_one_fetch_in_ten_seconds_and_nobody_waits_for_it();
        }),
        case(&["IDP-02"], |_| {
            bearer::keys::known_tokens_count_while_the_pool_is_down_and_unknown_keys_are_nobodys_fault();
            for reply in [Reply::Silence, Reply::Hangup] {
                let world = World::bench();
                let session = world.session_of("admin", "admin,user");
                world.pool.script(Endpoint::Jwks, reply);
                unknown_kids(&world);
                let begun = Instant::now();
                std::thread::scope(|scope| {
                    for _ in 0..8 {
                        scope.spawn(|| {
                            let answer = login(&world, "user").answer;
                            assert!(matches!(answer.status, 502 | 503), "{answer:#?}");
                        });
                    }
                    // Whoever is signed in does not wait for any of it.
                    world.pool.wait_for(Endpoint::Jwks, 2);
                    let asked = Instant::now();
                    assert_eq!(ask(&world, &session, "/admin"), 200);
                    assert!(asked.elapsed() < Duration::from_secs(5), "waited {:?}", asked.elapsed());
                });
                let took = begun.elapsed();
                assert!(took < Duration::from_secs(19), "those who waited tried one after another: {took:?}");
                assert_eq!(world.pool.count(Endpoint::Jwks), 2, "one fetch at the start and one more");
                world.pool.be_honest();
                login(&world, "user").must_succeed(&world, "user");
            }
        }),
        case(&["IDP-03", "IDP-08"], |_| {
            let world = World::bench();
            let before = world.pool.count(Endpoint::Jwks);
            world.pool.show_keys(vec![jwk(&Key::ForId), jwk(&Key::ForAccess), jwk(&Key::Foreign)]);
            world.pool.sign_with(Key::Foreign, Key::Foreign);
            // Two tokens each, all at once.
            std::thread::scope(|scope| {
                for _ in 0..8 {
                    scope.spawn(|| {
                        let answer = login(&world, "user").answer;
                        assert_eq!(answer.status, 302, "{answer:#?}");
                    });
                }
            });
            assert_eq!(world.pool.count(Endpoint::Jwks), before + 1, "one fetch for all of them");
            world.pool.sign_with(Key::ForId, Key::ForAccess);
            login(&world, "user").must_succeed(&world, "user");
            // The old ones go.
            world.pool.show_keys(vec![jwk(&Key::Foreign)]);
            world.pool.sign_with(Key::Foreign, Key::Foreign);
            login(&world, "user").must_succeed(&world, "user");
            assert_eq!(world.pool.count(Endpoint::Jwks), before + 1);
        }),
        case(&["IDP-04"], |_| {
            a_good_set_is_never_replaced_by_a_bad_one();
            what_cannot_be_used_of_a_set_is_left_out();
        }),
        case(&["IDP-07"], |_| {
            for control in ["max-age=0, no-store", "max-age=315360000, immutable", "max-age=-1", "max-age=x"]
            {
                let (pool, upstream) = (FakePool::start(), Recorder::start());
                let keys = json!({"keys": [jwk(&Key::ForId), jwk(&Key::ForAccess)]}).to_string();
                let raw = format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nCache-Control: {control}\r\n\
                     Content-Length: {}\r\n\r\n{keys}",
                    keys.len()
                );
                pool.script(Endpoint::Jwks, Reply::Raw(raw.into_bytes()));
                let world = Setup::bench().start_with(pool, upstream);
                for _ in 0..5 {
                    login(&world, "user").must_succeed(&world, "user");
                }
                assert_eq!(world.pool.count(Endpoint::Jwks), 1, "{control}");
                // And what is kept for ten years is fetched when a key is missing.
                world.pool.be_honest();
                world.pool.show_keys(vec![jwk(&Key::Foreign)]);
                world.pool.sign_with(Key::Foreign, Key::Foreign);
                login(&world, "user").must_succeed(&world, "user");
                assert_eq!(world.pool.count(Endpoint::Jwks), 2, "{control}");
            }
        }),
        case(&["IDP-09"], |_| {
            let world = short_lived().start();
            let sessions: Vec<Session> = (0..5)
                .map(|n| {
                    world.pool.user(User::new(&format!("user-{n}"), &["user"]));
                    world.session_of(&format!("user-{n}"), "user")
                })
                .collect();
            let busy = br#"{"__type":"TooManyRequestsException","message":"Rate exceeded"}"#.to_vec();
            world.pool.script(Endpoint::Token, Reply::Status(429, "application/json", busy));
            wait_until_due(Instant::now());
            let (mark, before, begun) = (world.mark(), world.pool.count(Endpoint::Token), Instant::now());
            for _ in 0..20 {
                for session in &sessions {
                    assert_eq!(ask(&world, session, "/x"), 200, "signed in all the same");
                }
            }
            let calls = world.pool.count(Endpoint::Token) - before;
            let allowed = sessions.len() * (1 + usize::try_from(begun.elapsed().as_secs()).unwrap() / 5);
            assert!(calls <= allowed, "{calls} calls in {:?}", begun.elapsed());
            world.oracle(mark, &sessions);
            login(&world, "user-0").must_fail(&world, 502, &["pool_answer", "pool_refused"]);
            // A token that has ended is served for the grace, and no longer.
            let world = Setup::bench().session("outage_grace = \"1s\"").start();
            world.pool.set_life(2);
            let session = world.session_of("user", "user");
            world.pool.script(Endpoint::Token, Reply::Hangup);
            until("the grace is over", || (ask(&world, &session, "/x") == 503).then_some(()));
        }),
        case(&["IDP-06"], |_| crate::tls::a_pool_without_a_certificate_that_counts_is_none()),
        case(&["IDP-11", "IDP-12", "IDP-13"], |world| {
            for (reply, status) in [
                (Reply::Hangup, 503),
                (Reply::HalfClosed, 503),
                (Reply::Status(401, "application/json", br#"{"error":"invalid_client"}"#.to_vec()), 502),
                (Reply::Status(400, "application/json", br#"{"error":"invalid_client"}"#.to_vec()), 502),
                (Reply::Status(500, "text/plain", b"oops".to_vec()), 502),
            ] {
                let before = world.pool.count(Endpoint::Token);
                // Only the first is answered so: a second try would succeed.
                world.pool.script_once(Endpoint::Token, reply);
                let reasons = ["pool_unreachable", "invalid_client", "pool_answer"];
                login(world, "user").must_fail(world, status, &reasons);
                assert_eq!(world.pool.count(Endpoint::Token), before + 1, "a code was shown twice");
            }
            login(world, "user").must_succeed(world, "user");
            // A wrong secret: named in the log, one call a login, nobody in, the gate still there.
            let mut setup = Setup::bench();
            setup.files.push(("client-secret".into(), random(30).into_bytes()));
            let wrong = setup.start();
            for _ in 0..3 {
                let before = wrong.pool.count(Endpoint::Token);
                login(&wrong, "user").must_fail(&wrong, 502, &["invalid_client"]);
                assert_eq!(wrong.pool.count(Endpoint::Token), before + 1);
            }
            let asked = wrong.pool.asked_of(Endpoint::Token);
            assert!(asked.iter().all(|asked| asked.head.one("authorization").is_some()));
            assert!(!wrong.gate.stderr().all().contains(CLIENT_SECRET));
        }),
        case(&["IDP-14"], |world| {
            let body = r#"{"error":"server_error"}"#;
            let many: String = (0..5_000).map(|n| format!("X-{n}: y\r\n")).collect();
            let large = format!("X-Large: {}\r\n", "y".repeat(4 << 20));
            let cookie =
                "Set-Cookie: __Host-rolegate=evil; Path=/; Secure\r\nLocation: https://evil.test/\r\n"
                    .to_owned();
            for lines in [many, large, cookie, "X: a\rb\r\n".into(), "X: \0\r\n".into(), ": x\r\n".into()] {
                let raw = format!("HTTP/1.1 400 Bad\r\n{lines}Content-Length: {}\r\n\r\n{body}", body.len());
                world.pool.script(Endpoint::Token, Reply::Raw(raw.into_bytes()));
                let attempted = login(world, "user");
                let status = attempted.answer.status;
                assert!(matches!(status, 502 | 503), "{:#?}", attempted.answer);
                let shown = format!("{:?}", attempted.answer.head);
                assert!(!shown.contains("evil"), "{shown}");
                attempted.must_fail(world, status, &["pool_refused", "pool_unreachable", "pool_answer"]);
            }
            // What the pool says of itself is no log line or header of ours.
            let words =
                json!({"error": "x\r\nSet-Cookie: a=b", "error_description": "y\r\n{\"level\":\"ERROR\"}"});
            world.pool.script(
                Endpoint::Token,
                Reply::Status(400, "application/json", words.to_string().into_bytes()),
            );
            let log = world.gate.stderr().count();
            login(world, "user").must_fail(world, 502, &["pool_refused", "pool_answer"]);
            for line in world.gate.stderr().since(log) {
                assert!(
                    serde_json::from_str::<Value>(&line).is_ok_and(|line| line["level"] == "WARN"),
                    "{line}"
                );
            }
        }),
    ]
}

/// From now on every ID token names a key that nobody has.
fn unknown_kids(world: &World) {
    world.pool.tamper(|mint| {
        if mint.kind == Use::Id {
            mint.header.insert("kid".into(), json!(random(12)));
        }
    });
}

fn ask(world: &World, session: &Session, target: &str) -> u16 {
    let mut wire = Wire::connect(world.gate.public);
    wire.write(
        &session.fill(format!("GET {target} HTTP/1.1\r\nHost: app.test\r\n{{session}}\r\n").as_bytes()),
    );
    wire.answer(false).unwrap().status
}

fn json_of(value: &Value) -> Reply {
    Reply::Status(200, "application/json", value.to_string().into_bytes())
}

fn a_good_set_is_never_replaced_by_a_bad_one() {
    for reply in [
        json_of(&json!({"keys": []})),
        json_of(&json!({})),
        json_of(&json!([])),
        json_of(&json!({"keys": unusable()})),
        Reply::Status(200, "text/html", b"<!doctype html><title>Sign in</title>".to_vec()),
        Reply::Status(500, "application/json", b"{}".to_vec()),
        Reply::Status(304, "application/json", Vec::new()),
        Reply::Status(200, "application/json", "[".repeat(100_000).into_bytes()),
        Reply::Endless(50 << 20),
        Reply::Redirect("http://169.254.169.254/keys".into()),
        Reply::HalfClosed,
        Reply::Hangup,
    ] {
        let shown: String = format!("{reply:?}").chars().take(70).collect();
        let world = World::bench();
        let before = world.pool.count(Endpoint::Jwks);
        world.pool.script(Endpoint::Jwks, reply);
        unknown_kids(&world);
        let answer = login(&world, "user").answer;
        assert!(matches!(answer.status, 502 | 503), "{shown}: {answer:#?}");
        assert_eq!(world.pool.count(Endpoint::Jwks), before + 1, "{shown}: the set was asked for");
        world.pool.tamper(|_| {});
        login(&world, "user").must_succeed(&world, "user");
        assert_eq!(world.gate.admin("/readyz").status, 200, "{shown}");
        assert_eq!(world.pool.count(Endpoint::Other), 0, "{shown}: a redirect was followed");
    }
}

/// Keys that no token may be verified with, under the name of the pool's own.
fn unusable() -> Vec<Value> {
    let good = jwk(&Key::Foreign);
    let with = |name: &str, value: Value| {
        let mut key = good.clone();
        key[name] = value;
        key
    };
    vec![
        with("use", json!("enc")),
        with("alg", json!("RS512")),
        with("alg", json!("none")),
        with("kty", json!("oct")),
        with("kty", json!(1)),
        with("e", json!("AQ")),
        with("e", json!("Aw")),
        with("e", json!("")),
        with("n", json!("")),
        with("n", json!(b64([0xff; 64]))),
        with("n", json!("!!")),
        with("d", json!("AQAB")),
        json!({"kty": "EC", "crv": "P-256", "x": b64([1; 32]), "y": b64([2; 32]), "kid": kid(&Key::Foreign)}),
        json!({"kty": "oct", "k": b64(b"secret"), "kid": kid(&Key::Foreign), "alg": "HS256"}),
        json!(null),
        json!("key"),
        json!({}),
    ]
}

fn what_cannot_be_used_of_a_set_is_left_out() {
    // Beside good keys the bad ones do no harm, and none of them verifies anything.
    let (pool, upstream) = (FakePool::start(), Recorder::start());
    let mut keys = unusable();
    keys.extend([jwk(&Key::ForId), jwk(&Key::ForAccess)]);
    pool.show_keys(keys);
    let world = Setup::bench().start_with(pool, upstream);
    login(&world, "user").must_succeed(&world, "user");
    world.pool.sign_with(Key::Foreign, Key::ForAccess);
    login(&world, "user").must_fail(&world, 502, &["token_unknown_key"]);
    // An exponent of one takes any padded digest as its own signature.
    world.pool.tamper(|mint| {
        if mint.kind == Use::Id {
            mint.key = Key::Bytes([&[0, 1][..], &[0xff; 200], &[0; 54]].concat());
        }
    });
    login(&world, "user").must_fail(&world, 502, &["token_unknown_key", "token_signature"]);

    // Two keys of one name: one of them, whichever, and no crash; a second set has neither more nor less.
    let (pool, upstream) = (FakePool::start(), Recorder::start());
    let mut twin = jwk(&Key::Foreign);
    twin["kid"] = json!(kid(&Key::ForId));
    pool.show_keys(vec![jwk(&Key::ForId), twin, jwk(&Key::ForAccess)]);
    let world = Setup::bench().start_with(pool, upstream);
    login(&world, "user").must_succeed(&world, "user");
    world.pool.tamper(|mint| {
        if mint.kind == Use::Id {
            mint.key = Key::Foreign;
        }
    });
    login(&world, "user").must_fail(&world, 502, &["token_signature"]);

    // Ten thousand keys: too large to be read, or cut; either way the gate lives and asks again.
    let (pool, upstream) = (FakePool::start(), Recorder::start());
    let mut many: Vec<Value> =
        (0..10_000).map(|n| json!({"kty": "RSA", "kid": n.to_string(), "n": "AQAB", "e": "AQAB"})).collect();
    many.push(jwk(&Key::ForId));
    pool.show_keys(many);
    let world = Setup::bench().unready().start_with(pool, upstream);
    let said = world.gate.stderr().wait(|line| line.contains("provider is not ready").then_some(()));
    assert!(said.is_some());
    assert_eq!(world.gate.admin("/readyz").status, 503);
    world.pool.be_honest();
    until("ready by itself", || (world.gate.admin("/readyz").status == 200).then_some(()));
}
