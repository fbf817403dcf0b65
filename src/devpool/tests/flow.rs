//! From discovery to verified tokens.

use std::collections::BTreeSet;

use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::json;

use super::*;

#[test]
fn discovery_has_exactly_cognitos_twelve_members() {
    serve(Seed::builtin(), async |it: Served| {
        let reply = it.browser().get("/local_devpool1/.well-known/openid-configuration").await;
        let document = reply.json();
        assert_eq!(it.pool.issuer(), format!("{}/local_devpool1", it.url));
        assert_eq!(document["issuer"], it.pool.issuer());
        assert_eq!(document["end_session_endpoint"], format!("{}/logout", it.url));
        assert_eq!(document.as_object().unwrap().len(), 12);
        assert!(document.get("code_challenge_methods_supported").is_none());
        let parsed: Result<openidconnect::core::CoreProviderMetadata, _> = serde_json::from_value(document);
        assert!(parsed.is_ok());
        assert_eq!(it.browser().get("/other_pool/.well-known/jwks.json").await.status, StatusCode::NOT_FOUND);
    });
}

#[test]
fn a_code_with_pkce_gives_tokens_that_verify_with_two_keys() {
    serve(Seed::builtin(), async |it: Served| {
        let tokens = it.tokens("admin").await;
        assert_eq!(tokens["token_type"], "Bearer");
        assert_eq!(tokens["expires_in"], 3600);
        assert!(tokens.get("scope").is_none());
        assert_eq!(tokens["refresh_token"].as_str().unwrap().split('.').count(), 5);

        let keys = it.browser().get("/local_devpool1/.well-known/jwks.json").await.json();
        let keys = keys["keys"].as_array().unwrap().clone();
        assert_eq!(keys.len(), 2);
        let mut used = BTreeSet::new();
        for token in [&tokens["id_token"], &tokens["access_token"]] {
            let token = token.as_str().unwrap();
            let kid = jsonwebtoken::decode_header(token).unwrap().kid.unwrap();
            assert_eq!(kid.len(), 44);
            let key = keys.iter().find(|key| key["kid"] == kid.as_str()).unwrap();
            let members: Vec<_> = key.as_object().unwrap().keys().collect();
            assert_eq!(members, ["alg", "e", "kid", "kty", "n", "use"]);
            let key =
                DecodingKey::from_rsa_components(key["n"].as_str().unwrap(), key["e"].as_str().unwrap());
            let mut validation = Validation::new(Algorithm::RS256);
            validation.validate_aud = false;
            validation.set_issuer(&[it.pool.issuer()]);
            jsonwebtoken::decode::<Value>(token, &key.unwrap(), &validation).unwrap();
            used.insert(kid);
        }
        assert_eq!(used.len(), 2);
    });
}

#[test]
fn tokens_carry_the_claims_of_cognito() {
    serve(Seed::builtin(), async |it: Served| {
        let tokens = it.tokens("admin").await;
        let id = claims(tokens["id_token"].as_str().unwrap());
        let names: Vec<_> = id.keys().map(String::as_str).collect();
        assert_eq!(
            names,
            [
                "at_hash",
                "aud",
                "auth_time",
                "cognito:groups",
                "cognito:username",
                "email",
                "email_verified",
                "event_id",
                "exp",
                "iat",
                "iss",
                "jti",
                "nonce",
                "origin_jti",
                "sub",
                "token_use"
            ]
        );
        assert_eq!(id["cognito:groups"], json!(["admin", "editor", "viewer"]));
        assert_eq!((&id["nonce"], &id["token_use"]), (&json!("a-nonce"), &json!("id")));
        assert_eq!((&id["aud"], &id["email_verified"]), (&json!(it.id), &json!(true)));

        let access = claims(tokens["access_token"].as_str().unwrap());
        let names: Vec<_> = access.keys().map(String::as_str).collect();
        assert_eq!(
            names,
            [
                "auth_time",
                "client_id",
                "cognito:groups",
                "event_id",
                "exp",
                "iat",
                "iss",
                "jti",
                "origin_jti",
                "scope",
                "sub",
                "token_use",
                "username",
                "version"
            ]
        );
        assert_eq!(access["scope"], "openid email profile");
        assert_eq!(access["origin_jti"], id["origin_jti"]);
        assert_ne!(access["jti"], id["jti"]);

        let guest = it.tokens("guest").await;
        assert!(!claims(guest["id_token"].as_str().unwrap()).contains_key("cognito:groups"));
        assert!(!claims(guest["access_token"].as_str().unwrap()).contains_key("cognito:groups"));
    });
}

#[test]
fn subs_are_the_same_at_every_start() {
    let sub = || {
        Pool::new(Seed::builtin(), "http://127.0.0.1:1", None).unwrap().state().users["viewer"].sub.clone()
    };
    assert_eq!(sub(), sub());
    assert_eq!(sub().len(), 36);
}

