use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::config::settings::{ClaimHeader, RoleSource};

fn config(user: &str) -> settings::Identity {
    settings::Identity {
        user: user.into(),
        roles: vec![RoleSource {
            claim: "cognito:groups".into(),
            token: TokenChoice::Either,
            split: None,
            grant: None,
            only: vec![],
            rename: BTreeMap::new(),
        }],
        headers: vec![ClaimHeader {
            claim: "pet_preference".into(),
            header: HeaderName::from_static("x-pet-preference"),
            token: TokenChoice::Either,
        }],
        user_headers: vec![X_USER],
        roles_headers: vec![X_ROLES],
        roles_format: RolesFormat::List,
        asked: settings::Asked::default(),
        machines: vec!["machine1".into()],
    }
}

fn identify_with(user: &str, claims: Value) -> Result<Identity, IdentityFault> {
    let provider = ProviderKind::Cognito { pool_id: "p_1".into(), domain: None };
    identify(&config(user), &provider, &Tokens { id: claims.as_object(), access: None })
}

#[test]
fn a_group_with_a_comma_or_beyond_ascii_cannot_forge_a_role() {
    let roles = ["user,admin".to_owned(), "größe".into(), "100%".into(), " admin".into(), "a\nb".into()];
    let headers = header_values(&config("sub"), "u", &roles, &[]).unwrap();
    assert_eq!(headers[1].1, "user%2Cadmin,gr%C3%B6%C3%9Fe,100%25,%20admin,a%0Ab");
}

#[test]
fn someone_without_roles_has_an_empty_roles_header() {
    assert_eq!(header_values(&config("sub"), "u", &[], &[]).unwrap()[1].1, "");
}

#[test]
fn the_user_is_one_claim_and_never_a_fallback() {
    let claims = json!({"sub": "s", "cognito:username": "viewer", "preferred_username": "admin"});
    assert_eq!(identify_with("cognito:username", claims).unwrap().user, "viewer");
    let missing = json!({"sub": "s", "email": "a@b"});
    assert_eq!(
        identify_with("cognito:username", missing),
        Err(IdentityFault::NoUser("cognito:username".into()))
    );
    let number = json!({"sub": "s", "cognito:username": 5});
    assert!(identify_with("cognito:username", number).is_err());
}

#[test]
fn an_email_counts_only_when_verified() {
    for (verified, counts) in [
        (json!(true), true),
        (json!("true"), true),
        (json!(false), false),
        (json!("false"), false),
        (json!(1), false),
    ] {
        let claims = json!({"sub": "s", "email": "a@b.example", "email_verified": verified});
        assert_eq!(identify_with("email", claims).is_ok(), counts, "{verified}");
    }
    assert_eq!(
        identify_with("email", json!({"sub": "s", "email": "a@b.example"})),
        Err(IdentityFault::UnverifiedEmail)
    );
}

#[test]
fn everything_a_pool_can_say_about_a_person_still_identifies_them() {
    let claims = json!({
        "sub": "s", "cognito:username": "u", "email_verified": "true", "phone_number_verified": "false",
        "address": "Somewhere 1", "updated_at": "1700000000", "pet_preference": "dogs",
        "identities": [{"userId": "1", "primary": "true", "dateCreated": "1642699117273"}],
    });
    let identity = identify_with("cognito:username", claims).unwrap();
    assert!(identity.roles.is_empty());
    assert_eq!(identity.headers, [("x-pet-preference".to_owned(), "dogs".to_owned())]);
}

#[test]
fn a_mapped_claim_that_no_header_can_say_is_no_identity() {
    let with = |claim: Value| {
        identify_with("sub", json!({"sub": "s", "pet_preference": claim})).map(|identity| identity.headers)
    };
    let shown = |text: &str| Ok(vec![("x-pet-preference".to_owned(), text.to_owned())]);
    assert_eq!(with(json!(["dogs", 2, true, "a,b"])), shown("dogs,2,true,a%2Cb"));
    assert_eq!(with(json!(7)), shown("7"));
    assert_eq!(with(Value::Null), Ok(vec![]));
    for claim in
        [json!({"kind": "dogs"}), json!(["dogs", {"kind": "cats"}]), json!([["dogs"]]), json!([null])]
    {
        assert_eq!(with(claim), Err(IdentityFault::Unwritable("pet_preference".into())));
    }
}

proptest! {
    #[test]
    fn distinct_lists_of_roles_never_share_a_header(a in any::<Vec<String>>(), b in any::<Vec<String>>()) {
        let text = |roles: &[String]| encode_list(roles.iter().map(String::as_str));
        let whole = |roles: &[String]| roles.iter().all(|role| !role.is_empty());
        if a != b && whole(&a) && whole(&b) {
            prop_assert_ne!(text(&a), text(&b));
        }
    }

    #[test]
    fn an_encoded_name_is_always_a_header_value(name in any::<String>()) {
        prop_assert!(header_values(&config("sub"), &name, std::slice::from_ref(&name), &[]).is_some());
    }
}

