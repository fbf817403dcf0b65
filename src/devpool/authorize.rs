//! `/oauth2/authorize`: checks what a client asks for, then the login page, or a code at once for who is signed in.
//!
//! <https://docs.aws.amazon.com/cognito/latest/developerguide/authorization-endpoint.html>

use std::fmt::Write;

use super::http::{Asked, Form, redirect};
use super::state::{Client, Code, Grant, State};
use super::{Pool, random};
use crate::body::Answer;

/// What a client asks for, checked.
pub(super) struct Ask {
    pub(super) client_id: String,
    pub(super) redirect_uri: String,
    state: Option<String>,
    scopes: Vec<String>,
    challenge: Option<String>,
    nonce: Option<String>,
    prompts: Vec<String>,
}

/// Why nothing comes of it.
pub(super) enum AskError {
    /// Without a client and an address of its own nobody is sent anywhere: the browser ends on this error page.
    Page { error: &'static str, client_id: String },
    /// Told to the client at its own address.
    Told { error: &'static str, redirect_uri: String, state: Option<String> },
}

/// Answers `GET /oauth2/authorize`.
pub(super) fn answer(pool: &Pool, asked: &Asked) -> Answer {
    let parameters = asked.parameters();
    let mut state = pool.state();
    let ask = match Ask::read(&state, &parameters) {
        Ok(ask) => ask,
        Err(error) => return error.answer(),
    };
    let session = asked.cookie(SESSION).filter(|_| !ask.prompts("login")).and_then(|id| state.session(id));
    let Some((user, auth_time)) = session.map(|session| (session.user.clone(), session.auth_time)) else {
        if ask.prompts("none") {
            return ask.error("login_required").answer();
        }
        return redirect(&format!("/login?{}", asked.query));
    };
    redirect(&ask.grant(&mut state, user, auth_time))
}

// === impl Ask ===

impl Ask {
    /// Checks the parameters; `/login` takes the same.
    pub(super) fn read(state: &State, parameters: &Form) -> Result<Self, AskError> {
        let page = |error| {
            let client_id = parameters.find("client_id").unwrap_or_default().to_owned();
            AskError::Page { error, client_id }
        };
        let id = parameters.find("client_id").ok_or_else(|| page(MISSING))?;
        let client = state.client(id).ok_or_else(|| page(MISMATCH))?;
        let redirect_uri = match (parameters.find("redirect_uri"), client.callback_urls.as_slice()) {
            (Some(uri), registered) if registered.iter().any(|known| known == uri) => uri.to_owned(),
            (Some(_), _) => return Err(page(MISMATCH)),
            (None, [only]) => only.clone(),
            (None, _) => return Err(page(MISSING)),
        };
        let mut ask = Self {
            client_id: id.to_owned(),
            redirect_uri,
            state: parameters.find("state").map(str::to_owned),
            scopes: Vec::new(),
            challenge: parameters.find("code_challenge").map(str::to_owned),
            nonce: parameters.find("nonce").map(str::to_owned),
            prompts: words(parameters.find("prompt")),
        };
        match parameters.find("response_type") {
            Some("code") => {}
            // The implicit grant exists, but no client of this pool has it.
            Some("token") => return Err(ask.error("unauthorized_client")),
            _ => return Err(ask.error("invalid_request")),
        }
        let method = parameters.find("code_challenge_method");
        let plausible = |challenge: &str| {
            challenge.len() == 43
                && challenge.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
        };
        match (ask.challenge.as_deref(), method) {
            (None, None) => {}
            (Some(challenge), Some("S256")) if plausible(challenge) => {}
            _ => return Err(ask.error("invalid_request")),
        }
        ask.scopes = scopes(client, parameters).ok_or_else(|| ask.error("invalid_scope"))?;
        Ok(ask)
    }

    /// Makes a code for a user, and the address that takes it to the client.
    pub(super) fn grant(self, state: &mut State, user: String, auth_time: u64) -> String {
        let now = state.now();
        let lifetime = state.client(&self.client_id).map_or(0, |client| client.refresh_lifetime);
        let code = random::uuid();
        let location = location(&self.redirect_uri, "code", &code, self.state.as_deref());
        let grant = Grant {
            origin_jti: random::uuid(),
            event_id: random::uuid(),
            client_id: self.client_id.clone(),
            user,
            scopes: self.scopes,
            by_api: false,
            auth_time,
            expires: now.saturating_add(lifetime),
            revoked: false,
        };
        let made = Code {
            client_id: self.client_id,
            redirect_uri: self.redirect_uri,
            challenge: self.challenge,
            nonce: self.nonce,
            expires: now.saturating_add(CODE_LIFETIME),
            grant,
        };
        state.codes.insert(code, made);
        location
    }

    fn prompts(&self, what: &str) -> bool {
        self.prompts.iter().any(|prompt| prompt == what)
    }

    fn error(&self, error: &'static str) -> AskError {
        AskError::Told { error, redirect_uri: self.redirect_uri.clone(), state: self.state.clone() }
    }
}

// === impl AskError ===

impl AskError {
    pub(super) fn answer(self) -> Answer {
        match self {
            Self::Page { error, client_id } => error_page(error, &client_id),
            Self::Told { error, redirect_uri, state } => {
                redirect(&location(&redirect_uri, "error", error, state.as_deref()))
            }
        }
    }
}

/// Sends a browser to the pool's own error page: the application never hears of it.
pub(super) fn error_page(error: &str, client_id: &str) -> Answer {
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("error", error)
        .append_pair("client_id", client_id)
        .finish();
    redirect(&format!("/error?{query}"))
}

/// The scopes that were asked for, all of the client's if none were; `None` if one is not to be had.
fn scopes(client: &Client, parameters: &Form) -> Option<Vec<String>> {
    let asked = super::state::once_each(words(parameters.find("scope")));
    if asked.is_empty() {
        return Some(client.scopes.clone());
    }
    let known = asked.iter().all(|scope| client.scopes.contains(scope));
    let needs_openid = asked.iter().any(|scope| ["email", "phone", "profile"].contains(&scope.as_str()));
    let openid = asked.iter().any(|scope| scope == "openid");
    (known && (openid || !needs_openid)).then_some(asked)
}

/// The client's address with a code or an error, and its `state` as Cognito gives it back: decoded once and not
/// encoded again, so that `+`, `=`, `&` and `%` in it are not what they were.
fn location(redirect_uri: &str, name: &str, value: &str, state: Option<&str>) -> String {
    let mark = if redirect_uri.contains('?') { '&' } else { '?' };
    let mut location = format!("{redirect_uri}{mark}{name}={value}");
    if let Some(state) = state {
        location.push_str("&state=");
        for byte in state.bytes() {
            match byte {
                0x21..=0x7e => location.push(char::from(byte)),
                // What a header line cannot carry.
                _ => {
                    let _ = write!(location, "%{byte:02X}");
                }
            }
        }
    }
    location
}

fn words(text: Option<&str>) -> Vec<String> {
    text.unwrap_or_default().split_ascii_whitespace().map(str::to_owned).collect()
}

/// Name of the cookie that says who is signed in at the pool.
pub(super) const SESSION: &str = "cognito";
pub(super) const MISMATCH: &str = "redirect_mismatch";
const MISSING: &str = "Required parameters missing";
const CODE_LIFETIME: u64 = 5 * 60;
