//! `[[rules]]` and `[bearer]`: what a path needs, and whom a token speaks for. ★

use schemars::JsonSchema;
use serde::Deserialize;

use super::{PassToken, Token};

/// `[[rules]]`
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct Rule {
    /// `/exact`, or `/prefix/**`, which covers `/prefix` too. Mandatory.
    pub(in crate::config) path: Option<String>,
    /// Only on this host. Default: any.
    pub(in crate::config) host: Option<String>,
    /// Only these methods; `GET` covers `HEAD`. Methods that no rule of the path names are refused. Default: every method.
    pub(in crate::config) methods: Option<Vec<String>>,
    /// At least one of these roles.
    pub(in crate::config) any_role: Option<Vec<String>>,
    /// All of these roles.
    pub(in crate::config) all_roles: Option<Vec<String>>,
    /// At least one of these scopes of the access token, matched whole.
    pub(in crate::config) any_scope: Option<Vec<String>>,
    /// One of these users (the value of X-User).
    pub(in crate::config) any_user: Option<Vec<String>>,
    /// A verified e-mail address at one of these domains; subdomains are domains of their own.
    pub(in crate::config) any_email_domain: Option<Vec<String>>,
    /// At least this authentication context class, such as `urn:cognito:loa:3`; else a step-up login.
    pub(in crate::config) min_acr: Option<String>,
    /// Signed in with credentials no longer ago than this, such as `10m`; else a step-up login.
    pub(in crate::config) max_auth_age: Option<String>,
    /// Anybody, without a session. Default false.
    pub(in crate::config) public: Option<bool>,
    /// What a navigation without a session gets: `login` or `401`. Default `login`.
    pub(in crate::config) unauthenticated: Option<Unauthenticated>,
    /// Says that this public rule lies inside a rule that asks for more (a role, a certificate, an address), and is
    /// meant to. Default false.
    pub(in crate::config) over_role: Option<bool>,
    /// Let true CORS preflights through without identity. Default false.
    pub(in crate::config) preflight: Option<bool>,
    /// Only from these networks, in addition to everything else.
    pub(in crate::config) from: Option<Vec<String>>,
    /// `required`: only with a verified client certificate (`[tls] client_ca_file`), in addition to everything else.
    pub(in crate::config) client_certificate: Option<ClientCertificate>,
    /// Leave the answer's cacheability alone. Default false.
    pub(in crate::config) cacheable: Option<bool>,
    /// Hand the upstream this token of the person as `Authorization: Bearer`: `access` or `id`. Default: none.
    pub(in crate::config) pass_token: Option<PassToken>,
    /// Which bearer tokens count here instead of what `[bearer] tokens` says; or `off`: `Authorization` passes untouched.
    /// Default: as there.
    pub(in crate::config) bearer: Option<RuleBearer>,
    /// `refuse` or `keep` an escaped slash (`%2F`) in a path. Default `refuse`.
    pub(in crate::config) encoded_slash: Option<EncodedSlash>,
    /// Where allowed requests go instead of the top level's `upstream`, written the same way: a URL, or a name.
    /// Default: that one.
    pub(in crate::config) upstream: Option<String>,
}

/// What a rule asks of the handshake.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum ClientCertificate {
    Required,
}

/// Which bearer tokens count on a rule.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum RuleBearer {
    Access,
    Id,
    Either,
    Off,
}

/// What becomes of an escaped slash.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum EncodedSlash {
    Refuse,
    Keep,
}

/// What a navigation without a session gets.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
pub(in crate::config) enum Unauthenticated {
    #[serde(rename = "login")]
    Login,
    #[serde(rename = "401")]
    Refuse,
}

/// `[bearer]`
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct Bearer {
    /// Which tokens count: `access`, `id` or `either`. Default `access`.
    pub(in crate::config) tokens: Option<Token>,
    /// The app clients whose tokens count. Default: the one that people sign in with.
    pub(in crate::config) clients: Option<Vec<String>>,
    /// Resources that an access token may be bound to by its `aud`. Default: the `resources` that logins ask for.
    pub(in crate::config) audiences: Option<Vec<String>>,
    /// Pass `Authorization` on to the upstream. Default false.
    pub(in crate::config) pass: Option<bool>,
}
