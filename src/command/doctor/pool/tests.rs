use serde_json::json;

use super::super::answers::Heard;
use super::super::report::Level;
use super::*;
use crate::config::{self, Overrides};

const ISSUER: &str = "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCdEf123";

fn provider(cognito: &str) -> Provider {
    let toml = format!(
        "public_url = \"https://app.test\"\nupstream = \"http://127.0.0.1:8080\"\nrequired_roles = [\"viewer\"]\n\
         [session]\nkeys = [\"3q2+78r+ur4BI0VniavN7/7cuphmUkIfDx4tPEtaaXg=\"]\n\
         [cognito]\nclient_id = \"1h57kf5cpq17m0eml12EXAMPLE\"\n{cognito}\n"
    );
    config::from_text("a.toml", &toml, &[], &Overrides::default()).unwrap().config.provider
}

fn cognito() -> Provider {
    provider("user_pool_id = \"eu-central-1_AbCdEf123\"")
}

fn status(status: u16) -> Answer {
    Ok(Heard { status, ..Heard::default() })
}

fn document(change: impl FnOnce(&mut Value)) -> Answer {
    let mut document = json!({
        "authorization_endpoint": "https://login.test/oauth2/authorize",
        "end_session_endpoint": "https://login.test/logout",
        "id_token_signing_alg_values_supported": ["RS256"],
        "issuer": ISSUER,
        "jwks_uri": format!("{ISSUER}/.well-known/jwks.json"),
        "response_types_supported": ["code", "token"],
        "subject_types_supported": ["public"],
        "token_endpoint": "https://login.test/oauth2/token",
    });
    change(&mut document);
    Ok(Heard { status: 200, location: None, body: document.to_string().into_bytes() })
}

fn failed(reach: &Reach) -> &Finding {
    let mut failed = reach.findings.iter().filter(|finding| finding.level == Level::Fail);
    let first = failed.next().unwrap_or_else(|| panic!("nothing failed: {reach:#?}"));
    assert!(failed.next().is_none(), "one thing at a time: {reach:#?}");
    first
}

#[test]
fn a_document_as_cognito_writes_it_is_well() {
    let reach = read(&cognito(), &document(|_| {}));
    assert!(reach.trusted && reach.endpoints.is_some(), "{reach:#?}");
    assert!(reach.findings.iter().all(|finding| finding.level == Level::Ok), "{reach:#?}");
    assert_eq!(reach.addresses.len(), 5);
}

#[test]
fn a_status_says_what_is_wrong() {
    for (code, words) in [(400, "there is no pool"), (404, "there is no pool"), (429, "429"), (500, "500")] {
        let reach = read(&cognito(), &status(code));
        let finding = failed(&reach);
        assert!(finding.found.contains(&format!("answered {code}")), "{finding:?}");
        assert!(finding.found.contains(words), "{finding:?}");
        assert_eq!(finding.fix.concat().contains("try again"), code == 429 || code == 500, "{finding:?}");
    }
}

#[test]
fn the_newer_issuer_of_a_pool_that_has_it_not_is_told() {
    let provider = provider(
        "user_pool_id = \"eu-central-1_AbCdEf123\"\n\
         issuer = \"https://issuer-cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCdEf123\"",
    );
    let reach = read(&provider, &status(403));
    assert!(failed(&reach).fix[0].contains("take `issuer` out of [cognito]"), "{reach:#?}");
}

#[test]
fn a_domain_that_was_left_out_is_none() {
    for address in [json!(null), json!(""), json!("https:///oauth2/token")] {
        let reach = read(&cognito(), &document(|document| document["token_endpoint"] = address.clone()));
        assert!(failed(&reach).found.contains("the pool has no domain"), "{address}: {reach:#?}");
        assert!(reach.jwks.is_some() && reach.endpoints.is_none() && !reach.trusted);
    }
}

#[test]
fn keys_are_fetched_from_the_issuer_alone() {
    let elsewhere = |document: &mut Value| document["jwks_uri"] = "https://keys.test/jwks.json".into();
    let reach = read(&cognito(), &document(elsewhere));
    assert!(failed(&reach).found.contains("https://keys.test/jwks.json is not on"), "{reach:#?}");
    assert!(reach.jwks.is_none() && reach.endpoints.is_none() && !reach.trusted);
    let reach = read(
        &cognito(),
        &document(|document| {
            elsewhere(document);
            document["token_endpoint"] = "".into();
        }),
    );
    assert!(reach.jwks.is_none());
}

#[test]
fn another_issuer_gets_no_secret() {
    let reach = read(&cognito(), &document(|document| document["issuer"] = "https://other.test".into()));
    assert!(!reach.trusted);
    assert!(reach.findings.iter().any(|finding| finding.what == "issuer" && finding.level == Level::Fail));
}

#[test]
fn what_is_no_document_is_told() {
    for body in ["", "<html>", "[]", "null"] {
        let reach =
            read(&cognito(), &Ok(Heard { status: 200, location: None, body: body.as_bytes().to_vec() }));
        assert!(failed(&reach).found.ends_with("is no JSON object"), "{body}: {reach:#?}");
    }
}

#[test]
fn only_a_region_that_there_is_not_is_misspelt() {
    let misspelt = |region: &str| {
        let provider = provider(&format!("user_pool_id = \"{region}_AbCdEf123\""));
        super::misspelt(&provider, &format!("cognito-idp.{region}.amazonaws.com"))
    };
    assert!(misspelt("eu-centarl-1").unwrap().ends_with("user_pool_id = \"eu-central-1_AbCdEf123\""));
    assert!(misspelt("moon-base-1").unwrap().contains("copy the id"));
    assert_eq!(misspelt("eu-central-1"), None);
}

#[test]
fn the_region_of_a_prefix_domain_stands_in_it() {
    for (domain, region) in [
        ("https://us.auth.eu-west-1.amazoncognito.com", Some("eu-west-1")),
        ("https://us.auth-fips.us-gov-west-1.amazoncognito.com", Some("us-gov-west-1")),
        ("https://login.auth.example.com", None),
        ("https://login.example.com", None),
    ] {
        assert_eq!(region_of_domain(domain), region, "{domain}");
    }
}
