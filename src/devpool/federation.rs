//! People who sign in elsewhere: the providers, the `identities` claim, and a small page that stands for a provider.
//!
//! <https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-identity-federation.html>

use std::fmt::Write;

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::authorize::Ask;
use super::bound::ELSEWHERE;
use super::entry::{self, Entry};
use super::http::{Asked, page, set_cookie, text};
use super::page::{document, escape, policy};
use super::seed::{ProviderKind, ProviderSeed};
use super::state::{Client, State};
use super::{Pool, login};
use crate::body::Answer;

/// Where people of a pool can come from.
pub(super) struct Provider {
    pub(super) name: String,
    kind: ProviderKind,
    identifiers: Vec<String>,
}

/// Who someone is at their provider.
pub(super) struct Identity {
    id: String,
    pub(super) provider: String,
    kind: ProviderKind,
}

/// Answers `GET` and `POST /_idp/<provider>`, with the parameters of `/oauth2/authorize` in its query: the page where
/// the provider would ask for a password, and here only asks who one wants to be.
pub(super) async fn answer(pool: &Pool, asked: &Asked) -> Answer {
    let parameters = asked.parameters();
    let known = asked.cookie(login::CSRF).filter(|value| value.len() == 43).map(str::to_owned);
    let (ask, entry) = {
        let state = pool.state();
        let ask = match Ask::read(&state, &parameters) {
            Ok(ask) => ask,
            Err(error) => return error.answer(),
        };
        let name = asked.path.strip_prefix(PATH).unwrap_or_default();
        let Some(provider) = ask.provider.as_ref().filter(|wanted| *wanted == name).cloned() else {
            return text(StatusCode::NOT_FOUND, "There is no such identity provider.");
        };
        if asked.method != Method::POST {
            return shown(pool, &state, asked, &ask, &provider, known, StatusCode::OK);
        }
        let form = asked.form();
        let field = |name| form.as_ref().and_then(|form| form.find(name)).unwrap_or_default();
        if !known.as_deref().is_some_and(|known| super::token::same(known, field("_csrf"))) {
            return shown(pool, &state, asked, &ask, &provider, known, StatusCode::FORBIDDEN);
        }
        if field("deny") == "1" {
            return ask.refused("access_denied").answer();
        }
        let key = field("user").to_lowercase();
        let Some(user) = state.users.get(&key).filter(|user| user.comes_from(&provider)) else {
            return shown(pool, &state, asked, &ask, &provider, known, StatusCode::BAD_REQUEST);
        };
        if user.disabled {
            return ask.refused("User is disabled.").answer();
        }
        (ask, Entry { user: key, auth_time: state.now(), amr: ELSEWHERE })
    };
    match entry::sign_in(pool, ask, entry).await {
        Ok(answer) => answer,
        // There is no form of the pool's that could say it: the client is told.
        Err((ask, failure)) => ask.refused(&failure.to_string()).answer(),
    }
}

/// The provider that a client asks for, or that is its only one; `None`: the pool's own form.
pub(super) fn wanted(
    state: &State,
    client: &Client,
    by_name: Option<&str>,
    by_identifier: Option<&str>,
) -> Result<Option<String>, String> {
    let mut taken = state.providers.iter().filter(|provider| client.takes_people_of(&provider.name));
    let found = match (by_name, by_identifier) {
        (Some("COGNITO"), _) if client.takes_people_of("COGNITO") => return Ok(None),
        (Some(name), _) => (name, taken.find(|provider| provider.name == name)),
        (None, Some(id)) => (id, taken.find(|provider| provider.answers_to(id))),
        (None, None) if client.takes_people_of("COGNITO") => return Ok(None),
        (None, None) => {
            let first = taken.next();
            // Of several the person chooses, on the login page.
            return Ok(first.filter(|_| taken.next().is_none()).map(|provider| provider.name.clone()));
        }
    };
    match found {
        (_, Some(provider)) => Ok(Some(provider.name.clone())),
        (name, None) => Err(format!("Identity provider {name} does not exist for this client.")),
    }
}

/// Where a provider's page is.
pub(super) fn address(provider: &str, query: &str) -> String {
    format!("{PATH}{provider}?{query}")
}

