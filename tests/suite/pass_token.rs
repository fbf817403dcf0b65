//! A token that an upstream is handed: on the rules that say so, of the person who asks, and nowhere else.

use std::time::Instant;

use crate::login::wait_until_due;
use crate::refresh::due;
use crate::support::browser::{Browser, Kind};
use crate::support::pool::{Endpoint, Reply};
use crate::support::token::{Use, random};
use crate::support::until;
use crate::support::upstream::Seen;
use crate::support::wire::{Answer, Wire};
use crate::support::world::{Session, Setup, Who, World};

const RULES: &str = r#"
[[rules]]
path = "/api/**"
any_role = ["user"]
pass_token = "access"
[[rules]]
path = "/id/**"
any_role = ["user"]
pass_token = "id"
"#;

const TOKEN_COOKIE: &str = "__Host-rolegate-token";

#[test]
fn the_upstream_gets_the_token_that_the_rule_names_and_the_client_s_is_gone() {
    let world = handing_on().start();
    for (target, token_use) in [("/api/x", "access"), ("/id/x", "id")] {
        for own in [
            "",
            "Authorization: Bearer of-the-client\r\n",
            "Authorization: Basic YTpi\r\nauthorization: x\r\n",
        ] {
            for alias in
                ["", "Author_ization: Bearer of-the-client\r\n", "A.UTHORIZATION: Bearer of-the-client\r\n"]
            {
                let head = format!("GET {target} HTTP/1.1\r\nHost: app.test\r\n{own}{alias}{{session}}\r\n");
                let exchange = world.attack(Who::User, head);
                let seen = exchange.one().unwrap_or_else(|| panic!("{exchange:#?}"));
                let claims = claims(bearer(seen));
                assert_eq!((&claims["token_use"], &claims["sub"]), (&token_use.into(), &sub("user").into()));
                let shown =
                    |(_, value): &(String, String)| value.contains("of-the-client") || value == "Basic YTpi";
                assert!(!seen.head.headers.iter().any(shown), "{seen:#?}");
            }
        }
    }
}

#[test]
fn everywhere_else_no_token_goes_out_and_the_client_s_authorization_passes() {
    let world = handing_on().start();
    for (who, target) in
        [(Who::User, "/x"), (Who::User, "/public/x"), (Who::Nobody, "/public/x"), (Who::Admin, "/admin")]
    {
        let head = format!(
            "GET {target} HTTP/1.1\r\nHost: app.test\r\nAuthorization: Basic YTpi\r\n{{session}}\r\n"
        );
        let exchange = world.attack(who, head);
        let seen = exchange.one().unwrap_or_else(|| panic!("{exchange:#?}"));
        assert_eq!(seen.head.all("authorization"), ["Basic YTpi"]);
        let text = format!("{:?}", seen.head.headers);
        for secret in world.pool.secrets() {
            assert!(!text.contains(&secret), "{target}: {text}");
        }
    }
}

#[test]
fn a_session_holds_no_token_where_none_is_handed_on() {
    let world = World::bench();
    let browser = world.signed_in("user");
    assert_eq!(browser.jar.named(TOKEN_COOKIE).len(), 0);
    let world = world.restarted(|setup| setup.rules(RULES));
    let mut browser = world.signed_in("user");
    let [cookie] = browser.jar.named(TOKEN_COOKIE)[..] else { panic!("{:#?}", browser.jar.all()) };
    assert!(cookie.secure && cookie.http_only && cookie.host_only && cookie.path == "/", "{cookie:#?}");
    assert_eq!(cookie.same_site.as_deref(), Some("Lax"));

    // Signing out takes it along, and so does the first refresh under a configuration that hands nothing on.
    let kept = browser.clone();
    let answer = browser.open("/oauth2/signout");
    assert!(answer.head.all("set-cookie").iter().any(|line| forgets(line, TOKEN_COOKIE)), "{answer:#?}");
    assert_eq!(browser.jar.named(TOKEN_COOKIE).len(), 0);
    let world = world
        .restarted(|setup| Setup { rules: Setup::bench().rules, ..setup }.session("max_role_age = \"2s\""));
    let mut browser = at(&world, kept);
    wait_until_due(Instant::now());
    // Its refresh token was given back at the sign-out: a new login is what renews the cookies.
    browser.sign_in("user");
    assert_eq!(browser.jar.named(TOKEN_COOKIE).len(), 0, "{:#?}", browser.jar.all());
}

