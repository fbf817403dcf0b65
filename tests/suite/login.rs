//! Section H: a login is one browser's, goes to the one pool there is, and ends in a session or in a reason.

use std::time::{Duration, Instant};

use serde_json::json;
use url::Url;

use crate::acceptance::step_up;
use crate::cookies::{PASS, shape};
use crate::corpus::{Case, case};
use crate::refresh::ROTATIONS;
use crate::replicas;
use crate::support::browser::{Browser, Kind, address};
use crate::support::gate::Gate;
use crate::support::pool::{CLIENT_ID, Endpoint, FakePool, Reply, User};
use crate::support::replicas::Kind as Replicas;
use crate::support::token::{Key, Use, b64, random, sha256};
use crate::support::until;
use crate::support::upstream::Recorder;
use crate::support::wire::{Answer, Wire};
use crate::support::world::{Session, Setup, Who, World};

pub fn cases() -> Vec<Case> {
    vec![
        case(&["OIDC-01", "OIDC-08", "OIDC-34"], |world| {
            for query in
                ["", "?", "?code=x", "?code=x&state=", "?code=x&state", "?access_token=x", "?id_token=x"]
            {
                refused_unasked(world, &mut world.browser(), query);
            }
            let mut browser = world.browser();
            let state = &state_of(&browser.callback_for("user", "/"));
            for query in [
                format!("?state={state}"),
                format!("?code=&state={state}"),
                format!("?code=x&code=x&state={state}"),
                format!("?code=x&state={state}&state={state}"),
                format!("?code=x&state={state}&iss=a&iss=a"),
                format!("?error=x&error=x&state={state}"),
                format!("?code=x&state={state}&%63ode=y"),
                format!("?code=%ff&state={state}"),
                format!("?code=%&state={state}"),
                format!("?access_token=x&state={state}"),
                format!("?id_token=x&access_token=x&token_type=bearer&state={state}"),
                format!("?code={}&state={state}", "x".repeat(3_000)),
            ] {
                // With a state of one's own each time: some of these use it up.
                let mut browser = world.browser();
                let own = state_of(&browser.callback_for("user", "/"));
                refused_unasked(world, &mut browser, &query.replace(state.as_str(), &own));
            }
        }),
        case(&["OIDC-02"], |world| {
            let callback = world.browser().callback_for("admin", "/admin");
            // Nobody's cookie, then another browser's: begun anew once, then a page that says why.
            let mut other = world.browser();
            other.callback_for("user", "/");
            for mut browser in [world.browser(), other] {
                restarts(world, &mut browser, callback.as_str());
            }
            let mut blocked = world.browser();
            blocked.jar.blocked = true;
            blocked.signs_in_as = Some("user".into());
            let page = blocked.navigate("/x");
            assert_eq!((page.answer.status, page.url.path()), (400, "/oauth2/callback"), "{:?}", page.hops);
            assert!(page.answer.text().contains("did not send the sign-in cookie"), "{}", page.answer.text());
        }),
        case(&["OIDC-03"], a_state_is_exactly_the_one_that_was_given),
        case(&["OIDC-04", "OIDC-21", "OIDC-39"], a_state_and_a_code_count_once),
        case(&["OIDC-06"], |world| {
            let mut browser = world.browser();
            for n in 0..200 {
                let answer = browser.open(&format!("/page-{n}?x={}", "y".repeat(100)));
                assert_eq!(answer.status, 302, "start {n}: {answer:#?}");
            }
            let attempts = browser.jar.named("__Host-rolegate-login-");
            assert!((1..=8).contains(&attempts.len()), "{} attempts are kept", attempts.len());
            let size: usize = attempts.iter().map(|cookie| cookie.name.len() + cookie.value.len()).sum();
            assert!(size <= 8 * 400, "{size} bytes are kept");
            // The newest still ends well.
            let callback = browser.callback_for("user", "/last");
            assert_eq!(browser.open(callback.as_str()).location(), "https://app.test/last");
            // Long ones are fewer.
            let mut browser = world.browser();
            for n in 0..20 {
                browser.open(&format!("/page-{n}?x={}", "y".repeat(1_500)));
            }
            let size: usize =
                browser.jar.named(PASS).iter().map(|cookie| cookie.name.len() + cookie.value.len()).sum();
            assert!(size <= 8 * 400, "{size} bytes are kept");
        }),
        case(&["OIDC-07"], |world| {
            let used = std::sync::Arc::new(std::sync::Mutex::new(json!(null)));
            let keep = used.clone();
            world.pool.tamper(move |mint| {
                if let Some(nonce) = mint.claims.get("nonce") {
                    *keep.lock().unwrap() = nonce.clone();
                }
            });
            login(world, "user").must_succeed(world, "user");
            let reused = used.lock().unwrap().clone();
            assert!(reused.is_string(), "a nonce is sent");
            for nonce in [None, Some(reused), Some(json!("")), Some(json!(["x"])), Some(json!(1))] {
                world.pool.tamper(move |mint| {
                    if mint.kind == Use::Id {
                        mint.without("nonce");
                        if let Some(nonce) = &nonce {
                            mint.claim("nonce", nonce.clone());
                        }
                    }
                });
                login(world, "user").must_fail(world, 502, &["token_nonce"]);
            }
        }),
        case(&["OIDC-09"], |world| {
            for (query, status) in [
                ("error=access_denied&error_description=%3Cscript%3Ealert(1)%3C/script%3E", 403),
                ("error=access_denied&code=x", 403),
                ("error=%3Cscript%3Ealert(1)%3C/script%3E", 400),
                ("error=server_error&error_description=%0d%0aSet-Cookie:%20a=b", 400),
                ("error=", 400),
                ("error=invalid_scope&error_uri=javascript:alert(1)", 400),
            ] {
                let mut browser = world.browser();
                let callback = browser.callback_for("user", "/");
                let code = query_of(&callback, "code");
                let state = state_of(&callback);
                let query = query.replace("code=x", &format!("code={code}"));
                let before = world.pool.count(Endpoint::Token);
                let answer = browser.open(&format!("/oauth2/callback?{query}&state={state}"));
                assert_eq!(answer.status, status, "{query}: {answer:#?}");
                let text = answer.text();
                assert!(!text.contains("<script") && !text.contains("javascript:"), "{query}: {text}");
                // The state is used up by it: the code that belongs to it is not redeemed any more.
                browser.open(callback.as_str());
                assert_eq!(world.pool.count(Endpoint::Token), before, "{query}: a code was redeemed");
                assert!(browser.jar.get(PASS).is_none());
            }
        }),
        case(&["OIDC-11", "OIDC-12"], a_code_is_bound_to_the_browser_that_asked_for_it),
        case(&["OIDC-13"], |world| {
            let answers: [(&str, serde_json::Value); 9] = [
                ("no id_token", json!({"access_token": "x", "token_type": "Bearer", "expires_in": 3600})),
                ("empty id_token", json!({"access_token": "x", "id_token": "", "token_type": "Bearer"})),
                ("null id_token", json!({"access_token": "x", "id_token": null, "token_type": "Bearer"})),
                ("mac", json!({"access_token": "x", "id_token": "x", "token_type": "mac"})),
                ("no type", json!({"access_token": "x", "id_token": "x"})),
                ("error with 200", json!({"error": "invalid_grant"})),
                ("empty", json!({})),
                ("list", json!([])),
                ("wrong types", json!({"access_token": 1, "id_token": {}, "token_type": "Bearer"})),
            ];
            for (_, answer) in answers {
                let body = answer.to_string().into_bytes();
                world.pool.script(Endpoint::Token, Reply::Status(200, "application/json", body));
                login(world, "user").must_fail(
                    world,
                    502,
                    &["pool_answer", "no_id_token", "token_malformed"],
                );
            }
            for reply in [
                Reply::Status(200, "text/html", b"<!doctype html><title>Sign in</title>".to_vec()),
                Reply::Status(200, "application/json", b"<!doctype html>".to_vec()),
                Reply::Status(200, "application/json", Vec::new()),
                Reply::Status(204, "application/json", Vec::new()),
                Reply::Redirect(format!("{}/elsewhere", world.pool.origin())),
                Reply::Redirect("file:///etc/passwd".into()),
            ] {
                world.pool.script(Endpoint::Token, reply);
                login(world, "user").must_fail(world, 502, &["pool_answer"]);
            }
            assert_eq!(world.pool.count(Endpoint::Other), 0, "a redirect was followed");
        }),
        case(&["OIDC-14", "OIDC-16"], wrong_answers_of_the_pool_end_in_bounded_time),
        case(&["OIDC-17", "OIDC-24", "OIDC-33", "OIDC-36"], the_request_to_the_pool_is_the_configurations),
        case(&["OIDC-18", "OIDC-19"], |world| {
            let before = world.pool.count(Endpoint::Token);
            for method in ["POST", "HEAD", "PUT", "OPTIONS"] {
                let mut browser = world.browser();
                let callback = browser.callback_for("user", "/");
                let body = if method == "POST" { callback.query().unwrap() } else { "" };
                let answer = browser.send(Kind::Form, method, &callback, "", body);
                assert_eq!(answer.status, 405, "{method}: {answer:#?}");
            }
            let callback = world.browser().callback_for("user", "/");
            let query = callback.query().unwrap();
            for path in [
                "/oauth2/callback/x",
                "/oauth2/callback/",
                "/oauth2/Callback",
                "/OAUTH2/callback",
                "/oauth2/callback%2f",
                "/oauth2/callback%23x",
                "/oauth2/callback;x",
                "/oauth2/callback%20",
                "/oauth2/call",
                "/oauth2/callbackx",
                "/oauth2//callback%2e",
            ] {
                let bytes = format!(
                    "GET {path}?{query} HTTP/1.1\r\nHost: app.test\r\n{}\r\n",
                    Kind::Navigate.lines()
                );
                world.attack(Who::Nobody, bytes).must_be_refused(&[400, 404]);
            }
            assert_eq!(world.pool.count(Endpoint::Token), before, "a code was redeemed");
        }),
        case(&["OIDC-22"], |_| a_login_survives_a_rolled_key_or_begins_again_once()),
        case(&["OIDC-23"], |world| {
            let body = "secret-form-value=0123456789abcdef";
            let mut browser = world.browser();
            let mark = world.mark();
            let answer = browser.post("/x?y=z", body);
            assert_eq!(answer.status, 401, "{answer:#?}");
            assert!(answer.text().contains("Sign in"), "{}", answer.text());
            let shown = format!("{:?} {}", answer.head, answer.text());
            assert!(!shown.contains("secret-form-value") && !shown.contains("0123456789abcdef"), "{shown}");
            assert!(browser.jar.all().is_empty() && answer.header("location").is_none());
            assert!(world.seen_since(mark).is_empty());
            assert_eq!(world.upstream.count(), world.upstream.count());
        }),
        case(&["OIDC-26"], |_| step_up::a_sign_in_that_is_old_unknown_or_yet_to_come_is_not_recent()),
        case(&["OIDC-27"], |_| a_refresh_cannot_change_who_it_is_or_skip_a_check()),
        case(&["OIDC-28", "OIDC-32"], |_| one_refresh_serves_everyone_who_waits_and_no_one_else()),
        case(&["OIDC-29"], |_| two_replicas_and_answers_out_of_order()),
        case(&["OIDC-31"], |_| who_is_removed_at_the_pool_is_out_soon()),
        case(&["OIDC-37"], |_| a_wrong_discovery_document_makes_no_gate_ready()),
        case(&["OIDC-38"], |_| a_pool_that_is_down_at_the_start_is_waited_for()),
    ]
}

