//! Scopes, machines, resources, levels of proof, and the plan that decides what of it there is.

use serde_json::json;

use super::*;

const MACHINES: &str = "
[[resource_servers]]
identifier = \"membership\"
scopes = [\"read\", \"write\"]
[[clients]]
id = \"people\"
secrets = [\"s\"]
scopes = [\"openid\", \"membership/read\"]
[[clients]]
id = \"machine\"
secrets = [\"s\"]
flows = [\"client_credentials\"]
access_token_lifetime = \"5m\"
[[clients]]
id = \"public\"
";

async fn machine(it: &Served, client: &str, more: &[(&str, &str)]) -> Reply {
    let mut form = vec![("grant_type", "client_credentials"), ("client_id", client)];
    if client != "public" {
        form.push(("client_secret", "s"));
    }
    form.extend_from_slice(more);
    it.browser().post("/oauth2/token", &encode(&form), &[]).await
}

#[test]
fn a_machine_gets_an_access_token_of_its_own_and_nothing_else() {
    serve(seed(MACHINES), async |it: Served| {
        let reply = machine(&it, "machine", &[]).await.json();
        let members: Vec<_> = reply.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(members, ["access_token", "expires_in", "token_type"]);
        assert_eq!(reply["expires_in"], 300);
        let access = claims(reply["access_token"].as_str().unwrap());
        let names: Vec<_> = access.keys().map(String::as_str).collect();
        assert_eq!(
            names,
            ["auth_time", "client_id", "exp", "iat", "iss", "jti", "scope", "sub", "token_use", "version"]
        );
        assert_eq!((&access["sub"], &access["client_id"]), (&json!("machine"), &json!("machine")));
        assert_eq!(access["scope"], "membership/read membership/write");
        let bearer = format!("Bearer {}", reply["access_token"].as_str().unwrap());
        let user = it.browser().send("GET", "/oauth2/userInfo", "", &[("authorization", &bearer)]).await;
        assert_eq!(user.status, StatusCode::UNAUTHORIZED);

        let one = machine(&it, "machine", &[("scope", "membership/write")]).await.json();
        assert_eq!(claims(one["access_token"].as_str().unwrap())["scope"], "membership/write");
    });
}

#[test]
fn the_gates_client_is_the_first_for_people() {
    let text = "[[clients]]\nid = \"m\"\nsecrets = [\"s\"]\nflows = [\"client_credentials\"]\n[[clients]]\nid = \"p\"\n";
    let gate = GateAddresses { public_urls: vec!["http://a".into()], auth_prefix: "/oauth2".into() };
    let pool = Pool::new(seed(text), "http://127.0.0.1:1", Some(&gate)).unwrap();
    assert_eq!(pool.client(), ("p".to_owned(), String::new()));
    assert_eq!(pool.state().clients[1].callback_urls, ["http://a/oauth2/callback"]);
}

#[test]
fn a_machine_is_refused_what_is_not_its_own() {
    serve(seed(MACHINES), async |it: Served| {
        let metadata = |value| [("aws_client_metadata", value)];
        for (client, more, error) in [
            ("machine", &[("scope", "membership/other")], "invalid_scope"),
            ("machine", &[("scope", "openid")], "invalid_scope"),
            ("people", &[("scope", "membership/read")], "unauthorized_client"),
            ("public", &[("scope", "membership/read")], "unauthorized_client"),
            ("machine", &metadata("no JSON"), "invalid_request"),
            ("machine", &metadata("[1]"), "invalid_request"),
            ("machine", &metadata("{\"a\":1}"), "invalid_request"),
        ] {
            let reply = machine(&it, client, more).await;
            assert_eq!(
                (reply.status, reply.json()["error"].as_str()),
                (StatusCode::BAD_REQUEST, Some(error))
            );
        }
        // Nobody signs in at a machine's client.
        let machines = it.authorize(&[("client_id", "machine")]);
        assert!(it.browser().get(&machines).await.location().starts_with("/error?error=redirect_mismatch"));
    });
}

#[test]
fn scopes_of_a_resource_server_are_asked_for_like_others_and_only_by_who_has_them() {
    serve(seed(MACHINES), async |it: Served| {
        let scope = [("scope", "openid membership/read")];
        let reply = it.browser().sign_in(&it.authorize(&scope), "viewer", "viewer").await;
        let tokens = it.redeem(&reply.parameter("code")).await.json();
        assert_eq!(claims(tokens["access_token"].as_str().unwrap())["scope"], "openid membership/read");
        for wrong in ["openid membership/write", "openid email", "membership/nothing"] {
            let reply = it.browser().get(&it.authorize(&[("scope", wrong)])).await;
            assert_eq!(reply.parameter("error"), "invalid_scope", "{wrong}");
        }
    });
}

#[test]
fn a_resource_becomes_the_aud_of_the_access_token_also_after_a_refresh() {
    serve(Seed::builtin(), async |it: Served| {
        for resource in ["https://api.example.com/v1", "http://localhost:9000", "myapp://api"] {
            let asked = it.authorize(&[("resource", resource)]);
            let reply = it.browser().sign_in(&asked, "viewer", "viewer").await;
            let tokens = it.redeem(&reply.parameter("code")).await.json();
            let fresh = it.refresh(tokens["refresh_token"].as_str().unwrap()).await.json();
            for tokens in [&tokens, &fresh] {
                assert_eq!(claims(tokens["access_token"].as_str().unwrap())["aud"], resource);
                assert_eq!(claims(tokens["id_token"].as_str().unwrap())["aud"], it.id.as_str());
            }
        }
        for wrong in ["http://api.example.com", "nonsense", "https://a/#b"] {
            let reply = it.browser().get(&it.authorize(&[("resource", wrong)])).await;
            assert_eq!(reply.parameter("error"), "invalid_request", "{wrong}");
        }
        let two = format!("{}&resource=https://b", it.authorize(&[("resource", "https://a")]));
        assert_eq!(it.browser().get(&two).await.parameter("error"), "invalid_request");
    });
}

#[test]
fn levels_are_told_where_they_are_asked_for_and_kept_at_a_refresh() {
    serve(Seed::builtin(), async |it: Served| {
        let asked = it.authorize(&[("acr_values", "urn:cognito:loa:3 urn:cognito:loa:1")]);
        let mut browser = it.browser();
        let reply = browser.sign_in(&asked, "viewer", "viewer").await;
        let tokens = it.redeem(&reply.parameter("code")).await.json();
        let fresh = it.refresh(tokens["refresh_token"].as_str().unwrap()).await.json();
        for tokens in [&tokens, &fresh] {
            let id = claims(tokens["id_token"].as_str().unwrap());
            assert_eq!((&id["acr"], &id["amr"]), (&json!("urn:cognito:loa:1"), &json!(["pwd"])));
        }
        // One of the levels is met by the session; of a higher one alone the form is shown.
        browser.get(&asked).await.parameter("code");
        let higher = it.authorize(&[("acr_values", "urn:cognito:loa:4")]);
        assert!(browser.get(&higher).await.location().starts_with("/login?"));
        assert!(!claims(it.tokens("viewer").await["id_token"].as_str().unwrap()).contains_key("acr"));
    });
}

#[test]
fn max_age_asks_again_who_signed_in_too_long_ago() {
    serve(Seed::builtin(), async |it: Served| {
        let mut browser = it.browser();
        it.code(&mut browser, "viewer").await;
        let fresh = it.authorize(&[("max_age", "60")]);
        browser.get(&fresh).await.parameter("code");
        it.dev("clock", json!({ "advance": 61 })).await;
        assert!(browser.get(&fresh).await.location().starts_with("/login?"));
        let silent = it.authorize(&[("max_age", "60"), ("prompt", "none")]);
        assert_eq!(browser.get(&silent).await.parameter("error"), "login_required");
        let wrong = it.authorize(&[("max_age", "soon")]);
        assert_eq!(browser.get(&wrong).await.parameter("error"), "invalid_request");
    });
}

#[test]
fn the_plan_lite_knows_none_of_it_and_does_not_say_so() {
    serve(seed("[pool]\nplan = \"lite\"\n"), async |it: Served| {
        let more = [("resource", "https://a"), ("acr_values", "urn:cognito:loa:1"), ("max_age", "0")];
        let mut browser = it.browser();
        let reply = browser.sign_in(&it.authorize(&more), "viewer", "viewer").await;
        let tokens = it.redeem(&reply.parameter("code")).await.json();
        assert!(!claims(tokens["access_token"].as_str().unwrap()).contains_key("aud"));
        assert!(!claims(tokens["id_token"].as_str().unwrap()).contains_key("acr"));
        it.dev("clock", json!({ "advance": 5 })).await;
        browser.get(&it.authorize(&more)).await.parameter("code");
        browser.get(&it.authorize(&[("prompt", "login")])).await.parameter("code");
    });
}
