//! Where roles come from: sources add up, absence is no role, and only whole values count. ★

use std::collections::BTreeSet;

use serde_json::Value;

use super::Tokens;
use crate::config::settings::{ProviderKind, RoleSource};

/// The roles that `sources` read out of `tokens`: sorted and unique.
pub fn roles(sources: &[RoleSource], provider: &ProviderKind, tokens: &Tokens<'_>) -> Vec<String> {
    let mut roles = BTreeSet::new();
    for source in sources {
        for claim in tokens.claims(source.token, &source.claim) {
            roles.extend(granted(source, claim));
        }
    }
    if let ProviderKind::Cognito { pool_id, .. } = provider {
        // Cognito adds `<pool id>_<provider>` for every federated person: a provider, not a role.
        let automatic = format!("{pool_id}_");
        roles.retain(|role| !role.starts_with(&automatic));
    }
    roles.into_iter().collect()
}

/// What one claim grants through one source. A type that is not expected grants nothing.
fn granted(source: &RoleSource, claim: &Value) -> Vec<String> {
    if let (Some(wanted), Some(role)) = (&source.equals, &source.role) {
        return if text(claim).as_deref() == Some(wanted) { vec![role.clone()] } else { vec![] };
    }
    let values = match claim {
        Value::Array(items) => items.iter().filter_map(text).collect(),
        // A scope claim is a list separated by spaces (RFC 6749 §3.3).
        Value::String(list) if source.claim == "scope" => list.split(' ').map(str::to_owned).collect(),
        Value::String(list) => match &source.split {
            Some(separator) => list.split(separator.as_str()).map(|role| role.trim().to_owned()).collect(),
            None => vec![list.clone()],
        },
        other => text(other).into_iter().collect::<Vec<_>>(),
    };
    let wanted = |role: &String| !role.is_empty() && (source.only.is_empty() || source.only.contains(role));
    values.into_iter().filter(wanted).collect()
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
