//! A user pool on this machine, for development and tests, that behaves as Amazon Cognito does to a relying party;
//! an island: it knows `listen` and `body`, and of the rest only `run` and `main` may name it.
//!
//! ```text
//! mod ┬ authorize → login     who asks, who signs in
//!     │     └ federation        who signs in elsewhere
//!     │           entry         in any case: the trigger, then a code
//!     ├ token → tokens → keys   a code, a refresh token (renew) or a secret (machine) for signed tokens
//!     │     └ trigger           a person's own function has its say in what they claim
//!     ├ revoke · userinfo · logout
//!     ├ api                     the JSON API: AWSCognitoIdentityProviderService
//!     └ dev → faults            faults and time, for tests
//! state  what the pool remembers, behind one lock    seed  what it begins with
//! ```

use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ::http::{Method, Request, StatusCode};
use hyper::body::Incoming;
use serde_json::json;

use crate::body::{Answer, Body};
use crate::listen::{Handler, Peer};

mod account;
mod api;
mod authorize;
mod bound;
mod challenge;
mod dev;
mod entry;
mod faults;
mod federation;
mod http;
mod issuer;
mod keys;
mod login;
mod logout;
mod machine;
mod page;
mod random;
mod renew;
mod revoke;
pub mod sample;
mod seed;
mod srp;
mod state;
#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test may look at the clock")]
mod tests;
mod token;
mod tokens;
mod totp;
mod trigger;
mod userinfo;

pub use keys::KeyError;
pub use seed::{Seed, SeedError, SeedProblem};

use self::faults::Endpoint;
use self::http::{Asked, json, text};
use self::keys::{Kept, Keys};
use self::state::State;
use self::trigger::Trigger;

/// A running user pool.
pub struct Pool {
    public_url: String,
    issuer: String,
    pool_id: String,
    /// Where the keys are kept, if they are.
    kept: Option<Kept>,
    trigger: Option<Trigger>,
    state: Mutex<State>,
}

/// Where the gate in front of the application is, so that the first client may lead back to it.
#[derive(Debug, Clone)]
pub struct GateAddresses {
    /// Its origins, as in its configuration.
    pub public_urls: Vec<String>,
    /// The path of its own pages: `/oauth2`.
    pub auth_prefix: String,
}

/// Serves a pool: one a listener.
#[derive(Clone)]
pub struct PoolHandler(Arc<Pool>);

/// A pool cannot be.
#[derive(Debug, thiserror::Error)]
pub enum PoolError {
    /// It is to be at an address that no issuer can have.
    #[error("the pool's address {0:?} is not an origin, like http://127.0.0.1:4182")]
    Address(String),
    /// It is to be at an address of Amazon's.
    #[error(
        "the pool's address {0:?} is Amazon's: the tokens of this pool would bear a real pool's issuer; use an \
         address of your own, and [pool] aws_issuer = true where only the issuer is to have the form of AWS's"
    )]
    RealIssuer(String),
    /// There are no keys to sign with.
    #[error(transparent)]
    Keys(#[from] KeyError),
}

// === impl Pool ===

impl Pool {
    /// A pool that is reached at `public_url`. The gate's addresses, if there is one, are registered with the first
    /// client.
    pub fn new(seed: Seed, public_url: &str, gate: Option<&GateAddresses>) -> Result<Arc<Self>, PoolError> {
        let public_url = origin(public_url).ok_or_else(|| PoolError::Address(public_url.to_owned()))?;
        let at_gate = |page: &str| match gate {
            Some(gate) => gate
                .public_urls
                .iter()
                .map(|url| format!("{}{}{page}", url.trim_end_matches('/'), gate.auth_prefix))
                .collect(),
            None => Vec::new(),
        };
        let (callbacks, logouts) = match gate {
            Some(_) => (at_gate("/callback"), at_gate("/signout")),
            None if seed.clients.is_empty() => (alone("/callback"), alone("/")),
            None => (Vec::new(), Vec::new()),
        };
        let issuer = issuer::issuer(&public_url, &seed.pool_id, seed.aws_issuer)?;
        let kept = seed.state_dir.as_ref().map(|folder| Kept::new(folder, &seed.pool_id));
        let keys = kept.as_ref().map_or_else(Keys::generate, Kept::keys)?;
        let mut seed = seed;
        let trigger = seed.trigger.take().map(Trigger::new);
        Ok(Arc::new(Self {
            issuer,
            pool_id: seed.pool_id.clone(),
            public_url,
            kept,
            trigger,
            state: Mutex::new(State::new(seed, keys, callbacks, logouts)),
        }))
    }

