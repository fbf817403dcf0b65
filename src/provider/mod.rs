//! The identity provider as the gate sees it: who someone is for a code, who for a refresh token.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use url::Url;

use crate::clock;
use crate::config::secret::Secret;
use crate::config::settings::{self, ProviderKind, TokenChoice};
use crate::identity::Identity;
use crate::identity::json::Claims;
use crate::identity::token::{self, Kind, TokenFault};
use crate::tally::Tally;
use crate::tls::TlsError;

mod answer;
pub mod client;
mod counted;
pub mod discovery;
mod fault;
mod grant;
pub mod keys;
mod oddities;
pub mod outbound;
mod secrets;
pub mod verifier;

use client::Caller;
pub use client::{AttemptValues, TokenEndpointFault, Wishes};
use counted::counted;
use discovery::Endpoints;
pub use fault::PoolFault;
pub use grant::Granted;
use keys::Asker;
use oddities::Oddities;
use outbound::Outbound;
use secrets::ClientSecrets;
use verifier::Verifier;
pub use verifier::{Accepted, SeenKeys};

/// The provider, its endpoints and its keys.
pub struct Provider {
    settings: settings::Provider,
    identity: settings::Identity,
    secrets: Arc<ClientSecrets>,
    outbound: Arc<Outbound>,
    known: Arc<Known>,
}

/// What has been learnt of the provider: the same whatever is configured anew about our dealings with it.
struct Known {
    endpoints: ArcSwapOption<Endpoints>,
    verifier: Verifier,
    oddities: Oddities,
}

/// A bearer token that counts.
#[derive(Debug, Clone)]
pub struct Bearer {
    /// Its claims.
    pub claims: Claims,
    /// Which token it is: `Id` or `Access`.
    pub token: TokenChoice,
    /// What it was verified with; see [`Provider::keys_unchanged`].
    pub keys: SeenKeys,
}

// === impl Provider ===

impl Provider {
    /// A provider that has been asked nothing yet.
    pub fn new(settings: settings::Provider, identity: settings::Identity) -> Result<Self, TlsError> {
        let outbound = Arc::new(outbound(&settings)?);
        let cognito = settings.kind != ProviderKind::Oidc;
        let verifier = Verifier::new(&settings.issuer, &settings.additional_issuers, cognito);
        let secrets = Arc::new(ClientSecrets::new(settings.client_secrets.clone()));
        let known = Known { endpoints: ArcSwapOption::empty(), verifier, oddities: Oddities::default() };
        Ok(Self { settings, identity, secrets, outbound, known: Arc::new(known) })
    }

    /// The same provider by other settings: of the same issuers and the same client, or what is known here is wrong. It
    /// is ready when this one is.
    pub fn with(&self, settings: settings::Provider, identity: settings::Identity) -> Result<Self, TlsError> {
        // Which of several secrets was taken last is known of those alone.
        let secrets = if settings.client_secrets == self.settings.client_secrets {
            self.secrets.clone()
        } else {
            Arc::new(ClientSecrets::new(settings.client_secrets.clone()))
        };
        // A bundle may hold others under the same name.
        let outbound = match (&self.settings.ca_file, &settings.ca_file) {
            (None, None) => self.outbound.clone(),
            _ => Arc::new(outbound(&settings)?.counting(self.tally().clone())),
        };
        Ok(Self { settings, identity, secrets, outbound, known: self.known.clone() })
    }

    /// The same provider, whose calls are counted there.
    pub fn counting(mut self, tally: Arc<Tally>) -> Self {
        self.outbound = Arc::new(Outbound::clone(&self.outbound).counting(tally));
        self
    }

    /// Where its calls are counted, and what comes of them.
    pub fn tally(&self) -> &Arc<Tally> {
        self.outbound.tally()
    }

    /// Whether logins can begin and tokens be verified.
    pub fn ready(&self) -> bool {
        self.known.endpoints.load().is_some() && self.known.verifier.main().current().is_some()
    }