/// A login up to its end: the browser, the callback's answer, and where the log stood before.
pub struct Attempted {
    pub browser: Browser,
    pub answer: Answer,
    log: usize,
    mark: crate::support::world::Mark,
}

/// Goes through a login as far as it leads.
pub fn login(world: &World, user: &str) -> Attempted {
    let mut browser = world.browser();
    let callback = browser.callback_for(user, "/x");
    let (log, mark) = (world.gate.stderr().count(), world.mark());
    let answer = open_patiently(world, &mut browser, &callback);
    Attempted { browser, answer, log, mark }
}

/// Opens an address and waits longer than the gate waits for its pool.
fn open_patiently(world: &World, browser: &mut Browser, url: &Url) -> Answer {
    let mut wire = Wire::connect(world.gate.public).patient_for(Duration::from_secs(25));
    wire.write(browser.request(Kind::Navigate, "GET", url, "", "").as_bytes());
    let answer = wire.answer(false).unwrap_or_else(|ended| panic!("no answer but {ended:?}"));
    browser.jar.keep(url, &answer);
    answer
}

impl Attempted {
    /// No session, a page that says nothing of the reason, one line in the log that does.
    pub fn must_fail(self, world: &World, status: u16, reasons: &[&str]) -> String {
        let Self { browser, answer, log, mark } = self;
        let reason = world.gate.stderr().wait_since(log, |line| {
            let line: serde_json::Value = serde_json::from_str(line).ok()?;
            line["reason"].as_str().map(str::to_owned)
        });
        let reason = reason.unwrap_or_else(|| panic!("no reason is logged: {answer:#?}"));
        let lines = world.gate.stderr().since(log);
        assert!(reasons.contains(&reason.as_str()), "{reason} is none of {reasons:?}: {lines:#?}");
        assert_eq!(answer.status, status, "{reason}: {answer:#?}");
        let told = lines.iter().filter(|line| line.contains("\"reason\"")).count();
        assert_eq!(told, 1, "one line: {lines:#?}");
        assert!(answer.header("location").is_none(), "{answer:#?}");
        let session = browser.jar.all().iter().any(|cookie| {
            cookie.name == PASS
                || cookie.name.starts_with("__Host-rolegate-refresh")
                || cookie.name.contains("rolegate.")
        });
        assert!(!session, "{reason}: a session was made: {:?}", browser.jar.all());
        assert!(!answer.text().contains(&reason), "the page tells the reason: {}", answer.text());
        let id = answer.header("x-request-id").unwrap();
        assert!(answer.text().contains(id), "the page names the request: {}", answer.text());
        assert!(answer.text().contains("href=\""), "the page has a way on: {}", answer.text());
        world.oracle(mark, &[world.session(Who::Nobody)]);
        reason
    }

