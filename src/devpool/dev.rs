//! `/_dev/*`: faults and time, for tests. Only from this machine, and only with a header that no page of another
//! site can send.

use http::{Method, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::Pool;
use super::faults::{Endpoint, Kind};
use super::http::{Asked, empty, json, text};
use super::keys::Keys;
use super::random;
use super::state::{Client, State, once_each};
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
    #[serde(default)]
    endpoint: Endpoint,
    status: u16,
    #[serde(default = "once")]
    count: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Slow {
    #[serde(default)]
    endpoint: Endpoint,
    ms: u64,
    #[serde(default = "once")]
    count: u32,
}

/// For what needs no more to be said.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Times {
    #[serde(default)]
    endpoint: Endpoint,
    #[serde(default = "once")]
    count: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Secret {
    /// The first client, if it is left out.
    client: Option<String>,
    /// A random one, if it is left out.
    secret: Option<String>,
    /// The secrets up to now stay good.
    #[serde(default)]
    keep: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expire {
    what: Expired,
    /// Everyone, if it is left out.
    user: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Expired {
    RefreshTokens,
    Sessions,
    Codes,
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
    /// Seconds to put the pool's clock ahead, on top of what it is ahead already; below zero, back.
    advance: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Domain {
    /// Whether the pool has one.
    there: bool,
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
        (&Method::POST, "/_dev/throttle") => read(asked).map(|body| times(pool, Kind::Throttle, &body)),
        (&Method::POST, "/_dev/lose") => read(asked).map(|body| times(pool, Kind::Lose, &body)),
        (&Method::POST, "/_dev/expire") => read(asked).and_then(|body| expire(pool, &body)),
        (&Method::POST, "/_dev/secret") => match read(asked).and_then(|body| secret(pool, body)) {
            Ok(secret) => return json(StatusCode::OK, &json!({ "secret": secret })),
            Err(refused) => Err(refused),
        },
        (&Method::POST, "/_dev/lifetimes") => read(asked).and_then(|body| lifetimes(pool, &body)),
        (&Method::POST, "/_dev/clock") => read(asked).map(|body: Clock| {
            let mut state = pool.state();
            state.ahead = state.ahead.saturating_add(body.advance).clamp(-MOST_AHEAD, MOST_AHEAD);
        }),
        (&Method::POST, "/_dev/domain") => read(asked).map(|body: Domain| pool.state().domain = body.there),
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
            "held": {
                "codes": state.codes.len(),
                "sessions": state.sessions.len(),
                "grants": state.grants.len(),
                "refresh_tokens": state.refresh_tokens.len(),
            },
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
    if let Some(kept) = &pool.kept {
        kept.keep(&next).map_err(|error| Refused(error.to_string()))?;
    }
    pool.state().keys.rotate(next, body.keep);
    Ok(())
}

fn fail(pool: &Pool, body: &Fail) -> Result<(), Refused> {
    if !(400..600).contains(&body.status) {
        return Err(Refused("status is one from 400 to 599".to_owned()));
    }
    pool.state().faults.plan(body.endpoint, Kind::Fail, body.status.into(), body.count);
    Ok(())
}

fn slow(pool: &Pool, body: &Slow) {
    pool.state().faults.plan(body.endpoint, Kind::Slow, body.ms.min(MOST_DELAY), body.count);
}

fn times(pool: &Pool, kind: Kind, body: &Times) {
    pool.state().faults.plan(body.endpoint, kind, 0, body.count);
}

/// Ends what would have lasted longer, as if its time were over.
fn expire(pool: &Pool, body: &Expire) -> Result<(), Refused> {
    let mut state = pool.state();
    let name = body.user.as_ref().map(|name| name.to_lowercase());
    if let Some(unknown) = name.as_ref().filter(|name| !state.users.contains_key(*name)) {
        return Err(no_user(unknown));
    }
    let meant = |user: &String| name.as_ref().is_none_or(|name| name == user);
    match body.what {
        Expired::RefreshTokens => {
            state.grants.values_mut().filter(|it| meant(&it.user)).for_each(|it| it.expires = 0);
        }
        Expired::Sessions => {
            state.sessions.values_mut().filter(|it| meant(&it.user)).for_each(|it| it.expires = 0);
        }
        Expired::Codes => {
            state.codes.values_mut().filter(|it| meant(&it.grant.user)).for_each(|it| it.expires = 0);
        }
    }
    Ok(())
}

fn secret(pool: &Pool, body: Secret) -> Result<String, Refused> {
    if body.secret.as_ref().is_some_and(String::is_empty) {
        return Err(Refused("a secret is not empty".to_owned()));
    }
    let mut state = pool.state();
    let client = client(&mut state, body.client.as_deref())?;
    let secret = body.secret.unwrap_or_else(random::secret);
    if !body.keep {
        client.secrets.clear();
    }
    client.secrets.push(secret.clone());
    // A client has two at most.
    let surplus = client.secrets.len().saturating_sub(2);
    client.secrets.drain(..surplus);
    Ok(secret)
}

fn client<'s>(state: &'s mut State, id: Option<&str>) -> Result<&'s mut Client, Refused> {
    let client = match id {
        Some(id) => state.clients.iter_mut().find(|client| client.id == id),
        None => state.clients.first_mut(),
    };
    client.ok_or_else(|| Refused("there is no such client".to_owned()))
}

fn lifetimes(pool: &Pool, body: &Lifetimes) -> Result<(), Refused> {
    let mut state = pool.state();
    let client = client(&mut state, body.client.as_deref())?;
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
const MOST_AHEAD: i64 = 10 * 365 * 86_400;
