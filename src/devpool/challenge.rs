//! What stands between a right password and a sign-in: steps with short-lived sessions, for the API and the page.
//!
//! <https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-authentication-flow-methods.html>

use super::account::{Status, judge_password};
use super::random;
use super::srp::Handshake;
use super::state::{State, User};
use super::token::same;
use super::totp::Wrong;

/// A step that is waited for, by its session.
pub(super) struct Challenge {
    /// Lower-cased name.
    pub(super) user: String,
    pub(super) client_id: String,
    pub(super) step: Step,
    expires: u64,
    /// Wrong answers so far.
    wrong: u8,
}

/// What is asked for.
pub(super) enum Step {
    NewPassword,
    Totp,
    /// The proof of a password. Who is unknown here is asked too, and never proves it.
    Password(Box<Handshake>),
}

/// Why a step was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum StepError {
    #[error("Invalid session for the user.")]
    NoSession,
    #[error("Invalid session for the user, session is expired.")]
    Expired,
    #[error("Invalid code received for user")]
    CodeMismatch,
    #[error("Your software token has already been used once.")]
    CodeUsed,
    #[error("{0}")]
    Password(&'static str),
    #[error(transparent)]
    Account(#[from] AccountError),
}

/// Why someone may not sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum AccountError {
    /// The same for a wrong password and an unknown name.
    #[error("Incorrect username or password.")]
    Incorrect,
    #[error("User is disabled.")]
    Disabled,
    #[error("User is not confirmed.")]
    Unconfirmed,
    #[error("Password reset required for the user")]
    ResetRequired,
}

/// The key of the user whose name and password these are, if that user may sign in.
pub(super) fn check_password(state: &State, name: &str, password: &str) -> Result<String, AccountError> {
    let key = name.trim().to_lowercase();
    let user = state.users.get(&key).filter(|user| same(&user.password, password));
    admit(user.ok_or(AccountError::Incorrect)?)?;
    Ok(key)
}

/// The user may sign in, now that the password is known to be right.
pub(super) fn admit(user: &User) -> Result<(), AccountError> {
    match user.status {
        _ if user.disabled => Err(AccountError::Disabled),
        Status::Unconfirmed => Err(AccountError::Unconfirmed),
        Status::ResetRequired => Err(AccountError::ResetRequired),
        Status::Confirmed | Status::ForceChangePassword => Ok(()),
    }
}

/// What a user still has to do whose password was right.
pub(super) fn next_step(user: &User) -> Option<Step> {
    match user.status {
        Status::ForceChangePassword => Some(Step::NewPassword),
        _ => user.totp.as_ref().is_some_and(|factor| factor.on).then_some(Step::Totp),
    }
}

/// Asks for a step; what comes back is its session.
pub(super) fn ask(state: &mut State, user: &str, client_id: &str, step: Step) -> String {
    let session = random::session();
    let expires = state.now().saturating_add(LIFETIME);
    let asked = Challenge { user: user.to_owned(), client_id: client_id.to_owned(), step, expires, wrong: 0 };
    state.challenges.insert(session.clone(), asked);
    session
}

/// The step of a session, while it lasts, for the client it was asked for.
pub(super) fn find<'s>(state: &'s State, session: &str, client_id: &str) -> Result<&'s Challenge, StepError> {
    let found = state.challenges.find(session).filter(|found| found.client_id == client_id);
    let found = found.ok_or(StepError::NoSession)?;
    if found.expires <= state.now() { Err(StepError::Expired) } else { Ok(found) }
}

/// Sets the new password that was asked for. The session is used up; the user's key comes back.
pub(super) fn set_password(
    state: &mut State,
    session: &str,
    client_id: &str,
    password: &str,
) -> Result<String, StepError> {
    let found = find(state, session, client_id)?;
    if !matches!(found.step, Step::NewPassword) {
        return Err(StepError::NoSession);
    }
    let name = found.user.clone();
    judge_password(password).map_err(StepError::Password)?;
    let now = state.now();
    let user = state.users.get_mut(&name).ok_or(StepError::NoSession)?;
    admit(user)?;
    password.clone_into(&mut user.password);
    user.status = Status::Confirmed;
    user.modified = now;
    state.challenges.remove(session);
    Ok(name)
}

/// Uses the code that was asked for. The session is used up by a right code, or by too many wrong ones.
pub(super) fn take_code(
    state: &mut State,
    session: &str,
    client_id: &str,
    code: &str,
) -> Result<String, StepError> {
    let now = state.now();
    let found = find(state, session, client_id)?;
    if !matches!(found.step, Step::Totp) {
        return Err(StepError::NoSession);
    }
    let name = found.user.clone();
    let user = state.users.get_mut(&name).ok_or(StepError::NoSession)?;
    admit(user)?;
    let factor = user.totp.as_mut().ok_or(StepError::NoSession)?;
    let Err(wrong) = factor.take(code, now) else {
        state.challenges.remove(session);
        return Ok(name);
    };
    if let Some(found) = state.challenges.find_mut(session) {
        found.wrong = found.wrong.saturating_add(1);
        if found.wrong >= MOST_WRONG {
            state.challenges.remove(session);
        }
    }
    Err(match wrong {
        Wrong::Mismatch => StepError::CodeMismatch,
        Wrong::Used => StepError::CodeUsed,
    })
}

/// As long as the API's sessions are unless a client says otherwise.
const LIFETIME: u64 = 3 * 60;
/// So that nobody tries all codes in one session.
const MOST_WRONG: u8 = 5;
