//! `[assertion]`, and what else an upstream is handed. ★

use schemars::JsonSchema;
use serde::Deserialize;

/// `[assertion]`
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct Assertion {
    /// `rolegate`: `X-Rolegate-Assertion`. `alb`: `x-amzn-oidc-data`, `-identity` and `-accesstoken`, as an
    /// Application Load Balancer writes them. Default `rolegate`.
    pub(in crate::config) kind: Option<AssertionKind>,
    /// PEM file with EC P-256 private keys: the first signs, all are published. Default: a key made at the start.
    pub(in crate::config) key_file: Option<String>,
    /// The `aud` claim: what the upstream takes for its own name. Mandatory, but for `alb`.
    pub(in crate::config) audience: Option<String>,
    /// How long an assertion counts, at most `60s`. Default `30s`.
    pub(in crate::config) lifetime: Option<String>,
    /// The load balancer's ARN that the application expects as `signer`. Mandatory for `alb`.
    pub(in crate::config) signer: Option<String>,
}

/// Which form an assertion has.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum AssertionKind {
    Rolegate,
    Alb,
}

/// Which token an upstream is handed.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum PassToken {
    Access,
    Id,
}
