//! `/oauth2/token`: codes and refresh tokens for tokens.
//!
//! <https://docs.aws.amazon.com/cognito/latest/developerguide/token-endpoint.html>

use aws_lc_rs::{constant_time, digest};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::header::{ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, AUTHORIZATION};
use http::{Method, StatusCode};
use serde_json::{Map, json};

use super::http::{Asked, Form, allow_any_origin, empty, insert, json};
use super::state::{Client, State};
use super::tokens::{self, Draft};
use super::trigger::{self, Call, Occasion, Overrides, Source};
use super::{Pool, machine, renew};
use crate::body::Answer;

/// Why there are no tokens. All of them are a 400.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    InvalidRequest,
    InvalidClient,
    InvalidGrant,
    /// The address is not the one that the code was made for.
    InvalidRedirect,
    UnsupportedGrantType,
    /// The client may not come by tokens this way.
    UnauthorizedClient,
    InvalidScope,
    /// The trigger failed.
    Trigger(trigger::Failure),
}

/// What is to be done before anything is handed out.
struct Prepared {
    draft: Draft,
    next: Next,
}

enum Next {
    /// The trigger ran at the sign-in.
    HandOut {
        overrides: Overrides,
        refresh_token: String,
    },
    /// It is asked now, and the refresh token is only used up if that goes well.
    Refresh {
        call: Option<Call>,
        client: Client,
        token: String,
    },
    Machine {
        call: Option<Call>,
    },
}

/// What is to be signed and handed out.
struct Granted {
    draft: Draft,
    refresh_token: Option<String>,
}

/// Answers `POST /oauth2/token`.
pub(super) async fn answer(pool: &Pool, asked: &Asked) -> Answer {
    allow_any_origin(match grant(pool, asked).await {
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

async fn grant(pool: &Pool, asked: &Asked) -> Result<Granted, Refusal> {
    let Prepared { mut draft, next } = prepare(pool, asked)?;
    // The lock is free while the trigger runs, and when anything is signed.
    let refresh_token = match next {
        Next::HandOut { overrides, refresh_token } => {
            draft.apply(&overrides);
            Some(refresh_token)
        }
        Next::Machine { call } => {
            draft.apply(&trigger::run(pool, call).await.map_err(Refusal::Trigger)?);
            None
        }
        Next::Refresh { call, client, token } => {
            draft.apply(&trigger::run(pool, call).await.map_err(Refusal::Trigger)?);
            let mut state = pool.state();
            // Again: meanwhile it may have been rotated or revoked.
            let grant = renew::find(&state, &client, &token).map_err(|_| Refusal::InvalidGrant)?;
            renew::rotate(&mut state, &client, &token, &grant.origin_jti)
        }
    };
    Ok(Granted { draft, refresh_token })
}

fn prepare(pool: &Pool, asked: &Asked) -> Result<Prepared, Refusal> {
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
            Some("client_credentials") => "client_credentials",
            _ => "other",
        },
    );
    let kind = kind.ok_or(Refusal::InvalidRequest)?;
    let mut state = pool.state();
    // Before the code is touched: a wrong secret does not use it up.
    let client = authenticate(&state, asked, &form).ok_or(Refusal::InvalidClient)?.clone();
    match kind {
        "authorization_code" => redeem(pool, &mut state, &client, &form),
        "refresh_token" => refresh(pool, &state, client, &form),
        "client_credentials" => {
            let (draft, call) = machine::grant(pool, &state, &client, &form)?;
            Ok(Prepared { draft, next: Next::Machine { call } })
        }
        _ => Err(Refusal::UnsupportedGrantType),
    }
}

fn redeem(pool: &Pool, state: &mut State, client: &Client, form: &Form) -> Result<Prepared, Refusal> {
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
    Ok(Prepared { draft, next: Next::HandOut { overrides: code.overrides, refresh_token } })
}

fn refresh(pool: &Pool, state: &State, client: Client, form: &Form) -> Result<Prepared, Refusal> {
    let token = form.find("refresh_token").ok_or(Refusal::InvalidRequest)?.to_owned();
    let grant = renew::find(state, &client, &token).map_err(|_| Refusal::InvalidGrant)?;
    let user = state.active_user(&grant.user).ok_or(Refusal::InvalidGrant)?;
    // Without a nonce: it was for the answer to one sign-in.
    let draft = tokens::draft(state, &pool.issuer, &client, user, &grant, None);
    let call = trigger::call(
        pool,
        &Occasion {
            source: Source::RefreshTokens,
            state,
            pool_id: &pool.pool_id,
            client: &client,
            user: Some(user),
            scopes: &grant.scopes,
            metadata: None,
        },
    );
    Ok(Prepared { draft, next: Next::Refresh { call, client, token } })
}

/// RFC 7636 §4.2.
fn s256(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes()))
}

/// Counts a call of the token endpoint.
pub(super) fn count(pool: &Pool, kind: &'static str) {
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
            Self::UnauthorizedClient => json!({ "error": "unauthorized_client" }),
            Self::InvalidScope => json!({ "error": "invalid_scope" }),
            Self::Trigger(failure) => {
                json!({ "error": "invalid_request", "error_description": failure.to_string() })
            }
        };
        json(StatusCode::BAD_REQUEST, &body)
    }
}
