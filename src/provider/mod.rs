//! The identity provider as the gate sees it: who someone is for a code, who for a refresh token.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use url::Url;

use crate::clock;
use crate::config::settings::{self, ProviderKind};
use crate::identity::assertion::alb;
use crate::identity::json::Claims;
use crate::identity::token::{self, Expect, Kind, TokenFault};
use crate::identity::{Identity, IdentityFault, Issued, Tokens, identify};
use crate::tls::TlsError;

pub mod client;
pub mod discovery;
pub mod keys;
pub mod outbound;

pub use client::{AttemptValues, TokenEndpointFault};
use discovery::Endpoints;
use keys::{Keys, Newer};
use outbound::{Outbound, OutboundFault};

/// The provider, its endpoints and its keys.
pub struct Provider {
    settings: settings::Provider,
    identity: settings::Identity,
    issuers: Vec<String>,
    outbound: Outbound,
    endpoints: ArcSwapOption<Endpoints>,
    keys: Keys,
}

/// What a login or a refresh gives.
#[derive(Clone)]
pub struct Granted {
    /// Who this is now.
    pub identity: Identity,
    /// When the access token ends, seconds since 1970.
    pub access_ends: u64,
    /// The refresh token to use next, if a new one came.
    pub refresh_token: Option<String>,
    /// The tokens themselves.
    pub issued: Issued,
}

