use std::sync::LazyLock;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeySize, PrivateDecryptingKey};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::json;

use super::*;

const NOW: u64 = 1_800_000_000;

struct Signer {
    key: EncodingKey,
    keys: KeySet,
}

static SIGNER: LazyLock<Signer> = LazyLock::new(|| {
    let _ = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
    let key = generate();
    let mut jwk = Jwk::from_encoding_key(&key, Algorithm::RS256).unwrap();
    jwk.common.key_id = Some("k1".into());
    let other = Jwk::from_encoding_key(&generate(), Algorithm::RS256).unwrap();
    let set = json!({"keys": [jwk, other]});
    Signer { key, keys: KeySet::parse(set.to_string().as_bytes()).unwrap() }
});

fn generate() -> EncodingKey {
    let _ = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
    let key = PrivateDecryptingKey::generate(KeySize::Rsa2048).unwrap();
    let der = AsDer::<Pkcs8V1Der<'_>>::as_der(&key).unwrap();
    // PKCS#8 wraps PKCS#1 in a head of fixed length for a key of this size (RFC 5958 §2).
    EncodingKey::from_rsa_der(&der.as_ref()[26..])
}

fn id_claims() -> Value {
    json!({
        "iss": "https://issuer", "aud": "client", "sub": "s", "token_use": "id",
        "exp": NOW + 3600, "iat": NOW, "nonce": "n",
    })
}

fn with(changes: Value) -> Value {
    let mut claims = id_claims();
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(name);
        } else {
            claims[name] = value.clone();
        }
    }
    claims
}

fn sign(claims: &Value) -> String {
    let mut header = Header::new(Algorithm::RS256);
    header.kid = Some("k1".into());
    encode(&header, claims, &SIGNER.key).unwrap()
}

/// A token over exactly these bytes.
fn sign_raw(header: &str, payload: &str) -> String {
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &SIGNER.key, Algorithm::RS256).unwrap();
    format!("{message}.{signature}")
}

fn check(token: &str, kind: Kind<'_>) -> Result<Claims, TokenFault> {
    check_at(token, kind, true, Some(&["https://api.test".to_owned()]))
}

fn check_at(
    token: &str,
    kind: Kind<'_>,
    cognito: bool,
    audiences: Option<&[String]>,
) -> Result<Claims, TokenFault> {
    let client_ids = ["client", "mobile"].map(str::to_owned);
    let expect = Expect { issuer: "https://issuer", client_ids: &client_ids, audiences, cognito, kind };
    verify(token, &SIGNER.keys, &expect, NOW)
}

fn id(token: &str) -> Result<Claims, TokenFault> {
    check(token, Kind::Id { nonce: Some("n"), access_token: None, code: None })
}

#[test]
fn a_good_token_counts() {
    assert_eq!(id(&sign(&id_claims())).unwrap()["sub"], "s");
}

#[test]
fn every_claim_is_required_and_compared_exactly() {
    for (changes, fault) in [
        (json!({"iss": null}), TokenFault::Issuer),
        (json!({"iss": "https://issuer/"}), TokenFault::Issuer),
        (json!({"iss": "https://issuerevil"}), TokenFault::Issuer),
        (json!({"iss": ["https://issuer"]}), TokenFault::Issuer),
        (json!({"aud": null}), TokenFault::Audience),
        (json!({"aud": "client2"}), TokenFault::Audience),
        (json!({"aud": []}), TokenFault::Audience),
        (json!({"aud": {"client": 1}}), TokenFault::Audience),
        (json!({"aud": ["client", "other"]}), TokenFault::AuthorizedParty),
        (json!({"aud": ["client", "other"], "azp": "other"}), TokenFault::AuthorizedParty),
        (json!({"azp": "other"}), TokenFault::AuthorizedParty),
        (json!({"token_use": null}), TokenFault::TokenUse),
        (json!({"token_use": "access"}), TokenFault::TokenUse),
        (json!({"sub": null}), TokenFault::Subject),
        (json!({"sub": ""}), TokenFault::Subject),
        (json!({"sub": ["s"]}), TokenFault::Subject),
        (json!({"sub": "s".repeat(300)}), TokenFault::Subject),
        (json!({"nonce": null}), TokenFault::Nonce),
        (json!({"nonce": "m"}), TokenFault::Nonce),
        (json!({"exp": null}), TokenFault::Time),
        (json!({"exp": "9999999999"}), TokenFault::Time),
        (json!({"exp": 1e300}), TokenFault::Time),
        (json!({"exp": -1}), TokenFault::Time),
        (json!({"exp": [1]}), TokenFault::Time),
        (json!({"exp": NOW - LEEWAY}), TokenFault::Expired),
        (json!({"iat": null}), TokenFault::Time),
        (json!({"iat": NOW + LEEWAY + 1}), TokenFault::NotYet),
        (json!({"nbf": NOW + LEEWAY + 1}), TokenFault::NotYet),
        (json!({"nbf": "0"}), TokenFault::Time),
    ] {
        assert_eq!(id(&sign(&with(changes.clone()))).unwrap_err(), fault, "{changes}");
    }
    for changes in [
        json!({"exp": NOW - LEEWAY + 1}),
        json!({"exp": NOW as f64 + 0.5}),
        json!({"iat": NOW + LEEWAY}),
        json!({"aud": ["client"]}),
        json!({"aud": ["client", "other"], "azp": "client"}),
    ] {
        assert!(id(&sign(&with(changes.clone()))).is_ok(), "{changes}");
    }
}