    /// A session, and the upstream sees this user.
    pub fn must_succeed(mut self, world: &World, user: &str) {
        assert_eq!(self.answer.status, 302, "{:#?}\n{}", self.answer, world.gate.stderr().all());
        assert_eq!(self.answer.header("referrer-policy"), Some("no-referrer"));
        assert_eq!(self.answer.header("cache-control"), Some("no-store"));
        world.keep_secret(self.browser.jar.named(PASS).iter().map(|cookie| cookie.value.clone()));
        let mark = world.mark();
        let answer = self.browser.fetch("/x");
        assert_eq!(answer.status, 200, "{answer:#?}");
        let seen = world.seen_since(mark);
        assert_eq!(seen.iter().map(|seen| seen.head.one("x-user")).collect::<Vec<_>>(), [Some(user)]);
    }
}

fn state_of(callback: &Url) -> String {
    query_of(callback, "state")
}

pub fn query_of(url: &Url, name: &str) -> String {
    url.query_pairs().find(|(known, _)| known == name).unwrap().1.into_owned()
}

/// 400, and the pool's token endpoint is not asked.
fn refused_unasked(world: &World, browser: &mut Browser, query: &str) {
    let before = world.pool.count(Endpoint::Token);
    let url = format!("/oauth2/callback{query}");
    let mut wire = Wire::connect(world.gate.public);
    let head = browser.request(Kind::Navigate, "GET", &address("/"), "", "");
    wire.write(head.replacen("GET / ", &format!("GET {url} "), 1).as_bytes());
    let answer = wire.answer(false).unwrap();
    assert_eq!(answer.status, 400, "{query}: {answer:#?}");
    // A used attempt is forgotten; nothing is set.
    let forgets = |line: &&str| line.starts_with("__Host-rolegate-login-") && line.contains("Max-Age=0");
    assert!(answer.head.all("set-cookie").iter().all(forgets), "{query}: {answer:#?}");
    assert!(answer.header("location").is_none(), "{query}");
    assert_eq!(world.pool.count(Endpoint::Token), before, "{query}: a code was redeemed");
    assert!(world.gate.alive());
}

