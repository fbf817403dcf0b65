//! `/_dev/*`: faults and time, for tests. Only from this machine, and only with a header that no page of another
//! site can send.

use http::{Method, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::Pool;
use super::http::{Asked, empty, json, text};
use super::keys::Keys;
use super::state::once_each;
use crate::body::Answer;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Groups {
    user: String,
    groups: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Disable {
    user: String,
    #[serde(default = "yes")]
    disabled: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Revoke {
    user: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rotate {
    /// The keys up to now stay in the JWKS.
    #[serde(default = "yes")]
    keep: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fail {
    status: u16,
    #[serde(default = "once")]
    count: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Slow {
    ms: u64,
    #[serde(default = "once")]
    count: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Lifetimes {
    /// The first client, if it is left out.
    client: Option<String>,
    id: Option<u64>,
    access: Option<u64>,
    refresh: Option<u64>,
    rotation: Option<bool>,
    grace: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Clock {
    /// Seconds to put the pool's clock ahead, on top of what it is ahead already.
    advance: u64,
}

/// Why a fault was not put in place.
struct Refused(String);

/// Answers `/_dev/*`.
pub(super) fn answer(pool: &Pool, asked: &Asked) -> Answer {
    if !asked.is_local() || asked.header("x-rolegate-dev") != Some("1") {
        return text(StatusCode::FORBIDDEN, "Only from this machine, with the header X-Rolegate-Dev: 1.");
    }
    let done = match (&asked.method, asked.path.as_str()) {
        (&Method::GET, "/_dev/stats") => return stats(pool),
        (&Method::POST, "/_dev/groups") => read(asked).and_then(|body| groups(pool, body)),
        (&Method::POST, "/_dev/disable") => read(asked).and_then(|body| disable(pool, &body)),
        (&Method::POST, "/_dev/revoke") => read(asked).and_then(|body| revoke(pool, &body)),
        (&Method::POST, "/_dev/rotate") => read(asked).and_then(|body| rotate(pool, &body)),
        (&Method::POST, "/_dev/fail") => read(asked).and_then(|body| fail(pool, &body)),
        (&Method::POST, "/_dev/slow") => read(asked).map(|body| slow(pool, &body)),
        (&Method::POST, "/_dev/lifetimes") => read(asked).and_then(|body| lifetimes(pool, &body)),
        (&Method::POST, "/_dev/clock") => read(asked).map(|body: Clock| {
            let mut state = pool.state();
            state.ahead = state.ahead.saturating_add(body.advance).min(MOST_AHEAD);
        }),
        _ => return text(StatusCode::NOT_FOUND, "There is no such fault."),
    };
    match done {
        Ok(()) => empty(StatusCode::NO_CONTENT),
        Err(Refused(message)) => json(StatusCode::BAD_REQUEST, &json!({ "message": message })),
    }
}

fn stats(pool: &Pool) -> Answer {
    let state = pool.state();
    let stats = &state.stats;
    json(
        StatusCode::OK,
        &json!({
            "token": stats.token_calls,
            "discovery": stats.discovery,
            "jwks": stats.jwks,
            "revoke": stats.revoke,
            "userinfo": stats.user_info,
            "sign_ins": stats.sign_ins,
        }),
    )
}

fn groups(pool: &Pool, body: Groups) -> Result<(), Refused> {
    let mut state = pool.state();
    if let Some(name) = body.groups.iter().find(|name| !state.groups.iter().any(|group| group.name == **name))
    {
        return Err(Refused(format!("there is no group {name:?}")));
    }
    let user = state.users.get_mut(&body.user.to_lowercase()).ok_or_else(|| no_user(&body.user))?;
    user.groups = once_each(body.groups);
    Ok(())
}

fn disable(pool: &Pool, body: &Disable) -> Result<(), Refused> {
    let mut state = pool.state();
    let name = body.user.to_lowercase();
    state.users.get_mut(&name).ok_or_else(|| no_user(&body.user))?.disabled = body.disabled;
    if body.disabled {
        // For good: who is enabled again has to sign in again.
        state.revoke_user(&name);
    }
    Ok(())
}

fn revoke(pool: &Pool, body: &Revoke) -> Result<(), Refused> {
    let mut state = pool.state();
    let name = body.user.to_lowercase();
    if !state.users.contains_key(&name) {
        return Err(no_user(&body.user));
    }
    state.revoke_user(&name);
    Ok(())
}

fn rotate(pool: &Pool, body: &Rotate) -> Result<(), Refused> {
    let next = Keys::generate().map_err(|error| Refused(error.to_string()))?;
    pool.state().keys.rotate(next, body.keep);
    Ok(())
}

fn fail(pool: &Pool, body: &Fail) -> Result<(), Refused> {
    if !(400..600).contains(&body.status) {
        return Err(Refused("status is one from 400 to 599".to_owned()));
    }
    pool.state().faults.fail = (body.count > 0).then_some((body.status, body.count));
    Ok(())
}

fn slow(pool: &Pool, body: &Slow) {
    pool.state().faults.slow = (body.count > 0).then_some((body.ms.min(MOST_DELAY), body.count));
}

fn lifetimes(pool: &Pool, body: &Lifetimes) -> Result<(), Refused> {
    let mut state = pool.state();
    let client = match &body.client {
        Some(id) => state.clients.iter_mut().find(|client| client.id == *id),
        None => state.clients.first_mut(),
    };
    let client = client.ok_or_else(|| Refused("there is no such client".to_owned()))?;
    client.id_lifetime = body.id.unwrap_or(client.id_lifetime);
    client.access_lifetime = body.access.unwrap_or(client.access_lifetime);
    client.refresh_lifetime = body.refresh.unwrap_or(client.refresh_lifetime);
    client.rotation = body.rotation.unwrap_or(client.rotation);
    client.grace = body.grace.unwrap_or(client.grace).min(60);
    Ok(())
}

fn read<T: DeserializeOwned>(asked: &Asked) -> Result<T, Refused> {
    let body: &[u8] = if asked.body.is_empty() { b"{}" } else { &asked.body };
    serde_json::from_slice(body).map_err(|error| Refused(error.to_string()))
}

fn no_user(name: &str) -> Refused {
    Refused(format!("there is no user {name:?}"))
}

fn yes() -> bool {
    true
}

fn once() -> u32 {
    1
}

const MOST_DELAY: u64 = 10 * 60 * 1_000;
/// Ten years, so that no date leaves what programs can hold.
const MOST_AHEAD: u64 = 10 * 365 * 86_400;
