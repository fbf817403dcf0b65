//! `[identity]`: from claims to a user, roles and headers. ★

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

/// `[identity]`
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct Identity {
    /// The claim that becomes X-User. Default `cognito:username` for Cognito, `sub` for others.
    pub(in crate::config) user: Option<String>,
    /// Where roles come from; sources add up. Default for Cognito: `cognito:groups`.
    pub(in crate::config) roles: Option<Vec<RoleSource>>,
    /// Further claims handed to the upstream as headers.
    pub(in crate::config) headers: Option<Vec<ClaimHeader>>,
    /// Further headers with the user, beside X-User, for an upstream that reads another name.
    pub(in crate::config) user_headers: Option<Vec<String>>,
    /// Further headers with the roles, beside X-Roles.
    pub(in crate::config) roles_headers: Option<Vec<String>>,
    /// How roles are written: `list` (comma-separated) or `json` (an array). Default `list`.
    pub(in crate::config) roles_format: Option<RolesFormat>,
    /// Authentication context classes from the weakest to the strongest, for `min_acr`. Not needed for
    /// `urn:cognito:loa:1` to `:4`.
    pub(in crate::config) acr_order: Option<Vec<String>>,
}

/// `[[identity.roles]]`
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RoleSource {
    /// The claim's literal name; never a path. Mandatory.
    pub(in crate::config) claim: Option<String>,
    /// Which token it is read from; `either`: every verified token that carries it. Default `either`.
    pub(in crate::config) token: Option<Token>,
    /// Cut a string at this separator.
    pub(in crate::config) split: Option<String>,
    /// Grant `role` where the claim is exactly this: a text, a number, true or false, a list, a table.
    pub(in crate::config) equals: Option<serde_json::Value>,
    /// Grant `role` where the claim is a list with this element, or a table with these members.
    pub(in crate::config) contains: Option<serde_json::Value>,
    /// The role that `equals` or `contains` grants.
    pub(in crate::config) role: Option<String>,
    /// Keep only these values.
    pub(in crate::config) only: Option<Vec<String>>,
    /// What a value is called as a role; values that are not named keep their own name.
    pub(in crate::config) rename: Option<BTreeMap<String, String>>,
}

/// `[[identity.headers]]`
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct ClaimHeader {
    /// The claim's literal name. Mandatory.
    pub(in crate::config) claim: Option<String>,
    /// The header's name as the upstream sees it. Mandatory.
    pub(in crate::config) header: Option<String>,
    /// Which token it is read from. Default `either`.
    pub(in crate::config) token: Option<Token>,
}

/// How roles are written.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum RolesFormat {
    List,
    Json,
}

/// Which token a claim is read from.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum Token {
    Either,
    Id,
    Access,
}
