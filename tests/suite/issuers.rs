//! Several issuers of one provider: each has its own keys, is asked when a token names it and not before, and
//! is nobody else's trouble.

use serde_json::json;

use crate::login::{Attempted, login};
use crate::support::pool::{Endpoint, FakePool, Reply};
use crate::support::token::{Key, Use, jwk, kid};
use crate::support::upstream::Recorder;
use crate::support::world::{Setup, World};

/// A pool and a second issuer, whose key has the name of a key of the first.
struct Two {
    world: World,
    second: FakePool,
}

#[test]
fn row_15_a_token_of_another_issuer_counts_only_where_that_issuer_is_configured() {
    let two = Two::start();
    two.name_the_second(Key::Foreign);
    two.login().must_succeed(&two.world, "user");
    // The same pool, the same tokens, without the key.
    let world = two.world.restarted(|setup| Setup { provider: Setup::bench().provider, ..setup });
    login(&world, "user").must_fail(&world, 502, &["token_signature"]);
    let issuer = two.second.issuer();
    // Not even what our own pool signed.
    world.pool.tamper(move |mint| mint.claim("iss", issuer.clone()));
    login(&world, "user").must_fail(&world, 502, &["token_issuer"]);
    assert_eq!(two.second.count(Endpoint::Discovery), 1, "who is not configured is not asked");
}

#[test]
pub fn a_key_of_one_issuer_says_nothing_about_anothers_token() {
    let two = Two::start();
    // Before and after the second issuer's keys are known.
    for _ in 0..2 {
        // Its kid and its key, and the main issuer's name.
        two.world.pool.tamper(|mint| {
            mint.header.insert("kid".into(), json!(kid(&Key::ForId)));
            mint.key = Key::Foreign;
        });
        two.login().must_fail(&two.world, 502, &["token_signature"]);
        // Its name and kid, and the main issuer's key.
        two.name_the_second(Key::ForId);
        two.login().must_fail(&two.world, 502, &["token_signature"]);
        two.name_the_second(Key::Foreign);
        two.login().must_succeed(&two.world, "user");
    }
    assert_eq!(two.asked(), (1, 1));
    assert_eq!(two.world.pool.count(Endpoint::Jwks), 1, "the main issuer's keys are its own affair");
}

#[test]
fn an_additional_issuer_is_asked_once_when_a_token_names_it_and_not_before() {
    let two = Two::start();
    login(&two.world, "user").must_succeed(&two.world, "user");
    assert_eq!(two.asked(), (0, 0));
    two.name_the_second(Key::Foreign);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let answer = login(&two.world, "user").answer;
                assert_eq!(answer.status, 302, "{answer:#?}");
            });
        }
    });
    assert_eq!(two.asked(), (1, 1), "one fetch for all of them");
}

