use std::time::Duration;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, UnparsedPublicKey};
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde_json::{Value, json};

use super::*;
use crate::config::settings::ProviderKind;

const NOW: u64 = 1_700_000_000;
const RANDOM: [u8; 16] = [7; 16];
const SIGNER: &str =
    "arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/app/a/50dc6c495c0c9188";

#[test]
fn a_statement_says_who_asks_for_whom_and_for_what() {
    let key = fresh();
    let token = one(&rolegate(&key).headers(&who(), &bound(), NOW, RANDOM));
    let (header, payload) = opened(&key, &URL_SAFE_NO_PAD, &token);
    let kid = SigningKey::from_der(&key).unwrap().kid().to_owned();
    assert_eq!(header, json!({ "alg": "ES256", "kid": kid, "typ": "JWT" }));
    assert_eq!(
        payload,
        json!({
            "iss": "https://app.example.com",
            "aud": "reports",
            "sub": "1f2e",
            "user": "erika, née \"x\"",
            "roles": ["admin", "user"],
            "iat": NOW,
            "exp": NOW + 30,
            "jti": URL_SAFE_NO_PAD.encode(RANDOM),
            "method": "GET",
            "host": "app.example.com",
            "path": "/reports/q3",
        })
    );
}

#[test]
fn no_two_requests_carry_the_same_statement() {
    let key = fresh();
    let assertions = rolegate(&key);
    let jti = |random| {
        let token = one(&assertions.headers(&who(), &bound(), NOW, random));
        opened(&key, &URL_SAFE_NO_PAD, &token).1["jti"].clone()
    };
    assert_ne!(jti([1; 16]), jti([2; 16]));
}

#[test]
fn the_first_key_signs_and_every_key_is_published() {
    let (first, second) = (fresh(), fresh());
    let assertions = Assertions::new(settings(), &[&first, &second], "iss", "client").unwrap();
    let token = one(&assertions.headers(&who(), &bound(), NOW, RANDOM));
    opened(&first, &URL_SAFE_NO_PAD, &token);
    let keys = assertions.document();
    let keys = keys["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 2);
    for key in keys {
        let kid = key["kid"].as_str().unwrap();
        assert!(assertions.pem(kid).unwrap().starts_with("-----BEGIN PUBLIC KEY-----\n"));
        let members: Vec<&str> = key.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(members, ["alg", "crv", "kid", "kty", "use", "x", "y"], "no private part");
    }
    assert!(assertions.pem("").is_none());
    assert!(assertions.pem("00000000-0000-4000-8000-000000000000").is_none());
}

#[test]
fn an_id_follows_from_its_key_and_is_a_uuid() {
    let der = fresh();
    let id = |der: &[u8]| SigningKey::from_der(der).unwrap().kid().to_owned();
    assert_eq!(id(&der), id(&der));
    assert_ne!(id(&der), id(&fresh()));
    let kid = id(&der);
    let groups: Vec<usize> = kid.split('-').map(str::len).collect();
    assert_eq!(groups, [8, 4, 4, 4, 12]);
    assert!(kid.bytes().all(|b| b == b'-' || b.is_ascii_digit() || (b'a'..=b'f').contains(&b)));
    assert_eq!(&kid[14..15], "4");
    assert!("89ab".contains(&kid[19..20]));
}

#[test]
fn only_a_key_of_the_right_curve_signs() {
    let other = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap().to_pkcs8v1().unwrap();
    for der in [other.as_ref(), b"", b"\x30\x00"] {
        assert_eq!(SigningKey::from_der(der).err(), Some(BadKey));
    }
    assert!(Assertions::new(settings(), &[], "iss", "client").is_err());
}

#[test]
fn a_key_is_read_in_either_form() {
    use aws_lc_rs::encoding::{AsDer, EcPrivateKeyRfc5915Der};
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let sec1: EcPrivateKeyRfc5915Der<'_> = pair.private_key().as_der().unwrap();
    let (sec1, pkcs8) = (SigningKey::from_der(sec1.as_ref()), SigningKey::from_der(&der(&pair)));
    assert_eq!(sec1.unwrap().jwk(), pkcs8.unwrap().jwk());
}

#[test]
fn an_alb_writes_padded_parts_and_its_own_header() {
    let key = fresh();
    let profile = profile(json!({
        "sub": "other", "cognito:username": "erika", "cognito:groups": ["admin"], "email": "e@example.com",
        "email_verified": true, "custom:level": "3", "updated_at": 12, "identities": [{ "userId": "1" }],
        "aud": "client", "iss": "x", "nonce": "n", "at_hash": "h", "auth_time": 1, "iat": 1, "exp": 1,
        "jti": "j", "origin_jti": "o", "event_id": "e", "token_use": "id",
    }));
    let who = Who {
        handed: Handed { profile: Some(&profile), access_token: Some("a.b.c"), id_token: None },
        ..who()
    };
    let headers = alb(&key).headers(&who, &bound(), NOW, RANDOM).unwrap();
    let names: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["x-amzn-oidc-data", "x-amzn-oidc-identity", "x-amzn-oidc-accesstoken"]);
    assert_eq!((headers[1].1.as_bytes(), headers[2].1.as_bytes()), (&b"1f2e"[..], &b"a.b.c"[..]));

    let token = headers[0].1.to_str().unwrap();
    assert!(token.split('.').all(|part| part.len() % 4 == 0), "padded: {token}");
    let (header, payload) = opened(&key, &URL_SAFE, token);
    let kid = SigningKey::from_der(&key).unwrap().kid().to_owned();
    assert_eq!(
        header,
        json!({
            "alg": "ES256", "typ": "JWT", "kid": kid, "signer": SIGNER, "iss": "https://pool.example.com/p",
            "client": "client", "exp": NOW + 30,
        })
    );
    assert_eq!(
        payload,
        json!({
            "sub": "1f2e", "username": "erika", "email": "e@example.com", "email_verified": "true",
            "custom:level": "3", "updated_at": "12", "identities": "[{\"userId\":\"1\"}]",
            "iss": "https://pool.example.com/p", "exp": NOW + 30,
        })
    );
}

