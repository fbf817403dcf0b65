//! Section K: a sign-out is the visitor's own doing, ends the session at once and for good, and nothing brings it back.

use std::sync::Barrier;
use std::time::{Duration, Instant};

use crate::corpus::{Case, case};
use crate::login::wait_until_due;
use crate::refresh::{ask, request};
use crate::support::browser::{Browser, Kind, address};
use crate::support::pool::{Endpoint, Reply, User};
use crate::support::until;
use crate::support::wire::{Answer, Wire};
use crate::support::world::{Session, Setup, World};

mod everywhere;
mod limits;
mod revocation;

/// The gate's own cookies that `browser` holds.
const OURS: &str = "__Host-rolegate";

pub fn cases() -> Vec<Case> {
    vec![
        case(&["LO-01"], no_other_site_signs_anybody_out),
        case(&["LO-02"], |_| a_sign_out_clears_every_cookie_of_the_gate()),
        case(&["LO-03"], |_| revocation::a_sign_out_does_not_wait_for_the_pool_which_is_asked_again()),
        case(&["LO-06"], nobody_ends_a_session_without_its_cookie),
        case(&["LO-07"], |_| a_refresh_under_way_does_not_bring_a_session_back()),
        case(&["LO-08"], the_address_after_the_pools_sign_out_is_the_configurations),
        case(&["LO-09"], |_| limits::a_session_ends_at_its_limits_and_not_before()),
        case(&["LO-11"], who_was_signed_in_before_is_gone_when_another_signs_in),
        case(&["LO-12"], the_userinfo_page_holds_no_token_and_is_for_its_own_origin),
    ]
}

fn no_other_site_signs_anybody_out(world: &World) {
    let mut browser = world.signed_in("user");
    let (before, revoked) = (browser.cookies("/"), world.pool.revoked().len());
    let url = address("/oauth2/signout?rd=https%3A%2F%2Fevil.test%2F&switch=1");
    let from = |site: &str| {
        format!(
            "Sec-Fetch-Site: {site}\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\nAccept: text/html\r\n"
        )
    };
    let mut asked = |kind: Kind, method: &str, lines: &str| {
        let answer = browser.send(kind, method, &url, lines, "");
        assert_eq!(answer.status, 200, "{method} {kind:?} {lines}: {answer:#?}");
        assert!(answer.head.all("set-cookie").is_empty(), "{method} {kind:?} {lines}: {answer:#?}");
        assert_eq!(browser.cookies("/"), before);
    };
    asked(Kind::CrossSiteImage, "GET", "");
    asked(Kind::Frame, "GET", "");
    for (first, second) in [("same-origin", "cross-site"), ("none", "same-site"), ("none", "\u{e9}")] {
        let both = format!("Sec-Fetch-Site: {first}\r\n{}", from(second));
        asked(Kind::Program, "GET", &both);
    }
    for site in
        ["cross-site", "same-site", "Same-Origin", "none, cross-site", "", "same-origin\u{e9}", "\u{e9}"]
    {
        asked(Kind::Program, "GET", &from(site));
    }
    // Neither does a picture on a page of the application's own origin, which may be anybody's,
    for part in ["image", "iframe", "script", "style"] {
        let lines =
            format!("Sec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: no-cors\r\nSec-Fetch-Dest: {part}\r\n");
        asked(Kind::Program, "GET", &lines);
    }
    // nor what a browser fetches before anybody wants it.
    for purpose in ["prefetch", "prefetch;prerender"] {
        asked(Kind::Navigate, "GET", &format!("Sec-Purpose: {purpose}\r\n"));
    }
    asked(Kind::Navigate, "HEAD", "");
    assert_eq!(browser.fetch("/x").status, 200, "the session is still there");
    assert_eq!(world.pool.revoked().len(), revoked);

    // Another site's form comes without Lax cookies: there is nothing to sign out.
    let mut foreign = world.browser();
    let answer = foreign.post("/oauth2/signout", "");
    assert_eq!((answer.status, answer.head.all("set-cookie").len()), (200, 0), "{answer:#?}");
    // The visitor's own doing, three ways.
    for own in 0..3 {
        let mut browser = world.signed_in("user");
        let answer = match own {
            0 => browser.open("/oauth2/signout"),
            1 => browser.post("/oauth2/signout", ""),
            _ => browser.send(Kind::Program, "GET", &address("/oauth2/sign_out"), &from("same-origin"), ""),
        };
        assert_eq!(answer.status, 302, "{own}: {answer:#?}");
        assert!(browser.jar.named(OURS).is_empty(), "{own}");
    }
}