/// Ways out of the login page, as HTML: a button for each provider of the client.
pub(super) fn buttons(state: &State, client_id: &str, query: &str) -> String {
    let mut html = String::new();
    let Some(client) = state.client(client_id) else { return html };
    // Without what would decide before the button does.
    let kept = url::form_urlencoded::parse(query.as_bytes())
        .filter(|(name, _)| !["identity_provider", "idp_identifier"].contains(&name.as_ref()));
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(kept).finish();
    for provider in state.providers.iter().filter(|provider| client.takes_people_of(&provider.name)) {
        let to = format!("/oauth2/authorize?{query}&identity_provider={}", provider.name);
        let name = escape(&provider.name);
        let _ =
            writeln!(html, "<p><a class=\"button\" href=\"{}\">Continue with {name}</a></p>", escape(&to));
    }
    html
}

fn shown(
    pool: &Pool,
    state: &State,
    asked: &Asked,
    ask: &Ask,
    provider: &str,
    known: Option<String>,
    status: StatusCode,
) -> Answer {
    let csrf = known.unwrap_or_else(super::random::token::<32>);
    let html = html(state, provider, &address(provider, &asked.query), &csrf);
    let mut answer = page(status, html, &policy(&login::form_action(&ask.redirect_uri)));
    set_cookie(&mut answer, &login::cookie(pool, login::CSRF, &csrf, login::ATTEMPT));
    answer
}

fn html(state: &State, provider: &str, action: &str, csrf: &str) -> String {
    let (name, action) = (escape(provider), escape(action));
    let button = |field: &str, value: &str, label: &str| {
        format!(
            "<li><form method=\"post\" action=\"{action}\"><input type=\"hidden\" name=\"_csrf\" value=\"{csrf}\">\
             <input type=\"hidden\" name=\"{field}\" value=\"{}\"><button type=\"submit\">{label}</button></form></li>\n",
            escape(value)
        )
    };
    let mut body = format!(
        "<p class=\"banner\">Development user pool: this page stands for {name}, and asks for no password.</p>\n\
         <main class=\"narrow\"><div class=\"sheet\">\n<h1>Sign in with {name}</h1>\n\
         <p class=\"soft\">Who do you want to be?</p>\n<ul class=\"people\">\n"
    );
    for user in state.users.values().filter(|user| user.comes_from(provider)) {
        let id = user.identity.as_ref().map_or("", |identity| identity.id.as_str());
        let mail = user.attributes.get("email").map_or("", String::as_str);
        let label = format!("<span>{}</span> <span class=\"soft\">{}</span>", escape(id), escape(mail));
        body.push_str(&button("user", &user.name, &label));
    }
    body.push_str("</ul>\n<h2>Or not</h2>\n<ul class=\"people\">\n");
    body.push_str(&button(
        "deny",
        "1",
        "<span>Cancel</span> <span class=\"soft\">the application is told</span>",
    ));
    body.push_str("</ul>\n</div></main>");
    document(&format!("Sign in with {provider}"), &body)
}

// === impl Provider ===

impl Provider {
    /// The group that Cognito puts all of its people in.
    pub(super) fn group(&self, pool_id: &str) -> String {
        format!("{pool_id}_{}", self.name)
    }

    fn answers_to(&self, identifier: &str) -> bool {
        self.name == identifier || self.identifiers.iter().any(|known| known.eq_ignore_ascii_case(identifier))
    }
}

impl From<ProviderSeed> for Provider {
    fn from(seed: ProviderSeed) -> Self {
        Self { name: seed.name, kind: seed.kind, identifiers: seed.identifiers }
    }
}

// === impl Identity ===

impl Identity {
    pub(super) fn new(id: String, provider: &Provider) -> Self {
        Self { id, provider: provider.name.clone(), kind: provider.kind }
    }

    /// The `identities` claim; its numbers and truths are strings.
    pub(super) fn claim(&self) -> Value {
        json!([{
            "userId": self.id,
            "providerName": self.provider,
            "providerType": self.kind.name(),
            "issuer": null,
            "primary": "true",
            "dateCreated": DATE_CREATED,
        }])
    }
}

/// In milliseconds; the same at every start, so that tokens differ in nothing but their times.
const DATE_CREATED: &str = "1700000000000";
/// No address of Cognito's: there, this page is the provider's own.
pub(super) const PATH: &str = "/_idp/";
