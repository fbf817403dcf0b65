//! What the bearer of an access token may do.

use super::*;

#[test]
fn a_user_reads_what_the_client_may_read() {
    let few = "[[clients]]\nid = \"public\"\nread_attributes = [\"email\"]\n";
    serve(seed(few), async |it: Served| {
        let token = it.api_tokens("viewer").await["AccessToken"].clone();
        let told = it.call("GetUser", json!({ "AccessToken": token })).await;
        assert_eq!(told["Username"], "viewer");
        let names: Vec<_> = told["UserAttributes"].as_array().unwrap().iter().map(|a| &a["Name"]).collect();
        assert_eq!(names, ["sub", "email"]);
    });
}

#[test]
fn a_token_without_the_scope_or_of_the_wrong_kind_is_refused() {
    serve(public(), async |it: Served| {
        let refuse = async |token: &Value| it.fails("GetUser", json!({ "AccessToken": token })).await;
        let tokens = it.api_tokens("viewer").await;
        let invalid = failed("NotAuthorizedException", "Invalid Access Token");
        assert_eq!(refuse(&tokens["IdToken"]).await, invalid);
        assert_eq!(refuse(&json!("nonsense")).await, invalid);
        // Another signature.
        let token = tokens["AccessToken"].as_str().unwrap();
        let (head, signature) = token.rsplit_once('.').unwrap();
        let flipped = if signature.starts_with('A') { "B" } else { "A" };
        assert_eq!(refuse(&json!(format!("{head}.{flipped}{}", &signature[1..]))).await, invalid);

        let code = it.code(&mut it.browser(), "viewer").await;
        let form = [
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
            ("client_id", "public"),
        ];
        let hosted = it.browser().post("/oauth2/token", &encode(&form), &[]).await.json();
        let scopes = failed("NotAuthorizedException", "Access Token does not have required scopes");
        assert_eq!(refuse(&hosted["access_token"]).await, scopes);

        it.dev("clock", json!({ "advance": 3601 })).await;
        let expired = failed("NotAuthorizedException", "Access Token has expired");
        assert_eq!(refuse(&tokens["AccessToken"]).await, expired);
    });
}

#[test]
fn write_attributes_decide_what_a_user_changes() {
    let few = "[[clients]]\nid = \"public\"\nwrite_attributes = [\"name\", \"email\"]\n";
    serve(seed(few), async |it: Served| {
        let token = it.api_tokens("viewer").await["AccessToken"].clone();
        let write = |name: &str, value: &str| json!({ "AccessToken": token, "UserAttributes": [{ "Name": name, "Value": value }] });
        let answer = it.call("UpdateUserAttributes", write("name", "Vi Ewer")).await;
        assert_eq!(answer, json!({ "CodeDeliveryDetailsList": [] }));
        let words = "A client attempted to write unauthorized attribute";
        for name in ["custom:role", "email_verified", "nickname"] {
            let told = it.fails("UpdateUserAttributes", write(name, "true")).await;
            assert_eq!(told, failed("NotAuthorizedException", words), "{name}");
        }
        for name in ["sub", "nonsense", "custom:", "custom:a_name_that_is_too_long"] {
            let told = it.fails("UpdateUserAttributes", write(name, "x")).await;
            assert_eq!(told.0, "InvalidParameterException", "{name}");
        }
        let told = it.fails("UpdateUserAttributes", write("name", &"x".repeat(3000))).await;
        assert_eq!(told.0, "InvalidParameterException");
        assert_eq!(
            it.fails("UpdateUserAttributes", json!({ "AccessToken": token })).await.0,
            "InvalidParameterException"
        );

        // A new address is not verified; the same one again still is.
        it.call("UpdateUserAttributes", write("email", "viewer@example.com")).await;
        let id = claims(it.api_tokens("viewer").await["IdToken"].as_str().unwrap());
        assert_eq!((&id["email_verified"], &id["name"]), (&json!(true), &json!("Vi Ewer")));
        it.call("UpdateUserAttributes", write("email", "other@example.com")).await;
        let id = claims(it.api_tokens("viewer").await["IdToken"].as_str().unwrap());
        assert_eq!((&id["email"], &id["email_verified"]), (&json!("other@example.com"), &json!(false)));
        // An empty value takes it away.
        it.call("UpdateUserAttributes", write("name", "")).await;
        let id = claims(it.api_tokens("viewer").await["IdToken"].as_str().unwrap());
        assert!(!id.contains_key("name"));
    });
}

