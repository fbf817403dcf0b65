//! Who is let through, who is refused, and how each is told.

use serde_json::json;

use super::houses::of_lists;
use super::{ask, identity, seen};
use crate::login::{login, short_lived, wait_until_due};
use crate::support::token::Use;
use crate::support::world::{Setup, World};

#[test]
fn row_07_no_spelling_of_a_path_leads_around_its_rule() {
    let house = of_lists();
    let (marta, sam) = (house.signed_in("marta"), house.signed_in("sam"));
    assert_eq!(house.ask(&marta, "/m/row-07", "").status, 200);
    assert_eq!(identity(&house.upstream, "/m/row-07").1, "marketing");
    assert_eq!(house.ask(&sam, "/s/row-07", "").status, 200);
    for (target, status) in [
        ("/m/row-07", 403),
        ("/m", 403),
        ("/m/", 403),
        ("/M/row-07", 403),
        ("//m/row-07", 403),
        ("/./m/row-07", 403),
        ("/%6d/row-07", 403),
        ("/%6D/row-07", 403),
        ("/s/%2e%2e/m/row-07", 403),
        ("/s/../m/row-07", 403),
        ("/s//..//m/row-07", 403),
        ("/m;x/row-07", 403),
        ("/m;/row-07", 403),
        ("/m%2frow-07", 400),
        ("/s/..%2fm/row-07", 400),
        ("/s/..;/m/row-07", 400),
        ("/s/..\\m/row-07", 400),
        ("/s/%252e%252e/m/row-07", 400),
    ] {
        let answer = house.ask(&sam, target, "");
        assert_eq!(answer.status, status, "{target}: {answer:#?}");
    }
    // What is one of sales' own paths once it is resolved is nobody else's.
    for target in ["/m/%2e%2e/s/row-07-up", "/m/../s/row-07-up"] {
        assert_eq!(house.ask(&marta, target, "").status, 403, "{target}");
        assert_eq!(house.ask(&sam, target, "").status, 200, "{target}");
    }
    assert_eq!(seen(&house.upstream, "/s/row-07-up").len(), 2, "what was decided on is what is forwarded");
    assert_eq!(seen(&house.upstream, "/m/row-07").len(), 1);
}

#[test]
fn row_08_a_programs_token_counts_for_its_roles_and_not_for_scopes_it_does_not_have() {
    let house = of_lists();
    let tokens = house.tokens("mia");
    let refresh = json!({ "REFRESH_TOKEN": tokens["RefreshToken"] });
    let again = house.initiate("REFRESH_TOKEN_AUTH", refresh);
    for (access, path) in
        [(&tokens["AccessToken"], "/row-08/first"), (&again["AccessToken"], "/row-08/again")]
    {
        let access = access.as_str().unwrap();
        let answer = house.bear(access, path);
        assert_eq!(answer.status, 200, "{answer:#?}");
        let told = identity(&house.upstream, path);
        assert_eq!(told, ("mia".into(), "flexai-editor,flexai-manager".into()));

        let refused = house.bear(access, "/row-08/api/x");
        assert_eq!(refused.status, 403, "{refused:#?}");
        let challenge = refused.header("www-authenticate").unwrap_or_default();
        assert!(challenge.contains("insufficient_scope") && challenge.contains("api/read"), "{challenge}");
    }
    let access = tokens["AccessToken"].as_str().unwrap();
    let id = tokens["IdToken"].as_str().unwrap();
    for token in ["garbage", "a.b.c", &access[..access.len() - 8], id] {
        let navigation = format!("Accept: text/html\r\nAuthorization: Bearer {token}\r\n");
        for answer in [
            house.bear(token, "/row-08/refused"),
            house.ask(&house.dev.browser(), "/row-08/refused", &navigation),
        ] {
            assert_eq!(answer.status, 401, "{answer:#?}");
            assert_eq!(answer.header("www-authenticate"), Some("Bearer error=\"invalid_token\""));
            assert!(answer.header("location").is_none() && answer.header("set-cookie").is_none());
        }
    }
    assert_eq!(seen(&house.upstream, "/row-08/refused").len(), 0);
    assert_eq!(seen(&house.upstream, "/row-08/api/x").len(), 0);
}

#[test]
fn row_14_a_token_that_at_hash_does_not_vouch_for_signs_nobody_in_and_no_scope_in_the_answer_is_well() {
    let world = World::bench();
    // Another access token of the same pool and person in the place of the one that the ID token speaks of.
    let other = world.pool.mint(Use::Access, "user", |_| {});
    world.pool.tamper_answer(move |answer| answer["access_token"] = json!(other));
    login(&world, "user").must_fail(&world, 502, &["token_at_hash"]);
    world.pool.tamper_answer(|answer| assert!(answer.get("scope").is_none(), "{answer}"));
    login(&world, "user").must_succeed(&world, "user");
}