#[test]
fn user_and_roles_go_out_under_every_name_that_was_asked_for() {
    let mut config = config("sub");
    config.user_headers.push(HeaderName::from_static("remote-user"));
    config.roles_headers.push(HeaderName::from_static("x-groups"));
    let headers = header_values(&config, "u", &["a".into()], &[]).unwrap();
    let shown: Vec<_> =
        headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
    assert_eq!(shown, [("x-user", "u"), ("remote-user", "u"), ("x-roles", "a"), ("x-groups", "a")]);
}

#[test]
fn a_claim_kept_under_a_name_that_is_mapped_no_more_goes_out_under_no_name() {
    let mut config = config("sub");
    config.user_headers.push(HeaderName::from_static("remote-user"));
    let kept = |name: &str| (name.to_owned(), "of-a-claim".to_owned());
    // Of a session that began while `[identity.headers]` had all of these.
    let mapped = ["remote-user", "x-roles", "x-client-subject", "x-pet-preference", "no name"].map(kept);
    let headers = header_values(&config, "u", &["a".into()], &mapped).unwrap();
    let shown: Vec<_> =
        headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
    assert_eq!(
        shown,
        [("x-user", "u"), ("remote-user", "u"), ("x-roles", "a"), ("x-pet-preference", "of-a-claim")]
    );
}

#[test]
fn roles_as_json_are_an_array_in_visible_ascii() {
    let mut config = config("sub");
    config.roles_format = RolesFormat::Json;
    let roles = ["a,b".to_owned(), "gr\u{f6}\u{df}e \u{1f600}".into(), "q\"\\\n\u{7f}".into()];
    let headers = header_values(&config, "u", &roles, &[]).unwrap();
    let text = headers[1].1.to_str().unwrap();
    assert!(text.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{text}");
    assert_eq!(serde_json::from_str::<Vec<String>>(text).unwrap(), roles);
    assert_eq!(header_values(&config, "u", &[], &[]).unwrap()[1].1, "[]");
}

fn alone(user: &str, claims: Value) -> Result<String, IdentityFault> {
    let provider = ProviderKind::Cognito { pool_id: "p_1".into(), domain: None };
    let tokens = Tokens { id: None, access: claims.as_object() };
    identify(&config(user), &provider, &tokens).map(|identity| identity.user)
}

#[test]
fn an_access_token_alone_names_the_same_user_and_a_machine_by_its_client() {
    let person = json!({"sub": "s", "username": "ann", "client_id": "machine1"});
    assert_eq!(alone("cognito:username", person.clone()), Ok("ann".into()));
    assert_eq!(alone("sub", person), Ok("s".into()));
    let machine = json!({"sub": "machine1", "client_id": "machine1", "scope": "api/read"});
    assert_eq!(alone("cognito:username", machine.clone()), Ok("machine1".into()));
    assert_eq!(alone("sub", machine), Ok("machine1".into()));
    // A subject that is another's client is no machine's, and has no name.
    let other = json!({"sub": "machine2", "client_id": "machine1"});
    assert!(alone("cognito:username", other).is_err());
}

#[test]
fn nobody_may_be_called_as_a_machine_is() {
    let person = json!({"sub": "s", "username": "machine1", "client_id": "machine1"});
    assert_eq!(alone("cognito:username", person), Err(IdentityFault::CalledAsClient));
    let claims = json!({"sub": "s", "cognito:username": "machine1"});
    assert_eq!(identify_with("cognito:username", claims), Err(IdentityFault::CalledAsClient));
}

#[test]
fn a_machine_of_another_provider_is_called_as_its_client_and_no_person_may_be() {
    let elsewhere = |claims: Value| {
        let tokens = Tokens { id: None, access: claims.as_object() };
        identify(&config("sub"), &ProviderKind::Oidc, &tokens).map(|identity| identity.user)
    };
    assert_eq!(elsewhere(json!({"sub": "machine1", "client_id": "machine1"})), Ok("machine1".into()));
    assert_eq!(elsewhere(json!({"sub": "machine1", "azp": "machine1"})), Ok("machine1".into()));
    let person = json!({"sub": "machine1", "client_id": "web"});
    assert_eq!(elsewhere(person), Err(IdentityFault::CalledAsClient));
    assert_eq!(elsewhere(json!({"sub": "machine1"})), Err(IdentityFault::CalledAsClient));
}
