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
            equals: None,
            role: None,
            only: vec![],
        }],
        headers: vec![ClaimHeader {
            claim: "pet_preference".into(),
            header: HeaderName::from_static("x-pet-preference"),
            token: TokenChoice::Either,
        }],
    }
}

fn identify_with(user: &str, claims: Value) -> Result<Identity, IdentityFault> {
    let provider = ProviderKind::Cognito { pool_id: "p_1".into(), domain: None };
    identify(&config(user), &provider, &Tokens { id: claims.as_object().unwrap(), access: None })
}

#[test]
fn a_group_with_a_comma_or_beyond_ascii_cannot_forge_a_role() {
    let roles = ["user,admin".to_owned(), "größe".into(), "100%".into(), " admin".into(), "a\nb".into()];
    let headers = header_values("u", &roles, &[]).unwrap();
    assert_eq!(headers[1].1, "user%2Cadmin,gr%C3%B6%C3%9Fe,100%25,%20admin,a%0Ab");
}

#[test]
fn someone_without_roles_has_an_empty_roles_header() {
    assert_eq!(header_values("u", &[], &[]).unwrap()[1].1, "");
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
        prop_assert!(header_values(&name, std::slice::from_ref(&name), &[]).is_some());
    }
}