/// A stranger's callback: a new login begins, once; nothing is redeemed; nobody is signed in.
fn restarts(world: &World, browser: &mut Browser, callback: &str) {
    let before = world.pool.count(Endpoint::Token);
    let answer = browser.open(callback);
    assert_eq!(answer.status, 302, "{answer:#?}");
    assert!(answer.location().starts_with(&format!("{}/oauth2/authorize?", world.pool.origin())));
    assert!(browser.jar.get(PASS).is_none(), "a session was made");
    assert_eq!(world.pool.count(Endpoint::Token), before, "a code was redeemed");
    // The restarted one without its cookie ends there.
    let state = query_of(&Url::parse(answer.location()).unwrap(), "state");
    let answer = world.browser().open(&format!("/oauth2/callback?code=x&state={state}"));
    assert_eq!(answer.status, 400, "{answer:#?}");
    assert!(answer.head.all("set-cookie").is_empty());
    assert_eq!(world.pool.count(Endpoint::Token), before, "a code was redeemed");
}

fn a_state_is_exactly_the_one_that_was_given(world: &World) {
    let mut browser = world.browser();
    let callback = browser.callback_for("user", "/");
    let (state, code) = (state_of(&callback), query_of(&callback, "code"));
    for malformed in [
        state[..state.len() - 1].to_owned(),
        state[1..].to_owned(),
        format!("{state}A"),
        format!("{state}="),
        format!("x{}", &state[1..]),
        state.replace(&state[5..6], "%2525"),
        format!("%25{:02x}{}", state.as_bytes()[0], &state[1..]),
        "A".repeat(4_000),
        format!("{state}%00"),
        format!("%20{state}"),
        format!("{state}%2C{state}"),
        "s".into(),
        "../../x".into(),
    ] {
        refused_unasked(world, &mut browser, &format!("?code={code}&state={malformed}"));
    }
    // Well formed and unknown here: tampered with, of another instance, or marked as a restart.
    let other = Setup::bench().start();
    let foreign = state_of(&other.browser().callback_for("user", "/"));
    let mut flipped = state.clone().into_bytes();
    flipped[4] = if flipped[4] == b'A' { b'B' } else { b'A' };
    for unknown in [String::from_utf8(flipped).unwrap(), foreign] {
        restarts(world, &mut browser.clone(), &format!("/oauth2/callback?code={code}&state={unknown}"));
    }
    refused_unasked(world, &mut browser, &format!("?code={code}&state=r{}", &state[1..]));
    // The attempt's cookie under the name of another attempt does not open.
    let attempt = browser.jar.named("__Host-rolegate-login-")[0].clone();
    let mut renamed = world.browser();
    let other = renamed.callback_for("user", "/");
    let name = renamed.jar.named("__Host-rolegate-login-")[0].name.clone();
    renamed.jar.plant(&name, &attempt.value);
    restarts(world, &mut renamed, other.as_str());
    // Nothing of this used it up.
    assert_eq!(browser.open(callback.as_str()).status, 302);
    assert!(browser.jar.get(PASS).is_some());
}

fn a_state_and_a_code_count_once(world: &World) {
    let mut browser = world.browser();
    let callback = browser.callback_for("user", "/x");
    let stale = browser.clone();
    let before = world.pool.count(Endpoint::Token);
    let request = browser.request(Kind::Navigate, "GET", &callback, "", "");
    let answers: Vec<Answer> = std::thread::scope(|scope| {
        let asked: Vec<_> = (0..10)
            .map(|_| {
                scope.spawn(|| {
                    let mut wire = Wire::connect(world.gate.public);
                    wire.write(request.as_bytes());
                    wire.answer(false).unwrap()
                })
            })
            .collect();
        asked.into_iter().map(|asked| asked.join().unwrap()).collect()
    });
    assert_eq!(world.pool.count(Endpoint::Token), before + 1, "exactly one exchange");
    let sets_pass = |answer: &&Answer| {
        answer.head.all("set-cookie").iter().any(|line| line.starts_with(&format!("{PASS}=")))
    };
    let won: Vec<&Answer> = answers.iter().filter(sets_pass).collect();
    assert_eq!(won.len(), 1, "exactly one session");
    assert_eq!(won[0].location(), "https://app.test/x");
    assert_eq!(won[0].header("referrer-policy"), Some("no-referrer"));
    assert_eq!(won[0].header("cache-control"), Some("no-store"));
    for answer in &answers {
        assert_eq!(answer.status, 302, "no error page for the other tabs: {answer:#?}");
    }
    browser.jar.keep(&callback, won[0]);
    world.keep_secret(browser.jar.named(PASS).iter().map(|cookie| cookie.value.clone()));

    // The back button, with the session: on to the application.
    for _ in 0..3 {
        let answer = browser.open(callback.as_str());
        assert_eq!((answer.status, answer.location()), (302, "https://app.test/"), "{answer:#?}");
    }
    // Who saw the address, with or without the attempt's cookie: a login of his own.
    restarts(world, &mut world.browser(), callback.as_str());
    restarts(world, &mut stale.clone(), callback.as_str());
    assert_eq!(world.pool.count(Endpoint::Token), before + 1);
}

