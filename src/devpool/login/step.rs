//! The steps after the password: a new one of one's own, or the code of an authenticator app.

use http::StatusCode;

use super::super::account::LEAST;
use super::super::challenge::{self, Step, StepError};
use super::super::page::{document, escape};
use super::super::state::State;
use super::{BANNER, Visit};
use crate::body::Answer;

/// Takes a step's form.
pub(super) fn answer<'f>(
    visit: Visit<'_>,
    state: &mut State,
    field: impl Fn(&'static str) -> &'f str,
) -> Answer {
    let session = field("session");
    let client = &visit.ask.client_id;
    let step = match challenge::find(state, session, client) {
        Ok(found) => &found.step,
        Err(error) => return visit.form(state, StatusCode::BAD_REQUEST, "", Some(&error.to_string())),
    };
    match step {
        Step::NewPassword if field("new_password") != field("new_password_again") => {
            form(&visit, state, session, Some("Passwords do not match."))
        }
        Step::NewPassword => match challenge::set_password(state, session, client, field("new_password")) {
            Ok(user) => visit.go_on(state, user),
            Err(error) => form(&visit, state, session, Some(&error.to_string())),
        },
        // As people type what they read: in two groups.
        Step::Totp => match challenge::take_code(state, session, client, &field("code").replace(' ', "")) {
            Ok(user) => visit.finish(state, user),
            Err(error) => form(&visit, state, session, Some(&error.to_string())),
        },
        Step::Password(_) => {
            let error = StepError::NoSession.to_string();
            visit.form(state, StatusCode::BAD_REQUEST, "", Some(&error))
        }
    }
}

/// The form of a session's step; the first form again if the session is gone.
pub(super) fn form(visit: &Visit<'_>, state: &State, session: &str, error: Option<&str>) -> Answer {
    let status = if error.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    let found = match challenge::find(state, session, &visit.ask.client_id) {
        Ok(found) => found,
        Err(gone) => {
            let gone = gone.to_string();
            return visit.form(state, StatusCode::BAD_REQUEST, "", Some(error.unwrap_or(&gone)));
        }
    };
    let (title, told, fields, button) = match found.step {
        Step::NewPassword => (
            "Change password",
            "Please enter your new password below.",
            new_password(error),
            "Change password",
        ),
        _ => {
            let told = "Enter the code that your authenticator app shows.";
            ("Enter your code", told, code(error), "Sign in")
        }
    };
    let name = state.users.get(&found.user).map_or("", |user| user.name.as_str());
    let alert =
        error.map(|error| format!("<p class=\"error\" role=\"alert\" id=\"error\">{}</p>", escape(error)));
    let body = format!(
        "{BANNER}<main class=\"narrow\"><div class=\"sheet\">\n<h1>{title}</h1>\n\
         <p class=\"soft\">{told} You are signing in as <strong>{name}</strong>.</p>\n{alert}\n\
         <form method=\"post\" action=\"/login?{query}\">\n\
         <input type=\"hidden\" name=\"_csrf\" value=\"{csrf}\">\n\
         <input type=\"hidden\" name=\"session\" value=\"{session}\">\n\
         <input type=\"hidden\" name=\"username\" value=\"{name}\" autocomplete=\"username\">\n\
         {fields}<button type=\"submit\">{button}</button>\n</form>\n\
         <p class=\"after\"><a href=\"/login?{query}\">Sign in as someone else</a></p>\n</div></main>",
        name = escape(name),
        alert = alert.unwrap_or_default(),
        query = escape(visit.query),
        csrf = visit.csrf,
        session = escape(session),
    );
    visit.show(status, document(title, &body))
}

fn new_password(error: Option<&str>) -> String {
    let (hint, wrong) = (format!("At least {LEAST} characters."), described("hint", error));
    format!(
        "<label for=\"new_password\">New password</label>\n\
         <input id=\"new_password\" name=\"new_password\" type=\"password\" autocomplete=\"new-password\" \
         minlength=\"{LEAST}\" required autofocus{wrong}>\n<p class=\"soft hint\" id=\"hint\">{hint}</p>\n\
         <label for=\"new_password_again\">Enter new password again</label>\n\
         <input id=\"new_password_again\" name=\"new_password_again\" type=\"password\" \
         autocomplete=\"new-password\" minlength=\"{LEAST}\" required>\n"
    )
}

fn code(error: Option<&str>) -> String {
    let wrong = described("hint", error);
    format!(
        "<label for=\"code\">Code</label>\n\
         <input id=\"code\" name=\"code\" inputmode=\"numeric\" autocomplete=\"one-time-code\" \
         pattern=\"[0-9 ]*\" maxlength=\"7\" required autofocus{wrong}>\n\
         <p class=\"soft hint\" id=\"hint\">Six digits, new every 30 seconds.</p>\n"
    )
}

/// What a screen reader reads with a field.
fn described(hint: &str, error: Option<&str>) -> String {
    match error {
        Some(_) => format!(" aria-invalid=\"true\" aria-describedby=\"error {hint}\""),
        None => format!(" aria-describedby=\"{hint}\""),
    }
}