#[test]
fn row_18_who_is_not_known_is_401_or_sent_to_sign_in_and_who_may_not_is_403_without_a_loop() {
    let world = Setup { ..short_lived() }.tables("[bearer]\ntokens = \"id\"").start();
    let expired = world.pool.mint(Use::Id, "admin", |mint| {
        let now = mint.claims["iat"].as_i64().unwrap();
        mint.claim("iat", now - 7200);
        mint.claim("exp", now - 3600);
    });
    let good = world.pool.mint(Use::Id, "user", |_| {});
    let nobody = world.browser();
    let bear = |token: &str, target: &str, lines: &str| {
        ask(&world, &nobody, target, &format!("{lines}Authorization: Bearer {token}\r\n"))
    };
    // An API: 401 for a token that is over, for a page as well; 403 for one that is good and lacks the role.
    for lines in ["", "Accept: text/html\r\n"] {
        let answer = bear(&expired, "/x", lines);
        assert_eq!(answer.status, 401, "{answer:#?}");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer error=\"invalid_token\""));
        let answer = bear(&good, "/admin/x", lines);
        assert_eq!((answer.status, answer.header("location")), (403, None), "{answer:#?}");
    }
    assert_eq!(bear(&good, "/x", "").status, 200);

    // A browser: its session is over with the pool's word that it is.
    let mut browser = world.signed_in("user");
    let begun = std::time::Instant::now();
    let page = browser.navigate("/admin/x");
    assert_eq!((page.answer.status, page.hops.len()), (403, 1), "no redirect: {page:#?}");
    let answer = browser.fetch("/admin/x");
    assert_eq!(answer.status, 403, "{answer:#?}");
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    world.pool.revoke_all();
    wait_until_due(begun);
    assert_eq!(browser.clone().fetch("/x").status, 401);
    let answer = browser.open("/x");
    assert_eq!(answer.status, 302, "{answer:#?}");
    assert!(answer.location().starts_with(&world.pool.origin()), "{answer:#?}");
    assert!(seen(&world.upstream, "/admin/x").is_empty());
}

#[test]
fn row_19_a_pools_words_are_shown_escaped_and_a_cookie_with_a_flipped_byte_is_none() {
    let world = World::bench();
    let mut browser = world.browser();
    let login = browser.open("/x");
    let pool = url::Url::parse(login.location()).unwrap();
    let (_, state) = pool.query_pairs().find(|(name, _)| name == "state").unwrap();
    let page = browser.navigate(&format!(
        "/oauth2/callback?error=invalid_request&error_description=%3Cscript%3Ealert(1)%3C%2Fscript%3E&state={state}"
    ));
    assert_eq!((page.answer.status, page.hops.len()), (400, 1), "{page:#?}");
    assert!(page.answer.header("content-type").unwrap().starts_with("text/html"));
    let html = page.answer.text();
    assert!(!html.contains("<script") && html.contains("&lt;script&gt;"), "{html}");

    let signed_in = world.signed_in("user");
    assert_eq!(ask(&world, &signed_in, "/row-19", "").status, 200);
    let pass = signed_in.jar.get("__Host-rolegate").unwrap().value.clone();
    for at in [0, 9, pass.len() / 2, pass.len() - 2] {
        let mut bytes = pass.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let mut browser = signed_in.clone();
        browser.jar.plant("__Host-rolegate", &String::from_utf8(bytes).unwrap());
        assert_eq!(ask(&world, &browser, "/row-19", "").status, 401, "byte {at}");
        assert_eq!(browser.open("/row-19").status, 302, "byte {at}");
    }
    assert_eq!(seen(&world.upstream, "/row-19").len(), 1);
}

#[test]
fn row_23_a_request_with_a_session_or_a_known_token_costs_no_call_to_the_pool() {
    let world = Setup::bench().tables("[bearer]").start();
    let browser = world.signed_in("user");
    let token = world.pool.mint(Use::Access, "user", |_| {});
    let bearer = format!("Authorization: Bearer {token}\r\n");
    assert_eq!(ask(&world, &world.browser(), "/x", &bearer).status, 200);
    let before = world.pool.asked().len();
    for _ in 0..50 {
        assert_eq!(ask(&world, &browser, "/x", "").status, 200);
        assert_eq!(ask(&world, &world.browser(), "/x", &bearer).status, 200);
        assert_eq!(ask(&world, &world.browser(), "/public/x", "").status, 200);
        assert_eq!(ask(&world, &world.browser(), "/x", "").status, 401);
    }
    assert_eq!(world.pool.asked().len(), before, "{:#?}", &world.pool.asked()[before..]);
}