fn a_code_is_bound_to_the_browser_that_asked_for_it(world: &World) {
    // What is asked for is always S256, and what is shown later fits it.
    let mut browser = world.browser();
    let callback = browser.callback_for("user", "/");
    let asked = world.pool.asked_of(Endpoint::Authorize).pop().unwrap();
    assert_eq!(asked.parameter("code_challenge_method"), Some("S256"));
    let challenge = asked.parameter("code_challenge").unwrap().to_owned();
    assert_eq!(challenge.len(), 43);
    browser.open(callback.as_str());
    let shown = world.pool.asked_of(Endpoint::Token).pop().unwrap();
    let verifier = shown.parameter("code_verifier").unwrap();
    assert_eq!(b64(sha256(verifier.as_bytes())), challenge);
    assert_ne!(verifier, challenge, "never plain");

    // The code of the attacker's own login in the victim's callback.
    for (pkce, reasons) in [(true, &["invalid_grant"]), (false, &["token_nonce"])] {
        world.pool.set_pkce_check(pkce);
        let code = query_of(&world.browser().callback_for("admin", "/"), "code");
        let mut victim = world.browser();
        let callback = victim.callback_for("user", "/");
        let log = world.gate.stderr().count();
        let mark = world.mark();
        let url = address(&format!("/oauth2/callback?code={code}&state={}", state_of(&callback)));
        let answer = victim.open(url.as_str());
        Attempted { browser: victim, answer, log, mark }.must_fail(world, 502, reasons);
    }
    // A pool that does not look at PKCE is still shown it, and a login works.
    world.pool.set_pkce_check(false);
    login(world, "user").must_succeed(world, "user");
    let shown = world.pool.asked_of(Endpoint::Token).pop().unwrap();
    assert_eq!(shown.parameter("code_verifier").unwrap().len(), 43);
}

