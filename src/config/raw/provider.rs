//! `[cognito]` and `[oidc]`: who signs people in. ★

use schemars::JsonSchema;
use serde::Deserialize;

use super::OneOrMany;

/// `[cognito]`
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct Cognito {
    /// The pool's id, such as `eu-central-1_AbCdEf123`. The issuer is derived from it. Mandatory.
    pub(in crate::config) user_pool_id: Option<String>,
    /// Replaces the derived issuer: a dev pool, or a private endpoint.
    pub(in crate::config) issuer: Option<String>,
    /// The pool's domain, such as `https://login.example.com`. Default: what discovery says.
    pub(in crate::config) domain: Option<String>,
    /// Further issuers that tokens may name.
    pub(in crate::config) additional_issuers: Option<Vec<String>>,
    /// The app client's id. Mandatory.
    pub(in crate::config) client_id: Option<String>,
    /// The app client's secret. Better: `client_secret_file`.
    pub(in crate::config) client_secret: Option<String>,
    /// A file holding the app client's secret.
    pub(in crate::config) client_secret_file: Option<String>,
    /// A file with a secret a line while they are rotated: where one is rejected the next is tried.
    pub(in crate::config) client_secrets_file: Option<String>,
    /// Scopes asked for. Default `openid email profile`.
    pub(in crate::config) scopes: Option<Vec<String>>,
    /// Go straight to this identity provider; a list: `start?identity_provider=` may choose one of these.
    pub(in crate::config) identity_provider: Option<OneOrMany>,
    /// The same by an identifier, such as an e-mail domain; a list: `start?idp_identifier=` may choose.
    pub(in crate::config) idp_identifier: Option<OneOrMany>,
    /// The language of the pool's pages; a list: `start?lang=` may choose one of these.
    pub(in crate::config) lang: Option<OneOrMany>,
    /// Who is about to sign in; a list: `start?login_hint=` may choose one of these.
    pub(in crate::config) login_hint: Option<OneOrMany>,
    /// `none`, `login`, `select_account`, `consent`; a list: `start?prompt=` may choose one of these.
    pub(in crate::config) prompt: Option<OneOrMany>,
    /// The URL that access tokens are bound to (RFC 8707); Cognito binds one.
    pub(in crate::config) resources: Option<Vec<String>>,
    /// PEM file that replaces the system's roots for calls to the pool.
    pub(in crate::config) ca_file: Option<String>,
}

/// `[oidc]`
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct Oidc {
    /// The provider's issuer, exactly as its discovery document has it. Mandatory.
    pub(in crate::config) issuer: Option<String>,
    /// The client's id. Mandatory.
    pub(in crate::config) client_id: Option<String>,
    /// The client's secret. Better: `client_secret_file`.
    pub(in crate::config) client_secret: Option<String>,
    /// A file holding the client's secret.
    pub(in crate::config) client_secret_file: Option<String>,
    /// A file with a secret a line while they are rotated: where one is rejected the next is tried.
    pub(in crate::config) client_secrets_file: Option<String>,
    /// Scopes asked for. Default `openid email profile`.
    pub(in crate::config) scopes: Option<Vec<String>>,
    /// The language of the provider's pages; a list: `start?lang=` may choose one of these.
    pub(in crate::config) lang: Option<OneOrMany>,
    /// Who is about to sign in; a list: `start?login_hint=` may choose one of these.
    pub(in crate::config) login_hint: Option<OneOrMany>,
    /// `none`, `login`, `select_account`, `consent`; a list: `start?prompt=` may choose one of these.
    pub(in crate::config) prompt: Option<OneOrMany>,
    /// The URLs that access tokens are bound to (RFC 8707).
    pub(in crate::config) resources: Option<Vec<String>>,
    /// PEM file that replaces the system's roots for calls to the provider.
    pub(in crate::config) ca_file: Option<String>,
    /// Further issuers that tokens may name.
    pub(in crate::config) additional_issuers: Option<Vec<String>>,
}