    /// Reads discovery and keys as `current` says, again and again with growing pauses until both are there; then
    /// keeps the keys fresh. Never returns.
    pub async fn keep(current: &ArcSwap<Self>) {
        let mut pause = FIRST_PAUSE;
        loop {
            let provider = current.load_full();
            let issuer = &provider.settings.issuer;
            match provider.discover().await {
                Ok(()) => {
                    tracing::info!(%issuer, "provider is ready");
                    break;
                }
                Err(error) => {
                    tracing::warn!(%issuer, %error, retry_ms = pause.as_millis(), "provider is not ready");
                }
            }
            tokio::time::sleep(jittered(pause)).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        loop {
            tokio::time::sleep(jittered(LONGEST_PAUSE)).await;
            let provider = current.load_full();
            provider.known.verifier.renew(&provider.outbound).await;
        }
    }

    /// Where a browser is sent to sign in, and what is wished of the pool there.
    pub fn authorize_url(
        &self,
        redirect_uri: &str,
        attempt: &AttemptValues<'_>,
        wishes: &Wishes<'_>,
    ) -> Result<Url, PoolFault> {
        if !self.ready() {
            return Err(PoolFault::NotReady);
        }
        let endpoints = self.endpoints()?;
        client::authorize_url(&self.settings, &endpoints, redirect_uri, attempt, wishes)
            .ok_or(PoolFault::NotReady)
    }

    /// Revokes a refresh token, with one call.
    pub async fn revoke(&self, refresh_token: &str) -> Result<(), PoolFault> {
        let endpoints = self.endpoints()?;
        let mut turn = self.secrets.turn();
        loop {
            let caller = self.caller(&endpoints, turn.secret());
            let answer = counted(self.tally(), "revoke", caller.revoke(refresh_token)).await;
            if !turn.goes_on(&answer) {
                return Ok(answer.map(drop)?);
            }
        }
    }

    /// Where a browser is sent to end the provider's own session; `None` if there is no such place (yet).
    pub fn logout_url(&self, landing: &str) -> Option<Url> {
        client::logout_url(&self.settings, &*self.endpoints().ok()?, landing)
    }

    /// The issuer that a callback's `iss` must name (RFC 9207), and whether it must be there.
    pub fn callback_issuer(&self) -> (&str, bool) {
        let required =
            self.known.endpoints.load().as_ref().is_some_and(|endpoints| endpoints.iss_in_callback);
        (&self.settings.issuer, required)
    }

    /// Who a bearer token speaks for, without a call to anybody unless a key is missing. At Cognito the token's
    /// own `token_use` says which of the two it is, and it is verified as that. Elsewhere nothing tells them
    /// apart, and it counts as an access token: one whose `aud` is among the audiences, or one that was issued
    /// to one of the clients and is for no other audience.
    pub async fn bearer(
        &self,
        token: &str,
        choice: TokenChoice,
        accepted: &Accepted<'_>,
    ) -> Result<Bearer, PoolFault> {
        if !self.ready() {
            return Err(PoolFault::NotReady);
        }
        let said = token::unverified(token);
        let is = match (&self.settings.kind, said.token_use.as_deref(), choice) {
            (ProviderKind::Cognito { .. }, Some("id"), _) => TokenChoice::Id,
            (ProviderKind::Oidc, _, TokenChoice::Id) => TokenChoice::Id,
            _ => TokenChoice::Access,
        };
        if choice != TokenChoice::Either && choice != is {
            return Err(PoolFault::Token { which: "bearer", fault: TokenFault::TokenUse });
        }
        let kind = match is {
            TokenChoice::Id => Kind::Id { nonce: None, access_token: None, code: None },
            _ => Kind::Access,
        };
        let (claims, keys) =
            self.known.verifier.verify(&self.outbound, Asker::Anyone, token, &said, accepted, kind).await?;
        Ok(Bearer { claims, token: is, keys })
    }

    /// Whether a verification that these keys were seen at still stands as far as keys go.
    pub fn keys_unchanged(&self, seen: &SeenKeys) -> bool {
        self.known.verifier.unchanged(seen)
    }

    /// Says once a minute what claims of this identity granted nothing because of their type.
    pub fn tell_oddities(&self, identity: &Identity) {
        self.known.oddities.tell(&identity.odd, clock::now());
    }

    async fn discover(&self) -> Result<(), String> {
        let url = discovery::address(&self.settings.issuer);
        let document = self.outbound.get_ok("discovery", &url).await?;
        let endpoints =
            discovery::read(&document, &self.settings).map_err(|error| format!("{url}: {error}"))?;
        self.known.verifier.main().fetch_from(&self.outbound, endpoints.jwks.as_str()).await?;
        self.known.endpoints.store(Some(Arc::new(endpoints)));
        Ok(())
    }

    fn caller<'a>(&'a self, endpoints: &'a Endpoints, secret: Option<&'a Secret>) -> Caller<'a> {
        Caller { provider: &self.settings, endpoints, outbound: &self.outbound, secret }
    }

    fn endpoints(&self) -> Result<Arc<Endpoints>, PoolFault> {
        self.known.endpoints.load_full().ok_or(PoolFault::NotReady)
    }
}

fn outbound(settings: &settings::Provider) -> Result<Outbound, TlsError> {
    Ok(Outbound::new(settings.ca_file.as_deref())?.with_shortcut(settings.shortcut.clone()))
}

/// Up to a quarter more, so that replicas do not ask in step.
fn jittered(pause: Duration) -> Duration {
    let share = clock::random::<1>().map_or(0, |[byte]| u32::from(byte));
    pause + pause * share / 1024
}

const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_that_is_left_out_is_trusted_no_longer() {
        let settings = |ca_file: Option<&str>| settings::Provider {
            kind: ProviderKind::Oidc,
            issuer: "https://login.test".into(),
            additional_issuers: vec![],
            client_id: "app".into(),
            client_secrets: vec![],
            scopes: vec![],
            resources: vec![],
            parameters: settings::LoginParameters::default(),
            ca_file: ca_file.map(Into::into),
            shortcut: None,
        };
        let identity = settings::Identity::default;
        let with_bundle = Some("tests/fixtures/tls/ca.pem");
        let before = Provider::new(settings(with_bundle), identity()).unwrap();
        let same = |one: &Provider, other: &Provider| Arc::ptr_eq(&one.outbound, &other.outbound);
        let without = before.with(settings(None), identity()).unwrap();
        assert!(!same(&before, &without));
        assert!(!same(&without, &without.with(settings(with_bundle), identity()).unwrap()));
        assert!(
            !same(&before, &before.with(settings(with_bundle), identity()).unwrap()),
            "it may hold another"
        );
        assert!(same(&without, &without.with(settings(None), identity()).unwrap()));
        assert!(Arc::ptr_eq(&before.known, &without.known));
    }
}
