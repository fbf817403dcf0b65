//! Where roles come from: sources add up, absence is no role, and only whole values count. ★

use std::collections::BTreeSet;

use serde_json::Value;

use super::Tokens;
use crate::config::settings::{ProviderKind, RoleSource, Test};

/// What the sources give.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// Sorted and unique.
    pub roles: Vec<String>,
    /// Claims whose value granted nothing because of its type.
    pub odd: Vec<Odd>,
}

/// A claim whose value is of a type that its source cannot read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Odd {
    /// The claim's name, as the configuration has it.
    pub claim: String,
    /// What it is.
    pub is: &'static str,
}

/// The roles that `sources` read out of `tokens`.
pub fn roles(sources: &[RoleSource], provider: &ProviderKind, tokens: &Tokens<'_>) -> Found {
    // Cognito adds `<pool id>_<provider>` for every federated person: a provider, not a role.
    let automatic = match provider {
        ProviderKind::Cognito { pool_id, .. } => Some(format!("{pool_id}_")),
        ProviderKind::Oidc => None,
    };
    let (mut roles, mut odd) = (BTreeSet::new(), Vec::new());
    for source in sources {
        for claim in tokens.claims(source.token, &source.claim) {
            match granted(source, claim, automatic.as_deref()) {
                Ok(granted) => roles.extend(granted),
                Err(is) => odd.push(Odd { claim: source.claim.clone(), is }),
            }
        }
    }
    Found { roles: roles.into_iter().collect(), odd }
}

/// What one claim grants through one source, or the type that it cannot have.
fn granted(source: &RoleSource, claim: &Value, automatic: Option<&str>) -> Result<Vec<String>, &'static str> {
    if let Some(grant) = &source.grant {
        let granted = match &grant.test {
            Test::Equals(wanted) => is(claim, wanted),
            Test::Contains(wanted) => contains(claim, wanted, source)?,
        };
        return Ok(if granted { vec![grant.role.clone()] } else { vec![] });
    }
    let wanted = |value: &String| {
        !value.is_empty()
            && (source.only.is_empty() || source.only.contains(value))
            && !automatic.is_some_and(|automatic| value.starts_with(automatic))
    };
    let named = |value: String| source.rename.get(&value).cloned().unwrap_or(value);
    Ok(values(claim, source)?.into_iter().filter(wanted).map(named).collect())
}

/// The values that a claim lists.
fn values(claim: &Value, source: &RoleSource) -> Result<Vec<String>, &'static str> {
    match claim {
        Value::Array(items) if items.iter().any(|item| text(item).is_none()) => {
            Err("a list of more than texts")
        }
        Value::Array(items) => Ok(items.iter().filter_map(text).collect()),
        // A scope claim is a list separated by spaces (RFC 6749 §3.3).
        Value::String(list) if source.claim == "scope" => Ok(list.split(' ').map(str::to_owned).collect()),
        Value::String(list) => Ok(match &source.split {
            Some(separator) => list.split(separator.as_str()).map(|role| role.trim().to_owned()).collect(),
            None => vec![list.clone()],
        }),
        other => text(other).map(|text| vec![text]).ok_or_else(|| kind(other)),
    }
}

/// A text fits a scalar that is written so: a V1 trigger can only write texts.
fn is(claim: &Value, wanted: &Value) -> bool {
    claim == wanted || wanted.as_str().is_some_and(|wanted| text(claim).as_deref() == Some(wanted))
}

fn contains(claim: &Value, wanted: &Value, source: &RoleSource) -> Result<bool, &'static str> {
    match (claim, wanted) {
        (Value::Array(items), wanted) => Ok(items.iter().any(|item| is(item, wanted))),
        (Value::Object(members), Value::Object(wanted)) => {
            Ok(wanted.iter().all(|(name, value)| members.get(name).is_some_and(|member| is(member, value))))
        }
        // Never a part of a text: `admin` is no part of `no-admin`.
        (Value::String(_), Value::String(wanted)) if source.split.is_some() || source.claim == "scope" => {
            Ok(values(claim, source)?.contains(wanted))
        }
        (other, _) => Err(kind(other)),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// A scalar as text: strings as they are, numbers as JSON writes them (never through a float).
pub(super) fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests;
