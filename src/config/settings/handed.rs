//! What an upstream is handed beside X-User and X-Roles: a signed statement, and tokens. ★

use std::time::Duration;

use super::Config;
use crate::config::secret::Secret;

/// `[assertion]`.
#[derive(Debug, Clone)]
pub struct Assertion {
    /// Which form it has.
    pub kind: AssertionKind,
    /// EC P-256 private keys, DER: the first signs, all are published. Empty: one is made at the start.
    pub keys: Vec<Secret>,
    /// How long one counts, at most 60 s. Default 30 s.
    pub lifetime: Duration,
}

/// Which form an assertion has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AssertionKind {
    /// `X-Rolegate-Assertion`.
    Rolegate {
        /// The `aud` claim.
        audience: String,
    },
    /// `x-amzn-oidc-data` and its companions, as an Application Load Balancer writes them.
    Alb {
        /// The ARN that it says it is.
        signer: String,
    },
}

/// Which token an upstream is handed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PassToken {
    /// The access token.
    Access,
    /// The ID token.
    Id,
}

/// What of a login's tokens is kept to be handed on, or needed by one request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PassedOn {
    /// The access token.
    pub access: bool,
    /// The ID token.
    pub id: bool,
    /// What an ALB would tell of the person.
    pub profile: bool,
}

// === impl Config ===

impl Config {
    /// What every request with an identity needs, whatever its rule.
    pub fn passed_on_always(&self) -> PassedOn {
        let alb = self.assertion.as_ref().is_some_and(|it| matches!(it.kind, AssertionKind::Alb { .. }));
        PassedOn { access: alb, id: false, profile: alb }
    }

    /// What a session must keep so that every rule has what it needs.
    pub fn passed_on(&self) -> PassedOn {
        self.rules.iter().fold(self.passed_on_always(), |all, rule| all.with(rule.pass_token))
    }
}

// === impl PassedOn ===

impl PassedOn {
    /// Whether it is anything.
    pub fn any(self) -> bool {
        self.access || self.id || self.profile
    }

    /// This, and what a rule's `pass_token` names.
    pub fn with(self, token: Option<PassToken>) -> Self {
        Self {
            access: self.access || token == Some(PassToken::Access),
            id: self.id || token == Some(PassToken::Id),
            ..self
        }
    }
}
