//! The OAuth side of the provider: authorize address, code and refresh, revocation, sign-out address.
//!
//! The answers' types are ours and keep the ID token as text: only `identity::token` reads tokens.

use std::borrow::Cow;
use std::pin::Pin;

use openidconnect::core::{
    CoreAuthDisplay, CoreAuthPrompt, CoreErrorResponseType, CoreGenderClaim, CoreJsonWebKey,
    CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm, CoreRevocableToken,
    CoreRevocationErrorResponse, CoreTokenIntrospectionResponse, CoreTokenType,
};
use openidconnect::{
    AccessToken, AsyncHttpClient, AuthType, AuthUrl, AuthenticationFlow, AuthorizationCode, Client, ClientId,
    ClientSecret, CsrfToken, EmptyAdditionalClaims, EndpointNotSet, EndpointSet, HttpRequest, HttpResponse,
    IdToken, IssuerUrl, JsonWebKeySet, Nonce, OAuth2TokenResponse, PkceCodeChallenge, PkceCodeVerifier,
    RedirectUrl, RefreshToken, RequestTokenError, Scope, StandardErrorResponse, TokenResponse, TokenUrl,
};
use serde::{Deserialize, Deserializer, Serialize};
use url::Url;

use super::discovery::Endpoints;
use super::outbound::{Outbound, OutboundFault};
use crate::config::settings::{Provider, ProviderKind};

/// What the token endpoint answered.
#[derive(Debug, Serialize, Deserialize)]
pub struct Tokens {
    access_token: AccessToken,
    #[serde(deserialize_with = "bearer")]
    token_type: CoreTokenType,
    expires_in: Option<u64>,
    refresh_token: Option<RefreshToken>,
    id_token: Option<String>,
}

/// Why the token endpoint gave no tokens.
#[derive(Debug, thiserror::Error)]
pub enum TokenEndpointFault {
    /// It could not be reached.
    #[error("the token endpoint cannot be reached: {0}")]
    Unreachable(#[from] OutboundFault),
    /// It refused, with an OAuth error code (RFC 6749 §5.2).
    #[error("the token endpoint refused: {}", explain(.error, .description.as_deref()))]
    Refused {
        /// `invalid_grant`, `invalid_client` …
        error: String,
        /// The provider's own words.
        description: Option<String>,
    },
    /// Neither tokens nor an error.
    #[error("the token endpoint's answer is neither tokens nor an error ({0})")]
    Answer(String),
}

/// Where a browser is sent to sign in. `challenge` belongs to the verifier that [`redeem`] is handed.
pub fn authorize_url(
    provider: &Provider,
    endpoints: &Endpoints,
    redirect_uri: &str,
    attempt: &AttemptValues<'_>,
    wishes: &Wishes<'_>,
) -> Option<Url> {
    let client = oidc(provider, endpoints, Some(redirect_uri))?;
    let (state, nonce) = (attempt.state.to_owned(), attempt.nonce.to_owned());
    let verifier = PkceCodeVerifier::new(attempt.verifier.to_owned());
    let mut request = client
        .authorize_url(
            AuthenticationFlow::<openidconnect::core::CoreResponseType>::AuthorizationCode,
            move || CsrfToken::new(state),
            move || Nonce::new(nonce),
        )
        .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier));
    // `openid` is put in by the library.
    for scope in provider.scopes.iter().filter(|scope| *scope != "openid") {
        request = request.add_scope(Scope::new(scope.clone()));
    }
    for (name, value) in wishes.parameters(&provider.kind) {
        request = request.add_extra_param(name, value);
    }
    for resource in &provider.resources {
        request = request.add_extra_param("resource", resource.as_str());
    }
    Some(request.url().0)
}

/// What ties a browser's way to the provider and back together.
#[derive(Debug, Clone, Copy)]
pub struct AttemptValues<'a> {
    /// Comes back in the callback.
    pub state: &'a str,
    /// Comes back in the ID token.
    pub nonce: &'a str,
    /// Shown only to the token endpoint (RFC 7636).
    pub verifier: &'a str,
}

/// What is wished of the pool beyond signing somebody in. Whatever is set is sent: who fills this in has checked
/// it against the configuration.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wishes<'a> {
    /// Cognito: go straight to this identity provider.
    pub identity_provider: Option<&'a str>,
    /// Cognito: go straight to the identity provider with this identifier, such as an e-mail domain.
    pub idp_identifier: Option<&'a str>,
    /// The language of the pool's pages.
    pub lang: Option<&'a str>,
    /// Who is about to sign in.
    pub login_hint: Option<&'a str>,
    /// `none`, `login` … (OpenID Connect Core §3.1.2.1).
    pub prompt: Option<&'a str>,
    /// Authentication context classes, most wanted first, separated by blanks.
    pub acr_values: Option<&'a str>,
    /// How long ago the person may have signed in at most, seconds.
    pub max_age: Option<u64>,
}

