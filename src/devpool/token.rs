//! `/oauth2/token`: codes and refresh tokens for tokens.
//!
//! <https://docs.aws.amazon.com/cognito/latest/developerguide/token-endpoint.html>

use std::time::Duration;

use aws_lc_rs::{constant_time, digest};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::header::{ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, AUTHORIZATION};
use http::{Method, StatusCode};
use serde_json::{Map, json};

use super::http::{Asked, Form, allow_any_origin, empty, insert, json};
use super::state::{Client, State};
use super::tokens::{self, Draft};
use super::{Pool, renew};
use crate::body::Answer;

/// Why there are no tokens. All of them are a 400.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    InvalidRequest,
    InvalidClient,
    InvalidGrant,
    /// The address is not the one that the code was made for.
    InvalidRedirect,
    UnsupportedGrantType,
}

/// What is to be signed and handed out.
struct Granted {
    draft: Draft,
    refresh_token: Option<String>,
}

/// Answers `POST /oauth2/token`.
pub(super) async fn answer(pool: &Pool, asked: &Asked) -> Answer {
    let (delay, failure) = {
        let faults = &mut pool.state().faults;
        (faults.next_delay(), faults.next_failure())
    };
    if let Some(delay) = delay {
        tokio::time::sleep(Duration::from_millis(delay)).await;
    }
    if let Some(status) = failure {
        count(pool, "failed");
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        return json(status, &json!({ "message": "asked for through /_dev/fail" }));
    }
    // The lock is free again before anything is signed.
    let granted = grant(pool, asked);
    allow_any_origin(match granted {
        Ok(granted) => granted.answer(),
        Err(refusal) => refusal.answer(),
    })
}

/// Answers the preflight that a browser sends before a script's POST with `Authorization`.
pub(super) fn preflight() -> Answer {
    let mut answer = allow_any_origin(empty(StatusCode::NO_CONTENT));
    insert(&mut answer, ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, OPTIONS");
    insert(&mut answer, ACCESS_CONTROL_ALLOW_HEADERS, "authorization, content-type");
    answer
}

/// The client that proves to be one: by Basic or by the body, or by its id alone if it has no secret.
pub(super) fn authenticate<'s>(state: &'s State, asked: &Asked, form: &Form) -> Option<&'s Client> {
    let basic = match asked.header(AUTHORIZATION) {
        Some(value) => Some(basic(value)?),
        None => None,
    };
    let (id, secret) = match &basic {
        Some((id, secret)) => (id.as_str(), Some(secret.as_str())),
        None => (form.find("client_id")?, form.find("client_secret")),
    };
    if form.find("client_id").is_some_and(|named| named != id) {
        return None;
    }
    let client = state.client(id)?;
    let known = |secret: &str| client.secrets.iter().any(|known| same(known, secret));
    match secret {
        Some(secret) => known(secret).then_some(client),
        None => client.secrets.is_empty().then_some(client),
    }
}

/// Equal, in a time that does not tell where they differ.
pub(super) fn same(left: &str, right: &str) -> bool {
    constant_time::verify_slices_are_equal(left.as_bytes(), right.as_bytes()).is_ok()
}

/// `Basic base64(id:secret)`; Cognito takes both as they are, without the form encoding of RFC 6749 §2.3.1.
fn basic(value: &str) -> Option<(String, String)> {
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = decoded.split_once(':')?;
    Some((id.to_owned(), secret.to_owned()))
}

fn grant(pool: &Pool, asked: &Asked) -> Result<Granted, Refusal> {
    if asked.method != Method::POST {
        return Err(Refusal::InvalidRequest);
    }
    let form = asked.form().ok_or(Refusal::InvalidRequest)?;
    let kind = form.find("grant_type");
    count(
        pool,
        match kind {
            Some("authorization_code") => "authorization_code",
            Some("refresh_token") => "refresh_token",
            _ => "other",
        },
    );
    let kind = kind.ok_or(Refusal::InvalidRequest)?;
    let mut state = pool.state();
    // Before the code is touched: a wrong secret does not use it up.
    let client = authenticate(&state, asked, &form).ok_or(Refusal::InvalidClient)?.clone();
    match kind {
        "authorization_code" => redeem(pool, &mut state, &client, &form),
        "refresh_token" => refresh(pool, &mut state, &client, &form),
        _ => Err(Refusal::UnsupportedGrantType),
    }
}

