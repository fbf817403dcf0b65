//! `[cognito]` or `[oidc]`: who signs people in. ★

use std::path::PathBuf;

use crate::config::secret::Secret;

/// The identity provider.
#[derive(Debug, Clone)]
pub struct Provider {
    /// Cognito's peculiarities, or plain OpenID Connect.
    pub kind: ProviderKind,
    /// The issuer whose discovery document is read, byte-exact.
    pub issuer: String,
    /// Further issuers that tokens may name.
    pub additional_issuers: Vec<String>,
    /// The app client.
    pub client_id: String,
    /// Its secrets, the preferred one first: several while they are rotated, none for a public client.
    pub client_secrets: Vec<Secret>,
    /// Default `openid email profile`.
    pub scopes: Vec<String>,
    /// What access tokens are to be bound to (RFC 8707 `resource`); a token that names another is not for us.
    pub resources: Vec<String>,
    /// What a login asks of the provider beyond what the protocol needs.
    pub parameters: LoginParameters,
    /// PEM bundle that replaces the system's roots for calls to the provider.
    pub ca_file: Option<PathBuf>,
    /// Calls to the first origin go to the second: `rolegate dev` behind a mapped port, where the browser's
    /// address of the pool is not the gate's. No key sets it.
    pub shortcut: Option<(String, String)>,
}

/// What a login asks of the provider beyond what the protocol needs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LoginParameters {
    /// Cognito: the identity provider to go straight to.
    pub identity_provider: Parameter,
    /// Cognito: the same by an identifier, such as an e-mail domain. Never together with the former.
    pub idp_identifier: Parameter,
    /// The language of the provider's pages.
    pub lang: Parameter,
    /// Who is about to sign in.
    pub login_hint: Parameter,
    /// `none`, or any of `login`, `select_account`, `consent`.
    pub prompt: Parameter,
}

/// When a parameter goes to the provider. Never with a value that is not configured.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Parameter {
    /// Not at all.
    #[default]
    Never,
    /// With every login.
    Always(String),
    /// When a link to `start` chooses one of these; never empty.
    OneOf(Vec<String>),
}

/// What kind of provider it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProviderKind {
    /// A Cognito user pool.
    Cognito {
        /// The pool id; the automatic group `<pool id>_<provider>` is recognised by it.
        pool_id: String,
        /// The pool's domain as an origin (`https://login.example.com`) if written; then discovery must agree.
        domain: Option<String>,
    },
    /// Any other OpenID provider: no `token_use`, RP-initiated logout.
    Oidc,
}
