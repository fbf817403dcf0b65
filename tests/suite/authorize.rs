//! What a login asks of the pool: what is configured goes, a link may choose what is offered, and nothing else of a
//! link gets there.

use serde_json::json;
use url::Url;

use crate::login::{login, query_of};
use crate::support::pool::{Endpoint, FakePool, POOL_ID};
use crate::support::token::Use;
use crate::support::upstream::Recorder;
use crate::support::world::{Setup, World};

const NAMES: [&str; 6] = ["identity_provider", "idp_identifier", "lang", "login_hint", "prompt", "resource"];

fn with(lines: &str) -> World {
    let mut setup = Setup::bench();
    setup.provider += lines;
    setup.start()
}

/// The parameters that are sent beyond the protocol's own.
fn sent(location: &str) -> Vec<(String, String)> {
    let url = Url::parse(location).unwrap();
    let all = url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned()));
    all.filter(|(name, _)| NAMES.contains(&name.as_str()) || name == "ui_locales").collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn what_is_configured_goes_with_every_login_however_it_begins() {
    let world = with(
        "identity_provider = \"Corp SAML\"\nlang = \"pt-BR\"\nlogin_hint = \"kiosk&scope=x\"\nprompt = \"login consent\"\n\
         resources = [\"https://api.example.com/v1\"]\n",
    );
    let wanted = pairs(&[
        ("identity_provider", "Corp SAML"),
        ("lang", "pt-BR"),
        ("login_hint", "kiosk&scope=x"),
        ("prompt", "login consent"),
        ("resource", "https://api.example.com/v1"),
    ]);
    for target in ["/x", "/oauth2/start?rd=%2Fx", "/oauth2/start?lang=pt-BR"] {
        assert_eq!(sent(world.browser().open(target).location()), wanted, "{target}");
    }
    // What always goes cannot be chosen otherwise.
    for query in ["lang=de", "prompt=none", "identity_provider=Google", "login_hint="] {
        assert_eq!(world.browser().open(&format!("/oauth2/start?{query}")).status, 400, "{query}");
    }
    login(&world, "user").must_succeed(&world, "user");
}

#[test]
fn a_link_may_choose_what_is_offered_and_nothing_else() {
    let world = with(
        "identity_provider = [\"Google\", \"Corp SAML\"]\nlang = [\"de\", \"en\"]\nprompt = [\"login\"]\n",
    );
    let location =
        |query: &str| world.browser().open(&format!("/oauth2/start?{query}")).location().to_owned();
    assert_eq!(sent(&location("rd=/x")), [], "nothing is chosen for anybody");
    assert_eq!(sent(world.browser().open("/x").location()), []);
    let chosen = location("identity_provider=Corp+SAML&lang=de&rd=/x");
    assert_eq!(sent(&chosen), pairs(&[("identity_provider", "Corp SAML"), ("lang", "de")]));

    for query in [
        "identity_provider=google",
        "identity_provider=",
        "identity_provider=Google%20",
        "identity_provider=Google&identity_provider=Google",
        "identity_provider=Google&lang=fr",
        "identity_provider=Google%26scope%3Dadmin",
        "prompt=none",
        "prompt=login+login",
        "%70rompt=none",
    ] {
        let (mark, mut browser) = (world.gate.stdout().count(), world.browser());
        let answer = browser.open(&format!("/oauth2/start?{query}"));
        assert_eq!(answer.status, 400, "{query}: {answer:#?}");
        assert!(answer.text().contains("not offered here"), "{query}: {}", answer.text());
        assert!(browser.jar.all().is_empty(), "{query}: a login has begun");
        let code = world.gate.stdout().wait_since(mark, |line| line.contains("start_choice").then_some(()));
        assert!(code.is_some(), "{query}: the record has the code");
    }
    // What is not configured stays unknown, and the protocol's own parameters stay the configuration's.
    let honest = Url::parse(&location(
        "login_hint=x&idp_identifier=x&scope=admin&client_id=x&state=x&acr_values=x&max_age=0&resource=x",
    ))
    .unwrap();
    assert_eq!(sent(honest.as_str()), []);
    assert_eq!(query_of(&honest, "scope"), "openid email profile");
    assert!(
        honest.query_pairs().all(|(name, value)| value != "x" && name != "acr_values" && name != "max_age")
    );
}

