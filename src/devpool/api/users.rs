//! Administration of users.
//!
//! <https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_AdminCreateUser.html>

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::account::{Status, judge_password};
use super::super::seed::UserSeed;
use super::super::state::{State, User};
use super::super::{Pool, random};
use super::attributes::{self, By};
use super::failure::{Failure, Kind};
use super::input::{Attribute, missing, need, part};
use super::own::show_factors;
use super::{Done, told};

/// What the operations on one user take.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Named {
    pub(super) user_pool_id: Option<String>,
    pub(super) username: Option<String>,
}

/// What `AdminCreateUser` takes.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Create {
    user_pool_id: Option<String>,
    username: Option<String>,
    #[serde(default)]
    user_attributes: Vec<Attribute>,
    temporary_password: Option<String>,
}

/// What `AdminSetUserPassword` takes.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SetPassword {
    #[serde(flatten)]
    named: Named,
    password: Option<String>,
    #[serde(default)]
    permanent: bool,
}

/// What `AdminUpdateUserAttributes` takes.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Update {
    #[serde(flatten)]
    named: Named,
    user_attributes: Option<Vec<Attribute>>,
}

/// What `ListUsers` takes.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct List {
    user_pool_id: Option<String>,
    limit: Option<u32>,
    pagination_token: Option<String>,
    filter: Option<String>,
}

pub(super) fn create(pool: &Pool, input: Create) -> Result<Done, Failure> {
    pool.is_meant(input.user_pool_id.as_deref())?;
    let name = need(input.username.as_deref(), "username")?;
    if name.chars().count() > 128 || name.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(Failure::parameter(
            "1 validation error detected: Value at 'username' failed to satisfy constraint: Member must satisfy \
             regular expression pattern: [\\p{L}\\p{M}\\p{S}\\p{N}\\p{P}]+",
        ));
    }
    let password = match input.temporary_password.filter(|password| !password.is_empty()) {
        Some(password) => judge(password)?,
        // Cognito makes one too, and sends it; nothing is sent here, so that AdminSetUserPassword has to follow.
        None => random::token::<12>(),
    };
    let mut state = pool.state();
    let key = name.to_lowercase();
    if state.users.contains_key(&key) {
        return Err(Failure::new(Kind::UsernameExists, "User account already exists"));
    }
    if state.users.len() >= MOST_USERS {
        return Err(Failure::new(Kind::LimitExceeded, "This development pool has no room for more users."));
    }
    let seed = UserSeed {
        name: name.to_owned(),
        password,
        groups: Vec::new(),
        attributes: BTreeMap::new(),
        disabled: false,
        // Whoever has the name after this one is deleted is somebody else.
        sub: Some(random::uuid()),
        pick: false,
        status: Status::ForceChangePassword,
        totp_secret: None,
    };
    let now = state.now();
    let mut user = User::new(seed, &pool.pool_id);
    user.created = now;
    attributes::write(&mut user, input.user_attributes, By::Admin, now)?;
    let shown = show(&user, "Attributes");
    state.users.insert(key, user);
    told(json!({ "User": shown }))
}

pub(super) fn delete(pool: &Pool, input: &Named) -> Result<Done, Failure> {
    let (mut state, key) = find(pool, input)?;
    state.revoke_user(&key);
    state.users.remove(&key);
    told(json!({}))
}

pub(super) fn set_password(pool: &Pool, input: &SetPassword) -> Result<Done, Failure> {
    let password = judge(need(input.password.as_deref(), "password")?.to_owned())?;
    change(pool, &input.named, |user| {
        user.password = password;
        user.status = if input.permanent { Status::Confirmed } else { Status::ForceChangePassword };
        Ok(())
    })
}

pub(super) fn read(pool: &Pool, input: &Named) -> Result<Done, Failure> {
    let (state, key) = find(pool, input)?;
    let user = state.users.get(&key).ok_or_else(nobody)?;
    let mut shown = show(user, "UserAttributes");
    show_factors(user, &mut shown);
    told(shown)
}

pub(super) fn update(pool: &Pool, input: Update) -> Result<Done, Failure> {
    let now = pool.state().now();
    let written = input.user_attributes.ok_or_else(|| missing("userAttributes"))?;
    change(pool, &input.named, |user| attributes::write(user, written, By::Admin, now))
}

pub(super) fn disable(pool: &Pool, input: &Named) -> Result<Done, Failure> {
    // For good: who is enabled again has to sign in again.
    let (mut state, key) = find(pool, input)?;
    state.revoke_user(&key);
    drop(state);
    change(pool, input, |user| {
        user.disabled = true;
        Ok(())
    })
}

