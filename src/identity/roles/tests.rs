use std::collections::BTreeMap;

use serde_json::json;

use super::*;
use crate::config::settings::{Grant, TokenChoice};
use crate::identity::json::Claims;

fn source(claim: &str) -> RoleSource {
    RoleSource {
        claim: claim.into(),
        token: TokenChoice::Either,
        split: None,
        grant: None,
        only: vec![],
        rename: BTreeMap::new(),
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
    roles(sources, &cognito(), &Tokens { id: Some(&id), access: Some(&access) }).roles
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
    premium.grant = grant(Test::Equals("Premium".into()), "premium");
    let level = |level: &str| json!({ "demo:membershipLevel": level });
    assert_eq!(read(std::slice::from_ref(&premium), level("Premium"), json!({})), ["premium"]);
    assert!(read(&[premium], level("PremiumPlus"), json!({})).is_empty());
}

fn grant(test: Test, role: &str) -> Option<Grant> {
    Some(Grant { test, role: role.into() })
}

#[test]
fn equals_reads_every_type_and_contains_never_a_part_of_a_text() {
    let equals = |wanted: Value| Test::Equals(wanted);
    let contains = |wanted: Value| Test::Contains(wanted);
    for (test, claim, grants) in [
        (equals(json!("3")), json!(3), true),
        (equals(json!(3)), json!(3), true),
        (equals(json!(3)), json!("3"), false),
        (equals(json!("true")), json!(true), true),
        (equals(json!(true)), json!("true"), false),
        (equals(json!(["a", "b"])), json!(["a", "b"]), true),
        (equals(json!(["a"])), json!(["a", "b"]), false),
        (equals(json!({"plan": "gold"})), json!({"plan": "gold"}), true),
        (equals(json!({"plan": "gold"})), json!({"plan": "gold", "x": 1}), false),
        (equals(json!("9007199254740993")), json!(9_007_199_254_740_993_u64), true),
        (equals(json!("9007199254740992")), json!(9_007_199_254_740_993_u64), false),
        (contains(json!("admin")), json!(["user", "admin"]), true),
        (contains(json!("admin")), json!(["no-admin"]), false),
        (contains(json!(7)), json!([7]), true),
        (contains(json!({"plan": "gold"})), json!({"plan": "gold", "x": 1}), true),
        (contains(json!({"plan": "gold"})), json!({"plan": "golden"}), false),
        (contains(json!({"plan": {"level": 2}})), json!({"plan": {"level": 2, "x": 1}}), false),
        (contains(json!("admin")), json!("no-admin"), false),
        (contains(json!("admin")), json!({"admin": true}), false),
        (contains(json!("admin")), json!(null), false),
    ] {
        let source = RoleSource { grant: grant(test.clone(), "r"), ..source("c") };
        let found = read(&[source], json!({ "c": claim }), json!({}));
        assert_eq!(!found.is_empty(), grants, "{test:?} {claim}");
    }
}

#[test]
fn contains_finds_a_whole_element_of_a_text_that_is_cut() {
    let mut cut = source("c");
    (cut.split, cut.grant) = (Some(",".into()), grant(Test::Contains("admin".into()), "r"));
    assert_eq!(read(std::slice::from_ref(&cut), json!({"c": "user, admin"}), json!({})), ["r"]);
    assert!(read(&[cut], json!({"c": "user,no-admin"}), json!({})).is_empty());
}

#[test]
fn values_can_be_renamed_and_are_chosen_by_their_own_name() {
    let mut renamed = source("cognito:groups");
    renamed.rename = BTreeMap::from([("flexai-manager".into(), "manager".into())]);
    let groups = json!({"cognito:groups": ["flexai-manager", "viewer", "eu-central-1_X_Google"]});
    assert_eq!(read(std::slice::from_ref(&renamed), groups.clone(), json!({})), ["manager", "viewer"]);
    renamed.only = vec!["flexai-manager".into()];
    assert_eq!(read(&[renamed], groups, json!({})), ["manager"]);
}

#[test]
fn a_claim_of_a_type_that_cannot_be_read_is_told_of() {
    let told = |source: RoleSource, claim: Value| {
        let claims = claims(json!({ "c": claim }));
        roles(&[source], &cognito(), &Tokens { id: Some(&claims), access: None })
    };
    let odd = |is| vec![Odd { claim: "c".into(), is }];
    assert_eq!(told(source("c"), json!({"a": 1})).odd, odd("an object"));
    assert_eq!(told(source("c"), json!(null)).odd, odd("null"));
    let mixed = told(source("c"), json!(["admin", {"a": 1}]));
    assert_eq!((mixed.roles.len(), mixed.odd), (0, odd("a list of more than texts")));
    let contains = RoleSource { grant: grant(Test::Contains("a".into()), "r"), ..source("c") };
    assert_eq!(told(contains, json!("abc")).odd, odd("a text"));
    assert!(told(source("c"), json!(["a", 1, true])).odd.is_empty());
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
