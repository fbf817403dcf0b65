//! Bearer tokens at the provider: which token counts, for whom, and until when the verification stands.

use std::sync::Arc;

use rolegate::config::settings::{self, LoginParameters, ProviderKind, TokenChoice};
use rolegate::identity::token::TokenFault;
use rolegate::provider::{Accepted, Bearer, PoolFault, Provider};
use serde_json::json;

use crate::support::pool::{CLIENT_ID, Endpoint, FakePool, POOL_ID, Reply};
use crate::support::token::{Key, Mint, Use, jwk, kid, random};

/// A pool, a provider that knows it, and whose tokens count.
struct Bench {
    pool: FakePool,
    second: FakePool,
    provider: Arc<Provider>,
    runtime: tokio::runtime::Runtime,
    client_ids: Vec<String>,
    audiences: Vec<String>,
}

impl Bench {
    fn start(cognito: bool) -> Self {
        // Whichever program this runs in: the verifier wants its provider named once.
        let _ = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
        let (pool, second) = (FakePool::start(), FakePool::start());
        let kind = match cognito {
            true => ProviderKind::Cognito { pool_id: POOL_ID.into(), domain: None },
            false => ProviderKind::Oidc,
        };
        let provider = settings::Provider {
            kind,
            issuer: pool.issuer(),
            additional_issuers: vec![second.issuer()],
            client_id: CLIENT_ID.into(),
            client_secrets: vec![],
            scopes: vec!["openid".into()],
            resources: vec![],
            parameters: LoginParameters::default(),
            ca_file: None,
            shortcut: None,
        };
        let identity = settings::Identity::default();
        let provider = Arc::new(Provider::new(provider, identity).unwrap());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let bench = Self {
            pool,
            second,
            provider,
            runtime,
            client_ids: vec![CLIENT_ID.into(), "mobile".into()],
            audiences: vec!["https://api.test".into()],
        };
        let early = bench.ask(&bench.token(Use::Access, |_| ()), TokenChoice::Either);
        assert!(matches!(early, Err(PoolFault::NotReady)), "{early:?}");
        bench.runtime.block_on(async {
            let ready = async {
                while !bench.provider.ready() {
                    tokio::task::yield_now().await;
                }
            };
            let current = arc_swap::ArcSwap::new(bench.provider.clone());
            tokio::select! { () = Provider::keep(&current) => {}, () = ready => {} }
        });
        bench
    }

    fn token(&self, kind: Use, change: impl FnOnce(&mut Mint)) -> String {
        self.pool.mint(kind, "user", change)
    }

    fn ask(&self, token: &str, choice: TokenChoice) -> Result<Bearer, PoolFault> {
        let accepted = Accepted { client_ids: &self.client_ids, audiences: Some(&self.audiences) };
        self.runtime.block_on(self.provider.bearer(token, choice, &accepted))
    }

    fn counts(&self, kind: Use, change: impl FnOnce(&mut Mint)) -> Bearer {
        self.ask(&self.token(kind, change), TokenChoice::Either).unwrap()
    }

    fn fault(&self, kind: Use, change: impl FnOnce(&mut Mint)) -> TokenFault {
        fault(self.ask(&self.token(kind, change), TokenChoice::Either))
    }
}

