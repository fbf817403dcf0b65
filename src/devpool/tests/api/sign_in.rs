//! Passwords, secrets and refresh tokens; and what every operation has in common.

use super::*;

#[test]
fn a_password_gives_tokens_with_exactly_the_scope_of_the_api() {
    serve(public(), async |it: Served| {
        let answer = it.call("InitiateAuth", it.with_password("editor", "editor")).await;
        assert_eq!(answer["ChallengeParameters"], json!({}));
        let tokens = &answer["AuthenticationResult"];
        assert_eq!((&tokens["TokenType"], &tokens["ExpiresIn"]), (&json!("Bearer"), &json!(3600)));
        let access = claims(tokens["AccessToken"].as_str().unwrap());
        assert_eq!(access["scope"], "aws.cognito.signin.user.admin");
        assert_eq!(access["cognito:groups"], json!(["editor", "viewer"]));
        let id = claims(tokens["IdToken"].as_str().unwrap());
        assert_eq!((&id["aud"], &id["email"]), (&json!("public"), &json!("editor@example.com")));
        assert!(!id.contains_key("at_hash") && !id.contains_key("nonce"));
        // userInfo is for those who asked for `openid`.
        let bearer = format!("Bearer {}", tokens["AccessToken"].as_str().unwrap());
        let reply = it.browser().send("GET", "/oauth2/userInfo", "", &[("authorization", &bearer)]).await;
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
        // The token endpoint takes the refresh token too.
        let token = tokens["RefreshToken"].as_str().unwrap();
        let form = [("grant_type", "refresh_token"), ("refresh_token", token), ("client_id", "public")];
        let reply = it.browser().post("/oauth2/token", &encode(&form), &[]).await.json();
        assert_eq!(claims(reply["access_token"].as_str().unwrap())["scope"], access["scope"]);
    });
}

#[test]
fn a_wrong_password_and_an_unknown_name_are_told_the_same() {
    serve(public(), async |it: Served| {
        let expected = failed("NotAuthorizedException", "Incorrect username or password.");
        for name in ["viewer", "nobody"] {
            assert_eq!(it.fails("InitiateAuth", it.with_password(name, "wrong")).await, expected);
        }
        it.call("AdminDisableUser", it.admin(json!({ "Username": "viewer" }))).await;
        let told = it.fails("InitiateAuth", it.with_password("viewer", "viewer")).await;
        assert_eq!(told, failed("NotAuthorizedException", "User is disabled."));
    });
}

#[test]
fn an_account_that_may_not_sign_in_yet_says_why() {
    let mut seed = public();
    seed.users[0].status = account::Status::Unconfirmed;
    seed.users[1].status = account::Status::ResetRequired;
    serve(seed, async |it: Served| {
        let told = it.fails("InitiateAuth", it.with_password("admin", "admin")).await;
        assert_eq!(told, failed("UserNotConfirmedException", "User is not confirmed."));
        let told = it.fails("InitiateAuth", it.with_password("editor", "editor")).await;
        assert_eq!(told, failed("PasswordResetRequiredException", "Password reset required for the user"));
        // Not to who does not know the password.
        let told = it.fails("InitiateAuth", it.with_password("admin", "wrong")).await;
        assert_eq!(told.0, "NotAuthorizedException");
    });
}

#[test]
fn a_secret_hash_is_of_the_name_that_is_sent_and_the_client() {
    serve(Seed::builtin(), async |it: Served| {
        let ask = |hash: Value| {
            it.admin(json!({
                "ClientId": it.id,
                "AuthFlow": "ADMIN_USER_PASSWORD_AUTH",
                "AuthParameters": { "USERNAME": "viewer", "PASSWORD": "viewer", "SECRET_HASH": hash },
            }))
        };
        let answer = it.call("AdminInitiateAuth", ask(json!(it.hash("viewer")))).await;
        let token = answer["AuthenticationResult"]["RefreshToken"].clone();
        let told = it.fails("AdminInitiateAuth", ask(json!(it.hash("Viewer")))).await;
        let words = format!("SecretHash does not match for client: {}", it.id);
        assert_eq!(told, failed("NotAuthorizedException", &words));
        let told = it.fails("AdminInitiateAuth", ask(Value::Null)).await;
        let words = format!("Client {} is configured with secret but SECRET_HASH was not received", it.id);
        assert_eq!(told, failed("NotAuthorizedException", &words));

        let refresh = |hash: String| {
            json!({
                "ClientId": it.id,
                "AuthFlow": "REFRESH_TOKEN_AUTH",
                "AuthParameters": { "REFRESH_TOKEN": token, "SECRET_HASH": hash },
            })
        };
        let answer = it.call("InitiateAuth", refresh(it.hash("viewer"))).await;
        assert!(answer["AuthenticationResult"].get("RefreshToken").is_none());
        assert_eq!(it.fails("InitiateAuth", refresh(it.hash("admin"))).await.0, "NotAuthorizedException");
    });
}

