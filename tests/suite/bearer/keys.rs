//! What a bearer token costs and how long it counts: no call while keys are at hand, and never past its own end or
//! its key's.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::json;

use super::{access, ask, bench, line, record, refused};
use crate::support::pool::{Endpoint, FakePool, Reply};
use crate::support::token::{Key, Use, jwk, kid, random};
use crate::support::until;
use crate::support::upstream::Recorder;
use crate::support::wire::Wire;
use crate::support::world::{Setup, World};

#[test]
fn row_23_a_token_is_verified_without_a_call_to_anybody() {
    let world = bench().start();
    let before = world.pool.asked().len();
    let tokens: Vec<String> = (0..20).map(|_| access(&world, "user")).collect();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut wire = Wire::connect(world.gate.public);
                for token in tokens.iter().cycle().take(100) {
                    wire.write(
                        format!("GET /x HTTP/1.1\r\nHost: app.test\r\n{}\r\n", line(token)).as_bytes(),
                    );
                    assert_eq!(wire.answer(false).unwrap().status, 200);
                }
            });
        }
    });
    assert_eq!(world.pool.asked().len(), before, "{:#?}", world.pool.asked());
}

#[test]
fn row_16_keys_are_fetched_once_when_they_roll_never_in_a_flood_and_serve_on_in_an_outage() {
    std::thread::scope(|scope| {
        scope.spawn(a_new_key_is_fetched_once_and_a_removed_ones_token_counts_no_more);
        scope.spawn(a_flood_of_unknown_keys_costs_one_fetch_in_ten_seconds_and_nobody_waits_for_it);
        scope.spawn(known_tokens_count_while_the_pool_is_down_and_unknown_keys_are_nobodys_fault);
    });
}

/// TOK-36, IDP-03.
pub fn a_new_key_is_fetched_once_and_a_removed_ones_token_counts_no_more() {
    let world = bench().start();
    let old = access(&world, "user");
    assert_eq!(ask(&world, "/x", &line(&old)).status, 200);
    world.pool.show_keys(vec![jwk(&Key::ForId), jwk(&Key::Foreign)]);
    world.pool.sign_with(Key::ForId, Key::Foreign);
    // Not known yet to be gone, and nobody has asked: it is kept.
    assert_eq!(ask(&world, "/x", &line(&old)).status, 200);
    let before = world.pool.count(Endpoint::Jwks);
    let new = access(&world, "admin");
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert_eq!(ask(&world, "/admin/x", &line(&new)).status, 200));
        }
    });
    assert_eq!(world.pool.count(Endpoint::Jwks), before + 1, "one fetch for all of them");
    let mark = world.mark();
    let answer = ask(&world, "/x", &line(&old));
    assert_eq!(refused(&world, &answer, mark), "token_unknown_key", "what was kept does not outlive the key");
    // The key comes back under its name with another modulus: the token is still not its own.
    let mut twin = jwk(&Key::ForId);
    twin["kid"] = json!(kid(&Key::ForAccess));
    let world = bench().start();
    let old = access(&world, "user");
    assert_eq!(ask(&world, "/x", &line(&old)).status, 200);
    world.pool.show_keys(vec![twin, jwk(&Key::Foreign)]);
    world.pool.sign_with(Key::ForId, Key::Foreign);
    assert_eq!(ask(&world, "/x", &line(&access(&world, "user"))).status, 200);
    let mark = world.mark();
    assert_eq!(refused(&world, &ask(&world, "/x", &line(&old)), mark), "token_signature");
}

/// IDP-01.
pub fn a_flood_of_unknown_keys_costs_one_fetch_in_ten_seconds_and_nobody_waits_for_it() {
    let world = bench().start();
    let good = access(&world, "user");
    let before = world.pool.count(Endpoint::Jwks);
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut wire = Wire::connect(world.gate.public);
                for n in 0..250 {
                    let unknown = world.pool.mint(Use::Access, "user", |mint| {
                        mint.header.insert("kid".into(), json!(random(12)));
                        mint.key = Key::Bytes(vec![1; 256]);
                    });
                    let (token, status) = if n % 10 == 0 { (&good, 200) } else { (&unknown, 401) };
                    wire.write(
                        format!("GET /x HTTP/1.1\r\nHost: app.test\r\n{}\r\n", line(token)).as_bytes(),
                    );
                    assert_eq!(wire.answer(false).unwrap().status, status, "token {n}");
                }
            });
        }
    });
    let (fetches, allowed) = (world.pool.count(Endpoint::Jwks) - before, 1 + begun.elapsed().as_secs() / 10);
    assert!(fetches as u64 <= allowed, "{fetches} fetches in {:?}", begun.elapsed());
    assert_eq!(world.pool.asked().len(), 2 + fetches, "and nothing else is asked");
}

