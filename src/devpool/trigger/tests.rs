//! Answers of a trigger, and what of them reaches the tokens.

use serde_json::{Map, Value, json};

use super::*;

fn object(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn id_token() -> Map<String, Value> {
    object(json!({
        "sub": "s", "aud": "client", "email": "a@b.c", "email_verified": true, "dev:x": "1",
        "cognito:groups": ["a"], "cognito:roles": ["r"], "cognito:preferred_role": "r",
    }))
}

fn access_token() -> Map<String, Value> {
    object(json!({ "sub": "s", "client_id": "client", "scope": "openid email", "cognito:groups": ["a"] }))
}

/// Both tokens after an answer, and what was dropped of it.
fn after(version: Version, response: Value) -> (Map<String, Value>, Map<String, Value>, Vec<String>) {
    let overrides = answer::read(version, &json!({ "response": response })).unwrap();
    let (mut id, mut access) = (id_token(), access_token());
    let target = Target { id: Some(&mut id), access: &mut access, client_id: "client" };
    let dropped = overrides.apply(target).iter().map(ToString::to_string).collect();
    (id, access, dropped)
}

fn v2(details: Value) -> (Map<String, Value>, Map<String, Value>, Vec<String>) {
    after(Version::Two, json!({ "claimsAndScopeOverrideDetails": details }))
}

fn unreadable(version: Version, answer: Value) -> String {
    answer::read(version, &answer).unwrap_err().told()
}

#[test]
fn version_one_changes_the_id_token_and_no_claim_of_the_access_token() {
    let (id, access, dropped) = after(
        Version::One,
        json!({ "claimsOverrideDetails": {
            "claimsToAddOrOverride": { "pet_preference": "dogs", "count": 3, "good": true, "email": "x@y.z" },
            "claimsToSuppress": ["email_verified"],
        } }),
    );
    assert_eq!((&id["pet_preference"], &id["email"]), (&json!("dogs"), &json!("x@y.z")));
    // Strings are all that there is in this version.
    assert_eq!((&id["count"], &id["good"]), (&json!("3"), &json!("true")));
    assert!(!id.contains_key("email_verified"));
    assert_eq!((access, dropped.len()), (access_token(), 0));
}

#[test]
fn a_version_knows_only_its_own_member() {
    let one = json!({ "claimsOverrideDetails": { "claimsToAddOrOverride": { "x": "1" } } });
    let two = json!({ "claimsAndScopeOverrideDetails": {
        "idTokenGeneration": { "claimsToAddOrOverride": { "x": "1" } } } });
    for (version, response) in
        [(Version::One, two.clone()), (Version::Two, one.clone()), (Version::Three, one)]
    {
        assert_eq!(after(version, response).0, id_token(), "{version:?}");
    }
    assert_eq!(after(Version::Three, two).0["x"], "1");
}

#[test]
fn version_two_adds_values_of_every_type_to_each_token_apart() {
    let values =
        json!({ "list": ["a", 1], "number": 9_007_199_254_740_993_u64, "truth": false, "object": {"a": {}} });
    let (id, access, dropped) = v2(json!({
        "idTokenGeneration": { "claimsToAddOrOverride": { "https://flexai.de/roles": ["a", "b"] } },
        "accessTokenGeneration": { "claimsToAddOrOverride": values },
    }));
    assert_eq!(id["https://flexai.de/roles"], json!(["a", "b"]));
    assert!(!access.contains_key("https://flexai.de/roles") && !id.contains_key("list"));
    for (name, value) in object(values) {
        assert_eq!(access[&name], value);
    }
    assert!(dropped.is_empty());
}

#[test]
fn suppression_wins_over_adding() {
    let both =
        json!({ "claimsToAddOrOverride": { "x": "1", "email": "new" }, "claimsToSuppress": ["x", "email"] });
    let (id, access, _) = v2(json!({
        "idTokenGeneration": both,
        "accessTokenGeneration": { "scopesToAdd": ["s", "email"], "scopesToSuppress": ["s", "email", "none"] },
    }));
    assert!(!id.contains_key("x") && !id.contains_key("email"));
    assert_eq!(access["scope"], "openid");
}

#[test]
fn reserved_names_are_dropped_and_named() {
    for name in [
        "sub",
        "iss",
        "exp",
        "iat",
        "jti",
        "nbf",
        "nonce",
        "acr",
        "amr",
        "azp",
        "at_hash",
        "auth_time",
        "client_id",
        "username",
        "device_key",
        "event_id",
        "identities",
        "origin_jti",
        "token_use",
        "version",
        "cognito:username",
        "cognito:groups",
        "cognito:anything",
        "dev:y",
    ] {
        let (id, access, dropped) = v2(json!({
            "idTokenGeneration": { "claimsToAddOrOverride": { name: "forged", "kept": 1 } },
            "accessTokenGeneration": { "claimsToAddOrOverride": { name: "forged", "kept": 1 } },
        }));
        assert_eq!(id.get(name), id_token().get(name), "{name}");
        assert_eq!(access.get(name), access_token().get(name), "{name}");
        assert_eq!((&id["kept"], &access["kept"]), (&json!(1), &json!(1)), "{name}");
        assert_eq!(dropped.len(), 2, "{name}");
        assert!(dropped.iter().all(|line| line.contains(name)), "{dropped:?}");
        // Nor are they suppressed.
        if !["cognito:groups", "dev:y"].contains(&name) {
            let suppress = json!({ "claimsToSuppress": [name] });
            let (id, _, dropped) = v2(json!({ "idTokenGeneration": suppress }));
            assert_eq!((id, dropped.len()), (id_token(), 1), "{name}");
        }
    }
}

#[test]
fn developer_claims_can_only_be_suppressed() {
    let (id, _, dropped) = v2(json!({ "idTokenGeneration": { "claimsToSuppress": ["dev:x"] } }));
    assert!(!id.contains_key("dev:x") && dropped.is_empty());
}

#[test]
fn an_access_tokens_aud_is_its_own_client_or_nothing() {
    let aud = |id: &str| json!({ "accessTokenGeneration": { "claimsToAddOrOverride": { "aud": id } } });
    assert_eq!(v2(aud("client")).1["aud"], "client");
    let (_, access, dropped) = v2(aud("another"));
    assert_eq!((access, dropped.len()), (access_token(), 1));
    let (id, _, _) = v2(json!({ "idTokenGeneration": { "claimsToAddOrOverride": { "aud": "client2" } } }));
    assert_eq!(id["aud"], "client");
}

#[test]
fn four_attributes_of_the_id_token_take_no_complex_value() {
    for name in ["email_verified", "phone_number_verified", "updated_at", "address"] {
        for value in [json!(["a"]), json!({"a": 1})] {
            let add = json!({ "claimsToAddOrOverride": { name: value } });
            let (id, access, dropped) = v2(json!({ "idTokenGeneration": add, "accessTokenGeneration": add }));
            assert_eq!(id, id_token());
            assert_eq!((&access[name], dropped.len()), (&value, 1));
        }
    }
}

#[test]
fn groups_are_replaced_in_both_tokens_removed_or_left() {
    for (version, member) in
        [(Version::One, "claimsOverrideDetails"), (Version::Two, "claimsAndScopeOverrideDetails")]
    {
        let with = |details: Value| after(version, json!({ member: details }));
        let (id, access, _) = with(json!({ "groupOverrideDetails": {
            "groupsToOverride": ["b", "c"], "iamRolesToOverride": ["r2"], "preferredRole": ["r2"] } }));
        assert_eq!(
            (&id["cognito:groups"], &access["cognito:groups"]),
            (&json!(["b", "c"]), &json!(["b", "c"]))
        );
        assert_eq!((&id["cognito:roles"], &id["cognito:preferred_role"]), (&json!(["r2"]), &json!("r2")));
        assert!(!access.contains_key("cognito:roles"));
        for nothing in [json!(null), json!({})] {
            let (id, access, _) = with(json!({ "groupOverrideDetails": nothing }));
            for name in ["cognito:groups", "cognito:roles", "cognito:preferred_role"] {
                assert!(!id.contains_key(name) && !access.contains_key(name));
            }
        }
        let (id, access, _) = with(json!({}));
        assert_eq!((id, access), (id_token(), access_token()));
    }
}

#[test]
fn suppressing_the_groups_takes_the_roles_with_them() {
    let (id, access, dropped) =
        v2(json!({ "idTokenGeneration": { "claimsToSuppress": ["cognito:groups"] } }));
    assert!(!id.contains_key("cognito:groups") && !id.contains_key("cognito:roles"));
    assert!(!id.contains_key("cognito:preferred_role") && dropped.is_empty());
    assert_eq!(access, access_token());
}

#[test]
fn scopes_are_added_once_and_have_no_blanks() {
    let (_, access, dropped) = v2(json!({ "accessTokenGeneration": {
        "scopesToAdd": ["membership:USA.Premium", "openid", "with blank", ""] } }));
    assert_eq!(access["scope"], "openid email membership:USA.Premium");
    assert_eq!(dropped.len(), 2);
}

#[test]
fn what_is_no_answer_is_unrecognizable() {
    for (version, answer) in [
        (Version::Two, json!(null)),
        (Version::Two, json!({})),
        (Version::Two, json!({ "response": null })),
        (Version::Two, json!({ "response": { "claimsAndScopeOverrideDetails": "x" } })),
        (
            Version::Two,
            json!({ "response": { "claimsAndScopeOverrideDetails": { "idTokenGeneration": 1 } } }),
        ),
        (
            Version::Two,
            json!({ "response": { "claimsAndScopeOverrideDetails": {
            "idTokenGeneration": { "claimsToSuppress": [1] } } } }),
        ),
        (
            Version::Two,
            json!({ "response": { "claimsAndScopeOverrideDetails": { "groupOverrideDetails": 1 } } }),
        ),
        (
            Version::One,
            json!({ "response": { "claimsOverrideDetails": {
            "claimsToAddOrOverride": { "roles": ["a"] } } } }),
        ),
    ] {
        let told = unreadable(version, answer.clone());
        assert!(told.starts_with("Unrecognizable lambda output ("), "{answer}: {told}");
    }
    let many: Vec<_> = (0..5_001).map(|index| format!("s{index}")).collect();
    let answer = json!({ "response": { "claimsAndScopeOverrideDetails": {
        "accessTokenGeneration": { "scopesToAdd": many } } } });
    assert!(unreadable(Version::Two, answer).contains("5000"));
}

#[test]
fn empty_lists_of_older_samples_are_no_objects() {
    assert_eq!(v2(json!([])).0, id_token());
    let details = json!({ "idTokenGeneration": [], "accessTokenGeneration": null });
    assert_eq!(v2(details).0, id_token());
}

#[test]
fn failures_are_told_in_cognitos_words() {
    for (failure, told, exception) in [
        (
            Failure::Function("No pets".into()),
            "PreTokenGeneration failed with error No pets.",
            "UserLambdaValidationException",
        ),
        (
            Failure::Invocation("Socket timeout while invoking Lambda function".into()),
            "PreTokenGeneration invocation failed due to error Socket timeout while invoking Lambda function.",
            "UnexpectedLambdaException",
        ),
        (
            Failure::Output("reason".into()),
            "Unrecognizable lambda output (reason)",
            "InvalidLambdaResponseException",
        ),
    ] {
        assert_eq!((failure.told().as_str(), failure.exception()), (told, exception));
    }
}
