//! What the dev pool does not do: answers of other forms, other issuers, hosts that do not answer, another provider.

use super::*;

#[test]
fn row_21_doctor_tells_a_wrong_secret_from_a_wrong_redirect() {
    let pool = fake();
    refuse(&pool, r#"{"error":"invalid_client","error_description":"invalid_client_secret"}"#);
    let told = doctor(&in_front_of(&pool));
    told.alone(
        "client",
        "invalid_client (invalid_client_secret): the app client's secret is rejected",
        "--query UserPoolClient.ClientSecret --output text",
    );
    told.ok(&["callback", "login", "scopes", "sign-out"]);

    refuse(&pool, r#"{"error":"unauthorized_client","error_description":"invalid_redirect"}"#);
    let told = doctor(&in_front_of(&pool));
    told.alone(
        "callback",
        "unauthorized_client/invalid_redirect: https://app.test/oauth2/callback is not registered",
        "register https://app.test/oauth2/callback",
    );
    told.ok(&["client", "sign-out"]);
}

#[test]
fn a_client_without_the_code_grant_is_found() {
    let pool = fake();
    pool.script(
        Endpoint::Authorize,
        Reply::Redirect("https://app.test/oauth2/callback?error=unauthorized_client&state=s".into()),
    );
    let told = doctor(&in_front_of(&pool));
    told.alone("login", "may not use the authorization code grant", ".AllowedOAuthFlows += [\"code\"]");
    told.ok(&["client", "callback", "sign-out"]);
}

#[test]
fn the_newer_form_of_issuer_is_found_and_no_secret_is_sent() {
    let pool = fake();
    let newer = format!("https://issuer-cognito-idp.eu-central-1.amazonaws.com/{POOL_ID}");
    let issuer = newer.clone();
    pool.tamper_discovery(move |document| document["issuer"] = issuer.clone().into());
    let told = doctor(&in_front_of(&pool));
    told.failed("issuer", &format!("the document is of {newer:?}"));
    for fix in [
        format!("[cognito] issuer = {newer:?}"),
        format!("[cognito] additional_issuers = [{:?}]", pool.issuer()),
    ] {
        assert!(told.text.contains(&fix), "{fix} in\n{}", told.text);
    }
    told.hides(&["client"]);
    assert_eq!(pool.count(Endpoint::Token), 0);
}

#[test]
fn an_answer_of_no_known_form_is_unseen_with_the_command_to_look() {
    let pool = fake();
    let page = || Reply::Status(200, "text/html", b"<p>hello</p>".to_vec());
    pool.script(Endpoint::Authorize, page());
    pool.script(Endpoint::Logout, page());
    let told = doctor(&in_front_of(&pool));
    assert_eq!(told.code, Some(0), "{}", told.text);
    for (what, member) in [("callback", "CallbackURLs"), ("sign-out", "LogoutURLs")] {
        let finding = told.finding(what);
        assert_eq!(finding["level"], "unseen");
        assert!(finding["fix"][1].as_str().unwrap().ends_with(&format!("--query UserPoolClient.{member}")));
    }
}

#[test]
fn what_a_provider_says_moves_no_cursor_and_shows_no_secret() {
    let pool = fake();
    refuse(
        &pool,
        &json!({ "error": "odd", "error_description": format!("\u{1b}[2J{SECRET}\u{202e}\nok  all well") })
            .to_string(),
    );
    let toml = in_front_of(&pool).replace(CLIENT_SECRET, SECRET);
    let told = doctor(&toml);
    let found = told.finding("client")["found"].as_str().unwrap();
    assert!(found.contains("odd") && found.contains("(the secret)"), "{found}");
    assert!(!told.text.chars().any(|c| c == '\u{1b}' || c == '\u{202e}'), "{:?}", told.text);
    assert!(!told.text.contains("\nok  all well"), "{}", told.text);
}

#[test]
fn an_unwell_pool_is_not_a_wrong_pool_id() {
    let pool = fake();
    pool.script(Endpoint::Discovery, Reply::Status(503, "text/plain", b"later".to_vec()));
    let told = doctor(&in_front_of(&pool));
    told.alone("discovery", "answered 503", "try again in a minute");
    assert!(!told.text.contains("there is no pool"), "{}", told.text);
}

#[test]
fn a_host_where_nobody_listens_is_named() {
    let told = doctor(&with_issuer(&format!("http://127.0.0.1:1/{ID}")));
    told.alone("discovery", "127.0.0.1:1: nobody listens there", "let this machine reach 127.0.0.1:1");
}

#[test]
fn a_certificate_that_does_not_count_is_told_from_a_host_that_does_not_answer() {
    let pool = fake();
    let good = (include_str!("../../fixtures/tls/good.pem"), include_str!("../../fixtures/tls/good.key"));
    let address = crate::tls::in_front_of(pool.address, good);
    let told = doctor(&with_issuer(&format!("https://{address}/{ID}")));
    told.alone("discovery", "no TLS connection that counts", "[cognito] ca_file = ");
}

#[test]
fn a_domain_that_does_not_answer_is_told_once() {
    let pool = fake();
    let origin = pool.origin();
    pool.tamper_discovery(move |document| {
        for (_, address) in document
            .as_object_mut()
            .unwrap()
            .iter_mut()
            .filter(|(name, _)| *name != "jwks_uri" && *name != "issuer")
        {
            if let Some(text) = address.as_str() {
                *address = text.replace(&origin, "https://auth.example.invalid").into();
            }
        }
    });
    let told = doctor(&in_front_of(&pool));
    told.alone(
        "domain",
        "auth.example.invalid: there is no host of that name",
        "aws cognito-idp describe-user-pool-domain --region eu-central-1 --domain auth.example.invalid ",
    );
    told.ok(&["discovery", "issuer", "keys"]);
    told.hides(&AUTHORIZE);
}

#[test]
fn a_pool_without_keys_is_found() {
    let pool = fake();
    pool.show_keys(Vec::new());
    let told = doctor(&in_front_of(&pool));
    told.alone("keys", "has no key for RS256 that could be used", "RS256");
    told.ok(&["discovery", "issuer", "domain", "client", "login", "callback", "scopes", "sign-out"]);
}

#[test]
fn another_provider_is_asked_what_applies_to_it() {
    let mut command = node();
    command.arg("provider.mjs").env("GATE", "https://app.test").env("CLIENT_SECRET", SECRET);
    let mut provider = Running::start("oidc-provider", command);
    let issuer = provider.wait_for("ready ");
    let toml = with_issuer(&issuer)
        .replace(&format!("user_pool_id = {ID:?}\n"), "")
        .replace("[cognito]", "[oidc]")
        .replace(CLIENT, "rolegate-test");
    let toml = toml + "[[identity.roles]]\nclaim = \"https://example.org/roles\"\n";
    let told = doctor(&toml);
    assert_eq!(told.code, Some(0), "{}", told.text);
    told.ok(&["discovery", "issuer", "endpoints", "keys", "clock", "client", "login", "callback", "scopes"]);
    assert!(!told.text.contains("aws "), "{}", told.text);

    let told = doctor(&toml.replace("https://app.test", "https://two.test"));
    told.failed("callback", "https://two.test/oauth2/callback is not registered");
    assert!(
        told.text.contains("register https://two.test/oauth2/callback at the client rolegate-test"),
        "{}",
        told.text
    );
    told.ok(&["client"]);
    let told = doctor(&toml.replace(SECRET, "another-secret-that-is-not-the-clients"));
    told.failed("client", "invalid_client");
    told.ok(&["callback", "login"]);
}

/// A pool that sends everybody to its login page, and refuses the made-up code as it should.
fn fake() -> FakePool {
    let pool = FakePool::start();
    pool.script(Endpoint::Authorize, Reply::Redirect("/login?client_id=x".into()));
    pool
}

fn refuse(pool: &FakePool, body: &str) {
    pool.script(Endpoint::Token, Reply::Status(400, "application/json", body.as_bytes().to_vec()));
}

fn in_front_of(pool: &FakePool) -> String {
    with_issuer(&pool.issuer()).replace(ID, POOL_ID).replace(CLIENT, CLIENT_ID).replace(SECRET, CLIENT_SECRET)
}
