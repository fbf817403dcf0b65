//! The pre token generation trigger in sign-ins through the JSON API.

use std::io::Write;

use super::*;

const TELLS: &str = "export const handler = async (event) => {
  if (event.userName === 'guest') throw new Error('guests stay outside');
  const claims = { source: event.triggerSource, scopes: event.request.scopes, metadata: event.request.clientMetadata ?? {} };
  event.response = { claimsAndScopeOverrideDetails: { idTokenGeneration: { claimsToAddOrOverride: claims },
    accessTokenGeneration: { scopesToAdd: ['membership:USA.Premium'] } } };
  return event;
};";

/// A pool with that function as its trigger; the file is there as long as what comes beside it.
fn telling() -> (Seed, tempfile::NamedTempFile) {
    let mut file = tempfile::Builder::new().suffix(".mjs").tempfile().unwrap();
    file.write_all(TELLS.as_bytes()).unwrap();
    let text = format!(
        "[trigger]\nversion = \"V2_0\"\nexec = {:?}\n\n[[clients]]\nid = \"public\"\n",
        file.path().to_str().unwrap()
    );
    (seed(&text), file)
}

fn id(answer: &Value) -> Map<String, Value> {
    claims(answer["AuthenticationResult"]["IdToken"].as_str().unwrap())
}

#[test]
fn each_way_to_tokens_has_its_source_and_metadata() {
    let (mut seed, _file) = telling();
    seed.users[2].status = account::Status::ForceChangePassword;
    serve(seed, async |it: Served| {
        let mut input = it.with_password("editor", "editor");
        // Not for this trigger.
        input["ClientMetadata"] = json!({ "from": "InitiateAuth" });
        let answer = it.call("InitiateAuth", input).await;
        let told = id(&answer);
        assert_eq!(told["source"], "TokenGeneration_Authentication");
        assert_eq!(told["scopes"], json!(["aws.cognito.signin.user.admin"]));
        assert_eq!(told["metadata"], json!({}));
        let access = claims(answer["AuthenticationResult"]["AccessToken"].as_str().unwrap());
        assert_eq!(access["scope"], "aws.cognito.signin.user.admin membership:USA.Premium");

        let input = json!({
            "ClientId": "public",
            "RefreshToken": answer["AuthenticationResult"]["RefreshToken"],
            "ClientMetadata": { "from": "refresh" },
        });
        let told = id(&it.call("GetTokensFromRefreshToken", input).await);
        assert_eq!(told["source"], "TokenGeneration_RefreshTokens");
        assert_eq!(told["metadata"], json!({ "from": "refresh" }));

        let asked = it.call("InitiateAuth", it.with_password("viewer", "viewer")).await;
        let input = json!({
            "ClientId": "public",
            "ChallengeName": "NEW_PASSWORD_REQUIRED",
            "Session": asked["Session"],
            "ChallengeResponses": { "USERNAME": "viewer", "NEW_PASSWORD": "new-password" },
            "ClientMetadata": { "from": "respond" },
        });
        let told = id(&it.call("RespondToAuthChallenge", input).await);
        assert_eq!(told["source"], "TokenGeneration_NewPasswordChallenge");
        assert_eq!(told["metadata"], json!({ "from": "respond" }));
    });
}

#[test]
fn a_trigger_that_fails_gives_its_error_and_no_tokens() {
    let (seed, _file) = telling();
    serve(seed, async |it: Served| {
        let told = it.fails("InitiateAuth", it.with_password("guest", "guest")).await;
        let words = "PreTokenGeneration failed with error guests stay outside.";
        assert_eq!(told, failed("UserLambdaValidationException", words));
        assert_eq!(it.pool.state().stats.sign_ins, 0);
    });
}
