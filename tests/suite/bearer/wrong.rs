//! Every way in which a bearer token can be wrong: its own reason in record and metrics, one answer for all.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;

use super::{ask, counted, either, line, refused};
use crate::cookies::shape;
use crate::support::browser::Kind;
use crate::support::pool::CLIENT_ID;
use crate::support::token::{Key, Mint, Use, b64, kid};
use crate::support::world::World;

/// A reason, and a token that counts but for it.
type Wrong = (&'static str, String);

/// TOK-37.
pub fn every_way_to_be_wrong_has_a_reason_of_its_own_and_the_same_answer(world: &World) {
    let documented = include_str!("../../../docs/bearer.md");
    let mut shapes = Vec::new();
    for (reason, token) in all(world) {
        let (mark, before) = (world.mark(), counted(world, reason));
        let answer = ask(world, "/x", &line(&token));
        assert_eq!(refused(world, &answer, mark), reason, "{token}");
        assert_eq!(counted(world, reason), before + 1, "{reason} is counted");
        assert!(documented.contains(&format!("| `{reason}` |")), "docs/bearer.md does not name {reason}");
        shapes.push((reason, shape(&answer)));
    }
    let (_, first) = &shapes[0];
    assert!(shapes.iter().all(|(_, shape)| shape == first), "{shapes:#?}");
    assert_eq!(ask(world, "/x", &line(&world.pool.mint(Use::Access, "user", |_| {}))).status, 200);
    world.no_secret_in("the log", &world.gate.stderr().all());
    world.no_secret_in("the access log", &world.gate.stdout().all());
    world.no_secret_in("the metrics", &world.gate.admin("/metrics").text());
}

#[test]
fn a_wrong_token_is_refused_as_such_whatever_kind_of_request_brings_it() {
    let world = either();
    let cookie = world.session(crate::support::world::Who::Admin).line();
    for (reason, token) in all(&world).into_iter().filter(|(reason, _)| reason.ends_with('e')) {
        for kind in [Kind::Navigate, Kind::Form, Kind::Frame, Kind::Fetch, Kind::Program] {
            for target in ["/x", "/public/x", "/x?access_token=y"] {
                let lines = format!("{}{cookie}{}", line(&token), kind.lines());
                let mark = world.mark();
                let answer = ask(&world, target, &lines);
                assert_eq!(answer.status, 401, "{reason} {kind:?} {target}: {answer:#?}");
                assert_eq!(answer.head.all("www-authenticate"), ["Bearer error=\"invalid_token\""]);
                assert!(answer.head.all("set-cookie").is_empty() && answer.head.all("location").is_empty());
                assert!(world.seen_since(mark).is_empty());
                assert!(!answer.text().contains(reason), "{}", answer.text());
                assert_eq!(super::record(&world, &answer).text("reason"), reason);
            }
        }
    }
}

/// One token for each reason that a bearer token can have.
fn all(world: &World) -> Vec<Wrong> {
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap();
    let id = |change: &dyn Fn(&mut Mint)| world.pool.mint(Use::Id, "user", change);
    let access = |change: &dyn Fn(&mut Mint)| world.pool.mint(Use::Access, "user", change);
    vec![
        ("bearer_malformed", "a b".into()),
        ("bearer_malformed", format!("{}, Bearer {}", access(&|_| {}), access(&|_| {}))),
        ("token_too_large", access(&|mint| mint.claim("x", "x".repeat(13_000)))),
        ("token_malformed", "a.b".into()),
        ("token_malformed", "a.b.c.d.e".into()),
        ("token_malformed", format!("{}.", access(&|_| {}))),
        ("token_header", access(&|mint| drop(mint.header.insert("crit".into(), json!(["x"]))))),
        ("token_header", access(&|mint| mint.raw_header = Some(b"[]".to_vec()))),
        ("token_algorithm", access(&|mint| drop(mint.header.insert("alg".into(), json!("none"))))),
        (
            "token_algorithm",
            access(&|mint| {
                mint.header.insert("alg".into(), json!("HS256"));
                mint.key = Key::Hmac(CLIENT_ID.into());
            }),
        ),
        (
            "token_unknown_key",
            access(&|mint| {
                mint.header.insert("kid".into(), json!(kid(&Key::Foreign)));
                mint.key = Key::Foreign;
            }),
        ),
        ("token_signature", access(&|mint| mint.key = Key::Foreign)),
        ("token_signature", access(&|mint| mint.key = Key::Bytes(vec![0; 256]))),
        ("token_claims", access(&|mint| mint.payload = Some(b"[]".to_vec()))),
        ("token_issuer", access(&|mint| mint.claim("iss", "https://issuer.test"))),
        ("token_audience", id(&|mint| mint.claim("aud", "another"))),
        ("token_audience", access(&|mint| mint.claim("aud", "https://elsewhere.test"))),
        ("token_azp", id(&|mint| mint.claim("azp", "another"))),
        ("token_client_id", access(&|mint| mint.claim("client_id", "another"))),
        ("token_use", access(&|mint| mint.without("token_use"))),
        ("token_use", access(&|mint| mint.claim("token_use", "refresh"))),
        ("token_expired", access(&|mint| mint.claim("exp", now - 63))),
        ("token_not_yet", access(&|mint| mint.claim("nbf", now + 90))),
        ("token_time", access(&|mint| mint.claim("exp", "9999999999"))),
        ("token_subject", access(&|mint| mint.without("sub"))),
        // A whole token in the other's dress, and a refresh token, which is nothing to us.
        ("token_client_id", id(&|mint| mint.claim("token_use", "access"))),
        ("token_audience", access(&|mint| mint.claim("token_use", "id"))),
        ("token_malformed", b64([7; 400])),
    ]
}
