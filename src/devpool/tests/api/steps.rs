//! New passwords and codes between the password and the tokens.

use super::*;

fn respond(it: &Served, name: &str, asked: &Value, given: Value) -> Value {
    json!({
        "ClientId": it.id,
        "ChallengeName": name,
        "Session": asked["Session"],
        "ChallengeResponses": given,
    })
}

#[test]
fn a_temporary_password_has_to_be_replaced() {
    serve(public(), async |it: Served| {
        let create = json!({
            "Username": "Newcomer",
            "TemporaryPassword": "temporary",
            "UserAttributes": [{ "Name": "email", "Value": "new@example.com" }, { "Name": "email_verified", "Value": "true" }],
        });
        let user = it.call("AdminCreateUser", it.admin(create)).await["User"].clone();
        assert_eq!((&user["UserStatus"], &user["Enabled"]), (&json!("FORCE_CHANGE_PASSWORD"), &json!(true)));

        let asked = it.call("InitiateAuth", it.with_password("newcomer", "temporary")).await;
        assert_eq!(asked["ChallengeName"], "NEW_PASSWORD_REQUIRED");
        let parameters = &asked["ChallengeParameters"];
        assert_eq!(parameters["USER_ID_FOR_SRP"], "Newcomer");
        let attributes: Value = serde_json::from_str(parameters["userAttributes"].as_str().unwrap()).unwrap();
        assert_eq!(attributes, json!({ "email": "new@example.com", "email_verified": "true" }));
        assert_eq!(parameters["requiredAttributes"], "[]");

        let new = |password: &str| {
            let given = json!({ "USERNAME": "newcomer", "NEW_PASSWORD": password, "userAttributes.name": "New Comer" });
            respond(&it, "NEW_PASSWORD_REQUIRED", &asked, given)
        };
        assert_eq!(it.fails("RespondToAuthChallenge", new("short")).await.0, "InvalidPasswordException");
        let tokens = it.call("RespondToAuthChallenge", new("my own password")).await;
        let id = claims(tokens["AuthenticationResult"]["IdToken"].as_str().unwrap());
        assert_eq!((&id["cognito:username"], &id["name"]), (&json!("Newcomer"), &json!("New Comer")));
        let told = it.fails("RespondToAuthChallenge", new("my own password")).await;
        assert_eq!(told, failed("NotAuthorizedException", "Invalid session for the user."));
        let told = it.call("AdminGetUser", it.admin(json!({ "Username": "newcomer" }))).await;
        assert_eq!(told["UserStatus"], "CONFIRMED");
        it.call("InitiateAuth", it.with_password("newcomer", "my own password")).await;
    });
}

#[test]
fn a_session_is_of_one_user_one_client_and_three_minutes() {
    let mut seed = seed("[[clients]]\nid = \"public\"\n[[clients]]\nid = \"other\"\n");
    seed.users[2].status = account::Status::ForceChangePassword;
    serve(seed, async |it: Served| {
        let asked = it.call("InitiateAuth", it.with_password("viewer", "viewer")).await;
        let invalid = failed("NotAuthorizedException", "Invalid session for the user.");
        let new = |user: &str| {
            let given = json!({ "USERNAME": user, "NEW_PASSWORD": "new-password" });
            respond(&it, "NEW_PASSWORD_REQUIRED", &asked, given)
        };
        assert_eq!(it.fails("RespondToAuthChallenge", new("admin")).await, invalid);
        let mut foreign = new("viewer");
        foreign["ClientId"] = json!("other");
        assert_eq!(it.fails("RespondToAuthChallenge", foreign).await, invalid);
        // A session for a password takes no code.
        let code = json!({ "USERNAME": "viewer", "SOFTWARE_TOKEN_MFA_CODE": "123456" });
        let code = respond(&it, "SOFTWARE_TOKEN_MFA", &asked, code);
        assert_eq!(it.fails("RespondToAuthChallenge", code).await, invalid);
        let mut without = new("viewer");
        without["Session"] = Value::Null;
        let told = it.fails("RespondToAuthChallenge", without).await;
        assert_eq!(told, failed("InvalidParameterException", "Missing required parameter Session"));
        let mut unknown = new("viewer");
        unknown["ChallengeName"] = json!("SMS_MFA");
        assert_eq!(it.fails("RespondToAuthChallenge", unknown).await.0, "InvalidParameterException");

        it.dev("clock", json!({ "advance": 181 })).await;
        let told = it.fails("RespondToAuthChallenge", new("viewer")).await;
        assert_eq!(
            told,
            failed("NotAuthorizedException", "Invalid session for the user, session is expired.")
        );
    });
}