/// Redeems a code, once: an exchange whose answer was lost is never tried again.
pub async fn redeem(
    provider: &Provider,
    endpoints: &Endpoints,
    outbound: &Outbound,
    redirect_uri: &str,
    code: &str,
    verifier: &str,
) -> Result<Tokens, TokenEndpointFault> {
    let client = oidc(provider, endpoints, Some(redirect_uri)).ok_or_else(unusable)?;
    client
        .exchange_code(AuthorizationCode::new(code.to_owned()))
        .set_pkce_verifier(PkceCodeVerifier::new(verifier.to_owned()))
        .request_async(outbound)
        .await
        .map_err(fault)
}

/// Redeems a refresh token.
pub async fn refresh(
    provider: &Provider,
    endpoints: &Endpoints,
    outbound: &Outbound,
    refresh_token: &str,
) -> Result<Tokens, TokenEndpointFault> {
    let client = oidc(provider, endpoints, None).ok_or_else(unusable)?;
    let token = RefreshToken::new(refresh_token.to_owned());
    client.exchange_refresh_token(&token).request_async(outbound).await.map_err(fault)
}

/// Revokes a refresh token (RFC 7009). Written by hand: the library refuses a cleartext endpoint, which the
/// dev pool's is. `Ok(false)` where the provider has no such endpoint.
pub async fn revoke(
    provider: &Provider,
    endpoints: &Endpoints,
    outbound: &Outbound,
    refresh_token: &str,
) -> Result<bool, TokenEndpointFault> {
    let Some(url) = &endpoints.revoke else { return Ok(false) };
    let request = revocation(provider, endpoints, url, refresh_token).ok_or_else(unusable)?;
    let answer = outbound.exchange(request).await?;
    if answer.status().is_success() {
        Ok(true)
    } else {
        Err(TokenEndpointFault::Answer(format!("revocation: status {}", answer.status())))
    }
}

/// Where a browser is sent to end the provider's session. Cognito's `/logout` is not RP-initiated logout: it
/// wants `client_id` and `logout_uri`, exactly as registered (AWS: "Logout endpoint").
pub fn logout_url(provider: &Provider, endpoints: &Endpoints, landing: &str) -> Option<Url> {
    let mut url = endpoints.end_session.clone().or_else(|| match provider.kind {
        // Pools made before 2024 do not advertise it; it has always been there.
        ProviderKind::Cognito { .. } => endpoints.authorize.join("/logout").ok(),
        ProviderKind::Oidc => None,
    })?;
    let landing_name = match provider.kind {
        ProviderKind::Cognito { .. } => "logout_uri",
        ProviderKind::Oidc => "post_logout_redirect_uri",
    };
    url.query_pairs_mut().append_pair("client_id", &provider.client_id).append_pair(landing_name, landing);
    Some(url)
}

/// A named future type: with a closure's the calls above would not be `Send`.
impl<'c> AsyncHttpClient<'c> for Outbound {
    type Error = OutboundFault;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, OutboundFault>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.exchange(request))
    }
}

// === impl Wishes ===

impl<'a> Wishes<'a> {
    /// As authorize parameters.
    fn parameters(&self, kind: &ProviderKind) -> impl Iterator<Item = (&'static str, Cow<'a, str>)> {
        let lang = match kind {
            ProviderKind::Cognito { .. } => "lang",
            ProviderKind::Oidc => "ui_locales",
        };
        let texts = [
            ("identity_provider", self.identity_provider),
            ("idp_identifier", self.idp_identifier),
            (lang, self.lang),
            ("login_hint", self.login_hint),
            ("prompt", self.prompt),
            ("acr_values", self.acr_values),
        ];
        let max_age = self.max_age.map(|seconds| ("max_age", seconds.to_string().into()));
        texts.into_iter().filter_map(|(name, text)| Some((name, text?.into()))).chain(max_age)
    }
}

// === impl Tokens ===

impl Tokens {
    /// The ID token, unread.
    pub fn id_token(&self) -> Option<&str> {
        self.id_token.as_deref()
    }

    /// The access token, unread.
    pub fn access_token(&self) -> &str {
        self.access_token.secret()
    }

    /// The refresh token.
    pub fn refresh_token(&self) -> Option<&str> {
        self.refresh_token.as_ref().map(|token| token.secret().as_str())
    }

    /// How long the access token lives, seconds.
    pub fn expires_in(&self) -> Option<u64> {
        self.expires_in
    }
}

impl OAuth2TokenResponse for Tokens {
    type TokenType = CoreTokenType;

    fn access_token(&self) -> &AccessToken {
        &self.access_token
    }

    fn token_type(&self) -> &CoreTokenType {
        &self.token_type
    }

    fn expires_in(&self) -> Option<std::time::Duration> {
        self.expires_in.map(std::time::Duration::from_secs)
    }

