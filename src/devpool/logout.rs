//! `/logout`: Cognito's own way, which is not RP-initiated logout.
//!
//! <https://docs.aws.amazon.com/cognito/latest/developerguide/logout-endpoint.html>

use http::StatusCode;

use super::authorize::{MISMATCH, SESSION, error_page};
use super::http::{Asked, redirect, set_cookie, text};
use super::{Pool, login};
use crate::body::Answer;

/// Answers `GET /logout`: `client_id` with `logout_uri`, which ends there; or with `redirect_uri` and
/// `response_type`, which ends on the login page.
pub(super) fn answer(pool: &Pool, asked: &Asked) -> Answer {
    let parameters = asked.parameters();
    let mut state = pool.state();
    let Some(id) = parameters.find("client_id") else {
        return text(StatusCode::BAD_REQUEST, "Required String parameter 'client_id' is not present");
    };
    let Some(client) = state.client(id) else { return error_page(MISMATCH, id) };
    let location = match (parameters.find("logout_uri"), parameters.find("redirect_uri")) {
        // An exact member of the list; all other parameters are then not looked at.
        (Some(uri), _) if client.logout_urls.iter().any(|known| known == uri) => uri.to_owned(),
        (Some(_), _) => return error_page(MISMATCH, id),
        (None, None) => {
            return text(StatusCode::BAD_REQUEST, "Required String parameter 'redirect_uri' is not present");
        }
        (None, Some(_)) if parameters.find("response_type").is_none() => {
            return text(StatusCode::BAD_REQUEST, "Required String parameter 'response_type' is not present");
        }
        (None, Some(uri)) if client.callback_urls.iter().any(|known| known == uri) => {
            format!("/login?{}", parameters.encode(LOGIN_PARAMETERS))
        }
        (None, Some(_)) => return error_page(MISMATCH, id),
    };
    if let Some(session) = asked.cookie(SESSION) {
        state.sessions.remove(session);
    }
    let mut answer = redirect(&location);
    set_cookie(&mut answer, &login::cookie(pool, SESSION, "", 0));
    answer
}

const LOGIN_PARAMETERS: &[&str] = &[
    "client_id",
    "redirect_uri",
    "response_type",
    "scope",
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
    "lang",
    "login_hint",
];
