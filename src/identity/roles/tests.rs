use serde_json::json;

use super::*;
use crate::config::settings::TokenChoice;
use crate::identity::json::Claims;

fn source(claim: &str) -> RoleSource {
    RoleSource {
        claim: claim.into(),
        token: TokenChoice::Either,
        split: None,
        equals: None,
        role: None,
        only: vec![],
    }
}

fn cognito() -> ProviderKind {
    ProviderKind::Cognito { pool_id: "eu-central-1_X".into(), domain: None }
}

fn claims(value: Value) -> Claims {
    value.as_object().unwrap().clone()
}

fn read(sources: &[RoleSource], id: Value, access: Value) -> Vec<String> {
    let (id, access) = (claims(id), claims(access));
    roles(sources, &cognito(), &Tokens { id: &id, access: Some(&access) })
}

#[test]
fn sources_add_up_sorted_and_unique() {
    let found = read(
        &[source("cognito:groups"), source("https://flexai.de/roles")],
        json!({"cognito:groups": ["b", "a"]}),
        json!({"cognito:groups": ["a"], "https://flexai.de/roles": ["c", "a"]}),
    );
    assert_eq!(found, ["a", "b", "c"]);
}

#[test]
fn an_absent_claim_is_no_role() {
    assert!(read(&[source("cognito:groups")], json!({}), json!({})).is_empty());
}

#[test]
fn the_automatic_group_of_a_federated_person_is_no_role() {
    let found = read(
        &[source("cognito:groups")],
        json!({"cognito:groups": ["eu-central-1_X_Google", "flexai-user"]}),
        json!({}),
    );
    assert_eq!(found, ["flexai-user"]);
}

#[test]
fn a_claim_is_read_from_the_token_that_is_named() {
    let mut access = source("r");
    access.token = TokenChoice::Access;
    let mut id = source("r");
    id.token = TokenChoice::Id;
    assert_eq!(read(&[access], json!({"r": "id"}), json!({"r": "access"})), ["access"]);
    assert_eq!(read(&[id], json!({"r": "id"}), json!({"r": "access"})), ["id"]);
}

#[test]
fn a_string_is_one_role_unless_a_separator_is_named() {
    assert_eq!(read(&[source("custom:role")], json!({"custom:role": "a,b"}), json!({})), ["a,b"]);
    let mut split = source("custom:role");
    split.split = Some(",".into());
    assert_eq!(read(&[split], json!({"custom:role": "a, b,"}), json!({})), ["a", "b"]);
}

#[test]
fn a_value_can_grant_a_role_and_another_value_does_not() {
    let mut premium = source("demo:membershipLevel");
    premium.equals = Some("Premium".into());
    premium.role = Some("premium".into());
    let level = |level: &str| json!({ "demo:membershipLevel": level });
    assert_eq!(read(std::slice::from_ref(&premium), level("Premium"), json!({})), ["premium"]);
    assert!(read(&[premium], level("PremiumPlus"), json!({})).is_empty());
}

#[test]
fn scopes_are_matched_whole() {
    let mut scope = source("scope");
    scope.only = vec!["membership:USA.Premium".into()];
    let scopes = |scopes: &str| json!({ "scope": scopes });
    assert_eq!(
        read(std::slice::from_ref(&scope), json!({}), scopes("openid membership:USA.Premium")),
        ["membership:USA.Premium"]
    );
    assert!(read(&[scope], json!({}), scopes("openid membership:USA.PremiumPlus")).is_empty());
}

#[test]
fn an_unexpected_type_grants_nothing() {
    let found =
        read(&[source("r")], json!({"r": {"admin": true}}), json!({"r": [["admin"], null, {"a": 1}]}));
    assert!(found.is_empty());
}