fn access(changes: &Value) -> Value {
    let mut claims = with(json!({"token_use": "access", "client_id": "client", "aud": null, "nonce": null}));
    for (name, value) in Value::as_object(changes).unwrap() {
        claims[name] = value.clone();
    }
    claims
}

#[test]
fn an_access_token_names_its_client_and_may_be_bound_to_a_resource() {
    let access = |changes| check(&sign(&access(&changes)), Kind::Access);
    for changes in [
        json!({}),
        json!({"client_id": "mobile"}),
        json!({"aud": "https://api.test"}),
        json!({"aud": ["https://api.example", "https://api.test"]}),
        json!({"aud": "client"}),
    ] {
        assert!(access(changes.clone()).is_ok(), "{changes}");
    }
    for (changes, fault) in [
        (json!({"client_id": "other"}), TokenFault::ClientId),
        (json!({"client_id": "other", "aud": "https://api.test"}), TokenFault::ClientId),
        (json!({"token_use": "id"}), TokenFault::TokenUse),
        (json!({"aud": "https://api.example"}), TokenFault::Audience),
        (json!({"aud": "https://api.test/"}), TokenFault::Audience),
        (json!({"aud": []}), TokenFault::Audience),
        (json!({"aud": null}), TokenFault::Audience),
        (json!({"aud": {"https://api.test": 1}}), TokenFault::Audience),
    ] {
        assert_eq!(access(changes.clone()).unwrap_err(), fault, "{changes}");
    }
}

#[test]
fn elsewhere_an_access_token_is_for_a_resource_of_ours_or_issued_to_us_and_for_nobody_else() {
    let ours = ["https://api.test".to_owned()];
    let check = |changes: &Value, audiences| {
        check_at(&sign(&access(changes)), Kind::Access, false, audiences).map(|_| ())
    };
    for (changes, bearer, login) in [
        (json!({}), Ok(()), Ok(())),
        (json!({"client_id": "other", "aud": "https://api.test"}), Ok(()), Err(TokenFault::ClientId)),
        (json!({"aud": "https://api.example"}), Err(TokenFault::Audience), Ok(())),
        (json!({"client_id": "other"}), Err(TokenFault::ClientId), Err(TokenFault::ClientId)),
        (json!({"client_id": null, "azp": "mobile"}), Ok(()), Ok(())),
        (json!({"client_id": null, "aud": "client"}), Ok(()), Ok(())),
        (json!({"client_id": null}), Err(TokenFault::Audience), Err(TokenFault::Audience)),
        // An ID token of ours, which nothing but this tells apart.
        (json!({"at_hash": "x"}), Err(TokenFault::TokenUse), Ok(())),
        (json!({"client_id": null, "aud": "client", "typ": "ID"}), Err(TokenFault::TokenUse), Ok(())),
        (json!({"at_hash": "x", "aud": "https://api.test"}), Ok(()), Ok(())),
    ] {
        assert_eq!(check(&changes, Some(&ours)), bearer, "{changes}");
        assert_eq!(check(&changes, None), login, "{changes}, from the token endpoint");
    }
}

#[test]
fn at_hash_and_c_hash_count_if_they_are_there() {
    let half = |value: &str| URL_SAFE_NO_PAD.encode(&digest(&SHA256, value.as_bytes()).as_ref()[..16]);
    let kind = |access_token, code| Kind::Id { nonce: Some("n"), access_token, code };
    let token = sign(&with(json!({ "at_hash": half("access"), "c_hash": half("code") })));
    assert!(check(&token, kind(Some("access"), Some("code"))).is_ok());
    assert!(check(&token, kind(None, None)).is_ok());
    assert_eq!(check(&token, kind(Some("another"), Some("code"))).unwrap_err(), TokenFault::AtHash);
    assert_eq!(check(&token, kind(Some("access"), Some("another"))).unwrap_err(), TokenFault::CHash);
    assert!(check(&sign(&id_claims()), kind(Some("access"), Some("code"))).is_ok());
}