#[test]
fn what_no_header_can_carry_is_refused() {
    let key = fresh();
    let who =
        Who { handed: Handed { access_token: Some("a\r\nX-User: root"), ..Handed::default() }, ..who() };
    assert!(alb(&key).headers(&who, &bound(), NOW, RANDOM).is_none());
    // Names and roles are inside base64: nothing of them can end a header.
    let nasty = Who { user: "a\r\nb", sub: "c\u{0}d", ..self::who() };
    assert!(rolegate(&key).headers(&nasty, &bound(), NOW, RANDOM).is_some());
    let headers = alb(&key).headers(&nasty, &bound(), NOW, RANDOM).unwrap();
    assert_eq!(headers[1].1, "c%00d");
}

#[test]
fn another_provider_s_claims_keep_their_types() {
    let id = json!({ "sub": "s", "email_verified": true, "cognito:username": "x", "nonce": "n" });
    let Value::Object(id) = id else { panic!() };
    let profile = alb::profile(&id, &ProviderKind::Oidc);
    assert_eq!(
        Value::Object(profile),
        json!({ "sub": "s", "email_verified": true, "cognito:username": "x" })
    );
}

fn fresh() -> Vec<u8> {
    der(&EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
}

fn der(pair: &EcdsaKeyPair) -> Vec<u8> {
    pair.to_pkcs8v1().unwrap().as_ref().to_vec()
}

fn settings() -> settings::Assertion {
    settings::Assertion {
        kind: AssertionKind::Rolegate { audience: "reports".into() },
        keys: vec![],
        lifetime: Duration::from_secs(30),
    }
}

fn rolegate(key: &[u8]) -> Assertions {
    Assertions::new(settings(), &[key], "https://pool.example.com/p", "client").unwrap()
}

fn alb(key: &[u8]) -> Assertions {
    let settings = settings::Assertion { kind: AssertionKind::Alb { signer: SIGNER.into() }, ..settings() };
    Assertions::new(settings, &[key], "https://pool.example.com/p", "client").unwrap()
}

fn profile(id: Value) -> Claims {
    let Value::Object(id) = id else { panic!("an object") };
    alb::profile(&id, &ProviderKind::Cognito { pool_id: "p".into(), domain: None })
}

fn who() -> Who<'static> {
    static ROLES: std::sync::LazyLock<Vec<String>> =
        std::sync::LazyLock::new(|| vec!["admin".into(), "user".into()]);
    Who { sub: "1f2e", user: "erika, née \"x\"", roles: &ROLES, handed: Handed::default() }
}

fn bound() -> Bound<'static> {
    Bound { origin: "https://app.example.com", method: "GET", host: "app.example.com", path: "/reports/q3" }
}

fn one(headers: &Option<Headers>) -> String {
    let Some([(name, value)]) = headers.as_deref() else { panic!("one header") };
    assert_eq!(name, X_ROLEGATE_ASSERTION);
    assert!(value.is_sensitive());
    value.to_str().unwrap().to_owned()
}

/// Header and payload of a token whose signature the published key confirms.
fn opened(key: &[u8], base64: &impl Engine, token: &str) -> (Value, Value) {
    let parts: Vec<&str> = token.split('.').collect();
    let [header, payload, signature] = parts[..] else { panic!("three parts: {token}") };
    let key = SigningKey::from_der(key).unwrap();
    let coordinate = |name: &str| URL_SAFE_NO_PAD.decode(key.jwk()[name].as_str().unwrap()).unwrap();
    let point = [vec![4], coordinate("x"), coordinate("y")].concat();
    let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &point);
    let message = format!("{header}.{payload}");
    public.verify(message.as_bytes(), &base64.decode(signature).unwrap()).unwrap();

    let body = key.pem().lines().filter(|line| !line.starts_with('-')).collect::<String>();
    assert!(STANDARD.decode(body).unwrap().ends_with(&point), "the PEM is of the same key");
    let json = |part: &str| serde_json::from_slice(&base64.decode(part).unwrap()).unwrap();
    (json(header), json(payload))
}