/// Why it gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum PoolFault {
    /// Discovery has not succeeded yet.
    #[error("the provider's discovery document or keys have not been read yet")]
    NotReady,
    /// The token endpoint.
    #[error(transparent)]
    Endpoint(#[from] TokenEndpointFault),
    /// A token's key is not at hand, and the key set cannot be fetched.
    #[error("the provider's keys cannot be fetched")]
    NoKeys,
    /// No ID token in the answer.
    #[error("the token endpoint's answer has no ID token")]
    NoIdToken,
    /// A token that does not count.
    #[error("{which} token: {fault}")]
    Token {
        /// `ID` or `access`.
        which: &'static str,
        /// Why.
        fault: TokenFault,
    },
    /// Two tokens of one answer about two people, or a refresh that would change who someone is.
    #[error("a token is about someone else")]
    OtherSubject,
    /// The claims name no user.
    #[error(transparent)]
    Identity(#[from] IdentityFault),
}

// === impl Provider ===

impl Provider {
    /// A provider that has been asked nothing yet.
    pub fn new(settings: settings::Provider, identity: settings::Identity) -> Result<Self, TlsError> {
        let outbound = Outbound::new(settings.ca_file.as_deref())?.with_shortcut(settings.shortcut.clone());
        let mut issuers = vec![settings.issuer.clone()];
        issuers.extend(settings.additional_issuers.iter().cloned());
        let (endpoints, keys) = (ArcSwapOption::empty(), Keys::default());
        Ok(Self { settings, identity, issuers, outbound, endpoints, keys })
    }

    /// Whether logins can begin and tokens be verified.
    pub fn ready(&self) -> bool {
        self.endpoints.load().is_some() && self.keys.current().is_some()
    }

    /// Reads discovery and keys, again and again with growing pauses until both are there; then keeps the
    /// keys fresh. Never returns.
    pub async fn keep(&self) {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.discover().await {
                Ok(()) => {
                    tracing::info!(issuer = %self.settings.issuer, "provider is ready");
                    break;
                }
                Err(error) => {
                    let issuer = &self.settings.issuer;
                    tracing::warn!(%issuer, %error, retry_ms = pause.as_millis(), "provider is not ready");
                }
            }
            tokio::time::sleep(jittered(pause)).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        let mut pause = KEYS_TTL;
        loop {
            tokio::time::sleep(jittered(pause)).await;
            let Some(endpoints) = self.endpoints.load_full() else { continue };
            pause = match self.keys.fetch(&self.outbound, endpoints.jwks.as_str()).await {
                Ok(()) => KEYS_TTL,
                Err(error) => {
                    tracing::warn!(%error, "the key set could not be renewed, the old one stays");
                    LONGEST_PAUSE
                }
            };
        }
    }

    /// Where a browser is sent to sign in.
    pub fn authorize_url(&self, redirect_uri: &str, attempt: &AttemptValues<'_>) -> Result<Url, PoolFault> {
        if !self.ready() {
            return Err(PoolFault::NotReady);
        }
        let endpoints = self.endpoints()?;
        client::authorize_url(&self.settings, &endpoints, redirect_uri, attempt).ok_or(PoolFault::NotReady)
    }

    /// Who signed in, for the code that the browser brought.
    pub async fn redeem(
        &self,
        redirect_uri: &str,
        code: &str,
        verifier: &str,
        nonce: &str,
    ) -> Result<Granted, PoolFault> {
        let endpoints = self.endpoints()?;
        let tokens =
            client::redeem(&self.settings, &endpoints, &self.outbound, redirect_uri, code, verifier).await?;
        self.granted(&endpoints, &tokens, Some(nonce)).await
    }

    /// Who it is now, for a refresh token. `sub` must be the one who signed in.
    pub async fn refresh(&self, refresh_token: &str, sub: &str) -> Result<Granted, PoolFault> {
        let endpoints = self.endpoints()?;
        let tokens = client::refresh(&self.settings, &endpoints, &self.outbound, refresh_token).await?;
        let mut granted = self.granted(&endpoints, &tokens, None).await;
        // The refresh token that was redeemed may be gone: what came for it is not thrown away because keys
        // cannot be fetched at this moment.
        for _ in 0..KEY_RETRIES {
            if !matches!(granted, Err(PoolFault::NoKeys)) {
                break;
            }
            tokio::time::sleep(KEY_PAUSE).await;
            granted = self.granted(&endpoints, &tokens, None).await;
        }
        let granted = granted?;
        if granted.identity.sub == sub { Ok(granted) } else { Err(PoolFault::OtherSubject) }
    }

    /// Revokes a refresh token; tried once more, since signing out must not wait for an unwell pool.
    pub async fn revoke(&self, refresh_token: &str) {
        for last in [false, true] {
            let Ok(endpoints) = self.endpoints() else { return };
            match client::revoke(&self.settings, &endpoints, &self.outbound, refresh_token).await {
                Ok(_) => return,
                Err(error) if last => tracing::warn!(%error, "a refresh token could not be revoked"),
                Err(_) => tokio::time::sleep(FIRST_PAUSE).await,
            }
        }
    }

    /// Where a browser is sent to end the provider's own session; `None` if there is no such place (yet).
    pub fn logout_url(&self, landing: &str) -> Option<Url> {
        client::logout_url(&self.settings, &*self.endpoints().ok()?, landing)
    }

    /// The issuer that a callback's `iss` must name (RFC 9207), and whether it must be there.
    pub fn callback_issuer(&self) -> (&str, bool) {
        let required = self.endpoints.load().as_ref().is_some_and(|endpoints| endpoints.iss_in_callback);
        (&self.settings.issuer, required)
    }

    async fn discover(&self) -> Result<(), String> {
        let base = self.settings.issuer.trim_end_matches('/');
        let url = format!("{base}/.well-known/openid-configuration");
        let document = match self.outbound.get(&url).await {
            Ok(Ok(document)) => document,
            Ok(Err(status)) => return Err(format!("{url} answered {status}")),
            Err(error) => return Err(format!("{url}: {error}")),
        };
        let endpoints =
            discovery::read(&document, &self.settings).map_err(|error| format!("{url}: {error}"))?;
        self.keys
            .fetch(&self.outbound, endpoints.jwks.as_str())
            .await
            .map_err(|error| format!("{}: {error}", endpoints.jwks))?;
        self.endpoints.store(Some(Arc::new(endpoints)));
        Ok(())
    }

    fn endpoints(&self) -> Result<Arc<Endpoints>, PoolFault> {
        self.endpoints.load_full().ok_or(PoolFault::NotReady)
    }

    async fn granted(
        &self,
        endpoints: &Endpoints,
        tokens: &client::Tokens,
        nonce: Option<&str>,
    ) -> Result<Granted, PoolFault> {
        let id_token = tokens.id_token().filter(|token| !token.is_empty()).ok_or(PoolFault::NoIdToken)?;
        let access_token = tokens.access_token();
        let id_kind = Kind::Id { nonce, access_token: Some(access_token) };
        let id = self.verified(endpoints, "ID", id_token, id_kind).await?;
        let access = match self.verified(endpoints, "access", access_token, Kind::Access).await {
            Ok(access) => Some(access),
            // Elsewhere than at Cognito an access token need not be one that we can read.
            Err(_) if self.settings.kind == ProviderKind::Oidc => None,
            Err(fault) => return Err(fault),
        };
        // Their claims add up, so both must be about one person.
        if access.as_ref().is_some_and(|access| access.get("sub") != id.get("sub")) {
            return Err(PoolFault::OtherSubject);
        }
        let now = clock::now();
        let access_ends = access
            .as_ref()
            .and_then(token::ends)
            .or_else(|| tokens.expires_in().map(|seconds| now.saturating_add(seconds)))
            .or_else(|| token::ends(&id))
            .unwrap_or(now);
        let identity =
            identify(&self.identity, &self.settings.kind, &Tokens { id: &id, access: access.as_ref() })?;
        let refresh_token = tokens.refresh_token().map(str::to_owned);
        let issued = Issued {
            access: access_token.to_owned(),
            id: id_token.to_owned(),
            id_ends: token::ends(&id).unwrap_or(access_ends),
            profile: alb::profile(&id, &self.settings.kind),
        };
        Ok(Granted { identity, access_ends, refresh_token, issued })
    }

    /// Verifies with the keys at hand; a key that is not among them is looked for once.
    async fn verified(
        &self,
        endpoints: &Endpoints,
        which: &'static str,
        token: &str,
        kind: Kind<'_>,
    ) -> Result<Claims, PoolFault> {
        let expect = Expect {
            issuers: &self.issuers,
            client_id: &self.settings.client_id,
            cognito: self.settings.kind != ProviderKind::Oidc,
            kind,
        };
        let fault = |fault| PoolFault::Token { which, fault };
        let keys = self.keys.current().ok_or(PoolFault::NoKeys)?;
        let verified = token::verify(token, &keys, &expect, clock::now());
        if verified != Err(TokenFault::UnknownKey) {
            return verified.map_err(fault);
        }
        match self.keys.newer_than(&keys, &self.outbound, endpoints.jwks.as_str()).await {
            Newer::Set(keys) => {
                let verified = token::verify(token, &keys, &expect, clock::now());
                if verified == Err(TokenFault::UnknownKey) {
                    self.keys.quieten().await;
                }
                verified.map_err(fault)
            }
            Newer::Quiet => Err(fault(TokenFault::UnknownKey)),
            Newer::Unreachable => Err(PoolFault::NoKeys),
        }
    }
}

// === impl PoolFault ===

impl PoolFault {
    /// Whether the pool could not be reached, as opposed to having answered something wrong.
    pub fn unreachable(&self) -> bool {
        match self {
            Self::NotReady | Self::NoKeys => true,
            Self::Endpoint(TokenEndpointFault::Unreachable(fault)) => {
                !matches!(fault, OutboundFault::TooLarge)
            }
            _ => false,
        }
    }

    /// Whether the pool itself said that this refresh token or code counts no more.
    pub fn grant_is_dead(&self) -> bool {
        matches!(self, Self::Endpoint(TokenEndpointFault::Refused { error, .. }) if error == "invalid_grant")
    }

    /// Whether the pool did answer, and not with anyone who may come in. A provider that gives no ID token at
    /// refresh (OpenID Connect Core §12.2 lets it) leaves the roles unsaid: the person signs in anew.
    pub fn is_about_the_person(&self) -> bool {
        matches!(self, Self::OtherSubject | Self::Identity(_) | Self::Token { .. } | Self::NoIdToken)
    }

    /// A stable code for logs and metrics.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotReady => "pool_not_ready",
            Self::Endpoint(TokenEndpointFault::Unreachable(OutboundFault::TooLarge)) => "pool_answer",
            Self::Endpoint(TokenEndpointFault::Unreachable(_)) => "pool_unreachable",
            Self::Endpoint(TokenEndpointFault::Refused { error, .. }) => match error.as_str() {
                "invalid_grant" => "invalid_grant",
                "invalid_client" => "invalid_client",
                "unauthorized_client" => "unauthorized_client",
                _ => "pool_refused",
            },
            Self::Endpoint(TokenEndpointFault::Answer(_)) => "pool_answer",
            Self::NoKeys => "pool_keys",
            Self::NoIdToken => "no_id_token",
            Self::Token { fault, .. } => fault.code(),
            Self::OtherSubject => "other_subject",
            Self::Identity(IdentityFault::NoUser(_)) => "no_user_claim",
            Self::Identity(IdentityFault::UnverifiedEmail) => "email_not_verified",
        }
    }
}

/// Up to a quarter more, so that replicas do not ask in step.
fn jittered(pause: Duration) -> Duration {
    let share = clock::random::<1>().map_or(0, |[byte]| u32::from(byte));
    pause + pause * share / 1024
}

const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// With [`KEY_PAUSE`] between them. Nobody waits for all of it: the flight goes on by itself.
const KEY_RETRIES: usize = 5;
const KEY_PAUSE: Duration = Duration::from_secs(2);
const KEYS_TTL: Duration = Duration::from_secs(3600);
