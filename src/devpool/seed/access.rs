//! Tables of a pool file about what may be asked for, and by whom: the plan, flows, resource servers, identity
//! providers and their people.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::Scalar;

/// The feature plan: what the pool can at all.
///
/// <https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-sign-in-feature-plans.html>
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::devpool) enum Plan {
    /// The classic hosted UI, triggers of version one.
    Lite,
    /// Managed login and what it understands, all triggers: what a new pool has.
    #[default]
    Essentials,
    /// As essentials here: threat protection is not imitated.
    Plus,
}

/// A way for a client to come by tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::devpool) enum Flow {
    /// For people.
    Code,
    /// For machines: alone, with a secret, and with scopes of resource servers.
    ClientCredentials,
}

/// `[[resource_servers]]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::devpool) struct ResourceServerSeed {
    pub(in crate::devpool) identifier: String,
    #[serde(default)]
    pub(in crate::devpool) scopes: Vec<String>,
}

/// `[[identity_providers]]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::devpool) struct ProviderSeed {
    pub(in crate::devpool) name: String,
    #[serde(default, rename = "type")]
    pub(in crate::devpool) kind: ProviderKind,
    /// For `idp_identifier`.
    #[serde(default)]
    pub(in crate::devpool) identifiers: Vec<String>,
}

/// `providerType` of the `identities` claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub(in crate::devpool) enum ProviderKind {
    #[default]
    #[serde(rename = "OIDC")]
    Oidc,
    #[serde(rename = "SAML")]
    Saml,
    Google,
    Facebook,
    LoginWithAmazon,
    SignInWithApple,
}

/// `[[federated_users]]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::devpool) struct FederatedSeed {
    pub(in crate::devpool) provider: String,
    /// The name that the provider has for them.
    pub(in crate::devpool) id: String,
    #[serde(default)]
    pub(in crate::devpool) groups: Vec<String>,
    #[serde(default)]
    pub(in crate::devpool) attributes: BTreeMap<String, Scalar>,
    #[serde(default)]
    pub(in crate::devpool) disabled: bool,
}

// === impl ResourceServerSeed ===

impl ResourceServerSeed {
    /// Its scopes as clients ask for them: `identifier/scope`.
    pub(in crate::devpool) fn full_scopes(&self) -> impl Iterator<Item = String> {
        self.scopes.iter().map(|scope| format!("{}/{scope}", self.identifier))
    }
}

// === impl ProviderKind ===

impl ProviderKind {
    /// As the claim has it.
    pub(in crate::devpool) fn name(self) -> &'static str {
        match self {
            Self::Oidc => "OIDC",
            Self::Saml => "SAML",
            Self::Google => "Google",
            Self::Facebook => "Facebook",
            Self::LoginWithAmazon => "LoginWithAmazon",
            Self::SignInWithApple => "SignInWithApple",
        }
    }
}

// === impl FederatedSeed ===

impl FederatedSeed {
    /// The name that the pool gives them.
    pub(in crate::devpool) fn user_name(&self) -> String {
        format!("{}_{}", self.provider, self.id)
    }
}