fn a_sign_out_clears_every_cookie_of_the_gate() {
    let rule = "[[rules]]\npath = \"/api/**\"\nany_role = [\"user\"]\npass_token = \"access\"\n";
    let world = Setup::bench().rules(rule).start();
    let groups: Vec<String> = (0..150).map(|n| format!("group-{n:03}-{}", "x".repeat(24))).collect();
    let mut names: Vec<&str> = groups.iter().map(String::as_str).collect();
    names.push("user");
    world.pool.user(User::new("large", &names));
    let mut browser = world.signed_in("large");
    // Logins that were begun in other tabs.
    for tab in 0..3 {
        assert_eq!(browser.open(&format!("/oauth2/start?rd=/tab-{tab}")).status, 302);
    }
    // Parts that a longer session of earlier days left.
    for stale in ["__Host-rolegate.4", "__Host-rolegate-refresh.1", "__Host-rolegate-token.9"] {
        browser.jar.plant(stale, "stale");
    }
    let held: Vec<String> = browser.jar.named(OURS).iter().map(|cookie| cookie.name.clone()).collect();
    for kind in
        ["__Host-rolegate.1", "__Host-rolegate-refresh", "__Host-rolegate-token.0", "__Host-rolegate-login-"]
    {
        assert!(held.iter().any(|name| name.starts_with(kind)), "{kind} is not among {held:?}");
    }
    let session = Session { cookie: browser.cookies("/"), identity: None };
    world.keep_secret(browser.jar.all().iter().map(|cookie| cookie.value.clone()));
    let answer = browser.open("/oauth2/signout");
    assert_eq!(answer.status, 302, "{answer:#?}");
    assert!(browser.jar.named(OURS).is_empty(), "left: {:?}", browser.jar.all());
    let lines = answer.head.all("set-cookie");
    for name in &held {
        let line =
            lines.iter().find(|line| line.starts_with(&format!("{name}=;"))).copied().unwrap_or_default();
        // A browser forgets a cookie only by the attributes that it was kept with.
        for attribute in
            ["HttpOnly", "SameSite=Lax", "Secure", "Path=/", "Max-Age=0", "Expires=Thu, 01 Jan 1970"]
        {
            assert!(line.contains(attribute), "{name}: {attribute} is missing in {line:?}");
        }
    }
    // What a browser showed while it was signed in is not shown from its memory either.
    assert_eq!(answer.header("clear-site-data"), Some("\"cache\""));
    for kind in [Kind::Fetch, Kind::Navigate, Kind::Program] {
        for target in ["/x", "/api/x", "/oauth2/userinfo"] {
            let replayed = ask(&world, &session, kind, target);
            assert!(matches!(replayed.status, 302 | 401), "{kind:?} {target}: {replayed:#?}");
        }
    }
    assert_eq!(world.upstream.count(), 0);
}

fn nobody_ends_a_session_without_its_cookie(world: &World) {
    let from = world.gate.stderr().count();
    let mut browser = world.signed_in("user");
    let info = browser.fetch("/oauth2/userinfo").json();
    let sub = info["sub"].as_str().unwrap().to_owned();
    let told = |line: &str| line.contains("signed in").then(|| line.to_owned());
    let signed_in = world.gate.stderr().wait_since(from, told).expect("a line of the sign-in");
    let said: serde_json::Value = serde_json::from_str(&signed_in).unwrap();
    let sid = said["session"].as_str().unwrap();
    assert_eq!(sid.len(), 22, "the session's id, as nobody else knows it: {signed_in}");
    let (issuer, revoked) = (world.pool.issuer(), world.pool.revoked().len());
    let query = format!("iss={issuer}&sid={sid}&sub={sub}&logout_token=x&token=x&session={sid}&id={sid}");
    // The addresses of OpenID Connect's front- and back-channel logout elsewhere, and those of this gate.
    let pages =
        ["frontchannel-logout", "frontchannel_logout", "backchannel-logout", "backchannel_logout", "logout"];
    for path in pages.iter().chain(&["signout", "sign_out", "signout/all", "sessions", "revoke", "end"]) {
        for (method, kind) in
            [("GET", Kind::Navigate), ("GET", Kind::Frame), ("POST", Kind::Form), ("DELETE", Kind::Fetch)]
        {
            let mut nobody = world.browser();
            let url = address(&format!("/oauth2/{path}?{query}"));
            let body = if method == "POST" { query.as_str() } else { "" };
            let answer = nobody.send(kind, method, &url, "", body);
            assert!(matches!(answer.status, 200 | 404 | 405), "{method} {path}: {answer:#?}");
            assert!(answer.head.all("set-cookie").is_empty(), "{method} {path}: {answer:#?}");
            // Nor do cookies that this gate did not seal.
            nobody.jar.plant("__Host-rolegate", sid);
            nobody.jar.plant("__Host-rolegate-refresh", "AAAA");
            nobody.send(kind, method, &url, "", body);
        }
    }
    assert_eq!(browser.fetch("/x").status, 200, "the session is still there");
    assert_eq!(world.pool.revoked().len(), revoked, "nothing was revoked");
}