#[test]
fn a_hash_for_a_client_without_secret_is_refused() {
    serve(public(), async |it: Served| {
        let mut input = it.with_password("viewer", "viewer");
        input["AuthParameters"]["SECRET_HASH"] = json!("aGFzaA==");
        assert_eq!(it.fails("InitiateAuth", input).await.0, "NotAuthorizedException");
    });
}

#[test]
fn a_refresh_keeps_the_sign_in_and_reads_the_groups_again() {
    serve(public(), async |it: Served| {
        let before = it.api_tokens("viewer").await;
        it.call("AdminAddUserToGroup", it.admin(json!({ "Username": "viewer", "GroupName": "admin" }))).await;
        for flow in ["REFRESH_TOKEN_AUTH", "REFRESH_TOKEN"] {
            let input = json!({
                "ClientId": "public",
                "AuthFlow": flow,
                "AuthParameters": { "REFRESH_TOKEN": before["RefreshToken"] },
            });
            let after = it.call("InitiateAuth", input).await["AuthenticationResult"].clone();
            let (old, new) =
                (claims(before["IdToken"].as_str().unwrap()), claims(after["IdToken"].as_str().unwrap()));
            assert_eq!((&new["auth_time"], &new["origin_jti"]), (&old["auth_time"], &old["origin_jti"]));
            assert_eq!(new["cognito:groups"], json!(["viewer", "admin"]));
            assert!(after.get("RefreshToken").is_none());
        }
        let input = json!({
            "ClientId": "public",
            "AuthFlow": "REFRESH_TOKEN_AUTH",
            "AuthParameters": { "REFRESH_TOKEN": "no such" },
        });
        let told = it.fails("InitiateAuth", input).await;
        assert_eq!(told, failed("NotAuthorizedException", "Invalid Refresh Token"));
    });
}

#[test]
fn with_rotation_the_flow_is_refused_and_the_operation_rotates() {
    serve(public(), async |it: Served| {
        it.dev("lifetimes", json!({ "rotation": true })).await;
        let first = it.api_tokens("viewer").await["RefreshToken"].clone();
        let flow = json!({
            "ClientId": "public",
            "AuthFlow": "REFRESH_TOKEN_AUTH",
            "AuthParameters": { "REFRESH_TOKEN": first },
        });
        let told = it.fails("InitiateAuth", flow).await;
        let words = "REFRESH_TOKEN_AUTH flow not enabled for this client";
        assert_eq!(told, failed("InvalidParameterException", words));

        let with = |token: &Value| json!({ "ClientId": "public", "RefreshToken": token });
        let answer = it.call("GetTokensFromRefreshToken", with(&first)).await;
        let second = answer["AuthenticationResult"]["RefreshToken"].clone();
        assert_ne!(first, second);
        assert!(answer.get("ChallengeParameters").is_none());
        assert_eq!(it.fails("GetTokensFromRefreshToken", with(&first)).await.0, "RefreshTokenReuseException");
        it.call("GetTokensFromRefreshToken", with(&second)).await;
    });
}

#[test]
fn without_rotation_the_operation_gives_no_refresh_token_and_a_secret_is_asked_for() {
    serve(Seed::builtin(), async |it: Served| {
        let refresh = it.tokens("viewer").await["refresh_token"].clone();
        let with =
            |secret: &str| json!({ "ClientId": it.id, "ClientSecret": secret, "RefreshToken": refresh });
        let answer = it.call("GetTokensFromRefreshToken", with(&it.secret)).await;
        assert!(answer["AuthenticationResult"]["AccessToken"].is_string());
        assert!(answer["AuthenticationResult"].get("RefreshToken").is_none());
        assert_eq!(it.fails("GetTokensFromRefreshToken", with("wrong")).await.0, "NotAuthorizedException");
    });
}

#[test]
fn a_revoked_refresh_token_is_dead_and_its_access_token_too() {
    serve(public(), async |it: Served| {
        let tokens = it.api_tokens("viewer").await;
        let revoke = |token: &Value| json!({ "ClientId": "public", "Token": token });
        let told = it.fails("RevokeToken", revoke(&tokens["AccessToken"])).await;
        assert_eq!(told.0, "UnsupportedTokenTypeException");
        let wrong = json!({ "ClientId": "public", "ClientSecret": "x", "Token": tokens["RefreshToken"] });
        assert_eq!(it.fails("RevokeToken", wrong).await.0, "UnauthorizedException");
        for _ in 0..2 {
            assert_eq!(it.call("RevokeToken", revoke(&tokens["RefreshToken"])).await, json!({}));
        }
        let input = json!({ "ClientId": "public", "RefreshToken": tokens["RefreshToken"] });
        let told = it.fails("GetTokensFromRefreshToken", input).await;
        assert_eq!(told, failed("NotAuthorizedException", "Refresh Token has been revoked"));
        let told = it.fails("GetUser", json!({ "AccessToken": tokens["AccessToken"] })).await;
        assert_eq!(told, failed("NotAuthorizedException", "Access Token has been revoked"));
    });
}

