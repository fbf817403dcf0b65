//! The token, revoke and userInfo endpoints, and the faults.

use serde_json::json;

use super::*;

#[test]
fn a_wrong_secret_does_not_use_the_code_up() {
    serve(Seed::builtin(), async |it: Served| {
        let code = it.code(&mut it.browser(), "viewer").await;
        let body = encode(&[
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
        ]);
        let wrong = it.basic("wrong");
        for headers in [vec![("authorization", wrong.as_str())], vec![]] {
            let reply = it.browser().post("/oauth2/token", &body, &headers).await;
            assert_eq!(
                (reply.status, reply.json()),
                (StatusCode::BAD_REQUEST, json!({"error": "invalid_client"}))
            );
        }
        // By the body instead of Basic.
        let body = format!("{body}&{}", encode(&[("client_id", &it.id), ("client_secret", &it.secret)]));
        let reply = it.browser().post("/oauth2/token", &body, &[]).await;
        assert_eq!(reply.status, StatusCode::OK);
        assert_eq!(reply.headers["content-type"], "application/json;charset=UTF-8");
        assert!(reply.headers.contains_key("x-amz-cognito-request-id"));
    });
}

#[test]
fn a_code_works_once_for_five_minutes_at_its_own_address() {
    serve(Seed::builtin(), async |it: Served| {
        let invalid_grant = json!({"error": "invalid_grant"});
        let mut browser = it.browser();
        let code = it.code(&mut browser, "viewer").await;
        let other = [
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("redirect_uri", "http://localhost:4180/other"),
            ("code_verifier", VERIFIER),
        ];
        let reply = it.token(&other).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST);
        assert_eq!(
            reply.json(),
            json!({"error": "unauthorized_client", "error_description": "invalid_redirect"})
        );
        assert_eq!(it.redeem(&code).await.status, StatusCode::OK);
        assert_eq!(it.redeem(&code).await.json(), invalid_grant);

        let silent = it.authorize(&[("prompt", "none")]);
        let code = browser.get(&silent).await.parameter("code");
        let mut wrong = other;
        wrong[1] = ("code", &code);
        wrong[2] = ("redirect_uri", CALLBACK);
        wrong[3] = ("code_verifier", "another-verifier-another-verifier-another-v");
        assert_eq!(it.token(&wrong).await.json(), invalid_grant);

        let code = browser.get(&silent).await.parameter("code");
        it.dev("clock", json!({ "advance": 301 })).await;
        assert_eq!(it.redeem(&code).await.json(), invalid_grant);
        let reply = it.token(&[("grant_type", "password")]).await;
        assert_eq!(reply.json(), json!({"error": "unsupported_grant_type"}));
        assert_eq!(it.token(&[("scope", "openid")]).await.json(), json!({"error": "invalid_request"}));
    });
}

#[test]
fn revoke_answers_as_cognito_does() {
    serve(Seed::builtin(), async |it: Served| {
        let tokens = it.tokens("viewer").await;
        let refresh = tokens["refresh_token"].as_str().unwrap();
        let access = tokens["access_token"].as_str().unwrap();
        let (right, wrong) = (it.basic(&it.secret), it.basic("wrong"));
        let revoke = async |token: &str, basic: &str| {
            let body = if token.is_empty() { "a=b".to_owned() } else { encode(&[("token", token)]) };
            it.browser().post("/oauth2/revoke", &body, &[("authorization", basic)]).await
        };
        let reply = revoke(refresh, &wrong).await;
        assert_eq!(
            (reply.status, reply.json()),
            (StatusCode::UNAUTHORIZED, json!({"error": "invalid_client"}))
        );
        let reply = revoke("", &right).await;
        assert_eq!(
            (reply.status, reply.json()),
            (StatusCode::BAD_REQUEST, json!({"error": "invalid_request"}))
        );
        let reply = revoke(access, &right).await;
        assert_eq!(reply.json(), json!({"error": "unsupported_token_type"}));
        assert_eq!(it.refresh(refresh).await.status, StatusCode::OK);
        for token in [refresh, refresh, "unknown"] {
            let reply = revoke(token, &right).await;
            assert_eq!((reply.status, reply.body.as_str()), (StatusCode::OK, ""));
        }
        assert_eq!(it.refresh(refresh).await.json(), json!({"error": "invalid_grant"}));
        assert_eq!(user_info(&it, access).await.status, StatusCode::UNAUTHORIZED);
    });
}

#[test]
fn user_info_has_strings_and_no_groups() {
    serve(Seed::builtin(), async |it: Served| {
        let tokens = it.tokens("viewer").await;
        let reply = user_info(&it, tokens["access_token"].as_str().unwrap()).await;
        let told = reply.json();
        assert_eq!(told["email_verified"], "true");
        assert_eq!((&told["username"], told.get("cognito:groups")), (&json!("viewer"), None));
        assert_eq!(reply.headers["access-control-allow-origin"], "*");
        for token in [tokens["id_token"].as_str().unwrap(), "garbage", "a.b.c"] {
            let reply = user_info(&it, token).await;
            assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
            assert!(
                reply.headers["www-authenticate"].to_str().unwrap().starts_with("error=\"invalid_token\"")
            );
        }
        let reply = it.browser().get("/oauth2/userInfo").await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST);
    });
}

#[test]
#[allow(clippy::disallowed_methods, reason = "a test may look at the clock")]
fn faults_are_for_this_machine_and_do_what_they_say() {
    serve(Seed::builtin(), async |it: Served| {
        let reply = it.browser().post("/_dev/rotate", "{}", &[]).await;
        assert_eq!(reply.status, StatusCode::FORBIDDEN);
        let foreign = [("x-rolegate-dev", "1"), ("host", "evil.example")];
        let reply = it.browser().post("/_dev/rotate", "{}", &foreign).await;
        assert_eq!(reply.status, StatusCode::FORBIDDEN);

        let refresh = it.tokens("viewer").await["refresh_token"].as_str().unwrap().to_owned();
        it.dev("fail", json!({ "status": 503, "count": 2 })).await;
        for expected in [503, 503, 200] {
            assert_eq!(it.refresh(&refresh).await.status, expected);
        }
        it.dev("slow", json!({ "ms": 60 })).await;
        let begun = std::time::Instant::now();
        it.refresh(&refresh).await;
        assert!(begun.elapsed() >= std::time::Duration::from_millis(60));

        let jwks = async || it.browser().get("/local_devpool1/.well-known/jwks.json").await.json();
        let before = jwks().await;
        assert_eq!(it.dev("rotate", json!({})).await.status, StatusCode::NO_CONTENT);
        assert_eq!(jwks().await["keys"].as_array().unwrap().len(), 4);
        it.dev("rotate", json!({ "keep": false })).await;
        assert_eq!(jwks().await["keys"].as_array().unwrap().len(), 2);
        assert_ne!(jwks().await, before);

        let headers = [("x-rolegate-dev", "1")];
        let stats = it.browser().send("GET", "/_dev/stats", "", &headers).await.json();
        assert_eq!(stats["token"], json!({"authorization_code": 1, "refresh_token": 2, "failed": 2}));
        assert_eq!(stats["jwks"], 4);

        let reply = it.dev("groups", json!({ "user": "viewer", "groups": ["nobodys"] })).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST);
        let reply = it.dev("groups", json!({ "user": 7 })).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST);
    });
}

async fn user_info(it: &Served, token: &str) -> Reply {
    let bearer = format!("Bearer {token}");
    it.browser().send("GET", "/oauth2/userInfo", "", &[("authorization", &bearer)]).await
}
