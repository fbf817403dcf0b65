//! What an upstream is handed beside X-User and X-Roles: a signed statement, and tokens. ★

use std::time::Duration;

use http::HeaderName;

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

    /// What no client may send on, beside what never passes.
    pub fn stripped_headers(&self) -> impl Iterator<Item = HeaderName> {
        let certificate = self.client_certificates().map(|asked| asked.subject_header.clone());
        // Where a method decides, an upstream must not be told to act on another one.
        let methods = if self.names_methods() { &METHOD_OVERRIDES[..] } else { &[] };
        let methods = methods.iter().map(|name| HeaderName::from_static(name));
        self.identity.header_names().cloned().chain(certificate).chain(methods)
    }

    /// Whether some rule is for certain methods.
    pub fn names_methods(&self) -> bool {
        self.rules.iter().any(|rule| rule.methods.is_some())
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

/// Headers that make some frameworks take a POST for something else.
pub const METHOD_OVERRIDES: [&str; 3] = ["x-http-method-override", "x-http-method", "x-method-override"];
