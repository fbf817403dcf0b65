//! Where a user's account stands, and what a password has to be.

use serde::Deserialize;

/// Cognito's `UserStatus`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum Status {
    /// May sign in.
    #[default]
    Confirmed,
    /// Signs in with a temporary password, and has to set one of their own first.
    ForceChangePassword,
    /// Has signed up, and not yet confirmed it.
    Unconfirmed,
    /// An administrator asked for a new password.
    ResetRequired,
}

// === impl Status ===

impl Status {
    /// As the API writes it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Confirmed => "CONFIRMED",
            Self::ForceChangePassword => "FORCE_CHANGE_PASSWORD",
            Self::Unconfirmed => "UNCONFIRMED",
            Self::ResetRequired => "RESET_REQUIRED",
        }
    }
}

/// What is wrong with a new password, in Cognito's words. The seed's passwords are not asked.
pub(super) fn judge_password(password: &str) -> Result<(), &'static str> {
    if password.chars().count() < LEAST {
        return Err("Password did not conform with policy: Password not long enough");
    }
    if password.chars().count() > MOST {
        return Err("Password did not conform with policy: Password too long");
    }
    if password.starts_with(' ') || password.ends_with(' ') {
        return Err(
            "Password did not conform with policy: Password must not have leading or trailing spaces",
        );
    }
    Ok(())
}

/// The least that a pool may ask for: what is good here is a choice of pools, not of every pool.
pub(super) const LEAST: usize = 6;
const MOST: usize = 256;