    fn refresh_token(&self) -> Option<&RefreshToken> {
        self.refresh_token.as_ref()
    }

    fn scopes(&self) -> Option<&Vec<Scope>> {
        None
    }
}

impl
    TokenResponse<
        EmptyAdditionalClaims,
        CoreGenderClaim,
        CoreJweContentEncryptionAlgorithm,
        CoreJwsSigningAlgorithm,
    > for Tokens
{
    fn id_token(&self) -> Option<&UnreadIdToken> {
        None
    }
}

fn revocation(
    provider: &Provider,
    endpoints: &Endpoints,
    url: &Url,
    refresh_token: &str,
) -> Option<HttpRequest> {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.append_pair("token", refresh_token).append_pair("token_type_hint", "refresh_token");
    let mut request = http::Request::post(url.as_str())
        .header(http::header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    match &provider.client_secret {
        Some(secret) if !endpoints.secret_in_body => {
            request = request
                .header(http::header::AUTHORIZATION, basic(&provider.client_id, secret.expose_text()?));
        }
        Some(secret) => {
            form.append_pair("client_id", &provider.client_id)
                .append_pair("client_secret", secret.expose_text()?);
        }
        None => {
            form.append_pair("client_id", &provider.client_id);
        }
    }
    request.body(form.finish().into_bytes()).ok()
}

type UnreadIdToken = IdToken<
    EmptyAdditionalClaims,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJwsSigningAlgorithm,
>;

/// Token types are compared without case (RFC 6749 §5.1); no other than Bearer is understood.
fn bearer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<CoreTokenType, D::Error> {
    let name = String::deserialize(deserializer)?;
    if name.eq_ignore_ascii_case("bearer") {
        Ok(CoreTokenType::Bearer)
    } else {
        Err(serde::de::Error::custom("a token type other than Bearer"))
    }
}

type Oidc = Client<
    EmptyAdditionalClaims,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    StandardErrorResponse<CoreErrorResponseType>,
    Tokens,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
    EndpointNotSet,
>;

fn oidc(provider: &Provider, endpoints: &Endpoints, redirect_uri: Option<&str>) -> Option<Oidc> {
    let issuer = IssuerUrl::new(provider.issuer.clone()).ok()?;
    let mut client = Client::new(
        ClientId::new(provider.client_id.clone()),
        issuer,
        JsonWebKeySet::<CoreJsonWebKey>::default(),
    );
    if let Some(secret) = &provider.client_secret {
        client = client.set_client_secret(ClientSecret::new(secret.expose_text()?.to_owned()));
    }
    if endpoints.secret_in_body {
        client = client.set_auth_type(AuthType::RequestBody);
    }
    if let Some(redirect_uri) = redirect_uri {
        client = client.set_redirect_uri(RedirectUrl::new(redirect_uri.to_owned()).ok()?);
    }
    Some(
        client
            .set_auth_uri(AuthUrl::from_url(endpoints.authorize.clone()))
            .set_token_uri(TokenUrl::from_url(endpoints.token.clone())),
    )
}

/// The parsed body is left out: it may hold tokens.
fn fault(
    error: RequestTokenError<OutboundFault, StandardErrorResponse<CoreErrorResponseType>>,
) -> TokenEndpointFault {
    match error {
        RequestTokenError::ServerResponse(refusal) => TokenEndpointFault::Refused {
            error: refusal.error().as_ref().to_owned(),
            description: refusal.error_description().cloned(),
        },
        RequestTokenError::Request(error) => TokenEndpointFault::Unreachable(error),
        RequestTokenError::Parse(error, _) => {
            TokenEndpointFault::Answer(format!("not the expected JSON at {}", error.path()))
        }
        RequestTokenError::Other(what) => TokenEndpointFault::Answer(what),
    }
}

fn unusable() -> TokenEndpointFault {
    TokenEndpointFault::Answer("an address of the configuration cannot be used".into())
}

fn basic(user: &str, secret: &str) -> String {
    use base64::Engine;
    // Both parts are form-encoded first (RFC 6749 §2.3.1).
    let encode = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = format!("{}:{}", encode(user), encode(secret));
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair))
}

/// What the common errors mean for whoever set this up.
fn explain(error: &str, description: Option<&str>) -> String {
    let cause = match (error, description) {
        ("invalid_client", _) => "the app client's id or secret is rejected",
        ("unauthorized_client", Some("invalid_redirect")) => {
            "the callback address is not registered at the client"
        }
        ("unauthorized_client", _) => {
            "the client may not use this grant, or the callback address is not its own"
        }
        ("invalid_grant", _) => {
            "the code or refresh token is used, revoked or expired, or the client may not read \
                                 an attribute of a requested scope"
        }
        _ => description.unwrap_or("no description"),
    };
    format!("{error}: {cause}")
}
