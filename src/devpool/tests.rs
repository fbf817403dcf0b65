//! The pool over real sockets, as a relying party and a browser meet it.

mod api;
mod browser;
mod flow;
mod logout;
mod page;
mod refresh;
mod seeds;
mod steps;
mod token;

use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value};

use self::browser::{Browser, Reply};
use super::*;
use crate::listen::{self, Bounds};

const CALLBACK: &str = "http://localhost:4180/oauth2/callback";
const SIGNED_OUT: &str = "http://localhost:4180/oauth2/signout";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
/// RFC 7636, appendix B.
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// A pool that is being served, and what the tests ask of it again and again.
struct Served {
    pool: Arc<Pool>,
    url: String,
    id: String,
    secret: String,
}

/// Serves a pool for as long as `test` takes.
fn serve<F: Future<Output = ()>>(seed: Seed, test: impl FnOnce(Served) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build_local(tokio::runtime::LocalOptions::default())
        .unwrap();
    runtime.block_on(async {
        let listener = listen::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let gate = GateAddresses {
            public_urls: vec!["http://localhost:4180".into()],
            auth_prefix: "/oauth2".into(),
        };
        let pool = Pool::new(seed, &url, Some(&gate)).unwrap();
        let (stop, stopping) = listen::stop::pair();
        let handler = PoolHandler::shared(pool.clone());
        let serving = tokio::task::spawn_local(listen::serve(listener, handler, Bounds::default(), stopping));
        let (id, secret) = pool.client();
        test(Served { pool, url, id, secret }).await;
        stop.begin();
        serving.await.unwrap().unwrap();
    });
}

fn seed(text: &str) -> Seed {
    Seed::from_text(Path::new("pool.toml"), text).unwrap()
}

/// The claims of a token, unverified.
fn claims(token: &str) -> Map<String, Value> {
    use base64::Engine;
    let payload = token.split('.').nth(1).unwrap();
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

fn encode(pairs: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

// === impl Served ===

impl Served {
    fn browser(&self) -> Browser {
        Browser::new(&self.url)
    }

    /// The way to the authorize endpoint, with `more` instead of or beside the usual parameters.
    fn authorize(&self, more: &[(&str, &str)]) -> String {
        let usual = [
            ("response_type", "code"),
            ("client_id", self.id.as_str()),
            ("redirect_uri", CALLBACK),
            ("scope", "openid email profile"),
            ("state", "a-state"),
            ("nonce", "a-nonce"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        let kept = usual.iter().filter(|(name, _)| !more.iter().any(|(other, _)| other == name));
        // An empty value takes the usual one away.
        let pairs: Vec<_> = kept.chain(more).filter(|(_, value)| !value.is_empty()).copied().collect();
        format!("/oauth2/authorize?{}", encode(&pairs))
    }

    /// Signs in as `name` and returns the code.
    async fn code(&self, browser: &mut Browser, name: &str) -> String {
        let reply = browser.sign_in(&self.authorize(&[]), name, name).await;
        reply.parameter("code")
    }

    async fn token(&self, pairs: &[(&str, &str)]) -> Reply {
        let basic = self.basic(&self.secret);
        self.browser().post("/oauth2/token", &encode(pairs), &[("authorization", &basic)]).await
    }

    async fn redeem(&self, code: &str) -> Reply {
        self.token(&[
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
        ])
        .await
    }

    async fn refresh(&self, token: &str) -> Reply {
        self.token(&[("grant_type", "refresh_token"), ("refresh_token", token)]).await
    }

    /// Tokens of `name`, freshly signed in.
    async fn tokens(&self, name: &str) -> Value {
        let code = self.code(&mut self.browser(), name).await;
        self.redeem(&code).await.json()
    }

    async fn dev(&self, fault: &str, body: Value) -> Reply {
        let headers = [("x-rolegate-dev", "1"), ("content-type", "application/json")];
        self.browser().post(&format!("/_dev/{fault}"), &body.to_string(), &headers).await
    }

    fn basic(&self, secret: &str) -> String {
        use base64::Engine;
        let pair = format!("{}:{secret}", self.id);
        format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair))
    }
}
