//! The support library held to its own words: a fake that lies about itself would prove nothing.

use std::time::Duration;

use crate::support::balancer::Balancer;
use crate::support::browser::{Browser, Cookie, Jar, address};
use crate::support::gate::{Access, Start};
use crate::support::pool::{CLIENT_ID, CLIENT_SECRET, Endpoint, FakePool, Reply, Rotation};
use crate::support::token::{Key, Use, b64, sha256};
use crate::support::upstream::{self, Recorder};
use crate::support::wire::{Ended, Framing, Head, Wire, parse_head};
use crate::support::world::{identity_seen, replace};

fn head(lines: &str) -> Head {
    parse_head(lines.as_bytes()).unwrap()
}

#[test]
fn a_head_with_a_bare_line_feed_or_an_odd_name_is_refused() {
    assert!(parse_head(b"GET / HTTP/1.1\r\nHost: a").is_ok());
    for bad in [
        &b"GET / HTTP/1.1\nHost: a"[..],
        b"GET / HTTP/1.1\r\n Host: a",
        b"GET / HTTP/1.1\r\nHost : a",
        b"GET / HTTP/1.1\r\nHost",
        b"GET / HTTP/1.1\r\n: a",
        b"GET / HTTP/1.1\r\nHo\xc3\xb6st: a",
        b"GET / HTTP/1.1\r\nHost: a\0",
    ] {
        assert!(parse_head(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn framing_is_one_header_in_one_spelling_or_an_error() {
    let framing = |lines: &str| head(&format!("POST / HTTP/1.1\r\n{lines}")).request_framing();
    assert_eq!(framing("Host: a"), Ok(Framing::None));
    assert_eq!(framing("Content-Length: 5"), Ok(Framing::Length(5)));
    assert_eq!(framing("transfer-encoding: chunked"), Ok(Framing::Chunked));
    for bad in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Content-Length: 5\r\nContent-Length: 5",
        "Content-Length: +5",
        "Transfer-Encoding: ,chunked",
        "Transfer-Encoding: gzip, chunked",
    ] {
        assert!(framing(bad).is_err(), "{bad}");
    }
}

#[test]
fn the_recorder_keeps_what_it_saw_and_complains_of_what_it_could_not_read() {
    let recorder = Recorder::start();
    let start = recorder.mark();
    let mut wire = Wire::connect(recorder.address);
    wire.write(
        b"POST /x?y HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nT: 1\r\n\r\n",
    );
    let answer = wire.answer(false).unwrap();
    assert_eq!((answer.status, answer.json()["body"].as_str()), (200, Some("abc")));
    let seen = recorder.wait_for(start, 1);
    assert_eq!((seen[0].method(), seen[0].target(), seen[0].path()), ("POST", "/x?y", "/x"));
    assert_eq!((seen[0].framing, seen[0].complete), (Framing::Chunked, true));
    assert_eq!(seen[0].trailers, [("T".to_owned(), "1".to_owned())]);

    let later = recorder.mark();
    wire.write(b"GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n");
    assert_eq!(wire.answer(false).unwrap_err(), Ended::Closed);
    assert_eq!(recorder.complaints_since(later).len(), 1);
    assert_eq!(recorder.since(later).len(), 0);
    assert_eq!(recorder.bytes_since(later), 32);
}

#[test]
fn each_misbehaviour_is_what_its_name_says() {
    let recorder = Recorder::start();
    let begin = |target: &str| {
        let mut wire = Wire::connect(recorder.address);
        wire.write(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
        wire
    };
    let ask = |target: &str| {
        let mut wire = begin(target);
        let first = wire.answer(false);
        (first, wire)
    };
    recorder.at("/stall", upstream::stalls_after_head());
    let mut stalled = begin("/stall").patient_for(Duration::from_millis(300));
    assert_eq!(stalled.answer(false).unwrap_err(), Ended::Silent);
    recorder.at("/close", upstream::closes_after_head());
    assert_eq!(ask("/close").0.unwrap_err(), Ended::Closed);
    recorder.at("/idle", upstream::closes_while_idle());
    let (answer, mut wire) = ask("/idle");
    assert_eq!(answer.unwrap().status, 200);
    assert_eq!(wire.answer(false).unwrap_err(), Ended::Closed);
    recorder.at("/two", upstream::sends_two_answers());
    let (answer, mut wire) = ask("/two");
    assert_eq!(answer.unwrap().text(), "first");
    assert_eq!(wire.answer(false).unwrap().text(), "second");
    recorder.at("/large", upstream::early_413());
    assert_eq!(ask("/large").0.unwrap().status, 413);
    recorder.at("/cut", upstream::cuts_its_body());
    assert_eq!(ask("/cut").0.unwrap_err(), Ended::Cut("half".into()));
    recorder.at("/slow", upstream::slow_drip("abc", Duration::from_millis(1)));
    assert_eq!(ask("/slow").0.unwrap().text(), "abc");
    recorder.at("/hints", upstream::interim("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"));
    assert_eq!(ask("/hints").0.unwrap().interim.len(), 1);
    recorder.behave_well();
    assert_eq!(ask("/two").0.unwrap().json()["target"], "/two");
}

#[test]
fn an_identity_in_any_spelling_is_found_at_the_upstream() {
    let recorder = Recorder::start();
    let identity = |lines: &str| {
        let mark = recorder.mark();
        let mut wire = Wire::connect(recorder.address);
        wire.write(format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n").as_bytes());
        wire.answer(false).unwrap();
        identity_seen(&recorder.since(mark)[0])
    };
    assert_eq!(identity(""), Ok(None));
    assert_eq!(identity("X-User: a\r\nX-Roles: b\r\n"), Ok(Some(("a".into(), "b".into()))));
    for forged in
        ["X_User: a\r\n", "X-User: a\r\n", "X.User: a\r\nX-User: a\r\nX-Roles: b\r\n", "x~roles: b\r\n"]
    {
        assert!(identity(forged).is_err(), "{forged}");
    }
}

#[test]
fn the_jar_keeps_the_rules_of_prefixes_paths_and_ages() {
    let secure = address("/a/b");
    let plain = "http://app.test/a/b".parse().unwrap();
    let read = |line: &str| Cookie::read(&secure, line);
    assert!(read("__Host-x=1; Secure; Path=/").is_some());
    for refused in
        ["__Host-x=1; Path=/", "__Host-x=1; Secure; Path=/a", "__Host-x=1; Secure; Path=/; Domain=app.test"]
    {
        assert!(read(refused).is_none(), "{refused}");
    }
    assert!(read("x=1; Domain=other.test").is_none());
    assert_eq!(read("x=1").unwrap().path, "/a");
    assert!(Cookie::read(&plain, "x=1; Secure").is_none());

    let mut jar = Jar::default();
    let set = |jar: &mut Jar, line: &str| {
        let head = head(&format!("HTTP/1.1 200 OK\r\nSet-Cookie: {line}"));
        jar.keep(&secure, &crate::support::wire::Answer { head, ..Default::default() });
    };
    set(&mut jar, "x=1; Path=/");
    set(&mut jar, "y=2; Path=/a; Secure");
    assert_eq!(jar.header(&secure), "y=2; x=1");
    assert_eq!(jar.header(&plain), "x=1");
    assert_eq!(jar.header(&address("/ab")), "x=1");
    set(&mut jar, "x=; Path=/; Max-Age=0");
    assert_eq!(jar.header(&secure), "y=2");
}

#[test]
fn the_pool_signs_in_with_pkce_once_a_code_and_refreshes() {
    let pool = FakePool::start();
    let mut browser = Browser::new(pool.address);
    browser.signs_in_as = Some("admin".into());
    let verifier = "v".repeat(43);
    let challenge = b64(sha256(verifier.as_bytes()));
    let authorize = format!(
        "{}/oauth2/authorize?response_type=code&client_id={CLIENT_ID}&redirect_uri=https%3A%2F%2Fapp.test%2Fcb\
         &state=s&nonce=n&scope=openid&code_challenge={challenge}&code_challenge_method=S256",
        pool.origin()
    );
    let back: url::Url = browser.open(&authorize).location().parse().unwrap();
    let code = back.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned();
    let mut token = |form: &str| {
        let form = format!("{form}&client_id={CLIENT_ID}&client_secret={CLIENT_SECRET}");
        browser.post(&format!("{}/oauth2/token", pool.origin()), &form)
    };
    let redeem = format!(
        "grant_type=authorization_code&code={code}&redirect_uri=https%3A%2F%2Fapp.test%2Fcb&code_verifier={verifier}"
    );
    let answer = token(&redeem);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(token(&redeem).json()["error"], "invalid_grant");
    let refresh = format!(
        "grant_type=refresh_token&refresh_token={}",
        answer.json()["refresh_token"].as_str().unwrap()
    );
    assert_eq!(token(&refresh).status, 200);
    assert_eq!((pool.grants("authorization_code"), pool.grants("refresh_token")), (2, 1));
    assert!(pool.secrets().contains(&code));
}

#[test]
fn the_pools_tokens_verify_with_its_keys_and_forged_ones_do_not() {
    use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, jwk::Jwk};
    let _ = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
    let pool = FakePool::start();
    let jwk: Jwk = serde_json::from_value(crate::support::token::jwk(&Key::ForId)).unwrap();
    let key = DecodingKey::from_jwk(&jwk).unwrap();
    let mut validation = Validation::new(Algorithm::RS256);
    validation.set_audience(&[CLIENT_ID]);
    let verify = |token: &str| decode::<serde_json::Value>(token, &key, &validation);
    let claims = verify(&pool.mint(Use::Id, "admin", |_| {})).unwrap().claims;
    assert_eq!(claims["cognito:groups"], serde_json::json!(["admin", "user"]));
    assert!(verify(&pool.mint(Use::Id, "admin", |mint| mint.key = Key::Foreign)).is_err());
    assert!(verify(&pool.mint(Use::Id, "admin", |mint| mint.claim("exp", 1))).is_err());
    assert_eq!(pool.mint(Use::Id, "admin", |mint| mint.raw = Some("a.b".into())), "a.b");
}

#[test]
fn a_scripted_endpoint_answers_as_scripted_and_then_honestly_again() {
    let pool = FakePool::start();
    let ask = || {
        let mut wire = Wire::connect(pool.address);
        wire.write(b"GET /eu-central-1_SuitePool/.well-known/jwks.json HTTP/1.1\r\nHost: a\r\n\r\n");
        wire.answer(false)
    };
    assert_eq!(ask().unwrap().json()["keys"].as_array().unwrap().len(), 2);
    pool.script_once(Endpoint::Jwks, Reply::Status(500, "text/html", b"<p>".to_vec()));
    assert_eq!((ask().unwrap().status, ask().unwrap().status), (500, 200));
    pool.script(Endpoint::Jwks, Reply::HalfClosed);
    assert!(matches!(ask().unwrap_err(), Ended::Cut(_)));
    pool.script(Endpoint::Jwks, Reply::Hangup);
    assert_eq!(ask().unwrap_err(), Ended::Closed);
    pool.script(Endpoint::Jwks, Reply::Endless(1 << 20));
    assert!(ask().unwrap().body.len() > 1 << 20);
    pool.be_honest();
    assert_eq!(ask().unwrap().status, 200);
    assert_eq!(pool.count(Endpoint::Jwks), 7);
}

#[test]
fn an_access_record_is_told_from_other_lines() {
    let record = Access::parse(r#"{"kind":"access","decision":"forward","status":200}"#).unwrap();
    assert_eq!((record.decision(), record.status(), record.text("user")), ("forward", 200, ""));
    assert!(Access::parse(r#"{"message":"listening"}"#).is_none());
    assert!(Access::parse("ready").is_none());
}

#[test]
fn placeholders_are_replaced_in_bytes() {
    assert_eq!(replace(b"a{s}\xff{s}", b"{s}", b"--"), b"a--\xff--");
}

#[test]
fn a_gate_that_refuses_its_configuration_is_told_from_one_that_listens() {
    let Err(refused) = Start::with("no = [").start() else { panic!("it started") };
    assert_ne!(refused.code, Some(0), "{refused:?}");
}

#[test]
fn a_balancer_sends_where_it_is_told_holds_back_what_it_is_told_and_goes_around_what_is_gone() {
    // Nobody listens there; a port that was free a moment ago may be another test's by now.
    let gone = std::net::SocketAddr::from(([127, 0, 0, 1], 1));
    let (one, two) = (Recorder::start(), Recorder::start());
    let balancer = Balancer::start(vec![gone, one.address, two.address]);
    let send = |target: &str, gate: &str| {
        let mut wire = Wire::connect(balancer.address);
        wire.write(format!("GET {target} HTTP/1.1\r\nHost: a\r\n{gate}\r\n").as_bytes());
        wire
    };
    balancer.hold("/held");
    let mut held = send("/held", "X-To-Gate: 2\r\n").patient_for(Duration::from_millis(50));
    balancer.wait_held("/held");
    assert_eq!(held.answer(false).unwrap_err(), Ended::Silent);
    for _ in 0..3 {
        assert_eq!(send("/x", "").answer(false).unwrap().status, 200);
    }
    assert_eq!(send("/x", "X-To-Gate: 0\r\n").answer(false).unwrap().status, 200);
    balancer.release("/held");
    held.set_patience(Duration::from_secs(10));
    assert_eq!(held.answer(false).unwrap().status, 200);
    let gates: Vec<usize> = balancer.passed().iter().map(|passed| passed.gate).collect();
    // The first is gone, so its turns are the second one's.
    assert_eq!(gates, [2, 1, 2, 1, 1]);
}

#[test]
fn a_pool_with_a_grace_takes_the_replaced_token_for_that_long_and_no_longer() {
    let pool = FakePool::start();
    let refresh = |token: &str| {
        let form = format!(
            "grant_type=refresh_token&refresh_token={token}&client_id={CLIENT_ID}&client_secret={CLIENT_SECRET}"
        );
        let mut wire = Wire::connect(pool.address);
        wire.write(
            format!("POST /oauth2/token HTTP/1.1\r\nHost: p\r\nContent-Length: {}\r\n\r\n{form}", form.len())
                .as_bytes(),
        );
        let answer = wire.answer(false).unwrap();
        (answer.status, answer.json()["refresh_token"].as_str().map(str::to_owned))
    };
    let first = pool.issue_refresh_tokens("user", 1).remove(0);
    assert_eq!(refresh(&first), (200, None));
    pool.rotate(Rotation::Grace(Duration::from_secs(3600)));
    let (_, second) = refresh(&first);
    assert!(refresh(&first).1.is_some(), "within the grace");
    pool.rotate(Rotation::Grace(Duration::ZERO));
    let second = second.unwrap();
    let (_, third) = refresh(&second);
    assert_eq!(refresh(&second), (400, None));
    assert_eq!(refresh(&third.unwrap()).0, 200, "showing the old one spoils nothing");
}
