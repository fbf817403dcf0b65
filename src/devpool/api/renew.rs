//! Refresh tokens in the JSON API: `REFRESH_TOKEN_AUTH`, `GetTokensFromRefreshToken`, `RevokeToken`.
//!
//! <https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_GetTokensFromRefreshToken.html>

use serde::Deserialize;
use serde_json::json;

use super::super::seed::AuthFlow;
use super::super::state::{Client, fingerprint};
use super::super::{Pool, renew};
use super::failure::{Failure, Kind};
use super::input::{Texts, need};
use super::{Done, issue, secret, sign_in, told};

/// What `GetTokensFromRefreshToken` takes.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GetTokens {
    refresh_token: Option<String>,
    client_id: Option<String>,
    client_secret: Option<String>,
}

/// What `RevokeToken` takes.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Revoke {
    token: Option<String>,
    client_id: Option<String>,
    client_secret: Option<String>,
}

/// The flow of `InitiateAuth` and `AdminInitiateAuth`. A client that rotates its refresh tokens does not have it.
pub(super) fn by_flow(pool: &Pool, client: &Client, given: &Texts) -> Result<Done, Failure> {
    sign_in::allowed(client, AuthFlow::RefreshToken, "REFRESH_TOKEN_AUTH flow")?;
    if client.rotation {
        return Err(Failure::parameter("REFRESH_TOKEN_AUTH flow not enabled for this client"));
    }
    let token = given.need("REFRESH_TOKEN")?;
    let mut state = pool.state();
    let grant = renew::find(&state, client, token)?;
    // The user's own name, whatever name was signed in with.
    let name = state.users.get(&grant.user).map(|user| user.name.clone()).unwrap_or_default();
    secret::check_hash(client, &name, given.find("SECRET_HASH"))?;
    issue::further(pool, &mut state, client, &grant, token, true)
}

pub(super) fn tokens(pool: &Pool, input: GetTokens) -> Result<Done, Failure> {
    let mut state = pool.state();
    let client = secret::client(&state, input.client_id.as_deref())?;
    let token = need(input.refresh_token.as_deref(), "refreshToken")?;
    if !secret::check_secret(&client, input.client_secret.as_deref()) {
        return Err(Failure::not_authorized(format!("Invalid client secret for client: {}", client.id)));
    }
    let grant = renew::find(&state, &client, token)?;
    issue::further(pool, &mut state, &client, &grant, token, false)
}

pub(super) fn revoke(pool: &Pool, input: &Revoke) -> Result<Done, Failure> {
    let mut state = pool.state();
    let token = need(input.token.as_deref(), "token")?;
    let client = secret::client(&state, input.client_id.as_deref())?;
    if !secret::check_secret(&client, input.client_secret.as_deref()) {
        return Err(Failure::new(Kind::Unauthorized, "Invalid client secret"));
    }
    if state.keys.open(token).is_some() {
        return Err(Failure::new(Kind::UnsupportedTokenType, "Unsupported token type"));
    }
    state.stats.revoke += 1;
    let origin = state.refresh_tokens.find(&fingerprint(token)).map(|known| known.origin_jti.clone());
    let grant = origin.and_then(|origin| state.grants.find_mut(&origin));
    if let Some(grant) = grant.filter(|grant| grant.client_id == client.id) {
        grant.revoked = true;
    }
    // Also for a token that is unknown, foreign or revoked already.
    told(json!({}))
}
