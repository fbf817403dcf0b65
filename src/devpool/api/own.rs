//! What the bearer of an access token may do with their own account.
//!
//! <https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_GetUser.html>

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::Pool;
use super::super::account::judge_password;
use super::super::challenge::AccountError;
use super::super::state::{Client, State, User};
use super::super::token::same;
use super::attributes::{self, By};
use super::failure::{Failure, Kind};
use super::input::{Attribute, missing, need};
use super::{Done, issue, told};

/// What `GetUser` and `GlobalSignOut` take.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Token {
    access_token: Option<String>,
}

/// What `UpdateUserAttributes` takes.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Update {
    access_token: Option<String>,
    user_attributes: Option<Vec<Attribute>>,
}

/// What `ChangePassword` takes.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Change {
    access_token: Option<String>,
    previous_password: Option<String>,
    proposed_password: Option<String>,
}

pub(super) fn read(pool: &Pool, input: &Token) -> Result<Done, Failure> {
    let mut state = pool.state();
    let (user, client) = bearer(&mut state, input.access_token.as_deref())?;
    let mut answer = json!({
        "Username": user.name,
        "UserAttributes": attributes::show(user, |name| client.may_read(name)),
    });
    show_factors(user, &mut answer);
    told(answer)
}

pub(super) fn update(pool: &Pool, input: Update) -> Result<Done, Failure> {
    let mut state = pool.state();
    let now = state.now();
    let (user, client) = bearer(&mut state, input.access_token.as_deref())?;
    let written = input.user_attributes.ok_or_else(|| missing("userAttributes"))?;
    attributes::write(user, written, By::User(&client), now)?;
    // No code is sent: this pool has no mail.
    told(json!({ "CodeDeliveryDetailsList": [] }))
}

pub(super) fn change_password(pool: &Pool, input: &Change) -> Result<Done, Failure> {
    let mut state = pool.state();
    let now = state.now();
    let proposed = need(input.proposed_password.as_deref(), "proposedPassword")?;
    let previous = input.previous_password.as_deref().unwrap_or_default();
    let (user, _) = bearer(&mut state, input.access_token.as_deref())?;
    if !same(&user.password, previous) {
        return Err(AccountError::Incorrect.into());
    }
    judge_password(proposed).map_err(|words| Failure::new(Kind::InvalidPassword, words))?;
    proposed.clone_into(&mut user.password);
    user.modified = now;
    told(json!({}))
}

pub(super) fn sign_out(pool: &Pool, input: &Token) -> Result<Done, Failure> {
    let mut state = pool.state();
    let (user, _) = bearer(&mut state, input.access_token.as_deref())?;
    let key = user.name.to_lowercase();
    state.revoke_user(&key);
    told(json!({}))
}

/// The user and the client of an access token that may be used here.
pub(super) fn bearer<'s>(
    state: &'s mut State,
    token: Option<&str>,
) -> Result<(&'s mut User, Client), Failure> {
    let refuse = |message: &str| Failure::not_authorized(message);
    let claims =
        state.keys.open(need(token, "accessToken")?).ok_or_else(|| refuse("Invalid Access Token"))?;
    let text = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default();
    if text("token_use") != "access" {
        return Err(refuse("Invalid Access Token"));
    }
    if claims.get("exp").and_then(Value::as_u64).is_none_or(|end| end <= state.now()) {
        return Err(refuse("Access Token has expired"));
    }
    let grant = state.grants.find(text("origin_jti")).filter(|grant| !grant.revoked);
    let grant = grant.ok_or_else(|| refuse("Access Token has been revoked"))?;
    if !text("scope").split(' ').any(|scope| scope == issue::SCOPE) {
        return Err(refuse("Access Token does not have required scopes"));
    }
    let (name, client) = (grant.user.clone(), state.client(&grant.client_id).cloned());
    let client = client.ok_or_else(|| refuse("Invalid Access Token"))?;
    let user = state.users.get_mut(&name);
    let user = user.ok_or_else(|| Failure::new(Kind::UserNotFound, "User does not exist."))?;
    if user.disabled { Err(AccountError::Disabled.into()) } else { Ok((user, client)) }
}

/// Adds what a user has beside the password.
pub(super) fn show_factors(user: &User, answer: &mut Value) {
    if user.totp.as_ref().is_some_and(|factor| factor.on) {
        answer["UserMFASettingList"] = json!(["SOFTWARE_TOKEN_MFA"]);
        answer["PreferredMfaSetting"] = json!("SOFTWARE_TOKEN_MFA");
    }
}