#[test]
fn a_code_is_asked_for_and_good_once() {
    serve(public(), async |it: Served| {
        let code = || totp::Key::parse(KEY).unwrap().code_at(it.pool.state().now());
        let answer = |asked: &Value, code: &str| {
            let given = json!({ "USERNAME": "guest", "SOFTWARE_TOKEN_MFA_CODE": code });
            it.admin(respond(&it, "SOFTWARE_TOKEN_MFA", asked, given))
        };
        let asked = it.call("InitiateAuth", it.with_password("guest", "guest")).await;
        assert_eq!(asked["ChallengeName"], "SOFTWARE_TOKEN_MFA");
        let told = it.fails("RespondToAuthChallenge", answer(&asked, "nonsense")).await;
        assert_eq!(told, failed("CodeMismatchException", "Invalid code received for user"));
        let used = code();
        let tokens = it.call("AdminRespondToAuthChallenge", answer(&asked, &used)).await;
        assert!(tokens["AuthenticationResult"]["AccessToken"].is_string());

        let asked = it.call("InitiateAuth", it.with_password("guest", "guest")).await;
        let told = it.fails("RespondToAuthChallenge", answer(&asked, &used)).await;
        let words = "Your software token has already been used once.";
        assert_eq!(told, failed("ExpiredCodeException", words));
        it.dev("clock", json!({ "advance": 60 })).await;
        it.call("RespondToAuthChallenge", answer(&asked, &code())).await;
    });
}

#[test]
fn a_session_takes_five_wrong_codes() {
    serve(public(), async |it: Served| {
        let asked = it.call("InitiateAuth", it.with_password("guest", "guest")).await;
        let given = json!({ "USERNAME": "guest", "SOFTWARE_TOKEN_MFA_CODE": "nonsense" });
        let input = respond(&it, "SOFTWARE_TOKEN_MFA", &asked, given);
        for _ in 0..5 {
            assert_eq!(it.fails("RespondToAuthChallenge", input.clone()).await.0, "CodeMismatchException");
        }
        assert_eq!(it.fails("RespondToAuthChallenge", input).await.0, "NotAuthorizedException");
    });
}

#[test]
fn a_new_password_comes_before_the_code() {
    let mut seed = public();
    seed.users[3].status = account::Status::ForceChangePassword;
    serve(seed, async |it: Served| {
        let asked = it.call("InitiateAuth", it.with_password("guest", "guest")).await;
        let given = json!({ "USERNAME": "guest", "NEW_PASSWORD": "new-password" });
        let next =
            it.call("RespondToAuthChallenge", respond(&it, "NEW_PASSWORD_REQUIRED", &asked, given)).await;
        assert_eq!(next["ChallengeName"], "SOFTWARE_TOKEN_MFA");
        assert_ne!(next["Session"], asked["Session"]);
        let code = totp::Key::parse(KEY).unwrap().code_at(it.pool.state().now());
        let given = json!({ "USERNAME": "guest", "SOFTWARE_TOKEN_MFA_CODE": code });
        it.call("RespondToAuthChallenge", respond(&it, "SOFTWARE_TOKEN_MFA", &next, given)).await;
    });
}
