use serde_json::{Value, json};

use super::*;

const ISSUER: &str = "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_X";

fn provider(domain: Option<&str>) -> Provider {
    Provider {
        kind: ProviderKind::Cognito { pool_id: "eu-central-1_X".into(), domain: domain.map(Into::into) },
        issuer: ISSUER.into(),
        additional_issuers: vec![],
        client_id: "c".into(),
        client_secret: None,
        scopes: vec!["openid".into()],
        resources: vec![],
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
