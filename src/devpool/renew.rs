//! Whether a refresh token is still good, and its rotation; for the token endpoint and the JSON API.
//!
//! <https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-the-refresh-token.html>

use super::random;
use super::state::{Client, Grant, RefreshToken, State, fingerprint};

/// Why a refresh token is good for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Dead {
    /// Also one of another client.
    #[error("Invalid Refresh Token")]
    Unknown,
    #[error("Refresh token has been invalidated by rotation")]
    Replaced,
    #[error("Refresh Token has been revoked")]
    Revoked,
    #[error("Refresh Token has expired")]
    Expired,
    #[error("User is disabled.")]
    Disabled,
}

/// The sign-in that a refresh token goes on with.
pub(super) fn find(state: &State, client: &Client, token: &str) -> Result<Grant, Dead> {
    let now = state.now_ms();
    let known = state.refresh_tokens.find(&fingerprint(token)).ok_or(Dead::Unknown)?;
    let grant = state.grants.find(&known.origin_jti).filter(|grant| grant.client_id == client.id);
    let grant = grant.ok_or(Dead::Unknown)?;
    if grant.revoked {
        return Err(Dead::Revoked);
    }
    if grant.expires <= now / 1_000 {
        return Err(Dead::Expired);
    }
    let within_grace = |replaced: u64| now < replaced.saturating_add(client.grace.saturating_mul(1_000));
    if !known.replaced.is_none_or(within_grace) {
        return Err(Dead::Replaced);
    }
    state.active_user(&grant.user).ok_or(Dead::Disabled)?;
    Ok(grant.clone())
}

/// The token that takes the place of a good one, if the client rotates them.
pub(super) fn rotate(state: &mut State, client: &Client, token: &str, origin_jti: &str) -> Option<String> {
    if !client.rotation {
        return None;
    }
    let now = state.now_ms();
    if let Some(used) = state.refresh_tokens.find_mut(&fingerprint(token)) {
        // The grace runs from the first use.
        used.replaced.get_or_insert(now);
    }
    Some(hand_out(state, origin_jti))
}

/// A new refresh token for a sign-in.
pub(super) fn hand_out(state: &mut State, origin_jti: &str) -> String {
    let token = random::refresh_token();
    let kept = RefreshToken { origin_jti: origin_jti.to_owned(), replaced: None };
    state.refresh_tokens.insert(fingerprint(&token), kept);
    token
}