#[test]
fn scopes_limit_the_attributes() {
    serve(Seed::builtin(), async |it: Served| {
        for (scope, email) in [("openid", true), ("openid phone", false), ("openid email", true)] {
            let mut browser = it.browser();
            let reply = browser.sign_in(&it.authorize(&[("scope", scope)]), "viewer", "viewer").await;
            let tokens = it.redeem(&reply.parameter("code")).await.json();
            let id = claims(tokens["id_token"].as_str().unwrap());
            assert_eq!(id.contains_key("email"), email, "{scope}");
            assert!(id.contains_key("cognito:groups"));
        }
        let mut browser = it.browser();
        let admin = it.authorize(&[("scope", "aws.cognito.signin.user.admin")]);
        let reply = browser.sign_in(&admin, "viewer", "viewer").await;
        let tokens = it.redeem(&reply.parameter("code")).await.json();
        assert!(tokens.get("id_token").is_none());
    });
}

#[test]
fn a_signed_in_browser_gets_its_next_code_without_a_form_until_the_hour_is_over() {
    serve(Seed::builtin(), async |it: Served| {
        let mut browser = it.browser();
        let none = it.authorize(&[("prompt", "none")]);
        assert_eq!(browser.get(&none).await.parameter("error"), "login_required");
        let first = it.code(&mut browser, "viewer").await;
        let first = claims(it.redeem(&first).await.json()["id_token"].as_str().unwrap());
        it.dev("clock", json!({ "advance": 3500 })).await;
        let silent = it.redeem(&browser.get(&none).await.parameter("code")).await.json();
        assert_eq!(claims(silent["id_token"].as_str().unwrap())["auth_time"], first["auth_time"]);
        assert!(browser.get(&it.authorize(&[("prompt", "login")])).await.location().starts_with("/login?"));
        // Not sliding: used at 3500 seconds, over at 3600.
        it.dev("clock", json!({ "advance": 120 })).await;
        assert_eq!(browser.get(&none).await.parameter("error"), "login_required");
    });
}

#[test]
fn state_comes_back_decoded_once() {
    serve(Seed::builtin(), async |it: Served| {
        let mut browser = it.browser();
        let reply = browser.sign_in(&it.authorize(&[("state", "a+b=c%2Fd&e f")]), "viewer", "viewer").await;
        let location = reply.location();
        assert!(location.ends_with("&state=a+b=c%2Fd&e%20f"), "{location}");
        let broken = format!("{}&x=%Xk", it.authorize(&[]));
        assert_eq!(it.browser().get(&broken).await.status, StatusCode::BAD_REQUEST);
    });
}

#[test]
fn wrong_requests_end_as_cognito_ends_them() {
    serve(Seed::builtin(), async |it: Served| {
        for (more, error) in [
            (("response_type", ""), "invalid_request"),
            (("response_type", "token"), "unauthorized_client"),
            (("code_challenge_method", "plain"), "invalid_request"),
            (("code_challenge_method", ""), "invalid_request"),
            (("code_challenge", ""), "invalid_request"),
            (("scope", "openid nonsense"), "invalid_scope"),
            (("scope", "email"), "invalid_scope"),
        ] {
            let reply = it.browser().get(&it.authorize(&[more])).await;
            assert_eq!(reply.parameter("error"), error, "{more:?}");
            assert_eq!(reply.parameter("state"), "a-state");
            assert!(reply.location().starts_with(CALLBACK));
        }
        for more in [("redirect_uri", "http://localhost:4180/oauth2/callback/"), ("client_id", "other")] {
            let reply = it.browser().get(&it.authorize(&[more])).await;
            assert!(reply.location().starts_with("/error?error=redirect_mismatch&client_id="));
            let page = it.browser().get(&reply.location()).await;
            assert_eq!(page.status, StatusCode::BAD_REQUEST);
            assert!(page.body.contains("redirect_mismatch"));
        }
        let reply = it.browser().get("/oauth2/authorize").await;
        assert!(reply.location().starts_with("/error?error=Required+parameters+missing"));
    });
}

#[test]
fn two_hundred_people_sign_in_at_once() {
    serve(Seed::builtin(), async |it: Served| {
        let it = Rc::new(it);
        let each = (0..200).map(|_| {
            let it = it.clone();
            tokio::task::spawn_local(async move { it.tokens("viewer").await })
        });
        for one in each.collect::<Vec<_>>() {
            assert!(one.await.unwrap()["id_token"].is_string());
        }
    });
}

#[test]
fn a_bounded_map_forgets_its_oldest_entry() {
    let mut map = super::super::state::Bounded::new(2);
    for key in ["a", "b", "b", "c"] {
        map.insert(key, ());
    }
    assert!(map.find("a").is_none() && map.find("b").is_some() && map.find("c").is_some());
}
