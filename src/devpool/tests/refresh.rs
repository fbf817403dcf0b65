//! Refresh tokens: with and without rotation.

use serde_json::json;

use super::*;

#[test]
fn a_refresh_gives_no_new_refresh_token_and_reads_the_groups_again() {
    serve(Seed::builtin(), async |it: Served| {
        let tokens = it.tokens("editor").await;
        let before = claims(tokens["id_token"].as_str().unwrap());
        let refresh = tokens["refresh_token"].as_str().unwrap();
        it.dev("groups", json!({ "user": "editor", "groups": ["admin"] })).await;
        it.dev("clock", json!({ "advance": 60 })).await;
        let fresh = it.refresh(refresh).await.json();
        assert!(fresh.get("refresh_token").is_none());
        let id = claims(fresh["id_token"].as_str().unwrap());
        assert_eq!(id["cognito:groups"], json!(["admin"]));
        for same in ["auth_time", "origin_jti", "sub"] {
            assert_eq!(id[same], before[same], "{same}");
        }
        assert!(id["iat"].as_u64() > before["iat"].as_u64());
        assert!(!id.contains_key("nonce"));
        assert_eq!(it.refresh("unknown").await.json(), json!({"error": "invalid_grant"}));
    });
}

#[test]
fn rotation_replaces_the_token_and_the_grace_lets_the_old_one_live_on() {
    serve(Seed::builtin(), async |it: Served| {
        it.dev("lifetimes", json!({ "rotation": true, "grace": 30 })).await;
        let old = it.tokens("viewer").await["refresh_token"].as_str().unwrap().to_owned();
        let next = async |token: &str| it.refresh(token).await.json()["refresh_token"].clone();
        let new = next(&old).await;
        assert_ne!(new, old.as_str());
        // A retry within the grace, and it does not move the grace's end.
        it.dev("clock", json!({ "advance": 20 })).await;
        assert!(next(&old).await.is_string());
        it.dev("clock", json!({ "advance": 11 })).await;
        assert_eq!(it.refresh(&old).await.json(), json!({"error": "invalid_grant"}));
        assert!(next(new.as_str().unwrap()).await.is_string());
    });
}

#[test]
fn rotation_without_grace_ends_the_old_token_at_once_and_does_not_prolong_the_sign_in() {
    serve(Seed::builtin(), async |it: Served| {
        it.dev("lifetimes", json!({ "rotation": true, "refresh": 3600 })).await;
        let old = it.tokens("viewer").await["refresh_token"].as_str().unwrap().to_owned();
        it.dev("clock", json!({ "advance": 3000 })).await;
        let new = it.refresh(&old).await.json()["refresh_token"].as_str().unwrap().to_owned();
        assert_eq!(it.refresh(&old).await.json(), json!({"error": "invalid_grant"}));
        it.dev("clock", json!({ "advance": 700 })).await;
        assert_eq!(it.refresh(&new).await.json(), json!({"error": "invalid_grant"}));
    });
}

#[test]
fn disabling_or_revoking_a_user_ends_the_refresh_tokens() {
    serve(Seed::builtin(), async |it: Served| {
        for (fault, name) in [("revoke", "viewer"), ("disable", "editor")] {
            let refresh = it.tokens(name).await["refresh_token"].as_str().unwrap().to_owned();
            assert_eq!(it.dev(fault, json!({ "user": name })).await.status, StatusCode::NO_CONTENT);
            assert_eq!(it.refresh(&refresh).await.json(), json!({"error": "invalid_grant"}));
        }
        it.dev("disable", json!({ "user": "editor", "disabled": false })).await;
        it.tokens("editor").await;
    });
}

#[test]
fn a_refresh_token_is_one_clients_own() {
    let two = "[[clients]]\nid = \"one\"\nsecrets = [\"s1\", \"s2\"]\n[[clients]]\nid = \"two\"\n";
    serve(seed(two), async |it: Served| {
        let refresh = it.tokens("viewer").await["refresh_token"].as_str().unwrap().to_owned();
        let form = [("grant_type", "refresh_token"), ("refresh_token", &refresh), ("client_id", "two")];
        let reply = it.browser().post("/oauth2/token", &encode(&form), &[]).await;
        assert_eq!(reply.json(), json!({"error": "invalid_grant"}));
        // The second secret is as good as the first.
        let body = encode(&form[..2]);
        let reply = it.browser().post("/oauth2/token", &body, &[("authorization", &it.basic("s2"))]).await;
        assert_eq!(reply.status, StatusCode::OK);
    });
}