#[test]
fn a_refresh_brings_the_new_token_to_all_who_wait_for_it_and_to_late_comers() {
    let world = handing_on().start();
    world.pool.set_rotation(true);
    // Due because its token has ended: a short age of roles would rightly be over again on a slow machine.
    let session = due(&world, "user");
    let mark = world.mark();
    std::thread::scope(|scope| {
        for _ in 0..10 {
            scope.spawn(|| assert_eq!(ask(&world, &session, Kind::Fetch, "/api/x").status, 200));
        }
    });
    let late = ask(&world, &session, Kind::Fetch, "/api/x");
    assert_eq!(late.status, 200);
    assert_eq!(world.pool.grants("refresh_token"), 1);
    let mut tokens: Vec<String> = world.seen_since(mark).iter().map(|seen| bearer(seen).to_owned()).collect();
    assert_eq!(tokens.len(), 11);
    tokens.dedup();
    let new = claims(&tokens[0]);
    let has_ended = new["exp"].as_u64() <= new["iat"].as_u64();
    assert!(tokens.len() == 1 && !has_ended, "everyone has the new one: {new}");
    // And the cookies of that answer hold it.
    let fresh = session.after(&late);
    assert_eq!(bearer(&seen(&world, &fresh, "/api/x")), tokens[0]);
    assert_eq!(world.pool.grants("refresh_token"), 1);
}

#[test]
fn a_token_that_is_missing_is_fetched_by_a_refresh_or_a_login() {
    let world = handing_on().start();
    let without = |session: &Session, name: &str| Session {
        cookie: session
            .cookie
            .split("; ")
            .filter(|pair| !pair.starts_with(&format!("{name}=")))
            .collect::<Vec<_>>()
            .join("; "),
        identity: session.identity.clone(),
    };
    let session = without(&world.session_of("user", "user"), TOKEN_COOKIE);
    // Where no token is handed on nothing is missing.
    assert_eq!(ask(&world, &session, Kind::Fetch, "/x").status, 200);
    assert_eq!(world.pool.grants("refresh_token"), 0);
    // A generation later, so that it can be told from this one.
    wait_until_due(Instant::now());
    let answer = ask(&world, &session, Kind::Fetch, "/api/x");
    assert_eq!((answer.status, world.pool.grants("refresh_token")), (200, 1));
    assert_eq!(bearer(&seen(&world, &session.after(&answer), "/api/x")).split('.').count(), 3);
    assert_eq!(world.pool.grants("refresh_token"), 1);

    // A browser that throws it away again and again costs no call a request, and is told so.
    let again = without(&session.after(&answer), TOKEN_COOKIE);
    for _ in 0..3 {
        let answer = ask(&world, &again, Kind::Fetch, "/api/x");
        assert_eq!((answer.status, answer.json()["error"].as_str()), (403, Some("tokens_not_kept")));
    }
    assert_eq!(world.pool.grants("refresh_token"), 1);

    // Without the ticket as well a login would bring nothing that the browser keeps: not sent around, but told.
    let bare = without(&session, "__Host-rolegate-refresh");
    assert_eq!(ask(&world, &bare, Kind::Fetch, "/api/x").status, 403);
    assert_eq!(ask(&world, &bare, Kind::Navigate, "/api/x").status, 403);
    assert_eq!(ask(&world, &bare, Kind::Fetch, "/x").status, 200);
}

