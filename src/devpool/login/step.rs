//! The steps after the password: a new one of one's own, or the code of an authenticator app.

use http::StatusCode;

use super::super::account::LEAST;
use super::super::bound::BY_CODE;
use super::super::challenge::{self, Step, StepError};
use super::super::page::{document, escape};
use super::super::state::State;
use super::{BANNER, Visit};
use crate::body::Answer;

/// What a step's form led to.
enum Taken {
    /// The user whose password is a new one.
    Password(String),
    /// The user whose code was right.
    Code(String),
}

/// Takes a step's form.
pub(super) async fn answer<'f>(visit: Visit<'_>, field: impl Fn(&'static str) -> &'f str) -> Answer {
    let session = field("session");
    let taken = take(&mut visit.pool.state(), &visit.ask.client_id, session, &field);
    match taken {
        Ok(Taken::Password(user)) => visit.go_on(user).await,
        Ok(Taken::Code(user)) => visit.finish(user, BY_CODE).await,
        Err(error) => form(&visit, session, Some(&error.to_string())),
    }
}

fn take<'f>(
    state: &mut State,
    client: &str,
    session: &str,
    field: &impl Fn(&'static str) -> &'f str,
) -> Result<Taken, StepError> {
    match challenge::find(state, session, client)?.step {
        Step::NewPassword if field("new_password") != field("new_password_again") => {
            Err(StepError::Password("Passwords do not match."))
        }
        Step::NewPassword => {
            challenge::set_password(state, session, client, field("new_password")).map(Taken::Password)
        }
        Step::Totp => {
            // As people type what they read: in two groups.
            let code = field("code").replace(' ', "");
            challenge::take_code(state, session, client, &code).map(Taken::Code)
        }
        Step::Password(_) => Err(StepError::NoSession),
    }
}

/// The form of a session's step; the first form again if the session is gone.
pub(super) fn form(visit: &Visit<'_>, session: &str, error: Option<&str>) -> Answer {
    let html = html(&visit.pool.state(), visit, session, error);
    match html {
        Ok(html) => visit.show(if error.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK }, html),
        Err(gone) => visit.form(StatusCode::BAD_REQUEST, "", Some(error.unwrap_or(&gone.to_string()))),
    }
}

fn html(state: &State, visit: &Visit<'_>, session: &str, error: Option<&str>) -> Result<String, StepError> {
    let found = challenge::find(state, session, &visit.ask.client_id)?;
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
    Ok(document(title, &body))
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