/// IDP-02.
pub fn known_tokens_count_while_the_pool_is_down_and_unknown_keys_are_nobodys_fault() {
    for reply in [Reply::Hangup, Reply::Status(500, "text/plain", b"oops".to_vec())] {
        let world = bench().start();
        let (kept, fresh) = (access(&world, "user"), access(&world, "admin"));
        assert_eq!(ask(&world, "/x", &line(&kept)).status, 200);
        for endpoint in [Endpoint::Jwks, Endpoint::Discovery, Endpoint::Token] {
            world.pool.script(endpoint, reply.clone());
        }
        assert_eq!(ask(&world, "/x", &line(&kept)).status, 200);
        assert_eq!(ask(&world, "/admin/x", &line(&fresh)).status, 200, "never seen, but its key is at hand");
        let unknown = world.pool.mint(Use::Access, "user", |mint| {
            mint.header.insert("kid".into(), json!(random(12)));
        });
        for _ in 0..5 {
            let answer = ask(&world, "/x", &line(&unknown));
            assert_eq!(answer.status, 503, "it may be good, and that cannot be known now: {answer:#?}");
            assert!(answer.header("retry-after").is_some());
            assert!(answer.head.all("www-authenticate").is_empty(), "{answer:#?}");
            assert_eq!(record(&world, &answer).text("reason"), "pool_outage");
        }
        assert_eq!(ask(&world, "/x", &line(&kept)).status, 200, "a failed fetch takes nothing away");
    }
    // Slow rather than down: those who need the keys wait for one fetch together, and nobody else does.
    let world = bench().start();
    let kept = access(&world, "user");
    world.pool.script(Endpoint::Jwks, Reply::Silence);
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let unknown = world.pool.mint(Use::Access, "user", |mint| {
                    mint.header.insert("kid".into(), json!(random(12)));
                });
                // The fetch itself is given up after ten seconds.
                let mut wire = Wire::connect(world.gate.public).patient_for(Duration::from_secs(20));
                wire.write(format!("GET /x HTTP/1.1\r\nHost: app.test\r\n{}\r\n", line(&unknown)).as_bytes());
                assert_eq!(wire.answer(false).unwrap().status, 503);
            });
        }
        world.pool.wait_for(Endpoint::Jwks, 2);
        let asked = Instant::now();
        assert_eq!(ask(&world, "/x", &line(&kept)).status, 200);
        assert!(asked.elapsed() < Duration::from_secs(5), "waited {:?}", asked.elapsed());
    });
    assert!(begun.elapsed() < Duration::from_secs(19), "one after another: {:?}", begun.elapsed());
    assert_eq!(world.pool.count(Endpoint::Jwks), 2, "one fetch at the start and one more");
}

#[test]
fn whoever_asks_and_goes_away_does_not_make_the_gate_fetch_again() {
    let world = bench().start();
    world.pool.script(Endpoint::Jwks, Reply::Late(Duration::from_secs(6)));
    let before = world.pool.count(Endpoint::Jwks);
    let unknown = || {
        let token = world.pool.mint(Use::Access, "user", |mint| {
            mint.header.insert("kid".into(), json!(random(12)));
        });
        format!("GET /x HTTP/1.1\r\nHost: app.test\r\n{}\r\n", line(&token))
    };
    for _ in 0..10 {
        let mut wire = Wire::connect(world.gate.public).patient_for(Duration::from_millis(100));
        wire.write(unknown().as_bytes());
        assert!(wire.answer(false).is_err(), "the keys are on their way");
    }
    let mut wire = Wire::connect(world.gate.public).patient_for(Duration::from_secs(20));
    wire.write(unknown().as_bytes());
    assert_eq!(wire.answer(false).unwrap().status, 401);
    assert_eq!(world.pool.count(Endpoint::Jwks), before + 1);
}

#[test]
fn what_others_send_keeps_no_login_from_a_new_key() {
    let world = bench().start();
    let unknown = world.pool.mint(Use::Access, "user", |mint| {
        mint.header.insert("kid".into(), json!(random(12)));
    });
    assert_eq!(ask(&world, "/x", &line(&unknown)).status, 401);
    let before = world.pool.count(Endpoint::Jwks);
    world.pool.show_keys(vec![jwk(&Key::ForId), jwk(&Key::Foreign)]);
    world.pool.sign_with(Key::ForId, Key::Foreign);
    let browser = world.signed_in("user");
    assert!(browser.cookies("/").contains("__Host-rolegate="));
    assert_eq!(world.pool.count(Endpoint::Jwks), before + 1);
}

