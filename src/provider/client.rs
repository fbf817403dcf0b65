//! The OAuth side of the provider: authorize address, code and refresh, revocation, sign-out address.
//!
//! What is sent is the configuration's: nothing of a request gets here but code, state and refresh token.

use std::borrow::Cow;
use std::pin::Pin;

use openidconnect::core::{
    CoreAuthDisplay, CoreAuthPrompt, CoreErrorResponseType, CoreGenderClaim, CoreJsonWebKey,
    CoreJweContentEncryptionAlgorithm, CoreRevocableToken, CoreRevocationErrorResponse,
    CoreTokenIntrospectionResponse,
};
use openidconnect::{
    AsyncHttpClient, AuthType, AuthUrl, AuthenticationFlow, AuthorizationCode, Client, ClientId,
    ClientSecret, CsrfToken, EmptyAdditionalClaims, EndpointNotSet, EndpointSet, HttpRequest, HttpResponse,
    IssuerUrl, JsonWebKeySet, Nonce, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RefreshToken,
    RequestTokenError, Scope, StandardErrorResponse, TokenUrl,
};
use url::Url;

use super::answer::Tokens;
use super::discovery::Endpoints;
use super::outbound::{Outbound, OutboundFault};
use crate::config::secret::Secret;
use crate::config::settings::{Provider, ProviderKind};