pub(super) fn enable(pool: &Pool, input: &Named) -> Result<Done, Failure> {
    change(pool, input, |user| {
        user.disabled = false;
        Ok(())
    })
}

pub(super) fn sign_out(pool: &Pool, input: &Named) -> Result<Done, Failure> {
    let (mut state, key) = find(pool, input)?;
    state.revoke_user(&key);
    told(json!({}))
}

pub(super) fn list(pool: &Pool, input: &List) -> Result<Done, Failure> {
    pool.is_meant(input.user_pool_id.as_deref())?;
    let filter = input.filter.as_deref().filter(|filter| !filter.trim().is_empty());
    let filter = filter.map(Filter::read).transpose()?;
    let state = pool.state();
    let users = state.users.values().filter(|user| filter.as_ref().is_none_or(|filter| filter.fits(user)));
    let (users, next) = part(users, input.limit, input.pagination_token.as_deref())?;
    let shown: Vec<_> = users.into_iter().map(|user| show(user, "Attributes")).collect();
    let mut answer = json!({ "Users": shown });
    if let Some(next) = next {
        answer["PaginationToken"] = json!(next);
    }
    told(answer)
}

/// The state, and the key of the user that is meant in it.
pub(super) fn find<'p>(
    pool: &'p Pool,
    input: &Named,
) -> Result<(std::sync::MutexGuard<'p, State>, String), Failure> {
    pool.is_meant(input.user_pool_id.as_deref())?;
    let key = need(input.username.as_deref(), "username")?.to_lowercase();
    let state = pool.state();
    if state.users.contains_key(&key) { Ok((state, key)) } else { Err(nobody()) }
}

fn change(
    pool: &Pool,
    input: &Named,
    how: impl FnOnce(&mut User) -> Result<(), Failure>,
) -> Result<Done, Failure> {
    let (mut state, key) = find(pool, input)?;
    let now = state.now();
    let user = state.users.get_mut(&key).ok_or_else(nobody)?;
    how(user)?;
    user.modified = now;
    told(json!({}))
}

fn show(user: &User, attributes: &str) -> Value {
    json!({
        "Username": user.name,
        attributes: attributes::show(user, |_| true),
        "UserCreateDate": user.created,
        "UserLastModifiedDate": user.modified,
        "Enabled": !user.disabled,
        "UserStatus": user.status.name(),
    })
}

fn judge(password: String) -> Result<String, Failure> {
    match judge_password(&password) {
        Ok(()) => Ok(password),
        Err(words) => Err(Failure::new(Kind::InvalidPassword, words)),
    }
}

fn nobody() -> Failure {
    Failure::new(Kind::UserNotFound, "User does not exist.")
}

/// `name = "value"`, or `name ^= "value"` for a beginning.
struct Filter {
    name: String,
    value: String,
    begins: bool,
}

// === impl Filter ===

impl Filter {
    fn read(text: &str) -> Result<Self, Failure> {
        let wrong = || Failure::parameter("Invalid search filter syntax.");
        let (left, value) = text.split_once('=').ok_or_else(wrong)?;
        let (name, begins) = match left.trim_end().strip_suffix('^') {
            Some(name) => (name, true),
            None => (left, false),
        };
        let name = name.trim().trim_matches('"');
        let value = value.trim().strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        let value = value.ok_or_else(wrong)?.replace("\\\"", "\"");
        if !SEARCHABLE.contains(&name) {
            return Err(Failure::parameter(format!("Invalid search attribute: {name}")));
        }
        Ok(Self { name: name.to_owned(), value, begins })
    }

    fn fits(&self, user: &User) -> bool {
        let found = match self.name.as_str() {
            "username" => Some(user.name.to_lowercase()),
            "sub" => Some(user.sub.clone()),
            "cognito:user_status" => Some(user.status.name().to_owned()),
            "status" => Some(if user.disabled { "Disabled" } else { "Enabled" }.to_owned()),
            name => user.attributes.get(name).cloned(),
        };
        let wanted = if self.name == "username" { self.value.to_lowercase() } else { self.value.clone() };
        found.is_some_and(|found| if self.begins { found.starts_with(&wanted) } else { found == wanted })
    }
}

/// The attributes that Cognito searches by.
const SEARCHABLE: [&str; 11] = [
    "username",
    "email",
    "phone_number",
    "name",
    "given_name",
    "family_name",
    "preferred_username",
    "cognito:user_status",
    "status",
    "sub",
    "nickname",
];
const MOST_USERS: usize = 10_000;