#[test]
fn a_flow_that_the_client_does_not_have_is_refused() {
    let only = "[[clients]]\nid = \"c\"\nauth_flows = [\"ALLOW_USER_SRP_AUTH\"]\n";
    serve(seed(only), async |it: Served| {
        let ask = |flow: &str| {
            let given =
                json!({ "USERNAME": "viewer", "PASSWORD": "viewer", "REFRESH_TOKEN": "r", "SRP_A": "2" });
            it.admin(json!({ "ClientId": "c", "AuthFlow": flow, "AuthParameters": given }))
        };
        for (operation, flow, words) in [
            ("InitiateAuth", "USER_PASSWORD_AUTH", "USER_PASSWORD_AUTH flow not enabled for this client"),
            ("InitiateAuth", "REFRESH_TOKEN_AUTH", "REFRESH_TOKEN_AUTH flow not enabled for this client"),
            ("InitiateAuth", "CUSTOM_AUTH", "CUSTOM_AUTH flow not enabled for this client"),
            ("InitiateAuth", "ADMIN_USER_PASSWORD_AUTH", "Initiate Auth method not supported."),
            ("AdminInitiateAuth", "ADMIN_USER_PASSWORD_AUTH", "Auth flow not enabled for this client"),
            ("AdminInitiateAuth", "USER_PASSWORD_AUTH", "Initiate Auth method not supported."),
        ] {
            assert_eq!(
                it.fails(operation, ask(flow)).await,
                failed("InvalidParameterException", words),
                "{flow}"
            );
        }
        assert!(it.fails("InitiateAuth", ask("NONSENSE")).await.1.contains("'NONSENSE' at 'authFlow'"));
        it.call("InitiateAuth", ask("USER_SRP_AUTH")).await;
    });
}

#[test]
fn wrong_input_is_told_in_the_words_of_aws() {
    serve(public(), async |it: Served| {
        let null = "1 validation error detected: Value null at 'clientId' failed to satisfy constraint: Member must not be null";
        for (operation, input, kind, words) in [
            ("InitiateAuth", json!({}), "InvalidParameterException", null),
            (
                "InitiateAuth",
                json!({ "ClientId": 1 }),
                "SerializationException",
                "NUMBER_VALUE can not be converted to a String",
            ),
            (
                "InitiateAuth",
                json!({ "ClientId": true }),
                "SerializationException",
                "TRUE_VALUE can not be converted to a String",
            ),
            (
                "InitiateAuth",
                json!({ "ClientId": [] }),
                "SerializationException",
                "Start of list found where not expected",
            ),
            (
                "InitiateAuth",
                json!({ "ClientId": {} }),
                "SerializationException",
                "Start of structure or map found where not expected.",
            ),
            (
                "InitiateAuth",
                json!({ "ClientId": "none" }),
                "ResourceNotFoundException",
                "User pool client none does not exist.",
            ),
            (
                "InitiateAuth",
                json!({ "ClientId": "public", "AuthFlow": "USER_PASSWORD_AUTH" }),
                "InvalidParameterException",
                "Missing required parameter USERNAME",
            ),
            (
                "AdminGetUser",
                json!({ "UserPoolId": "local_other", "Username": "a" }),
                "ResourceNotFoundException",
                "User pool local_other does not exist.",
            ),
            (
                "AdminGetUser",
                json!({ "UserPoolId": "local_devpool1", "Username": "a" }),
                "UserNotFoundException",
                "User does not exist.",
            ),
            (
                "SignUp",
                json!({}),
                "UnknownOperationException",
                "This development pool has no such operation.",
            ),
        ] {
            assert_eq!(it.fails(operation, input.clone()).await, failed(kind, words), "{operation} {input}");
        }
        for body in ["[]", "nonsense", "{\"ClientId\":"] {
            let headers = [("x-amz-target", "AWSCognitoIdentityProviderService.InitiateAuth")];
            let reply = it.browser().post("/", body, &headers).await;
            assert_eq!(reply.json()["__type"], "SerializationException", "{body}");
        }
        // Without a target, or of another service.
        for target in ["", "InitiateAuth", "AmazonSSM.GetParameter"] {
            let reply = it.browser().post("/", "{}", &[("x-amz-target", target)]).await;
            assert_eq!(reply.json()["__type"], "UnknownOperationException", "{target}");
        }
    });
}

#[test]
fn administration_needs_a_signature_that_no_page_of_another_site_can_send() {
    serve(public(), async |it: Served| {
        let input = it.admin(json!({ "Username": "viewer" })).to_string();
        let target = ("x-amz-target", "AWSCognitoIdentityProviderService.AdminGetUser");
        for headers in [vec![target], vec![target, ("authorization", "Bearer x")]] {
            let reply = it.browser().post("/", &input, &headers).await;
            assert_eq!(reply.json()["__type"], "MissingAuthenticationTokenException");
        }
        let preflight = it.browser().send("OPTIONS", "/", "", &[("origin", "http://a.test")]).await;
        assert_eq!(preflight.headers["access-control-allow-origin"], "*");
        let allowed = preflight.headers["access-control-allow-headers"].to_str().unwrap();
        assert!(allowed.contains("x-amz-target") && !allowed.contains("authorization"), "{allowed}");
    });
}