#[test]
fn an_issuer_is_the_one_whose_keys_these_are() {
    for issuer in
        ["https://issuer/", "https://issuer.", "https://ISSUER", "http://issuer", "https://issuer2", ""]
    {
        assert_eq!(id(&sign(&with(json!({ "iss": issuer })))).unwrap_err(), TokenFault::Issuer, "{issuer}");
    }
    for issuer in [json!(["https://issuer"]), json!(1), json!({})] {
        assert_eq!(id(&sign(&with(json!({ "iss": issuer })))).unwrap_err(), TokenFault::Issuer, "{issuer}");
    }
}

#[test]
fn what_a_token_says_of_itself_is_read_or_absent() {
    let said = unverified(&sign(&id_claims()));
    assert_eq!(said.issuer.as_deref(), Some("https://issuer"));
    assert_eq!((said.kid.as_deref(), said.token_use.as_deref()), (Some("k1"), Some("id")));
    for token in ["", ".", "a.b.c", "...", "e30.W10.x", "e30.!.x"] {
        assert_eq!(unverified(token), Unverified::default(), "{token}");
    }
    let large = format!("e30.{}.x", "A".repeat(MAX_TOKEN + 1));
    assert_eq!(unverified(&large), Unverified::default());
    assert_eq!(
        unverified(&sign_raw(r#"{"kid":1}"#, r#"{"iss":["a"],"token_use":null}"#)),
        Unverified::default()
    );
    assert_eq!(unverified(&sign_raw("{}", r#"{"iss":"a","iss":"b"}"#)), Unverified::default());
}

#[test]
fn no_header_trick_counts() {
    let payload = id_claims().to_string();
    for (header, fault) in [
        (r#"{"alg":"none","kid":"k1"}"#, TokenFault::Algorithm),
        (r#"{"alg":"rs256","kid":"k1"}"#, TokenFault::Algorithm),
        (r#"{"alg":"HS256","kid":"k1"}"#, TokenFault::Algorithm),
        (r#"{"alg":"RS384","kid":"k1"}"#, TokenFault::Algorithm),
        (r#"{"alg":["RS256"],"kid":"k1"}"#, TokenFault::Algorithm),
        (r#"{"kid":"k1"}"#, TokenFault::Algorithm),
        (r#"{"alg":"RS256","alg":"RS256","kid":"k1"}"#, TokenFault::Header),
        (r#"{"alg":"RS256","kid":"k1","crit":["x"]}"#, TokenFault::Header),
        (r#"{"alg":"RS256","kid":"k1","b64":false}"#, TokenFault::Header),
        (r#"{"alg":"RS256","kid":"k1","jku":"https://evil"}"#, TokenFault::Header),
        (r#"{"alg":"RS256","kid":"k1","jwk":{}}"#, TokenFault::Header),
        (r#"{"alg":"RS256","kid":"k1","enc":"A256GCM"}"#, TokenFault::Header),
        (r#"{"alg":"RS256","kid":1}"#, TokenFault::Header),
        (r#"{"alg":"RS256","kid":"k2"}"#, TokenFault::UnknownKey),
        (r#"{"alg":"RS256"}"#, TokenFault::UnknownKey),
        (r#"[]"#, TokenFault::Header),
    ] {
        assert_eq!(id(&sign_raw(header, &payload)).unwrap_err(), fault, "{header}");
    }
}

#[test]
fn a_duplicate_claim_is_refused() {
    let payload = id_claims().to_string().replacen('{', r#"{"aud":"other","#, 1);
    assert_eq!(id(&sign_raw(r#"{"alg":"RS256","kid":"k1"}"#, &payload)).unwrap_err(), TokenFault::Claims);
}

#[test]
fn no_changed_bit_of_a_token_counts() {
    let token = sign(&id_claims());
    for at in 0..token.len() {
        let mut bytes = token.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        assert!(id(&String::from_utf8(bytes).unwrap()).is_err(), "byte {at}");
    }
}

#[test]
fn garbage_is_refused_without_work() {
    let token = sign(&id_claims());
    for garbage in [
        String::new(),
        "..".into(),
        "a.b".into(),
        "a.b.c.d.e".into(),
        ".".repeat(100_000),
        format!("{token}="),
        format!("{token}\n"),
        token.replace('.', ".."),
        token[..token.rfind('.').unwrap() + 1].to_owned(),
        "é.é.é".into(),
    ] {
        assert!(id(&garbage).is_err(), "{garbage:.40}");
    }
}
