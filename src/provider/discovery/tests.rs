use serde_json::{Value, json};

use super::*;

const ISSUER: &str = "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_X";

fn provider(domain: Option<&str>) -> Provider {
    Provider {
        kind: ProviderKind::Cognito { pool_id: "eu-central-1_X".into(), domain: domain.map(Into::into) },
        issuer: ISSUER.into(),
        additional_issuers: vec![],
        client_id: "c".into(),
        client_secrets: vec![],
        scopes: vec!["openid".into()],
        resources: vec![],
        parameters: Default::default(),
        ca_file: None,
        shortcut: None,
    }
}

/// The twelve members that a user pool has.
fn document(changes: Value) -> Vec<u8> {
    let mut document = json!({
        "authorization_endpoint": "https://p.auth.eu-central-1.amazoncognito.com/oauth2/authorize",
        "end_session_endpoint": "https://p.auth.eu-central-1.amazoncognito.com/logout",
        "id_token_signing_alg_values_supported": ["RS256"],
        "issuer": ISSUER,
        "jwks_uri": format!("{ISSUER}/.well-known/jwks.json"),
        "response_types_supported": ["code", "token"],
        "revocation_endpoint": "https://p.auth.eu-central-1.amazoncognito.com/oauth2/revoke",
        "scopes_supported": ["openid", "email", "phone", "profile"],
        "subject_types_supported": ["public"],
        "token_endpoint": "https://p.auth.eu-central-1.amazoncognito.com/oauth2/token",
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "userinfo_endpoint": "https://p.auth.eu-central-1.amazoncognito.com/oauth2/userInfo",
    });
    for (name, value) in changes.as_object().unwrap() {
        document[name] = value.clone();
    }
    document.to_string().into_bytes()
}

#[test]
fn a_user_pools_document_is_read() {
    let endpoints = read(&document(json!({})), &provider(None)).unwrap();
    assert_eq!(endpoints.token.path(), "/oauth2/token");
    assert!(endpoints.revoke.is_some() && endpoints.end_session.is_some());
    assert!(!endpoints.secret_in_body);
}

#[test]
fn a_document_that_points_elsewhere_is_refused() {
    for changes in [
        json!({"issuer": format!("{ISSUER}/")}),
        json!({"issuer": "https://evil.example"}),
        json!({"token_endpoint": "https://evil.example/oauth2/token"}),
        json!({"revocation_endpoint": "https://evil.example/revoke"}),
        json!({"jwks_uri": "https://evil.example/jwks.json"}),
        json!({"token_endpoint": "http://p.auth.eu-central-1.amazoncognito.com/oauth2/token"}),
        json!({"token_endpoint": "file:///etc/passwd"}),
        json!({"authorization_endpoint": "https://u:p@p.auth.eu-central-1.amazoncognito.com/a"}),
        json!({"token_endpoint": null}),
        json!({"jwks_uri": null}),
    ] {
        assert!(read(&document(changes.clone()), &provider(None)).is_err(), "{changes}");
    }
    for bytes in [&b"<html>"[..], b"{}", b"[]", b""] {
        assert!(read(bytes, &provider(None)).is_err());
    }
}

#[test]
fn a_domain_that_is_written_must_be_the_one_that_is_found() {
    assert!(
        read(&document(json!({})), &provider(Some("https://p.auth.eu-central-1.amazoncognito.com"))).is_ok()
    );
    assert!(read(&document(json!({})), &provider(Some("https://auth.example.com"))).is_err());
}

#[test]
fn a_pool_with_a_domain_of_its_own_keeps_its_keys_at_the_issuer() {
    let at = |name: &str| format!("https://login.example.com{name}");
    let document = document(json!({
        "authorization_endpoint": at("/oauth2/authorize"),
        "end_session_endpoint": at("/logout"),
        "revocation_endpoint": at("/oauth2/revoke"),
        "token_endpoint": at("/oauth2/token"),
        "userinfo_endpoint": at("/oauth2/userInfo"),
    }));
    for domain in [None, Some("https://login.example.com")] {
        let endpoints = read(&document, &provider(domain)).unwrap();
        assert_eq!(endpoints.authorize.as_str(), "https://login.example.com/oauth2/authorize");
        assert_eq!(endpoints.jwks.as_str(), format!("{ISSUER}/.well-known/jwks.json"));
    }
    // A prefix domain beside it is not what the pool shows.
    let fault =
        read(&document, &provider(Some("https://p.auth.eu-central-1.amazoncognito.com"))).unwrap_err();
    assert!(fault.to_string().contains("is not on https://p.auth.eu-central-1"), "{fault}");
}

#[test]
fn every_partition_has_its_own_hosts() {
    for (issuer, domain) in [
        (
            "https://cognito-idp.us-gov-west-1.amazonaws.com/us-gov-west-1_X",
            "p.auth-fips.us-gov-west-1.amazoncognito.com",
        ),
        (
            "https://cognito-idp.cn-north-1.amazonaws.com.cn/cn-north-1_X",
            "p.auth.cn-north-1.amazoncognito.com.cn",
        ),
        ("https://cognito-idp.eusc-de-east-1.amazonaws.eu/eusc-de-east-1_X", "login.example.eu"),
        (
            "https://issuer-cognito-idp.eu-central-1.amazonaws.com/eu-central-1_X",
            "p.auth.eu-central-1.amazoncognito.com",
        ),
    ] {
        let document = json!({
            "authorization_endpoint": format!("https://{domain}/oauth2/authorize"),
            "issuer": issuer,
            "jwks_uri": format!("{issuer}/.well-known/jwks.json"),
            "response_types_supported": ["code", "token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "token_endpoint": format!("https://{domain}/oauth2/token"),
        });
        let provider = Provider { issuer: issuer.into(), ..provider(None) };
        let endpoints = read(document.to_string().as_bytes(), &provider).unwrap();
        assert_eq!(endpoints.token.as_str(), format!("https://{domain}/oauth2/token"));
        let keys = keys_of(document.to_string().as_bytes(), issuer, true).unwrap();
        assert_eq!(keys, endpoints.jwks);
        assert_eq!(address(issuer), format!("{issuer}/.well-known/openid-configuration"));
    }
}

#[test]
fn only_the_keys_of_an_additional_issuer_matter_and_they_are_beside_it() {
    let of = |document: Value, at_issuer| keys_of(document.to_string().as_bytes(), ISSUER, at_issuer);
    let jwks = format!("{ISSUER}/keys");
    assert_eq!(of(json!({"issuer": ISSUER, "jwks_uri": jwks}), true).unwrap().as_str(), jwks);
    let elsewhere = json!({"issuer": ISSUER, "jwks_uri": "https://keys.example.com/"});
    assert!(of(elsewhere.clone(), true).is_err());
    assert!(of(elsewhere, false).is_ok());
    for wrong in [
        json!({"issuer": format!("{ISSUER}/"), "jwks_uri": jwks}),
        json!({"issuer": ISSUER}),
        json!({"jwks_uri": jwks}),
        json!({"issuer": ISSUER, "jwks_uri": "http://keys.example.com/"}),
        json!({"issuer": ISSUER, "jwks_uri": "file:///etc/passwd"}),
        json!({"issuer": ISSUER, "jwks_uri": "https://u:p@keys.example.com/"}),
    ] {
        assert!(of(wrong.clone(), false).is_err(), "{wrong}");
    }
}
