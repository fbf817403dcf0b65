//! What counts are told apart by: words of the code, or names of the configuration; nothing that a client sends. ★

use prometheus_client::encoding::EncodeLabelSet;

/// `{step}`
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Step {
    /// `begun`, `restarted`, `stale`, `signed_in`.
    pub step: &'static str,
}

/// `{cause, error}`
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Failure {
    /// The refusal's code.
    pub cause: &'static str,
    /// What the pool called it in the callback; empty where it said nothing.
    pub error: &'static str,
}

/// `{by}`
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct By {
    /// `user`, `user_everywhere`, `login`, `operator`.
    pub by: &'static str,
}

/// `{outcome, reason}`
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Refresh {
    /// `renewed`, `rejected`, `outage`, `joined`, `shared`.
    pub outcome: &'static str,
    /// Why not; empty otherwise.
    pub reason: &'static str,
}

/// `{call, outcome, error}`
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct PoolCall {
    /// `code`, `refresh`, `revoke`, `discovery`, `keys`.
    pub call: &'static str,
    /// `ok`, `refused`, `unreachable`, `timeout`, `bad_answer`.
    pub outcome: &'static str,
    /// The OAuth error code, where there is one: of those that are known, or `other`.
    pub error: &'static str,
}

/// `{call}`
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Call {
    /// As in [`PoolCall`].
    pub call: &'static str,
}

/// `{reason}`
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Reason {
    /// A stable code.
    pub reason: &'static str,
}

/// `{upstream, address, state}`
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct AddressState {
    /// The upstream's name in the configuration.
    pub upstream: String,
    /// The address as the configuration has it: what its name leads to is counted there.
    pub address: String,
    /// `in` or `out`.
    pub state: &'static str,
}

/// `{upstream, address, reason}`
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct AddressReason {
    /// As in [`AddressState`].
    pub upstream: String,
    /// As there.
    pub address: String,
    /// A stable code.
    pub reason: &'static str,
}

/// `{upstream, address, outcome}`
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct AddressOutcome {
    /// As in [`AddressState`].
    pub upstream: String,
    /// As there.
    pub address: String,
    /// `ok`, or a stable code.
    pub outcome: &'static str,
}

/// `{side}`
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Side {
    /// `front` or `upstream`.
    pub side: &'static str,
}

/// `{outcome}`
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Outcome {
    /// `ok`, or a stable code.
    pub outcome: &'static str,
}

/// `{call, outcome}`
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct StoreCall {
    /// `session`, `index`, `log`.
    pub call: &'static str,
    /// `ok`, or a stable code.
    pub outcome: &'static str,
}

/// One of the codes that OAuth and OpenID Connect have, or `other`: what a pool or a callback says is text from outside.
pub(super) fn known_error(said: &str) -> &'static str {
    const KNOWN: [&str; 17] = [
        "access_denied",
        "account_selection_required",
        "consent_required",
        "interaction_required",
        "invalid_client",
        "invalid_grant",
        "invalid_request",
        "invalid_scope",
        "invalid_token",
        "login_required",
        "server_error",
        "slow_down",
        "temporarily_unavailable",
        "unauthorized_client",
        "unsupported_grant_type",
        "unsupported_response_type",
        "unsupported_token_type",
    ];
    KNOWN.into_iter().find(|known| *known == said).unwrap_or("other")
}
