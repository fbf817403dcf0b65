//! Why the provider gave nothing, whose fault that is, and its stable code.

use super::client::TokenEndpointFault;
use super::outbound::OutboundFault;
use crate::identity::IdentityFault;
use crate::identity::token::TokenFault;

/// Why it gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum PoolFault {
    /// Discovery has not succeeded yet.
    #[error("the provider's discovery document or keys have not been read yet")]
    NotReady,
    /// The token endpoint.
    #[error(transparent)]
    Endpoint(#[from] TokenEndpointFault),
    /// A token's key is not at hand, and the key set cannot be fetched.
    #[error("the provider's keys cannot be fetched")]
    NoKeys,
    /// No ID token in the answer.
    #[error("the token endpoint's answer has no ID token")]
    NoIdToken,
    /// A token that does not count.
    #[error("{which} token: {fault}")]
    Token {
        /// `ID` or `access`.
        which: &'static str,
        /// Why.
        fault: TokenFault,
    },
    /// Two tokens of one answer about two people, or a refresh that would change who someone is.
    #[error("a token is about someone else")]
    OtherSubject,
    /// The claims name no user.
    #[error(transparent)]
    Identity(#[from] IdentityFault),
}

// === impl PoolFault ===

impl PoolFault {
    /// Whether the pool could not be reached, as opposed to having answered something wrong.
    pub fn unreachable(&self) -> bool {
        match self {
            Self::NotReady | Self::NoKeys => true,
            Self::Endpoint(TokenEndpointFault::Unreachable(fault)) => {
                !matches!(fault, OutboundFault::TooLarge)
            }
            _ => false,
        }
    }

    /// Whether the pool itself said that this refresh token or code counts no more.
    pub fn grant_is_dead(&self) -> bool {
        matches!(self, Self::Endpoint(TokenEndpointFault::Refused { error, .. }) if error == "invalid_grant")
    }

    /// Whether the pool looked at what it was asked and said no, so that asking again would change nothing.
    pub fn is_a_refusal(&self) -> bool {
        const IN_PASSING: [&str; 3] = ["server_error", "temporarily_unavailable", "slow_down"];
        matches!(self, Self::Endpoint(TokenEndpointFault::Refused { error, .. }) if !IN_PASSING.contains(&error.as_str()))
    }

    /// Whether the pool did answer, and not with anyone who may come in. A provider that gives no ID token at
    /// refresh (OpenID Connect Core §12.2 lets it) leaves the roles unsaid: the person signs in anew.
    pub fn is_about_the_person(&self) -> bool {
        matches!(self, Self::OtherSubject | Self::Identity(_) | Self::Token { .. } | Self::NoIdToken)
    }

    /// A stable code for logs and metrics.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotReady => "pool_not_ready",
            Self::Endpoint(TokenEndpointFault::Unreachable(OutboundFault::TooLarge)) => "pool_answer",
            Self::Endpoint(TokenEndpointFault::Unreachable(_)) => "pool_unreachable",
            Self::Endpoint(TokenEndpointFault::Refused { error, .. }) => match error.as_str() {
                "invalid_grant" => "invalid_grant",
                "invalid_client" => "invalid_client",
                "unauthorized_client" => "unauthorized_client",
                _ => "pool_refused",
            },
            Self::Endpoint(TokenEndpointFault::Answer(_)) => "pool_answer",
            Self::NoKeys => "pool_keys",
            Self::NoIdToken => "no_id_token",
            Self::Token { fault, .. } => fault.code(),
            Self::OtherSubject => "other_subject",
            Self::Identity(IdentityFault::NoUser(_)) => "no_user_claim",
            Self::Identity(IdentityFault::UnverifiedEmail) => "email_not_verified",
            Self::Identity(IdentityFault::CalledAsClient) => "called_as_client",
            Self::Identity(IdentityFault::Unwritable(_)) => "claim_unwritable",
        }
    }
}