#[test]
fn an_additional_issuer_that_refuses_is_asked_once_in_ten_seconds_and_is_nobody_elses_trouble() {
    let forbidden = || Reply::Status(403, "application/json", b"{}".to_vec());
    for (endpoint, reply) in [
        (Endpoint::Discovery, forbidden()),
        (Endpoint::Jwks, forbidden()),
        (Endpoint::Jwks, Reply::Status(200, "application/json", br#"{"keys":[]}"#.to_vec())),
        (Endpoint::Discovery, Reply::Hangup),
        (Endpoint::Discovery, Reply::Redirect("http://169.254.169.254/".into())),
    ] {
        let two = Two::start();
        two.second.script(endpoint, reply);
        two.name_the_second(Key::Foreign);
        for _ in 0..5 {
            two.login().must_fail(&two.world, 503, &["pool_keys"]);
        }
        assert_eq!(two.second.count(endpoint), 1, "{endpoint:?}");
        assert_eq!(two.second.count(Endpoint::Other), 0);
        two.world.pool.be_honest();
        login(&two.world, "user").must_succeed(&two.world, "user");
        assert_eq!(two.world.gate.admin("/readyz").status, 200);
        assert_eq!(two.world.pool.count(Endpoint::Jwks), 1);
    }
}

#[test]
fn an_additional_issuers_document_must_be_its_own_and_its_keys_beside_it() {
    for (name, value) in [
        ("issuer", json!("http://127.0.0.1:9/eu-central-1_SuitePool")),
        ("jwks_uri", json!("http://127.0.0.1:9/jwks.json")),
        ("jwks_uri", json!("file:///etc/passwd")),
        ("jwks_uri", json!(null)),
    ] {
        let two = Two::start();
        let changed = value.clone();
        two.second.tamper_discovery(move |document| document[name] = changed.clone());
        two.name_the_second(Key::Foreign);
        two.login().must_fail(&two.world, 503, &["pool_keys"]);
        assert_eq!(two.asked(), (1, 0), "{name}: {value}");
    }
}

#[test]
fn unknown_keys_under_an_additional_issuers_name_are_looked_for_once_in_ten_seconds() {
    let two = Two::start();
    let issuer = two.second.issuer();
    two.world.pool.tamper(move |mint| {
        mint.claim("iss", issuer.clone());
        mint.header.insert("kid".into(), json!(crate::support::token::random(12)));
    });
    let begun = std::time::Instant::now();
    for _ in 0..20 {
        two.login().must_fail(&two.world, 502, &["token_unknown_key"]);
    }
    let allowed = 1 + begun.elapsed().as_secs() / 10;
    assert!(two.second.count(Endpoint::Jwks) as u64 <= allowed, "{:?}", two.asked());
    assert_eq!(two.world.pool.count(Endpoint::Jwks), 1, "nor is it looked for elsewhere");
}

#[test]
fn a_pool_with_a_domain_of_its_own_is_used_there_and_its_keys_at_the_issuer() {
    let pool = FakePool::start();
    let domain = pool.origin().replace("127.0.0.1", "localhost");
    let (issuers, elsewhere) = (pool.origin(), domain.clone());
    pool.tamper_discovery(move |document| {
        for name in
            ["authorization_endpoint", "token_endpoint", "revocation_endpoint", "end_session_endpoint"]
        {
            let moved = document[name].as_str().unwrap().replace(&issuers, &elsewhere);
            document[name] = json!(moved);
        }
    });
    let with = |domain: &str| {
        let mut setup = Setup::bench();
        setup.provider += &format!("domain = {domain:?}\n");
        setup
    };
    let world = with(&domain).start_with(pool, Recorder::start());
    let mut browser = world.browser();
    let authorize = browser.open("/x").location().to_owned();
    assert!(authorize.starts_with(&format!("{domain}/oauth2/authorize?")), "{authorize}");
    // The test's browser knows no names.
    browser.signs_in_as = Some("user".into());
    let reached = authorize.replacen("localhost", "127.0.0.1", 1);
    let page = browser.follow(&reached, |next| next.path() == "/oauth2/callback");
    let callback = page.url.join(page.answer.location()).unwrap();
    assert_eq!(browser.open(callback.as_str()).location(), "https://app.test/x");
    let host = |endpoint| world.pool.asked_of(endpoint)[0].head.one("host").unwrap().to_owned();
    assert!(
        host(Endpoint::Token).starts_with("localhost:") && host(Endpoint::Jwks).starts_with("127.0.0.1:")
    );

    // A domain that is written and is not the one that the pool shows: said, and nobody is sent there.
    let other = with(&world.pool.origin()).unready().start_with(world.pool.clone(), Recorder::start());
    let wanted = format!("is not on {}", world.pool.origin());
    let said = other.gate.stderr().wait(|line| line.contains(&wanted).then_some(()));
    assert!(said.is_some(), "{}", other.gate.stderr().all());
    assert_eq!(other.browser().open("/x").status, 503);
}

// === impl Two ===

impl Two {
    fn start() -> Self {
        let second = FakePool::start();
        let mut twin = jwk(&Key::Foreign);
        twin["kid"] = json!(kid(&Key::ForId));
        second.show_keys(vec![twin]);
        let mut setup = Setup::bench();
        setup.provider += &format!("additional_issuers = [{:?}]\n", second.issuer());
        Self { world: setup.start_with(FakePool::start(), Recorder::start()), second }
    }

    /// From now on the ID token names the second issuer and the key that both have a key of the name of.
    fn name_the_second(&self, key: Key) {
        let issuer = self.second.issuer();
        self.world.pool.tamper(move |mint| {
            if mint.kind == Use::Id {
                mint.claim("iss", issuer.clone());
                mint.header.insert("kid".into(), json!(kid(&Key::ForId)));
                mint.key = key.clone();
            }
        });
    }

    fn login(&self) -> Attempted {
        login(&self.world, "user")
    }

    /// How often the second issuer was asked for its document and its keys.
    fn asked(&self) -> (usize, usize) {
        (self.second.count(Endpoint::Discovery), self.second.count(Endpoint::Jwks))
    }
}