fn a_refresh_under_way_does_not_bring_a_session_back() {
    // Whether the requests could do without the refresh or not, and with a pass that the idle limit wants sealed anew.
    for overdue in [false, true] {
        let world = Setup::bench().session("max_role_age = \"2s\"\nidle = \"20s\"").start();
        world.pool.set_rotation(true);
        world.pool.set_life(if overdue { 0 } else { 3600 });
        let mut browser = world.signed_in("user");
        let session = Session { cookie: browser.cookies("/"), identity: None };
        world.pool.set_life(3600);
        wait_until_due(Instant::now());
        // The pool has renewed the session when it hears of the sign-out.
        world.pool.script_once(Endpoint::Token, Reply::Late(Duration::from_secs(4)));
        world.pool.script_once(Endpoint::Revoke, Reply::Late(Duration::from_secs(6)));
        let asked = world.pool.count(Endpoint::Token);
        let sent = Barrier::new(21);
        std::thread::scope(|scope| {
            for number in 0..20 {
                let (world, session, sent) = (&world, &session, &sent);
                scope.spawn(move || {
                    let kind = if number % 2 == 0 { Kind::Fetch } else { Kind::Navigate };
                    let mut wire = Wire::connect(world.gate.public).patient_for(Duration::from_secs(30));
                    wire.write(&request(session, kind, "/x"));
                    sent.wait();
                    let answer = wire.answer(false).unwrap();
                    assert!(matches!(answer.status, 302 | 401), "overdue {overdue}: {answer:#?}");
                    brings_no_session(&answer);
                });
            }
            sent.wait();
            world.pool.wait_for(Endpoint::Token, asked + 1);
            assert_eq!(browser.open("/oauth2/signout").status, 302);
        });
        assert_eq!(world.upstream.count(), 0, "overdue {overdue}");
        until("what the refresh brought is revoked as well", || {
            (world.pool.revoked().len() >= 2).then_some(())
        });
        let late = ask(&world, &session, Kind::Fetch, "/x");
        assert_eq!(late.status, 401, "{late:#?}");
        brings_no_session(&late);
    }
}