#[test]
fn a_silent_login_that_cannot_be_silent_begins_anew_once_and_may_ask() {
    for lines in ["prompt = \"none\"\nlang = \"de\"\n", "prompt = [\"none\"]\nlang = \"de\"\n"] {
        let world = with(lines);
        let mut browser = world.browser();
        let first = browser.open("/oauth2/start?prompt=none&rd=%2Fx%3Fa%3D1").location().to_owned();
        assert_eq!(sent(&first), pairs(&[("lang", "de"), ("prompt", "none")]));
        let refused = |location: &str, error: &str| {
            let state = query_of(&Url::parse(location).unwrap(), "state");
            format!("/oauth2/callback?error={error}&state={state}")
        };
        let again = browser.open(&refused(&first, "login_required")).location().to_owned();
        assert!(again.starts_with(&world.pool.origin()), "{again}");
        assert_eq!(sent(&again), pairs(&[("lang", "de")]), "nothing is silent now");
        assert_eq!(browser.jar.named("__Host-rolegate-login").len(), 1, "the first attempt is over");

        // A pool that says so again is not asked a third time.
        let mut stubborn = world.browser();
        let first = stubborn.open("/oauth2/start?prompt=none").location().to_owned();
        let second = stubborn.open(&refused(&first, "login_required")).location().to_owned();
        for error in ["login_required", "interaction_required"] {
            let answer = stubborn.open(&refused(&second, error));
            assert!(answer.header("location").is_none(), "{answer:#?}");
            assert!(answer.status >= 400 && answer.text().contains("href=\""), "{answer:#?}");
        }

        // And the way back is kept.
        browser.signs_in_as = Some("user".into());
        let page = browser.follow(&again, |next| next.path() == "/oauth2/callback");
        let callback = page.url.join(page.answer.location()).unwrap();
        assert_eq!(browser.open(callback.as_str()).location(), "https://app.test/x?a=1");
    }
}

#[test]
fn an_access_token_that_is_bound_counts_only_where_that_resource_is_ours() {
    let world = with("resources = [\"https://api.example.com\"]\n");
    let bind = |world: &World, audience: serde_json::Value| {
        world.pool.tamper(move |mint| {
            if mint.kind == Use::Access {
                mint.claim("aud", audience.clone());
            }
        });
    };
    bind(&world, json!("https://api.example.com"));
    login(&world, "user").must_succeed(&world, "user");
    for other in [json!("https://api.example.com/"), json!("https://other.example.com"), json!([]), json!(1)]
    {
        bind(&world, other);
        login(&world, "user").must_fail(&world, 502, &["token_audience"]);
    }
    let unbound = World::bench();
    bind(&unbound, json!("https://api.example.com"));
    login(&unbound, "user").must_fail(&unbound, 502, &["token_audience"]);
}

#[test]
fn another_provider_gets_its_own_names_and_several_resources() {
    let mut setup = Setup::bench();
    setup.provider = setup
        .provider
        .replace("[cognito]", "[oidc]")
        .replace(&format!("user_pool_id = {POOL_ID:?}\n"), "")
        + "lang = \"de-AT en\"\nlogin_hint = [\"a\"]\nresources = [\"https://a.example.com\", \"https://b.example.com\"]\n";
    setup.tables += "[[identity.roles]]\nclaim = \"cognito:groups\"\n";
    let world = setup.start_with(FakePool::start(), Recorder::start());
    let location = world.browser().open("/oauth2/start?login_hint=a").location().to_owned();
    assert_eq!(
        sent(&location),
        pairs(&[
            ("ui_locales", "de-AT en"),
            ("login_hint", "a"),
            ("resource", "https://a.example.com"),
            ("resource", "https://b.example.com"),
        ])
    );
}

#[test]
fn a_login_that_begins_anew_sends_what_always_goes_and_forgets_what_was_chosen() {
    let world = with("identity_provider = [\"Google\"]\nlang = \"de\"\n");
    let mut browser = world.browser();
    let first = browser.open("/oauth2/start?identity_provider=Google").location().to_owned();
    assert_eq!(sent(&first), pairs(&[("identity_provider", "Google"), ("lang", "de")]));
    browser.signs_in_as = Some("user".into());
    let page = browser.follow(&first, |next| next.path() == "/oauth2/callback");
    let callback = page.url.join(page.answer.location()).unwrap();
    // Another browser, which knows nothing of the attempt.
    let mut other = world.browser();
    let anew = other.open(callback.as_str()).location().to_owned();
    assert_eq!(sent(&anew), pairs(&[("lang", "de")]));
    assert_eq!(world.pool.count(Endpoint::Token), 0);
}