/// Why the token endpoint gave no tokens.
#[derive(Debug, thiserror::Error)]
pub enum TokenEndpointFault {
    /// It could not be reached.
    #[error("the token endpoint cannot be reached: {0}")]
    Unreachable(#[from] OutboundFault),
    /// It refused, with an OAuth error code (RFC 6749 §5.2).
    #[error("the token endpoint refused: {}", explain(.error, .description.as_deref(), .callback.as_deref()))]
    Refused {
        /// `invalid_grant`, `invalid_client` …
        error: String,
        /// The provider's own words.
        description: Option<String>,
        /// The callback address that was named.
        callback: Option<String>,
    },
    /// Neither tokens nor an error.
    #[error("the token endpoint's answer is neither tokens nor an error ({0})")]
    Answer(String),
}

/// Where a browser is sent to sign in. `challenge` belongs to the verifier that [`Caller::redeem`] is handed.
pub fn authorize_url(
    provider: &Provider,
    endpoints: &Endpoints,
    redirect_uri: &str,
    attempt: &AttemptValues<'_>,
    wishes: &Wishes<'_>,
) -> Option<Url> {
    let client = oidc(provider, endpoints, None, Some(redirect_uri))?;
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

/// Us at the provider's own endpoints, with one of our secrets.
#[derive(Clone, Copy)]
pub struct Caller<'a> {
    /// Who we are there.
    pub provider: &'a Provider,
    /// Where that is.
    pub endpoints: &'a Endpoints,
    /// The way there.
    pub outbound: &'a Outbound,
    /// `None` for a public client.
    pub secret: Option<&'a Secret>,
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

// === impl Caller ===

impl Caller<'_> {
    /// Redeems a code, once: an exchange whose answer was lost is never tried again.
    pub async fn redeem(
        &self,
        redirect_uri: &str,
        code: &str,
        verifier: &str,
    ) -> Result<Tokens, TokenEndpointFault> {
        let client = oidc(self.provider, self.endpoints, self.secret, Some(redirect_uri));
        client
            .ok_or_else(unusable)?
            .exchange_code(AuthorizationCode::new(code.to_owned()))
            .set_pkce_verifier(PkceCodeVerifier::new(verifier.to_owned()))
            .request_async(self.outbound)
            .await
            .map_err(|error| fault(error, Some(redirect_uri)))
    }

    /// Redeems a refresh token.
    pub async fn refresh(&self, refresh_token: &str) -> Result<Tokens, TokenEndpointFault> {
        let client = oidc(self.provider, self.endpoints, self.secret, None).ok_or_else(unusable)?;
        let token = RefreshToken::new(refresh_token.to_owned());
        client
            .exchange_refresh_token(&token)
            .request_async(self.outbound)
            .await
            .map_err(|error| fault(error, None))
    }

    /// Revokes a refresh token (RFC 7009). Written by hand: the library refuses a cleartext endpoint, which the
    /// dev pool's is. `Ok(false)` where the provider has no such endpoint.
    pub async fn revoke(&self, refresh_token: &str) -> Result<bool, TokenEndpointFault> {
        let Some(url) = &self.endpoints.revoke else { return Ok(false) };
        let request = self.revocation(url, refresh_token).ok_or_else(unusable)?;
        let answer = self.outbound.exchange(request).await?;
        if answer.status().is_success() {
            return Ok(true);
        }
        let refusal: Result<StandardErrorResponse<CoreErrorResponseType>, _> =
            serde_json::from_slice(answer.body());
        Err(match refusal {
            Ok(refusal) => refused(&refusal, None),
            Err(_) => TokenEndpointFault::Answer(format!("revocation: status {}", answer.status())),
        })
    }

    fn revocation(&self, url: &Url, refresh_token: &str) -> Option<HttpRequest> {
        let client_id = &self.provider.client_id;
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("token", refresh_token).append_pair("token_type_hint", "refresh_token");
        let mut request = http::Request::post(url.as_str())
            .header(http::header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        match self.secret {
            Some(secret) if !self.endpoints.secret_in_body => {
                let pair = basic(client_id, secret.expose_text()?);
                request = request.header(http::header::AUTHORIZATION, pair);
            }
            Some(secret) => {
                form.append_pair("client_id", client_id).append_pair("client_secret", secret.expose_text()?);
            }
            None => {
                form.append_pair("client_id", client_id);
            }
        }
        request.body(form.finish().into_bytes()).ok()
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

fn oidc(
    provider: &Provider,
    endpoints: &Endpoints,
    secret: Option<&Secret>,
    redirect_uri: Option<&str>,
) -> Option<Oidc> {
    let issuer = IssuerUrl::new(provider.issuer.clone()).ok()?;
    let mut client = Client::new(
        ClientId::new(provider.client_id.clone()),
        issuer,
        JsonWebKeySet::<CoreJsonWebKey>::default(),
    );
    if let Some(secret) = secret {
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

/// The parsed body is left out: it may hold tokens. `callback`: the address that was named, if one was.
fn fault(
    error: RequestTokenError<OutboundFault, StandardErrorResponse<CoreErrorResponseType>>,
    callback: Option<&str>,
) -> TokenEndpointFault {
    match error {
        RequestTokenError::ServerResponse(refusal) => refused(&refusal, callback),
        RequestTokenError::Request(error) => TokenEndpointFault::Unreachable(error),
        RequestTokenError::Parse(error, _) => {
            TokenEndpointFault::Answer(format!("not the expected JSON at {}", error.path()))
        }
        RequestTokenError::Other(what) => TokenEndpointFault::Answer(what),
    }
}

fn refused(
    refusal: &StandardErrorResponse<CoreErrorResponseType>,
    callback: Option<&str>,
) -> TokenEndpointFault {
    TokenEndpointFault::Refused {
        error: refusal.error().as_ref().to_owned(),
        description: refusal.error_description().cloned(),
        callback: callback.map(str::to_owned),
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

/// What the common errors mean for whoever set this up, and what to do about them.
fn explain(error: &str, description: Option<&str>, callback: Option<&str>) -> String {
    match (error, description, callback) {
        ("invalid_client", ..) => {
            "invalid_client: app client secret rejected; copy it anew, and the client id".into()
        }
        ("unauthorized_client", Some("invalid_redirect"), Some(callback)) => {
            format!("unauthorized_client/invalid_redirect: register {callback} at the app client")
        }
        ("unauthorized_client", ..) => format!(
            "unauthorized_client: the app client does not allow this grant{}",
            callback.map(|callback| format!(", or {callback} is not registered there")).unwrap_or_default()
        ),
        ("invalid_grant", ..) => {
            "invalid_grant: the code or refresh token is used, revoked or expired, or the client \
                                  may not read an attribute of a requested scope"
                .into()
        }
        (error, description, _) => format!("{error}: {}", description.unwrap_or("no description")),
    }
}