#[test]
fn a_token_of_another_session_is_nobody_s() {
    let world = handing_on().start();
    let (user, admin) = (world.session_of("user", "user"), world.session_of("admin", "admin,user"));
    let again = world.session_of("user", "user");
    for other in [&admin, &again] {
        let token = other.cookie.split("; ").find(|pair| pair.starts_with(TOKEN_COOKIE)).unwrap();
        for order in [true, false] {
            let mut pairs: Vec<&str> =
                user.cookie.split("; ").filter(|pair| !pair.starts_with(TOKEN_COOKIE)).collect();
            pairs.insert(if order { 0 } else { pairs.len() }, token);
            let mixed = Session { cookie: pairs.join("; "), identity: user.identity.clone() };
            // A refresh brings the person's own.
            let seen = seen(&world, &mixed, "/api/x");
            assert_eq!(claims(bearer(&seen))["sub"], sub("user"));
        }
    }
    // Both at once: the own one counts, wherever it stands.
    let refreshes = world.pool.grants("refresh_token");
    let foreign = admin.cookie.split("; ").find(|pair| pair.starts_with(TOKEN_COOKIE)).unwrap();
    let both = Session { cookie: format!("{foreign}; {}", user.cookie), identity: user.identity.clone() };
    assert_eq!(claims(bearer(&seen(&world, &both, "/api/x")))["sub"], sub("user"));
    assert_eq!(world.pool.grants("refresh_token"), refreshes);
}

#[test]
fn no_token_goes_out_past_its_end_even_in_an_outage() {
    let world = handing_on().session("outage_grace = \"1h\"").start();
    world.pool.set_life(3);
    let session = world.session_of("user", "user");
    world.pool.script(Endpoint::Token, Reply::Hangup);
    let refused = until("the token ends", || {
        let answer = ask(&world, &session, Kind::Fetch, "/api/x");
        (answer.status != 200).then_some(answer)
    });
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("5")), "{refused:#?}");
    // Roles are served on within the grace, where no token goes with them.
    assert_eq!(ask(&world, &session, Kind::Fetch, "/x").status, 200);
    for seen in world.upstream.since(Default::default()).iter().filter(|seen| seen.path() == "/api/x") {
        assert!(claims(bearer(seen))["exp"].as_u64().unwrap() + 1 >= 3);
    }
}

#[test]
fn a_large_token_takes_parts_and_leaves_none_behind_when_it_shrinks() {
    let world = handing_on().session("max_role_age = \"2s\"").start();
    let padding = |bytes: usize| {
        move |mint: &mut crate::support::token::Mint| {
            if mint.kind == Use::Access {
                mint.claim("padding", random(bytes));
            }
        }
    };
    world.pool.tamper(padding(1500));
    let mut browser = world.signed_in("user");
    let names = |browser: &Browser| -> Vec<String> {
        browser.jar.named(TOKEN_COOKIE).iter().map(|cookie| cookie.name.clone()).collect()
    };
    assert_eq!(names(&browser), [format!("{TOKEN_COOKIE}.0"), format!("{TOKEN_COOKIE}.1")]);
    assert_eq!(browser.fetch("/api/x").status, 200);
    for (bytes, parts) in [(10, 0), (3000, 3)] {
        world.pool.tamper(padding(bytes));
        wait_until_due(Instant::now());
        let answer = browser.fetch("/api/x");
        assert_eq!(answer.status, 200, "{answer:#?}");
        let expected: Vec<String> = match parts {
            0 => vec![TOKEN_COOKIE.to_owned()],
            parts => (0..parts).map(|part| format!("{TOKEN_COOKIE}.{part}")).collect(),
        };
        let mut found = names(&browser);
        found.sort();
        assert_eq!(found, expected, "{bytes}");
        assert_eq!(browser.fetch("/api/x").status, 200);
    }
    for seen in world.upstream.since(Default::default()) {
        assert!(!format!("{:?}", seen.head.headers).contains("__Host-rolegate"), "{seen:#?}");
    }
}