fn fault(asked: Result<Bearer, PoolFault>) -> TokenFault {
    match asked {
        Err(PoolFault::Token { fault, .. }) => fault,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_bearer_token_is_verified_as_what_its_token_use_says_without_a_call() {
    let bench = Bench::start(true);
    let before = bench.pool.asked().len();
    let id = bench.counts(Use::Id, |_| ());
    assert_eq!((id.token, &id.claims["cognito:username"]), (TokenChoice::Id, &json!("user")));
    let access = bench.counts(Use::Access, |_| ());
    assert_eq!((access.token, &access.claims["username"]), (TokenChoice::Access, &json!("user")));
    assert_eq!(
        bench.counts(Use::Access, |mint| mint.claim("client_id", "mobile")).token,
        TokenChoice::Access
    );
    assert_eq!(bench.counts(Use::Id, |mint| mint.claim("aud", "mobile")).token, TokenChoice::Id);
    bench.counts(Use::Access, |mint| mint.claim("aud", "https://api.test"));

    assert_eq!(bench.fault(Use::Id, |mint| mint.claim("aud", "other")), TokenFault::Audience);
    assert_eq!(bench.fault(Use::Id, |mint| mint.claim("aud", "https://api.test")), TokenFault::Audience);
    assert_eq!(bench.fault(Use::Access, |mint| mint.claim("client_id", "other")), TokenFault::ClientId);
    assert_eq!(
        bench.fault(Use::Access, |mint| mint.claim("aud", "https://other.test")),
        TokenFault::Audience
    );
    // One of them dressed as the other has not what the other needs.
    assert_eq!(bench.fault(Use::Id, |mint| mint.claim("token_use", "access")), TokenFault::ClientId);
    assert_eq!(bench.fault(Use::Access, |mint| mint.claim("token_use", "id")), TokenFault::Audience);
    for other in [json!("refresh"), json!(null), json!(["id"]), json!("ID")] {
        assert_eq!(bench.fault(Use::Id, |mint| mint.claim("token_use", other)), TokenFault::TokenUse);
    }
    assert_eq!(bench.fault(Use::Access, |mint| mint.claim("exp", 1)), TokenFault::Expired);
    assert_eq!(bench.fault(Use::Access, |mint| mint.key = Key::Foreign), TokenFault::Signature);
    assert_eq!(bench.fault(Use::Access, |mint| mint.raw = Some("a.b.c".into())), TokenFault::Malformed);
    assert_eq!(bench.pool.asked().len(), before, "nobody was asked");
}

#[test]
fn a_choice_of_token_is_kept() {
    let bench = Bench::start(true);
    let (id, access) = (bench.token(Use::Id, |_| ()), bench.token(Use::Access, |_| ()));
    assert!(bench.ask(&id, TokenChoice::Id).is_ok() && bench.ask(&access, TokenChoice::Access).is_ok());
    assert_eq!(fault(bench.ask(&id, TokenChoice::Access)), TokenFault::TokenUse);
    assert_eq!(fault(bench.ask(&access, TokenChoice::Id)), TokenFault::TokenUse);
}

#[test]
fn elsewhere_a_bearer_token_is_for_a_resource_of_ours_or_for_a_client_of_ours() {
    let bench = Bench::start(false);
    let with = |claims: serde_json::Value| {
        bench.token(Use::Access, |mint| {
            for name in ["token_use", "client_id", "aud", "username"] {
                mint.without(name);
            }
            mint.claims.extend(claims.as_object().unwrap().clone());
        })
    };
    for claims in [
        json!({"aud": "https://api.test", "client_id": "whoever"}),
        json!({"aud": ["https://api.test", "x"]}),
        json!({"aud": CLIENT_ID}),
        json!({"azp": "mobile"}),
        json!({"client_id": CLIENT_ID}),
    ] {
        let bearer = bench.ask(&with(claims.clone()), TokenChoice::Either).unwrap();
        assert_eq!(bearer.token, TokenChoice::Access, "{claims}");
    }
    for (claims, wanted) in [
        (json!({"aud": "https://other.test", "client_id": CLIENT_ID}), TokenFault::Audience),
        (json!({"aud": "account", "azp": CLIENT_ID}), TokenFault::Audience),
        (json!({"client_id": "whoever"}), TokenFault::ClientId),
        (json!({"aud": "https://api.test/"}), TokenFault::Audience),
        (json!({}), TokenFault::Audience),
    ] {
        assert_eq!(fault(bench.ask(&with(claims.clone()), TokenChoice::Either)), wanted, "{claims}");
    }
}

#[test]
fn a_verification_stands_until_its_own_issuer_has_other_keys() {
    let bench = Bench::start(true);
    bench.second.show_keys(vec![jwk(&Key::Foreign)]);
    let of_second = |mint: &mut Mint| {
        mint.claim("iss", bench.second.issuer());
        mint.header.insert("kid".into(), json!(kid(&Key::Foreign)));
        mint.key = Key::Foreign;
    };
    let first = bench.counts(Use::Access, |_| ());
    let second = bench.counts(Use::Access, of_second);
    assert!(bench.provider.keys_unchanged(&first.keys) && bench.provider.keys_unchanged(&second.keys));
    // The first issuer rotates.
    bench.pool.show_keys(vec![jwk(&Key::ForId), jwk(&Key::Foreign)]);
    let rotated = bench.counts(Use::Access, |mint| {
        mint.header.insert("kid".into(), json!(kid(&Key::Foreign)));
        mint.key = Key::Foreign;
    });
    assert!(!bench.provider.keys_unchanged(&first.keys));
    assert!(bench.provider.keys_unchanged(&rotated.keys) && bench.provider.keys_unchanged(&second.keys));
    assert_eq!(bench.fault(Use::Access, |_| ()), TokenFault::UnknownKey, "the old key is gone");
    assert_eq!((bench.pool.count(Endpoint::Jwks), bench.second.count(Endpoint::Jwks)), (3, 1));
}

#[test]
fn a_flood_of_bearer_tokens_makes_one_fetch_at_each_issuer() {
    let bench = Bench::start(true);
    bench.second.script(Endpoint::Discovery, Reply::Status(403, "text/plain", b"no".to_vec()));
    let begun = std::time::Instant::now();
    for _ in 0..200 {
        let unknown = |mint: &mut Mint| drop(mint.header.insert("kid".into(), json!(random(12))));
        assert_eq!(bench.fault(Use::Access, unknown), TokenFault::UnknownKey);
        let of_second = bench.token(Use::Access, |mint| mint.claim("iss", bench.second.issuer()));
        assert!(matches!(bench.ask(&of_second, TokenChoice::Either), Err(PoolFault::NoKeys)));
        // Of nobody we know: not even that.
        let of_nobody = bench.fault(Use::Access, |mint| {
            mint.claim("iss", "https://nobody.test");
            mint.header.insert("kid".into(), json!(random(12)));
        });
        assert_eq!(of_nobody, TokenFault::UnknownKey);
    }
    let allowed = 1 + begun.elapsed().as_secs() / 10;
    assert!(bench.pool.count(Endpoint::Jwks) as u64 <= 1 + allowed);
    assert!(bench.second.count(Endpoint::Discovery) as u64 <= allowed);
    assert!(bench.ask(&bench.token(Use::Access, |_| ()), TokenChoice::Either).is_ok());
}