fn redeem(pool: &Pool, state: &mut State, client: &Client, form: &Form) -> Result<Granted, Refusal> {
    let value = form.find("code").ok_or(Refusal::InvalidRequest)?;
    let redirect_uri = form.find("redirect_uri").ok_or(Refusal::InvalidRequest)?;
    let code = state.codes.find(value).filter(|code| code.client_id == client.id);
    if code.ok_or(Refusal::InvalidGrant)?.redirect_uri != redirect_uri {
        return Err(Refusal::InvalidRedirect);
    }
    // Whatever comes now, the code is used up.
    let code = state.codes.remove(value).ok_or(Refusal::InvalidGrant)?;
    let proved = match (&code.challenge, form.find("code_verifier")) {
        (None, None) => true,
        (Some(challenge), Some(verifier)) => same(challenge, &s256(verifier)),
        _ => false,
    };
    if code.expires <= state.now() || !proved || tokens::lacks_read_access(client, &code.grant.scopes) {
        return Err(Refusal::InvalidGrant);
    }
    let user = state.active_user(&code.grant.user).ok_or(Refusal::InvalidGrant)?;
    let draft = tokens::draft(state, &pool.issuer, client, user, &code.grant, code.nonce.as_deref());
    let refresh_token = renew::hand_out(state, &code.grant.origin_jti);
    state.grants.insert(code.grant.origin_jti.clone(), code.grant);
    Ok(Granted { draft, refresh_token: Some(refresh_token) })
}

fn refresh(pool: &Pool, state: &mut State, client: &Client, form: &Form) -> Result<Granted, Refusal> {
    let token = form.find("refresh_token").ok_or(Refusal::InvalidRequest)?;
    let grant = renew::find(state, client, token).map_err(|_| Refusal::InvalidGrant)?;
    let user = state.active_user(&grant.user).ok_or(Refusal::InvalidGrant)?;
    // Without a nonce: it was for the answer to one sign-in.
    let draft = tokens::draft(state, &pool.issuer, client, user, &grant, None);
    let refresh_token = renew::rotate(state, client, token, &grant.origin_jti);
    Ok(Granted { draft, refresh_token })
}

/// RFC 7636 §4.2.
fn s256(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes()))
}

fn count(pool: &Pool, kind: &'static str) {
    *pool.state().stats.token_calls.entry(kind).or_default() += 1;
}

// === impl Granted ===

impl Granted {
    fn answer(self) -> Answer {
        let tokens = match self.draft.sign() {
            Ok(tokens) => tokens,
            Err(error) => {
                tracing::error!(%error, "the dev pool could not sign");
                return json(StatusCode::INTERNAL_SERVER_ERROR, &json!({ "error": "server_error" }));
            }
        };
        // No `scope`, as at Cognito.
        let mut body = Map::new();
        if let Some(id) = tokens.id {
            body.insert("id_token".into(), json!(id));
        }
        body.insert("access_token".into(), json!(tokens.access));
        if let Some(refresh_token) = self.refresh_token {
            body.insert("refresh_token".into(), json!(refresh_token));
        }
        body.insert("expires_in".into(), json!(tokens.lifetime));
        body.insert("token_type".into(), json!("Bearer"));
        json(StatusCode::OK, &body.into())
    }
}

// === impl Refusal ===

impl Refusal {
    fn answer(self) -> Answer {
        let body = match self {
            Self::InvalidRequest => json!({ "error": "invalid_request" }),
            Self::InvalidClient => json!({ "error": "invalid_client" }),
            Self::InvalidGrant => json!({ "error": "invalid_grant" }),
            Self::InvalidRedirect => {
                json!({ "error": "unauthorized_client", "error_description": "invalid_redirect" })
            }
            Self::UnsupportedGrantType => json!({ "error": "unsupported_grant_type" }),
        };
        json(StatusCode::BAD_REQUEST, &body)
    }
}