#[test]
fn what_fits_no_cookies_is_a_page_that_says_so() {
    let world = handing_on().start();
    let refused = |world: &World| {
        let mut browser = world.browser();
        let callback = browser.callback_for("user", "/api/x");
        let answer = browser.open(callback.as_str());
        assert_eq!(answer.status, 403, "{answer:#?}");
        assert!(answer.text().contains("does not fit"), "{}", answer.text());
        // What is left is the way to another account, which has to end the session at the pool.
        let [left] = browser.jar.named("__Host-rolegate")[..] else { panic!("{:#?}", browser.jar.all()) };
        assert!(left.name.starts_with("__Host-rolegate-login-"), "{left:#?}");
        let link = "/oauth2/signout?switch=1&rd=%2Fapi%2Fx";
        assert!(answer.text().contains(&link.replace('&', "&amp;")), "{}", answer.text());
        let answer = browser.open(link);
        assert!(answer.status == 302 && answer.location().contains("/logout?"), "{answer:#?}");
    };
    world.pool.tamper(|mint| {
        if mint.kind == Use::Access {
            mint.claim("padding", random(8_500));
        }
    });
    refused(&world);
    // Neither alone is too large, but together they are more than the gate would take back.
    world.pool.be_honest();
    let groups = (0..190).map(|n| format!("{n:_>40}")).chain(["user".into()]);
    world.pool.change_user("user", |user| user.groups = groups.collect());
    refused(&world);
    world.no_secret_in("the log", &world.gate.stderr().all());
    let told = |line: &str| line.contains("too large for cookies").then_some(());
    world.gate.stderr().wait(told).expect("the log says so");
    let world = world.restarted(|setup| Setup { rules: Setup::bench().rules, ..setup });
    world.browser().sign_in("user");
}

fn handing_on() -> Setup {
    Setup::bench().rules(RULES)
}

/// The browser, with the same cookies at another gate.
fn at(world: &World, browser: Browser) -> Browser {
    let mut moved = world.browser();
    moved.jar = browser.jar;
    moved
}

fn ask(world: &World, session: &Session, kind: Kind, target: &str) -> Answer {
    let head = format!("GET {target} HTTP/1.1\r\nHost: app.test\r\n{}{{session}}\r\n", kind.lines());
    let mut wire = Wire::connect(world.gate.public);
    wire.write(&session.fill(head.as_bytes()));
    wire.answer(false).unwrap_or_else(|ended| panic!("{target}: {ended:?}"))
}

/// What the upstream sees of such a request.
fn seen(world: &World, session: &Session, target: &str) -> Seen {
    let mark = world.mark();
    let answer = ask(world, session, Kind::Fetch, target);
    assert_eq!(answer.status, 200, "{answer:#?}");
    world.seen_since(mark).remove(0)
}

fn bearer(seen: &Seen) -> &str {
    let [line] = seen.head.all("authorization")[..] else { panic!("not one Authorization: {seen:#?}") };
    line.strip_prefix("Bearer ").unwrap_or_else(|| panic!("{line}"))
}

fn claims(token: &str) -> serde_json::Value {
    use base64::Engine as _;
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).unwrap())
        .unwrap()
}

fn sub(user: &str) -> String {
    crate::support::pool::User::new(user, &[]).sub
}

fn forgets(line: &str, name: &str) -> bool {
    line.starts_with(&format!("{name}=;")) && line.contains("Max-Age=0")
}

#[test]
fn a_bearer_token_goes_on_where_it_is_the_one_that_the_rule_names() {
    let world = handing_on().tables("[bearer]\ntokens = \"either\"").start();
    let access = world.pool.mint(Use::Access, "user", |mint| mint.claim("cognito:groups", vec!["user"]));
    let id = world.pool.mint(Use::Id, "user", |_| {});
    for (target, token, handed) in [
        ("/api/x", &access, true),
        ("/id/x", &id, true),
        ("/api/x", &id, false),
        ("/id/x", &access, false),
        ("/x", &access, false),
    ] {
        let nobody =
            Session { cookie: String::new(), identity: Some(("user".to_owned(), "user".to_owned())) };
        let head = format!(
            "GET {target} HTTP/1.1\r\nHost: app.test\r\nAuthorization: Bearer {token}\r\n{{session}}\r\n"
        );
        let mark = world.mark();
        let mut wire = Wire::connect(world.gate.public);
        wire.write(&nobody.fill(head.as_bytes()));
        let answer = wire.answer(false).unwrap_or_else(|ended| panic!("{target}: {ended:?}"));
        assert_eq!(answer.status, 200, "{target}: {answer:#?}");
        let seen = world.seen_since(mark);
        let lines = seen[0].head.all("authorization");
        assert_eq!(lines.len(), usize::from(handed), "{target}: {lines:?}");
        assert!(lines.iter().all(|line| *line == format!("Bearer {token}")));
    }
}