    /// The issuer, below which the discovery document is.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Where the discovery document and the keys are: the issuer, unless that has the form of AWS's.
    pub fn served_at(&self) -> String {
        format!("{}/{}", self.public_url, self.pool_id)
    }

    /// Id and secret of the first client that people sign in at. A public client's secret is empty.
    pub fn client(&self) -> (String, String) {
        let state = self.state();
        let secret = |client: &state::Client| client.secrets.first().cloned().unwrap_or_default();
        state.first_client().map(|client| (client.id.clone(), secret(client))).unwrap_or_default()
    }

    /// The state. A panic while it was held has broken no promise between its parts, so it goes on.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An answer, and what is to go wrong with it.
    async fn serve(&self, asked: &Asked) -> Answer {
        let endpoint = Endpoint::of(&asked.path, &self.pool_id);
        let met = endpoint.map(|endpoint| self.state().faults.meet(endpoint)).unwrap_or_default();
        if let Some(delay) = met.delay {
            tokio::time::sleep(Duration::from_millis(delay)).await;
        }
        if let Some(refusal) = met.refusal() {
            if endpoint == Some(Endpoint::Token) {
                token::count(self, "failed");
            }
            return refusal;
        }
        let mut answer = self.route(asked).await;
        if met.lost {
            faults::lose(&mut answer);
        }
        answer
    }

    async fn route(&self, asked: &Asked) -> Answer {
        if let Some(page) =
            asked.path.strip_prefix('/').and_then(|path| path.strip_prefix(self.pool_id.as_str()))
        {
            return match (&asked.method, page) {
                (&Method::GET | &Method::HEAD, "/.well-known/openid-configuration") => self.discovery(),
                (&Method::GET | &Method::HEAD, "/.well-known/jwks.json") => self.jwks(),
                _ => not_found(),
            };
        }
        if asked.path.starts_with("/_dev/") {
            return dev::answer(self, asked);
        }
        if !self.state().domain && asked.path != "/" {
            return not_found();
        }
        match (&asked.method, asked.path.as_str()) {
            // `/authorize` is the old name.
            (&Method::GET, "/oauth2/authorize" | "/authorize") => authorize::answer(self, asked).await,
            (&Method::GET | &Method::POST, "/login") => login::answer(self, asked).await,
            (&Method::GET, "/logout") => logout::answer(self, asked),
            (&Method::OPTIONS, "/oauth2/token" | "/oauth2/revoke" | "/oauth2/userInfo") => token::preflight(),
            (_, "/oauth2/token") => token::answer(self, asked).await,
            (&Method::POST, "/oauth2/revoke") => revoke::answer(self, asked),
            (&Method::GET | &Method::POST, "/oauth2/userInfo") => userinfo::answer(self, asked),
            (&Method::GET, "/error") => error_page(asked),
            (&Method::POST | &Method::OPTIONS, "/") => api::answer(self, asked).await,
            (&Method::GET | &Method::POST, path) if path.starts_with(federation::PATH) => {
                federation::answer(self, asked).await
            }
            _ => not_found(),
        }
    }