#[test]
fn before_the_pool_was_ever_reached_no_token_is_judged() {
    let pool = FakePool::start();
    pool.script(Endpoint::Discovery, Reply::Hangup);
    let world = bench().unready().start_with(pool, Recorder::start());
    let (token, mark) = (access(&world, "user"), world.mark());
    for target in ["/x", "/public/x"] {
        let answer = ask(&world, target, &line(&token));
        assert_eq!(answer.status, 503, "{answer:#?}");
        assert!(answer.header("retry-after").is_some() && answer.head.all("www-authenticate").is_empty());
    }
    assert!(world.seen_since(mark).is_empty());
    // What no pool could make good is told at once.
    assert_eq!(ask(&world, "/x", "Authorization: Bearer\r\n").status, 401);
    assert_eq!(ask(&world, "/public/x", "").status, 200);
    world.pool.be_honest();
    until("tokens count by themselves", || (ask(&world, "/x", &line(&token)).status == 200).then_some(()));
}

#[test]
fn a_token_that_was_kept_stops_at_its_own_end() {
    let world = bench().start();
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap();
    // Within what clocks may differ, so that nobody waits for an hour.
    let token = world.pool.mint(Use::Access, "user", |mint| mint.claim("exp", now - 56));
    let unused = world.pool.mint(Use::Access, "user", |mint| mint.claim("exp", now - 56));
    assert_eq!(ask(&world, "/x", &line(&token)).status, 200);
    let ended = until("it ends", || {
        let answer = ask(&world, "/x", &line(&token));
        (answer.status != 200).then_some(answer)
    });
    assert_eq!((ended.status, record(&world, &ended).text("reason")), (401, "token_expired"));
    assert_eq!(ask(&world, "/x", &line(&unused)).status, 401, "as one that was never seen before");
    assert_eq!(ask(&world, "/x", &line(&access(&world, "user"))).status, 200);
}

/// TOK-34.
pub fn a_pools_clock_may_differ_by_a_minute() {
    let world = bench().start();
    for (ahead, reason) in [
        (0, None),
        (50, None),
        (-50, None),
        (75, Some("token_not_yet")),
        (600, Some("token_not_yet")),
        (-(3600 + 75), Some("token_expired")),
    ] {
        world.pool.set_clock(ahead);
        let mark = world.mark();
        let answer = ask(&world, "/x", &line(&access(&world, "user")));
        match reason {
            None => assert_eq!(answer.status, 200, "{ahead}: {answer:#?}"),
            Some(reason) => assert_eq!(refused(&world, &answer, mark), reason, "{ahead}"),
        }
    }
}

/// TOK-22.
pub fn a_key_of_one_issuer_verifies_no_token_of_another_that_calls_its_key_the_same() {
    let second = FakePool::start();
    let mut twin = jwk(&Key::Foreign);
    twin["kid"] = json!(kid(&Key::ForAccess));
    second.show_keys(vec![twin]);
    let mut setup: Setup = bench();
    setup.provider += &format!("additional_issuers = [{:?}]\n", second.issuer());
    let world: World = setup.start();
    let of = |issuer: &str, key: Key| {
        let issuer = issuer.to_owned();
        line(&world.pool.mint(Use::Access, "user", move |mint| {
            mint.claim("iss", issuer);
            mint.header.insert("kid".into(), json!(kid(&Key::ForAccess)));
            mint.key = key;
        }))
    };
    let (main, other) = (world.pool.issuer(), second.issuer());
    // Before the second issuer's keys are known, and after; a kept result helps nobody else.
    for _ in 0..2 {
        for (issuer, key, counts) in [
            (&main, Key::ForAccess, true),
            (&main, Key::Foreign, false),
            (&other, Key::ForAccess, false),
            (&other, Key::Foreign, true),
        ] {
            let mark = world.mark();
            let answer = ask(&world, "/x", &of(issuer, key));
            if counts {
                assert_eq!(answer.status, 200, "{issuer}: {answer:#?}");
            } else {
                assert_eq!(refused(&world, &answer, mark), "token_signature", "{issuer}");
            }
        }
    }
    assert_eq!((second.count(Endpoint::Jwks), world.pool.count(Endpoint::Jwks)), (1, 1));
    let mark = world.mark();
    let answer = ask(&world, "/x", &of("http://127.0.0.1:9/eu-central-1_Third", Key::ForAccess));
    assert_eq!(refused(&world, &answer, mark), "token_issuer");
}
