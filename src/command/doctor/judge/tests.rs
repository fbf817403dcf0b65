use super::*;
use crate::config::settings::Config;
use crate::config::{self, Overrides};

const CALLBACK: &str = "https://app.test/oauth2/callback";

fn configured() -> Config {
    let toml = r#"
public_url = "https://app.test"
upstream = "http://127.0.0.1:8080"
required_roles = ["viewer"]
[cognito]
user_pool_id = "eu-central-1_AbCdEf123"
client_id = "1h57kf5cpq17m0eml12EXAMPLE"
[session]
keys = ["3q2+78r+ur4BI0VniavN7/7cuphmUkIfDx4tPEtaaXg="]
"#;
    config::from_text("a.toml", toml, &[], &Overrides::default()).unwrap().config
}

fn refused(error: &str, description: Option<&str>) -> Tried {
    let answer = TokenAnswer::Refused { error: error.into(), description: description.map(str::to_owned) };
    Tried { with_secret: true, answer }
}

/// What comes of these answers, as `level what` and the words, by what.
fn judged(begun: Begun, ended: Ended, tried: Vec<Tried>) -> Vec<Finding> {
    let config = configured();
    let page = Page {
        callback: CALLBACK.into(),
        landing: "https://app.test/oauth2/signout".into(),
        begun: Some(begun),
        ended: Some(ended),
    };
    let seen = Seen {
        provider: &config.provider,
        pages: vec![page],
        scopes: Vec::new(),
        tried,
        hidden: "not looked at".into(),
        signs_out: true,
    };
    seen.judge()
}

fn of<'a>(findings: &'a [Finding], what: &str) -> &'a Finding {
    findings.iter().find(|finding| finding.what == what).unwrap()
}

fn mismatch() -> Begun {
    Begun::ErrorPage("redirect_mismatch".into())
}

#[test]
fn each_of_several_secrets_is_told_apart() {
    let tried = vec![refused("invalid_grant", None), refused("invalid_client", None)];
    let findings = judged(Begun::Login, Ended::Back, tried);
    assert_eq!((findings[0].level, findings[1].level), (Level::Ok, Level::Warn));
    assert!(findings[0].found.starts_with("secret 1 of 2: id and secret are right"), "{findings:#?}");
    assert!(
        findings[1].found.starts_with("secret 2 of 2: invalid_client: the app client's secret is rejected")
    );
}

#[test]
fn a_sign_out_address_alone_proves_that_the_id_is_right() {
    let findings = judged(mismatch(), Ended::Back, vec![refused("invalid_client", None)]);
    assert!(of(&findings, "client").found.contains("its id 1h57kf5cpq17m0eml12EXAMPLE is right"));
    assert_eq!(of(&findings, "callback").level, Level::Fail);
}

#[test]
fn where_the_client_is_in_doubt_nothing_else_is_blamed() {
    let ended = Ended::Refused("redirect_mismatch".into());
    let findings = judged(mismatch(), ended.clone(), vec![refused("invalid_client", None)]);
    let failed: Vec<_> = findings.iter().filter(|finding| finding.level == Level::Fail).collect();
    assert_eq!(failed.len(), 1, "{findings:#?}");
    assert_eq!(failed[0].what, "client");
    // With a right secret it is no doubt.
    let findings = judged(mismatch(), ended, vec![refused("invalid_grant", None)]);
    assert_eq!(of(&findings, "callback").level, Level::Fail);
    assert_eq!(of(&findings, "sign-out").level, Level::Fail);
}

#[test]
fn errors_of_the_token_endpoint_are_told_apart() {
    for (error, description, what, level) in [
        ("invalid_grant", None, "client", Level::Ok),
        ("invalid_client", Some("invalid_client_secret"), "client", Level::Fail),
        ("unauthorized_client", Some("invalid_redirect"), "callback", Level::Fail),
        ("unauthorized_client", None, "login", Level::Fail),
        ("unsupported_grant_type", None, "login", Level::Fail),
        ("invalid_request", None, "client", Level::Unseen),
        ("server_error", None, "client", Level::Unseen),
    ] {
        let findings = judged(Begun::Login, Ended::Back, vec![refused(error, description)]);
        assert_eq!(of(&findings, what).level, level, "{error} {description:?}");
        let others = findings.iter().filter(|finding| finding.what != what);
        assert!(others.clone().all(|finding| finding.level == Level::Ok), "{error}: {findings:#?}");
    }
}

#[test]
fn a_provider_that_takes_any_code_fails() {
    let tried = vec![Tried { with_secret: true, answer: TokenAnswer::Granted }];
    let findings = judged(Begun::Login, Ended::Back, tried);
    assert_eq!(of(&findings, "client").level, Level::Fail);
}

#[test]
fn an_error_that_comes_back_says_that_the_callback_is_registered() {
    let told = |error: &str| Begun::Told { error: error.into(), description: None };
    let tried = || vec![refused("invalid_grant", None)];
    for (error, login) in [
        ("unauthorized_client", Level::Fail),
        ("server_error", Level::Fail),
        ("invalid_scope", Level::Unseen),
    ] {
        let findings = judged(told(error), Ended::Back, tried());
        assert_eq!(of(&findings, "callback").level, Level::Ok, "{error}");
        assert_eq!(of(&findings, "login").level, login, "{error}");
    }
}

#[test]
fn a_provider_without_a_sign_out_endpoint_is_a_warning() {
    let config = configured();
    let page = Page {
        callback: CALLBACK.into(),
        landing: "https://app.test/oauth2/signout".into(),
        begun: Some(Begun::Login),
        ended: None,
    };
    let seen = Seen {
        provider: &config.provider,
        pages: vec![page],
        scopes: Vec::new(),
        tried: vec![refused("invalid_grant", None)],
        hidden: String::new(),
        signs_out: false,
    };
    assert_eq!(of(&seen.judge(), "sign-out").level, Level::Warn);
}
