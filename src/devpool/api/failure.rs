//! Why an operation of the JSON API failed: Cognito's name for it, and its words.
//!
//! <https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/CommonErrors.html>

use ::http::{HeaderName, StatusCode};
use serde_json::json;

use super::super::challenge::{AccountError, StepError};
use super::super::http::{insert, json};
use super::super::keys::KeyError;
use super::super::renew::Dead;
use crate::body::Answer;

/// A failed operation.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(super) struct Failure {
    kind: Kind,
    message: String,
}

/// The exceptions that there are here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    CodeMismatch,
    EnableSoftwareTokenMfa,
    ExpiredCode,
    GroupExists,
    InternalError,
    InvalidParameter,
    InvalidPassword,
    LimitExceeded,
    MissingAuthenticationToken,
    NotAuthorized,
    PasswordResetRequired,
    RefreshTokenReuse,
    ResourceNotFound,
    Serialization,
    Unauthorized,
    UnknownOperation,
    UnsupportedTokenType,
    UserNotConfirmed,
    UserNotFound,
    UsernameExists,
}

// === impl Failure ===

impl Failure {
    pub(super) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// The parameters are not as they have to be.
    pub(super) fn parameter(message: impl Into<String>) -> Self {
        Self::new(Kind::InvalidParameter, message)
    }

    pub(super) fn not_authorized(message: impl Into<String>) -> Self {
        Self::new(Kind::NotAuthorized, message)
    }

    pub(super) fn answer(self) -> Answer {
        let name = self.kind.name();
        let status = match self.kind {
            Kind::InternalError => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_REQUEST,
        };
        let mut answer = json(status, &json!({ "__type": name, "message": self.message }));
        // SDKs read the header first, up to the colon.
        insert(&mut answer, HeaderName::from_static("x-amzn-errortype"), &format!("{name}:"));
        insert(&mut answer, HeaderName::from_static("x-amzn-errormessage"), &self.message);
        answer
    }
}

impl From<AccountError> for Failure {
    fn from(error: AccountError) -> Self {
        let kind = match error {
            AccountError::Incorrect | AccountError::Disabled => Kind::NotAuthorized,
            AccountError::Unconfirmed => Kind::UserNotConfirmed,
            AccountError::ResetRequired => Kind::PasswordResetRequired,
        };
        Self::new(kind, error.to_string())
    }
}

impl From<StepError> for Failure {
    fn from(error: StepError) -> Self {
        let kind = match error {
            StepError::NoSession | StepError::Expired => Kind::NotAuthorized,
            StepError::CodeMismatch => Kind::CodeMismatch,
            StepError::CodeUsed => Kind::ExpiredCode,
            StepError::Password(_) => Kind::InvalidPassword,
            StepError::Account(error) => return error.into(),
        };
        Self::new(kind, error.to_string())
    }
}

impl From<Dead> for Failure {
    fn from(dead: Dead) -> Self {
        let kind = match dead {
            Dead::Replaced => Kind::RefreshTokenReuse,
            _ => Kind::NotAuthorized,
        };
        Self::new(kind, dead.to_string())
    }
}

impl From<KeyError> for Failure {
    fn from(error: KeyError) -> Self {
        tracing::error!(%error, "the dev pool could not sign");
        Self::new(Kind::InternalError, "The tokens could not be signed.")
    }
}

// === impl Kind ===

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::CodeMismatch => "CodeMismatchException",
            Self::EnableSoftwareTokenMfa => "EnableSoftwareTokenMFAException",
            Self::ExpiredCode => "ExpiredCodeException",
            Self::GroupExists => "GroupExistsException",
            Self::InternalError => "InternalErrorException",
            Self::InvalidParameter => "InvalidParameterException",
            Self::InvalidPassword => "InvalidPasswordException",
            Self::LimitExceeded => "LimitExceededException",
            Self::MissingAuthenticationToken => "MissingAuthenticationTokenException",
            Self::NotAuthorized => "NotAuthorizedException",
            Self::PasswordResetRequired => "PasswordResetRequiredException",
            Self::RefreshTokenReuse => "RefreshTokenReuseException",
            Self::ResourceNotFound => "ResourceNotFoundException",
            Self::Serialization => "SerializationException",
            Self::Unauthorized => "UnauthorizedException",
            Self::UnknownOperation => "UnknownOperationException",
            Self::UnsupportedTokenType => "UnsupportedTokenTypeException",
            Self::UserNotConfirmed => "UserNotConfirmedException",
            Self::UserNotFound => "UserNotFoundException",
            Self::UsernameExists => "UsernameExistsException",
        }
    }
}
