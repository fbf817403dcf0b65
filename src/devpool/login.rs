//! `/login`: the page where people sign in, and the form it posts.
//!
//! <https://docs.aws.amazon.com/cognito/latest/developerguide/login-endpoint.html>

use std::fmt::Write;

use http::{Method, StatusCode};

use super::authorize::{Ask, SESSION};
use super::http::{Asked, page, redirect, set_cookie};
use super::page::{document, escape, policy};
use super::state::{PoolSession, State};
use super::token::same;
use super::{Pool, challenge, random};
use crate::body::Answer;

mod step;

/// A browser at the page, with what its client asks for.
struct Visit<'a> {
    pool: &'a Pool,
    query: &'a str,
    ask: Ask,
    csrf: String,
}

/// Answers `GET` and `POST /login`. It takes the parameters that `/oauth2/authorize` takes, in its query.
pub(super) fn answer(pool: &Pool, asked: &Asked) -> Answer {
    let mut state = pool.state();
    let parameters = asked.parameters();
    let ask = match Ask::read(&state, &parameters) {
        Ok(ask) => ask,
        Err(error) => return error.answer(),
    };
    // Kept while it lasts, so that the forms of two tabs are both good.
    let known = asked.cookie(CSRF).filter(|value| value.len() == 43);
    let csrf = known.map_or_else(random::token::<32>, str::to_owned);
    let visit = Visit { pool, query: &asked.query, ask, csrf };
    if asked.method != Method::POST {
        return visit.form(&state, StatusCode::OK, parameters.find("login_hint").unwrap_or_default(), None);
    }

    let form = asked.form();
    let field = |name| form.as_ref().and_then(|form| form.find(name)).unwrap_or_default();
    let name = field("username");
    // Tabs that a browser opens in the same moment each get a token, and the jar keeps the last: there the browser's own
    // word counts that the form is ours. No page of another site can send that header.
    let ours = asked.header("sec-fetch-site") == Some("same-origin");
    if !ours && !known.is_some_and(|known| same(known, field("_csrf"))) {
        let error = "Something went wrong. Please try again.";
        return visit.form(&state, StatusCode::FORBIDDEN, name, Some(error));
    }
    if !field("session").is_empty() {
        return step::answer(visit, &mut state, field);
    }
    match challenge::check_password(&state, name, field("password")) {
        Ok(user) => visit.go_on(&mut state, user),
        Err(error) => visit.form(&state, StatusCode::BAD_REQUEST, name, Some(&error.to_string())),
    }
}

// === impl Visit ===

impl Visit<'_> {
    /// To the next step of a user whose password is proved, or back to the client.
    fn go_on(self, state: &mut State, user: String) -> Answer {
        let Some(step) = state.users.get(&user).and_then(challenge::next_step) else {
            return self.finish(state, user);
        };
        let session = challenge::ask(state, &user, &self.ask.client_id, step);
        step::form(&self, state, &session, None)
    }

    /// Signed in: a session at the pool, and a code for the client.
    fn finish(self, state: &mut State, user: String) -> Answer {
        let now = state.now();
        let session = random::token::<32>();
        let expires = now.saturating_add(SESSION_LIFETIME);
        let signed_in = PoolSession { user: user.clone(), auth_time: now, expires };
        state.sessions.insert(session.clone(), signed_in);
        state.stats.sign_ins += 1;
        let mut answer = redirect(&self.ask.grant(state, user, now));
        set_cookie(&mut answer, &cookie(self.pool, SESSION, &session, SESSION_LIFETIME));
        answer
    }

    /// The form for name and password.
    fn form(&self, state: &State, status: StatusCode, name: &str, error: Option<&str>) -> Answer {
        self.show(status, html(state, self.query, &self.csrf, name, error))
    }

    fn show(&self, status: StatusCode, html: String) -> Answer {
        let mut answer = page(status, html, &policy(&form_action(&self.ask.redirect_uri)));
        set_cookie(&mut answer, &cookie(self.pool, CSRF, &self.csrf, ATTEMPT));
        answer
    }
}

/// A cookie of the pool's; `age` 0 takes it away.
pub(super) fn cookie(pool: &Pool, name: &str, value: &str, age: u64) -> String {
    let secure = if pool.public_url.starts_with("https:") { "; Secure" } else { "" };
    format!("{name}={value}; Path=/; Max-Age={age}; HttpOnly; SameSite=Lax{secure}")
}

fn html(state: &State, query: &str, csrf: &str, name: &str, error: Option<&str>) -> String {
    let action = format!("/login?{}", escape(query));
    let error = error.map(|error| format!("<p class=\"error\" role=\"alert\">{}</p>", escape(error)));
    let focus = |wanted: bool| if wanted { " autofocus" } else { "" };
    let mut body = format!(
        "{BANNER}<main class=\"narrow\"><div class=\"sheet\">\n<h1>Sign in</h1>\n\
         <p class=\"soft\">Sign in to your account.</p>\n{error}\n\
         <form method=\"post\" action=\"{action}\">\n<input type=\"hidden\" name=\"_csrf\" value=\"{csrf}\">\n\
         <label for=\"username\">Username</label>\n\
         <input id=\"username\" name=\"username\" value=\"{name}\" autocomplete=\"username\" \
         autocapitalize=\"none\" spellcheck=\"false\" required{focus_name}>\n\
         <label for=\"password\">Password</label>\n\
         <input id=\"password\" name=\"password\" type=\"password\" autocomplete=\"current-password\" \
         required{focus_password}>\n<button type=\"submit\">Sign in</button>\n</form>\n",
        error = error.unwrap_or_default(),
        name = escape(name),
        focus_name = focus(name.is_empty()),
        focus_password = focus(!name.is_empty()),
    );
    let mut people =
        state.users.values().filter(|user| user.pick && !user.disabled).take(MOST_PICKS).peekable();
    if people.peek().is_some() {
        body.push_str("<h2>Or continue as</h2>\n<ul class=\"people\">\n");
        for user in people {
            let groups = if user.groups.is_empty() { "no group".to_owned() } else { user.groups.join(", ") };
            let _ = writeln!(
                body,
                "<li><form method=\"post\" action=\"{action}\">\
                 <input type=\"hidden\" name=\"_csrf\" value=\"{csrf}\">\
                 <input type=\"hidden\" name=\"username\" value=\"{name}\">\
                 <input type=\"hidden\" name=\"password\" value=\"{password}\">\
                 <button type=\"submit\"><span>{name}</span> <span class=\"soft\">{groups}</span></button></form></li>",
                name = escape(&user.name),
                password = escape(&user.password),
                groups = escape(&groups),
            );
        }
        body.push_str("</ul>\n");
    }
    body.push_str("</div></main>");
    document("Sign in", &body)
}

/// Browsers hold the redirects that follow a form to `form-action`: the client's callback, and wherever the client
/// sends people from there.
fn form_action(redirect_uri: &str) -> String {
    match redirect_uri.split_once(':') {
        Some((scheme, _)) if scheme != "http" && scheme != "https" => {
            format!("'self' http: https: {scheme}:")
        }
        _ => "'self' http: https:".to_owned(),
    }
}

const BANNER: &str =
    "<p class=\"banner\">Development user pool: these accounts exist on this machine alone.</p>\n";
const CSRF: &str = "XSRF-TOKEN";
/// A sign-in is to be finished within five minutes.
const ATTEMPT: u64 = 5 * 60;
const SESSION_LIFETIME: u64 = 60 * 60;
const MOST_PICKS: usize = 50;
