//! `/oauth2/userInfo`: the user's attributes, every value a string, never groups.
//!
//! <https://docs.aws.amazon.com/cognito/latest/developerguide/userinfo-endpoint.html>

use http::StatusCode;
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use serde_json::{Map, Value, json};

use super::http::{Asked, allow_any_origin, empty, insert, json};
use super::state::State;
use super::{Pool, tokens};
use crate::body::Answer;

/// Answers `GET /oauth2/userInfo`.
pub(super) fn answer(pool: &Pool, asked: &Asked) -> Answer {
    let mut state = pool.state();
    state.stats.user_info += 1;
    let token = asked
        .header(AUTHORIZATION)
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim());
    let answer = match token {
        None => refusal(StatusCode::BAD_REQUEST, BAD_REQUEST),
        Some(token) => match attributes(&state, token) {
            Some(attributes) => json(StatusCode::OK, &Value::Object(attributes)),
            None => refusal(StatusCode::UNAUTHORIZED, INVALID_TOKEN),
        },
    };
    allow_any_origin(answer)
}

/// What the bearer of a token is told; `None` if it is expired, disabled, revoked or not for this.
fn attributes(state: &State, token: &str) -> Option<Map<String, Value>> {
    let claims = state.keys.open(token)?;
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let scopes: Vec<String> = text("scope")?.split(' ').map(str::to_owned).collect();
    let live = claims.get("exp").and_then(Value::as_u64).is_some_and(|end| end > state.now());
    if !live || text("token_use") != Some("access") || !scopes.iter().any(|scope| scope == "openid") {
        return None;
    }
    let grant = state.grants.find(text("origin_jti")?).filter(|grant| !grant.revoked)?;
    let user = state.active_user(&grant.user)?;
    let client = state.client(&grant.client_id)?;

    let mut told = Map::new();
    told.insert("sub".into(), json!(user.sub));
    for name in tokens::attributes(client, &scopes, user) {
        if let Some(value) = user.attributes.get(name) {
            told.insert(name.to_owned(), json!(value));
        }
    }
    if let Some(identity) = &user.identity {
        told.insert("identities".into(), json!(identity.claim().to_string()));
    }
    told.insert("username".into(), json!(user.name));
    Some(told)
}

fn refusal(status: StatusCode, challenge: &str) -> Answer {
    let mut answer = empty(status);
    insert(&mut answer, WWW_AUTHENTICATE, challenge);
    answer
}

const BAD_REQUEST: &str =
    "error=\"invalid_request\", error_description=\"Bad OAuth2 request at UserInfo Endpoint\"";
const INVALID_TOKEN: &str = "error=\"invalid_token\", error_description=\"Access token is expired, disabled, or \
                             deleted, or the user has globally signed out.\"";