fn wrong_answers_of_the_pool_end_in_bounded_time(world: &World) {
    let (wrong, unreachable) = (["pool_answer", "pool_refused", "token_malformed"], ["pool_unreachable"]);
    let deep = |text: &str| text.repeat(100_000).into_bytes();
    let honest = r#""access_token":"x","id_token":"x","token_type":"Bearer""#;
    let json = |body: Vec<u8>| Reply::Status(200, "application/json", body);
    for (reply, status) in [
        (json(vec![b' '; 10 << 20]), 502),
        (Reply::Endless(64 << 20), 502),
        (json(deep("[")), 502),
        (json("{\"a\":".repeat(40_000).into_bytes()), 502),
        (json(format!("{{{honest},\"x\":{}}}", "[".repeat(100_000)).into_bytes()), 502),
        (json(format!("{{{honest},\"access_token\":\"y\"}}").into_bytes()), 502),
        (json(format!("{{{honest},\"id_token\":\"y\"}}").into_bytes()), 502),
        (json(format!("{{{honest}}} trailing").into_bytes()), 502),
        (json(b"\xef\xbb\xbf{}".to_vec()), 502),
        (json(b"\x1f\x8b\x08\x00".repeat(1_000)), 502),
        (
            Reply::Raw(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\n\
                  Connection: close\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08\x00"
                    .to_vec(),
            ),
            502,
        ),
        (Reply::Status(500, "text/html", b"<h1>oops</h1>".to_vec()), 502),
        (Reply::Status(503, "application/json", b"{}".to_vec()), 502),
        (Reply::Status(400, "application/json", br#"{"error":"server_error"}"#.to_vec()), 502),
        (Reply::HalfClosed, 503),
        (Reply::Hangup, 503),
        (Reply::Raw(b"SSH-2.0-OpenSSH\r\n".to_vec()), 503),
        (
            Reply::Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef".to_vec()),
            503,
        ),
    ] {
        let shown: String = format!("{reply:?}").chars().take(80).collect();
        let begun = Instant::now();
        let before = world.pool.count(Endpoint::Token);
        world.pool.script(Endpoint::Token, reply);
        let attempted = login(world, "user");
        let found = attempted.answer.status;
        assert!(matches!(found, 502 | 503), "{shown}: {:#?}", attempted.answer);
        let reasons: Vec<&str> = wrong.iter().chain(&unreachable).copied().collect();
        attempted.must_fail(world, found, &reasons);
        assert_eq!(found, status, "{shown}");
        assert_eq!(world.pool.count(Endpoint::Token), before + 1, "{shown}: asked again");
        // Sooner than a call that hangs is given up.
        assert!(begun.elapsed() < Duration::from_secs(8), "{shown} took {:?}", begun.elapsed());
    }
    // What never ends is given up: these wait side by side.
    world.pool.be_honest();
    let (begun, asked) = (Instant::now(), world.pool.count(Endpoint::Token));
    let mut callbacks = Vec::new();
    for reply in [Reply::Silence, Reply::Drip(vec![b' '; 100_000], Duration::from_millis(50))] {
        world.pool.script_once(Endpoint::Token, reply);
        let mut browser = world.browser();
        let callback = browser.callback_for("user", "/");
        callbacks.push((browser, callback));
    }
    std::thread::scope(|scope| {
        let waiting: Vec<_> = callbacks
            .into_iter()
            .map(|(mut browser, callback)| {
                scope.spawn(move || {
                    let answer = open_patiently(world, &mut browser, &callback);
                    assert_eq!(answer.status, 503, "{answer:#?}");
                    assert!(browser.jar.get(PASS).is_none());
                })
            })
            .collect();
        world.pool.wait_for(Endpoint::Token, asked + 2);
        // Nobody else waits for it.
        login(world, "user").must_succeed(world, "user");
        for waiting in waiting {
            waiting.join().unwrap();
        }
    });
    assert!(begun.elapsed() < Duration::from_secs(20), "took {:?}", begun.elapsed());
    login(world, "user").must_succeed(world, "user");
}

fn the_request_to_the_pool_is_the_configurations(world: &World) {
    let evil = "prompt=none&scope=openid+admin&client_id=evil&response_type=token&response_mode=form_post&\
                redirect_uri=https://evil.test/&state=mine&nonce=mine&code_challenge=mine&code_challenge_method=plain&\
                login_hint=x&identity_provider=evil&idp_identifier=evil&acr_values=evil&max_age=0&resource=evil&\
                lang=xx&request=x&request_uri=https://evil.test/&iss=https://evil.test&\
                target_link_uri=https%3A%2F%2Fevil.test%2F&audience=evil";
    let mut browser = world.browser();
    let answer = browser.open(&format!("/oauth2/start?{evil}"));
    let to = Url::parse(answer.location()).unwrap();
    let mut names: Vec<String> = to.query_pairs().map(|(name, _)| name.into_owned()).collect();
    names.sort();
    assert_eq!(
        names,
        [
            "client_id",
            "code_challenge",
            "code_challenge_method",
            "nonce",
            "redirect_uri",
            "response_type",
            "scope",
            "state"
        ],
        "{to}"
    );
    assert_eq!(query_of(&to, "client_id"), CLIENT_ID);
    assert_eq!(query_of(&to, "redirect_uri"), "https://app.test/oauth2/callback");
    assert_eq!(query_of(&to, "response_type"), "code");
    assert_eq!(query_of(&to, "code_challenge_method"), "S256");
    assert_eq!(query_of(&to, "scope"), "openid email profile");
    for value in ["mine", "evil", "x"] {
        assert!(to.query_pairs().all(|(_, given)| given != value), "{to}");
    }
    // Third-party initiated: nothing but a login that ends at home.
    browser.signs_in_as = Some("user".into());
    let page = browser.follow(answer.location(), |next| next.path() == "/oauth2/callback");
    let callback = page.url.join(page.answer.location()).unwrap();
    assert_eq!(browser.open(callback.as_str()).location(), "https://app.test/");

    // A callback that names another issuer (RFC 9207) is nobody's.
    for issuer in ["https://evil.test", "", &world.pool.issuer().to_uppercase()] {
        let mut browser = world.browser();
        let mut callback = browser.callback_for("user", "/");
        callback.query_pairs_mut().append_pair("iss", issuer);
        let before = world.pool.count(Endpoint::Token);
        let answer = browser.open(callback.as_str());
        assert_eq!(answer.status, 400, "{issuer}: {answer:#?}");
        assert_eq!(world.pool.count(Endpoint::Token), before);
    }
    let mut browser = world.browser();
    let mut callback = browser.callback_for("user", "/");
    callback.query_pairs_mut().append_pair("iss", &world.pool.issuer());
    assert_eq!(browser.open(callback.as_str()).status, 302);

    // The state stays small whatever is to be remembered.
    for length in [10, 1_000, 1_900] {
        let mut browser = world.browser();
        let target = format!("/x?{}", "y".repeat(length));
        let callback = browser.callback_for("user", &target);
        assert!(state_of(&callback).len() <= 32, "{callback}");
        let asked = world.pool.asked_of(Endpoint::Authorize).pop().unwrap();
        assert!(asked.target.len() < 700, "{} bytes", asked.target.len());
        assert_eq!(browser.open(callback.as_str()).location(), format!("https://app.test{target}"));
    }
}

fn a_login_survives_a_rolled_key_or_begins_again_once() {
    let (old, new) = (random(32), random(32));
    let world = Setup::bench().keys(&old).start();
    let mut first = world.browser();
    let callback = first.callback_for("user", "/x");
    let mut second = world.browser();
    let later = second.callback_for("user", "/x");

    let world = world.restarted(|setup| setup.keys(&format!("{new}\n{old}")));
    let answer = in_browser(&world, &mut first).open(callback.as_str());
    assert_eq!((answer.status, answer.location()), (302, "https://app.test/x"), "{answer:#?}");

    let world = world.restarted(|setup| setup.keys(&new));
    let mut second = in_browser(&world, &mut second);
    let answer = second.open(later.as_str());
    assert!(answer.location().starts_with(&world.pool.origin()), "begins again: {answer:#?}");
    second.signs_in_as = Some("user".into());
    let page = second.navigate(answer.location());
    assert_eq!(page.answer.status, 200, "{:?}", page.hops);
}

/// The same profile where the gate is now.
fn in_browser(world: &World, browser: &mut Browser) -> Browser {
    let mut moved = world.browser();
    moved.jar = std::mem::take(&mut browser.jar);
    moved
}

/// Signs somebody in under short-lived roles; gives his session.
fn session_of(world: &World, user: &str, roles: &str) -> Session {
    world.session_of(user, roles)
}

fn ask(world: &World, session: &Session, target: &str) -> Answer {
    let mut wire = Wire::connect(world.gate.public).patient_for(Duration::from_secs(20));
    wire.write(
        &session.fill(format!("GET {target} HTTP/1.1\r\nHost: app.test\r\n{{session}}\r\n").as_bytes()),
    );
    wire.answer(false).unwrap()
}

/// Roles that are old after two seconds: with times that are cut to whole ones, no request within a second of a refresh
/// finds it due again, and a busy machine has that second.
pub fn short_lived() -> Setup {
    Setup::bench().session("max_role_age = \"2s\"")
}

pub fn wait_until_due(since: Instant) {
    // A second more than such an age: `since` may have been taken before the login.
    std::thread::sleep(Duration::from_millis(3_050).saturating_sub(since.elapsed()));
}

fn a_refresh_cannot_change_who_it_is_or_skip_a_check() {
    type Wrong = fn(&mut crate::support::token::Mint);
    let wrongs: [(&str, Wrong); 12] = [
        ("other sub", |mint| mint.claim("sub", "somebody-else")),
        ("other sub in the ID token", |mint| {
            if mint.kind == Use::Id {
                mint.claim("sub", "somebody-else");
            }
        }),
        ("no sub", |mint| mint.without("sub")),
        ("other issuer", |mint| mint.claim("iss", "https://evil.test")),
        ("other audience", |mint| {
            mint.claim("aud", "evil");
            mint.claim("client_id", "evil");
        }),
        ("alg none", |mint| {
            mint.header.insert("alg".into(), json!("none"));
            mint.key = Key::Nothing;
        }),
        ("unsigned", |mint| mint.key = Key::Nothing),
        ("foreign key", |mint| mint.key = Key::Foreign),
        ("expired", |mint| mint.claim("exp", 1_000_000)),
        ("swapped", |mint| mint.claim("token_use", "refresh")),
        ("admin by a wrong signature", |mint| {
            mint.claim("cognito:groups", json!(["admin"]));
            mint.key = Key::Bytes(vec![1; 256]);
        }),
        ("at_hash", |mint| {
            if mint.kind == Use::Id {
                mint.claim("at_hash", "AAAAAAAAAAAAAAAAAAAAAA");
            }
        }),
    ];
    let world = short_lived().start();
    let sessions: Vec<Session> = wrongs.iter().map(|_| session_of(&world, "user", "user")).collect();
    wait_until_due(Instant::now());
    for ((name, wrong), session) in wrongs.into_iter().zip(&sessions) {
        world.pool.tamper(move |mint| {
            if mint.refreshed {
                wrong(mint);
            }
        });
        let mark = world.mark();
        for target in ["/x", "/admin"] {
            let answer = ask(&world, session, target);
            assert_eq!(answer.status, 401, "{name}: {answer:#?}");
            assert!(answer.head.all("set-cookie").is_empty(), "{name}: {answer:#?}");
        }
        world.oracle(mark, std::slice::from_ref(session));
    }
    assert_eq!(world.pool.grants("refresh_token"), sessions.len(), "a dead session asks once");
    // A refresh without any ID token is no refresh either.
    world.pool.be_honest();
    let session = session_of(&world, "user", "user");
    wait_until_due(Instant::now());
    world.pool.tamper_answer(|answer| {
        answer.as_object_mut().unwrap().remove("id_token");
    });
    let answer = ask(&world, &session, "/x");
    assert!(matches!(answer.status, 200 | 401), "the old roles or none: {answer:#?}");
}

fn one_refresh_serves_everyone_who_waits_and_no_one_else() {
    // Due because their tokens end, not by a short age of roles: a request that a busy machine lets in a second
    // late would then rightly find the kept result old and cause a call of its own.
    let world = Setup::bench().start();
    world.pool.set_rotation(true);
    world.pool.set_life(0);
    let names: Vec<String> = (0..12).map(|n| format!("user-{n}")).collect();
    let sessions: Vec<Session> = names
        .iter()
        .map(|name| {
            world.pool.user(User::new(name, &["user"]));
            session_of(&world, name, "user")
        })
        .collect();
    world.pool.set_life(3600);
    world.pool.script(Endpoint::Token, Reply::Late(Duration::from_millis(150)));
    let mark = world.mark();
    let before = world.pool.grants("refresh_token");
    // Fifty requests of the first one and five of each other, all at once.
    std::thread::scope(|scope| {
        for (index, session) in sessions.iter().enumerate() {
            for _ in 0..if index == 0 { 50 } else { 5 } {
                let (world, name) = (&world, &names[index]);
                scope.spawn(move || {
                    let answer = ask(world, session, &format!("/of/{name}"));
                    assert_eq!(answer.status, 200, "{name}: {answer:#?}");
                });
            }
        }
    });
    assert_eq!(world.pool.grants("refresh_token") - before, sessions.len(), "one call a session");
    for seen in world.seen_since(mark) {
        let name = seen.target().strip_prefix("/of/").unwrap();
        assert_eq!(seen.head.one("x-user"), Some(name), "an identity crossed over");
    }
    world.oracle(mark, &sessions);
    // A pass with somebody else's ticket shares nobody's flight.
    let pass = |session: &Session| {
        session.cookie.split("; ").find(|c| c.starts_with("__Host-rolegate=")).unwrap().to_owned()
    };
    let ticket = |session: &Session| {
        session.cookie.split("; ").find(|c| c.starts_with("__Host-rolegate-refresh=")).unwrap().to_owned()
    };
    let mixed = Session {
        cookie: format!("{}; {}", pass(&sessions[1]), ticket(&sessions[2])),
        identity: sessions[1].identity.clone(),
    };
    assert_eq!(ask(&world, &mixed, "/x").status, 401);
}

fn two_replicas_and_answers_out_of_order() {
    for rotation in ROTATIONS {
        replicas::answers_out_of_order(&Replicas::Cookies, 2, rotation);
        replicas::late_at_another_gate(&Replicas::Cookies, 2, rotation);
    }
}

fn who_is_removed_at_the_pool_is_out_soon() {
    let world = short_lived().start();
    for name in ["demoted", "deleted", "signed-out", "roleless"] {
        world.pool.user(User::new(name, &["admin", "user"]));
    }
    let sessions: Vec<Session> = ["demoted", "deleted", "roleless"]
        .iter()
        .map(|name| session_of(&world, name, "admin,user"))
        .collect();
    for session in &sessions {
        assert_eq!(ask(&world, session, "/admin").status, 200);
    }
    let begun = Instant::now();
    world.pool.change_user("demoted", |user| user.groups = vec!["user".into()]);
    world.pool.change_user("roleless", |user| {
        user.groups.clear();
        user.id_claims.insert("cognito:groups".into(), json!([]));
    });
    world.pool.change_user("deleted", |user| user.name = "gone".into());
    let deleted = sessions[1].clone();
    world.pool.tamper_answer(|_| {});
    wait_until_due(begun);
    assert_eq!(ask(&world, &sessions[0], "/admin").status, 403, "no admin any more");
    assert_eq!(ask(&world, &sessions[0], "/x").status, 200, "still a user");
    assert_eq!(ask(&world, &sessions[2], "/x").status, 403, "no role at all");
    world.pool.revoke_all();
    assert_eq!(ask(&world, &deleted, "/x").status, 401, "not signed in any more");
}

fn gate_with(pool: &FakePool, upstream: &Recorder) -> Gate {
    Setup::bench().unready().try_start_with(pool, upstream).unwrap()
}

/// What the gate says of its pool, the first time.
fn complaint(gate: &Gate) -> String {
    let said = gate.stderr().wait(|line| line.contains("provider is not ready").then(|| line.to_owned()));
    said.unwrap_or_else(|| panic!("no complaint: {}", gate.stderr().all()))
}

fn a_wrong_discovery_document_makes_no_gate_ready() {
    type Wrong = fn(&mut serde_json::Value);
    let wrongs: [(&str, Wrong); 14] = [
        ("issuer", |document| document["issuer"] = json!("https://evil.test")),
        ("issuer's slash", |document| {
            document["issuer"] = json!(format!("{}/", document["issuer"].as_str().unwrap()))
        }),
        ("no issuer", |document| document["issuer"] = json!(null)),
        ("issuer list", |document| document["issuer"] = json!([document["issuer"]])),
        ("token endpoint elsewhere", |document| {
            document["token_endpoint"] = json!("http://127.0.0.1:9/token")
        }),
        ("token endpoint at a metadata address", |document| {
            document["token_endpoint"] = json!("http://169.254.169.254/latest")
        }),
        ("no token endpoint", |document| document["token_endpoint"] = json!(null)),
        ("authorize elsewhere", |document| {
            document["authorization_endpoint"] = json!("http://127.0.0.1:9/a")
        }),
        ("keys elsewhere", |document| document["jwks_uri"] = json!("http://127.0.0.1:9/keys")),
        ("no keys", |document| document["jwks_uri"] = json!(null)),
        ("file", |document| document["jwks_uri"] = json!("file:///etc/passwd")),
        ("userinfo", |document| {
            document["token_endpoint"] =
                json!(document["token_endpoint"].as_str().unwrap().replace("//", "//u:p@"))
        }),
        ("revocation elsewhere", |document| document["revocation_endpoint"] = json!("http://127.0.0.1:9/r")),
        ("sign-out elsewhere", |document| document["end_session_endpoint"] = json!("http://127.0.0.1:9/l")),
    ];
    let (pool, upstream) = (FakePool::start(), Recorder::start());
    let not_ready = |what: &str| {
        let gate = gate_with(&pool, &upstream);
        let line = complaint(&gate);
        assert_eq!(gate.admin("/readyz").status, 503, "{what}: {line}");
        line
    };
    for (what, wrong) in wrongs {
        pool.tamper_discovery(wrong);
        not_ready(what);
    }
    pool.be_honest();
    let origin = pool.origin();
    for reply in [
        Reply::Redirect("file:///etc/passwd".into()),
        Reply::Redirect("http://169.254.169.254/latest".into()),
        Reply::Redirect(format!("{origin}/elsewhere")),
        Reply::Status(200, "text/html", b"<!doctype html>".to_vec()),
        Reply::Status(200, "application/json", b"[]".to_vec()),
        Reply::Status(200, "application/json", "[".repeat(100_000).into_bytes()),
        Reply::Status(404, "application/json", b"{}".to_vec()),
        Reply::Status(200, "application/json", vec![b' '; 10 << 20]),
        Reply::Endless(16 << 20),
        Reply::HalfClosed,
        Reply::Hangup,
    ] {
        let what: String = format!("{reply:?}").chars().take(60).collect();
        pool.script(Endpoint::Discovery, reply);
        not_ready(&what);
    }
    assert_eq!(pool.count(Endpoint::Other), 0, "a redirect was followed");
    assert_eq!(upstream.count(), 0);
}

fn a_pool_that_is_down_at_the_start_is_waited_for() {
    for endpoint in [Endpoint::Discovery, Endpoint::Jwks] {
        let (pool, upstream) = (FakePool::start(), Recorder::start());
        pool.script(endpoint, Reply::Hangup);
        let world = Setup::bench().unready().start_with(pool, upstream);
        complaint(&world.gate);
        assert_eq!(world.gate.admin("/readyz").status, 503);
        assert_eq!(world.gate.admin("/livez").status, 200);
        let get = |target: &str, lines: &str| {
            world.attack(Who::Nobody, format!("GET {target} HTTP/1.1\r\nHost: app.test\r\n{lines}\r\n"))
        };
        for target in ["/x", "/admin", "/oauth2/start", "/oauth2/start?rd=/public/x"] {
            let page = get(target, Kind::Navigate.lines());
            page.must_be_refused(&[503]);
            assert!(page.answers[0].text().contains("<h1>"), "{}", page.told());
            assert!(page.answers[0].head.all("set-cookie").is_empty(), "{}", page.told());
            assert!(page.answers[0].header("retry-after").is_some(), "{}", page.told());
            get(target, "").must_be_refused(&[401, 503]);
            get(target, Kind::Fetch.lines()).must_be_refused(&[401, 503]);
        }
        let public = get("/public/x", "");
        assert!(public.one().is_some() && public.status() == 200, "{}", public.told());
        assert_eq!(get("/oauth2/signout", Kind::Navigate.lines()).status(), 200);
        let reference = shape(&get("/oauth2/callback?code=x&state=y", "").answers[0]);
        assert_eq!(reference.0, 400);

        world.pool.be_honest();
        until("ready by itself", || (world.gate.admin("/readyz").status == 200).then_some(()));
        login(&world, "user").must_succeed(&world, "user");
    }
}
