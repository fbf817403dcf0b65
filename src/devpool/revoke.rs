//! `/oauth2/revoke`: ends a refresh token and what came of it.
//!
//! <https://docs.aws.amazon.com/cognito/latest/developerguide/revocation-endpoint.html>

use http::StatusCode;
use serde_json::json;

use super::Pool;
use super::http::{Asked, allow_any_origin, empty, json};
use super::state::fingerprint;
use super::token::authenticate;
use crate::body::Answer;

/// Answers `POST /oauth2/revoke`.
pub(super) fn answer(pool: &Pool, asked: &Asked) -> Answer {
    allow_any_origin(revoke(pool, asked))
}

fn revoke(pool: &Pool, asked: &Asked) -> Answer {
    let error = |status, error: &str| json(status, &json!({ "error": error }));
    let mut state = pool.state();
    state.stats.revoke += 1;
    let Some(form) = asked.form() else { return error(StatusCode::BAD_REQUEST, "invalid_request") };
    let Some(token) = form.find("token") else { return error(StatusCode::BAD_REQUEST, "invalid_request") };
    let Some(client) = authenticate(&state, asked, &form).map(|client| client.id.clone()) else {
        return error(StatusCode::UNAUTHORIZED, "invalid_client");
    };
    // An ID or access token is a JWS of three parts; a refresh token has five.
    if token.split('.').count() == 3 && state.keys.open(token).is_some() {
        return error(StatusCode::BAD_REQUEST, "unsupported_token_type");
    }
    let origin = state.refresh_tokens.find(&fingerprint(token)).map(|known| known.origin_jti.clone());
    let grant = origin.and_then(|origin| state.grants.find_mut(&origin));
    if let Some(grant) = grant.filter(|grant| grant.client_id == client) {
        grant.revoked = true;
    }
    // Also for a token that is unknown, foreign or revoked already.
    empty(StatusCode::OK)
}
