//! Secure Remote Password over the socket; its numbers are tested in `srp.rs`, its clients in the suite.

use super::*;

fn begin(it: &Served, name: &str, number: &str) -> Value {
    json!({
        "ClientId": it.id,
        "AuthFlow": "USER_SRP_AUTH",
        "AuthParameters": { "USERNAME": name, "SRP_A": number },
    })
}

#[test]
fn known_and_unknown_names_are_asked_alike() {
    serve(public(), async |it: Served| {
        let mut salts = Vec::new();
        for name in ["viewer", "nobody", "viewer"] {
            let asked = it.call("InitiateAuth", begin(&it, name, "abcdef")).await;
            assert_eq!(asked["ChallengeName"], "PASSWORD_VERIFIER");
            assert!(asked.get("Session").is_none());
            let parameters = &asked["ChallengeParameters"];
            assert_eq!(parameters["USER_ID_FOR_SRP"], name);
            assert!(parameters["SRP_B"].as_str().unwrap().bytes().all(|byte| byte.is_ascii_hexdigit()));
            salts.push(parameters["SALT"].clone());
            let given = json!({
                "USERNAME": name,
                "PASSWORD_CLAIM_SECRET_BLOCK": parameters["SECRET_BLOCK"],
                "PASSWORD_CLAIM_SIGNATURE": "AAAA",
                "TIMESTAMP": "Sat Nov 21 10:00:00 UTC 2026",
            });
            let input = json!({ "ClientId": it.id, "ChallengeName": "PASSWORD_VERIFIER", "ChallengeResponses": given });
            for _ in 0..2 {
                let told = it.fails("RespondToAuthChallenge", input.clone()).await;
                assert_eq!(told, failed("NotAuthorizedException", "Incorrect username or password."));
            }
        }
        assert_eq!(salts[0], salts[2]);
        assert_ne!(salts[0], salts[1]);
    });
}

#[test]
fn a_number_that_is_none_is_refused() {
    serve(public(), async |it: Served| {
        for number in ["0", "xyz", "-1", &"f".repeat(5000)] {
            assert_eq!(
                it.fails("InitiateAuth", begin(&it, "viewer", number)).await.0,
                "InvalidParameterException"
            );
        }
    });
}
