//! Groups, and who is in them.
//!
//! <https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_CreateGroup.html>

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::Pool;
use super::super::seed::GroupSeed;
use super::failure::{Failure, Kind};
use super::input::{need, part};
use super::users::{Named, find};
use super::{Done, told};

/// What the two changes of membership take.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Membership {
    #[serde(flatten)]
    named: Named,
    group_name: Option<String>,
}

/// What `CreateGroup` takes; a description is not kept.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Create {
    user_pool_id: Option<String>,
    group_name: Option<String>,
    precedence: Option<u32>,
    role_arn: Option<String>,
}

/// What `ListGroups` takes.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct List {
    user_pool_id: Option<String>,
    limit: Option<u32>,
    next_token: Option<String>,
}

/// What `AdminListGroupsForUser` takes.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct OfUser {
    #[serde(flatten)]
    named: Named,
    limit: Option<u32>,
    next_token: Option<String>,
}

pub(super) fn add_user(pool: &Pool, input: &Membership) -> Result<Done, Failure> {
    let name = need(input.group_name.as_deref(), "groupName")?;
    let (mut state, key) = find(pool, &input.named)?;
    if !state.groups.iter().any(|group| group.name == name) {
        return Err(no_group());
    }
    if let Some(user) = state.users.get_mut(&key)
        && !user.groups.iter().any(|group| group == name)
    {
        if user.groups.len() >= MOST_OF_A_USER {
            return Err(Failure::new(Kind::LimitExceeded, "The user is in 100 groups already."));
        }
        user.groups.push(name.to_owned());
    }
    told(json!({}))
}

pub(super) fn remove_user(pool: &Pool, input: &Membership) -> Result<Done, Failure> {
    let name = need(input.group_name.as_deref(), "groupName")?;
    let (mut state, key) = find(pool, &input.named)?;
    if !state.groups.iter().any(|group| group.name == name) {
        return Err(no_group());
    }
    if let Some(user) = state.users.get_mut(&key) {
        user.groups.retain(|group| group != name);
    }
    told(json!({}))
}

pub(super) fn of_user(pool: &Pool, input: &OfUser) -> Result<Done, Failure> {
    let (state, key) = find(pool, &input.named)?;
    let of_user = state.users.get(&key).map(|user| user.groups.as_slice()).unwrap_or_default();
    let groups = state.groups.iter().filter(|group| of_user.contains(&group.name));
    listed(pool, groups, input.limit, input.next_token.as_deref())
}

pub(super) fn create(pool: &Pool, input: Create) -> Result<Done, Failure> {
    pool.is_meant(input.user_pool_id.as_deref())?;
    let name = need(input.group_name.as_deref(), "groupName")?;
    if name.chars().count() > 128 || name.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(Failure::parameter(
            "1 validation error detected: Value at 'groupName' failed to satisfy constraint: Member must satisfy \
             regular expression pattern: [\\p{L}\\p{M}\\p{S}\\p{N}\\p{P}]+",
        ));
    }
    let mut state = pool.state();
    if state.groups.iter().any(|group| group.name == name) {
        let message = format!("A group with the name {name} already exists.");
        return Err(Failure::new(Kind::GroupExists, message));
    }
    if state.groups.len() >= MOST_OF_A_POOL {
        return Err(Failure::new(Kind::LimitExceeded, "The pool has 10,000 groups already."));
    }
    let group = GroupSeed { name: name.to_owned(), precedence: input.precedence, role_arn: input.role_arn };
    let shown = show(pool, &group);
    state.groups.push(group);
    told(json!({ "Group": shown }))
}

pub(super) fn list(pool: &Pool, input: &List) -> Result<Done, Failure> {
    pool.is_meant(input.user_pool_id.as_deref())?;
    listed(pool, pool.state().groups.iter(), input.limit, input.next_token.as_deref())
}

fn listed<'g>(
    pool: &Pool,
    groups: impl Iterator<Item = &'g GroupSeed>,
    limit: Option<u32>,
    token: Option<&str>,
) -> Result<Done, Failure> {
    let (groups, next) = part(groups, limit, token)?;
    let shown: Vec<_> = groups.into_iter().map(|group| show(pool, group)).collect();
    let mut answer = json!({ "Groups": shown });
    if let Some(next) = next {
        answer["NextToken"] = json!(next);
    }
    told(answer)
}

fn show(pool: &Pool, group: &GroupSeed) -> Value {
    let mut shown = json!({ "GroupName": group.name, "UserPoolId": pool.pool_id });
    if let Some(precedence) = group.precedence {
        shown["Precedence"] = json!(precedence);
    }
    if let Some(role) = &group.role_arn {
        shown["RoleArn"] = json!(role);
    }
    shown
}

fn no_group() -> Failure {
    Failure::new(Kind::ResourceNotFound, "Group not found.")
}

const MOST_OF_A_USER: usize = 100;
const MOST_OF_A_POOL: usize = 10_000;