    /// Cognito's twelve members, `code_challenge_methods_supported` not among them.
    fn discovery(&self) -> Answer {
        let domain = {
            let mut state = self.state();
            state.stats.discovery += 1;
            state.domain
        };
        let at = |path: &str| format!("{}{path}", self.public_url);
        let mut document = json!({
            "authorization_endpoint": at("/oauth2/authorize"),
            "end_session_endpoint": at("/logout"),
            "id_token_signing_alg_values_supported": ["RS256"],
            "issuer": self.issuer,
            "jwks_uri": format!("{}/.well-known/jwks.json", self.served_at()),
            "response_types_supported": ["code", "token"],
            "revocation_endpoint": at("/oauth2/revoke"),
            "scopes_supported": ["openid", "email", "phone", "profile"],
            "subject_types_supported": ["public"],
            "token_endpoint": at("/oauth2/token"),
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "userinfo_endpoint": at("/oauth2/userInfo"),
        });
        if let Some(members) = document.as_object_mut().filter(|_| !domain) {
            members.retain(|name, _| !OF_THE_DOMAIN.contains(&name.as_str()));
        }
        json(StatusCode::OK, &document)
    }

    fn jwks(&self) -> Answer {
        let mut state = self.state();
        state.stats.jwks += 1;
        json(StatusCode::OK, &state.keys.document())
    }
}

// === impl PoolHandler ===

impl PoolHandler {
    /// For a listener.
    pub fn new(pool: Arc<Pool>) -> Self {
        Self(pool)
    }

    /// For [`crate::listen::serve`].
    pub fn shared(pool: Arc<Pool>) -> Rc<Self> {
        Rc::new(Self(pool))
    }
}

impl Handler for PoolHandler {
    async fn answer(&self, request: Request<Incoming>, peer: Peer) -> Answer {
        let head = request.method() == Method::HEAD;
        let mut answer = match self::http::read(request, peer).await {
            Ok(asked) => self.0.serve(&asked).await,
            Err(answer) => answer,
        };
        let date = self.0.state().date();
        self::http::insert(&mut answer, ::http::header::DATE, &date);
        if head {
            *answer.body_mut() = Body::Empty;
        }
        answer
    }
}

/// Where a browser ends whose client or address is not one of the pool's.
fn error_page(asked: &Asked) -> Answer {
    let parameters = asked.parameters();
    let error = parameters.find("error").unwrap_or("unknown");
    let client = parameters.find("client_id").unwrap_or_default();
    let mend = match error {
        authorize::MISMATCH => {
            "<p>The client is unknown, or the address that it wants people sent to is not registered with it: \
             callbacks and sign-out addresses have to match to the letter.</p>"
        }
        _ => "",
    };
    let body = format!(
        "<main class=\"narrow\"><div class=\"sheet\"><h1>An error was encountered with the requested page.</h1>\
         <p class=\"error\">{}</p>{mend}<p class=\"soft\">Client: <code>{}</code></p></div></main>",
        page::escape(error),
        page::escape(client),
    );
    self::http::page(StatusCode::BAD_REQUEST, page::document("Error", &body), &page::policy("'none'"))
}

fn not_found() -> Answer {
    text(StatusCode::NOT_FOUND, "There is nothing here.")
}

/// `scheme://host[:port]` without a slash at its end.
fn origin(address: &str) -> Option<String> {
    let url = url::Url::parse(address).ok()?;
    let plain = matches!(url.scheme(), "http" | "https")
        && url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    plain.then(|| url.origin().ascii_serialization())
}

/// Addresses of the built-in client where no gate is told: the ports that programs in development commonly have.
fn alone(page: &str) -> Vec<String> {
    [3000, 4180, 5173, 8000, 8080].map(|port| format!("http://localhost:{port}{page}")).into()
}

/// What a pool without a domain has not.
const OF_THE_DOMAIN: [&str; 5] = [
    "authorization_endpoint",
    "end_session_endpoint",
    "revocation_endpoint",
    "token_endpoint",
    "userinfo_endpoint",
];