#[test]
fn without_write_attributes_a_user_may_give_themselves_a_role() {
    // As at AWS: that is why a role should not come from such an attribute.
    serve(public(), async |it: Served| {
        let token = it.api_tokens("viewer").await["AccessToken"].clone();
        let written = json!([{ "Name": "custom:role", "Value": "admin" }]);
        it.call("UpdateUserAttributes", json!({ "AccessToken": token, "UserAttributes": written })).await;
        let id = claims(it.api_tokens("viewer").await["IdToken"].as_str().unwrap());
        assert_eq!(id["custom:role"], "admin");
    });
}

#[test]
fn a_user_has_a_bounded_number_of_attributes() {
    serve(public(), async |it: Served| {
        let token = it.api_tokens("viewer").await["AccessToken"].clone();
        let many: Vec<_> = (0..100).map(|n| json!({ "Name": format!("custom:{n}"), "Value": "x" })).collect();
        let told =
            it.fails("UpdateUserAttributes", json!({ "AccessToken": token, "UserAttributes": many })).await;
        assert_eq!(told.0, "InvalidParameterException");
    });
}

#[test]
fn signing_out_everywhere_ends_all_sign_ins_of_the_user_alone() {
    serve(public(), async |it: Served| {
        let (one, two) = (it.api_tokens("viewer").await, it.api_tokens("viewer").await);
        let other = it.api_tokens("editor").await;
        it.call("GlobalSignOut", json!({ "AccessToken": one["AccessToken"] })).await;
        for tokens in [&one, &two] {
            assert_eq!(
                it.fails("GetUser", json!({ "AccessToken": tokens["AccessToken"] })).await.0,
                "NotAuthorizedException"
            );
            let input = json!({ "ClientId": "public", "RefreshToken": tokens["RefreshToken"] });
            assert_eq!(it.fails("GetTokensFromRefreshToken", input).await.0, "NotAuthorizedException");
        }
        it.call("GetUser", json!({ "AccessToken": other["AccessToken"] })).await;
        it.call("AdminUserGlobalSignOut", it.admin(json!({ "Username": "editor" }))).await;
        assert_eq!(
            it.fails("GetUser", json!({ "AccessToken": other["AccessToken"] })).await.0,
            "NotAuthorizedException"
        );
    });
}

#[test]
fn a_password_is_changed_by_who_knows_it() {
    serve(public(), async |it: Served| {
        let token = it.api_tokens("viewer").await["AccessToken"].clone();
        let change = |previous: &str, proposed: &str| json!({ "AccessToken": token, "PreviousPassword": previous, "ProposedPassword": proposed });
        assert_eq!(
            it.fails("ChangePassword", change("wrong", "new-password")).await.0,
            "NotAuthorizedException"
        );
        let told = it.fails("ChangePassword", change("viewer", "short")).await;
        let words = "Password did not conform with policy: Password not long enough";
        assert_eq!(told, failed("InvalidPasswordException", words));
        it.call("ChangePassword", change("viewer", "new-password")).await;
        it.call("InitiateAuth", it.with_password("viewer", "new-password")).await;
    });
}

#[test]
fn an_authenticator_app_is_given_out_verified_and_switched_on() {
    serve(public(), async |it: Served| {
        let token = it.api_tokens("viewer").await["AccessToken"].clone();
        let prefer = |enabled: bool| json!({ "AccessToken": token, "SoftwareTokenMfaSettings": { "Enabled": enabled } });
        assert_eq!(it.fails("SetUserMFAPreference", prefer(true)).await.0, "InvalidParameterException");
        let secret =
            it.call("AssociateSoftwareToken", json!({ "AccessToken": token })).await["SecretCode"].clone();
        let verify = |code: &str| json!({ "AccessToken": token, "UserCode": code });
        let told = it.fails("VerifySoftwareToken", verify("000")).await;
        let words = "Code mismatch and fail enable Software Token MFA";
        assert_eq!(told, failed("EnableSoftwareTokenMFAException", words));
        let code = totp::Key::parse(secret.as_str().unwrap()).unwrap().code_at(it.pool.state().now());
        assert_eq!(it.call("VerifySoftwareToken", verify(&code)).await, json!({ "Status": "SUCCESS" }));
        // Verified, and not yet asked for.
        it.api_tokens("viewer").await;
        it.call("SetUserMFAPreference", prefer(true)).await;
        let asked = it.call("InitiateAuth", it.with_password("viewer", "viewer")).await;
        assert_eq!(asked["ChallengeName"], "SOFTWARE_TOKEN_MFA");
        let told = it.call("GetUser", json!({ "AccessToken": token })).await;
        assert_eq!(told["UserMFASettingList"], json!(["SOFTWARE_TOKEN_MFA"]));
        it.call("SetUserMFAPreference", prefer(false)).await;
        it.api_tokens("viewer").await;
    });
}