fn the_address_after_the_pools_sign_out_is_the_configurations(world: &World) {
    for query in [
        "",
        "?rd=/reports",
        "?switch=1&rd=/reports",
        "?rd=https%3A%2F%2Fevil.test%2F",
        "?logout_uri=https%3A%2F%2Fevil.test%2F",
        "?post_logout_redirect_uri=https%3A%2F%2Fevil.test%2F&client_id=x&state=y",
        "?redirect_uri=https%3A%2F%2Fevil.test%2F&response_type=code",
    ] {
        for lines in [
            "",
            "X-Forwarded-Host: evil.test\r\nX-Forwarded-Proto: http\r\n",
            "Referer: https://evil.test/\r\n",
        ] {
            let mut browser = world.browser();
            browser.jar.plant("__Host-rolegate", "stale");
            let url = address(&format!("/oauth2/signout{query}"));
            let answer = browser.send(Kind::Navigate, "GET", &url, lines, "");
            let to = url::Url::parse(answer.location()).unwrap();
            assert!(to.as_str().starts_with(&format!("{}/logout?", world.pool.origin())), "{query}: {to}");
            let pairs: Vec<(String, String)> = to.query_pairs().into_owned().collect();
            let wanted = [
                ("client_id", crate::support::pool::CLIENT_ID),
                ("logout_uri", "https://app.test/oauth2/signout"),
            ];
            let wanted = wanted.map(|(name, value)| (name.to_owned(), value.to_owned()));
            assert_eq!(pairs, wanted, "{query} {lines:?}");
        }
    }
    // A host that is no public origin has no sign-out.
    let mut wire = Wire::connect(world.gate.public);
    wire.write(b"POST /oauth2/signout HTTP/1.1\r\nHost: evil.test\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(wire.answer(false).unwrap().status, 421);
}

/// A shared workstation: whoever signs in there is never mixed with whoever was there before.
fn who_was_signed_in_before_is_gone_when_another_signs_in(world: &World) {
    let mut browser = world.signed_in("admin");
    let before = Session { cookie: browser.cookies("/"), identity: None };
    // A login that is begun and left alone changes nothing, and says so nowhere.
    let callback = browser.callback_for("user", "/");
    assert_eq!(browser.fetch("/oauth2/userinfo").json()["user"], "admin");
    let revoked = world.pool.revoked().len();
    assert_eq!(browser.open(callback.as_str()).status, 302);
    assert_eq!(browser.fetch("/oauth2/userinfo").json()["user"], "user");
    assert_eq!(browser.fetch("/admin").status, 403);
    assert_eq!(ask(world, &before, Kind::Fetch, "/x").status, 401, "the session before has ended");
    until("and its refresh token", || (world.pool.revoked().len() > revoked).then_some(()));

    // "Use another account" ends what there is, here and at the pool, before anybody is asked who they are.
    let mut browser = world.signed_in("admin");
    let before = Session { cookie: browser.cookies("/"), identity: None };
    let page =
        browser.follow("/oauth2/signout?switch=1&rd=/reports", |next| next.path() == "/oauth2/authorize");
    assert!(page.hops.iter().any(|(url, _)| url.path() == "/logout"), "{:?}", page.hops);
    let left: Vec<_> = browser.jar.named(OURS).iter().map(|cookie| cookie.name.clone()).collect();
    assert!(left.iter().all(|name| name.starts_with("__Host-rolegate-login-")), "{left:?}");
    assert_eq!(ask(world, &before, Kind::Fetch, "/x").status, 401);
    assert_eq!(
        browser.fetch("/x").status,
        401,
        "who goes away from the sign-in page leaves nobody signed in"
    );
}

fn the_userinfo_page_holds_no_token_and_is_for_its_own_origin(world: &World) {
    let mut browser = world.signed_in("admin");
    let url = address("/oauth2/userinfo");
    for kind in [Kind::Navigate, Kind::Fetch, Kind::Frame, Kind::CrossSiteImage, Kind::Program] {
        for method in ["GET", "HEAD"] {
            let answer = browser.send(kind, method, &url, "Origin: https://evil.test\r\n", "");
            assert_eq!(answer.status, 200, "{answer:#?}");
            world.no_secret_in("the userinfo page", &answer.text());
            assert_eq!(answer.header("cross-origin-resource-policy"), Some("same-origin"));
            assert_eq!(answer.header("cache-control"), Some("no-store"));
            assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
            let policy = answer.header("content-security-policy").unwrap();
            assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
            let cors = answer
                .head
                .headers
                .iter()
                .find(|(name, _)| name.to_lowercase().starts_with("access-control-"));
            assert_eq!(cors, None, "{answer:#?}");
        }
    }
    for method in ["POST", "OPTIONS", "PUT"] {
        let lines = "Origin: https://evil.test\r\nAccess-Control-Request-Method: GET\r\n";
        let answer = browser.send(Kind::Fetch, method, &url, lines, "");
        assert_eq!(answer.status, 405, "{method}: {answer:#?}");
        assert!(answer.header("access-control-allow-origin").is_none());
    }
    let info = browser.fetch("/oauth2/userinfo").json();
    let mut names: Vec<&str> = info.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["ends_at", "roles", "roles_read_at", "signed_in_at", "sub", "user"], "{info}");
}

/// No cookie of it but the attempts of a new login.
fn brings_no_session(answer: &Answer) {
    for line in answer.head.all("set-cookie") {
        assert!(line.starts_with("__Host-rolegate-login-"), "{answer:#?}");
    }
}

/// What is on a page, tag by tag.
fn page(browser: &mut Browser, target: &str) -> String {
    browser.open(target).text()
}

#[test]
fn who_never_was_signed_in_is_not_told_to_sign_in_again() {
    let world = Setup::bench().limits("login_rate = 1").start();
    let mut browser = world.browser();
    let malformed = page(&mut browser, "/oauth2/callback?state=a&state=b");
    assert_eq!(browser.open("/x").status, 302);
    let too_many = browser.open("/y");
    assert_eq!(too_many.status, 429, "{too_many:#?}");
    for text in [malformed, too_many.text()] {
        assert!(text.contains(">Sign in</a>") && !text.contains("ign in again"), "{text}");
    }
}

#[test]
fn each_role_on_the_userinfo_page_stands_by_itself() {
    let world = World::bench();
    world.pool.user(User::new("eve", &["user", "a, b"]));
    let mut browser = world.signed_in("eve");
    let text = page(&mut browser, "/oauth2/userinfo");
    assert!(text.contains("<dt>Roles</dt><dd>a, b</dd>\n<dd>user</dd>\n</dl>"), "{text}");
}
